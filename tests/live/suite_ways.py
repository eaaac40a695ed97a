# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Ways in which bytes move that hooks find hard: what cannot be read is counted, nothing is invented, and
requests = spans wherever the heads can be read."""
import os
import re
import subprocess

import live
from live import NEEDS, Agent, Run
from tool.suite import test

LOAD = os.path.join(live.BIN, "http_load")


def ways(run, mode):
    port = live.free_port()
    server = live.Proc(run, "ways", [os.path.join(live.BIN, "ways"), str(port), mode])
    live.wait_for("listening", lambda: "listening" in server.text())
    server.port = port
    return server


def both_ends(run, server, *lost, requests=80, load=("-c", 4, "-n", 20), sizes=(5000, 30000)):
    agent = Agent(run, "--pid", server.pid, "--", LOAD, *load, "-m", "POST", "-b", sizes[0], "-q",
                  "size=%d" % sizes[1], server.port)
    agent.end_with_command()
    made = live.check.load_truth(agent.out)
    assert len(made) == len(server.truth()) == requests
    agent.check(made + server.truth(), lost=lost)
    return agent


def of(mode, *lost):
    @test("live/ways_" + mode, NEEDS)
    def run():
        with Run("ways_" + mode) as run:
            agent = both_ends(run, ways(run, mode), *lost)
            for name in lost:
                assert agent.lost().get(name, 0) > 0, "%s is not told" % name


of("zerocopy")
of("splice", "payload.unseen")
of("sendfile", "payload.unseen")
of("mapped")
of("trunc", "payload.unseen")


@test("live/ways_mmsg", NEEDS)
def mmsg():
    """Several messages in one sendmmsg: the registers do not tell which of them is meant. A span for each
    request, which says that something of it is missing."""
    with Run("ways_mmsg") as run:
        server = ways(run, "mmsg")
        agent = Agent(run, "--pid", server.pid)
        run.load(server.port, "-c", 4, "-n", 20, "-q", "size=30000")
        agent.end()
        served = [dict(t, status=None, resp=None) for t in server.truth()]
        spans = agent.check(served, lost=("payload.unseen", "pair.request_alone"), incomplete=True)
        assert len(spans) == agent.lost()["pair.request_alone"] == 80
        assert all(s.attr.get("spanprobe.incomplete") and s.status != 2 for s in spans)
        # each ends with its own answer, not with the connection
        spans.sort(key=lambda s: (s.attr["client.port"], s.start))
        assert all(a.end <= b.start for a, b in zip(spans, spans[1:])
                   if a.attr["client.port"] == b.attr["client.port"])


def uring(run, mode, port=None):
    port = port or live.free_port()
    server = live.Proc(run, "uring-%s-%s" % (mode, port if isinstance(port, int) else "s"), [os.path.join(live.BIN, "uring_server"), str(port), mode])
    live.wait_for("listening", lambda: "listening" in server.text())
    server.port = port
    return server


URING = NEEDS + ("an io_uring server (liburing)", "io_uring that can be read (6.15)")


MODES = ("plain", "message", "file", "vector", "multishot", "first", "sqpoll", "async", "zerocopy")


@test("live/ways_uring", URING)
def uring_modes():
    """Every way of io_uring to move the bytes of a socket; rings that are there before the agent."""
    with Run("ways_uring") as run:
        servers = {mode: uring(run, mode) for mode in MODES}
        servers["local"] = uring(run, "plain", "unix:" + run.path("s"))
        loads = "; ".join("%s -c 3 -n 8 -m POST -b 5000 -q size=30000 -i %s %s" % (LOAD, name, s.port)
                          for name, s in servers.items())
        agent = Agent(run, *[x for s in servers.values() for x in ("--pid", s.pid)],
                      "--follow-children", "--", "sh", "-c", loads)
        agent.end_with_command()
        made = live.check.load_truth(agent.out)
        served = [t for s in servers.values() for t in s.truth()]
        assert len(made) == len(served) == 24 * len(servers)
        spans = agent.check(made + served)
        # short-lived programs have their own names, not that of the shell that started them
        assert {s.service for s in spans} == {"http_load", "uring_server"}


@test("live/ways_uring_later", URING)
def uring_later():
    """A ring that is made while the agent looks."""
    with Run("ways_uring_later") as run:
        port, go = live.free_port(), run.path("go")
        sh = live.Proc(run, "sh", ["sh", "-c", "until [ -e %s ]; do sleep 0.05; done; exec %s %d multishot" % (
            go, os.path.join(live.BIN, "uring_server"), port)])
        agent = Agent(run, "--pid", sh.pid)
        open(go, "w").close()
        live.wait_for("server", lambda: "listening" in sh.text())
        live.time.sleep(0.1)
        run.load(port, "-c", 3, "-n", 8)
        agent.end()
        truth = sh.truth()
        assert len(truth) == 24
        agent.check(truth)


@test("live/ways_uring_middle", URING)
def uring_middle():
    """Connections that wait for their next request when the agent comes."""
    for mode in ("plain", "multishot", "async"):
        with Run("ways_uring_middle_" + mode) as run:
            server = uring(run, mode)
            with live.socket.create_connection(("127.0.0.1", server.port)) as s:
                def ask(i):
                    s.sendall(b"GET /w/%s-%d HTTP/1.1\r\n\r\n" % (mode.encode(), i))
                    assert s.recv(1000).endswith(b"xx")
                ask(0)
                agent = Agent(run, "--pid", server.pid)
                for i in range(1, 6):
                    ask(i)
            agent.end()
            truth = server.truth()
            assert len(truth) == 6
            agent.check(truth[1:])


@test("live/ways_doctor", NEEDS + ("an io_uring server (liburing)",))
def doctor():
    """doctor says beforehand what will come of io_uring, and says nothing where there is none."""
    with Run("ways_doctor") as run:
        readable = live.suite.abilities.have("io_uring that can be read (6.15)")
        lines = []
        for server in (uring(run, "plain"), run.epoll_server()):
            p = subprocess.run([live.SPANPROBE, "doctor", "--pid", str(server.pid)], text=True,
                               stdout=subprocess.PIPE, check=True)
            lines.append(re.findall("^ +io_uring +(.*)$", p.stdout, re.M))
        assert len(lines[0]) == 1 and not lines[1], lines
        assert ("is read" in lines[0][0]) == readable, lines[0]
