/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Are we the ones who are slow? After the local health multiplier of Lifeguard (Dadgar, Phillips, Currey, arXiv 1707.00788,
 * section IV-A), from 0 (well) to 8, the paper's S. PROTOCOL.md, section 5.3.
 *
 *      up by one at a tick      our own timers came late since the last one (by less than a sleep, node.c), or more than half of at
 *                               least 3 links are silent together, who hardly all died in one second
 *      down by one              at any other tick
 *      time-outs of strikes     are multiplied by the health + 1
 *      from 4 on                links that do not answer are dropped, and nobody is accused
 *      a timer that is late     decides nothing that an answer could have: no death yet, and nothing said as a witness
 *
 * Departures. The paper counts probes that failed, nacks that did not come, and refutations of our own. Late timers say the first
 * two sooner and for certain, as whoever is late knows it by himself; one probe that fails says more of whom it was for, and a
 * witness that says nothing is asked itself (witness.c). Refutations do not count: whoever invents accusations could make us
 * deaf. A connection that was reset is not silence: it says that its other end is gone, not that we are deaf. The paper
 * stretches the interval between probes, too: ours are sent on links that are silent, and nowhere else. And it goes on accusing at any
 * health, later and later; we stop, for others see the dead as well.
 *
 * The wait of an accused (verdict.c) is the same at any health, as in the paper.
 */

#include "core/peer-node-internal.h"

#define HEALTH_MAX 8U
#define HEALTH_SICK 4U
#define TOGETHER_MIN 3U

static bool is_late(const Node *node, usec_t late_usec) {
        return node->settings.params.witnesses && late_usec > node->settings.params.liveness_interval_usec / 4;
}

static bool most_links_are_silent(const Node *node) {
        unsigned n = 0, n_silent = 0;

        for (const Session *session = node->sessions; session; session = session->next)
                if (session->link_state == LINK_UP && !session->lingering) {
                        n++;
                        n_silent += session->up->liveness.outstanding && session->up->liveness.n_strikes > 0;
                }
        return n_silent >= TOGETHER_MIN && 2 * n_silent > n;
}

void health_tick(Node *node) {
        bool late = is_late(node, node->late_most_usec);

        node->late_most_usec = 0;
        if (!node->settings.params.witnesses)
                node->health = 0;       /* the original numbers have none */
        else if (late || most_links_are_silent(node))
                node->health = MIN(node->health + 1, HEALTH_MAX);
        else if (node->health > 0)
                node->health--;
}

void health_clock_jumped(Node *node, usec_t now_usec) {
        node->peer->deaf_until_usec = usec_add(now_usec, node->settings.params.liveness_interval_usec);
}

bool health_is_late(const Node *node) {
        return is_late(node, node->late_usec);
}

bool health_may_accuse(const Node *node, usec_t now_usec) {
        return node->health < HEALTH_SICK && now_usec >= node->peer->deaf_until_usec;
}
