#!/usr/bin/env bash
#
# Each installed program has a man page, which names the options that its --help names, and no others; all pages are
# without fault, as mandoc(1) sees it.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

prefix=$work/prefix
"$EVCHAN_CMAKE" --install "$build" --prefix "$prefix" >"$work/install.log"

# Usage lines have them in brackets, lists at the beginning. There may be none.
options_of_help() {
	"$1" --help >"$work/help" || fail "${1##*/} --help failed"
	sed -E 's/--[a-z]/\n&/g' "$work/help" | sed -nE 's/^(--[a-z][a-z-]*).*/\1/p' | sort -u
}

# Source of mdoc: an option is ".It Fl -name" or ".Op Fl -name".
options_of_page() {
	sed -nE 's/^\.(It|Op) Fl -([a-z][a-z-]*).*/--\2/p' "$1" | sort -u
}

check_program() {
	local name=${1##*/} page=$prefix/share/man/man1/${1##*/}.1
	[ -s "$page" ] || fail "$name has no man page (docs/man/$name.1)"
	options_of_help "$1" >"$work/of_help"
	options_of_page "$page" >"$work/of_page"
	# Some do not list the option that lists the others.
	grep -vx -e --help "$work/of_page" >"$work/of_page.less" || true
	grep -vx -e --help "$work/of_help" >"$work/of_help.less" || true
	diff "$work/of_help.less" "$work/of_page.less" >&2 ||
		fail "$name: its --help (<) and its man page (>) differ"
}

check_pages() {
	[ "$(find "$prefix/share/man" -name 'evchan*.[1-8]' | wc -l)" -gt "$programs" ] &&
		[ -s "$prefix/share/man/man7/evchan.7" ] || fail 'evchan(7) is not installed'
	command -v mandoc >/dev/null || skip 'mandoc is missing'
	find "$prefix/share/man" -name '*.[1-8]' -exec mandoc -Tlint -Wwarning {} + >&2 ||
		fail 'man pages have faults: see above'
}

programs=0
for program in "$prefix"/bin/*; do
	check_program "$program"
	programs=$((programs + 1))
done
[ "$programs" -gt 0 ] || fail 'no program is installed'
check_pages
