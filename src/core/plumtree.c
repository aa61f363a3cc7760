/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Epidemic broadcast trees: after Plumtree (Leitao, Pereira, Rodrigues, SRDS 2007).
 *
 * Each link is eager or lazy. A message is sent on eager links at once, and announced on lazy ones (IHAVE). Whoever gets a message
 * twice makes the link that brought the second copy lazy, and so does the other end when it is told (PRUNE): what remains eager is
 * a tree. What was announced and does not come is asked for where it was announced (GRAFT), and that link is eager from then on:
 * so the tree mends itself.
 *
 * Parameters: T1 = 500 ms from an announcement until it is asked for, T2 = 250 ms until the next one who announced it is asked
 * (offer.h); announcements are collected for 20 ms, or for 50 to 100 ms while they are few and nobody needs them (is_calm()).
 *
 * Departures:
 *  - A new link is lazy where messages have been sent already, and PRUNE tells its other end; unless the caller has no other link,
 *    or an eager one was lost, which it replaces, or its other end has no other eager link: then GRAFT without a message makes it
 *    eager. The paper makes all new links eager. Where links come and go, each of them made a cycle.
 *  - Both ends of a link agree, but for what is under way: nothing but GRAFT makes a link eager, and of a GRAFT and a PRUNE that
 *    cross the GRAFT counts. What is eager at one end only is needed for messages that come from one side, and pruned by those
 *    from the other.
 *  - A link that has brought something first, or has carried messages for a while (PROVEN_USEC), is not pruned for the next copy,
 *    but by chance (PRUNE_USEC), when copies have come for a while (CYCLE_USEC). Else messages of different publishers, which meet
 *    on different links of one cycle, would each cut it somewhere; the part that falls off asks for what it misses at many places
 *    at once, which makes cycles again, and so on. The same goes for copies that come late: who passes on what it missed makes no
 *    cycle by that. But a message that is under way alone (ALONE_USEC) cuts each cycle once, so it does.
 *  - Nobody is sent what it has offered: what a new node gets from one neighbour the others have, too.
 *  - Announcements are ranges of sequence numbers, so that they cost next to nothing at any rate.
 *  - An eager link whose queue is full stays eager: messages wait in the store until it has room. When BEHIND_MAX ranges wait,
 *    this end alone turns lazy: what the other one has to say may come none the slower.
 *  - The paper's optimisation by hop counts is left out: it made the last delivery later, not earlier.
 * With params.gossip_flood (profile classic) no link is pruned.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define ANNOUNCE_USEC (20 * USEC_PER_MSEC)
#define ANNOUNCE_CALM_USEC (50 * USEC_PER_MSEC) /* and up to that much more */
#define ANNOUNCE_CALM_SIZE (4U * 1024U)
#define CALM_USEC (60 * USEC_PER_SEC)           /* since a GRAFT */
#define PRUNE_AGAIN_USEC (200 * USEC_PER_MSEC)  /* what was under way when we pruned, or were grafted, is no news */
#define REQUESTS_MAX 256U                       /* asked for in one turn */
#define PRUNE_USEC (20 * USEC_PER_SEC)          /* of copies on a useful link until it is pruned, in the mean */
#define CYCLE_USEC (2 * USEC_PER_SEC)           /* for a new cycle to be cut where it is new, before that */
#define BREAK_USEC (30 * USEC_PER_SEC)          /* without copies, for the next one to be of a new cycle */
#define PROVEN_USEC USEC_PER_SEC                /* that a link carries messages, for it to be one of the tree */
#define ALONE_USEC USEC_PER_SEC                 /* between two messages, for each to be under way alone */
#define BEHIND_MAX 16384U                       /* ranges that wait for one link */
#define BROKEN_MAX 256U                         /* announcements of one link that led to nothing, one after the other */
#define STALLED_USEC (30 * USEC_PER_SEC)

bool link_carries(const Session *session) {
        return session->link_state == LINK_UP && !session->lingering && !session->ending;
}

size_t plumtree_n_eager(const Node *node) {
        size_t n = 0;

        for (const Session *session = node->sessions; session; session = session->next)
                n += link_carries(session) && !session->up->gossip.is_lazy;
        return n;
}

bool plumtree_has_link(const Node *node) {
        for (const Session *session = node->sessions; session; session = session->next)
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

/* A publisher may count on its share of a store for as long as it takes until a message is asked for. */
static_assert((OFFER_T1_USEC / ANNOUNCE_CALM_USEC + 3) * ANNOUNCE_CALM_SIZE < STORE_SHARE,
              "what is announced late must still be there when it is asked for");

/*
 * An announcement is a frame on every lazy link: where messages come one by one, announcing them costs more than sending them. So
 * few are collected for longer, while the tree is whole: that is, while nobody here has asked for anything, or was asked. And not
 * all for as long: who has the same messages at the same time had better not announce them in the same moment.
 */
static bool is_calm(const PeerNode *peer, usec_t now_usec) {
        return peer->announced_size <= ANNOUNCE_CALM_SIZE &&
               (peer->grafted_usec == 0 || now_usec >= usec_add(peer->grafted_usec, CALM_USEC));
}

static int announce(Node *node, const MessageId *id, size_t size, usec_t now_usec) {
        PeerNode *peer = node->peer;
        usec_t wait_usec = ANNOUNCE_USEC;
        int r;

        r = range_queue_append_message(&peer->announced, id);
        if (r < 0)
                return r;
        if (peer->announced.n == MESSAGE_RANGES_MAX)
                return plumtree_announce(node);

        peer->announced_size += store_cost(size);
        if (is_calm(peer, now_usec)) {
                if (timer_is_set(&peer->announce))
                        return 0;
                wait_usec = ANNOUNCE_CALM_USEC + random_below(&peer->broadcast_random, ANNOUNCE_CALM_USEC);
        }
        if (usec_add(now_usec, wait_usec) < peer->announce.when_usec)
                timer_set(&node->timers, &peer->announce, usec_add(now_usec, wait_usec));
        return 0;
}

/* The first ones of @ranges, as many as fit into one message. Return: how many, -ENOMEM. */
static int ihave_encode(const RangeQueue *ranges, FrameBuffer **ret) {
        Message message;
        int r;

        message.type = MESSAGE_IHAVE;
        message.ranges.n_ranges = MIN(ranges->n, (size_t) MESSAGE_RANGES_MAX);
        memcpy(message.ranges.ranges, range_queue_first(ranges), message.ranges.n_ranges * sizeof(Range));
        r = message_encode(ret, &message);
        return r < 0 ? r : (int) message.ranges.n_ranges;
}

static void ihave_send(Node *node, Session *session, FrameBuffer *frame) {
        session_send_frame(node, session, frame, false);
        node->counters[COUNTER_ANNOUNCEMENTS_SENT]++;
}

int plumtree_announce(Node *node) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        PeerNode *peer = node->peer;
        int r;

        timer_set(&node->timers, &peer->announce, USEC_INFINITY);
        peer->announced_size = 0;
        if (peer->announced.n == 0)
                return 0;

        r = ihave_encode(&peer->announced, &frame);
        if (r < 0)
                return r;
        range_queue_drop(&peer->announced, (size_t) r);
        for (Session *session = node->sessions; session; session = session->next)
                if (link_carries(session) && session->up->gossip.is_lazy)
                        ihave_send(node, session, frame);
        return 0;
}

/* ---- what waits ---- */

Arrears *arrears_free(Arrears *arrears) {
        if (!arrears)
                return NULL;
        range_queue_done(&arrears->behind);
        range_queue_done(&arrears->wanted);
        free(arrears);
        return NULL;
}

int link_get_arrears(Session *session, Arrears **ret) {
        LinkGossip *gossip = &session->up->gossip;

        if (!gossip->arrears)
                gossip->arrears = calloc(1, sizeof(*gossip->arrears));
        if (!gossip->arrears)
                return -ENOMEM;
        *ret = gossip->arrears;
        return 0;
}

bool link_is_behind(const SessionUp *up) {
        return up->gossip.arrears && up->gossip.arrears->behind.n > 0;
}

bool link_is_owed(const SessionUp *up) {
        return up->gossip.arrears && up->gossip.arrears->behind.n + up->gossip.arrears->wanted.n > 0;
}

/* What waits for room is announced instead. */
static int turn_lazy(Node *node, Session *session) {
        Arrears *arrears = session->up->gossip.arrears;

        session->up->gossip.is_lazy = true;
        session->up->gossip.is_useful = false;
        session->up->gossip.used_usec = 0;
        while (arrears && arrears->behind.n > 0) {
                _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
                int r;

                r = ihave_encode(&arrears->behind, &frame);
                if (r < 0)
                        return r;
                range_queue_drop(&arrears->behind, (size_t) r);
                ihave_send(node, session, frame);
        }
        if (arrears)
                range_queue_done(&arrears->behind);
        return 0;
}

/* ---- forwarding ---- */

static void is_used(LinkGossip *gossip, usec_t now_usec) {
        if (gossip->used_usec == 0 && !gossip->is_lazy)
                gossip->used_usec = now_usec;
}

/* A message behind others that wait does so, too: each link carries them in the order in which they came. */
static int forward_to(Node *node, Session *session, const MessageId *id, FrameBuffer *frame, usec_t now_usec) {
        Arrears *arrears;
        int r;

        if (!link_is_behind(session->up) && link_has_space(session, frame->size, node->settings.params.queue_max)) {
                plumtree_send(node, session, frame, now_usec);
                is_used(&session->up->gossip, now_usec);
                node->counters[COUNTER_GOSSIP_FORWARDED]++;
                return 0;
        }
        r = link_get_arrears(session, &arrears);
        if (r < 0)
                return r;
        return arrears->behind.n < BEHIND_MAX ? range_queue_append_message(&arrears->behind, id) : turn_lazy(node, session);
}

int plumtree_forward(Node *node, const MessageId *id, FrameBuffer *frame, LinkId but, usec_t now_usec) {
        bool has_lazy = false;

        for (Session *session = node->sessions; session; session = session->next) {
                int r;

                if (!link_carries(session) || session->link == but)
                        continue;
                if (!session->up->gossip.is_lazy && !offers_made(&node->peer->offers, id, session->link)) {
                        r = forward_to(node, session, id, frame, now_usec);
                        if (r < 0)
                                return r;
                }
                has_lazy = has_lazy || session->up->gossip.is_lazy;
        }
        return has_lazy ? announce(node, id, frame->size, now_usec) : 0;
}

/* Every link that would take a message at once has half a queue of others before it. */
bool plumtree_is_busy(const Node *node) {
        size_t n_eager = 0;

        for (const Session *session = node->sessions; session; session = session->next) {
                if (!link_carries(session) || session->up->gossip.is_lazy)
                        continue;
                if (session->n_queued <= node->settings.params.queue_max / 2 && !link_is_behind(session->up))
                        return false;
                n_eager++;
        }
        return n_eager > 0;
}

/* ---- the tree ---- */

/* What has been collected would be announced on lazy links only: on this one it is now. */
static int turn_eager(Node *node, Session *session) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        PeerNode *peer = node->peer;
        int r;

        if (!session->up->gossip.is_lazy)
                return 0;
        if (peer->announced.n > 0) {
                r = ihave_encode(&peer->announced, &frame);
                if (r < 0)
                        return r;
                ihave_send(node, session, frame);
        }
        session->up->gossip.is_lazy = false;
        peer->n_to_replace -= peer->n_to_replace > 0;
        return 0;
}

static int send_graft(Node *node, Session *session, const Message *message, usec_t now_usec) {
        int r;

        r = turn_eager(node, session);
        if (r < 0)
                return r;
        session->up->gossip.grafted_usec = now_usec;
        node->counters[COUNTER_GRAFTS_SENT]++;
        return session_send(node, session, message);
}

bool plumtree_has_tree(const Node *node) {
        for (const Session *session = node->sessions; session && !node->settings.params.gossip_flood; session = session->next)
                if (link_carries(session) && (session->up->gossip.is_lazy || session->up->gossip.used_usec > 0))
                        return true;
        return false;
}

static int prune(Node *node, Session *session) {
        Message message = { .type = MESSAGE_PRUNE };
        int r;

        node->counters[COUNTER_PRUNES_SENT]++;
        r = session_send(node, session, &message);
        return r < 0 ? r : turn_lazy(node, session);
}

/* The caller has no other link yet: what it is to get comes on this one. */
static bool is_first_of_caller(const Node *node, const Session *session) {
        return session_outgoing(session) ? links_n(node) <= 1 : session->n_links == 0;
}

/*
 * Where there is a tree, a new link would make a cycle of it, and cycles of messages that come from all sides are cut in more than
 * one place. So it is lazy, unless it takes the place of an eager one that was lost.
 */
int plumtree_link_up(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_GRAFT };
        PeerNode *peer = node->peer;

        if (peer->n_to_replace > 0) {
                peer->n_to_replace--;
                return send_graft(node, session, &message, now_usec);
        }
        return plumtree_has_tree(node) && !is_first_of_caller(node, session) ? prune(node, session) : 0;
}

/* On a lazy link it was on its way when that was pruned, or has been asked for: that says nothing of its use. */
void plumtree_on_first(Node *node, Session *session, usec_t now_usec) {
        PeerNode *peer = node->peer;

        peer->is_alone = now_usec >= usec_add(peer->first_usec, ALONE_USEC);
        peer->first_usec = now_usec;
        session->up->gossip.is_useful = !session->up->gossip.is_lazy;
        is_used(&session->up->gossip, now_usec);
}

/* It has brought something first, or carries messages since a while ago, and nobody objected. */
static bool is_of_tree(const LinkGossip *gossip, usec_t now_usec) {
        return gossip->is_useful || (gossip->used_usec > 0 && now_usec >= usec_add(gossip->used_usec, PROVEN_USEC));
}

/*
 * What comes much later than the first copy was missed by somebody, who passes it on now. A message that is under way alone cuts
 * every cycle once, where its copies meet.
 */
static bool is_to_be_pruned(Node *node, LinkGossip *gossip, const MessageId *id, usec_t now_usec) {
        usec_t since_usec = usec_sub(now_usec, gossip->copy_usec);

        if (gossip->copy_usec == 0 || since_usec >= BREAK_USEC)
                gossip->cycle_usec = now_usec;
        gossip->copy_usec = now_usec;
        if (gossip->is_lazy)
                return true;
        if (!is_of_tree(gossip, now_usec) || node->peer->is_alone) {
                const StoredMessage *stored = store_find(&node->peer->store, &id->origin, id->epoch, id->sequence);

                if (!stored || now_usec < usec_add(stored->stored_usec, OFFER_T1_USEC))
                        return true;
        }
        return now_usec >= usec_add(gossip->cycle_usec, CYCLE_USEC) &&
               random_below(&node->peer->broadcast_random, PRUNE_USEC) < MIN(since_usec, (usec_t) USEC_PER_SEC);
}

int plumtree_on_duplicate(Node *node, Session *session, const MessageId *id, usec_t now_usec) {
        LinkGossip *gossip = &session->up->gossip;

        if (!link_carries(session) || node->settings.params.gossip_flood)
                return 0;
        if (gossip->agreed_usec > 0 && now_usec < usec_add(gossip->agreed_usec, PRUNE_AGAIN_USEC + session->up->liveness.srtt_usec))
                return 0;
        if (!is_to_be_pruned(node, gossip, id, now_usec))
                return 0;

        gossip->agreed_usec = now_usec;
        return prune(node, session);
}

/* Sent before or after our GRAFT came: one that has crossed it is void, for that link is eager at both ends since. */
int plumtree_on_prune(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_GRAFT };
        LinkGossip *gossip = &session->up->gossip;

        if (!link_carries(session) || gossip->is_lazy ||
            (gossip->grafted_usec > 0 && now_usec < usec_add(gossip->grafted_usec, PRUNE_AGAIN_USEC + session->up->liveness.srtt_usec)))
                return 0;
        return plumtree_n_eager(node) > 1 ? turn_lazy(node, session) : send_graft(node, session, &message, now_usec);
}

int plumtree_on_ihave(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec) {
        PeerNode *peer = node->peer;
        bool has_new = false;

        for (size_t i = 0; i < ranges->n_ranges; i++) {
                int r = repair_on_offer(node, session, ranges->ranges + i, false, OFFER_T1_USEC, now_usec);

                if (r < 0)
                        return r;
                has_new = has_new || r > 0;
        }
        if (has_new)
                timer_set(&node->timers, &peer->graft, MIN(peer->graft.when_usec, usec_add(now_usec, OFFER_T1_USEC)));
        return 0;
}

int plumtree_on_graft(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec) {
        int r;

        r = turn_eager(node, session);
        if (r < 0)
                return r;
        session->up->gossip.agreed_usec = now_usec;
        if (ranges->n_ranges > 0)
                node->peer->grafted_usec = now_usec;
        return repair_on_want(node, session, ranges, now_usec);
}

/* ---- asking ---- */

/* All requests to one link: those that were announced as GRAFT, those that were listed as MSG_WANT. */
static int send_requests(Node *node, Session *session, OfferRequest *requests, size_t n, bool is_listed, usec_t now_usec) {
        Message message;

        message.type = is_listed ? MESSAGE_MSG_WANT : MESSAGE_GRAFT;
        message.ranges.n_ranges = 0;
        for (size_t i = 0; i < n; i++)
                if (requests[i].link == session->link && requests[i].is_listed == is_listed)
                        message.ranges.ranges[message.ranges.n_ranges++] = requests[i].range;
        if (message.ranges.n_ranges == 0)
                return 0;

        if (is_listed)
                return session_send(node, session, &message);
        node->peer->grafted_usec = now_usec;
        return send_graft(node, session, &message, now_usec);
}

static Session *find_liar(const Node *node) {
        for (Session *session = node->sessions; session; session = session->next)
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
        for (Session *session = node->sessions; n > 0 && session && r >= 0; session = session->next) {
                if (!link_carries(session))
                        continue;
                r = send_requests(node, session, requests, n, false, now_usec);
                if (r >= 0)
                        r = send_requests(node, session, requests, n, true, now_usec);
        }
        while (r >= 0 && (liar = find_liar(node)))
                r = session_protocol_error(node, liar, "It announces messages that it does not send when asked.", now_usec);
        return r;
}

/* ---- links ---- */

/* No message is sent from here: whoever reports what was sent may be carrying out what we asked for. */
void plumtree_on_sent(Node *node, Session *session, usec_t now_usec) {
        const SessionUp *up = session->up;

        if (up && link_is_owed(up) && session->n_queued < node->settings.params.queue_max / 2)
                timer_set(&node->timers, &node->peer->answer, MIN(node->peer->answer.when_usec, now_usec));
}

void plumtree_link_down(Node *node, Session *session) {
        LinkGossip *gossip = &session->up->gossip;

        node->peer->n_to_replace += !gossip->is_lazy && plumtree_has_tree(node);
        offers_forget_link(&node->peer->offers, session->link);
        arrears_free(gossip->arrears);
        *gossip = (LinkGossip) {};
}

/* Ends links that have taken nothing for too long. Ending one may end or begin others, so not while we walk over them. */
int plumtree_tick(Node *node, usec_t now_usec) {
        LinkId stalled[UINT8_MAX];
        size_t n_stalled = 0;

        for (const Session *session = node->sessions; session; session = session->next)
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
