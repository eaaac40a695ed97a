# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the programs under test call: answers on $PORT after 1 to 10 ms, so that the answers to
calls that were made together come back in another order."""
import asyncio
import os
import random


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buf = transport, b""

    def data_received(self, data):
        self.buf += data
        while b"\r\n\r\n" in self.buf:
            head, _, rest = self.buf.partition(b"\r\n\r\n")
            low = head.lower()
            n = int(low.split(b"content-length:")[1].split()[0]) if b"content-length:" in low else 0
            if len(rest) < n:
                return
            self.buf = rest[n:]
            asyncio.get_running_loop().call_later(random.uniform(0.001, 0.01), self.answer)

    def answer(self):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await server.serve_forever()


asyncio.run(main())
