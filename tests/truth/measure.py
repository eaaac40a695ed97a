# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One case: a program under load, spanprobe on it, and each of its calls judged by what the program
itself says.

The truth is the id in the path (tests/tool/check.py): a call X.<n> belongs to request X, a call
bg-<ms>-<n>, begun at that time of the clock, to nobody. Lines with a `system` are of another
protocol than HTTP/1; they are judged as soon as one span of that system is there, and until then
they are named and counted as nothing."""
import collections
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "live")]
import live  # noqa: E402
from tool import check  # noqa: E402
from tool import spans as otlp  # noqa: E402

LEVELS = ((1, 250), (8, 1000), (32, 2000))  # connections, requests in all
SHORT = 0.1
SERVER, CLIENT = otlp.KIND_SERVER, otlp.KIND_CLIENT
WORK = re.compile(r"(?:^|[^\w.-])w/([\w.-]+)")


def work_id(span):
    """The id in the path, or in the text of a query, the name of a method."""
    if span.work_id:
        return span.work_id
    for value in span.attr.values():
        m = WORK.search(value) if isinstance(value, str) else None
        if m:
            return m.group(1)
    return None


def prepares(span):
    return span.attr.get("db.query.summary", "").startswith("PREPARE ")


def cause_of(t):
    """The id of the request that a call is made for, empty for nobody's."""
    return t.get("cause", t["id"].rpartition(".")[0])


class Score:
    """rows[level]: right, wrong, none, calls, requests, missing, doubled; by[level]: evidence of
    right and wrong ones, reasons of none."""

    def __init__(self, spans, truth, pids):
        self.rows = collections.defaultdict(collections.Counter)
        self.by = collections.defaultdict(collections.Counter)
        self.wrongs, self.missing, self.unjudged = [], [], collections.Counter()
        self.by_id = {s.id: s for s in spans}
        self.found = collections.defaultdict(list)
        for s in spans:
            if s.pid in pids:
                self.found[(s.kind, s.pid, work_id(s))].append(s)
        seen = {t["system"] for t in truth if t.get("system") and self.spans_of(t)}
        for t in truth:
            if t.get("system", None) in seen | {None}:
                self.line(t)
            else:
                self.unjudged[t["system"]] += 1
                self.found.pop(self.key(t), None)
        rest = [s for more in self.found.values() for s in more if work_id(s)]
        # a proxy's own questions to its server are not counted by it
        checks = [s for s in rest if s.kind == CLIENT and work_id(s) == "check"]
        for s in checks:
            if s.parent:
                self.wrong("bg", s)
        self.unknown = [s for s in rest if s not in checks]

    @staticmethod
    def key(t):
        return (SERVER if t["side"] == "server" else CLIENT, t["pid"], t["id"])

    def spans_of(self, t):
        return self.found.get(self.key(t), [])

    def line(self, t):
        got = self.found.pop(self.key(t), [])
        level = t["id"].partition("-")[0]
        # a statement that is new to a connection is prepared first: a request of the same call
        for s in filter(prepares, got):
            if s.parent and not self.is_right(s, cause_of(t)):
                self.wrong(level, s)
        got = [s for s in got if not prepares(s)]
        row = self.rows[level]
        if t.get("maybe") and not got:
            return
        row["requests" if t["side"] == "server" else "calls"] += 1
        row["doubled"] += max(0, len(got) - 1)
        if not got:
            row["missing"] += 1
            self.missing.append("%s %s" % (t["side"], t["id"]))
        elif t["side"] == "client":
            self.judge(level, got[0], cause_of(t))

    def is_right(self, s, cause):
        p = self.by_id.get(s.parent)
        return cause and p and p.kind == SERVER and work_id(p) == cause and p.pid == s.pid

    def judge(self, level, s, cause):
        if not s.parent:
            verdict = "none" if cause else "right"
            why = s.attr.get("spanprobe.root.why", "?")
            self.by[level][(verdict, why if cause else "nobody's")] += 1
            self.rows[level][verdict] += 1
        elif self.is_right(s, cause):
            self.by[level][("right", s.attr.get("spanprobe.parent.by", "?"))] += 1
            self.rows[level]["right"] += 1
        else:
            self.wrong(level, s)

    def wrong(self, level, s):
        self.by[level][("wrong", s.attr.get("spanprobe.parent.by", "?"))] += 1
        self.rows[level]["wrong"] += 1
        self.wrongs.append("%s under %s" % (s, self.by_id.get(s.parent)))

    def judged(self):
        return sum(row[x] for row in self.rows.values() for x in ("right", "wrong", "none"))

    def total(self):
        return sum(self.rows.values(), collections.Counter())


def levels(scale):
    return [(conns, max(2, round(total * scale / conns))) for conns, total in LEVELS]


def drive(run, case, port, scale):
    for conns, each in levels(scale):
        run.load(port, "-c", conns, "-n", each, "-i", "c%d" % conns, *case.load_args(),
                 name="load%d" % conns)


def whole(case, truth, scale):
    """The program must have said all that it was asked to do, or nothing can be judged by it."""
    want = {"c%d-%d-%d" % (conns, i, k) for conns, each in levels(scale)
            for i in range(conns) for k in range(each)}
    told = collections.Counter((t["pid"], t["id"]) for t in truth if t["side"] == "server")
    calls = collections.Counter(cause_of(t) for t in truth
                                if t["side"] == "client" and "cause" not in t)
    missing = want - {ident for _, ident in told}
    assert not missing, "the program did not tell of %d requests" % len(missing)
    assert max(told.values()) == 1, "the program told twice of a request"
    for ident in want if case.calls else ():
        assert calls[ident] == case.calls, "%d calls told of request %s, not %d" % (
            calls[ident], ident, case.calls)


class Result:
    def __init__(self, score, faults, lost):
        self.score, self.faults, self.lost = score, faults, lost

    def notes(self, limit=3):
        s = self.score
        out = ["lost %s" % self.lost] if self.lost else []
        out += [check.summary(self.faults, limit)] if self.faults else []
        out += ["wrong: " + x for x in s.wrongs[:limit]]
        out += ["missing: " + x for x in s.missing[:limit]]
        out += ["not known: %s" % x for x in s.unknown[:limit]]
        out += ["no spans of %s: %d lines not judged" % x for x in s.unjudged.items()]
        return out

    def bad(self, expect):
        """What breaks the rule of a case, in words; expect: the least share of right ones."""
        t = self.score.total()
        out = ["%d %s" % (t[k], k) for k in ("wrong", "missing", "doubled") if t[k]]
        out += ["%d spans that the program knows nothing of" % len(self.score.unknown)] \
            if self.score.unknown else []
        out += ["broken: " + x for x in sorted({f[0] for f in self.faults})]
        for level, row in self.score.rows.items():
            if row["calls"] and row["right"] < expect * row["calls"]:
                out.append("%s: %d of %d right" % (level, row["right"], row["calls"]))
        return out


def measure(case, scale=SHORT, agent_args=()):
    with live.Run("truth/" + case.name) as run:
        down = case.backend(run)
        program = case.start(run, down)
        pids = case.pids(program)
        agent = live.Agent(run, *[x for pid in pids for x in ("--pid", pid)], *agent_args)
        begun = time.time() * 1000
        # who pipelines on a connection that was open before is in doubt till it is silent for 5 ms; the
        # program's own calls, every 7 ms, leave such pauses, the load does not
        time.sleep(0.1)
        drive(run, case, program.port, scale)
        ended = {t["id"] for t in program.truth()}
        agent.end()
        program.stop()
        truth = program.truth()
        whole(case, [t for t in truth if not t["id"].startswith("bg")], scale)
        # its own calls go on before and after the agent: those that ended in time count, and of
        # them those that began in time must be there
        own = {t["id"] for t in truth if t["id"].startswith("bg")} & ended
        truth = [dict(t, maybe=t["id"] in own and int(t["id"].split("-")[1]) <= begun)
                 for t in truth if t["id"] in own or not t["id"].startswith("bg")]
        spans = [s for s in agent.spans() if work_id(s) in own or
                 not (work_id(s) or "").startswith("bg")]
        # what was prepared before the agent came has no text
        known = [s for s in spans if work_id(s) != "check" and
                 (work_id(s) or s.kind == SERVER or "db.query.summary" in s.attr or
                  s.attr.get("db.system.name") != "postgresql")]
        faults = check.Checker(known).run()
        return Result(Score(spans, truth, set(pids)), faults, agent.lost())
