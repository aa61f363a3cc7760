/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The order of each publisher: its messages are delivered as it numbered them. One behind a gap is held back, in the store, until
 * the gap is filled, or no neighbour offers what is missing, or GAP_USEC; then the gap is counted and told once, and delivery goes
 * on. What fills it later is dropped like a later copy. What is not older than UNDER_WAY_USEC may be on its way to our
 * neighbours, too: it counts as missing when they do not offer it after that. Before the store drops what is held back, the gap is
 * given up.
 *
 * A publisher that nobody has told us of begins with the lowest message that somebody offers. One whose first message here is not
 * its first of all may have published others before our time, or they are on their way by a longer one: that message is held back
 * for OFFER_T1_USEC, as long as an announcement has until it is asked for.
 *
 * The epochs of one publisher follow each other, too: a later one waits until nothing is missing of the one before, whose last
 * message it names when it knows it. Where it does not, as after a crash, nobody can say how much is missing at the end of the
 * one before: this is told once, GAP_USEC after the later one has begun here.
 */

#include <errno.h>
#include <utlist.h>

#include "core/peer-node-internal.h"

#define GAP_USEC (30 * USEC_PER_SEC)
#define UNDER_WAY_USEC (5 * USEC_PER_SEC)
#define LOOK_AGAIN_USEC (100 * USEC_PER_MSEC)
#define DELIVERIES_PER_TURN 256U
#define TOLD_INTERVAL_USEC USEC_PER_SEC

/* ---- delivering ---- */

static int deliver(Node *node, const GossipMessage *gossip, FrameBuffer *frame, StoredMessage *stored, const char *from_name,
                   usec_t age_usec) {
        bool own = node_id_equal(&gossip->id.origin, &node->identity.id) && gossip->id.epoch == node->identity.epoch;
        const Member *origin = own ? NULL : member_table_find_again(&node->members, &gossip->id.origin);
        Delivery *delivery;
        int r;

        r = store_delivered(&node->peer->store, stored);
        if (r < 0)
                return r;

        delivery = &effect_queue_push(node->effects, EFFECT_DELIVER)->delivery;
        delivery->id = gossip->id;
        delivery->serial = store_last_serial(&node->peer->store);
        delivery->own = own;
        delivery->age_usec = age_usec;
        delivery->n_hops = own ? 0 : gossip->n_hops - 1U;
        if (!own) {
                node_observe(node, DISTRIBUTION_DELIVERY_AGE, age_usec);
                node_observe(node, DISTRIBUTION_DELIVERY_HOPS, delivery->n_hops);
        }
        delivery->frame = frame_buffer_ref(frame);
        delivery->topic = gossip->topic;
        delivery->payload = gossip->payload;
        if (own)
                memcpy(delivery->origin_name, node->settings.name, sizeof(delivery->origin_name));
        else if (origin)
                memcpy(delivery->origin_name, origin->record.name, sizeof(delivery->origin_name));
        memcpy(delivery->from_name, from_name, strlen(from_name) + 1);
        return 0;
}

static int deliver_stored(Node *node, StoredMessage *stored, usec_t now_usec) {
        Message message;
        Frame frame;
        int r;

        r = frame_decode(&frame, stored->frame->data, stored->frame->size, FRAME_SIZE_MAX) > 0 ? message_decode(&message, &frame) : 0;
        assert(r > 0);
        return deliver(node, &message.gossip, stored->frame, stored, "", stored_age(stored, now_usec));
}

/* ---- losses ---- */

static Notice *gap_notice(Node *node, const SeenOrigin *origin) {
        const Member *member = member_table_find(&node->members, seen_id(origin));
        Notice *notice = node_notice(node, NOTICE_GAP);

        notice->id = *seen_id(origin);
        if (member)
                memcpy(notice->name, member->record.name, sizeof(notice->name));
        notice->epoch = origin->epoch;
        return notice;
}

static void tell_lost(Node *node, SeenOrigin *origin, usec_t now_usec) {
        Notice *notice = gap_notice(node, origin);

        notice->first = origin->lost_first;
        notice->last = origin->lost_last;
        notice->count = origin->n_lost_untold;
        origin->n_lost_untold = 0;
        origin->told_usec = now_usec;
}

/* Counted at once, and told at most once a second for each publisher, with the sum. */
static void lose(Node *node, SeenOrigin *origin, uint64_t first, uint64_t last) {
        uint64_t n = last - first + 1;

        node->counters[COUNTER_GOSSIP_LOST] += n;
        if (origin->n_lost_untold == 0)
                origin->lost_first = first;
        origin->lost_last = last;
        origin->n_lost_untold += n;
}

/* ---- one origin ---- */

/* The publisher's record says that this epoch is over, too: else anybody could end it by a message in its name. */
static bool has_ended(const Node *node, const SeenOrigin *origin) {
        const Member *member = member_table_find(&node->members, seen_id(origin));

        return member && member->record.epoch > origin->epoch;
}

/* The last message of this epoch, as the next one says; 0: not known. */
static uint64_t end_of(const Node *node, const SeenOrigin *origin) {
        return origin->end > 0 && has_ended(node, origin) ? origin->end : 0;
}

static bool is_unfinished(const Node *node, const SeenOrigin *origin) {
        return origin->n_intervals > 1 || end_of(node, origin) > seen_whole(origin) || origin->delivered < seen_whole(origin) ||
               offers_cover(&node->peer->offers, seen_id(origin), origin->epoch, seen_whole(origin) + 1, UINT64_MAX);
}

/* An epoch that has begun is not held up any more. */
static bool is_blocked(const Node *node, const SeenOrigin *origin, usec_t now_usec) {
        return !origin->has_begun && origin->older && is_unfinished(node, origin->older) &&
               now_usec < usec_add(origin->since_usec, GAP_USEC);
}

/* Messages of a later epoch have been delivered: what comes now comes too late. The publisher's record has to say so as well,
 * else anybody could silence it by a message in its name. */
static bool is_over(const Node *node, const SeenOrigin *origin) {
        const Member *member;

        if (origin == origin->publisher->latest)
                return false;
        member = member_table_find(&node->members, seen_id(origin));
        for (const SeenOrigin *later = origin->publisher->latest; member && later != origin; later = later->older)
                if (later->has_begun && later->epoch <= member->record.epoch)
                        return true;
        return false;
}

/* What is whole and was not delivered yet, from the store. Return: 1 when all of it was, 0 when the turn is over, -ENOMEM. */
static int advance(Node *node, SeenOrigin *origin, unsigned *n_left, usec_t now_usec) {
        while (origin->delivered < seen_whole(origin)) {
                uint64_t sequence = origin->delivered + 1;
                StoredMessage *stored;
                int r;

                if (*n_left == 0)
                        return 0;
                (*n_left)--;
                stored = store_find(&node->peer->store, seen_id(origin), origin->epoch, sequence);
                if (stored && !is_over(node, origin)) {
                        r = deliver_stored(node, stored, now_usec);
                        if (r < 0)
                                return r;
                        origin->has_begun = true;
                } else
                        lose(node, origin, sequence, sequence);         /* it was held back for longer than the store could */
                origin->delivered = sequence;
        }
        return 1;
}

static void give_up(Node *node, SeenOrigin *origin, uint64_t last) {
        lose(node, origin, origin->delivered + 1, last);
        seen_skip(origin, last);
        origin->delivered = last;
}

/* When a gap before the message @behind it, or with none behind it, noticed at that time, is no longer one of messages that are
 * only late: what was published before one that old is at least as old. */
static usec_t gap_ripe_usec(const Node *node, const SeenOrigin *origin, uint64_t behind, usec_t noticed_usec) {
        const StoredMessage *stored = store_find(&node->peer->store, seen_id(origin), origin->epoch, behind);

        if (!stored)
                return usec_add(noticed_usec, UNDER_WAY_USEC);
        return MAX(noticed_usec, usec_sub(usec_add(stored->stored_usec, UNDER_WAY_USEC), stored->age_usec));
}

/* The first gap. Return: when to look again; 0: it is gone. */
static usec_t decide(Node *node, SeenOrigin *origin, bool *ask, usec_t now_usec) {
        PeerNode *peer = node->peer;
        bool is_inner = origin->n_intervals > 1;
        uint64_t first = seen_whole(origin) + 1, last = is_inner ? origin->intervals[1].first - 1 : end_of(node, origin);
        usec_t noticed_usec = is_inner ? origin->intervals[1].noticed_usec : origin->end_usec;
        usec_t patience_usec = usec_add(noticed_usec, OFFER_T1_USEC);

        if (store_is_pressed(&peer->store, seen_id(origin), origin->epoch, origin->delivered)) {
                give_up(node, origin, last);
                return 0;
        }
        if (now_usec < patience_usec)
                return patience_usec;
        if (origin->is_tentative) {
                uint64_t lowest = offers_lowest(&peer->offers, seen_id(origin), origin->epoch);

                origin->is_tentative = false;
                lowest = lowest > 0 ? MIN(lowest, last + 1) : last + 1;
                if (lowest > first) {
                        seen_skip(origin, lowest - 1);
                        origin->delivered = lowest - 1;
                        return 0;
                }
        }
        if (now_usec >= usec_add(noticed_usec, GAP_USEC)) {
                give_up(node, origin, last);
                return 0;
        }
        if (!offers_cover(&peer->offers, seen_id(origin), origin->epoch, first, last)) {
                if (repair_all_listed_since(node, gap_ripe_usec(node, origin, last + 1, noticed_usec))) {
                        give_up(node, origin, last);
                        return 0;
                }
                *ask = true;
        }
        return usec_add(now_usec, LOOK_AGAIN_USEC);
}

/* A later epoch has begun, and nobody knows which message was the last of this one. Return: when to look again. */
static usec_t tell_open_end(Node *node, SeenOrigin *origin, usec_t now_usec) {
        if (origin->end_due_usec == 0 || origin->end > 0)
                return USEC_INFINITY;
        if (now_usec < origin->end_due_usec || origin->end_due_usec == USEC_INFINITY)
                return origin->end_due_usec;

        origin->end_due_usec = USEC_INFINITY;
        if (has_ended(node, origin)) {
                node->counters[COUNTER_GOSSIP_UNCERTAIN]++;
                gap_notice(node, origin)->first = seen_whole(origin) + 1;
        }
        return USEC_INFINITY;
}

/* Return: 0, and when to look again in @ret_next (USEC_INFINITY: there is nothing to wait for any more); -ENOMEM. */
static int look_at(Node *node, SeenOrigin *origin, unsigned *n_left, bool *ask, usec_t now_usec, usec_t *ret_next) {
        usec_t next_usec = 0;
        int r;

        if (is_blocked(node, origin, now_usec)) {
                *ret_next = usec_add(now_usec, LOOK_AGAIN_USEC);
                return 0;
        }
        while (next_usec == 0) {
                r = advance(node, origin, n_left, now_usec);
                if (r < 0)
                        return r;
                if (r == 0)
                        next_usec = now_usec + 1;
                else if (origin->n_intervals > node->settings.params.intervals_max)
                        give_up(node, origin, origin->intervals[1].first - 1);
                else if (origin->n_intervals > 1 || end_of(node, origin) > seen_whole(origin))
                        next_usec = decide(node, origin, ask, now_usec);
                else if (origin->end > seen_whole(origin) && now_usec < usec_add(origin->end_usec, GAP_USEC))
                        next_usec = usec_add(now_usec, LOOK_AGAIN_USEC);        /* its record may be on its way */
                else
                        next_usec = USEC_INFINITY;
        }

        if (origin->n_lost_untold > 0) {
                usec_t tell_usec = origin->told_usec > 0 ? usec_add(origin->told_usec, TOLD_INTERVAL_USEC) : 0;

                if (now_usec >= tell_usec)
                        tell_lost(node, origin, now_usec);
                else
                        next_usec = MIN(next_usec, tell_usec);
        }
        *ret_next = MIN(next_usec, tell_open_end(node, origin, now_usec));
        return 0;
}

static void wait_for(Node *node, SeenOrigin *origin, usec_t when_usec) {
        PeerNode *peer = node->peer;

        if (when_usec == USEC_INFINITY) {
                if (origin->is_waiting)
                        DL_DELETE(peer->waiting, origin);
                origin->is_waiting = false;
                return;
        }
        if (!origin->is_waiting)
                DL_APPEND(peer->waiting, origin);
        origin->is_waiting = true;
        timer_set(&node->timers, &peer->order, MIN(peer->order.when_usec, when_usec));
}

/* @ask: neighbours are to be asked for what they have. */
static int look_after(Node *node, SeenOrigin *origin, unsigned *n_left, bool *ask, usec_t now_usec) {
        usec_t next_usec;
        int r;

        r = look_at(node, origin, n_left, ask, now_usec, &next_usec);
        if (r < 0)
                return r;
        wait_for(node, origin, next_usec);
        return 0;
}

/* ---- all of them ---- */

int order_run(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        unsigned n_left = DELIVERIES_PER_TURN;
        SeenOrigin *origin, *next;
        bool ask = false;

        timer_set(&node->timers, &peer->order, USEC_INFINITY);
        DL_FOREACH_SAFE(peer->waiting, origin, next) {
                int r;

                r = look_after(node, origin, &n_left, &ask, now_usec);
                if (r < 0)
                        return r;
        }
        return ask ? repair_ask_all(node, now_usec) : 0;
}

int order_end(Node *node, SeenOrigin *origin, usec_t now_usec) {
        unsigned n_left = DELIVERIES_PER_TURN;
        uint64_t last;
        int r;

        while ((r = advance(node, origin, &n_left, now_usec)) > 0 && origin->n_intervals > 1)
                give_up(node, origin, origin->intervals[1].first - 1);
        if (r < 0)
                return r;
        last = MAX(origin->intervals[origin->n_intervals - 1].last, end_of(node, origin));
        if (origin->delivered < last)
                give_up(node, origin, last);
        if (origin->n_lost_untold > 0)
                tell_lost(node, origin, now_usec);
        if (origin->end_due_usec > 0 && origin->end_due_usec != USEC_INFINITY)
                origin->end_due_usec = now_usec;
        (void) tell_open_end(node, origin, now_usec);
        wait_for(node, origin, USEC_INFINITY);
        return 0;
}

static usec_t published_usec(const GossipMessage *gossip, usec_t now_usec) {
        return usec_sub(now_usec, (usec_t) gossip->age_msec * USEC_PER_MSEC);
}

/* An epoch begins, whose first message may say which was the last one of the epoch before. If we heard of that one only after this
 * one had begun, others had it stored, and it is no matter of ours where it ends. Of each publisher one end is waited for: an
 * epoch that follows sooner ends the wait. */
static void await_end(Node *node, SeenOrigin *origin, const GossipMessage *gossip, usec_t now_usec) {
        for (SeenOrigin *older = origin->older; older; older = older->older) {
                bool is_due = older->end_due_usec > 0;

                if (older->end_due_usec == USEC_INFINITY || older->end > 0)
                        continue;
                if (!is_due && (older != origin->older || older->since_usec > published_usec(gossip, now_usec)))
                        continue;
                older->end_due_usec = is_due ? now_usec : usec_add(now_usec, GAP_USEC);
                wait_for(node, older, older->end_due_usec);
        }
}

void order_begin(Node *node, SeenOrigin *origin, const GossipMessage *gossip, usec_t now_usec) {
        uint64_t lowest = offers_lowest(&node->peer->offers, &gossip->id.origin, gossip->id.epoch);

        await_end(node, origin, gossip, now_usec);
        if (is_over(node, origin)) {
                seen_skip(origin, UINT64_MAX);  /* all of it was before our time */
                origin->delivered = UINT64_MAX;
        } else if (lowest > 1 && lowest < gossip->id.sequence) {
                seen_skip(origin, lowest - 1);
                origin->delivered = lowest - 1;
        } else if (gossip->id.sequence > 1 && lowest != 1)
                origin->is_tentative = true;
}

/* We had heard of the publisher before it published that one. */
static bool knew_before(const SeenOrigin *origin, uint64_t epoch, usec_t usec) {
        for (const SeenOrigin *older = origin->older; older; older = older->older)
                if (older->epoch < epoch && older->since_usec <= usec)
                        return true;
        return false;
}

/* The first message of an epoch says which was the last one of the epoch before. Of that one nothing may have come here. */
static int take_previous(Node *node, const SeenOrigin *next, const GossipMessage *gossip, usec_t now_usec) {
        const Previous *previous = &gossip->previous;
        SeenOrigin *origin;
        int r;

        if (!gossip->has_previous || previous->epoch >= gossip->id.epoch)
                return 0;
        origin = seen_find(&node->peer->seen, &gossip->id.origin, previous->epoch);
        if (!origin && knew_before(next, previous->epoch, published_usec(gossip, now_usec))) {
                r = seen_hear(&node->peer->seen, &gossip->id.origin, previous->epoch, now_usec, &origin);
                if (r < 0)
                        return r == -ENOSPC ? 0 : r;
        }
        if (!origin || origin->end > 0 || is_over(node, origin))
                return 0;
        origin->end = previous->sequence;
        origin->end_usec = now_usec;
        if (origin->end > seen_whole(origin))
                wait_for(node, origin, now_usec);
        return 0;
}

int order_take(Node *node, SeenOrigin *origin, const GossipMessage *gossip, FrameBuffer *frame, const Session *from,
               usec_t now_usec) {
        usec_t age_usec = (usec_t) gossip->age_msec * USEC_PER_MSEC;
        uint64_t sequence = gossip->id.sequence;
        StoredMessage *stored = NULL;
        int r;

        r = store_add(&node->peer->store, &gossip->id, frame, age_usec, now_usec, &stored);
        if (r < 0)
                return r;
        r = take_previous(node, origin, gossip, now_usec);
        if (r < 0)
                return r;

        if (sequence == origin->delivered + 1 && !origin->is_tentative && !is_blocked(node, origin, now_usec) &&
            !is_over(node, origin)) {
                r = deliver(node, gossip, frame, stored, from ? from->name : "", age_usec);
                if (r < 0)
                        return r;
                origin->has_begun = true;
                origin->delivered = sequence;
        }
        if (origin->is_waiting || origin->n_intervals > 1 || origin->delivered < seen_whole(origin)) {
                unsigned n_left = DELIVERIES_PER_TURN;
                bool ask = false;

                return look_after(node, origin, &n_left, &ask, now_usec);
        }
        return 0;
}

/* ---- peer-node.h ---- */

size_t peer_n_stored(const Node *node) {
        return node->peer->store.n;
}

size_t peer_stored_size(const Node *node) {
        return node->peer->store.size;
}

uint64_t peer_last_serial(const Node *node) {
        return store_last_serial(&node->peer->store);
}

bool peer_next_stored(const Node *node, uint64_t serial, usec_t now_usec, Delivery *ret) {
        const StoredMessage *stored = store_next_delivered(&node->peer->store, serial);
        const char *name = node->settings.name;
        Message message;
        Frame frame;
        int r;

        if (!stored)
                return false;
        r = frame_decode(&frame, stored->frame->data, stored->frame->size, FRAME_SIZE_MAX) > 0 ? message_decode(&message, &frame) : 0;
        assert(r > 0);

        *ret = (Delivery) {
                .id = message.gossip.id, .serial = stored->serial,
                .own = node_id_equal(&message.gossip.id.origin, &node->identity.id),
                .age_usec = stored_age(stored, now_usec),
                .frame = stored->frame, .topic = message.gossip.topic, .payload = message.gossip.payload,
        };
        ret->n_hops = ret->own ? 0 : message.gossip.n_hops - 1U;
        if (!ret->own) {
                const Member *origin = member_table_find(&node->members, &ret->id.origin);

                name = origin ? origin->record.name : "";
        }
        memcpy(ret->origin_name, name, strlen(name) + 1);
        return true;
}

uint64_t peer_serial_of(const Node *node, const MessageId *id) {
        const StoredMessage *stored = store_find(&node->peer->store, &id->origin, id->epoch, id->sequence);

        return stored ? stored->serial : 0;
}
