#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Makes the recordings of this folder anew, from live programs (root): tests/replay/record.py.
The spans that a replay gives are checked against the programs' truth before they become golden.
Recordings name the machine and its paths: make them in a copy of the tree in /opt, with another
host name and machine id (unshare -m -u)."""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../live")]
import live  # noqa: E402
from live import Agent, Run  # noqa: E402
from tool import check  # noqa: E402


def keep(name, truth, **options):
    spr = os.path.join(HERE, name + ".spr")
    golden = os.path.join(HERE, name + ".jsonl")
    if os.path.exists(golden):
        os.remove(golden)
    subprocess.run([live.SPANPROBE, "replay", spr, "--export", "file=" + golden], check=True)
    faults = check.check_file(golden, truth, **options)
    assert not faults, name + ":\n" + check.summary(faults)
    print("%s: %d KiB, %d spans" % (name, os.path.getsize(spr) // 1024,
                                    len(live.otlp.load(golden))))


def agent(run, name, *procs):
    pids = [x for p in procs for x in ("--pid", p)]
    return Agent(run, "record", "-o", os.path.join(HERE, name + ".spr"), *pids, export=False)


def shop():
    """nginx -> Python threads -> C server, a call each way, bodies"""
    with Run("record_shop") as run:
        last = run.epoll_server()
        middle = run.python(down=last)
        front = run.nginx(down=middle)
        a = agent(run, "shop", front.workers[0], middle.pid, last.pid)
        run.load(front.port, "-c", 4, "-n", 2, "-q", "n=2")
        run.load(front.port, "-m", "POST", "-b", 9000, "-i", "p", "-q", "size=30000", name="load2")
        a.end()
        keep("shop", front.truth() + middle.truth() + last.truth())


def node():
    """An event loop with several open requests: roots rather than wrong parents"""
    with Run("record_node") as run:
        last = run.epoll_server()
        front = run.node(down=last)
        a = agent(run, "node", front.pid, last.pid)
        run.load(front.port, "-c", 4, "-n", 3)
        a.end()
        keep("node", front.truth() + last.truth(), parents="no-wrong")


def rough():
    """Every form of HTTP/1.x and every failure"""
    with Run("record_rough") as run:
        py = sys.executable
        server = run.server("rough", [py, os.path.join(live.WORKLOADS, "rough.py")])
        calls = live.Proc(run, "calls", [py, os.path.join(live.WORKLOADS, "calls.py")],
                          env={"PORT": str(server.port)})
        live.wait_for("calls", lambda: "waiting" in calls.text())
        a = agent(run, "rough", calls.pid)
        os.kill(calls.pid, signal.SIGUSR1)
        live.wait_for("calls done", lambda: "done" in calls.text(), 30)
        a.end()
        keep("rough", calls.truth(), extra=True, incomplete=True)


def bodies():
    """1 GiB each way, one byte per segment, pipelining"""
    with Run("record_bodies") as run:
        server = run.epoll_server()
        a = agent(run, "bodies", server.pid)
        run.load(server.port, "-q", "size=%d" % 2**30, "-i", "down")
        run.load(server.port, "-m", "POST", "-b", 2**30, "-i", "up", name="load2")
        run.load(server.port, "-1", "-m", "POST", "-b", 10, "-i", "one", name="load3")
        run.load(server.port, "-n", 8, "-p", 4, "-i", "pipe", name="load4")
        a.end()
        keep("bodies", server.truth())


if __name__ == "__main__":
    for make in (shop, node, rough, bodies):
        make()
