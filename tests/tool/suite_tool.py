# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The invariant checker itself: a good run passes, and every invariant is seen to fail."""
import copy
import json

from tool import check
from tool import spans as otlp
from tool.suite import test

TRACE = "0af7651916cd43dd8448eb211c80319c"


def attr(**kv):
    out = []
    for k, v in kv.items():
        v = {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}
        out.append({"key": k.replace("__", "."), "value": v})
    return out


def span(kind, span_id, parent, start, end, by, **kv):
    s = {"traceId": TRACE, "spanId": span_id, "name": "GET", "kind": kind,
         "startTimeUnixNano": str(start), "endTimeUnixNano": str(end),
         "attributes": attr(http__request__method="GET", http__response__status_code=200,
                            spanprobe__parent__by=by, **kv)}
    if parent:
        s["parentSpanId"] = parent
    return s


def server(span_id, parent, work, start, end, by, **kv):
    return span(2, span_id, parent, start, end, by, url__scheme="http", url__path="/w/" + work,
                **kv)


def client(span_id, parent, work, start, end, by, **kv):
    return span(3, span_id, parent, start, end, by, server__address="b", server__port=80,
                url__full="http://b:80/w/%s?x=1" % work, **kv)


def resource(service, pid, spans):
    return {"resource": {"attributes": attr(
        service__name=service, process__pid=pid, host__id="h", telemetry__sdk__name="spanprobe",
        telemetry__sdk__language="c", telemetry__sdk__version="1")},
        "scopeSpans": [{"scope": {"name": "spanprobe"}, "spans": spans}]}


def good():
    """front (pid 1) serves q and calls back (pid 2), which serves q.0."""
    return {"resourceSpans": [
        resource("front", 1, [
            server("00000000000000a1", "", "q", 1000, 9000, "none",
                   http__response__body__size=5),
            client("00000000000000a2", "00000000000000a1", "q.0", 2000, 8000, "thread")]),
        resource("back", 2, [
            server("00000000000000b1", "00000000000000a2", "q.0", 3000, 7000, "connection",
                   http__request__body__size=3)])]}


TRUTH = [
    {"side": "server", "id": "q", "pid": 1, "method": "GET", "req": 0, "resp": 5, "status": 200,
     "service": "front"},
    {"side": "client", "id": "q.0", "pid": 1, "method": "GET", "status": 200},
    {"side": "server", "id": "q.0", "pid": 2, "method": "GET", "req": 3, "status": 200},
]


def faults(data, truth=TRUTH, **options):
    try:
        spans = otlp.parse("\n".join(json.dumps(d) for d in data))
    except otlp.BadLine:
        return {"json"}
    return {name for name, _ in check.Checker(spans, truth, **options).run()}


def expect(want, change, truth=TRUTH, **options):
    """change is done to a good run; exactly the invariants of want are broken then."""
    data = [copy.deepcopy(good())]
    front, back = (r["scopeSpans"][0]["spans"] for r in data[0]["resourceSpans"])
    change(data, front, back)
    got = faults(data, truth, **options)
    assert got == set(want.split()), "%r, not %r" % (got, want)


def set_attr(s, key, value):
    s["attributes"] = [a for a in s["attributes"] if a["key"] != key]
    if value is not None:
        s["attributes"] += attr(**{key.replace(".", "__"): value})


@test("tool/check_good")
def good_run():
    assert faults([good()]) == set()
    assert faults([good()], truth=()) == set()


def twice(data, front, back):
    data.append(copy.deepcopy(data[0]))


def cycle(data, front, back):
    front[0]["parentSpanId"] = back[0]["spanId"]
    set_attr(front[0], "spanprobe.parent.by", "header")


def drop(which):
    def change(data, front, back):
        del (front, back)[which[0]][which[1]]
    return change


def put(which, **kv):
    def change(data, front, back):
        (front, back)[which[0]][which[1]].update(kv)
    return change


def put_attr(which, key, value):
    def change(data, front, back):
        set_attr((front, back)[which[0]][which[1]], key, value)
    return change


def put_resource(key, value):
    def change(data, front, back):
        r = data[0]["resourceSpans"][0]["resource"]
        set_attr(r, key, value)
    return change


def other_trace(data, front, back):
    back[0]["traceId"] = "1" * 32


def same_id(data, front, back):
    back.append(copy.deepcopy(back[0]))
    set_attr(back[1], "url.path", "/other")


def to_root(data, front, back):
    front[1].pop("parentSpanId")
    set_attr(front[1], "spanprobe.parent.by", "none")


def server_to_root(data, front, back):
    back[0].pop("parentSpanId")
    set_attr(back[0], "spanprobe.parent.by", "none")


def other_request(data, front, back):
    """A second request in the same process is taken for the parent of the call."""
    front.append(copy.deepcopy(front[0]))
    front[2]["spanId"] = "00000000000000a3"
    set_attr(front[2], "url.path", "/w/r")
    front[1]["parentSpanId"] = "00000000000000a3"


def wrong_root(data, front, back):
    """A request from outside that was given a parent of its own process."""
    front[0]["parentSpanId"] = "00000000000000c1"
    front[0]["flags"] = 0x300
    set_attr(front[0], "spanprobe.parent.by", "header")


CASES = [
    ("json", lambda d, f, b: d.append({"resource": 1})),
    ("json", lambda d, f, b: d.append([1])),
    ("id trace", put((0, 0), traceId="")),
    ("id trace", put((0, 0), traceId="0" * 32)),
    ("id orphan parent", put((0, 0), spanId="xyz")),
    ("id orphan parent", put((1, 0), parentSpanId="12")),
    ("twice served made", twice),
    ("twice extra", same_id),
    ("time", put((1, 0), endTimeUnixNano="3000")),
    ("time", put((1, 0), endTimeUnixNano="2999")),
    ("kind extra served", put((1, 0), kind=1)),
    ("orphan served parent", drop((0, 0))),
    ("orphan made parent", drop((0, 1))),
    ("served", drop((1, 0))),
    ("trace", other_trace),
    ("early", put((1, 0), startTimeUnixNano="1999")),
    ("late", put((1, 0), endTimeUnixNano="8001")),
    ("resource service", put_resource("service.name", None)),
    ("resource", put_resource("host.id", None)),
    ("required", put_attr((1, 0), "http.method", "GET")),
    ("required", put_attr((0, 1), "server.port", None)),
    ("required status", put_attr((1, 0), "http.response.status_code", None)),
    ("required", put((1, 0), status={"code": 2})),
    ("by", put_attr((1, 0), "spanprobe.parent.by", None)),
    ("by", put_attr((1, 0), "spanprobe.parent.by", "none")),
    ("by", put_attr((0, 0), "spanprobe.parent.by", "thread")),
    ("extra", lambda d, f, b: f.append(server("00000000000000a9", "", "z", 1, 2, "none"))),
    ("parent", to_root),
    ("parent", server_to_root),
    ("parent extra", other_request),
    ("parent", wrong_root),
    ("body", put_attr((1, 0), "http.request.body.size", 4)),
    ("body", put_attr((0, 0), "http.response.body.size", None)),
    ("status", put_attr((1, 0), "http.response.status_code", 500)),
    ("status", put_attr((1, 0), "http.request.method", "PUT")),
    ("service", put_resource("service.name", "other")),
    ("incomplete", put_attr((1, 0), "spanprobe.incomplete", "gap")),
]


@test("tool/check_faults")
def every_fault():
    for want, change in CASES:
        try:
            expect(want, change)
        except AssertionError as e:
            raise AssertionError("case %r: %s" % (want, e)) from e
    expect("cycle early parent", cycle)
    seen = {name for want, _ in CASES for name in want.split()} | {"cycle", "context"}
    missing = set(check.INVARIANTS) - seen
    assert not missing, "never seen to fail: %s" % missing


@test("tool/check_no_wrong")
def no_wrong():
    expect("", to_root, parents="no-wrong")
    expect("parent", server_to_root, parents="no-wrong")
    expect("parent extra", other_request, parents="no-wrong")
    expect("parent", wrong_root, parents="no-wrong")


@test("tool/check_context")
def context():
    truth = copy.deepcopy(TRUTH)
    truth[0].update(trace="1" * 32, parent="2" * 16)
    expect("context", lambda d, f, b: None, truth)

    def carried(data, front, back):
        for s in front + back:
            s["traceId"] = "1" * 32
        front[0].update(parentSpanId="2" * 16, flags=0x300)
        set_attr(front[0], "spanprobe.parent.by", "header")
    expect("", carried, truth)


@test("tool/check_maybe")
def maybe():
    truth = copy.deepcopy(TRUTH)
    truth[2]["maybe"] = True
    expect("", drop((1, 0)), truth)
    expect("twice", same_id, truth, extra=True)
    truth[1]["maybe"] = True
    expect("", lambda d, f, b: (f.pop(1), server_to_root(d, f, b)), truth)
