#!/usr/bin/env bash
#
# .clang-format and .editorconfig are in force.
#
# clang-format must have nothing to change, but in the files of format_by_hand.txt: their tables, masks and declarations were laid out by
# hand, and it would take them apart. That list only gets shorter: a file of it that clang-format would leave alone must go from it.
# In those files the lines that differ from the commit EVCHAN_FORMAT_BASE are looked at, where it is given.
#
# Of .editorconfig: the bytes (UTF-8, line ends, the last line, trailing blanks), and tabs for indentation (of C, clang-format knows). Its line length is a help for editors only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

by_hand=tests/check/format_by_hand.txt
base=${EVCHAN_FORMAT_BASE-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
	printf 'format: %s\n' "$*"
	failed=1
}

# What belongs to the project: without git, what is there and no build.
files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		find . -name .build -prune -o -type f -printf '%P\n'
	fi
}

# Other versions lay out differently.
clang_format() {
	local program
	for program in clang-format-14 clang-format; do
		if "$program" --version 2>/dev/null | grep -q 'version 14\.'; then
			echo "$program"
			return
		fi
	done
}

check_bytes() {
	local file
	while IFS= read -r file; do
		# Corpora and conformance data are what they are.
		case $file in
		*.svg | *.png | tests/fuzz/corpus/* | tests/*/*.bin) continue ;;
		esac
		[ -s "$file" ] || continue
		iconv -f UTF-8 -t UTF-8 "$file" >"$work/bytes" 2>/dev/null || complain "$file: not UTF-8"
		[ -z "$(tail -c 1 "$file")" ] || complain "$file: no newline at the end"
		if grep -nHP '[ \t\r]+$' "$file"; then
			complain "$file: blanks at the end of the lines above"
		fi
	done <"$work/files"
}

check_indentation() {
	local hits
	hits=$(grep -E '(\.sh|\.cmake|CMakeLists\.txt)$' "$work/files" | xargs -d '\n' grep -nHP '^\t* {8}' || true)
	[ -z "$hits" ] || complain "eight blanks where a tab belongs:"$'\n'"$hits"
}

# as_formatted FILE...: prints those that clang-format would change.
as_formatted() {
	local file
	for file; do
		"$program" "$file" | cmp -s - "$file" || echo "$file"
	done
}

check_layout() {
	local changed
	export program
	export -f as_formatted
	grep -E '\.[ch]$' "$work/files" |
		xargs -d '\n' -P "$(nproc)" -n 20 bash -c 'as_formatted "$@"' as_formatted |
		LC_ALL=C sort >"$work/changed"
	changed=$(LC_ALL=C comm -23 "$work/changed" "$by_hand")
	[ -z "$changed" ] || complain "$program -i would change:"$'\n'"$changed"
	changed=$(LC_ALL=C comm -13 "$work/changed" "$by_hand")
	[ -z "$changed" ] || complain "in $by_hand without need:"$'\n'"$changed"
}

check_changed_lines() {
	local changed
	changed=$(xargs -a "$by_hand" git clang-format --binary "$(command -v "$program")" -q --diff "$base" -- || true)
	[ -z "$changed" ] || complain "lines changed since $base:"$'\n'"$changed"
}

files | LC_ALL=C sort >"$work/files"
check_bytes
check_indentation
program=$(clang_format)
[ -n "$program" ] || {
	echo 'format: clang-format 14 is missing (.ci/packages.sh ci)' >&2
	exit 1
}
check_layout
[ -z "$base" ] || check_changed_lines
exit "$failed"
