/* SPDX-License-Identifier: MIT */
/*
 * A sender and two receivers after each other: hello and welcome, the end of the first receiver
 * (killed at any step, freed, or shut down), the ring's way to the second one, and the sender's
 * own end (killed at any step, or freed). README.md says what is left out.
 *
 * Steps and names are those of the code: sender_connect.c, sender_room.c, sender_send.c and
 * ring_writer.[ch] for the sender; guest.c, lane.c, lane_drain.c, receiver_shutdown.c and
 * ring_reader.[ch] for the receivers. Memory is sequentially consistent here: cursor.pml looks at
 * what processors do to that. A message takes one unit of the ring, so positions count messages.
 *
 * Of the control socket's order only this matters: frames come before the hang-up. Welcome and
 * rings are flags, for a welcome comes before any ring, and rings are one.
 *
 * A BUG_... that is defined plants a bug, which must be found; a SPARE_... leaves out something
 * without which the rest must still do.
 */

#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef LOW_WATERMARK
#define LOW_WATERMARK 1
#endif

/* ---- Memory ----------------------------------------------------------------------------- */

byte tail;             /* the sender's object */
byte space_wish;
byte record[CAPACITY]; /* the number of the message that is there, from 1 */
byte head[2];          /* the receivers' pages */
byte data_wish[2];

/* ---- The kernel ------------------------------------------------------------------------- */

bool listening[2];
bool hello[2];         /* in the listener's queue, and what it says */
byte resume[2];
bool welcome[2];       /* unread by the sender */
bool data_bell[2];
bool space_bell[2];    /* rings in the control socket */
bool sender_closed[2]; /* hang-ups */
bool receiver_closed[2];
bool sender_killed;
bool first_killed;
bool first_stopped;    /* the address is free for the next receiver */

#ifdef SENDER_DIES
#define SENDER_IS_KILLED sender_killed
active proctype kill_sender()
{
	sender_killed = true
}
#else
#define SENDER_IS_KILLED false
#endif

#ifdef NO_SECOND
#define SECOND_COMES false
#else
#define SECOND_COMES true
#endif

#ifdef FIRST_DIES
#define FIRST_IS_KILLED first_killed
active proctype kill_first()
{
	first_killed = true
}
#else
#define FIRST_IS_KILLED false
#endif

/* ---- What only the claims know ---------------------------------------------------------- */

byte owner = 2;        /* to whom the ring was offered last */
byte delivered;        /* messages, in order, repeats not counted */
byte released;         /* the last head that a receiver published */
bool first_held;       /* the first receiver ended while it held something */
bool first_crashed;

/* ---- The sender ------------------------------------------------------------------------- */

mtype = { WAITING, GREETING, CONNECTED, GONE };
mtype state = WAITING;
byte c;                /* the receiver it is connected to, or was last */
byte written, published, head_seen, data_checked;
bool wants_room, wants_drained;
bool watched = true;   /* the control socket is */
bool notify_timer, retry_timer;
bool hello_out;        /* when it ended: whether its hello was with receiver c */

#define FILL (written - head_seen)
#define ROOM_FILL (LOW_WATERMARK < CAPACITY - 1 -> LOW_WATERMARK : CAPACITY - 1)
#define ROOM_POSITION (written - ROOM_FILL < published -> written - ROOM_FILL : published)
#define WANTED_POSITION (wants_room -> ROOM_POSITION : published)
#define WANTS (wants_room || wants_drained)

#ifdef NO_LOOP /* nobody runs the sender's loop: it sends, and that is all */
#define HEARS false
#else
#define HEARS (watched && state != WAITING)
#endif

#ifdef BUG_HANG_UP_BEFORE_FRAMES
#define ALL_FRAMES_READ true
#else
#define ALL_FRAMES_READ (!welcome[c] && !space_bell[c])
#endif

/* Where to go on after a publication, and after a look for room. */
mtype = { LOOP, LOOK, RETURN };

inline observe_head()
{
	assert(head_seen <= head[c] && head[c] <= published);
	head_seen = head[c]
}

inline settle_wants()
{
	wants_room = wants_room && FILL > ROOM_FILL;
	wants_drained = wants_drained && FILL > 0
}

inline published_and_checked()
{
	if
	:: after == LOOP -> goto end_asleep
	:: after == LOOK -> next = LOOP; goto look
	fi
}

inline looked()
{
	if
	:: next == LOOP -> goto end_asleep
	:: next == RETURN -> published_and_checked()
	fi
}

inline settle_or_arm()
{
	settle_wants();
	if
	:: WANTS && state == CONNECTED -> goto arm
	:: else -> looked()
	fi
}

inline commit()
{
	record[written % CAPACITY] = written + 1;
	written++;
	if
	:: is_quiet -> tail = written; published = written; notify_timer = true; goto end_asleep
	:: else -> after = LOOP; goto publish
	fi
}

active proctype sender()
{
	bool is_quiet, asked_drained, starved;
	mtype after = LOOP;
	mtype next = LOOP;
	{
	goto end_asleep;

publish: /* sender_publish() */
	atomic {
		published = written;
		tail = written; /* [D1] */
		if
		:: state == CONNECTED
		:: state == GREETING -> goto greet
		:: state == WAITING -> published_and_checked()
		fi
	};
	atomic {
		if
		:: data_checked < data_wish[c] && data_wish[c] <= published -> data_checked = published /* [D2] */
		:: else -> data_checked = published; published_and_checked()
		fi
	};
	atomic { data_bell[c] = !receiver_closed[c]; published_and_checked() };

greet: /* without a wish there is nobody to ring: is the answer there? */
	atomic {
		if
		:: welcome[c] -> goto attach
		:: else -> published_and_checked()
		fi
	};

attach: /* sender_take_welcome(), ring_writer_attach() */
	atomic {
		welcome[c] = false;
		observe_head();
		state = CONNECTED;
#ifdef BUG_SILENT_AFTER_WELCOME
		data_checked = published;
		goto welcomed
#else
		data_checked = head_seen
#endif
	};
	/* sender_welcomed() */
	atomic { tail = published }; /* [D1] */
#ifdef SPARE_NO_RING_AFTER_WELCOME
	atomic {
		if
		:: data_checked < data_wish[c] && data_wish[c] <= published -> data_checked = published
		:: else -> data_checked = published; goto welcomed
		fi
	};
#else
	atomic { data_checked = published }; /* [D2]: rings whatever it says */
#endif
	data_bell[c] = !receiver_closed[c];
welcomed:
#ifdef BUG_NO_LOOK_FOR_ROOM_AFTER_WELCOME
	atomic { published_and_checked() };
#else
	atomic { next = RETURN; goto look };
#endif

look: /* sender_look_for_room() */
	atomic {
		if
		:: state == CONNECTED -> observe_head()
		:: else
		fi;
		settle_or_arm()
	};

arm:
	atomic { space_wish = WANTED_POSITION }; /* [S3] */
	atomic {
		observe_head(); /* [S4] */
		if
		:: head_seen < WANTED_POSITION -> looked()
		:: else -> settle_or_arm()
		fi
	};

no_room:
	atomic {
		if
		:: state == CONNECTED -> observe_head()
		:: else
		fi;
		if
		:: FILL < CAPACITY -> commit()
		:: else -> wants_room = true; after = LOOK; goto publish /* sender_refuse() */
		fi
	};

disconnect: /* the last look at the dead receiver's page: ring_writer_detach() */
	atomic {
#ifndef BUG_REMEMBERED_HEAD
		if
		:: state == CONNECTED -> observe_head()
		:: else
		fi;
#endif
		state = WAITING;
#ifndef BUG_NO_LOOK_FOR_ROOM_AT_HANG_UP
		settle_wants();
#endif
		goto end_asleep
	};

end_asleep:
	if
	/* evchan_send() */
	:: atomic {
		written < MESSAGES && !wants_room ->
		if
		:: is_quiet = false
#ifdef QUIET
		:: is_quiet = true
#endif
		fi;
		if
		:: FILL < CAPACITY -> commit()
		:: else -> goto no_room
		fi
	}
#ifndef NO_LOOP
	/* evchan_sender_notify_drained() */
	:: atomic {
		written == MESSAGES && !asked_drained && !wants_room ->
		asked_drained = true;
		wants_drained = true;
		next = LOOP;
		goto look
	}
#endif
#ifdef SENDER_FREES
	:: atomic { written == MESSAGES && asked_drained && published == written -> goto free }
#endif
	/* evchan_sender_wake(), from the application or from sender_notify_fired() */
	:: atomic {
		notify_timer ->
		notify_timer = false;
		after = LOOP;
		if
#ifdef BUG_WAKE_IGNORES_WELCOME
		:: state == CONNECTED && data_checked < published -> goto publish
#else
		:: state == GREETING || (state == CONNECTED && data_checked < published) -> goto publish
#endif
		:: else -> goto end_asleep
		fi
	}
	/* sender_attempt(): the connection, and the hello with the ring */
	:: atomic {
		state == WAITING && owner != 0 && listening[0] && !receiver_closed[0] ->
		c = 0;
		goto offer
	}
	:: atomic {
		state == WAITING && owner != 1 && listening[1] ->
		c = 1;
		goto offer
	}
#ifdef BUG_OFFERS_BEFORE_HANG_UP
	:: atomic {
		state == CONNECTED && c == 0 && listening[1] ->
		observe_head();
		sender_closed[0] = true;
		c = 1;
		goto offer
	}
#endif
	/* sender_read_control() */
	:: atomic { HEARS && state == GREETING && welcome[c] -> after = LOOP; goto attach }
	:: atomic {
		HEARS && state == CONNECTED && space_bell[c] ->
		space_bell[c] = false;
		next = LOOP;
		goto look
	}
	:: atomic { HEARS && receiver_closed[c] && ALL_FRAMES_READ -> goto disconnect }
#ifdef STARVED
	/* The welcome's descriptors cannot be received: it stays queued, a timer looks again. */
	:: atomic {
		HEARS && state == GREETING && welcome[c] && !starved ->
		starved = true;
		watched = false;
		retry_timer = true
	}
	:: atomic {
		retry_timer ->
		retry_timer = false;
#ifdef BUG_STAYS_DEAF
		after = LOOP;
		if
		:: welcome[c] -> goto attach
		:: else
		fi
#else
		watched = true
#endif
	}
#endif
	fi;
	goto end_asleep;

offer:
	atomic {
		resume[c] = head_seen;
#ifdef BUG_RESUMES_AT_TAIL
		resume[c] = published;
#endif
		hello[c] = true;
		owner = c;
		state = GREETING;
		watched = true;
		if /* the first one's page is unmapped */
		:: c == 1 -> head[0] = 0; data_wish[0] = 0; data_bell[0] = false
		:: else
		fi;
		goto end_asleep
	};

free:
	skip
	} unless { SENDER_IS_KILLED };
	atomic {
		hello_out = state != WAITING;
		if
		:: hello_out -> sender_closed[c] = true
		:: else
		fi;
		space_bell[c] = false;
		welcome[c] = false;
		space_wish = 0;
		state = GONE;
		written = 0;
		published = 0;
		head_seen = 0;
		data_checked = 0;
		wants_room = false;
		wants_drained = false;
		notify_timer = false;
		retry_timer = false;
		is_quiet = false;
		asked_drained = false;
		starved = false;
		after = LOOP;
		next = LOOP
	}
}

/* ---- The receivers ---------------------------------------------------------------------- */

mtype = { NONE, OPEN, DRAINING, ENDED };
mtype lane[2] = NONE;

#define MAY_DELIVER (lane[me] == OPEN || lane[me] == DRAINING)
#define RELEASABLE (held -> held - 1 : read)
#define MUST_RELEASE (lane[me] == OPEN && head_published != RELEASABLE)

/* Where to go on after a release. */
mtype = { SERVE, ARM, SLEEP, CLOSE };

inline observe_tail()
{
	assert(tail_seen <= tail && tail - head_published <= CAPACITY);
	tail_seen = tail
}

/* lane_serve(), and lane_next() as far as it needs no look. */
inline serve()
{
	if
	:: !MAY_DELIVER || (lane[me] == DRAINING && read == tail_seen) -> goto finish_serve
	:: MAY_DELIVER && read < tail_seen -> goto deliver
	:: MAY_DELIVER && read == tail_seen && lane[me] == OPEN -> goto observe
	fi
}

/* After a message: the budget may be used up. */
inline serve_more()
{
	if
	:: serve()
	:: MAY_DELIVER ->
		turn = true;
		goto finish_serve
	fi
}

inline released_and_rung()
{
	if
	:: then == SERVE -> serve_more()
	:: then == ARM -> goto arm
	:: then == SLEEP -> goto end_asleep
#ifdef FIRST_ENDS
	:: then == CLOSE -> goto close
#endif
	fi
}

proctype receiver(byte me)
{
	byte read, tail_seen, head_published, space_checked, held;
	bool turn, shutting_down;
	mtype then = SERVE;
	{
	goto end_start;

end_start: /* listener_open(): the address is ours, or free */
	atomic { me == 0 || (first_stopped && SECOND_COMES) -> listening[me] = true; goto end_asleep };

admit: /* ring_reader_init() */
	atomic {
		hello[me] = false;
		/* The oldest message that is not released: no loss, and no repeat but from there on. */
		assert(resume[me] == released);
		assert(resume[me] <= tail && tail - resume[me] <= CAPACITY);
		read = resume[me];
		tail_seen = tail;
		head_published = resume[me];
		space_checked = resume[me];
		head[me] = resume[me];
		data_wish[me] = 0;
		resume[me] = 0
	};
	/* guest_send_welcome(), guest_become_lane() */
	atomic {
		welcome[me] = !sender_closed[me];
		lane[me] = OPEN;
#ifndef SPARE_NO_LOOK_AFTER_WELCOME
		turn = true;
#endif
		goto end_asleep
	};

observe: /* lane_next() */
	atomic {
		assert(owner == me);
		observe_tail();
		if
		:: read < tail_seen -> goto deliver
		:: read == tail_seen && MUST_RELEASE -> then = ARM; goto release
		:: else -> goto arm
		fi
	};

arm:
	atomic { data_wish[me] = read + 1 }; /* [D3] */
	atomic {
		observe_tail(); /* [D4] */
		if
		:: read < tail_seen -> goto deliver
		:: else -> goto end_asleep /* all was released before */
		fi
	};

deliver:
	atomic {
		assert(owner == me);
		assert(record[read % CAPACITY] == read + 1);
		/* No gap; again only what a crash or a hold left unreleased. */
		assert(read <= delivered);
		assert(read == delivered || first_crashed || first_held);
		read++;
		if
		:: read > delivered -> delivered = read
		:: else
		fi;
		if
		:: skip
#ifdef HOLD
		:: me == 0 && !held -> held = read
#endif
#ifdef FIRST_ENDS
		:: me == 0 && !shutting_down -> goto free /* from the callback: the message counts as delivered */
#endif
		fi;
		if
		:: MUST_RELEASE -> then = SERVE; goto release
		:: serve_more()
		fi
	};

finish_serve:
	atomic {
		if
		:: lane[me] == DRAINING && read == tail_seen -> lane[me] = ENDED
		:: else
		fi;
		if
		:: MUST_RELEASE -> then = SLEEP; goto release
		:: else -> goto end_asleep
		fi
	};

release:
	atomic {
		assert(owner == me); /* nobody else writes a head */
		head_published = RELEASABLE;
		released = (me == 0 -> RELEASABLE : 0);
		head[me] = RELEASABLE /* [S1] */
	};
	atomic {
		if
		:: space_checked < space_wish && space_wish <= head_published -> /* [S2] */
			space_checked = head_published
		:: else -> space_checked = head_published; released_and_rung()
		fi
	};
	atomic { space_bell[me] = !sender_closed[me]; released_and_rung() };

end_asleep:
	if
	/* listener_accept(), guest_look(): also if the sender is gone by now */
#ifdef BUG_HELLO_OF_THE_DEAD_DROPPED
	:: atomic { hello[me] && sender_closed[me] -> hello[me] = false; goto end_asleep }
	:: atomic { hello[me] && !sender_closed[me] -> goto admit }
#else
	:: atomic { hello[me] -> goto admit }
#endif
	:: atomic { data_bell[me] && lane[me] != NONE -> data_bell[me] = false; serve() }
	:: atomic { turn -> turn = false; serve() }
	:: atomic { sender_closed[me] && lane[me] == OPEN -> goto hang_up }
#ifdef HOLD
	:: atomic {
		held ->
		assert(record[(held - 1) % CAPACITY] == held);
		held = 0;
		then = SLEEP;
		if
		:: MUST_RELEASE -> goto release
		:: else -> goto end_asleep
		fi
	}
#endif
#ifdef FIRST_ENDS
	/* evchan_receiver_free() */
	:: atomic { me == 0 && !shutting_down -> goto free }
	/* evchan_receiver_shutdown(): admits whom it finds in the queue, then gives up the address */
	:: atomic { me == 0 && !shutting_down && !hello[me] -> shutting_down = true; goto stop_listening }
	:: atomic { shutting_down && lane[me] == OPEN && !sender_closed[me] && !turn -> goto end_lane }
	:: atomic { shutting_down && (lane[me] == NONE || lane[me] == ENDED) -> goto close }
#endif
	fi;

hang_up:
	atomic {
		lane[me] = DRAINING;
		observe_tail();
		turn = true;
		goto end_asleep
	};

#ifdef FIRST_ENDS
free:
	atomic { listening[me] = false; first_stopped = true; goto end_lane };

stop_listening:
	atomic {
		listening[me] = false;
		first_stopped = true;
		if
		:: hello[me] -> goto close /* came too late: sees a hang-up */
		:: else -> goto end_asleep
		fi
	};

end_lane: /* lane_end(), lane_close(): the head is final before the sender can know of the end */
	atomic {
		then = CLOSE;
		first_held = held > 0;
#ifdef BUG_RELEASES_AFTER_CLOSE
		if
		:: MUST_RELEASE -> receiver_closed[me] = true; goto release
		:: else -> goto close
		fi
#else
		if
		:: MUST_RELEASE -> goto release
		:: else -> goto close
		fi
#endif
	};

close:
	atomic { receiver_closed[me] = true; lane[me] = ENDED };
#ifdef BUG_READS_HOLD_OF_ENDED_LANE
	assert(!held || record[(held - 1) % CAPACITY] == held);
#endif
#endif

	skip
	} unless { me == 0 && FIRST_IS_KILLED };
	atomic {
		if
		:: first_killed && !receiver_closed[me] -> first_crashed = true
		:: else
		fi;
		listening[me] = false;
		first_stopped = true;
		receiver_closed[me] = true;
		lane[me] = ENDED;
		data_bell[me] = false;
		read = 0;
		tail_seen = 0;
		head_published = 0;
		space_checked = 0;
		held = 0;
		turn = false;
		shutting_down = false;
		then = SERVE
	}
}

init
{
	atomic {
		run receiver(0);
		run receiver(1)
	}
}

/* ---- Claims ----------------------------------------------------------------------------- */

bool undelivered, end_untold, sender_waits, room_unused;

#define RECEIVER_LIVES (!first_stopped || SECOND_COMES)
#define HELLO_LIVES (c == 1 || !first_stopped)

active proctype judge()
{
	atomic {
		timeout ->
		/* While its sender lives, a message reaches one receiver or the next. */
		undelivered = state != GONE && RECEIVER_LIVES && delivered != written;
		assert(!undelivered);
		/* Afterwards it reaches the receiver that has the sender's hello, as long as that one lives. */
		undelivered = state == GONE && hello_out && HELLO_LIVES && delivered != tail;
		assert(!undelivered);
		end_untold = state == GONE && hello_out && HELLO_LIVES && lane[c] != ENDED;
		assert(!end_untold);
		/* A sender waits for a receiver at most, and for room only if there is none. */
		sender_waits = state != GONE && RECEIVER_LIVES && WANTS;
		assert(!sender_waits);
		room_unused = wants_room && FILL <= ROOM_FILL;
		assert(!room_unused)
	}
}
