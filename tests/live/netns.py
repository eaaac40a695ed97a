# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Network namespaces of a test: held by a process each, gone with it."""
import os
import subprocess

import live


class Netns:
    """A network namespace with a loopback that is up."""

    def __init__(self, run, name):
        self.name = name
        self.holder = live.Proc(run, "netns-" + name, ["unshare", "-n", "sleep", "600"])
        here = os.readlink("/proc/self/ns/net")
        live.wait_for("namespace", lambda: os.readlink(
            "/proc/%d/ns/net" % self.holder.pid) != here)
        self.do("ip", "link", "set", "lo", "up")

    def enter(self, *argv):
        """argv of a command that runs in here; it becomes the program itself"""
        return ["nsenter", "-t", str(self.holder.pid), "-n", *map(str, argv)]

    def do(self, *argv):
        subprocess.run(self.enter(*argv), check=True, stdin=subprocess.DEVNULL)

    def sysctl(self, name, value):
        self.do("sh", "-c", "echo '%s' >/proc/sys/%s" % (value, name))

    def listens(self, port):
        """a question: does anybody listen there, on TCP?"""
        def ask():
            with open("/proc/%d/net/tcp" % self.holder.pid) as f:
                return any(line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A"
                           for line in f.readlines()[1:])
        return ask


def veth(a, b, address_a, address_b):
    """A cable between two namespaces; addresses with their prefix length."""
    a.do("ip", "link", "add", "eth-" + b.name, "type", "veth", "peer", "name", "eth-" + a.name,
         "netns", str(b.holder.pid))
    for ns, other, address in ((a, b, address_a), (b, a, address_b)):
        ns.do("ip", "addr", "add", address, "dev", "eth-" + other.name)
        ns.do("ip", "link", "set", "eth-" + other.name, "up")
