# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a Python workload does for /w/ID?n=N&size=S, and the lines that tell the truth of it."""
import json
import os
import sys
import urllib.parse


def tell(**kv):
    # one write per line: lines of several threads do not mix
    sys.stdout.write(json.dumps(dict({"pid": os.getpid()}, **kv)) + "\n")
    sys.stdout.flush()


def plan(path):
    """path -> id, number of calls, size of the answer, query"""
    path, _, query = path.partition("?")
    q = dict(urllib.parse.parse_qsl(query))
    parts = path.split("/")
    ident = parts[2] if len(parts) > 2 and parts[1] == "w" else None
    calls = int(q.get("n", "1")) if os.environ.get("DOWN") else 0
    return ident, calls if ident else 0, int(q.get("size", "2")), query


def served(ident, method, body, answer, status=200):
    if ident:
        tell(side="server", id=ident, method=method, req=len(body), resp=len(answer),
             status=status)


def called(ident, method, sent, status, got):
    tell(side="client", id=ident, method=method, req=sent, resp=got, status=status)


def call_path(ident, i, query):
    return "/w/%s.%d%s%s" % (ident, i, "?" if query else "", query)


def do(method, path, body, call):
    """The synchronous form: call(method, path, body) -> status, bytes of the answer"""
    ident, calls, size, query = plan(path)
    for i in range(calls):
        status, got = call(method, call_path(ident, i, query), body or None)
        called("%s.%d" % (ident, i), method, len(body), status, got)
    answer = b"x" * size
    served(ident, method, body, answer)
    return answer
