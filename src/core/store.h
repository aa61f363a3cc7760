/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages kept for repair: for neighbours that missed them, for what is held back behind a gap, and for subscribers that
 * want what was published before they came. Each is the very frame that was forwarded, by reference; there is no second copy.
 *
 * A message is kept until it has a certain age, that of the message itself, which its holders sum up on its way. Beyond a number
 * of bytes the origin that holds most loses its oldest ones first, so that none can push out what others published: an origin
 * keeps at least STORE_SHARE, or the size divided by the number of origins where that is less.
 *
 * Messages are found by (origin, epoch, sequence), and in the order in which they were delivered here.
 */

#include "base/index.h"
#include "base/usec.h"
#include "wire/message.h"

#define STORE_SHARE (64U * 1024U)

typedef struct StoreOrigin StoreOrigin;

typedef struct StoredMessage {
        FrameBuffer *frame;             /* a GOSSIP, as it was forwarded */
        StoreOrigin *origin;
        uint64_t sequence;
        usec_t stored_usec;
        usec_t age_usec;                /* then */
        uint64_t serial;                /* of its delivery here; 0: held back, or never to be delivered */
} StoredMessage;

typedef struct StoreKey {
        NodeId id;
        uint64_t epoch;
} StoreKey;

struct StoreOrigin {
        IndexEntry by_key;              /* Store.by_key */
        StoreOrigin *prev, *next;       /* Store.origins */
        StoreKey key;
        StoredMessage **messages;       /* by sequence, from @begin to @end */
        size_t begin, end, n_allocated;
        size_t size;                    /* bytes */
};

typedef struct Store {
        StoreOrigin *origins;           /* in the order in which their first messages came */
        Index by_key;
        StoreOrigin *recent;            /* of the message added last, NULL when it is gone: found without a hash */
        size_t n, size;
        size_t size_max;
        usec_t age_max_usec;

        /* Those delivered, by serial: the first has the serial @first_serial; NULL where one is gone. */
        StoredMessage **delivered;
        size_t delivered_begin, delivered_end, n_delivered_allocated;
        uint64_t first_serial;
} Store;

void store_init(Store *store, size_t size_max, usec_t age_max_usec);
void store_done(Store *store);

/* New bounds; what does not fit any more goes at the next store_add() or store_expire(). */
void store_set_bounds(Store *store, size_t size_max, usec_t age_max_usec);

/**
 * store_add() - keep a message
 * @frame:      its GOSSIP frame; the store takes a reference
 * @age_usec:   of the message, now
 * @ret:        may be NULL; valid until the next store_add() or store_expire()
 *
 * Return: 1; 0 when it is not kept (too old, too large for the whole store, or there already); -ENOMEM.
 */
int store_add(Store *store, const MessageId *id, FrameBuffer *frame, usec_t age_usec, usec_t now_usec, StoredMessage **ret);

/* How many bytes a frame costs in a store, what is kept about it included. */
size_t store_cost(size_t frame_size);

/* How many bytes of this origin the store keeps beside what it has of others: what they leave free, or as much as those of them
 * are cut to that hold most. Once it is seen to be @enough, that is not looked into any further. */
size_t store_room(const Store *store, const NodeId *id, uint64_t epoch, size_t enough);

/* Whether messages of this origin above @sequence are about to go for want of room: the store is full, they are more than half of
 * what it has of the origin, and that is more than half of what every origin is left with. */
bool store_is_pressed(const Store *store, const NodeId *id, uint64_t epoch, uint64_t sequence);

/* Drops what has become too old. */
void store_expire(Store *store, usec_t now_usec);

StoredMessage *store_find(const Store *store, const NodeId *id, uint64_t epoch, uint64_t sequence);
/* The first one kept of that origin and epoch with a sequence of at least @sequence; NULL: none. */
StoredMessage *store_find_from(const Store *store, const NodeId *id, uint64_t epoch, uint64_t sequence);

static inline usec_t stored_age(const StoredMessage *message, usec_t now_usec) {
        return usec_add(message->age_usec, usec_sub(now_usec, message->stored_usec));
}

/* The message was delivered, with the next serial; @message may be NULL for one that is not kept. Return: 0, -ENOMEM. */
int store_delivered(Store *store, StoredMessage *message);
/* The serial of the last delivery, 0: none yet. */
uint64_t store_last_serial(const Store *store);
/* The first kept message that was delivered after the one with that serial; NULL: none. */
StoredMessage *store_next_delivered(const Store *store, uint64_t serial);

typedef enum StorePart {
        STORE_ALL,
        STORE_FRESH,                    /* of each origin, those at its end that were stored after a certain time; */
        STORE_SETTLED,                  /* all before them, also what was filled in late */
} StorePart;

/* A place in the list of ranges: begin with one that has nothing but the part, and the time where that needs one. */
typedef struct StoreCursor {
        StorePart part;
        usec_t after_usec;
        const StoreOrigin *origin;
        size_t next, end;
        bool begun;
} StoreCursor;

/* Lists what is kept, or a part of it, as ranges: origin by origin, ascending. The store may not change meanwhile. Return: how
 * many were written; less than @n_max: these were the last. */
size_t store_ranges(const Store *store, StoreCursor *cursor, Range *ret, size_t n_max);
