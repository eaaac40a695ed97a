# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""How the programs of the truth bench are started: each function gives a start(run, down)."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import live
import webservers
from measure import HERE
from tool import suite

BUILT = os.path.join(suite.BUILD, "truth")
WORKLOADS = os.path.join(HERE, "workloads")
BG = "7"


# --- what is called ---------------------------------------------------------------------------------

def backend(run):
    return run.server("backend", [sys.executable, os.path.join(HERE, "backend.py")])


def go_backend(serve):
    return lambda run: run.server("backend", [os.path.join(BUILT, "go/truth")],
                                  env={"SERVE": serve})


def redis(run):
    port = live.free_port()
    return run.server("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                                "--save", ""], port=port)


def postgres(run):
    """As a user of its own, in a folder that this user can reach."""
    port, folder = live.free_port(), tempfile.mkdtemp(prefix="truth-postgres-")
    run.at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    shutil.chown(folder, "postgres", "postgres")
    bin_dir = max(glob.glob("/usr/lib/postgresql/*/bin"))
    user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    subprocess.run(user + [bin_dir + "/initdb", "-D", folder, "-A", "trust", "-U", "truth", "-N"],
                   check=True, stdout=subprocess.DEVNULL, cwd="/")
    return run.server("postgres", user + [
        bin_dir + "/postgres", "-D", folder, "-p", str(port), "-k", folder, "-c", "fsync=off", "-c",
        "listen_addresses=127.0.0.1", "-c", "max_connections=150"], port=port, cwd="/")


# --- the programs of workloads/ -----------------------------------------------------------------------


def settings(how, pool):
    return {"HOW": how, "POOL": str(pool), "BG": BG}


def node(version, how, pool=100):
    binary = "node" if version == "own" else os.path.join(
        BUILT, "node/node_modules/node%s/bin/node" % version)

    def start(run, down):
        env = dict(settings(how, pool), NODE_PATH=os.path.join(BUILT, "node/node_modules"))
        return run.server("node", [binary, os.path.join(WORKLOADS, "node.js")], down, env)
    return start


def python(version, argv, how, pool=100):
    argv = [os.path.join(BUILT, "python-%s/bin/python3" % version)] + argv

    def start(run, down):
        return run.server("python", argv, down, settings(how, pool), cwd=WORKLOADS)
    return start


def loop(version, server, kind, how, pool=100):
    return python(version, ["python_async.py", server, kind], how, pool)


def edges(version, kind, how, pool=100):
    return python(version, ["python_edges.py", kind], how, pool)


def gunicorn(version, worker, how, pool=100):
    return python(version, ["-m", "gunicorn", "-k", worker, "--threads", "40", "--keep-alive", "30",
                            "--backlog", "1024", "-b", "127.0.0.1:{port}", "python_threads:app"],
                  how, pool)


def workers(master):
    live.wait_for("workers", lambda: live.children(master.pid))
    return live.children(master.pid)


def go(how, pool=100, serve="h1", binary="truth"):
    """Requests of other protocols than HTTP/1 come through a relay in front, which is not traced."""
    path = os.path.join(BUILT, "go", binary)

    def start(run, down):
        p = run.server("go", [path], down, dict(settings(how, pool), SERVE=serve))
        if serve != "h1":
            p.port = run.server("relay", [path], p, {"HOW": serve, "RELAY": "1"}).port
        return p
    return start


def java(how, pool=64, server="jdk"):
    classes = "%s/java/classes:%s/java/lib/*" % (BUILT, BUILT)

    def start(run, down):
        return run.server("java", ["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", classes,
                                   "Truth"], down, dict(settings(how, pool), SERVER=server), limit=60)
    return start


def ruby(how):
    return lambda run, down: run.server("puma", [
        "puma", "-q", "-t", "40:40", "-b", "tcp://127.0.0.1:{port}",
        os.path.join(WORKLOADS, "ruby.ru")], down, settings(how, 100))


def built(name, how, pool=100):
    """A program of C or Rust."""
    return lambda run, down: run.server(os.path.basename(name), [os.path.join(BUILT, name)], down,
                                        settings(how, pool))


# --- servers with a configuration ---------------------------------------------------------------------

def written(run, name, text):
    path = run.path(name)
    with open(path, "w") as f:
        f.write(text)
    return path


def log_of(p, path, translate=lambda t: [t]):
    """The truth in a log of JSON lines."""
    p.truth = lambda: [t for line in live.check.load_truth(path) for t in translate(line)]


def truth_file(run):
    """Where a server writes that runs as another user."""
    path = written(run, "truth.log", "")
    os.chmod(path, 0o666)
    return path


def proxied(t):
    """The line of a proxy as a request and its call."""
    t = {"id": t["id"], "pid": t["pid"], "method": "GET", "req": 0, "status": t["status"]}
    return [dict(t, side="server"), dict(t, side="client", id=t["id"] + ".0")]


def haproxy(run, down):
    port = live.free_port()
    conf = written(run, "haproxy.cfg", """
global
    log stdout format raw local0
    nbthread 2
    maxconn 2000
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    log global
frontend front
    bind 127.0.0.1:%d
    http-request set-var(txn.id) path,field(3,/)
    http-request set-path /w/%%[var(txn.id)].0
    log-format '{"id": "%%[var(txn.id)]", "pid": %%pid, "status": %%ST}'
    default_backend back
backend back
    http-reuse always
    option httpchk GET /w/check
    timeout check 10s
    server down 127.0.0.1:%d check inter 7ms fall 1000
""" % (port, down.port))
    p = run.server("haproxy", ["haproxy", "-db", "-f", conf], port=port)
    log_of(p, p.out, lambda t: proxied(t) if t["id"] not in ("", "-") else [])
    return p


def apache(run, children, mpm, more, **kw):
    p = webservers.apache(run, mpm, more, **kw)
    live.wait_for("apache's children", lambda: len(live.children(p.pid)) >= children)
    return p


def apache_proxy(run, down):
    return apache(run, 1, "event", """
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
LoadModule proxy_module {lib}/mod_proxy.so
LoadModule proxy_http_module {lib}/mod_proxy_http.so
LoadModule rewrite_module {lib}/mod_rewrite.so
<Proxy "http://127.0.0.1:{down}">
    ProxySet keepalive=On
</Proxy>
RewriteEngine On
RewriteRule "^/w/([^/]*)$" "http://127.0.0.1:{down}/w/$1.p" [P]
""".format(down=down.port, lib=webservers.MODULES), call=".p")


def apache_php(run, down):
    log = truth_file(run)
    return apache(run, 40, "prefork", """
StartServers 40
MinSpareServers 1
MaxSpareServers 40
MaxRequestWorkers 40
LoadModule php_module {lib}/libphp{php}.so
LoadModule env_module {lib}/mod_env.so
LoadModule alias_module {lib}/mod_alias.so
SetEnv DOWN {down}
SetEnv TRUTH {log}
AliasMatch "^/w/" "{script}"
<Location "/">
    Require all granted
    SetHandler application/x-httpd-php
</Location>
""".format(down=down.port, log=log, script=os.path.join(WORKLOADS, "php.php"), php=php_version(),
           lib=webservers.MODULES), truth=lambda: live.check.load_truth(log))


def php_version():
    return max(glob.glob("/usr/sbin/php-fpm*")).rpartition("fpm")[2]


def php_fpm(run, down):
    """nginx in front; traced are its worker and those of FPM."""
    log, socket = truth_file(run), run.path("fpm.sock")
    conf = written(run, "fpm.conf", """
[global]
error_log = /dev/stderr
daemonize = no
[www]
user = root
group = root
listen = %s
listen.mode = 0666
listen.backlog = 1024
pm = static
pm.max_children = 8
""" % socket)
    fpm = live.Proc(run, "fpm", ["php-fpm" + php_version(), "-R", "-y", conf, "-n", "-d",
                                 "extension=curl.so"])
    live.wait_for("FPM", lambda: os.path.exists(socket) and len(live.children(fpm.pid)) == 8)
    p = run.nginx(location="""location ~ ^/w/(?<id>[^/]*)$ {
            fastcgi_pass unix:%s;
            fastcgi_param SCRIPT_FILENAME %s;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param DOWN %d;
            fastcgi_param TRUTH %s;
    }""" % (socket, os.path.join(WORKLOADS, "php.php"), down.port, log))
    nginx = p.truth

    def truth():
        called = [dict(t, side="client", cause=t["id"], system="FastCGI") for t in nginx()]
        return nginx() + called + live.check.load_truth(log)
    p.truth = truth
    p.workers += live.children(fpm.pid)
    return p
