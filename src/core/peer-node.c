/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The peer role: its place in the life of sessions. What it knows of members: peer-member.c. */

#include <errno.h>

#include "core/crawl.h"

#define REMEMBER_USEC (1 * USEC_PER_SEC)
#define EXPIRE_USEC (10 * USEC_PER_SEC)         /* stored messages live longer by so much */
#define SEEN_FORGET_FACTOR 2U                   /* so many times as long as messages are stored, they are known */
#define SETTLED_USEC (5 * USEC_PER_SEC)         /* so long after the start we do not call ourselves isolated yet */

void peer_remember(Node *node, usec_t now_usec) {
        if (!timer_is_set(&node->peer->save))
                timer_set(&node->timers, &node->peer->save, usec_add(now_usec, REMEMBER_USEC));
}

/* All that hear from a node hear its ticks: if theirs were in step, because all were started by one command, say, a node that hangs
 * would be asked by all of them equally late. Drawn apart, so that it changes nothing of what the overlay draws. */
static usec_t first_tick(const Node *node, usec_t now_usec) {
        usec_t interval_usec = node->settings.params.liveness_interval_usec;
        Random random = random_from_run(~get_be64(node->identity.id.bytes) ^ node->identity.epoch);

        return usec_add(now_usec, node->settings.params.liveness_in_step ? interval_usec : 1 + random_below(&random, interval_usec));
}

static void set_tick(Node *node, usec_t when_usec) {
        node->peer->tick_usec = when_usec;
        timer_set(&node->timers, &node->peer->tick, when_usec);
}

static int on_tick(Node *node, usec_t now_usec) {
        usec_t interval_usec = node->settings.params.liveness_interval_usec, due_usec = node->peer->tick_usec;
        int r;

        if (now_usec > usec_add(due_usec, interval_usec / 4))   /* what health.c calls late */
                due_usec = now_usec;
        set_tick(node, usec_add(now_usec, interval_usec));
        health_tick(node);
        r = node_leave_shown_epoch(node, now_usec);
        if (r >= 0)
                r = plumtree_tick(node, now_usec);
        return r < 0 ? r : liveness_tick(node, due_usec, now_usec);
}

static int peer_start(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        int r;

        set_tick(node, first_tick(node, now_usec));
        timer_set(&node->timers, &peer->lost, usec_add(now_usec, random_jitter(&node->random, 10 * USEC_PER_MINUTE)));
        timer_set(&node->timers, &peer->refresh, usec_add(now_usec, random_jitter(&node->random, 10 * USEC_PER_MINUTE)));
        timer_set(&node->timers, &peer->hello, usec_add(now_usec, node->settings.params.hello_interval_usec));
        timer_set(&node->timers, &peer->probe, usec_add(now_usec, random_jitter(&node->random, PROBE_USEC)));
        timer_set(&node->timers, &peer->settle, usec_add(now_usec, SETTLED_USEC));
        timer_set(&node->timers, &peer->expire, usec_add(now_usec, EXPIRE_USEC));
        timer_set(&node->timers, &peer->compare, usec_add(now_usec, random_jitter(&node->random, COMPARE_USEC)));

        rotation_start(node, now_usec);
        shuffle_start(node, now_usec);

        /* Without a seed the peers of the last time are all we have; with one they cost a few dials. The first are the
         * anchors of that time. */
        for (size_t i = peer->view.n_lost; i > 0 && peer->view.n_passive < peer->view.n_passive_max; i--)
                view_add(&peer->view, &peer->view.lost[i - 1].id, &peer->view.lost[i - 1].address);

        for (size_t i = peer->view.n_lost; i > 0 && peer->view.n_lost - i < MIN(ANCHORS, node->settings.params.links_outgoing); i--) {
                const Candidate *anchor = peer->view.lost + i - 1;

                if (links_is_useless(node, anchor))
                        continue;
                r = links_dial(node, &anchor->id, &anchor->address, PRIORITY_HIGH, now_usec);
                if (r < 0)
                        return r;
        }

        r = registrar_try(node, now_usec);
        if (r < 0)
                return r;
        return links_fill(node, now_usec);
}

static int peer_stop(Node *node, usec_t now_usec) {
        crawl_stop(node);
        rotation_stop(node);
        node_persist(node, PERSIST_PEERS);
        node_persist(node, PERSIST_PUBLISHED);
        return registrar_leave(node);
}

static int peer_opened(Node *node, Session *session, usec_t now_usec) {
        LinkId link = session->link;
        int r;

        if (session->use == SESSION_FOR_SEED)
                return registrar_opened(node, session, now_usec);
        if (session->use == SESSION_FOR_VERDICT)
                return suspicion_opened(node, session, now_usec);
        if (session->use == SESSION_FOR_SHUFFLE)
                return shuffle_opened(node, session, now_usec);
        if (session->use == SESSION_FOR_WITNESS)
                return witness_opened(node, session, now_usec);
        if (session->use == SESSION_FOR_CRAWL)
                return crawl_opened(node, session, now_usec);

        r = peer_heard_of(node, session, now_usec);
        if (r < 0)
                return r;
        session = session_find(node, link);
        return session ? links_opened(node, session, now_usec) : 0;
}

static int peer_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        int r;

        crawl_ended(node, session, now_usec);
        if (session->use == SESSION_FOR_CRAWL)
                return 0;
        if (session->use == SESSION_FOR_SEED)
                return registrar_ended(node, session, end, now_usec);
        r = session->use == SESSION_FOR_VERDICT ? suspicion_ended(node, session, end, now_usec) :
                                                  witness_ended(node, session, now_usec);
        if (r < 0)
                return r;
        if (session->use == SESSION_FOR_VERDICT || session->use == SESSION_FOR_WITNESS)
                return links_fill(node, now_usec);
        if (session->use == SESSION_FOR_SHUFFLE) {
                shuffle_ended(node, session);
                return 0;
        }

        r = links_ended(node, session, end, now_usec);
        return r < 0 ? r : suspicion_link_ended(node, session, now_usec);
}

static int peer_on_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        if (message->type == MESSAGE_LINKS)
                return crawl_on_links(node, session, &message->links, now_usec);
        if (message->type == MESSAGE_LINKS_OK)
                return crawl_on_links_ok(node, session, &message->links, now_usec);
        if (session->use == SESSION_FOR_SEED)
                return registrar_on_message(node, session, message, now_usec);
        if (message->type == MESSAGE_PROBE_REQ || message->type == MESSAGE_PROBE_ACK || message->type == MESSAGE_PROBE_NACK)
                return witness_on_message(node, session, message, now_usec);
        if (message->type == MESSAGE_MEMBERS)
                return members_on_message(node, session, &message->members, now_usec);
        if (message->type == MESSAGE_SYNC_DIGEST)
                return members_on_digest(node, session, &message->sync_digest, now_usec);
        if (message->type == MESSAGE_SYNC_RECORDS)
                return members_on_records(node, session, &message->sync_records, now_usec);
        if (message->type == MESSAGE_SHUFFLE)
                return shuffle_on_message(node, session, &message->shuffle, now_usec);
        if (message->type == MESSAGE_SHUFFLE_REPLY)
                return shuffle_on_reply(node, session, &message->shuffle, now_usec);
        if (message->type >= MESSAGE_GOSSIP && message->type <= MESSAGE_MSG_WANT)
                return gossip_on_any(node, session, message, now_usec);
        return links_on_message(node, session, message, now_usec);
}

static int peer_on_timer(Node *node, Timer *timer, usec_t now_usec) {
        PeerNode *peer = node->peer;
        int r;

        if (timer->kind == TIMER_MEMBER) {
                Member *member = container_of(timer, Member, timer);

                if (member->parting)
                        return peer_on_parted(node, member);
                r = member->asked_usec > 0 ? suspicion_on_member_timer(node, member, now_usec) :
                                             verdict_on_timer(node, member, now_usec);
                return r < 0 ? r : links_fill(node, now_usec);
        }

        switch ((PeerTimer) timer->kind) {

        case TIMER_TICK:
                return on_tick(node, now_usec);

        case TIMER_FILL:
                return links_fill(node, now_usec);

        case TIMER_LOST:
                return links_retry_lost(node, now_usec);

        case TIMER_REFRESH:
                return registrar_refresh(node, now_usec);

        case TIMER_HELLO:
                return gossip_hello(node, now_usec);

        case TIMER_SYNC:
                return registrar_sync(node, now_usec);

        case TIMER_REMEMBER:
                node_persist(node, PERSIST_PEERS);
                return 0;

        case TIMER_PROBE:
                return suspicion_probe(node, now_usec);

        case TIMER_NEWS:
                return members_on_news_timer(node, now_usec);

        case TIMER_COMPARE:
                return members_on_compare_timer(node, now_usec);

        case TIMER_DUTY:
                return duty_on_timer(node, now_usec);
        case TIMER_ANNOUNCE:
                return plumtree_announce(node);

        case TIMER_GRAFT:
                return plumtree_graft(node, now_usec);

        case TIMER_ORDER:
                return order_run(node, now_usec);

        case TIMER_REPAIR:
                return repair_on_timer(node, now_usec);

        case TIMER_ANSWER:
                return repair_answer(node, now_usec);

        case TIMER_EXPIRE:
                timer_set(&node->timers, timer, usec_add(now_usec, EXPIRE_USEC));
                store_expire(&peer->store, now_usec);
                return 0;

        case TIMER_SETTLE:
                peer->settled = true;
                return 0;

        case TIMER_ROTATE:
                return rotation_begin(node, now_usec);

        case TIMER_SHUFFLE:
                return shuffle_begin(node, now_usec);

        case TIMER_CRAWL:
                return crawl_on_timer(node, now_usec);
        }
        return 0;
}

static int peer_on_session_timer(Node *node, Session *session, usec_t now_usec) {
        if (session->use == SESSION_FOR_SEED)
                return registrar_on_session_timer(node, session, now_usec);
        if (session->link_state == LINK_UNDECIDED)
                return links_on_undecided_timer(node, now_usec);
        return session_close(node, session,
                             session->link_state == LINK_ASKED || session->link_state == LINK_SILENT ? CLOSE_TIMEOUT : CLOSE_IDLE,
                             NULL, now_usec);
}

static int peer_on_seed_failed(Node *node, SeedSlot *slot, usec_t now_usec) {
        return registrar_try(node, now_usec);
}

static int peer_on_doubted(Node *node, Session *session, usec_t now_usec) {
        int r;

        if (session->link_state == LINK_SILENT)
                return 0;               /* only the link is in question */
        r = witness_ask(node, &session->id, session->up->neighbours, session->up->n_neighbours, now_usec);
        return r < 0 ? r : suspicion_on_witness(node, &session->id, now_usec);  /* they may have said all already */
}

/* A link used up its strikes. */
static int peer_on_silent(Node *node, Session *session, usec_t now_usec) {
        usec_t since_usec = session->up->liveness.first_usec;
        unsigned n_strikes = session->up->liveness.n_strikes;
        Member *member = member_table_find(&node->members, &session->id);
        int r;

        if (!member || member->record.state != MEMBER_ALIVE || session->link_state != LINK_UP || !session->current)
                return session_close(node, session, CLOSE_TIMEOUT, "Liveness requests were not answered.", now_usec);

        member->n_others = suspicion_n_others(session);
        member->asked_usec = since_usec;
        r = links_silence(node, session, now_usec);
        return r < 0 ? r : suspicion_silent(node, member, n_strikes, now_usec);
}

static int peer_on_alive(Node *node, Session *session, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        int r;

        if (member) {
                member->heard_usec = now_usec;
                member->n_links = session->n_links;
        }
        if (session->link_state == LINK_SILENT && session->current) {
                r = links_restore(node, session, now_usec);
                if (r < 0)
                        return r;
                r = peer_heard_of(node, session, now_usec);
                if (r < 0)
                        return r;
        }
        r = witness_done(node, &session->id, now_usec);
        return r < 0 ? r : links_decide(node, now_usec);
}

static int peer_on_pong(Node *node, Session *session, const PingMessage *pong, usec_t now_usec) {
        if (pong->n_neighbours > 0) {
                session->up->n_neighbours = (unsigned) MIN(pong->n_neighbours, (size_t) NEIGHBOURS_NAMED);
                memcpy(session->up->neighbours, pong->neighbours, session->up->n_neighbours * sizeof(*pong->neighbours));
        }
        return duty_on_pong(node, session, pong->nonce);
}

static int peer_on_own_record_changed(Node *node, usec_t now_usec) {
        Message message = { .type = MESSAGE_REFUTE };
        int r;

        gossip_on_own_record(node);
        message.reg.record = node_record(node);
        for (Session *session = node->sessions; session; session = session->next) {
                if (session->link_state != LINK_UP || session->ending)
                        continue;
                r = session_send(node, session, &message);
                if (r < 0)
                        return r;
        }
        r = registrar_announce(node, now_usec);
        if (r < 0)
                return r;
        return links_fill(node, now_usec);
}

static int peer_on_clock_jumped(Node *node, usec_t late_usec, usec_t now_usec) {
        set_tick(node, usec_add(now_usec, node->settings.params.liveness_interval_usec));
        health_clock_jumped(node, now_usec);
        verdict_clock_jumped(node, now_usec);
        return suspicion_clock_jumped(node, now_usec);
}

static int peer_on_reconfigured(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;

        peer->seen.n_origins_max = node->settings.params.origins_max;
        peer->seen.forget_usec = SEEN_FORGET_FACTOR * node->settings.params.store_age_usec;
        store_set_bounds(&peer->store, node->settings.params.store_size_max, node->settings.params.store_age_usec);
        set_tick(node, usec_add(now_usec, node->settings.params.liveness_interval_usec));
        timer_set(&node->timers, &peer->hello, usec_add(now_usec, node->settings.params.hello_interval_usec));
        rotation_start(node, now_usec);
        shuffle_start(node, now_usec);
        return links_trim(node, now_usec);
}

static bool peer_failed(Node *node) {
        bool failed = node->peer->view.failed;

        node->peer->view.failed = false;
        return failed;
}

static NodeState peer_state(const Node *node) {
        if (node->started_usec == 0)
                return NODE_STARTING;
        if (links_n(node) > 0 || (node_n_registered(node) > 0 && node->members.n_live == 0))
                return NODE_ONLINE;
        return node->state == NODE_STARTING && !node->peer->settled ? NODE_STARTING : NODE_ISOLATED;
}

static unsigned peer_count_links(const Node *node) {
        return links_n(node);
}

static void peer_member_info(const Node *node, const Member *member, MemberInfo *ret) {
        const Session *session = session_of(node, &member->record.id);

        if (!session || session->link_state != LINK_UP)
                return;
        ret->linked = true;
        ret->incoming = !session_outgoing(session);
        ret->linked_usec = session->up->linked_usec;
        ret->heard_usec = session->received_usec;
        ret->rtt_usec = session->up->liveness.srtt_usec;
        ret->n_links = session->n_links;
}

static void peer_free(Node *node) {
        PeerNode *peer = node->peer;
        Timer *timers[] = {
                &peer->tick, &peer->fill, &peer->lost, &peer->refresh, &peer->hello, &peer->sync, &peer->save, &peer->settle,
                &peer->probe, &peer->duty, &peer->news_timer, &peer->compare, &peer->crawl_timer,
                &peer->shuffle.timer, &peer->rotate,
                &peer->announce, &peer->graft, &peer->order, &peer->repair, &peer->answer, &peer->expire,
        };

        for (size_t i = 0; i < ELEMENTSOF(timers); i++)
                timer_done(&node->timers, timers[i]);
        shuffle_done(node);
        duty_free_all(node);
        witness_free_all(node);
        crawl_free(peer->crawl);
        range_queue_done(&peer->announced);
        free(peer->high);
        offers_done(&peer->offers);
        store_done(&peer->store);
        members_free(node);
        seen_done(&peer->seen);
        view_done(&peer->view);
        free(peer);
        node->peer = NULL;
}

int peer_node_new(Node *node) {
        const Params *params = &node->settings.params;
        PeerNode *peer;
        int r;

        peer = node->peer = calloc(1, sizeof(*peer));
        if (!peer)
                return -ENOMEM;

        peer->publisher = node->identity;
        peer->broadcast_random = random_from_run(get_be64(node->identity.id.bytes) ^ node->identity.epoch);
        seen_init(&peer->seen, params->origins_max, SEEN_FORGET_FACTOR * params->store_age_usec);
        store_init(&peer->store, params->store_size_max, params->store_age_usec);
        view_init(&peer->view, params->passive_max, params->lost_max, random_u64(&node->random));
        sample_init(&peer->sample, &peer->view.key);

        struct {
                Timer *timer;
                PeerTimer kind;
        } timers[] = {
                { &peer->tick, TIMER_TICK }, { &peer->fill, TIMER_FILL }, { &peer->lost, TIMER_LOST },
                { &peer->refresh, TIMER_REFRESH }, { &peer->hello, TIMER_HELLO }, { &peer->sync, TIMER_SYNC },
                { &peer->save, TIMER_REMEMBER }, { &peer->settle, TIMER_SETTLE }, { &peer->probe, TIMER_PROBE },
                { &peer->news_timer, TIMER_NEWS }, { &peer->compare, TIMER_COMPARE }, { &peer->duty, TIMER_DUTY },
                { &peer->shuffle.timer, TIMER_SHUFFLE },
                { &peer->rotate, TIMER_ROTATE },
                { &peer->crawl_timer, TIMER_CRAWL },
                { &peer->announce, TIMER_ANNOUNCE }, { &peer->graft, TIMER_GRAFT },
                { &peer->order, TIMER_ORDER }, { &peer->repair, TIMER_REPAIR }, { &peer->answer, TIMER_ANSWER },
                { &peer->expire, TIMER_EXPIRE },
        };
        for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
                r = timer_init(&node->timers, timers[i].timer, timers[i].kind);
                if (r < 0)
                        return r;
        }
        return 0;
}

const RoleOps peer_ops = {
        .start = peer_start,
        .stop = peer_stop,
        .free = peer_free,
        .opened = peer_opened,
        .ended = peer_ended,
        .left = peer_left,
        .message = peer_on_message,
        .timer = peer_on_timer,
        .session_timer = peer_on_session_timer,
        .seed_timer = registrar_on_seed_timer,
        .seed_failed = peer_on_seed_failed,
        .seeds_changed = registrar_try,
        .doubted = peer_on_doubted,
        .sent = plumtree_on_sent,
        .silent = peer_on_silent,
        .alive = peer_on_alive,
        .name_neighbours = witness_name,
        .ponged = peer_on_pong,
        .own_record_changed = peer_on_own_record_changed,
        .clock_jumped = peer_on_clock_jumped,
        .reconfigured = peer_on_reconfigured,
        .failed = peer_failed,
        .state = peer_state,
        .n_links = peer_count_links,
        .member_info = peer_member_info,
};

/* ---- peer-node.h ---- */

unsigned peer_n_links(const Node *node) {
        return links_n(node);
}

size_t peer_n_sampled(const Node *node) {
        const MemberTable *members = &node->members;
        size_t n_others = node->peer->list_total > 0 ? node->peer->list_total - 1 : 0;

        return members->n >= members->n_max && n_others > members->n_live ? n_others : 0;
}

unsigned peer_n_links_out(const Node *node) {
        return node->peer->n_out;
}

uint64_t peer_sequence(const Node *node) {
        return node->peer->sequence;
}

static bool seed_is_at(const Session *session, const Address *address) {
        if (session->role != ROLE_SEED || session->state != SESSION_OPEN)
                return false;
        for (size_t i = 0; i < session->n_addresses; i++)
                if (address_equal(session->addresses + i, address))
                        return true;
        return address_equal(&session->remote, address);
}

int peer_connect(Node *node, const Address *address, usec_t now_usec) {
        if (!node_runs(node))
                return -ENOTCONN;
        if (!address_is_dialable(address))
                return -EINVAL;
        for (const Session *session = node->sessions; session; session = session->next) {
                if (seed_is_at(session, address))
                        return -EISCONN;
                if (session->use != SESSION_FOR_SEED && address_equal(&session->remote, address) &&
                    (session->use == SESSION_FOR_LINK || session->link_state != LINK_NONE))
                        return -EALREADY;
        }
        return links_dial(node, &NODE_ID_NULL, address, PRIORITY_MERGE, now_usec);
}

int peer_disconnect(Node *node, const NodeId *id, usec_t now_usec) {
        Session *session = session_of(node, id);

        if (!session || session->link_state != LINK_UP)
                return -ESRCH;
        return links_disconnect(node, session, CLOSE_DONE, "Disconnected by the administrator.", now_usec);
}

int peer_set_lost(Node *node, const LostPeer *peers, size_t n) {
        for (size_t i = n; i > 0; i--)          /* the best one is the last to be forgotten */
                view_lose(&node->peer->view, &peers[i - 1].id, &peers[i - 1].address);
        return 0;
}

size_t peer_lost(const Node *node, LostPeer *ret, size_t n_max) {
        const View *view = &node->peer->view;
        const Session *anchors[ANCHORS];
        size_t n_anchors = MIN(rotation_anchors(node, anchors), n_max), n = 0;

        for (; n < n_anchors; n++)
                ret[n] = (LostPeer) { anchors[n]->id, anchors[n]->addresses[0] };
        for (size_t i = view->n_lost; i > 0 && n < n_max; i--) {
                const Candidate *lost = view->lost + i - 1;
                bool is_anchor = false;

                for (size_t j = 0; j < n_anchors; j++)
                        is_anchor |= address_equal(&ret[j].address, &lost->address);
                if (!is_anchor)
                        ret[n++] = (LostPeer) { lost->id, lost->address };
        }
        return n;
}
