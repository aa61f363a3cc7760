/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Witnesses: does anybody else hear from a node that does not answer us? After the indirect probe of SWIM (Das, Gupta,
 * Motivala, DSN 2002, section 3.1), with k = 3. PROTOCOL.md, section 5.3.
 *
 *      inquiry     ours about a suspect:  PROBE_REQ to three witnesses, over a link or a short session to each
 *      duty        another node's question to us: duty.c
 *
 * Departures from the paper: the witnesses are neighbours that the suspect itself has named in its PONGs, for they can
 * answer at once and would accuse it, too (ours stand in where it has named too few); they are asked before the first strike
 * and not after the last, so that they cost no time; and a witness that has not heard it says so, which is how the asker
 * tells a dead suspect from dead witnesses.
 *
 * Sessions that are opened for this have a budget of their own, links never wait for them.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define WITNESSES_MAX 3U
#define INQUIRIES_MAX 64U
#define WITNESS_ASKED_MAX 16U           /* silent witnesses that are being asked themselves */

typedef enum WitnessState {
        WITNESS_WAITING,        /* for a session of the budget */
        WITNESS_CALLED,         /* its session is not open yet */
        WITNESS_ASKED,
        WITNESS_HEARD,
        WITNESS_UNHEARD,
        WITNESS_SILENT,         /* it cannot be reached itself */
        WITNESS_MUTE,           /* it lives, and does not say */
} WitnessState;

typedef struct Witness {
        NodeId id;
        Address address;
        WitnessState state;
        bool linked;            /* asked over our link with it */
        LinkId link;
        uint64_t nonce;
} Witness;

struct Inquiry {
        Inquiry *next;
        NodeId suspect;
        unsigned n_witnesses;
        Witness witnesses[WITNESSES_MAX];
};

usec_t witness_patience(const Node *node) {
        return liveness_timeout(&node->settings.params, &(Liveness) {});
}

/* ---- naming neighbours ---- */

static bool is_good_link(const Session *session) {
        return session->link_state == LINK_UP && !session->ending && !session->lingering && session->up->liveness.n_strikes == 0;
}

static const Address *session_address(const Session *session) {
        return session_outgoing(session) || session->n_addresses == 0 ? &session->remote : session->addresses;
}

void witness_name(Node *node, const Session *to, PingMessage *pong) {
        unsigned n = 0;

        for (const Session *session = node->sessions; session; session = session->next) {
                const Address *address = session_address(session);
                size_t place;

                if (session == to || !is_good_link(session) || node_id_equal(&session->id, &to->id) ||
                    (address_is_loopback(address) && !address_is_loopback(&to->remote)))
                        continue;
                n++;
                place = pong->n_neighbours < NEIGHBOURS_NAMED ? pong->n_neighbours++ : random_below(&node->random, n);
                if (place < NEIGHBOURS_NAMED)
                        pong->neighbours[place] = (Neighbour) { session->id, *address };
        }
}

/* ---- inquiries ---- */

static Inquiry *inquiry_find(const Node *node, const NodeId *suspect) {
        Inquiry *inquiry = node->peer->inquiries;

        while (inquiry && !node_id_equal(&inquiry->suspect, suspect))
                inquiry = inquiry->next;
        return inquiry;
}

static bool witness_is_asked(const Witness *witness) {
        return witness->state == WITNESS_CALLED || witness->state == WITNESS_ASKED;
}

static Witness *inquiry_witness_by_link(Inquiry *inquiry, LinkId link) {
        for (unsigned i = 0; i < inquiry->n_witnesses; i++)
                if (witness_is_asked(inquiry->witnesses + i) && inquiry->witnesses[i].link == link)
                        return inquiry->witnesses + i;
        return NULL;
}

static int witness_send(Node *node, Session *session, const Inquiry *inquiry, Witness *witness) {
        const Member *member = member_table_find(&node->members, &inquiry->suspect);
        Message message;
        Record shown;

        message_set(&message, MESSAGE_PROBE_REQ, probe, .nonce = random_u64(&node->random), .id = inquiry->suspect);
        if (member && record_for_caller(&member->record, &session->remote, &shown)) {
                message.probe.n_addresses = shown.n_addresses;
                memcpy(message.probe.addresses, shown.addresses, sizeof(shown.addresses));
        }
        witness->state = WITNESS_ASKED;
        witness->link = session->link;
        witness->nonce = message.probe.nonce;
        node->counters[COUNTER_WITNESSES_ASKED]++;
        return session_send(node, session, &message);
}

int witness_dial(Node *node, const Address *address, const NodeId *id, usec_t now_usec, LinkId *ret) {
        Session *session;
        int r;

        r = session_dial(node, address, SESSION_FOR_WITNESS, id, 2 * witness_patience(node), now_usec, &session);
        if (r < 0)
                return r;
        node->peer->n_witness_sessions++;
        *ret = session->link;
        return 0;
}

static int witness_call(Node *node, const Inquiry *inquiry, Witness *witness, usec_t now_usec) {
        Session *session = session_of(node, &witness->id);
        int r;

        if (session && session->link_state == LINK_UP) {
                witness->linked = true;
                return witness_send(node, session, inquiry, witness);
        }
        if (node->peer->n_witness_sessions >= WITNESS_SESSIONS_MAX)
                return 0;
        r = witness_dial(node, &witness->address, &witness->id, now_usec, &witness->link);
        if (r < 0)
                return r;
        witness->state = WITNESS_CALLED;
        return 0;
}

static void inquiry_add(Inquiry *inquiry, const NodeId *id, const Address *address) {
        if (inquiry->n_witnesses >= WITNESSES_MAX || node_id_equal(id, &inquiry->suspect))
                return;
        for (unsigned i = 0; i < inquiry->n_witnesses; i++)
                if (node_id_equal(&inquiry->witnesses[i].id, id))
                        return;
        inquiry->witnesses[inquiry->n_witnesses++] = (Witness) { .id = *id, .address = *address };
}

/* Those that the suspect named, then neighbours of our own; both in random order. */
static void inquiry_choose(Node *node, Inquiry *inquiry, const Neighbour *named, size_t n_named) {
        Neighbour drawn[NEIGHBOURS_NAMED];
        unsigned n = 0;

        assert(n_named <= NEIGHBOURS_NAMED);

        for (size_t i = 0; i < n_named; i++)
                drawn[i] = named[i];
        random_shuffle(&node->random, drawn, n_named, sizeof(*drawn));
        for (size_t i = 0; i < n_named; i++)
                if (!node_id_equal(&drawn[i].id, &node->identity.id) && address_is_dialable(&drawn[i].address))
                        inquiry_add(inquiry, &drawn[i].id, &drawn[i].address);

        for (const Session *session = node->sessions; session; session = session->next) {
                size_t place;

                if (!is_good_link(session) || node_id_equal(&session->id, &inquiry->suspect))
                        continue;
                place = n < WITNESSES_MAX ? n : random_below(&node->random, n + 1);
                if (place < WITNESSES_MAX)
                        drawn[place] = (Neighbour) { session->id, *session_address(session) };
                n++;
        }
        for (unsigned i = 0; i < MIN(n, WITNESSES_MAX); i++)
                inquiry_add(inquiry, &drawn[i].id, &drawn[i].address);
}

int witness_ask(Node *node, const NodeId *suspect, const Neighbour *named, size_t n_named, usec_t now_usec) {
        PeerNode *peer = node->peer;
        Inquiry *inquiry;
        int r;

        if (!node->settings.params.witnesses || peer->n_inquiries >= INQUIRIES_MAX || inquiry_find(node, suspect))
                return 0;

        inquiry = calloc(1, sizeof(*inquiry));
        if (!inquiry)
                return -ENOMEM;
        inquiry->suspect = *suspect;
        inquiry_choose(node, inquiry, named, n_named);
        if (inquiry->n_witnesses == 0) {
                free(inquiry);
                return 0;
        }

        peer->n_inquiries++;
        inquiry->next = peer->inquiries;
        peer->inquiries = inquiry;
        for (unsigned i = 0; i < inquiry->n_witnesses; i++) {
                r = witness_call(node, inquiry, inquiry->witnesses + i, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

Opinion witness_opinion(const Node *node, const NodeId *suspect) {
        const Inquiry *inquiry = inquiry_find(node, suspect);
        bool open = false, unheard = false;

        if (!inquiry)
                return OPINION_NONE;
        for (unsigned i = 0; i < inquiry->n_witnesses; i++)
                switch (inquiry->witnesses[i].state) {
                case WITNESS_HEARD:
                        return OPINION_HEARD;
                case WITNESS_UNHEARD:
                        unheard = true;
                        break;
                case WITNESS_WAITING:
                case WITNESS_CALLED:
                case WITNESS_ASKED:
                        open = true;
                        break;
                case WITNESS_SILENT:
                case WITNESS_MUTE:
                        break;
                }
        if (open)
                return unheard ? OPINION_PARTLY_UNHEARD : OPINION_OPEN;
        return unheard ? OPINION_UNHEARD : OPINION_NONE;
}

unsigned witness_n_unheard(const Node *node, const NodeId *suspect) {
        const Inquiry *inquiry = inquiry_find(node, suspect);
        unsigned n = 0;

        for (unsigned i = 0; inquiry && i < inquiry->n_witnesses; i++)
                n += inquiry->witnesses[i].state == WITNESS_UNHEARD;
        return n;
}

static int inquiry_free(Node *node, Inquiry *inquiry, usec_t now_usec) {
        Inquiry **p = &node->peer->inquiries;
        int r;

        while (*p != inquiry)
                p = &(*p)->next;
        *p = inquiry->next;
        node->peer->n_inquiries--;

        for (unsigned i = 0; i < inquiry->n_witnesses; i++) {
                Witness *witness = inquiry->witnesses + i;
                Session *session = witness->linked || !witness_is_asked(witness) ? NULL : session_find(node, witness->link);

                if (!session)
                        continue;
                r = session_close(node, session, CLOSE_DONE, NULL, now_usec);
                if (r < 0) {
                        free(inquiry);
                        return r;
                }
        }
        free(inquiry);
        return 0;
}

int witness_done(Node *node, const NodeId *suspect, usec_t now_usec) {
        Inquiry *inquiry = inquiry_find(node, suspect);

        return inquiry ? inquiry_free(node, inquiry, now_usec) : 0;
}

static unsigned n_being_asked(const Node *node) {
        unsigned n = 0;

        for (size_t i = 0; i < node->members.n_live; i++)
                n += node->members.members[i]->asked_usec > 0;
        return n;
}

int witness_conclude(Node *node, const NodeId *suspect, usec_t now_usec) {
        Inquiry *inquiry = inquiry_find(node, suspect);
        NodeId silent[WITNESSES_MAX];
        unsigned n_silent = 0, n_asked;
        int r;

        if (!inquiry)
                return 0;

        for (unsigned i = 0; i < inquiry->n_witnesses; i++) {
                Witness *witness = inquiry->witnesses + i;
                Session *session = session_find(node, witness->link);

                if (witness->state == WITNESS_SILENT || witness->state == WITNESS_CALLED)
                        silent[n_silent++] = witness->id;
                else if (witness->state == WITNESS_ASKED && witness->linked && session) {
                        r = liveness_ping(node, session, USEC_INFINITY, now_usec);
                        if (r < 0)
                                return r;
                }
        }
        r = inquiry_free(node, inquiry, now_usec);
        if (r < 0)
                return r;

        n_asked = n_silent > 0 ? n_being_asked(node) : 0;
        for (unsigned i = 0; i < n_silent && n_asked < WITNESS_ASKED_MAX; i++) {
                r = suspicion_question(node, silent + i, now_usec);
                if (r < 0)
                        return r;
                n_asked += (unsigned) r;
        }
        return 0;
}

/* ---- sessions and answers ---- */

/* A session has ended: those that wait for one may have theirs. */
static int witness_go_on(Node *node, usec_t now_usec) {
        int r;

        if (node->closing || node->state == NODE_STOPPING)
                return 0;
        for (Inquiry *inquiry = node->peer->inquiries; inquiry; inquiry = inquiry->next)
                for (unsigned i = 0; i < inquiry->n_witnesses; i++)
                        if (inquiry->witnesses[i].state == WITNESS_WAITING) {
                                r = witness_call(node, inquiry, inquiry->witnesses + i, now_usec);
                                if (r < 0)
                                        return r;
                        }
        return duty_go_on(node, now_usec);
}

int witness_on_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        MessageType type = message->type;
        LinkId link = session->link;

        if (type == MESSAGE_PROBE_REQ)
                return duty_on_question(node, session, &message->probe, now_usec);

        for (Inquiry *inquiry = node->peer->inquiries; inquiry; inquiry = inquiry->next) {
                Witness *witness = inquiry_witness_by_link(inquiry, link);
                NodeId suspect = inquiry->suspect;
                int r;

                if (!witness || witness->nonce != message->probe.nonce || witness->state != WITNESS_ASKED)
                        continue;
                witness->state = type == MESSAGE_PROBE_ACK ? WITNESS_HEARD : WITNESS_UNHEARD;
                if (!witness->linked) {
                        r = session_close(node, session, CLOSE_DONE, NULL, now_usec);
                        if (r < 0)
                                return r;
                }
                return suspicion_on_witness(node, &suspect, now_usec);
        }
        return 0;                       /* too late */
}

int witness_opened(Node *node, Session *session, usec_t now_usec) {
        LinkId link = session->link;
        int r;

        r = peer_heard_of(node, session, now_usec);
        if (r < 0)
                return r;
        session = session_find(node, link);
        if (!session)
                return 0;

        for (Inquiry *inquiry = node->peer->inquiries; inquiry; inquiry = inquiry->next) {
                Witness *witness = inquiry_witness_by_link(inquiry, link);

                if (!witness)
                        continue;
                session_set_timer(node, session, usec_add(now_usec, 3 * witness_patience(node)));
                return witness_send(node, session, inquiry, witness);
        }
        r = duty_opened(node, link);
        if (r < 0)
                return r;
        return session_close(node, session, CLOSE_DONE, NULL, now_usec);
}

int witness_ended(Node *node, const Session *session, usec_t now_usec) {
        LinkId link = session->link;
        bool own = session->use == SESSION_FOR_WITNESS;
        NodeId suspects[INQUIRIES_MAX];
        unsigned n_suspects = 0;
        int r;

        if (own)
                node->peer->n_witness_sessions--;
        r = duty_ended(node, link);
        if (r < 0)
                return r;
        for (Inquiry *inquiry = node->peer->inquiries; inquiry; inquiry = inquiry->next) {
                Witness *witness = inquiry_witness_by_link(inquiry, link);

                if (!witness)
                        continue;
                witness->state = own && session->state == SESSION_OPEN ? WITNESS_MUTE : WITNESS_SILENT;
                suspects[n_suspects++] = inquiry->suspect;
        }
        for (unsigned i = 0; i < n_suspects; i++) {
                r = suspicion_on_witness(node, suspects + i, now_usec);
                if (r < 0)
                        return r;
        }
        return own ? witness_go_on(node, now_usec) : 0;
}

void witness_free_all(Node *node) {
        while (node->peer->inquiries) {
                Inquiry *inquiry = node->peer->inquiries;

                node->peer->inquiries = inquiry->next;
                free(inquiry);
        }
}
