#!/usr/bin/env bash
#
# docs/ring-format.md and docs/control-protocol.md say what the code does: every offset, size, constant, refusal
# and example in their tables is compared with the code itself, by C that is made from them. What is a
# table to this check is told by its first columns:
#
#	constant | value | in               each value, in the file of core/ or include/evchan/ named
#	offset | size | name                struct of the heading above: each member, none missing
#	offset | size | field               frame of the heading above: likewise
#	number | constant | errno | final   each refusal, none missing
#	```hello, welcome, refused          each example is what is encoded from what it decodes to
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

documents=(docs/ring-format.md docs/control-protocol.md)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

die() {
	echo "format_document: $*" >&2
	exit 1
}

# ---- The documents ---------------------------------------------------------------------------

# Prints a line for each row: KIND|FILE:LINE|HEADING|CELL|CELL..., where HEADING is the first word of the
# heading above, but for "struct". An example is one line, example|FILE:LINE|NAME|BYTES.
rows() {
	awk '
		function cell(i) {
			gsub(/^[ \t]+|[ \t]+$|`/, "", cells[i])
			return cells[i]
		}
		function kind_of(header) {
			if (header ~ /^constant,value,in,/) return "constant"
			if (header ~ /^offset,size,name,/) return "member"
			if (header ~ /^offset,size,field,/) return "field"
			if (header == "number,constant,errno,final") return "refusal"
			return ""
		}
		function print_row(    i) {
			printf "%s|%s:%d|%s", kind, FILENAME, FNR, heading
			for (i = 2; i <= (kind == "refusal" ? 7 : 4); i++)
				printf "|%s", cell(i)
			print ""
		}
		/^```./ { example = substr($0, 4); bytes = ""; next }
		/^```$/ { print "example|" FILENAME ":" FNR "|" example "|" bytes; example = "" }
		example { sub(/ *\|.*/, ""); sub(/^[0-9a-f]+ */, ""); bytes = bytes " " $0; next }
		/^#/ { heading = $0; gsub(/^#+ |`|struct /, "", heading); sub(/ .*/, "", heading) }
		!/^\|/ { kind = "" }
		/^\|/ {
			split($0, cells, "|")
			if (kind && cells[2] !~ /^-+$/) print_row()
			else if (!kind) kind = kind_of(cell(2) "," cell(3) "," cell(4) "," cell(5))
		}
	' "${documents[@]}"
}

# only KIND: the rows of it, of which there have to be some.
only() {
	grep "^$1|" "$scratch/rows" || die "no $1 found in ${documents[*]}"
}

# ---- What the compiler can compare ---------------------------------------------------------

includes() {
	printf '#include <assert.h>\n#include <stddef.h>\n#include <stdint.h>\n'
	printf '#include "%s"\n' "$@"
}

# must CONDITION TEXT
must() {
	printf 'static_assert(%s, "%s");\n' "$1" "$2"
}

# number TEXT: as C says it, if it is one.
number() {
	if [[ $1 =~ ^2\^([0-9]+)$ ]]; then
		echo "(UINT64_C(1) << ${BASH_REMATCH[1]})"
	elif [[ $1 =~ ^(0x[0-9A-Fa-f]+|[0-9]+)$ ]]; then
		echo "UINT64_C($1)"
	else
		echo NOT_A_NUMBER
	fi
}

# Reads constants. Those of one file are compared together, because it may be a .c file.
constants() {
	local place name value file
	while IFS='|' read -r _ place _ name value file; do
		[ -e "$scratch/in_$file.c" ] || includes "$file" >"$scratch/in_$file.c"
		must "$name == $(number "$value")" "$place: $name" >>"$scratch/in_$file.c"
	done
}

# layout KIND WHOLE...: reads the rows of structs or frames, exactly these. Each row begins where the one before
# it ends, and the last ends with the whole, so none is missing.
layout() {
	local kind=$1 place whole offset size name end=0 last='' before='' seen=''
	shift
	while IFS='|' read -r _ place whole offset size name; do
		if [ "$whole" != "$last" ]; then
			[ -z "$last" ] || "${kind}_ends" "$last" "$end" "$before"
			end=0 last=$whole seen+=" $whole"
		fi
		must "$(number "$offset") == $end" "$place: begins where the one before ends"
		"$kind" "$place" "$whole" "$offset" "$size" "$name"
		[[ ! $size =~ ^[0-9]+$ ]] || end=$((offset + size))
		before=$name
	done
	"${kind}_ends" "$last" "$end" "$before"
	[ "$seen" = " $*" ] || die "tables of$seen instead of $*"
}

# member PLACE STRUCT OFFSET SIZE NAME
member() {
	must "offsetof(struct $2, $5) == $3" "$1: offset of $5"
	must "sizeof(((struct $2 *)0)->$5) == $4" "$1: size of $5"
}

member_ends() {
	must "sizeof(struct $1) == $2" "struct $1 ends at $2"
}

# field PLACE FRAME OFFSET SIZE NAME: in control_message.c `field` of HELLO is HELLO_FIELD, the longest text
# CONTROL_TEXT_MAX. The header that all frames have is not named there.
field() {
	case $5 in
	'frame type') must "$3 == 0 && $4 == 1" "$1: $5" ;;
	'frame zero') must "$3 == 1 && $4 == 1" "$1: $5" ;;
	'frame length') must "$3 == 2 && $4 == 2" "$1: $5" ;;
	*) must "$2_${5^^} == $3" "$1: offset of $5" ;;
	esac
	[[ $4 =~ ^[0-9]+$ ]] || must "CONTROL_${5^^}_MAX == $(number "${4#0 to }")" "$1: size of $5"
}

# field_ends FRAME END LAST: the fields of fixed length end where the one of any length begins, or with
# the frame.
field_ends() {
	case "$1 $3" in
	'HELLO label') must "HELLO_LABEL == $2" "$1 ends at $2" ;;
	'WELCOME header_size') must "WELCOME_LENGTH == $2" "$1 ends at $2" ;;
	'REFUSED text') must "REFUSED_TEXT == $2" "$1 ends at $2" ;;
	'OBSERVE features' | 'OBSERVED features' | 'ASK next' | 'TOTALS age')
		must "$1_LENGTH == $2" "$1 ends at $2"
		;;
	'LANE label') must "LANE_LABEL == $2" "$1 ends at $2" ;;
	*) die "$1 ends with $3" ;;
	esac
}

# ---- What only a running program can compare -------------------------------------------------

checker() {
	includes errno.h stdbool.h stdio.h string.h control_message.c
	cat <<'END'
static bool failed;
static unsigned refusals_seen, examples_seen;

static void check(bool is_good, const char *place, const char *what)
{
	if (!is_good)
		printf("format_document: %s: %s is not the code's\n", place, what);
	failed |= !is_good;
}

static void refusal(const char *place, uint32_t number, uint32_t constant, int error, bool final,
		const char *text)
{
	check(number == constant && number == refusals_seen++, place, "number");
	check(control_refusal_error(number) == -error, place, "errno");
	check(control_refusal_is_final(number) == final, place, "final");
	check(strcmp(control_refusal_text(number), text) == 0, place, "text");
}

static size_t encode_again(unsigned char *again, const char *kind, const unsigned char *frame, size_t size)
{
	struct control_welcome welcome;
	struct control_refused refused;
	struct control_hello hello;

	if (!strcmp(kind, "hello") && !control_decode_hello(&hello, frame, size))
		return control_encode_hello(again, &hello);
	if (!strcmp(kind, "welcome") && !control_decode_welcome(&welcome, frame, size))
		return control_encode_welcome(again, &welcome);
	if (!strcmp(kind, "refused") && !control_decode_refused(&refused, frame, size))
		return control_encode_refused(again, CONTROL_REFUSED, &refused);
	return 0;
}

static void example(const char *place, const char *kind, const unsigned char *frame, size_t size)
{
	unsigned char again[CONTROL_FRAME_MAX];

	examples_seen++;
	/* The hello is a little-endian machine's. */
	if (BYTE_ORDER_OWN == BYTE_ORDER_BIG && !strcmp(kind, "hello"))
		return;
	check(encode_again(again, kind, frame, size) == size && !memcmp(again, frame, size), place, kind);
}

int main(void)
{
END
	only refusal | refusal_calls
	only example | example_calls
	cat <<'END'
	check(refusals_seen == CONTROL_REFUSE_LAST + 1, "refusals", "their number");
	check(examples_seen == 3, "examples", "their number");
	return failed;
}
END
}

refusal_calls() {
	local place number name error final text
	while IFS='|' read -r _ place _ number name error final _ text; do
		case $final in
		yes) final=true ;;
		no) final=false ;;
		esac
		printf '\trefusal("%s", %s, %s, %s, %s, "%s");\n' \
			"$place" "$number" "$name" "$error" "$final" "$text"
	done
}

example_calls() {
	local place kind text
	local -a bytes
	while IFS='|' read -r _ place kind text; do
		read -ra bytes <<<"$text"
		printf '\texample("%s", "%s", (const unsigned char[]){' "$place" "$kind"
		printf ' 0x%s,' "${bytes[@]}"
		printf ' }, %d);\n' "${#bytes[@]}"
	done
}

# ---- All of it ------------------------------------------------------------------------------------

compile() {
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -w \
		-I"$scratch" -Icore -Iinclude -Iinclude/evchan "$@"
}

main() {
	local file failed=0
	command -v "${CC:-cc}" >/dev/null || die 'a C compiler is needed'
	# The build makes it from version.h.in; nothing here depends on what is in it.
	mkdir "$scratch/evchan"
	: >"$scratch/evchan/version.h"

	rows >"$scratch/rows"
	only constant | constants
	{
		includes ring_format.h
		only member | layout member ring_header ring_page ring_record
	} >"$scratch/members.c"
	{
		includes control_message.c observe_message.c
		only field | layout field HELLO WELCOME REFUSED OBSERVE OBSERVED ASK LANE TOTALS
	} >"$scratch/fields.c"
	for file in "$scratch"/*.c; do
		compile -fsyntax-only "$file" || failed=1
	done
	checker >"$scratch/checker.c"
	{ compile -o "$scratch/checker" "$scratch/checker.c" && "$scratch/checker"; } || failed=1
	[ "$failed" = 0 ] || die 'documents and code differ'
}

main "$@"
