# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Unit tests (cmocka, under ASan and UBSan) and the fuzz harnesses; make builds them before."""
import glob
import os
import re
import subprocess

from tool import suite

FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "30"))


def unit(path):
    return lambda: suite.run_binary([path])


def fuzz(source):
    name = os.path.basename(source)[:-2]

    def run():
        binary = os.path.join(suite.BUILD, "tests/fuzz", name)
        grown = os.path.join(suite.BUILD, "corpus", name)
        os.makedirs(grown, exist_ok=True)
        argv = [binary, "-max_total_time=%d" % FUZZ_SECONDS, "-timeout=5", "-rss_limit_mb=1024",
                "-print_final_stats=1", "-verbosity=1",
                "-artifact_prefix=%s/" % os.path.join(suite.BUILD, "tests/fuzz"), grown]
        seeds = os.path.join(suite.ROOT, "tests/fuzz/corpus", name[len("fuzz_"):])
        argv += [seeds] if os.path.isdir(seeds) else []
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace")
        print(p.stdout[-6000:])
        assert p.returncode == 0, "%s: exit code %d" % (name, p.returncode)
        runs = re.search(r"number_of_executed_units: (\d+)", p.stdout)
        assert runs and int(runs.group(1)) > 100, "it hardly ran"
    return run


for source in sorted(glob.glob(os.path.join(suite.ROOT, "tests/unit/test_*.c"))):
    name = os.path.basename(source)[:-2]
    suite.add("unit/" + name[len("test_"):], unit(os.path.join(suite.BUILD, "tests/unit", name)),
              timeout=180)

for source in sorted(glob.glob(os.path.join(suite.ROOT, "tests/fuzz/fuzz_*.c"))):
    suite.add("fuzz/" + os.path.basename(source)[len("fuzz_"):-2], fuzz(source),
              needs=["clang with libFuzzer"], timeout=FUZZ_SECONDS + 90)
