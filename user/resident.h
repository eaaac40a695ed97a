/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Keeps the agent's resident memory small. */
#ifndef SPANPROBE_RESIDENT_H
#define SPANPROBE_RESIDENT_H

/* Gives back the pages that only the start needed: code and constants of the libraries (they come
 * back from the page cache when they are used), and free heap. */
void resident__trim(void);

#endif
