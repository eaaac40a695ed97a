# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""http.server with a thread per connection. /w/ID?n=N&size=S makes N calls to $DOWN (a port), one
after the other, as /w/ID.<i> with the same query, then answers S bytes. Prints its truth."""
import http.client
import http.server
import os
import socket
import sys
import threading

import work

LOCAL = threading.local()


def connection():
    if not hasattr(LOCAL, "conn"):
        LOCAL.conn = http.client.HTTPConnection("127.0.0.1", int(os.environ["DOWN"]))
    return LOCAL.conn


def call(method, path, body):
    conn = connection()
    conn.request(method, path, body=body)
    answer = conn.getresponse()
    return answer.status, len(answer.read())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        answer = work.do(self.command, self.path, body, call)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = serve

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


class UnixHandler(Handler):
    disable_nagle_algorithm = False


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0

    def get_request(self):
        conn, _ = self.socket.accept()
        return conn, ("unix", 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server = UnixServer(sys.argv[1], UnixHandler)
    else:
        server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    print("listening", flush=True)
    server.serve_forever()
