# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Node programs: every version, worker threads, clusters, and agents that come late."""
import os
import shutil
import signal
import subprocess

import live
from live import NEEDS, Agent, Run
from tool.suite import BUILD, test

NODE = NEEDS + ("node >= 18",)
SERVER = os.path.join(live.WORKLOADS, "nodeserver.js")
WORLD = os.path.join(live.WORKLOADS, "nodeworld.js")
BG = {"BG": "7"}
# decode.unknown: the sockets between the processes of a cluster
LOST = ("pair.request_alone", "pair.response_alone", "decode.midstream", "decode.unknown")
# of calls one after the other beside many others, a few are in doubt until it has shown that nothing waits
LEARNS = 0.98


def drive(run, port, name, *more):
    """Three calls one after the other, and three at a time."""
    for query in ("n=3", "n=3&par=1"):
        run.load(port, "-c", 8, "-n", 15, "-i", name + ("p" if "par" in query else "s"),
                 "-q", query, *more, name="load" + name + query[-1])


def judge(agent, truth, sure=lambda ident: True, calls=None):
    """No wrong parent; of the calls that are sure next to all have theirs, and the program's own none."""
    truth = [t if sure(t["id"]) else dict(t, maybe=True)
             for t in truth if not t["id"].startswith("bg")]
    spans = agent.check(truth, parents="no-wrong", extra=True, incomplete=True, lost=LOST)
    client = [s for s in spans if s.kind == live.otlp.KIND_CLIENT and s.work_id]
    own = [s for s in client if s.work_id.startswith("bg")]
    mine = [s for s in client if not s.work_id.startswith("bg") and sure(s.work_id)]
    assert own, "no calls of the program's own"
    assert not any(s.parent for s in own), "a call of its own has a parent"
    want = calls or sum(t["side"] == "client" and not t.get("maybe") for t in truth)
    assert len(mine) == want, "%d calls, not %d" % (len(mine), want)
    right = [s for s in mine if s.parent]
    assert len(right) >= LEARNS * len(mine), "%d of %d calls have a parent" % (
        len(right), len(mine))
    assert all(s.attr["spanprobe.parent.by"] == "node-async" for s in right)


def one(name, argv):
    with Run("node-" + name) as run:
        down = run.epoll_server()
        program = run.server("node", argv, down, BG)
        agent = Agent(run, "--pid", program.pid)
        drive(run, program.port, "x")
        agent.end()
        program.stop()
        judge(agent, program.truth())


@test("live/node_plain", NODE)
def plain():
    one("plain", ["node", SERVER])


@test("live/node_stripped", NODE + ("strip",))
def stripped():
    """Without .symtab the program still names what it exports."""
    copy = os.path.join(BUILD, "tests", "live", "stripped", "node")
    if not os.path.exists(copy):
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy(os.path.realpath(shutil.which("node")), copy)
        subprocess.run(["strip", copy], check=True, timeout=60)
    one("stripped", [copy, SERVER])


def of_version(version):
    @test("live/node_%s" % version, NEEDS + ("node %s" % version,))
    def run():
        one(version, [os.path.join(BUILD, "truth/node/node_modules/node%s/bin/node" % version),
                      SERVER])


for v in ("18", "20", "22", "24"):
    of_version(v)


@test("live/node_threads", NODE)
def threads():
    """Three worker threads, each with an environment of its own whose ids begin at 1."""
    with Run("node-threads") as run:
        down = run.epoll_server()
        ports = [live.free_port() for _ in range(3)]
        env = dict(BG, THREADS="3", PORTS=",".join(map(str, ports)))
        program = run.server("node", ["node", WORLD], down, env, port=ports[0])
        for port in ports:
            live.wait_for("a worker", lambda: live.answers(port))
        agent = Agent(run, "--pid", program.pid)
        loads = [run.load(port, "-c", 4, "-n", 30, "-i", "t%d" % i, "-q", "n=3", wait=False,
                          name="load%d" % i) for i, port in enumerate(ports)]
        assert [x.wait(60) for x in loads] == [0, 0, 0]
        agent.end()
        program.stop()
        judge(agent, program.truth(), calls=3 * 4 * 30 * 3)


@test("live/node_cluster", NODE)
def workers():
    """Workers that are forked later; connections come to them from their parent process."""
    with Run("node-cluster") as run:
        down = run.epoll_server()
        port = live.free_port()
        env = dict(BG, CLUSTER="2", PORT=str(port), DOWN=str(down.port))
        program = live.Proc(run, "node", ["node", WORLD], env)
        live.wait_for("the signal's handler", lambda: caught(program.pid, signal.SIGUSR2))
        agent = Agent(run, "--follow-children", "--pid", program.pid)
        program.p.send_signal(signal.SIGUSR2)
        live.wait_for("the workers", lambda: live.answers(port))
        live.wait_for("both", lambda: len(live.children(program.pid)) == 2)
        for i in range(6):  # they are followed soon after they have begun
            run.load(port, "-c", 8, "-n", 10, "-i", "x%d" % i, "-q", "n=3", name="load%d" % i)
            live.time.sleep(0.3)
        agent.end()
        program.stop()
        assert len({t["pid"] for t in program.truth() if t["id"].startswith("x5")}) == 2
        judge(agent, program.truth(), sure=lambda ident: ident.startswith("x5"),
              calls=8 * 10 * 3)


def caught(pid, sig):
    with open("/proc/%d/status" % pid) as f:
        mask = next(int(line.split()[1], 16) for line in f if line.startswith("SigCgt"))
    return mask >> (sig - 1) & 1


@test("live/node_midway", NODE)
def midway():
    """The agent comes in the middle of traffic: what it has not seen begin gives no parent, never a
    wrong one; what begins after it is right."""
    with Run("node-midway") as run:
        down = run.epoll_server()
        program = run.node(down=down, env=BG)
        before = run.load(program.port, "-c", 8, "-n", 300, "-i", "a", "-q", "n=3", name="before",
                          wait=False)
        live.time.sleep(0.3)
        agent = Agent(run, "--pid", program.pid)
        assert before.wait(60) == 0
        drive(run, program.port, "after")
        agent.end()
        program.stop()
        judge(agent, program.truth(), sure=lambda ident: ident.startswith("after"),
              calls=2 * 8 * 15 * 3)


@test("live/node_chain", NODE)
def chain():
    """One Node program calls another one; both have the same ids."""
    with Run("node-chain") as run:
        down = run.epoll_server()
        inner = run.node("inner", down=down, env=BG)
        outer = run.node("outer", down=inner, env={"FETCH": "1"})
        agent = Agent(run, "--pid", outer.pid, "--pid", inner.pid)
        drive(run, outer.port, "x")
        agent.end()
        outer.stop()
        inner.stop()
        judge(agent, outer.truth() + inner.truth())


@test("live/node_exec", NODE)
def exec_():
    """A shell becomes Node: its runtime is not there yet when it is met."""
    with Run("node-exec") as run:
        down = run.epoll_server()
        port = live.free_port()
        env = dict(os.environ, PORT=str(port), DOWN=str(down.port), **BG)
        agent = Agent(run, "--", shutil.which("sh"), "-c", "exec node " + SERVER, env=env)
        live.wait_for("the program", lambda: live.answers(port))
        for i in range(5):
            run.load(port, "-c", 4, "-n", 10, "-i", "x%d" % i, "-q", "n=2", name="load%d" % i)
            live.time.sleep(0.3)
        agent.p.send_signal(signal.SIGTERM)
        code = agent.p.wait(timeout=7)
        assert code == 128 + signal.SIGTERM, "the agent ended with %d" % code
        client = [s for s in agent.spans() if s.kind == live.otlp.KIND_CLIENT and
                  (s.work_id or "").startswith("x4-")]
        assert len(client) == 80, "%d calls" % len(client)
        assert all(s.parent for s in client), "calls without a parent"
