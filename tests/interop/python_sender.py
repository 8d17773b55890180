#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
A sender made from docs/ring-format.md and docs/control-protocol.md alone, with nothing but Python's
standard library: if it works, they suffice for another implementation. Numbers in square brackets
are sections there: R of the ring format, C of the control protocol.

    python_sender.py ADDRESS COUNT [CAPACITY [BELL]]

sends COUNT messages, message(0), message(1), ..., which python_sender_test.sh knows as well; goes
on with the next receiver if one ends; says goodbye when all were consumed, and prints what it did. BELL is the number of the bell it asks for.

Orders of access [R6]. Python has none, so this is for x86 only, where a processor's stores become
visible in their order and its loads are made in theirs: an aligned store or load of eight bytes is
then a release or an acquire. memoryview makes one such access of an element of format 'Q' (a
memcpy of constant size, which the compiler of the interpreter turns into a move). What x86 does not
give is the order of a store before a later load of another word, on which "publish" and "arm" rest:
between the two fence() executes a locked instruction.

What it leaves out: notes, laziness, the second picture of the data (it copies in two pieces, as R3
allows), back-off that grows, storms. It looks at the receiver's socket only where it waits.
"""

import array
import errno
import fcntl
import mmap
import os
import platform
import random
import resource
import secrets
import select
import socket
import stat
import struct
import sys
import threading
import time

# [R2]
RING_MAGIC = 0x316E616863766572
PAGE_MAGIC = 0x3165676170766572
TAIL, SENDER_WISH, TIMES_FULL = 128 // 8, 256 // 8, 264 // 8
HEAD, RECEIVER_WISH = 128 // 8, 256 // 8
# [R9]
F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEALS = 0x0017
# [C2]
RING, HELLO, WELCOME, REFUSED, EVICTED, BYE = 0x01, 0x10, 0x11, 0x12, 0x13, 0x14
# [C8]
EVENTFD, PIPE, SOCKET = 1, 2, 3
SCM_CREDENTIALS = 2  # from the kernel's headers: Python has no name for it


def message(number):
    """Its type and its bytes; of all lengths from 0 on, so that records end anywhere."""
    text = b"%d " % number + b"abcdefghijklmnopqrstuvwxyz" * 8
    return number % 1000, text[: number * 7 % 200 + 6]


class Over(Exception):
    """The connection has ended; the ring stays."""


lock = threading.Lock()


def fence():
    """Taking a free lock is a locked compare-and-exchange, which on x86 orders all before and after."""
    lock.acquire()
    lock.release()


class Ring:
    """Both objects of the lane, and the sender's rules [R7]."""

    def __init__(self, capacity, header_size=4096):
        assert capacity + header_size <= resource.getrlimit(resource.RLIMIT_FSIZE)[0] % 2**64
        self.capacity, self.header_size = capacity, header_size
        self.lane_id = secrets.token_bytes(16)
        self.fd = os.memfd_create("python", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, header_size + capacity)
        os.posix_fallocate(self.fd, 0, header_size + capacity)
        self.bytes = memoryview(mmap.mmap(self.fd, header_size + capacity))
        for page in range(0, header_size + capacity, 4096):
            self.bytes[page] = 0
        fcntl.fcntl(self.fd, F_ADD_SEALS, SEALS)
        struct.pack_into("=QIIQ16s", self.bytes, 0, RING_MAGIC, 1, header_size, capacity, self.lane_id)
        self.words = self.bytes[:header_size].cast("Q")
        self.data = self.bytes[header_size:]
        self.page = None
        self.written = 0  # the position behind the last whole record; published up to self.words[TAIL]
        self.checked = 0
        self.head = 0  # the last valid one

    def put(self, position, data):
        """Copies to a position of the stream: in two pieces where the data area ends."""
        at = position % self.capacity
        first = min(len(data), self.capacity - at)
        self.data[at : at + first] = data[:first]
        self.data[: len(data) - first] = data[first:]

    def room(self):
        return self.head + self.capacity - self.written

    def look_at_head(self):
        """Loads it once, checks it, uses the copy [R4]."""
        if self.page is None:
            return
        head = self.page[HEAD]
        if head % 8 or not self.head <= head <= self.words[TAIL]:
            raise Over("an invalid head")
        self.head = head

    def publish(self):
        """Says whether the receiver has to be rung."""
        new = self.written
        self.words[TAIL] = new
        if self.page is None:
            return False
        fence()
        wish = self.page[RECEIVER_WISH]
        rings = self.checked < wish <= new
        self.checked = new
        return rings

    def arm(self, position):
        """Says whether the head is there already."""
        self.words[SENDER_WISH] = position
        fence()
        self.look_at_head()
        return self.head >= position

    def write(self, kind, data):
        """A record, whole, before a tail that covers it; False if there is no room."""
        size = 8 + (len(data) + 7 & ~7)
        if self.room() < size:
            self.look_at_head()
            if self.room() < size:
                return False
        self.put(self.written, struct.pack("=II", len(data), kind) + data)
        self.written += size
        return True


class Sender:
    def __init__(self, address, capacity, wish):
        self.wish = wish
        self.address = "\0" + address[1:] if address[0] == "@" else address
        self.ring = Ring(capacity)
        self.socket, self.bell, self.bell_kind = None, -1, 0
        self.was_connected = False
        self.rings = self.times_full = self.connections = 0

    # ---- Meeting [C1 to C9] ---------------------------------------------------------------

    def connect(self):
        wait = 0.010
        while True:
            try:
                self.try_to_connect()
                return
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError, BrokenPipeError,
                    ConnectionResetError, Over):
                self.forget_connection()
            time.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, 2)

    def try_to_connect(self):
        ring = self.ring
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.socket.connect(self.address)
        credentials = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if struct.unpack("=iII", credentials)[1] not in (0, os.geteuid()):
            sys.exit("python_sender: the receiver is another user's")
        order = 1 if sys.byteorder == "little" else 2
        label = b"python"
        hello = struct.pack("<BBH8sBBBBIIQQQ16sQ", HELLO, 0, 72 + len(label), b"evchan\r\n", order,
                            1 if self.was_connected else 0, self.wish, len(label), 1, ring.header_size, 0,
                            ring.capacity, ring.head, ring.lane_id, 0) + label
        own = struct.pack("=iII", os.getpid(), os.geteuid(), os.getegid())
        self.socket.sendmsg([hello], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [ring.fd])),
                                      (socket.SOL_SOCKET, SCM_CREDENTIALS, own)],
                            socket.MSG_NOSIGNAL)
        self.take_answer()

    def take_answer(self):
        answer, fds = b"", []
        while len(answer) < 4 or len(answer) < struct.unpack_from("<H", answer, 2)[0]:
            select.select([self.socket], [], [])
            # Byte for byte beyond what is known, so that what comes behind the answer stays in the socket.
            want = 4 - len(answer) if len(answer) < 4 else struct.unpack_from("<H", answer, 2)[0] - len(answer)
            data, ancillary, flags, _ = self.socket.recvmsg(want, socket.CMSG_SPACE(3 * 4), socket.MSG_CMSG_CLOEXEC)
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds += array.array("i", value[: len(value) // 4 * 4])
            if not data:
                raise Over("hung up on")
            answer += data
        if answer[0] in (REFUSED, EVICTED):
            self.refused(answer)
        if answer[0] == BYE:
            raise Over("bye")
        if answer[0] != WELCOME or len(answer) != 24:
            raise Over("not a welcome")
        version, features, bell, header_size = struct.unpack_from("<IQII", answer, 4)
        if version != 1 or features or len(fds) != (1 if bell == SOCKET else 2) or not 4096 <= header_size <= 65536:
            raise Over("a welcome of another kind")
        if self.wish == SOCKET != bell:
            raise Over("a bell that was not asked for")
        self.take_page(fds[0], header_size)
        self.take_bell(bell, fds[1] if len(fds) > 1 else -1)
        self.was_connected = True
        self.connections += 1
        self.after_welcome()

    def take_page(self, fd, header_size):
        if fcntl.fcntl(fd, F_GET_SEALS) & SEALS != SEALS or os.fstat(fd).st_size != header_size:
            raise Over("a page that is not sealed, or of another size")
        page = memoryview(mmap.mmap(fd, header_size, prot=mmap.PROT_READ))
        os.close(fd)
        if struct.unpack_from("=QII", page, 0) != (PAGE_MAGIC, 1, header_size):
            raise Over("a page that is none")
        self.ring.page = page.cast("Q")

    def take_bell(self, kind, fd):
        self.bell_kind, self.bell = kind, fd
        if kind != SOCKET:
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            mode = stat.S_IFMT(os.fstat(fd).st_mode)
            if flags & os.O_ACCMODE == os.O_RDONLY or not flags & os.O_NONBLOCK or mode not in (0, stat.S_IFIFO):
                raise Over("a bell that may make us wait")

    def after_welcome(self):
        self.ring.checked = self.ring.head
        self.ring.publish()
        self.ring_bell()
        self.ring.look_at_head()

    def refused(self, frame):
        text = frame[16:].decode()
        if frame[8] or frame[0] == EVICTED:
            sys.exit("python_sender: refused: " + text)
        raise Over(text)

    def forget_connection(self):
        if self.ring.page is not None:
            try:
                self.ring.look_at_head()  # one last time [R7, rule 10]
            except Over:
                pass
            self.ring.page = None
        if self.bell >= 0:
            os.close(self.bell)
        self.bell = -1
        if self.socket:
            self.socket.close()
        self.socket = None

    # ---- Sending -----------------------------------------------------------------------------

    def ring_bell(self):
        self.rings += 1
        try:
            if self.bell_kind == EVENTFD:
                try:
                    os.write(self.bell, struct.pack("=Q", 1))
                except BlockingIOError:
                    os.read(self.bell, 8)
                    os.write(self.bell, struct.pack("=Q", 1))
            elif self.bell_kind == PIPE:
                os.write(self.bell, b"\1")
            else:
                self.socket.send(bytes([RING]), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, BrokenPipeError):
            pass

    def listen(self):
        """Waits for what the receiver says: rings, or that it is over."""
        select.select([self.socket], [], [])
        try:
            said = self.socket.recv(512)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return
            raise Over("hung up on") from error
        said = said.lstrip(bytes([RING]))
        if said[:1] == bytes([EVICTED]):
            self.refused(said)
        if said or not self.socket_is_open():
            raise Over("bye, or hung up on")

    def socket_is_open(self):
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False

    def wait_for_head(self, position):
        """Comes back when the head is there, whatever becomes of receivers meanwhile."""
        while self.ring.head < position:
            try:
                if self.socket is None:
                    self.connect()
                if self.ring.publish():
                    self.ring_bell()
                if not self.ring.arm(position):
                    self.listen()
            except Over:
                self.forget_connection()

    def send(self, kind, data):
        ring = self.ring
        while not ring.write(kind, data):
            self.times_full += 1
            ring.words[TIMES_FULL] = self.times_full
            # Half of the ring, or more if the message needs it; never beyond the tail.
            self.wait_for_head(ring.written - min(ring.capacity // 2, ring.capacity - (8 + (len(data) + 7 & ~7))))
        if ring.publish():
            self.ring_bell()

    def end(self):
        self.wait_for_head(self.ring.written)
        try:
            if self.socket:
                self.socket.send(struct.pack("<BBH", BYE, 0, 4), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the receiver has ended first, with all consumed
        self.forget_connection()


def main():
    if platform.machine() not in ("x86_64", "i686"):
        print("python_sender: only x86 orders memory accesses so that Python can do without fences")
        sys.exit(77)
    address, count = sys.argv[1], int(sys.argv[2])
    options = [int(word) for word in sys.argv[3:]]
    sender = Sender(address, *(options + [4096, 0][len(options) :]))
    sender.connect()
    for number in range(count):
        sender.send(*message(number))
    sender.end()
    print(f"sent={count} full={sender.times_full} rings={sender.rings} connections={sender.connections}")


if __name__ == "__main__":
    main()
