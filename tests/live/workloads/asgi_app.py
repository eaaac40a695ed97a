# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The Python workload as an ASGI application (uvicorn), calling with httpx."""
import os

import httpx
import work

CLIENT = httpx.AsyncClient(limits=httpx.Limits(max_connections=64), timeout=30)


async def call(ident, method="GET", query="", body=b""):
    url = "http://127.0.0.1:%s/w/%s%s%s" % (os.environ["DOWN"], ident, "?" if query else "", query)
    r = await CLIENT.request(method, url, content=body or None,
                             headers={"Accept-Encoding": "identity"})
    work.called(ident, method, len(body), r.status_code, len(r.content))


async def read(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = await read(receive)
    method, path = scope["method"], scope["path"]
    if scope["query_string"]:
        path += "?" + scope["query_string"].decode()
    ident, calls, size, query = work.plan(path)
    for i in range(calls):
        await call("%s.%d" % (ident, i), method, query, body)
    answer = b"x" * size
    work.served(ident, method, body, answer)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})
