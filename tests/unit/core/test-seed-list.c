/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, 6.1: which seeds a peer asks, what it does when one fails, and when the list changes under it. */

#include "overlay.h"

static SeedInfo seed_info(Harness *h, size_t index) {
        return node_seed_at(harness_node(h), index);
}

/* How many of the names seed-1 to seed-<n> are being looked up. */
static unsigned n_asked_for(Harness *h, uint8_t n) {
        unsigned n_asked = 0;

        for (uint8_t i = 1; i <= n; i++)
                n_asked += harness_asked_for(h, i);
        return n_asked;
}

static uint8_t first_asked_for(Harness *h, uint8_t n) {
        for (uint8_t i = 1; i <= n; i++)
                if (harness_asked_for(h, i))
                        return i;
        return 0;
}

static void set_seeds_up_to(Harness *h, uint8_t n) {
        uint8_t numbers[SEEDS_MAX + 1] = {};

        for (uint8_t i = 0; i < n; i++)
                numbers[i] = (uint8_t) (i + 1);
        harness_set_seeds(h, numbers);
}

/* The name of that seed leads nowhere. */
static void fail_seed(Harness *h, uint8_t n) {
        harness_resolve(h, n, NULL, 0);
}

/* ---- a majority ---- */

static void test_a_majority_is_asked(void **state) {
        static const uint8_t wanted[][2] = { { 1, 1 }, { 2, 2 }, { 3, 2 }, { 4, 3 }, { 5, 3 }, { 8, 5 }, { 64, 33 } };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
                NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = peer_new(&settings);

                set_seeds_up_to(h, wanted[i][0]);
                assert_int_equal(n_asked_for(h, wanted[i][0]), wanted[i][1]);
                assert_int_equal(node_n_seeds(harness_node(h)), wanted[i][0]);
                assert_int_equal(node_n_wanted(harness_node(h)), wanted[i][1]);
        }
}

static void test_without_seeds_nobody_is_asked(void **state) {
        Harness *h = *state;

        set_seeds_up_to(h, 0);
        harness_advance(h, 60 * SEC);
        assert_int_equal(node_n_wanted(harness_node(h)), 0);
        assert_int_equal(node_n_registered(harness_node(h)), 0);
        expect_no_dial(h);
}

static void test_the_majority_is_drawn_at_random(void **state) {
        unsigned n_drawn[6] = {};
        (void) state;

        for (uint64_t run = 1; run <= 300; run++) {
                NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_LAN);
                _cleanup_(harness_freep) Harness *h = harness_new_run(&settings, OWN, run);

                harness_start(h);
                set_seeds_up_to(h, 5);
                for (uint8_t i = 1; i <= 5; i++)
                        n_drawn[i] += harness_asked_for(h, i);
        }
        for (uint8_t i = 1; i <= 5; i++)
                assert_in_range(n_drawn[i], 140, 220);          /* three of five: 180 */
}

static void test_a_seed_that_fails_is_replaced_by_another(void **state) {
        Harness *h = *state;
        uint8_t failed;

        set_seeds_up_to(h, 3);
        failed = first_asked_for(h, 3);
        fail_seed(h, failed);
        assert_int_equal(n_asked_for(h, 3), 2);
        assert_false(harness_asked_for(h, failed));

        /* When all have failed, all are tried again. */
        for (unsigned i = 0; i < 2; i++)
                fail_seed(h, first_asked_for(h, 3));
        assert_int_equal(n_asked_for(h, 3), 0);
        harness_advance(h, 200 * MSEC);
        assert_int_equal(n_asked_for(h, 3), 2);
}

static void test_a_registered_seed_that_goes_is_replaced(void **state) {
        Harness *h = *state;
        LinkId links[4] = {};
        uint8_t gone = 0, other = 0;
        const Notice *notice;

        set_seeds_up_to(h, 3);
        for (uint8_t i = 1; i <= 3; i++)
                if (harness_asked_for(h, i))
                        links[i] = register_with(h, i);
                else
                        other = i;
        gone = links[1] != 0 ? 1 : 2;
        assert_int_equal(node_n_registered(harness_node(h)), 2);
        while (harness_notice(h, NOTICE_SEED_REGISTERED))
                ;

        harness_change(h, links[gone], LINK_RESET);
        notice = harness_notice(h, NOTICE_SEED_LOST);
        assert_non_null(notice);
        assert_int_equal(notice->n, 1);
        assert_int_equal(notice->n_max, 2);
        assert_string_equal(notice->detail, "the connection broke");
        assert_true(harness_asked_for(h, other));
        register_with(h, other);
        assert_int_equal(node_n_registered(harness_node(h)), 2);
        harness_advance(h, 20 * SEC);
        assert_int_equal(n_asked_for(h, 3), 0);                 /* the first one is not needed now, */
        assert_int_equal(seed_info(h, gone - 1U).state, SEED_UNREACHABLE);      /* but it is not well for all that */
        assert_string_equal(seed_info(h, gone - 1U).error, "the connection broke");
}

/* ---- attempts ---- */

static void test_all_addresses_of_a_name_are_tried_in_turn(void **state) {
        Harness *h = *state;
        Address addresses[10], dialled;

        for (uint8_t i = 0; i < 10; i++)
                addresses[i] = harness_address((uint8_t) (100 + i), 5000);
        set_seeds_up_to(h, 1);
        assert_int_equal(seed_info(h, 0).state, SEED_RESOLVING);
        harness_resolve(h, 1, addresses, 10);
        for (unsigned i = 0; i < 8; i++) {                      /* of more, nobody needs to know */
                LinkId link = harness_dialled(h, &dialled);

                assert_int_not_equal(link, 0);
                assert_int_equal(seed_info(h, 0).state, SEED_CONNECTING);
                assert_true(address_equal(&dialled, addresses + i));
                harness_change(h, link, LINK_REFUSED);
        }
        expect_no_dial(h);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
}

static void test_attempts_are_made_after_100_ms_doubling_to_20_s(void **state) {
        Harness *h = *state;
        usec_t backoff_usec = 100 * MSEC;
        bool was_early = false, was_late = false;

        set_seeds_up_to(h, 1);
        for (unsigned i = 0; i < 30; i++) {
                usec_t since_usec = harness_now(h), next_usec;

                fail_seed(h, 1);
                next_usec = seed_info(h, 0).next_usec;
                assert_in_range(next_usec - since_usec, backoff_usec / 2, backoff_usec * 3 / 2);
                was_early |= next_usec - since_usec < backoff_usec * 3 / 4;
                was_late |= next_usec - since_usec > backoff_usec * 5 / 4;

                harness_advance(h, next_usec - since_usec - 1);
                assert_false(harness_asked_for(h, 1));
                harness_advance(h, 1);
                assert_true(harness_asked_for(h, 1));
                backoff_usec = MIN(2 * backoff_usec, 20 * SEC);
        }
        assert_true(was_early && was_late);
}

static void test_a_registration_ends_the_backing_off(void **state) {
        Harness *h = *state;
        LinkId link;

        set_seeds_up_to(h, 1);
        for (unsigned i = 0; i < 10; i++) {
                fail_seed(h, 1);
                harness_advance(h, 30 * SEC);
        }
        link = register_with(h, 1);
        harness_change(h, link, LINK_CLOSED);
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 50 * MSEC, 150 * MSEC);
}

static void test_a_seed_that_sends_away_at_once_is_backed_off_from(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);

        set_seeds_up_to(h, 1);
        for (unsigned i = 0; i < 10; i++) {
                LinkId link = resolve_seed(h, 1);

                assert_true(harness_answer(h, link, &seed, NULL));
                send_close(h, link, CLOSE_BUSY);
                assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
                if (i < 9)
                        harness_advance(h, 30 * SEC);
        }
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 10 * SEC, 30 * SEC);
}

/* The seed of one address turns us away. */
static void turn_away(Harness *h, uint32_t retry_msec) {
        Message message = { .type = MESSAGE_CLOSE, .close = { .reason = CLOSE_BUSY, .retry_after_msec = retry_msec, .detail = "" } };
        LinkId link = resolve_seed(h, 1);

        harness_change(h, link, LINK_CONNECTED);
        harness_send(h, link, &message);
        assert_int_equal(seed_info(h, 0).state, SEED_UNREACHABLE);
}

static void test_who_is_told_when_to_call_again_does_not_call_before(void **state) {
        static const uint32_t told_msec[] = { 200, 1000, 7000, 20000 };
        Harness *h = *state;

        set_seeds_up_to(h, 1);
        for (size_t i = 0; i < ELEMENTSOF(told_msec); i++) {
                usec_t wait_usec;

                turn_away(h, told_msec[i]);
                expect_no_dial(h);
                wait_usec = seed_info(h, 0).next_usec - harness_now(h);
                assert_in_range(wait_usec, told_msec[i] * MSEC, told_msec[i] * MSEC * 9 / 8);
                harness_advance(h, wait_usec);
        }
        /* That it was busy is no failure: the next one is waited for like the first. */
        fail_seed(h, 1);
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 50 * MSEC, 150 * MSEC);
}

static void test_nobody_is_stayed_away_from_for_more_than_20_seconds(void **state) {
        Harness *h = *state;

        set_seeds_up_to(h, 1);
        turn_away(h, UINT32_MAX);
        assert_in_range(seed_info(h, 0).next_usec - harness_now(h), 20 * SEC, 20 * SEC * 9 / 8);
}

static void test_a_busy_seed_is_replaced_by_another(void **state) {
        Harness *h = *state;

        set_seeds_up_to(h, 2);
        harness_set_seeds(h, (uint8_t[]) { 1, 2, 3, 0 });
        for (uint8_t i = 1; i <= 3; i++) {
                Message message = { .type = MESSAGE_CLOSE, .close = { .reason = CLOSE_BUSY, .retry_after_msec = 9000, .detail = "" } };
                LinkId link;

                if (!harness_asked_for(h, i))
                        continue;
                link = resolve_seed(h, i);
                harness_change(h, link, LINK_CONNECTED);
                harness_send(h, link, &message);
                break;
        }
        assert_int_equal(n_asked_for(h, 3), 2);
}

/* ---- what is said of it ---- */

static void test_it_is_said_once_that_a_seed_cannot_be_reached(void **state) {
        Harness *h = *state;
        const Notice *notice;

        set_seeds_up_to(h, 1);
        fail_seed(h, 1);
        notice = harness_notice(h, NOTICE_SEED_UNREACHABLE);
        assert_non_null(notice);
        assert_string_equal(notice->seed, "seed-1:5000");
        assert_string_equal(notice->detail, "no such name");
        assert_string_equal(seed_info(h, 0).error, "no such name");
        for (unsigned i = 0; i < 5; i++) {
                harness_advance(h, 30 * SEC);
                fail_seed(h, 1);
        }
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));

        harness_advance(h, 30 * SEC);
        send_close(h, register_with(h, 1), CLOSE_LEAVING);      /* one spell is over, another one begins: */
        assert_non_null(harness_notice(h, NOTICE_SEED_LOST));
        assert_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));        /* one event, one sentence */
        harness_advance(h, 30 * SEC);
        fail_seed(h, 1);
        assert_non_null(harness_notice(h, NOTICE_SEED_UNREACHABLE));
}

static void test_a_name_without_a_reason_is_not_known(void **state) {
        Harness *h = *state;
        unsigned number = 0;

        set_seeds_up_to(h, 1);
        for (number = 1; number < 10; number++)
                assert_int_equal(node_on_resolved(harness_node(h), number, NULL, 0, NULL, harness_now(h)), 0);
        harness_settle(h);
        assert_string_equal(seed_info(h, 0).error, "the name is not known");
}

static void test_it_is_said_how_the_last_attempt_failed(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);
        Message message;
        LinkId link;

        set_seeds_up_to(h, 1);
        harness_change(h, resolve_seed(h, 1), LINK_REFUSED);
        assert_string_equal(seed_info(h, 0).error, "nobody listens there");

        harness_advance(h, 30 * SEC);
        harness_change(h, resolve_seed(h, 1), LINK_UNREACHABLE);
        assert_string_equal(seed_info(h, 0).error, "no connection");

        harness_advance(h, 30 * SEC);
        link = resolve_seed(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        harness_advance(h, 5 * SEC);
        assert_string_equal(seed_info(h, 0).error, "it does not answer");
        assert_false(harness_is_up(h, link));

        harness_advance(h, 30 * SEC);
        link = resolve_seed(h, 1);
        harness_change(h, link, LINK_CONNECTED);
        message_set(&message, MESSAGE_CLOSE, close, .reason = CLOSE_NETWORK, .detail = "Not this one.");
        harness_send(h, link, &message);
        assert_string_equal(seed_info(h, 0).error, "it closed the session (network): not this one");

        harness_advance(h, 30 * SEC);
        link = resolve_seed(h, 1);
        assert_true(harness_answer(h, link, &seed, NULL));
        send_close(h, link, (CloseReason) 99);
        assert_string_equal(seed_info(h, 0).error, "it closed the session (unknown reason)");

        harness_advance(h, 30 * SEC);
        register_with(h, 1);
        assert_string_equal(seed_info(h, 0).error, "");
}

static void test_a_registered_seed_can_be_shown(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(1);
        SeedInfo info;
        LinkId link;

        set_seeds_up_to(h, 1);
        info = seed_info(h, 0);
        assert_true(node_id_is_null(&info.id));
        assert_string_equal(info.name, "");
        link = register_with(h, 1);
        send_list_ok(h, link, 17, NULL, 0);
        info = seed_info(h, 0);
        assert_string_equal(info.entry.host, "seed-1");
        assert_int_equal(info.entry.port, 5000);
        assert_int_equal(info.state, SEED_REGISTERED);
        assert_true(address_equal(&info.address, &seed.addresses[0]));
        assert_true(node_id_equal(&info.id, &seed.id));
        assert_string_equal(info.name, "other");
        assert_int_equal(info.total, 17);
        assert_in_range(info.next_usec, HARNESS_START + 27 * SEC, HARNESS_START + 30 * SEC);
        assert_int_equal(info.since_usec, HARNESS_START);
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

        set_seeds_up_to(h, 1);
        link = resolve_seed(h, 1);
        assert_true(harness_answer(h, link, &peer, NULL));
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

        set_seeds_up_to(h, 1);
        link = resolve_seed(h, 1);
        assert_true(harness_answer(h, link, &seed, NULL));
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
                cmocka_unit_test(test_a_majority_is_asked),
                TEST(test_without_seeds_nobody_is_asked),
                cmocka_unit_test(test_the_majority_is_drawn_at_random),
                TEST(test_a_seed_that_fails_is_replaced_by_another),
                TEST(test_a_registered_seed_that_goes_is_replaced),
                TEST(test_all_addresses_of_a_name_are_tried_in_turn),
                TEST(test_attempts_are_made_after_100_ms_doubling_to_20_s),
                TEST(test_a_registration_ends_the_backing_off),
                TEST(test_a_seed_that_sends_away_at_once_is_backed_off_from),
                TEST(test_who_is_told_when_to_call_again_does_not_call_before),
                TEST(test_nobody_is_stayed_away_from_for_more_than_20_seconds),
                TEST(test_a_busy_seed_is_replaced_by_another),
                TEST(test_it_is_said_once_that_a_seed_cannot_be_reached),
                TEST(test_a_name_without_a_reason_is_not_known),
                TEST(test_it_is_said_how_the_last_attempt_failed),
                TEST(test_a_registered_seed_can_be_shown),
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
