# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Boots another kernel under QEMU's software emulation (no KVM is asked for) with just the files
of one test in an initramfs, runs a shell script in it, and brings back what that left in /out.

The guest's root is made of busybox, the named files, and the shared libraries that ldd finds; the
archive of /out comes as base64 over the second serial port, the exit code over the first.
"""
import base64
import io
import os
import re
import shutil
import subprocess
import tarfile
import time

FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin", "lib", "lib64", "usr/lib", "dev", "proc", "sys",
           "tmp", "run", "etc", "root", "var/log/nginx", "var/lib/nginx", "out", "t", "mnt")
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd
ip link set lo up
ulimit -l unlimited
ulimit -n 8192
cd /t
echo "vm: $(uname -r) after $(cut -d' ' -f1 /proc/uptime) s"
sh /t/script
code=$?
stty -F /dev/ttyS1 raw -echo
tar -C /out -cf - . | base64 > /dev/ttyS1
echo END > /dev/ttyS1
echo
echo "vm: exit $code"
sync
poweroff -f
"""


class Dead(Exception):
    """The guest ended before the script did."""


def libraries(path):
    """Shared libraries of a program, at the paths that its loader will look for."""
    p = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return re.findall(r"(?:=> )?(/\S+) \(0x", p.stdout)


class Guest:
    def __init__(self, kernel, work):
        self.kernel, self.work, self.root = kernel, work, os.path.join(work, "root")
        shutil.rmtree(work, ignore_errors=True)
        for folder in FOLDERS:
            os.makedirs(os.path.join(self.root, folder))
        self.add(shutil.which("busybox"), "/bin/busybox")
        self.text("/init", INIT, 0o755)
        self.text("/etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
                                 "www-data:x:33:33::/:/bin/sh\n")
        self.text("/etc/group", "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\nadm:x:4:\n")
        self.text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")

    def text(self, to, content, mode=0o644):
        path = self.root + to
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(content)
        os.chmod(path, mode)

    def add(self, path, to=None):
        """A file, at /t/NAME unless said otherwise, with what it is linked to."""
        dest = self.root + (to or "/t/" + os.path.basename(path))
        os.makedirs(os.path.dirname(dest), exist_ok=True)
        shutil.copy2(path, dest)
        for lib in libraries(path):
            target = self.root + lib
            if not os.path.exists(target):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(os.path.realpath(lib), target)

    def archive(self):
        names = subprocess.run(["find", "."], cwd=self.root, stdout=subprocess.PIPE,
                               check=True).stdout
        path = os.path.join(self.work, "initrd")
        with open(path, "wb") as f:
            # not compressed: unpacking under emulation would take longer than reading
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=self.root, input=names,
                           stdout=f, check=True)
        return path

    def run(self, script, limit=150, memory=768, cpus=2):
        """Exit code of the script; /out is then in self.out."""
        self.text("/t/script", script)
        port = os.path.join(self.work, "ttyS1")
        # without cx16 and la57: QEMU 7.2 emulates cmpxchg16b wrongly often enough to be a nuisance
        argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu",
                "max,-cx16,-la57", "-smp", str(cpus), "-m", str(memory), "-display", "none",
                "-monitor", "none", "-nic", "none", "-no-reboot", "-kernel", self.kernel,
                "-initrd", self.archive(), "-append",
                "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=1",
                "-serial", "stdio", "-serial", "file:" + port]
        begun = time.monotonic()
        try:
            p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=limit)
            console = p.stdout.decode(errors="replace").replace("\r", "")
        except subprocess.TimeoutExpired as e:
            console = (e.stdout or b"").decode(errors="replace")
        print(console[-6000:])
        print("vm: %.1f s in all" % (time.monotonic() - begun))
        code = re.findall(r"^vm: exit (\d+)$", console, re.M)
        if not code:
            raise Dead("the guest did not end its script within %d s" % limit)
        self.unpack(port)
        return int(code[-1])

    def unpack(self, port):
        self.out = os.path.join(self.work, "out")
        os.makedirs(self.out)
        with open(port, "rb") as f:
            data = f.read().replace(b"\r", b"")
        assert b"END" in data, "nothing came back over the second serial port"
        raw = base64.b64decode(data.partition(b"END")[0])
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            tar.extractall(self.out)
