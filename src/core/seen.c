/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/seen.h"

#include <errno.h>
#include <utlist.h>

#include "base/hash.h"

void seen_init(Seen *seen, size_t n_origins_max, usec_t forget_usec) {
        *seen = (Seen) { .n_origins_max = n_origins_max, .forget_usec = forget_usec };
}

/* ---- origins ---- */

static void origin_free(SeenOrigin *origin) {
        if (origin->intervals != &origin->whole)
                free(origin->intervals);
        free(origin);
}

static void seen_forget(Seen *seen, SeenOrigin *origin) {
        SeenPublisher *publisher = origin->publisher;
        SeenOrigin **place = &publisher->latest;

        while (*place != origin)
                place = &(*place)->older;
        *place = origin->older;
        if (--publisher->n_epochs == 0) {
                index_remove(&seen->publishers, &publisher->by_id);
                free(publisher);
        }
        DL_DELETE2(seen->heard, origin, heard_prev, heard_next);
        seen->n_origins--;
        origin_free(origin);
}

void seen_done(Seen *seen) {
        while (seen->heard)
                seen_forget(seen, seen->heard);
}

static SeenPublisher *publisher_find(const Seen *seen, const NodeId *id) {
        for (IndexEntry *entry = index_first(&seen->publishers, hash_of_bytes(id, sizeof(*id))); entry; entry = index_next(entry)) {
                SeenPublisher *publisher = container_of(entry, SeenPublisher, by_id);

                if (node_id_equal(&publisher->id, id))
                        return publisher;
        }
        return NULL;
}

static SeenOrigin *publisher_epoch(const SeenPublisher *publisher, uint64_t epoch) {
        SeenOrigin *origin = publisher ? publisher->latest : NULL;

        while (origin && origin->epoch != epoch)
                origin = origin->older;
        return origin;
}

SeenOrigin *seen_find(const Seen *seen, const NodeId *id, uint64_t epoch) {
        SeenOrigin *last = seen->heard ? seen->heard->heard_prev : NULL;        /* the list's head knows its tail */

        /* Messages of one publisher come one after the other: no hash is needed to see that. */
        if (last && last->epoch == epoch && node_id_equal(seen_id(last), id))
                return last;
        return publisher_epoch(publisher_find(seen, id), epoch);
}

unsigned seen_n_later(const Seen *seen, const NodeId *id, uint64_t epoch) {
        const SeenPublisher *publisher = publisher_find(seen, id);
        unsigned n = 0;

        for (const SeenOrigin *origin = publisher ? publisher->latest : NULL; origin && origin->epoch > epoch; origin = origin->older)
                n++;
        return n;
}

/* The origin that has been silent for the longest gives way, if that is long enough and nothing of it is held back. */
static int seen_make_room(Seen *seen, usec_t now_usec) {
        if (seen->n_origins < seen->n_origins_max)
                return 0;
        if (seen->heard->is_waiting || usec_sub(now_usec, seen->heard->heard_usec) < seen->forget_usec)
                return -ENOSPC;
        seen_forget(seen, seen->heard);
        return 0;
}

static SeenOrigin *publisher_oldest(const SeenPublisher *publisher) {
        SeenOrigin *oldest = publisher->latest;

        while (oldest->older)
                oldest = oldest->older;
        return oldest;
}

SeenOrigin *seen_in_the_way(const Seen *seen, const NodeId *id, uint64_t epoch) {
        const SeenPublisher *publisher = publisher_find(seen, id);
        SeenOrigin *oldest;

        if (!publisher || publisher->n_epochs < SEEN_EPOCHS_MAX || publisher_epoch(publisher, epoch))
                return NULL;
        oldest = publisher_oldest(publisher);
        return oldest->is_waiting && epoch > oldest->epoch ? oldest : NULL;
}

static int publisher_make_room(Seen *seen, SeenPublisher *publisher, uint64_t epoch) {
        SeenOrigin *oldest;

        if (publisher->n_epochs < SEEN_EPOCHS_MAX)
                return 0;
        oldest = publisher_oldest(publisher);
        if (oldest->is_waiting || epoch < oldest->epoch)
                return -ENOSPC;
        seen_forget(seen, oldest);
        return 0;
}

static int publisher_get(Seen *seen, const NodeId *id, SeenPublisher **ret) {
        SeenPublisher *publisher = publisher_find(seen, id);
        int r;

        if (!publisher) {
                publisher = calloc(1, sizeof(*publisher));
                if (!publisher)
                        return -ENOMEM;
                publisher->id = *id;
                r = index_add(&seen->publishers, &publisher->by_id, hash_of_bytes(id, sizeof(*id)));
                if (r < 0) {
                        free(publisher);
                        return r;
                }
        }
        *ret = publisher;
        return 0;
}

static SeenOrigin *origin_new(uint64_t epoch) {
        SeenOrigin *origin = calloc(1, sizeof(*origin));

        if (!origin)
                return NULL;
        origin->epoch = epoch;
        origin->intervals = &origin->whole;
        origin->n_intervals = origin->n_allocated = 1;
        return origin;
}

static int seen_new(Seen *seen, const NodeId *id, uint64_t epoch, usec_t now_usec, SeenOrigin **ret) {
        SeenPublisher *publisher = publisher_find(seen, id);
        SeenOrigin *origin, **place;
        int r;

        r = publisher ? publisher_make_room(seen, publisher, epoch) : 0;
        if (r >= 0)
                r = seen_make_room(seen, now_usec);
        if (r < 0)
                return r;

        origin = origin_new(epoch);
        if (!origin)
                return -ENOMEM;
        r = publisher_get(seen, id, &publisher);
        if (r < 0) {
                origin_free(origin);
                return r;
        }

        place = &publisher->latest;
        while (*place && (*place)->epoch > epoch)
                place = &(*place)->older;
        origin->older = *place;
        *place = origin;
        origin->publisher = publisher;
        publisher->n_epochs++;
        origin->since_usec = now_usec;
        DL_APPEND2(seen->heard, origin, heard_prev, heard_next);
        seen->n_origins++;
        *ret = origin;
        return 0;
}

int seen_hear(Seen *seen, const NodeId *id, uint64_t epoch, usec_t now_usec, SeenOrigin **ret) {
        SeenOrigin *origin = seen_find(seen, id, epoch);
        int r;

        if (!origin) {
                r = seen_new(seen, id, epoch, now_usec, &origin);
                if (r < 0)
                        return r;
                origin->heard_usec = now_usec;
                *ret = origin;
                return 1;
        }

        if (origin->heard_next) {
                DL_DELETE2(seen->heard, origin, heard_prev, heard_next);
                DL_APPEND2(seen->heard, origin, heard_prev, heard_next);
        }
        origin->heard_usec = now_usec;
        *ret = origin;
        return 0;
}

/* ---- intervals ---- */

/* The number of intervals that begin at or before @sequence: at least one. */
static size_t origin_find(const SeenOrigin *origin, uint64_t sequence) {
        size_t low = 1, high = origin->n_intervals;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (origin->intervals[middle].first <= sequence)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void origin_remove(SeenOrigin *origin, size_t i, size_t n) {
        memmove(origin->intervals + i, origin->intervals + i + n, (origin->n_intervals - i - n) * sizeof(Interval));
        origin->n_intervals -= n;
}

static int origin_insert(SeenOrigin *origin, size_t i, uint64_t sequence, usec_t now_usec) {
        if (origin->n_intervals >= origin->n_allocated) {
                size_t n = 2 * origin->n_allocated;
                bool is_inside = origin->intervals == &origin->whole;
                Interval *intervals = reallocarray(is_inside ? NULL : origin->intervals, n, sizeof(Interval));

                if (!intervals)
                        return -ENOMEM;
                if (is_inside)
                        intervals[0] = origin->whole;
                origin->intervals = intervals;
                origin->n_allocated = n;
        }
        memmove(origin->intervals + i + 1, origin->intervals + i, (origin->n_intervals - i) * sizeof(Interval));
        origin->intervals[i] = (Interval) { sequence, sequence, now_usec };
        origin->n_intervals++;
        return 0;
}

int seen_add(SeenOrigin *origin, uint64_t sequence, usec_t now_usec) {
        size_t i = origin_find(origin, sequence);
        Interval *before = origin->intervals + i - 1, *after = i < origin->n_intervals ? origin->intervals + i : NULL;
        int r;

        if (sequence <= before->last)
                return 0;

        if (before->last + 1 == sequence) {
                before->last++;
                if (after && after->first == sequence + 1) {
                        before->last = after->last;
                        origin_remove(origin, i, 1);
                }
                return 1;
        }
        if (after && after->first == sequence + 1) {
                after->first--;
                return 1;
        }

        r = origin_insert(origin, i, sequence, after ? after->noticed_usec : now_usec);
        return r < 0 ? r : 1;
}

bool seen_has(const SeenOrigin *origin, uint64_t sequence) {
        return sequence <= origin->intervals[origin_find(origin, sequence) - 1].last;
}

void seen_skip(SeenOrigin *origin, uint64_t sequence) {
        size_t i = origin_find(origin, sequence);
        Interval *first = origin->intervals;

        first->last = MAX(sequence, origin->intervals[i - 1].last);
        origin_remove(origin, 1, i - 1);
        if (origin->n_intervals > 1 && first[1].first == first->last + 1) {
                first->last = first[1].last;
                origin_remove(origin, 1, 1);
        }
}

bool seen_missing(const SeenOrigin *origin, uint64_t first, uint64_t last, uint64_t *ret_first, uint64_t *ret_last) {
        size_t i = origin_find(origin, first);
        const Interval *before = origin->intervals + i - 1;

        if (first <= before->last) {
                if (before->last >= last)
                        return false;
                first = before->last + 1;
        }
        if (i < origin->n_intervals)
                last = MIN(last, origin->intervals[i].first - 1);
        *ret_first = first;
        *ret_last = last;
        return true;
}
