/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/exchange.h"

#include <errno.h>

#include "core/seed-node-internal.h"

int exchange_init(Node *node) {
        Exchange *exchange = &node->seed->exchange;
        int r;

        r = timer_init(&node->timers, &exchange->push, TIMER_PUSH);
        if (r < 0)
                return r;
        return timer_init(&node->timers, &exchange->renewals, TIMER_RENEWALS);
}

void exchange_done(Node *node) {
        timer_done(&node->timers, &node->seed->exchange.renewals);
        timer_done(&node->timers, &node->seed->exchange.push);
}

void exchange_start(Node *node, usec_t now_usec) {
        timer_set(&node->timers, &node->seed->exchange.renewals, usec_add(now_usec, DIGEST_USEC));
}

/* ---- telling the others ---- */

static void exchange_arm(Node *node, usec_t now_usec) {
        Timer *timer = &node->seed->exchange.push;

        if (!timer_is_set(timer))
                timer_set(&node->timers, timer, usec_add(now_usec, EXCHANGE_PUSH_USEC));
}

void exchange_changed(Node *node, Member *member, usec_t now_usec) {
        Exchange *exchange = &node->seed->exchange;

        if (node->seed->mesh.n_linked == 0)
                return;                 /* whoever comes compares first */
        member->changed = exchange->changed = true;
        member->renewed = false;        /* the record says that, too */
        exchange_arm(node, now_usec);
}

void exchange_renewed(Node *node, Member *member) {
        Exchange *exchange = &node->seed->exchange;

        if (node->seed->mesh.n_linked > 0 && !member->changed)
                member->renewed = exchange->renewed = true;
}

/* One that does not read gets nothing more; the digests will show what it missed. */
static bool session_can_take(const Node *node, const Session *session) {
        return !session->lingering && !session->ending && session->n_queued <= node->settings.params.queue_max;
}

static int exchange_push_to(Node *node, Session *session, Member *const changed[], size_t n, Message *message,
                            usec_t now_usec) {
        int r;

        for (size_t i = 0; i < n; i++) {
                if (message->sync_records.n_records == MESSAGE_RECORDS_MAX) {
                        r = sync_flush(node, session, message);
                        if (r < 0)
                                return r;
                }
                (void) sync_add(changed[i], session, &message->sync_records, now_usec);
        }
        return message->sync_records.n_records > 0 ? sync_flush(node, session, message) : 0;
}

static int exchange_push_changes(Node *node, Message *message, usec_t now_usec) {
        Member *changed[EXCHANGE_PUSH_MAX];
        Exchange *exchange = &node->seed->exchange;
        size_t n = 0;
        int r;

        exchange->changed = false;
        for (size_t i = 0; i < node->members.n && !exchange->changed; i++) {
                Member *member = node->members.members[i];

                if (!member->changed)
                        continue;
                if (n < EXCHANGE_PUSH_MAX)
                        changed[n++] = member;
                else
                        exchange->changed = true;   /* the rest comes with the next push */
        }

        for (Session *session = node->sessions; session; session = session->next) {
                if (!session->meshed || !session_can_take(node, session))
                        continue;
                r = exchange_push_to(node, session, changed, n, message, now_usec);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++)
                changed[i]->changed = false;
        return 0;
}

static int exchange_broadcast(Node *node, const Message *message) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        int r;

        r = message_encode(&frame, message);
        if (r < 0)
                return r;

        for (Session *session = node->sessions; session; session = session->next)
                if (session->meshed && session_can_take(node, session))
                        session_send_frame(node, session, frame, true);
        return 0;
}

static int exchange_push_renewals(Node *node, Message *message, usec_t now_usec) {
        SyncRecordsMessage *records = &message->sync_records;
        Exchange *exchange = &node->seed->exchange;
        size_t n = 0;
        int r;

        exchange->renewed = false;
        for (size_t i = 0; i < node->members.n && !exchange->renewed; i++) {
                Member *member = node->members.members[i];

                if (!member->renewed)
                        continue;
                if (n == EXCHANGE_RENEWALS_MAX) {
                        exchange->renewed = true;
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
                        r = exchange_broadcast(node, message);
                        if (r < 0)
                                return r;
                        records->n_renewals = 0;
                }
        }
        exchange->telling = exchange->renewed;
        if (records->n_renewals == 0)
                return 0;
        r = exchange_broadcast(node, message);
        records->n_renewals = 0;
        return r;
}

/* Sends one who compares a part of what it is owed. */
static int exchange_pay(Node *node, Session *session, const uint8_t *want, usec_t now_usec) {
        size_t counts[SYNC_BUCKETS] = {}, n = 0;
        uint8_t mask[SYNC_BUCKETS / 8] = {};
        bool more = false;

        for (size_t i = 0; i < node->members.n; i++)
                counts[node->members.members[i]->record.id.bytes[0]]++;

        for (size_t i = 0; i < SYNC_BUCKETS; i++) {
                if (!sync_marked(session->owed, i))
                        continue;
                if (n > 0 && n + counts[i] > EXCHANGE_ANSWER_MAX) {
                        more = true;
                        break;
                }
                sync_mark(mask, i);
                n += counts[i];
        }
        for (size_t i = 0; i < sizeof(mask); i++)
                session->owed[i] &= (uint8_t) ~mask[i];
        if (!more) {
                free(session->owed);
                session->owed = NULL;
        }
        return sync_send_records(node, session, mask, want, now_usec);
}

/* Other seeds are few, and have to agree; of peers there may be thousands who compare at once. */
static bool exchange_may_pay(Node *node, const Session *session, usec_t now_usec) {
        return session->n_queued == 0 &&
               (session->meshed || ratelimit_allow(&node->seed->exchange.answers, ANSWERS_RATE, now_usec));
}

/* By turns, each a part. */
static int exchange_pay_all(Node *node, usec_t now_usec) {
        Exchange *exchange = &node->seed->exchange;
        const Session *last = session_find(node, exchange->answered);
        Session *first = last && last->next ? last->next : node->sessions, *session = first;
        int r;

        while (session) {
                Session *next = session->next ? session->next : node->sessions;

                if (session->owed && !session->ending) {
                        if (exchange_may_pay(node, session, now_usec)) {
                                r = exchange_pay(node, session, NULL, now_usec);
                                if (r < 0)
                                        return r;
                                exchange->answered = session->link;
                        }
                        if (session->owed)
                                exchange_arm(node, now_usec);
                }
                session = next != first ? next : NULL;
        }
        return 0;
}

int exchange_on_push(Node *node, usec_t now_usec) {
        Exchange *exchange = &node->seed->exchange;
        Message message;
        int r;

        sync_begin(&message);
        if (exchange->changed) {
                r = exchange_push_changes(node, &message, now_usec);
                if (r < 0)
                        return r;
        }
        if (exchange->telling) {
                r = exchange_push_renewals(node, &message, now_usec);
                if (r < 0)
                        return r;
        }
        if (exchange->changed || exchange->telling)
                exchange_arm(node, now_usec);
        return exchange_pay_all(node, now_usec);
}

int exchange_on_renewals(Node *node, usec_t now_usec) {
        Exchange *exchange = &node->seed->exchange;

        timer_set(&node->timers, &exchange->renewals, usec_add(now_usec, DIGEST_USEC));
        if (!exchange->renewed)
                return 0;
        exchange->telling = true;
        return exchange_on_push(node, now_usec);
}

/* ---- being told ---- */

static int session_owe(Session *session, const uint8_t mask[static SYNC_BUCKETS / 8]) {
        if (!session->owed)
                session->owed = calloc(1, SYNC_BUCKETS / 8);
        if (!session->owed)
                return -ENOMEM;
        for (size_t i = 0; i < SYNC_BUCKETS / 8; i++)
                session->owed[i] |= mask[i];
        return 0;
}

int exchange_on_digest(Node *node, Session *session, const SyncDigestMessage *message, usec_t now_usec) {
        uint8_t mask[SYNC_BUCKETS / 8];
        int r;

        if (!ratelimit_allow(&session->digests, DIGESTS_RATE, now_usec) || sync_compare(node, message->hashes, mask) == 0)
                return 0;

        r = session_owe(session, mask);
        if (r < 0)
                return r;
        if (exchange_may_pay(node, session, now_usec)) {
                r = exchange_pay(node, session, session->meshed ? mask : NULL, now_usec);
                if (r < 0)
                        return r;
        }
        if (session->owed)
                exchange_arm(node, now_usec);
        return 0;
}

/* @restarted: others were never told that it had gone. */
static void notice_synced(Node *node, NoticeType type, const Member *member, bool restarted) {
        Notice *notice = node_notice_member(node, type, member);

        notice->n = (unsigned) node->members.n_live;
        notice->restarted = notice->known = restarted;
}

static int exchange_on_living(Node *node, const Record *record, usec_t when_usec, usec_t now_usec) {
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
                notice_synced(node, record->epoch > before.epoch ? NOTICE_JOINED : NOTICE_ALIVE, member, false);
        return 0;
}

static int exchange_on_gone(Node *node, const Record *record, usec_t when_usec, usec_t now_usec) {
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
        if (was_listed)
                member->parting = record->state == MEMBER_LEFT;
        registry_changed(node, member, now_usec);
        reports_settle(node, &record->id, record->state == MEMBER_DEAD ? OUTCOME_TRUE : OUTCOME_NONE, now_usec);
        if (was_listed && record->state == MEMBER_DEAD)
                notice_synced(node, NOTICE_DEAD, member, false);

        session = session_of(node, &record->id);
        if (session && session->epoch == record->epoch) {
                Message message;

                message_set(&message, MESSAGE_ACCUSED, accused, .held = held);
                return session_send(node, session, &message);
        }
        return 0;
}

static int exchange_on_record(Node *node, const Session *session, const Record *given, bool believed, usec_t now_usec) {
        usec_t age_usec = given->age_msec * USEC_PER_MSEC;
        Record record = registry_clean(given, &session->remote);

        if (record.state == MEMBER_SUSPECT)
                record.state = MEMBER_ALIVE;    /* whom a peer suspects is not a seed's business */
        if (record.role != ROLE_PEER || record.epoch >= EPOCH_MAX || node_id_equal(&record.id, &node->identity.id))
                return 0;

        if (member_state_is_live(record.state)) {
                if (age_usec >= node->settings.params.lease_usec)
                        return 0;
                return exchange_on_living(node, &record, usec_sub(now_usec, age_usec), now_usec);
        }
        if (!believed) {
                node->counters[COUNTER_MEMBERS_REFUSED]++;
                return 0;
        }
        if (age_usec >= FORGET_USEC)
                return 0;
        return exchange_on_gone(node, &record, usec_sub(now_usec, age_usec), now_usec);
}

static int exchange_on_renewal(Node *node, const Renewal *renewal, usec_t now_usec) {
        usec_t age_usec = renewal->age_msec * USEC_PER_MSEC, when_usec = usec_sub(now_usec, age_usec);
        Member *member = member_table_find(&node->members, &renewal->id);

        if (!member || member->record.epoch != renewal->epoch || !member_state_is_live(member->record.state) ||
            age_usec >= node->settings.params.lease_usec)
                return 0;

        if (registry_renewed(node, member, when_usec, now_usec))
                notice_synced(node, NOTICE_ALIVE, member, false);
        return reports_on_renewal(node, member, when_usec, now_usec);
}

int exchange_on_records(Node *node, Session *session, const SyncRecordsMessage *message, usec_t now_usec) {
        bool believed = mesh_believes(node, session);
        int r;

        node->counters[COUNTER_SYNC_RECORDS_IN] += message->n_records;
        for (size_t i = 0; i < message->n_records; i++) {
                r = exchange_on_record(node, session, message->records + i, believed, now_usec);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < message->n_renewals; i++) {
                r = exchange_on_renewal(node, message->renewals + i, now_usec);
                if (r < 0)
                        return r;
        }
        if (message->has_want) {
                r = session_owe(session, message->want);
                if (r < 0)
                        return r;
                exchange_arm(node, now_usec);
        }
        return 0;
}
