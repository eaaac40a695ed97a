#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The form of commits: `area: what changes` of at most 72 characters, a blank line, a body that says
# why. tools/check_commits.sh [RANGE] (default: the commits since origin/main, else the last one).
set -euo pipefail
cd "$(dirname "$0")/.."
git rev-parse --git-dir >/dev/null 2>&1 || { echo "check_commits: not a git checkout: nothing to check"; exit 0; }
range=${1:-}
if [ -z "$range" ]; then
	if git rev-parse -q --verify origin/main >/dev/null && [ -n "$(git rev-list origin/main..HEAD)" ]; then
		range=origin/main..HEAD
	else
		range="-1 HEAD"
	fi
fi
bad=0
fault() { echo "check_commits: ${1:0:10}: $2" >&2; bad=1; }
# shellcheck disable=SC2086 # "-1 HEAD" is two words
for commit in $(git rev-list --no-merges $range --); do
	title=$(git log -1 --format=%s "$commit")
	second=$(git log -1 --format=%B "$commit" | sed -n 2p)
	body=$(git log -1 --format=%b "$commit")
	[ ${#title} -le 72 ] || fault "$commit" "the title has ${#title} characters: $title"
	[[ $title =~ ^[a-z0-9][a-z0-9_.,/\ -]*:\ [^\ ].*[^.]$ ]] || fault "$commit" "no 'area: what changes': $title"
	[ -z "$second" ] || fault "$commit" "no blank line after the title: $title"
	[ -n "$body" ] || fault "$commit" "no body that says why: $title"
done
exit $bad
