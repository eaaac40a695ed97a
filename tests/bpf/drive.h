/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * drive: a child process moves bytes over both ends of a connection and writes down what it did;
 * the test compares that with the events that came out of the kernel.
 *
 * Every stream carries a pattern that says at each byte who sent it and at which position, so that
 * a captured byte in the wrong place cannot go unnoticed.
 */
#ifndef TESTS_BPF_DRIVE_H
#define TESTS_BPF_DRIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "event.h"
#include "load.h"

#define OPS_MAX	   4096
#define EVENTS_MAX 16384

enum seen {
	SEEN,	/* the bytes must be captured, as far as the budget goes */
	UNSEEN, /* length only, or nothing: but no wrong byte, and right positions */
	EITHER	/* by hook family */
};

struct op {
	uint16_t end; /* 0: client, 1: server */
	uint8_t dir;
	uint8_t seen;
	uint32_t length;
};

/* Shared with the child. */
struct drive_log {
	uint32_t failed; /* line of a call that went wrong */
	int error;
	uint32_t count;
	uint16_t port[2];
	uint64_t moved[2][DIR_COUNT];
	struct op ops[OPS_MAX];
};

extern struct drive_log *drive_log;
extern uint32_t drive_child;

/* --- in the child: ends[0] is the client, ends[1] the accepted socket --- */

typedef void (*drive_fn)(int ends[2]);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			drive__fail(__LINE__);                                                     \
	} while (0)

void drive__fail(unsigned int line);
void drive__did(int end, int dir, ssize_t n, enum seen seen);
void drive__pattern(int end, uint8_t *bytes, size_t n); /* the next bytes that `end` will send */
/* plain transfers by write() and read(), for where the way does not matter */
void drive__write(int ends[2], int end, size_t n);
void drive__read(int ends[2], int end, size_t n);

enum drive_kind { DRIVE_V4, DRIVE_V6, DRIVE_MAPPED, DRIVE_UNIX, DRIVE_PAIR, DRIVE_NONE };

/* --- in the test --- */

struct drive_events {
	uint32_t count;
	size_t bytes;
	const struct event *events[EVENTS_MAX];
};

extern struct drive_events drive_events;

/* Runs fn in a traced child with a fresh connection of `kind`, both ends closed at the end; keeps
 * the events. early: the connection is made first, and the test traces the process when it likes. */
void drive__run(struct load *load, enum drive_kind kind, drive_fn fn, bool early);
/* As above, and holds the child after fn's first part: see drive__pause. */
void drive__pause(void); /* child: waits until the test lets it go on */
void drive__start(struct load *load, enum drive_kind kind, drive_fn fn, bool early);
void drive__await_pause(struct load *load); /* test: the child has paused, its events are drained */
void drive__resume(void);
void drive__finish(struct load *load);

const struct event_conn_open *drive__open(int end); /* NULL: not announced */
/* Everything that the child wrote down against everything that came, by the rule of
 * head_bytes per turn. */
void drive__compare(uint32_t head_bytes);
uint32_t drive__count(uint8_t kind);
const struct event *drive__find(uint8_t kind, uint32_t nth);
uint64_t drive__conn(int end);

#endif
