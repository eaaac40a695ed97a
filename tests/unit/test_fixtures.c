// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Recorded talks of real clients and servers (tests/fixtures/PROTOCOL/NAME.talk) through stream,
 * decode, pair and describe, as the client and as the server saw them, segment by segment and byte
 * by byte: always the lines of NAME.txt, which were checked by hand against what the programs had said. Run from
 * the top folder. UPDATE=1 writes them anew.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "decode.h"
#include "describe.h"
#include "ids.h"
#include "pair.h"
#include "stream.h"

struct rig {
	struct stats stats;
	struct processes *processes;
	struct ids *ids;
	struct pair *pair;
	struct decode *decode;
	struct stream *stream;
	struct message_sink to_pair;
	struct buf log;
	uint64_t now;
	uint64_t position[DIR_COUNT];
	unsigned int oneway[2];
};

static void on_begin(void *ctx, struct conn *conn, struct message *message)
{
	struct rig *rig = ctx;

	if (message->type == MESSAGE_ONEWAY)
		rig->oneway[(message->dir == DIR_IN) == (conn->tuple.role == ROLE_SERVER)]++;
	rig->to_pair.begin(rig->to_pair.ctx, conn, message);
}

static void on_head(void *ctx, struct conn *conn, struct message *message)
{
	struct rig *rig = ctx;

	rig->to_pair.head(rig->to_pair.ctx, conn, message);
}

static void on_end(void *ctx, struct conn *conn, struct message *message)
{
	struct rig *rig = ctx;

	rig->to_pair.end(rig->to_pair.ctx, conn, message);
}

static void on_unread(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at)
{
	struct rig *rig = ctx;

	rig->to_pair.unread(rig->to_pair.ctx, conn, dir, at);
}

static void on_gone(void *ctx, struct conn *conn, const struct stamp *at, uint32_t error)
{
	struct rig *rig = ctx;

	rig->to_pair.gone(rig->to_pair.ctx, conn, at, error);
}

static void put_attr(struct buf *out, const struct span *span, const char *key, const char *before)
{
	const struct attr *attr = span__get(span, key);

	if (attr && attr->type == ATTR_INT)
		buf__printf(out, "%s%lld", before, (long long)attr->i);
	else if (attr)
		buf__printf(out, "%s%.*s", before, (int)attr->s.n, attr->s.p);
}

static void on_step(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	static const struct describe_opts opts;
	struct rig *rig = ctx;
	struct span *span;

	if (step != EXCHANGE_DONE)
		return;
	span = span__new(NULL);
	exchange->protocol->describe(exchange, &opts, span);
	buf__printf(&rig->log, "%.*s", (int)span->name.n, span->name.p);
	put_attr(&rig->log, span, "db.namespace", " @");
	put_attr(&rig->log, span, "db.query.text", ": ");
	put_attr(&rig->log, span, "db.operation.batch.size", " batch=");
	put_attr(&rig->log, span, "db.response.returned_rows", " rows=");
	put_attr(&rig->log, span, "spanprobe.db.affected_rows", " affected=");
	put_attr(&rig->log, span, "error.type", " error=");
	if (exchange->flags)
		buf__printf(&rig->log, " flags=%x", exchange->flags);
	buf__puts(&rig->log, "\n");
	span__unref(span);
	exchange__free(exchange);
}

static void apply(void *ctx, const struct capture_policy *policy)
{
}

static void push_open(struct rig *rig, uint8_t role)
{
	struct event_conn_open open = {
		.event = { .kind = EVENT_CONN_OPEN,
			   .size = sizeof(open),
			   .time_ns = ++rig->now,
			   .pid = 1 },
		.conn = 1,
		.tuple = { .sock = 1, .family = FAMILY_INET, .role = role },
	};

	stream__push(rig->stream, &open.event);
}

static void push_bytes(struct rig *rig, enum direction dir, const char *bytes, uint32_t n)
{
	for (uint32_t at = 0; at < n;) {
		uint32_t some = n - at < DATA_BYTES_MAX ? n - at : DATA_BYTES_MAX;
		size_t size = (sizeof(struct event_data) + some + 7) / 8 * 8;
		struct event_data *data = calloc(1, size);

		rig->now += at == 0;
		data->event = (struct event){
			.kind = EVENT_DATA, .size = (uint32_t)size, .time_ns = rig->now, .pid = 1
		};
		data->conn = 1;
		data->position = rig->position[dir];
		data->length = n;
		data->offset = at;
		data->captured = some;
		data->dir = (uint8_t)dir;
		memcpy(data->bytes, bytes + at, some);
		stream__push(rig->stream, &data->event);
		free(data);
		at += some;
	}
	rig->position[dir] += n;
}

static void push_close(struct rig *rig)
{
	struct event_conn_close close = {
		.event = { .kind = EVENT_CONN_CLOSE, .size = sizeof(close), .time_ns = ++rig->now },
		.conn = 1,
		.position = { rig->position[DIR_IN], rig->position[DIR_OUT] },
		.last_ns = { rig->now, rig->now },
		.connected = 1,
	};

	stream__push(rig->stream, &close.event);
}

/* records: direction, length, bytes */
static void replay(struct slice talk, bool server, bool bytewise, struct buf *ret)
{
	struct rig rig = { .now = 1000, .processes = processes__new(), .ids = ids__new_seeded(1) };
	struct pair_opts pair = { .stats = &rig.stats, .ids = rig.ids };
	struct decode_opts decode = { .stats = &rig.stats, .policy = { apply, NULL } };
	struct stream_opts stream = { .stats = &rig.stats, .processes = rig.processes };
	struct message_sink sink = { on_begin, on_head, on_end, on_unread, on_gone, &rig };

	rig.pair = pair__new(&pair, (struct exchange_sink){ on_step, &rig });
	rig.to_pair = pair__sink(rig.pair);
	rig.decode = decode__new(&decode, sink);
	rig.stream = stream__new(&stream, decode__sink(rig.decode));
	push_open(&rig, server ? ROLE_SERVER : ROLE_CLIENT);
	while (talk.n >= 5) {
		enum direction dir = (talk.p[0] == 0) == server ? DIR_IN : DIR_OUT;
		uint32_t n;

		memcpy(&n, talk.p + 1, 4);
		assert_true(n <= talk.n - 5);
		for (uint32_t i = 0; bytewise && i < n; i++)
			push_bytes(&rig, dir, talk.p + 5 + i, 1);
		if (!bytewise)
			push_bytes(&rig, dir, talk.p + 5, n);
		talk = slice_from(talk, 5 + (size_t)n);
	}
	assert_int_equal(talk.n, 0);
	push_close(&rig);
	stream__free(rig.stream);
	decode__free(rig.decode);
	pair__free(rig.pair);
	buf__append(ret, rig.log.p, rig.log.n);
	buf__printf(ret, "oneway: %u asked, %u told\n", rig.oneway[true], rig.oneway[false]);
	for (int i = 0; i < LOSS_COUNT; i++)
		if (rig.stats.lost[i])
			buf__printf(ret, "lost %s %llu\n", loss__name((enum loss)i),
				    (unsigned long long)rig.stats.lost[i]);
	buf__append(ret, "", 1);
	buf__release(&rig.log);
	ids__free(rig.ids);
	processes__free(rig.processes);
}

static bool read_file(const char *path, struct buf *ret)
{
	FILE *file = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	buf__clear(ret);
	if (!file)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf__append(ret, chunk, n);
	fclose(file);
	return true;
}

static void check_talk(const char *folder, const char *name)
{
	struct buf talk = { 0 }, want = { 0 };
	char path[512], golden[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(golden, sizeof(golden), "%.*s.txt", (int)(strlen(path) - 5), path);
	assert_true(read_file(path, &talk));
	read_file(golden, &want);
	buf__append(&want, "", 1);
	for (int way = 0; way < 4; way++) {
		struct buf got = { 0 };

		replay(slice(talk.p, talk.n), way & 1, way & 2, &got);
		if (getenv("UPDATE") && way == 0) {
			FILE *file = fopen(golden, "w");

			assert_non_null(file);
			fputs(got.p, file);
			fclose(file);
			buf__clear(&want);
			buf__append(&want, got.p, got.n);
		}
		if (strcmp(got.p, want.p) != 0)
			fail_msg("%s, %s, %s:\n%snot\n%s", path, way & 1 ? "server" : "client",
				 way & 2 ? "byte by byte" : "by segment", got.p, want.p);
		buf__release(&got);
	}
	buf__release(&want);
	buf__release(&talk);
}

static void check_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n < 6 || strcmp(entry->d_name + n - 5, ".talk") != 0)
			continue;
		check_talk(folder, entry->d_name);
		count++;
	}
	closedir(dir);
	assert_true(count > 5);
}

static void redis(void **state)
{
	check_folder("tests/fixtures/redis");
}

static void postgresql(void **state)
{
	check_folder("tests/fixtures/postgresql");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redis),
		cmocka_unit_test(postgresql),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
