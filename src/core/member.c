/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/member.h"

#include <errno.h>
#include <limits.h>

void member_table_init(MemberTable *table, TimerQueue *timers, unsigned timer_kind, size_t n_max) {
        *table = (MemberTable) { .timers = timers, .timer_kind = timer_kind, .n_max = n_max };
}

void member_table_done(MemberTable *table) {
        while (table->n > 0)
                member_table_remove(table, table->members[table->n - 1]);
        free(table->members);
        free(table->buckets);
        *table = (MemberTable) {};
}

Member *member_table_find(const MemberTable *table, const NodeId *id) {
        for (IndexEntry *entry = index_first(&table->index, hash_of_bytes(id, sizeof(*id))); entry; entry = index_next(entry)) {
                Member *member = container_of(entry, Member, by_id);

                if (node_id_equal(&member->record.id, id))
                        return member;
        }
        return NULL;
}

Member *member_table_find_again(MemberTable *table, const NodeId *id) {
        if (!table->recent || !node_id_equal(&table->recent->record.id, id))
                table->recent = member_table_find(table, id);
        return table->recent;
}

uint64_t member_hash(const NodeId *id, uint64_t epoch, uint32_t incarnation, MemberState state) {
        static const SipKey zero;
        uint8_t buffer[NODE_ID_SIZE + 8 + 4 + 1], *p = buffer;

        p = put_bytes(p, id->bytes, NODE_ID_SIZE);
        p = put_be64(p, epoch);
        p = put_be32(p, incarnation);
        p = put_u8(p, state == MEMBER_SUSPECT ? MEMBER_ALIVE : state);
        return siphash24(buffer, (size_t) (p - buffer), &zero);
}

static void table_place(MemberTable *table, size_t i, Member *member) {
        table->members[i] = member;
        member->index = (unsigned) i;
}

static void table_swap(MemberTable *table, size_t i, size_t j) {
        Member *a = table->members[i], *b = table->members[j];

        table_place(table, i, b);
        table_place(table, j, a);
}

/* Takes a member out of the sums before it changes, and back into them afterwards. */
static void member_uncount(MemberTable *table, Member *member) {
        const Record *r = &member->record;

        if (!member->hidden)
                table->buckets[r->id.bytes[0]] ^= member_hash(&r->id, r->epoch, r->incarnation, r->state);
        if (member_is_live(member)) {
                table_swap(table, member->index, --table->n_live);
                if (r->state == MEMBER_SUSPECT)
                        table->n_suspect--;
        }
}

static void member_count(MemberTable *table, Member *member) {
        const Record *r = &member->record;

        if (!member->hidden)
                table->buckets[r->id.bytes[0]] ^= member_hash(&r->id, r->epoch, r->incarnation, r->state);
        if (member_is_live(member)) {
                table_swap(table, member->index, table->n_live++);
                if (r->state == MEMBER_SUSPECT)
                        table->n_suspect++;
        }
}

void member_set_state(MemberTable *table, Member *member, uint64_t epoch, uint32_t incarnation, MemberState state,
                      usec_t now_usec) {
        member_uncount(table, member);
        if (member->record.state != state)
                member->since_usec = now_usec;
        member->record.epoch = epoch;
        member->record.incarnation = incarnation;
        member->record.state = state;
        if (member_state_is_live(state))
                member->parting = false;
        member_count(table, member);
}

void member_set_hidden(MemberTable *table, Member *member, bool hidden, usec_t now_usec) {
        if (member->hidden == hidden)
                return;

        member_uncount(table, member);
        member->hidden = hidden;
        member->since_usec = now_usec;
        member_count(table, member);
}

bool member_has_address(const Member *member, const Address *address) {
        for (size_t i = 0; i < member->record.n_addresses; i++)
                if (address_equal(member->record.addresses + i, address))
                        return true;
        return false;
}

void member_set_addresses(Member *member, const Address *addresses, size_t n) {
        member->record.n_addresses = MIN(n, (size_t) RECORD_ADDRESSES_MAX);
        for (size_t i = 0; i < member->record.n_addresses; i++)
                member->record.addresses[i] = addresses[i];
}

void member_remove_address(Member *member, const Address *address) {
        size_t kept = 0;

        for (size_t i = 0; i < member->record.n_addresses; i++)
                if (!address_equal(member->record.addresses + i, address))
                        member->record.addresses[kept++] = member->record.addresses[i];
        member->record.n_addresses = kept;
}

static bool member_add_addresses(Member *member, const Record *record) {
        bool changed = false;

        for (size_t i = 0; i < record->n_addresses && member->record.n_addresses < RECORD_ADDRESSES_MAX; i++)
                if (!member_has_address(member, record->addresses + i)) {
                        member->record.addresses[member->record.n_addresses++] = record->addresses[i];
                        changed = true;
                }
        return changed;
}

int held_compare(const Held *a, const Held *b) {
        if (a->epoch != b->epoch)
                return a->epoch < b->epoch ? -1 : 1;
        if (a->incarnation != b->incarnation)
                return a->incarnation < b->incarnation ? -1 : 1;
        return (int) a->state - (int) b->state;
}

static int table_make_room(MemberTable *table) {
        Member *oldest = NULL;

        if (table->n >= table->n_max) {
                for (size_t i = table->n_live; i < table->n; i++)
                        if (!oldest || table->members[i]->since_usec < oldest->since_usec)
                                oldest = table->members[i];
                if (!oldest)
                        return -ENOSPC;
                member_table_remove(table, oldest);
        }

        if (!table->buckets)
                table->buckets = calloc(SYNC_BUCKETS, sizeof(*table->buckets));
        if (!table->buckets)
                return -ENOMEM;
        if (table->n >= table->n_allocated) {
                size_t n = MAX((size_t) 16, 2 * table->n_allocated);
                Member **members = reallocarray(table->members, n, sizeof(*members));

                if (!members)
                        return -ENOMEM;
                table->members = members;
                table->n_allocated = n;
        }
        return 0;
}

static int table_add(MemberTable *table, const Record *record, usec_t now_usec, Member **ret) {
        Member *member;
        int r;

        r = table_make_room(table);
        if (r < 0)
                return r;

        member = malloc(sizeof(*member));
        if (!member)
                return -ENOMEM;
        *member = (Member) { .record = *record, .since_usec = now_usec, .n_links = UINT_MAX };

        r = timer_init(table->timers, &member->timer, table->timer_kind);
        if (r >= 0)
                r = index_add(&table->index, &member->by_id, hash_of_bytes(&record->id, sizeof(record->id)));
        if (r < 0) {
                timer_done(table->timers, &member->timer);
                free(member);
                return r;
        }

        table_place(table, table->n++, member);
        member_count(table, member);
        *ret = member;
        return member_is_live(member) ? MEMBER_ADDED : MEMBER_ADDED_GONE;
}

int member_table_merge(MemberTable *table, const Record *record, usec_t now_usec, Member **ret) {
        Member *member = member_table_find(table, &record->id);
        bool was_hidden, was_parting, newer_epoch;
        MemberState was;
        Held a, b;
        int order;

        *ret = member;
        if (!member)
                return table_add(table, record, now_usec, ret);

        a = (Held) { record->epoch, record->incarnation, record->state };
        b = member_held(member);
        order = held_compare(&a, &b);
        if (order < 0)
                return MEMBER_UNCHANGED;
        if (order == 0 && !member->hidden)
                return member_add_addresses(member, record) ? MEMBER_UPDATED : MEMBER_UNCHANGED;

        was = member->record.state;
        was_hidden = member->hidden;
        was_parting = member->parting;
        newer_epoch = record->epoch > member->record.epoch;
        if (newer_epoch || record->incarnation > member->record.incarnation) {
                /* The owner speaks of itself anew: what it says replaces what it said before, unless it says
                 * nothing. */
                if (record->n_addresses > 0)
                        member_set_addresses(member, record->addresses, record->n_addresses);
                memcpy(member->record.name, record->name, sizeof(member->record.name));
                member->record.role = record->role;
        }
        member_set_hidden(table, member, false, now_usec);
        member_set_state(table, member, record->epoch, record->incarnation, record->state, now_usec);

        if (!member_state_is_live(record->state))
                return member_state_is_live(was) || was_hidden ? MEMBER_GONE : MEMBER_UPDATED;
        if (was_hidden || (!member_state_is_live(was) && !was_parting))
                return MEMBER_REVIVED;
        if (newer_epoch) {
                member->since_usec = now_usec;
                return MEMBER_RESTARTED;
        }
        if (was == MEMBER_SUSPECT && record->state == MEMBER_ALIVE)
                return MEMBER_REVIVED;
        return (was == MEMBER_ALIVE || was_parting) && record->state == MEMBER_SUSPECT ? MEMBER_SUSPECTED : MEMBER_UPDATED;
}

void member_table_remove(MemberTable *table, Member *member) {
        member_uncount(table, member);
        table_swap(table, member->index, table->n - 1);
        table->n--;
        if (table->recent == member)
                table->recent = NULL;
        index_remove(&table->index, &member->by_id);
        timer_done(table->timers, &member->timer);
        free(member->verdict);
        free(member);
}

size_t member_table_draw(MemberTable *table, Random *random, size_t n) {
        n = MIN(n, table->n_live);
        for (size_t i = 0; i < n; i++)
                table_swap(table, i, i + random_below(random, table->n_live - i));
        return n;
}

bool record_for_caller(const Record *record, const Address *caller, Record *ret) {
        bool local = address_is_loopback(caller);

        *ret = *record;
        ret->n_addresses = 0;
        for (size_t i = 0; i < record->n_addresses; i++)
                if (local || !address_is_loopback(record->addresses + i))
                        ret->addresses[ret->n_addresses++] = record->addresses[i];
        return ret->n_addresses > 0;
}
