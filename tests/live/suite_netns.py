# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The two ends of a connection: in other network namespaces, with equal addresses there, behind NAT and relays.
They are joined where they are the same, and nowhere else."""
import contextlib
import os
import signal
import sys

import live
from live import NEEDS, Agent, Run
from netns import Netns, veth
from tool.suite import test

NAMESPACES = NEEDS + ("unshare and ip", "network namespaces")
LOAD = os.path.join(live.BIN, "http_load")
SERVER = os.path.join(live.BIN, "epoll_server")
PORT = 8080


class Container:
    """A server in a pid, mount and network namespace of its own."""

    def __init__(self, run, ns, name):
        self.outer = live.Proc(run, name, ns.enter(
            "unshare", "-p", "-m", "-f", "--mount-proc", "--kill-child", SERVER, PORT))
        self.pid = live.wait_for("server in " + name, lambda: (
            live.children(self.outer.pid) or [None])[0])
        live.wait_for("listening", lambda: "listening" in self.outer.text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)  # unshare takes no other end from us

    def truth(self):
        """it knows itself as 1"""
        return [dict(t, pid=self.pid) for t in self.outer.truth()]


def pids(*servers):
    return [x for s in servers for x in ("--pid", s.pid)]


@test("live/netns_veth", NAMESPACES)
def across():
    """Client and server in two containers with a cable between them: joined."""
    with Run("netns_veth") as run, contextlib.ExitStack() as stack:
        a, b = Netns(run, "a"), Netns(run, "b")
        veth(a, b, "10.7.0.1/24", "10.7.0.2/24")
        server = stack.enter_context(Container(run, b, "server"))
        agent = Agent(run, *pids(server), "--", *a.enter(
            LOAD, "-a", "10.7.0.2", "-c", 4, "-n", 20, PORT))
        agent.end_with_command()
        spans = agent.check(server.truth() + live.check.load_truth(agent.out))
        assert len(spans) == 160
        assert {s.attr["network.peer.address"] for s in spans} == {"10.7.0.1", "10.7.0.2"}


def equal(name, address, make):
    """Two pairs with the same addresses and ports, at the same time."""
    with Run(name) as run, contextlib.ExitStack() as stack:
        pairs = [make(run, i) for i in "xy"]
        servers = [stack.enter_context(Container(run, s, "server" + s.name)) for _, s in pairs]
        outs = [run.path(c.name + ".out") for c, _ in pairs]
        loads = ["%s >%s &" % (" ".join(c.enter(
            LOAD, "-a", address, "-s", 42000, "-C", "-L", "-c", 8, "-n", 100, "-i", c.name, PORT)), out)
            for (c, _), out in zip(pairs, outs)]
        agent = Agent(run, *pids(*servers), "--follow-children", "--", "sh", "-c",
                      "%s %s wait" % tuple(loads))
        agent.end_with_command()
        made = [t for out in outs for t in live.check.load_truth(out)]
        served = [t for s in servers for t in s.truth()]
        assert len(made) == len(served) == 1600
        spans = agent.check(made + served)
        ports = [{(s.attr["client.port"], s.attr["server.port"]) for s in spans if s.pid == server.pid}
                 for server in servers]
        assert ports[0] == ports[1] and len(ports[0]) == 8, "not the same ports: %r" % ports


@test("live/netns_equal_loopback", NAMESPACES)
def equal_loopback():
    def make(run, i):
        ns = Netns(run, "lo" + i)
        return ns, ns
    equal("netns_equal_loopback", "127.0.0.1", make)


@test("live/netns_equal_veth", NAMESPACES)
def equal_veth():
    def make(run, i):
        a, b = Netns(run, "c" + i), Netns(run, "s" + i)
        veth(a, b, "10.7.0.1/24", "10.7.0.2/24")
        return a, b
    equal("netns_equal_veth", "10.7.0.2", make)


@test("live/netns_nat", NAMESPACES + ("nft",))
def nat():
    """The ends disagree on the port: two roots, not a wrong pair, also beside a server on that port."""
    with Run("netns_nat") as run, contextlib.ExitStack() as stack:
        ns = Netns(run, "nat")
        ns.do("nft", "add table ip t; add chain ip t o { type nat hook output priority -100; }; "
              "add rule ip t o tcp dport 9999 dnat to 127.0.0.1:%d" % PORT)
        server = stack.enter_context(Container(run, ns, "server"))
        direct = live.Proc(run, "direct", ns.enter(SERVER, 9999))
        live.wait_for("direct", ns.listens(9999))
        agent = Agent(run, *pids(server, direct), "--", *ns.enter(LOAD, "-c", 4, "-n", 20, 9999))
        agent.end_with_command()
        made = live.check.load_truth(agent.out)
        assert len(server.truth()) == len(made) == 80 and not direct.truth()
        agent.check(made, extra=True)
        agent.check(server.truth(), extra=True)
        assert len(agent.spans()) == 160


def relay(run, how, down):
    return run.server("relay", [sys.executable, os.path.join(live.WORKLOADS, "relay.py"), how], down)


@test("live/relay_copy", NEEDS)
def relay_copy():
    """A relay that passes requests on as they are: both of its connections are joined with their other ends."""
    with Run("relay_copy") as run:
        server = run.epoll_server()
        middle = relay(run, "copy", server)
        agent = Agent(run, *pids(server, middle), "--", LOAD, "-c", 4, "-n", 20, middle.port)
        agent.end_with_command()
        made = live.check.load_truth(agent.out)
        spans = agent.spans()
        agent.check([], extra=True)
        assert len(made) == len(server.truth()) == 80 and len(spans) == 4 * 80
        for t in made:
            mine = [s for s in spans if s.work_id == t["id"]]
            ends = {(s.kind, s.pid): s for s in mine}
            assert len(mine) == len(ends) == 4, "%d spans of %s" % (len(mine), t["id"])
            client, taken = ends[(3, t["pid"])], ends[(2, middle.pid)]
            passed, served = ends[(3, middle.pid)], ends[(2, server.pid)]
            assert not client.parent and taken.parent == client.id and served.parent == passed.id
            assert passed.parent in (taken.id, None, ""), "a wrong cause: %s" % passed


@test("live/relay_splice", NEEDS)
def relay_splice():
    """Nobody sees what is spliced: counted as unseen, and the ends of two connections are not joined."""
    with Run("relay_splice") as run:
        server = run.epoll_server()
        middle = relay(run, "splice", server)
        agent = Agent(run, *pids(server, middle), "--", LOAD, "-c", 4, "-n", 20, "-q", "size=3000",
                      middle.port)
        agent.end_with_command()
        made = live.check.load_truth(agent.out)
        lost = ("payload.unseen", "decode.unknown")
        agent.check(made, extra=True, lost=lost)
        agent.check(server.truth(), extra=True, lost=lost)
        assert len(made) == 80 and len(agent.spans()) == 160
        assert agent.lost()["payload.unseen"] > 80 * 3000
