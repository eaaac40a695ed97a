# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The Python workload as a WSGI application (gunicorn threads)."""
import pyserver
import work


def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    path = environ["PATH_INFO"]
    if environ.get("QUERY_STRING"):
        path += "?" + environ["QUERY_STRING"]
    answer = work.do(environ["REQUEST_METHOD"], path, body, pyserver.call)
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
