# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A relay of bytes from $PORT to $DOWN that knows no protocol: relay.py copy|splice. A thread per direction."""
import os
import socket
import sys
import threading


def copy(a, b):
    while True:
        got = a.recv(65536)
        if not got:
            return
        b.sendall(got)


def splice(a, b):
    """through a pipe, without ever seeing them"""
    out, into = os.pipe()
    while True:
        n = os.splice(a.fileno(), into, 65536)
        if not n:
            return
        while n:
            n -= os.splice(out, b.fileno(), n)


def one_way(a, b):
    try:
        WAYS[sys.argv[1]](a, b)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(front):
    with front, socket.create_connection(("127.0.0.1", int(os.environ["DOWN"]))) as back:
        for s in (front, back):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = threading.Thread(target=one_way, args=(back, front))
        answers.start()
        one_way(front, back)
        answers.join()


WAYS = {"copy": copy, "splice": splice}
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
