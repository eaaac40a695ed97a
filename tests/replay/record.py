#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Makes the recordings of this folder anew, from live programs (root): tests/replay/record.py [NAME]...
NAME: shop, node, rough, bodies; truth for the cases of the truth bench that cases.py names, truth/CASE
for one of them (8 requests, 4 at a time; tests/replay/truth/).
The spans that a replay gives are checked against the programs' truth before they become golden.
Recordings name the machine and its paths: record.sh makes them elsewhere, under another name."""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, x) for x in ("..", "../live", "../truth")]
import live  # noqa: E402
import cases  # noqa: E402
import measure  # noqa: E402
from live import Agent, Run  # noqa: E402
from tool import check  # noqa: E402


LIMIT = 150 << 10  # bytes of a recording of the truth bench


def replayed(name):
    """Makes the golden spans of a recording."""
    spr = os.path.join(HERE, name + ".spr")
    golden = os.path.join(HERE, name + ".jsonl")
    if os.path.exists(golden):
        os.remove(golden)
    subprocess.run([live.SPANPROBE, "replay", spr, "--export", "file=" + golden], check=True)
    return golden


def keep(name, truth, **options):
    spr, golden = os.path.join(HERE, name + ".spr"), replayed(name)
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


def truth(name):
    """A case of the truth bench; what it becomes in a replay must hold all that the bench asks."""
    case = cases.CASES[name]
    path = "truth/" + name.replace("/", "-")
    with Run("record_truth") as run:
        program = case.start(run, case.backend(run))
        pids = case.pids(program)
        a = Agent(run, "record", "-o", os.path.join(HERE, path + ".spr"),
                  *[x for p in pids for x in ("--pid", p)], export=False)
        run.load(program.port, "-c", 4, "-n", 2, "-i", "c4", *case.load_args())
        a.end()
        program.stop()
        size = os.path.getsize(os.path.join(HERE, path + ".spr"))
        assert size <= LIMIT, "%s: %d bytes are more than %d" % (path, size, LIMIT)
        spans = live.otlp.load(replayed(path))
        own = {measure.work_id(s) for s in spans if (measure.work_id(s) or "").startswith("bg")}
        told = [dict(t, maybe=t["id"].startswith("bg")) for t in program.truth()
                if t["id"] in own or not t["id"].startswith("bg")]
        bad = measure.Result(measure.Score(
            [s for s in spans if measure.work_id(s) not in own - {t["id"] for t in told}], told,
            set(pids)), [], {}).bad(cases.ANY)
        assert not bad, "%s: %s" % (path, ", ".join(bad))
        print("%s: %d KiB, %d spans" % (path, size // 1024, len(spans)))


def main():
    names = sys.argv[1:] or ["shop", "node", "rough", "bodies", "truth"]
    os.makedirs(os.path.join(HERE, "truth"), exist_ok=True)
    for name in names:
        if name == "truth":
            for one in cases.RECORDED:
                truth(one)
        elif name.startswith("truth/"):
            truth(name[len("truth/"):])
        else:
            {"shop": shop, "node": node, "rough": rough, "bodies": bodies}[name]()


if __name__ == "__main__":
    main()
