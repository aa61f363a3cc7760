/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a state file is told from a damaged one: a header before the body, all integers big-endian.
 *
 *       0   8  "p2pstate"
 *       8   8  checksum of all that follows
 *      16   2  what it is: StateKind
 *      18   2  version of the body, 1
 *      20   8  when it was written, CLOCK_REALTIME in microseconds
 *      28   4  size of the body
 *      32      body
 *
 * The checksum is SipHash-2-4 with the all-zero key. It is there against files that were cut off or that a disk garbled, not
 * against people: who can write to the directory may do as they please. A CRC would do as well; SipHash is at hand,
 * has 64 bits, and notices swapped blocks.
 */

#include "base/bytes.h"
#include "base/usec.h"

#define STATE_HEADER_SIZE 32U

typedef enum StateKind {
        STATE_IDENTITY = 1,
        STATE_PEERS = 2,
        STATE_REGISTRY = 3,
        STATE_PUBLISHED = 4,
} StateKind;

typedef struct StateBody {
        Slice data;
        usec_t written_usec;            /* CLOCK_REALTIME */
} StateBody;

/* Fills the header in: @file has @size bytes, the body is in place behind the header. */
void state_seal(uint8_t *file, size_t size, StateKind kind, usec_t written_usec);

/* The body borrows from @file. Return: 0; -EBADMSG damaged; -EPROTONOSUPPORT of a later version. */
int state_unseal(StateBody *ret, Slice file, StateKind kind);
