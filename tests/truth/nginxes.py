# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""nginx in its ways of making several calls for a request, and calls of its own."""
import os

import live
import programs

MODULES = "/usr/lib/nginx/modules/"
LUA = os.path.join(programs.WORKLOADS, "nginx.lua")
PATTERN = r"location ~ ^/w/(?<id>[^/]*)$"


def calling(location, calls, **kw):
    """Makes calls to /w/ID.0, ID.1, ... of the upstream `up`, as the location says."""
    def start(run, down):
        p = run.nginx(down=down, location=location, **kw)
        requests = p.truth
        p.truth = lambda: [x for t in requests() for x in [t] + [
            dict(t, side="client", id="%s.%d" % (t["id"], n)) for n in range(calls)]]
        return p
    return start


def sub(name, path):
    """A location that only sub-requests reach."""
    return """location %s { internal; proxy_pass http://up/w/%s; proxy_http_version 1.1;
        proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_set_header Connection ""; }""" % (name, path)


MAIN = 'proxy_pass http://up/w/%s; proxy_http_version 1.1; proxy_set_header Connection "";'

mirror = calling("%s { mirror /mirror; %s }\n%s" % (
    PATTERN, MAIN % "$id.0", sub("= /mirror", "$id.1")), 2)
auth_request = calling("%s { auth_request /auth; %s }\n%s" % (
    PATTERN, MAIN % "$id.1", sub("= /auth", "$id.0")), 2)


def ssi(before="", wait='wait="yes" '):
    """A page with three parts to include. Its length is told for the sake of the client, which
    knows no chunks; nginx closes the connection then."""
    text = before + "".join('<!--# include virtual="/s/$id.%d" %s-->' % (n, wait)
                            for n in range(3))
    return calling("""%s { ssi on; ssi_types *; chunked_transfer_encoding off;
        add_header Content-Length %d; return 200 '%s'; }
        %s""" % (PATTERN, len(before) + 6, text, sub("~ ^/s/(?<called>.*)$", "$called")), 3)


ssi_seq, ssi_par = ssi(), ssi(wait="")
ssi_late = ssi("x" * 3000)  # is on its way before the calls are made


def lua(how, pool=64):
    """Calls of a script over sockets of its own, and others that its timer makes."""
    def start(run, down):
        log = programs.truth_file(run)
        settings = {"how": how, "pool": pool, "down": down.port, "log": log, "bg": programs.BG}
        says = " ".join("%s = %r," % (k, v) for k, v in settings.items())
        p = run.nginx(
            top="load_module %sndk_http_module.so; load_module %sngx_http_lua_module.so;" % (
                MODULES, MODULES),
            shared="""lua_code_cache on; lua_max_running_timers 64; lua_max_pending_timers 64;
                lua_package_path "/usr/share/lua/5.1/?.lua;;";
                init_by_lua_block { work = dofile(%r); work.set { %s } }
                init_worker_by_lua_block { work.background() }""" % (LUA, says),
            location=PATTERN + " { content_by_lua_block { work.serve(ngx.var.id) } }")
        p.truth = lambda: live.check.load_truth(log)
        return p
    return start
