# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Connections that come and go: thousands per second, and the same addresses and ports again at once.
Both ends are traced: requests = spans = calls, every server's span under its client's."""
import os
import time

import live
from live import NEEDS, Agent, Run
from netns import Netns
from tool.suite import test

LOAD = os.path.join(live.BIN, "http_load")


def both_ends(run, server, command, n, lost=()):
    agent = Agent(run, "--pid", server.pid, "--", *map(str, command))
    agent.end_with_command()
    made = live.check.load_truth(agent.out)
    assert len(made) == n, "%d calls, not %d" % (len(made), n)
    spans = agent.check(made + server.truth(), lost=lost)
    assert len(spans) == 2 * n
    return agent


@test("live/churn_5000", NEEDS, alone=True)
def churn():
    """5,000 connections opened and closed per second, a request each."""
    with Run("churn_5000") as run:
        server = run.epoll_server()
        began = time.monotonic()
        agent = both_ends(run, server, [LOAD, "-C", "-c", 8, "-n", 1500, "-r", 5000, server.port],
                          12000)
        rate = 12000 / (time.monotonic() - began)
        print("%.0f connections/s, with the agent's start and end" % rate)
        assert agent.count(r"connections: (\d+) met") == 24000
        assert agent.count(r"connections: \d+ met, (\d+) ended") == 24000


@test("live/churn_empty", NEEDS, alone=True)
def empty():
    """Connections without a word between those that talk: nothing is confused, nothing stays."""
    with Run("churn_empty") as run:
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid, "--pid", os.getpid())
        load = run.load(server.port, "-C", "-c", 4, "-n", 500, "-i", "talk", wait=False)
        began, n = time.monotonic(), 0
        while load.alive() or n < 5000:
            with live.socket.create_connection(("127.0.0.1", server.port)):
                n += 1
        rate = n / (time.monotonic() - began)
        print("%.0f silent connections/s" % rate)
        agent.end()
        agent.check(server.truth())


def reuse(name, ports, *how, n):
    """In a namespace with few ports."""
    with Run(name) as run:
        ns = Netns(run, "few")
        ns.sysctl("net/ipv4/ip_local_port_range", ports)
        port = 8080
        server = live.Proc(run, "cserver", ns.enter(os.path.join(live.BIN, "epoll_server"), port))
        live.wait_for("server", ns.listens(port))
        return both_ends(run, server, ns.enter(LOAD, "-C", "-L", *how, port), n)


@test("live/port_reuse_few", NEEDS + ("unshare and ip", "network namespaces"))
def few_ports():
    """Eight ports for 2,000 connections: a port is taken again within milliseconds."""
    agent = reuse("port_reuse_few", "40000 40007", "-c", 4, "-n", 500, n=2000)
    ports = {s.attr["client.port"] for s in agent.spans() if s.kind == 2}
    assert len(ports) <= 8, "%d ports" % len(ports)


@test("live/port_reuse_bound", NEEDS + ("unshare and ip", "network namespaces"))
def bound_ports():
    """The same four addresses and ports again, at once after the reset."""
    reuse("port_reuse_bound", "32768 60999", "-s", 41000, "-c", 4, "-n", 500, n=2000)
