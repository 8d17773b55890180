#!/usr/bin/env bash
#
# The README's C is real: what stands in its ```c blocks compiles against the public headers, in one file, with the
# includes and the message type that a reader has to add.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v protoc-c >/dev/null || {
	echo 'readme_test: skipped: no protoc-c'
	exit 77
}

cat >"$work/log.proto" <<'END'
syntax = "proto3";
message LogRecord {
  string text = 1;
}
END
protoc-c -I"$work" --c_out="$work" "$work/log.proto"
{
	printf '#include <%s>\n' stdio.h stdlib.h event2/event.h evchan/libevent.h evchan/proto.h
	echo '#include "log.pb-c.h"'
	sed -n '/^```c$/,/^```$/p' "$EVCHAN_SOURCE_DIR/README.md" | sed '/^```/d'
} >"$work/readme.c"
lines=$(sed -n '/^```c$/,/^```$/p' "$EVCHAN_SOURCE_DIR/README.md" | sed '/^```/d' | grep -c .)
[ "$lines" -gt 0 ] && [ "$lines" -lt 40 ] || {
	echo "readme_test: the sample has $lines lines, it should have less than 40"
	exit 1
}
read -ra flags <<<"$(pkg-config --cflags libprotobuf-c libevent_core)"
"$CC" -std=c11 -Wall -Wextra -Wno-unused-parameter -Werror -fsyntax-only "${flags[@]}" -I"$work" \
	-I"$EVCHAN_SOURCE_DIR/include" -I"$EVCHAN_BUILD_DIR/include" "$work/readme.c"
echo "readme_test: $lines lines of the README compile"
