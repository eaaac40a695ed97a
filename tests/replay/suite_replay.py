# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Recordings of real runs against the spans that were right when they were made. After a wanted
change: UPDATE=1 make test T=replay, and look at the difference before it is committed."""
import filecmp
import glob
import os
import subprocess
import sys

from tool import spans as otlp
from tool import suite

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, x) for x in ("../live", "../truth")]
import measure  # noqa: E402


def wrong(path):
    """Golden spans of the truth bench: a call X.<n> has request X as its parent, or none."""
    spans = otlp.load(path)
    by_id = {s.id: s for s in spans}
    out = []
    for s in spans:
        parent = by_id.get(s.parent)
        ident = measure.work_id(s)
        if s.kind == otlp.KIND_CLIENT and ident and s.parent:
            if not parent or measure.work_id(parent) != ident.rpartition(".")[0]:
                out.append("%s under %s" % (s, parent))
    return out


def replay(spr, name):
    def run():
        out = os.path.join(suite.LOGS, "replay", name + ".jsonl")
        golden = spr[:-4] + ".jsonl"
        os.makedirs(os.path.dirname(out), exist_ok=True)
        if os.path.exists(out):
            os.remove(out)
        p = subprocess.run([os.path.join(suite.BUILD, "spanprobe"), "replay", spr, "--export",
                            "file=" + out], stdin=subprocess.DEVNULL)
        assert p.returncode == 0, "exit code %d" % p.returncode
        if name.startswith("truth/"):
            bad = wrong(out)
            assert not bad, "wrong parents:\n" + "\n".join(bad)
        if os.environ.get("UPDATE"):
            os.replace(out, golden)
            return
        if not filecmp.cmp(out, golden, shallow=False):
            subprocess.run(["diff", "-u", golden, out])
            raise AssertionError("other spans than those of %s" % golden)
    return run


for path in sorted(glob.glob(os.path.join(HERE, "**/*.spr"), recursive=True)):
    short = os.path.relpath(path, HERE)[:-4]
    suite.add("replay/" + short, replay(path, short))
