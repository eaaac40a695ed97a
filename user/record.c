// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receive.h"

static const char magic[8] = "spanprb";

#define FRAME_BYTES_MAX (1u << 20) /* a longer one is not ours */
#define FILE_BUFFER	(256u << 10)

enum frame_type { FRAME_EVENT = 1, FRAME_PROCESS, FRAME_CLOCK, FRAME_END };

struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t host_bytes; /* the encoded resource that follows */
	uint64_t seed;
	int64_t wall_offset_ns;
};

struct frame_head {
	uint32_t type;
	uint32_t bytes;
};

struct process_frame {
	uint64_t start_ticks;
	uint32_t pid;
	uint32_t runtime;
	/* the encoded resource follows */
};

/* --- writing ---------------------------------------------------------------------------- */

struct recorder {
	FILE *file;
	uint64_t events;
	int error; /* the first one: nothing is written after it, so that the file ends cleanly */
	struct buf scratch;
};

static void put(struct recorder *recorder, const void *p, size_t n)
{
	if (!recorder->error && n && fwrite(p, 1, n, recorder->file) != n)
		recorder->error = errno ? -errno : -EIO;
}

static int put_frame(struct recorder *recorder, enum frame_type type, const void *p, size_t n)
{
	struct frame_head head = { type, (uint32_t)n };

	if (n > FRAME_BYTES_MAX)
		return -EMSGSIZE;
	put(recorder, &head, sizeof(head));
	put(recorder, p, n);
	return recorder->error;
}

int recorder__new(const char *path, const struct record_header *header, struct recorder **ret,
		  struct buf *why)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	struct file_head head = { .version = RECORD_VERSION,
				  .seed = header->seed,
				  .wall_offset_ns = header->wall_offset_ns };

	if (!recorder)
		return -ENOMEM;
	recorder->file = fopen(path, "we");
	if (!recorder->file) {
		int err = -errno;

		buf__printf(why, "--output %s: %s; give a file that can be written", path,
			    strerror(-err));
		free(recorder);
		return err;
	}
	setvbuf(recorder->file, NULL, _IOFBF, FILE_BUFFER);
	memcpy(head.magic, magic, sizeof(magic));
	if (header->host)
		resource__encode(header->host, &recorder->scratch);
	head.host_bytes = (uint32_t)recorder->scratch.n;
	put(recorder, &head, sizeof(head));
	put(recorder, recorder->scratch.p, recorder->scratch.n);
	*ret = recorder;
	return 0;
}

int recorder__event(struct recorder *recorder, const void *record, size_t size)
{
	int err = put_frame(recorder, FRAME_EVENT, record, size);

	if (!err)
		recorder->events++;
	return err;
}

int recorder__process(struct recorder *recorder, const struct process *process)
{
	struct process_frame frame = { process->start_ticks, process->pid,
				       (uint32_t)process->runtime };
	struct buf *scratch = &recorder->scratch;

	buf__clear(scratch);
	buf__append(scratch, &frame, sizeof(frame));
	resource__encode(process->resource, scratch);
	if (scratch->failed)
		return -ENOMEM;
	return put_frame(recorder, FRAME_PROCESS, scratch->p, scratch->n);
}

int recorder__clock(struct recorder *recorder, int64_t wall_offset_ns)
{
	return put_frame(recorder, FRAME_CLOCK, &wall_offset_ns, sizeof(wall_offset_ns));
}

int recorder__close(struct recorder *recorder)
{
	put_frame(recorder, FRAME_END, &recorder->events, sizeof(recorder->events));
	int err = recorder->error;

	if (fclose(recorder->file) != 0 && !err)
		err = -errno;
	buf__release(&recorder->scratch);
	free(recorder);
	return err;
}

/* --- reading ---------------------------------------------------------------------------- */

struct replayer {
	FILE *file;
	uint64_t events;
	char *frame; /* malloc'd, 8-aligned: events are looked at in place */
	size_t frame_room;
};

/* All n bytes, or false: the file ends within them. */
static bool get(struct replayer *replayer, void *p, size_t n)
{
	return n == 0 || fread(p, 1, n, replayer->file) == n;
}

static bool get_block(struct replayer *replayer, size_t n)
{
	if (n > replayer->frame_room) {
		char *grown = realloc(replayer->frame, n);

		if (!grown)
			return false;
		replayer->frame = grown;
		replayer->frame_room = n;
	}
	return get(replayer, replayer->frame, n);
}

static int read_file_head(struct replayer *replayer, const char *path,
			  struct record_header *ret_header, struct buf *why)
{
	struct file_head head;

	if (!get(replayer, &head, sizeof(head)) || memcmp(head.magic, magic, sizeof(magic)) != 0) {
		buf__printf(why,
			    "%s: not a recording of spanprobe (0 good events); give a file "
			    "that `spanprobe record` wrote",
			    path);
		return -EBADMSG;
	}
	if (head.version != RECORD_VERSION) {
		buf__printf(why,
			    "%s: a recording of version %" PRIu32 ", this spanprobe reads %d "
			    "(0 good events); replay it with the spanprobe that wrote it",
			    path, head.version, RECORD_VERSION);
		return -EPROTO;
	}
	ret_header->seed = head.seed;
	ret_header->wall_offset_ns = head.wall_offset_ns;
	ret_header->host = NULL;
	if (head.host_bytes <= FRAME_BYTES_MAX && get_block(replayer, head.host_bytes))
		ret_header->host = resource__decode(slice(replayer->frame, head.host_bytes));
	if (!ret_header->host) {
		buf__printf(why, "%s: the header is cut or broken (0 good events); record again",
			    path);
		return -EBADMSG;
	}
	return 0;
}

int replayer__new(const char *path, struct record_header *ret_header, struct replayer **ret,
		  struct buf *why)
{
	struct replayer *replayer = calloc(1, sizeof(*replayer));
	int err;

	if (!replayer)
		return -ENOMEM;
	replayer->file = fopen(path, "re");
	if (!replayer->file) {
		err = -errno;
		buf__printf(why, "%s: %s; give a recording that can be read", path, strerror(-err));
	} else {
		setvbuf(replayer->file, NULL, _IOFBF, FILE_BUFFER);
		err = read_file_head(replayer, path, ret_header, why);
	}
	if (err)
		replayer__free(replayer);
	else
		*ret = replayer;
	return err;
}

static bool hand_process(struct slice bytes, const struct replay_sink *sink)
{
	struct process_frame frame;

	if (bytes.n < sizeof(frame))
		return false;
	memcpy(&frame, bytes.p, sizeof(frame));
	struct resource *resource = resource__decode(slice_from(bytes, sizeof(frame)));
	struct process *process = NULL;

	if (resource && frame.runtime < RUNTIME_COUNT && frame.pid)
		process = process__new(frame.pid, frame.start_ticks, (enum runtime)frame.runtime,
				       resource);
	resource__unref(resource);
	if (!process)
		return false;
	if (sink->process)
		sink->process(sink->ctx, process);
	process__unref(process);
	return true;
}

static bool hand_frame(struct replayer *replayer, uint32_t type, struct slice bytes,
		       const struct replay_sink *sink)
{
	int64_t offset;

	switch (type) {
	case FRAME_EVENT:
		if (!event__valid(bytes.p, bytes.n))
			return false;
		replayer->events++;
		sink->event(sink->ctx, bytes.p, bytes.n);
		return true;
	case FRAME_PROCESS:
		return hand_process(bytes, sink);
	case FRAME_CLOCK:
		if (bytes.n != sizeof(offset))
			return false;
		memcpy(&offset, bytes.p, sizeof(offset));
		if (sink->clock)
			sink->clock(sink->ctx, offset);
		return true;
	default:
		return false;
	}
}

int replayer__run(struct replayer *replayer, struct replay_sink sink, struct buf *why)
{
	const char *reason = "cut";
	struct frame_head head;
	uint64_t count;

	while (get(replayer, &head, sizeof(head))) {
		if (head.bytes > FRAME_BYTES_MAX) {
			reason = "broken";
			break;
		}
		if (!get_block(replayer, head.bytes))
			break;
		if (head.type == FRAME_END && head.bytes == sizeof(count)) {
			memcpy(&count, replayer->frame, sizeof(count));
			if (count == replayer->events && fgetc(replayer->file) == EOF)
				return 0;
			reason = "broken";
			break;
		}
		if (!hand_frame(replayer, head.type, slice(replayer->frame, head.bytes), &sink)) {
			reason = "broken";
			break;
		}
	}
	buf__printf(why,
		    "the recording is %s after %" PRIu64 " good events, which were replayed; "
		    "record again for the rest",
		    reason, replayer->events);
	return -EBADMSG;
}

uint64_t replayer__events(const struct replayer *replayer)
{
	return replayer->events;
}

void replayer__free(struct replayer *replayer)
{
	if (!replayer)
		return;
	if (replayer->file)
		fclose(replayer->file);
	free(replayer->frame);
	free(replayer);
}
