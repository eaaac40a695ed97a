#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Kernel images for tests/vm: kernels.sh DIR puts what apt can get into DIR/6.1 and DIR/6.12.
# The package that the cloud meta-package of a suite depends on is taken, whatever its number; one
# that cannot be had is left out, and the tests that need it are skipped by name.
set -u
dir=${1:?DIR}

# The concrete image behind linux-image-cloud-amd64 in the release that has version $1.*
resolve() {
	apt-cache show linux-image-cloud-amd64 2>/dev/null | awk -v want="$1" '
		/^Version:/ { version = $2 }
		/^Depends:/ && index(version, want ".") == 1 {
			for (i = 2; i <= NF; i++)
				if ($i ~ /^linux-image-[0-9]/) { sub(",", "", $i); print $i; exit }
		}'
}

fetch() {
	local release=$1 package to=$dir/$1
	compgen -G "$to/boot/vmlinuz-*" >/dev/null && return
	package=$(resolve "$release")
	[ -n "$package" ] || { echo "vm: apt knows no cloud kernel $release: not tested with it" >&2; return; }
	mkdir -p "$to/deb"
	# _apt may not write below a home folder: apt says so, and downloads as root
	if (cd "$to/deb" && apt-get download -q "$package" >/dev/null 2>&1) &&
		dpkg-deb -x "$to"/deb/"$package"_*.deb "$to/tree"; then
		# only the image: no module is needed, loopback and BPF are built in
		mkdir -p "$to/boot" && cp "$to"/tree/boot/vmlinuz-* "$to/boot/"
	else
		echo "vm: $package cannot be downloaded: not tested with it" >&2
	fi
	rm -rf "$to/deb" "$to/tree"
}

[ "$(uname -m)" = x86_64 ] || { echo "vm: images are for x86_64 only" >&2; exit 0; }
fetch 6.1
fetch 6.12
exit 0
