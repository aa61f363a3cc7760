/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.2: exchanging passive peers, and what whoever lies about them can make a node do. */

#include "overlay.h"

#define INTERVAL (30 * SEC)

static int setup_shuffling(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);

        settings.params.shuffle_usec = INTERVAL;
        *state = peer_new(&settings);
        return 0;
}

static Message shuffle_of(MessageType type, uint32_t ttl, const uint8_t *numbers) {
        Message message;

        message_set(&message, type, shuffle, .ttl = ttl);
        for (size_t i = 0; numbers[i] != 0; i++)
                message.shuffle.records[message.shuffle.n_records++] = record_of(numbers[i], MEMBER_ALIVE);
        return message;
}

/* The first number is the one that began; the list ends with 0. */
static void send_shuffle(Harness *h, LinkId link, uint32_t ttl, const uint8_t *numbers) {
        Message message = shuffle_of(MESSAGE_SHUFFLE, ttl, numbers);

        harness_send(h, link, &message);
}

static void send_reply(Harness *h, LinkId link, const uint8_t *numbers) {
        Message message = shuffle_of(MESSAGE_SHUFFLE_REPLY, 0, numbers);

        harness_send(h, link, &message);
}

static bool names(const Message *message, uint8_t n) {
        NodeId id = ID(n);

        for (size_t i = 0; i < message->shuffle.n_records; i++)
                if (node_id_equal(&message->shuffle.records[i].id, &id))
                        return true;
        return false;
}

static bool knows(Harness *h, uint8_t n) {
        NodeId id = ID(n);
        MemberInfo info;

        return node_member(harness_node(h), &id, &info);
}

/* Lets it shuffle: the one that it sends, on whichever of the links. */
static const Message *next_shuffle(Harness *h, const LinkId *links, size_t n, usec_t limit, LinkId *ret) {
        harness_set_answering(h, true);
        for (usec_t t = 0; t < limit; t += 1 * SEC) {
                harness_advance(h, 1 * SEC);
                for (size_t i = 0; i < n; i++) {
                        const Message *message = harness_find(h, links[i], MESSAGE_SHUFFLE);

                        if (message) {
                                *ret = links[i];
                                return message;
                        }
                }
        }
        return NULL;
}

/* ---- one of our own ---- */

static void test_a_shuffle_has_our_record_three_links_and_four_passive_peers(void **state) {
        Harness *h = *state;
        NodeId own = ID(OWN);
        const Message *message;
        LinkId links[5], to;
        unsigned n_linked = 0, n_passive = 0;

        for (uint8_t i = 0; i < 5; i++)
                links[i] = link_in(h, (uint8_t) (i + 1));
        send_shuffle(h, links[0], 1, (uint8_t[]) { 1, 11, 12, 13, 14, 15, 16, 17, 0 });
        harness_drop_sent(h);

        message = next_shuffle(h, links, 5, 45 * SEC, &to);
        assert_non_null(message);
        assert_int_equal(message->shuffle.ttl, 6);
        assert_int_equal(message->shuffle.n_records, 8);
        assert_true(node_id_equal(&message->shuffle.records[0].id, &own));
        for (uint8_t n = 1; n <= 5; n++)
                n_linked += names(message, n);
        for (uint8_t n = 11; n <= 17; n++)
                n_passive += names(message, n);
        assert_int_equal(n_linked, 3);
        assert_int_equal(n_passive, 4);
        for (uint8_t i = 0; i < 5; i++)
                if (links[i] == to)
                        assert_false(names(message, (uint8_t) (i + 1)));        /* it knows itself */
}

static void test_one_is_sent_every_30_seconds_more_or_less(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), to;
        usec_t last = harness_now(h);

        for (unsigned i = 0; i < 10; i++) {
                usec_t waited;

                assert_non_null(next_shuffle(h, &link, 1, 46 * SEC, &to));
                waited = harness_now(h) - last;
                last = harness_now(h);
                assert_in_range(waited, 14 * SEC, 46 * SEC);
        }
}

static void test_a_node_without_links_has_nobody_to_shuffle_with(void **state) {
        Harness *h = *state;

        harness_advance(h, 100 * SEC);
        assert_int_equal(harness_n_dialling(h), 0);
        assert_int_equal(counted(h, COUNTER_FRAMES_OUT), 0);
}

static void test_classic_does_not_shuffle(void **state) {
        NodeSettings settings = harness_settings(ROLE_PEER, PROFILE_CLASSIC);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        LinkId link = link_in(h, 1), to;
        (void) state;

        assert_null(next_shuffle(h, &link, 1, 300 * SEC, &to));
}

static void test_the_answer_is_taken_over_once(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), to;

        assert_non_null(next_shuffle(h, &link, 1, 46 * SEC, &to));
        send_reply(h, link, (uint8_t[]) { 11, 12, 0 });
        assert_true(knows(h, 11) && knows(h, 12));
        send_reply(h, link, (uint8_t[]) { 13, 0 });
        assert_false(knows(h, 13));
        assert_int_equal(counted(h, COUNTER_SHUFFLES_REFUSED), 1);
}

static void test_an_answer_that_nobody_waits_for_is_refused(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), to;

        send_reply(h, link, (uint8_t[]) { 11, 0 });
        assert_false(knows(h, 11));
        assert_non_null(next_shuffle(h, &link, 1, 46 * SEC, &to));
        harness_advance(h, 15 * SEC);           /* it comes late */
        send_reply(h, link, (uint8_t[]) { 12, 0 });
        assert_false(knows(h, 12));
        assert_true(harness_is_up(h, link));
        assert_int_equal(counted(h, COUNTER_SHUFFLES_REFUSED), 2);
}

static void test_a_stranger_may_answer_on_a_probe(void **state) {
        Harness *h = *state;
        LinkId link = link_in(h, 1), to, short_one;
        Other other = harness_peer(2);

        assert_non_null(next_shuffle(h, &link, 1, 46 * SEC, &to));
        other.purpose = PURPOSE_PROBE;
        short_one = harness_open(h, &other);
        send_reply(h, short_one, (uint8_t[]) { 11, 0 });
        send_close(h, short_one, CLOSE_DONE);
        assert_true(knows(h, 11));
        assert_false(knows(h, 2));              /* that it answered does not make it a member */
        assert_int_equal(n_links(h), 1);
}

/* ---- the walk ---- */

static void test_a_walk_goes_on_to_another_link(void **state) {
        Harness *h = *state;
        LinkId links[3] = { link_in(h, 1), link_in(h, 2), link_in(h, 3) };
        bool to[3] = {};

        for (unsigned i = 0; i < 8; i++) {
                unsigned n_sent = 0;

                send_shuffle(h, links[0], 6, (uint8_t[]) { 2, 11, 12, 0 });
                for (unsigned j = 0; j < 3; j++) {
                        const Message *message = harness_find(h, links[j], MESSAGE_SHUFFLE);

                        if (!message)
                                continue;
                        assert_int_equal(message->shuffle.ttl, 5);
                        assert_int_equal(message->shuffle.n_records, 3);
                        assert_true(names(message, 2) && names(message, 11) && names(message, 12));
                        to[j] = true;
                        n_sent++;
                }
                assert_int_equal(n_sent, 1);
        }
        assert_true(to[2]);
        assert_false(to[0] || to[1]);           /* not back, and not to the one that began */
        assert_false(knows(h, 11));             /* it is not ours to take over */
}

static void test_a_walk_is_no_longer_than_six_links(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);
        const Message *message;

        send_shuffle(h, from, 255, (uint8_t[]) { 1, 0 });
        message = harness_find(h, to, MESSAGE_SHUFFLE);
        assert_non_null(message);
        assert_int_equal(message->shuffle.ttl, 5);
}

static void test_the_last_of_a_walk_answers_with_as_many(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), origin = link_in(h, 2);
        const Message *message;

        send_shuffle(h, from, 1, (uint8_t[]) { 1, 11, 12, 13, 14, 15, 0 });
        harness_drop_sent(h);
        send_shuffle(h, from, 1, (uint8_t[]) { 2, 21, 22, 0 });
        message = harness_find(h, origin, MESSAGE_SHUFFLE_REPLY);
        assert_non_null(message);
        assert_int_equal(message->shuffle.n_records, 3);
        assert_false(names(message, 2) || names(message, 21) || names(message, 22));    /* those that it had itself */
        assert_true(knows(h, 21) && knows(h, 22));
        assert_int_equal(counted(h, COUNTER_SHUFFLES_ANSWERED), 2);
}

static void test_links_are_named_while_there_are_few_passive_peers(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1);
        const Message *message;

        link_in(h, 2);
        send_shuffle(h, from, 1, (uint8_t[]) { 1, 11, 12, 0 });
        message = harness_find(h, from, MESSAGE_SHUFFLE_REPLY);
        assert_non_null(message);
        assert_int_equal(message->shuffle.n_records, 1);
        assert_true(names(message, 2));
}

static void test_a_walk_that_comes_home_ends(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), other = link_in(h, 2);

        harness_drop_sent(h);
        send_shuffle(h, from, 3, (uint8_t[]) { OWN, 11, 0 });
        expect_nothing(h, from);
        expect_nothing(h, other);
        assert_false(knows(h, 11));
}

static void test_a_stranger_is_answered_on_a_short_session(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link;
        Other origin = harness_peer(9);

        send_shuffle(h, from, 1, (uint8_t[]) { 9, 11, 0 });
        link = expect_dial(h, 9);
        harness_change(h, link, LINK_CONNECTED);
        assert_int_equal(expect(h, link, MESSAGE_HELLO)->hello.purpose, PURPOSE_PROBE);
        send_hello_ok(h, link, &origin);
        assert_true(names(expect(h, link, MESSAGE_SHUFFLE_REPLY), 1));
        expect_close(h, link, CLOSE_DONE);
        assert_int_equal(n_links(h), 1);
}

static void test_somebody_else_at_that_address_gets_no_answer(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), link;
        Other other = harness_peer(8);

        send_shuffle(h, from, 1, (uint8_t[]) { 9, 11, 0 });
        link = expect_dial(h, 9);
        assert_true(harness_answer(h, link, &other, NULL));
        expect_close(h, link, CLOSE_DONE);
}

static void test_who_advertises_no_address_is_where_it_is_seen(void **state) {
        Harness *h = *state;
        Other other = harness_peer(7);
        LinkId from, to = link_in(h, 1);
        Address seen = harness_address(7, 6000);
        const Message *message;
        Message shuffle;

        other.n_addresses = 0;
        from = link_in_of(h, &other, 1);
        shuffle = shuffle_of(MESSAGE_SHUFFLE, 6, (uint8_t[]) { 7, 0 });
        shuffle.shuffle.records[0].n_addresses = 0;
        harness_send(h, from, &shuffle);
        message = harness_find(h, to, MESSAGE_SHUFFLE);
        assert_non_null(message);
        assert_int_equal(message->shuffle.records[0].n_addresses, 1);
        assert_true(address_equal(message->shuffle.records[0].addresses, &seen));
}

static void test_loopback_addresses_stay_on_the_host(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);
        const Message *message;
        Message shuffle = shuffle_of(MESSAGE_SHUFFLE, 6, (uint8_t[]) { 1, 11, 12, 0 });

        shuffle.shuffle.records[1].addresses[0] = harness_loopback(6001);
        harness_send(h, from, &shuffle);
        message = harness_find(h, to, MESSAGE_SHUFFLE);
        assert_non_null(message);
        assert_true(names(message, 1) && !names(message, 11) && names(message, 12));
}

/* Its record is not known here, so nobody can tell it from an old one: it is a place to dial, and no member. */
static void test_a_record_of_epoch_0_is_a_place_to_dial(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId from;
        Message shuffle = shuffle_of(MESSAGE_SHUFFLE, 1, (uint8_t[]) { 1, 11, 0 });
        (void) state;

        settings.params.links_outgoing = 1;
        h = peer_new(&settings);
        from = link_in(h, 1);
        shuffle.shuffle.records[1].epoch = 0;
        harness_send(h, from, &shuffle);
        expect_dial(h, 11);
        assert_false(knows(h, 11));
}

static void test_of_whom_we_hold_no_record_we_say_so(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        const Message *message;
        LinkId from;
        (void) state;

        settings.params.members_max = 2;
        h = peer_new(&settings);
        from = link_in(h, 1);
        link_in(h, 2);
        send_shuffle(h, from, 1, (uint8_t[]) { 1, 11, 0 });
        harness_drop_sent(h);
        send_shuffle(h, from, 1, (uint8_t[]) { 1, 12, 0 });
        message = harness_find(h, from, MESSAGE_SHUFFLE_REPLY);
        assert_non_null(message);
        assert_true(names(message, 11));
        for (size_t i = 0; i < message->shuffle.n_records; i++)
                assert_int_equal(message->shuffle.records[i].epoch, names(message, 11) && i == 0 ? 0 : HARNESS_EPOCH);
}

/* ---- lies ---- */

static void test_what_makes_no_sense_is_refused(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);
        Message wrong[5];

        for (unsigned i = 0; i < 5; i++)
                wrong[i] = shuffle_of(MESSAGE_SHUFFLE, 6, (uint8_t[]) { 1, 11, 0 });
        wrong[0].shuffle.n_records = 0;
        wrong[1].shuffle.records[0].state = MEMBER_DEAD;
        wrong[2].shuffle.records[0].role = ROLE_SEED;
        wrong[3].shuffle.records[0].epoch = UINT64_C(1) << 63;
        wrong[4].shuffle.records[0] = record_of(3, MEMBER_ALIVE);
        wrong[4].shuffle.records[0].n_addresses = 0;
        harness_drop_sent(h);
        for (unsigned i = 0; i < 5; i++) {
                harness_send(h, from, wrong + i);
                expect_nothing(h, to);
                expect_nothing(h, from);
                assert_int_equal(counted(h, COUNTER_SHUFFLES_REFUSED), i + 1);
        }
        assert_int_equal(n_links(h), 2);
}

static void test_only_living_peers_are_taken_over(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1);
        Message shuffle = shuffle_of(MESSAGE_SHUFFLE, 1, (uint8_t[]) { 1, 11, 12, 13, 14, OWN, 0 });

        shuffle.shuffle.records[1].state = MEMBER_DEAD;
        shuffle.shuffle.records[2].role = ROLE_SEED;
        shuffle.shuffle.records[3].n_addresses = 0;
        shuffle.shuffle.records[5].epoch = HARNESS_EPOCH + 1000;
        harness_send(h, from, &shuffle);
        assert_false(knows(h, 11) || knows(h, 12) || knows(h, 13) || knows(h, OWN));
        assert_true(knows(h, 14));
        assert_int_equal(own_epoch(h), HARNESS_EPOCH);
}

static void test_the_dead_do_not_come_back_by_hearsay(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), seed = set_seed(h);

        send_record(h, seed, 11, MEMBER_DEAD);
        send_shuffle(h, from, 1, (uint8_t[]) { 1, 11, 0 });
        assert_int_equal(member_of(h, 11).state, MEMBER_DEAD);
}

static void test_shuffles_have_no_place_before_the_link_is_up(void **state) {
        Harness *h = *state;
        Other other = harness_peer(1);
        LinkId link = harness_open(h, &other);

        send_shuffle(h, link, 1, (uint8_t[]) { 1, 11, 0 });
        expect_close(h, link, CLOSE_PROTOCOL);
        assert_false(knows(h, 11));
}

static void test_eight_in_30_seconds_are_taken_from_a_link(void **state) {
        Harness *h = *state;
        LinkId from = link_in(h, 1), to = link_in(h, 2);
        unsigned n = 0;

        for (unsigned i = 0; i < 1000; i++)
                send_shuffle(h, from, 6, (uint8_t[]) { 1, 11, 0 });
        while (harness_find(h, to, MESSAGE_SHUFFLE))
                n++;
        assert_int_equal(n, 8);
        assert_int_equal(counted(h, COUNTER_SHUFFLES_REFUSED), 992);
        harness_set_answering(h, true);
        harness_advance(h, INTERVAL);
        harness_drop_sent(h);
        send_shuffle(h, from, 6, (uint8_t[]) { 1, 11, 0 });
        assert_non_null(harness_find(h, to, MESSAGE_SHUFFLE));
        assert_true(harness_is_up(h, from));
}

static void test_a_victim_is_dialled_once_in_30_seconds(void **state) {
        Harness *h = *state;
        LinkId from[2] = { link_in(h, 1), link_in(h, 2) }, link;

        send_shuffle(h, from[0], 1, (uint8_t[]) { 99, 0 });
        link = expect_dial(h, 99);
        harness_change(h, link, LINK_REFUSED);
        for (uint8_t i = 0; i < 14; i++) {
                Message shuffle = shuffle_of(MESSAGE_SHUFFLE, 1, (uint8_t[]) { 99, 0 });

                shuffle.shuffle.records[0].id = ID((uint8_t) (20 + i));         /* whatever it is called */
                harness_send(h, from[i % 2], &shuffle);
                expect_no_dial(h);
        }
        harness_set_answering(h, true);
        harness_advance(h, INTERVAL);
        send_shuffle(h, from[0], 1, (uint8_t[]) { 99, 0 });
        expect_dial(h, 99);
}

static void test_four_answers_wait_for_a_session_and_eight_in_30_seconds_at_all(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = NULL;
        LinkId links[4], from[8];
        (void) state;

        h = peer_new(&settings);
        for (uint8_t i = 0; i < 8; i++)
                from[i] = link_in(h, (uint8_t) (i + 1));
        for (uint8_t i = 0; i < 8; i++)
                send_shuffle(h, from[i], 1, (uint8_t[]) { (uint8_t) (30 + i), 0 });
        for (uint8_t i = 0; i < 4; i++)
                links[i] = expect_dial(h, (uint8_t) (30 + i));
        expect_no_dial(h);

        for (uint8_t i = 0; i < 4; i++)
                harness_change(h, links[i], LINK_REFUSED);
        for (uint8_t i = 0; i < 8; i++) {
                send_shuffle(h, from[i], 1, (uint8_t[]) { (uint8_t) (50 + i), 0 });
                if (i < 4) {
                        LinkId link = expect_dial(h, (uint8_t) (50 + i));

                        harness_change(h, link, LINK_REFUSED);
                } else
                        expect_no_dial(h);
        }
        assert_int_equal(counted(h, COUNTER_SHUFFLES_ANSWERED), 8);
        assert_int_equal(counted(h, COUNTER_SHUFFLES_REFUSED), 8);
}

static void test_64_members_are_learned_in_30_seconds(void **state) {
        Harness *h = *state;
        LinkId from[8];
        uint8_t n = 100, n_known = 0;

        for (uint8_t i = 0; i < 8; i++)
                from[i] = link_in(h, (uint8_t) (i + 1));
        for (unsigned i = 0; i < 14; i++) {
                uint8_t numbers[9] = { (uint8_t) (1 + i % 8) };

                for (unsigned j = 1; j < 8; j++)
                        numbers[j] = ++n == OWN ? ++n : n;
                send_shuffle(h, from[i % 8], 1, numbers);
        }
        for (unsigned i = 101; i <= n; i++)
                n_known += knows(h, (uint8_t) i);
        assert_int_equal(n_known, 64);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_shuffling, teardown)
#define TEST_QUIET(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_shuffle_has_our_record_three_links_and_four_passive_peers),
                TEST(test_one_is_sent_every_30_seconds_more_or_less),
                TEST(test_a_node_without_links_has_nobody_to_shuffle_with),
                cmocka_unit_test(test_classic_does_not_shuffle),
                TEST(test_the_answer_is_taken_over_once),
                TEST(test_an_answer_that_nobody_waits_for_is_refused),
                TEST(test_a_stranger_may_answer_on_a_probe),
                TEST_QUIET(test_a_walk_goes_on_to_another_link),
                TEST_QUIET(test_a_walk_is_no_longer_than_six_links),
                TEST_QUIET(test_the_last_of_a_walk_answers_with_as_many),
                TEST_QUIET(test_links_are_named_while_there_are_few_passive_peers),
                TEST_QUIET(test_a_walk_that_comes_home_ends),
                TEST_QUIET(test_a_stranger_is_answered_on_a_short_session),
                TEST_QUIET(test_somebody_else_at_that_address_gets_no_answer),
                TEST_QUIET(test_who_advertises_no_address_is_where_it_is_seen),
                TEST_QUIET(test_loopback_addresses_stay_on_the_host),
                cmocka_unit_test(test_a_record_of_epoch_0_is_a_place_to_dial),
                cmocka_unit_test(test_of_whom_we_hold_no_record_we_say_so),
                TEST_QUIET(test_what_makes_no_sense_is_refused),
                TEST_QUIET(test_only_living_peers_are_taken_over),
                TEST_QUIET(test_the_dead_do_not_come_back_by_hearsay),
                TEST_QUIET(test_shuffles_have_no_place_before_the_link_is_up),
                TEST_QUIET(test_eight_in_30_seconds_are_taken_from_a_link),
                TEST_QUIET(test_a_victim_is_dialled_once_in_30_seconds),
                cmocka_unit_test(test_four_answers_wait_for_a_session_and_eight_in_30_seconds_at_all),
                TEST_QUIET(test_64_members_are_learned_in_30_seconds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
