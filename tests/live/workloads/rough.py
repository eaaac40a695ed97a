# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A server on $PORT that behaves as the path of a request asks: /w/ID/HOW.
close: ends the connection without an answer; reset: likewise, with RST; cut: half of the body; silent: no
answer until the client goes; chunked, trailers, 100, 103, 204, 304, upgrade, until-close, 500, 404."""
import os
import socket
import struct
import threading
import time

CHUNKS = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n"
ANSWERS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + CHUNKS +
                b"X-Sum: 11\r\n\r\n",
    "100": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n"
           b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
    "500": b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noops",
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "head": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
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
    low = head.lower()
    if b"transfer-encoding: chunked" in low:
        while True:
            n = int(reader.until(b"\r\n").split(b";")[0], 16)
            if n == 0:
                while reader.until(b"\r\n"):
                    pass
                return
            reader.exactly(n + 2)
    if b"content-length:" in low:
        reader.exactly(int(low.split(b"content-length:")[1].split(b"\r\n")[0]))


def serve(conn):
    reader = Reader(conn)
    try:
        while True:
            head = reader.until(b"\r\n\r\n")
            how = head.split(b" ")[1].split(b"?")[0].split(b"/")[-1].decode()
            if how == "100":
                time.sleep(0.02)
                conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body(reader, head)
            if how == "close":
                return
            if how == "reset":
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if how == "cut":
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
                return
            if how == "silent":
                reader.more()
            if how == "until-close":
                conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"y" * 77)
                return
            if how == "upgrade":
                conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             b"Connection: Upgrade\r\n\r\n")
                for _ in range(3):
                    conn.sendall(b"\x81\x05" + reader.exactly(11)[6:])
                return
            for part in ANSWERS[how].partition(b"\r\n\r\n"):
                conn.sendall(part)
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
