# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the Python programs of the truth bench share: the plan of a request, the lines that tell
what was done, and calls over plain blocking sockets.

/w/ID?n=N makes N calls to $DOWN as /w/ID.<i>, one after the other or, with par=1, at the same time.
HOW says by which way, POOL how wide, BG how many milliseconds lie between calls of the program's own."""
import http.client
import itertools
import json
import os
import random
import sys
import threading
import time

DOWN = int(os.environ.get("DOWN", 0))
HOW = os.environ.get("HOW", "")
POOL = int(os.environ.get("POOL", 100))
EVERY = int(os.environ.get("BG", 0)) / 1000
LOCAL = threading.local()


def tell(**kv):
    # one write per line: lines of several threads do not mix
    sys.stdout.write(json.dumps(dict(kv, pid=os.getpid(), method="GET", req=0)) + "\n")
    sys.stdout.flush()


def called(ident, status, got):
    tell(side="client", id=ident, status=status, resp=got)


def served(ident):
    tell(side="server", id=ident, status=200, resp=2)


def plan(path, query):
    """The ids of the calls of a request, and whether they are made together."""
    ident = path.split("/")[2]
    q = dict(x.partition("=")[::2] for x in query.split("&"))
    return ident, ["%s.%d" % (ident, i) for i in range(int(q.get("n", "1")))], "par" in q


def own_ids():
    return ("bg-%d-%d" % (time.time() * 1000, i) for i in itertools.count())


def pause():
    return random.uniform(0.001, 0.005)


def blocking(ident):
    """A call on the calling thread's own connection."""
    if not hasattr(LOCAL, "conn"):
        LOCAL.conn = http.client.HTTPConnection("127.0.0.1", DOWN)
    LOCAL.conn.request("GET", "/w/" + ident)
    answer = LOCAL.conn.getresponse()
    called(ident, answer.status, len(answer.read()))


def background():
    for ident in own_ids():
        time.sleep(EVERY)
        blocking(ident)
