#!/usr/bin/env bash
#
# evchan-relay-uv, of examples/other-loops, is receiver and sender on one libuv loop: between evchan-send and evchan-receive
# nothing is lost or out of order, also when the ring ahead is full, and when it is told to end.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"
[ -z "${EVCHAN_WITHOUT_EVENTFD-}" ] || skip 'libuv has no loop without eventfds'
source "$(dirname "${BASH_SOURCE[0]}")/../programs/relay.sh" uv
