#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Runs the demo, with a real Jaeger where Go >= 1.21 can build one: with_jaeger.sh MAKE SPANPROBE
# The first build takes some minutes; DEMO_JAEGER=0 goes without.
set -euo pipefail
PATH=$PATH:/usr/local/go/bin
here=$(cd "$(dirname "$0")" && pwd)
make=$1
spanprobe=$2
jaeger=${spanprobe%/*}/jaeger

go_is_new_enough() {
	local version
	version=$(go env GOVERSION 2>/dev/null) || return 1
	[ "$(printf '%s\n' go1.21 "$version" | sort -V | head -n 1)" = go1.21 ]
}

if [ "${DEMO_JAEGER:-1}" = 0 ]; then
	echo "demo: without Jaeger (DEMO_JAEGER=0)"
	jaeger=
elif ! go_is_new_enough; then
	echo "demo: without Jaeger, which needs Go 1.21 or later to be built"
	jaeger=
else
	[ -x "$jaeger" ] || echo "demo: building Jaeger from its Go module, which takes minutes the first time (DEMO_JAEGER=0 goes without)"
	"$make" --no-print-directory jaeger || {
		echo "demo: Jaeger could not be built: going on without it" >&2
		jaeger=
	}
fi
JAEGER_CONFIG=$here/../../tests/jaeger/config.yaml "$here/run.sh" "$spanprobe" "$jaeger"
