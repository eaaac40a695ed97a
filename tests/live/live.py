# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A live test's tools: real programs, the agent on them, and the comparison with their truth."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from tool import check
from tool import spans as otlp
from tool import suite

HERE = os.path.dirname(os.path.realpath(__file__))
WORKLOADS = os.path.join(HERE, "workloads")
BIN = os.path.join(suite.BUILD, "tests/live")
SPANPROBE = os.path.join(suite.BUILD, "spanprobe")
NEEDS = ("root", "kernel BTF", "a hook family")
PYTHON = os.path.join(suite.BUILD, "venv/bin/python3")


def free_port(family=socket.AF_INET):
    with socket.socket(family) as s:
        s.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, ask, limit=10.0):
    end = time.monotonic() + limit
    while True:
        got = ask()
        if got:
            return got
        assert time.monotonic() < end, "%s: not within %g s" % (what, limit)
        time.sleep(0.01)


def answers(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


class Proc:
    """A program under test: output in a file, ended with its block."""

    def __init__(self, run, name, argv, env=None, cwd=None):
        self.name, self.out = name, run.path(name + ".out")
        self.err = run.path(name + ".err")
        full = dict(os.environ, **(env or {}))
        for key in [k for k in full if k.startswith("OTEL_") and k not in (env or {})]:
            del full[key]
        with open(self.out, "w") as out, open(self.err, "w") as err:
            self.p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                      env=full, cwd=cwd or run.dir)
        self.pid = self.p.pid
        run.procs.append(self)

    def text(self):
        with open(self.out, errors="replace") as f:
            return f.read()

    def errors(self):
        with open(self.err, errors="replace") as f:
            return f.read()

    def truth(self):
        return check.load_truth(self.out)

    def alive(self):
        return self.p.poll() is None

    def wait(self, limit=60):
        code = self.p.wait(timeout=limit)
        return code

    def stop(self, sig=signal.SIGTERM, limit=5):
        if self.alive():
            self.p.send_signal(sig)
            try:
                self.p.wait(limit)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        return self.p.returncode


def live_children(proc):
    """A question: does the agent have a child that runs?"""
    def ask():
        for pid in children(proc.pid) if proc.alive() else []:
            try:
                with open("/proc/%d/stat" % pid) as f:
                    if f.read().rpartition(")")[2].split()[0] != "Z":
                        return True
            except OSError:
                pass
        return False
    return ask


class Agent(Proc):
    """spanprobe with a file of OTLP JSON lines as its exporter."""

    def __init__(self, run, *args, name="agent", export=True, wait=True, env=None, ready_in=10):
        self.jsonl = run.path(name + ".jsonl")
        argv = [SPANPROBE] + [str(a) for a in args]
        if export:
            mine = ["--export", "file=" + self.jsonl]
            at = argv.index("--") if "--" in argv else len(argv)
            argv[at:at] = mine
        hooks = os.environ.get("SPANPROBE_TEST_HOOKS")
        if hooks:
            argv[1:1] = ["--hooks", hooks]
        begun = time.monotonic()
        super().__init__(run, name, argv, env)
        if wait:
            wait_for("agent ready", self.is_ready, ready_in)
            self.ready_after = time.monotonic() - begun
            print("agent ready after %.3f s" % self.ready_after)

    def is_ready(self):
        assert self.alive(), "the agent ended with %d: %s" % (self.p.returncode, self.errors())
        return re.search(r"^(spanprobe: )?ready", self.errors(), re.M)

    def end(self, sig=signal.SIGTERM, limit=7):
        """Stops it in good order; its summary stays in .summary."""
        begun = time.monotonic()
        if self.alive():
            self.p.send_signal(sig)
        code = self.p.wait(timeout=limit)
        self.summary = self.errors() + self.text()
        print("agent ended after %.2f s with %d:\n%s" % (time.monotonic() - begun, code,
                                                        self.summary))
        assert code == 0, "the agent ended with %d" % code
        return self

    def end_with_command(self, limit=20):
        """Of -- COMMAND: waits for it, then ends the agent, which others may keep alive."""
        live_on = live_children(self)
        wait_for("the command's end", lambda: not live_on(), limit)
        time.sleep(0.1)
        return self.end()

    def spans(self):
        return otlp.load(self.jsonl)

    def count(self, pattern):
        m = re.search(pattern, self.summary)
        assert m, "the summary has no %r" % pattern
        return int(m.group(1))

    def lost(self):
        """{name: count} of the summary."""
        return {m.group(1): int(m.group(2)) for m in
                re.finditer(r"^  ([a-z]+\.[a-z_]+) +(\d+)  ", self.summary, re.M)}

    def check(self, truth, parents="right", extra=False, lost=(), incomplete=False):
        """Every invariant, and nothing lost but by the names in `lost`."""
        spans = self.spans()
        print("%d spans, %d lines of truth" % (len(spans), len(truth)))
        faults = check.Checker(spans, truth, parents=parents, extra=extra,
                               incomplete=incomplete).run()
        assert not faults, "\n" + check.summary(faults)
        bad = {k: n for k, n in self.lost().items() if k not in lost}
        assert not bad, "lost: %r" % bad
        return spans


class Run:
    """The folder and the processes of one test."""

    def __init__(self, name):
        self.dir = os.path.join(suite.LOGS, "live", name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.procs, self.last = [], []

    def at_end(self, what):
        """Done when the processes have ended."""
        self.last.append(what)

    def path(self, name):
        return os.path.join(self.dir, name)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for p in reversed(self.procs):
            p.stop()
        for what in self.last:
            what()
        if kind:
            for p in self.procs:
                tail = p.errors()[-1500:]
                if tail.strip():
                    print("--- %s (exit %s):\n%s" % (p.name, p.p.returncode, tail))

    # --- programs ----------------------------------------------------------------------------

    def load(self, port, *args, name="load", wait=True, ok=True):
        """http_load; its truth is of the client's side."""
        p = Proc(self, name, [os.path.join(BIN, "http_load"), *map(str, args), str(port)])
        if wait:
            code = p.wait(80)
            assert code == 0 or not ok, "http_load ended with %d: %s" % (code, p.errors())
        return p

    def served(self, load, pid=None, service=None, **more):
        """The truth of a server whose only client was `load`, from the client's side."""
        out = []
        for t in load.truth():
            t = dict(t, side="server", **more)
            t["pid"] = pid
            if service:
                t["service"] = service
            out.append(t)
        return out

    def epoll_server(self, *args, name="cserver", port=None, binary=None):
        port = port or free_port()
        p = Proc(self, name, [binary or os.path.join(BIN, "epoll_server"), str(port), *args])
        wait_for(name, lambda: "listening" in p.text())
        p.port = port
        return p

    def server(self, name, argv, down=None, env=None, port=None, limit=20, cwd=None):
        """A workload server on the port in $PORT, calling $DOWN."""
        port = port or free_port()
        env = dict(env or {}, PORT=str(port), PYTHONUNBUFFERED="1")
        if down:
            env["DOWN"] = str(down.port if hasattr(down, "port") else down)
        p = Proc(self, name, [a.replace("{port}", str(port)) for a in argv], env, cwd)

        def up():
            assert p.alive(), "%s ended with %d: %s" % (name, p.p.returncode, p.errors())
            return answers(port)
        wait_for(name, up, limit)
        p.port = port
        return p

    def python(self, name="pyserver", down=None, **kw):
        return self.server(name, [sys.executable, os.path.join(WORKLOADS, "pyserver.py")], down,
                           **kw)

    def node(self, name="nodeserver", down=None, **kw):
        return self.server(name, ["node", os.path.join(WORKLOADS, "nodeserver.js")], down, **kw)

    def gunicorn(self, name="gunicorn", down=None, **kw):
        return self.server(name, [PYTHON, "-m", "gunicorn", "-k", "gthread", "--threads", "8",
                                  "--keep-alive", "30", "-b", "127.0.0.1:{port}", "--chdir",
                                  WORKLOADS, "wsgi_app:app"], down, **kw)

    def uvicorn(self, name="uvicorn", down=None, **kw):
        return self.server(name, [PYTHON, "-m", "uvicorn", "--log-level", "warning", "--port",
                                  "{port}", "--app-dir", WORKLOADS, "asgi_app:app"], down, **kw)

    def java(self, name="java", down=None, flags=(), **kw):
        return self.server(name, ["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx128m", *flags,
                                  os.path.join(WORKLOADS, "JavaServer.java")], down, limit=60,
                           **kw)

    def go(self, name="goserver", down=None, **kw):
        return self.server(name, [os.path.join(BIN, "goserver")], down, **kw)

    def nginx(self, name="nginx", down=None, workers=1, keepalive=64, peers="", shared="",
              more="proxy_buffering off;", location=None, top=""):
        """Static answers at /w/ID without `down`; else a proxy with keep-alive upstreams that
        calls /w/ID.p there. Truth is in its access log. peers: more servers of the upstream; shared,
        more: directives of the http block and of the proxying location; location: another one; top:
        directives of the file."""
        port, prefix = free_port(), self.path(name)
        os.makedirs(prefix, exist_ok=True)
        os.chmod(prefix, 0o777)
        conf = os.path.join(prefix, "nginx.conf")
        up = "upstream up { server 127.0.0.1:%d; %s keepalive %d; }" % (
            down.port, peers, keepalive) if down else ""
        where = """location ~ ^/w/(?<id>[^/]*)$ {
                set $call $id.p;
                proxy_pass http://up/w/$call$is_args$args;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                %s
            }""" % more if down else """location ~ ^/w/(?<id>[^/]*)$ { return 200 "hello\\n"; }"""
        where = location or where
        with open(conf, "w") as f:
            f.write("""%s
daemon off; worker_processes %d; pid %s/pid; error_log stderr warn;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
    log_format truth escape=json '{"side": "server", "id": "$id", "pid": $pid, '
        '"method": "$request_method", "req": $len, "resp": $body_bytes_sent, "status": $status, '
        '"call": "$call", "up": "$upstream_status", "upbytes": "$upstream_response_length"}';
    map $content_length $len { default $content_length; "" 0; }
    access_log %s/truth.log truth;
    client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f;
    uwsgi_temp_path %s/u; scgi_temp_path %s/s;
    client_max_body_size 0; keepalive_requests 1000000; default_type text/plain;
    %s
    server { listen 127.0.0.1:%d backlog=2048; set $call ""; root %s/www; %s }
}
""" % (top, workers, prefix, prefix, prefix, prefix, prefix, prefix, prefix, up + shared, port, prefix, where))
        p = Proc(self, name, ["nginx", "-c", conf, "-p", prefix])
        wait_for("nginx", lambda: p.alive() and answers(port))
        wait_for("nginx workers", lambda: len(children(p.pid)) == workers)
        p.port, p.workers, p.log = port, children(p.pid), os.path.join(prefix, "truth.log")
        p.truth = lambda: nginx_truth(p.log)
        return p


def nginx_truth(path):
    """An access log as truth: of the request, and of the call to the upstream."""
    out = []
    for t in check.load_truth(path):
        call, up, upbytes = t.pop("call"), t.pop("up"), t.pop("upbytes")
        if not t["id"]:
            continue
        out.append(dict(t, service="nginx"))
        if call:
            out.append({"side": "client", "id": call, "pid": t["pid"], "method": t["method"],
                        "req": t["req"], "status": int(up) if up.isdigit() else None,
                        "resp": int(upbytes) if upbytes.isdigit() else None})
    return out


def rss_mib(pid):
    """all of it: the rings' pages and what libraries share included"""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def realtime_ns():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def dump(spans):
    for s in sorted(spans, key=lambda s: (s.trace, s.start)):
        print(s, s.start, s.end, json.dumps(s.attr))
