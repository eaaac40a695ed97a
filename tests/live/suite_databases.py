# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Real clients of real database servers, both sides traced: every command one span on each side, in
the words of the client, and the server's under the client's."""
import collections
import json
import os
import signal
import subprocess
import sys
import time

import live
from live import NEEDS, Agent, Run
from tool.suite import test

REDIS = NEEDS + ("Redis",)
HANDSHAKE = ("HELLO", "CLIENT", "INFO", "COMMAND")


def redis_server(run):
    port = live.free_port()
    p = live.Proc(run, "redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                                 "--save", ""])
    live.wait_for("redis", lambda: live.answers(port))
    p.port = port
    return p


def lines(text):
    return [json.loads(x) for x in text.splitlines() if x.startswith("{")]


def seen(spans, kind, pid):
    return [s for s in spans if s.kind == kind and s.pid == pid and
            s.attr["db.operation.name"].upper() not in HANDSHAKE]


def what(s):
    return (s.attr["db.operation.name"], s.attr.get("db.query.text"), s.attr.get("error.type"),
            s.attr.get("db.operation.batch.size"), s.attr.get("db.namespace"))


def assert_same(got, want, side):
    got, want = collections.Counter(got), collections.Counter(want)
    extra, missing = got - want, want - got
    assert not extra and not missing, "%s: spans of nobody %r; without span %r" % (
        side, dict(extra), dict(missing))


def assert_joined(clients, servers):
    """Each server's span is the child of the client's span of the same command."""
    by_id = {s.id: s for s in clients}
    for s in servers:
        assert s.attr["spanprobe.parent.by"] == "connection", str(s)
        assert s.parent in by_id and what(by_id[s.parent]) == what(s), \
            "%s %r under %s" % (s, what(s), by_id.get(s.parent))


def calls(name, env, client, needs):
    """The client tells each of its commands; it and the server are traced."""
    def run_it():
        with Run("db_" + name) as run:
            server = redis_server(run)
            agent = Agent(run, "--pid", server.pid, "--", *client,
                          env=dict(env, PORT=str(server.port)))
            agent.end_with_command()
            truth = [(t["op"], t["text"], t["error"], t["batch"], t["db"])
                     for t in lines(agent.text())]
            assert len(truth) > 20, "the client told %d commands" % len(truth)
            spans = agent.check([], extra=True)
            servers = seen(spans, live.otlp.KIND_SERVER, server.pid)
            clients = [s for s in spans if s.pid != server.pid and s in
                       seen(spans, live.otlp.KIND_CLIENT, s.pid)]
            assert_same(map(what, clients), truth, "client")
            assert_same(map(what, servers), truth, "server")
            assert_joined(clients, servers)
            for s in spans:
                assert s.attr["db.system.name"] == "redis"
    test("live/redis_" + name, needs)(run_it)


for protocol in ("2", "3"):
    calls("py_resp" + protocol, {"PROTOCOL": protocol},
          [live.PYTHON, os.path.join(live.WORKLOADS, "redis_calls.py")],
          REDIS + ("redis from PyPI",))


@test("live/redis_cli", REDIS)
def redis_cli():
    """Debian's client: one command per process, and many from a pipe."""
    with Run("db_redis_cli") as run:
        server = redis_server(run)
        agent = Agent(run, "--pid", server.pid)
        cli = ["redis-cli", "-p", str(server.port)]
        subprocess.run(cli + ["set", "a", "b c"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(cli + ["lpush", "a", "x"], check=False, stdout=subprocess.DEVNULL)
        subprocess.run(cli, input="get a\nmulti\nset x 1\nget x\nexec\n", text=True, check=True,
                       stdout=subprocess.DEVNULL)
        bulk = "".join("*3\r\n$3\r\nSET\r\n$6\r\nkey%03d\r\n$1\r\nv\r\n" % i for i in range(300))
        p = subprocess.run(cli + ["--pipe"], input=bulk, text=True, stdout=subprocess.PIPE)
        assert "replies: 300" in p.stdout, p.stdout
        agent.end()
        # it begins with a question whose answer is longer than what is captured so early
        spans = agent.check([], extra=True, incomplete=True, lost=("stream.gap", "decode.resync"))
        want = [("set", "set a ?", None, None, "0"), ("lpush", "lpush a ?", "WRONGTYPE", None, "0"),
                ("get", "get a", None, None, "0"), ("MULTI", None, None, 2, "0")]
        want += [("SET", "SET key%03d ?" % i, None, None, "0") for i in range(300)]
        want += [("ECHO", "ECHO ?", None, None, "0")]  # by which --pipe knows the end
        assert_same(map(what, seen(spans, live.otlp.KIND_SERVER, server.pid)), want, "server")


@test("live/redis_midstream", REDIS)
def redis_midstream():
    """An agent that comes while many commands are under way takes no reply for another's: it waits
    until nothing is open."""
    with Run("db_redis_midstream") as run:
        server = redis_server(run)
        client = live.Proc(run, "client", [sys.executable, os.path.join(
            live.WORKLOADS, "redis_window.py")], env={"PORT": str(server.port)})
        live.wait_for("client", lambda: "running" in client.text())
        agent = Agent(run, "--pid", server.pid, "--pid", client.pid, ready_in=30)
        time.sleep(0.3)
        client.p.send_signal(signal.SIGUSR1)
        assert client.wait(20) == 0
        agent.end()
        spans = agent.check([], extra=True, lost=("decode.midstream", "pair.doubt",
                                                  "pair.response_alone"))
        want = lines(client.text())[0]
        for kind, pid in ((live.otlp.KIND_CLIENT, client.pid), (live.otlp.KIND_SERVER, server.pid)):
            mine = seen(spans, kind, pid)
            for s in mine:
                assert (s.attr["db.operation.name"] == "LPUSH") == ("error.type" in s.attr), \
                    "a reply of another: %r" % (what(s),)
            count = collections.Counter(s.name for s in mine)
            assert all(count[k] >= n for k, n in want.items()), count
        assert agent.lost().get("pair.doubt", 0) > 100, agent.lost()
