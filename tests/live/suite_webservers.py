# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""nginx, Apache and PHP as they are run: at speed, with a connection per request, with workers that come and
go. Requests = spans, calls = spans."""
import os
import time

import live
import webservers
from live import NEEDS, Agent, Run
from tool.suite import test


def rate_of(spans):
    return len(spans) / ((max(s.end for s in spans) - min(s.start for s in spans)) / 1e9)


def pids(*numbers):
    return [x for n in numbers for x in ("--pid", n)]


@test("live/nginx_rate", NEEDS + ("nginx",), alone=True)
def nginx_rate():
    """20,000 requests/s, if the machine carries them."""
    with Run("nginx_rate") as run:
        server = run.nginx(workers=2)
        agent = Agent(run, *pids(*server.workers))
        run.load(server.port, "-c", 16, "-n", 2500, "-r", 20000)
        time.sleep(0.2)
        agent.end()
        spans = agent.check(server.truth())
        assert len(spans) == 40000
        print("%.0f requests/s" % rate_of(spans))


@test("live/nginx_churn", NEEDS + ("nginx",))
def nginx_churn():
    """A connection per request, to nginx and from it to the server behind."""
    with Run("nginx_churn") as run:
        down = run.epoll_server()
        server = run.nginx(down=down, workers=2, more="proxy_buffering off; "
                           "proxy_set_header Connection close;")
        agent = Agent(run, *pids(down.pid, *server.workers))
        run.load(server.port, "-C", "-c", 8, "-n", 100)
        time.sleep(0.2)
        agent.end()
        spans = agent.check(server.truth() + down.truth(), lost=("payload.unseen",))
        assert len(spans) == 3 * 800
        print("%.0f spans/s" % rate_of(spans))


@test("live/apache_php", NEEDS + ("Apache", "Apache's PHP"))
def apache_php():
    """prefork with PHP in it; children end after 20 connections and others take their place."""
    with Run("apache_php") as run:
        down = run.epoll_server()
        server = webservers.apache_php(run, down, requests=20)
        agent = Agent(run, "--follow-children", *pids(server.pid, down.pid))
        run.load(server.port, "-C", "-c", 4, "-n", 60, "-q", "n=2", "-i", "churn")
        run.load(server.port, "-c", 3, "-n", 40, "-m", "POST", "-b", 3000, "-q", "size=20000",
                 "-i", "keep", name="keep")
        time.sleep(0.2)
        agent.end()
        truth = server.truth()
        workers = {t["pid"] for t in truth if t["side"] == "server"}
        assert len([t for t in truth if t["side"] == "server"]) == 360
        assert len(workers) > 8, "only %d workers served" % len(workers)
        agent.check(truth + down.truth())


@test("live/apache_proxy", NEEDS + ("Apache",))
def apache_proxy():
    """event: threads that share their connections to the server behind."""
    with Run("apache_proxy") as run:
        down = run.epoll_server()
        server = webservers.apache_proxy(run, down)
        agent = Agent(run, "--follow-children", *pids(server.pid, down.pid))
        run.load(server.port, "-c", 16, "-n", 100, "-i", "keep")
        run.load(server.port, "-C", "-c", 8, "-n", 60, "-m", "POST", "-b", 5000, "-q",
                 "size=20000", "-r", 1500, "-i", "churn", name="churn")
        time.sleep(0.2)
        agent.end()
        truth = server.truth()
        assert len(truth) == 2 * (1600 + 480)
        agent.check(truth + down.truth(), parents="no-wrong")


@test("live/apache_files", NEEDS + ("Apache",))
def apache_files():
    """Files that it maps into memory: read as they pass."""
    with Run("apache_files") as run:
        server = webservers.apache_proxy(run, None, static=True)
        for n, size in (("0", 100), ("1", 5000), ("2", 300000), ("3", 8 << 20)):
            with open(server.prefix + "/www/w/f-0-" + n, "wb") as f:
                f.write(b"z" * size)
        agent = Agent(run, "--follow-children", "--pid", server.pid)
        run.load(server.port, "-n", 4, "-i", "f")
        agent.end()
        agent.check(server.truth())


@test("live/php_fpm", NEEDS + ("nginx", "PHP-FPM"))
def php_fpm():
    """nginx, PHP-FPM behind it by FastCGI, and a server that PHP calls."""
    with Run("php_fpm") as run:
        down = run.epoll_server()
        server = webservers.PhpBehindNginx(run, down)
        agent = Agent(run, *pids(down.pid, *server.pids))
        run.load(server.port, "-c", 8, "-n", 200, "-i", "keep")
        run.load(server.port, "-C", "-c", 4, "-n", 50, "-m", "POST", "-b", 3000, "-q",
                 "n=3&size=12000", "-i", "churn", name="churn")
        time.sleep(0.2)
        agent.end()
        truth = server.truth()
        assert len(truth) == 1600 * 4 + 200 * 6
        spans = agent.check(truth + down.truth(), parents="no-wrong")
        print("%.0f spans/s" % rate_of(spans))
