# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Recordings of real runs against the spans that were right when they were made. After a wanted
change: UPDATE=1 make test T=replay, and look at the difference before it is committed."""
import filecmp
import glob
import os
import subprocess

from tool import suite

HERE = os.path.dirname(os.path.realpath(__file__))


def replay(spr):
    def run():
        name = os.path.basename(spr)[:-4]
        out = os.path.join(suite.LOGS, "replay", name + ".jsonl")
        golden = spr[:-4] + ".jsonl"
        os.makedirs(os.path.dirname(out), exist_ok=True)
        if os.path.exists(out):
            os.remove(out)
        p = subprocess.run([os.path.join(suite.BUILD, "spanprobe"), "replay", spr, "--export",
                            "file=" + out], stdin=subprocess.DEVNULL)
        assert p.returncode == 0, "exit code %d" % p.returncode
        if os.environ.get("UPDATE"):
            os.replace(out, golden)
            return
        if not filecmp.cmp(out, golden, shallow=False):
            subprocess.run(["diff", "-u", golden, out])
            raise AssertionError("other spans than those of %s" % golden)
    return run


for path in sorted(glob.glob(os.path.join(HERE, "*.spr"))):
    suite.add("replay/" + os.path.basename(path)[:-4], replay(path))
