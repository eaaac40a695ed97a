#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The invariants that every run of spanprobe must keep, over its exported OTLP JSON lines.

  check.py SPANS.jsonl [--truth FILE]... [--parents right|no-wrong] [--extra]

What a workload did is its *truth*: JSON lines, one per request that it served and per call that it
made:
  {"side": "server"|"client", "id": ID, "pid": N, "method": M, "req": BYTES, "resp": BYTES,
   "status": CODE}
The id stands in the path, /w/ID; a call that was made on behalf of request X has the id X.<n>, so
the ids alone say which parent is right: the client span X in another process for server span X,
the server span X in the same process for client span X.<n>. Optional keys: service, error
(error.type, "" for none, or a list of those that it may be), trace and parent (a context that the request carried), maybe (true: a request that
began before the agent was ready: a span is welcome, none is no fault).
"""
import argparse
import collections
import json
import os
import re
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from tool import spans as otlp  # noqa: E402

# every invariant by its name; tests/tool/suite_tool.py sees each of them fail
INVARIANTS = {
    "json": "every line is OTLP JSON",
    "id": "trace and span ids are valid: lengths, hex, not all zero",
    "twice": "no span is exported twice, no span id is used twice",
    "time": "a span ends after it began",
    "kind": "a span is of kind server or client",
    "orphan": "a parent is exported, unless it came from outside (flags: IS_REMOTE)",
    "trace": "a span is in the trace of its parent",
    "cycle": "no span is its own ancestor",
    "early": "no span begins before its parent",
    "late": "a server span does not outlive the client span it is joined to, unless that gave up",
    "resource": "every resource has service.name, telemetry.sdk.*, host.id",
    "required": "attributes that the conventions require are there, retired names are not",
    "by": "spanprobe.parent.by is a value of the list, and `none` exactly for roots",
    "served": "one server span per request that the workload served",
    "made": "one client span per call that the workload made",
    "extra": "no span that the workload knows nothing about",
    "parent": "the parent is the right one",
    "body": "body sizes are those that were sent",
    "status": "method, status code and error.type are those that were seen",
    "service": "the service name is the expected one",
    "context": "trace and parent are those of the context that the request carried",
    "incomplete": "no span says that a part of it is missing",
}

RETIRED = ("http.method", "http.url", "http.target", "http.status_code", "net.peer.name",
           "net.peer.ip", "net.peer.port", "net.host.name", "http.host", "http.flavor")


def parent_by_values():
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                        "..", "..", "user", "parent_by.h")
    with open(path) as f:
        return set(re.findall(r'\bPARENT_BY\(\w+, *"([^"]+)"', f.read()))


class Checker:
    def __init__(self, spans, truth=(), parents="right", extra=False, incomplete=False):
        self.spans, self.truth = spans, list(truth)
        self.parents, self.allow_extra, self.allow_incomplete = parents, extra, incomplete
        self.faults = []
        self.by_id = {}

    def fault(self, invariant, text):
        assert invariant in INVARIANTS
        self.faults.append((invariant, text))

    def run(self):
        self.identity()
        for s in self.spans:
            self.times(s)
            self.family(s)
            self.conventions(s)
        if self.truth:
            self.against_truth()
        return self.faults

    def identity(self):
        for s in self.spans:
            for text, length in ((s.trace, 32), (s.id, 16)):
                if not re.fullmatch("[0-9a-f]{%d}" % length, text) or not text.strip("0"):
                    self.fault("id", "id %r of %s" % (text, s))
            if s.parent and (not re.fullmatch("[0-9a-f]{16}", s.parent)
                             or not s.parent.strip("0")):
                self.fault("id", "parent id %r of %s" % (s.parent, s))
            if s.id in self.by_id:
                self.fault("twice", "%s and %s" % (self.by_id[s.id], s))
            self.by_id[s.id] = s

    def times(self, s):
        if s.start <= 0 or s.end <= s.start:
            self.fault("time", "%d ns from %d to %d: %s" % (s.end - s.start, s.start, s.end, s))
        if s.kind not in (otlp.KIND_SERVER, otlp.KIND_CLIENT):
            self.fault("kind", str(s))

    def family(self, s):
        if not s.parent:
            return
        p = self.by_id.get(s.parent)
        if p is None:
            if not s.remote:
                self.fault("orphan", "parent %s was not exported: %s" % (s.parent, s))
            return
        if p.trace != s.trace:
            self.fault("trace", "%s is under %s" % (s, p))
        if s.start < p.start:
            self.fault("early", "%d ns before its parent %s: %s" % (p.start - s.start, p, s))
        # a client that has left, or was cut off, does not know when its server ends
        whole = p.attr.get("error.type", "0").isdigit()
        if s.kind == otlp.KIND_SERVER and p.kind == otlp.KIND_CLIENT and s.end > p.end and whole:
            self.fault("late", "%d ns after its client %s: %s" % (s.end - p.end, p, s))
        seen = {s.id}
        while p is not None:
            if p.id in seen:
                self.fault("cycle", str(s))
                break
            seen.add(p.id)
            p = self.by_id.get(p.parent)

    def conventions(self, s):
        for key in ("service.name", "telemetry.sdk.name", "telemetry.sdk.language",
                    "telemetry.sdk.version", "host.id"):
            if not s.resource.get(key):
                self.fault("resource", "no %s: %s" % (key, s))
        retired = [k for k in RETIRED if k in s.attr]
        if retired:
            self.fault("required", "retired %s: %s" % (", ".join(retired), s))
        if "db.system.name" in s.attr:
            named = "db.query.summary" if "db.query.summary" in s.attr else "db.operation.name"
            # the names of Unix sockets are not known
            unix = "server.address" not in s.attr and "network.peer.address" not in s.attr
            for key in (named,) if unix else (named, "server.address", "network.peer.address"):
                if key not in s.attr and "spanprobe.incomplete" not in s.attr:
                    self.fault("required", "no %s: %s" % (key, s))
        elif s.name != "socket connect":
            need = ["http.request.method"]
            need += {otlp.KIND_SERVER: ["url.scheme", "url.path"],
                     otlp.KIND_CLIENT: ["url.full", "server.address", "server.port"]
                     }.get(s.kind, [])
            if "http.response.status_code" not in s.attr and not s.attr.get("spanprobe.incomplete"):
                need.append("error.type")
            missing = [k for k in need if k not in s.attr]
            if missing:
                self.fault("required", "no %s: %s" % (", ".join(missing), s))
        if s.status == 2 and "error.type" not in s.attr:
            self.fault("required", "status ERROR without error.type: %s" % s)
        by = s.attr.get("spanprobe.parent.by")
        if by not in parent_by_values():
            self.fault("by", "%r: %s" % (by, s))
        elif (by == "none") != (not s.parent):
            self.fault("by", "%r with parent %r: %s" % (by, s.parent, s))
        if "spanprobe.incomplete" in s.attr and not self.allow_incomplete:
            self.fault("incomplete", "%r: %s" % (s.attr["spanprobe.incomplete"], s))

    # --- what the workload says --------------------------------------------------------------

    def against_truth(self):
        found = collections.defaultdict(list)
        for s in self.spans:
            found[(s.kind, s.work_id)].append(s)
        known = set()
        servers = {t["id"]: t for t in self.truth if t["side"] == "server"}
        clients = {t["id"]: t for t in self.truth if t["side"] == "client"}
        for t in self.truth:
            kind = otlp.KIND_SERVER if t["side"] == "server" else otlp.KIND_CLIENT
            known.add((kind, t["id"]))
            got = [s for s in found[(kind, t["id"])] if not t.get("pid") or s.pid == t["pid"]]
            if len(got) != 1:
                if not got and t.get("maybe"):
                    continue
                name = "served" if t["side"] == "server" else "made"
                self.fault(name, "%d spans for %s" % (len(got), json.dumps(t)))
                continue
            self.against_one(got[0], t, servers, clients)
        if not self.allow_extra:
            for key, spans in found.items():
                if key not in known:
                    for s in spans:
                        self.fault("extra", str(s))

    def against_one(self, s, t, servers, clients):
        for key, name in (("req", "http.request.body.size"), ("resp", "http.response.body.size")):
            # a body of no bytes may be told as 0 or not at all
            if t.get(key) is not None and s.attr.get(name, 0) != t[key]:
                self.fault("body", "%s %r is not %d: %s" % (name, s.attr.get(name), t[key], s))
        for key, name in (("method", "http.request.method"),
                          ("status", "http.response.status_code")):
            if t.get(key) is not None and s.attr.get(name) != t[key]:
                self.fault("status", "%s %r is not %r: %s" % (name, s.attr.get(name), t[key], s))
        errors = t.get("error")
        if errors is not None and s.attr.get("error.type", "") not in (
                errors if isinstance(errors, list) else [errors]):
            self.fault("status", "error.type %r is not %r: %s" % (
                s.attr.get("error.type"), errors, s))
        if t.get("service") and s.service != t["service"]:
            self.fault("service", "%r is not %r: %s" % (s.service, t["service"], s))
        if t.get("trace"):
            if s.trace != t["trace"] or s.parent != t.get("parent", s.parent):
                self.fault("context", "not %s/%s: %s" % (t["trace"], t.get("parent"), s))
            return
        self.parentage(s, t, servers, clients)

    def parentage(self, s, t, servers, clients):
        p = self.by_id.get(s.parent) if s.parent else None
        if t["side"] == "server":
            right = clients.get(t["id"])
            fits = p is not None and p.kind == otlp.KIND_CLIENT and p.work_id == t["id"]
        else:
            cause = t["id"].rpartition(".")[0]
            right = servers.get(cause) if cause else None
            fits = (p is not None and p.kind == otlp.KIND_SERVER and p.work_id == cause
                    and p.pid == s.pid)
        if right is None:
            if s.parent:
                self.fault("parent", "should be a root, is under %s: %s" % (p or s.parent, s))
        elif not fits:
            # the two ends of one connection are certain; only causes within a process may be
            # unknown, and a parent whose own span may be missing cannot be asked for
            free = self.parents == "no-wrong" and t["side"] == "client"
            if s.parent or not (free or right.get("maybe")):
                self.fault("parent", "%s instead of %s: %s" % (
                    p or s.parent or "a root", json.dumps(right), s))


def load_truth(path):
    out = []
    with open(path, errors="replace") as f:
        for line in f:
            if line.startswith("{"):
                out.append(json.loads(line))
    return out


def check_file(path, truth=(), **options):
    try:
        return Checker(otlp.load(path), truth, **options).run()
    except otlp.BadLine as e:
        return [("json", str(e))]


def summary(faults, limit=8):
    """At most `limit` of each invariant, with the count of all."""
    groups = collections.defaultdict(list)
    for name, text in faults:
        groups[name].append(text)
    lines = []
    for name, texts in groups.items():
        lines.append("%d x broken: %s (%s)" % (len(texts), name, INVARIANTS[name]))
        lines += ["    " + x for x in texts[:limit]]
    return "\n".join(lines)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("spans")
    ap.add_argument("--truth", action="append", default=[])
    ap.add_argument("--parents", choices=("right", "no-wrong"), default="right")
    ap.add_argument("--extra", action="store_true", help="other spans than the truth's are fine")
    args = ap.parse_args()
    truth = [t for path in args.truth for t in load_truth(path)]
    faults = check_file(args.spans, truth, parents=args.parents, extra=args.extra)
    if faults:
        print(summary(faults))
        return 1
    print("every invariant holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
