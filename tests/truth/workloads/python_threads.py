# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The truth workload as a WSGI application, for gunicorn's threads and gevent. HOW: inline (calls in
the request's thread), thread (one for each call), pool (an executor of $POOL threads), mpool (a
multiprocessing.pool.ThreadPool), queue (threads with a queue.Queue, which the first requests make),
context (in a copy of the thread's context)."""
import concurrent.futures
import contextvars
import multiprocessing.pool
import queue
import threading

import truth_work as work

EXECUTOR = concurrent.futures.ThreadPoolExecutor(work.POOL) if work.HOW == "pool" else None


def start_thread(ident):
    t = threading.Thread(target=work.blocking, args=(ident,))
    t.start()
    return t.join


def start_task(ident):
    return EXECUTOR.submit(work.blocking, ident).result


MPOOL = multiprocessing.pool.ThreadPool(work.POOL) if work.HOW == "mpool" else None
QUEUE = queue.Queue()
made = []


def start_pooled(ident):
    return MPOOL.apply_async(work.blocking, (ident,)).get


def take():
    while True:
        ident, done = QUEUE.get()
        work.blocking(ident)
        done.set()


def start_queued(ident):
    if len(made) < work.POOL:
        made.append(threading.Thread(target=take, daemon=True))
        made[-1].start()
    done = threading.Event()
    QUEUE.put((ident, done))
    return done.wait


def start_in_context(ident):
    contextvars.copy_context().run(work.blocking, ident)
    return lambda: None


def app(environ, start_response):
    ident, calls, par = work.plan(environ["PATH_INFO"], environ["QUERY_STRING"])
    start = {"inline": None, "thread": start_thread, "pool": start_task, "mpool": start_pooled,
             "queue": start_queued, "context": start_in_context}[work.HOW]
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
