/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* DATA records: the bytes of a call, from one buffer or from many, in records of a few sizes. */
#ifndef SPANPROBE_BPF_PAYLOAD_H
#define SPANPROBE_BPF_PAYLOAD_H

#include "emit.h"
#include "vector.h"

static __always_inline void data__fill(struct event_data *record, const struct moved *moved,
				       __u32 captured)
{
	event__fill(&record->event, EVENT_DATA, bound__record(captured), moved->pid_tgid,
		    moved->now);
	record->event.flags = moved->flags;
	record->conn = moved->conn;
	record->position = moved->position;
	record->length = moved->length;
	record->offset = moved->offset;
	record->captured = captured;
	record->dir = moved->dir;
	record->pad[0] = record->pad[1] = record->pad[2] = 0;
}

/*
 * One record of a class. `n` bytes are read from `from`, which is the caller's memory or our own
 * scratch. The asm keeps the branches of the classes apart: merged, the size of the reservation
 * would be a variable, which the verifier does not take.
 */
#define PAYLOAD_RECORD(CLASS)                                                                      \
	({                                                                                         \
		struct event_data *record =                                                        \
			bpf_ringbuf_reserve(ring, sizeof(*record) + (CLASS), 0);                   \
		asm volatile("# class " #CLASS);                                                   \
		n = bound__to(n, CLASS);                                                           \
		if (record) {                                                                      \
			long err_;                                                                 \
			data__fill(record, moved, n);                                              \
			if (n) /* no stale bytes in the padding */                                 \
				*(__u64 *)(record->bytes + (bound__to(n - 1, (CLASS)-1) & ~7u)) =  \
					0;                                                         \
			err_ = user ? bpf_probe_read_user(record->bytes, n, from) :                \
				      bpf_probe_read_kernel(record->bytes, n, from);               \
			if (err_) {                                                                \
				loss__count(LOSS_READ_FAULT, n);                                   \
				record->captured = 0;                                              \
				record->event.size = sizeof(*record);                              \
				record->event.flags |= EVENT_UNSEEN;                               \
			}                                                                          \
			ring__submit(ring, record, sizeof(*record) + (CLASS));                     \
			moved->written = 1;                                                        \
		} else {                                                                           \
			loss__count(LOSS_RING_DATA, 1);                                            \
		}                                                                                  \
	})

static __always_inline void payload__record(struct moved *moved, __u32 n, const void *from,
					    const bool user)
{
	void *ring = ring__of_cpu();

	if (!ring)
		return;
	if (n <= DATA_CLASS_0)
		PAYLOAD_RECORD(DATA_CLASS_0);
	else if (n <= DATA_CLASS_1)
		PAYLOAD_RECORD(DATA_CLASS_1);
	else if (n <= DATA_CLASS_2)
		PAYLOAD_RECORD(DATA_CLASS_2);
	else
		PAYLOAD_RECORD(DATA_CLASS_3);
}

/* The length alone: bytes that no hook can read. */
static __always_inline void payload__unseen(struct moved *moved)
{
	void *ring = ring__of_cpu();
	struct event_data *record = record__reserve(ring, sizeof(*record), LOSS_RING_DATA);

	if (!record)
		return;
	moved->flags |= EVENT_UNSEEN;
	moved->offset = 0;
	data__fill(record, moved, 0);
	ring__submit(ring, record, sizeof(*record));
	moved->written = 1;
}

#define RECORDS_PER_CALL (CALL_BYTES_MAX / DATA_BYTES_MAX)

/* The rest of the call but its end is not wanted. Returns 0: there is more to capture. */
static __always_inline long moved__to_tail(struct moved *moved)
{
	if (moved->want || !moved->tail)
		return !moved->want;
	moved->offset = moved->length - moved->tail;
	moved->want = moved->tail;
	moved->tail = 0;
	return 0;
}

/* bpf_loop takes its context on the stack only */
struct loop {
	struct scratch *scratch;
};

static long buffer__record(__u32 i, void *ctx)
{
	struct moved *moved = &((struct loop *)ctx)->scratch->moved;
	__u32 n = moved->want > DATA_BYTES_MAX ? DATA_BYTES_MAX : moved->want;

	payload__record(moved, n, (const void *)(moved->at + moved->offset), true);
	moved->offset += n;
	moved->want -= n;
	return moved__to_tail(moved);
}

static long vector__segment(__u32 i, void *ctx)
{
	struct scratch *scratch = ((struct loop *)ctx)->scratch;

	return walk__step(&scratch->walk, scratch->bytes);
}

static long vector__record(__u32 i, void *ctx)
{
	struct scratch *scratch = ((struct loop *)ctx)->scratch;
	struct moved *moved = &scratch->moved;
	struct walk *walk = &scratch->walk;
	__u32 before;
	bool whole;
	long done;

	walk->filled = 0;
	walk->want = moved->want > DATA_BYTES_MAX ? DATA_BYTES_MAX : moved->want;
	bpf_loop(IOV_SEGMENTS_MAX + 1, vector__segment, ctx, 0);
	whole = walk->filled >= walk->want;
	if (walk->filled) {
		payload__record(moved, walk->filled, scratch->bytes, false);
		moved->offset += walk->filled;
		moved->want -= walk->filled;
	}
	if (walk->fault)
		loss__count(LOSS_READ_FAULT, moved->want);
	else if (!whole && walk->cut)
		loss__count(LOSS_IOV_CUT, 1);
	if (!whole)
		return 1;
	before = moved->offset;
	done = moved__to_tail(moved);
	walk->skip += moved->offset - before;
	return done;
}

static __noinline int payload__buffer(struct scratch *scratch)
{
	struct loop loop = { scratch };

	if (scratch->moved.want <= DATA_BYTES_MAX && !scratch->moved.tail)
		buffer__record(0, &loop);
	else
		bpf_loop(RECORDS_PER_CALL + 1, buffer__record, &loop, 0);
	return 0;
}

static __noinline int payload__vector(struct scratch *scratch)
{
	struct loop loop = { scratch };

	if (scratch->moved.want <= DATA_BYTES_MAX && !scratch->moved.tail)
		vector__record(0, &loop);
	else
		bpf_loop(RECORDS_PER_CALL + 1, vector__record, &loop, 0);
	return 0;
}

static __always_inline void walk__begin(struct walk *walk, const struct source *source,
					__u32 offset)
{
	walk->at = source->at;
	walk->skip = source->skip + offset;
	walk->cut = source->count > IOV_SEGMENTS_MAX;
	walk->segments = walk->cut ? IOV_SEGMENTS_MAX : source->count;
	walk->kernel = source->kernel;
	walk->fault = 0;
}

/* scratch->moved is filled in */
static __always_inline void payload__emit(struct scratch *scratch, const struct source *source)
{
	struct moved *moved = &scratch->moved;

	if (source->kind == SOURCE_BUFFER) {
		moved->at = source->at;
		payload__buffer(scratch);
	} else if (source->kind == SOURCE_VECTOR) {
		walk__begin(&scratch->walk, source, moved->offset);
		payload__vector(scratch);
	} else {
		loss__count(LOSS_UNSEEN_BYTES, moved->want);
	}
	if (!moved->written)
		payload__unseen(moved);
}

#endif
