/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The agent's own counters: what was seen, what was lost, by name. One object, passed to every
 * stage; plain counters, one thread. */
#ifndef SPANPROBE_STATS_H
#define SPANPROBE_STATS_H

#include <stdint.h>

#include "loss.h"
#include "parent_by.h"

struct buf;
struct tally;

struct stats {
	uint64_t lost[LOSS_COUNT]; /* kernel losses are copied in by load__losses */
	uint64_t events;
	uint64_t event_bytes;
	uint64_t payload_bytes;
	uint64_t conns_opened;
	uint64_t conns_closed;
	uint64_t requests_served; /* exchanges on the server side */
	uint64_t requests_made;	  /* exchanges on the client side */
	uint64_t connects_failed; /* exchanges that are a connect and nothing more */
	uint64_t spans_made;
	uint64_t spans_exported; /* accepted by at least one exporter's receiver */
	uint64_t parents[PARENT_BY_COUNT];
	uint64_t roots[ROOT_WHY_COUNT];
	struct tally *tally; /* the same by process; owned by whoever owns this; NULL: not kept */
};

const char *loss__name(enum loss loss); /* "ring.data" */
const char *loss__text(enum loss loss);

/* The summary that is printed at exit and, as `--stats`, on the way. */
void stats__print(const struct stats *stats, struct buf *out);

#endif
