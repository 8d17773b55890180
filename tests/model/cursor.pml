/* SPDX-License-Identifier: MIT */
/*
 * One lane between an admitted sender and its receiver: the data cursor, the space cursor, the
 * bells, and the death of either side between any two steps. README.md says what is left out.
 *
 * Both sides are written as the code is, step by step, under its names: core/cursor.h and
 * core/ring_{writer,reader}.[ch] for the words, sender_send.c, sender_room.c and sender_wait.c for
 * the sender, lane.c, lane_drain.c and receiver_turn.c for the receiver. A step is one access to
 * what both sides see, with all private work up to the next one. A message takes one unit of the
 * ring, so positions count messages.
 *
 * What may go wrong is caught in three places: assertions on the way (a record is whole, and
 * nobody overwrites it while it is read), the watchman (nobody sleeps on something for which
 * nobody will ring), and the judge, who comes when nothing else can happen: whoever is alive then
 * must have got what it was promised. No run goes on for ever, as the search for cycles shows:
 * each meets the judge.
 *
 * A BUG_... that is defined plants a bug, which must be found.
 */

#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef LOW_WATERMARK
#define LOW_WATERMARK 1
#endif

/* What the application does besides sending and receiving. */
#ifdef ALL
#define QUIET    /* sends with NO_WAKE */
#define LAZY     /* sends in bursts */
#define IF_EMPTY /* and with IF_EMPTY */
#define CORK     /* corks */
#define DRAIN    /* asks for `drained` at any time */
#define HOLD     /* holds messages, one at a time */
#define PAUSE    /* pauses in the callback */
#endif
/* REST: the receiver has a wake interval */

/* Who may die. */
#ifdef SENDER_DIES
#define SENDER_IS_KILLED sender_killed
#else
#define SENDER_IS_KILLED false
#endif
#ifdef RECEIVER_DIES
#define RECEIVER_IS_KILLED receiver_killed
#else
#define RECEIVER_IS_KILLED false
#endif

/* ---- Memory ----------------------------------------------------------------------------- */

byte tail;             /* written by the sender */
byte space_wish;
byte record[CAPACITY]; /* the number of the message that is there, from 1 */
byte head;             /* written by the receiver */
byte data_wish;

/*
 * A processor delays its stores: they wait in a buffer, while later loads go ahead. It empties the
 * buffer in order, whenever it likes. A seq_cst store waits until it is in memory, and with it all
 * before it; so does a system call that wakes somebody, and the kernel, when a process has died.
 * Records go to memory at once. That is no restriction, since a buffer in order cannot make them
 * later than the position that stands for them; where a bug breaks this order they are delayed
 * too.
 */
#define STORES 2
#define TAIL 0
#define SPACE_WISH 1
#define HEAD 2
#define DATA_WISH 3
#define RECORD 4

chan sender_stores = [STORES] of { byte, byte };
chan receiver_stores = [STORES] of { byte, byte };

inline arrive(word, value)
{
	if
	:: word == TAIL -> tail = value
	:: word == SPACE_WISH -> space_wish = value
	:: word == HEAD -> head = value
	:: word == DATA_WISH -> data_wish = value
	:: word >= RECORD -> record[word - RECORD] = value
	fi;
	word = 0;
	value = 0
}

active proctype memory()
{
	byte word, value;
end:
	do
	:: d_step { sender_stores?word, value -> arrive(word, value) }
	:: d_step { receiver_stores?word, value -> arrive(word, value) }
#ifdef BUG_RELAXED_TAIL /* without release the position may overtake the record */
	:: d_step { sender_stores??TAIL, value -> word = TAIL; arrive(word, value) }
#endif
	od
}

/* ---- The kernel ------------------------------------------------------------------------- */

bool data_bell;    /* an event of the eventfd, or bytes in the pipe */
bool space_bell;   /* rings in the control socket */
bool sender_gone;  /* hang-up of the control socket: its end is closed */
bool receiver_gone;
bool sender_killed;
bool receiver_killed;

#ifdef SPURIOUS
active proctype noise()
{
	data_bell = true;
	space_bell = true
}
#endif

/* One death: when both are gone there is nothing left to promise. */
#if defined(SENDER_DIES) || defined(RECEIVER_DIES)
active proctype fate()
{
	if
#ifdef SENDER_DIES
	:: sender_killed = true
#endif
#ifdef RECEIVER_DIES
	:: receiver_killed = true
#endif
	fi
}
#endif

/* ---- The sender ------------------------------------------------------------------------- */

byte written;      /* end of the last committed record */
byte published;    /* the shared tail, as far as this side is concerned */
byte head_seen;    /* last value seen of the receiver's head */
byte data_checked; /* cursor.checked: the position of the last look at the receiver's wish */
bool corked;
bool wants_room, wants_empty, wants_drained, waits_drained;
byte drained_at;   /* the position that wants_drained waits for */
bool notify_timer;
bool sender_rings; /* it has seen a crossed wish, and is about to ring */

#define FILL (written - head_seen)
#ifdef BUG_ROOM_TOO_SMALL /* `writable` comes though the refused message does not fit */
#define ROOM_FILL LOW_WATERMARK
#else
#define ROOM_FILL (LOW_WATERMARK < CAPACITY - 1 -> LOW_WATERMARK : CAPACITY - 1)
#endif
#define ROOM_POSITION (written - ROOM_FILL < published -> written - ROOM_FILL : published)
/* sender_nearest_want() */
#define DRAINED_POSITION (wants_drained && drained_at < published -> drained_at : published)
#define WANTED_POSITION \
	(wants_room && ROOM_POSITION < DRAINED_POSITION -> ROOM_POSITION : DRAINED_POSITION)
#define WANTS (wants_room || wants_empty || wants_drained || waits_drained)
#define WAITS (wants_room || wants_empty)

/* After a refusal the application waits for `writable`, or tries its luck before. */
#ifdef IMPATIENT
#define MAY_SEND (!wants_empty && (!wants_room || FILL < CAPACITY))
#else
#define MAY_SEND (!WAITS)
#endif

/* Where to go on after a publication, and after a look for room. */
mtype = { LOOP, LOOK, DRAIN_CHECK, DRAIN_SLEEP };

/* ring_writer_observe() */
inline observe_head()
{
	assert(head_seen <= head && head <= published);
	head_seen = head
}

inline settle_wants()
{
	wants_room = wants_room && FILL > ROOM_FILL;
	wants_empty = wants_empty && FILL > 0;
	wants_drained = wants_drained && head_seen < drained_at;
	waits_drained = waits_drained && FILL > 0
}

/* The end of sender_look_for_room(). */
inline looked()
{
	armed = 0;
	if
	:: next == LOOP -> goto end_asleep
	:: next == DRAIN_CHECK -> goto drain_check
#ifdef BUG_SLEEPS_ON_MET_WANT /* a want that is met is not armed */
	:: next == DRAIN_SLEEP -> goto end_drain_asleep
#else
	:: next == DRAIN_SLEEP -> goto drain_check_again
#endif
	fi
}

/* Its loop, after each look at the head. */
inline settle_or_arm()
{
	settle_wants();
	if
	/* The position that was armed is there, and is still the nearest: what is missing is corked. */
	:: WANTS && WANTED_POSITION != armed -> goto arm
	:: else -> looked()
	fi
}

/* The end of sender_publish(). */
inline checked()
{
	if
	:: after == LOOP -> goto end_asleep
	:: after == LOOK -> next = LOOP; goto look
	:: after == DRAIN_CHECK -> goto drain_check
	fi
}

/* While a refused send waits for room or emptiness nothing may be kept from the receiver: it could
 * never release it. */
#ifdef BUG_CORKED_THOUGH_REFUSED
#define STAYS_CORKED corked
#else
#define STAYS_CORKED (corked && !WAITS)
#endif

/* A commit (there is room), and sender_committed(). */
inline commit()
{
#ifdef BUG_RELAXED_TAIL
	sender_stores!RECORD + written % CAPACITY, written + 1;
#else
	record[written % CAPACITY] = written + 1;
#endif
	written++;
	if
	:: STAYS_CORKED -> goto end_asleep
	:: !STAYS_CORKED && is_quiet -> goto publish_quietly
#ifdef LAZY
	:: !STAYS_CORKED && !is_quiet -> goto publish_lazily
#endif
	:: !STAYS_CORKED && !is_quiet -> after = LOOP; goto publish
	fi
}

/* sender_refuse() */
inline refuse()
{
#ifdef BUG_REFUSED_UNPUBLISHED
	next = LOOP; goto look
#else
	after = LOOK; goto publish
#endif
}

active proctype sender()
{
	bool is_quiet, asked_drained, finished;
	byte armed;
	mtype after = LOOP;
	mtype next = LOOP;
	{
	goto end_asleep;

publish: /* ring_writer_publish() */
#if defined(BUG_RELEASE_TAIL) || defined(BUG_RELAXED_TAIL)
	atomic { sender_stores!TAIL, written -> published = written };
#else
	atomic { empty(sender_stores) -> published = written; tail = written }; /* [D1] */
#endif
crossed:
	atomic {
		sender_rings = data_checked < data_wish && data_wish <= published; /* [D2] */
		data_checked = published;
		if
		:: sender_rings
		:: else -> checked()
		fi
	};
#ifdef BUG_WISH_CLEARED
	atomic { empty(sender_stores) -> data_bell = true };
	atomic { data_wish = 0; sender_rings = false; checked() };
#else
	atomic { empty(sender_stores) -> data_bell = true; sender_rings = false; checked() };
#endif

publish_quietly:
	atomic {
		sender_stores!TAIL, written ->
		published = written;
#ifdef BUG_QUIET_CHECKED
		data_checked = published;
#endif
		notify_timer = true;
		goto end_asleep
	};

check: /* ring_writer_check() */
	atomic { empty(sender_stores) -> tail = published; goto crossed };

#ifdef LAZY
publish_lazily: /* ring_writer_publish_lazily(), in a burst, which sender_notify_fired() ends */
	atomic {
		sender_stores!TAIL, written ->
		published = written;
#ifndef BUG_LAZY_FORGOTTEN
		notify_timer = true
#endif
	};
	atomic {
		if
		:: data_checked < data_wish && data_wish <= published ->
			sender_rings = true;
			data_checked = published
		:: else ->
#ifdef BUG_LAZY_CHECKED
			data_checked = published;
#endif
			goto end_asleep
		fi
	};
	atomic { empty(sender_stores) -> data_bell = true; sender_rings = false; goto end_asleep };
#endif

look: /* sender_look_for_room() */
	atomic { observe_head(); settle_or_arm() };

arm: /* ring_writer_arm() */
#ifdef BUG_RELEASE_SPACE_WISH
	atomic {
		nfull(sender_stores) ->
		armed = WANTED_POSITION;
		sender_stores!SPACE_WISH, armed
	};
#else
	atomic { empty(sender_stores) -> armed = WANTED_POSITION; space_wish = armed }; /* [S3] */
#endif
	atomic {
#ifndef BUG_SENDER_LOOKS_NO_MORE
		observe_head(); /* [S4] */
#endif
		if
		:: head_seen < armed -> looked()
		:: else -> settle_or_arm()
		fi
	};

drain_check: /* evchan_drain_wait(), without a loop: the sender's events happen only in here */
	atomic {
		observe_head();
		if
		:: FILL > 0 -> waits_drained = true; next = DRAIN_SLEEP; goto look
		:: else -> waits_drained = false; goto end_asleep
		fi
	};
drain_check_again:
	atomic {
		observe_head();
		if
		:: FILL > 0 -> goto end_drain_asleep
		:: else -> waits_drained = false; goto end_asleep
		fi
	};
end_drain_asleep:
	if
	:: atomic { space_bell -> space_bell = false; next = DRAIN_CHECK; goto look }
	:: atomic { receiver_gone -> goto disconnected }
	fi;

end_asleep: /* the application, and the sender's loop */
	if
	/* evchan_send() */
	:: atomic {
		written < MESSAGES && MAY_SEND && !finished ->
		if
		:: is_quiet = false
#ifdef QUIET
		:: !corked -> is_quiet = true
#endif
#ifdef CORK
		:: !corked -> corked = true; is_quiet = false
#endif
		fi;
		if
		:: FILL < CAPACITY -> commit()
		:: else -> goto no_room
		fi
	}
#ifdef IF_EMPTY
	:: atomic {
		written < MESSAGES && !WAITS && !finished && FILL > 0 ->
		is_quiet = false;
		goto check_empty
	}
#endif
#ifdef CORK
	:: atomic { corked && !WAITS -> corked = false; after = LOOK; goto publish }
#endif
#ifdef DRAIN
	/* evchan_sender_notify_drained() */
	:: atomic {
		written > 0 && !asked_drained ->
		asked_drained = true;
		wants_drained = true;
		drained_at = published;
		next = LOOP;
		goto look
	}
#endif
	/* Has no more to say: waits, stays, or frees the sender. */
	:: atomic {
		!finished && !WAITS && !corked && !wants_drained ->
		finished = true;
		if
		:: after = DRAIN_CHECK; goto publish
		:: goto end_asleep
		:: sender_stores!TAIL, written -> published = written; goto disconnected
		fi
	}
	/* sender_control_ready() */
#ifdef BUG_ARMS_NO_MORE /* several wants, one wish: the nearest was met */
	:: atomic { space_bell -> space_bell = false; observe_head(); settle_wants(); goto end_asleep }
#else
	:: atomic { space_bell -> space_bell = false; next = LOOP; goto look }
#endif
	:: atomic { receiver_gone -> goto disconnected }
	/* sender_notify_fired() */
	:: atomic {
		notify_timer ->
		notify_timer = false;
		if
		:: data_checked < published -> after = LOOP; goto check
		:: else -> goto end_asleep
		fi
	}
	fi;

no_room:
	atomic {
		observe_head();
		if
		:: FILL < CAPACITY -> commit()
		:: else -> wants_room = true; refuse()
		fi
	};

check_empty:
	atomic {
		observe_head();
		if
		:: FILL == 0 -> commit()
		:: else -> wants_empty = true; refuse()
		fi
	};

disconnected:
	atomic {
		if
		:: receiver_gone -> observe_head(); settle_wants()
		:: else
		fi
	}
	} unless { SENDER_IS_KILLED };
	/* Private memory goes: only what matters to nobody is forgotten here, for fewer states. */
	atomic {
		empty(sender_stores) ->
		sender_gone = true;
		data_checked = 0;
		corked = false;
		notify_timer = false;
		sender_rings = false;
		asked_drained = false;
		finished = false;
		is_quiet = false;
		after = LOOP;
		next = LOOP;
		armed = 0;
		if
		:: sender_killed ->
			written = 0;
			published = 0;
			head_seen = 0;
			wants_room = false;
			wants_empty = false;
			wants_drained = false;
			waits_drained = false;
			drained_at = 0
		:: else
		fi
	}
}

/* ---- The receiver ----------------------------------------------------------------------- */

byte read;           /* the next record */
byte tail_seen;      /* last value seen of the sender's tail */
byte head_published;
byte space_checked;
byte held;           /* number of the message that is held, 0 none */
bool turn = true;    /* both sides act once after the welcome */
bool paused, closed, ended;
bool receiver_rings;

#define MAY_DELIVER (!paused && !ended)
#define RELEASABLE (held -> held - 1 : read)
/* After the hang-up the ring may be another receiver's: hands off. */
#define MUST_RELEASE (!closed && head_published != RELEASABLE)

#ifdef BUG_RESETS_AFTER_LOOK
#define SLEEPS reset
#else
#define SLEEPS end_asleep
#endif

/* Where to go on after a release. */
mtype = { SERVE, ARM, SLEEP };

/* ring_reader_accept_tail(cursor_observe()) */
inline observe_tail()
{
	assert(tail_seen <= tail && tail - head_published <= CAPACITY);
	tail_seen = tail
}

/* lane_serve(), and lane_next() as far as it needs no look. */
inline serve()
{
	if
	:: !MAY_DELIVER || (closed && read == tail_seen) -> goto finish_serve
	:: MAY_DELIVER && read < tail_seen -> goto deliver
	:: MAY_DELIVER && read == tail_seen && !closed -> goto observe
	fi
}

/* After a message: the budget may be used up. */
inline serve_more()
{
	if
	:: serve()
	:: MAY_DELIVER ->
#ifndef BUG_TURN_FORGOTTEN
		turn = true;
#endif
		goto finish_serve
	fi
}

inline released()
{
	if
	:: then == SERVE -> serve_more()
	:: then == ARM -> goto arm
	:: then == SLEEP -> goto SLEEPS
	fi
}

#ifdef REST
#define RESTS rest_timer
bool rest_timer;
byte rested_at;      /* lane->messages_at_rest */

/* The lane will be looked at, and asks to be rung for more than one message only. */
inline rest()
{
	data_wish = read + 2; /* [D3] */
#ifdef BUG_RESTS_FOR_EVER
	rest_timer = read == 1;
#else
	rest_timer = true;
#endif
	rested_at = read
}
#else
#define RESTS false
#endif

active proctype receiver()
{
	mtype then = SERVE;
	{
	goto end_asleep;

observe: /* lane_next() */
	atomic {
		observe_tail();
		if
		:: read < tail_seen -> goto deliver
#ifndef BUG_SLEEPS_UNRELEASED
		:: read == tail_seen && MUST_RELEASE -> then = ARM; goto release
#endif
		:: else -> goto arm
		fi
	};

arm:
#ifdef BUG_LOOKS_BEFORE_ARM
	atomic { observe_tail() };
#endif
#ifdef BUG_RELEASE_DATA_WISH
	atomic { receiver_stores!DATA_WISH, read + 1 };
#else
	atomic {
		empty(receiver_stores) ->
		if
		:: data_wish = read + 1 /* [D3] */
#ifdef REST
		:: read != rested_at -> rest() /* lane_rest() */
#endif
		fi
	};
#endif
	atomic {
#ifndef BUG_LOOKS_BEFORE_ARM
		observe_tail(); /* [D4] */
#endif
		if
		:: read < tail_seen -> goto deliver
		:: else -> goto SLEEPS /* all was released before */
		fi
	};

deliver: /* the callback, which may hold and pause; then lane_finish_message() */
	atomic {
		assert(record[read % CAPACITY] == read + 1);
		read++;
		if
		:: skip
#ifdef HOLD
		:: !held -> held = read
		:: held -> assert(record[(held - 1) % CAPACITY] == held);
			held = 0 /* the end of the drain publishes it */
#endif
#ifdef PAUSE
		:: paused = true
#endif
		fi;
		if
		:: MUST_RELEASE -> then = SERVE; goto release /* if ring_reader_should_release() */
		:: serve_more()
		fi
	};

finish_serve: /* the end of lane_serve() */
	atomic {
		ended = ended || (closed && read == tail_seen);
		if
#ifndef BUG_SLEEPS_UNRELEASED
		:: MUST_RELEASE -> then = SLEEP; goto release
#endif
		:: else -> goto SLEEPS
		fi
	};

release: /* ring_reader_release() */
#ifdef BUG_RELEASE_HEAD
	atomic { receiver_stores!HEAD, RELEASABLE -> head_published = RELEASABLE };
#else
	atomic { empty(receiver_stores) -> head_published = RELEASABLE; head = RELEASABLE }; /* [S1] */
#endif
	atomic {
		receiver_rings = space_checked < space_wish && space_wish <= head_published; /* [S2] */
		space_checked = head_published;
		if
		:: receiver_rings
		:: else -> released()
		fi
	};
	atomic { empty(receiver_stores) -> space_bell = true; receiver_rings = false; released() };

#ifdef BUG_RESETS_AFTER_LOOK
reset:
	data_bell = false;
#endif

end_asleep: /* the receiver's loop */
	if
	/* lane_bell_ready() */
#ifdef BUG_RESETS_AFTER_LOOK
	:: atomic { data_bell -> goto observe }
#else
	:: atomic { data_bell -> data_bell = false; serve() }
#endif
	/* receiver_turn_fired() */
	:: atomic { turn -> turn = false; serve() }
#ifdef REST
	/* rest_timer_fired() */
	:: atomic {
		rest_timer ->
		rest_timer = false;
#ifdef BUG_REST_ENDS_UNARMED
		if
		:: read == tail -> goto end_asleep
		:: else
		fi;
#endif
		serve()
	}
#endif
	/* lane_control_ready() */
	:: atomic { sender_gone && !closed -> goto hang_up }
#ifdef PAUSE
	/* evchan_lane_resume() */
	:: atomic { paused -> paused = false; turn = true; goto end_asleep }
#endif
#ifdef HOLD
	/* evchan_message_release() */
	:: atomic {
		held ->
		assert(record[(held - 1) % CAPACITY] == held);
		held = 0;
		if
		:: MUST_RELEASE -> then = SLEEP; goto release
		:: else -> goto end_asleep
		fi
	}
#endif
	:: atomic { ended && !held -> goto left }
	fi;

hang_up: /* lane_hang_up() */
	atomic {
		closed = true;
#ifndef BUG_HANG_UP_WITHOUT_LOOK
		observe_tail();
#endif
		turn = true;
		goto end_asleep
	};

left:
	skip
	} unless { RECEIVER_IS_KILLED };
	atomic {
		empty(receiver_stores) ->
		receiver_gone = true;
		space_checked = 0;
#ifdef REST
		rest_timer = false;
		rested_at = 0;
#endif
		turn = false;
		receiver_rings = false;
		if
		:: receiver_killed ->
			read = 0;
			tail_seen = 0;
			head_published = 0;
			held = 0;
			paused = false;
			closed = false;
			data_bell = false
		:: else
		fi;
		then = SERVE
	}
}

/* ---- Claims ----------------------------------------------------------------------------- */

/* It sleeps though there is more than it has read, nothing is on its way to wake it, and the sender
 * has looked. */
#define RECEIVER_SLEEPS_ON_DATA \
	(receiver@end_asleep && !receiver_killed && !receiver_gone && \
	 tail > read && data_checked > read && \
	 !data_bell && !turn && !RESTS && !paused && !sender_rings && !sender_killed && !sender_gone)

/* It sleeps though the position it waits for is reached, and the receiver has looked. */
#define SENDER_SLEEPS_ON_ROOM \
	((sender@end_asleep || sender@end_drain_asleep) && !sender_killed && !sender_gone && \
	 WANTS && published == written && head >= WANTED_POSITION && space_checked >= WANTED_POSITION && \
	 !space_bell && !receiver_rings && !receiver_killed && !receiver_gone)

bool lost_data_ring, lost_space_ring, undelivered, end_untold, sender_waits, room_unused;

active proctype watchman()
{
end:
	do
	:: atomic { RECEIVER_SLEEPS_ON_DATA -> lost_data_ring = true; assert(!lost_data_ring) }
	:: atomic { SENDER_SLEEPS_ON_ROOM -> lost_space_ring = true; assert(!lost_space_ring) }
	od
}

active proctype judge()
{
	atomic {
		timeout ->
		/* A receiver that lives has all that was published, and knows of its sender's end. */
		undelivered = !receiver_killed && read != tail;
		assert(!undelivered);
		end_untold = !receiver_killed && sender_gone && !ended;
		assert(!end_untold);
		/* A sender that lives waits for nothing, unless its receiver died; */
		sender_waits = !sender_killed && !receiver_killed && (WANTS || sender@end_drain_asleep);
		assert(!sender_waits);
		/* and not even then for room that is there. */
		room_unused = !sender_killed && wants_room && FILL <= ROOM_FILL;
		assert(!room_unused)
	}
}
