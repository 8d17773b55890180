#!/usr/bin/env bash
#
# The tutorial works: its files compile, its commands do what it says, and what they print is what it shows.
source "$(dirname "${BASH_SOURCE[0]}")/walk.sh"

command -v protoc-c >/dev/null || skip 'no protoc-c'
# A reader's program would have to be compiled with the sanitizer, too.
[ -z "$sanitizer" ] || skip 'readers build without sanitizers'

install_for_reader
environment_of_reader
folder=$HOME/tutorial
mkdir "$folder"
walk_document "$EVCHAN_SOURCE_DIR/docs/tutorial.md"
for file in "$folder"/*.c; do
	[[ $file == *.pb-c.c ]] || "$CC" -std=gnu11 -Wall -Wextra -Werror -fsyntax-only \
		$(pkg-config --cflags evchan-libevent evchan-protobuf-c) "$file" ||
		fail "${file##*/}: warnings"
done
echo "tutorial_test: $blocks blocks"
