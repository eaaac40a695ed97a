# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Other kernels: 6.1 (kprobes) and 6.12 (both families) load the programs, pass the kernel side's
tests, and trace the C server and nginx; the checker looks at the spans outside."""
import glob
import os
import re
import shutil

from tool import check, suite
from tool import spans as otlp
import guest as vm
from live import nginx_truth

B = suite.BUILD
LIVE = os.path.join(B, "tests/live")

CONF = """
daemon off; worker_processes 1; pid /tmp/pid; error_log stderr warn; user root;
events { worker_connections 256; }
http {
    log_format truth escape=json '{"side": "server", "id": "$id", "pid": $pid, '
        '"method": "$request_method", "req": 0, "resp": $body_bytes_sent, "status": $status, '
        '"call": "$call", "up": "$upstream_status", "upbytes": "$upstream_response_length"}';
    access_log /out/nginx.truth truth;
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
    uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    upstream up { server 127.0.0.1:7001; keepalive 16; }
    server {
        listen 127.0.0.1:7002;
        set $call "";
        location ~ ^/w/(?<id>s[^/]*)$ { return 200 "hello\\n"; }
        location ~ ^/w/(?<id>[^/]*)$ {
            proxy_pass http://up/w/$id.p$is_args$args;
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
            set $call $id.p;
        }
    }
}
"""

SCRIPT = r"""
./spanprobe doctor; echo "doctor: $?"
./epoll_server 7001 >> /out/cserver.truth & c=$!
./nginx -c /t/nginx.conf -p /tmp & n=$!
for i in $(seq 100); do ./http_load -i warm 7002 > /dev/null 2>&1 && break; sleep 0.1; done
w=$(cat /proc/$n/task/$n/children)
./spanprobe --hooks FAMILY --pid $c --pid ${w%% *} --export file=/out/spans.jsonl 2> /out/agent.err & a=$!
for i in $(seq 200); do grep -q '^ready' /out/agent.err && break; kill -0 $a || break; sleep 0.1; done
: > /out/cserver.truth
: > /out/nginx.truth
./http_load -c 1 -n 10 -i c1 -q size=300 7001 > /out/load.c1 &&
./http_load -c 8 -n 10 -i c8 -q size=300 7001 > /out/load.c8 &&
./http_load -m POST -b 20000 -n 3 -i post -q size=50000 7001 > /out/load.post &&
./http_load -q size=50000000 -i big 7001 > /out/load.big &&
./http_load -c 8 -n 10 -i s8 7002 > /out/load.s8 &&
./http_load -c 8 -n 10 -i p8 7002 > /out/load.p8 || { echo "a load failed"; kill $a; exit 1; }
kill $a
wait $a
code=$?
cat /out/agent.err
exit $code
"""


def kernel(release):
    return sorted(glob.glob(os.path.join(B, "vm", release, "boot", "vmlinuz-*")))[-1]


def boot(name, release, script, files, limit, tries=2):
    """A guest that dies is tried once more: emulation is not perfect. A script that fails is not."""
    work = os.path.join(suite.LOGS, "vm", name.replace("/", "_"))
    for left in reversed(range(tries)):
        box = vm.Guest(kernel(release), work)
        for path, to in files:
            box.add(path, to)
        box.text("/t/nginx.conf", CONF)
        try:
            return box, box.run(script, limit)
        except vm.Dead as e:
            print("vm: %s" % e)
            if not left:
                raise
        finally:
            shutil.rmtree(box.root, ignore_errors=True)
    return None


def live(release, family):
    def run():
        files = [(os.path.join(B, "spanprobe"), None), (shutil.which("nginx"), None),
                 (os.path.join(LIVE, "epoll_server"), None), (os.path.join(LIVE, "http_load"), None)]
        box, code = boot("live_%s_%s" % (release, family), release,
                           SCRIPT.replace("FAMILY", family), files, 170)
        assert code == 0, "exit code %d in the guest" % code
        with open(os.path.join(box.out, "agent.err")) as f:
            err = f.read()
        # the kernel drops programs of a family only if it was not the one that was forced
        assert family in err, "the agent does not name the family"
        truth = check.load_truth(os.path.join(box.out, "cserver.truth"))
        truth += nginx_truth(os.path.join(box.out, "nginx.truth"))
        assert len(truth) == 10 + 80 + 3 + 1 + 80 + 3 * 80, "%d lines of truth" % len(truth)
        spans = otlp.load(os.path.join(box.out, "spans.jsonl"))
        print("%d spans" % len(spans))
        # An emulated CPU may stand still for longer than events are held back for their order. Then
        # that is said, and a parent may be unknown; it may not be wrong even so.
        late = "event.late" in err
        faults = check.Checker(spans, truth, parents="no-wrong" if late else "right").run()
        assert not faults, "\n" + check.summary(faults)
        lost = set(re.findall(r"^  ([a-z]+\.[a-z_]+) +\d+  ", err, re.M)) - {"event.late"}
        assert not lost, "lost: %s" % ", ".join(lost)
    return run


def sockets(release, family):
    def run():
        files = [(os.path.join(B, "tests/bpf/test_bpf"), None)]
        _, code = boot("bpf_%s_%s" % (release, family), release, "./test_bpf %s" % family, files,
                       170)
        assert code == 0, "exit code %d in the guest" % code
    return run


for rel, fam in (("6.1", "kprobe"), ("6.12", "kprobe"), ("6.12", "tracepoint")):
    needs = ("qemu", "kernel package linux " + rel)
    suite.add("vm/live_%s_%s" % (rel, fam), live(rel, fam), needs + ("nginx",), timeout=360,
              alone=True)
    suite.add("vm/bpf_%s_%s" % (rel, fam), sockets(rel, fam), needs, timeout=360, alone=True)
