// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct drive_log *drive_log;
struct drive_events drive_events;
uint32_t drive_child;

static int to_child[2], from_child[2];

/* --- the child ------------------------------------------------------------------------------ */

void drive__fail(unsigned int line)
{
	drive_log->failed = line;
	drive_log->error = errno;
	_exit(1);
}

static uint8_t pattern(int end, uint64_t position)
{
	return (end ? 0x80 : 0) ^ (uint8_t)(position * 7 + (position >> 8) + 1);
}

void drive__pattern(int end, uint8_t *bytes, size_t n)
{
	uint64_t position = drive_log->moved[end][DIR_OUT];

	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(end, position + i);
}

void drive__did(int end, int dir, ssize_t n, enum seen seen)
{
	if (n < 0 || drive_log->count == OPS_MAX)
		drive__fail(__LINE__);
	drive_log->ops[drive_log->count++] =
		(struct op){ .end = end, .dir = dir, .seen = seen, .length = n };
	drive_log->moved[end][dir] += n;
}

void drive__write(int ends[2], int end, size_t n)
{
	uint8_t *bytes = malloc(n);

	drive__pattern(end, bytes, n);
	CHECK(write(ends[end], bytes, n) == (ssize_t)n);
	drive__did(end, DIR_OUT, n, SEEN);
	free(bytes);
}

void drive__read(int ends[2], int end, size_t n)
{
	uint8_t *bytes = malloc(n);
	size_t got = 0;

	while (got < n) {
		ssize_t part = read(ends[end], bytes + got, n - got);

		CHECK(part > 0);
		drive__did(end, DIR_IN, part, SEEN);
		got += part;
	}
	free(bytes);
}

void drive__pause(void)
{
	char c = 'p';

	CHECK(write(from_child[1], &c, 1) == 1);
	CHECK(read(to_child[0], &c, 1) == 1);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	CHECK(!getsockname(fd, (struct sockaddr *)&address, &length));
	/* sin_port and sin6_port lie at the same place */
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static void connect_ends(enum drive_kind kind, int ends[2])
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr *address = kind == DRIVE_V4 ? (void *)&v4 : (void *)&v6;
	socklen_t length = kind == DRIVE_V4 ? sizeof(v4) : sizeof(v6);
	int listener;

	if (kind == DRIVE_PAIR) {
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		return;
	}
	if (kind == DRIVE_MAPPED)
		CHECK(inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6.sin6_addr) == 1);
	if (kind == DRIVE_UNIX) {
		snprintf(path.sun_path, sizeof(path.sun_path), "/tmp/spanprobe-drive-%d", getpid());
		unlink(path.sun_path);
		address = (void *)&path;
		length = sizeof(path);
	}
	listener = socket(address->sa_family, SOCK_STREAM, 0);
	ends[0] = socket(address->sa_family, SOCK_STREAM, 0);
	CHECK(listener >= 0 && ends[0] >= 0);
	CHECK(!bind(listener, address, length) && !listen(listener, 8));
	CHECK(!getsockname(listener, address, &length));
	CHECK(!connect(ends[0], address, length));
	ends[1] = accept(listener, NULL, NULL);
	CHECK(ends[1] >= 0);
	close(listener);
	if (kind == DRIVE_UNIX) {
		unlink(path.sun_path);
		return;
	}
	drive_log->port[0] = port_of(ends[0]);
	drive_log->port[1] = port_of(ends[1]);
}

static void child(enum drive_kind kind, drive_fn fn, bool early)
{
	int ends[2] = { -1, -1 };
	char c = 'r';

	if (early && kind != DRIVE_NONE)
		connect_ends(kind, ends);
	CHECK(write(from_child[1], &c, 1) == 1);
	CHECK(read(to_child[0], &c, 1) == 1);
	if (!early && kind != DRIVE_NONE)
		connect_ends(kind, ends);
	fn(ends);
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	_exit(0);
}

/* --- the test ------------------------------------------------------------------------------- */

static int keep(void *ctx, void *record, size_t size)
{
	const struct event *event = record;
	void *copy;

	assert_true(size >= sizeof(*event) && event->size == size && size % 8 == 0);
	if (drive_events.count == EVENTS_MAX)
		return -ENOSPC;
	copy = malloc(size);
	memcpy(copy, record, size);
	drive_events.events[drive_events.count++] = copy;
	drive_events.bytes += size;
	return 0;
}

void drive__start(struct load *load, enum drive_kind kind, drive_fn fn, bool early)
{
	pid_t pid;
	char c;

	for (uint32_t i = 0; i < drive_events.count; i++)
		free((void *)drive_events.events[i]);
	drive_events.count = 0;
	drive_events.bytes = 0;
	if (!drive_log)
		drive_log = mmap(NULL, sizeof(*drive_log), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(drive_log, 0, sizeof(*drive_log));
	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(from_child), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child(kind, fn, early);
	drive_child = pid;
	assert_int_equal(read(from_child[0], &c, 1), 1);
	if (!early)
		assert_int_equal(load__trace(load, pid), 0);
	assert_int_equal(write(to_child[1], "g", 1), 1);
}

/* The rings of several CPUs come one after the other. Insertion: nearly in order, and stable. */
static void sort_events(void)
{
	for (uint32_t i = 1; i < drive_events.count; i++) {
		const struct event *event = drive_events.events[i];
		uint32_t j = i;

		for (; j && drive_events.events[j - 1]->time_ns > event->time_ns; j--)
			drive_events.events[j] = drive_events.events[j - 1];
		drive_events.events[j] = event;
	}
}

void drive__await_pause(struct load *load)
{
	char c;

	close(from_child[1]);
	assert_int_equal(read(from_child[0], &c, 1), 1);
	assert_true(load__drain(load, keep, NULL) >= 0);
	sort_events();
}

void drive__resume(void)
{
	assert_int_equal(write(to_child[1], "g", 1), 1);
}

void drive__finish(struct load *load)
{
	int status;

	assert_int_equal(waitpid(drive_child, &status, 0), drive_child);
	/* the last segments of the handshake are handled a little later */
	usleep(20000);
	assert_true(load__drain(load, keep, NULL) >= 0);
	sort_events();
	load__untrace(load, drive_child);
	for (int i = 0; i < 2; i++) {
		close(to_child[i]);
		close(from_child[i]);
	}
	if (drive_log->failed)
		fail_msg("the child failed at line %u: %s", drive_log->failed,
			 strerror(drive_log->error));
	assert_int_equal(status, 0);
}

void drive__run(struct load *load, enum drive_kind kind, drive_fn fn, bool early)
{
	drive__start(load, kind, fn, early);
	drive__finish(load);
}

const struct event *drive__find(uint8_t kind, uint32_t nth)
{
	for (uint32_t i = 0; i < drive_events.count; i++) {
		if (drive_events.events[i]->kind == kind && !nth--)
			return drive_events.events[i];
	}
	return NULL;
}

uint32_t drive__count(uint8_t kind)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < drive_events.count; i++)
		count += drive_events.events[i]->kind == kind;
	return count;
}

/* TCP ends are told by their port, Unix ones by their role, those of a pair by their order. */
const struct event_conn_open *drive__open(int end)
{
	const struct event_conn_open *open;

	for (uint32_t i = 0; (open = (const void *)drive__find(EVENT_CONN_OPEN, i)); i++) {
		if (drive_log->port[0]) {
			if (open->tuple.local_port == drive_log->port[end])
				return open;
		} else if (open->tuple.role == (end ? ROLE_SERVER : ROLE_CLIENT)) {
			return open;
		} else if (open->tuple.role == ROLE_UNKNOWN && i == (uint32_t)end) {
			return open;
		}
	}
	return NULL;
}

uint64_t drive__conn(int end)
{
	const struct event_conn_open *open = drive__open(end);

	return open ? open->conn : 0;
}

/* Marks the captured bytes of one end and direction, each checked against its pattern. */
static void cover(int end, int dir, uint8_t *covered, uint64_t total)
{
	int sender = dir == DIR_OUT ? end : !end;
	uint64_t conn = drive__conn(end);
	const struct event_data *data;

	for (uint32_t i = 0; (data = (const void *)drive__find(EVENT_DATA, i)); i++) {
		uint64_t at = data->position + data->offset;

		if (data->conn != conn || data->dir != dir)
			continue;
		assert_true(data->position + data->length <= total);
		assert_true(data->offset + data->captured <= data->length);
		if (data->event.flags & EVENT_UNSEEN)
			assert_int_equal(data->captured, 0);
		for (uint32_t j = 0; j < data->captured; j++, at++) {
			assert_int_equal(data->bytes[j], pattern(sender, at));
			assert_false(covered[at]); /* nothing twice */
			covered[at] = 1;
		}
	}
}

/*
 * Byte j of a call that began at `position`: within the budget of the turn, but never more than a
 * call's limit, or the end of a call that was cut there.
 */
static bool is_wanted(const struct op *op, uint32_t j, uint64_t position, uint64_t turn_start,
		      uint32_t head_bytes)
{
	uint64_t spent = position - turn_start, limit;

	if (op->seen != SEEN || spent >= head_bytes)
		return false;
	limit = head_bytes - spent < CALL_BYTES_MAX ? head_bytes - spent : CALL_BYTES_MAX;
	return j < limit || op->length - j <= TAIL_BYTES;
}

static void compare_direction(int end, int dir, uint32_t head_bytes)
{
	uint64_t total = drive_log->moved[end][dir], position = 0, turn_start = 0;
	uint8_t *covered = calloc(1, total + 1);
	int turn = -1;

	cover(end, dir, covered, total);
	for (uint32_t i = 0; i < drive_log->count; i++) {
		const struct op *op = &drive_log->ops[i];

		if (op->end != end)
			continue;
		if (op->dir != turn && op->length) {
			turn = op->dir;
			turn_start = position;
		}
		if (op->dir != dir)
			continue;
		for (uint32_t j = 0; j < op->length; j++) {
			bool wanted = is_wanted(op, j, position - j, turn_start, head_bytes);

			if (op->seen != EITHER && covered[position] != wanted)
				fail_msg("end %d dir %d byte %llu of %llu: captured %d, wanted %d",
					 end, dir, (unsigned long long)position,
					 (unsigned long long)total, covered[position], wanted);
			position++;
		}
	}
	free(covered);
}

void drive__compare(uint32_t head_bytes)
{
	for (int end = 0; end < 2; end++) {
		const struct event_conn_close *closed;
		uint64_t conn = drive__conn(end);

		assert_true(conn != 0);
		compare_direction(end, DIR_IN, head_bytes);
		compare_direction(end, DIR_OUT, head_bytes);
		for (uint32_t i = 0; (closed = (const void *)drive__find(EVENT_CONN_CLOSE, i));
		     i++) {
			if (closed->conn != conn)
				continue;
			assert_int_equal(closed->position[DIR_IN], drive_log->moved[end][DIR_IN]);
			assert_int_equal(closed->position[DIR_OUT], drive_log->moved[end][DIR_OUT]);
		}
	}
}
