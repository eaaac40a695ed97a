/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Tells the service manager how far the agent is (sd_notify(3), without the library). */
#ifndef SPANPROBE_NOTIFY_H
#define SPANPROBE_NOTIFY_H

/* state: "READY=1", "STOPPING=1". Does nothing without NOTIFY_SOCKET; failures do not matter. */
void notify(const char *state);

#endif
