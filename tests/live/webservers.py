# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Apache (Debian's) and PHP-FPM, with configurations of their own; their truth."""
import glob
import os

import live
from tool import check

MODULES = "/usr/lib/apache2/modules"

# /w/ID?n=N&size=S like work.py: N calls to the port in $DOWN, then an answer of S bytes
PHP = r"""<?php
function tell($t) {
    file_put_contents("%(truth)s", json_encode($t + ["pid" => getmypid()]) . "\n", FILE_APPEND);
}
$id = explode("/", strtok($_SERVER["REQUEST_URI"], "?"))[2];
$body = file_get_contents("php://input");
$method = $_SERVER["REQUEST_METHOD"];
for ($i = 0; $i < intval($_GET["n"] ?? "1"); $i++) {
    $http = ["method" => $method, "protocol_version" => 1.1, "header" => ["Connection: close"]];
    if ($body !== "") {
        $http["content"] = $body;
        $http["header"][] = "Content-Type: text/plain";
    }
    $got = file_get_contents("http://127.0.0.1:%(down)d/w/$id.$i?size=" . ($_GET["size"] ?? 2), false,
                             stream_context_create(["http" => $http]));
    tell(["side" => "client", "id" => "$id.$i", "method" => $method, "req" => strlen($body),
          "resp" => strlen($got), "status" => intval(explode(" ", $http_response_header[0])[1])]);
}
$answer = str_repeat("x", intval($_GET["size"] ?? "2"));
header("Content-Length: " . strlen($answer));
echo $answer;
%(served)s
"""
SERVED = r"""tell(["side" => "server", "id" => $id, "method" => $method, "req" => strlen($body),
      "resp" => strlen($answer), "status" => 200]);"""



def php_fpm():
    found = glob.glob("/usr/sbin/php-fpm*")
    return found[0] if found else None


def folder(run, name):
    prefix = run.path(name)
    for path in (prefix, prefix + "/www/w"):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o777)
    return prefix


def php_script(prefix, down, served):
    truth = prefix + "/truth.php.log"
    with open(truth, "w"):
        os.chmod(truth, 0o666)
    with open(prefix + "/www/index.php", "w") as f:
        f.write(PHP % {"truth": truth, "down": down.port, "served": served})
    return truth


def log_truth(path):
    """An access log as truth: of requests and, where there is an `up`, of the calls."""
    out = []
    for t in check.load_truth(path):
        call = t.pop("call", "")
        if not t["id"] or t["id"] == "-":
            continue
        out.append(t)
        if call:
            out.append(dict(t, side="client", id=t["id"] + call))
    return out


APACHE = """
ServerRoot "{prefix}"
ServerName localhost
PidFile "{prefix}/pid"
Listen 127.0.0.1:{port}
ListenBacklog 2048
User www-data
Group www-data
ErrorLog "{prefix}/error.log"
DocumentRoot "{prefix}/www"
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule setenvif_module {modules}/mod_setenvif.so
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
SetEnvIf Request_URI "^/w/([^/?]+)" id=$1
SetEnvIf Content-Length "^([0-9]+)$" length=$1
LogFormat "{{\\"side\\": \\"server\\", \\"id\\": \\"%{{id}}e\\", \\"pid\\": %P, \\"method\\": \\"%m\\", \\"status\\": %>s, \\"resp\\": %B, \\"call\\": \\"{call}\\"}}" truth
CustomLog "{prefix}/truth.log" truth
{more}
"""


def apache(run, mpm, more, call="", name="apache", truth=None):
    port, prefix = live.free_port(), folder(run, name)
    conf = os.path.join(prefix, "apache.conf")
    with open(conf, "w") as f:
        f.write(APACHE.format(prefix=prefix, port=port, mpm=mpm, modules=MODULES, more=more,
                              call=call))
    # it ends its whole process group, which must not be the test's; it still ends with the test
    p = live.Proc(run, name, ["setpriv", "--pdeathsig", "TERM", "setsid", "apache2", "-f", conf, "-D",
                              "FOREGROUND"])
    live.wait_for("apache", lambda: p.alive() and live.answers(port))
    p.port, p.prefix = port, prefix
    p.truth = truth or (lambda: log_truth(prefix + "/truth.log"))
    return p


def apache_php(run, down, children=4, requests=0):
    """prefork with PHP inside; a child ends after `requests` connections (0: never)"""
    prefix = folder(run, "apache")
    truth = php_script(prefix, down, SERVED)
    php = glob.glob(MODULES + "/libphp*.so")[0]
    more = """
StartServers {n}
MinSpareServers {n}
MaxSpareServers {n}
MaxRequestWorkers 64
MaxConnectionsPerChild {requests}
LoadModule php_module {php}
LoadModule rewrite_module {modules}/mod_rewrite.so
<Directory "{prefix}/www">
    Require all granted
    SetHandler application/x-httpd-php
</Directory>
RewriteEngine On
RewriteRule ^/w/ "{prefix}/www/index.php" [L]
""".format(n=children, requests=requests, php=php, modules=MODULES, prefix=prefix)
    return apache(run, "prefork", more, truth=lambda: check.load_truth(truth))


def apache_proxy(run, down, static=False):
    """event: in front of `down`, with connections that it keeps; or files, for which it uses mmap"""
    prefix = folder(run, "apache")
    more = """
StartServers 2
ThreadsPerChild 32
MaxRequestWorkers 128
LoadModule rewrite_module {modules}/mod_rewrite.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
<Directory "{prefix}/www">
    Require all granted
</Directory>
EnableMMAP On
EnableSendfile Off
""".format(modules=MODULES, prefix=prefix)
    if not static:
        more += """
<Proxy "http://127.0.0.1:{down}">
    ProxySet keepalive=On
</Proxy>
RewriteEngine On
RewriteRule "^/w/([^/]*)$" "http://127.0.0.1:{down}/w/$1.p" [P]
""".format(down=down.port)
    return apache(run, "event", more, call="" if static else ".p")


FPM = """
[global]
error_log = {prefix}/error.log
daemonize = no
[www]
user = www-data
group = www-data
listen = {prefix}/socket
listen.mode = 0666
listen.backlog = 1024
pm = static
pm.max_children = {children}
catch_workers_output = yes
"""


class PhpBehindNginx:
    """nginx, which tells of the requests and of what it asked PHP-FPM, which tells of both its sides."""

    def __init__(self, run, down, children=4):
        prefix = folder(run, "fpm")
        self.truth_path = php_script(prefix, down, SERVED)
        conf = prefix + "/fpm.conf"
        with open(conf, "w") as f:
            f.write(FPM.format(prefix=prefix, children=children))
        self.fpm = live.Proc(run, "fpm", [php_fpm(), "-F", "-y", conf])
        live.wait_for("PHP-FPM", lambda: self.fpm.alive() and os.path.exists(prefix + "/socket") and
                      len(live.children(self.fpm.pid)) == children)
        self.nginx = run.nginx(location="""location ~ ^/w/(?<id>[^/]*)$ {
            set $call $id.f;
            fastcgi_pass unix:%s/socket;
            fastcgi_param SCRIPT_FILENAME %s/www/index.php;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REQUEST_URI /w/$id.f$is_args$args;
        }""" % (prefix, prefix))
        self.port = self.nginx.port
        self.pids = self.nginx.workers + live.children(self.fpm.pid)

    def truth(self):
        # nginx counts the records' frames as length of the response; PHP tells its size
        asked = [dict(t, resp=None) if t["side"] == "client" else t for t in self.nginx.truth()]
        return asked + check.load_truth(self.truth_path)
