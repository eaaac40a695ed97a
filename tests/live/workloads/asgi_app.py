# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The Python workload as an ASGI application (uvicorn), calling with httpx."""
import asyncio
import os

import httpx
import work

CLIENT = httpx.AsyncClient(limits=httpx.Limits(max_connections=int(os.environ.get("POOL", 64))),
                           timeout=30)


async def call(ident, method="GET", query="", body=b""):
    url = "http://127.0.0.1:%s/w/%s%s%s" % (os.environ["DOWN"], ident, "?" if query else "", query)
    r = await CLIENT.request(method, url, content=body or None,
                             headers={"Accept-Encoding": "identity"})
    work.called(ident, method, len(body), r.status_code, len(r.content))


async def background():
    """Calls of the program's own, every $BG milliseconds."""
    for i in range(10**9):
        await asyncio.sleep(int(os.environ["BG"]) / 1000)
        await call("bg-%d" % i)


async def read(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def app(scope, receive, send):
    if scope["type"] == "lifespan" and os.environ.get("BG"):
        app.background = asyncio.ensure_future(background())
    if scope["type"] != "http":
        return
    body = await read(receive)
    method, path = scope["method"], scope["path"]
    if scope["query_string"]:
        path += "?" + scope["query_string"].decode()
    ident, calls, size, query = work.plan(path)
    todo = [call("%s.%d" % (ident, i), method, query, body) for i in range(calls)]
    if "par=1" in query:
        await asyncio.gather(*todo)
    else:
        for one in todo:
            await one
    answer = b"x" * size
    work.served(ident, method, body, answer)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})
