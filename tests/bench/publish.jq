# SPDX-License-Identifier: MIT
#
# What the tables and the plots are made of: looking up figures, and writing numbers.
#
# Figures are named as plan.h says. All of a run are in $figures, by name; what was not
# measured is null, in every function, and "-" in every table.

def index_figures: [.figures[] | {key: .name, value: .}] | from_entries;

# Names in the order of their numbers.
def in_order: sort_by(split("/") | map(tonumber? // .));

# The numbers at place `at` of the names that begin with `kind`, for example all sizes.
def numbers($figures; kind; at):
	[$figures | keys[] | split("/") | select(.[0] == kind) | .[at] | tonumber] | unique;

# The transports that have figures "PREFIX/TRANSPORT", in the order of the list.
def transport_order: ["evchan", "evchan-corked", "evchan-wait", "evchan-interval", "evchan-in-place", "bufferevent",
	"bufferevent-plain", "socket", "pipe", "seqpacket", "zmq", "nng", "libqb", "eventfd", "memcpy",
	"spin", "pacing"];
def transports_of($figures; prefixes):
	[transport_order[] | . as $t | select(any(prefixes[]; $figures["\(.)/\($t)"] != null
		or $figures["\(.)/\($t)/p50"] != null or $figures["\(.)/\($t)/connect"] != null))];

def median($figures; name): $figures[name] | if . == null then null else .median end;

def ratio(a; b): if a == null or b == null or b == 0 then null else a / b end;

def middle: sort | if . == [] then null elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2] + .[length / 2 - 1]) / 2 end;

# How many times one figure is another: the median of the ratios of their rounds. Rounds of the same number were measured
# soon after each other, so a machine that changes meanwhile changes both.
def times($figures; a; b):
	[$figures[a, b] | .samples // []] as [$a, $b]
	| [range([$a, $b | length] | min) | select($b[.] != 0) | $a[.] / $b[.]] | middle;

# ---- Numbers ---------------------------------------------------------------------

def zeros(n): if n <= 0 then "" else "0" * n end;

def place_point($decimals):
	(zeros($decimals + 1 - length) + .) | .[:-$decimals] + "." + .[-$decimals:];

# With so many significant digits, never with an exponent.
def digits($n):
	if . == null then "-" elif . == 0 then "0"
	elif . < 0 then "-" + (-. | digits($n))
	else ($n - 1 - (log10 | floor)) as $decimals
		| if $decimals <= 0
			then (. / pow(10; -$decimals) | round) * pow(10; -$decimals) | tostring
			else . * pow(10; $decimals) | round | tostring | place_point($decimals) end
	end;

# A median in a unit that suits it, and the least and the greatest round in the same.
def spread_in($scale; $unit):
	"\(.median / $scale | digits(3))\($unit)" + if (.samples | length) < 2 then ""
		else " (\(.min / $scale | digits(3))–\(.max / $scale | digits(3)))" end;
def spread: if . == null then "-" else spread_in(1; "") end;
def spread_us: if . == null then "-" else spread_in(1e3; "") end;

# Messages per second.
def spread_rate:
	if . == null then "-"
	elif .median >= 1e6 then spread_in(1e6; " M")
	elif .median >= 1e3 then spread_in(1e3; " k")
	else spread_in(1; "") end;

def microseconds: if . == null then "-" else . / 1e3 | digits(3) end;

def bytes:
	if . >= 1048576 then
		if . % 1048576 == 0 then "\(. / 1048576) Mi" else (. / 1e6 | digits(3)) + " M" end
	elif . >= 1024 and . % 1024 == 0 then "\(. / 1024) Ki"
	else tostring end;

# ---- Markdown --------------------------------------------------------------------

def row: "| " + join(" | ") + " |";
def table(heads; rows): [(heads | row), ([heads[] | "---"] | row)] + [rows[] | row];
