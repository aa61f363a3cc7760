/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who may become a link when it asks (PROTOCOL.md section 5.1): the callee's part of HyParView's NEIGHBOR (Leitao, Pereira,
 * Rodrigues, DSN 2007).
 *
 * Departures: a full node asks its silent links before it says BUSY, without which a network of which most died keeps those
 * that are left apart; who is refused is told of others; and who has no link takes one extra place, or that of whoever
 * will miss it least, at most once in a while. In the profile `hyparview` it takes a random one's, as in the paper.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define ANSWER_USEC (5 * USEC_PER_SEC)          /* for a caller to go that was refused */

/* A place for one more link that the other end asked for; @n_extra more than the cap. */
static bool links_have_room(const Node *node, unsigned n_extra) {
        const Params *params = &node->settings.params;

        if (params->links_shared)
                return links_n(node) < params->links_outgoing + n_extra;
        return node->peer->n_in < params->links_inbound + n_extra;
}

/* At most once per id and interval: who is refused by everybody has to wait, too. Return: 1 when it is allowed, 0, -ENOMEM. */
static int high_is_allowed(PeerNode *peer, const NodeId *id, usec_t now_usec) {
        HighCaller *place = peer->high, *grown;

        for (size_t i = 0; i < peer->n_high; i++) {
                if (node_id_equal(&peer->high[i].id, id)) {
                        if (now_usec < usec_add(peer->high[i].when_usec, HIGH_INTERVAL_USEC))
                                return 0;
                        peer->high[i].when_usec = now_usec;
                        return 1;
                }
                if (peer->high[i].when_usec < place->when_usec)
                        place = peer->high + i;
        }
        if (peer->n_high < HIGH_MAX) {
                grown = reallocarray(peer->high, peer->n_high + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                peer->high = grown;
                place = grown + peer->n_high++;
        }
        *place = (HighCaller) { .id = *id, .when_usec = now_usec };
        return 1;
}

/* Less to be missed: it carries no messages, or its other end has more links. */
static bool is_missed_less(const Session *a, const Session *b) {
        bool a_is_lazy = a->up->gossip.is_lazy, b_is_lazy = b->up->gossip.is_lazy;

        return a_is_lazy != b_is_lazy ? a_is_lazy : a->n_links > b->n_links;
}

/* The inbound link whose other end will miss it least. */
Session *links_least_missed_in(Node *node, const Session *but) {
        Session *most = NULL;

        for (Session *session = node->sessions; session; session = session->next)
                if (session != but && session->link_state == LINK_UP && !session_outgoing(session) && !session->ending &&
                    (!most || is_missed_less(session, most)))
                        most = session;
        return most;
}

Session *links_random(Node *node, const Session *but) {
        Session *picked = NULL;
        unsigned n = 0;

        for (Session *session = node->sessions; session; session = session->next)
                if (session != but && session->link_state == LINK_UP && !session->ending && random_below(&node->random, ++n) == 0)
                        picked = session;
        return picked;
}

static int links_accept(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_ACCEPT };
        int r;

        message.accept.n_links = (uint16_t) (node_n_own_links(node) + 1);
        r = session_send(node, session, &message);
        if (r < 0)
                return r;
        return links_up(node, session, now_usec);
}

static int links_refuse(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_BUSY };
        size_t n;
        int r;

        n = member_table_draw(&node->members, &node->random, 2 * MESSAGE_ADDRESSES_MAX);
        for (size_t i = 0; i < n && message.busy.n_addresses < MESSAGE_ADDRESSES_MAX; i++) {
                const Record *record = &node->members.members[i]->record;
                Record shown;

                if (record->state == MEMBER_ALIVE && !node_id_equal(&record->id, &session->id) &&
                    record_for_caller(record, &session->remote, &shown))
                        message.busy.addresses[message.busy.n_addresses++] = shown.addresses[0];
        }
        r = session_send(node, session, &message);
        if (r < 0)
                return r;

        node->counters[COUNTER_BUSY_SENT]++;
        session->link_state = LINK_NONE;
        session_set_timer(node, session, usec_add(now_usec, ANSWER_USEC));      /* the caller closes */
        return 0;
}

/* Asks the links that were silent for a while. Return: the latest time by which all have answered, 0 when none was. */
static int links_ask_silent(Node *node, usec_t now_usec, usec_t *ret_until) {
        int r;

        *ret_until = 0;
        for (Session *session = node->sessions; session; session = session->next) {
                if (session->link_state != LINK_UP || usec_sub(now_usec, session->received_usec) < SILENT_USEC)
                        continue;

                r = liveness_ping(node, session, PROBE_LINK_USEC, now_usec);
                if (r < 0)
                        return r;
                session->up->probed = true;
                *ret_until = MAX(*ret_until, usec_add(now_usec, MIN(PROBE_LINK_USEC, liveness_timeout(&node->settings.params,
                                                                                                     &session->up->liveness))));
        }
        return 0;
}

static unsigned links_undecided(const Node *node) {
        unsigned n = 0;

        for (const Session *session = node->sessions; session; session = session->next)
                n += session->link_state == LINK_UNDECIDED;
        return n;
}

int links_on_neighbor(Node *node, Session *session, const NeighborMessage *neighbor, usec_t now_usec) {
        const Params *params = &node->settings.params;
        usec_t until_usec;
        int r;

        if (session->use != SESSION_ACCEPTED || session->link_state != LINK_NONE || session->role != ROLE_PEER)
                return session_protocol_error(node, session, "NEIGHBOR has no place here.", now_usec);

        session->n_links = neighbor->n_links;
        session->priority = neighbor->priority;
        if (links_have_room(node, 0))
                return links_accept(node, session, now_usec);

        r = neighbor->priority == PRIORITY_LOW ? 0 : high_is_allowed(node->peer, &session->id, now_usec);
        if (r < 0)
                return r;
        if (r > 0) {
                if (!links_have_room(node, params->links_extra)) {
                        /* There is one: those that we chose ourselves are never so many. */
                        Session *out = params->links_evict_any ? links_random(node, NULL) : links_least_missed_in(node, NULL);

                        if (out) {
                                r = links_disconnect(node, out, CLOSE_BUSY, "The place is needed for a peer without links.",
                                                     now_usec);
                                if (r < 0)
                                        return r;
                        }
                }
                return links_accept(node, session, now_usec);
        }

        if (links_undecided(node) >= UNDECIDED_MAX || !params->links_asked_first)
                return links_refuse(node, session, now_usec);
        r = links_ask_silent(node, now_usec, &until_usec);
        if (r < 0)
                return r;
        if (until_usec == 0)
                return links_refuse(node, session, now_usec);
        session->link_state = LINK_UNDECIDED;
        session_set_timer(node, session, until_usec);
        return 0;
}

static Session *links_next_undecided(Node *node) {
        Session *session = node->sessions;

        while (session && (session->link_state != LINK_UNDECIDED || session->ending))
                session = session->next;
        return session;
}

int links_decide(Node *node, usec_t now_usec) {
        Session *session;
        int r;

        for (session = node->sessions; session; session = session->next)
                if (session->link_state == LINK_UP && session->up->probed) {
                        if (session->up->liveness.outstanding)
                                return 0;       /* one is still being asked */
                        session->up->probed = false;
                }

        while ((session = links_next_undecided(node))) {
                r = links_have_room(node, 0) ? links_accept(node, session, now_usec) :
                                               links_refuse(node, session, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Time is up for the links that were asked: who has not answered makes room. */
int links_on_undecided_timer(Node *node, usec_t now_usec) {
        for (Session *session = node->sessions, *next; session; session = next) {
                int r;

                next = session->next;
                if (session->link_state != LINK_UP || !session->up->probed || session->ending)
                        continue;
                session->up->probed = false;
                if (!session->up->liveness.outstanding)
                        continue;
                r = suspicion_lost(node, session, now_usec);
                if (r < 0)
                        return r;
                r = session_close(node, session, CLOSE_TIMEOUT, "No answer to a liveness request.", now_usec);
                if (r < 0)
                        return r;
                next = node->sessions;          /* others may have gone with it */
        }
        return links_decide(node, now_usec);
}
