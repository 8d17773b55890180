#!/usr/bin/env bash
#
# Each shared library exports exactly what its public headers declare with EVCHAN_API.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# declared_in HEADER: the names declared with EVCHAN_API. One that this cannot find is an error.
declared_in() {
	local text names
	text=$(grep -v '^#' "$1" | tr '\n' ' ' |
		sed 's:/\*\([^*]\|\*\+[^*/]\)*\*\+/::g' | grep -o 'EVCHAN_API[^(;]*[(;]') || return 0
	names=$(sed -n 's/.*[^A-Za-z0-9_]\(evchan_[a-z0-9_]*\) *[(;]$/\1/p' <<<"$text")
	if [ "$(wc -l <<<"$text")" != "$(wc -l <<<"$names")" ]; then
		echo "exported_symbols_test: cannot read all declarations of $1" >&2
		return 1
	fi
	echo "$names"
}

# The name of a version node is exported too, as an absolute symbol (A).
exported_by() {
	nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }'
}

# compare LIBRARY HEADER...
compare() {
	local library=$1 file header
	shift
	file=$(find "$EVCHAN_BUILD_DIR" -name "$library.so" -print -quit)
	if [ -z "$file" ]; then
		echo "exported_symbols_test: $library.so was not built"
		failed=1
		return
	fi
	for header; do
		declared_in "$EVCHAN_SOURCE_DIR/include/evchan/$header"
	done | sort >"$work/declared"
	exported_by "$file" | sort >"$work/exported"
	if [ ! -s "$work/declared" ]; then
		echo "$library: its headers declare nothing"
		failed=1
	elif ! diff --unchanged-line-format= --old-line-format='  declared, not exported: %L' \
		--new-line-format='  exported, not declared: %L' "$work/declared" "$work/exported"; then
		echo "$library: see above"
		failed=1
	fi
}

compare libevchan evchan.h loop.h observe.h export.h
compare libevchan-libevent libevent.h
if [ -e "$EVCHAN_SOURCE_DIR/proto/CMakeLists.txt" ]; then
	compare libevchan-protobuf-c proto.h
fi
exit "$failed"
