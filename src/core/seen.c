/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/seen.h"

#include <errno.h>

typedef struct Interval {
        uint64_t first, last;
} Interval;

typedef struct SeenKey {
        NodeId id;
        uint64_t epoch;
} SeenKey;

struct SeenOrigin {
        UT_hash_handle hh;
        SeenKey key;
        usec_t heard_usec;
        Interval *intervals;    /* ascending, with a gap between any two */
        size_t n_intervals, n_allocated;
};

void seen_init(Seen *seen, size_t n_origins_max, size_t n_intervals_max) {
        *seen = (Seen) { .n_origins_max = n_origins_max, .n_intervals_max = n_intervals_max };
}

static void seen_forget(Seen *seen, SeenOrigin *origin) {
        HASH_DELETE(hh, seen->origins, origin);
        free(origin->intervals);
        free(origin);
}

void seen_done(Seen *seen) {
        while (seen->origins)
                seen_forget(seen, seen->origins);
}

static int seen_origin(Seen *seen, const MessageId *id, usec_t now_usec, SeenOrigin **ret) {
        SeenKey key = { .id = id->origin, .epoch = id->epoch };
        SeenOrigin *origin;

        HASH_FIND(hh, seen->origins, &key, sizeof(key), origin);
        if (origin && origin == ELMT_FROM_HH(seen->origins->hh.tbl, seen->origins->hh.tbl->tail)) {
                origin->heard_usec = now_usec;
                *ret = origin;
                return 0;
        }

        if (origin)
                HASH_DELETE(hh, seen->origins, origin);         /* and back in as the last one heard */
        else {
                if (HASH_COUNT(seen->origins) >= seen->n_origins_max) {
                        if (usec_sub(now_usec, seen->origins->heard_usec) < SEEN_FORGET_USEC)
                                return -ENOSPC;
                        seen_forget(seen, seen->origins);
                }
                origin = calloc(1, sizeof(*origin));
                if (!origin)
                        return -ENOMEM;
                origin->key = key;
        }

        origin->heard_usec = now_usec;
        HASH_ADD(hh, seen->origins, key, sizeof(SeenKey), origin);
        if (!table_added(origin)) {
                free(origin->intervals);
                free(origin);
                return -ENOMEM;
        }
        *ret = origin;
        return 0;
}

/* The number of intervals that begin at or before @sequence. */
static size_t origin_find(const SeenOrigin *origin, uint64_t sequence) {
        size_t low = 0, high = origin->n_intervals;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (origin->intervals[middle].first <= sequence)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void origin_remove(SeenOrigin *origin, size_t i) {
        memmove(origin->intervals + i, origin->intervals + i + 1, (origin->n_intervals - i - 1) * sizeof(Interval));
        origin->n_intervals--;
}

static int origin_insert(SeenOrigin *origin, size_t i, uint64_t sequence) {
        if (origin->n_intervals >= origin->n_allocated) {
                size_t n = MAX((size_t) 2, 2 * origin->n_allocated);
                Interval *intervals = reallocarray(origin->intervals, n, sizeof(Interval));

                if (!intervals)
                        return -ENOMEM;
                origin->intervals = intervals;
                origin->n_allocated = n;
        }
        memmove(origin->intervals + i + 1, origin->intervals + i, (origin->n_intervals - i) * sizeof(Interval));
        origin->intervals[i] = (Interval) { sequence, sequence };
        origin->n_intervals++;
        return 0;
}

int seen_add(Seen *seen, const MessageId *id, usec_t now_usec, uint64_t *ret_given_up) {
        Interval *before, *after;
        SeenOrigin *origin;
        size_t i;
        int r;

        *ret_given_up = 0;

        r = seen_origin(seen, id, now_usec, &origin);
        if (r < 0)
                return r;

        i = origin_find(origin, id->sequence);
        before = i > 0 ? origin->intervals + i - 1 : NULL;
        after = i < origin->n_intervals ? origin->intervals + i : NULL;

        if (before && id->sequence <= before->last)
                return 0;

        if (before && before->last + 1 == id->sequence) {
                before->last++;
                if (after && after->first == id->sequence + 1) {
                        before->last = after->last;
                        origin_remove(origin, i);
                }
                return 1;
        }
        if (after && after->first == id->sequence + 1) {
                after->first--;
                return 1;
        }

        r = origin_insert(origin, i, id->sequence);
        if (r < 0)
                return r;

        if (origin->n_intervals > seen->n_intervals_max) {
                /* The oldest gap is the least likely to be filled: count what is missing there as seen. */
                *ret_given_up = origin->intervals[1].first - origin->intervals[0].last - 1;
                origin->intervals[0].last = origin->intervals[1].last;
                origin_remove(origin, 1);
        }
        return 1;
}
