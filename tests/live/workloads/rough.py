# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A server on $PORT that behaves as the path of a request asks: /w/ID/HOW, and prints the truth of each.
close: ends the connection without an answer; reset: likewise, with RST; cut: half of the body; silent: no
answer until the client goes; early: the answer before the body; refuse: likewise, and the connection ends;
idle: ends the connection 0.1 s after the answer; chunked, trailers, 100, 103, 204, 304, upgrade,
until-close, 500, 404."""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import work  # noqa: E402

CHUNKS = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# how -> status, body bytes, the answer
ANSWERS = {
    "chunked": (200, 11, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"\r\n"),
    "trailers": (200, 11, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
                 CHUNKS + b"X-Sum: 11\r\n\r\n"),
    "100": (200, 2, OK),
    "103": (200, 2, b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n" + OK),
    "204": (204, 0, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": (304, 0, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
    "404": (404, 4, b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"),
    "500": (500, 4, b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops"),
    "ok": (200, 2, OK),
    "early": (200, 2, OK),
    "idle": (200, 2, OK),
    "refuse": (413, 4, b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch"),
    "head": (200, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "bare-lf": (200, 2, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "cut": (200, 50, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50),
    "until-close": (200, 77, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"y" * 77),
    "upgrade": (101, 0, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\n\r\n"),
}


class Reader:
    def __init__(self, conn):
        self.conn, self.buf = conn, b""

    def more(self):
        got = self.conn.recv(65536)
        if not got:
            raise EOFError
        self.buf += got

    def until(self, mark):
        while mark not in self.buf:
            self.more()
        head, _, self.buf = self.buf.partition(mark)
        return head

    def exactly(self, n):
        while len(self.buf) < n:
            self.more()
        body, self.buf = self.buf[:n], self.buf[n:]
        return body


def body(reader, head):
    """Reads it to its end; how many bytes it has."""
    low, total = head.lower(), 0
    if b"transfer-encoding: chunked" in low:
        while True:
            n = int(reader.until(b"\r\n").split(b";")[0], 16)
            if n == 0:
                while reader.until(b"\r\n"):
                    pass
                return total
            reader.exactly(n + 2)
            total += n
    if b"content-length:" in low:
        total = int(low.split(b"content-length:")[1].split(b"\r\n")[0])
        reader.exactly(total)
    return total


def reset(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Request:
    """Serves one; its truth is told by whoever leaves it."""

    def __init__(self, conn, reader, head):
        self.conn, self.reader, self.head = conn, reader, head
        words = head.split(b" ")
        self.method = words[0].decode()
        self.ident, self.how = words[1].split(b"?")[0].decode().split("/")[2:4]

    def tell(self, **truth):
        work.tell(side="server", id=self.ident, method=self.method, **truth)

    def answer(self):
        """part by part: heads and bodies are segments of their own"""
        for part in ANSWERS[self.how][2].partition(b"\r\n\r\n"):
            self.conn.sendall(part)

    def serve(self):
        """Whether the connection goes on."""
        how = self.how
        if how == "100":
            time.sleep(0.02)
            self.conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if how in ("early", "refuse"):
            self.answer()
        if how == "refuse":
            time.sleep(0.05)
            self.tell(status=413, resp=4)
            return False
        try:
            n = body(self.reader, self.head)
        except (EOFError, OSError) as e:
            self.tell(status=None, error="ECONNRESET" if isinstance(e, OSError) else "connection_closed")
            raise
        if how in ("close", "reset"):
            if how == "reset":
                reset(self.conn)
            self.tell(req=n, status=None, error="no_response")
            return False
        if how == "silent":
            try:
                self.reader.more()
            except (EOFError, OSError) as e:
                self.tell(req=n, status=None, error="ECONNRESET" if isinstance(e, OSError) else
                          "connection_closed")
                raise
        if how != "early":
            self.answer()
        self.tell(req=n, status=ANSWERS[how][0], resp=ANSWERS[how][1],
                  error={"500": "500", "cut": "response_incomplete"}.get(how, ""))
        if how == "upgrade":
            for _ in range(3):
                self.conn.sendall(b"\x81\x05" + self.reader.exactly(11)[6:])
        if how == "idle":
            self.conn.settimeout(0.1)
        return how not in ("cut", "until-close", "upgrade")


def serve(conn):
    reader = Reader(conn)
    try:
        while Request(conn, reader, reader.until(b"\r\n\r\n")).serve():
            pass
    except (EOFError, OSError):
        pass
    finally:
        conn.close()


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(peer,), daemon=True).start()
