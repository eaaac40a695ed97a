/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* spawn: -- COMMAND. The child waits on a pipe until its probes are in place, then execs. */
#ifndef SPANPROBE_SPAWN_H
#define SPANPROBE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

struct spawn {
	pid_t pid; /* 0: none */
	int gate;  /* closed or written to let it go */
	bool ended;
	int exit_code; /* once ended; 128 + signal like a shell */
};

int spawn__start(char **argv, struct spawn *ret, struct buf *why);
/* Lets it exec. 0, or the negative errno of execvp (and *spawn has ended with 127 or 126). */
int spawn__release(struct spawn *spawn);
bool spawn__poll(struct spawn *spawn); /* has it ended? never sleeps */
void spawn__signal(const struct spawn *spawn, int signal);
/* The end of the agent: a child that was never released is ended, others run on. */
void spawn__abandon(struct spawn *spawn);

#endif
