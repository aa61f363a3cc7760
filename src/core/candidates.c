/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whom to dial for the links that are missing: the passive view (view.h), which is filled up from the members, and the lost peers,
 * which may be the way to another part of the network.
 */

#include "core/peer-node-internal.h"

#define ISOLATED_RETRY_USEC (5 * USEC_PER_SEC)
#define REDRAW_USEC USEC_PER_SEC                /* a view of peers that failed */
#define SLOW_DIAL_USEC (500 * USEC_PER_MSEC)    /* a host that has not taken a call by then is likely gone: we go on to others */
#define SLOW_DIALS_MAX (4 * DIALS_MAX)

/* ---- candidates ---- */

static bool is_linked(const Node *node, const NodeId *id) {
        const Session *session = session_of(node, id);

        return session && session->link_state != LINK_NONE;
}

/* Members are where candidates come from; the passive view is what we have picked of them. */
static bool is_candidate(const Node *node, const Record *record) {
        return record->state == MEMBER_ALIVE && record->n_addresses > 0 && !is_linked(node, &record->id) &&
               !view_has(&node->peer->view, &record->id);
}

static void links_refill_view(Node *node) {
        View *view = &node->peer->view;
        size_t n;

        if (view->n_passive >= view->n_passive_max)
                return;

        n = member_table_draw(&node->members, &node->random, view->n_passive_max);
        for (size_t i = 0; i < n && view->n_passive < view->n_passive_max; i++) {
                const Record *record = &node->members.members[i]->record;

                if (is_candidate(node, record))
                        view_add(view, &record->id, record->addresses);
        }
}

/* When the view may be drawn anew; USEC_INFINITY: no need, for all members are in it, or linked. */
static usec_t links_redraw_due(const Node *node) {
        const PeerNode *peer = node->peer;

        if (node->members.n <= peer->view.n_passive + links_n(node))
                return USEC_INFINITY;
        return peer->redrawn_usec > 0 ? usec_add(peer->redrawn_usec, REDRAW_USEC) : 0;
}

/*
 * After many have died at once most members are dead, and nobody knows it yet: a view full of them is drawn anew, for whoever has
 * no link, or too few. Members that are not in the view, that is: nobody is called any earlier again.
 */
static bool links_redraw(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        bool has_new = false;
        size_t n;

        if (now_usec < links_redraw_due(node))
                return false;
        n = member_table_draw(&node->members, &node->random, peer->view.n_passive_max);
        for (size_t i = 0; i < n; i++) {
                const Record *record = &node->members.members[i]->record;

                if (is_candidate(node, record) && view_replace_failed(&peer->view, &record->id, record->addresses, now_usec))
                        has_new = true;
        }
        if (has_new)
                peer->redrawn_usec = now_usec;
        return has_new;
}

/* Ourselves, or somebody we have a session with already: a link follows from that one if from any. A second dial
 * would only replace it, and two nodes that both do so never come to rest. */
bool links_is_useless(const Node *node, const Candidate *candidate) {
        if (node_id_equal(&candidate->id, &node->identity.id) || session_of(node, &candidate->id))
                return true;

        for (const Session *session = node->sessions; session; session = session->next)
                if (session->use == SESSION_FOR_LINK && !session->ending &&
                    address_equal(&session->remote, &candidate->address))
                        return true;
        return false;
}

/* ---- dialling ---- */

/* Dials and their answers under way; @ret_fresh: those of them that have not been silent for long, by @ret_until at the latest. */
static unsigned links_pending(const Node *node, usec_t now_usec, unsigned *ret_fresh, usec_t *ret_until) {
        unsigned n = 0;

        *ret_fresh = 0;
        *ret_until = USEC_INFINITY;
        for (const Session *session = node->sessions; session; session = session->next) {
                if (session->use != SESSION_FOR_LINK || session->link_state >= LINK_UP || session->ending || session->lingering)
                        continue;
                n++;
                if (session->state == SESSION_DIALING && now_usec >= usec_add(session->since_usec, SLOW_DIAL_USEC))
                        continue;
                (*ret_fresh)++;
                if (session->state == SESSION_DIALING)
                        *ret_until = MIN(*ret_until, usec_add(session->since_usec, SLOW_DIAL_USEC));
        }
        return n;
}

int links_fill(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        usec_t wait_usec = USEC_INFINITY, slow_usec;
        unsigned n_fresh, n_pending = links_pending(node, now_usec, &n_fresh, &slow_usec);
        int r;

        if (node->state == NODE_STOPPING || node->closing)
                return 0;

        links_refill_view(node);
        while (n_fresh < DIALS_MAX && n_pending < SLOW_DIALS_MAX &&
               links_counted(node) + n_fresh < node->settings.params.links_outgoing) {
                bool isolated = links_n(node) == 0;
                Candidate candidate;

                if (!view_draw(&peer->view, isolated, now_usec, &candidate, &wait_usec)) {
                        if (links_redraw(node, now_usec))
                                continue;
                        if (now_usec < links_redraw_due(node))
                                wait_usec = MIN(wait_usec, links_redraw_due(node));
                        if (isolated && n_pending == 0 && peer->view.n_lost > 0) {
                                usec_t retry_usec = usec_add(now_usec, random_jitter(&node->random, ISOLATED_RETRY_USEC));

                                timer_set(&node->timers, &peer->lost, MIN(peer->lost.when_usec, retry_usec));
                        }
                        break;
                }
                if (links_is_useless(node, &candidate)) {
                        view_remove(&peer->view, &candidate.id, &candidate.address);
                        continue;
                }
                r = links_dial(node, &candidate.id, &candidate.address, isolated ? PRIORITY_HIGH : PRIORITY_LOW, now_usec);
                if (r < 0)
                        return r;
                n_pending++;
                n_fresh++;
                slow_usec = MIN(slow_usec, usec_add(now_usec, SLOW_DIAL_USEC));
        }
        if (n_pending < SLOW_DIALS_MAX && links_counted(node) < node->settings.params.links_outgoing)
                wait_usec = MIN(wait_usec, slow_usec);
        timer_set(&node->timers, &peer->fill, wait_usec);
        registrar_refresh_early(node, now_usec);
        return 0;
}

/* ---- lost peers ---- */

/* Whom we hold alive is in our part of the network; the others may be the part that we lost. */
static bool lost_is_worth_a_dial(const Node *node, const Candidate *lost) {
        const Member *member = member_table_find(&node->members, &lost->id);

        return !links_is_useless(node, lost) &&
               (links_n(node) == 0 || !member || member->record.state != MEMBER_ALIVE);
}

int links_retry_lost(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        const Candidate *picked = NULL;
        unsigned n = 0;

        timer_set(&node->timers, &peer->lost, usec_add(now_usec, random_jitter(&node->random, 10 * USEC_PER_MINUTE)));
        for (size_t i = 0; i < peer->view.n_lost; i++)
                if (lost_is_worth_a_dial(node, peer->view.lost + i) && random_below(&node->random, ++n) == 0)
                        picked = peer->view.lost + i;
        return picked ? links_dial(node, &picked->id, &picked->address, PRIORITY_MERGE, now_usec) : 0;
}
