// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent_parts.h"
#include "base/clock.h"
#include "notify.h"
#include "resident.h"
#include "rights.h"
#include "tally.h"

#define AGENT_NICE -10
#define FLUSH_NS   (4500ull * NSEC_PER_MSEC) /* a service manager is promised 5 s */

/* --- the steps of the start; each answers an exit code, why holds the reason ------------- */

static int check_rights(struct agent *agent, struct buf *why)
{
	struct buf missing = { 0 };
	int code = EXIT_DONE;

	if (!rights__enough(&missing)) {
		buf__printf(why,
			    "not enough rights: %.*s missing; run it with sudo, or give it "
			    "these capabilities",
			    (int)missing.n, missing.p);
		code = EXIT_RIGHTS;
	}
	buf__release(&missing);
	return code;
}

static int find_targets(struct agent *agent, struct buf *why)
{
	struct targets_opts opts = { agent->options, agent->processes };

	agent->targets = targets__new(&opts);
	if (!agent->targets)
		return EXIT_FAILED;
	switch (targets__find(agent->targets, why)) {
	case 0:
		return EXIT_DONE;
	case -ESRCH:
		return EXIT_NO_PROCESS;
	case -EINVAL: /* there is one, but none that can be traced */
	case -E2BIG:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}

static int make_plan(struct agent *agent, struct buf *why)
{
	struct plan_opts opts = { .family = agent->options->hooks,
				  .watch_exec = agent->options->exe.count,
				  .watch_listen = agent->options->ports.count,
				  .units = true };

	features__ask(&agent->features);
	if (opts.family)
		buf__printf(why, "--hooks %s: ", opts.family);
	switch (plan__make(&agent->features, &opts, &agent->plan, why)) {
	case 0:
		return EXIT_DONE;
	case -EINVAL:
		return EXIT_USAGE;
	case -ENOTSUP:
		return EXIT_KERNEL;
	default:
		return EXIT_FAILED;
	}
}

static int open_export(struct agent *agent, struct buf *why)
{
	struct export_opts opts = options__export(agent->options);
	const struct string_list *specs = &agent->options->exports;

	opts.stats = &agent->stats;
	if (getrandom(&opts.seed, sizeof(opts.seed), GRND_NONBLOCK) < 0)
		opts.seed = clock__monotonic_ns();
	agent->export = export__new(&opts);
	if (!agent->export)
		return EXIT_FAILED;
	for (uint32_t i = 0; i < specs->count; i++) {
		int err = export__add(agent->export, specs->items[i], why);

		if (err)
			return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int open_recording(struct agent *agent, struct buf *why)
{
	struct record_header header = { .wall_offset_ns = agent->wall_offset_ns,
					.host = agent->host };

	if (!agent->options->output)
		return EXIT_DONE;
	if (getrandom(&header.seed, sizeof(header.seed), GRND_NONBLOCK) < 0)
		header.seed = clock__monotonic_ns();
	if (recorder__new(agent->options->output, &header, &agent->recorder, why))
		return EXIT_FAILED;
	targets__set_recorder(agent->targets, agent->recorder);
	return EXIT_DONE;
}

static int load_programs(struct agent *agent, struct buf *why)
{
	const struct options *options = agent->options;
	struct load_opts opts = {
		.settings = { .agent_pid = (uint32_t)getpid(),
			      .follow_children = options->follow_children,
			      .watch_exec = options->exe.count != 0,
			      .watch_listen = options->ports.count != 0,
			      .units = true },
		.plan = &agent->plan,
	};

	switch (load__new(&opts, &agent->load, why)) {
	case 0:
		return EXIT_DONE;
	case -EPERM:
		return EXIT_RIGHTS;
	case -ENOTSUP:
		return EXIT_KERNEL;
	default:
		return EXIT_FAILED;
	}
}

static void apply_policy(void *ctx, const struct capture_policy *policy)
{
	load__apply(((struct agent *)ctx)->load, policy);
}

/* Processes first, so that a recording knows them before their events. */
static void on_event(void *ctx, const struct event *event)
{
	struct agent *agent = ctx;

	targets__event(agent->targets, event);
	if (!agent->recorder)
		return;
	int err = recorder__event(agent->recorder, event, event->size);

	if (err)
		agent->stats.lost[LOSS_RECORD_FAILED]++;
	if (err && !agent->record_error) {
		agent->record_error = err;
		log_error("--output %s: %s; the recording ends here, free some space and record "
			  "again",
			  agent->options->output, strerror(-err));
	}
}

static int make_pipeline(struct agent *agent, struct buf *why)
{
	struct pipeline_opts opts = {
		.stats = &agent->stats,
		.processes = agent->processes,
		.fallback = agent->host,
		.policy = { apply_policy, agent },
		.sampler = agent->options->sampler,
		.describe = options__describe(agent->options),
		.wall_offset_ns = agent->wall_offset_ns,
		.next = export__sink(agent->export),
		.tap = { on_event, agent },
		.source = { agent_loop__read, agent },
	};

	agent->pipeline = pipeline__new(&opts);
	return agent->pipeline ? EXIT_DONE : EXIT_FAILED;
}

static int start_command(struct agent *agent, struct buf *why)
{
	char **argv = agent->options->spawn;

	if (!argv)
		return EXIT_DONE;
	if (spawn__start(argv, &agent->spawn, why))
		return EXIT_FAILED;
	return targets__add(agent->targets, (uint32_t)agent->spawn.pid, why) ? EXIT_FAILED :
									       EXIT_DONE;
}

/* Those who have nothing to do with it pay for these probes, too: only while somebody traced has. */
void agent__see_uring(struct agent *agent)
{
	struct buf why = { 0 };

	if (agent->uring || !load__uring(agent->load))
		return;
	agent->uring = true;
	if (attach__demand(agent->attach, DEMAND_URING, &why))
		log_warn("io_uring is seen in length only: %.*s", (int)why.n, why.p);
	buf__release(&why);
}

static int attach_probes(struct agent *agent, struct buf *why)
{
	switch (attach__new(agent->load, &agent->plan, &agent->attach, why)) {
	case 0:
		break;
	case -EPERM:
		return EXIT_RIGHTS;
	case -ENOTSUP:
	case -ENOENT:
		return EXIT_KERNEL;
	default:
		return EXIT_FAILED;
	}
	struct runtimes_opts opts = { .load = agent->load,
				      .attach = agent->attach,
				      .processes = agent->processes,
				      .stats = &agent->stats };

	agent->runtimes = runtimes__new(&opts);
	if (!agent->runtimes)
		return EXIT_FAILED;
	targets__set_load(agent->targets, agent->load, agent->runtimes);
	targets__trace(agent->targets);
	agent__see_uring(agent);
	return EXIT_DONE;
}

static int release_command(struct agent *agent, struct buf *why)
{
	int err = agent->spawn.pid ? spawn__release(&agent->spawn) : 0;

	if (!err)
		return EXIT_DONE;
	buf__printf(why, "-- %s: %s; give a program that can be run", agent->options->spawn[0],
		    strerror(-err));
	return agent->spawn.exit_code;
}

/* --- all together ----------------------------------------------------------------------- */

static void print_plan(struct agent *agent)
{
	struct buf out = { 0 };

	buf__puts(&out, "targets:\n");
	targets__print(agent->targets, &out);
	if (agent->options->spawn)
		buf__printf(&out, "  -- %s (not started)\n", agent->options->spawn[0]);
	plan__print(&agent->plan, &out);
	buf__puts(&out, "export:\n");
	for (uint32_t i = 0; i < agent->options->exports.count; i++)
		buf__printf(&out, "  %s\n", agent->options->exports.items[i]);
	fwrite(out.p, 1, out.n, stdout);
	buf__release(&out);
}

static void say_ready(struct agent *agent)
{
	const struct string_list *exports = &agent->options->exports;
	unsigned int n = targets__alive(agent->targets);
	struct buf line = { 0 };

	buf__printf(&line, "ready: tracing %u process%s%s, %s hooks, exporting to", n,
		    n == 1 ? "" : "es", options__waits(agent->options) ? " and what comes" : "",
		    agent->plan.family);
	for (uint32_t i = 0; i < exports->count; i++) {
		const char *spec = exports->items[i];

		buf__printf(&line, "%s %s", i ? "," : "", spec);
		if (strcmp(spec, "otlp") == 0)
			buf__printf(&line, "=%s", agent->options->otlp.url);
	}
	if (agent->recorder)
		buf__printf(&line, ", recording to %s", agent->options->output);
	buf__puts(&line, "\n");
	fwrite(line.p, 1, line.n, stderr); /* one write; whatever the log level is */
	buf__release(&line);
	notify("READY=1");
}

/*
 * A ring holds some tens of milliseconds of heavy traffic. On a machine whose CPUs are all taken the
 * agent would wait longer for its turn and lose events; so it is let in first, for the few
 * microseconds that a span costs. The command, if any, has been started before.
 */
static void keep_up(void)
{
	if (setpriority(PRIO_PROCESS, 0, AGENT_NICE))
		log_debug("the agent keeps its priority: %s", strerror(errno));
}

static int start(struct agent *agent)
{
	static int (*const steps[])(struct agent *, struct buf *) = {
		check_rights,	find_targets,  make_plan,     open_export,   load_programs,
		open_recording, make_pipeline, start_command, attach_probes,
	};
	struct buf why = { 0 };
	int code = EXIT_DONE;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && code == EXIT_DONE; i++) {
		code = steps[i](agent, &why);
		if (code == EXIT_DONE && steps[i] == make_plan && agent->options->dry_run)
			break;
	}
	if (code == EXIT_DONE && !agent->options->dry_run) {
		keep_up();
		resident__trim();
		say_ready(agent);
		code = release_command(agent, &why);
	}
	if (code != EXIT_DONE)
		log_error("%.*s", (int)why.n, why.n ? why.p : "out of memory");
	buf__release(&why);
	return code;
}

/* A second signal ends the agent at once, wherever it is. */
static void let_signals_kill(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int stop(struct agent *agent)
{
	uint64_t deadline_ns = clock__monotonic_ns() + FLUSH_NS;
	int err = 0;

	notify("STOPPING=1");
	let_signals_kill();
	targets__set_load(agent->targets, agent->load, NULL);
	attach__free(agent->attach);
	agent->attach = NULL;
	agent_loop__finish(agent, deadline_ns);
	if (agent->recorder)
		err = recorder__close(agent->recorder);
	agent->recorder = NULL;
	if (err && !agent->record_error)
		log_error("--output %s: %s; the recording is not whole", agent->options->output,
			  strerror(-err));
	agent_loop__print_stats(agent);
	while (agent->spawn.pid && !spawn__poll(&agent->spawn)) /* it outlived --duration */
		usleep(50 * 1000);
	if (agent->spawn.pid)
		return agent->spawn.exit_code;
	return err ? EXIT_FAILED : EXIT_DONE;
}

static void release(struct agent *agent)
{
	spawn__abandon(&agent->spawn);
	runtimes__free(agent->runtimes);
	attach__free(agent->attach);
	pipeline__free(agent->pipeline);
	if (agent->recorder)
		recorder__close(agent->recorder);
	export__free(agent->export);
	targets__free(agent->targets);
	load__free(agent->load);
	processes__free(agent->processes);
	tally__free(agent->stats.tally);
	resource__unref(agent->host);
}

int agent__run(const struct options *options)
{
	struct agent agent = { .options = options, .wall_offset_ns = clock__wall_offset_ns() };
	int code = EXIT_FAILED;

	agent.host = discover__host_resource();
	agent.processes = processes__new();
	agent.stats.tally = tally__new();
	if (agent.host && agent.processes && agent.stats.tally)
		code = start(&agent);
	if (code == EXIT_DONE && options->dry_run) {
		print_plan(&agent);
	} else if (code == EXIT_DONE) {
		int err = agent_loop__run(&agent);

		code = stop(&agent);
		if (err) {
			log_error("reading events: %s; start spanprobe again", strerror(-err));
			code = EXIT_FAILED;
		}
	}
	release(&agent);
	return code;
}
