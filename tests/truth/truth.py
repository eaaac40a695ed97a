#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Whose call was it? Real programs under load, and how many of their calls got the right parent, a
wrong one, or none.

  tests/truth/truth.py [--markdown] [NAME]...

Every program serves 1, 8 and 32 connections at a time and makes three calls per request; beside
that it makes calls of its own, every 7 ms. The truth is the id in the path (tests/tool/check.py):
a call X.<n> belongs to request X, a call bg-<n> to nobody.
"""
import argparse
import collections
import os
import platform
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import live  # noqa: E402
from tool import abilities  # noqa: E402
from tool import check  # noqa: E402
from tool import spans as otlp  # noqa: E402

LEVELS = ((1, 60), (8, 25), (32, 12))  # connections, requests of each
CASES = {}
BACKGROUND = {"BG": "7"}


class Case:
    """start(run, down) -> the program; exact: every call must have its right parent."""

    def __init__(self, start, needs=(), query="n=3", exact=False, pids=None, refused=False, post=0):
        self.start, self.query, self.exact, self.needs = start, query, exact, needs
        self.pids, self.refused, self.post = pids or (lambda p: [p.pid]), refused, post


def case(name, start, needs=(), par=False, **kw):
    CASES[name + (", parallel" if par else "")] = Case(
        start, needs, query="n=3&par=1" if par else "n=3", **kw)


def nginx(name, exact=True, **kw):
    more = {k: kw.pop(k) for k in ("refused", "post") if k in kw}
    case("nginx, " + name, lambda run, down: run.nginx(down=down, **kw), ("nginx",), exact=exact,
         pids=lambda p: p.workers, **more)


def both(name, start, needs):
    case(name, start, needs)
    case(name, start, needs, par=True)


def of(kind, **env):
    """A program of live.Run, with calls of its own."""
    return lambda run, down: getattr(run, kind)(down=down, env=dict(BACKGROUND, **env))


def workers(master):
    live.wait_for("workers", lambda: live.children(master.pid))
    return live.children(master.pid)


def dead(**kw):
    """Every second try goes to a port where nobody listens."""
    def start(run, down):
        return run.nginx(down=down, peers="server 127.0.0.1:%d max_fails=0;" % live.free_port(), **kw)
    return start


CASES["nginx, static"] = Case(lambda run, down: run.nginx(workers=2), ("nginx",), exact=True,
                              pids=lambda p: p.workers)
nginx("proxy, keepalive 4", keepalive=4)
nginx("proxy, keepalive 64", keepalive=64)
nginx("proxy, 4 workers", workers=4, keepalive=16)
nginx("proxy, buffered uploads", exact=False, more="client_body_buffer_size 8k;", post=200000)
nginx("proxy, limit_req", exact=False, more="limit_req zone=one burst=1000;",
      shared="limit_req_zone $server_port zone=one:1m rate=200r/s;")
CASES["nginx, proxy, refused and tried again"] = Case(
    dead(keepalive=8), ("nginx",), refused=True, pids=lambda p: p.workers)
case("Python http.server, threads", of("python"), exact=True)
case("gunicorn gthread", of("gunicorn"), ("gunicorn from PyPI",), exact=True, pids=workers)
case("Java httpserver, HttpURLConnection", of("java"), ("java >= 17",), exact=True)
case("Java httpserver, pool of 4", of("java", THREADS="4"), ("java >= 17",), exact=True)
case("Java httpserver, HttpClient", of("java", HTTPCLIENT="1"), ("java >= 17",))
both("uvicorn, httpx", of("uvicorn"), ("uvicorn and httpx from PyPI",))
case("uvicorn, httpx, pool of 4", of("uvicorn", POOL="4"), ("uvicorn and httpx from PyPI",))
both("aiohttp", of("aiohttp"), ("aiohttp from PyPI",))
case("aiohttp, pool of 4", of("aiohttp", POOL="4"), ("aiohttp from PyPI",), par=True)
both("Node http", of("node"), ("node >= 18",))
case("Node http, pool of 4", of("node", POOL="4"), ("node >= 18",))
both("Node fetch", of("node", FETCH="1"), ("node >= 18",))
both("Go net/http", of("go"), ("a Go server (Go >= 1.21)",))
case("Go net/http, pool of 4", of("go", POOL="4"), ("a Go server (Go >= 1.21)",))


class Score:
    """One row per group of calls: the load's level, or the program's own."""

    def __init__(self, spans, truth, pids):
        self.rows = collections.defaultdict(collections.Counter)
        self.why = collections.Counter()
        self.first_wrong = []
        by_id = {s.id: s for s in spans}
        found = collections.defaultdict(list)
        for s in spans:
            found[(s.kind, s.work_id)].append(s)
        for t in truth:
            if t["pid"] not in pids:
                continue
            server = t["side"] == "server"
            got = found.pop((otlp.KIND_SERVER if server else otlp.KIND_CLIENT, t["id"]), [])
            row = self.rows[t["id"].partition("-")[0]]
            row["requests" if server else "calls"] += 1
            row["missing"] += not got
            row["doubled"] += max(0, len(got) - 1)
            if got and not server:
                self.judge(row, got[0], t["id"].rpartition(".")[0], by_id)
        self.unknown = [s for key, more in found.items() for s in more if key[1]]

    def judge(self, row, s, cause, by_id):
        p = by_id.get(s.parent)
        if not s.parent:
            row["none" if cause else "right"] += 1
            if cause:
                self.why[s.attr.get("spanprobe.root.why", "?")] += 1
        elif cause and p and p.kind == otlp.KIND_SERVER and p.work_id == cause and p.pid == s.pid:
            row["right"] += 1
        else:
            row["wrong"] += 1
            self.first_wrong.append("%s under %s" % (s, p))


def drive(run, case, port, scale=1):
    for conns, requests in LEVELS:
        more = ["-m", "POST", "-b", case.post] if case.post else []
        run.load(port, "-c", conns, "-n", max(1, int(requests * scale)), "-i", "c%d" % conns, "-q",
                 case.query, *more, name="load%d" % conns)


def measure(name, scale=1, agent_args=()):
    """-> Score, faults of the invariants but for parents, lost"""
    case = CASES[name]
    with live.Run("truth-" + "".join(c if c.isalnum() else "-" for c in name)) as run:
        down = run.server("backend", [sys.executable, os.path.join(HERE, "backend.py")])
        program = case.start(run, down)
        pids = case.pids(program)
        agent = live.Agent(run, *[x for pid in pids for x in ("--pid", pid)], *agent_args)
        begun = time.time_ns()
        drive(run, case, program.port, scale)
        time.sleep(0.1)
        stopped = time.time_ns()
        agent.end()
        program.stop()
        spans, lost = agent.spans(), agent.lost()
        # the program's own calls go on before and after the agent: only whole ones count
        made = {s.work_id for s in spans if begun < s.start and s.end < stopped}
        spans = [s for s in spans if s.work_id in made or not (s.work_id or "").startswith("bg")]
        truth = [dict(t, maybe=t["id"].startswith("bg")) for t in program.truth()]
        truth = [t for t in truth if not t["maybe"] or t["id"] in made]
        faults = check.Checker(spans, truth, extra=True).run()
        faults = [f for f in faults if f[0] not in ("parent", "body", "status")]
        return Score(spans, truth, pids), faults, lost


def cell(row):
    if not row["calls"]:
        return "-"
    return "%d / %d / %d" % (row["right"], row["wrong"], row["none"])


def report(names, markdown):
    print("| program | requests | 1 | 8 | 32 connections | its own calls | missing, doubled |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    for name in names:
        missing = [n for n in live.NEEDS + CASES[name].needs if not abilities.have(n)]
        if missing:
            print("| %s | lacks %s |" % (name, missing[0]))
            continue
        out, sys.stdout = sys.stdout, open(os.devnull, "w")
        try:
            score, faults, lost = measure(name)
        finally:
            sys.stdout = out
        rows = score.rows
        total = sum(rows.values(), collections.Counter())
        print("| %s | %d | %s | %s | %s | %s | %d, %d |" % (
            name, total["requests"], cell(rows["c1"]), cell(rows["c8"]), cell(rows["c32"]),
            cell(rows["bg"]), total["missing"], total["doubled"]), flush=True)
        notes = ["lost %s" % lost] if lost else []
        notes += [check.summary(faults, 3)] if faults else []
        notes += ["wrong: " + x for x in score.first_wrong[:3]]
        notes += ["none: " + ", ".join("%s %d" % x for x in score.why.items())] if score.why else []
        notes += ["not known: %s" % x for x in score.unknown[:3]]
        if not markdown:
            for note in notes:
                print("    " + note.replace("\n", "\n    "))
        bad += total["wrong"] + len(faults) + len(score.unknown)
        bad += total["none"] if CASES[name].exact else 0
    return bad


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--markdown", action="store_true", help="the table alone")
    ap.add_argument("names", nargs="*", help="cases whose name contains one of these")
    args = ap.parse_args()
    if args.markdown:
        print("Calls: right / wrong / none. %s, kernel %s, %d CPUs, %s.\n" % (
            time.strftime("%Y-%m-%d", time.gmtime()), platform.release(), os.cpu_count(),
            platform.machine()))
    names = [n for n in CASES if not args.names or any(x in n for x in args.names)]
    return 1 if report(names, args.markdown) else 0


if __name__ == "__main__":
    sys.exit(main())
