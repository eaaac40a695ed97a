# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Sockets that go unusual ways: shared, passed on, duplicated, inherited. Both ends are traced, the server's
children with it: requests = spans = calls, each in the process that served it, all of them joined."""
import os
import resource
import shutil
import sys
import time

import live
from live import NEEDS, Agent, Run
from netns import Netns
from tool.suite import test

SCRIPT = os.path.join(live.WORKLOADS, "sockets.py")


def start(run, mode, port=None, name="sockets"):
    port = port or live.free_port()
    env = {"PORT": str(port).replace("unix:", ""), "PYTHONUNBUFFERED": "1"}
    server = live.Proc(run, name, [sys.executable, SCRIPT, mode], env)
    server.port = port
    return server


def load(server, *more):
    return [os.path.join(live.BIN, "http_load"), *map(str, more), str(server.port)]


def both_ends(mode, *more, port=None, late=False, requests=("-c", 6, "-n", 8), **options):
    """late: the agent comes when the server is up, with its workers; else it sees them come."""
    with Run("sockets_" + mode + ("_late" if late else "")) as run:
        server = start(run, mode, port)
        live.wait_for("server", lambda: "started" in server.text())
        if late:
            time.sleep(0.5)
        agent = Agent(run, "--follow-children", "--pid", server.pid, "--",
                      *load(server, *requests, *more))
        agent.end_with_command()
        served, made = server.truth(), live.check.load_truth(agent.out)
        n = requests[1] * requests[3]
        assert len(served) == len(made) == n, "%d served, %d made, not %d" % (
            len(served), len(made), n)
        # a child that lives for one connection may be gone before its Python is found out
        options.setdefault("lost", ("attribute.module_off", "unit.read"))
        spans = agent.check(served + made, **options)
        return agent, server, spans


def modes(name, *list_of):
    """One live test of several modes, one after the other."""
    @test("live/sockets_" + name, NEEDS)
    def run():
        for mode in list_of:
            print("=== " + mode)
            both_ends(mode, "-m", "POST", "-b", 10, "-i", mode)


modes("dup", "plain", "dup", "other_thread")
modes("forked", "forked", "prefork", "inetd")
modes("passed", "passed", "passed_later")
modes("shared", "two_hands")


@test("live/sockets_writers", NEEDS)
def writers():
    """Four processes write pipelined requests on one connection, a fifth one reads the answers."""
    with Run("sockets_writers") as run:
        server = run.epoll_server()
        agent = Agent(run, "--follow-children", "--pid", server.pid, "--",
                      os.path.join(live.BIN, "writers"), str(server.port), "50")
        agent.end_with_command()
        made = live.check.load_truth(agent.out)
        assert len(made) == len(server.truth()) == 200
        agent.check(made + server.truth())


@test("live/sockets_late", NEEDS)
def late():
    """The workers are there before the agent."""
    for mode in ("prefork", "reuseport", "passed"):
        both_ends(mode, "-i", mode, late=True)


@test("live/sockets_reuseport", NEEDS)
def reuseport():
    _, server, spans = both_ends("reuseport", requests=("-c", 40, "-n", 2))
    assert len({s.pid for s in spans if s.kind == 2}) > 1, "one worker got all"


@test("live/sockets_mapped", NEEDS + ("IPv6 loopback",))
def mapped():
    """An IPv4 client at an IPv6 socket: both ends have IPv4 addresses, and are joined."""
    _, _, spans = both_ends("mapped", "-i", "v4")
    assert {s.attr["network.peer.address"] for s in spans} == {"127.0.0.1"}
    both_ends("mapped", "-i", "v6", "-6")


@test("live/sockets_abstract", NEEDS)
def abstract():
    both_ends("plain", port="unix:@spanprobe-test-%d" % os.getpid())


def begin(run, mode, *kinds):
    """Servers of a mode that is called in unusual ways, in a namespace where those are allowed."""
    ns = Netns(run, "begin")
    ns.sysctl("net/ipv4/tcp_fastopen", 3)
    server = live.Proc(run, "sockets", ns.enter(sys.executable, SCRIPT, mode),
                       {"PORT": "8080", "PYTHONUNBUFFERED": "1"})
    live.wait_for("listening", ns.listens(8080))
    calls = " && ".join("%s %s %s" % (sys.executable, os.path.join(live.WORKLOADS, "fronts.py"), k)
                        for k in kinds)
    agent = Agent(run, "--follow-children", "--pid", server.pid, "--", *ns.enter("sh", "-c", calls),
                  env={"PORT": "8080"})
    agent.end_with_command()
    made, served = live.check.load_truth(agent.out), server.truth()
    assert len(made) == len(served) == 8 * len(kinds)
    return agent, made + served


NAMESPACES = NEEDS + ("unshare and ip", "network namespaces")


@test("live/sockets_fast_open", NAMESPACES)
def fast_open():
    with Run("sockets_fast_open") as run:
        agent, truth = begin(run, "fast", "fast", "fast-later")
        agent.check(truth)


@test("live/sockets_proxy_protocol", NAMESPACES)
def proxy_protocol():
    with Run("sockets_proxy_protocol") as run:
        agent, truth = begin(run, "proxied", "proxy1", "proxy2")
        agent.check(truth)


@test("live/sockets_mptcp", NAMESPACES + ("MPTCP",))
def mptcp():
    """Not followed: every byte of it is counted, and nothing is made up."""
    with Run("sockets_mptcp") as run:
        agent, truth = begin(run, "mptcp", "mptcp")
        assert not agent.spans()
        moved = sum(len(t["id"]) + len("POST /w/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody") +
                    len("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") for t in truth)
        assert agent.lost()["payload.unseen"] == moved, "%r instead of %d" % (agent.lost(), moved)


@test("live/sockets_unix_2000", NEEDS)
def many_unix():
    """2,000 Unix sockets at once, both ends: none is forgotten for another one."""
    with Run("sockets_unix_2000") as run:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        server = run.epoll_server(port="unix:" + run.path("s"))
        agent = Agent(run, "--pid", server.pid, "--", *load(server, "-c", 2000, "-n", 2))
        agent.end_with_command()
        made = live.check.load_truth(agent.out)
        assert len(made) == 4000
        agent.check(made + server.truth())


@test("live/sockets_attach_race", NEEDS)
def attach_race():
    """Children that are forked, and programs that start, while the agent starts: none is missed."""
    with Run("sockets_attach_race") as run:
        mine = shutil.copy2(os.path.join(live.BIN, "epoll_server"), run.path("race_server"))
        down = start(run, "plain", name="down")
        live.wait_for("server", lambda: live.answers(down.port))
        go = run.path("go")
        forker = live.Proc(run, "forker", [sys.executable, SCRIPT, "forker"], {
            "PORT": str(down.port), "GO": go, "COUNT": "150", "PYTHONUNBUFFERED": "1"})
        live.wait_for("a child", lambda: live.children(forker.pid))
        agent = Agent(run, "--follow-children", "--pid", forker.pid, "--exe", "*/race_server",
                      wait=False)
        servers = []
        while not agent.is_ready() and len(servers) < 30:
            servers.append(run.epoll_server(name="race%d" % len(servers), binary=mine))
        live.wait_for("agent ready", agent.is_ready)
        live.wait_for("forks", lambda: "forked" in forker.text())
        open(go, "w").close()
        live.wait_for("calls", lambda: len(forker.truth()) == 150)
        for i, server in enumerate(servers):
            run.load(server.port, "-i", "r%d" % i, name="load%d" % i)
        agent.end()
        print("%d servers began while the agent did" % len(servers))
        assert len(servers) > 5
        agent.check(forker.truth() + [t for s in servers for t in s.truth()])
