#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Runs the tests and says what came of them.

  tests/run.py [-j N] [--list] [NAME-OR-PREFIX]...

Suites are the files tests/*/suite_*.py; each test runs in a process of its own, with a time limit
and a log under build/test-logs. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import ctypes
import fnmatch
import glob
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
from tool import suite  # noqa: E402  (needs the path above)

RESULT = "@@result "
EXCERPT_LINES = 40


def load_suites():
    for path in sorted(glob.glob(os.path.join(HERE, "*", "suite_*.py"))):
        name = os.path.basename(path)[:-3]
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, os.path.dirname(path))
        spec.loader.exec_module(module)


def wanted(patterns):
    if not patterns:
        return list(suite.TESTS.values())
    got = [t for t in suite.TESTS.values()
           if any(t.name == p or t.name.startswith(p.rstrip("/") + "/") or
                  fnmatch.fnmatch(t.name, p) for p in patterns)]
    if not got:
        sys.exit("no test is called %s; tests/run.py --list names them" % " ".join(patterns))
    return got


def run_one(name):
    """The inside of a test process; its last line is the result."""
    t = suite.TESTS[name]
    result = {"passed": 1, "failed": 0, "skipped": 0}
    try:
        missing = suite.lacking(t)
        if missing:
            raise suite.Skip(missing)
        t.run()
    except suite.Skip as skip:
        result = {"passed": 0, "failed": 0, "skipped": 1, "lacks": str(skip)}
    except suite.Counts as counts:
        result = dict(zip(("passed", "failed", "skipped", "lacks"), counts.args))
    except BaseException:
        sys.stdout.flush()
        traceback.print_exc(file=sys.stdout)
        result = {"passed": 0, "failed": 1, "skipped": 0}
    print(RESULT + json.dumps(result), flush=True)
    # abandoned helper threads must not keep a finished test alive
    os._exit(0 if not result["failed"] else 1)


def kill_group(pgid):
    """Whatever a test started is in its group, and nothing else is."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pgid, sig)
        except ProcessLookupError:
            return
        time.sleep(0.3)


def spawn(t):
    """Runs t in a process group of its own; gives back its result."""
    log = os.path.join(suite.LOGS, t.name + ".log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    begun = time.monotonic()
    with open(log, "w") as out:
        p = subprocess.Popen([sys.executable, "-B", os.path.realpath(__file__), "--one", t.name],
                             stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                             start_new_session=True)
        timed_out = False
        try:
            p.wait(timeout=t.timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        kill_group(p.pid)
        p.wait()
    result = {"passed": 0, "failed": 1, "skipped": 0}
    with open(log, errors="replace") as f:
        lines = f.read().splitlines()
    for line in reversed(lines):
        if line.startswith(RESULT):
            result = json.loads(line[len(RESULT):])
            break
    if timed_out:
        result["failed"] = result["failed"] or 1
        lines.append("time limit of %d s" % t.timeout)
    result.update(test=t, seconds=time.monotonic() - begun,
                  tail=[x for x in lines if not x.startswith(RESULT)][-EXCERPT_LINES:])
    return result


def report(result):
    word = "FAILED" if result["failed"] else "ok" if result["passed"] else "skipped"
    note = ""
    if result["passed"] + result["failed"] + result["skipped"] > 1:
        note = "  (%d tests)" % (result["passed"] + result["failed"] + result["skipped"])
    if "lacks" in result:
        note += "  lacks: " + result["lacks"]
    print("%-8s %6.1f s  %s%s" % (word, result["seconds"], result["test"].name, note), flush=True)
    if result["failed"]:
        for line in result["tail"]:
            print("    | " + line)
        sys.stdout.flush()


def run_all(tests, jobs):
    results, lock, queue = [], threading.Lock(), [t for t in tests if not t.alone]
    # the long ones first, so that the last worker does not begin one when the others are done
    queue.sort(key=lambda t: -t.timeout)

    def work():
        while True:
            with lock:
                if not queue:
                    return
                t = queue.pop(0)
            r = spawn(t)
            with lock:
                results.append(r)
                report(r)

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    for t in tests:
        if t.alone:
            results.append(spawn(t))
            report(results[-1])
    return results


def main():
    ap = argparse.ArgumentParser(usage="tests/run.py [-j N] [--list] [NAME]...")
    ap.add_argument("-j", type=int, default=max(1, min(2, os.cpu_count() or 1)))
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--one", help=argparse.SUPPRESS)
    ap.add_argument("names", nargs="*")
    args = ap.parse_args()
    load_suites()
    if args.one:
        run_one(args.one)
    tests = wanted(args.names)
    if args.list:
        for t in tests:
            print(t.name)
        return 0
    results = run_all(tests, args.j)
    skipped = [r for r in results if r["skipped"]]
    failed = [r for r in results if r["failed"]]
    if skipped:
        print("\nskipped:")
        for r in skipped:
            print("  %s: lacks %s" % (r["test"].name, r.get("lacks", "see its log")))
    if failed:
        print("\nfailed:")
        for r in failed:
            print("  %s (%s)" % (r["test"].name,
                                 os.path.join(suite.LOGS, r["test"].name + ".log")))
    print("\n%d passed, %d failed, %d skipped" % tuple(
        sum(r[k] for r in results) for k in ("passed", "failed", "skipped")))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        # orphans of a test come to us, so that none of them outlives the run
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    except (OSError, AttributeError):
        pass
    sys.exit(main())
