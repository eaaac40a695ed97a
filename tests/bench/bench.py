#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What tracing costs: runs without and with the agent, interleaved; medians, and the range that half
of the rounds fall into. The server has core 0; the load and the agent share core 1.

  bench.py [--rounds N] [--seconds S] [--no-write]

The tables go between the marks in docs/performance.md."""
import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../live")]
import calls  # noqa: E402
import live  # noqa: E402
from live import SPANPROBE, Agent, Proc, Run  # noqa: E402
from tool import suite  # noqa: E402

PAGE = os.path.join(suite.ROOT, "docs/performance.md")
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
CONNECTIONS = 16


def cpu_ns(pid):
    total = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, tid)) as f:
            total += int(f.read().split()[0])
    return total


def pin(pid, core):
    for tid in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(tid), {core})


def spread(values, form="%.2f"):
    """median (quartile to quartile)"""
    v = sorted(values)
    if len(v) < 4:
        return form % statistics.median(v)
    q = statistics.quantiles(v, n=4)
    return (form + " (" + form + " to " + form + ")") % (q[1], q[0], q[2])


def micros(text):
    m = re.match(r"([\d.]+)(us|ms|s)", text)
    return float(m.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6}[m.group(2)]


def wrk(port, seconds, connections=CONNECTIONS):
    p = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds,
                        "--latency", "http://127.0.0.1:%d/w/x" % port], stdout=subprocess.PIPE,
                       text=True, check=True).stdout
    return {"requests": int(re.search(r"(\d+) requests in", p).group(1)),
            "rps": float(re.search(r"Requests/sec: +([\d.]+)", p).group(1)),
            "p50": micros(re.search(r"50% +(\S+)", p).group(1)),
            "p99": micros(re.search(r"99% +(\S+)", p).group(1))}


def sink(run):
    p = Proc(run, "sink", [os.path.join(suite.BUILD, "tools/otlp_sink"), "0"])
    live.wait_for("sink", lambda: "listening" in p.text())
    p.url = "otlp=http://127.0.0.1:%d" % json.loads(p.text().splitlines()[0])["listening"]
    pin(p.pid, 0)
    return p


def agent_on(run, pids, export, more=()):
    agent = Agent(run, *[x for p in pids for x in ("--pid", p)], "--export", export, *more,
                  export=False)
    pin(agent.pid, 1)
    return agent


def compare(run, port, server, traced, export, rounds, seconds):
    """Rounds of off and on; server: whose CPU is measured, traced: whom the agent is told."""
    out = {k: [] for k in ("ratio", "rps", "extra", "base", "agent", "spans", "p50", "p50off",
                           "p99", "p99off", "rss", "lost")}
    wrk(port, 1)
    for _ in range(rounds):
        c = cpu_ns(server)
        off = wrk(port, seconds)
        base = (cpu_ns(server) - c) / off["requests"]
        agent = agent_on(run, traced, export)
        c, a = cpu_ns(server), cpu_ns(agent.pid)
        on = wrk(port, seconds)
        extra = (cpu_ns(server) - c) / on["requests"] - base
        time.sleep(0.05)
        spent, rss = cpu_ns(agent.pid) - a, live.rss_mib(agent.pid)
        agent.end()
        spans = agent.count(r"spans: (\d+) made")
        for key, value in (("ratio", on["rps"] / off["rps"]), ("rps", off["rps"]), ("extra", extra),
                           ("base", base), ("agent", spent / spans if spans else 0),
                           ("spans", spans / on["requests"]), ("p50", on["p50"]),
                           ("p50off", off["p50"]), ("p99", on["p99"]), ("p99off", off["p99"]),
                           ("rss", rss), ("lost", sum(agent.lost().values()) / on["requests"])):
            out[key].append(value)
    return out


def row(name, r):
    return "| %s | %s | %s | %s | %s | %s | %s | %s / %s | %s / %s | %s |" % (
        name, spread(r["rps"], "%.0f"), spread(r["ratio"]), spread(r["extra"], "%.0f"),
        spread(r["agent"], "%.0f"), spread(r["spans"], "%.3f"), spread(r["lost"], "%.3f"),
        spread(r["p50off"], "%.0f"), spread(r["p50"], "%.0f"), spread(r["p99off"], "%.0f"),
        spread(r["p99"], "%.0f"), spread(r["rss"], "%.1f"))


HEAD = ("| server, exporter | requests/s without | ratio with / without | extra CPU in the server, "
        "ns/request | agent CPU, ns/span | spans/request | lost/request | p50 without / with, us | "
        "p99 without / with, us | agent memory, MiB |\n|---|---|---|---|---|---|---|---|---|---|")


def flat_out(args):
    lines = [HEAD]
    with Run("bench") as run:
        c = run.epoll_server("-q")
        nginx = run.nginx()
        quiet = run.nginx("bystander")
        for p in (c.pid, nginx.workers[0], quiet.workers[0]):
            pin(p, 0)
        out = sink(run)
        for export, label in (("none", "none"), (out.url, "OTLP")):
            lines.append(row("C epoll, " + label,
                             compare(run, c.port, c.pid, [c.pid], export, args.rounds,
                                     args.seconds)))
            lines.append(row("nginx `return 200`, " + label,
                             compare(run, nginx.port, nginx.workers[0], nginx.workers, export,
                                     args.rounds, args.seconds)))
        lines.append(row("an untraced nginx beside it",
                         compare(run, quiet.port, quiet.workers[0], nginx.workers, "none",
                                 args.rounds, args.seconds)))
    return lines


def at_rate(args):
    """A fixed rate, which the machine can carry: what a span costs, and that nothing is lost."""
    lines = ["| load | spans/request | lost | agent CPU, ns/span | agent CPU, % of a core | "
             "agent memory, MiB |", "|---|---|---|---|---|---|"]
    with Run("bench_rate") as run:
        server = run.epoll_server("-q")
        pin(server.pid, 0)
        out = sink(run)
        for conns, rate in ((16, 20000), (1000, 10000)):
            for export, label in (("none", "none"), (out.url, "OTLP")):
                agent = agent_on(run, [server.pid], export)
                each = rate * 5 // conns
                begun, a = time.monotonic(), cpu_ns(agent.pid)
                load = Proc(run, "load", ["taskset", "-c", "1", os.path.join(live.BIN, "http_load"),
                                          "-c", str(conns), "-n", str(each), "-r", str(rate),
                                          str(server.port)])
                assert load.wait(60) == 0
                took = time.monotonic() - begun
                spent, rss = cpu_ns(agent.pid) - a, live.rss_mib(agent.pid)
                time.sleep(0.1)
                agent.end()
                spans = agent.count(r"spans: (\d+) made")
                lines.append("| %d connections, %.0f requests/s, %s | %.4f | %d | %.0f | %.1f | %.1f |"
                             % (conns, conns * each / took, label, spans / (conns * each),
                                sum(agent.lost().values()), spent / spans, spent / took / 1e7, rss))
    return lines


def kernel_side(args):
    """bpf statistics: time per run of each program, the price of the clock reads subtracted."""
    lines = ["| program | runs/request | ns/run |", "|---|---|---|"]
    with open("/proc/sys/kernel/bpf_stats_enabled") as f:
        before = f.read()
    try:
        with Run("bench_bpf") as run:
            server = run.epoll_server("-q")
            agent = agent_on(run, [server.pid], "none")
            with open("/proc/sys/kernel/bpf_stats_enabled", "w") as f:
                f.write("1")
            n = wrk(server.port, args.seconds)["requests"]
            progs = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], check=True,
                                              stdout=subprocess.PIPE).stdout)
            agent.end()
        for p in sorted(progs, key=lambda p: -p.get("run_time_ns", 0)):
            if p.get("run_cnt", 0) > n / 100:
                lines.append("| %s | %.2f | %.0f |" % (
                    p.get("name"), p["run_cnt"] / n, p["run_time_ns"] / p["run_cnt"] - 55))
    finally:
        with open("/proc/sys/kernel/bpf_stats_enabled", "w") as f:
            f.write(before)
    return lines


def replays(args):
    lines = ["| replay on one core | spans/s |", "|---|---|"]
    with Run("bench_replay") as run:
        server = run.epoll_server("-q")
        spr = run.path("run.spr")
        agent = Agent(run, "record", "-o", spr, "--pid", server.pid, "--export", "none", export=False)
        run.load(server.port, "-c", 16, "-n", 12500, "-r", 20000)
        agent.end()
        out = sink(run)
        for export, label in (("none", "without encoding"), (out.url, "OTLP to a receiver")):
            rates = []
            for _ in range(args.rounds):
                p = subprocess.Popen(["taskset", "-c", "1", SPANPROBE, "replay", spr, "--export",
                                      export, "--queue-size", "1000000"], stderr=subprocess.PIPE,
                                     text=True)
                err = p.stderr.read()
                _, _, usage = os.wait4(p.pid, 0)
                spans = int(re.search(r"spans: (\d+) made", err).group(1))
                rates.append(spans / (usage.ru_utime + usage.ru_stime))
            lines.append("| %s | %s |" % (label, spread(rates, "%.0f")))
        os.remove(spr)
    return lines


def small_things(args):
    lines = ["| what | measured |", "|---|---|"]
    with Run("bench_small") as run:
        server = run.epoll_server()
        ready = []
        for _ in range(10):
            agent = Agent(run, "--pid", server.pid, "--export", "none", export=False)
            ready.append(agent.ready_after)
            agent.stop(signal.SIGTERM)
        agent = agent_on(run, [server.pid], "none")
        time.sleep(0.5)
        a, at = cpu_ns(agent.pid), time.monotonic()
        time.sleep(10)
        idle = (cpu_ns(agent.pid) - a) / (time.monotonic() - at) / 1e7
        rss = live.rss_mib(agent.pid)
        agent.end()
    lines.append("| start to ready, s (slowest of 10: %.3f) | %s |" % (max(ready),
                                                                      spread(ready, "%.3f")))
    lines.append("| CPU with no traced socket I/O, % of a core | {:.2f} |".format(idle))
    lines.append("| memory idle, MiB (RSS) | %.1f |" % rss)
    return lines


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read()).group(1)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=suite.ROOT,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    return "%s, %d cores, Linux %s, commit %s, %s" % (
        cpu, os.cpu_count(), platform.release(), commit, time.strftime("%Y-%m-%d"))


def bystanders(args):
    """A busy program with threads that nobody traces, while the wakes of another one are reported."""
    busy = os.path.join(suite.BUILD, "tests/bench/threads")
    done, cpu = [], []

    def once():
        p = subprocess.run([busy, str(args.seconds)], stdout=subprocess.PIPE, text=True, check=True)
        return [float(x) for x in p.stdout.split()]

    with Run("bench_bystanders") as run:
        idle = Proc(run, "idle", [busy, "3600", "idle"])
        for _ in range(args.rounds):
            off = once()
            agent = agent_on(run, [idle.pid], "none")
            on = once()
            agent.end()
            done.append(on[0] / off[0])
            cpu.append(on[1] / off[1])
    return ["| an untraced program | ratio with / without |", "|---|---|",
            "| tasks done | %s |" % spread(done, "%.3f"),
            "| CPU per task | %s |" % spread(cpu, "%.3f")]


def three_calls(args):
    return calls.table(sys.modules[__name__], args)


PARTS = (
    ("Flat out", flat_out, "%d keep-alive connections, `wrk` on the agent's core, as fast as it goes."),
    ("At a fixed rate", at_rate, "C epoll server."),
    ("In the kernel", kernel_side, "BPF statistics of a flat-out run on the C epoll server, less 55 ns "
     "for the statistics themselves. The trampoline is not in them."),
    ("Three calls per request", three_calls, "8 connections, the program on core 0; its calls go to a "
     "server on core 1, where load, agent and receiver run too. CPU of the program's threads. The agent"
     "'s CPU is that with OTLP export."),
    ("Wakes", bystanders, "Eight threads that hand tasks of some 10 us to each other, untraced, on both "
     "cores; the agent reports wakes between the threads of another, idle program."),
    ("Replay", replays, "A recording of 200,000 requests."),
    ("Standing still", small_things, "One traced process."),
)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--seconds", type=int, default=2)
    ap.add_argument("--no-write", action="store_true")
    ap.add_argument("--only", help="parts whose title contains this (writes nothing)")
    args = ap.parse_args()
    text = ["Measured on " + machine() + ". Median of %d rounds of %d s, off and on in turn; in "
            "brackets the quartiles." % (args.rounds, args.seconds)]
    for title, measure, note in PARTS:
        if args.only and args.only not in title:
            continue
        text += ["", "### " + title, "", note % CONNECTIONS if "%" in note else note, ""]
        text += measure(args)
        print("\n".join(text[-12:]), flush=True)
    if args.no_write or args.only:
        return
    with open(PAGE) as f:
        page = f.read()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    with open(PAGE, "w") as f:
        f.write(head + BEGIN + "\n" + "\n".join(text) + "\n" + END + tail)
    print("written to " + os.path.relpath(PAGE))


if __name__ == "__main__":
    main()
