/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages to everybody: the first copy is delivered and forwarded to every link but the one that it came from,
 * later copies are dropped. A message that is accepted for publishing is queued on every link or on none.
 *
 * What others publish comes as it comes: nobody stops reading because a link is full, for then two could wait for each other,
 * and liveness requests would wait with the messages. So a queue takes many times as much from others as from ourselves, and
 * bursts wait there. All queues are ends of one stream of messages, which they share, so together they hold little more than
 * the longest one. A link that falls back by so much, or takes nothing for a while, is ended, and what waited for it is
 * counted as lost.
 */

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "core/peer-node-internal.h"

#define AGE_MAX_MSEC (10U * 60U * 1000U)        /* no honest copy is under way for longer */
#define FORWARDED_FACTOR 16U                    /* so many times queue_max may wait of what others publish */
#define STALLED_USEC (30 * USEC_PER_SEC)
#define HELLO_TOPIC "/p2pnet/hello"
#define HELLO_MEMBERS_MAX 64U

static bool link_carries(const Session *session) {
        return session->link_state == LINK_UP && !session->lingering && !session->ending;
}

/* An empty queue takes any legal message, else one that is as large as the bound could never be sent. */
static bool link_has_space(const Session *session, size_t size, size_t max) {
        return session->n_queued == 0 || session->n_queued + size <= max;
}

static void gossip_send(Node *node, Session *session, FrameBuffer *frame, usec_t now_usec) {
        if (session->n_queued == 0)
                session->drained_usec = now_usec;
        session_send_frame(node, session, frame, true);
        node->counters[COUNTER_GOSSIP_FORWARDED]++;
}

static int gossip_end_slow(Node *node, Session *session, usec_t now_usec) {
        node->counters[COUNTER_LINKS_SLOW]++;
        return session_close(node, session, CLOSE_SLOW, "The link did not take the messages that waited for it.", now_usec);
}

/* Ending one may end or begin others, so not while somebody walks over them. */
static int gossip_end_all_slow(Node *node, const LinkId *slow, size_t n_slow, bool found_no_room, usec_t now_usec) {
        for (size_t i = 0; i < n_slow; i++) {
                Session *session = session_find(node, slow[i]);
                int r;

                if (!session)
                        continue;
                if (found_no_room)
                        session->n_waiting++;   /* one more, which is lost with those that wait */
                r = gossip_end_slow(node, session, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int gossip_forward(Node *node, FrameBuffer *frame, LinkId but, usec_t now_usec) {
        size_t max = FORWARDED_FACTOR * node->settings.params.queue_max, n_slow = 0;
        LinkId slow[UINT8_MAX];

        for (Session *session = node->sessions; session; session = session->hh.next) {
                if (!link_carries(session) || session->link == but)
                        continue;
                if (link_has_space(session, frame->size, max))
                        gossip_send(node, session, frame, now_usec);
                else if (n_slow < ELEMENTSOF(slow))
                        slow[n_slow++] = session->link;
        }
        return gossip_end_all_slow(node, slow, n_slow, true, now_usec);
}

int gossip_tick(Node *node, usec_t now_usec) {
        LinkId stalled[UINT8_MAX];
        size_t n_stalled = 0;

        for (const Session *session = node->sessions; session; session = session->hh.next)
                if (link_carries(session) && session->n_queued > 0 && n_stalled < ELEMENTSOF(stalled) &&
                    now_usec >= usec_add(session->drained_usec, STALLED_USEC))
                        stalled[n_stalled++] = session->link;
        return gossip_end_all_slow(node, stalled, n_stalled, false, now_usec);
}

/* @buffer is ours and well-formed: its topic and payload live as long as it does, those of the received message do
 * not. */
static void gossip_deliver(Node *node, FrameBuffer *buffer, const char *from_name, bool own) {
        const Member *origin;
        Message message;
        Frame frame;
        Delivery *delivery = &effect_queue_push(&node->effects, EFFECT_DELIVER)->delivery;
        int r;

        r = frame_decode(&frame, buffer->data, buffer->size, FRAME_SIZE_MAX) > 0 ? message_decode(&message, &frame) : 0;
        assert(r > 0);

        origin = member_table_find(&node->members, &message.gossip.id.origin);
        delivery->id = message.gossip.id;
        delivery->own = own;
        delivery->age_usec = (usec_t) message.gossip.age_msec * USEC_PER_MSEC;
        delivery->n_hops = own ? 0 : message.gossip.n_hops - 1U;
        if (!own) {
                node_observe(node, DISTRIBUTION_DELIVERY_AGE, delivery->age_usec);
                node_observe(node, DISTRIBUTION_DELIVERY_HOPS, delivery->n_hops);
        }
        delivery->frame = frame_buffer_ref(buffer);
        delivery->topic = message.gossip.topic;
        delivery->payload = message.gossip.payload;
        if (own)
                memcpy(delivery->origin_name, node->settings.name, sizeof(delivery->origin_name));
        else if (origin)
                memcpy(delivery->origin_name, origin->record.name, sizeof(delivery->origin_name));
        memcpy(delivery->from_name, from_name, strlen(from_name) + 1);
}

int gossip_on_message(Node *node, Session *session, const GossipMessage *gossip, usec_t now_usec) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        Message message;
        LinkId link = session->link;
        uint64_t n_lost;
        int r;

        if (session->link_state != LINK_UP)
                return session_protocol_error(node, session, "GOSSIP before NEIGHBOR and ACCEPT.", now_usec);

        /* Nobody else can publish in our name, and nothing honest is that old. */
        if ((node_id_equal(&gossip->id.origin, &node->identity.id) && gossip->id.epoch > node->identity.epoch) ||
            gossip->age_msec > AGE_MAX_MSEC || gossip->n_hops == UINT8_MAX) {
                node->counters[COUNTER_GOSSIP_REFUSED]++;
                return 0;
        }

        r = seen_add(&node->peer->seen, &gossip->id, now_usec, &n_lost);
        node->counters[COUNTER_GOSSIP_LOST] += n_lost;
        if (r == -ENOSPC) {
                node->counters[COUNTER_GOSSIP_REFUSED]++;
                return 0;
        }
        if (r < 0)
                return r;
        if (r == 0) {
                node->counters[COUNTER_GOSSIP_DUPLICATES]++;
                return 0;
        }

        node->counters[COUNTER_GOSSIP_RECEIVED]++;
        message.type = MESSAGE_GOSSIP;
        message.gossip = *gossip;
        message.gossip.n_hops++;
        message.gossip.age_msec += (uint32_t) (session->liveness.srtt_usec / 2 / USEC_PER_MSEC);
        r = message_encode(&frame, &message);
        if (r < 0)
                return r;

        gossip_deliver(node, frame, session->name, false);
        return gossip_forward(node, frame, link, now_usec);
}

int peer_publish(Node *node, const char *topic, Slice payload, usec_t now_usec, MessageId *ret) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        size_t topic_size = strlen(topic), n_carriers = 0;
        uint64_t n_lost;
        Message message;
        int r;

        if (topic_size < 1 || topic_size > TOPIC_MAX || !ascii_is_printable(topic, topic_size))
                return -EINVAL;
        if (payload.size > PAYLOAD_MAX)
                return -EMSGSIZE;
        message_set(&message, MESSAGE_GOSSIP, gossip,
                    .id = { node->identity.id, node->identity.epoch, node->peer->sequence + 1 },
                    .n_hops = 1,
                    .topic = slice_of(topic, topic_size),
                    .payload = payload);
        r = message_encode(&frame, &message);
        if (r < 0)
                return r;
        for (const Session *session = node->sessions; session; session = session->hh.next) {
                if (!link_carries(session))
                        continue;
                if (!link_has_space(session, frame->size, node->settings.params.queue_max))
                        return -EBUSY;
                n_carriers++;
        }
        if (n_carriers == 0)
                return -ENOTCONN;
        r = seen_add(&node->peer->seen, &message.gossip.id, now_usec, &n_lost);
        if (r < 0)
                return r == -ENOSPC ? -EBUSY : r;

        node->peer->sequence++;
        node->counters[COUNTER_GOSSIP_PUBLISHED]++;
        gossip_deliver(node, frame, "", true);
        *ret = message.gossip.id;
        return gossip_forward(node, frame, 0, now_usec);
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
        if (node->members.n_live > HELLO_MEMBERS_MAX && !params->hello_always)
                return 0;

        (void) snprintf(text, sizeof(text), "hello %u from %s", peer->n_hello + 1, node->settings.name);
        r = peer_publish(node, HELLO_TOPIC, slice_of(text, strlen(text)), now_usec, &id);
        if (r == -EBUSY || r == -ENOTCONN)
                return 0;               /* again at the next interval */
        if (r < 0)
                return r;
        peer->n_hello++;
        return 0;
}
