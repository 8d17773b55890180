#!/usr/bin/env bash
#
# The one place that knows which Debian packages this project needs, and for what.
#
#	.ci/packages.sh PURPOSE...        installs what is missing
#	.ci/packages.sh --list PURPOSE... only prints the packages
#
# Purposes: build (the libraries and programs), test (tests/run), bench (peers to compare with), platforms (compilers and
# emulators of tests/platforms/run), macos (what gets the compiler of tests/platforms/macos), ci (the rest of .ci/run).
# "a|b" is satisfied by either and installed as a.
set -euo pipefail

packages_for() {
	case $1 in
	build) echo 'cmake ninja-build gcc libc6-dev pkg-config|pkgconf libevent-dev libprotobuf-c-dev protobuf-c-compiler' ;;
	test) echo 'g++ python3 libcmocka-dev libprotobuf-dev jq mandoc strace tmux valgrind wrk libuv1-dev libglib2.0-dev libnats-dev libsodium-dev' ;;
	# Not gcc-multilib: it conflicts with the cross compilers, gcc-12-multilib does not.
	bench) echo 'libzmq3-dev libnng-dev libqb-dev gnuplot-nox jq libxml2-utils' ;;
	# Debian's nats-server starts one on all interfaces where there is systemd: not for everybody who runs the tests.
	ci) echo 'git clang clang-format-14 clang-tidy-14 libclang-rt-14-dev spin gcc-12-multilib libc6-dev-i386 nats-server doxygen debootstrap lintian dpkg-dev abigail-tools' ;;
	platforms) echo 'musl-tools linux-libc-dev qemu-user gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-s390x-linux-gnu gcc-mingw-w64-x86-64-posix mingw-w64-x86-64-dev wine64 wine' ;;
	macos) echo 'npm|nodejs file' ;;
	*)
		echo "packages.sh: no such purpose: $1 (build, test, bench, platforms, macos, ci)" >&2
		return 2
		;;
	esac
}

have() {
	command -v "$1" >/dev/null 2>&1
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Prints those of the packages "$@" that are missing.
missing_of() {
	local entry alternative
	for entry; do
		for alternative in ${entry//|/ }; do
			is_installed "$alternative" && continue 2
		done
		echo "${entry%%|*}"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_install() {
	have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null
}

# Package lists that are absent or out of date are noticed by an install that fails.
install() {
	apt_get install --no-install-recommends "$@" && return
	echo 'packages.sh: updating the package lists and trying again'
	apt_get update && apt_get install --no-install-recommends "$@"
}

# Without dpkg nobody knows names or versions; the build itself will tell what it lacks.
check_programs() {
	local program lacking=''
	echo "packages.sh: this is not Debian; there, these packages are needed: $*"
	for program in cmake ninja cc pkg-config; do
		have "$program" || lacking+=" $program"
	done
	if [ -n "$lacking" ]; then
		echo "packages.sh: not found:$lacking" >&2
		return 1
	fi
}

main() {
	local list_only='' purpose words wanted=() missing=()
	if [ "${1-}" = --list ]; then
		list_only=yes
		shift
	fi
	for purpose; do
		words=$(packages_for "$purpose")
		read -ra words <<<"$words"
		wanted+=("${words[@]}")
	done
	if [ -n "$list_only" ]; then
		printf '%s\n' "${wanted[@]%%|*}"
		return
	fi
	if ! have dpkg-query; then
		check_programs "${wanted[@]%%|*}"
		return
	fi
	mapfile -t missing < <(missing_of "${wanted[@]}")
	if [ ${#missing[@]} = 0 ]; then
		return
	fi
	if ! can_install; then
		echo "packages.sh: cannot install (needs apt-get and root or sudo): ${missing[*]}" >&2
		return 1
	fi
	echo "packages.sh: installing ${missing[*]}"
	install "${missing[@]}"
}

main "$@"
