# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a request that makes three calls costs more: under spanprobe, and with the runtime's own
OpenTelemetry instrumentation switched on. CPU of the traced program and of the agent, per request;
the three ways take turns, each round on programs that have been running since the start."""
import os
import shutil
import statistics
import subprocess
import sys
import time

from tool import abilities, suite

import live
from live import Agent, Run

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCES = os.path.join(HERE, "calls")
WORK = os.path.join(suite.BUILD, "bench-calls")
CONNECTIONS = 8


def sh(*argv, **kw):
    subprocess.run(argv, cwd=WORK, check=True, stdout=subprocess.DEVNULL, **kw)


def build():
    """The programs and their instrumentation, once, under build/."""
    os.makedirs(WORK, exist_ok=True)
    for name in os.listdir(SOURCES):
        shutil.copy(os.path.join(SOURCES, name), WORK)
    python = os.path.join(WORK, "venv/bin/python3")
    if not os.path.exists(os.path.join(WORK, "venv/done")):
        sh(sys.executable, "-m", "venv", "venv")
        sh(python, "-m", "pip", "install", "-q", "-r", "requirements.txt")
        open(os.path.join(WORK, "venv/done"), "w").close()
    if not os.path.exists(os.path.join(WORK, "node_modules/undici")):
        sh("npm", "ci", "--no-audit", "--no-fund", "--silent")
    sh("go", "build", "-o", "server_go", "server.go")
    sh("javac", "-d", ".", "Calls.java")


def programs():
    venv = os.path.join(WORK, "venv/bin")
    hook = os.path.join(WORK, "node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js")
    server = os.path.join(WORK, "server")
    return (
        ("Go net/http", [server + "_go"], [server + "_go"], {"SDK": "1"}),
        ("Python aiohttp", [venv + "/python3", server + ".py"],
         [venv + "/opentelemetry-instrument", "--service_name", "bench", venv + "/python3",
          server + ".py"], {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}),
        ("Node http, undici", ["node", server + ".js"],
         ["node", "--require", hook, server + ".js"],
         {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
          "OTEL_NODE_RESOURCE_DETECTORS": "none"}),
        ("Java, pool of 64", ["java", "-cp", WORK, "-XX:+UseG1GC", "-XX:ActiveProcessorCount=1",
                              "Calls"], None, {}),
    )


def one_round(tools, server, seconds):
    """CPU ns of the server per request"""
    c = tools.cpu_ns(server.pid)
    n = tools.wrk(server.port, seconds, CONNECTIONS)["requests"]
    return (tools.cpu_ns(server.pid) - c) / n, n


def measure(tools, run, args, name, plain, sdk, env, more=()):
    down = run.epoll_server("-q", name="down-" + name.split()[0])
    tools.pin(down.pid, 1)
    out = tools.sink(run)
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": out.url[len("otlp="):],
             "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_TRACES_EXPORTER": "otlp"}
    servers = [run.server("plain-" + name.split()[0], plain, down=down)]
    if sdk:
        servers.append(run.server("sdk-" + name.split()[0], sdk, down=down,
                                  env=dict(env, **where)))
    for s in servers:
        tools.pin(s.pid, 0)
        tools.wrk(s.port, 2 * args.seconds, CONNECTIONS)  # the runtimes compile what is hot
    got = {k: [] for k in ("off", "on", "sdk", "agent", "spans", "lost")}
    for _ in range(args.rounds):
        got["off"].append(one_round(tools, servers[0], args.seconds)[0])
        agent = tools.agent_on(run, [servers[0].pid], out.url, more)
        a = tools.cpu_ns(agent.pid)
        cost, n = one_round(tools, servers[0], args.seconds)
        time.sleep(0.05)
        spent = tools.cpu_ns(agent.pid) - a
        agent.end()
        spans = agent.count(r"spans: (\d+) made")
        got["on"].append(cost)
        got["agent"].append(spent / max(spans, 1))
        got["spans"].append(spans / n)
        got["lost"].append(sum(agent.lost().values()))
        if sdk:
            got["sdk"].append(one_round(tools, servers[1], args.seconds)[0])
    for s in servers:
        s.stop()
    off = statistics.median(got["off"])

    def more_than_off(values):
        if not values:
            return "-"
        m = statistics.median(values)
        return "%.0f (%+.0f %%)" % (m / 1000, 100 * (m / off - 1))

    return "| %s | %.0f | %s | %s | %.1f | %.2f | %d |" % (
        name, off / 1000, more_than_off(got["on"]), more_than_off(got["sdk"]),
        statistics.median(got["agent"]) / 1000, statistics.median(got["spans"]),
        sum(got["lost"]))


def table(tools, args):
    lines = ["| program | CPU per request without, us | with spanprobe | with its OpenTelemetry "
             "instrumentation | agent, us per span | spans per request | lost |",
             "|---|---|---|---|---|---|---|"]
    missing = [n for n in ("java >= 17", "node >= 18", "a Go server (Go >= 1.21)")
               if not abilities.have(n)]
    if missing:
        return ["Not measured: this machine lacks " + ", ".join(missing) + "."]
    build()
    with Run("bench_calls") as run:
        for name, plain, sdk, env in programs():
            lines.append(measure(tools, run, args, name, plain, sdk, env))
            print(lines[-1], flush=True)
    return lines
