/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Inside agent only: its parts, made by agent.c and driven by agent_loop.c. */
#ifndef SPANPROBE_AGENT_PARTS_H
#define SPANPROBE_AGENT_PARTS_H

#include "attach.h"
#include "pipeline.h"
#include "spawn.h"
#include "targets.h"

struct agent {
	const struct options *options;
	struct stats stats;
	struct resource *host;
	struct processes *processes;
	struct targets *targets;
	struct features features;
	struct plan plan;
	struct export *export;
	struct recorder *recorder;
	int record_error; /* the first one of the recorder; said once */
	struct pipeline *pipeline;
	struct load *load;
	struct attach *attach;
	uint64_t records_lost; /* that the pipeline knows of */
	bool uring;	       /* its probes are attached */
	struct runtimes *runtimes;
	struct spawn spawn;
	int64_t wall_offset_ns;
};

/* agent.c: attaches the probes of io_uring when a traced process turns out to have one */
void agent__see_uring(struct agent *agent);
/* agent_loop.c: until a signal, the duration, or the end of all targets. 0 or negative errno. */
int agent_loop__run(struct agent *agent);
/* Gives the pipeline (agent) what the rings hold. Its receive stage asks for that, too. */
void agent_loop__read(void *agent);
/* What the ring and the stages still hold goes to the exporters, until deadline_ns. */
void agent_loop__finish(struct agent *agent, uint64_t deadline_ns);
void agent_loop__print_stats(struct agent *agent);

#endif
