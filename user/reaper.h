/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef SPANPROBE_REAPER_H
#define SPANPROBE_REAPER_H

struct bpf_link;
struct reaper;

/*
 * The kernel lets go of a uprobe only after every CPU has been through: some 25 ms each, whoever
 * waits. Those of many processes wait at the same time, and none of them keeps the agent waiting.
 */
struct reaper *reaper__new(void); /* NULL: no memory */
/* Takes the link, which stops to fire soon. */
void reaper__take(struct reaper *reaper, struct bpf_link *link);
/* Waits until all of them are gone. */
void reaper__free(struct reaper *reaper);

#endif
