# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One connection to the Redis on $PORT that always has 8 commands under way, until SIGUSR1; then, after
a pause, 20 more, each awaited. Every other command fails, so that a reply taken for another's shows.
Truth: how many of each were sent after the pause."""
import json
import os
import signal
import socket
import time

WINDOW = 8


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x) for x in words)


def take_lines(n):
    """Every reply is one line here."""
    global rest
    while rest.count(b"\r\n") < n:
        more = s.recv(65536)
        assert more
        rest += more
    for _ in range(n):
        line, _, rest = rest.partition(b"\r\n")
        assert line[:1] in b":-", line
    return n


s, rest = socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))), b""
good, bad = command(b"INCR", b"good"), command(b"LPUSH", b"good", b"x")
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
s.sendall((good + bad) * (WINDOW // 2))
print("running", flush=True)
while not told:
    take_lines(2)
    s.sendall(good + bad)
    time.sleep(0.0002)  # leave the agent some of a small machine
take_lines(WINDOW)
time.sleep(0.1)
for _ in range(10):
    for each in good, bad:
        s.sendall(each)
        take_lines(1)
print(json.dumps({"INCR": 10, "LPUSH": 10}), flush=True)
