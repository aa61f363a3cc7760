/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, 6.1: whom a peer calls because a seed lists or introduces it, for it may be of another half of the network. */

#include "registered.h"

static void renew_with(Harness *h, LinkId link, const Record *records, size_t n) {
        harness_drop_sent(h);
        time_to_renewal(h, link);
        send_renew_ok(h, link, 90000, 1, &held_alive, records, n);
}

static void test_somebody_unknown_is_dialled_to_merge_one_per_renewal(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h), dialled;
        Record records[3] = { record_of(1, MEMBER_ALIVE), record_of(2, MEMBER_ALIVE), record_of(3, MEMBER_ALIVE) };
        Other other = harness_peer(1);

        renew_with(h, link, records, 3);
        dialled = expect_dial(h, 1);
        expect_no_dial(h);
        assert_true(harness_answer(h, dialled, &other, NULL));
        assert_int_equal(expect(h, dialled, MESSAGE_NEIGHBOR)->neighbor.priority, PRIORITY_MERGE);
        assert_int_equal(node_n_members(harness_node(h)), 3);

        renew_with(h, link, records, 3);        /* now all are known to live */
        expect_no_dial(h);
}

/* Until it renews; questions for the list meanwhile get nobody. */
static void time_to_renewal_of(Harness *h, LinkId link, uint32_t total) {
        for (usec_t end_usec = harness_now(h) + 60 * SEC; harness_now(h) < end_usec; harness_advance(h, 100 * MSEC)) {
                const Message *message;

                while ((message = harness_next(h, link))) {
                        if (message->type == MESSAGE_RENEW)
                                return;
                        if (message->type == MESSAGE_LIST)
                                send_list_ok(h, link, total, NULL, 0);
                }
        }
        fail_msg("no RENEW was sent");
}

/* Else every renewal would take a link away, in a network that is larger than the tables of its nodes. */
static void test_a_full_table_seldom_takes_somebody_unknown_for_another_half(void **state) {
        const struct {
                uint32_t total;
                unsigned min, max;
        } cases[] = { { 8, 100, 100 }, { 80, 2, 25 }, { 100000, 0, 1 } };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                NodeSettings settings = quiet_settings(PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = NULL;
                unsigned n_dials = 0;
                LinkId link;

                settings.params.members_max = 1;
                h = peer_new(&settings);
                harness_set_answering(h, true);
                (void) link_in(h, 1);                           /* who fills it, and lives */
                link = set_seed(h);
                for (unsigned n = 0; n < 100; n++) {
                        Record unknown = record_of((uint8_t) (20 + n), MEMBER_ALIVE);
                        Address address;
                        LinkId dialled;

                        time_to_renewal_of(h, link, cases[i].total);
                        while ((dialled = harness_dialled(h, &address)) != 0)
                                harness_change(h, dialled, LINK_REFUSED);
                        send_renew_ok(h, link, 90000, cases[i].total, &held_alive, &unknown, 1);
                        while ((dialled = harness_dialled(h, &address)) != 0) {
                                n_dials += address.bytes[3] == 20 + n;
                                harness_change(h, dialled, LINK_REFUSED);
                        }
                }
                assert_in_range(n_dials, cases[i].min, cases[i].max);
        }
}

/* It lacks somebody at any time: whole lists would come with each answer. */
static void test_a_full_table_is_compared_only_with_one_that_it_could_hold(void **state) {
        static const struct {
                uint32_t total;
                bool is_compared;
        } cases[] = { { 1, true }, { 3, false }, { 10000, false } };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                NodeSettings settings = quiet_settings(PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = NULL;
                LinkId link;

                settings.params.members_max = 1;
                h = peer_new(&settings);
                harness_set_answering(h, true);
                (void) link_in(h, 1);
                link = set_seed(h);
                time_to_renewal_of(h, link, cases[i].total);
                send_renew_ok(h, link, 90000, cases[i].total, &held_alive, NULL, 0);
                assert_int_equal(harness_find(h, link, MESSAGE_SYNC_DIGEST) != NULL, cases[i].is_compared);
        }
}

/* A small part of a network that fell apart: its table is full of those who are dead to it. */
static void test_a_table_full_of_the_dead_takes_somebody_unknown_for_another_half(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        Record unknown = record_of(20, MEMBER_ALIVE);
        LinkId link, dialled;
        (void) state;

        settings.params.members_max = 2;
        h = peer_new(&settings);
        link = set_seed(h);
        send_record(h, link, 1, MEMBER_ALIVE);
        send_record(h, link, 2, MEMBER_LEFT);
        assert_int_equal(node_n_members(harness_node(h)), 2);
        time_to_renewal_of(h, link, 100000);
        while ((dialled = harness_dialled(h, NULL)) != 0)
                harness_change(h, dialled, LINK_REFUSED);
        send_renew_ok(h, link, 90000, 100000, &held_alive, &unknown, 1);
        expect_dial(h, 20);
}

static void test_whom_a_seed_lists_is_called_by_who_keeps_no_table_too(void **state) {
        Record listed = record_of(1, MEMBER_ALIVE), dead = record_of(2, MEMBER_DEAD);
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId link;
        (void) state;

        settings.params.members_max = 0;
        settings.params.links_outgoing = 1;
        h = peer_new(&settings);
        link = set_seed(h);
        send_list_ok(h, link, 3, &dead, 1);
        expect_no_dial(h);
        send_list_ok(h, link, 3, &listed, 1);
        expect_dial(h, 1);
        assert_int_equal(node_n_members(harness_node(h)), 0);
}

static void introduce(Harness *h, LinkId link, uint8_t n) {
        Message message = { .type = MESSAGE_SYNC_RECORDS };

        message.sync_records.n_records = 1;
        message.sync_records.records[0] = record_of(n, MEMBER_ALIVE);
        harness_send(h, link, &message);
}

/* One without a link is probed from time to time, which is no merge. */
static void expect_no_merge(Harness *h) {
        Address address;
        LinkId link;

        while ((link = harness_dialled(h, &address)) != 0) {
                Other other = harness_peer(address.bytes[3]);

                harness_change(h, link, LINK_CONNECTED);
                assert_int_equal(expect(h, link, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
                send_hello_ok(h, link, &other);
        }
}

/* The same, and whoever is probed meanwhile answers. */
static void renew_answering(Harness *h, LinkId link, const Record *records, size_t n) {
        harness_drop_sent(h);
        while (!harness_find(h, link, MESSAGE_RENEW)) {
                harness_advance(h, 10 * MSEC);
                expect_no_merge(h);
        }
        send_renew_ok(h, link, 90000, 1, &held_alive, records, n);
}

/* The other half of a network, that a seed tells of before it is in a sample. */
static void test_whom_a_seed_introduces_is_dialled_to_merge_within_two_renewals(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);
        Record records[3] = { record_of(1, MEMBER_ALIVE), record_of(2, MEMBER_ALIVE), record_of(3, MEMBER_ALIVE) };
        Other other = harness_peer(1);

        introduce(h, link, 4);                          /* right after our start everybody is new */
        harness_advance(h, 10 * SEC);
        for (uint8_t n = 1; n <= 3; n++)
                introduce(h, link, n);
        send_close(h, harness_open(h, &other), CLOSE_DONE);     /* 1 calls us meanwhile */
        expect_no_dial(h);

        renew_answering(h, link, records, 2);
        expect_dial(h, 2);
        expect_no_merge(h);
        renew_answering(h, link, records, 1);
        expect_no_merge(h);
        records[1] = record_of(4, MEMBER_ALIVE);
        renew_answering(h, link, records, 3);                /* too late for 3 */
        expect_no_merge(h);
}

/* It dials whom it wants; those who hear of it wait a moment, or they would meet half-way. */
static void test_a_newcomer_is_not_dialled_at_once(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LinkId link = set_seed(h);
        (void) state;

        introduce(h, link, 1);
        expect_no_dial(h);
        harness_advance(h, 250 * MSEC - 1);
        expect_no_dial(h);
        harness_advance(h, 500 * MSEC + 1);
        expect_dial(h, 1);
}

static void test_somebody_held_as_gone_is_dialled_to_merge(void **state) {
        const MemberState states[] = { MEMBER_SUSPECT, MEMBER_LEFT, MEMBER_DEAD };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                NodeSettings settings = quiet_settings(PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = peer_new(&settings);
                Record records[2] = { record_of(OWN, MEMBER_ALIVE), record_of(1, MEMBER_ALIVE) };
                LinkId link;

                link = set_seed(h);
                send_record(h, link, 1, states[i]);
                renew_with(h, link, records, 2);
                expect_dial(h, 1);
                expect_no_dial(h);
        }
}

static void test_who_is_linked_or_has_no_address_needs_no_merging(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);
        Record record = record_of(1, MEMBER_ALIVE);

        harness_set_answering(h, true);
        link_in(h, 1);
        send_record(h, link, 1, MEMBER_DEAD);           /* so a seed says */
        renew_with(h, link, &record, 1);
        expect_no_dial(h);

        record = record_of(2, MEMBER_ALIVE);
        record.n_addresses = 0;
        renew_with(h, link, &record, 1);
        expect_no_dial(h);
}

static void test_a_death_is_told_to_a_linked_member_before_anybody(void **state) {
        Harness *h = *state;
        LinkId seed = set_seed(h), link = link_in(h, 1);
        const Message *accused;

        harness_drop_sent(h);
        send_record(h, seed, 1, MEMBER_DEAD);
        accused = expect(h, link, MESSAGE_ACCUSED);
        assert_int_equal(accused->accused.held.state, MEMBER_SUSPECT);
        assert_int_equal(accused->accused.held.epoch, HARNESS_EPOCH);
        expect(h, link, MESSAGE_PING);
        assert_true(harness_is_up(h, link));
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SUSPECT));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST_QUIET(test_somebody_unknown_is_dialled_to_merge_one_per_renewal),
                cmocka_unit_test(test_a_full_table_seldom_takes_somebody_unknown_for_another_half),
                cmocka_unit_test(test_a_full_table_is_compared_only_with_one_that_it_could_hold),
                cmocka_unit_test(test_a_table_full_of_the_dead_takes_somebody_unknown_for_another_half),
                cmocka_unit_test(test_whom_a_seed_lists_is_called_by_who_keeps_no_table_too),
                TEST_QUIET(test_whom_a_seed_introduces_is_dialled_to_merge_within_two_renewals),
                cmocka_unit_test(test_a_newcomer_is_not_dialled_at_once),
                cmocka_unit_test(test_somebody_held_as_gone_is_dialled_to_merge),
                TEST_QUIET(test_who_is_linked_or_has_no_address_needs_no_merging),
                TEST(test_a_death_is_told_to_a_linked_member_before_anybody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
