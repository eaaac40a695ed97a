# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Ways of asyncio programs that could mislead: python_edges.py asyncio|uvloop, with HOW

streams: a server on asyncio's streams: one task per connection reads, calls and answers
group: calls in a task group, each with a time limit and an async generator
after: beside its calls each request leaves a task behind that calls when it has been answered
lazy: calls are made by tasks that live on, and that the first requests have made
writer: calls are written and their answers read by two tasks per connection, which the request made
    that needed the connection first
fresh: calls are made in empty contexts
shared: calls are made in one context that all of them enter, one after the other"""
import asyncio
import contextvars
import os
import sys

import truth_work as work
from aiohttp import ClientSession, TCPConnector, web

PORT = int(os.environ["PORT"])
own = work.own_ids()
tasks = set()
client = None


async def plain(ident):
    async with client.get("http://127.0.0.1:%d/w/%s" % (work.DOWN, ident)) as r:
        work.called(ident, r.status, len(await r.read()))


def task(coro, **kw):
    one = asyncio.get_running_loop().create_task(coro, **kw)
    tasks.add(one)
    one.add_done_callback(tasks.discard)
    return one


# --- lazy ---------------------------------------------------------------------------------------------

class Workers:
    def __init__(self):
        self.queue, self.count = asyncio.Queue(), 0

    async def work(self):
        while True:
            ident, done = await self.queue.get()
            await plain(ident)
            done.set_result(None)

    async def call(self, ident):
        if self.count < work.POOL:
            self.count += 1
            task(self.work())
        done = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((ident, done))
        await done


# --- writer -------------------------------------------------------------------------------------------

class Line:
    def __init__(self):
        self.out, self.waiting = asyncio.Queue(), asyncio.Queue()

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", work.DOWN)
        task(self.write())
        task(self.read())

    async def write(self):
        while True:
            ident, done = await self.out.get()
            self.waiting.put_nowait((ident, done))
            self.writer.write(b"GET /w/%s HTTP/1.1\r\nHost: x\r\n\r\n" % ident.encode())

    async def read(self):
        while True:
            await self.reader.readuntil(b"\r\n\r\n")
            got = await self.reader.readexactly(2)
            ident, done = await self.waiting.get()
            work.called(ident, 200, len(got))
            done.set_result(None)


class Lines:
    def __init__(self):
        self.free, self.count = asyncio.Queue(), 0

    async def call(self, ident):
        if self.free.empty() and self.count < work.POOL:
            self.count += 1
            line = Line()
            await line.open()
        else:
            line = await self.free.get()
        done = asyncio.get_running_loop().create_future()
        line.out.put_nowait((ident, done))
        await done
        self.free.put_nowait(line)


# --- the others ---------------------------------------------------------------------------------------

async def group(ident):
    async def steps():
        yield await asyncio.wait_for(plain(ident), 30)

    async def one():
        async for _ in steps():
            pass

    async with asyncio.TaskGroup() as g:
        g.create_task(one())


async def fresh(ident):
    await task(plain(ident), context=contextvars.Context())


class Shared:
    def __init__(self):
        self.context, self.lock = contextvars.copy_context(), asyncio.Lock()

    async def call(self, ident):
        async with self.lock:
            await task(plain(ident), context=self.context)


async def after(answered):
    await answered.wait()
    await asyncio.sleep(0.001)
    await plain(next(own))


async def serve(path, query):
    ident, calls, par = work.plan(path, query)
    if par:
        await asyncio.gather(*map(call, calls))
    else:
        for one in calls:
            await call(one)
    work.served(ident)
    return ident


async def handle(request):
    answered = asyncio.Event()
    if work.HOW == "after":
        task(after(answered))
    await serve(request.path, request.query_string)
    answer = web.Response(body=b"ok")
    await answer.prepare(request)
    await answer.write_eof()
    answered.set()
    return answer


async def on_stream(reader, writer):
    while True:
        head = await reader.readline()
        if not head:
            break
        while await reader.readline() != b"\r\n":
            pass
        path, _, query = head.split()[1].decode().partition("?")
        await serve(path, query)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    writer.close()


async def background():
    while True:
        await asyncio.sleep(work.EVERY)
        await plain(next(own))


async def main():
    global client, call
    client = ClientSession(connector=TCPConnector(limit=work.POOL))
    call = {"lazy": lambda: Workers().call, "writer": lambda: Lines().call, "group": lambda: group,
            "fresh": lambda: fresh, "shared": lambda: Shared().call}.get(work.HOW, lambda: plain)()
    task(background())
    if work.HOW == "streams":
        server = await asyncio.start_server(on_stream, "127.0.0.1", PORT, backlog=1024)
        await server.serve_forever()
    app = web.Application()
    app.router.add_get("/w/{id}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT, backlog=1024).start()
    await asyncio.Event().wait()


if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.install()
asyncio.run(main())
