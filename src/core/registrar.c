/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A peer and its seeds: it keeps itself registered with a random majority of them, takes the union of their lists,
 * renews, and reports who does not answer it. PROTOCOL.md, section 6.
 *
 *      session opens -> REGISTER -> REGISTER_OK -> LIST -> LIST_OK -> (every 30 s) RENEW -> RENEW_OK
 *
 * A seed that fails is replaced by another one that is on standby; when none is left the failed ones are tried again
 * as their waiting ends, for ever.
 */

#include "core/peer-node-internal.h"

#define ANSWER_USEC (5 * USEC_PER_SEC)
#define RENEW_MIN_USEC (1 * USEC_PER_SEC)        /* however short the lease that a seed gives */
#define REFRESH_USEC (10 * USEC_PER_MINUTE)
#define REFRESH_EARLY_MIN_USEC (1 * USEC_PER_SEC)
#define REFRESH_EARLY_MAX_USEC (60 * USEC_PER_SEC)
#define REFRESH_PASSIVE 8U              /* fewer passive peers than that ask for more, when there are more */
#define SYNC_FIRST_USEC (500 * USEC_PER_MSEC)   /* seeds have told each other by then */
#define SYNC_NEXT_USEC (2 * USEC_PER_SEC)
#define FRESH_TOTAL_MAX 256U            /* in a larger network whole tables would be sent to all who join at once */
#define FRESH_SYNCS 2U
#define MERGES_EXPECTED 8U              /* of all nodes with full tables, between two renewals */
#define REPORTS_MAX 16U                 /* open ones that a seed takes of one reporter */

static bool slot_is_active(const SeedSlot *slot) {
        return slot->state == SEED_RESOLVING || slot->state == SEED_CONNECTING || slot->state == SEED_REGISTERED;
}

int registrar_try(Node *node, usec_t now_usec) {
        SeedSlot *standby[SEEDS_MAX];
        unsigned n_wanted = node_n_wanted(node), n_active = 0;
        size_t n_standby = 0;
        int r;

        if (node->state == NODE_STOPPING || node->closing)
                return 0;

        for (size_t i = 0; i < node->n_seeds; i++) {
                if (slot_is_active(node->seeds[i]))
                        n_active++;
                else if (node->seeds[i]->state == SEED_STANDBY)
                        standby[n_standby++] = node->seeds[i];
        }

        random_shuffle(&node->random, standby, n_standby, sizeof(*standby));
        for (size_t i = 0; i < n_standby && n_active < n_wanted; i++, n_active++) {
                r = seed_slot_try(node, standby[i], now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A registered seed, at random; NULL: there is none. */
static SeedSlot *registrar_pick(Node *node) {
        SeedSlot *picked = NULL;
        unsigned n = 0;

        for (size_t i = 0; i < node->n_seeds; i++)
                if (node->seeds[i]->state == SEED_REGISTERED && random_below(&node->random, ++n) == 0)
                        picked = node->seeds[i];
        return picked;
}

/* The one that we exchange digests with: the first of the list, so that it is one and not a majority. */
static const SeedSlot *registrar_first(const Node *node) {
        for (size_t i = 0; i < node->n_seeds; i++)
                if (node->seeds[i]->state == SEED_REGISTERED)
                        return node->seeds[i];
        return NULL;
}

/* A table full of those who live would be found different for ever, if it is not for all whom the seed lists. */
static int registrar_compare(Node *node, const SeedSlot *slot, Session *session) {
        bool has_room = node->members.n_live < node->members.n_max || slot->total <= node->members.n_max;

        return has_room ? sync_send_digest(node, session) : 0;
}

static int registrar_ask(Node *node, Session *session, const Message *message, usec_t now_usec) {
        session->n_requests++;
        session_set_timer(node, session, usec_add(now_usec, ANSWER_USEC));
        return session_send(node, session, message);
}

static void registrar_answered(Node *node, Session *session) {
        if (session->n_requests > 0 && --session->n_requests == 0)
                session_set_timer(node, session, USEC_INFINITY);
}

static int registrar_register(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_REGISTER };

        message.reg.record = node_record(node);
        message.reg.n_links = node_n_own_links(node);
        return registrar_ask(node, session, &message, now_usec);
}

static int registrar_list(Node *node, Session *session, usec_t now_usec) {
        Message message = { .type = MESSAGE_LIST, .list.count = MESSAGE_RECORDS_MAX };

        return registrar_ask(node, session, &message, now_usec);
}

/* Another entry that leads to the same node: the two are one seed. */
static SeedSlot *registrar_twin(Node *node, const SeedSlot *slot, const NodeId *id) {
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *other = node->seeds[i];

                if (other != slot && !other->alias && node_id_equal(&other->id, id) &&
                    (other->state == SEED_REGISTERED || other->state == SEED_STANDBY))
                        return other;
        }
        return NULL;
}

int registrar_opened(Node *node, Session *session, usec_t now_usec) {
        SeedSlot *slot = session->seed, *twin;
        int r;

        if (!slot)
                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
        if (session->role != ROLE_SEED)
                return session_close(node, session, CLOSE_NOT_ALLOWED, "A seed was expected at this address.", now_usec);

        twin = registrar_twin(node, slot, &session->id);
        if (twin) {
                slot->alias = true;
                slot->id = session->id;
                slot->session = NULL;
                slot->state = SEED_SELF;
                if (twin->session)
                        twin->session->seed = NULL;
                slot = twin;
        }
        r = seed_slot_opened(node, slot, session, now_usec);
        if (r < 0)
                return r;
        return registrar_register(node, session, now_usec);
}

int registrar_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        SeedSlot *slot = session->seed;
        int r;

        if (!slot || slot->session != session)
                return 0;

        if (slot->state == SEED_REGISTERED && end == END_BY_US && session->reason == CLOSE_SUPERSEDED) {
                /* The newer session with that seed is just being opened, and registrar_opened() takes it over. */
                slot->session = NULL;
                slot->state = SEED_STANDBY;
                return 0;
        }
        if (slot->state == SEED_REGISTERED) {
                Notice *notice;

                seed_list_release_aliases(node, &slot->id, now_usec);
                r = seed_slot_ended(node, slot, end, now_usec);
                if (r < 0 || node->state == NODE_STOPPING)
                        return r;
                notice = node_notice(node, NOTICE_SEED_LOST);
                seed_slot_text(slot, notice->seed);
                notice->address = slot->address;
                notice->n = node_n_registered(node);
                notice->n_max = node_n_wanted(node);
                if (slot->error)
                        memcpy(notice->detail, slot->error, strlen(slot->error) + 1);
                return 0;
        }
        return seed_slot_ended(node, slot, end, now_usec);
}

int registrar_on_session_timer(Node *node, Session *session, usec_t now_usec) {
        return session_close(node, session, CLOSE_TIMEOUT, "The seed does not answer.", now_usec);
}

int registrar_on_seed_timer(Node *node, SeedSlot *slot, usec_t now_usec) {
        Message message = {
                .type = MESSAGE_RENEW,
                .renew = {
                        .epoch = node->identity.epoch,
                        .incarnation = node->incarnation,
                        .n_links = node_n_own_links(node),
                },
        };

        return registrar_ask(node, slot->session, &message, now_usec);
}

static void registrar_schedule_renewal(Node *node, SeedSlot *slot, uint32_t lease_msec, usec_t now_usec) {
        /* A seed with a shorter lease than ours still hears of us three times in it. */
        usec_t renew_usec = CLAMP((usec_t) lease_msec * USEC_PER_MSEC / 3, RENEW_MIN_USEC, node->settings.params.renew_usec);

        timer_set(&node->timers, &slot->timer,
                  usec_add(now_usec, renew_usec - random_below(&node->random, renew_usec / 10 + 1)));
}

static int registrar_report_to(Node *node, Session *session, const Member *member) {
        Message message = {
                .type = MESSAGE_DEAD_REPORT,
                .dead_report = {
                        .id = member->record.id,
                        .epoch = member->record.epoch,
                        .incarnation = member->record.incarnation,
                },
        };

        node->counters[COUNTER_REPORTS_SENT]++;
        return session_send(node, session, &message);
}

/* What we found out while no seed could be told, and it still holds. */
static int registrar_report_accused(Node *node, Session *session) {
        unsigned n = 0;
        int r;

        for (size_t i = 0; i < node->members.n && n < REPORTS_MAX; i++) {
                const Member *member = node->members.members[i];

                if (!member->accused)
                        continue;
                r = registrar_report_to(node, session, member);
                if (r < 0)
                        return r;
                n++;
        }
        return 0;
}

static int registrar_on_register_ok(Node *node, SeedSlot *slot, Session *session, const RegisterOkMessage *ok,
                                    usec_t now_usec) {
        LinkId link = session->link;
        Notice *notice;
        int r;

        slot->total = ok->total;
        slot->backoff_usec = 0;
        slot->confirmed = true;
        registrar_answered(node, session);
        registrar_schedule_renewal(node, slot, ok->lease_msec, now_usec);

        notice = node_notice(node, NOTICE_SEED_REGISTERED);
        seed_slot_text(slot, notice->seed);
        notice->address = slot->address;
        notice->id = slot->id;
        if (slot->name)
                memcpy(notice->name, slot->name, strlen(slot->name) + 1);
        notice->n = node_n_registered(node);
        notice->n_max = node_n_wanted(node);
        notice->total = ok->total > 0 ? ok->total - 1 : 0;

        if (ok->total <= FRESH_TOTAL_MAX) {
                /* Whoever registered elsewhere in the same moment is not in this list yet. */
                node->peer->n_fresh = FRESH_SYNCS;
                if (!timer_is_set(&node->peer->sync))
                        timer_set(&node->timers, &node->peer->sync, usec_add(now_usec, SYNC_FIRST_USEC));
        }

        if (ok->has_held) {
                r = node_on_held(node, &ok->held, now_usec);
                if (r < 0)
                        return r;
                session = session_find(node, link);
                if (!session)
                        return 0;
        }

        r = registrar_report_accused(node, session);
        if (r < 0)
                return r;
        return registrar_list(node, session, now_usec);
}

/* Whatever a seed has of ourselves is answered once: with each record of a whole list we would announce ourselves
 * to everybody. The session with it may be gone already. */
static int registrar_merge(Node *node, NodeId seed, const Record *records, size_t n, usec_t now_usec) {
        Held own = {};
        int r;

        for (size_t i = 0; i < n; i++) {
                Held held = { records[i].epoch, records[i].incarnation, records[i].state };

                if (node_id_equal(&records[i].id, &node->identity.id)) {
                        if (held_compare(&held, &own) > 0)
                                own = held;
                        continue;
                }
                r = members_take(node, records + i, 0, &seed, now_usec);
                if (r < 0)
                        return r;
        }
        return node_on_held(node, &own, now_usec);
}

static int registrar_on_sync_records(Node *node, const Session *session, const SyncRecordsMessage *message, usec_t now_usec) {
        bool was_live[MESSAGE_RECORDS_MAX];
        int r;

        node->counters[COUNTER_SYNC_RECORDS_IN] += message->n_records;
        for (size_t i = 0; i < message->n_records; i++) {
                const Member *member = member_table_find(&node->members, &message->records[i].id);

                was_live[i] = member && member_state_is_live(member->record.state);
        }
        r = registrar_merge(node, session->id, message->records, message->n_records, now_usec);
        if (r < 0)
                return r;
        for (size_t i = 0; i < message->n_records; i++)
                if (!was_live[i])
                        peer_wait_for(node, &message->records[i].id, true, now_usec);
        return links_fill(node, now_usec);
}

/* Whom the table has no room for is somebody to call all the same: a node that keeps no table would find nobody else. */
static void registrar_consider(Node *node, const Record *record) {
        View *view = &node->peer->view;

        if (record->role == ROLE_PEER && record->state == MEMBER_ALIVE && record->n_addresses > 0 &&
            view->n_passive < view->n_passive_max && !node_id_equal(&record->id, &node->identity.id) &&
            !member_table_find(&node->members, &record->id) && !session_of(node, &record->id))
                view_add(view, &record->id, record->addresses);
}

static int registrar_on_list_ok(Node *node, SeedSlot *slot, Session *session, const ListOkMessage *ok, usec_t now_usec) {
        int r;

        registrar_answered(node, session);
        slot->total = ok->total;
        node->peer->list_total = ok->total;
        r = registrar_merge(node, session->id, ok->records, ok->n_records, now_usec);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ok->n_records; i++)
                registrar_consider(node, ok->records + i);
        return links_fill(node, now_usec);
}

/*
 * The other half of a network that fell apart looks like this: somebody lives whom we do not know, or hold as not alive. Where a
 * table is full most of those who live are not in it, and that says nothing: then MERGES_EXPECTED of all nodes dial one, which is
 * enough to find another half, and leaves the links of all others alone.
 */
static const Record *find_other_half(Node *node, const RenewOkMessage *ok) {
        bool is_full = node->members.n_live >= node->members.n_max;     /* of the living: the dead may be the other half */
        bool takes_unknown = !is_full || random_below(&node->random, MAX(ok->total / MERGES_EXPECTED, 1U)) == 0;

        for (size_t i = 0; i < ok->n_records; i++) {
                const Record *record = ok->records + i;
                const Member *member = member_table_find(&node->members, &record->id);

                if (record->n_addresses > 0 && !node_id_equal(&record->id, &node->identity.id) &&
                    (member ? member->record.state != MEMBER_ALIVE || member->introduced > 0 : takes_unknown))
                        return record;
        }
        return NULL;
}

static int registrar_on_renew_ok(Node *node, SeedSlot *slot, Session *session, const RenewOkMessage *ok, usec_t now_usec) {
        const Record *merge;
        NodeId seed = session->id;
        LinkId link = session->link;
        int r;

        registrar_answered(node, session);
        registrar_schedule_renewal(node, slot, ok->lease_msec, now_usec);
        slot->total = ok->total;
        node->peer->list_total = ok->total;

        if (!ok->has_held)
                return registrar_register(node, session, now_usec);
        r = node_on_held(node, &ok->held, now_usec);
        if (r < 0)
                return r;

        merge = find_other_half(node, ok);
        for (size_t i = 0; i < node->members.n; i++)
                if (node->members.members[i]->introduced > 0)
                        node->members.members[i]->introduced--;
        r = registrar_merge(node, seed, ok->records, ok->n_records, now_usec);
        if (r < 0)
                return r;

        if (merge && !session_of(node, &merge->id)) {
                r = links_dial(node, &merge->id, merge->addresses, PRIORITY_MERGE, now_usec);
                if (r < 0)
                        return r;
        }

        session = session_find(node, link);
        if (!session || slot != registrar_first(node))
                return 0;
        return registrar_compare(node, slot, session);
}

int registrar_on_message(Node *node, Session *session, const Message *message, usec_t now_usec) {
        SeedSlot *slot = session->seed;

        if (!slot)
                return 0;               /* replaced by a newer session, and about to be closed */

        switch (message->type) {

        case MESSAGE_REGISTER_OK:
                return registrar_on_register_ok(node, slot, session, &message->register_ok, now_usec);

        case MESSAGE_LIST_OK:
                return registrar_on_list_ok(node, slot, session, &message->list_ok, now_usec);

        case MESSAGE_RENEW_OK:
                return registrar_on_renew_ok(node, slot, session, &message->renew_ok, now_usec);

        case MESSAGE_SYNC_RECORDS:
                return registrar_on_sync_records(node, session, &message->sync_records, now_usec);

        default:
                return session_protocol_error(node, session, "A seed does not send such a message to a peer.", now_usec);
        }
}

/* ---- lists ---- */

int registrar_refresh(Node *node, usec_t now_usec) {
        SeedSlot *slot = registrar_pick(node);

        timer_set(&node->timers, &node->peer->refresh, usec_add(now_usec, random_jitter(&node->random, REFRESH_USEC)));
        return slot ? registrar_list(node, slot->session, now_usec) : 0;
}

void registrar_refresh_early(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        bool needed = (links_n(node) < 2 || peer->view.n_passive < REFRESH_PASSIVE) &&
                      peer->list_total > node->members.n_live + 1;
        usec_t when_usec;

        if (!needed) {
                peer->refresh_wait_usec = 0;
                return;
        }
        if (usec_sub(peer->refresh.when_usec, now_usec) <= REFRESH_EARLY_MAX_USEC)
                return;                 /* one is on its way */

        peer->refresh_wait_usec = peer->refresh_wait_usec == 0 ? REFRESH_EARLY_MIN_USEC :
                                  MIN(2 * peer->refresh_wait_usec, REFRESH_EARLY_MAX_USEC);
        when_usec = usec_add(now_usec, peer->refresh_wait_usec);
        timer_set(&node->timers, &peer->refresh, when_usec);
}

/* ---- the accused ---- */

int registrar_report(Node *node, const Member *member) {
        int n = 0, r;

        for (size_t i = 0; i < node->n_seeds; i++) {
                if (node->seeds[i]->state != SEED_REGISTERED)
                        continue;
                r = registrar_report_to(node, node->seeds[i]->session, member);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}

/* ---- differences ---- */

int registrar_sync(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        SeedSlot *slot = registrar_pick(node);

        if (peer->n_fresh == 0)
                return 0;
        if (--peer->n_fresh > 0)
                timer_set(&node->timers, &peer->sync, usec_add(now_usec, SYNC_NEXT_USEC));
        return slot ? registrar_compare(node, slot, slot->session) : 0;
}

/* ---- ourselves ---- */

int registrar_announce(Node *node, usec_t now_usec) {
        Message message = { .type = MESSAGE_REFUTE };
        int r;

        message.reg.record = node_record(node);
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];

                if (slot->state != SEED_REGISTERED)
                        continue;
                r = session_send(node, slot->session, &message);
                if (r < 0)
                        return r;
        }
        return registrar_try(node, now_usec);
}

int registrar_leave(Node *node) {
        Message message = {
                .type = MESSAGE_LEAVE,
                .leave = { .epoch = node->identity.epoch, .incarnation = node->incarnation },
        };
        int r;

        for (size_t i = 0; i < node->n_seeds; i++) {
                if (node->seeds[i]->state != SEED_REGISTERED)
                        continue;
                r = session_send(node, node->seeds[i]->session, &message);
                if (r < 0)
                        return r;
        }
        return 0;
}
