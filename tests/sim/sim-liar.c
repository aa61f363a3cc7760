/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sim-liar.h"

#include "core/crawl.h"
#include "sim-internal.h"

#define AHEAD UINT64_C(1000000000)      /* so many sequences beyond what anybody has published, */
#define LATER UINT64_C(1000000)         /* and so many epochs */
#define RECORDS_EACH MESSAGE_RECORDS_MAX

void sim_set_liar(Sim *sim, unsigned i, Lie lie) {
        sim->nodes[i].lie = lie;
}

uint64_t sim_n_lies(const Sim *sim, unsigned i) {
        return sim->nodes[i].n_lies;
}

unsigned sim_n_closed(const Sim *sim, unsigned i, CloseReason reason) {
        return reason < _CLOSE_REASON_MAX ? sim->nodes[i].n_closed[reason] : 0;
}

/* ---- saying something ---- */

static void say(Sim *sim, unsigned i, const Session *session, const Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        Connection *connection;
        unsigned side;

        connection = sim_find(sim, i, session->link, &side);
        if (!connection || !connection->ends[side].open)
                return;
        must_ok(message_encode(&frame, message));
        sim->nodes[i].n_lies++;
        sim_send(sim, connection, !side, EVENT_FRAME, frame);
}

static NodeId nobody(Sim *sim) {
        NodeId id;

        for (size_t i = 0; i < NODE_ID_SIZE; i++)
                id.bytes[i] = (uint8_t) random_u64(&sim->random);
        return id;
}

/* Whom the liar itself holds alive; it knows everybody, as they do. */
static size_t living(Sim *sim, unsigned i, const Record **ret, size_t n_max) {
        const MemberTable *members = &sim->nodes[i].node->members;
        size_t n = 0;

        for (size_t j = 0; j < members->n_live && n < n_max; j++)
                if (members->members[j]->heard_usec > 0 || members->members[j]->record.n_addresses > 0)
                        ret[n++] = &members->members[j]->record;
        return n;
}

/* ---- the lies ---- */

static void accuse(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of[MESSAGE_SUSPICIONS_MAX];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        message->type = MESSAGE_MEMBERS;
        message->members.n_records = 0;
        message->members.n_suspicions = n;
        for (size_t j = 0; j < n; j++)
                message->members.suspicions[j] = (Suspicion) {
                        .id = of[j]->id, .epoch = of[j]->epoch, .incarnation = of[j]->incarnation,
                        .accuser = of[random_below(&sim->random, n)]->id,
                        .n_others = (uint8_t) random_below(&sim->random, 4),
                };
        say(sim, i, session, message);
}

static void say_ranges(Sim *sim, unsigned i, const Session *session, MessageType type, Message *message) {
        message->type = type;
        say(sim, i, session, message);
}

/* Of publishers that nobody knows, and far ahead of those that live. */
static void offer(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of[MESSAGE_RANGES_MAX / 2];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        message->ranges.n_ranges = MESSAGE_RANGES_MAX;
        for (size_t j = 0; j < MESSAGE_RANGES_MAX; j++) {
                uint64_t first = AHEAD + random_below(&sim->random, AHEAD);

                message->ranges.ranges[j] = j < n ? (Range) { of[j]->id, of[j]->epoch, first, first + AHEAD } :
                                                    (Range) { nobody(sim), 1, 1, UINT64_MAX };
        }
        say_ranges(sim, i, session, MESSAGE_IHAVE, message);
        say_ranges(sim, i, session, MESSAGE_MSG_RANGES, message);
}

static void announce(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of[MESSAGE_RANGES_MAX / 2];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        message->ranges.n_ranges = MESSAGE_RANGES_MAX;
        for (size_t j = 0; n > 0 && j < MESSAGE_RANGES_MAX; j++)
                message->ranges.ranges[j] = (Range) { of[j % n]->id, of[j % n]->epoch, 1, j < n ? 1 : 2 * AHEAD + j };
        for (unsigned k = 0; n > 0 && k < 4; k++)
                say_ranges(sim, i, session, MESSAGE_IHAVE, message);
}

static void ask(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of[MESSAGE_RANGES_MAX];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        message->ranges.n_ranges = n;
        for (size_t j = 0; j < n; j++)
                message->ranges.ranges[j] = (Range) { of[j]->id, of[j]->epoch, 1, UINT64_MAX };
        say_ranges(sim, i, session, MESSAGE_GRAFT, message);
        say_ranges(sim, i, session, MESSAGE_MSG_WANT, message);
}

static void gossip(Sim *sim, unsigned i, const Session *session, Message *message, MessageId id, uint32_t age_msec,
                   uint8_t n_hops) {
        message_set(message, MESSAGE_GOSSIP, gossip, .id = id, .age_msec = age_msec, .n_hops = n_hops,
                    .topic = slice_of("/lie", 4), .payload = slice_of("lie", 3));
        say(sim, i, session, message);
}

static void gossip_aged(Sim *sim, unsigned i, const Session *session, Message *message) {
        uint64_t sequence = 1 + random_below(&sim->random, AHEAD);

        gossip(sim, i, session, message, (MessageId) { nobody(sim), 1, sequence }, UINT32_MAX, 1);
        gossip(sim, i, session, message, (MessageId) { nobody(sim), 1, sequence }, 0, UINT8_MAX);
}

static const Record *somebody(Sim *sim, unsigned i) {
        const Record *of[256];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        return n > 0 ? of[random_below(&sim->random, n)] : NULL;
}

/* One after the other, as each is told to everybody. */
static void gossip_ahead(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of = somebody(sim, i);

        if (of)
                gossip(sim, i, session, message,
                       (MessageId) { of->id, of->epoch, AHEAD + random_below(&sim->random, AHEAD) }, 0, 1);
}

static void raise_epoch(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of = somebody(sim, i);
        uint64_t epoch;

        if (!of)
                return;
        epoch = of->epoch + 1 + random_below(&sim->random, LATER);
        message->type = MESSAGE_MEMBERS;
        message->members.n_suspicions = 0;
        message->members.n_records = 1;
        message->members.records[0] = *of;
        message->members.records[0].epoch = epoch;
        say(sim, i, session, message);
        gossip(sim, i, session, message, (MessageId) { of->id, epoch, 1 }, 0, 1);

        /* And what is held of its end of the link itself. */
        message_set(message, MESSAGE_ACCUSED, accused,
                    .held = { session->epoch + random_below(&sim->random, LATER), UINT32_MAX, MEMBER_DEAD });
        say(sim, i, session, message);
}

static Record invented(Sim *sim) {
        Record record = {
                .id = nobody(sim), .epoch = 1, .state = MEMBER_ALIVE, .role = ROLE_PEER, .n_addresses = 1, .name = "nobody",
                /* A network in which nobody answers. */
                .addresses = { address_ipv4((uint8_t[]) { 10, 200, 0, (uint8_t) random_u64(&sim->random) }, PORT) },
        };

        return record;
}

static void invent(Sim *sim, unsigned i, const Session *session, Message *message) {
        message->type = MESSAGE_MEMBERS;
        message->members.n_suspicions = 0;
        message->members.n_records = RECORDS_EACH;
        for (size_t j = 0; j < RECORDS_EACH; j++)
                message->members.records[j] = invented(sim);
        say(sim, i, session, message);
}

static void shuffle(Sim *sim, unsigned i, const Session *session, Message *message) {
        message->type = MESSAGE_SHUFFLE;
        message->shuffle.ttl = UINT8_MAX;
        message->shuffle.n_records = SHUFFLE_RECORDS_MAX;
        for (size_t j = 0; j < SHUFFLE_RECORDS_MAX; j++)
                message->shuffle.records[j] = invented(sim);
        say(sim, i, session, message);
        message->type = MESSAGE_SHUFFLE_REPLY;
        say(sim, i, session, message);
}

static void report(Sim *sim, unsigned i, const Session *session, Message *message) {
        const Record *of[256];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        for (size_t j = 0; j < n; j++) {
                message_set(message, MESSAGE_DEAD_REPORT, dead_report, .id = of[j]->id, .epoch = of[j]->epoch,
                            .incarnation = of[j]->incarnation);
                say(sim, i, session, message);
        }
}

static void lie_on(Sim *sim, unsigned i, const Session *session) {
        static Message message;

        switch (sim->nodes[i].lie) {
        case LIE_ACCUSE:
                return accuse(sim, i, session, &message);
        case LIE_OFFER:
                return offer(sim, i, session, &message);
        case LIE_ANNOUNCE:
                return announce(sim, i, session, &message);
        case LIE_AGE:
                return gossip_aged(sim, i, session, &message);
        case LIE_SEQUENCE:
                return gossip_ahead(sim, i, session, &message);
        case LIE_EPOCH:
                return raise_epoch(sim, i, session, &message);
        case LIE_ASK:
                return ask(sim, i, session, &message);
        case LIE_MEMBERS:
                return invent(sim, i, session, &message);
        case LIE_SHUFFLE:
                return shuffle(sim, i, session, &message);
        case LIE_REPORT:
                return report(sim, i, session, &message);
        case LIE_NONE:
        case LIE_PROBE:
        case LIE_LINKS:
        case LIE_ID:
        case _LIE_MAX:
                return;
        }
}

static bool is_lied_on(const Session *session, Lie lie) {
        if (session->ending || session->state != SESSION_OPEN)
                return false;
        return lie == LIE_REPORT ? session->role == ROLE_SEED : session->link_state == LINK_UP;
}

void sim_run_with_liars(Sim *sim, usec_t duration_usec) {
        for (usec_t end_usec = sim->now_usec + duration_usec; sim->now_usec < end_usec;) {
                for (unsigned i = 0; i < sim->n_nodes; i++) {
                        const SimNode *node = sim->nodes + i;

                        if (node->lie == LIE_NONE || !node->node)
                                continue;
                        for (const Session *session = node->node->sessions; session; session = session->next)
                                if (is_lied_on(session, node->lie))
                                        lie_on(sim, i, session);
                }
                sim_run_for(sim, MIN(LIAR_INTERVAL_USEC, end_usec - sim->now_usec));
        }
}

/* ---- answers ---- */

static Message *decoded(const FrameBuffer *frame) {
        static Message message;
        Frame whole;

        if (frame_decode(&whole, frame->data, frame->size, FRAME_SIZE_MAX) <= 0 || message_decode(&message, &whole) <= 0)
                abort();
        return &message;
}

static void lie_about_links(Sim *sim, unsigned i, Message *message) {
        const Record *of[MESSAGE_LINKS_MAX / 2];
        size_t n = living(sim, i, of, ELEMENTSOF(of));

        message->links.n_links = MESSAGE_LINKS_MAX;
        for (size_t j = 0; j < MESSAGE_LINKS_MAX; j++)
                message->links.links[j] = (LinkInfo) { j < n ? of[j]->id : nobody(sim), UINT8_MAX, UINT32_MAX };
}

/* False: that is left as it is. */
static bool lie_instead(Sim *sim, unsigned i, Message *message) {
        Lie lie = sim->nodes[i].lie;

        switch (message->type) {

        case MESSAGE_PROBE_ACK:
        case MESSAGE_PROBE_NACK:
                if (lie != LIE_PROBE)
                        return false;
                message->type = message->type == MESSAGE_PROBE_ACK ? MESSAGE_PROBE_NACK : MESSAGE_PROBE_ACK;
                return true;

        case MESSAGE_LINKS_OK:
                if (lie != LIE_LINKS)
                        return false;
                lie_about_links(sim, i, message);
                return true;

        case MESSAGE_HELLO:
                if (lie != LIE_ID || message->hello.purpose != PURPOSE_SESSION)
                        return false;
                message->hello.id = nobody(sim);
                return true;

        case MESSAGE_HELLO_OK:
                if (lie != LIE_ID)
                        return false;
                message->hello_ok.id = nobody(sim);
                return true;

        default:
                return false;
        }
}

FrameBuffer *liar_answer(Sim *sim, unsigned i, FrameBuffer *frame) {
        FrameBuffer *lie = NULL;
        Message *message;

        if (sim->nodes[i].lie == LIE_NONE)
                return frame_buffer_ref(frame);
        message = decoded(frame);
        if (!lie_instead(sim, i, message))
                return frame_buffer_ref(frame);
        must_ok(message_encode(&lie, message));
        sim->nodes[i].n_lies++;
        return lie;
}

void liar_told(Sim *sim, unsigned i, const Message *message) {
        if (message->type == MESSAGE_CLOSE && message->close.reason < _CLOSE_REASON_MAX)
                sim->nodes[i].n_closed[message->close.reason]++;
}

/* ---- what it costs ---- */

static size_t broadcast_bytes(const PeerNode *peer) {
        size_t size = peer->store.size + peer->announced.n_allocated * sizeof(Range) + peer->seen.publishers.n * sizeof(SeenPublisher);

        for (const SeenOrigin *origin = peer->seen.heard; origin; origin = origin->heard_next)
                size += sizeof(*origin) + origin->n_allocated * sizeof(Interval);
        for (const OfferOrigin *origin = peer->offers.origins; origin; origin = origin->hh.next)
                size += sizeof(*origin) + origin->n_allocated * sizeof(Offer);
        return size;
}

size_t sim_held_bytes(const Sim *sim, unsigned i) {
        const Node *node = sim->nodes[i].node;
        size_t size = node->members.n * sizeof(Member) + broadcast_bytes(node->peer) + node->peer->n_news * sizeof(Suspicion);

        for (const Session *session = node->sessions; session; session = session->next) {
                const SessionUp *up = session->up;

                size += sizeof(*session) + session->n_queued;
                if (up)
                        size += sizeof(*up);
                if (up && up->gossip.arrears)
                        size += sizeof(Arrears) +
                                (up->gossip.arrears->wanted.n_allocated + up->gossip.arrears->behind.n_allocated) * sizeof(Range);
        }
        return size;
}
