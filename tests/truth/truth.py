#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Whose call was it? Real programs under load, and how many of their calls got the right parent, a
wrong one, or none.

  tests/truth/truth.py [--short] [--list] [--write] [NAME]...

Every program serves 1, 8 and 32 connections at a time (250, 1,000 and 2,000 requests, a tenth with
--short) and makes calls for each request, and others of its own every 7 ms. NAME: cases, or
families of them (node24, node24/undici). --write: docs/attribution-results.md, of all cases that
were measured with this build, now or before.
"""
import argparse
import os
import subprocess
import sys
import time

import measure
import cases
import report
from tool import abilities


def chosen(names):
    got = [c for c in cases.CASES.values()
           if not names or any(c.name.startswith(n.rstrip("*")) for n in names)]
    if not got:
        sys.exit("no case is called %s; --list names them" % " ".join(names))
    return got


def quietly(what, *args):
    """What the tools print goes to the folder of the case."""
    out, sys.stdout = sys.stdout, open(os.devnull, "w")
    try:
        return what(*args)
    finally:
        sys.stdout.close()
        sys.stdout = out


def one(case, scale):
    lacks = [n for n in measure.live.NEEDS + case.needs if not abilities.have(n)]
    if lacks:
        print("%-40s lacks %s" % (case.name, lacks[0]), flush=True)
        return report.lacking(case, lacks[0])
    begun = time.monotonic()
    try:
        result = quietly(measure.measure, case, scale)
    except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as e:
        print("%-40s NOT MEASURED: %s" % (case.name, e), flush=True)
        return report.failed(case, str(e))
    row = report.row(case, result)
    report.keep(row, scale)
    print("%-40s %s  %.1f s" % (case.name, report.line(row), time.monotonic() - begun))
    for note in result.notes():
        print("    " + note.replace("\n", "\n    "))
    for bad in result.bad(case.expect):
        print("    NOT AS EXPECTED: " + bad)
    sys.stdout.flush()
    return row


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--short", action="store_true", help="a tenth of the requests")
    ap.add_argument("--list", action="store_true", help="the names of the cases")
    ap.add_argument("--write", action="store_true", help="the table in docs/")
    ap.add_argument("names", nargs="*")
    args = ap.parse_args()
    todo = chosen(args.names)
    if args.list:
        print("\n".join(c.name for c in todo))
        return 0
    scale = measure.SHORT if args.short else 1
    rows = [one(c, scale) for c in todo]
    print(report.summary(rows))
    if args.write:
        report.write({k: [c.name for c in v] for k, v in cases.families().items()},
                     [(c.name, c.flaw) for c in cases.CASES.values() if c.flaw], scale)
    return 1 if any(r["bad"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
