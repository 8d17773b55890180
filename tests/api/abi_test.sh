#!/usr/bin/env bash
#
# The shared libraries have the binary interface of tests/api/abi/, so programs that were linked with an earlier build of this SONAME go on
# working: no symbol is gone, no structure of a public header has another layout, no enumerator another value. What is added
# is an error too, until the files are made anew: nobody changes the interface without having seen it.
#
#	tests/api/abi_test.sh --renew       after a change that is meant, from the release build (see docs/contributing.md)
#
# The files are abidw's, of what the public headers declare, without the paths of the machine they were made on.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for program in abidw abidiff; do
	command -v "$program" >/dev/null || skip "no $program (.ci/packages.sh ci)"
done
[ -z "$sanitizer" ] || skip 'sanitizers add symbols of their own'
[ "$(uname -m)" = x86_64 ] || skip 'the layouts kept here are those of x86-64'

# abi_of FILE: prints it. Private types are none of a caller's business.
abi_of() {
	abidw --headers-dir "$root/include" --drop-private-types --exported-interfaces-only --no-corpus-path \
		--no-comp-dir-path --no-show-locs --no-parameter-names --no-elf-needed --type-id-style hash \
		"$1" | sed -E "s| path='$root/| path='|"
}

check() {
	local file
	file=$(find "$build/core" "$build/loop" "$build/proto" -name "$1.so" -print -quit)
	[ -n "$file" ] || fail "$1.so was not built"
	[ "$(readelf -S "$file" | grep -c '\.debug_info')" != 0 ] || skip 'a build without debug information'
	if [ -n "$renew" ]; then
		abi_of "$file" >"$here/abi/$1.abi"
		return
	fi
	abi_of "$file" >"$work/$1.abi"
	abidiff --no-show-locs "$here/abi/$1.abi" "$work/$1.abi" >"$work/difference" || {
		cat "$work/difference"
		echo "$1: if the change above is meant: tests/api/abi_test.sh --renew"
		failed=1
	}
}

failed=0
renew=${1-}
[ -z "$renew" ] || [ "$renew" = --renew ] || fail "no such option: $renew"
for library in libevchan libevchan-libevent libevchan-protobuf-c; do
	check "$library"
done
exit "$failed"
