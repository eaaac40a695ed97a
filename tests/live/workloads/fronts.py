# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Calls to $PORT by plain sockets, each on a connection of its own that begins in an unusual way: fronts.py KIND.
fast, fast-later: the request goes with the SYN, later: without waiting; proxy1, proxy2: behind a header of the
PROXY protocol, with it in one segment or not; mptcp."""
import os
import select
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import work  # noqa: E402

TO = ("127.0.0.1", int(os.environ["PORT"]))
PROXY = {"proxy1": b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 80\r\n",
         "proxy2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(range(12))}
IPPROTO_MPTCP = 262


def start(kind, i, request):
    if kind == "mptcp":
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        s.connect(TO)
        s.sendall(request)
    elif kind.startswith("fast"):
        s = socket.socket()
        s.setblocking(kind == "fast")
        try:
            s.sendto(request, socket.MSG_FASTOPEN, TO)
        except BlockingIOError:  # no cookie yet: a connect like any other
            select.select([], [s], [])
            s.sendall(request)
        s.setblocking(True)
    else:
        s = socket.create_connection(TO)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if i % 2:
            s.sendall(PROXY[kind] + request)
        else:
            s.sendall(PROXY[kind])
            time.sleep(0.01)
            s.sendall(request)
    return s


for n in range(8):
    ident = "%s-%d" % (sys.argv[1], n)
    head = "POST /w/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody" % ident
    with start(sys.argv[1], n, head.encode()) as conn:
        answer = b""
        while not answer.endswith(b"ok"):
            answer += conn.recv(1000)
    work.called(ident, "POST", 4, 200, 2)
