# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Waits for SIGUSR1, then makes every kind of call to rough.py on $PORT, over plain sockets, and prints the truth
of each. A pause at the start leaves the agent time to be ready."""
import json
import os
import signal
import socket
import struct
import time

PORT = int(os.environ["PORT"])


def tell(ident, method="GET", req=0, resp=0, status=200, error=None):
    line = dict(side="client", id=ident, method=method, req=req, resp=resp, pid=os.getpid())
    line["status"] = status
    line["error"] = error
    print(json.dumps(line), flush=True)


def dial(port=PORT):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(10)
    return s


def head(ident, how, method="GET", extra=b""):
    return b"%s /w/%s/%s HTTP/1.1\r\nHost: localhost:%d\r\n%s\r\n" % (
        method.encode(), ident.encode(), how.encode(), PORT, extra)


def drain(s, until=None):
    got = b""
    while until is None or until not in got:
        try:
            part = s.recv(65536)
        except OSError:
            break
        if not part:
            break
        got += part
    return got


def simple(how, until, method="GET", extra=b"", sent=b"", **truth):
    ident = "s-%s-%s" % (how, method.lower())
    with dial() as s:
        s.sendall(head(ident, how, method, extra))
        if sent:
            s.sendall(sent)
        drain(s, until)
        tell(ident, method, **truth)


def one_byte():
    with dial() as s:
        for b in head("bytes", "ok", "POST", b"Content-Length: 3\r\n") + b"abc":
            s.sendall(bytes([b]))
            time.sleep(0.001)
        drain(s, b"ok")
    tell("bytes", "POST", req=3, resp=2)


def pipelined():
    with dial() as s:
        s.sendall(b"".join(head("pipe-%d" % i, "chunked" if i % 2 else "ok") for i in range(6)))
        while True:
            got = getattr(pipelined, "got", b"") + s.recv(65536)
            pipelined.got = got
            if got.count(b"ok") == 3 and got.count(b"0\r\n\r\n") == 3:
                break
    for i in range(6):
        tell("pipe-%d" % i, resp=11 if i % 2 else 2)


def expect():
    with dial() as s:
        s.sendall(head("expect", "100", "PUT", b"Expect: 100-continue\r\nContent-Length: 4\r\n"))
        drain(s, b"100 Continue\r\n\r\n")
        s.sendall(b"data")
        drain(s, b"ok")
    tell("expect", "PUT", req=4, resp=2)


def chunked_both_ways():
    with dial() as s:
        s.sendall(head("chunks", "chunked", "POST", b"Transfer-Encoding: chunked\r\n"))
        for part in (b"4\r\nwiki\r\n", b"5\r\npe", b"dia\r\n", b"0\r\n\r\n"):
            s.sendall(part)
            time.sleep(0.005)
        drain(s, b"0\r\n\r\n")
    tell("chunks", "POST", req=9, resp=11)


def upgrade():
    with dial() as s:
        s.sendall(head("upgrade", "upgrade", "GET", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"))
        drain(s, b"\r\n\r\n")
        for _ in range(3):
            s.sendall(b"\x81\x85\0\0\0\0hello")
            drain(s, b"hello")
    tell("upgrade", status=101)


def silent():
    with dial() as s:
        s.sendall(head("silent", "silent"))
        time.sleep(0.3)
    tell("silent", status=None, resp=None)


def reset_by_us():
    with dial() as s:
        s.sendall(head("byus", "silent"))
        time.sleep(0.05)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tell("byus", status=None, resp=None)


def refused():
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    for _ in range(3):
        try:
            dial(port)
        except ConnectionRefusedError:
            pass


signal.signal(signal.SIGUSR1, lambda *a: None)
print("waiting", flush=True)
signal.pause()
simple("chunked", b"0\r\n\r\n", resp=11)
simple("trailers", b"X-Sum: 11\r\n\r\n", resp=11)
simple("103", b"ok", resp=2)
simple("204", b"204 No Content\r\n\r\n", status=204)
simple("304", b"500\r\n\r\n", status=304)
simple("head", b"1000\r\n\r\n", method="HEAD")
simple("404", b"gone", resp=4, status=404, error="404")
simple("500", b"oops", resp=4, status=500, error="500")
simple("bare-lf", b"ok", resp=2)
simple("until-close", None, resp=77)
simple("ok", b"ok", method="DELETE", resp=2)
simple("close", None, status=None, resp=None)
simple("reset", None, status=None, resp=None, error="ECONNRESET")
simple("cut", None, status=200, resp=None)
one_byte()
pipelined()
expect()
chunked_both_ways()
upgrade()
silent()
reset_by_us()
refused()
print("done", flush=True)
time.sleep(60)
