# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The command line: exit codes, error texts, signals, duration, exporters that are not there."""
import os
import re
import signal
import subprocess
import tempfile
import time

import live
from live import NEEDS, SPANPROBE, Agent, Run
from tool.suite import test

PLAIN = ("root",)


def run_it(*args, env=None, user=None, limit=20):
    full = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANPROBE_"))}
    full.update(env or {})
    p = subprocess.run([SPANPROBE, *map(str, args)], stdin=subprocess.DEVNULL, env=full,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=limit,
                       errors="replace", user=user)
    print("$ spanprobe %s\n-> %d\n%s%s" % (" ".join(map(str, args)), p.returncode, p.stdout, p.stderr))
    return p


def refused(code, *args, says=(), **kw):
    """Ends with `code` and an error that names what was wrong."""
    p = run_it(*args, **kw)
    codes = code if isinstance(code, tuple) else (code,)
    assert p.returncode in codes, "exit code %d, not %r" % (p.returncode, code)
    for word in says:
        assert re.search(word, p.stderr, re.I), "the error does not say %r: %s" % (word, p.stderr)
    assert not p.stdout, "an error on standard output: " + p.stdout


@test("cli/help", PLAIN)
def help_():
    p = run_it("--help")
    assert p.returncode == 0
    lines = p.stdout.splitlines()
    assert len(lines) <= 66 and max(map(len, lines)) <= 80, "help does not fit: %d lines" % len(lines)
    for option in ("--pid", "--exe", "--port", "--follow-children", "--export", "--service-name",
                   "--resource-attributes", "--hooks", "--config", "--duration", "--stats",
                   "--log-level", "--dry-run"):
        assert option in p.stdout, option
    p = run_it("version")
    assert p.returncode == 0 and re.match(r"spanprobe \d+\.\d+", p.stdout)


@test("cli/usage", PLAIN)
def usage():
    refused(2, says=["--pid|--help"])
    refused(2, "--nonsense", says=["--nonsense"])
    refused(2, "--pid", "abc", says=["--pid", "abc"])
    refused(2, "--pid", "1", "--export", "otlp=localhost:4318", says=["localhost:4318", "http://"])
    refused(2, "--pid", "1", "--export", "carrier-pigeon", says=["carrier-pigeon"])
    refused(2, "--pid", "1", "--duration", "30x", says=["--duration", "30x"])
    refused(2, "--pid", "1", "--hooks", "strings", says=["hook", "strings"])
    refused(2, "--port", "99999", says=["--port", "99999"])
    refused(2, "--pid", "1", "--log-level", "shout", says=["--log-level", "shout"])
    refused(2, "frobnicate", says=["frobnicate"])


@test("cli/processes", NEEDS)
def processes():
    gone = subprocess.Popen(["true"])
    gone.wait()
    refused(5, "--pid", gone.pid, "--export", "none", says=[str(gone.pid), "no (such )?process"])
    refused(2, "--pid", "2", "--export", "none", says=["2", "kernel thread"])
    p = subprocess.run(["sh", "-c", "exec %s --pid $$ --export none" % SPANPROBE],
                       stderr=subprocess.PIPE, text=True, timeout=20)
    assert p.returncode == 2 and "itself" in p.stderr, "%d: %s" % (p.returncode, p.stderr)


@test("cli/config", PLAIN)
def config():
    refused(2, "--pid", "1", "--config", "/nonexistent/x.yaml", says=["/nonexistent/x.yaml"])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("pid: 1\nexport:\n  - console\n bad: [\n")
        f.flush()
        refused(2, "--config", f.name, says=[f.name, r"line 4|:4:", r"column|:4:\d+"])
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("pid: 1\ncolour: green\n")
        f.flush()
        refused(2, "--config", f.name, says=[f.name, "colour", r"line 2|:2:"])


@test("cli/rights", PLAIN)
def rights():
    with tempfile.TemporaryDirectory() as folder:
        # build/ may be below a folder that others cannot enter
        copy = os.path.join(folder, "spanprobe")
        os.chmod(folder, 0o755)
        subprocess.run(["cp", SPANPROBE, copy], check=True)
        p = subprocess.run([copy, "--pid", "1", "--export", "none"], user=65534, cwd="/",
                           stderr=subprocess.PIPE, text=True, timeout=20)
        print(p.stderr)
        assert p.returncode == 3, "exit code %d" % p.returncode
        assert re.search("root|CAP_BPF", p.stderr), "no way out is named"


@test("cli/replay_bad", PLAIN)
def replay_bad():
    refused(1, "replay", "/nonexistent.spr", says=["/nonexistent.spr"])
    for content in (b"", b"hello", os.urandom(5000)):
        with tempfile.NamedTemporaryFile(suffix=".spr") as f:
            f.write(content)
            f.flush()
            refused(1, "replay", f.name, "--export", "none", says=[f.name])


@test("cli/record_and_replay", NEEDS)
def record_and_replay():
    """A recording gives the same bytes at every replay, and the spans of its own live run; one that
    was cut gives what was good."""
    with Run("record") as run:
        down = run.epoll_server()
        server = run.python(down=down)
        spr = run.path("run.spr")
        agent = Agent(run, "record", "-o", spr, "--pid", server.pid, "--pid", down.pid, export=False)
        run.load(server.port, "-c", 8, "-n", 10)
        run.load(server.port, "-m", "POST", "-b", 100000, "-i", "p", "-q", "size=100000", name="load2")
        agent.end()
        truth = server.truth() + down.truth()
        outs = []
        for i in range(2):
            out = run.path("replay%d.jsonl" % i)
            p = run_it("replay", spr, "--export", "file=" + out)
            assert p.returncode == 0
            with open(out, "rb") as f:
                outs.append(f.read())
        assert outs[0] == outs[1], "two replays differ"
        faults = live.check.check_file(run.path("replay0.jsonl"), truth)
        assert not faults, live.check.summary(faults)
        with open(spr, "rb") as f:
            whole = f.read()
        with open(run.path("cut.spr"), "wb") as f:
            f.write(whole[:len(whole) * 2 // 3])
        out = run.path("cut.jsonl")
        p = run_it("replay", run.path("cut.spr"), "--export", "file=" + out)
        assert p.returncode == 1 and re.search(r"\d+ (good )?events", p.stderr), p.stderr
        assert live.otlp.load(out), "no span of the good part"
        version = bytearray(whole)
        version[8] ^= 0x55
        with open(run.path("version.spr"), "wb") as f:
            f.write(version)
        refused(1, "replay", run.path("version.spr"), "--export", "none", says=["version"])


@test("cli/signals", NEEDS)
def signals():
    """SIGINT and SIGTERM flush and print the summary; --duration ends by itself."""
    with Run("signals") as run:
        server = run.epoll_server()
        for sig in (signal.SIGINT, signal.SIGTERM):
            name = "agent%d" % sig
            agent = Agent(run, "--pid", server.pid, name=name)
            run.load(server.port, "-n", 7, "-i", name)
            agent.end(sig, limit=5)
            assert agent.count(r"requests: (\d+) served") == 7
            assert agent.count(r"spans: \d+ made, (\d+) exported") == 7
            assert "lost: nothing" in agent.summary
            truth = [t for t in server.truth() if t["id"].startswith(name)]
            agent.check(truth)
        begun = time.monotonic()
        agent = Agent(run, "--pid", server.pid, "--duration", "1s", name="timed")
        assert agent.p.wait(5) == 0
        assert 0.9 < time.monotonic() - begun < 3


def by_process(summary):
    """{(pid, side): (spans, {evidence: n}, {reason: n})} of the summary's last table."""
    table, pid = {}, None
    for line in summary.rpartition("by process:\n")[2].splitlines():
        m = re.match(r"  (?:\S+\[(\d+)\]| ) +(server|client) +(\d+)  (.*)$", line)
        if not m:
            break
        pid = int(m.group(1) or pid)
        parents, _, roots = m.group(4).partition("roots: ")
        counts = [dict((k, int(n)) for k, n in re.findall(r"([a-z_-]+) (\d+)", x))
                  for x in (parents, roots)]
        assert (pid, m.group(2)) not in table, "two rows: %s" % line
        table[pid, m.group(2)] = (int(m.group(3)), *counts)
    return table


@test("cli/by_process", NEEDS)
def parents_by_process():
    """The table says of each process what its spans say, and the last batch of each as well; what
    the sampler drops is in the table, too."""
    with Run("by_process") as run:
        down = run.epoll_server()
        server = run.python(down=down)
        pids = ("--pid", server.pid, "--pid", down.pid)
        agent = Agent(run, *pids, "--stats", "1s")
        run.load(server.port, "-c", 4, "-n", 40)
        live.wait_for("--stats", lambda: "by process:" in agent.errors(), 5)
        agent.end()
        spans = agent.check(server.truth() + down.truth())
        want, scopes = {}, {}
        for s in spans:
            side = {2: "server", 3: "client"}[s.kind]
            n, parents, roots = want.get((s.pid, side), (0, {}, {}))
            why = s.attr.get("spanprobe.root.why")
            by = roots if why else parents
            name = why or s.attr["spanprobe.parent.by"]
            by[name] = by.get(name, 0) + 1
            want[s.pid, side] = (n + 1, parents, roots)
            scopes[s.pid] = live.otlp.attributes(s.scope["attributes"])
        assert by_process(agent.summary) == want, want
        assert want[down.pid, "server"] == (160, {"connection": 160}, {}), want
        assert want[server.pid, "server"] == (160, {}, {"entry": 160}), want
        for pid, scope in scopes.items():
            said = {"spanprobe.%s.%s.%s" % (what, side, name): n
                    for (p, side), row in want.items() if p == pid
                    for what, by in (("parents", row[1]), ("roots", row[2]))
                    for name, n in by.items()}
            assert scope == said, "%r, not %r" % (scope, said)

        agent = Agent(run, *pids, "--sampler", "always_off", name="unsampled")
        run.load(server.port, "-c", 4, "-n", 25, "-i", "off", name="load2")
        agent.end()
        table = by_process(agent.summary)
        assert table[down.pid, "server"] == (100, {"connection": 100}, {}), table
        assert table[server.pid, "client"][0] == 100, table


@test("cli/nobody_listens", NEEDS)
def nobody_listens():
    """No receiver: said once, retried, counted; and when one appears the spans reach it."""
    with Run("nobody") as run:
        server = run.epoll_server()
        port = live.free_port()
        agent = Agent(run, "--pid", server.pid, "--export", "otlp=http://127.0.0.1:%d" % port,
                      export=False)
        for i in range(3):
            run.load(server.port, "-n", 5, "-i", "n%d" % i, name="load%d" % i)
            time.sleep(1.1)
        said = [x for x in agent.errors().splitlines()
                if str(port) in x and not x.startswith("ready")]
        assert len(said) == 1, "said %d times: %r" % (len(said), said)
        agent.end(limit=8)
        assert agent.lost() == {"export.shutdown": 15} or agent.lost() == {"export.failed": 15}, agent.lost()


@test("cli/dry_run", NEEDS)
def dry_run():
    p = run_it("--pid", os.getpid(), "--dry-run", "--export", "none")
    assert p.returncode == 0 and re.search("sock_send_length|tcp_sendmsg", p.stdout + p.stderr)


@test("cli/doctor", PLAIN)
def doctor():
    p = run_it("doctor", "--pid", os.getpid())
    family = live.suite.abilities.have("a hook family")
    assert p.returncode == (0 if family else 4), "exit code %d" % p.returncode
    for word in ("btf", "ringbuf", "kprobe"):
        assert word in p.stdout, word


@test("cli/no_family", PLAIN + ("kernel BTF",))
def no_family():
    """A family that this kernel lacks: said, with exit code 4."""
    if live.suite.abilities.have("CONFIG_KPROBES"):
        raise live.suite.Skip("a kernel without kprobes")
    refused(4, "--pid", os.getpid(), "--hooks", "kprobe", "--export", "none", says=["kprobe"])
