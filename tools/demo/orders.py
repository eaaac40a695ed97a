#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Orders of the demo shop: a thread per connection, keep-alive calls to the catalog; no tracing."""
import http.client
import http.server
import os
import queue
import time

CATALOG = int(os.environ["CATALOG_PORT"])
idle = queue.SimpleQueue()  # connections to the catalog that wait for their next call


def call_catalog(path):
    try:
        connection = idle.get_nowait()
    except queue.Empty:
        connection = http.client.HTTPConnection("127.0.0.1", CATALOG, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    idle.put(connection)
    return response.status, body


class Orders(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # head and body are two writes: with Nagle's algorithm the second waits 40 ms for a delayed ACK
    disable_nagle_algorithm = True

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # /discount/ITEM: a leaf
        time.sleep(0.003)
        self.answer(200, b'{"percent": 10}')

    def do_POST(self):  # /orders/ITEM: stock, then price, then the order is written
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        item = self.path.rsplit("/", 1)[-1]
        status, body = call_catalog(f"/stock/{item}")
        if status == 200:
            status, body = call_catalog(f"/items/{item}")
        if status != 200:
            self.answer(status, body)
            return
        time.sleep(0.005)
        self.answer(201, body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["ORDERS_PORT"])), Orders).serve_forever()
