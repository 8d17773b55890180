#!/usr/bin/env bash
#
# docs/guarantees.md names the tests that hold each promise: `FOLDER/NAME`, as ctest calls it,
# maybe followed by `: ` and properties in it. Each of them must exist.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

document=docs/guarantees.md
failed=0

complain() {
	echo "guarantees_document: $*" >&2
	failed=1
}

# source_of FOLDER NAME: prints the file that is this test, if there is one.
source_of() {
	local file
	for file in "tests/$1/$2_test.c" "tests/$1/$2_test.sh" "tests/$1/$2.pml" \
		"tests/$1/$1_$2.c"; do
		[ ! -e "$file" ] || echo "$file"
	done
	! grep -q "evchan_test($1 $2 " "tests/$1/CMakeLists.txt" 2>/dev/null ||
		echo "tests/$1/CMakeLists.txt"
}

# Prints "FOLDER NAME PROPERTY..." for each test that is named.
named_tests() {
	grep -oE '`[a-z0-9]+/[a-z0-9_]+`(: `[a-z0-9_]+`(, `[a-z0-9_]+`)*)?' "$document" |
		tr -d '`:,' | sed 's|/| |'
}

count=0
while read -r folder name properties; do
	[ "$folder" != tests ] || continue
	source=$(source_of "$folder" "$name" | head -n 1)
	[ -n "$source" ] || complain "no such test: $folder/$name"
	for property in $properties; do
		grep -q "\<$property\>" "${source:-/dev/null}" ||
			complain "$folder/$name has no $property"
	done
	count=$((count + 1))
done < <(named_tests)
[ "$count" -gt 50 ] || complain "only $count tests are named"
exit "$failed"
