#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# gen_core.sh [BTF]: proves bpf/core.h and bpf/drift.h against a kernel's types (default: the
# running kernel's): every struct and field must exist there, with the size that we read. Fields
# that only other kernels have (drift.h) are told and are no error.
set -eu
cd "$(dirname "$0")/.."
btf=${1:-/sys/kernel/btf/vmlinux}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bpftool btf dump file "$btf" format c >"$work/vmlinux.h"

# struct and field per line; ___flavours lose their suffix, as CO-RE does
fields() {
	awk '
	/^(struct|typedef struct) *[a-z_0-9]* *{/ { name = $2; depth = 1; known = ($1 == "struct"); next }
	depth && /{$/ { depth++; next }
	depth && /^\t*}/ { depth--; next }
	depth == 1 && known && /;/ {
		sub(/;.*/, ""); sub(/^\t+/, ""); sub(/^(volatile|const) /, "")
		n = split($0, part, /,[ ]*/)
		first = part[1]; gsub(/\[[^]]*\]/, "", first); k = split(first, word, /[ *]+/)
		sub(/___.*/, "", name)
		print name, word[k]
		for (i = 2; i <= n; i++) print name, part[i]
	}' "$1"
}

missing=0
for file in bpf/core.h bpf/drift.h; do
	fields "$file" >"$work/fields"
	# one check a line: the line number of an error tells the field
	{
		printf '#include "vmlinux.h" '
		while read -r type field; do
			printf '\n_Static_assert(sizeof(((struct %s *)0)->%s) + 1, "");' "$type" "$field"
		done <"$work/fields"
		echo
	} >"$work/ask.c"
	clang -target bpf -fsyntax-only -ferror-limit=0 -w -I"$work" "$work/ask.c" 2>"$work/said" || true
	sed -n 's/.*ask\.c:\([0-9]*\):.*error:.*/\1/p' "$work/said" | sort -un >"$work/lines"
	while read -r line; do
		echo "$file: $(sed -n "$((line - 1))p" "$work/fields" | sed 's/ / has no field /') in $btf"
		[ "$file" = bpf/drift.h ] || missing=1
	done <"$work/lines"
	echo "$file: $(wc -l <"$work/fields") fields looked at"
done
exit $missing
