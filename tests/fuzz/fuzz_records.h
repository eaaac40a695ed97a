/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Fuzz bytes -> records: an operation, its connection, then what it needs. */
#ifndef SPANPROBE_FUZZ_RECORDS_H
#define SPANPROBE_FUZZ_RECORDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"
#include "process.h"
#include "recipe.h"

#define FUZZ_CONNS 8
#define FUZZ_PIDS  4

struct fuzz {
	const uint8_t *data;
	size_t size;
	uint64_t now_ns;
	uint64_t ids[FUZZ_CONNS]; /* of the connection that a slot stands for now */
	uint64_t next_id;
	uint64_t position[FUZZ_CONNS][DIR_COUNT];
	struct processes *processes;
	struct pipeline *pipeline;
};

static const char *const fuzz_texts[] = {
	"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
	"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	"5\r\nhello\r\n",
	"0\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"GET /t HTTP/1.1\r\ntraceparent: 00-11111111111111111111111111111111-2222222222222222-01\r\n\r\n",
	"HEAD /h HTTP/1.0\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\nuntil the close",
	"GET /half HTTP/1.1\r\nX-",
	"CONNECT x:1 HTTP/1.1\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\n\r\n",
	"GET /n HTTP/1.1\r\nb3: 0\r\n\r\n",
};
#define FUZZ_TEXTS (sizeof(fuzz_texts) / sizeof(fuzz_texts[0]))

static uint8_t fuzz__byte(struct fuzz *fuzz)
{
	if (!fuzz->size)
		return 0;
	fuzz->size--;
	return *fuzz->data++;
}

/* Mostly small; all of the range can be reached. */
static uint64_t fuzz__number(struct fuzz *fuzz)
{
	uint8_t byte = fuzz__byte(fuzz);
	uint64_t low = fuzz__byte(fuzz);

	return byte < 200 ? byte : byte < 250 ? low << (byte - 194) : -low;
}

static void fuzz__no_policy(void *ctx, const struct capture_policy *policy)
{
}

static void fuzz__open(struct fuzz *fuzz, struct stats *stats, struct span_sink next)
{
	uint8_t choice = fuzz__byte(fuzz);
	struct pipeline_opts opts = {
		.stats = stats,
		.processes = fuzz->processes = processes__new(),
		.policy = { fuzz__no_policy, NULL },
		.sampler = { choice & 1, choice & 2 ? SAMPLER_RATIO : SAMPLER_ALWAYS_ON, 0.5 },
		.ordered = choice & 4,
		.seeded = true,
		.seed = choice,
		.next = next,
	};

	for (uint32_t pid = 1; pid < FUZZ_PIDS; pid++) {
		struct process *process = process__new(
			pid, 1, pid == 1 ? RUNTIME_NATIVE : RUNTIME_NGINX + pid - 2, NULL);

		processes__add(fuzz->processes, process);
		process__unref(process);
	}
	fuzz->now_ns = 1ull << 40;
	fuzz->pipeline = pipeline__new(&opts);
	for (int i = 0; i < FUZZ_CONNS; i++)
		fuzz->ids[i] = ++fuzz->next_id;
}

static void fuzz__close(struct fuzz *fuzz)
{
	pipeline__free(fuzz->pipeline);
	processes__free(fuzz->processes);
}

/* An exact copy: the sanitizer sees every read beyond. */
static void fuzz__push(struct fuzz *fuzz, const void *record, size_t size)
{
	void *copy = memcpy(malloc(size), record, size);

	pipeline__push(fuzz->pipeline, copy, size);
	free(copy);
}

/* Slots 2n and 2n + 1 are the ends of one connection; the last pair is a Unix socket. */
static struct conn_tuple fuzz__tuple(struct fuzz *fuzz, unsigned int slot)
{
	uint8_t choice = fuzz__byte(fuzz);
	bool unix_socket = slot >= FUZZ_CONNS - 2, second = slot & 1;

	return (struct conn_tuple){
		.netns_cookie = 1,
		.sock = 100 + slot,
		.peer_sock = unix_socket ? 100 + (slot ^ 1) : 0,
		.base_seq = { 1000 + !second, 1000 + second },
		.local_port = second ? 80 : 9000 + slot,
		.peer_port = second ? 9000 + (slot ^ 1) : 80,
		.family = unix_socket ? FAMILY_UNIX : FAMILY_INET,
		.role = choice & 3,
		.flags = choice >> 2 & CONN_MIDSTREAM,
	};
}

static void fuzz__data(struct fuzz *fuzz, struct event event, unsigned int slot)
{
	union {
		struct event_data data;
		char room[sizeof(struct event_data) + DATA_BYTES_MAX];
	} u = { .data = { .event = event, .conn = fuzz->ids[slot] } };
	struct event_data *data = &u.data;
	uint8_t choice = fuzz__byte(fuzz);
	uint64_t *position;

	data->dir = choice & 1;
	position = &fuzz->position[slot][data->dir];
	if ((choice >> 1) % 20 < FUZZ_TEXTS) {
		const char *text = fuzz_texts[(choice >> 1) % 20];

		data->captured = strlen(text);
		memcpy(data->bytes, text, data->captured);
	} else {
		data->captured = fuzz__number(fuzz) & 0xfff;
		for (uint32_t i = 0; i < data->captured; i++)
			data->bytes[i] = (char)fuzz__byte(fuzz);
	}
	data->length = data->captured;
	choice = fuzz__byte(fuzz);
	if (choice & 0x10)
		data->length += fuzz__number(fuzz);
	if (choice & 0x20)
		*position += fuzz__number(fuzz) & 0xffffff;
	if (choice & 0x40)
		data->offset = fuzz__number(fuzz) & 0xffff;
	data->position = *position;
	if ((choice & 0xc0) == 0x80) /* comes again */
		data->position -= fuzz__byte(fuzz);
	else
		*position += data->length;
	data->event.size = (sizeof(*data) + data->captured + 7) & ~7u;
	fuzz__push(fuzz, data, data->event.size);
}

static void fuzz__end(struct fuzz *fuzz, struct event event, unsigned int slot)
{
	uint8_t choice = fuzz__byte(fuzz);
	uint64_t more = choice & 0x10 ? fuzz__number(fuzz) : 0;
	const uint64_t *position = fuzz->position[slot];
	struct event_shut shut = { event,
				   fuzz->ids[slot],
				   position[choice & 1] + more,
				   choice & 4 ? 104 : 0,
				   choice & 1,
				   { 0 } };
	struct event_mark mark = { event,
				   fuzz->ids[slot],
				   position[choice & 1] + more,
				   event.time_ns - (choice >> 3),
				   event.tid,
				   choice & 1,
				   { 0 } };
	struct event_conn_close close = { event,
					  fuzz->ids[slot],
					  { position[0], position[1] + more },
					  { event.time_ns, choice & 4 ? 0 : event.time_ns },
					  choice & 8 ? 111 : 0,
					  0,
					  0,
					  choice & 1,
					  { 0 } };

	shut.event.size = sizeof(shut);
	mark.event.size = sizeof(mark);
	close.event.size = sizeof(close);
	if (event.kind == EVENT_SHUT)
		fuzz__push(fuzz, &shut, sizeof(shut));
	if (event.kind == EVENT_MARK)
		fuzz__push(fuzz, &mark, sizeof(mark));
	if (event.kind != EVENT_CONN_CLOSE)
		return;
	fuzz__push(fuzz, &close, sizeof(close));
	fuzz->ids[slot] = ++fuzz->next_id;
	memset(fuzz->position[slot], 0, sizeof(fuzz->position[slot]));
}

static void fuzz__task(struct fuzz *fuzz, struct event event)
{
	uint8_t choice = fuzz__byte(fuzz);
	struct event_task task = { .event = event, .change = choice & 3, .child_pid = choice >> 4 };
	struct event_unit unit = { .event = event,
				   .change = choice & 31,
				   .other_tid = choice >> 5 };

	task.event.size = sizeof(task);
	unit.event.size = sizeof(unit);
	if (event.kind == EVENT_UNIT) {
		uint8_t what = fuzz__byte(fuzz);

		/* few numbers, so that they meet; times are numbers too */
		unit.event.unit = what & 7;
		unit.other_unit = what & 0x40 ? event.time_ns - (what & 7) * 1000 : what >> 3 & 7;
		unit.arg = unit.change == UNIT_MODULE ?
				   what % (UNITS_KIND_COUNT + 1) | (uint64_t)(what & 0x80) << 1 :
				   what >> 2 & 7;
		unit.event.flags = what & (EVENT_WAIT_SHORT | EVENT_WAIT_LONG);
	}
	if (event.kind == EVENT_TASK)
		fuzz__push(fuzz, &task, sizeof(task));
	else
		fuzz__push(fuzz, &unit, sizeof(unit));
}

static void fuzz__name(struct fuzz *fuzz, struct event event)
{
	static const char *const names[] = { "java/util/concurrent/FutureTask",
					     "java/util/concurrent/CompletableFuture$Signaller",
					     "java/util/concurrent/SynchronousQueue$TransferStack",
					     "" };
	uint8_t choice = fuzz__byte(fuzz);
	struct event_name name = { .event = event, .key = choice & 7 };

	name.event.size = sizeof(name);
	memset(name.text, choice & 0x80 ? 'x' : 0, sizeof(name.text));
	snprintf(name.text, sizeof(name.text), "%s", names[choice >> 3 & 3]);
	name.text[NAME_BYTES - 1] = choice & 0x40 ? 'x' : 0;
	fuzz__push(fuzz, &name, sizeof(name));
}

/* Any bytes, under a header that is nearly right. */
static void fuzz__raw(struct fuzz *fuzz)
{
	uint64_t record[32] = { 0 };
	size_t size = 8 + (fuzz__byte(fuzz) & 31) * 8;

	size = size > sizeof(record) ? sizeof(record) : size;
	for (size_t i = 4; i < size; i++)
		((uint8_t *)record)[i] = fuzz__byte(fuzz);
	((struct event *)record)->size = (uint32_t)size + (size > 40 ? 0 : fuzz__byte(fuzz) % 9);
	fuzz__push(fuzz, record, size);
}

static void fuzz__step(struct fuzz *fuzz)
{
	uint8_t choice = fuzz__byte(fuzz), who = fuzz__byte(fuzz);
	unsigned int slot = choice >> 4 & (FUZZ_CONNS - 1);
	struct event event = { .kind = choice & 0x0f, .pid = who & 3, .tid = who >> 2 & 7 };

	event.unit = who & 7;
	event.time_ns = fuzz->now_ns += 1000ull * (who >> 5);
	switch (event.kind) {
	case EVENT_CONN_OPEN:
	case EVENT_CONNECT: {
		struct event_conn_open open = { event, fuzz->ids[slot], fuzz__tuple(fuzz, slot) };

		open.event.size = sizeof(open);
		fuzz__push(fuzz, &open, sizeof(open));
		break;
	}
	case EVENT_TASK:
	case EVENT_UNIT:
		fuzz__task(fuzz, event);
		break;
	case 0:
		fuzz__raw(fuzz);
		break;
	case EVENT_NAME:
		fuzz__name(fuzz, event);
		break;
	case EVENT_LISTEN:
	case EVENT_KIND_COUNT:
		fuzz->now_ns += fuzz__number(fuzz) * 1000000 & 0xffffffffff;
		pipeline__tick(fuzz->pipeline, fuzz->now_ns);
		break;
	case EVENT_SHUT:
	case EVENT_MARK:
	case EVENT_CONN_CLOSE:
		fuzz__end(fuzz, event, slot);
		break;
	default:
		event.kind = EVENT_DATA;
		fuzz__data(fuzz, event, slot);
	}
}

static void fuzz__run(struct fuzz *fuzz)
{
	while (fuzz->size)
		fuzz__step(fuzz);
	pipeline__flush(fuzz->pipeline, fuzz->now_ns);
}

#endif
