# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The truth workload on an event loop: python_async.py aiohttp|starlette asyncio|uvloop.

HOW: aiohttp or httpx (the client), sleep or later (a timer before each call), executor (blocking
calls in the loop's thread pool), sync-requests or sync-httpx (endpoints that are plain functions, which
Starlette runs in threads), redis, pg."""
import asyncio
import os
import sys

import truth_work as work

SERVER, LOOP = sys.argv[1:3]
URL = "http://127.0.0.1:%d/w/" % work.DOWN
PORT = int(os.environ["PORT"])
client = None


async def by_aiohttp(ident):
    async with client.get(URL + ident) as r:
        work.called(ident, r.status, len(await r.read()))


async def by_httpx(ident):
    r = await client.get(URL + ident)
    work.called(ident, r.status_code, len(r.content))


async def by_sleep(ident):
    await asyncio.sleep(work.pause())
    await by_aiohttp(ident)


async def by_later(ident):
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    async def begin():
        await by_aiohttp(ident)
        done.set_result(None)

    loop.call_later(work.pause(), lambda: tasks.add(loop.create_task(begin())))
    await done


async def by_executor(ident):
    await asyncio.get_running_loop().run_in_executor(None, work.blocking, ident)


async def by_redis(ident):
    await client.get("w/" + ident)
    work.tell(side="client", id=ident, system="redis")


async def by_pg(ident):
    await client.fetch('select pg_sleep(%f) as "w/%s"' % (work.pause(), ident))
    work.tell(side="client", id=ident, system="postgresql")


tasks = set()
call = {"sleep": by_sleep, "later": by_later, "executor": by_executor, "redis": by_redis,
        "pg": by_pg, "httpx": by_httpx}.get(work.HOW, by_aiohttp)


async def serve(path, query):
    ident, calls, par = work.plan(path, query)
    if par:
        await asyncio.gather(*map(call, calls))
    else:
        for one in calls:
            await call(one)
    work.served(ident)


async def background():
    for ident in work.own_ids():
        await asyncio.sleep(work.EVERY)
        await call(ident)


async def start():
    """What has to be made on the running loop."""
    global client
    if work.HOW == "httpx":
        import httpx
        client = httpx.AsyncClient(limits=httpx.Limits(max_connections=work.POOL), timeout=30)
    elif work.HOW == "redis":
        import redis.asyncio
        client = redis.asyncio.Redis(port=work.DOWN, max_connections=work.POOL)
    elif work.HOW == "pg":
        import asyncpg
        client = await asyncpg.create_pool(host="127.0.0.1", port=work.DOWN, user="truth",
                                           database="postgres", min_size=1, max_size=work.POOL,
                                           # or it asks for more than it tells of
                                           reset=lambda _: asyncio.sleep(0))
    elif work.HOW == "executor":
        from concurrent.futures import ThreadPoolExecutor
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(work.POOL))
    elif not work.HOW.startswith("sync"):
        import aiohttp
        client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=work.POOL))
    if work.HOW.startswith("sync"):
        import threading
        threading.Thread(target=work.background, daemon=True).start()
    else:
        tasks.add(asyncio.ensure_future(background()))


def run_aiohttp():
    from aiohttp import web

    async def handle(request):
        await serve(request.path, request.query_string)
        return web.Response(body=b"ok")

    async def starting(app):
        await start()

    app = web.Application()
    app.router.add_get("/w/{id}", handle)
    app.on_startup.append(starting)
    loop = None
    if LOOP == "uvloop":
        import uvloop
        loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=PORT, print=None, access_log=None, loop=loop,
                backlog=1024)


def sync_call():
    if work.HOW == "sync-requests":
        import requests
        session = requests.Session()
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=work.POOL))
    else:
        import httpx
        session = httpx.Client(limits=httpx.Limits(max_connections=work.POOL), timeout=30)

    def one(ident):
        r = session.get(URL + ident)
        work.called(ident, r.status_code, len(r.content))
    return one


def run_starlette():
    import contextlib

    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def handle(request):
        await serve(request.url.path, request.url.query)
        return PlainTextResponse("ok")

    blocking = sync_call() if work.HOW.startswith("sync") else None

    def handle_sync(request):
        ident, calls, _ = work.plan(request.url.path, request.url.query)
        for one in calls:
            blocking(one)
        work.served(ident)
        return PlainTextResponse("ok")

    @contextlib.asynccontextmanager
    async def lifespan(app):
        await start()
        yield

    app = Starlette(routes=[Route("/w/{id}", handle_sync if blocking else handle)],
                    lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=PORT, loop=LOOP, log_level="warning", access_log=False,
                backlog=1024)


{"aiohttp": run_aiohttp, "starlette": run_starlette}[SERVER]()
