#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# user/runtime/go_releases.h: the layout of Go's runtime by release, from the debug information of a
# program that each toolchain builds (tools/go_layout.c reads it). Needs a `go` that can fetch others;
# releases before 1.21 are run by path, since they do not know of GOTOOLCHAIN.
#
#   tools/go_layouts.sh [RELEASE]...  > user/runtime/go_releases.h
set -eu
B=${B:-build}
RELEASES=${*:-1.18 1.18.10 1.19 1.19.13 1.20 1.20.14 1.21.0 1.21.13 1.22.0 1.22.12 1.23.0 1.23.4
	1.24.0 1.24.6 1.25.0 1.25.1 1.26.0 1.26.8}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/main.go" <<'GO'
package main

import "net/http"

func main() { http.Get("http://127.0.0.1:1/") }
GO
echo "/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */"
echo "/* Made by tools/go_layouts.sh from programs that these releases built. */"
echo "/* clang-format off */"
for release in $RELEASES; do
	if [ "$(GOTOOLCHAIN=local go env GOVERSION)" = "go$release" ]; then
		go=$(command -v go)
	else
		GOTOOLCHAIN=go$release go version >&2
		go=$(go env GOMODCACHE)/golang.org/toolchain@v0.0.1-go$release.linux-amd64/bin/go
	fi
	(cd "$dir" && GOTOOLCHAIN=local GO111MODULE=off GOFLAGS='' CGO_ENABLED=0 "$go" build -o "$release" main.go)
	"$B/tools/go_layout" "$release" "$dir/$release"
	rm -f "$dir/$release"
done
