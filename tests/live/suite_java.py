# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Java: calls that other threads than the request's make, and agents that come late."""
import os
import sys

import live
from live import NEEDS, Agent, Run
from tool.suite import test

JAVA = NEEDS + ("java >= 17",)
MOST = 0.95  # a result may come before anybody waits for it
BACKEND = os.path.join(live.HERE, "..", "truth", "backend.py")


def backend(run):
    """It takes 1 to 10 ms to answer: a future that is complete when it is asked for tells nothing."""
    return run.server("backend", [sys.executable, BACKEND])


def own(spans):
    return [s for s in spans if s.kind == live.otlp.KIND_CLIENT and
            (s.work_id or "").startswith("bg")]


def judge(agent, programs, by, maybe=()):
    """No wrong parent, most calls have theirs, and the programs' own calls (the last one is cut)
    have none."""
    truth = [t for p in programs for t in p.truth() if not t["id"].startswith("bg")]
    for t in truth:
        t["maybe"] = t["id"].startswith(tuple(maybe)) if maybe else False
    spans = agent.check(truth, parents="no-wrong", extra=True, incomplete=True,
                        lost=("pair.request_alone", "pair.response_alone", "decode.midstream"))
    for s in own(spans):
        assert not s.parent, "%s is nobody's" % s
    ids = {t["id"] for t in truth if t["side"] == "client" and not t["maybe"]}
    calls = [s for s in spans if s.kind == live.otlp.KIND_CLIENT and s.work_id in ids]
    known = [s for s in calls if s.parent]
    kinds = {s.attr["spanprobe.parent.by"] for s in known}
    print("%d of %d calls have their request, by %s" % (len(known), len(calls), kinds))
    assert len(known) >= MOST * len(calls), "%d of %d calls" % (len(known), len(calls))
    assert by <= kinds, "by %s" % kinds
    return spans


def drive(run, program, name, conns=8):
    run.load(program.port, "-c", conns, "-n", 20, "-i", name, "-q", "n=3", name="load" + name)


def one(way, by, flags=()):
    with Run("java-" + "-".join([way] + [f.strip("-:+X") for f in flags])) as run:
        down = backend(run)
        program = run.java(down=down, flags=flags, env={"WAY": way, "BG": "7"})
        agent = Agent(run, "--pid", program.pid)
        drive(run, program, "x")
        drive(run, program, "y", 1)
        agent.end()
        program.stop()
        assert own(judge(agent, [program], by)), "no calls of the program's own"


@test("live/java_pool", JAVA, timeout=120)
def pool():
    one("pool", {"park"})


@test("live/java_send", JAVA, timeout=120)
def send():
    one("send", {"park", "connect"})


@test("live/java_small_heap", JAVA, timeout=120)
def small_heap():
    """Objects move all the time."""
    one("pool", {"park"}, ("-XX:+UseParallelGC", "-Xmn2m"))


@test("live/java_wide_references", JAVA, timeout=120)
def wide():
    one("send", {"park"}, ("-XX:+UseSerialGC", "-XX:-UseCompressedOops"))


@test("live/java_other_collector", JAVA, timeout=120)
def other_collector():
    """What the collector moves while threads run is not read: calls of the request's own thread
    have their parent, and nothing is wrong."""
    one("thread", {"thread"}, ("-XX:+UseZGC",))


@test("live/java_chain", JAVA, timeout=120)
def chain():
    """One JVM calls another one; classes of both may lie at the same addresses."""
    with Run("java-chain") as run:
        down = backend(run)
        inner = run.java("inner", down=down, env={"WAY": "pool", "BG": "7"})
        outer = run.java("outer", down=inner, env={"WAY": "send"})
        agent = Agent(run, "--pid", outer.pid, "--pid", inner.pid)
        drive(run, outer, "x")
        agent.end()
        outer.stop()
        inner.stop()
        judge(agent, [outer, inner], {"park"})


@test("live/java_late", JAVA, timeout=120)
def late():
    """The agent comes in the middle of traffic: what begins after it has its parent."""
    with Run("java-late") as run:
        down = backend(run)
        program = run.java(down=down, env={"WAY": "send", "BG": "7"})
        drive(run, program, "w")
        load = run.load(program.port, "-c", 8, "-n", 300, "-i", "m", "-q", "n=3", name="loadm",
                        wait=False)
        agent = Agent(run, "--pid", program.pid)
        load.wait()
        drive(run, program, "x")
        agent.end()
        program.stop()
        judge(agent, [program], {"park"}, maybe=("w", "m"))


@test("live/java_from_the_start", JAVA, timeout=120)
def from_the_start():
    """The agent follows a shell that becomes the JVM, which loads libjvm.so only then."""
    with Run("java-start") as run:
        down = backend(run)
        port = live.free_port()
        command = "exec java -XX:TieredStopAtLevel=1 -Xmx128m %s/JavaServer.java" % live.WORKLOADS
        agent = Agent(run, "-f", "--", "sh", "-c", command, env={
            "PORT": str(port), "DOWN": str(down.port), "WAY": "pool"})
        live.wait_for("the JVM", lambda: live.answers(port), 60)
        agent.port = port
        drive(run, agent, "x")
        agent.p.send_signal(live.signal.SIGTERM)
        code = agent.p.wait(timeout=7)
        assert code == 128 + live.signal.SIGTERM, "the agent ended with %d" % code
        agent.summary = agent.errors() + agent.text()
        judge(agent, [agent], {"park"}, maybe=("nothing",))
