#!/usr/bin/env bash
#
# What is installed works for a user who has nothing else: the package files, each header alone in C
# and in C++, and the programs. ctest sets EVCHAN_* and CC, see tests/CMakeLists.txt.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
first=$work/first
prefix=$work/moved
flags=(${EVCHAN_SANITIZE:+"-fsanitize=$EVCHAN_SANITIZE"})

fail() {
	echo "installed_test: $*" >&2
	exit 1
}

# The tree is moved after the installation: nothing in it may name the place it was installed to.
install_and_move() {
	"$EVCHAN_CMAKE" --install "$EVCHAN_BUILD_DIR" --prefix "$first" >"$work/install.log"
	if grep -rIl "$first" "$first"; then
		fail 'the files above name the prefix they were installed to'
	fi
	mv "$first" "$prefix"
	libraries=$(dirname "$(find "$prefix" -name libevchan.so)")
	export PKG_CONFIG_PATH=$libraries/pkgconfig
}

compile_with_pkg_config() {
	local output
	output=$(pkg-config --cflags --libs evchan-libevent)
	read -ra output <<<"$output"
	"$CC" -std=c11 "${flags[@]}" -o "$work/with_pkg_config" "$here/installed/main.c" \
		"${output[@]}"
	LD_LIBRARY_PATH=$libraries "$work/with_pkg_config" || fail 'pkg-config: the program failed'
}

compile_with_cmake() {
	local kind
	"$EVCHAN_CMAKE" -G "$EVCHAN_GENERATOR" -S "$here/installed" -B "$work/build" \
		-DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="${flags[*]}" >"$work/cmake.log"
	"$EVCHAN_CMAKE" --build "$work/build" >>"$work/cmake.log" || {
		cat "$work/cmake.log"
		fail 'find_package: the project does not build'
	}
	for kind in shared static; do
		"$work/build/with_$kind" || fail "find_package: the program with_$kind failed"
	done
	readelf -d "$work/build/with_shared" | grep -q 'NEEDED.*\[libevchan-libevent\.so\.0\]' ||
		fail 'with_shared does not need libevchan-libevent.so.0'
	if readelf -d "$work/build/with_static" | grep 'NEEDED.*libevchan'; then
		fail 'with_static needs a shared library of evchan'
	fi
}

# compile_headers FLAGS LANGUAGE COMPILER ARGUMENT...
compile_headers() {
	local packages=$1 language=$2 header name
	shift 2
	read -ra packages <<<"$packages"
	for header in "$prefix"/include/evchan/*.h; do
		name=evchan/${header##*/}
		# A file without any declaration is not C.
		printf '#include <%s>\ntypedef int nothing;\n' "$name" |
			"$@" -Wall -Wextra -pedantic -Werror -fsyntax-only -x "$language" \
				"${packages[@]}" - || fail "<$name> alone is not $language"
	done
}

compile_each_header() {
	local packages=("$libraries"/pkgconfig/*.pc) package_flags
	packages=("${packages[@]##*/}")
	package_flags=$(pkg-config --cflags "${packages[@]%.pc}")
	compile_headers "$package_flags" c "$CC" -std=c11
	compile_headers "$package_flags" c++ "${CXX:-g++}" -std=c++20
}

run_programs() {
	local program name version
	version=$(pkg-config --modversion evchan)
	for name in evchan-receive evchan-send; do
		program=$prefix/bin/$name
		[ -x "$program" ] || fail "$name is not installed"
		"$program" --help >"$work/help" || fail "$name --help failed"
		[ -s "$work/help" ] || fail "$name --help says nothing"
		"$program" --version >"$work/version" || fail "$name --version failed"
		grep -qF "$version" "$work/version" || fail "$name --version does not say $version"
	done
}

install_and_move
compile_with_pkg_config
compile_with_cmake
compile_each_header
run_programs
