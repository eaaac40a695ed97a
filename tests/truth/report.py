# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Results of the truth bench as lines and as docs/attribution-results.md."""
import collections
import glob
import hashlib
import json
import os
import platform
import re
import subprocess
import time

from tool import suite

PAGE = os.path.join(suite.ROOT, "docs/attribution-results.md")
LEVELS = ("c1", "c8", "c32", "bg")


def lacking(case, what):
    return {"name": case.name, "lacks": what, "bad": []}


def failed(case, why):
    return {"name": case.name, "lacks": "a measurement: " + why, "bad": [why]}


def row(case, result):
    s, total = result.score, result.score.total()
    by = collections.Counter()
    for level in s.by.values():
        by.update(level)
    return {"name": case.name, "bad": result.bad(case.expect), "lost": result.lost,
            "levels": {k: [s.rows[k][x] for x in ("right", "wrong", "none")] for k in LEVELS},
            "requests": total["requests"], "calls": total["calls"], "missing": total["missing"],
            "doubled": total["doubled"], "unjudged": dict(s.unjudged),
            "by": [[verdict, what, n] for (verdict, what), n in by.most_common()]}


def triple(counts):
    n = sum(counts)
    return "/".join("%d" % x for x in counts) if n else "-"


def evidence(r, *verdicts):
    return ", ".join("%s %d" % (what, n) for verdict, what, n in r["by"]
                     if verdict in verdicts and what != "nobody's")


def line(r):
    out = "  ".join("%-12s" % triple(r["levels"][k]) for k in LEVELS)
    for name in ("missing", "doubled"):
        if r[name]:
            out += "  %s %d" % (name, r[name])
    for verdict in ("right", "wrong", "none"):
        what = evidence(r, verdict)
        if what:
            out += "  %s: %s" % (verdict, what)
    return out


def sums(rows):
    """Counter of right, wrong, none (of calls made for a request), own (the program's own calls),
    own_wrong, missing, doubled."""
    out = collections.Counter()
    for r in rows:
        if "lacks" in r:
            continue
        for k in LEVELS:
            for what, n in zip(("right", "wrong", "none"), r["levels"][k]):
                out[what if k != "bg" else "own_" + what] += n
        out.update(missing=r["missing"], doubled=r["doubled"])
    out["calls"] = out["right"] + out["wrong"] + out["none"]
    out["own"] = out["own_right"] + out["own_wrong"]
    return out


def percent(part, whole, digits):
    return "%.*f" % (digits, 100 * part / whole) if whole else "-"


def summary(rows):
    s = sums(rows)
    return ("%d calls for requests: %s %% right, %s %% wrong (%d), %s %% none; %d calls of the "
            "programs' own: %d wrong; %s %% wrong overall; %d missing, %d doubled; %d cases, of "
            "which %d were not measured" % (
                s["calls"], percent(s["right"], s["calls"], 2), percent(s["wrong"], s["calls"], 3),
                s["wrong"], percent(s["none"], s["calls"], 2), s["own"], s["own_wrong"],
                percent(s["wrong"] + s["own_wrong"], s["calls"] + s["own"], 3), s["missing"],
                s["doubled"], len(rows), sum("lacks" in r for r in rows)))


# --- the page -----------------------------------------------------------------------------------

STORE = os.path.join(suite.BUILD, "truth/results")
TEXT = """# Whose call was it?

Real programs under load, each call judged by what the program itself says (the request's id is in
the path of its calls), three calls per request (proxies: one), and calls that the program makes for
itself every 7 ms. A parent is right, wrong, or left out (a root). Loads: 1, 8 and 32 connections,
{requests} requests. `make truth` measures this page again; the programs are in `tests/truth`.

{date}, kernel {kernel}, {cpus} CPUs, {machine}. {versions}.

Summary: {summary}.

| programs | calls for requests | right % | wrong % | none % | own calls, wrong | missing, doubled |
|---|---|---|---|---|---|---|
{families}

Calls, right / wrong / none. "By": how the parents are known (`spanprobe.parent.by`), wrong ones in
bold; "none because": `spanprobe.root.why`. Own calls: those that belong to nobody.

| program | 1 | 8 | 32 connections | own calls | by | none because | missing, doubled |
|---|---|---|---|---|---|---|---|
{rows}

Known to be wrong, and therefore no tests yet:

{flaws}
"""


def build_id():
    with open(os.path.join(suite.BUILD, "spanprobe"), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def keep(r, scale):
    """So that a page can be made of several runs of one build."""
    os.makedirs(STORE, exist_ok=True)
    with open(os.path.join(STORE, r["name"].replace("/", "--") + ".json"), "w") as f:
        json.dump(dict(r, build=build_id(), scale=scale), f)


def kept(names, scale):
    out, build = [], build_id()
    for name in names:
        path = os.path.join(STORE, name.replace("/", "--") + ".json")
        if os.path.exists(path):
            with open(path) as f:
                r = json.load(f)
            if r["build"] == build and r["scale"] == scale:
                out.append(r)
                continue
        out.append({"name": name, "lacks": "a measurement of this build", "bad": []})
    return out


def said(pattern, *argv):
    try:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=30)
    except OSError:
        return None
    m = re.search(pattern, p.stdout)
    return m.group(1) if m else None


def versions():
    in_build = os.path.join(suite.BUILD, "truth")
    asked = [("Node", said(r"v([\d.]+)", b, "--version")) for b in
             sorted(glob.glob(in_build + "/node/node_modules/node*/bin/node"))]
    asked += [("CPython", said(r"([\d.]+)", b, "--version")) for b in
              sorted(glob.glob(in_build + "/python-*/bin/python3"))]
    asked.sort(key=lambda x: (x[0] != "Node", [int(n) for n in (x[1] or "0").split(".")]))
    asked += [("Go", said(r"go([\d.]+)", "go", "version")),
              ("Java", said(r"openjdk ([\d.]+)", "java", "--version")),
              ("Ruby", said(r"ruby ([\d.]+)", "ruby", "--version")),
              ("puma", said(r"version ([\d.]+)", "puma", "--version")),
              ("Rust", said(r"rustc ([\d.]+)", "rustc", "--version")),
              ("PHP", said(r"PHP ([\d.]+)", *(glob.glob("/usr/sbin/php-fpm*") or ["php"])[:1], "-v")),
              ("nginx", said(r"nginx/([\d.]+)", "nginx", "-v")),
              ("Apache", said(r"Apache/([\d.]+)", "apache2", "-v")),
              ("haproxy", said(r"version ([\d.]+)", "haproxy", "-v")),
              ("Redis", said(r"v=([\d.]+)", "redis-server", "--version")),
              ("PostgreSQL", said(r"PostgreSQL\) ([\d.]+)",
                                  *glob.glob("/usr/lib/postgresql/*/bin/postgres")[-1:] or ["postgres"],
                                  "--version"))]
    found = collections.OrderedDict()
    for name, version in asked:
        if version:
            found.setdefault(name, []).append(version)
    return ", ".join("%s %s" % (name, " ".join(v)) for name, v in found.items())


def page_row(r):
    if "lacks" in r:
        return "| %s | lacks %s |" % (r["name"], r["lacks"].splitlines()[0])
    by = evidence(r, "right")
    if evidence(r, "wrong"):
        by += "%s**%s**" % (", " if by else "", evidence(r, "wrong"))
    none = evidence(r, "none")
    if r["unjudged"]:
        none += "%sno spans of %s" % ("; " if none else "", ", ".join(r["unjudged"]))
    cells = [triple(r["levels"][k]).replace("/", " / ") for k in LEVELS]
    return "| %s | %s | %s | %s | %d, %d |" % (
        r["name"], " | ".join(cells), by or "-", none or "-", r["missing"], r["doubled"])


def family_row(name, rows):
    s = sums(rows)
    return "| %s | %d | %s | %s | %s | %d, %d | %d, %d |" % (
        name, s["calls"], percent(s["right"], s["calls"], 2), percent(s["wrong"], s["calls"], 3),
        percent(s["none"], s["calls"], 2), s["own"], s["own_wrong"], s["missing"], s["doubled"])


def write(families, flaws, scale):
    """families: {name: names of cases}; flaws: [(name, what is wrong there)]"""
    groups = {name: kept(names, scale) for name, names in families.items()}
    rows = [r for group in groups.values() for r in group]
    requests = ["{:,}".format(round(n * scale)) for n in (250, 1000, 2000)]
    text = TEXT.format(
        requests="%s, %s and %s" % tuple(requests), date=time.strftime("%Y-%m-%d", time.gmtime()),
        kernel=re.sub("-.*", "", platform.release()), cpus=os.cpu_count(),
        machine=platform.machine(), versions=versions(), summary=summary(rows),
        families="\n".join(family_row(*x) for x in groups.items()),
        rows="\n".join(map(page_row, rows)),
        flaws="\n".join("- %s: %s" % x for x in flaws) or "- nothing")
    with open(PAGE, "w") as f:
        f.write(text)
