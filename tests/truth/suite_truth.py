# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The truth bench in its short form, one test per family of programs: no wrong parent, nothing
missing, nothing twice, and where a case says so (cases.py, expect) all parents right. Each case is
counted: those whose program is not on this machine, whose calls spanprobe does not decode yet, or
which are known to be wrong (flaw), as skipped."""
import collections
import os
import sys
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "live")]
import cases  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from tool import abilities, suite  # noqa: E402


def judge(case):
    """Runs one case. -> what is wrong, or why it is not judged"""
    lacks = [n for n in case.needs if not abilities.have(n)]
    if lacks or case.flaw:
        return [], lacks[0] if lacks else "a rule that is right: " + case.flaw
    result = measure.measure(case)
    print("%-40s %s" % (case.name, report.line(report.row(case, result))))
    for note in result.notes():
        print("    " + note)
    bad, system = result.bad(case.expect), next(iter(result.score.unjudged), None)
    return bad, "spans of " + system if system and not result.score.judged() else None


def family(members):
    def run():
        counts, skips = collections.Counter(), collections.Counter()
        for case in members:
            try:
                bad, skip = judge(case)
            except Exception:
                bad, skip = [traceback.format_exc()], None
            if skip and not bad:
                print("%-40s not judged: lacks %s" % (case.name, skip))
                skips[skip] += 1
            for x in bad:
                print("%-40s FAILED: %s" % (case.name, x))
            sys.stdout.flush()
            counts["failed" if bad else "skipped" if skip else "passed"] += 1
        lacking = ["%s (%d)" % x for x in skips.items()]
        raise suite.Counts(counts["passed"], counts["failed"], counts["skipped"],
                           *[", ".join(lacking)] if lacking else [])
    return run


for name, members in cases.families().items():
    suite.add("truth/" + name, family(members), measure.live.NEEDS, timeout=40 + 20 * len(members))
