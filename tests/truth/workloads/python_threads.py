# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The truth workload as a WSGI application, for gunicorn's threads and gevent. HOW: inline (calls in
the request's thread), thread (one for each call), pool (an executor of $POOL threads)."""
import concurrent.futures
import threading

import truth_work as work

EXECUTOR = concurrent.futures.ThreadPoolExecutor(work.POOL) if work.HOW == "pool" else None


def start_thread(ident):
    t = threading.Thread(target=work.blocking, args=(ident,))
    t.start()
    return t.join


def start_task(ident):
    return EXECUTOR.submit(work.blocking, ident).result


def app(environ, start_response):
    ident, calls, par = work.plan(environ["PATH_INFO"], environ["QUERY_STRING"])
    start = {"inline": None, "thread": start_thread, "pool": start_task}[work.HOW]
    if not start:
        for one in calls:
            work.blocking(one)
    elif par:
        for end in [start(one) for one in calls]:
            end()
    else:
        for one in calls:
            start(one)()
    work.served(ident)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


if work.EVERY:
    threading.Thread(target=work.background, daemon=True).start()
