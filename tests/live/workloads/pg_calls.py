# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Queries to the PostgreSQL on $PORT by $DRIVER; one line of truth per request: what sums it up, what may
be seen of it, the rows and the error that came of it."""
import asyncio
import json
import os
import time

PORT = int(os.environ["PORT"])


def tell(name, text=None, rows=None, affected=None, error=None, batch=None):
    print(json.dumps({"name": name, "text": text, "rows": rows, "affected": affected,
                      "error": error, "batch": batch}), flush=True)


def with_psycopg():
    import psycopg
    db = psycopg.connect("host=127.0.0.1 port=%d user=truth dbname=postgres" % PORT,
                         autocommit=True, prepare_threshold=None)

    def ask(text, args=None, **kw):
        try:
            return db.execute(text, args, **kw)
        except psycopg.Error as e:
            return e.sqlstate

    ask("drop table if exists people")
    tell("drop table people", "drop table if exists people")
    time.sleep(0.5)  # what is long is captured whole once the protocol is known
    ask("create table people (id serial primary key, name text)")
    tell("create table people", "create table people (id serial primary key, name text)")
    for i in range(20):
        ask("insert into people (name) values ('secret%d')" % i)
        tell("insert people", "insert into people (name) values (?)", affected=1)
    for i in range(20):
        got = ask("select name from people where id = %s", (i,)).fetchall()
        tell("select people", "select name from people where id = $1", rows=len(got))
    assert ask("select * from nosuch") == "42P01"
    tell("select nosuch", "select * from nosuch", error="42P01")
    assert ask("insert into people values (1, 'again')") == "23505"
    tell("insert people", "insert into people values (?, ?)", error="23505")
    ask("begin; update people set name = 'x' where id < 5; commit")
    tell("begin update people commit", "begin; update people set name = ? where id < ?; commit",
         affected=4)
    db.prepare_threshold = 0
    ask("select id from people where id > %s", (10,))
    tell("PREPARE select people", "select id from people where id > $1")
    tell("select people", "select id from people where id > $1", rows=10)
    ask("select id from people where id > %s", (15,))
    db.prepare_threshold = None
    tell("select people", "select id from people where id > $1", rows=5)
    with db.pipeline():
        for i in range(4):
            db.execute("insert into people (name) values (%s)", ("p%d" % i,), prepare=False)
    tell("BATCH insert people", "insert into people (name) values ($1)", affected=4, batch=4)
    with db.cursor().copy("copy people (name) from stdin") as copy:
        for i in range(30000):
            copy.write_row(("n%d" % i,))
    tell("copy people", "copy people (name) from stdin", affected=30000)
    assert len(ask("select * from people where id > 0").fetchall()) == 30024
    tell("select people", "select * from people where id > ?", rows=30024)
    with db.cursor().copy("copy people to stdout") as copy:
        assert sum(len(x) for x in copy) > 100000
    tell("copy people", "copy people to stdout", affected=30024)
    assert len(ask("select repeat('x', 3000000)").fetchone()[0]) == 3000000
    tell("select", "select repeat(?, ?)", rows=1)
    ask("notify ch, 'secret'")
    tell("notify", "notify ch, ?")
    db.close()


async def with_asyncpg():
    import asyncpg
    pool = await asyncpg.create_pool(host="127.0.0.1", port=PORT, user="truth",
                                     database="postgres", min_size=1, max_size=1,
                                     # of itself it asks for much that is none of the test's
                                     reset=lambda _: asyncio.sleep(0))
    async with pool.acquire() as db:
        await db.execute("drop table if exists people")
        tell("drop table people", "drop table if exists people")
        await asyncio.sleep(0.5)
        await db.execute("create table people (id serial primary key, name text)")
        tell("create table people", "create table people (id serial primary key, name text)")
        await db.executemany("insert into people (name) values ($1)",
                             [("n%d" % i,) for i in range(100)])
        tell("BATCH insert people", "insert into people (name) values ($1)", affected=100,
             batch=100)
    for i in range(20):
        rows = await pool.fetch("select name from people where id > $1", 90 + i % 10)
        tell("select people", "select name from people where id > $1", rows=len(rows))
    for i in range(2):
        try:
            await pool.fetch("select $1 / 0", 1)
        except asyncpg.DivisionByZeroError:
            tell("select", "select $1 / ?", error="22012")
    async with pool.acquire() as db:
        await db.copy_records_to_table("people", columns=["name"],
                                       records=[("c%d" % i,) for i in range(5000)])
        tell('COPY "people"', 'COPY "people"("name") FROM STDIN (FORMAT binary)', affected=5000)
        await db.fetch("select * from people where name <> 'secret'")
        tell("select people", "select * from people where name <> ?", rows=5100)
    await pool.close()


if os.environ["DRIVER"] == "psycopg":
    with_psycopg()
else:
    asyncio.run(with_asyncpg())
