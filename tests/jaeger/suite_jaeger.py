# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Real Jaeger: what is exported to it and read back is what the JSON lines say, without a warning."""
import json
import os
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "live"))
import live  # noqa: E402
from live import NEEDS, Agent, Run  # noqa: E402
from tool import spans as otlp  # noqa: E402
from tool import suite  # noqa: E402
from tool.suite import test  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
BUILT = "a built Jaeger (Go >= 1.21 and its module proxy)"


class Jaeger(live.Proc):
    def __init__(self, run):
        ports = {"JAEGER_%s_PORT" % x: str(live.free_port()) for x in
                 ("HEALTH", "QUERY", "QUERY_GRPC", "OTLP_GRPC", "OTLP_HTTP")}
        super().__init__(run, "jaeger", [os.path.join(suite.BUILD, "jaeger"), "--config",
                                         os.path.join(HERE, "config.yaml")], env=ports)
        self.query = "http://127.0.0.1:" + ports["JAEGER_QUERY_PORT"]
        self.otlp = "http://127.0.0.1:" + ports["JAEGER_OTLP_HTTP_PORT"]
        live.wait_for("jaeger", self.up, 30)

    def up(self):
        assert self.alive(), "jaeger ended: " + self.errors()[-2000:]
        try:
            self.get("/api/services")
            return True
        except (OSError, ValueError):
            return False

    def get(self, path):
        # any unknown path is 200 with a web page: only JSON counts
        with urllib.request.urlopen(self.query + path, timeout=10) as r:
            return json.loads(r.read())


def shop(run):
    """front (nginx) -> middle (Python threads, two calls) -> last (Node)"""
    last = run.node("last")
    middle = run.python("middle", down=last, env={"OTEL_SERVICE_NAME": "middle"})
    front = run.nginx("front", down=middle)
    return front, middle, last


def compare(mine, theirs):
    """One span of ours and the one that Jaeger gave back, raw."""
    for key in ("traceId", "spanId", "name", "kind"):
        assert mine.raw[key] == theirs[key], "%s: %r and %r" % (key, mine.raw[key], theirs[key])
    for key in ("parentSpanId", "traceState"):
        assert mine.raw.get(key, "") == theirs.get(key, ""), key
    for key in ("startTimeUnixNano", "endTimeUnixNano"):
        assert int(mine.raw[key]) == int(theirs[key]), key
    assert mine.attr == otlp.attributes(theirs.get("attributes", [])), "attributes of %s: %r" % (
        mine, theirs.get("attributes"))
    assert mine.status == theirs.get("status", {}).get("code", 0), "status of %s" % mine


@test("jaeger/read_back", NEEDS + (BUILT, "nginx", "node >= 18"), timeout=120)
def read_back():
    with Run("jaeger_read_back") as run:
        jaeger = Jaeger(run)
        front, middle, last = shop(run)
        agent = Agent(run, "--pid", front.workers[0], "--pid", middle.pid, "--pid", last.pid,
                      "--export", "otlp=" + jaeger.otlp)
        load = run.load(front.port, "-c", 4, "-n", 10, "-q", "n=2&size=50")
        run.load(front.port, "-n", 5, "-m", "POST", "-b", 2000, "-i", "p", name="load2")
        agent.end()
        truth = front.truth() + middle.truth() + last.truth()
        spans = agent.check(truth)
        assert len(load.truth()) == 40
        traces = {}
        for s in spans:
            traces.setdefault(s.trace, {})[s.id] = s
        assert len(traces) == 45, "%d traces, not 45" % len(traces)
        for trace, ours in traces.items():
            exact(jaeger, trace, ours)
            warnings(jaeger, trace, ours)
        services(jaeger, spans)


def exact(jaeger, trace, ours):
    got = jaeger.get("/api/v3/traces/%s?raw_traces=true" % trace)
    n = 0
    for rs in got["result"]["resourceSpans"]:
        resource = otlp.attributes(rs["resource"].get("attributes", []))
        for ss in rs["scopeSpans"]:
            for raw in ss["spans"]:
                assert raw["spanId"] in ours, "Jaeger has a span that we did not write"
                compare(ours[raw["spanId"]], raw)
                assert resource == ours[raw["spanId"]].resource, "resources differ"
                n += 1
    assert n == len(ours), "%d spans in Jaeger, %d in the file" % (n, len(ours))


def warnings(jaeger, trace, ours):
    """The old API is the one that compares every parent with every child."""
    for t in jaeger.get("/api/traces/" + trace)["data"]:
        for s in t["spans"]:
            assert not s["warnings"], "%s: %s" % (ours[s["spanID"]], s["warnings"])
            for ref in s["references"]:
                assert ref["spanID"] in ours, "an orphan: %s" % ours[s["spanID"]]


def services(jaeger, spans):
    names = {s.service for s in spans}
    assert len(names) == 3 and {"nginx", "middle"} <= names, "services: %r" % names
    assert set(jaeger.get("/api/services")["data"]) == names
    now = int(time.time() * 1000)
    edges = {(d["parent"], d["child"]): d["callCount"] for d in
             jaeger.get("/api/dependencies?endTs=%d&lookback=600000" % (now + 1000))["data"]}
    last = (names - {"nginx", "middle"}).pop()
    across = {k: n for k, n in edges.items() if k[0] != k[1]}
    assert across == {("nginx", "middle"): 45, ("middle", last): 85}, "dependencies: %r" % edges


@test("jaeger/latency", NEEDS + (BUILT,), timeout=90, alone=True)
def latency():
    """From the end of a request to its span in Jaeger, at defaults: p99 within 1.5 s."""
    with Run("jaeger_latency") as run:
        jaeger = Jaeger(run)
        server = run.epoll_server()
        agent = Agent(run, "--pid", server.pid, "--export", "otlp=" + jaeger.otlp, export=False)
        took = []
        for i in range(20):
            trace = "%032x" % (0xabc000 + i)
            run.load(server.port, "-n", 1, "-i", "l%d" % i, "-H",
                     "traceparent: 00-%s-00f067aa0ba902b7-01" % trace, name="load%d" % i)
            begun = time.monotonic()
            live.wait_for("span in Jaeger", lambda: found(jaeger, trace), 5)
            took.append(time.monotonic() - begun)
            time.sleep(0.013 * i)
        agent.end()
        took.sort()
        print("request end to span in Jaeger: median %.3f s, longest %.3f s" % (
            took[len(took) // 2], took[-1]))
        assert took[-1] <= 1.5, "%.3f s" % took[-1]


def found(jaeger, trace):
    try:
        return jaeger.get("/api/v3/traces/%s?raw_traces=true" % trace)["result"]["resourceSpans"]
    except urllib.error.HTTPError:
        return None
