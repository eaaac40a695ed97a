# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The kernel side alone: on real sockets, the layout of its records, what it costs the verifier."""
import os

from tool import suite

B = suite.BUILD
NEEDS = ("root", "kernel BTF", "a hook family")


def binary(path, *args):
    return lambda: suite.run_binary([os.path.join(B, path), *args])


suite.add("bpf/sockets", binary("tests/bpf/test_bpf"), NEEDS, timeout=180)
suite.add("bpf/layout", binary("tests/layout/test_layout",
                               os.path.join(B, "tests/layout/layout.bpf.o")))
suite.add("bpf/verifier_cost", binary("tools/verifier_cost", os.path.join(
    suite.ROOT, "tests/bpf/verifier-cost.txt")), NEEDS)
