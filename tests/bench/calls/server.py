# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Every request makes three calls to $DOWN, one after the other: aiohttp at both ends."""
import os

import aiohttp
from aiohttp import web

DOWN = "http://127.0.0.1:%s/w/x" % os.environ["DOWN"]


async def session(app):
    app["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))
    yield
    await app["session"].close()


async def handle(request):
    for _ in range(3):
        async with request.app["session"].get(DOWN) as answer:
            await answer.read()
    return web.Response(text="ok")


def main():
    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_get("/w/x", handle)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)


main()
