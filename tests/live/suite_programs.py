# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Real programs at 1, 8 and 32 connections: requests = spans, right parents or none."""
import time

import live
from live import NEEDS, Agent, Run
from tool.suite import test

LEVELS = (1, 8, 32)
REQUESTS = 20


def drive(run, port, levels=LEVELS):
    """Every level with GET, and a POST with bodies; the loads that were run."""
    loads = [run.load(port, "-c", c, "-n", REQUESTS, "-i", "g%d" % c, "-q", "size=300",
                      name="load%d" % c) for c in levels]
    loads.append(run.load(port, "-c", levels[-1] // 4 or 1, "-n", 5, "-m", "POST", "-b", 3000,
                          "-i", "post", "-q", "n=2&size=20000", name="loadpost"))
    return loads


def through(name, start, parents, levels=LEVELS, pids=lambda p: [p.pid]):
    """load -> the program -> C server; the program and the C server are traced."""
    with Run(name) as run:
        down = run.epoll_server()
        program = start(run, down)
        traced = pids(program)
        args = [x for pid in traced + [down.pid] for x in ("--pid", pid)]
        agent = Agent(run, *args)
        loads = drive(run, program.port, levels)
        time.sleep(0.2)
        agent.end()
        truth = program.truth() + down.truth()
        served = [t for t in truth if t["side"] == "server" and t["pid"] != down.pid]
        assert len(served) == sum(len(x.truth()) for x in loads), "the truth is not whole"
        agent.check(truth, parents=parents)


def workers(master):
    live.wait_for("workers", lambda: live.children(master.pid))
    return live.children(master.pid)


@test("live/cserver", NEEDS)
def cserver():
    with Run("cserver") as run:
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid)
        drive(run, server.port)
        agent.end()
        agent.check(server.truth())


@test("live/both_ends", NEEDS)
def both_ends():
    """The client is traced as well: its spans are the parents of the server's, by connection."""
    with Run("both_ends") as run:
        server = run.epoll_server()
        load = run.load(server.port, "-c", 8, "-n", 40, "-w", 1000, "-q", "size=100", wait=False)
        agent = Agent(run, "--pid", server.pid, "--", *command(run, server))
        agent.end_with_command()
        assert load.wait(20) == 0
        mine = [t for t in live.check.load_truth(agent.out) if t["id"].startswith("cmd")]
        assert len(mine) == 160
        truth = mine + [dict(t, maybe=not t["id"].startswith("cmd")) for t in server.truth()]
        agent.check(truth, lost=("decode.midstream", "pair.response_alone"))


def command(run, server):
    return [live.os.path.join(live.BIN, "http_load"), "-c", "8", "-n", "20", "-i", "cmd", "-q",
            "size=100", str(server.port)]


@test("live/python", NEEDS)
def python():
    through("python", lambda run, down: run.python(down=down), "right")


@test("live/python_chain", NEEDS)
def chain():
    """Three processes in a row, two calls each: 1 + 2 + 4 requests in one trace."""
    with Run("chain") as run:
        last = run.python("last")
        middle = run.python("middle", down=last)
        first = run.python("first", down=middle)
        agent = Agent(run, "--pid", first.pid, "--pid", middle.pid, "--pid", last.pid)
        run.load(first.port, "-c", 8, "-n", 10, "-q", "n=2")
        agent.end()
        spans = agent.check(first.truth() + middle.truth() + last.truth())
        traces = {}
        for s in spans:
            traces.setdefault(s.trace, []).append(s)
        assert len(traces) == 80, "%d traces, not 80" % len(traces)
        assert all(len(t) == 13 for t in traces.values()), "traces of other than 13 spans"


@test("live/gunicorn", NEEDS + ("gunicorn from PyPI",))
def gunicorn():
    through("gunicorn", lambda run, down: run.gunicorn(down=down), "right", pids=workers)


@test("live/uvicorn", NEEDS + ("uvicorn and httpx from PyPI",))
def uvicorn():
    through("uvicorn", lambda run, down: run.uvicorn(down=down), "no-wrong")


@test("live/node_http", NEEDS + ("node >= 18",))
def node_http():
    through("node_http", lambda run, down: run.node(down=down), "no-wrong")


@test("live/node_fetch", NEEDS + ("node >= 18",))
def node_fetch():
    through("node_fetch", lambda run, down: run.node(down=down, env={"FETCH": "1"}), "no-wrong")


@test("live/java", NEEDS + ("java >= 17",), timeout=120)
def java():
    through("java", lambda run, down: run.java(down=down), "right")


@test("live/go", NEEDS + ("a Go server (Go >= 1.21)",))
def go():
    through("go", lambda run, down: run.go(down=down), "no-wrong")


# --- nginx ------------------------------------------------------------------------------------

@test("live/nginx", NEEDS + ("nginx",))
def nginx():
    with Run("nginx") as run:
        server = run.nginx(workers=2)
        agent = Agent(run, *[x for w in server.workers for x in ("--pid", w)])
        drive(run, server.port)
        agent.end()
        agent.check(server.truth())


@test("live/nginx_proxy", NEEDS + ("nginx",))
def nginx_proxy():
    through("nginx_proxy", lambda run, down: run.nginx(down=down, workers=2), "right",
            pids=lambda p: p.workers)


@test("live/nginx_proxy_python", NEEDS + ("nginx",))
def nginx_proxy_python():
    """nginx in front of a thread-per-connection server that calls on: all parents right."""
    with Run("nginx_proxy_python") as run:
        last = run.epoll_server()
        middle = run.python(down=last)
        front = run.nginx(down=middle)
        agent = Agent(run, "--pid", front.workers[0], "--pid", middle.pid, "--pid", last.pid)
        drive(run, front.port)
        time.sleep(0.2)
        agent.end()
        agent.check(front.truth() + middle.truth() + last.truth())


@test("live/nginx_1000", NEEDS + ("nginx",))
def nginx_1000():
    with Run("nginx_1000") as run:
        server = run.nginx(workers=2)
        agent = Agent(run, *[x for w in server.workers for x in ("--pid", w)])
        run.load(server.port, "-c", 1000, "-n", 10)
        rss = live.rss_mib(agent.pid)
        agent.end()
        agent.check(server.truth())
        print("RSS of the agent: %.1f MiB" % rss)
        assert rss <= 40, "RSS of the agent is %.1f MiB" % rss


@test("live/curl_command", NEEDS + ("curl",))
def curl_command():
    """-- COMMAND is traced from its first byte, and its exit code is ours."""
    with Run("curl_command") as run:
        server = run.python()
        url = "http://127.0.0.1:%d/w/c-" % server.port
        agent = Agent(run, "--pid", server.pid, "--", "curl", "-sf", url + "0", url + "1",
                      "--next", "-sf", "-d", "hello", url + "2")
        agent.end_with_command()
        calls = [dict(t, side="client", pid=None, service="curl") for t in server.truth()]
        assert len(calls) == 3
        agent.check(server.truth() + calls)
        agent = Agent(run, "--", "sh", "-c", "exit 7", name="agent2", wait=False)
        code = agent.p.wait(20)
        assert code == 7, "exit code %d, not that of the command" % code
