/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/store.h"

#include <errno.h>
#include <utlist.h>

#include "base/hash.h"

#define FIRST_ALLOCATED 4U
#define SLACK_FACTOR 16U                /* one part of so many is made free at once, so that each message need not */

void store_init(Store *store, size_t size_max, usec_t age_max_usec) {
        *store = (Store) { .size_max = size_max, .age_max_usec = age_max_usec, .first_serial = 1 };
}

void store_set_bounds(Store *store, size_t size_max, usec_t age_max_usec) {
        store->size_max = size_max;
        store->age_max_usec = age_max_usec;
}

/* Its entry and its places in the two lists included. */
size_t store_cost(size_t frame_size) {
        return sizeof(StoredMessage) + 2 * sizeof(StoredMessage *) + sizeof(FrameBuffer) + frame_size;
}

static size_t message_size(const StoredMessage *message) {
        return store_cost(message->frame->size);
}

static StoredMessage *message_free(StoredMessage *message) {
        frame_buffer_unref(message->frame);
        free(message);
        return NULL;
}

/* ---- the list of those delivered ---- */

static void delivered_forget(Store *store, const StoredMessage *message) {
        if (message->serial == 0)
                return;

        store->delivered[store->delivered_begin + (message->serial - store->first_serial)] = NULL;
        while (store->delivered_begin < store->delivered_end && !store->delivered[store->delivered_begin]) {
                store->delivered_begin++;
                store->first_serial++;
        }
        if (store->delivered_begin == store->delivered_end)
                store->delivered_begin = store->delivered_end = 0;
}

/* Room for one more at the end of a list that loses elements at its beginning. */
static int list_make_room(StoredMessage ***list, size_t *begin, size_t *end, size_t *n_allocated) {
        size_t n = *end - *begin;

        if (*end < *n_allocated)
                return 0;

        if (n <= *n_allocated / 2 && *n_allocated > 0)
                memmove(*list, *list + *begin, n * sizeof(**list));
        else {
                size_t n_new = MAX((size_t) FIRST_ALLOCATED, 2 * *n_allocated);
                StoredMessage **messages = reallocarray(*list, n_new, sizeof(*messages));

                if (!messages)
                        return -ENOMEM;
                memmove(messages, messages + *begin, n * sizeof(*messages));
                *list = messages;
                *n_allocated = n_new;
        }
        *begin = 0;
        *end = n;
        return 0;
}

int store_delivered(Store *store, StoredMessage *message) {
        int r;

        /* Of one that is not kept, the serial has passed all the same. */
        if (!message && store->delivered_begin == store->delivered_end) {
                store->first_serial++;
                return 0;
        }
        r = list_make_room(&store->delivered, &store->delivered_begin, &store->delivered_end, &store->n_delivered_allocated);
        if (r < 0)
                return r;
        if (message)
                message->serial = store_last_serial(store) + 1;
        store->delivered[store->delivered_end++] = message;
        return 0;
}

uint64_t store_last_serial(const Store *store) {
        return store->first_serial + (store->delivered_end - store->delivered_begin) - 1;
}

StoredMessage *store_next_delivered(const Store *store, uint64_t serial) {
        uint64_t from = MAX(serial + 1, store->first_serial);

        for (; from <= store_last_serial(store); from++) {
                StoredMessage *message = store->delivered[store->delivered_begin + (from - store->first_serial)];

                if (message)
                        return message;
        }
        return NULL;
}

/* ---- origins ---- */

static bool key_equal(const StoreKey *a, const StoreKey *b) {
        return a->epoch == b->epoch && node_id_equal(&a->id, &b->id);
}

static uint32_t key_hash(const StoreKey *key) {
        return hash_of_bytes(key, sizeof(*key));
}

static StoreOrigin *origin_find(const Store *store, const NodeId *id, uint64_t epoch) {
        StoreOrigin *origin = store->recent;
        StoreKey key = { .id = *id, .epoch = epoch };

        if (origin && key_equal(&origin->key, &key))
                return origin;
        for (IndexEntry *entry = index_first(&store->by_key, key_hash(&key)); entry; entry = index_next(entry)) {
                origin = container_of(entry, StoreOrigin, by_key);
                if (key_equal(&origin->key, &key))
                        return origin;
        }
        return NULL;
}

static int origin_get(Store *store, const MessageId *id, StoreOrigin **ret) {
        StoreOrigin *origin = origin_find(store, &id->origin, id->epoch);
        int r;

        if (!origin) {
                origin = calloc(1, sizeof(*origin));
                if (!origin)
                        return -ENOMEM;
                origin->key = (StoreKey) { .id = id->origin, .epoch = id->epoch };
                r = index_add(&store->by_key, &origin->by_key, key_hash(&origin->key));
                if (r < 0) {
                        free(origin);
                        return r;
                }
                DL_APPEND(store->origins, origin);
        }
        *ret = store->recent = origin;
        return 0;
}

static void origin_free(Store *store, StoreOrigin *origin) {
        if (store->recent == origin)
                store->recent = NULL;
        index_remove(&store->by_key, &origin->by_key);
        DL_DELETE(store->origins, origin);
        free(origin->messages);
        free(origin);
}

/* The first place whose sequence is at least @sequence. */
static size_t origin_place(const StoreOrigin *origin, uint64_t sequence) {
        size_t low = origin->begin, high = origin->end;

        if (low == high || origin->messages[high - 1]->sequence < sequence)
                return high;            /* nearly always: it is the newest */
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (origin->messages[middle]->sequence < sequence)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void origin_drop_oldest(Store *store, StoreOrigin *origin) {
        StoredMessage *message = origin->messages[origin->begin++];
        size_t size = message_size(message);

        delivered_forget(store, message);
        origin->size -= size;
        store->size -= size;
        store->n--;
        message_free(message);
}

/* ---- making room ---- */

static size_t store_target(const Store *store) {
        return store->size_max - store->size_max / SLACK_FACTOR;
}

/* The level to which store_make_room() cuts those that hold most: it rises by what those below it leave free. */
size_t store_room(const Store *store, const NodeId *id, uint64_t epoch, size_t enough) {
        const StoreOrigin *own = origin_find(store, id, epoch);
        size_t level = store_target(store) / (store->by_key.n + 1), last = 0;

        while (level > last && level < enough) {
                size_t n = 1, left = store_target(store);

                for (const StoreOrigin *origin = store->origins; origin; origin = origin->next)
                        if (origin != own && origin->size <= level)
                                left -= MIN(left, origin->size);
                        else if (origin != own)
                                n++;
                last = level;
                level = MAX(level, left / n);
        }
        return level;
}

bool store_is_pressed(const Store *store, const NodeId *id, uint64_t epoch, uint64_t sequence) {
        const StoreOrigin *origin = store->size > store_target(store) ? origin_find(store, id, epoch) : NULL;

        return origin && origin->size > store->size_max / store->by_key.n / 2 &&
               origin_place(origin, sequence + 1) - origin->begin < (origin->end - origin->begin) / 2;
}

static void store_make_room(Store *store) {
        size_t target = store_target(store);
        size_t n_origins = store->by_key.n;

        while (store->size > target) {
                size_t share = MIN((size_t) STORE_SHARE, store->size_max / n_origins), next = 0;
                StoreOrigin *most = NULL;

                for (StoreOrigin *origin = store->origins; origin; origin = origin->next)
                        if (!most || origin->size > most->size) {
                                next = most ? most->size : 0;
                                most = origin;
                        } else
                                next = MAX(next, origin->size);

                /* Down to below the next one; and never below its share, but where that is all there is to take from. */
                if (most->size <= share && store->size <= store->size_max)
                        return;
                do
                        origin_drop_oldest(store, most);
                while (store->size > target && most->begin < most->end && most->size > MAX(next, share));

                if (most->begin == most->end) {
                        origin_free(store, most);
                        n_origins--;
                }
        }
}

void store_expire(Store *store, usec_t now_usec) {
        StoreOrigin *origin, *next;

        DL_FOREACH_SAFE(store->origins, origin, next) {
                while (origin->begin < origin->end &&
                       stored_age(origin->messages[origin->begin], now_usec) > store->age_max_usec)
                        origin_drop_oldest(store, origin);
                if (origin->begin == origin->end)
                        origin_free(store, origin);
        }
        if (store->size > store->size_max)
                store_make_room(store);
}

void store_done(Store *store) {
        while (store->origins) {
                while (store->origins->begin < store->origins->end)
                        origin_drop_oldest(store, store->origins);
                origin_free(store, store->origins);
        }
        free(store->delivered);
        store->delivered = NULL;
}

/* ---- messages ---- */

static int origin_insert(Store *store, StoreOrigin *origin, StoredMessage *message) {
        size_t place;
        int r;

        r = list_make_room(&origin->messages, &origin->begin, &origin->end, &origin->n_allocated);
        if (r < 0)
                return r;

        place = origin_place(origin, message->sequence);
        memmove(origin->messages + place + 1, origin->messages + place, (origin->end - place) * sizeof(*origin->messages));
        origin->messages[place] = message;
        origin->end++;
        origin->size += message_size(message);
        store->size += message_size(message);
        store->n++;
        return 0;
}

int store_add(Store *store, const MessageId *id, FrameBuffer *frame, usec_t age_usec, usec_t now_usec, StoredMessage **ret) {
        StoredMessage *message;
        StoreOrigin *origin;
        int r;

        if (age_usec > store->age_max_usec || store_find(store, &id->origin, id->epoch, id->sequence))
                return 0;

        message = malloc(sizeof(*message));
        if (!message)
                return -ENOMEM;
        *message = (StoredMessage) {
                .frame = frame_buffer_ref(frame), .sequence = id->sequence, .stored_usec = now_usec, .age_usec = age_usec,
        };
        if (message_size(message) > store->size_max) {
                message_free(message);
                return 0;
        }

        r = origin_get(store, id, &origin);
        if (r >= 0) {
                message->origin = origin;
                r = origin_insert(store, origin, message);
                if (r < 0 && origin->begin == origin->end)
                        origin_free(store, origin);
        }
        if (r < 0) {
                message_free(message);
                return r;
        }

        if (store->size > store->size_max) {
                store_make_room(store);
                message = store_find(store, &id->origin, id->epoch, id->sequence);
                if (!message)
                        return 0;       /* it was the oldest of the origin that holds most */
        }
        if (ret)
                *ret = message;
        return 1;
}

StoredMessage *store_find_from(const Store *store, const NodeId *id, uint64_t epoch, uint64_t sequence) {
        const StoreOrigin *origin = origin_find(store, id, epoch);
        size_t place;

        if (!origin)
                return NULL;
        place = origin_place(origin, sequence);
        return place < origin->end ? origin->messages[place] : NULL;
}

StoredMessage *store_find(const Store *store, const NodeId *id, uint64_t epoch, uint64_t sequence) {
        StoredMessage *message = store_find_from(store, id, epoch, sequence);

        return message && message->sequence == sequence ? message : NULL;
}

/* ---- ranges ---- */

/* The place behind the last one of the stretch without gaps that begins at @first: doubling steps, then halving ones. */
static size_t origin_stretch(const StoreOrigin *origin, size_t first, size_t end) {
        size_t low = first, step = 1;

#define IS_DENSE(to) (origin->messages[to]->sequence - origin->messages[first]->sequence == (to) - first)
        while (low + step < end && IS_DENSE(low + step)) {
                low += step;
                step *= 2;
        }
        for (; step > 0; step /= 2)
                if (low + step < end && IS_DENSE(low + step))
                        low += step;
#undef IS_DENSE
        return low + 1;
}

/* The place of the first of those at the end that were stored after that. */
static size_t origin_fresh(const StoreOrigin *origin, usec_t after_usec) {
        size_t place = origin->end;

        while (place > origin->begin && origin->messages[place - 1]->stored_usec > after_usec)
                place--;
        return place;
}

static void cursor_enter(StoreCursor *cursor, const StoreOrigin *origin) {
        cursor->origin = origin;
        if (!origin)
                return;
        cursor->next = cursor->part == STORE_FRESH ? origin_fresh(origin, cursor->after_usec) : origin->begin;
        cursor->end = cursor->part == STORE_SETTLED ? origin_fresh(origin, cursor->after_usec) : origin->end;
}

size_t store_ranges(const Store *store, StoreCursor *cursor, Range *ret, size_t n_max) {
        size_t n = 0;

        if (!cursor->begun) {
                cursor_enter(cursor, store->origins);
                cursor->begun = true;
        }

        while (cursor->origin && n < n_max) {
                const StoreOrigin *origin = cursor->origin;

                if (cursor->next < cursor->end) {
                        size_t behind = origin_stretch(origin, cursor->next, cursor->end);

                        ret[n++] = (Range) {
                                .origin = origin->key.id, .epoch = origin->key.epoch,
                                .first = origin->messages[cursor->next]->sequence, .last = origin->messages[behind - 1]->sequence,
                        };
                        cursor->next = behind;
                }
                if (cursor->next >= cursor->end)
                        cursor_enter(cursor, origin->next);
        }
        return n;
}
