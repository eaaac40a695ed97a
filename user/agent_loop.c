// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The loop. A wake-up by the kernel costs the traced program more than the event itself, so the
 * ring is drained by time: every 2 ms while there is something, ever more seldom to 10 ms when
 * there is not. The kernel only wakes it when the ring fills up faster than that.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent_parts.h"
#include "base/clock.h"

#define BUSY_MS	      2
#define IDLE_MS	      10
#define LAST_WORDS_NS (200 * NSEC_PER_MSEC) /* records that follow the end of a process */
#define STOP_NS	      (5 * NSEC_PER_SEC)    /* for a started command to heed its signal */
#define CLOCK_NS      (10 * NSEC_PER_SEC)   /* between measurements of the wall clock */
#define LOSSES_NS     NSEC_PER_SEC

struct loop {
	struct agent *agent;
	int epoll;
	int signals;
	int timeout_ms;
	uint64_t ended_ns; /* when the started command ended; 0: it runs, or there is none */
	uint64_t stop_ns;  /* when it was told to stop; 0: not yet */
	bool stop_now;
	uint64_t end_ns;    /* --duration; UINT64_MAX: none */
	uint64_t stats_ns;  /* next --stats */
	uint64_t clock_ns;  /* next measurement */
	uint64_t losses_ns; /* next copy of the kernel's counters */
};

static int loop_open(struct loop *loop)
{
	struct epoll_event ring = { .events = EPOLLIN }, signals = { .events = EPOLLIN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->epoll < 0 || loop->signals < 0)
		return -errno;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->signals, &signals) != 0 ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, load__epoll_fd(loop->agent->load), &ring) != 0)
		return -errno;
	return 0;
}

static void loop_close(struct loop *loop)
{
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->signals >= 0)
		close(loop->signals);
}

/* A terminal sends its signals to the started command too; kill(1) does not. */
static void on_stop(struct loop *loop, const struct signalfd_siginfo *info, uint64_t now_ns)
{
	struct spawn *spawn = &loop->agent->spawn;
	bool waits = spawn->pid && !spawn->ended;

	if (loop->stop_ns)
		_exit(128 + (int)info->ssi_signo);
	loop->stop_ns = now_ns;
	loop->stop_now = !waits;
	if (waits && info->ssi_code != SI_KERNEL)
		spawn__signal(spawn, (int)info->ssi_signo);
}

static void read_signals(struct loop *loop, uint64_t now_ns)
{
	struct signalfd_siginfo info;

	while (read(loop->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGINT:
		case SIGTERM:
			on_stop(loop, &info, now_ns);
			break;
		case SIGHUP: /* the terminal is gone; a service has none */
			if (isatty(STDERR_FILENO))
				on_stop(loop, &info, now_ns);
			break;
		}
	}
	if (spawn__poll(&loop->agent->spawn) && !loop->ended_ns)
		loop->ended_ns = now_ns;
}

static int push(void *ctx, void *record, size_t size)
{
	pipeline__push(((struct agent *)ctx)->pipeline, record, size); /* counts what it refuses */
	return 0;
}

/* Before the events are looked at that may rest on what was lost. */
static void notice_losses(struct agent *agent)
{
	uint64_t lost = load__records_lost(agent->load);

	if (lost == agent->records_lost)
		return;
	agent->records_lost = lost;
	load__losses(agent->load, &agent->stats);
	pipeline__check_losses(agent->pipeline, clock__monotonic_ns());
}

/* The number of records, or a negative errno. */
static int read_rings(struct agent *agent)
{
	int n = load__drain(agent->load, push, agent);

	if (n >= 0)
		notice_losses(agent);
	return n;
}

void agent_loop__read(void *agent)
{
	(void)read_rings(agent); /* an error comes back in the next turn */
}

static int turn(struct loop *loop)
{
	struct agent *agent = loop->agent;
	/* no record older than this is still to come, but for the window that receive keeps */
	uint64_t now_ns = clock__monotonic_ns();
	int n = read_rings(agent);

	if (n < 0)
		return n;
	pipeline__tick(agent->pipeline, now_ns);
	targets__tick(agent->targets, now_ns);
	agent__see_uring(agent);
	runtimes__tick(agent->runtimes, now_ns);
	export__tick(agent->export, now_ns);
	if (n > 0)
		loop->timeout_ms = BUSY_MS;
	else if (loop->timeout_ms < IDLE_MS)
		loop->timeout_ms++;
	return 0;
}

void agent_loop__print_stats(struct agent *agent)
{
	struct buf out = { 0 };

	load__losses(agent->load, &agent->stats);
	stats__print(&agent->stats, &out);
	fwrite(out.p, 1, out.n, stderr);
	buf__release(&out);
}

static void measure_clock(struct agent *agent)
{
	int64_t offset_ns = clock__wall_offset_ns();

	agent->wall_offset_ns = offset_ns;
	pipeline__set_wall_offset(agent->pipeline, offset_ns);
	if (agent->recorder)
		recorder__clock(agent->recorder, offset_ns);
}

static void keep_house(struct loop *loop, uint64_t now_ns)
{
	struct agent *agent = loop->agent;

	if (now_ns >= loop->losses_ns) {
		load__losses(agent->load, &agent->stats);
		loop->losses_ns = now_ns + LOSSES_NS;
	}
	if (now_ns >= loop->clock_ns) {
		measure_clock(agent);
		loop->clock_ns = now_ns + CLOCK_NS;
	}
	if (now_ns >= loop->stats_ns) {
		agent_loop__print_stats(agent);
		loop->stats_ns = now_ns + agent->options->stats_ns;
	}
}

/* Like strace or perf: the end of the command is the end, whatever else was named; but when only
 * its children were to be followed, it may have been a launcher. */
static bool command_decides(const struct options *options)
{
	return options->spawn &&
	       (options->pids.count || options__waits(options) || !options->follow_children);
}

static bool is_over(const struct loop *loop, uint64_t now_ns)
{
	const struct agent *agent = loop->agent;
	uint64_t empty_ns = targets__empty_since(agent->targets);
	bool command_runs = agent->spawn.pid && !agent->spawn.ended;

	if (loop->stop_now || now_ns >= loop->end_ns)
		return true;
	if (loop->stop_ns && (!command_runs || now_ns >= loop->stop_ns + STOP_NS))
		return true;
	if (command_runs)
		return false;
	if (command_decides(agent->options))
		return now_ns > loop->ended_ns + LAST_WORDS_NS;
	return empty_ns && now_ns > empty_ns + LAST_WORDS_NS && !options__waits(agent->options);
}

int agent_loop__run(struct agent *agent)
{
	const struct options *options = agent->options;
	uint64_t now_ns = clock__monotonic_ns();
	struct loop loop = {
		.agent = agent,
		.epoll = -1,
		.signals = -1,
		.timeout_ms = BUSY_MS,
		.end_ns = options->duration_ns ? now_ns + options->duration_ns : UINT64_MAX,
		.stats_ns = options->stats_ns ? now_ns + options->stats_ns : UINT64_MAX,
		.clock_ns = now_ns + CLOCK_NS,
	};
	int err = loop_open(&loop);

	while (!err && !is_over(&loop, now_ns)) {
		struct epoll_event events[2];
		uint64_t idle_ms = export__idle_ns(agent->export, now_ns) / NSEC_PER_MSEC;
		int timeout_ms = loop.timeout_ms;

		if (idle_ms < (uint64_t)timeout_ms)
			timeout_ms = idle_ms ? (int)idle_ms : 1;
		if (epoll_wait(loop.epoll, events, 2, timeout_ms) < 0 && errno != EINTR)
			err = -errno;
		now_ns = clock__monotonic_ns();
		read_signals(&loop, now_ns);
		if (!err)
			err = turn(&loop);
		keep_house(&loop, now_ns);
	}
	loop_close(&loop);
	return err;
}

void agent_loop__finish(struct agent *agent, uint64_t deadline_ns)
{
	uint64_t now_ns;
	int calm = 0;

	/* The probes are off: the ring runs empty, unless it is broken. Events leave the order
	 * window only with time, and what is decoded then may make the kernel speak once more:
	 * a policy that comes after the end of a body is answered with its MARK. */
	do {
		int n = load__drain(agent->load, push, agent);

		now_ns = clock__monotonic_ns();
		pipeline__tick(agent->pipeline, now_ns);
		calm = n > 0 ? 0 : calm + 1;
		if (calm == 1)
			usleep(2 * RECEIVE_WINDOW_NS / 1000);
	} while (calm < 3 && now_ns < deadline_ns);
	load__losses(agent->load, &agent->stats);
	pipeline__flush(agent->pipeline, clock__monotonic_ns());
	export__flush(agent->export, deadline_ns);
}
