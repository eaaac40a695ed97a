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


CUT = ("connection_closed", "ECONNRESET", "EPIPE")  # which of them is a matter of microseconds


def tell(ident, method="GET", req=0, resp=0, status=200, error=""):
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


def chunked_with_extras():
    """extensions on every chunk, the last one too, and trailers"""
    with dial() as s:
        s.sendall(head("extras", "trailers", "POST", b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n"))
        s.sendall(b'4;a=b;c="d;e"\r\nwiki\r\n5 ; x\r\npedia\r\n')
        s.sendall(b"0;last\r\nX-T: 1\r\nX-U: 2\r\n\r\n")
        drain(s, b"X-Sum: 11\r\n\r\n")
        s.sendall(head("extras-next", "ok"))
        drain(s, b"ok")
    tell("extras", "POST", req=9, resp=11)
    tell("extras-next", resp=2)


def pipelined_16():
    """16 at once, with bodies both ways"""
    got, wanted = b"", 16
    with dial() as s:
        s.sendall(b"".join(head("deep-%d" % i, "chunked" if i % 2 else "ok", "POST",
                                b"Content-Length: %d\r\n" % i) + b"b" * i for i in range(wanted)))
        while got.count(b"ok") + got.count(b"0\r\n\r\n") < wanted:
            got += s.recv(65536)
    for i in range(wanted):
        tell("deep-%d" % i, "POST", req=i, resp=11 if i % 2 else 2)


def early():
    """answered before the body has been sent, which is then sent all the same"""
    with dial() as s:
        s.sendall(head("early", "early", "POST", b"Content-Length: 9\r\n"))
        drain(s, b"ok")
        time.sleep(0.02)
        s.sendall(b"some ")
        time.sleep(0.02)
        s.sendall(b"body")
        s.sendall(head("early-next", "ok"))
        drain(s, b"ok")
    tell("early", "POST", req=9, resp=2)
    tell("early-next", resp=2)


def refused_body(ident, extra=b"", sent=b""):
    """answered before the body is complete, which it never will be"""
    with dial() as s:
        s.sendall(head(ident, "refuse", "PUT", b"Content-Length: 100000\r\n" + extra) + sent)
        drain(s, b"much")
    tell(ident, "PUT", req=len(sent), resp=4, status=413, error="413")


def impatient_expect():
    """asks for the 100 and does not wait for it"""
    with dial() as s:
        s.sendall(head("impatient", "100", "PUT", b"Expect: 100-continue\r\nContent-Length: 4\r\n") +
                  b"data")
        drain(s, b"ok")
    tell("impatient", "PUT", req=4, resp=2)


def half_closed():
    """all is said on this side, and the answer still comes"""
    with dial() as s:
        s.sendall(head("half", "chunked", "POST", b"Content-Length: 4\r\n") + b"half")
        s.shutdown(socket.SHUT_WR)
        drain(s)
    tell("half", "POST", req=4, resp=11)
    with dial() as s:
        s.sendall(head("half-0", "ok") + head("half-1", "until-close"))
        s.shutdown(socket.SHUT_WR)
        drain(s)
    tell("half-0", resp=2)
    tell("half-1", resp=77)


def keep_alive_timeout():
    """the server ends the idle connection, which the client notices before or after it asks again"""
    with dial() as s:
        s.sendall(head("idle", "idle"))
        drain(s, b"ok")
        drain(s)
    tell("idle", resp=2)
    with dial() as s:
        s.sendall(head("idle-2", "idle"))
        drain(s, b"ok")
        time.sleep(0.3)
        s.sendall(head("stale", "ok"))
        drain(s)
    tell("idle-2", resp=2)
    tell("stale", status=None, resp=None, error=CUT)


def aborted(ident, extra, sent, req, reset):
    """the client goes within the body"""
    with dial() as s:
        s.sendall(head(ident, "ok", "POST", extra) + sent)
        time.sleep(0.03)
        if reset:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tell(ident, "POST", status=None, resp=None, req=req, error="no_response")


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
    tell("silent", status=None, resp=None, error="no_response")


def reset_by_us():
    with dial() as s:
        s.sendall(head("byus", "silent"))
        time.sleep(0.05)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tell("byus", status=None, resp=None, error="no_response")


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
simple("close", None, status=None, resp=None, error="connection_closed")
simple("reset", None, status=None, resp=None, error="ECONNRESET")
simple("cut", None, status=200, resp=50, error="connection_closed")
one_byte()
pipelined()
expect()
chunked_both_ways()
chunked_with_extras()
pipelined_16()
early()
refused_body("refused", sent=b"z" * 70)
refused_body("refused-expect", b"Expect: 100-continue\r\n")
impatient_expect()
half_closed()
keep_alive_timeout()
for how in ("fin", "rst"):
    aborted("gone-" + how, b"Content-Length: 1000\r\n", b"a" * 500, 500, how == "rst")
    aborted("gone-chunk-" + how, b"Transfer-Encoding: chunked\r\n", b"6\r\nwhole.\r\n10\r\nhalf", None,
            how == "rst")
upgrade()
silent()
reset_by_us()
refused()
print("done", flush=True)
time.sleep(60)
