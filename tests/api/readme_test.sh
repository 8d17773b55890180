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

copy_source
install_for_reader
environment_of_reader
walk_document "$EVCHAN_SOURCE_DIR/README.md"
check_length
compile_fragments
run_fragments
echo "readme_test: $blocks blocks"
