#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Does the agent stay as it is? A steady load for a long time, half of it with a connection per request, from
programs that end and come again; both ends are traced and exported. After the warm-up its memory, the
kernel's for it and its descriptors must not grow, and what is lost must be counted.

  soak.py [--seconds S] [--rate R] [--warm S] [--no-write]

The table goes between the marks in docs/soak.md. Exit: 1 when something grew or was lost in silence."""
import argparse
import glob
import json
import os
import platform
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../live")]
import live  # noqa: E402
from live import Agent, Proc, Run  # noqa: E402
from tool import suite  # noqa: E402

PAGE = os.path.join(suite.ROOT, "docs/soak.md")
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
TURN_S = 5  # how long a loading program lives
# What may be more than when the warm-up was over. Memory: what a busy moment of the machine leaves behind;
# half a byte lost per request would be more than that in half an hour.
BOUNDS = {"rss": 4.0, "kernel": 0.5, "fds": 2}
UNITS = {"rss": "%.1f MiB", "kernel": "%.2f MiB", "fds": "%d"}
NAMES = {"rss": "memory of the agent (RSS)", "kernel": "kernel memory of its maps",
         "fds": "its descriptors"}


def map_bytes(pid):
    """What the kernel says that the maps behind the agent's descriptors take."""
    total = 0
    for path in glob.glob("/proc/%d/fdinfo/*" % pid):
        try:
            with open(path) as f:
                text = f.read()
        except OSError:
            continue
        if "map_type:" in text:
            total += int(re.search(r"^memlock:\s+(\d+)", text, re.M).group(1))
    return total


def sample(pid):
    return {"rss": live.rss_mib(pid), "kernel": map_bytes(pid) / 2**20,
            "fds": len(os.listdir("/proc/%d/fd" % pid))}


def start_load(run, port, rate):
    """Two at a time, again and again; each prints its sum at its end."""
    one = "%s -S -c 16 -n %d -r %d" % (os.path.join(live.BIN, "http_load"), rate // 2 * TURN_S // 16,
                                      rate // 2)
    script = "until [ -e %s ]; do sleep 0.05; done; " \
             "while [ ! -e %s ]; do %s -i k -q size=300 %d & %s -C -i c %d & wait; done" % (
                 run.path("go"), run.path("stop"), one, port, one, port)
    return Proc(run, "load", ["sh", "-c", script])


def sums(text):
    """requests, failures of all loading programs"""
    got = [json.loads(line) for line in text.splitlines() if line.startswith('{"requests"')]
    return sum(x["requests"] for x in got), sum(x["failed"] for x in got)


def watch(agent, load, opts):
    samples, began, told = [], time.monotonic(), 0
    while time.monotonic() < began + opts.seconds:
        time.sleep(min(5, opts.seconds / 20))
        assert agent.alive() and load.alive(), "the agent or the load has ended"
        at = time.monotonic() - began
        samples.append((at, sample(agent.pid)))
        if at >= told:
            print("%5d s  %s" % (at, "  ".join(
                "%s %s" % (k, UNITS[k] % v) for k, v in samples[-1][1].items())), flush=True)
            told += 60
    return samples


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read()).group(1)
    commit = subprocess.run(["git", "-C", suite.ROOT, "rev-parse", "--short", "HEAD"], text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    return "%s, %d cores, Linux %s, commit %s, %s" % (
        cpu, os.cpu_count(), platform.release(), commit, time.strftime("%Y-%m-%d"))


def growth(samples, warm):
    """[(what, after the warm-up, most after it, at the end, bound)]"""
    first = next(s for at, s in samples if at >= warm)
    later = [s for at, s in samples if at >= warm]
    return [(k, first[k], max(s[k] for s in later), later[-1][k], BOUNDS[k]) for k in BOUNDS]


def table(rows, result, opts, agent):
    lines = ["Measured on %s: %d s, after a warm-up of %d s." % (machine(), opts.seconds, opts.warm), "",
             "| what | after the warm-up | most after it | at the end | may grow by |",
             "|---|---|---|---|---|"]
    for k, first, most, last, bound in rows:
        lines.append("| %s | %s | %s | %s | %s |" % (
            NAMES[k], UNITS[k] % first, UNITS[k] % most, UNITS[k] % last, UNITS[k] % bound))
    lines += ["", "| what | count |", "|---|---|",
              "| requests, half of them on connections of their own | %d (%.0f per second) |" % (
                  result["requests"], result["requests"] / opts.seconds),
              "| spans that should be (both ends) | %d |" % (2 * result["requests"]),
              "| spans that arrived | %d |" % result["spans"],
              "| connections met | %d |" % agent.count(r"connections: (\d+) met"),
              "| losses that the agent counted | %s |" % (", ".join(
                  "%s %d" % x for x in agent.lost().items()) or "none")]
    return "\n".join(lines)


def write(text):
    with open(PAGE) as f:
        page = f.read()
    head, _, rest = page.partition(BEGIN)
    with open(PAGE, "w") as f:
        f.write(head + BEGIN + "\n" + text + "\n" + END + rest.partition(END)[2])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seconds", type=int, default=1800)
    ap.add_argument("--rate", type=int, default=5000)
    ap.add_argument("--warm", type=int, default=120)
    ap.add_argument("--no-write", action="store_true")
    opts = ap.parse_args()
    opts.warm = min(opts.warm, opts.seconds * 2 // 3)
    with Run("soak") as run:
        sink = Proc(run, "sink", [os.path.join(suite.BUILD, "tools/otlp_sink"), "0", "200",
                                 "counts"])
        live.wait_for("sink", lambda: "listening" in sink.text())
        url = "otlp=http://127.0.0.1:%d" % json.loads(sink.text().splitlines()[0])["listening"]
        server = run.epoll_server("-q")
        load = start_load(run, server.port, opts.rate)
        agent = Agent(run, "--follow-children", "--pid", server.pid, "--pid", load.pid, "--export", url,
                      export=False)
        open(run.path("go"), "w").close()
        samples = watch(agent, load, opts)
        open(run.path("stop"), "w").close()
        load.wait(60)
        time.sleep(1)
        agent.end()
        requests, failed = sums(load.text())
        spans = json.loads(sink.text().splitlines()[-1])["total"]
    rows = growth(samples, opts.warm)
    result = {"requests": requests, "spans": spans}
    text = table(rows, result, opts, agent)
    print(text)
    bad = ["%s grew from %s to %s" % (NAMES[k], UNITS[k] % first, UNITS[k] % most)
           for k, first, most, _, bound in rows if most > first + bound]
    missing = 2 * requests - spans
    if spans > 2 * requests:
        bad.append("%d spans too many" % (spans - 2 * requests))
    if missing > sum(agent.lost().values()):
        bad.append("%d spans are missing, and %d losses were counted" % (
            missing, sum(agent.lost().values())))
    if failed:
        bad.append("%d requests failed" % failed)
    if not opts.no_write:
        write(text)
    for line in bad:
        print("soak: " + line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
