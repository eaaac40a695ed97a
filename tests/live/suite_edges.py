# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What programs do to a tracer: attach in the middle, kill it, big bodies, odd sockets, namespaces, broken talk."""
import os
import shutil
import signal
import subprocess
import sys
import time

import live
from live import NEEDS, Agent, Run
from tool.suite import test


@test("live/midstream", NEEDS)
def midstream():
    """Attached while 8 connections talk: every request begun after `ready` has its span."""
    with Run("midstream") as run:
        server = run.epoll_server()
        load = run.load(server.port, "-c", 8, "-n", 600, "-w", 500, wait=False)
        live.wait_for("traffic", lambda: len(server.truth()) > 200)
        agent = Agent(run, "--pid", server.pid)
        before = len(server.truth())
        assert load.wait(60) == 0
        agent.end()
        truth = server.truth()
        assert before < len(truth) - 1000, "the load was over before the agent was ready"
        # what was served before `ready` was seen may have no span; a few more were under way
        truth = [dict(t, maybe=i < before + 16) for i, t in enumerate(truth)]
        spans = agent.check(truth, lost=("decode.midstream", "pair.response_alone"))
        assert len(spans) >= len(truth) - before - 16
        assert agent.lost().get("decode.midstream", 0) < 8 * 16384


@test("live/midstream_both", NEEDS + ("nginx",))
def midstream_both():
    """A proxy and the server behind it, with bodies both ways under way when the agent comes: every request and
    call begun after `ready` has its span, and the ends of older connections are joined."""
    with Run("midstream_both") as run:
        down = run.epoll_server()
        front = run.nginx(down=down)
        load = run.load(front.port, "-c", 12, "-n", 500, "-w", 300, "-m", "POST", "-b", 3000, "-q",
                        "size=20000", wait=False)
        live.wait_for("traffic", lambda: len(down.truth()) > 200)
        agent = Agent(run, "--pid", front.workers[0], "--pid", down.pid)
        before = {t["id"].split(".")[0] for t in front.truth() + down.truth()}
        assert load.wait(80) == 0
        time.sleep(0.2)
        agent.end()
        truth = front.truth() + down.truth()
        after = [t["id"] for t in front.truth() if "." not in t["id"] and t["id"] not in before]
        assert len(after) > 1000, "the load was over before the agent was ready"
        # what was under way when `ready` was seen: one per connection
        unsure = before | set(after[:24])
        truth = [dict(t, maybe=t["id"].split(".")[0] in unsure) for t in truth]
        spans = agent.check(truth, parents="no-wrong", incomplete=True, lost=(
            "decode.midstream", "pair.response_alone", "pair.request_alone", "decode.resync"))
        sure = {t["id"] for t in truth if not t["maybe"]}
        joined = [s for s in spans if s.kind == 2 and s.work_id in sure and s.work_id.endswith(".p")]
        assert joined and all(s.attr["spanprobe.parent.by"] == "connection" for s in joined)
        assert not any(s.attr.get("spanprobe.incomplete") for s in spans if s.work_id in sure)


def leftovers():
    """BPF programs and links by our names, as the kernel lists them."""
    out = []
    for what in ("prog", "link"):
        p = subprocess.run(["bpftool", what, "list"], stdout=subprocess.PIPE, text=True, check=True)
        out.append({line.split(":")[0] for line in p.stdout.splitlines() if line[:1].isdigit()})
    return out


@test("live/killed", NEEDS + ("bpftool",), alone=True)
def killed():
    """kill -9 of the agent: the application does not notice, nothing stays in the kernel."""
    with Run("killed") as run:
        before = leftovers()
        server = run.epoll_server()
        load = run.load(server.port, "-c", 4, "-n", 4000, "-w", 300, wait=False)
        first = Agent(run, "--pid", server.pid, name="first")
        assert leftovers()[0] - before[0], "bpftool sees no program of a running agent"
        time.sleep(0.3)
        first.p.kill()
        first.p.wait()

        def gone():
            now = leftovers()
            return not now[0] - before[0] and not now[1] - before[1]
        live.wait_for("programs and links gone", gone, 5)
        second = Agent(run, "--pid", server.pid, name="second")
        ready = live.realtime_ns()
        at = len(server.truth())
        assert load.wait(60) == 0, "the application was harmed: " + load.errors()
        second.end()
        truth = [dict(t, maybe=i < at + 16) for i, t in enumerate(server.truth())]
        assert at < len(truth) - 100
        spans = second.check(truth, lost=("decode.midstream", "pair.response_alone"))
        first_span = min(s.start for s in spans)
        assert first_span < ready + 10**9, "%.3f s to the first span" % ((first_span - ready) / 1e9)


@test("live/two_agents", NEEDS)
def two_agents():
    """Both see the same spans, but for their ids."""
    with Run("two_agents") as run:
        down = run.epoll_server()
        server = run.python(down=down)
        a = Agent(run, "--pid", server.pid, "--pid", down.pid, name="a")
        b = Agent(run, "--pid", server.pid, "--pid", down.pid, name="b")
        run.load(server.port, "-c", 8, "-n", 20)
        a.end()
        b.end()
        truth = server.truth() + down.truth()

        def shape(spans):
            return sorted((s.kind, s.path, s.pid, sorted((k, str(v)) for k, v in s.attr.items()))
                          for s in spans)
        assert shape(a.check(truth)) == shape(b.check(truth)), "the two agents differ"


@test("live/ipv6", NEEDS + ("IPv6 loopback",))
def ipv6():
    with Run("ipv6") as run:
        server = run.epoll_server("-6", port=live.free_port(live.socket.AF_INET6))
        agent = Agent(run, "--pid", server.pid, "--", os.path.join(live.BIN, "http_load"), "-6",
                      "-c", 4, "-n", 10, server.port)
        agent.end_with_command()
        truth = server.truth()
        assert len(truth) == 40
        spans = agent.check(truth + live.check.load_truth(agent.out))
        peers = {s.attr.get("network.peer.address") for s in spans}
        assert peers == {"::1"}, "peers are %r" % peers


@test("live/unix", NEEDS)
def unix():
    """Both ends of a Unix socket: joined, with its path."""
    with Run("unix") as run:
        path = run.path("s")
        c = run.epoll_server(port="unix:" + path + ".c")
        py = live.Proc(run, "py", [sys.executable, os.path.join(live.WORKLOADS, "pyserver.py"),
                                   path])
        live.wait_for("unix server", lambda: os.path.exists(path) and "listening" in py.text())
        agent = Agent(run, "--pid", c.pid, "--pid", py.pid)
        run.load("unix:" + path + ".c", "-c", 4, "-n", 10, "-i", "c", "-q", "size=5000")
        run.load("unix:" + path, "-c", 4, "-n", 10, "-i", "p", "-m", "POST", "-b", 300, name="load2")
        agent.end()
        agent.check(c.truth() + py.truth())
        # the client traced too: joined
        agent = Agent(run, "--pid", py.pid, "--", os.path.join(live.BIN, "http_load"), "-c", 4,
                      "-n", 10, "-i", "j", "unix:" + path, name="agent2")
        agent.end_with_command()
        truth = [t for t in py.truth() if t["id"].startswith("j")]
        agent.check(truth + live.check.load_truth(agent.out))


def big(name, *load):
    with Run(name) as run:
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid)
        run.load(server.port, *load)
        agent.end()
        spans = agent.check(server.truth())
        assert len(spans) == 1
        events = agent.count(r"events: (\d+)")
        assert events < 200, "%d events" % events
        return spans[0]


@test("live/download_1gib", NEEDS)
def download():
    big("download_1gib", "-q", "size=%d" % 2**30)


@test("live/upload_1gib", NEEDS)
def upload():
    big("upload_1gib", "-m", "POST", "-b", 2**30)


@test("live/big_client", NEEDS)
def big_client():
    """The client's side of 1 GiB in both directions."""
    with Run("big_client") as run:
        server = run.epoll_server()
        for i, more in enumerate((["-q", "size=%d" % 2**30], ["-m", "POST", "-b", str(2**30)])):
            agent = Agent(run, "--", os.path.join(live.BIN, "http_load"), *more, server.port,
                          name="agent%d" % i, wait=False)
            assert agent.p.wait(60) == 0, agent.errors()
            agent.summary = agent.errors()
            agent.check(live.check.load_truth(agent.out))
            assert agent.count(r"events: (\d+)") < 200


@test("live/sendfile", NEEDS + ("nginx",))
def sendfile():
    """Bytes that no hook can read: counted in the body size all the same."""
    with Run("sendfile") as run:
        server = run.nginx()
        www = run.path("nginx/www/w")
        os.makedirs(www)
        for n, size in (("0", 100), ("1", 5000), ("2", 300000), ("3", 8 << 20)):
            with open(www + "/f-0-" + n, "wb") as f:
                f.write(b"z" * size)
        conf = run.path("nginx/nginx.conf")
        with open(conf) as f:
            text = f.read()
        with open(conf, "w") as f:
            f.write(text.replace('return 200 "hello\\n";', "sendfile on; tcp_nopush on;"))
        os.kill(server.pid, signal.SIGHUP)
        old = server.workers
        live.wait_for("new worker", lambda: live.children(server.pid) and
                      not set(live.children(server.pid)) & set(old))
        agent = Agent(run, "--pid", live.children(server.pid)[0])
        run.load(server.port, "-n", 4, "-i", "f")
        agent.end()
        agent.check(server.truth(), lost=("payload.unseen",))


@test("live/segments", NEEDS)
def segments():
    """One byte per segment, pipelining, a connection per request."""
    with Run("segments") as run:
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid)
        run.load(server.port, "-1", "-n", 3, "-m", "POST", "-b", 30, "-i", "one")
        run.load(server.port, "-c", 4, "-n", 40, "-p", 8, "-i", "pipe", name="load2")
        run.load(server.port, "-c", 4, "-n", 20, "-C", "-i", "fresh", name="load3")
        agent.end()
        agent.check(server.truth())


@test("live/rough", NEEDS)
def rough():
    """Every form of HTTP/1.x and every way to fail, seen by both sides, which are joined."""
    with Run("rough") as run:
        server = run.server("rough", [sys.executable, os.path.join(live.WORKLOADS, "rough.py")])
        calls = live.Proc(run, "calls", [sys.executable, os.path.join(live.WORKLOADS, "calls.py")],
                          env={"PORT": str(server.port)})
        live.wait_for("calls", lambda: "waiting" in calls.text())
        agent = Agent(run, "--pid", calls.pid, "--pid", server.pid)
        os.kill(calls.pid, signal.SIGUSR1)
        live.wait_for("calls done", lambda: "done" in calls.text(), 30)
        agent.end()
        spans = agent.spans()
        live.dump(spans)
        failed = [s for s in spans if s.name == "socket connect"]
        agent.check(calls.truth() + server.truth(), extra=True)
        assert len(spans) == len(calls.truth() + server.truth()) + 3
        assert len(failed) == 3, "%d spans of refused connections, not 3" % len(failed)
        assert all(s.attr.get("error.type") == "ECONNREFUSED" and s.status == 2 and
                   s.attr.get("server.port") for s in failed), "a refused connection is mistold"
        for s in spans:
            if s.attr.get("error.type") and s.status != 2 or s.status == 2 and not s.attr.get(
                    "error.type"):
                raise AssertionError("status and error.type differ: %s" % s)


@test("live/context", NEEDS)
def context():
    """Contexts that requests carry win, in every format."""
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    decimal = str(int(parent, 16))
    headers = {
        "w3c": "traceparent: 00-%s-%s-01" % (trace, parent),
        "b3": "b3: %s-%s-1" % (trace, parent),
        "b3m": "X-B3-TraceId: %s\r\nX-B3-SpanId: %s\r\nX-B3-Sampled: 1" % (trace, parent),
        "uber": "uber-trace-id: %s:%s:0:1" % (trace, parent),
        "xray": "X-Amzn-Trace-Id: Root=1-%s-%s;Parent=%s;Sampled=1" % (trace[:8], trace[8:], parent),
        "gcp": "X-Cloud-Trace-Context: %s/%s;o=1" % (trace, decimal),
    }
    with Run("context") as run:
        down = run.epoll_server()
        server = run.python(down=down)
        agent = Agent(run, "--pid", server.pid, "--pid", down.pid)
        for name, line in headers.items():
            run.load(server.port, "-n", 2, "-i", name, "-H", line, name="load-" + name)
        off = "traceparent: 00-%s-%s-00" % ("1" * 32, parent)
        run.load(server.port, "-n", 2, "-i", "off", "-H", off, name="load-off")
        agent.end()
        truth = [t for t in server.truth() + down.truth() if not t["id"].startswith("off")]
        for t in truth:
            if t["side"] == "server" and "." not in t["id"]:
                t.update(trace=trace, parent=parent)
        spans = agent.check(truth, lost=("sample.dropped",))
        assert {s.trace for s in spans} == {trace}
        entries = [s for s in spans if s.parent == parent]
        assert len(entries) == 12 and all(s.remote for s in entries)
        assert all(s.attr["spanprobe.parent.by"] == "header" for s in entries)


@test("live/namespaces", NEEDS + ("unshare and ip", "network namespaces"))
def namespaces():
    """A traced process in other network and pid namespaces."""
    with Run("namespaces") as run:
        port = live.free_port()
        script = "ip link set lo up; %s/epoll_server %d & while [ ! -e %s ]; do sleep 0.05; done; " \
                 "%s/http_load -c 4 -n 10 %d; wait" % (
                     live.BIN, port, run.path("go"), live.BIN, port)
        outer = live.Proc(run, "ns", ["unshare", "-n", "-p", "-f", "--mount-proc",
                                      "--kill-child", "sh", "-c", script])

        def server():
            for sh in live.children(outer.pid):
                for pid in live.children(sh):
                    with open("/proc/%d/comm" % pid) as f:
                        if f.read().strip() == "epoll_server":
                            return pid
        pid = live.wait_for("server in the namespace", server)
        live.wait_for("listening", lambda: "listening" in outer.text())
        agent = Agent(run, "--pid", pid)
        open(run.path("go"), "w").close()

        def truth():
            return [t for t in outer.truth() if t["side"] == "server"]
        live.wait_for("requests", lambda: len(truth()) == 40)
        agent.end()
        agent.check([dict(t, pid=None) for t in truth()])
        # two servers with the same addresses in different namespaces are not one connection
        assert {s.pid for s in agent.spans()} == {pid}, "process.pid is not the one of the root"
        os.kill(live.children(outer.pid)[0], signal.SIGKILL)  # unshare takes no other end from us


@test("live/exits", NEEDS)
def exits():
    """When the last traced process ends, so does the agent, with 0 and everything exported."""
    with Run("exits") as run:
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid)
        run.load(server.port, "-n", 5)
        server.stop()
        code = agent.p.wait(5)
        agent.summary = agent.errors()
        assert code == 0, "exit code %d: %s" % (code, agent.summary)
        agent.check(server.truth())


@test("live/follow_children", NEEDS)
def follow_children():
    """A shell is named; what it starts later is traced."""
    with Run("follow_children") as run:
        port = live.free_port()
        sh = live.Proc(run, "sh", ["sh", "-c", "kill -STOP $$; %s/epoll_server %d & wait" % (
            live.BIN, port)])
        live.wait_for("stopped", lambda: open("/proc/%d/stat" % sh.pid).read().split()[2] == "T")
        agent = Agent(run, "--follow-children", "--pid", sh.pid)
        os.kill(sh.pid, signal.SIGCONT)
        live.wait_for("server", lambda: live.answers(port))
        run.load(port, "-c", 2, "-n", 10)
        agent.end()
        truth = [dict(t) for t in sh.truth()]
        assert len(truth) == 20
        agent.check(truth)
        for pid in live.children(sh.pid):
            os.kill(pid, signal.SIGKILL)


@test("live/exe_and_port", NEEDS)
def exe_and_port():
    """--exe and --port match what runs already and what starts later."""
    with Run("exe_and_port") as run:
        # a copy: other programs of this machine may run the same file
        mine = shutil.copy2(os.path.join(live.BIN, "epoll_server"), run.path("exe_and_port_server"))
        first = run.epoll_server(name="first", binary=mine)
        later = live.free_port()
        agent = Agent(run, "--exe", "*/exe_and_port_server", "--port", later)
        second = run.epoll_server(name="second", binary=mine)
        py = run.python(port=later)
        time.sleep(0.5)
        for i, p in enumerate((first, second, py)):
            run.load(p.port, "-n", 5, "-i", "x%d" % i, name="load%d" % i)
        agent.end()
        agent.check(first.truth() + second.truth() + py.truth())


@test("live/idle", NEEDS, alone=True)
def idle():
    """No traced socket I/O: under 1 % CPU, at most 12 MiB."""
    with Run("idle") as run:
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid)
        time.sleep(0.5)
        a, at = cpu_s(agent.pid), time.monotonic()
        time.sleep(4)
        share = (cpu_s(agent.pid) - a) / (time.monotonic() - at)
        rss = live.rss_mib(agent.pid)
        agent.end()
        print("idle: %.2f %% CPU, %.1f MiB, ready after %.3f s" % (100 * share, rss, agent.ready_after))
        assert share < 0.01, "%.2f %% CPU" % (100 * share)
        assert rss <= 12, "%.1f MiB" % rss
        assert agent.ready_after <= 2, "ready after %.3f s" % agent.ready_after


def cpu_s(pid):
    """On-CPU seconds of every thread, in ns resolution."""
    total = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, tid)) as f:
            total += int(f.read().split()[0])
    return total / 1e9


@test("live/rate", NEEDS, alone=True, timeout=120)
def rate():
    """20,000 requests/s on two cores: no event lost, spans = requests; memory stays small."""
    with Run("rate") as run:
        server = run.epoll_server("-q")
        agent = Agent(run, "--pid", server.pid)
        load = run.load(server.port, "-c", 16, "-n", 5000, "-r", 20000, wait=False)
        began = time.monotonic()
        assert load.wait(60) == 0
        took = time.monotonic() - began
        memory = live.rss_mib(agent.pid)
        time.sleep(0.2)
        agent.end()
        agent.check(run.served(load))
        print("%.0f requests/s, the agent has %.1f MiB" % (80000 / took, memory))
        assert 80000 / took > 15000, "only %.0f requests/s: nothing was proven" % (80000 / took)
        assert memory <= 40, "%.1f MiB" % memory
