#!/usr/bin/env bash
#
# clang-tidy has nothing to say, by .clang-tidy, on the public headers and on core/, loop/ and proto/. Compiles nothing: a build folder
# of its own is configured for the commands. Which sources belong to a build, CMake decides.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || {
	echo 'tidy: clang-tidy is missing (.ci/packages.sh ci)' >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake -S . -B "$work" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DBUILD_TESTING=OFF \
	-DEVCHAN_BUILD_EXAMPLES=OFF -DCMAKE_BUILD_TYPE=Debug >"$work/log" 2>&1 || {
	cat "$work/log"
	exit 1
}
sed -nE 's/^ *"file": "(.*)",?$/\1/p' "$work/compile_commands.json" | sort -u >"$work/files"
[ -s "$work/files" ] || {
	echo 'tidy: no sources' >&2
	exit 1
}
xargs -a "$work/files" -d '\n' -P "$(nproc)" -n 4 "$tidy" -p "$work" --quiet >"$work/found" 2>"$work/errors" || {
	grep -hE ': (warning|error): ' "$work/found" | sort -u
	grep -v ' warnings\? generated\|^Suppressed\|^Use -header' "$work/errors" || true
	exit 1
}
