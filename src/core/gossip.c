/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages to everybody: publishing them, taking the first copy of each, dropping later ones. What becomes of the first copy is
 * decided elsewhere: order.c delivers it, plumtree.c forwards it, and the store keeps it for repair.c.
 */

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "core/peer-node-internal.h"

#define AGE_MAX_USEC (10 * USEC_PER_MINUTE)     /* no honest copy is under way for longer, unless it is stored for longer */
#define AGE_SLACK_USEC (15 * USEC_PER_SEC)      /* a store looks for what is too old from time to time only */
#define UNCONFIRMED_MAX 2U                      /* epochs of one publisher, later than that of its record */
#define RETRY_USEC (50 * USEC_PER_MSEC)         /* in which a queue that moves at all has moved */
#define HELLO_TOPIC "/p2pnet/hello"
#define HELLO_MEMBERS_MAX 64U

int gossip_on_shown(Node *node, const MessageId *id, usec_t now_usec) {
        const NodeIdentity *own = &node->identity;
        int r = 0;

        if (!node_id_equal(&id->origin, &own->id) ||
            (id->epoch == own->epoch ? id->sequence <= node->peer->sequence : id->epoch < own->epoch))
                return 0;
        if (id->epoch < EPOCH_MAX)
                r = node_leave_epoch(node, id->epoch, now_usec);
        return r < 0 ? r : 1;
}

/* Nothing honest is that old. */
static bool gossip_is_impossible(const Node *node, const GossipMessage *gossip) {
        return (usec_t) gossip->age_msec * USEC_PER_MSEC >
                       usec_add(MAX(AGE_MAX_USEC, node->settings.params.store_age_usec), AGE_SLACK_USEC) ||
               gossip->n_hops == UINT8_MAX;
}

/* Of an epoch that the publisher's own record does not know of yet: it is on its way, too. Epochs without end would displace
 * the one that the publisher is in. */
static bool gossip_is_unconfirmed(const Node *node, const MessageId *id) {
        const Member *member;

        if (seen_find(&node->peer->seen, &id->origin, id->epoch))
                return false;
        member = member_table_find(&node->members, &id->origin);
        return member && id->epoch > member->record.epoch &&
               seen_n_later(&node->peer->seen, &id->origin, member->record.epoch) >= UNCONFIRMED_MAX;
}

/* The first copy of a message. */
static int gossip_take(Node *node, Session *session, SeenOrigin *origin, const GossipMessage *received, usec_t now_usec) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        usec_t transit_usec = session->up->liveness.srtt_usec / 2;
        GossipMessage gossip = *received;
        LinkId link = session->link;
        int r;

        node->counters[COUNTER_GOSSIP_RECEIVED]++;
        r = gossip_copy(&frame, &gossip, gossip.age_msec + (uint32_t) (transit_usec / USEC_PER_MSEC),
                        (uint8_t) (gossip.n_hops + 1));
        if (r < 0)
                return r;

        r = order_take(node, origin, &gossip, frame, session, now_usec);
        if (r < 0)
                return r;
        return plumtree_forward(node, &gossip.id, frame, link, now_usec);
}

static int gossip_on_message(Node *node, Session *session, const GossipMessage *gossip, usec_t now_usec) {
        PeerNode *peer = node->peer;
        SeenOrigin *origin;
        int r;

        /* Whoever sends what it announced has kept its word, whatever becomes of that here. */
        offers_came(&peer->offers, &gossip->id, session->link, now_usec);
        r = gossip_on_shown(node, &gossip->id, now_usec);
        if (r > 0)
                node->counters[COUNTER_GOSSIP_REFUSED]++;
        if (r != 0)
                return MIN(r, 0);
        if (gossip_is_impossible(node, gossip) || gossip_is_unconfirmed(node, &gossip->id)) {
                node->counters[COUNTER_GOSSIP_REFUSED]++;
                return 0;
        }

        r = seen_hear(&peer->seen, &gossip->id.origin, gossip->id.epoch, now_usec, &origin);
        if (r == -ENOSPC && (origin = seen_in_the_way(&peer->seen, &gossip->id.origin, gossip->id.epoch))) {
                r = order_end(node, origin, now_usec);
                if (r < 0)
                        return r;
                r = seen_hear(&peer->seen, &gossip->id.origin, gossip->id.epoch, now_usec, &origin);
        }
        if (r == -ENOSPC) {
                node->counters[COUNTER_GOSSIP_REFUSED]++;
                return 0;
        }
        if (r > 0)
                order_begin(node, origin, gossip, now_usec);
        if (r >= 0)
                r = seen_add(origin, gossip->id.sequence, now_usec);
        if (r < 0)
                return r;

        if (r == 0) {
                node->counters[COUNTER_GOSSIP_DUPLICATES]++;
                return plumtree_on_duplicate(node, session, &gossip->id, now_usec);
        }
        plumtree_on_first(node, session, now_usec);
        return gossip_take(node, session, origin, gossip, now_usec);
}

int gossip_on_any(Node *node, Session *session, const Message *message, usec_t now_usec) {
        if (session->link_state != LINK_UP)
                return session_protocol_error(node, session, "A message of the broadcast before NEIGHBOR and ACCEPT.", now_usec);

        switch (message->type) {
        case MESSAGE_GOSSIP:
                return gossip_on_message(node, session, &message->gossip, now_usec);
        case MESSAGE_IHAVE:
                return plumtree_on_ihave(node, session, &message->ranges, now_usec);
        case MESSAGE_GRAFT:
                return plumtree_on_graft(node, session, &message->ranges, now_usec);
        case MESSAGE_PRUNE:
                return plumtree_on_prune(node, session, now_usec);
        case MESSAGE_MSG_RANGES:
                return repair_on_ranges(node, session, &message->ranges, now_usec);
        default:
                assert(message->type == MESSAGE_MSG_WANT);
                return repair_on_want(node, session, &message->ranges, now_usec);
        }
}

static_assert(PACE_USEC > OFFER_T1_USEC, "what is asked for must still be there");

/* All the others are on eager links; a table that is full does not tell. */
static bool reaches_all(const Node *node) {
        return node->members.n_live < node->settings.params.members_max && plumtree_n_eager(node) >= node->members.n_live;
}

/*
 * Publishing waits for the links, and for the stores: who misses a message asks for it as soon as OFFER_T1_USEC later, so that of
 * what is younger there is never more than a store keeps. How long it has to wait, 0: not at all.
 */
static usec_t publishing_wait_usec(Node *node, size_t size, usec_t now_usec) {
        const NodeIdentity *own = &node->identity;
        PeerNode *peer = node->peer;

        if (plumtree_is_busy(node))
                return RETRY_USEC;
        if (!plumtree_has_link(node) || reaches_all(node))
                return 0;               /* nobody misses anything yet, or everybody has it from us */
        return pace_wait_usec(&peer->pace, size, store_room(&peer->store, &own->id, own->epoch, peer->pace.total + size), now_usec);
}

int peer_publish(Node *node, const char *topic, Slice payload, usec_t now_usec, MessageId *ret) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        PeerNode *peer = node->peer;
        size_t topic_size = strlen(topic);
        SeenOrigin *origin;
        Message message;
        int r;

        if (topic_size < 1 || topic_size > TOPIC_MAX || !ascii_is_printable(topic, topic_size))
                return -EINVAL;
        if (payload.size > PAYLOAD_MAX)
                return -EMSGSIZE;
        if (!node_runs(node))
                return -ENOTCONN;
        peer->retry_usec = publishing_wait_usec(node, store_cost(topic_size + payload.size), now_usec);
        if (peer->retry_usec > 0)
                return -EBUSY;

        message_set(&message, MESSAGE_GOSSIP, gossip,
                    .id = { node->identity.id, node->identity.epoch, peer->sequence + 1 },
                    .n_hops = 1,
                    .topic = slice_of(topic, topic_size),
                    .payload = payload,
                    .has_previous = peer->sequence == 0 && peer->previous.sequence > 0,
                    .previous = peer->previous);
        r = message_encode(&frame, &message);
        if (r < 0)
                return r;
        r = seen_hear(&peer->seen, &message.gossip.id.origin, message.gossip.id.epoch, now_usec, &origin);
        if (r == -ENOSPC) {
                peer->retry_usec = RETRY_USEC;
                return -EBUSY;
        }
        if (r < 0)
                return r;
        r = seen_add(origin, message.gossip.id.sequence, now_usec);
        if (r < 0)
                return r;

        if (peer->sequence == 0)
                node_persist(node, PERSIST_PUBLISHED);  /* from now on what is remembered of before is not our last message */
        peer->sequence++;
        pace_add(&peer->pace, store_cost(frame->size), now_usec);
        node->counters[COUNTER_GOSSIP_PUBLISHED]++;
        *ret = message.gossip.id;
        r = order_take(node, origin, &message.gossip, frame, NULL, now_usec);
        if (r < 0)
                return r;
        return plumtree_forward(node, ret, frame, 0, now_usec);
}

usec_t peer_retry_usec(const Node *node) {
        return node->peer->retry_usec;
}

/* Sequence numbers belong to an epoch. What the last one of an epoch was, the first one of the next says. */
void gossip_on_own_record(Node *node) {
        PeerNode *peer = node->peer;
        bool is_same_node = node_id_equal(&peer->publisher.id, &node->identity.id);

        if (is_same_node && peer->publisher.epoch == node->identity.epoch)
                return;
        if (!is_same_node)
                peer->previous = (Previous) {};         /* an id of our own has published nothing */
        else if (peer->sequence > 0)
                peer->previous = (Previous) { peer->publisher.epoch, peer->sequence };
        peer->publisher = node->identity;
        peer->sequence = 0;
}

int gossip_hello(Node *node, usec_t now_usec) {
        const Params *params = &node->settings.params;
        PeerNode *peer = node->peer;
        char text[sizeof("hello 4294967295 from ") + NODE_NAME_MAX];
        MessageId id;
        int r;

        if (peer->n_hello >= params->hello_count)
                return 0;
        timer_set(&node->timers, &peer->hello, usec_add(now_usec, params->hello_interval_usec));
        /* A seed's total counts us, too. It matters where we keep few of the others: all of them would publish as often. */
        if (!plumtree_has_link(node) ||
            (!params->hello_always && (node->members.n_live > HELLO_MEMBERS_MAX || peer->list_total > HELLO_MEMBERS_MAX + 1)))
                return 0;

        (void) snprintf(text, sizeof(text), "hello %u from %s", peer->n_hello + 1, node->settings.name);
        r = peer_publish(node, HELLO_TOPIC, slice_of(text, strlen(text)), now_usec, &id);
        if (r == -EBUSY)
                return 0;               /* again at the next interval */
        if (r < 0)
                return r;
        peer->n_hello++;
        return 0;
}

/* ---- peer-node.h ---- */

void peer_set_published(Node *node, const Previous *previous) {
        if (previous->sequence > 0 && previous->epoch < node->identity.epoch)
                node->peer->previous = *previous;
}

bool peer_published(const Node *node, Previous *ret) {
        const PeerNode *peer = node->peer;
        Previous last = peer->sequence > 0 ? (Previous) { peer->publisher.epoch, peer->sequence } : peer->previous;

        if (last.sequence == 0 || (peer->sequence > 0 && node_runs(node)))
                return false;
        *ret = last;
        return true;
}
