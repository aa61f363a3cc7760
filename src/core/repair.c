/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Repair: what a node missed while it was away, cut off, or while the tree was broken, it gets from the stores of its neighbours.
 *
 * Both ends of a new link list what they store (MSG_RANGES, as many as it takes: one with less than 512 ranges is the last), and
 * ask for what they lack (MSG_WANT); what is so fresh that it may be on its way to the other end is announced only. The same
 * happens once a minute with one random lazy link, and with all links when there is a gap that nobody announced. A listing is
 * answered by one, unless it is itself the answer.
 *
 * What somebody asks for, here or by GRAFT, waits until its link has room; it is never dropped. Bounded: the ranges that wait for
 * a link, and the bytes that one link can be made to carry in a minute.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define REPAIR_USEC (60 * USEC_PER_SEC)         /* between two questions to a neighbour for what we may have missed, +-50 % */
#define FRESH_USEC OFFER_T1_USEC                /* what has been stored for less is announced only */
#define ASK_AGAIN_USEC (1 * USEC_PER_SEC)
#define LISTINGS_RATE ((Rate) { 8, 10 * USEC_PER_SEC }) /* so many are answered in that time */
#define LISTING_FRAMES_MAX 32U
#define WANTED_MAX 16384U                       /* ranges that wait for one link */
#define WANTED_FACTOR 8U                        /* so many whole stores in a minute are more than anybody can need, */
#define WANTED_STORE_MIN (64U * 1024U)          /* of at least that size */
#define ANSWERS_PER_TURN 32U                    /* messages, on one link */

/* ---- asking ---- */

static bool repair_lacks(const Node *node, const Range *range) {
        const SeenOrigin *origin;
        uint64_t first, last;

        /* What we published ourselves we know best. */
        if (range->epoch == node->identity.epoch && node_id_equal(&range->origin, &node->identity.id))
                return false;
        origin = seen_find(&node->peer->seen, &range->origin, range->epoch);
        return !origin || seen_missing(origin, range->first, range->last, &first, &last);
}

int repair_on_offer(Node *node, Session *session, const Range *range, bool is_listed, usec_t wait_usec, usec_t now_usec) {
        int r;

        r = gossip_on_shown(node, &(MessageId) { range->origin, range->epoch, range->last }, now_usec);
        if (r != 0)
                return MIN(r, 0);
        if (!repair_lacks(node, range))
                return 0;
        r = offers_add(&node->peer->offers, range, session->link, is_listed, wait_usec, now_usec);
        return r < 0 ? r : 1;
}

static int repair_list_part(Node *node, Session *session, MessageType type, StorePart part, usec_t now_usec) {
        StoreCursor cursor = { .part = part, .after_usec = usec_sub(now_usec, FRESH_USEC) };
        Message message;
        int r;

        message.type = type;
        for (unsigned i = 0; i < LISTING_FRAMES_MAX; i++) {
                message.ranges.n_ranges = store_ranges(&node->peer->store, &cursor, message.ranges.ranges, MESSAGE_RANGES_MAX);
                if (message.ranges.n_ranges == 0 && type == MESSAGE_IHAVE)
                        break;
                r = session_send(node, session, &message);
                if (r < 0)
                        return r;
                node->counters[COUNTER_ANNOUNCEMENTS_SENT] += type == MESSAGE_IHAVE;
                if (message.ranges.n_ranges < MESSAGE_RANGES_MAX)
                        break;
        }
        return 0;
}

/* Only what will still be there when it is asked for at once: else the other end would wait for it in vain. What is still on its
 * way to others it may get by itself. */
static int repair_list(Node *node, Session *session, usec_t now_usec) {
        int r;

        store_expire(&node->peer->store, now_usec);
        r = repair_list_part(node, session, MESSAGE_IHAVE, STORE_FRESH, now_usec);
        return r < 0 ? r : repair_list_part(node, session, MESSAGE_MSG_RANGES, STORE_SETTLED, now_usec);
}

int repair_ask(Node *node, Session *session, usec_t now_usec) {
        LinkGossip *gossip = &session->up->gossip;

        gossip->is_listing_awaited = true;
        gossip->asked_usec = now_usec;
        return repair_list(node, session, now_usec);
}

int repair_ask_all(Node *node, usec_t now_usec) {
        for (Session *session = node->sessions; session; session = session->next) {
                int r;

                if (!link_carries(session) || session->up->gossip.is_listing_awaited ||
                    now_usec < usec_add(session->up->gossip.asked_usec, ASK_AGAIN_USEC))
                        continue;
                r = repair_ask(node, session, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

bool repair_all_listed_since(const Node *node, usec_t since_usec) {
        size_t n = 0;

        for (const Session *session = node->sessions; session; session = session->next) {
                if (!link_carries(session))
                        continue;
                if (session->up->gossip.listed_usec <= since_usec)
                        return false;
                n++;
        }
        return n > 0;
}

static void repair_set_timer(Node *node, usec_t now_usec) {
        timer_set(&node->timers, &node->peer->repair, usec_add(now_usec, random_jitter(&node->peer->broadcast_random, REPAIR_USEC)));
}

int repair_on_timer(Node *node, usec_t now_usec) {
        Session *chosen = NULL;
        unsigned n = 0;

        for (Session *session = node->sessions; session; session = session->next) {
                if (!link_carries(session))
                        continue;
                if (chosen && chosen->up->gossip.is_lazy != session->up->gossip.is_lazy) {
                        if (chosen->up->gossip.is_lazy)
                                continue;
                        n = 0;          /* a lazy one goes before those that are not */
                }
                if (random_below(&node->peer->broadcast_random, ++n) == 0)
                        chosen = session;
        }
        if (!chosen)
                return 0;               /* again when there is a link */
        repair_set_timer(node, now_usec);
        return repair_ask(node, chosen, now_usec);
}

int repair_on_ranges(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec) {
        LinkGossip *gossip = &session->up->gossip;
        bool is_awaited = gossip->is_listing_awaited;
        usec_t wait_usec = gossip->listed_usec > 0 ? OFFER_T1_USEC : 0; /* since then it may be on its way */
        int r;

        for (size_t i = 0; i < ranges->n_ranges; i++) {
                r = repair_on_offer(node, session, ranges->ranges + i, true, wait_usec, now_usec);
                if (r < 0)
                        return r;
        }
        if (ranges->n_ranges == MESSAGE_RANGES_MAX)
                return 0;               /* there is more */

        gossip->listed_usec = now_usec;
        gossip->is_listing_awaited = false;
        if (!is_awaited && ratelimit_allow(&gossip->listings, LISTINGS_RATE, now_usec)) {
                r = repair_list(node, session, now_usec);
                if (r < 0)
                        return r;
        }
        r = order_run(node, now_usec);
        return r < 0 ? r : plumtree_graft(node, now_usec);
}

int repair_link_up(Node *node, Session *session, usec_t now_usec) {
        if (!timer_is_set(&node->peer->repair))
                repair_set_timer(node, now_usec);
        session->up->gossip.listings = (RateLimit) {};
        return repair_ask(node, session, now_usec);
}

/* ---- answering ---- */

/* How much one link may be sent in a minute because it asks: that depends on how much there is. */
static void wanted_window(const Node *node, Arrears *arrears, usec_t now_usec) {
        if (now_usec >= usec_add(arrears->window_usec, USEC_PER_MINUTE)) {
                arrears->window_usec = now_usec;
                arrears->n_answered = arrears->n_stored_max = 0;
        }
        arrears->n_stored_max = MAX(arrears->n_stored_max, node->peer->store.size);
}

int repair_on_want(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec) {
        Arrears *arrears;
        int r;

        if (ranges->n_ranges == 0 || !link_carries(session))
                return 0;
        r = link_get_arrears(session, &arrears);
        if (r < 0)
                return r;
        if (arrears->wanted.n + ranges->n_ranges > WANTED_MAX)
                return session_protocol_error(node, session, "It asks for more than it takes.", now_usec);
        wanted_window(node, arrears, now_usec);
        r = range_queue_append(&arrears->wanted, ranges->ranges, ranges->n_ranges);
        if (r < 0)
                return r;
        return repair_answer(node, now_usec);
}

/* Sent as it was forwarded, but for its age. Return: its size, -ENOMEM. */
static int send_stored(Node *node, Session *session, const StoredMessage *stored, usec_t now_usec) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *copy = NULL;
        uint32_t age_msec = (uint32_t) (stored_age(stored, now_usec) / USEC_PER_MSEC);
        Message message;
        Frame frame;
        int r;

        r = frame_decode(&frame, stored->frame->data, stored->frame->size, FRAME_SIZE_MAX) > 0 ? message_decode(&message, &frame) : 0;
        assert(r > 0);
        r = gossip_copy(&copy, &message.gossip, age_msec, message.gossip.n_hops);
        if (r < 0)
                return r;
        plumtree_send(node, session, copy, now_usec);
        return (int) copy->size;
}

/* The next message that is still stored, of those that wait. Return: its size; 0: there is none any more; -ENOMEM. */
static int send_next(Node *node, Session *session, RangeQueue *queue, usec_t now_usec) {
        Range *range;

        while ((range = range_queue_first(queue))) {
                const StoredMessage *stored = store_find_from(&node->peer->store, &range->origin, range->epoch, range->first);

                if (stored && stored->sequence <= range->last) {
                        if (stored->sequence < range->last)
                                range->first = stored->sequence + 1;
                        else
                                range_queue_drop(queue, 1);
                        return send_stored(node, session, stored, now_usec);
                }
                range_queue_drop(queue, 1);
        }
        return 0;
}

/* Sends what waits for a link, as far as there is room; first what they asked for. Return: 1 when there is room and more to send,
 * 0, -ENOMEM. */
static int answer_link(Node *node, Session *session, usec_t now_usec) {
        Arrears *arrears = session->up->gossip.arrears;

        for (unsigned n = 0; n < ANSWERS_PER_TURN && session->n_queued < node->settings.params.queue_max / 2; n++) {
                int r;

                r = send_next(node, session, &arrears->wanted, now_usec);
                if (r > 0) {
                        arrears->n_answered += (unsigned) r;
                        node->counters[COUNTER_GOSSIP_REPAIRED]++;
                        continue;
                }
                if (r == 0)
                        r = send_next(node, session, &arrears->behind, now_usec);
                if (r <= 0)
                        return r;
                node->counters[COUNTER_GOSSIP_FORWARDED]++;
        }
        return link_is_owed(session->up) && session->n_queued < node->settings.params.queue_max / 2;
}

/* Somebody asks for everything, again and again. */
static bool asks_too_much(const Node *node, Arrears *arrears, usec_t now_usec) {
        if (!arrears || arrears->wanted.n == 0)
                return false;
        wanted_window(node, arrears, now_usec);
        return arrears->n_answered > (uint64_t) WANTED_FACTOR * MAX(arrears->n_stored_max, (size_t) WANTED_STORE_MIN);
}

static Session *find_glutton(Node *node, usec_t now_usec) {
        for (Session *session = node->sessions; session; session = session->next)
                if (link_carries(session) && asks_too_much(node, session->up->gossip.arrears, now_usec))
                        return session;
        return NULL;
}

int repair_answer(Node *node, usec_t now_usec) {
        Session *glutton;
        bool more = false;
        int r = 0;

        for (Session *session = node->sessions; session && r >= 0; session = session->next)
                if (link_carries(session) && link_is_owed(session->up)) {
                        r = answer_link(node, session, now_usec);
                        more = more || r > 0;
                }
        timer_set(&node->timers, &node->peer->answer, more ? now_usec + 1 : USEC_INFINITY);
        while (r >= 0 && (glutton = find_glutton(node, now_usec)))
                r = session_protocol_error(node, glutton, "It asks for the same messages again and again.", now_usec);
        return MIN(r, 0);
}
