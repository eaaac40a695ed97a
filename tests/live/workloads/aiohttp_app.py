# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The Python workload on aiohttp, server and client, on one event loop."""
import asyncio
import os

import aiohttp
from aiohttp import web

import work

DOWN = "http://127.0.0.1:%s/w/" % os.environ.get("DOWN")


async def call(app, ident, method="GET", query="", body=b""):
    async with app["client"].request(method, DOWN + ident + ("?" if query else "") + query,
                                     data=body or None) as r:
        got = await r.read()
        work.called(ident, method, len(body), r.status, len(got))


async def handle(request):
    body = await request.read()
    ident, calls, size, query = work.plan(request.path_qs)
    todo = [call(request.app, "%s.%d" % (ident, i), request.method, query, body)
            for i in range(calls)]
    if request.query.get("par"):
        await asyncio.gather(*todo)
    else:
        for one in todo:
            await one
    answer = b"x" * size
    work.served(ident, request.method, body, answer)
    return web.Response(body=answer)


async def background(app):
    """Calls of the program's own, every $BG milliseconds."""
    for i in range(10**9):
        await asyncio.sleep(int(os.environ["BG"]) / 1000)
        await call(app, "bg-%d" % i)


async def start(app):
    pool = aiohttp.TCPConnector(limit=int(os.environ.get("POOL", 64)))
    app["client"] = aiohttp.ClientSession(connector=pool)
    if os.environ.get("BG"):
        app["background"] = asyncio.ensure_future(background(app))


app = web.Application()
app.router.add_route("*", "/w/{id}", handle)
app.on_startup.append(start)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
