/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Links do not stay for ever: PROTOCOL.md section 5.2. Every 25 min one outgoing link is replaced by one to a passive peer, so that
 * an overlay which grew in an unlucky way (all at once, or out of two halves) becomes a random one, and nobody who
 * got hold of all our links keeps them. The two oldest are exempt: anchors, which whoever surrounds us later cannot have
 * chosen. They are remembered first, and dialled first after a restart.
 *
 * HyParView has neither: its views are symmetric and change when somebody joins or fails.
 */

#include "core/peer-node-internal.h"

#define TREE_ROTATIONS 4U       /* until a link that carries messages is replaced */

void rotation_start(Node *node, usec_t now_usec) {
        usec_t interval_usec = node->settings.params.rotate_usec;

        timer_set(&node->timers, &node->peer->rotate,
                  interval_usec == 0 ? USEC_INFINITY : usec_add(now_usec, random_jitter(&node->random, interval_usec)));
}

static bool is_older(const Session *a, const Session *b) {
        usec_t a_usec = a->up->linked_usec, b_usec = b->up->linked_usec;

        return a_usec != b_usec ? a_usec < b_usec : a->link < b->link;
}

size_t rotation_anchors(const Node *node, const Session *ret[static ANCHORS]) {
        size_t n = 0;

        for (const Session *session = node->sessions; session; session = session->next) {
                size_t i;

                if (session->link_state != LINK_UP || !session_outgoing(session) || session->ending)
                        continue;
                for (i = MIN(n, (size_t) ANCHORS); i > 0 && is_older(session, ret[i - 1]); i--)
                        if (i < ANCHORS)
                                ret[i] = ret[i - 1];
                if (i < ANCHORS)
                        ret[i] = session;
                n++;
        }
        return MIN(n, (size_t) ANCHORS);
}

/* The links have gone by the time the memory is saved. */
void rotation_stop(Node *node) {
        const Session *anchors[ANCHORS];

        for (size_t n = rotation_anchors(node, anchors); n > 0; n--)
                view_lose(&node->peer->view, &anchors[n - 1]->id, anchors[n - 1]->addresses);
}

/* One that carries messages goes only when it is old: nobody keeps it for good by being the first with every message. */
static bool may_go(const Node *node, const Session *session, usec_t now_usec) {
        return session->up->gossip.is_lazy || !plumtree_has_tree(node) ||
               now_usec >= usec_add(session->up->linked_usec, TREE_ROTATIONS * node->settings.params.rotate_usec);
}

Session *rotation_victim(Node *node, const Session *newcomer, usec_t now_usec) {
        const Session *anchors[ANCHORS] = {};
        Session *victim = NULL;
        unsigned n = 0;

        (void) rotation_anchors(node, anchors);
        for (Session *session = node->sessions; session; session = session->next) {
                if (session == newcomer || session == anchors[0] || session == anchors[1] || session->link_state != LINK_UP ||
                    !session_outgoing(session) || session->ending || !may_go(node, session, now_usec) ||
                    (victim && victim->up->gossip.is_lazy > session->up->gossip.is_lazy))
                        continue;
                if (victim && victim->up->gossip.is_lazy < session->up->gossip.is_lazy)
                        n = 0;          /* a lazy one goes before those that carry messages */
                if (random_below(&node->random, ++n) == 0)
                        victim = session;
        }
        return victim;
}

/* The new link first: a place is given up when there is somebody to take it. */
int rotation_begin(Node *node, usec_t now_usec) {
        const Params *params = &node->settings.params;
        Candidate candidate;
        usec_t wait_usec;

        rotation_start(node, now_usec);
        if (node->peer->n_out < params->links_outgoing || !rotation_victim(node, NULL, now_usec) ||
            !view_draw(&node->peer->view, false, now_usec, &candidate, &wait_usec) || links_is_useless(node, &candidate))
                return 0;
        return links_dial_as(node, &candidate.id, &candidate.address, PRIORITY_LOW, true, now_usec);
}
