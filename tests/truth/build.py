#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Builds the programs of the truth bench into build/truth: tests/truth/build.py [NAME]...

NAME is c, go, java, node, rust, or python-VERSION; without one, all of them, two at a time. What this machine cannot build
is named and left out: the cases that need it are skipped by that name. A part is built again when
one of its files has changed.
"""
import concurrent.futures
import functools
import glob
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..")]
from tool import suite  # noqa: E402

OUT = os.path.join(suite.BUILD, "truth")
WORKLOADS = os.path.join(HERE, "workloads")


def run(*argv, cwd=None, **env):
    p = subprocess.run(argv, cwd=cwd, env=dict(os.environ, **env), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if p.returncode:
        raise OSError("%s: %s" % (" ".join(argv[:3]), p.stdout.strip()[-600:]))


def read(path):
    with open(path) as f:
        return f.read()


def once(name, files, *more):
    """-> the empty folder of that name, what to call when it is built; None: it has been built from
    just these files"""
    text = hashlib.sha256(repr(more).encode())
    for path in files:
        text.update(read(path).encode())
    folder = os.path.join(OUT, name)
    stamp = os.path.join(folder, "stamp")
    if os.path.exists(stamp) and read(stamp) == text.hexdigest():
        return None
    print("  TRUTH    " + os.path.relpath(folder, suite.ROOT), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)

    def done():
        with open(stamp, "w") as f:
            f.write(text.hexdigest())
    return folder, done


def need(program):
    if not shutil.which(program):
        raise OSError("no " + program)


def node():
    """The packages, and Node in every version: it comes as a package too."""
    need("npm")
    files = [os.path.join(HERE, "node", x) for x in ("package.json", "package-lock.json")]
    todo = once("node", files)
    if todo:
        folder, done = todo
        for path in files:
            shutil.copy(path, folder)
        run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
        done()


@functools.lru_cache(None)
def pythons():
    """{"3.11": interpreter, ..., "debian": ...}: the CPythons of this machine, one of each version."""
    found = {}
    for minor in range(8, 15):
        name = "3.%d" % minor
        pyenv = os.path.expanduser("~/.pyenv/versions/%s.*/bin/python3" % name)
        for path in sorted(glob.glob(pyenv)) + glob.glob("/usr/local/bin/python" + name):
            found[name] = path
    if os.path.exists("/usr/bin/python3"):
        found["debian"] = "/usr/bin/python3"
    if not found:
        found["debian"] = shutil.which("python3")
    return found


def python(name):
    wanted = os.path.join(HERE, "requirements.txt")
    interpreter = pythons()[name]
    todo = once("python-" + name, [wanted], os.path.realpath(interpreter))
    if todo:
        folder, done = todo
        run(interpreter, "-m", "venv", folder)
        run(os.path.join(folder, "bin/python3"), "-m", "pip", "install", "-q",
            "--disable-pip-version-check", "-r", wanted)
        done()


def copied(name, *files, needs):
    """The files in the folder of that name, where they are not built yet."""
    need(needs)
    files = [os.path.join(HERE, x) for x in files]
    todo = once(name, files)
    for path in files if todo else ():
        shutil.copy(path, todo[0])
    return todo


def go():
    todo = copied("go", "go/go.mod", "go/go.sum", "workloads/truth.go", needs="go")
    if todo:
        folder, done = todo
        compile = ("go", "build", "-mod=readonly", "-trimpath")
        run(*compile, "-o", "truth", cwd=folder, CGO_ENABLED="0", GOFLAGS="")
        run(*compile, "-ldflags=-s -w", "-o", "stripped", cwd=folder, CGO_ENABLED="0", GOFLAGS="")
        done()


def java():
    """The servers that come from Maven are left out where it cannot get them."""
    todo = copied("java", "java/pom.xml", "workloads/Truth.java", "workloads/Containers.java",
                  needs="javac")
    if not todo:
        return
    folder, done = todo
    try:
        need("mvn")
        run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", cwd=folder)
        sources = ("Truth.java", "Containers.java")
    except OSError as e:
        print("truth: no Tomcat, Jetty, Netty: %s" % e, file=sys.stderr)
        sources = ("Truth.java",)
    run("javac", "-d", "classes", "-cp", "lib/*", *sources, cwd=folder)
    done()


def rust():
    """cargo wants to read in its lock where each package is from; the pins do not say it."""
    todo = copied("rust", "rust/Cargo.toml", "rust/pins.lock", "workloads/truth.rs", needs="cargo")
    if not todo:
        return
    folder, done = todo
    run("cargo", "generate-lockfile", "-q", cwd=folder)
    lock = os.path.join(folder, "Cargo.lock")
    with open(lock) as f:
        source = next(line for line in f if line.startswith("source = "))
    with open(os.path.join(folder, "pins.lock")) as pins, open(lock, "w") as out:
        for line in pins:
            out.write(source + line if line.startswith("checksum = ") else line)
    run("cargo", "build", "-q", "--release", "--locked", cwd=folder)
    shutil.move(os.path.join(folder, "target/release/truth"), folder)
    shutil.rmtree(os.path.join(folder, "target"))
    done()


def c():
    todo = copied("c", "workloads/truth_threads.c", "workloads/truth_proxy.c", needs="gcc")
    if todo:
        folder, done = todo
        for name in ("threads", "proxy"):
            run("gcc", "-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                "-Wno-unused-parameter", "-o", name, "truth_%s.c" % name, "-lpthread", cwd=folder)
        done()


PARTS = {"rust": rust, "node": node, "java": java, "go": go, "c": c,
         **{"python-" + name: functools.partial(python, name) for name in pythons()}}


def build(name):
    try:
        PARTS[name]()
    except OSError as e:
        print("truth: no %s: %s" % (name, e), file=sys.stderr, flush=True)


def main():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(build, sys.argv[1:] or PARTS))


if __name__ == "__main__":
    main()
