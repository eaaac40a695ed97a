#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Installs what spanprobe needs: tools/deps.sh [build] [demo] [tests] [truth] (default: build demo).
# Says what it does; does nothing, without root, when all is there already.
# Known: Debian 12 and 13, Ubuntu 24.04. Nothing is downloaded but by apt from its own sources.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where nginx is, also for those who are not root

# A plain word is a package; "command:package" is needed only where the command is missing, so
# that a Node, Go or Java from elsewhere is left alone.
BUILD="gcc make pkg-config clang libelf-dev libdw-dev zlib1g-dev liblzma-dev libzydis-dev libprotobuf-c-dev
	protobuf-c-compiler libcurl4-openssl-dev libyaml-dev uthash-dev uuid-dev libc6-dev"
DEMO="nginx:nginx python3:python3 node:nodejs curl:curl"
TESTS="$DEMO libcmocka-dev wrk:wrk python3-venv python3-yaml javac:default-jdk-headless go:golang-go
	cppcheck:cppcheck shellcheck:shellcheck codespell:codespell mandoc:mandoc man:man-db
	apache2:apache2-bin libapache2-mod-php php-fpm liburing-dev nft:nftables setpriv:util-linux
	redis-server:redis-server redis-cli:redis-tools postgresql psql:postgresql-client
	ip:iproute2 ss:iproute2 unshare:util-linux qemu-system-x86_64:qemu-system-x86
	busybox-static cpio:cpio depmod:kmod"
# the servers and runtimes of the truth bench
TRUTH="nginx:nginx python3:python3 python3-venv node:nodejs npm:npm javac:default-jdk-headless mvn:maven
	go:golang-go ruby:ruby puma:puma php-fpm php-curl apache2:apache2-bin libapache2-mod-php haproxy:haproxy
	libnginx-mod-http-lua redis-server:redis-server postgresql"
LIBBPF_MIN=1.3 # bpf_program__attach_uprobe_multi, bpf_object__attach_skeleton's links

say() { printf 'deps: %s\n' "$*"; }
die() { printf 'deps: %s\n' "$*" >&2; exit 1; }

other_system() {
	cat >&2 <<TEXT
deps: this is ${PRETTY_NAME:-an unknown system}, not Debian 12 or 13 or Ubuntu 24.04: install by hand
  to build:  gcc, GNU make, pkg-config, clang >= 14 (with the BPF target), bpftool >= 7.2,
             protoc-c, and the headers of libbpf >= $LIBBPF_MIN, libelf, libdw (elfutils), zlib, liblzma, Zydis 4,
             protobuf-c, libcurl, libyaml, uthash, libuuid
  demo:      nginx, python3, node, curl
  tests:     Apache with PHP, PHP-FPM, liburing, nftables, cmocka, wrk, python3 with venv and yaml, a JDK, Go >= 1.21, clang-format 14, clang-tidy,
             clang's sanitizer runtime, cppcheck, shellcheck, codespell, mandoc, iproute2,
             qemu-system-x86, a static busybox, cpio, kmod
  truth:     npm, Maven, ruby and puma, php-fpm with curl, Apache with mod_php, haproxy, Redis,
             PostgreSQL, nginx's Lua module, cargo (what is missing is left out of the bench, by name)
  then run make, make test.
TEXT
	exit 1
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
available() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# The first of the names that apt knows.
first_available() {
	local name
	for name; do
		if installed "$name" || available "$name"; then
			echo "$name"
			return
		fi
	done
	echo "$1"
}

new_enough() { # VERSION MINIMUM, of packages
	dpkg --compare-versions "${1#*:}" ge "$2"
}

libbpf_version() { dpkg-query -W -f '${Version}' libbpf-dev 2>/dev/null || echo 0; }
# what Ubuntu installs as bpftool is a wrapper that wants the tools of the running kernel
bpftool_works() { bpftool version >/dev/null 2>&1 || ls /usr/lib/linux-tools/*/bpftool >/dev/null 2>&1; }

missing=()
want() {
	local word
	for word; do
		case "$word" in
		*:*) command -v "${word%%:*}" >/dev/null || missing+=("${word#*:}") ;;
		*) installed "$word" || missing+=("$word") ;;
		esac
	done
}

# The tools that belong to this system's clang. Their names are known to apt only after its update.
LLVM_TOOLS=llvm-tools
llvm_tools_present() {
	command -v clang-tidy >/dev/null || command -v clang-tidy-14 >/dev/null || return 1
	command -v clang-format >/dev/null || command -v clang-format-14 >/dev/null || return 1
	ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1
}
llvm_tools() {
	local version
	version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
	first_available "libclang-rt-$version-dev" "libclang-common-$version-dev"
	first_available clang-format-14 clang-format
	first_available clang-tidy-14 clang-tidy
}

update_done=
update() {
	[ -z "$update_done" ] || return 0
	say "apt-get update"
	apt-get update -q >/dev/null || say "apt-get update failed in part: going on with the lists that are there"
	update_done=1
}

# libbpf and bpftool of Debian 12 are too old; its backports have newer ones. Where the machine has
# no entry for them, the one that it gets Debian itself from is copied with the other suite:
# its mirror, its Signed-By and its options stay.
# shellcheck disable=SC2016 # the $(..) are apt's
enable_backports() {
	local entry file number to
	if apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -qx "$1-backports"; then
		return
	fi
	entry=$(apt-get indextargets --format '$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)' 'Created-By: Packages' |
		awk -F'|' -v suite="$1" '$1 == "Debian" && $2 == suite && $3 == "main" { print $4; exit }')
	[ -n "$entry" ] || die "no source entry for Debian '$1' found: enable $1-backports by hand and run this again"
	file=${entry%:*}
	number=${entry##*:}
	to=/etc/apt/sources.list.d/spanprobe-backports.${file##*.}
	say "enabling $1-backports for libbpf and bpftool: $to, copied from $entry"
	case "$file" in
	*.sources)
		# comments go first: one that stands alone between blank lines is no paragraph
		grep -v '^#' "$file" | awk -v n="$number" -v suite="$1-backports" 'BEGIN { RS = ""; FS = "\n" }
			NR == n {
				for (i = 1; i <= NF; i++) {
					if ($i ~ /^Types:/) print "Types: deb"
					else if ($i ~ /^Suites:/) print "Suites: " suite
					else if ($i ~ /^Components:/) print "Components: main"
					else print $i
				}
			}' >"$to"
		;;
	*)
		sed -n "${number}p" "$file" |
			sed -E "s/^(deb +(\\[[^]]*\\] +)?[^ ]+) +$1 .*/\\1 $1-backports main/" >"$to"
		;;
	esac
	grep -q -- "$1-backports" "$to" || {
		rm -f "$to"
		die "cannot read the entry $entry: enable $1-backports by hand and run this again"
	}
	update_done=
	update
}

install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "apt-get install $* failed"
	}
}

server_services() {
	local names=(nginx.service apache2.service 'php*-fpm.service' haproxy.service redis-server.service postgresql.service)
	# shellcheck disable=SC2068 # a pattern among them
	(cd /lib/systemd/system && ls ${names[@]} 2>/dev/null) || :
}
# Freshly installed servers would start to serve: they are wanted as programs only.
install_quiet() { # PACKAGE...
	local service before
	before=$(server_services)
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		trap 'rm -f /usr/sbin/policy-rc.d "$log"' EXIT
	fi
	install "$@"
	for service in $(server_services); do
		[[ "$before" != *"$service"* && -d /run/systemd/system ]] || continue
		systemctl disable --quiet "$service" || say "cannot disable $service"
	done
	say "$* installed, their system services are left off"
}

main() {
	local lists=("$@") list bpf=() rest=() quiet=() name
	[ ${#lists[@]} -gt 0 ] || lists=(build demo)
	# shellcheck disable=SC1091
	[ ! -r /etc/os-release ] || . /etc/os-release
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		other_system
	fi
	case "${ID:-}-${VERSION_ID:-}" in
	debian-12 | debian-13 | ubuntu-24.04) ;;
	*) say "${PRETTY_NAME:-this system} is not one that was tried: trying all the same" ;;
	esac

	for list in "${lists[@]}"; do
		# shellcheck disable=SC2086
		case "$list" in
		build) want $BUILD ;;
		demo) want $DEMO ;;
		tests)
			want $TESTS
			llvm_tools_present || missing+=("$LLVM_TOOLS")
			;;
		truth) want $TRUTH ;;
		*) die "unknown list '$list': build, demo, tests or truth" ;;
		esac
	done
	new_enough "$(libbpf_version)" "$LIBBPF_MIN" || bpf+=(libbpf-dev)
	bpftool_works || bpf+=(bpftool)

	if [ ${#missing[@]} -eq 0 ] && [ ${#bpf[@]} -eq 0 ]; then
		say "everything for ${lists[*]} is installed"
		return
	fi
	name="${missing[*]} ${bpf[*]}"
	say "missing: ${name# }"
	[ "$(id -u)" = 0 ] || die "installing them needs root: sudo make deps"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	update

	for name in "${missing[@]}"; do
		case "$name" in
		nginx | apache2-bin | libapache2-mod-php | php-fpm | haproxy | redis-server | postgresql)
			quiet+=("$name")
			;;
		"$LLVM_TOOLS") mapfile -t -O ${#rest[@]} rest < <(llvm_tools) ;;
		*) rest+=("$name") ;;
		esac
	done
	if [ ${#rest[@]} -gt 0 ]; then
		say "installing ${rest[*]}"
		install "${rest[@]}"
	fi
	if [ ${#bpf[@]} -gt 0 ]; then
		say "installing ${bpf[*]}"
		case "${ID:-}-${VERSION_ID:-}" in
		debian-12)
			enable_backports "$VERSION_CODENAME"
			install -t "$VERSION_CODENAME-backports" "${bpf[@]}"
			;;
		ubuntu-*)
			# bpftool comes with the tools of a kernel there, any of which will do
			install "${bpf[@]/bpftool/linux-tools-generic}"
			;;
		*) install "${bpf[@]}" ;;
		esac
	fi
	[ ${#quiet[@]} -eq 0 ] || install_quiet "${quiet[@]}"
	new_enough "$(libbpf_version)" "$LIBBPF_MIN" || die "libbpf $(libbpf_version) is too old: $LIBBPF_MIN is needed"
	bpftool_works || die "bpftool does not start: see 'bpftool version'"
	say "done"
}

log=
main "$@"
