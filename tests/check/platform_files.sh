#!/usr/bin/env bash
#
# What differs from platform to platform is a file of its own, chosen by CMake, and not a condition inside a function. The one header
# that may ask which system this is, is include/evchan/system.h, for the types of the public headers; the one that may ask what
# the system's headers have is core/linux_compat.h. Elsewhere the preprocessor decides by nothing
# but include guards, C++, NDEBUG and the byte order; in the tests, by sanitizers and optional peers too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shopt -s globstar nullglob

failed=0

# must_ask_only ALLOWED FILE...
must_ask_only() {
	local allowed=$1 hits
	shift
	hits=$(grep -nHE '^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)\b' "$@" |
		grep -vE ":[ \t]*#[ \t]*(if|ifdef|ifndef|elif)[ \t]+($allowed)[ \t]*$" || true)
	[ -n "$hits" ] || return 0
	printf 'platform_files: a condition outside the platform files:\n%s\n' "$hits"
	failed=1
}

product=()
for file in core/**/*.[ch] loop/**/*.[ch] proto/**/*.[ch] examples/**/*.[ch] include/**/*.h; do
	[ "$file" = core/linux_compat.h ] || [ "$file" = include/evchan/system.h ] || product+=("$file")
done
common='[A-Z0-9_]+_H|__cplusplus|NDEBUG|__BYTE_ORDER__ [!=]= __ORDER_(LITTLE|BIG)_ENDIAN__'
must_ask_only "$common" "${product[@]}"
must_ask_only "$common|"'.*(SANITIZE|sanitizer|__has_feature|HAS_[A-Z_]+).*|BENCH_HAS_[A-Z]+|EVCHAN_[A-Z_]+|SYS_[a-z0-9_]+|__GLIBC__|[A-Z_]+_MADE_HERE' tests/**/*.[ch]
exit "$failed"
