#!/usr/bin/env bash
#
# What the README shows is real: its commands do what it says, in a copy of the source that is built and installed as it says, and
# its C and CMake are a project that compiles, with the includes and the message type that a reader has to add.
source "$(dirname "${BASH_SOURCE[0]}")/walk.sh"

command -v protoc-c >/dev/null || skip 'no protoc-c'
[ -z "$sanitizer" ] || skip 'readers build without sanitizers'

copy_source() {
	folder=$work/evchan
	mkdir "$folder"
	(cd "$EVCHAN_SOURCE_DIR" && cp -R CMakeLists.txt CMakePresets.json LICENSE README.md \
		include core loop proto examples docs "$folder")
}

# Short enough for a reader to take in at once.
check_length() {
	local lines
	lines=$(grep -c . "$work/fragments.c")
	[ "$lines" -gt 0 ] && [ "$lines" -lt 40 ] ||
		fail "the sample has $lines lines, it should have less than 40"
}

compile_fragments() {
	local project=$work/project
	mkdir "$project"
	cat >"$project/log.proto" <<-'END'
		syntax = "proto3";
		message LogRecord {
		  string text = 1;
		}
	END
	protoc-c -I"$project" --c_out="$project" "$project/log.proto"
	{
		printf '#include <%s>\n' stdio.h stdlib.h event2/event.h evchan/libevent.h evchan/proto.h
		echo '#include "log.pb-c.h"'
		cat "$work/fragments.c"
	} >"$project/readme.c"
	{
		echo 'cmake_minimum_required(VERSION 3.25)'
		echo 'project(readme C)'
		echo 'add_library(program SHARED readme.c log.pb-c.c)'
		echo 'target_compile_options(program PRIVATE -Wall -Wextra -Wno-unused-parameter -Werror)'
		echo 'target_link_options(program PRIVATE -Wl,-z,defs)'
		cat "$work/fragments.cmake"
	} >"$project/CMakeLists.txt"
	{
		"$EVCHAN_CMAKE" -S "$project" -B "$project/build" &&
			"$EVCHAN_CMAKE" --build "$project/build"
	} >"$work/project.log" 2>&1 || {
		cat "$work/project.log"
		fail 'the fragments are no project'
	}
}

copy_source
install_for_reader
environment_of_reader
walk_document "$EVCHAN_SOURCE_DIR/README.md"
check_length
compile_fragments
echo "readme_test: $blocks blocks"
