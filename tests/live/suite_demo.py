# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the README promises: make demo shows whole trees and leaves nothing behind, make install
puts what make uninstall removes."""
import os
import re
import subprocess
import tempfile

from tool import suite
from tool.suite import test

NEEDS = ("root", "a hook family", "nginx", "curl", "node >= 18")
# catalog, an event loop in Node, asks orders for each item
SHOP = ("nginx", "nginx", "orders", "orders", "catalog", "orders", "catalog", "catalog", "orders")
TREES = [1, 1, 3, 5, 5, 5, 5, 9, 9, 9]


def demo(*arguments, **env):
    full = dict(os.environ, JAEGER_CONFIG=os.path.join(suite.ROOT, "tests/jaeger/config.yaml"), **env)
    argv = [os.path.join(suite.ROOT, "tools/demo/run.sh"), os.path.join(suite.BUILD, "spanprobe")]
    p = subprocess.run(argv + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, env=full)
    print(p.stdout)
    assert p.returncode == 0, "exit code %d" % p.returncode
    return p.stdout


def check_trees(out):
    trees = re.findall(r"^trace [0-9a-f]{32}  (\d+) spans?.*\n((?:.+\n)+)", out, re.M)
    assert sorted(int(n) for n, _ in trees) == TREES, "other trees"
    for n, tree in trees:
        lines = tree.splitlines()
        assert len(lines) == int(n), "a span is missing in the drawing"
        if n == "9":
            services = tuple(re.match(r"[^a-z]*(\w+)", line).group(1) for line in lines)
            assert services == SHOP, "services in another order: %s" % (services,)
    assert "lost: nothing" in out


def check_ended(out):
    for pid in re.findall(r"PID (\d+)", out):
        assert not os.path.exists("/proc/%s" % pid), "PID %s still runs" % pid
    folder = re.findall(r"/tmp/spanprobe-demo\.\w+", out)
    assert not any(os.path.exists(f) for f in folder)


@test("live/demo", NEEDS)
def plain():
    out = demo()
    check_trees(out)
    check_ended(out)


@test("live/demo_jaeger", NEEDS + ("a built Jaeger (Go >= 1.21 and its module proxy)",))
def with_jaeger():
    out = demo(os.path.join(suite.BUILD, "jaeger"))
    check_trees(out)
    assert "10 traces, 52 spans" in out and "warnings" not in out
    check_ended(out)


@test("tool/install")
def install():
    with tempfile.TemporaryDirectory() as root:
        def make(target):
            subprocess.run(["make", "-s", "-C", suite.ROOT, "B=" + os.path.relpath(suite.BUILD, suite.ROOT),
                            "DESTDIR=" + root, "PREFIX=/usr", target], check=True)

        def files():
            return sorted(os.path.relpath(os.path.join(d, f), root)
                          for d, _, names in os.walk(root) for f in names)

        make("install")
        assert files() == ["usr/bin/spanprobe", "usr/lib/systemd/system/spanprobe.service",
                           "usr/share/bash-completion/completions/spanprobe",
                           "usr/share/doc/spanprobe/spanprobe.yaml",
                           "usr/share/man/man8/spanprobe.8"], files()
        with open(os.path.join(root, "usr/lib/systemd/system/spanprobe.service")) as unit:
            assert "ExecStart=/usr/bin/spanprobe " in unit.read()
        make("uninstall")
        assert files() == []
