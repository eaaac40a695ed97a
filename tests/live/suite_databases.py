# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Real clients of real database servers, both sides traced: every command one span on each side, in
the words of the client, and the server's under the client's."""
import collections
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import live
from live import NEEDS, Agent, Run
from tool.suite import test

REDIS = NEEDS + ("Redis",)
POSTGRESQL = NEEDS + ("PostgreSQL",)
# whether a runtime can be followed is the matter of other tests
BESIDES = ("attribute.module_off",)
HANDSHAKE = ("HELLO", "CLIENT", "INFO", "COMMAND")


def redis_server(run):
    port = live.free_port()
    p = live.Proc(run, "redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                                 "--save", ""])
    live.wait_for("redis", lambda: live.answers(port))
    p.port = port
    return p


def postgres_server(run):
    """As a user of its own, in a folder that this user can reach."""
    port, folder = live.free_port(), tempfile.mkdtemp(prefix="live-postgres-")
    run.at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    shutil.chown(folder, "postgres", "postgres")
    where = max(glob.glob("/usr/lib/postgresql/*/bin"))
    user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    subprocess.run(user + [where + "/initdb", "-D", folder, "-A", "trust", "-U", "truth", "-N"],
                   check=True, stdout=subprocess.DEVNULL, cwd="/")
    p = live.Proc(run, "postgres", user + [
        where + "/postgres", "-D", folder, "-p", str(port), "-k", folder, "-c", "fsync=off", "-c",
        "listen_addresses=127.0.0.1"], cwd="/")
    live.wait_for("postgres", lambda: "ready to accept connections" in p.errors())
    p.port, p.folder, p.bin = port, folder, where
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
            spans = agent.check([], extra=True, lost=BESIDES)
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
        spans = agent.check([], extra=True, incomplete=True, lost=BESIDES + ("stream.gap", "decode.resync"))
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
        spans = agent.check([], extra=True, lost=BESIDES + ("decode.midstream", "pair.doubt",
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


# --- PostgreSQL ----------------------------------------------------------------------------------


def asked(s):
    """A span in the words of the workloads."""
    assert s.attr["db.system.name"] == "postgresql" and s.attr["db.namespace"] == "postgres", str(s)
    return (s.name, s.attr.get("db.query.text"), s.attr.get("db.response.returned_rows"),
            s.attr.get("spanprobe.db.affected_rows"), s.attr.get("error.type"),
            s.attr.get("db.operation.batch.size"))


def told(text):
    return [(t["name"], t["text"], t["rows"], t["affected"], t["error"], t["batch"])
            for t in lines(text)]


def assert_both_sides(agent, server, truth, own=()):
    """The client's spans and the backends' are the truth, and each of these under one of those. own:
    statements that the driver makes for itself."""
    spans = [s for s in agent.check([], extra=True, lost=BESIDES) if s.attr.get("db.query.text") not in own]
    clients = [s for s in spans if s.kind == live.otlp.KIND_CLIENT]
    servers = [s for s in spans if s.kind == live.otlp.KIND_SERVER]
    assert_same(map(asked, clients), truth, "client")
    assert_same(map(asked, servers), truth, "server")
    assert {s.resource["process.executable.name"] for s in servers} == {"postgres"}
    by_id = {s.id: s for s in clients}
    for s in servers:
        assert s.attr["spanprobe.parent.by"] == "connection", str(s)
        assert s.parent in by_id and asked(by_id[s.parent]) == asked(s), \
            "%s %r under %s" % (s, asked(s), by_id.get(s.parent))


def driver(name, needs):
    def run_it():
        with Run("db_" + name) as run:
            server = postgres_server(run)
            agent = Agent(run, "--pid", server.pid, "--follow-children", "--", live.PYTHON,
                          os.path.join(live.WORKLOADS, "pg_calls.py"),
                          env={"PORT": str(server.port), "DRIVER": name})
            agent.end_with_command()
            truth = told(agent.text())
            assert len(truth) > 20, "the client told %d requests" % len(truth)
            assert_both_sides(agent, server, truth)
    test("live/" + name, POSTGRESQL + needs, timeout=120)(run_it)


driver("psycopg", ("psycopg from PyPI",))
driver("asyncpg", ("asyncpg from PyPI",))


@test("live/psql", POSTGRESQL)
def psql():
    """Debian's client, over TCP and over the Unix socket."""
    with Run("db_psql") as run:
        server = postgres_server(run)
        agent = Agent(run, "--pid", server.pid, "--follow-children")
        for host in ("127.0.0.1", server.folder):
            subprocess.run(["psql", "-X", "-q", "-h", host, "-p", str(server.port), "-U", "truth",
                            "postgres", "-c", "select 1 as a, 'secret' as b",
                            "-c", "begin; select nosuch; commit", "-c", "vacuum"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        agent.end()
        spans = agent.check([], extra=True, lost=BESIDES)
        want = [("select", "select ? as a, ? as b", 1, None, None, None),
                ("begin select commit", "begin; select nosuch; commit", None, None, "42703", None),
                ("vacuum", "vacuum", None, None, "25P02", None)] * 2
        # a transaction that failed is not over: psql leaves it to the next command
        assert_same(map(asked, spans), want, "server")


@test("live/pgbench", POSTGRESQL, timeout=120)
def pgbench():
    """Many connections at once, prepared and in pipelines, counted by pgbench itself."""
    with Run("db_pgbench") as run:
        server = postgres_server(run)
        script = run.path("script.sql")
        with open(script, "w") as f:
            f.write("select 'secret';\n\\startpipeline\nselect 1;\nselect 2 from pg_class limit 3;\n"
                    "\\endpipeline\n")
        agent = Agent(run, "--pid", server.pid, "--follow-children", "--", server.bin + "/pgbench",
                      "-h", "127.0.0.1", "-p", server.port, "-U", "truth", "-n", "-c", "8", "-t",
                      "50", "-M", "prepared", "-f", script, "postgres")
        agent.end_with_command(60)
        assert "processed: 400/400" in agent.text(), agent.text()
        truth = [("PREPARE select", "select ?;", None, None, None, None)] * 16
        truth += [("PREPARE select pg_class", "select ? from pg_class limit ?;", None, None, None,
                   None)] * 8
        truth += [("select", "select ?;", 1, None, None, None)] * 400
        truth += [("BATCH", None, 4, None, None, 2)] * 400
        assert_both_sides(agent, server, truth)
