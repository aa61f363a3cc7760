/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which gossip messages have been seen: per origin and epoch, the sequence numbers as intervals. Exact, whatever
 * the rate: normally one interval per origin. Both the origins and their intervals are bounded, and neither bound
 * ever makes a message seen twice: what does not fit is refused, or given up as lost.
 */

#include "base/hash.h"
#include "base/usec.h"
#include "wire/message.h"

/* An origin may be forgotten for another only after it was silent for so long: no copy of its messages is under way
 * then. */
#define SEEN_FORGET_USEC (10 * USEC_PER_MINUTE)

typedef struct SeenOrigin SeenOrigin;

typedef struct Seen {
        SeenOrigin *origins;    /* in the order in which they were last heard */
        size_t n_origins_max, n_intervals_max;
} Seen;

void seen_init(Seen *seen, size_t n_origins_max, size_t n_intervals_max);
void seen_done(Seen *seen);

/**
 * seen_add() - note a message
 * @ret_given_up:       how many sequence numbers that never came were given up, to keep to the bound on intervals
 *
 * Return: 1 when it is new, 0 when it was seen before, -ENOSPC when its origin is new and there is no room for it,
 * -ENOMEM.
 */
int seen_add(Seen *seen, const MessageId *id, usec_t now_usec, uint64_t *ret_given_up);
