/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which gossip messages have come: per origin and epoch, the sequence numbers as intervals. Exact, whatever the rate: normally
 * one interval per origin, and what lies between two of them is missing. The first interval begins at 0 and ends where the first
 * gap begins: what is in it came, or was given up, or was published before our time.
 *
 * The origins, and the epochs of one, are bounded here, the intervals by whoever adds to them (order.c). No bound ever makes a
 * message seen twice: what does not fit is refused, or given up as lost.
 */

#include "base/index.h"
#include "base/usec.h"
#include "wire/message.h"

#define SEEN_EPOCHS_MAX 8U      /* of one publisher: further ones displace the oldest, which is refused from then on */

typedef struct SeenOrigin SeenOrigin;

typedef struct Interval {
        uint64_t first, last;
        usec_t noticed_usec;    /* when it was clear that the messages before it were missing */
} Interval;

typedef struct SeenPublisher {
        IndexEntry by_id;       /* Seen.publishers */
        NodeId id;
        SeenOrigin *latest;     /* the epoch that is highest */
        unsigned n_epochs;
} SeenPublisher;

/* A publisher in one of its epochs. */
struct SeenOrigin {
        SeenPublisher *publisher;
        SeenOrigin *older;      /* the next lower epoch of the same publisher */
        uint64_t epoch;
        usec_t heard_usec;
        SeenOrigin *heard_prev, *heard_next;
        Interval *intervals;    /* ascending, with a gap between any two; at least one, */
        Interval whole;         /* which is this one until there are two: few publishers ever have a gap */
        size_t n_intervals, n_allocated;

        /* order.c */
        uint64_t delivered;     /* up to here: delivered, or counted as lost */
        uint64_t end;           /* of its epoch, when its next one has said so; else 0 */
        usec_t end_usec;        /* when it did */
        usec_t end_due_usec;    /* one has begun, and says so before this time, or nobody knows; 0: none has; USEC_INFINITY: told */
        usec_t since_usec;      /* when its first message came */
        bool is_tentative;      /* what precedes its second interval may have been published before our time */
        bool has_begun;         /* something of it was delivered */
        bool is_waiting;        /* in the list of those that order.c looks after */
        uint64_t lost_first, lost_last, n_lost_untold;
        usec_t told_usec;       /* 0: never */
        SeenOrigin *prev, *next;
};

typedef struct Seen {
        Index publishers;
        SeenOrigin *heard;      /* all origins, in the order in which they were last heard */
        size_t n_origins, n_origins_max;
        usec_t forget_usec;     /* an origin may be forgotten for another only after so long a silence: no copy of its
                                 * messages is under way, or in a store, then */
} Seen;

void seen_init(Seen *seen, size_t n_origins_max, usec_t forget_usec);
void seen_done(Seen *seen);

/* Who has to be forgotten for a new epoch of that publisher, and waits: order_end() is for that. NULL: nobody. */
SeenOrigin *seen_in_the_way(const Seen *seen, const NodeId *id, uint64_t epoch);

/* NULL: nothing of it is known. */
SeenOrigin *seen_find(const Seen *seen, const NodeId *id, uint64_t epoch);
/* How many of the publisher's epochs that are known are later than that. */
unsigned seen_n_later(const Seen *seen, const NodeId *id, uint64_t epoch);
static inline const NodeId *seen_id(const SeenOrigin *origin) {
        return &origin->publisher->id;
}

/* The origin of a message that has come. Return: 1 when it is new, with the interval [0, 0]; 0; -ENOSPC when there is no room for
 * it, or when its epoch is one that others have displaced; -ENOMEM. */
int seen_hear(Seen *seen, const NodeId *id, uint64_t epoch, usec_t now_usec, SeenOrigin **ret);

/* Notes a message. Return: 1 when it is new, 0 when it came before or was given up, -ENOMEM. */
int seen_add(SeenOrigin *origin, uint64_t sequence, usec_t now_usec);
/* Whether it came, or was given up. */
bool seen_has(const SeenOrigin *origin, uint64_t sequence);

/* Counts all up to @sequence as seen. */
void seen_skip(SeenOrigin *origin, uint64_t sequence);

/* The first stretch between @first and @last that is missing. False: none is. */
bool seen_missing(const SeenOrigin *origin, uint64_t first, uint64_t last, uint64_t *ret_first, uint64_t *ret_last);

/* All up to here is seen. */
static inline uint64_t seen_whole(const SeenOrigin *origin) {
        return origin->intervals[0].last;
}
