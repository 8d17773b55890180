# SPDX-License-Identifier: MIT
#
# What was asked for, beside what was measured: ratios within one run, each the median of the ratios of its rounds.

include "publish";

# `values` are compared with a bound from above or below; one that is null was not measured.
def target($text; $sense; $bound; $asked; values; format):
	[values] as $values
	| [$values[] | select(. != null)] as $had
	| [$had[] | select(if $sense == "least" then . >= $bound else . <= $bound end)] as $good
	| [$text, $asked, ([$values[] | format] | join(", ")),
		if $had == [] then "not measured"
		elif ($good | length) == ($values | length) then "reached"
		elif $good == [] then "not reached"
		else "\($good | length) of \($values | length)" end];
def at_least($text; $bound; values): target($text; "least"; $bound; "at least \($bound)"; values; digits(3));
def at_most($text; $bound; values): target($text; "most"; $bound; "at most \($bound)"; values; digits(3));

def stream_times($f; $size; $senders; $a; $b):
	"stream/\($size)/\($senders)/free" as $where | times($f; "\($where)/\($a)"; "\($where)/\($b)");
# Times the best of them is the least of the times.
def times_best($f; $size; $senders; $peers):
	[$peers[] | stream_times($f; $size; $senders; "evchan"; .) | select(. != null)] | min;

def frame_ns($f): [1555200, 12441600, 99532800 | median($f; "frame/\(.)/free/evchan-in-place")
	| if . == null then null else 1e9 / . end];

def calls($f; $name): median($f; "\($name)/sender-calls") as $sender | median($f; "\($name)/receiver-calls") as $receiver
	| if $sender == null or $receiver == null then null else $sender + $receiver end;

def without_pacing($f; $rate; $t): median($f; "rate/\($rate)/free/\($t)/cpu") as $all
	| median($f; "rate/\($rate)/free/pacing/cpu") as $pacing
	| if $all == null or $pacing == null then null else $all - $pacing end;

def target_rows($f):
	["free", "apart", "together"] as $placements
	| [
	(1024, 256, 64 | . as $size
		| at_least("\($size | bytes) bytes, 1, 4, 16 senders: times bufferevent"; 10;
			(1, 4, 16 | stream_times($f; $size; .; "evchan"; "bufferevent")))),
	at_least("16 bytes, 1, 4, 16 senders: times bufferevent"; 7;
		(1, 4, 16 | stream_times($f; 16; .; "evchan"; "bufferevent"))),
	(16, 64, 256, 1024 | . as $size
		| at_least("\($size | bytes) bytes, 1, 4, 16 senders: times the best of libzmq, nng, libqb"; 8;
			(1, 4, 16 | times_best($f; $size; .; ["zmq", "nng", "libqb"])))),
	(16, 64, 256, 1024 | . as $size
		| at_least("the same with SEQPACKET and pipe, written by hand, among them: \($size | bytes) bytes"; 8;
			(1, 4, 16 | times_best($f; $size; .; ["zmq", "nng", "libqb", "seqpacket", "pipe"])))),
	(("evchan", "evchan-corked") as $t
		| at_least("16 Ki, 1 Mi, 12.4 M bytes, \($t): share of plain memcpy"; 0.85;
			(16384, 1048576, 12441600 | stream_times($f; .; 1; $t; "memcpy")))),
	(frame_ns($f) as $ns | at_most("in place, 1.56 M, 12.4 M, 99.5 M bytes: time per frame, times the least"; 1.25;
		($ns[] | ratio(.; $ns | map(select(. != null)) | min)))),
	at_most("round trip, free, apart, together: p50, times eventfd and epoll"; 1.15;
		($placements[] | times($f; "echo/64/\(.)/evchan/p50"; "echo/64/\(.)/eventfd/p50"))),
	target("p50, times bufferevent's"; "most"; 1; "below 1";
		($placements[] | times($f; "echo/64/\(.)/evchan/p50"; "echo/64/\(.)/bufferevent/p50")); digits(3)),
	at_most("p99, times bufferevent's"; 1.2;
		($placements[] | times($f; "echo/64/\(.)/evchan/p99"; "echo/64/\(.)/bufferevent/p99"))),
	at_most("1,000 and 10,000 messages/s: CPU per message, times bufferevent's"; 0.6;
		(1000, 10000 | times($f; "rate/\(.)/free/evchan/cpu"; "rate/\(.)/free/bufferevent/cpu"))),
	at_most("100,000 messages/s: CPU per message, times bufferevent's"; 0.3;
		times($f; "rate/100000/free/evchan/cpu"; "rate/100000/free/bufferevent/cpu")),
	at_most("1,000 and 10,000 messages/s: the same, the receiver asks to be woken each 5 ms at most (evchan-interval)"; 0.6;
		(1000, 10000 | times($f; "rate/\(.)/free/evchan-interval/cpu"; "rate/\(.)/free/bufferevent/cpu"))),
	at_most("100,000 messages/s: the same"; 0.3;
		times($f; "rate/100000/free/evchan-interval/cpu"; "rate/100000/free/bufferevent/cpu")),
	["1,000, 10,000, 100,000 messages/s: evchan's, times bufferevent's, both without what pacing costs", "",
		([(1000, 10000, 100000 | ratio(without_pacing($f; .; "evchan"); without_pacing($f; .; "bufferevent"))) | digits(3)] | join(", ")), ""],
	["1,000, 10,000, 100,000 messages/s: the bare eventfd's CPU, times bufferevent's: the floor", "",
		([(1000, 10000, 100000 | times($f; "rate/\(.)/free/eventfd/cpu"; "rate/\(.)/free/bufferevent/cpu")) | digits(3)] | join(", ")), ""],
	at_most("full flow, 64 bytes: system calls per message, both sides"; 0.01; calls($f; "stream/64/1/free/evchan")),
	at_most("1,000 idle connections: system calls per second"; 0; median($f; "idle/1000/evchan/calls")),
	at_least("64 bytes, 16 and 64 senders: share of one sender's speed"; 0.9;
		(16, 64 | times($f; "many/64/\(.)/free/evchan"; "many/64/1/free/evchan"))),
	at_least("1,000 connected, 1 sends: share of 1 connected"; 0.95;
		times($f; "crowd/1/1000/evchan"; "crowd/1/1/evchan")),
	at_most("an idle connection but for its ring, both sides: KiB"; 24; median($f; "idle/1000/evchan/memory"))
	];

def target_table($f): table(["", "asked for", "measured", ""]; target_rows($f));
