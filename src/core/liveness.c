/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is the other end of a link alive? After SWIM (Das, Gupta, Motivala, DSN 2002) and Lifeguard (Dadgar, Phillips,
 * Currey, arXiv 1707.00788); the estimate of the round-trip time is RFC 6298's, but for the variance of the first
 * sample.
 *
 *              silent for the interval, at the tick
 *      quiet ----------------------------------------> asked: PING sent
 *        ^                                               |  | the clock runs once what was sent before the PING has been
 *        |               any byte received               |  | acknowledged, or has not shrunk for one time-out: so a busy
 *        +-----------------------------------------------+  | link is not a dead one, and a stopped process is
 *        |                                                  v
 *        +------------------------------- strike 1, 2: PING again at once; the last one: silent()
 *
 * Half of the first time-out without an answer is doubt enough to ask others (witness.c): what they say is there when we know more
 * ourselves, and nobody waits for it.
 *
 * A link that used up its strikes is not asked again, but whatever comes in on it later proves life, too (links.c).
 */

#include "core/node-internal.h"

/* An end whose pings are always spared by the other's would never learn its round-trip time. */
#define SAMPLE_USEC (30 * USEC_PER_SEC)

/* What takes longer was not the network: the other end had stopped, or we had. Half of it would make messages look old. */
#define RTT_MAX_USEC (1 * USEC_PER_SEC)

void liveness_sample(Liveness *liveness, usec_t rtt_usec) {
        usec_t difference;

        if (rtt_usec > RTT_MAX_USEC)
                return;
        rtt_usec = MAX(rtt_usec, (usec_t) 1);
        if (liveness->srtt_usec == 0) {
                liveness->srtt_usec = rtt_usec;
                liveness->rttvar_usec = rtt_usec / 8;
                return;
        }

        difference = liveness->srtt_usec > rtt_usec ? liveness->srtt_usec - rtt_usec : rtt_usec - liveness->srtt_usec;
        liveness->rttvar_usec = (3 * liveness->rttvar_usec + difference) / 4;
        liveness->srtt_usec = (7 * liveness->srtt_usec + rtt_usec) / 8;
}

usec_t liveness_timeout(const Params *params, const Liveness *liveness) {
        usec_t ceiling_usec = MAX(params->liveness_ceiling_usec, params->liveness_floor_usec);

        if (!params->liveness_adaptive)
                return params->liveness_floor_usec;
        return CLAMP(4 * liveness->srtt_usec + 4 * liveness->rttvar_usec, params->liveness_floor_usec, ceiling_usec);
}

static usec_t round_timeout(const Node *node, const Liveness *liveness) {
        return MIN((node->health + 1) * liveness_timeout(&node->settings.params, liveness), liveness->timeout_max_usec);
}

/* The time for an answer begins. */
static void liveness_arm(Node *node, Liveness *liveness, usec_t now_usec) {
        bool may_doubt = liveness->clock_runs && liveness->n_strikes == 0 && !liveness->doubted;
        usec_t timeout_usec = round_timeout(node, liveness);

        timer_set(&node->timers, &liveness->timer, usec_add(now_usec, may_doubt ? timeout_usec / 2 : timeout_usec));
}

static int liveness_send(Node *node, Session *session, usec_t now_usec) {
        Liveness *liveness = &session->up->liveness;
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        Message message;
        Effect *effect;
        int r;

        message_set(&message, MESSAGE_PING, ping, random_u64(&node->random), node_n_own_links(node));
        r = message_encode(&frame, &message);
        if (r < 0)
                return r;

        liveness->nonce = message.ping.nonce;
        liveness->sent_usec = now_usec;
        liveness->outstanding = true;
        liveness->clock_runs = true;            /* until the backlog says otherwise */
        liveness->n_ahead = 0;
        liveness_arm(node, liveness, now_usec);

        effect = effect_queue_push(node->effects, EFFECT_SEND);
        effect->links[effect->n_links++] = session->link;
        effect->measure = true;
        effect->frame = TAKE_PTR(frame);
        node->counters[COUNTER_FRAMES_OUT]++;
        node->counters[COUNTER_BYTES_OUT] += effect->frame->size;
        node->counters[COUNTER_PINGS_SENT]++;
        return 0;
}

int liveness_ping(Node *node, Session *session, usec_t timeout_max_usec, usec_t now_usec) {
        Liveness *liveness = &session->up->liveness;

        if (liveness->outstanding) {
                if (timeout_max_usec < liveness->timeout_max_usec) {
                        liveness->timeout_max_usec = timeout_max_usec;
                        timer_set(&node->timers, &liveness->timer,
                                  MIN(liveness->timer.when_usec, usec_add(now_usec, round_timeout(node, liveness))));
                }
                return 0;
        }

        liveness->n_strikes = 0;
        liveness->doubted = false;
        liveness->first_usec = now_usec;
        liveness->timeout_max_usec = timeout_max_usec;
        return liveness_send(node, session, now_usec);
}

int liveness_tick(Node *node, usec_t due_usec, usec_t now_usec) {
        usec_t interval_usec = node->settings.params.liveness_interval_usec;
        int r;

        for (Session *session = node->sessions; session; session = session->next) {
                if (session->link_state != LINK_UP || session->lingering)
                        continue;
                if (usec_sub(due_usec, session->received_usec) < interval_usec &&
                    usec_sub(now_usec, session->up->liveness.sent_usec) < SAMPLE_USEC)
                        continue;

                r = liveness_ping(node, session, USEC_INFINITY, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

void liveness_forget(Node *node, Session *session) {
        if (!session->up)
                return;
        session->up->liveness.outstanding = false;
        session->up->liveness.n_strikes = 0;
        timer_set(&node->timers, &session->up->liveness.timer, USEC_INFINITY);
}

int liveness_on_received(Node *node, Session *session, usec_t now_usec) {
        session->received_usec = now_usec;
        if (!session->up || (!session->up->liveness.outstanding && session->link_state != LINK_SILENT))
                return 0;

        liveness_forget(node, session);
        return node->ops->alive(node, session, now_usec);
}

int liveness_on_pong(Node *node, Session *session, const PingMessage *pong, usec_t now_usec) {
        /* A PONG to an earlier PING proves life like any other byte, but measures nothing. */
        if (session->up && pong->nonce == session->up->liveness.nonce && session->up->liveness.sent_usec > 0) {
                usec_t rtt_usec = usec_sub(now_usec, session->up->liveness.sent_usec);

                liveness_sample(&session->up->liveness, rtt_usec);
                node_observe(node, DISTRIBUTION_ROUND_TRIP, rtt_usec);
        }
        return node->ops->alive(node, session, now_usec);
}

static int liveness_doubt(Node *node, Session *session, usec_t now_usec) {
        session->up->liveness.doubted = true;
        return node->ops->doubted(node, session, now_usec);
}

static int liveness_strike(Node *node, Session *session, usec_t now_usec) {
        Liveness *liveness = &session->up->liveness;

        liveness->n_strikes++;
        node->counters[COUNTER_STRIKES]++;
        if (liveness->n_strikes < node->settings.params.liveness_strikes) {
                int r = liveness_send(node, session, now_usec);

                return r < 0 ? r : liveness_doubt(node, session, now_usec);
        }
        return node->ops->silent(node, session, now_usec);
}

int liveness_on_backlog(Node *node, Session *session, size_t n_ahead, usec_t now_usec) {
        Liveness *liveness = session->up ? &session->up->liveness : NULL;
        bool shrinks, first;

        if (!liveness || !liveness->outstanding)
                return 0;
        shrinks = n_ahead < liveness->n_ahead;
        first = liveness->clock_runs;
        if (first && n_ahead == 0)
                return 0;               /* nothing was in front: the clock has been running since it was sent */

        if (!first && n_ahead > 0 && !shrinks)
                return liveness_strike(node, session, now_usec);

        /* Gone now, still shrinking, or seen for the first time: one more time-out from here. */
        liveness->clock_runs = n_ahead == 0;
        liveness->n_ahead = n_ahead;
        liveness_arm(node, liveness, now_usec);
        return 0;
}

int liveness_on_timer(Node *node, Session *session, usec_t now_usec) {
        Liveness *liveness = &session->up->liveness;

        if (!liveness->outstanding)
                return 0;
        if (!liveness->clock_runs) {
                effect_queue_push(node->effects, EFFECT_MEASURE)->link = session->link;
                return 0;
        }
        if (liveness->n_strikes == 0 && !liveness->doubted) {
                usec_t timeout_usec = round_timeout(node, liveness);

                timer_set(&node->timers, &liveness->timer, usec_add(now_usec, timeout_usec - timeout_usec / 2));
                return liveness_doubt(node, session, now_usec);
        }
        return liveness_strike(node, session, now_usec);
}
