/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/member.h"

#include <errno.h>
#include <stdio.h>

#include "unit.h"

typedef struct Fixture {
        TimerQueue timers;
        MemberTable table;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        member_table_init(&f->table, &f->timers, 5, 100);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        member_table_done(&f->table);
        timer_queue_done(&f->timers);
        free(f);
        return 0;
}

static Record record_of(uint8_t n, uint64_t epoch, uint32_t incarnation, MemberState member_state) {
        Record record = {
                .epoch = epoch,
                .incarnation = incarnation,
                .state = member_state,
                .role = ROLE_PEER,
                .n_addresses = 1,
                .addresses = { address_ipv4((uint8_t[]) { 10, 0, 0, n }, 6000) },
        };

        memset(record.id.bytes, n, sizeof(record.id.bytes));
        (void) snprintf(record.name, sizeof(record.name), "peer-%u", n);
        return record;
}

static int merge(Fixture *f, uint8_t n, uint64_t epoch, uint32_t incarnation, MemberState member_state) {
        Record record = record_of(n, epoch, incarnation, member_state);
        Member *member;

        return member_table_merge(&f->table, &record, 1000, &member);
}

static Member *find(Fixture *f, uint8_t n) {
        Record record = record_of(n, 0, 0, MEMBER_ALIVE);

        return member_table_find(&f->table, &record.id);
}

/* Sums, order and buckets, computed anew from the members. */
static void check(const MemberTable *table) {
        uint64_t buckets[SYNC_BUCKETS] = {};
        size_t n_suspect = 0;

        assert_int_equal(table->index.n, table->n);
        assert_true(table->n_live <= table->n);
        for (size_t i = 0; i < table->n; i++) {
                const Member *member = table->members[i];
                const Record *r = &member->record;

                assert_int_equal(member->index, i);
                assert_int_equal(member_is_live(member), i < table->n_live);
                n_suspect += member_is_live(member) && r->state == MEMBER_SUSPECT;
                if (!member->hidden)
                        buckets[r->id.bytes[0]] ^= member_hash(&r->id, r->epoch, r->incarnation, r->state);
        }
        assert_int_equal(n_suspect, table->n_suspect);
        if (table->buckets)
                assert_memory_equal(buckets, table->buckets, sizeof(buckets));
        else
                assert_int_equal(table->n, 0);
}

static void test_records_order_by_epoch_then_incarnation_then_state(void **state) {
        static const Held ascending[] = {
                { 1, 0, MEMBER_ALIVE }, { 1, 0, MEMBER_SUSPECT }, { 1, 0, MEMBER_LEFT }, { 1, 0, MEMBER_DEAD },
                { 1, 1, MEMBER_ALIVE }, { 1, UINT32_MAX, MEMBER_DEAD },
                { 2, 0, MEMBER_ALIVE }, { UINT64_MAX, 0, MEMBER_ALIVE },
        };

        for (size_t i = 0; i < ELEMENTSOF(ascending); i++)
                for (size_t j = 0; j < ELEMENTSOF(ascending); j++) {
                        int order = held_compare(ascending + i, ascending + j);

                        assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
                }
}

static void test_each_change_has_its_name(void **state) {
        Fixture *f = *state;

        assert_int_equal(merge(f, 1, 1, 0, MEMBER_ALIVE), MEMBER_ADDED);
        assert_int_equal(merge(f, 1, 1, 0, MEMBER_ALIVE), MEMBER_UNCHANGED);
        assert_int_equal(merge(f, 1, 0, 9, MEMBER_DEAD), MEMBER_UNCHANGED);
        assert_int_equal(merge(f, 1, 1, 0, MEMBER_SUSPECT), MEMBER_SUSPECTED);
        assert_int_equal(merge(f, 1, 1, 0, MEMBER_ALIVE), MEMBER_UNCHANGED);
        assert_int_equal(merge(f, 1, 1, 1, MEMBER_ALIVE), MEMBER_REVIVED);
        assert_int_equal(merge(f, 1, 1, 2, MEMBER_ALIVE), MEMBER_UPDATED);
        assert_int_equal(merge(f, 1, 2, 0, MEMBER_ALIVE), MEMBER_RESTARTED);
        assert_int_equal(merge(f, 1, 2, 0, MEMBER_LEFT), MEMBER_GONE);
        assert_int_equal(merge(f, 1, 2, 0, MEMBER_DEAD), MEMBER_UPDATED);
        assert_int_equal(merge(f, 1, 2, 0, MEMBER_ALIVE), MEMBER_UNCHANGED);
        assert_int_equal(merge(f, 1, 2, 1, MEMBER_ALIVE), MEMBER_REVIVED);
        assert_int_equal(merge(f, 2, 1, 0, MEMBER_DEAD), MEMBER_ADDED_GONE);
        assert_int_equal(f->table.n, 2);
        assert_int_equal(f->table.n_live, 1);
        check(&f->table);
}

static void test_the_result_does_not_depend_on_the_order(void **state) {
        Random random = random_from_run(1);
        Record records[40];
        Held expected = {};

        for (size_t i = 0; i < ELEMENTSOF(records); i++) {
                Held held;

                records[i] = record_of(1, random_below(&random, 3), (uint32_t) random_below(&random, 3),
                                       (MemberState) random_below(&random, _MEMBER_STATE_MAX));
                held = (Held) { records[i].epoch, records[i].incarnation, records[i].state };
                if (i == 0 || held_compare(&held, &expected) > 0)
                        expected = held;
        }
        for (unsigned run = 0; run < 50; run++) {
                Fixture *f;
                Member *member = NULL;
                Held held;

                setup((void **) &f);
                for (size_t i = ELEMENTSOF(records) - 1; i > 0; i--) {
                        size_t j = random_below(&random, i + 1);
                        Record swap = records[i];

                        records[i] = records[j];
                        records[j] = swap;
                }
                for (size_t i = 0; i < ELEMENTSOF(records); i++)
                        assert_true(member_table_merge(&f->table, records + i, 1, &member) >= 0);
                held = member_held(member);
                assert_int_equal(held_compare(&held, &expected), 0);
                check(&f->table);
                teardown((void **) &f);
        }
}

static void test_addresses_of_equal_records_are_joined(void **state) {
        Fixture *f = *state;
        Record record = record_of(1, 1, 0, MEMBER_ALIVE);
        Member *member;

        assert_int_equal(member_table_merge(&f->table, &record, 1, &member), MEMBER_ADDED);
        for (uint16_t port = 1; port <= 10; port++) {
                record.addresses[0].port = port;
                assert_int_equal(member_table_merge(&f->table, &record, 1, &member),
                                 port < RECORD_ADDRESSES_MAX ? MEMBER_UPDATED : MEMBER_UNCHANGED);
        }
        assert_int_equal(member->record.n_addresses, RECORD_ADDRESSES_MAX);
        assert_int_equal(member->record.addresses[0].port, 6000);
}

static void test_the_owner_speaking_anew_replaces_addresses_and_name(void **state) {
        Fixture *f = *state;
        Record record = record_of(1, 1, 0, MEMBER_ALIVE);
        Member *member;

        assert_int_equal(member_table_merge(&f->table, &record, 1, &member), MEMBER_ADDED);
        record.incarnation = 1;
        record.addresses[0].port = 7000;
        strcpy(record.name, "new");
        assert_int_equal(member_table_merge(&f->table, &record, 1, &member), MEMBER_UPDATED);
        assert_int_equal(member->record.n_addresses, 1);
        assert_int_equal(member->record.addresses[0].port, 7000);
        assert_string_equal(member->record.name, "new");

        /* A death is told without addresses: they stay, for the one that will ask. */
        record.incarnation = 2;
        record.state = MEMBER_DEAD;
        record.n_addresses = 0;
        assert_int_equal(member_table_merge(&f->table, &record, 1, &member), MEMBER_GONE);
        assert_int_equal(member->record.n_addresses, 1);
}

static void test_hidden_members_are_not_live_and_come_back(void **state) {
        Fixture *f = *state;
        Member *member;

        merge(f, 1, 1, 0, MEMBER_ALIVE);
        merge(f, 2, 1, 0, MEMBER_ALIVE);
        member = find(f, 1);
        member_set_hidden(&f->table, member, true, 5000);
        assert_false(member_is_live(member));
        assert_int_equal(member->since_usec, 5000);
        assert_int_equal(f->table.n_live, 1);
        check(&f->table);

        member_set_hidden(&f->table, member, true, 6000);
        assert_int_equal(member->since_usec, 5000);
        assert_int_equal(merge(f, 1, 1, 0, MEMBER_ALIVE), MEMBER_REVIVED);
        assert_false(member->hidden);
        assert_int_equal(f->table.n_live, 2);

        member_set_hidden(&f->table, member, true, 5000);
        assert_int_equal(merge(f, 1, 1, 0, MEMBER_DEAD), MEMBER_GONE);
        assert_false(member->hidden);
        check(&f->table);
}

static void test_a_full_table_forgets_the_longest_gone_and_no_living(void **state) {
        Fixture *f = *state;
        Record record;
        Member *member;

        f->table.n_max = 4;
        for (uint8_t n = 1; n <= 4; n++)
                assert_int_equal(merge(f, n, 1, 0, MEMBER_ALIVE), MEMBER_ADDED);
        assert_int_equal(merge(f, 5, 1, 0, MEMBER_ALIVE), -ENOSPC);
        assert_null(find(f, 5));

        member_set_state(&f->table, find(f, 2), 1, 0, MEMBER_DEAD, 3000);
        member_set_state(&f->table, find(f, 3), 1, 0, MEMBER_LEFT, 2000);
        record = record_of(5, 1, 0, MEMBER_ALIVE);
        assert_int_equal(member_table_merge(&f->table, &record, 4000, &member), MEMBER_ADDED);
        assert_null(find(f, 3));
        assert_non_null(find(f, 2));
        assert_int_equal(merge(f, 6, 1, 0, MEMBER_ALIVE), MEMBER_ADDED);
        assert_int_equal(merge(f, 7, 1, 0, MEMBER_ALIVE), -ENOSPC);
        assert_int_equal(f->table.n, 4);
        check(&f->table);
}

static void test_a_draw_is_without_repetition_and_of_the_living(void **state) {
        Fixture *f = *state;
        Random random = random_from_run(4);
        unsigned drawn[51] = {};

        for (uint8_t n = 1; n <= 50; n++)
                merge(f, n, 1, 0, n % 5 == 0 ? MEMBER_DEAD : MEMBER_ALIVE);
        for (unsigned i = 0; i < 2000; i++) {
                bool now[51] = {};

                assert_int_equal(member_table_draw(&f->table, &random, 8), 8);
                for (size_t j = 0; j < 8; j++) {
                        uint8_t n = f->table.members[j]->record.id.bytes[0];

                        assert_false(now[n]);
                        assert_true(n % 5 != 0);
                        now[n] = true;
                        drawn[n]++;
                }
        }
        for (uint8_t n = 1; n <= 50; n++)
                if (n % 5 != 0)
                        assert_in_range(drawn[n], 300, 500);    /* 400 expected */
        assert_int_equal(member_table_draw(&f->table, &random, 1000), 40);
        check(&f->table);
}

static void test_suspicion_does_not_show_in_the_digest(void **state) {
        Fixture *f = *state;
        uint64_t before;

        merge(f, 1, 1, 0, MEMBER_ALIVE);
        before = f->table.buckets[1];
        merge(f, 1, 1, 0, MEMBER_SUSPECT);
        assert_int_equal(f->table.n_suspect, 1);
        assert_true(f->table.buckets[1] == before);
        merge(f, 1, 1, 0, MEMBER_DEAD);
        assert_true(f->table.buckets[1] != before);
}

static void test_loopback_addresses_are_for_this_host(void **state) {
        Record record = record_of(1, 1, 0, MEMBER_ALIVE), ret;
        Address local = address_ipv4((uint8_t[]) { 127, 0, 0, 1 }, 1);
        Address remote = address_ipv4((uint8_t[]) { 10, 9, 9, 9 }, 1);

        record.addresses[1] = local;
        record.n_addresses = 2;
        assert_true(record_for_caller(&record, &remote, &ret));
        assert_int_equal(ret.n_addresses, 1);
        assert_true(record_for_caller(&record, &local, &ret));
        assert_int_equal(ret.n_addresses, 2);

        record.addresses[0] = local;
        assert_false(record_for_caller(&record, &remote, &ret));
        assert_int_equal(ret.n_addresses, 0);
}

static void test_any_sequence_keeps_sums_and_buckets(void **state) {
        Fixture *f = *state;
        Random random = random_from_run(5);

        f->table.n_max = 20;
        for (unsigned i = 0; i < 5000; i++) {
                uint8_t n = (uint8_t) (1 + random_below(&random, 30));
                Member *member = find(f, n);

                switch (random_below(&random, 6)) {
                case 0:
                        if (member)
                                member_table_remove(&f->table, member);
                        break;
                case 1:
                        if (member)
                                member_set_hidden(&f->table, member, random_below(&random, 2) == 0, i);
                        break;
                default:
                        (void) merge(f, n, random_below(&random, 4), (uint32_t) random_below(&random, 4),
                                     (MemberState) random_below(&random, _MEMBER_STATE_MAX));
                        break;
                }
                assert_true(f->table.n <= 20);
                check(&f->table);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_records_order_by_epoch_then_incarnation_then_state),
                TEST(test_each_change_has_its_name),
                TEST(test_the_result_does_not_depend_on_the_order),
                TEST(test_addresses_of_equal_records_are_joined),
                TEST(test_the_owner_speaking_anew_replaces_addresses_and_name),
                TEST(test_hidden_members_are_not_live_and_come_back),
                TEST(test_a_full_table_forgets_the_longest_gone_and_no_living),
                TEST(test_a_draw_is_without_repetition_and_of_the_living),
                TEST(test_suspicion_does_not_show_in_the_digest),
                TEST(test_loopback_addresses_are_for_this_host),
                TEST(test_any_sequence_keeps_sums_and_buckets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
