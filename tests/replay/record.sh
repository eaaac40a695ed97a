#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# record.py in a copy of the committed tree in /opt, on a machine of no name (root): the recordings
# come back into this tree. tests/replay/record.sh [NAME]..., as of record.py.
set -euo pipefail
here=$(realpath "$(dirname "$0")/../..")
copy=/opt/spanprobe
[ ! -e "$copy" ] || { echo "$copy is in the way" >&2; exit 1; }
trap 'rm -rf "$copy"' EXIT
git clone -q "$here" "$copy"
if [ -d "$here/build/truth" ]; then
	mkdir "$copy/build"
	cp -a "$here/build/truth" "$copy/build/" # it is as good there, and takes minutes to build
fi
cd "$copy"
make -s -j2 all truth-programs build/tests/live/http_load build/tests/live/epoll_server
# shellcheck disable=SC2016 # for the shell inside
unshare -m -u bash -c 'hostname recorder
	id=$(mktemp) && echo 0123456789abcdef0123456789abcdef >"$id" && mount --bind "$id" /etc/machine-id
	python3 -B tests/replay/record.py "$@"; ended=$?
	rm -f "$id"; exit $ended' bash "$@"
cp -a tests/replay/. "$here/tests/replay/"
