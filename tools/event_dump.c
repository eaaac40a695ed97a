// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * event_dump [-f FAMILY] [-s SECONDS] PID...: prints the raw events of processes, one a line. A
 * look at the kernel side alone, without the pipeline.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "base/clock.h"
#include "event.h"
#include "features.h"
#include "load.h"
#include "plan.h"
#include "stats.h"

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	stop = 1;
}

static const char *const kinds[EVENT_KIND_COUNT] = {
	[EVENT_CONN_OPEN] = "OPEN",   [EVENT_CONNECT] = "CONNECT", [EVENT_SHUT] = "SHUT",
	[EVENT_CONN_CLOSE] = "CLOSE", [EVENT_DATA] = "DATA",	   [EVENT_MARK] = "MARK",
	[EVENT_TASK] = "TASK",	      [EVENT_UNIT] = "UNIT",	   [EVENT_LISTEN] = "LISTEN",
	[EVENT_NAME] = "NAME",
};

static void print_tuple(const struct event_conn_open *open)
{
	const struct conn_tuple *t = &open->tuple;

	printf(" conn=%llu family=%u role=%u flags=%u", open->conn, t->family, t->role, t->flags);
	if (t->family == FAMILY_INET)
		printf(" %u.%u.%u.%u:%u > %u.%u.%u.%u:%u", t->local_addr[0], t->local_addr[1],
		       t->local_addr[2], t->local_addr[3], t->local_port, t->peer_addr[0],
		       t->peer_addr[1], t->peer_addr[2], t->peer_addr[3], t->peer_port);
	else
		printf(" ports %u > %u", t->local_port, t->peer_port);
	printf(" seq in=%u out=%u", t->base_seq[DIR_IN], t->base_seq[DIR_OUT]);
	if (t->flags & CONN_HAS_PATH)
		printf(" path=%s", open->path);
}

static void print_data(const struct event_data *data)
{
	printf(" conn=%llu %s position=%llu length=%u offset=%u captured=%u \"", data->conn,
	       data->dir ? "out" : "in", data->position, data->length, data->offset,
	       data->captured);
	for (uint32_t i = 0; i < data->captured && i < 60; i++)
		putchar(isprint(data->bytes[i]) ? data->bytes[i] : '.');
	putchar('"');
}

static void print_body(const void *record)
{
	const struct event *event = record;

	if (event->kind == EVENT_CONN_OPEN || event->kind == EVENT_CONNECT) {
		print_tuple(record);
	} else if (event->kind == EVENT_DATA) {
		print_data(record);
	} else if (event->kind == EVENT_MARK) {
		const struct event_mark *mark = record;

		printf(" conn=%llu %s position=%llu last_tid=%u", mark->conn,
		       mark->dir ? "out" : "in", mark->position, mark->last_tid);
	} else if (event->kind == EVENT_SHUT) {
		const struct event_shut *shut = record;

		printf(" conn=%llu %s position=%llu error=%u", shut->conn, shut->dir ? "out" : "in",
		       shut->position, shut->error);
	} else if (event->kind == EVENT_CONN_CLOSE) {
		const struct event_conn_close *end = record;

		printf(" conn=%llu in=%llu out=%llu error=%u connected=%u srtt=%u retransmits=%u",
		       end->conn, end->position[DIR_IN], end->position[DIR_OUT], end->error,
		       end->connected, end->srtt_us, end->retransmits);
	} else if (event->kind == EVENT_TASK) {
		const struct event_task *task = record;

		printf(" change=%u child=%u code=%u %.16s", task->change, task->child_pid,
		       task->exit_code, task->comm);
	} else if (event->kind == EVENT_UNIT) {
		const struct event_unit *unit = record;

		printf(" change=%u other=%u", unit->change, unit->other_tid);
	}
}

static int print_event(void *ctx, void *record, size_t size)
{
	const struct event *event = record;

	printf("%" PRIu64 " cpu=%u %u/%u %s%s size=%zu", (uint64_t)event->time_ns, event->cpu,
	       event->pid, event->tid, event->kind < EVENT_KIND_COUNT ? kinds[event->kind] : "?",
	       event->flags & EVENT_UNSEEN ? " unseen" : "", size);
	print_body(record);
	putchar('\n');
	return 0;
}

static void run(struct load *load, unsigned int seconds)
{
	uint64_t end = clock__monotonic_ns() + seconds * NSEC_PER_SEC;
	struct stats stats = { 0 };

	while (!stop && (!seconds || clock__monotonic_ns() < end)) {
		load__drain(load, print_event, NULL);
		fflush(stdout);
		usleep(2000);
	}
	load__drain(load, print_event, NULL);
	load__losses(load, &stats);
	for (int i = 0; i < LOSS_COUNT; i++) {
		if (stats.lost[i])
			printf("lost %s %" PRIu64 "\n", loss__name(i), stats.lost[i]);
	}
	fprintf(stderr, "kernel memory: %zu KiB\n", load__kernel_bytes(load) / 1024);
}

int main(int argc, char **argv)
{
	struct plan_opts plan_opts = { .units = true };
	struct load_opts load_opts = { .settings = { .units = 1, .follow_children = 1 } };
	struct features features;
	struct attach *attach = NULL;
	struct load *load = NULL;
	struct buf why = { 0 };
	struct plan plan;
	unsigned int seconds = 0;
	int option, err;

	while ((option = getopt(argc, argv, "f:s:")) != -1) {
		if (option == 'f')
			plan_opts.family = optarg;
		else if (option == 's')
			seconds = atoi(optarg);
		else
			return 2;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	features__ask(&features);
	err = plan__make(&features, &plan_opts, &plan, &why);
	load_opts.plan = &plan;
	if (!err)
		err = load__new(&load_opts, &load, &why);
	if (!err)
		err = attach__new(load, &plan, &attach, &why);
	if (err) {
		fprintf(stderr, "event_dump: %.*s\n", (int)why.n, why.p);
		return 1;
	}
	for (int i = optind; i < argc; i++) {
		load__trace(load, atoi(argv[i]));
		err = load__bootstrap(load, atoi(argv[i]));
		if (err)
			fprintf(stderr, "event_dump: bootstrap: %s\n", strerror(-err));
	}
	fprintf(stderr, "ready: %s\n", plan.family);
	run(load, seconds);
	attach__free(attach);
	load__free(load);
	buf__release(&why);
	return 0;
}
