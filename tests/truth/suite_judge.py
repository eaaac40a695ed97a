# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The judge of the truth bench: each verdict is seen to be passed, on spans made for it."""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "live")]
import measure  # noqa: E402
from tool.spans import Span  # noqa: E402
from tool.suite import test  # noqa: E402

PID = 7


def span(kind, ident, span_id, parent="", by="none", pid=PID, **attr):
    key = "url.path" if kind == measure.SERVER else "url.full"
    attr = {key: "/w/" + ident if key == "url.path" else "http://down/w/" + ident,
            "spanprobe.parent.by": by, **attr}
    raw = {"spanId": span_id, "parentSpanId": parent, "kind": kind, "attributes": [
        {"key": k, "value": {"stringValue": v}} for k, v in attr.items()]}
    return Span(raw, {"process.pid": pid}, {})


def line(side, ident, **more):
    return dict(side=side, id=ident, pid=PID, **more)


REQUEST = span(measure.SERVER, "c8-0-0", "a1")
OTHER = span(measure.SERVER, "c8-1-0", "a2")
TRUTH = [line("server", "c8-0-0"), line("server", "c8-1-0")]


def score(spans, truth, expect=0.0):
    s = measure.Score([REQUEST, OTHER] + spans, TRUTH + truth, {PID})
    return s, measure.Result(s, [], {}).bad(expect)


def call(ident="c8-0-0.0", parent="", by="none", span_id="b1", **kw):
    return span(measure.CLIENT, ident, span_id, parent, by, **kw)


@test("truth/judge")
def judge():
    made = [line("client", "c8-0-0.0")]
    for parent, verdict, bad in (("a1", "right", []), ("", "none", []), ("a2", "wrong", ["1 wrong"]),
                                 ("ff", "wrong", ["1 wrong"])):
        s, got = score([call(parent=parent, by="turn" if parent else "none")], made)
        assert s.rows["c8"][verdict] == 1 and got == bad, "%s: %r %r" % (verdict, s.rows, got)
    assert s.by["c8"] == {("wrong", "turn"): 1}, s.by
    _, got = score([call()], made, expect=1.0)
    assert got == ["c8: 0 of 1 right"], got


@test("truth/judge_own")
def own():
    """A call of the program itself is nobody's."""
    own = [line("client", "bg-1-1")]
    s, got = score([call("bg-1-1")], own)
    assert s.rows["bg"]["right"] == 1 and not got
    s, got = score([call("bg-1-1", "a1")], own)
    assert s.rows["bg"]["wrong"] == 1 and got == ["1 wrong"]
    s, got = score([call("check", "a1")], [])
    assert got == ["1 wrong"], got
    assert score([], [dict(own[0], maybe=True)])[1] == []
    assert score([], own)[1] == ["1 missing"]


@test("truth/judge_counts")
def counts():
    made = [line("client", "c8-0-0.0")]
    assert score([], made)[1] == ["1 missing"]
    assert score([call(parent="a1"), call(parent="a1", span_id="b2")], made)[1] == ["1 doubled"]
    assert score([call(pid=8)], made)[1] == ["1 missing"]
    assert score([call("c8-0-0.9")], [])[1] == ["1 spans that the program knows nothing of"]


@test("truth/judge_systems")
def systems():
    """Lines of another protocol count from the first span of it."""
    made = [line("client", "c8-0-0.%d" % i, system="redis") for i in range(2)]
    s, got = score([], made)
    assert s.unjudged == {"redis": 2} and not s.judged() and not got
    one = span(measure.CLIENT, "", "b1", "a1", "turn", **{"db.query.text": "GET w/c8-0-0.1"})
    s, got = score([one], made)
    assert s.judged() == 1 and got == ["1 missing"], got


@test("truth/judge_whole")
def whole():
    """A program that does not tell all of what it did is no truth."""
    class Case:
        calls = 1

    told = [line("server", "c%d-%d-%d" % (c, i, k)) for c, each in measure.levels(0.1)
            for i in range(c) for k in range(each)]
    told += [line("client", t["id"] + ".0") for t in told]
    measure.whole(Case, told, 0.1)
    for bad in (told[1:], told[:-1], told + told[:1]):
        try:
            measure.whole(Case, bad, 0.1)
        except AssertionError:
            continue
        raise AssertionError("taken for whole")
