/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 6.3: whom a full table holds. */

#include <stdio.h>

#include "overlay.h"

#define N_MAX 64U
#define N_OTHERS 512U
#define N_RUNS 200U

static Record other_record(unsigned i) {
        Record record = {
                .epoch = 1, .state = MEMBER_ALIVE, .role = ROLE_PEER, .n_addresses = 1,
                .addresses = { harness_address((uint8_t) (1 + i % 250), (uint16_t) (6000 + i)) },
        };

        /* As those who mean to be held would choose them: one after the other. */
        record.id.bytes[0] = 7;
        record.id.bytes[14] = (uint8_t) (i / 256);
        record.id.bytes[15] = (uint8_t) i;
        (void) snprintf(record.name, sizeof(record.name), "other-%u", i);
        return record;
}

/* With a full table, in a network of so many others, as a seed says. */
static Harness *full_peer(uint64_t run, LinkId *ret_seed) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        Harness *h;

        settings.params.members_max = N_MAX;
        h = harness_new_run(&settings, OWN, run);
        harness_start(h);
        *ret_seed = set_seed(h);
        return h;
}

static void list(Harness *h, LinkId seed, unsigned first, unsigned n) {
        Record records[MESSAGE_RECORDS_MAX];

        for (unsigned i = 0; i < n; i++)
                records[i] = other_record((first + i) % N_OTHERS);
        send_list_ok(h, seed, N_OTHERS + 1, records, n);
        while (harness_dialled(h, NULL) != 0)
                ;
}

static void list_all(Harness *h, LinkId seed) {
        for (unsigned first = 0; first < N_OTHERS; first += MESSAGE_RECORDS_MAX)
                list(h, seed, first, MESSAGE_RECORDS_MAX);
}

static bool holds(Harness *h, unsigned i) {
        Record record = other_record(i);

        return node_member(harness_node(h), &record.id, &(MemberInfo) {});
}

static unsigned n_held(Harness *h) {
        unsigned n = 0;

        for (unsigned i = 0; i < N_OTHERS; i++)
                n += holds(h, i);
        return n;
}

/* Some are heard of first, some again and again: that is no advantage. Chi-square with 511 degrees of freedom, four deviations. */
static void test_everybody_is_as_likely_to_be_held(void **state) {
        unsigned counts[N_OTHERS] = {};
        double expected = (double) N_RUNS * N_MAX / N_OTHERS, chi_square = 0;
        (void) state;

        for (uint64_t run = 1; run <= N_RUNS; run++) {
                LinkId seed;
                _cleanup_(harness_freep) Harness *h = full_peer(run, &seed);

                for (unsigned first = 0; first < N_OTHERS; first += MESSAGE_RECORDS_MAX) {
                        list(h, seed, first, MESSAGE_RECORDS_MAX);
                        list(h, seed, 100, 8);
                }
                assert_int_equal(n_held(h), N_MAX);
                for (unsigned i = 0; i < N_OTHERS; i++)
                        counts[i] += holds(h, i);
        }
        for (unsigned i = 0; i < N_OTHERS; i++)
                chi_square += (counts[i] - expected) * (counts[i] - expected) / (expected * (1 - (double) N_MAX / N_OTHERS));
        assert_true(chi_square > 511 - 4 * 32);
        assert_true(chi_square < 511 + 4 * 32);
}

static void test_the_order_does_not_matter(void **state) {
        LinkId seed, other_seed;
        _cleanup_(harness_freep) Harness *h = full_peer(3, &seed);
        _cleanup_(harness_freep) Harness *other = full_peer(3, &other_seed);
        (void) state;

        list_all(h, seed);
        for (unsigned i = N_OTHERS; i > 0; i--)
                list(other, other_seed, i - 1, 1);
        for (unsigned i = 0; i < N_OTHERS; i++)
                assert_int_equal(holds(h, i), holds(other, i));
}

static void test_neighbours_stay(void **state) {
        LinkId seed;
        _cleanup_(harness_freep) Harness *h = full_peer(1, &seed);
        (void) state;

        (void) link_in(h, 1);
        (void) link_in(h, 2);
        list_all(h, seed);
        assert_true(member_of(h, 1).linked);
        assert_true(member_of(h, 2).linked);
        assert_int_equal(n_held(h), N_MAX - 2);
}

static void tell(Harness *h, LinkId link, unsigned i) {
        Message message = { .type = MESSAGE_MEMBERS };

        message.members.n_records = 1;
        message.members.records[0] = other_record(i);
        harness_send(h, link, &message);
        while (harness_dialled(h, NULL) != 0)
                ;
}

/* An eighth of the table, and no more of the sample is lost to them. */
static void test_the_newest_push_out_the_newest(void **state) {
        LinkId seed, link, other;
        _cleanup_(harness_freep) Harness *h = full_peer(1, &seed);
        bool held[256];
        unsigned n_lost = 0;
        (void) state;

        harness_set_answering(h, true);
        link = link_in(h, 1);
        other = link_in(h, 2);
        for (unsigned i = 0; i < 256; i += MESSAGE_RECORDS_MAX)
                list(h, seed, i, MESSAGE_RECORDS_MAX);
        for (unsigned i = 0; i < 256; i++)
                held[i] = holds(h, i);
        while (harness_notice(h, NOTICE_JOINED))
                ;
        harness_advance(h, 100 * MSEC);
        harness_drop_sent(h);

        for (unsigned i = 256; i < N_OTHERS; i++) {
                tell(h, link, i);
                harness_advance(h, 30 * MSEC);
                assert_true(holds(h, i));
                assert_non_null(harness_notice(h, NOTICE_JOINED));
        }
        assert_null(harness_find(h, other, MESSAGE_MEMBERS));           /* it may come again, and would go round for ever */
        for (unsigned i = 256; i < N_OTHERS - N_MAX / 8; i++)
                assert_false(holds(h, i));
        for (unsigned i = 0; i < 256; i++)
                n_lost += held[i] && !holds(h, i);
        assert_int_equal(n_lost, N_MAX / 8);
}

/* Nobody has joined, nor left: another one is held. */
static void test_a_place_that_is_taken_is_no_news(void **state) {
        LinkId seed;
        _cleanup_(harness_freep) Harness *h = full_peer(1, &seed);
        unsigned n = 0;
        (void) state;

        list_all(h, seed);
        while (harness_notice(h, NOTICE_JOINED))
                n++;
        assert_int_equal(n, N_MAX);
        assert_null(harness_notice(h, NOTICE_LEFT));
        assert_null(harness_notice(h, NOTICE_DEAD));
}

static void test_it_is_said_of_how_many(void **state) {
        LinkId seed;
        _cleanup_(harness_freep) Harness *h = full_peer(1, &seed);
        (void) state;

        assert_int_equal(peer_n_sampled(harness_node(h)), 0);
        list(h, seed, 0, 32);
        assert_int_equal(peer_n_sampled(harness_node(h)), 0);           /* there is room, and all that was heard of is held */
        list_all(h, seed);
        assert_int_equal(peer_n_sampled(harness_node(h)), N_OTHERS);
}

static void test_who_is_being_asked_stays(void **state) {
        LinkId seed, link;
        _cleanup_(harness_freep) Harness *h = full_peer(1, &seed);
        (void) state;

        link = link_in(h, 1);
        harness_change(h, link, LINK_RESET);
        assert_int_not_equal(harness_dialled(h, NULL), 0);
        list_all(h, seed);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        harness_advance(h, 2 * SEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
        list_all(h, seed);
        assert_int_equal(member_of(h, 1).state, MEMBER_SUSPECT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_everybody_is_as_likely_to_be_held),
                cmocka_unit_test(test_the_order_does_not_matter),
                cmocka_unit_test(test_neighbours_stay),
                cmocka_unit_test(test_the_newest_push_out_the_newest),
                cmocka_unit_test(test_a_place_that_is_taken_is_no_news),
                cmocka_unit_test(test_it_is_said_of_how_many),
                cmocka_unit_test(test_who_is_being_asked_stays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
