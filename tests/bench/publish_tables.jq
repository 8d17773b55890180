# SPDX-License-Identifier: MIT
#
# JSON of a run to Markdown: tables.md. --arg plots NAMES: the plots that were drawn.

include "publish";
include "publish_targets";

index_figures as $figures
| .facts as $facts

| def facts_table: table(["", ""]; [$facts | to_entries[] | [.key, .value]]);

def cpu_cell(name):
	if $figures[name] == null then "-"
	else "\(median($figures; name + "/sender-cpu") | digits(3)) + \(median($figures; name + "/receiver-cpu") | digits(3))" end;

def sizes_of($kind; $senders; $placement):
	[$figures | keys[] | split("/")
		| select(.[0] == $kind and .[2] == "\($senders)" and .[3] == $placement)
		| .[1] | tonumber] | unique;

def stream_tables($kind; $senders; $placement):
	sizes_of($kind; $senders; $placement) as $sizes
	| if $sizes == [] then empty else
	[$sizes[] | "\($kind)/\(.)/\($senders)/\($placement)"] as $prefixes
	| transports_of($figures; $prefixes) as $transports
	| "", "Messages per second, bytes per message above:", "",
	  (table(["", ($sizes[] | bytes)];
		[$transports[] | . as $t
			| [$t, ($prefixes[] | $figures["\(.)/\($t)"] | spread_rate)]]) | .[]),
	  "", "evchan, one publication each, is so many times as fast as:", "",
	  (table(["", ($sizes[] | bytes)];
		[$transports[] | select(. != "evchan") | . as $t
			| [$t, ($prefixes[] | times($figures; "\(.)/evchan"; "\(.)/\($t)") | digits(3))]]) | .[]),
	  "", "CPU nanoseconds per message, all senders + receiver:", "",
	  (table(["", ($sizes[] | bytes)];
		[$transports[] | . as $t
			| [$t, ($prefixes[] | cpu_cell("\(.)/\($t)"))]]) | .[])
	end;

def calls_rows($names):
	[$names[] | . as $n | select($figures["\($n)/sender-calls"] != null)
		| [$n, (["sender-calls", "receiver-calls", "sender-wake-ups", "receiver-wake-ups"][]
			| median($figures; "\($n)/\(.)") | digits(3))]];

def calls_section:
	calls_rows([$figures | keys[] | select(endswith("/sender-calls")) | rtrimstr("/sender-calls")] | in_order) as $rows
	| "", "## System calls and wake-ups", "",
	"Per message. In full flow (`stream/BYTES/SENDERS/...`, `many/...`) and at fixed rates",
	"(`rate/MESSAGES PER SECOND/...`), in one round of its own. A wake-up is a voluntary context switch.", "",
	(table(["", "calls, senders", "calls, receiver", "wake-ups, senders", "wake-ups, receiver"]; $rows) | .[]);

def many_section:
	numbers($figures; "many"; 2) as $senders
	| if $senders == [] then empty else
	[$senders[] | "many/64/\(.)/free"] as $prefixes
	| transports_of($figures; $prefixes) as $transports
	| "", "## Many senders", "", "64 bytes, messages per second of all together.", "",
	(table(["senders", ($senders[] | tostring)];
		[$transports[] | . as $t | [$t, ($prefixes[] | $figures["\(.)/\($t)"] | spread_rate)]]
		+ [$transports[] | . as $t | ["\($t), share of one", ($prefixes[]
			| times($figures; "\(.)/\($t)"; "many/64/1/free/\($t)") | digits(3))]]
		+ [$transports[] | . as $t | ["\($t), CPU ns", ($prefixes[] | cpu_cell("\(.)/\($t)"))]]) | .[])
	end;

def crowd_section:
	[$figures | keys[] | split("/") | select(.[0] == "crowd" and length == 4)] as $all
	| if $all == [] then empty else
	([$all[] | [(.[1] | tonumber), (.[2] | tonumber)]] | unique) as $crowds
	| transports_of($figures; [$crowds[] | "crowd/\(.[0])/\(.[1])"]) as $transports
	| "", "## Idle neighbours", "", "64 bytes, messages per second; so many connections send, of so many.", "",
	(table(["", ($crowds[] | "\(.[0]) of \(.[1])")];
		[$transports[] | . as $t | [$t, ($crowds[] | $figures["crowd/\(.[0])/\(.[1])/\($t)"] | spread_rate)]]) | .[])
	end;

def rate_section:
	numbers($figures; "rate"; 1) as $rates
	| if $rates == [] then empty else
	"", "## Fixed rates", "",
	"64 bytes. Latency one way in microseconds, from the call that sends to the receiver's callback;",
	"CPU microseconds per message. `eventfd` is the floor (a bell for each message, no protocol);",
	"`pacing` is what being told that a message is due costs, and is in all others.",
	($rates[] | . as $r
		| transports_of($figures; ["rate/\($r)/free"]) as $transports
		| "", "### \($r) messages/s", "",
		(table(["", "p50", "p99", "p99.9", "CPU, sender", "CPU, receiver", "CPU, both", "times bufferevent's", "came/s"];
			[$transports[] | . as $t | "rate/\($r)/free/\($t)" as $n
				| [$t, (["p50", "p99", "p99.9"][] | if $t == "pacing" then "" else median($figures; "\($n)/\(.)") | microseconds end),
				(["sender-cpu", "receiver-cpu"][] | median($figures; "\($n)/\(.)") | microseconds),
				($figures["\($n)/cpu"] | spread_us),
				(times($figures; "\($n)/cpu"; "rate/\($r)/free/bufferevent/cpu") | digits(3)),
				(if $t == "pacing" then "" else $figures[$n] | spread_rate end)]]) | .[])) end;

def echo_section:
	[$figures | keys[] | split("/") | select(.[0] == "echo")] as $all
	| if $all == [] then empty else
	"", "## Round trips", "", "64 bytes between two loops, microseconds. `eventfd` is two bare bells and epoll instances.", "",
	(["free", "apart", "together"] | map(select(. as $p | any($all[]; .[2] == $p)))) as $placements
	| (table(["", "", "p50", "p99", "p99.9"];
		[$placements[] | . as $p | transports_of($figures; ["echo/64/\($p)"])[] | . as $t
			| [$p, $t, (["p50", "p99", "p99.9"][] | $figures["echo/64/\($p)/\($t)/\(.)"] | spread_us)]]) | .[])
	end;

# Each round of a figure: how fast, how many CPUs were busy, how far these are from each other.
def rounds(name):
	[$figures[name, name + "/sender-cpu", name + "/receiver-cpu", name + "/line"] | .samples // []] | transpose
	| [.[] | select(all(.[]; . != null)) | {rate: .[0], busy: (.[0] * (.[1] + .[2]) / 1e9), line: .[3]}];
def medians(condition): [.[] | select(condition) | .rate]
	| if . == [] then "-" else "\({median: middle, samples: []} | spread_rate) (\(length))" end;

def where_section:
	[$figures | keys[] | select(endswith("/line")) | rtrimstr("/line")
		| select(test("^(stream/[0-9]+/(1|4)/free|many/.*)/(evchan|evchan-corked|bufferevent|socket|pipe|spin)$"))]
		| in_order as $names
	| if $names == [] then empty else
	"", "## Where the processes ran", "",
	"Messages per second, medians of the rounds (and how many they were) in which senders and receiver together used less than",
	"1.3 CPUs, so that they mostly shared one, or slept; and of the others, those in which a cache line took at most 200 ns there and back",
	"between the two CPUs just before, and those in which it took longer.", "",
	(table(["", "on one CPU", "on two, near", "on two, far"]; [$names[] | rounds(.) as $all
		| [., ($all | medians(.busy < 1.3)), ($all | medians(.busy >= 1.3 and .line <= 200)), ($all | medians(.busy >= 1.3 and .line > 200))]]) | .[])
	end;

def frame_section:
	numbers($figures; "frame"; 1) as $sizes
	| if $sizes == [] then empty else
	"", "## Written and read in place", "",
	"Nothing is copied: `evchan_reserve`, the first and last bytes written, `evchan_commit`. Five frames fit into the ring, whatever their size.", "",
	(table(["bytes", "frames/s", "microseconds per frame"];
		[$sizes[] | "frame/\(.)/free/evchan-in-place" as $n
			| [bytes, ($figures[$n] | spread_rate), (1e9 / $figures[$n].median | microseconds)]]) | .[])
	end;

def idle_section:
	numbers($figures; "idle"; 1) as $numbers
	| if $numbers == [] then empty else
	transports_of($figures; [$numbers[] | "idle/\(.)"]) as $transports
	| "", "## Idle connections", "",
	"Of one process. CPU, wake-ups and system calls are per second, of both sides; memory is KiB per connection",
	"beyond the fewest (Pss), `but ring` is both sides without the pages of the ring that the sender touches beforehand.", "",
	(table(["", "number", "connect, ms", "CPU us/s", "wake-ups/s", "calls/s", "sender KiB", "receiver KiB", "but ring", "descriptors"];
		[$transports[] | . as $t | $numbers[] | "idle/\(.)/\($t)" as $n | select($figures["\($n)/connect"] != null)
			| [$t, tostring, ($figures["\($n)/connect"].median / 1e6 | digits(3)),
			(median($figures; "\($n)/cpu") | microseconds),
			(["wake-ups", "calls", "sender-memory", "receiver-memory", "memory"][] | median($figures; "\($n)/\(.)") | digits(3)),
			"\(median($figures; "\($n)/sender-descriptors")) + \(median($figures; "\($n)/receiver-descriptors"))"]]) | .[])
	end;

def limit_section:
	[$figures | to_entries[] | select(.key | startswith("limit/"))] as $limits
	| if $limits == [] then empty else
	"", "## Limits of the machine", "",
	"`memcpy`: into shared memory that nobody reads, around a ring; `read-fresh`: bytes that the other CPU has just",
	"written; `line-ping-pong`: a cache line there and back between two spinning processes. Nanoseconds.", "",
	(table(["", "ns", "GB/s"];
		[$limits[] | (.key | split("/")) as $parts
			| [.key, (.value | spread),
			(if ($parts | length) == 3 then ($parts[2] | tonumber) / .value.median | digits(3) else "" end)]]) | .[])
	end;

"<!-- Generated by tests/bench/run --publish: changes belong into tests/bench/publish_tables.jq. -->",
"# Tables",
"",
"Medians of the rounds, the least and the greatest round in brackets. Ratios are the median of the ratios of the rounds, which",
"were measured soon after each other; so they are not quite the ratio of the medians. What the rows are:",
"[tests/bench/README.md](../../tests/bench/README.md). What they mean: [README.md](README.md).",
"",
(facts_table | .[]),
"", "## Targets", "",
(target_table($figures) | .[]),
(if $plots == "" then empty else "", "## Plots", "", ($plots | split(" ")[] | "![\(.)](\(.).svg)") end),
"", "## One way",
(numbers($figures; "stream"; 2)[] | . as $s
	| if sizes_of("stream"; $s; "free") == [] then empty
	  else "", "### \($s) sender\(if $s == 1 then "" else "s" end)", stream_tables("stream"; $s; "free") end),
(["apart", "together"][] | . as $p
	| if sizes_of("stream"; 1; $p) == [] then empty
	  else "", "### 1 sender, \($p)", stream_tables("stream"; 1; $p) end),
(if sizes_of("touch"; 1; "free") == [] then empty
 else "", "### The receiver reads every byte", stream_tables("touch"; 1; "free") end),
(if sizes_of("single"; 1; "free") == [] then empty
 else "", "### One message per turn of the sender's loop", stream_tables("single"; 1; "free") end),
frame_section, many_section, crowd_section, rate_section, echo_section, calls_section, idle_section, limit_section, where_section
