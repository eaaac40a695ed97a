# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A server on $PORT (or the Unix socket of that name) whose sockets go unusual ways; prints its truth.
  sockets.py MODE
Each mode is a function below. Every process that serves a request tells of it with its own number."""
import array
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import rough  # noqa: E402
import work  # noqa: E402

PORT = os.environ["PORT"]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def listen(reuse_port=False, family=socket.AF_INET, protocol=0):
    if not PORT.isdigit():
        s = socket.socket(socket.AF_UNIX)
        s.bind(PORT.replace("@", "\0", 1))
    else:
        s = socket.socket(family, socket.SOCK_STREAM, protocol)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("127.0.0.1" if family == socket.AF_INET else "", int(PORT)))
    s.listen(512)
    return s


def take(listener):
    conn, _ = listener.accept()
    if conn.family != socket.AF_UNIX:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return conn


class Talk:
    """Requests of one connection."""

    def __init__(self, conn, buf=b""):
        self.conn, self.reader = conn, rough.Reader(conn)
        self.reader.buf = buf

    def read(self):
        head = self.reader.until(b"\r\n\r\n")
        words = head.split(b" ")
        return words[0].decode(), words[1].decode(), rough.body(self.reader, head)

    def answer(self, request, conn=None, pid=None):
        """pid: of the reader, whose request it is"""
        method, path, n = request
        ident = work.plan(path)[0]
        (conn or self.conn).sendall(ANSWER)
        if ident:
            work.tell(side="server", id=ident, method=method, req=n, resp=2, status=200,
                      pid=pid or os.getpid())

    def all(self):
        try:
            while True:
                self.answer(self.read())
        except (EOFError, OSError):
            self.conn.close()


def child(run, *args):
    """A process that does run(*args)."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    run(*args)
    os._exit(0)


def thread(run, *args):
    threading.Thread(target=run, args=args, daemon=True).start()


# --- modes ----------------------------------------------------------------------------------------

def plain():
    """a thread per connection"""
    listener = listen()
    while True:
        thread(Talk(take(listener)).all)


def fast():
    """takes requests with the SYN"""
    listener = listen()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    while True:
        thread(Talk(take(listener)).all)


def proxied():
    """behind a load balancer that speaks the PROXY protocol"""
    def serve(conn):
        talk = Talk(conn)
        if talk.reader.exactly(6) == b"PROXY ":
            talk.reader.until(b"\r\n")
        else:
            talk.reader.exactly(22)
        talk.all()
    listener = listen()
    while True:
        thread(serve, take(listener))


def mptcp():
    listener = listen(protocol=262)
    while True:
        thread(Talk(take(listener)).all)


def dup():
    """read through one descriptor, written through another, new ones for every request"""
    def serve(conn):
        talk = Talk(conn)
        try:
            while True:
                old, talk.conn = talk.conn, talk.conn.dup()
                talk.reader.conn = talk.conn
                old.close()
                request = talk.read()
                with talk.conn.dup() as other:
                    talk.answer(request, other)
        except (EOFError, OSError):
            talk.conn.close()
    listener = listen()
    while True:
        thread(serve, take(listener))


def forked():
    """accepted in the parent, served in a child of its own"""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = listen()
    while True:
        conn = take(listener)
        child(Talk(conn).all)
        conn.close()


def prefork():
    """workers that come later, all of them waiting in accept()"""
    listener = listen()

    def worker():
        while True:
            Talk(take(listener)).all()
    for _ in range(4):
        child(worker)
    signal.pause()


def reuseport():
    """a listener for each of four workers"""
    def worker(listener):
        while True:
            thread(Talk(take(listener)).all)
    first = listen(reuse_port=True)
    for _ in range(3):
        child(worker, listen(reuse_port=True))
    worker(first)


def mapped():
    """a listener for both families"""
    listener = listen(family=socket.AF_INET6)
    while True:
        thread(Talk(take(listener)).all)


def send_fd(channel, fd, text):
    channel.sendmsg([text or b"-"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def receive_fd(channel):
    text, rights, _, _ = channel.recvmsg(65536, socket.CMSG_SPACE(4))
    if not rights:
        return None, None
    return socket.socket(fileno=array.array("i", rights[0][2][:4])[0]), text


def passed(first_here=False):
    """sent to a worker over SCM_RIGHTS before a byte was read"""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def worker():
        ours.close()
        while True:
            conn, _ = receive_fd(theirs)
            if conn is None:
                return
            thread(Talk(conn).all)
    child(worker)
    theirs.close()
    listener = listen()
    while True:
        conn = take(listener)
        if first_here:
            talk = Talk(conn)
            try:
                talk.answer(talk.read())
            except (EOFError, OSError):
                conn.close()
                continue
        send_fd(ours, conn.fileno(), b"")
        conn.close()


def passed_later():
    """likewise, after the first request was served here"""
    passed(first_here=True)


def two_hands():
    """two processes share each connection: one reads, the other one writes the answer"""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = listen()

    def writer(conn, orders):
        for line in os.fdopen(orders):
            method, path, n = line.split()
            Talk(conn).answer((method, path, int(n)), pid=os.getppid())

    def serve(conn):
        theirs, ours = os.pipe()
        if not os.fork():
            os.close(ours)
            writer(conn, theirs)
            os._exit(0)
        os.close(theirs)
        talk = Talk(conn)
        try:
            while True:
                os.write(ours, ("%s %s %d\n" % talk.read()).encode())
        except (EOFError, OSError):
            os._exit(0)
    while True:
        conn = take(listener)
        child(serve, conn)
        conn.close()


def inetd():
    """each connection becomes descriptor 0 of a program of its own"""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = listen()

    def run(conn):
        os.dup2(conn.fileno(), 0)
        os.execv(sys.executable, [sys.executable, os.path.realpath(__file__), "stdin"])
    while True:
        conn = take(listener)
        child(run, conn)
        conn.close()


def stdin():
    Talk(socket.socket(fileno=0)).all()


def other_thread():
    """one thread reads all connections, others answer"""
    import queue
    work_to_do = queue.Queue()

    def worker():
        while True:
            talk, request = work_to_do.get()
            talk.answer(request)

    def reader(conn):
        talk = Talk(conn)
        try:
            while True:
                work_to_do.put((talk, talk.read()))
        except (EOFError, OSError):
            pass
    for _ in range(4):
        thread(worker)
    listener = listen()
    while True:
        thread(reader, take(listener))


def forker():
    """children, one after the other; when $GO exists each makes one call to $PORT"""
    def caller(i):
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.02)
        with socket.create_connection(("127.0.0.1", int(PORT))) as s:
            s.sendall(b"GET /w/fork-%d HTTP/1.1\r\nHost: x\r\n\r\n" % i)
            assert s.recv(100).endswith(b"ok")
        work.called("fork-%d" % i, "GET", 0, 200, 2)
    for i in range(int(os.environ["COUNT"])):
        child(caller, i)
        time.sleep(0.002)
    print("forked", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    print("started", flush=True)
    globals()[sys.argv[1]]()
