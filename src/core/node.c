/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The facade: events come in here, and what belongs to no single session or role is decided here. */

#include <errno.h>
#include <limits.h>

#include "core/node-internal.h"

/* A stop says goodbye on every connection, and each of them may cost a report, a notice and a hang-up before. */
#define EFFECTS_PER_CONNECTION 6U
#define EFFECTS_MIN 2048U

static const char *const counter_names[_COUNTER_MAX] = {
        [COUNTER_SESSIONS_IN] = "SessionsIn",
        [COUNTER_SESSIONS_OUT] = "SessionsOut",
        [COUNTER_SESSIONS_REFUSED] = "SessionsRefused",
        [COUNTER_SESSIONS_FAILED] = "SessionsFailed",
        [COUNTER_FRAMES_IN] = "FramesIn",
        [COUNTER_FRAMES_OUT] = "FramesOut",
        [COUNTER_BYTES_OUT] = "BytesOut",
        [COUNTER_FRAMES_UNKNOWN] = "FramesUnknown",
        [COUNTER_FRAMES_MALFORMED] = "FramesMalformed",
        [COUNTER_PINGS_SENT] = "PingsSent",
        [COUNTER_STRIKES] = "Strikes",
        [COUNTER_WITNESSES_ASKED] = "WitnessesAsked",
        [COUNTER_ACCUSATIONS_SPARED] = "AccusationsSpared",
        [COUNTER_ACCUSATIONS_WITHHELD] = "AccusationsWithheld",
        [COUNTER_REPORTS_SENT] = "ReportsSent",
        [COUNTER_REFUTATIONS] = "Refutations",
        [COUNTER_LINKS_SLOW] = "LinksSlow",
        [COUNTER_BUSY_SENT] = "BusySent",
        [COUNTER_BUSY_RECEIVED] = "BusyReceived",
        [COUNTER_SHUFFLES_ANSWERED] = "ShufflesAnswered",
        [COUNTER_SHUFFLES_REFUSED] = "ShufflesRefused",
        [COUNTER_GOSSIP_PUBLISHED] = "GossipPublished",
        [COUNTER_GOSSIP_RECEIVED] = "GossipReceived",
        [COUNTER_GOSSIP_DUPLICATES] = "GossipDuplicates",
        [COUNTER_GOSSIP_FORWARDED] = "GossipForwarded",
        [COUNTER_GOSSIP_REFUSED] = "GossipRefused",
        [COUNTER_GOSSIP_LOST] = "GossipLost",
        [COUNTER_GOSSIP_UNCERTAIN] = "GossipUncertain",
        [COUNTER_GOSSIP_REPAIRED] = "GossipRepaired",
        [COUNTER_ANNOUNCEMENTS_SENT] = "AnnouncementsSent",
        [COUNTER_GRAFTS_SENT] = "GraftsSent",
        [COUNTER_PRUNES_SENT] = "PrunesSent",
        [COUNTER_MEMBERS_REFUSED] = "MembersRefused",
        [COUNTER_NEWS_IGNORED] = "NewsIgnored",
        [COUNTER_NEWS_SENT] = "NewsSent",
        [COUNTER_REPORTS_RECEIVED] = "ReportsReceived",
        [COUNTER_REPORTS_FALSE] = "ReportsFalse",
        [COUNTER_DEATHS] = "Deaths",
        [COUNTER_SYNC_RECORDS_IN] = "SyncRecordsIn",
        [COUNTER_SYNC_RECORDS_OUT] = "SyncRecordsOut",
};

const char *counter_to_string(Counter counter) {
        return counter < _COUNTER_MAX ? counter_names[counter] : NULL;
}

uint64_t node_counter(const Node *node, Counter counter) {
        return node->counters[counter];
}

void node_set_distributions(Node *node, Distributions *distributions) {
        node->distributions = distributions;
}

void node_observe(Node *node, Distribution distribution, uint64_t value) {
        if (node->distributions)
                histogram_add(node->distributions->histograms + distribution, value);
}

/* ---- life ---- */

int node_new(Node **ret, const NodeSettings *settings, const NodeIdentity *identity, EffectQueue *effects, uint64_t run) {
        _cleanup_(node_freep) Node *node = NULL;
        int r;

        assert(!node_id_is_null(&identity->id));
        assert(identity->epoch < EPOCH_MAX);

        node = calloc(1, sizeof(*node));
        if (!node)
                return -ENOMEM;

        node->settings = *settings;
        node->identity = *identity;
        node->random = random_from_run(run);
        node->ops = settings->role == ROLE_PEER ? &peer_ops : &seed_ops;
        member_table_init(&node->members, &node->timers, TIMER_MEMBER, settings->params.members_max);

        node->effects = effects;
        effect_queue_allow(effects, EFFECTS_MIN + EFFECTS_PER_CONNECTION * settings->params.connections_max);

        r = settings->role == ROLE_PEER ? peer_node_new(node) : seed_node_new(node);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(node);
        return 0;
}

Node *node_free(Node *node) {
        if (!node)
                return NULL;

        session_free_all(node);
        if (node->peer)                 /* or node->seed: one union */
                node->ops->free(node);
        seed_list_free(node);
        member_table_done(&node->members);
        timer_queue_done(&node->timers);
        free(node->pings);
        free(node);
        return NULL;
}

/* The end of every event: whether we are online follows from everything else. */
static int node_settle(Node *node, int r) {
        NodeState state = node->state == NODE_STOPPING ? NODE_STOPPING : node->ops->state(node);

        if (effect_queue_failed(node->effects) || (node->ops->failed && node->ops->failed(node)))
                r = -ENOMEM;
        if (r >= 0 && state != node->state) {
                node->state = state;
                node_notice(node, NOTICE_STATE)->state = state;
        }
        return MIN(r, 0);
}

int node_start(Node *node, usec_t now_usec) {
        assert(node->started_usec == 0);

        node->started_usec = MAX(now_usec, (usec_t) 1);
        return node_settle(node, node->ops->start(node, now_usec));
}

int node_stop(Node *node, usec_t now_usec) {
        int r;

        if (!node_runs(node))
                return 0;

        r = node->ops->stop(node, now_usec);
        if (r < 0)
                return r;

        node->state = NODE_STOPPING;
        node_notice(node, NOTICE_STATE)->state = NODE_STOPPING;
        return node_settle(node, session_close_all(node, CLOSE_LEAVING, now_usec));
}

int node_reconfigure(Node *node, const NodeSettings *settings, usec_t now_usec) {
        bool other_network = !streq(settings->network, node->settings.network);
        int r;

        assert(settings->role == node->settings.role);
        assert(settings->port == node->settings.port);

        if (!node_runs(node))
                return 0;

        node->settings = *settings;
        node->members.n_max = settings->params.members_max;
        if (other_network) {
                r = session_close_all(node, CLOSE_DONE, now_usec);
                if (r < 0)
                        return r;
        }
        return node_settle(node, node->ops->reconfigured(node, now_usec));
}

int node_set_seeds(Node *node, const SeedEntry *entries, size_t n, usec_t now_usec) {
        int r;

        r = seed_list_set(node, entries, n, now_usec);
        if (r < 0 || !node_runs(node))
                return r;
        return node_settle(node, node->ops->seeds_changed(node, now_usec));
}

/* ---- events ---- */

int node_on_accepted(Node *node, LinkId link, const Address *remote, usec_t now_usec) {
        assert(link_id_is_accepted(link));

        if (!node_runs(node)) {
                effect_queue_push(node->effects, EFFECT_HANG_UP)->link = link;
                return 0;
        }
        return node_settle(node, session_accept(node, link, remote, now_usec));
}

int node_on_link(Node *node, LinkId link, LinkChange change, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        return node_settle(node, session_on_link(node, session, change, now_usec));
}

int node_on_received(Node *node, LinkId link, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        return node_settle(node, liveness_on_received(node, session, now_usec));
}

int node_on_message(Node *node, LinkId link, const Message *message, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        node->counters[COUNTER_FRAMES_IN]++;
        return node_settle(node, session_on_message(node, session, message, now_usec));
}

int node_on_unknown(Node *node, LinkId link, unsigned type, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        node->counters[COUNTER_FRAMES_IN]++;
        node->counters[COUNTER_FRAMES_UNKNOWN]++;
        if (session->state == SESSION_OPEN)
                return 0;
        return node_settle(node, session_protocol_error(node, session, "An unknown message before the handshake was done.",
                                                        now_usec));
}

int node_on_malformed(Node *node, LinkId link, int error, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        return node_settle(node, session_protocol_error(node, session,
                                                        error == -EMSGSIZE ? "A frame was longer than is accepted." :
                                                                             "A frame could not be decoded.",
                                                        now_usec));
}

size_t node_frame_size_max(const Node *node, LinkId link) {
        const Session *session = session_find(node, link);

        return session && session->state == SESSION_OPEN ? FRAME_SIZE_MAX : FRAME_SIZE_MAX_HANDSHAKE;
}

int node_on_sent(Node *node, LinkId link, size_t n_bytes, size_t n_frames, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        session->n_queued -= MIN(n_bytes, session->n_queued);
        session->drained_usec = now_usec;
        if (node->ops->sent)
                node->ops->sent(node, session, now_usec);
        return 0;
}

int node_on_backlog(Node *node, LinkId link, size_t n_ahead, usec_t now_usec) {
        Session *session = session_find(node, link);

        if (!node_runs(node) || !session)
                return 0;
        return node_settle(node, liveness_on_backlog(node, session, n_ahead, now_usec));
}

int node_on_resolved(Node *node, unsigned seed, const Address *addresses, size_t n, const char *detail, usec_t now_usec) {
        if (!node_runs(node))
                return 0;
        return node_settle(node, seed_list_on_resolved(node, seed, addresses, n, detail, now_usec));
}

/* Nobody but us slept or was held up: what others seem to have missed meanwhile they have not. */
static int node_clock_jumped(Node *node, usec_t late_usec, usec_t now_usec) {
        node_notice(node, NOTICE_CLOCK_JUMP)->duration = late_usec;
        for (Session *session = node->sessions; session; session = session->next) {
                liveness_forget(node, session);
                session->received_usec = session->drained_usec = now_usec;
        }
        return node->ops->clock_jumped(node, late_usec, now_usec);
}

static int node_on_timer(Node *node, Timer *timer, usec_t now_usec) {
        switch ((TimerKind) timer->kind) {

        case TIMER_SESSION:
                return session_on_timer(node, container_of(timer, Session, timer), now_usec);

        case TIMER_LIVENESS:
                return liveness_on_timer(node, container_of(timer, SessionUp, liveness.timer)->session, now_usec);

        case TIMER_SEED:
                return seed_slot_on_timer(node, container_of(timer, SeedSlot, timer), now_usec);

        case TIMER_MEMBER:
        case TIMER_ROLE:
                break;
        }
        return node->ops->timer(node, timer, now_usec);
}

int node_on_deadline(Node *node, usec_t now_usec) {
        usec_t due_usec = node_deadline(node);
        Timer *timer;
        int r;

        if (!node_runs(node))
                return 0;

        node->late_usec = usec_sub(now_usec, due_usec);
        if (due_usec != USEC_INFINITY && now_usec > usec_add(due_usec, CLOCK_JUMP_USEC)) {
                r = node_clock_jumped(node, now_usec - due_usec, now_usec);
                if (r < 0)
                        return r;
        } else
                node->late_most_usec = MAX(node->late_most_usec, node->late_usec);

        while ((timer = timer_queue_pop(&node->timers, now_usec))) {
                r = node_on_timer(node, timer, now_usec);
                if (r < 0)
                        return r;
        }
        return node_settle(node, 0);
}

bool node_pop_effect(Node *node, Effect *ret) {
        return effect_queue_pop(node->effects, ret);
}

usec_t node_deadline(const Node *node) {
        return node->state == NODE_STOPPING ? USEC_INFINITY : timer_queue_next(&node->timers);
}

/* ---- what is told ---- */

void node_persist(Node *node, PersistWhat what) {
        effect_queue_push(node->effects, EFFECT_PERSIST)->persist = what;
}

Notice *node_notice(Node *node, NoticeType type) {
        Notice *notice = &effect_queue_push(node->effects, EFFECT_NOTICE)->notice;

        notice->type = type;
        return notice;
}

Notice *node_notice_session(Node *node, NoticeType type, const Session *session) {
        Notice *notice = node_notice(node, type);

        notice->id = session->id;
        memcpy(notice->name, session->name, strlen(session->name) + 1);
        notice->address = session_outgoing(session) || session->n_addresses == 0 ? session->remote : session->addresses[0];
        notice->incoming = !session_outgoing(session);
        notice->reason = session->reason;
        if (session->detail)
                memcpy(notice->detail, session->detail, strlen(session->detail) + 1);
        return notice;
}

Notice *node_notice_member(Node *node, NoticeType type, const Member *member) {
        Notice *notice = node_notice(node, type);

        notice->id = member->record.id;
        memcpy(notice->name, member->record.name, sizeof(notice->name));
        if (member->record.n_addresses > 0)
                notice->address = member->record.addresses[0];
        notice->held_state = member->record.state;
        notice->epoch = member->record.epoch;
        return notice;
}

/* ---- asking ---- */

const NodeSettings *node_settings(const Node *node) {
        return &node->settings;
}

const NodeIdentity *node_identity(const Node *node) {
        return &node->identity;
}

uint32_t node_incarnation(const Node *node) {
        return node->incarnation;
}

NodeState node_state(const Node *node) {
        return node->state;
}

usec_t node_started_usec(const Node *node) {
        return node->started_usec;
}

size_t node_n_sessions(const Node *node) {
        return node->n_sessions;
}

size_t node_n_members(const Node *node) {
        return node->members.n;
}

size_t node_n_alive(const Node *node) {
        return node->members.n_live;
}

size_t node_n_suspect(const Node *node) {
        return node->members.n_suspect;
}

static void member_info(const Node *node, const Member *member, MemberInfo *ret) {
        *ret = (MemberInfo) {
                .record = &member->record,
                .state = member->record.state,
                .lost = member->hidden,
                .since_usec = member->since_usec,
                .heard_usec = member->heard_usec,
                .n_links = member->n_links == UINT_MAX ? 0 : member->n_links,
        };
        node->ops->member_info(node, member, ret);
}

MemberInfo node_member_at(const Node *node, size_t index) {
        MemberInfo info;

        assert(index < node->members.n);
        member_info(node, node->members.members[index], &info);
        return info;
}

bool node_member(const Node *node, const NodeId *id, MemberInfo *ret) {
        const Member *member = member_table_find(&node->members, id);

        if (!member)
                return false;
        member_info(node, member, ret);
        return true;
}

size_t node_n_seeds(const Node *node) {
        return node->n_seeds;
}

/* For people: a seed that failed is unreachable until it has answered again, also when nobody needs it just now. */
static SeedState slot_shown_state(const SeedSlot *slot) {
        if (slot->state == SEED_REGISTERED && !slot->confirmed)
                return SEED_CONNECTING;
        return slot->state == SEED_STANDBY && slot->error ? SEED_UNREACHABLE : slot->state;
}

SeedInfo node_seed_at(const Node *node, size_t index) {
        const SeedSlot *slot;
        SeedInfo info;

        assert(index < node->n_seeds);
        slot = node->seeds[index];
        info = (SeedInfo) {
                .entry = { .port = slot->port, .self = slot->self },
                .state = slot_shown_state(slot),
                .address = slot->address,
                .id = slot->id,
                .name = slot->name ?: "",
                .total = slot->total,
                .next_usec = slot->timer.when_usec,
                .since_usec = slot->since_usec,
                .error = slot->error ?: "",
        };
        memcpy(info.entry.host, slot->host, strlen(slot->host) + 1);
        return info;
}

unsigned node_n_registered(const Node *node) {
        unsigned n = 0;

        for (size_t i = 0; i < node->n_seeds; i++)
                n += node->seeds[i]->state == SEED_REGISTERED && node->seeds[i]->confirmed;
        return n;
}

unsigned node_n_wanted(const Node *node) {
        unsigned n = 0;

        for (size_t i = 0; i < node->n_seeds; i++)
                n += node->seeds[i]->state != SEED_SELF;
        if (node->settings.role == ROLE_SEED)
                return n;
        return n == 0 ? 0 : n / 2 + 1;
}

int node_ping(Node *node, const NodeId *id, uint64_t token, usec_t now_usec) {
        const Member *member = member_table_find(&node->members, id);
        Session *session = session_of(node, id);
        PendingPing *ping = NULL;
        int r;

        if (!node_runs(node))
                return -ENOTCONN;
        if (!member && !session)
                return -ESRCH;
        if (!node->pings)
                node->pings = calloc(PINGS_MAX, sizeof(*node->pings));
        if (!node->pings)
                return -ENOMEM;
        for (size_t i = 0; i < PINGS_MAX && !ping; i++)
                if (node->pings[i].link == 0)
                        ping = node->pings + i;
        if (!ping)
                return -EBUSY;

        if (session && !session->lingering) {
                Message message = { .type = MESSAGE_PING, .ping.nonce = random_u64(&node->random) };

                *ping = (PendingPing) { token, message.ping.nonce, session->link, now_usec };
                message.ping.n_links = node_n_own_links(node);
                return session_send(node, session, &message);
        }

        if (!member || member->record.n_addresses == 0)
                return -EHOSTUNREACH;
        r = session_dial(node, member->record.addresses, SESSION_FOR_PING, id, HANDSHAKE_USEC, now_usec, &session);
        if (r < 0)
                return r;
        *ping = (PendingPing) { token, random_u64(&node->random), session->link, now_usec };
        return 0;
}
