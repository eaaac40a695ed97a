# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a test is: a function, the abilities it needs, a time limit. tests/run.py runs them."""
import os
import re
import subprocess

from tool import abilities

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.realpath(os.environ.get("B", os.path.join(ROOT, "build")))
LOGS = os.path.join(BUILD, "test-logs")

TESTS = {}


class Skip(Exception):
    """The named ability is not there."""


class Counts(Exception):
    """A test that is many: (passed, failed, skipped, and what these lack)."""


class Test:
    def __init__(self, name, run, needs, timeout, alone):
        self.name, self.run, self.needs = name, run, needs
        self.timeout, self.alone = timeout, alone


def test(name, needs=(), timeout=90, alone=False):
    """alone: nothing else runs beside it (it measures, or it needs both cores)."""
    def register(run):
        add(name, run, needs, timeout, alone)
        return run
    return register


def add(name, run, needs=(), timeout=90, alone=False):
    assert name not in TESTS, "two tests are called " + name
    TESTS[name] = Test(name, run, tuple(needs), timeout, alone)


def lacking(t):
    """The first ability of t that is not there, or None."""
    for need in t.needs:
        if not abilities.have(need):
            return need
    return None


def run_binary(argv, cwd=ROOT, env=None):
    """A program that is a test of its own; cmocka's lines are counted one by one."""
    full = dict(os.environ)
    full.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    full.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    full.update(env or {})
    p = subprocess.run(argv, cwd=cwd, env=full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors="replace")
    print(p.stdout, end="")
    passed = len(re.findall(r"^\[       OK \] ", p.stdout, re.M))
    failed = len(set(re.findall(r"^\[  (?:FAILED|ERROR)   \] (\w+)$|^\[  FAILED  \] (\w+)$",
                                p.stdout, re.M)))
    skipped = len(re.findall(r"^\[  SKIPPED \] \w+$", p.stdout, re.M))
    if passed + failed + skipped == 0:
        if p.returncode == 77:
            raise Skip(p.stdout.strip().splitlines()[-1] if p.stdout.strip() else "unknown")
        assert p.returncode == 0, "%s: exit code %d" % (argv[0], p.returncode)
        return
    if p.returncode and not failed:
        failed = 1
    raise Counts(passed, failed, skipped)
