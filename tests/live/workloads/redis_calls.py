# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Commands to the Redis on $PORT by redis-py, in RESP $PROTOCOL; one line of truth per command:
its name, what may be seen of it, the error that it got, its database."""
import json
import os
import sys
import time

import redis

db = redis.Redis(port=int(os.environ["PORT"]), protocol=int(os.environ.get("PROTOCOL", 2)))


def tell(op, text, error=None, size=None, base="0"):
    print(json.dumps({"op": op, "text": text, "error": error, "batch": size, "db": base}))


def one(text, *args):
    try:
        db.execute_command(*args)
        tell(args[0], text)
    except redis.ResponseError as e:
        kind = str(e).split()[0]
        tell(args[0], text, kind if kind.isupper() else "ERR")


one("SET k ?", "SET", "k", "secret")
time.sleep(0.5)  # what is long is captured whole once the protocol is known
one("GET k", "GET", "k")
one("GET none", "GET", "none")
one("HSET h a ? b ?", "HSET", "h", "a", "1", "b", "2")
one("HGETALL h", "HGETALL", "h")
one("LPUSH k ?", "LPUSH", "k", "secret")
one("EVAL ? 1 k", "EVAL", "return redis.call('GET', KEYS[1])", 1, "k")
one("NOSUCH ?", "NOSUCH", "x")
one("INCR n", "INCR", "n")
one("SET big ?", "SET", "big", "x" * 300000)
assert len(db.get("big")) == 300000
tell("GET", "GET big")
one("MSET m1 ...", "MSET", "m1", "x" * 5000, "m2", "y" * 5000, "m3", "z")
one("MGET m1 m2 m3", "MGET", "m1", "m2", "m3")
one("RPUSH l ? ? ? ? ? ? ? ? ...", "RPUSH", "l", *["e%d" % i for i in range(2000)])
assert len(db.lrange("l", 0, -1)) == 2000
tell("LRANGE", "LRANGE l 0 -1")

for depth in (2, 100, 400):
    pipe = db.pipeline(transaction=False)
    for i in range(depth):
        pipe.set("p%d" % i, "v" * (i % 50))
        pipe.lpush("p%d" % i, "v")
    got = pipe.execute(raise_on_error=False)
    for i in range(depth):
        tell("SET", "SET p%d ?" % i)
        tell("LPUSH", "LPUSH p%d ?" % i, "WRONGTYPE")
        assert got[2 * i] is True and isinstance(got[2 * i + 1], redis.ResponseError)

pipe = db.pipeline(transaction=True)
pipe.set("t", 1).set("u", 2)
pipe.execute()
tell("MULTI SET", None, size=2)
pipe.set("t", 1).lpush("t", 2)
pipe.execute(raise_on_error=False)
tell("MULTI", None, "WRONGTYPE", size=2)

one("SELECT 3", "SELECT", 3)
db.set("there", 1)
tell("SET", "SET there ?", base="3")
db.select(0) if hasattr(db, "select") else db.execute_command("SELECT", 0)
tell("SELECT", "SELECT 0", base="3")

sub = db.pubsub()
sub.subscribe("c1", "c2")
tell("SUBSCRIBE", "SUBSCRIBE c1 c2")
assert [sub.get_message(timeout=5)["type"] for _ in "12"] == ["subscribe"] * 2
for i in range(5):
    one("PUBLISH c1 ?", "PUBLISH", "c1", "message %d" % i)
    assert sub.get_message(timeout=5)["data"] == b"message %d" % i
sys.stdout.flush()
