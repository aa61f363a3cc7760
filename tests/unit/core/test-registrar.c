/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, 6.1 and 6.4 from the side of the peer: registration, lists, renewals, the fate of its suspects. */

#include "registered.h"

/* A session with seed 10.0.0.200 on which REGISTER has been sent. */
static LinkId open_seed(Harness *h) {
        Other seed = harness_seed(200);
        LinkId link;

        harness_set_seeds(h, (uint8_t[]) { 200, 0 });
        link = resolve_seed(h, 200);
        assert_true(harness_answer(h, link, &seed, NULL));
        return link;
}

/* ---- registration ---- */

static void test_register_says_who_we_are_then_the_list_is_asked_for(void **state) {
        Harness *h = *state;
        LinkId link = open_seed(h);
        const Message *message = expect(h, link, MESSAGE_REGISTER);
        const Notice *notice;

        assert_true(node_id_equal(&message->reg.record.id, &node_identity(harness_node(h))->id));
        assert_int_equal(message->reg.record.epoch, HARNESS_EPOCH);
        assert_int_equal(message->reg.record.incarnation, 0);
        assert_int_equal(message->reg.record.state, MEMBER_ALIVE);
        assert_int_equal(message->reg.record.role, ROLE_PEER);
        assert_string_equal(message->reg.record.name, "under-test");
        assert_int_equal(message->reg.record.n_addresses, 1);
        assert_int_equal(message->reg.n_links, 0);
        expect_nothing(h, link);

        send_register_ok(h, link, 90000, 7, NULL);
        message = expect(h, link, MESSAGE_LIST);
        assert_int_equal(message->list.count, 64);
        assert_false(message->list.has_after);
        expect_nothing(h, link);

        notice = harness_notice(h, NOTICE_SEED_REGISTERED);
        assert_non_null(notice);
        assert_string_equal(notice->seed, "seed-200:5000");
        assert_int_equal(notice->n, 1);
        assert_int_equal(notice->n_max, 1);
        assert_int_equal(notice->total, 6);     /* ourselves not counted */
}

static void test_register_says_how_many_links_there_are(void **state) {
        Harness *h = *state;

        link_in(h, 1);
        link_in(h, 2);
        assert_int_equal(expect(h, open_seed(h), MESSAGE_REGISTER)->reg.n_links, 2);
}

static void test_lists_are_joined_without_ourselves(void **state) {
        Harness *h = *state;
        LinkId links[2];
        Record records[3];

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 0 });
        links[0] = register_with(h, 200);
        links[1] = register_with(h, 201);
        for (uint8_t i = 0; i < 2; i++) {
                records[0] = record_of((uint8_t) (1 + i), MEMBER_ALIVE);
                records[1] = record_of((uint8_t) (2 + i), MEMBER_ALIVE);
                records[2] = record_of(OWN, MEMBER_ALIVE);
                send_list_ok(h, links[i], 4, records, 3);
        }
        assert_int_equal(node_n_members(harness_node(h)), 3);
        for (uint8_t n = 1; n <= 3; n++) {
                assert_true(is_listed(h, n));
                assert_non_null(harness_notice(h, NOTICE_JOINED));
        }
        assert_null(harness_notice(h, NOTICE_JOINED));
        assert_int_equal(harness_n_dialling(h), 3);     /* and tried at once, three at a time */
}

static void test_records_that_cannot_be_are_skipped(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);
        Record records[3];

        records[0] = record_of(1, MEMBER_ALIVE);
        records[0].role = ROLE_SEED;
        records[1] = record_of(2, MEMBER_ALIVE);
        records[1].epoch = UINT64_C(1) << 63;
        records[2] = record_of(3, MEMBER_ALIVE);
        send_list_ok(h, link, 3, records, 3);
        assert_int_equal(node_n_members(harness_node(h)), 1);
        assert_true(is_listed(h, 3));
}

static void test_what_a_seed_does_not_say_ends_the_session(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);

        send_neighbor(h, link, PRIORITY_LOW, 0);
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(n_links(h), 0);

        harness_advance(h, 1 * SEC);
        link = register_with(h, 200);
        send_gossip(h, link, 9, 1, 1, 0, 1);
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_int_equal(harness_n_deliveries(h), 0);
}

/* ---- requests ---- */

static void expect_time_out(Harness *h, LinkId link) {
        harness_drop_sent(h);
        harness_advance(h, 5 * SEC - 1);
        assert_true(harness_is_up(h, link));
        harness_advance(h, 1);
        expect_close(h, link, CLOSE_TIMEOUT);
        assert_string_equal(node_seed_at(harness_node(h), 0).error, "we closed the session");
        harness_advance(h, 200 * MSEC);
        assert_true(harness_asked_for(h, 200));
}

static void test_each_request_is_answered_in_5_seconds(void **state) {
        Harness *h = *state;
        Other seed = harness_seed(200);
        LinkId link = open_seed(h);

        expect_time_out(h, link);                       /* REGISTER */

        link = resolve_seed(h, 200);
        assert_true(harness_answer(h, link, &seed, NULL));
        send_register_ok(h, link, 90000, FRESH_TOTAL, NULL);
        expect_time_out(h, link);                       /* LIST */

        link = register_with(h, 200);
        while (!harness_find(h, link, MESSAGE_RENEW))
                harness_advance(h, 1);
        expect_time_out(h, link);                       /* RENEW */
}

static void test_an_answer_that_was_not_asked_for_does_no_harm(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);

        for (unsigned i = 0; i < 3; i++)
                send_list_ok(h, link, 1, NULL, 0);
        harness_advance(h, 10 * SEC);
        assert_true(harness_is_up(h, link));
}

/* ---- renewal ---- */

static void test_a_registration_is_renewed_every_30_seconds(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);

        for (unsigned i = 0; i < 20; i++) {
                assert_in_range(time_to_renewal(h, link), 27 * SEC, 30 * SEC + 10 * MSEC);
                send_renew_ok(h, link, 90000, 1, &held_alive, NULL, 0);
        }
        assert_true(harness_is_up(h, link));
}

static void test_a_shorter_lease_is_renewed_three_times_in_it(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);

        time_to_renewal(h, link);
        send_renew_ok(h, link, 9000, 1, &held_alive, NULL, 0);
        for (unsigned i = 0; i < 20; i++) {
                assert_in_range(time_to_renewal(h, link), 2700 * MSEC, 3 * SEC + 10 * MSEC);
                send_renew_ok(h, link, 9000, 1, &held_alive, NULL, 0);
        }
        send_renew_ok(h, link, UINT32_MAX, 1, &held_alive, NULL, 0);    /* a longer one is renewed no later */
        assert_in_range(time_to_renewal(h, link), 27 * SEC, 30 * SEC + 10 * MSEC);
}

static void test_a_renewal_says_what_is_new_of_us(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);
        const Message *renew;

        send_register_ok(h, link, 90000, FRESH_TOTAL, &(Held) { HARNESS_EPOCH, 4, MEMBER_ALIVE });
        assert_int_equal(harness_find(h, link, MESSAGE_REFUTE)->reg.record.incarnation, 5);
        send_list_ok(h, link, 1, NULL, 0);
        harness_set_answering(h, true);
        link_in(h, 1);
        harness_advance(h, 26 * SEC);
        harness_drop_sent(h);
        harness_advance(h, 4 * SEC);
        renew = harness_find(h, link, MESSAGE_RENEW);
        assert_non_null(renew);
        assert_int_equal(renew->renew.epoch, HARNESS_EPOCH);
        assert_int_equal(renew->renew.incarnation, 5);
        assert_int_equal(renew->renew.n_links, 1);
}

static void test_who_is_not_known_any_more_registers_again(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);

        time_to_renewal(h, link);
        send_renew_ok(h, link, 90000, 1, NULL, NULL, 0);
        expect(h, link, MESSAGE_REGISTER);
        send_register_ok(h, link, 90000, FRESH_TOTAL, NULL);
        expect(h, link, MESSAGE_LIST);
}

/* ---- lists, later ---- */

static void test_a_list_is_asked_for_every_10_minutes(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);
        usec_t last_usec = harness_now(h);
        unsigned n = 0;

        harness_drop_sent(h);
        while (n < 6) {
                const Message *message;

                harness_advance(h, 1 * SEC);
                while ((message = harness_next(h, link))) {
                        if (message->type == MESSAGE_RENEW)
                                send_renew_ok(h, link, 90000, 1, &held_alive, NULL, 0);
                        else if (message->type == MESSAGE_LIST) {
                                assert_in_range(harness_now(h) - last_usec, 5 * USEC_PER_MINUTE,
                                                15 * USEC_PER_MINUTE + 1 * SEC);
                                last_usec = harness_now(h);
                                n++;
                                send_list_ok(h, link, 1, NULL, 0);
                        }
                }
                assert_true(harness_is_up(h, link));
        }
}

static void test_a_list_is_asked_for_early_when_more_are_known_there(void **state) {
        Harness *h = *state;
        LinkId link = set_seed(h);
        usec_t waits[8], last_usec = harness_now(h);
        unsigned n = 0;

        send_list_ok(h, link, 500, NULL, 0);            /* 500 live members, and it named none of them */
        harness_drop_sent(h);
        while (n < ELEMENTSOF(waits)) {
                const Message *message;

                harness_advance(h, 10 * MSEC);
                while ((message = harness_next(h, link))) {
                        if (message->type == MESSAGE_RENEW)
                                send_renew_ok(h, link, 90000, 500, &held_alive, NULL, 0);
                        else if (message->type == MESSAGE_LIST) {
                                waits[n++] = harness_now(h) - last_usec;
                                last_usec = harness_now(h);
                                send_list_ok(h, link, 500, NULL, 0);
                                break;
                        }
                }
        }
        assert_in_range(waits[0], 1 * SEC, 1 * SEC + 10 * MSEC);
        assert_in_range(waits[1], 2 * SEC, 2 * SEC + 10 * MSEC);
        assert_in_range(waits[2], 4 * SEC, 4 * SEC + 10 * MSEC);
        assert_in_range(waits[7], 60 * SEC, 60 * SEC + 10 * MSEC);
}

/* ---- suspects ---- */

/* Peer 1 was linked, and does not answer: suspect. */
static void make_suspect(Harness *h, uint8_t n) {
        LinkId link = link_in(h, n);

        harness_change(h, link, LINK_RESET);
        for (LinkId dial; (dial = harness_dialled(h, NULL)) != 0;)
                harness_change(h, dial, LINK_REFUSED);
        assert_int_equal(member_of(h, n).state, MEMBER_SUSPECT);
}

static void test_suspects_are_reported_to_all_seeds(void **state) {
        Harness *h = *state;
        LinkId links[2];

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 0 });
        links[0] = register_with(h, 200);
        links[1] = register_with(h, 201);
        make_suspect(h, 1);
        for (size_t i = 0; i < 2; i++) {
                const Message *report = expect(h, links[i], MESSAGE_DEAD_REPORT);

                assert_int_equal(report->dead_report.id.bytes[0], 1);
                assert_int_equal(report->dead_report.epoch, HARNESS_EPOCH);
                assert_int_equal(report->dead_report.incarnation, 0);
        }
        assert_int_equal(counted(h, COUNTER_REPORTS_SENT), 2);
        assert_int_equal(harness_notice(h, NOTICE_SILENT)->n_max, 2);
}

static void test_suspects_are_reported_to_seeds_registered_with_later(void **state) {
        Harness *h = *state;
        LinkId link;

        make_suspect(h, 1);
        assert_int_equal(harness_notice(h, NOTICE_SILENT)->n_max, 0);
        link = open_seed(h);
        expect(h, link, MESSAGE_REGISTER);
        send_register_ok(h, link, 90000, FRESH_TOTAL, NULL);
        assert_int_equal(expect(h, link, MESSAGE_DEAD_REPORT)->dead_report.id.bytes[0], 1);
        expect(h, link, MESSAGE_LIST);
        send_list_ok(h, link, 1, NULL, 0);

        /* Also when it is dead by now. */
        harness_advance(h, 10 * SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_DEAD);
        harness_change(h, link, LINK_RESET);
        harness_advance(h, 1 * SEC);
        link = open_seed(h);
        expect(h, link, MESSAGE_REGISTER);
        send_register_ok(h, link, 90000, FRESH_TOTAL, NULL);
        assert_int_equal(expect(h, link, MESSAGE_DEAD_REPORT)->dead_report.id.bytes[0], 1);
}

static void test_a_small_network_is_asked_twice_for_who_registered_in_the_same_moment(void **state) {
        Harness *h = *state;
        LinkId link = open_seed(h);

        expect(h, link, MESSAGE_REGISTER);
        send_register_ok(h, link, 90000, FRESH_TOTAL - 1, NULL);
        expect(h, link, MESSAGE_LIST);
        send_list_ok(h, link, 1, NULL, 0);
        harness_advance(h, 500 * MSEC);
        expect(h, link, MESSAGE_SYNC_DIGEST);
        harness_advance(h, 2 * SEC);
        expect(h, link, MESSAGE_SYNC_DIGEST);
        harness_advance(h, 10 * SEC);
        expect_nothing(h, link);
}

static void test_one_seed_is_asked_for_differences_at_each_renewal(void **state) {
        Harness *h = *state;
        LinkId links[2];

        harness_set_seeds(h, (uint8_t[]) { 200, 201, 0 });
        links[0] = register_with(h, 200);
        links[1] = register_with(h, 201);
        for (unsigned i = 0; i < 2; i++) {
                time_to_renewal(h, links[i]);
                send_renew_ok(h, links[i], 90000, 1, &held_alive, NULL, 0);
        }
        assert_non_null(harness_find(h, links[0], MESSAGE_SYNC_DIGEST));
        assert_null(harness_find(h, links[1], MESSAGE_SYNC_DIGEST));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_peer, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_register_says_who_we_are_then_the_list_is_asked_for),
                TEST(test_register_says_how_many_links_there_are),
                TEST(test_lists_are_joined_without_ourselves),
                TEST(test_records_that_cannot_be_are_skipped),
                TEST(test_what_a_seed_does_not_say_ends_the_session),
                TEST(test_each_request_is_answered_in_5_seconds),
                TEST(test_an_answer_that_was_not_asked_for_does_no_harm),
                TEST(test_a_registration_is_renewed_every_30_seconds),
                TEST(test_a_shorter_lease_is_renewed_three_times_in_it),
                TEST(test_a_renewal_says_what_is_new_of_us),
                TEST(test_who_is_not_known_any_more_registers_again),
                TEST_QUIET(test_a_list_is_asked_for_every_10_minutes),
                TEST_QUIET(test_a_list_is_asked_for_early_when_more_are_known_there),
                TEST_QUIET(test_suspects_are_reported_to_all_seeds),
                TEST_QUIET(test_suspects_are_reported_to_seeds_registered_with_later),
                TEST_QUIET(test_a_small_network_is_asked_twice_for_who_registered_in_the_same_moment),
                TEST(test_one_seed_is_asked_for_differences_at_each_renewal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
