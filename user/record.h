/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * record: a run's raw events, in a file (.spr), and back.
 *
 * The file is a header (magic, version, seed of the ids, wall offset, host resource) and frames
 * {u32 type, u32 length, bytes}: EVENT (a record of the ring, in the order that receive has
 * restored, so that processes and clocks stand where they became known), PROCESS (pid, start,
 * runtime, resource), CLOCK (a new wall offset), END (count of events: the file is whole).
 */
#ifndef SPANPROBE_RECORD_H
#define SPANPROBE_RECORD_H

#include <stdint.h>

#include "base/buf.h"
#include "process.h"
#include "resource.h"

#define RECORD_VERSION 1

struct record_header {
	uint64_t seed;
	int64_t wall_offset_ns;
	struct resource *host; /* writer: borrowed; reader: a reference for the caller */
};

struct recorder;

int recorder__new(const char *path, const struct record_header *header, struct recorder **ret,
		  struct buf *why);
int recorder__event(struct recorder *recorder, const void *record, size_t size);
int recorder__process(struct recorder *recorder, const struct process *process);
int recorder__clock(struct recorder *recorder, int64_t wall_offset_ns);
int recorder__close(struct recorder *recorder); /* writes END; 0 or the first error */

struct replay_sink {
	void (*event)(void *ctx, const void *record, size_t size);
	void (*process)(void *ctx, struct process *process);
	void (*clock)(void *ctx, int64_t wall_offset_ns);
	void *ctx;
};

struct replayer;

/* -EBADMSG: not a recording; -EPROTO: of another version */
int replayer__new(const char *path, struct record_header *ret_header, struct replayer **ret,
		  struct buf *why);
/* All frames. 0 when whole; -EBADMSG when it is cut or broken: why says after how many good
 * events; those have been handed over. */
int replayer__run(struct replayer *replayer, struct replay_sink sink, struct buf *why);
uint64_t replayer__events(const struct replayer *replayer);
void replayer__free(struct replayer *replayer);

#endif
