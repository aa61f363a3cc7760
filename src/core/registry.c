/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/registry.h"

#include <errno.h>

#include "core/seed-node-internal.h"

int registry_init(Node *node) {
        return timer_init(&node->timers, &node->seed->registry.persist, TIMER_PERSIST);
}

void registry_done(Node *node) {
        timer_done(&node->timers, &node->seed->registry.persist);
}

/* ---- time ---- */

static void member_arm(Node *node, Member *member) {
        usec_t lease_usec = node->settings.params.lease_usec;
        usec_t until_usec;

        if (member_is_live(member))
                until_usec = usec_add(MAX(member->renewed_usec, node->seed->registry.afresh_usec), lease_usec);
        else
                until_usec = usec_add(member->since_usec, member->parting ? RESTART_USEC : FORGET_USEC);
        timer_set(&node->timers, &member->timer, until_usec);
}

void registry_start_afresh(Node *node, usec_t now_usec) {
        node->seed->registry.afresh_usec = now_usec;
        for (size_t i = 0; i < node->members.n; i++)
                member_arm(node, node->members.members[i]);
}

void registry_changed(Node *node, Member *member, usec_t now_usec) {
        Registry *registry = &node->seed->registry;
        usec_t when_usec = now_usec;

        member_arm(node, member);
        if (timer_is_set(&registry->persist))
                return;
        if (registry->persisted_usec > 0)
                when_usec = MAX(now_usec, usec_add(registry->persisted_usec, PERSIST_USEC));
        timer_set(&node->timers, &registry->persist, when_usec);
}

void registry_persist(Node *node, usec_t now_usec) {
        timer_set(&node->timers, &node->seed->registry.persist, USEC_INFINITY);
        node->seed->registry.persisted_usec = MAX(now_usec, (usec_t) 1);
        node_persist(node, PERSIST_REGISTRY);
}

bool registry_renewed(Node *node, Member *member, usec_t when_usec, usec_t now_usec) {
        bool was_hidden = member->hidden;

        member->renewed_usec = MAX(member->renewed_usec, MIN(when_usec, now_usec));
        member_set_hidden(&node->members, member, false, now_usec);
        if (was_hidden)
                registry_changed(node, member, now_usec);
        else
                member_arm(node, member);
        return was_hidden;
}

int registry_on_member_timer(Node *node, Member *member, usec_t now_usec) {
        Registry *registry = &node->seed->registry;

        if (member->parting) {
                member->parting = false;
                member_arm(node, member);
                node_notice_member(node, member->record.state == MEMBER_LEFT ? NOTICE_LEFT : NOTICE_DEAD, member)->n =
                        (unsigned) node->members.n_live;
                return 0;
        }
        if (!member_is_live(member)) {
                reports_settle(node, &member->record.id, OUTCOME_NONE, now_usec);
                member_table_remove(&node->members, member);
                return 0;
        }

        if (registry->expired_usec != now_usec)
                registry->n_expired = 0;
        registry->expired_usec = now_usec;
        if (registry->n_expired++ >= EXPIRED_MAX) {
                timer_set(&node->timers, &member->timer, usec_add(now_usec, USEC_PER_MSEC));
                return 0;
        }

        member_set_hidden(&node->members, member, true, now_usec);
        member->registered_usec = 0;
        registry_changed(node, member, now_usec);
        node_notice_member(node, NOTICE_EXPIRED, member)->n = (unsigned) node->members.n_live;
        return reports_on_lost(node, member, now_usec);
}

/* ---- answers ---- */

int registry_answer(Node *node, Session *session, const Message *message, usec_t now_usec) {
        _cleanup_(frame_buffer_unrefp) FrameBuffer *frame = NULL;
        int r;

        if (session->n_queued > node->settings.params.queue_max) {
                node->counters[COUNTER_LINKS_SLOW]++;
                return session_close(node, session, CLOSE_SLOW, "You ask and do not read the answers.", now_usec);
        }

        r = message_encode(&frame, message);
        if (r < 0)
                return r;

        session_send_frame(node, session, frame, true);
        return 0;
}

static uint32_t lease_msec(const Node *node) {
        return (uint32_t) CLAMP(node->settings.params.lease_usec / USEC_PER_MSEC, (usec_t) 1, (usec_t) UINT32_MAX);
}

/* Random live members that the other end can dial. */
static size_t registry_sample(Node *node, const Session *session, bool with_caller, size_t n_max, Record *ret,
                              usec_t now_usec) {
        MemberTable *table = &node->members;
        size_t n_drawn, n = 0;

        /* A few more than are wanted, as not every address is good for every caller. */
        n_drawn = member_table_draw(table, &node->random, 4 * n_max);
        for (size_t i = 0; i < n_drawn && n < n_max; i++) {
                const Member *member = table->members[i];

                if (!with_caller && node_id_equal(&member->record.id, &session->id))
                        continue;
                if (record_for_caller(&member->record, &session->remote, ret + n))
                        ret[n++].age_msec = member_age_msec(member, now_usec);
        }
        return n;
}

/* The next ones in the order of ids: one pass that keeps the smallest that lie behind @after. */
static size_t registry_page(const Node *node, const Session *session, const NodeId *after, size_t n_max, Record *ret,
                            usec_t now_usec) {
        const MemberTable *table = &node->members;
        const Member *page[MESSAGE_RECORDS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < table->n_live; i++) {
                const Member *member = table->members[i];
                Record scratch;
                size_t place;

                if (node_id_compare(&member->record.id, after) <= 0)
                        continue;
                if (n == n_max && node_id_compare(&member->record.id, &page[n - 1]->record.id) > 0)
                        continue;
                if (!record_for_caller(&member->record, &session->remote, &scratch))
                        continue;

                place = n < n_max ? n++ : n - 1;
                for (; place > 0 && node_id_compare(&page[place - 1]->record.id, &member->record.id) > 0; place--)
                        page[place] = page[place - 1];
                page[place] = member;
        }

        for (size_t i = 0; i < n; i++) {
                (void) record_for_caller(&page[i]->record, &session->remote, ret + i);
                ret[i].age_msec = member_age_msec(page[i], now_usec);
        }
        return n;
}

/* ---- requests ---- */

Record registry_clean(const Record *record, const Address *from) {
        Record clean;
        size_t n = 0;

        (void) record_for_caller(record, from, &clean);
        for (size_t i = 0; i < clean.n_addresses; i++)
                if (address_is_dialable(clean.addresses + i))
                        clean.addresses[n++] = clean.addresses[i];
        clean.n_addresses = n;
        return clean;
}

/* The addresses by which a member names itself come first; those that other seeds know it by stay. */
static void member_prefer_addresses(Member *member, const Record *record) {
        Address addresses[2 * RECORD_ADDRESSES_MAX];
        size_t n = 0;

        for (; n < record->n_addresses; n++)
                addresses[n] = record->addresses[n];
        for (size_t i = 0; i < member->record.n_addresses; i++) {
                const Address *held = member->record.addresses + i;
                bool named = false;

                for (size_t j = 0; j < record->n_addresses; j++)
                        named = named || address_equal(held, record->addresses + j);
                if (!named)
                        addresses[n++] = *held;
        }
        member_set_addresses(member, addresses, n);
}

static bool record_is_of(const Record *record, const Session *session) {
        return node_id_equal(&record->id, &session->id) && record->role == ROLE_PEER && record->state == MEMBER_ALIVE &&
               record->epoch < EPOCH_MAX;
}

/* A member speaks to us, and it is listed: its lease begins anew. */
static int registry_heard(Node *node, Session *session, Member *member, unsigned n_links, usec_t now_usec) {
        member->n_links = n_links;
        member->heard_usec = now_usec;
        if (member->registered_usec == 0 && session->use == SESSION_ACCEPTED)
                member->registered_usec = now_usec;
        if (registry_renewed(node, member, now_usec, now_usec))
                exchange_changed(node, member, now_usec);
        else
                exchange_renewed(node, member);
        return reports_answered(node, &session->id, session->epoch, session, now_usec);
}

static void notice_heard(Node *node, NoticeType type, const Member *member, MemberChange change) {
        Notice *notice = node_notice_member(node, type, member);

        notice->n = (unsigned) node->members.n_live;
        notice->restarted = change == MEMBER_RESTARTED;
        notice->known = change != MEMBER_ADDED && change != MEMBER_REVIVED;
}

int registry_on_register(Node *node, Session *session, const RegisterMessage *message, usec_t now_usec) {
        Message answer;
        Record record;
        Member *member;
        bool is_new;
        int change, r;

        if (!record_is_of(&message->record, session) || message->record.epoch != session->epoch)
                return session_protocol_error(node, session, "REGISTER has to carry the sender's own record, alive.",
                                              now_usec);

        message_set(&answer, MESSAGE_REGISTER_OK, register_ok, .lease_msec = lease_msec(node));
        record = registry_clean(&message->record, &session->remote);
        if (record.n_addresses == 0)
                record.n_addresses = node_effective_addresses(NULL, 0, &session->remote, session->addresses[0].port,
                                                              record.addresses);

        member = member_table_find(&node->members, &record.id);
        if (member) {
                answer.register_ok.has_held = true;
                answer.register_ok.held = member_held(member);
        }

        change = member_table_merge(&node->members, &record, now_usec, &member);
        if (change == -ENOSPC) {
                node->counters[COUNTER_MEMBERS_REFUSED]++;
                return session_close(node, session, CLOSE_BUSY, "The directory is full.", now_usec);
        }
        if (change < 0)
                return change;

        if (member_state_is_live(member->record.state) && member->record.epoch == session->epoch) {
                is_new = member->registered_usec == 0 || (change != MEMBER_UNCHANGED && change != MEMBER_UPDATED);
                member_prefer_addresses(member, &record);
                memcpy(member->record.name, record.name, sizeof(member->record.name));
                r = registry_heard(node, session, member, message->n_links, now_usec);
                if (r < 0)
                        return r;

                if (change != MEMBER_UNCHANGED) {
                        registry_changed(node, member, now_usec);
                        exchange_changed(node, member, now_usec);
                }
                if (is_new)
                        notice_heard(node, NOTICE_REGISTERED, member, change);
                session_set_timer(node, session, usec_add(now_usec, node->settings.params.lease_usec));
        }

        answer.register_ok.total = (uint32_t) node->members.n_live;
        return registry_answer(node, session, &answer, now_usec);
}

int registry_on_renew(Node *node, Session *session, const RenewMessage *message, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        Message answer;
        RenewOkMessage *ok = &answer.renew_ok;
        Held *disputed;
        int r;

        answer.type = MESSAGE_RENEW_OK;
        ok->has_held = false;

        /* Without HELD, the caller registers again: unknown here, or only as it was in an earlier life. */
        if (member && message->epoch == session->epoch && member->record.epoch >= session->epoch) {
                bool same = member->record.epoch == message->epoch;
                Held held;

                if (same && message->incarnation > member->record.incarnation) {
                        bool was_live = member_state_is_live(member->record.state) || member->parting;

                        /* It refuted elsewhere, and we have not heard of it yet. */
                        member_set_state(&node->members, member, message->epoch, message->incarnation, MEMBER_ALIVE,
                                         now_usec);
                        registry_changed(node, member, now_usec);
                        exchange_changed(node, member, now_usec);
                        if (!was_live)
                                node_notice_member(node, NOTICE_ALIVE, member)->n = (unsigned) node->members.n_live;
                }
                held = member_held(member);
                if (same && member_state_is_live(held.state)) {
                        r = registry_heard(node, session, member, message->n_links, now_usec);
                        if (r < 0)
                                return r;
                }

                disputed = &member->disputed;
                if (disputed->state != MEMBER_ALIVE && held_compare(disputed, &held) > 0)
                        held = *disputed;
                else
                        *disputed = (Held) {};
                ok->has_held = true;
                ok->held = held;
        }

        ok->lease_msec = lease_msec(node);
        ok->total = (uint32_t) node->members.n_live;
        ok->n_records = registry_sample(node, session, false, RENEW_RECORDS, ok->records, now_usec);
        return registry_answer(node, session, &answer, now_usec);
}

int registry_on_list(Node *node, Session *session, const ListMessage *message, usec_t now_usec) {
        Message answer;
        ListOkMessage *ok = &answer.list_ok;

        answer.type = MESSAGE_LIST_OK;
        ok->total = (uint32_t) node->members.n_live;
        if (message->has_after)
                ok->n_records = registry_page(node, session, &message->after, message->count, ok->records, now_usec);
        else
                ok->n_records = registry_sample(node, session, true, message->count, ok->records, now_usec);
        return registry_answer(node, session, &answer, now_usec);
}

int registry_on_leave(Node *node, Session *session, const LeaveMessage *message, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        Held held = { message->epoch, message->incarnation, MEMBER_LEFT }, known;

        if (!member || message->epoch != session->epoch)
                return 0;

        /* Whatever incarnation we have heard of: the one who leaves has the last word on it. */
        known = member_held(member);
        if (held.epoch == known.epoch)
                held.incarnation = MAX(held.incarnation, known.incarnation);
        if (held_compare(&held, &known) <= 0)
                return 0;

        reports_settle(node, &session->id, OUTCOME_NONE, now_usec);
        member_set_hidden(&node->members, member, false, now_usec);
        member_set_state(&node->members, member, held.epoch, held.incarnation, MEMBER_LEFT, now_usec);
        member->registered_usec = 0;
        member->heard_usec = now_usec;
        member->parting = true;
        registry_changed(node, member, now_usec);
        exchange_changed(node, member, now_usec);
        return 0;
}

int registry_on_refute(Node *node, Session *session, const Record *record, usec_t now_usec) {
        Member *member = member_table_find(&node->members, &session->id);
        uint64_t epoch;
        Record clean;
        int change, r;

        if (!record_is_of(record, session) || record->epoch < session->epoch)
                return session_protocol_error(node, session, "REFUTE has to carry the sender's own record, alive.",
                                              now_usec);

        session->epoch = record->epoch;         /* it may have refuted by a new epoch */
        if (!member)
                return 0;                       /* it is listed when it registers */

        epoch = member->record.epoch;
        clean = registry_clean(record, &session->remote);
        change = member_table_merge(&node->members, &clean, now_usec, &member);
        if (change < 0)
                return change;
        if (change == MEMBER_UNCHANGED)
                return 0;

        reports_settle(node, &session->id, record->epoch > epoch ? OUTCOME_NONE : OUTCOME_FALSE, now_usec);
        r = registry_heard(node, session, member, member->n_links, now_usec);
        if (r < 0)
                return r;
        registry_changed(node, member, now_usec);
        exchange_changed(node, member, now_usec);
        if (change == MEMBER_RESTARTED)
                notice_heard(node, NOTICE_JOINED, member, change);
        else if (change == MEMBER_REVIVED)
                notice_heard(node, NOTICE_ALIVE, member, change);
        return 0;
}

/* ---- the disk ---- */

size_t seed_snapshot(const Node *node, size_t first, Record *ret, size_t n_max, usec_t now_usec) {
        size_t n = first < node->members.n ? MIN(n_max, node->members.n - first) : 0;

        for (size_t i = 0; i < n; i++) {
                const Member *member = node->members.members[first + i];

                ret[i] = member->record;
                ret[i].age_msec = member_age_msec(member, now_usec);
        }
        return n;
}

int seed_restore(Node *node, const Record *records, size_t n, usec_t now_usec) {
        assert(node->started_usec == 0);

        for (size_t i = 0; i < n; i++) {
                usec_t age_usec = records[i].age_msec * USEC_PER_MSEC;
                Record record = records[i];
                Member *member;
                int r;

                if (record.state == MEMBER_SUSPECT)
                        record.state = MEMBER_ALIVE;
                if (record.role != ROLE_PEER || record.epoch >= EPOCH_MAX)
                        continue;
                if (!member_state_is_live(record.state) && age_usec >= FORGET_USEC)
                        continue;

                r = member_table_merge(&node->members, &record, now_usec, &member);
                if (r == -ENOSPC)
                        break;
                if (r < 0)
                        return r;

                if (member_state_is_live(record.state)) {
                        member->renewed_usec = usec_sub(now_usec, age_usec);
                        member_set_hidden(&node->members, member, true, now_usec);
                } else
                        member->since_usec = usec_sub(now_usec, age_usec);
                member_arm(node, member);
        }
        return 0;
}
