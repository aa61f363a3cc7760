/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, 6.1: entries of the list that are not what they seem, and a list that changes. */

#include "listed-seeds.h"

/* The only entry leads to @other, who answers the HELLO. */
static LinkId answered_by(Harness *h, const Other *other) {
        LinkId link;

        set_seeds_up_to(h, 1);
        link = resolve_seed(h, 1);
        assert_true(harness_answer(h, link, other, NULL));
        return link;
}

/* ---- entries that are not what they seem ---- */

static void test_an_entry_that_leads_to_ourselves_is_none(void **state) {
        Harness *h = *state;
        Other self = harness_seed(OWN);
        LinkId link;

        set_seeds_up_to(h, 2);
        link = resolve_seed(h, 1);
        assert_true(harness_answer(h, link, &self, NULL));
        expect_close(h, link, CLOSE_SELF);
        assert_int_equal(seed_info(h, 0).state, SEED_SELF);
        assert_int_equal(node_n_wanted(harness_node(h)), 1);

        link = resolve_seed(h, 2);              /* and the same, said by it */
        harness_change(h, link, LINK_CONNECTED);
        send_close(h, link, CLOSE_SELF);
        assert_int_equal(seed_info(h, 1).state, SEED_SELF);
        harness_advance(h, 60 * SEC);
        assert_int_equal(n_asked_for(h, 2), 0);
}

static void test_a_peer_is_no_seed(void **state) {
        Harness *h = *state;
        Other peer = harness_peer(1);
        LinkId link;

        link = answered_by(h, &peer);
        expect_close(h, link, CLOSE_NOT_ALLOWED);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
        assert_string_equal(seed_info(h, 0).error, "that is a peer, not a seed");
        assert_int_equal(node_n_registered(harness_node(h)), 0);

        /* Each attempt would take the place of a link to that peer, so there are few. */
        harness_advance(h, 9 * SEC);
        assert_int_equal(n_asked_for(h, 1), 0);
        harness_advance(h, 25 * SEC);
        assert_int_equal(n_asked_for(h, 1), 1);
}

/* Both names lead to seed 10.0.0.1. */
static LinkId open_twin(Harness *h, uint8_t number, uint64_t epoch) {
        Other seed = harness_seed(1);
        Address address = harness_address(1, 5000);
        LinkId link;

        seed.epoch = epoch;
        assert_true(harness_asked_for(h, number));
        harness_resolve(h, number, &address, 1);
        link = harness_dialled(h, NULL);
        assert_true(harness_answer(h, link, &seed, NULL));
        return link;
}

static void test_a_seed_counts_once_it_has_answered_register(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);
        LinkId link;

        link = answered_by(h, &seed);
        assert_int_equal(node_n_registered(harness_node(h)), 0);
        assert_int_equal(seed_info(h, 0).state, SEED_CONNECTING);
        send_register_ok(h, link, 90000, 1, NULL);
        assert_int_equal(node_n_registered(harness_node(h)), 1);
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
}

static void test_two_entries_that_lead_to_one_seed_count_once(void **state) {
        Harness *h = *state;
        LinkId first, second;

        set_seeds_up_to(h, 2);
        first = register_with(h, 1);
        second = open_twin(h, 2, HARNESS_EPOCH);
        expect(h, second, MESSAGE_REGISTER);
        send_register_ok(h, second, 90000, FRESH_TOTAL, NULL);
        send_list_ok(h, second, 1, NULL, 0);
        assert_int_equal(node_n_wanted(harness_node(h)), 1);
        assert_int_equal(node_n_registered(harness_node(h)), 1);
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        assert_int_equal(seed_info(h, 1).state, SEED_SELF);
        send_record(h, first, 9, MEMBER_ALIVE);         /* what comes on the elder one is late */
        assert_int_equal(node_n_members(harness_node(h)), 0);

        /* The seed's id is the smaller one: it ends the elder. */
        send_close(h, first, CLOSE_SUPERSEDED);
        assert_int_equal(node_n_registered(harness_node(h)), 1);
        assert_null(harness_notice(h, NOTICE_SEED_LOST));
        harness_advance(h, 20 * SEC);
        assert_int_equal(n_asked_for(h, 2), 0);
        assert_true(harness_is_up(h, second));

        /* What leads to it may lead to another one, once it has gone. */
        harness_change(h, second, LINK_RESET);
        assert_non_null(harness_notice(h, NOTICE_SEED_LOST));
        harness_advance(h, 200 * MSEC);
        assert_int_equal(n_asked_for(h, 2), 2);
}

static void test_the_smaller_id_ends_the_elder_of_two_at_a_seed(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        Other seed = harness_seed(200);
        Address address = harness_address(200, 5000);
        LinkId first, second;
        (void) state;

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 0 });
        first = register_with(h, 200);
        harness_resolve(h, 201, &address, 1);
        second = harness_dialled(h, NULL);
        assert_true(harness_answer(h, second, &seed, NULL));
        expect_close(h, first, CLOSE_SUPERSEDED);
        expect(h, second, MESSAGE_REGISTER);
        send_register_ok(h, second, 90000, FRESH_TOTAL, NULL);
        assert_int_equal(node_n_registered(harness_node(h)), 1);
        assert_int_equal(node_n_wanted(harness_node(h)), 1);
        assert_null(harness_notice(h, NOTICE_SEED_LOST));
}

static void test_a_newer_session_that_breaks_does_not_cost_the_registration(void **state) {
        Harness *h = *state;
        LinkId second;

        set_seeds_up_to(h, 2);
        register_with(h, 1);
        second = open_twin(h, 2, HARNESS_EPOCH);
        harness_change(h, second, LINK_RESET);
        harness_advance(h, 200 * MSEC);
        assert_true(harness_asked_for(h, 1));
        register_with(h, 1);
        assert_true(node_n_registered(harness_node(h)) >= 1);
}

static void test_a_twin_of_an_earlier_life_is_tried_again_later(void **state) {
        Harness *h = *state;
        LinkId first, second;

        set_seeds_up_to(h, 2);
        first = register_with(h, 1);
        second = open_twin(h, 2, HARNESS_EPOCH - 1);
        expect_close(h, second, CLOSE_SUPERSEDED);
        assert_true(harness_is_up(h, first));
        assert_int_equal(seed_info(h, 0).state, SEED_REGISTERED);
        assert_int_equal(seed_info(h, 1).state, SEED_UNREACHABLE);
        harness_advance(h, 200 * MSEC);
        assert_true(harness_asked_for(h, 2));
}

/* ---- a list that changes ---- */

static void test_entries_that_stay_keep_their_sessions(void **state) {
        Harness *h = *state;
        LinkId first, second, third;

        harness_set_seeds(h, (uint8_t[]) { 1, 2, 0 });
        first = register_with(h, 1);
        second = register_with(h, 2);
        harness_drop_sent(h);

        harness_set_seeds(h, (uint8_t[]) { 3, 2, 0 });
        assert_true(harness_is_up(h, second));
        expect_nothing(h, second);
        expect_close(h, first, CLOSE_DONE);
        assert_string_equal(seed_info(h, 1).entry.host, "seed-2");
        assert_int_equal(seed_info(h, 1).state, SEED_REGISTERED);
        third = register_with(h, 3);
        assert_int_equal(node_n_registered(harness_node(h)), 2);
        assert_null(harness_notice(h, NOTICE_SEED_LOST));

        harness_set_seeds(h, (uint8_t[]) { 0 });
        expect_close(h, second, CLOSE_DONE);
        assert_non_null(harness_find(h, third, MESSAGE_CLOSE));
        assert_int_equal(node_n_seeds(harness_node(h)), 0);
        assert_int_equal(node_n_registered(harness_node(h)), 0);
        harness_advance(h, 60 * SEC);
        assert_int_equal(n_asked_for(h, 3), 0);
}

static void test_the_same_name_at_another_port_is_another_seed(void **state) {
        Harness *h = *state;
        SeedEntry entry = { .host = "seed-1", .port = 5001 };
        LinkId link;

        set_seeds_up_to(h, 1);
        link = register_with(h, 1);
        harness_drop_sent(h);
        assert_int_equal(node_set_seeds(harness_node(h), &entry, 1, harness_now(h)), 0);
        harness_settle(h);
        expect_close(h, link, CLOSE_DONE);
        assert_true(harness_asked_for(h, 1));
}

static void test_an_attempt_at_a_dropped_entry_is_over(void **state) {
        Harness *h = *state;
        Address address = harness_address(1, 5000);
        LinkId link;

        set_seeds_up_to(h, 1);
        harness_set_seeds(h, (uint8_t[]) { 2, 0 });
        harness_resolve(h, 1, &address, 1);     /* it comes late */
        expect_no_dial(h);

        link = resolve_seed(h, 2);
        harness_set_seeds(h, (uint8_t[]) { 3, 0 });
        assert_int_equal(harness_n_dialling(h), 0);
        expect_nothing(h, link);
        assert_true(harness_asked_for(h, 3));
}

static void test_a_second_answer_about_a_name_is_none(void **state) {
        Harness *h = *state;
        Address address = harness_address(1, 5000);

        set_seeds_up_to(h, 1);
        resolve_seed(h, 1);
        for (unsigned number = 0; number < 10; number++)
                assert_int_equal(node_on_resolved(harness_node(h), number, &address, 1, NULL, harness_now(h)), 0);
        harness_settle(h);
        expect_no_dial(h);
}

static void test_an_alias_stands_for_itself_when_the_other_entry_goes(void **state) {
        Harness *h = *state;
        LinkId second;

        harness_set_seeds(h, (uint8_t[]) { 1, 2, 0 });
        register_with(h, 1);
        second = open_twin(h, 2, HARNESS_EPOCH);
        assert_int_equal(seed_info(h, 1).state, SEED_SELF);

        harness_set_seeds(h, (uint8_t[]) { 2, 0 });
        assert_int_equal(node_n_wanted(harness_node(h)), 1);
        if (!harness_is_up(h, second))
                assert_true(harness_asked_for(h, 2));
        harness_advance(h, 200 * MSEC);
        send_register_ok(h, open_twin(h, 2, HARNESS_EPOCH), 90000, FRESH_TOTAL, NULL);
        assert_int_equal(node_n_registered(harness_node(h)), 1);
}

static void test_an_entry_said_to_be_ourselves_is_never_tried(void **state) {
        Harness *h = *state;
        SeedEntry entry = { .host = "seed-1", .port = 5000, .self = true };

        assert_int_equal(node_set_seeds(harness_node(h), &entry, 1, harness_now(h)), 0);
        harness_settle(h);
        assert_false(harness_asked_for(h, 1));
        assert_int_equal(seed_info(h, 0).state, SEED_SELF);
        assert_int_equal(node_n_wanted(harness_node(h)), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
                TEST(test_an_entry_that_leads_to_ourselves_is_none),
                TEST(test_a_peer_is_no_seed),
                TEST(test_a_seed_counts_once_it_has_answered_register),
                TEST(test_two_entries_that_lead_to_one_seed_count_once),
                cmocka_unit_test(test_the_smaller_id_ends_the_elder_of_two_at_a_seed),
                TEST(test_a_newer_session_that_breaks_does_not_cost_the_registration),
                TEST(test_a_twin_of_an_earlier_life_is_tried_again_later),
                TEST(test_entries_that_stay_keep_their_sessions),
                TEST(test_the_same_name_at_another_port_is_another_seed),
                TEST(test_an_attempt_at_a_dropped_entry_is_over),
                TEST(test_a_second_answer_about_a_name_is_none),
                TEST(test_an_alias_stands_for_itself_when_the_other_entry_goes),
                TEST(test_an_entry_said_to_be_ourselves_is_never_tried),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
