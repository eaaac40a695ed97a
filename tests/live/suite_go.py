# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Go programs of every build, and agents that come late."""
import os
import shutil
import subprocess

import live
from live import NEEDS, Agent, Run
from tool.suite import BUILD, test

GO = NEEDS + ("a Go server (Go >= 1.21)",)
SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "workloads", "goserver.go")
BG = {"BG": "7"}


def built(name, *args, **env):
    """The workload of that build; built once."""
    path = os.path.join(BUILD, "tests", "live", "goserver-" + name)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(SOURCE):
        subprocess.run(["go", "build", *args, "-o", path, SOURCE], check=True, timeout=300, env=dict(
            os.environ, GO111MODULE="off", GOFLAGS="", **env))
    return path


def drive(run, program, name, *more):
    """Three calls one after the other, and three at a time."""
    for query in ("n=3", "n=3&par=1"):
        run.load(program.port, "-c", 8, "-n", 15, "-i", name + ("p" if "par" in query else "s"),
                 "-q", query, *more, name="load" + name + query[-1])


def own(spans):
    return [s for s in spans if s.kind == live.otlp.KIND_CLIENT and
            (s.work_id or "").startswith("bg")]


def judge(agent, programs):
    """Every call has its request, and the program's own calls (the last one is cut) have none."""
    truth = [t for p in programs for t in p.truth() if not t["id"].startswith("bg")]
    spans = agent.check(truth, parents="right", extra=True, incomplete=True,
                        lost=("pair.request_alone", "pair.response_alone"))
    assert own(spans), "no calls of the program's own"
    for s in own(spans):
        assert not s.parent, "%s is nobody's" % s


def one(name, path):
    with Run("go-" + name) as run:
        down = run.epoll_server()
        program = run.server("go", [path], down, env=BG)
        agent = Agent(run, "--pid", program.pid)
        drive(run, program, "x")
        agent.end()
        program.stop()
        judge(agent, [program])


@test("live/go_plain", GO, timeout=120)
def plain():
    one("plain", os.path.join(live.BIN, "goserver"))


@test("live/go_pie_stripped", GO, timeout=400)
def pie():
    one("pie", built("pie", "-buildmode=pie", "-ldflags=-s -w", CGO_ENABLED="0"))


@test("live/go_cgo", GO, timeout=400)
def cgo():
    one("cgo", built("cgo", "-ldflags=-linkmode=external", CGO_ENABLED="1"))


@test("live/go_cgo_pie_stripped", GO, timeout=400)
def cgo_pie():
    one("cgo-pie", built("cgo-pie", "-buildmode=pie", "-ldflags=-s -w -linkmode=external",
                         CGO_ENABLED="1"))


@test("live/go_chain", GO, timeout=120)
def chain():
    """One Go program calls another one; goroutines of both have the same numbers."""
    with Run("go-chain") as run:
        down = run.epoll_server()
        inner = run.go("inner", down=down, env=BG)
        outer = run.go("outer", down=inner)
        agent = Agent(run, "--pid", outer.pid, "--pid", inner.pid)
        drive(run, outer, "x")
        agent.end()
        outer.stop()
        inner.stop()
        judge(agent, [outer, inner])


@test("live/go_midway", GO, timeout=120)
def midway():
    """The agent comes in the middle of traffic: what it has not seen begin gives no parent, never a
    wrong one; what begins after it is right."""
    with Run("go-midway") as run:
        down = run.epoll_server()
        program = run.go(down=down, env=BG)
        before = run.load(program.port, "-c", 8, "-n", 500, "-i", "a", "-q", "n=3&par=1",
                          name="before", wait=False)
        live.time.sleep(0.3)
        agent = Agent(run, "--pid", program.pid)
        assert before.wait(60) == 0
        drive(run, program, "after")
        agent.end()
        program.stop()
        truth = [t if t["id"].startswith("after") else dict(t, maybe=True)
                 for t in program.truth() if not t["id"].startswith("bg")]
        agent.check(truth, parents="no-wrong", extra=True, incomplete=True,
                    lost=("pair.request_alone", "pair.response_alone", "decode.midstream"))
        assert not any(s.parent for s in own(agent.spans())), "a call of its own has a parent"
        client = [s for s in agent.spans() if s.kind == live.otlp.KIND_CLIENT and
                  (s.work_id or "").startswith("after")]
        assert len(client) == 2 * 8 * 15 * 3, "%d calls" % len(client)
        assert all(s.parent for s in client), "calls without a parent"


@test("live/go_exec", GO, timeout=120)
def exec_():
    """A shell becomes the Go program: its runtime is not there yet when it is met."""
    with Run("go-exec") as run:
        down = run.epoll_server()
        port = live.free_port()
        env = dict(os.environ, PORT=str(port), DOWN=str(down.port), BG="7")
        agent = Agent(run, "--", shutil.which("sh"), "-c",
                      "exec " + os.path.join(live.BIN, "goserver"), env=env)
        live.wait_for("the program", lambda: live.answers(port))
        for i in range(8):  # it is followed soon after its runtime has begun
            run.load(port, "-c", 4, "-n", 10, "-i", "x%d" % i, "-q", "n=2", name="load%d" % i)
            live.time.sleep(0.3)
        agent.p.send_signal(live.signal.SIGTERM)
        code = agent.p.wait(timeout=7)
        assert code == 128 + live.signal.SIGTERM, "the agent ended with %d" % code
        client = [s for s in agent.spans() if s.kind == live.otlp.KIND_CLIENT and
                  (s.work_id or "").startswith("x7-")]
        assert len(client) == 80, "%d calls" % len(client)
        assert all(s.parent for s in client), "calls without a parent"
