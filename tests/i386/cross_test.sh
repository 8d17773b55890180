#!/usr/bin/env bash
#
# A 32-bit and a 64-bit process on one lane, in both roles: compiles the core and this folder's tests once more, with the
# other word size, and lets the two programs talk. ctest sets EVCHAN_* and CC, see tests/CMakeLists.txt.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
native=$EVCHAN_BUILD_DIR/tests
other_build=$EVCHAN_BUILD_DIR/other-word-size
other=$other_build/tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "cross_test: $*" >&2
	exit 1
}

# Sets `options`, what CMake needs for programs of the other word size.
choose_options() {
	if [ "$("$native/i386_pair_test" bits)" = 64 ]; then
		bits=32
		options=(-DCMAKE_TOOLCHAIN_FILE="$here/toolchain.cmake")
	else
		bits=64
		options=(-DCMAKE_C_FLAGS=-m64)
	fi
}

# Compiler, C library and kernel: each may be without the other word size.
need_compiler() {
	echo 'int main(void) { return 0; }' >"$work/empty.c"
	if ! "$CC" "-m$bits" -o "$work/empty" "$work/empty.c" 2>"$work/errors" || ! "$work/empty"; then
		cat "$work/errors"
		echo "skipped: $CC makes no $bits-bit programs that run here"
		exit 77
	fi
}

build_other() {
	{
		"$EVCHAN_CMAKE" -G "$EVCHAN_GENERATOR" -S "$EVCHAN_SOURCE_DIR" -B "$other_build" \
			-DCMAKE_C_COMPILER="$CC" -DCMAKE_BUILD_TYPE=Debug -DEVCHAN_CORE_ONLY=ON \
			-DEVCHAN_BUILD_SHARED=OFF -DEVCHAN_INSTALL=OFF \
			-DEVCHAN_EVENTFD="$EVCHAN_EVENTFD" -DEVCHAN_MEMFD="$EVCHAN_MEMFD" "${options[@]}" &&
			"$EVCHAN_CMAKE" --build "$other_build" \
				--target i386_layout_test i386_pair_test
	} >"$work/build.log" 2>&1 || {
		cat "$work/build.log"
		fail "the $bits-bit programs do not build"
	}
	[ "$("$other/i386_pair_test" bits)" = "$bits" ] || fail "these programs do not have $bits bits"
}

compare_layouts() {
	"$native/i386_layout_test" print >"$work/native"
	"$other/i386_layout_test" print >"$work/other"
	[ -s "$work/native" ] || fail 'no layout was printed'
	diff "$work/native" "$work/other" || fail 'the layouts differ'
	"$other/i386_layout_test" || fail "the $bits-bit layout is wrong"
}

# must_have_said SENTENCE: one that begins a line.
must_have_said() {
	grep -q "^$1" "$work/said" || fail "nobody said: $1"
}

run_pairs() {
	"$native/i386_pair_test" with "$other/i386_pair_test" | tee "$work/said"
	must_have_said '32-bit receiver: messages 0 to .* of a 64-bit sender$'
	must_have_said '64-bit receiver: messages 0 to .* of a 32-bit sender$'
	# and lanes that one has left to the other
	must_have_said '32-bit receiver: messages [1-9][0-9]* to '
	must_have_said '64-bit receiver: messages [1-9][0-9]* to '
}

choose_options
need_compiler
build_other
compare_layouts
run_pairs
