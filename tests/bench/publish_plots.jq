# SPDX-License-Identifier: MIT
#
# JSON of a run to a program for gnuplot that draws one plot, --arg plot NAME; nothing if no
# figure for it was measured.

include "publish";

index_figures as $figures
| def colours: {"evchan": "#d62728", "evchan-corked": "#ff7f0e", "evchan-wait": "#8c564b", "evchan-in-place": "#e377c2",
	"evchan-interval": "#f4a6a6",
	"bufferevent": "#1f77b4", "bufferevent-plain": "#8fb8de", "socket": "#17becf", "pipe": "#2ca02c",
	"seqpacket": "#bcbd22", "zmq": "#9467bd", "nng": "#c5a3d9", "libqb": "#7f7f7f", "pacing": "#bbbbbb"};
def colour: colours[.] // "#000000";
# Limits are black: broken lines.
def dashes: if . == "memcpy" then 2 elif . == "spin" or . == "asked for" then 3 else 1 end;
def width: if startswith("evchan") then 2.5 else 1.5 end;

def number: if . == null then "?" else tostring end;
def quoted: "\"" + . + "\"";

def head($title; $x; $y):
	"set terminal svg size 760,440 noenhanced font 'sans-serif,12' background rgb 'white'",
	"set title \($title | quoted)", "set xlabel \($x | quoted)", "set ylabel \($y | quoted)",
	"set key outside right noenhanced", "set grid ytics lt 1 lw 0.5 lc rgb '#dddddd'", "set datafile missing '?'", "set border 3",
	"set tics nomirror";

# lines: [{name, points: [[x, y]]}]; the numbers of the x axis are written by `written`.
def line_plot($lines; $ticks; written):
	($lines | to_entries[] | "$data\(.key) << EOD", (.value.points[] | map(number) | join(" ")), "EOD"),
	"set logscale x 2", "set xrange [\($ticks[0] * 0.9):\($ticks[-1] * 1.1)]", "set xtics (" + ([$ticks[] | "\(written | quoted) \(.)"] | join(", ")) + ")",
	"plot " + ([$lines | to_entries[] | .value.name as $n | "$data\(.key) using 1:2 with linespoints title \($n | quoted)"
		+ " lc rgb \(.value.colour // ($n | colour) | quoted) lw \($n | width) dt \($n | dashes) pt \(.key % 13 + 1) ps 0.6"] | join(", "));

# bars: a group for each of `groups`, in it a bar for each of `names`; height(group; name).
def bar_plot($groups; $all; height):
	[$all[] | . as $n | select(any($groups[]; [., $n] | height != null))] as $names
	| "$data << EOD", ($groups[] | . as $g | [(.title | quoted), ($names[] | . as $n | [$g, $n] | height | number)] | join(" ")), "EOD",
	"set style data histogram", "set style histogram clustered gap 1.5", "set style fill solid 0.9 noborder", "set logscale y",
	"plot " + ([$names | to_entries[] | "$data using \(.key + 2)" + (if .key == 0 then ":xtic(1)" else "" end)
		+ " title \(.value | quoted) lc rgb \(.value | colour | quoted)"] | join(", "));

def stream_name($size; $senders; $t): "stream/\($size)/\($senders)/free/\($t)";
def stream_sizes($senders): [$figures | keys[] | split("/")
	| select(.[0] == "stream" and .[2] == "\($senders)" and .[3] == "free") | .[1] | tonumber] | unique;

def throughput:
	stream_sizes(1) as $sizes | if ($sizes | length) < 2 then empty else
	transports_of($figures; [$sizes[] | "stream/\(.)/1/free"]) as $transports
	| head("One way, one sender"; "bytes per message"; "messages per second"),
	"set logscale y", "set format y '%.0s %c'",
	line_plot([$transports[] | . as $t | {name: $t, points: [$sizes[] | [., median($figures; stream_name(.; 1; $t))]]}];
		$sizes; bytes) end;

def ratios:
	[1, 4, 16 | . as $s | {senders: $s, points: [stream_sizes($s)[]
		| [., times($figures; stream_name(.; $s; "evchan"); stream_name(.; $s; "bufferevent"))]
		| select(.[1] != null)]} | select(.points | length > 0)] as $lines
	| if $lines == [] then empty else
	head("One way: evchan's messages per second, times bufferevent's"; "bytes per message"; "times"),
	"set logscale y", "set yrange [0.5:*]", "set ytics (0.5, 1, 2, 5, 10, 20, 50)",
	line_plot([$lines[] | {name: "\(.senders) sender\(if .senders == 1 then "" else "s" end)", points: .points,
		colour: {"1": "#d62728", "4": "#1f77b4", "16": "#2ca02c"}["\(.senders)"]}]
		+ [{name: "asked for", colour: "#000000", points: [[16, 7], [64, 10], [256, 10], [1024, 10]]}];
		[$lines[].points[][0]] | unique; bytes) end;

def senders:
	numbers($figures; "many"; 2) as $many | if ($many | length) < 2 then empty else
	def height($t; $n): median($figures; "many/64/\($n)/free/\($t)") // median($figures; stream_name(64; $n; $t));
	[transport_order[] | . as $t | {name: $t, points: [$many[] | [., height($t; .)] | select(.[1] != null)]}
		| select((.points | length) > 1)] as $lines
	| head("Many senders, 64 bytes"; "senders"; "messages per second, all together"),
	"set logscale y", "set format y '%.0s %c'", line_plot($lines; $many; tostring) end;

def latency:
	[["free", "apart", "together"][] | . as $p | ["p50", "p99", "p99.9"][] | {title: "\($p) \(.)", placement: $p, what: .}
		| select(median($figures; "echo/64/\($p)/evchan/\(.what)") != null)] as $groups
	| if $groups == [] then empty else
	head("Round trips of 64 bytes between two loops"; ""; "microseconds"),
	"set xtics rotate by -30", "set yrange [1:*]",
	bar_plot($groups; transports_of($figures; ["echo/64/free", "echo/64/apart", "echo/64/together"]);
		median($figures; "echo/64/\(.[0].placement)/\(.[1])/\(.[0].what)") | if . == null then . else . / 1e3 end) end;

def cpu:
	[numbers($figures; "rate"; 1)[] | {title: "\(.)/s", rate: .}] as $groups | if $groups == [] then empty else
	head("CPU time per message at fixed rates, both sides, 64 bytes"; "messages per second"; "microseconds"),
	"set yrange [0.5:*]",
	bar_plot($groups; transports_of($figures; [$groups[] | "rate/\(.rate)/free"]);
		median($figures; "rate/\(.[0].rate)/free/\(.[1])/cpu") | if . == null then . else . / 1e3 end) end;

def calls:
	([{title: "full flow", prefix: "stream/64/1/free"}] + [numbers($figures; "rate"; 1)[] | {title: "\(.)/s", prefix: "rate/\(.)/free"}]
		| map(select(median($figures; "\(.prefix)/evchan/sender-calls") != null))) as $groups
	| if $groups == [] then empty else
	head("System calls per message, both sides, 64 bytes, one sender"; ""; "calls per message"),
	"set yrange [0.0001:*]", "set format y '%g'",
	bar_plot($groups; [transports_of($figures; [$groups[].prefix])[] | select(. != "evchan-corked" and . != "evchan-wait" and . != "pacing")];
		median($figures; "\(.[0].prefix)/\(.[1])/sender-calls") as $a | median($figures; "\(.[0].prefix)/\(.[1])/receiver-calls") as $b
		| if $a == null or $b == null then null else $a + $b end) end;

if $plot == "throughput" then throughput
elif $plot == "ratios" then ratios
elif $plot == "senders" then senders
elif $plot == "latency" then latency
elif $plot == "cpu" then cpu
elif $plot == "calls" then calls
else error("no such plot: \($plot)") end
