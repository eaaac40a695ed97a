# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a machine can do, asked once each. A test names what it needs; the summary of a run names
the ability that a skipped test lacked."""
import functools
import glob
import os
import re
import shutil
import subprocess


def _output(*argv):
    try:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return p.stdout if p.returncode == 0 else ""


def _version(pattern, *argv):
    m = re.search(pattern, _output(*argv))
    return tuple(int(x) for x in m.groups()) if m else (0,)


def _program(name):
    return lambda: shutil.which(name) is not None


def _tracepoint(name):
    def ask():
        for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
            if os.path.exists(root + "/events"):
                return os.path.exists("%s/events/%s" % (root, name))
        # no tracefs: the tracepoints of tp_btf are types in the kernel's BTF
        return "btf_trace_" + name.split("/")[1] in _btf()
    return ask


@functools.lru_cache(None)
def _btf():
    try:
        with open("/sys/kernel/btf/vmlinux", "rb") as f:
            return f.read().decode("latin-1")
    except OSError:
        return ""


def _kprobes():
    return os.path.exists("/sys/bus/event_source/devices/kprobe/type")


def _python_package(*names):
    def ask():
        from tool import suite
        py = os.path.join(suite.BUILD, "venv", "bin", "python3")
        return bool(os.path.exists(py) and
                    _output(py, "-c", "import " + ",".join(names) + ";print('yes')"))
    return ask


def _file(*paths):
    return lambda: all(os.path.exists(x) for x in paths)


def _built(name):
    def ask():
        from tool import suite
        return os.access(os.path.join(suite.BUILD, name), os.X_OK)
    return ask


def _truth_part(name, *files):
    """A part that tests/truth/build.py could build."""
    def ask():
        from tool import suite
        return all(os.path.exists(os.path.join(suite.BUILD, "truth", name, x))
                   for x in ("stamp",) + files)
    return ask


def _kernel_image(release):
    def ask():
        from tool import suite
        return bool(glob.glob(os.path.join(suite.BUILD, "vm", release, "boot", "vmlinuz-*")))
    return ask


ABILITIES = {
    "root": lambda: os.geteuid() == 0,
    "kernel BTF": lambda: os.path.exists("/sys/kernel/btf/vmlinux"),
    "sock_*_length tracepoints (6.3)": _tracepoint("sock/sock_send_length"),
    "io_uring that can be read (6.15)": lambda: "iou_vec" in _btf(),
    "CONFIG_KPROBES": _kprobes,
    "nginx with Lua": _file("/usr/lib/nginx/modules/ngx_http_lua_module.so",
                            "/usr/share/lua/5.1/resty/core.lua"),
    "a hook family": lambda: _tracepoint("sock/sock_send_length")() or _kprobes(),
    "nginx": _program("nginx"),
    "Apache": lambda: bool(shutil.which("apache2") and glob.glob(
        "/usr/lib/apache2/modules/mod_mpm_event.so")),
    "Apache's PHP": lambda: bool(glob.glob("/usr/lib/apache2/modules/libphp*.so")),
    "PHP-FPM": lambda: bool(glob.glob("/usr/sbin/php-fpm*")),
    "nft": _program("nft"),
    "wrk": _program("wrk"),
    "curl": _program("curl"),
    "bpftool": _program("bpftool"),
    "strip": _program("strip"),
    "unshare and ip": lambda: bool(shutil.which("unshare") and shutil.which("ip")),
    "network namespaces": lambda: bool(_output("unshare", "-n", "true") or
                                       subprocess.call(["unshare", "-n", "true"],
                                                       stderr=subprocess.DEVNULL) == 0),
    "MPTCP": lambda: os.path.exists("/proc/sys/net/mptcp/enabled"),
    "IPv6 loopback": lambda: "00000000000000000000000000000001" in _read("/proc/net/if_inet6"),
    "node >= 18": lambda: _version(r"v(\d+)\.(\d+)", "node", "--version") >= (18, 0),
    "java >= 17": lambda: _version(r"(?:openjdk|java) (\d+)", "java", "--version") >= (17,),
    "Go >= 1.21": lambda: _version(r"go(\d+)\.(\d+)", "go", "version") >= (1, 21),
    "gunicorn from PyPI": _python_package("gunicorn"),
    "aiohttp from PyPI": _python_package("aiohttp"),
    "redis from PyPI": _python_package("redis"),
    "psycopg from PyPI": _python_package("psycopg"),
    "asyncpg from PyPI": _python_package("asyncpg"),
    "uvicorn and httpx from PyPI": _python_package("uvicorn", "httpx"),
    "a built Jaeger (Go >= 1.21 and its module proxy)": _built("jaeger"),
    "a Go server (Go >= 1.21)": _built("tests/live/goserver"),
    "an io_uring server (liburing)": _built("tests/live/uring_server"),
    "qemu": lambda: bool(shutil.which("qemu-system-x86_64") and shutil.which("busybox") and
                         shutil.which("cpio")),
    "kernel package linux 6.1": _kernel_image("6.1"),
    "kernel package linux 6.12": _kernel_image("6.12"),
    "Redis": _program("redis-server"),
    "PostgreSQL": lambda: bool(glob.glob("/usr/lib/postgresql/*/bin/initdb")),
    "puma": _program("puma"),
    "haproxy": _program("haproxy"),
    "Apache": _program("apache2"),
    "Apache with mod_php": lambda: bool(shutil.which("apache2") and
                                        glob.glob("/usr/lib/apache2/modules/libphp*.so")),
    "PHP-FPM": lambda: bool(glob.glob("/usr/sbin/php-fpm*")),
    "the C programs of the truth bench": _truth_part("c"),
    "the Go programs of the truth bench": _truth_part("go"),
    "the Java programs of the truth bench": _truth_part("java"),
    "Tomcat, Jetty and Netty from Maven": _truth_part("java", "classes/Containers.class"),
    "the tokio program of the truth bench": _truth_part("rust", "truth"),
    **{"node %s" % v: _truth_part("node", "node_modules/node%s/bin/node" % v)
       for v in ("18", "20", "22", "24")},
    **{"CPython %s with its packages" % v: _truth_part("python-" + v)
       for v in ["3.%d" % minor for minor in range(8, 15)] + ["debian"]},
    "clang with libFuzzer": lambda: bool(glob.glob("/usr/lib/llvm-*/lib/clang/*/lib/linux/"
                                                   "libclang_rt.fuzzer-*.a")),
}


def _read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


@functools.lru_cache(None)
def have(name):
    return bool(ABILITIES[name]())
