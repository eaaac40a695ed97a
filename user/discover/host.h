/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What every resource of this machine has in common: host.*, os.*. */
#ifndef SPANPROBE_DISCOVER_HOST_H
#define SPANPROBE_DISCOVER_HOST_H

#include "base/buf.h"
#include "resource.h"

/* 0 or -ENOMEM, -E2BIG; what cannot be found out is left away, but for host.id */
int host__describe(struct resource *resource);
/* Appends the host id; returns where it is from: NULL for the machine id, else "boot_id" or
 * "hostname". */
const char *host__id(struct buf *out);
void host__boot_id(struct buf *out);
/* Read once: what stays the same until the next boot. */
struct host_boot {
	uint64_t seconds; /* Unix time of it; 0: unknown */
	char ids[128];	  /* "HOST-ID/BOOT-ID" */
};
const struct host_boot *host__boot(void);
/* Name of a user of this machine, from /etc/passwd alone (no directory service is asked: it
 * could block); the number when it has none */
void host__user(uint32_t uid, struct buf *out);

#endif
