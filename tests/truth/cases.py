# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The table of the truth bench."""
import os

import nginxes
import programs
from build import pythons
from programs import built, go, gunicorn, java, loop, node, ruby, workers

ANY = 0.0  # no wrong ones, as everywhere
EXACT = 1.0
MOST = 0.95 # a result may come before anybody waits for it
NEARLY = 0.97 # a few are in doubt until it has shown that nobody waits in a queue

CASES = {}


class Case:
    """One program in one way of use.

    start(run, down) -> the program, backend(run) -> what it calls; pids(program) -> whom to trace.
    needs: abilities (tests/tool/abilities.py). calls: of each request; par: together.
    expect: the least share of calls with their right parent at every load, wrong ones are never
    allowed. Raise it where the rules promise more: EXACT where they promise all. flaw: wrong ones
    that are known of, in words; such a case is in the table, and no test until it is mended."""

    def __init__(self, name, start, needs=(), expect=ANY, flaw=None, calls=3, par=False,
                 pids=None, backend=programs.backend, more=(), family=None):
        self.name, self.start, self.needs = name, start, tuple(needs)
        self.expect, self.flaw = expect, flaw
        self.calls, self.par, self.backend, self.more = calls, par, backend, list(more)
        self.pids = pids or (lambda p: [p.pid])
        self.family = family or name.partition("/")[0]

    def load_args(self):
        return ["-q", "n=%d%s" % (self.calls, "&par=1" if self.par else "")] + self.more


def families():
    """{family: its cases}: those of one test"""
    out = {}
    for c in CASES.values():
        out.setdefault(c.family, []).append(c)
    return out


def case(name, start, needs=(), ways=("seq",), **kw):
    """One case, or one for each way that its calls are made."""
    for way in ways:
        full = name.replace("*", way)
        assert full not in CASES, full
        CASES[full] = Case(full, start, needs, par=way == "par", **kw)


BOTH = ("seq", "par")


def node_cases(version):
    def add(name, how, pool, ways=BOTH, needs="node %s" % version, **kw):
        case("node%s/%s" % (version, name), node(version, how, pool), (needs,), ways, **kw)

    add("http-*-p100", "http", 100, expect=NEARLY)
    add("http-*-p4", "http", 4, expect=NEARLY)
    if version != "18":  # undici 7 begins with Node 20
        add("undici-*-p100", "undici", 100, expect=NEARLY)
        add("undici-*-p4", "undici", 4)
    add("fetch-*", "fetch", 100, expect=NEARLY)
    add("timer-*", "timer", 100)
    add("queue-*-p4", "queue", 4)


for version in ("18", "20", "22", "24"):
    node_cases(version)


def database(name, server, start, needs, ways, **kw):
    case(name, start, needs + (server,), ways, family=server.lower(),
         backend={"Redis": programs.redis, "PostgreSQL": programs.postgres}[server], **kw)


database("node22/redis-*", "Redis", node("22", "redis"), ("node 22",), BOTH)
database("node22/pg-*-p32", "PostgreSQL", node("22", "pg", 32), ("node 22",), ("seq",),
         flaw="a pool in JavaScript that is as large as the load has a queue now and then")
database("node22/pg-*-p4", "PostgreSQL", node("22", "pg", 4), ("node 22",), ("seq",))


def python_cases(version, whole):
    """Every way for one CPython, the ways that read its insides for the others."""
    needs = ("CPython %s with its packages" % version,)
    family = "python-" + version

    def add(name, start, ways=("seq",), **kw):
        case("%s/%s" % (family, name), start, needs, ways, **kw)

    def thread(name, how, ways=("seq",), pool=100, **kw):
        add(name, gunicorn(version, "gthread", how, pool), ways, pids=workers, **kw)

    # uvloop: which task is a connection's is told by its first answer; calls wait for that no longer
    # than a moment
    most = 0.9
    if not whole:
        add("aiohttp-asyncio-*-p100", loop(version, "aiohttp", "asyncio", "aiohttp"), expect=EXACT)
        add("starlette-httpx-uvloop-*-p4", loop(version, "starlette", "uvloop", "httpx", 4), ("par",),
            expect=EXACT)
    add("starlette-sync-requests", loop(version, "starlette", "asyncio", "sync-requests"),
        expect=EXACT)
    thread("gthread-inline", "inline", expect=EXACT)
    thread("gthread-pool8-*", "pool", ("par",), 8, expect=EXACT)
    if not whole:
        return
    for kind in ("asyncio", "uvloop"):
        for pool in (100, 4):
            add("aiohttp-%s-*-p%d" % (kind, pool), loop(version, "aiohttp", kind, "aiohttp", pool),
                BOTH, expect=EXACT if kind == "asyncio" else most)
            add("starlette-httpx-%s-*-p%d" % (kind, pool),
                loop(version, "starlette", kind, "httpx", pool), BOTH, expect=EXACT)
    add("starlette-sync-httpx", loop(version, "starlette", "uvloop", "sync-httpx"), expect=EXACT)
    add("aiohttp-sleep-*", loop(version, "aiohttp", "asyncio", "sleep"), BOTH, expect=EXACT)
    add("aiohttp-later-*", loop(version, "aiohttp", "uvloop", "later"), BOTH, expect=most)
    add("aiohttp-executor-*", loop(version, "aiohttp", "asyncio", "executor", 8), BOTH, expect=EXACT)
    thread("gthread-thread-*", "thread", BOTH, expect=EXACT)
    thread("gthread-pool8-*", "pool", ("seq",), 8, expect=EXACT)
    thread("gthread-pool64-*", "pool", BOTH, 64, expect=EXACT)
    thread("gthread-context-*", "context", BOTH, 8, expect=EXACT)
    thread("gthread-mpool-*", "mpool", BOTH, 8) # its threads wait for work when the agent comes
    thread("gthread-queue-*", "queue", BOTH, 8) # threads that live on: of nobody
    for how in ("streams", "group", "after"):
        for kind in ("asyncio", "uvloop"):
            add("edge-%s-%s-*" % (how, kind), programs.edges(version, kind, how, 4), BOTH,
                expect=EXACT if kind == "asyncio" else most)
    for how in ("lazy", "fresh", "shared", "writer"): # of nobody, or of whoever made the task
        for kind in ("asyncio", "uvloop"):
            add("edge-%s-%s-*" % (how, kind), programs.edges(version, kind, how, 4), BOTH,
                flaw="a task that a request made writes for others while that one is open"
                if how == "writer" else None)
    add("gevent-inline-*", gunicorn(version, "gevent", "inline"), pids=workers, expect=EXACT)
    add("gevent-thread-*", gunicorn(version, "gevent", "thread"), ("par",), pids=workers)
    database(family + "/redis-*", "Redis", loop(version, "aiohttp", "uvloop", "redis"), needs, BOTH)
    database(family + "/asyncpg-*-p4", "PostgreSQL", loop(version, "aiohttp", "asyncio", "pg", 4),
             needs, BOTH)


PYTHONS = list(pythons())
MAIN_PYTHON = "3.11" if "3.11" in PYTHONS else "debian"
for version in PYTHONS:
    python_cases(version, version == MAIN_PYTHON)


# --- Go ---------------------------------------------------------------------------------------------

def go_case(name, start, ways=("seq",), **kw):
    case("go/" + name, start, ("the Go programs of the truth bench",), ways, **kw)


go_case("http-*-p100", go("h1", 100), BOTH)
go_case("http-*-p4", go("h1", 4), BOTH)
go_case("workers-*-p100", go("workers", 100), BOTH)
go_case("timer-*-p100", go("timer", 100), BOTH)
go_case("stripped-http-*-p100", go("h1", 100, binary="stripped"), BOTH)
# whoever takes HTTP/2 for connections of one request at a time is wrong here
for kind in ("h2c", "grpc"):
    guard = dict(backend=programs.go_backend(kind), family="go-" + kind)
    go_case("h1-to-%s-*" % kind, go(kind), BOTH, **guard)
    go_case("%s-to-%s-*" % (kind, kind), go(kind, serve=kind), **guard)

# --- Java -------------------------------------------------------------------------------------------

for name, start, expect in (
        ("handler", java("handler"), EXACT),
        ("supply-seq-p64", java("supply-seq", 64), MOST), ("supply-seq-p4", java("supply-seq", 4), MOST),
        ("supply-par-p64", java("supply-par", 64), ANY), ("supply-par-p4", java("supply-par", 4), ANY),
        ("allof-p64", java("allof"), ANY), ("invokeall-p64", java("invokeall"), ANY),
        ("forkjoin-p64", java("forkjoin"), ANY), ("thenapply-p64", java("thenapply"), ANY),
        ("mixed-p4", java("mixed", 4), ANY),
        ("httpclient-send", java("send"), MOST), ("httpclient-send-p4", java("send-pool", 4), ANY),
        ("httpclient-async-par", java("async-par"), ANY),
        ("httpclient-async-chain", java("async-chain"), ANY)):
    case("java/" + name, start, ("the Java programs of the truth bench",), expect=expect)
for name, how, server, expect in (
        ("tomcat-handler", "handler", "tomcat", ANY), ("tomcat-supply-par", "supply-par", "tomcat", ANY),
        ("jetty-handler", "handler", "jetty", ANY), ("netty-handoff", "handler", "netty", ANY)):
    case("java/" + name, java(how, 64, server), ("Tomcat, Jetty and Netty from Maven",), expect=expect)

# --- the others --------------------------------------------------------------------------------------

case("ruby/puma-inline", ruby("inline"), ("puma",))
case("ruby/puma-thread-*", ruby("thread"), ("puma",), BOTH)

TOKIO = ("the tokio program of the truth bench",)
case("tokio/inline-*-p100", built("rust/truth", "inline"), TOKIO, BOTH)
case("tokio/inline-*-p4", built("rust/truth", "inline", 4), TOKIO)
case("tokio/spawn-*-p100", built("rust/truth", "spawn"), TOKIO, BOTH)
case("tokio/spawn-*-p4", built("rust/truth", "spawn", 4), TOKIO, ("par",))

C = ("the C programs of the truth bench",)
case("c/threads-conn", built("c/threads", "conn"), C, expect=EXACT)
case("c/threads-request", built("c/threads", "request"), C)
case("c/threads-call-*", built("c/threads", "call"), C, BOTH)
case("c/threads-pool-*-p4", built("c/threads", "pool", 4), C, BOTH)
case("c/threads-pool-*-p64", built("c/threads", "pool", 64), C, BOTH)
case("c/threads-mixed-*-p4", built("c/threads", "mixed", 4), C, BOTH)
case("c/proxy-p100", built("c/proxy", "", 100), C, calls=1)
case("c/proxy-p4", built("c/proxy", "", 4), C, calls=1)
case("c/proxy-blocking", built("c/proxy", "blocking"), C, calls=1)

case("php/mod-php-*", programs.apache_php, ("Apache with mod_php",), BOTH, pids=workers)
case("php/fpm-*", programs.php_fpm, ("PHP-FPM", "nginx"), BOTH, pids=lambda p: p.workers)

# --- proxies ------------------------------------------------------------------------------------------


def nginx(name, start=None, expect=EXACT, calls=1, load=(), **kw):
    case("nginx/" + name, start or (lambda run, down: run.nginx(down=down, **kw)), ("nginx",),
         expect=expect, calls=calls, more=load, pids=lambda p: p.workers)


def refused(run, down):
    """Every second try goes to a port where nobody listens."""
    return run.nginx(down=down, keepalive=8, peers="server 127.0.0.1:%d max_fails=0;" %
                     programs.live.free_port())


nginx("static", start=lambda run, down: run.nginx(workers=2), calls=0)
nginx("proxy-keepalive-4", keepalive=4)
nginx("proxy-keepalive-64", keepalive=64)
nginx("proxy-4-workers", workers=4, keepalive=16)
nginx("proxy-buffered-uploads", more="client_body_buffer_size 8k;",
      load=("-m", "POST", "-b", "200000"))
nginx("proxy-limit-req", more="limit_req zone=one burst=1000;",
      shared="limit_req_zone $server_port zone=one:1m rate=200r/s;")
nginx("proxy-refused", start=refused)
for name in ("mirror", "auth_request"):
    nginx(name.replace("_", "-"), start=getattr(nginxes, name), calls=2)
for name in ("seq", "par", "late"):
    nginx("ssi-" + name, start=getattr(nginxes, "ssi_" + name), calls=3, load=("-C",))
for name, how, pool in (("seq", "seq", 64), ("par", "par", 64), ("p4", "seq", 4),
                        ("sleep", "sleep", 64)):
    case("nginx/lua-" + name, nginxes.lua(how, pool), ("nginx with Lua",), expect=EXACT,
         pids=lambda p: p.workers)
case("proxy/apache-event", programs.apache_proxy, ("Apache",), calls=1, pids=workers)
case("proxy/haproxy", programs.haproxy, ("haproxy",), calls=1)

# What tests/replay/record.py makes recordings of: every module, every way that a cause can go.
RECORDED = ["%s/%s" % (family, name) for family, names in (
    ("node18", "http-seq-p4"), ("node20", "http-seq-p4"),
    ("node22", "http-par-p100 undici-seq-p100 timer-seq queue-par-p4"),
    ("node24", "http-seq-p4 fetch-par"),
    ("python-debian", "aiohttp-asyncio-seq-p100 starlette-httpx-uvloop-par-p4 starlette-sync-requests "
                      "gthread-inline gthread-pool8-par"),
    ("go", "http-seq-p100 http-par-p4 workers-par-p100 timer-seq-p100 stripped-http-par-p100"),
    ("java", "handler supply-seq-p4 supply-par-p64 allof-p64 httpclient-send tomcat-handler "
             "netty-handoff"),
    ("ruby", "puma-inline puma-thread-par"), ("tokio", "inline-seq-p100 spawn-par-p4"),
    ("c", "threads-request threads-call-par proxy-p4"), ("php", "mod-php-par fpm-seq"),
    ("nginx", "proxy-keepalive-4 proxy-refused mirror lua-sleep"), ("proxy", "apache-event haproxy"))
            for name in names.split()]
