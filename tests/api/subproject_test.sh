#!/usr/bin/env bash
#
# A project can have evchan as a part of its own build: by add_subdirectory() and by FetchContent, with the same targets as
# find_package(evchan COMPONENTS ...) gives, which is tried here with and without components. As a part, evchan builds no tests and no
# programs, and installs nothing.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

[ -z "$sanitizer" ] || skip 'readers build without sanitizers'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# project NAME: one that gets evchan by the CMake on standard input.
project() {
	mkdir "$work/$1"
	{
		printf 'cmake_minimum_required(VERSION 3.25)\nproject(part LANGUAGES C)\n'
		cat
	} >"$work/$1/CMakeLists.txt"
}

program() {
	cat <<-END
		add_executable(program $here/installed/main.c)
		target_link_libraries(program PRIVATE evchan::libevent)
		if(NOT TARGET evchan::protobuf-c)
			message(FATAL_ERROR "no evchan::protobuf-c")
		endif()
	END
}

# configure NAME OPTION...
configure() {
	"$EVCHAN_CMAKE" -G "$EVCHAN_GENERATOR" -S "$work/$1" -B "$work/$1/build" "${@:2}" >"$work/$1.log" 2>&1
}

build_and_run() {
	"$EVCHAN_CMAKE" --build "$work/$1/build" --target program >>"$work/$1.log" 2>&1 || {
		cat "$work/$1.log"
		fail "$1 does not build"
	}
	"$work/$1/build/program" || fail "$1: the program failed"
}

# A part of another project, shared libraries only, so that they need not be compiled twice.
check_part() {
	configure "$1" -DEVCHAN_BUILD_STATIC=OFF -DCMAKE_INSTALL_PREFIX="$work/$1/installed" || {
		cat "$work/$1.log"
		fail "$1 cannot be configured"
	}
	build_and_run "$1"
	[ -z "$(find "$work/$1/build" -name 'evchan-send*' -type f -perm -1)" ] || fail "$1: programs were built"
	"$EVCHAN_CMAKE" --install "$work/$1/build" >>"$work/$1.log"
	[ ! -e "$work/$1/installed/include" ] || fail "$1: something was installed"
}

project subdirectory < <(
	echo "add_subdirectory($EVCHAN_SOURCE_DIR evchan)"
	program
)
project fetched < <(
	echo 'include(FetchContent)'
	echo "FetchContent_Declare(evchan SOURCE_DIR $EVCHAN_SOURCE_DIR)"
	echo 'FetchContent_MakeAvailable(evchan)'
	program
)
project found < <(
	echo 'find_package(evchan 0.1 REQUIRED COMPONENTS libevent protobuf-c)'
	program
)
project bare < <(
	echo 'find_package(evchan REQUIRED)'
	echo 'if(TARGET evchan::libevent)'
	echo '	message(FATAL_ERROR "libevent was not asked for")'
	echo 'endif()'
)
project wrong < <(echo 'find_package(evchan REQUIRED COMPONENTS libevent no-such-library)')

check_part subdirectory
check_part fetched
"$EVCHAN_CMAKE" --install "$build" --prefix "$work/prefix" >"$work/install.log"
configure found -DCMAKE_PREFIX_PATH="$work/prefix" || {
	cat "$work/found.log"
	fail 'find_package with components'
}
build_and_run found
configure bare -DCMAKE_PREFIX_PATH="$work/prefix" || fail 'find_package without components'
! configure wrong -DCMAKE_PREFIX_PATH="$work/prefix" || fail 'find_package with a component that does not exist'
grep -q 'no-such-library' "$work/wrong.log" || fail 'the missing component is not named'
