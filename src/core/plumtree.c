/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Epidemic broadcast trees: after Plumtree (Leitao, Pereira, Rodrigues, SRDS 2007).
 *
 * Each link is eager or lazy, for either of its ends. A message is sent on eager links at once, and announced on lazy ones
 * (IHAVE). New links are eager. Whoever gets a message twice makes the link that brought the second copy lazy, and so does the
 * other end when it is told (PRUNE): what remains eager is a tree. What was announced and does not come is asked for where it was
 * announced (GRAFT), and that link is eager from then on: so the tree mends itself.
 *
 * Parameters: T1 = 500 ms from an announcement until it is asked for, T2 = 250 ms until the next one who announced it is asked
 * (offer.h); announcements are collected for 20 ms.
 *
 * Departures: announcements are ranges of sequence numbers, so that they cost next to nothing at any rate. A copy that we have
 * asked for is no reason to prune. A link whose queue is full becomes lazy until it has drained. The paper's optimisation by hop
 * counts is left out: it made the last delivery later, not earlier. With params.gossip_flood (profile classic) no link is pruned.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define ANNOUNCE_USEC (20 * USEC_PER_MSEC)
#define PRUNE_AGAIN_USEC (200 * USEC_PER_MSEC)  /* copies that were under way when we pruned are no news */
#define MERGE_LOOKBACK 16U                      /* collected ranges that a new message may extend */
#define REQUESTS_MAX 256U                       /* asked for in one turn */
#define BROKEN_MAX 256U                         /* announcements of one link that led to nothing, one after the other */
#define STALLED_USEC (30 * USEC_PER_SEC)

bool link_carries(const Session *session) {
        return session->link_state == LINK_UP && !session->lingering && !session->ending;
}

bool plumtree_has_link(const Node *node) {
        for (const Session *session = node->sessions; session; session = session->hh.next)
                if (link_carries(session))
                        return true;
        return false;
}

/* An empty queue takes any legal message, else one that is as large as the bound could never be sent. */
static bool link_has_space(const Session *session, size_t size, size_t max) {
        return session->n_queued == 0 || session->n_queued + size <= max;
}

void plumtree_send(Node *node, Session *session, FrameBuffer *frame, usec_t now_usec) {
        if (session->n_queued == 0)
                session->drained_usec = now_usec;
        session_send_frame(node, session, frame, true);
}

/* ---- announcing ---- */

static int announce(Node *node, const MessageId *id, usec_t now_usec) {
        PeerNode *peer = node->peer;

        for (size_t i = peer->n_announced, n = 0; i > 0 && n < MERGE_LOOKBACK; i--, n++) {
                Range *range = peer->announced + i - 1;

                if (range->last + 1 == id->sequence && range->epoch == id->epoch && node_id_equal(&range->origin, &id->origin)) {
                        range->last++;
                        return 0;
                }
        }

        if (peer->n_announced == peer->n_announced_allocated) {
                size_t n = MAX((size_t) 4, 2 * peer->n_announced_allocated);
                Range *announced = reallocarray(peer->announced, n, sizeof(*announced));

                if (!announced)
                        return -ENOMEM;
                peer->announced = announced;
                peer->n_announced_allocated = n;
        }
        peer->announced[peer->n_announced++] = (Range) { id->origin, id->epoch, id->sequence, id->sequence };
        if (peer->n_announced == MESSAGE_RANGES_MAX)
                return plumtree_announce(node);
        if (peer->n_announced == 1)
                timer_set(&node->timers, &peer->announce, usec_add(now_usec, ANNOUNCE_USEC));
        return 0;
}

int plumtree_announce(Node *node) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        PeerNode *peer = node->peer;
        Message message;
        int r;

        timer_set(&node->timers, &peer->announce, USEC_INFINITY);
        if (peer->n_announced == 0)
                return 0;

        message.type = MESSAGE_IHAVE;
        message.ranges.n_ranges = peer->n_announced;
        memcpy(message.ranges.ranges, peer->announced, peer->n_announced * sizeof(Range));
        r = message_encode(&frame, &message);
        if (r < 0)
                return r;
        peer->n_announced = 0;
        for (Session *session = node->sessions; session; session = session->hh.next)
                if (link_carries(session) && session->gossip.is_lazy) {
                        session_send_frame(node, session, frame, false);
                        node->counters[COUNTER_ANNOUNCEMENTS_SENT]++;
                }
        return 0;
}

/* ---- forwarding ---- */

int plumtree_forward(Node *node, const MessageId *id, FrameBuffer *frame, LinkId but, usec_t now_usec) {
        size_t max = node->settings.params.queue_max;
        bool has_lazy = false;

        for (Session *session = node->sessions; session; session = session->hh.next) {
                if (!link_carries(session) || session->link == but)
                        continue;
                if (!session->gossip.is_lazy && !link_has_space(session, frame->size, max))
                        session->gossip.is_lazy = session->gossip.is_congested = true;
                if (session->gossip.is_lazy) {
                        has_lazy = true;
                        continue;
                }
                plumtree_send(node, session, frame, now_usec);
                node->counters[COUNTER_GOSSIP_FORWARDED]++;
        }
        return has_lazy ? announce(node, id, now_usec) : 0;
}

/* Every link that would take a message at once has half a queue of others before it. */
bool plumtree_is_busy(const Node *node) {
        size_t n_eager = 0;

        for (const Session *session = node->sessions; session; session = session->hh.next) {
                if (!link_carries(session) || (session->gossip.is_lazy && !session->gossip.is_congested))
                        continue;
                if (session->n_queued <= node->settings.params.queue_max / 2)
                        return false;
                n_eager++;
        }
        return n_eager > 0;
}

/* ---- the tree ---- */

void plumtree_on_first(Session *session) {
        if (!session->gossip.is_congested)
                session->gossip.is_lazy = false;
}

int plumtree_on_duplicate(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_PRUNE };
        LinkGossip *gossip = &session->gossip;

        if (!link_carries(session) || node->settings.params.gossip_flood || offers_are_asked(&node->peer->offers, session->link))
                return 0;
        if (gossip->pruned_usec > 0 && now_usec < usec_add(gossip->pruned_usec, PRUNE_AGAIN_USEC + session->liveness.srtt_usec))
                return 0;

        gossip->is_lazy = true;
        gossip->pruned_usec = now_usec;
        node->counters[COUNTER_PRUNES_SENT]++;
        return session_send(node, session, &message);
}

void plumtree_on_prune(Session *session) {
        session->gossip.is_lazy = true;
}

int plumtree_on_ihave(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec) {
        PeerNode *peer = node->peer;
        bool has_new = false;

        for (size_t i = 0; i < ranges->n_ranges; i++) {
                const Range *range = ranges->ranges + i;
                int r;

                if (!repair_lacks(node, range))
                        continue;
                r = offers_add(&peer->offers, range, session->link, false, now_usec);
                if (r < 0)
                        return r;
                has_new = true;
        }
        if (has_new)
                timer_set(&node->timers, &peer->graft, MIN(peer->graft.when_usec, usec_add(now_usec, OFFER_T1_USEC)));
        return 0;
}

int plumtree_on_graft(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec) {
        plumtree_on_first(session);
        return repair_on_want(node, session, ranges, now_usec);
}

/* ---- asking ---- */

/* All requests to one link: those that were announced as GRAFT, those that were listed as MSG_WANT. */
static int send_requests(Node *node, Session *session, OfferRequest *requests, size_t n, bool is_listed) {
        Message message;
        int r;

        message.type = is_listed ? MESSAGE_MSG_WANT : MESSAGE_GRAFT;
        message.ranges.n_ranges = 0;
        for (size_t i = 0; i < n; i++)
                if (requests[i].link == session->link && requests[i].is_listed == is_listed)
                        message.ranges.ranges[message.ranges.n_ranges++] = requests[i].range;
        if (message.ranges.n_ranges == 0)
                return 0;

        r = session_send(node, session, &message);
        if (r < 0)
                return r;
        if (!is_listed) {
                plumtree_on_first(session);
                node->counters[COUNTER_GRAFTS_SENT]++;
        }
        return 0;
}

static Session *find_liar(const Node *node) {
        for (Session *session = node->sessions; session; session = session->hh.next)
                if (link_carries(session) && offers_broken(&node->peer->offers, session->link) >= BROKEN_MAX)
                        return session;
        return NULL;
}

int plumtree_graft(Node *node, usec_t now_usec) {
        OfferRequest requests[REQUESTS_MAX];
        PeerNode *peer = node->peer;
        Session *liar;
        usec_t next_usec;
        size_t n;
        int r = 0;

        n = offers_ask(&peer->offers, &peer->seen, now_usec, requests, ELEMENTSOF(requests), &next_usec);
        timer_set(&node->timers, &peer->graft, next_usec);
        for (Session *session = node->sessions; n > 0 && session && r >= 0; session = session->hh.next) {
                if (!link_carries(session))
                        continue;
                r = send_requests(node, session, requests, n, false);
                if (r >= 0)
                        r = send_requests(node, session, requests, n, true);
        }
        while (r >= 0 && (liar = find_liar(node)))
                r = session_protocol_error(node, liar, "It announces messages that it does not send when asked.", now_usec);
        return r;
}

/* ---- links ---- */

/* No message is sent from here: whoever reports what was sent may be carrying out what we asked for. */
void plumtree_on_sent(Node *node, Session *session, usec_t now_usec) {
        LinkGossip *gossip = &session->gossip;
        size_t max = node->settings.params.queue_max;

        if (gossip->is_congested && session->n_queued < max / 4)
                gossip->is_congested = gossip->is_lazy = false;
        if (gossip->n_wanted > 0 && session->n_queued < max / 2)
                timer_set(&node->timers, &node->peer->answer, MIN(node->peer->answer.when_usec, now_usec));
}

void plumtree_link_down(Node *node, Session *session) {
        LinkGossip *gossip = &session->gossip;

        offers_forget_link(&node->peer->offers, session->link);
        free(gossip->wanted);
        *gossip = (LinkGossip) {};
}

/* Ends links that have taken nothing for too long. Ending one may end or begin others, so not while we walk over them. */
int plumtree_tick(Node *node, usec_t now_usec) {
        LinkId stalled[UINT8_MAX];
        size_t n_stalled = 0;

        for (const Session *session = node->sessions; session; session = session->hh.next)
                if (link_carries(session) && session->n_queued > 0 && n_stalled < ELEMENTSOF(stalled) &&
                    now_usec >= usec_add(session->drained_usec, STALLED_USEC))
                        stalled[n_stalled++] = session->link;

        for (size_t i = 0; i < n_stalled; i++) {
                Session *session = session_find(node, stalled[i]);
                int r;

                if (!session)
                        continue;
                node->counters[COUNTER_LINKS_SLOW]++;
                r = session_close(node, session, CLOSE_SLOW, "The link did not take the messages that waited for it.", now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}
