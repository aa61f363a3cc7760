/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/mesh.h"

#include <errno.h>

#include "core/seed-node-internal.h"

int mesh_init(Node *node) {
        Mesh *mesh = &node->seed->mesh;
        int r;

        r = timer_init(&node->timers, &mesh->push, TIMER_PUSH);
        if (r < 0)
                return r;
        return timer_init(&node->timers, &mesh->renewals, TIMER_RENEWALS);
}

void mesh_done(Node *node) {
        Mesh *mesh = &node->seed->mesh;

        timer_done(&node->timers, &mesh->renewals);
        timer_done(&node->timers, &mesh->push);
}

int mesh_start(Node *node, usec_t now_usec) {
        timer_set(&node->timers, &node->seed->mesh.renewals, usec_add(now_usec, MESH_DIGEST_USEC));
        return mesh_link(node, now_usec);
}

/* ---- sessions ---- */

static bool slot_has_address(const SeedSlot *slot, const Session *session) {
        for (size_t i = 0; i < slot->n_addresses; i++)
                for (size_t j = 0; j < session->n_addresses; j++)
                        if (address_same_host(slot->addresses + i, &session->remote) &&
                            slot->addresses[i].port == session->addresses[j].port)
                                return true;
        return false;
}

/* The entry of the list that a session belongs to: the one that led to that id before, the one that was dialled, or the one whose
 * address it comes from. */
static SeedSlot *mesh_slot_of(const Node *node, const Session *session) {
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];

                if (slot->state != SEED_SELF && node_id_equal(&slot->id, &session->id))
                        return slot;
        }
        if (session->seed)
                return session->seed;
        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];

                if (slot->state != SEED_SELF && slot->state != SEED_REGISTERED && slot_has_address(slot, session))
                        return slot;
        }
        return NULL;
}

static bool mesh_believes(const Node *node, const Session *session) {
        if (session->seed)
                return true;
        for (size_t i = 0; i < node->n_seeds; i++)
                if (slot_has_address(node->seeds[i], session))
                        return true;
        return false;
}

static void slot_set_alias(SeedSlot *slot, bool alias, usec_t now_usec) {
        slot->alias = alias;
        slot->state = alias ? SEED_SELF : SEED_STANDBY;
        slot->since_usec = now_usec;
}

/* From now on this session is that entry's, whichever of both ends opened it. */
static int mesh_take(Node *node, SeedSlot *slot, Session *session, usec_t now_usec) {
        SeedSlot *other = session->seed;

        if (slot->session && slot->session != session)
                slot->session->seed = NULL;
        if (other && other != slot) {
                other->session = NULL;
                other->id = session->id;
                slot_set_alias(other, true, now_usec);
        }
        return seed_slot_opened(node, slot, session, now_usec);
}

/* A session with that seed which no entry has yet. */
static Session *mesh_find(const Node *node, const SeedSlot *slot) {
        for (Session *session = node->sessions; session; session = session->hh.next)
                if (session->meshed && session->current && !session->ending && !session->seed &&
                    (node_id_equal(&session->id, &slot->id) || slot_has_address(slot, session)))
                        return session;
        return NULL;
}

int mesh_link(Node *node, usec_t now_usec) {
        int r;

        for (size_t i = 0; i < node->n_seeds; i++) {
                SeedSlot *slot = node->seeds[i];
                Session *session;

                if (slot->state != SEED_STANDBY || slot->session)
                        continue;
                session = mesh_find(node, slot);
                r = session ? mesh_take(node, slot, session, now_usec) : seed_slot_try(node, slot, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void notice_seed(Node *node, NoticeType type, const Session *session, const SeedSlot *slot) {
        Notice *notice = node_notice_session(node, type, session);

        if (slot)
                seed_slot_text(slot, notice->seed);
        else
                address_format(session->addresses, notice->seed);
}

int mesh_opened(Node *node, Session *session, usec_t now_usec) {
        Mesh *mesh = &node->seed->mesh;
        SeedSlot *slot;
        bool is_new;
        int r;

        if (session->role != ROLE_SEED)
                return session_close(node, session, CLOSE_NOT_ALLOWED, "A seed was expected at this address.", now_usec);

        slot = mesh_slot_of(node, session);
        if (!slot && mesh->n_linked >= node->n_seeds + MESH_UNLISTED_MAX)
                return session_close(node, session, CLOSE_BUSY, "Too many seeds.", now_usec);

        session->meshed = true;
        mesh->n_linked++;
        is_new = !slot || slot->state != SEED_REGISTERED;
        if (slot) {
                r = mesh_take(node, slot, session, now_usec);
                if (r < 0)
                        return r;
        }
        if (is_new)
                notice_seed(node, NOTICE_SEED_LINKED, session, slot);

        /* The one that called compares at once; after that each side does so in its own time. */
        session_set_timer(node, session, usec_add(now_usec, random_jitter(&node->random, MESH_DIGEST_USEC)));
        return session_outgoing(session) ? sync_send_digest(node, session) : 0;
}

int mesh_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec) {
        SeedSlot *slot = session->seed;
        Session *other = node_id_is_null(&session->id) ? NULL : session_of(node, &session->id);
        NodeId id = session->id;
        int r;

        if (session->meshed)
                node->seed->mesh.n_linked--;
        if (node->seed->stopping)
                return 0;

        if (slot && other && other->role == ROLE_SEED) {
                /* Another session with the same seed has replaced this one. */
                session->seed = NULL;
                return mesh_take(node, slot, other, now_usec);
        }
        if (session->meshed && !other && session->reason != CLOSE_SUPERSEDED)
                notice_seed(node, NOTICE_SEED_UNLINKED, session, slot);
        if (!slot)
                return 0;

        r = seed_slot_ended(node, slot, end, now_usec);
        if (r < 0)
                return r;
        session->seed = NULL;

        /* Entries that were not needed while this one led to the same seed may be the better ones now. */
        for (size_t i = 0; i < node->n_seeds; i++)
                if (node->seeds[i]->alias && node_id_equal(&node->seeds[i]->id, &id))
                        slot_set_alias(node->seeds[i], false, now_usec);
        return mesh_link(node, now_usec);
}

int mesh_on_session_timer(Node *node, Session *session, usec_t now_usec) {
        usec_t silent_usec = usec_add(session->received_usec, MESH_SILENT_USEC);
        Mesh *mesh = &node->seed->mesh;

        if (now_usec >= silent_usec)
                return session_close(node, session, CLOSE_TIMEOUT, "Nothing was heard for 35 s.", now_usec);

        if (mesh->changed && timer_is_set(&mesh->push)) {
                /* The digest counts what is about to be pushed, so it goes behind that. */
                session_set_timer(node, session, mesh->push.when_usec);
                return 0;
        }
        session_set_timer(node, session, MIN(usec_add(now_usec, MESH_DIGEST_USEC), silent_usec));
        if (session->seed)
                session->seed->backoff_usec = 0;        /* it has lasted: when it ends, the next attempt is a first one */
        return session->n_queued <= node->settings.params.queue_max ? sync_send_digest(node, session) : 0;
}

/* ---- telling the others ---- */

static void mesh_arm(Node *node, usec_t now_usec) {
        Timer *timer = &node->seed->mesh.push;

        if (!timer_is_set(timer))
                timer_set(&node->timers, timer, usec_add(now_usec, MESH_PUSH_USEC));
}

void mesh_changed(Node *node, Member *member, usec_t now_usec) {
        Mesh *mesh = &node->seed->mesh;

        if (mesh->n_linked == 0)
                return;                 /* whoever comes compares first */
        member->changed = mesh->changed = true;
        member->renewed = false;        /* the record says that, too */
        mesh_arm(node, now_usec);
}

void mesh_renewed(Node *node, Member *member) {
        Mesh *mesh = &node->seed->mesh;

        if (mesh->n_linked > 0 && !member->changed)
                member->renewed = mesh->renewed = true;
}

/* One that does not read gets nothing more; the digests will show what it missed. */
static bool mesh_can_take(const Node *node, const Session *session) {
        return session->meshed && !session->lingering && !session->ending &&
               session->n_queued <= node->settings.params.queue_max;
}

static int mesh_push_changes(Node *node, Message *message, usec_t now_usec) {
        const Member *changed[MESH_PUSH_MAX];
        Mesh *mesh = &node->seed->mesh;
        size_t n = 0;
        int r;

        mesh->changed = false;
        for (size_t i = 0; i < node->members.n && !mesh->changed; i++) {
                Member *member = node->members.members[i];

                if (!member->changed)
                        continue;
                if (n < MESH_PUSH_MAX) {
                        member->changed = false;
                        changed[n++] = member;
                } else
                        mesh->changed = true;   /* the rest comes with the next push */
        }

        for (Session *session = node->sessions; session; session = session->hh.next) {
                if (!mesh_can_take(node, session))
                        continue;
                for (size_t i = 0; i < n; i++) {
                        (void) sync_add(changed[i], session, &message->sync_records, now_usec);
                        if (message->sync_records.n_records == MESSAGE_RECORDS_MAX ||
                            (i + 1 == n && message->sync_records.n_records > 0)) {
                                r = sync_flush(node, session, message);
                                if (r < 0)
                                        return r;
                        }
                }
        }
        return 0;
}

static int mesh_broadcast(Node *node, const Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        int r;

        r = message_encode(&frame, message);
        if (r < 0)
                return r;

        for (Session *session = node->sessions; session; session = session->hh.next)
                if (mesh_can_take(node, session))
                        session_send_frame(node, session, frame, true);
        return 0;
}

static int mesh_push_renewals(Node *node, Message *message, usec_t now_usec) {
        SyncRecordsMessage *records = &message->sync_records;
        Mesh *mesh = &node->seed->mesh;
        size_t n = 0;
        int r;

        mesh->renewed = false;
        for (size_t i = 0; i < node->members.n && !mesh->renewed; i++) {
                Member *member = node->members.members[i];

                if (!member->renewed)
                        continue;
                if (n == MESH_RENEWALS_MAX) {
                        mesh->renewed = true;
                        continue;
                }

                member->renewed = false;
                if (!member_is_live(member))
                        continue;
                records->renewals[records->n_renewals++] = (Renewal) {
                        .id = member->record.id,
                        .epoch = member->record.epoch,
                        .age_msec = member_age_msec(member, now_usec),
                };
                if (++n % MESSAGE_RENEWALS_MAX == 0) {
                        r = mesh_broadcast(node, message);
                        if (r < 0)
                                return r;
                        records->n_renewals = 0;
                }
        }
        mesh->telling = mesh->renewed;
        if (records->n_renewals == 0)
                return 0;
        r = mesh_broadcast(node, message);
        records->n_renewals = 0;
        return r;
}

/* Sends one who compares a part of what it is owed. */
static int mesh_pay(Node *node, Session *session, const uint8_t *want, usec_t now_usec) {
        size_t counts[SYNC_BUCKETS] = {}, n = 0;
        uint8_t mask[SYNC_BUCKETS / 8] = {};

        for (size_t i = 0; i < node->members.n; i++)
                counts[node->members.members[i]->record.id.bytes[0]]++;

        session->owing = false;
        for (size_t i = 0; i < SYNC_BUCKETS; i++) {
                if (!sync_marked(session->owed, i))
                        continue;
                if (n > 0 && n + counts[i] > MESH_ANSWER_MAX) {
                        session->owing = true;
                        break;
                }
                sync_mark(mask, i);
                n += counts[i];
        }
        for (size_t i = 0; i < sizeof(mask); i++)
                session->owed[i] &= (uint8_t) ~mask[i];
        return sync_send_records(node, session, mask, want, now_usec);
}

static int mesh_pay_all(Node *node, usec_t now_usec) {
        size_t n = 0;
        int r;

        for (Session *session = node->sessions; session; session = session->hh.next) {
                if (!session->owing || session->ending)
                        continue;
                if (session->n_queued == 0 && n < MESH_ANSWERED_MAX) {
                        r = mesh_pay(node, session, NULL, now_usec);
                        if (r < 0)
                                return r;
                        n++;
                }
                if (session->owing)
                        mesh_arm(node, now_usec);
        }
        return 0;
}

int mesh_on_push(Node *node, usec_t now_usec) {
        Mesh *mesh = &node->seed->mesh;
        Message message;
        int r;

        sync_begin(&message);
        if (mesh->changed) {
                r = mesh_push_changes(node, &message, now_usec);
                if (r < 0)
                        return r;
        }
        if (mesh->telling) {
                r = mesh_push_renewals(node, &message, now_usec);
                if (r < 0)
                        return r;
        }
        if (mesh->changed || mesh->telling)
                mesh_arm(node, now_usec);
        return mesh_pay_all(node, now_usec);
}

int mesh_on_renewals(Node *node, usec_t now_usec) {
        Mesh *mesh = &node->seed->mesh;

        timer_set(&node->timers, &mesh->renewals, usec_add(now_usec, MESH_DIGEST_USEC));
        if (!mesh->renewed)
                return 0;
        mesh->telling = true;
        return mesh_on_push(node, now_usec);
}

/* ---- being told ---- */

static void session_owe(Session *session, const uint8_t mask[static SYNC_BUCKETS / 8]) {
        if (!session->owing)
                memset(session->owed, 0, sizeof(session->owed));
        session->owing = true;
        for (size_t i = 0; i < sizeof(session->owed); i++)
                session->owed[i] |= mask[i];
}

int mesh_on_digest(Node *node, Session *session, const SyncDigestMessage *message, usec_t now_usec) {
        uint8_t mask[SYNC_BUCKETS / 8];
        int r;

        if (session->digests.burst == 0)
                session->digests = (RateLimit) { .interval_usec = DIGESTS_USEC, .burst = DIGESTS_BURST };
        if (!ratelimit_allow(&session->digests, now_usec) || sync_compare(node, message->hashes, mask) == 0)
                return 0;

        session_owe(session, mask);
        if (session->n_queued == 0) {
                r = mesh_pay(node, session, session->meshed ? mask : NULL, now_usec);
                if (r < 0)
                        return r;
        }
        if (session->owing)
                mesh_arm(node, now_usec);
        return 0;
}

static void notice_synced(Node *node, NoticeType type, const Member *member, bool restarted) {
        Notice *notice = node_notice_member(node, type, member);

        notice->n = (unsigned) node->members.n_live;
        notice->restarted = notice->known = restarted;
}

static int mesh_on_living(Node *node, const Record *record, usec_t when_usec, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &record->id);
        Held before = member ? member_held(member) : (Held) {};
        int change, r;

        if (!member && record->n_addresses == 0)
                return 0;               /* nobody could reach it */

        change = member_table_merge(&node->members, record, now_usec, &member);
        if (change == -ENOSPC) {
                node->counters[COUNTER_MEMBERS_REFUSED]++;
                return 0;
        }
        if (change < 0)
                return change;
        if (member->record.epoch != record->epoch || member->record.incarnation != record->incarnation ||
            !member_state_is_live(member->record.state))
                return 0;               /* we know better */

        if (record->epoch > before.epoch)
                reports_settle(node, &record->id, OUTCOME_NONE, now_usec);
        else if (record->incarnation > before.incarnation)
                reports_settle(node, &record->id, OUTCOME_FALSE, now_usec);
        else {
                r = reports_on_renewal(node, member, when_usec, now_usec);
                if (r < 0)
                        return r;
        }

        (void) registry_renewed(node, member, when_usec, now_usec);
        if (change == MEMBER_UNCHANGED)
                return 0;
        registry_changed(node, member, now_usec);
        if (change == MEMBER_ADDED || change == MEMBER_RESTARTED)
                notice_synced(node, NOTICE_JOINED, member, change == MEMBER_RESTARTED);
        else if (change == MEMBER_REVIVED)
                notice_synced(node, NOTICE_ALIVE, member, false);
        return 0;
}

static int mesh_on_gone(Node *node, const Record *record, usec_t when_usec, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &record->id);
        Held held = { record->epoch, record->incarnation, record->state }, before;
        bool was_listed = member && member_is_live(member);
        Session *session;
        int change;

        if (member && member_state_is_live(member->record.state) && record->epoch == member->record.epoch &&
            member->renewed_usec > when_usec) {
                before = member_held(member);
                if (held_compare(&held, &before) > 0)
                        member->disputed = held;
                return 0;
        }

        change = member_table_merge(&node->members, record, now_usec, &member);
        if (change == -ENOSPC) {
                node->counters[COUNTER_MEMBERS_REFUSED]++;
                return 0;
        }
        if (change < 0)
                return change;
        if (change == MEMBER_UNCHANGED)
                return 0;

        member->since_usec = MIN(member->since_usec, when_usec);
        member->registered_usec = 0;
        registry_changed(node, member, now_usec);
        reports_settle(node, &record->id, record->state == MEMBER_DEAD ? OUTCOME_TRUE : OUTCOME_NONE, now_usec);
        if (was_listed)
                notice_synced(node, record->state == MEMBER_DEAD ? NOTICE_DEAD : NOTICE_LEFT, member, false);

        session = session_of(node, &record->id);
        if (session && session->epoch == record->epoch) {
                Message message;

                message_set(&message, MESSAGE_ACCUSED, accused, .held = held);
                return session_send(node, session, &message);
        }
        return 0;
}

static int mesh_on_record(Node *node, const Session *session, const Record *given, bool believed, usec_t now_usec) {
        usec_t age_usec = given->age_msec * USEC_PER_MSEC;
        Record record = registry_clean(given, &session->remote);

        if (record.state == MEMBER_SUSPECT)
                record.state = MEMBER_ALIVE;    /* whom a peer suspects is not a seed's business */
        if (record.role != ROLE_PEER || record.epoch >= EPOCH_MAX || node_id_equal(&record.id, &node->identity.id))
                return 0;

        if (member_state_is_live(record.state)) {
                if (age_usec >= node->settings.params.lease_usec)
                        return 0;
                return mesh_on_living(node, &record, usec_sub(now_usec, age_usec), now_usec);
        }
        if (!believed) {
                node->counters[COUNTER_MEMBERS_REFUSED]++;
                return 0;
        }
        if (age_usec >= FORGET_USEC)
                return 0;
        return mesh_on_gone(node, &record, usec_sub(now_usec, age_usec), now_usec);
}

static int mesh_on_renewal(Node *node, const Renewal *renewal, usec_t now_usec) {
        usec_t age_usec = renewal->age_msec * USEC_PER_MSEC, when_usec = usec_sub(now_usec, age_usec);
        Member *member = member_table_find(&node->members, &renewal->id);

        if (!member || member->record.epoch != renewal->epoch || !member_state_is_live(member->record.state) ||
            age_usec >= node->settings.params.lease_usec)
                return 0;

        if (registry_renewed(node, member, when_usec, now_usec))
                notice_synced(node, NOTICE_ALIVE, member, false);
        return reports_on_renewal(node, member, when_usec, now_usec);
}

int mesh_on_records(Node *node, Session *session, const SyncRecordsMessage *message, usec_t now_usec) {
        bool believed = mesh_believes(node, session);
        int r;

        node->counters[COUNTER_SYNC_RECORDS_IN] += message->n_records;
        for (size_t i = 0; i < message->n_records; i++) {
                r = mesh_on_record(node, session, message->records + i, believed, now_usec);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < message->n_renewals; i++) {
                r = mesh_on_renewal(node, message->renewals + i, now_usec);
                if (r < 0)
                        return r;
        }
        if (message->has_want) {
                session_owe(session, message->want);
                mesh_arm(node, now_usec);
        }
        return 0;
}
