/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/view.h"

#include "allocations.h"
#include "harness.h"
#include "unit.h"

#define SEC USEC_PER_SEC
#define PASSIVE_MAX 4U
#define LOST_MAX 3U

static void add(View *view, uint8_t n) {
        NodeId id = ID(n);
        Address address = harness_address(n, 6000);

        view_add(view, &id, &address);
}

static void lose(View *view, uint8_t n) {
        NodeId id = ID(n);
        Address address = harness_address(n, 6000);

        view_lose(view, &id, &address);
}

static bool has(const View *view, uint8_t n) {
        NodeId id = ID(n);

        return view_has(view, &id);
}

static bool has_lost(const View *view, uint8_t n) {
        NodeId id = ID(n);

        for (size_t i = 0; i < view->n_lost; i++)
                if (node_id_equal(&view->lost[i].id, &id))
                        return true;
        return false;
}

/* The last byte of the address that was drawn; 0: nobody could be. */
static uint8_t draw(View *view, bool isolated, usec_t now_usec, usec_t *ret_wait) {
        Candidate candidate;

        return view_draw(view, isolated, now_usec, &candidate, ret_wait) ? candidate.address.bytes[3] : 0;
}

static int setup(void **state) {
        View *view = calloc(1, sizeof(*view));

        assert_non_null(view);
        view_init(view, PASSIVE_MAX, LOST_MAX, 1);
        *state = view;
        return 0;
}

static int teardown(void **state) {
        view_done(*state);
        free(*state);
        return 0;
}

static void test_nobody_is_drawn_from_an_empty_view(void **state) {
        View *view = *state;
        Candidate candidate;
        usec_t wait_usec = 0;

        assert_false(view_draw(view, false, 0, &candidate, &wait_usec));
        assert_true(wait_usec == USEC_INFINITY);
}

static void test_the_passive_view_is_bounded(void **state) {
        View *view = *state;

        for (uint8_t n = 1; n <= 200; n++)
                add(view, n);
        assert_int_equal(view->n_passive, PASSIVE_MAX);
        assert_int_equal(view->n_lost, LOST_MAX);
        assert_true(has(view, 200));            /* the newcomer is always in */
}

static void test_who_is_pushed_out_is_remembered_as_lost(void **state) {
        View *view = *state;
        uint8_t out = 0;

        for (uint8_t n = 1; n <= PASSIVE_MAX + 1; n++)
                add(view, n);
        for (uint8_t n = 1; n <= PASSIVE_MAX + 1; n++)
                if (!has(view, n)) {
                        assert_int_equal(out, 0);
                        out = n;
                }
        assert_in_range(out, 1, PASSIVE_MAX);
        assert_int_equal(view->n_lost, 1);
        assert_true(has_lost(view, out));
}

static void test_everybody_may_be_pushed_out(void **state) {
        bool was_out[PASSIVE_MAX + 1] = {};
        (void) state;

        for (uint64_t run = 0; run < 100; run++) {
                View view;

                view_init(&view, PASSIVE_MAX, 0, run);
                for (uint8_t n = 1; n <= PASSIVE_MAX + 1; n++)
                        add(&view, n);
                for (uint8_t n = 1; n <= PASSIVE_MAX; n++)
                        was_out[n] |= !has(&view, n);
                view_done(&view);
        }
        for (uint8_t n = 1; n <= PASSIVE_MAX; n++)
                assert_true(was_out[n]);
}

static void test_a_peer_is_there_once(void **state) {
        View *view = *state;
        Address elsewhere = harness_address(1, 6001), address = harness_address(1, 6000), other = harness_address(2, 6000);
        NodeId id = ID(1);
        usec_t wait_usec;

        view_add(view, NULL, &address);         /* from BUSY: an address without an id */
        assert_false(has(view, 1));
        add(view, 1);
        assert_int_equal(view->n_passive, 1);
        assert_true(has(view, 1));
        view_add(view, &NODE_ID_NULL, &address);
        assert_true(has(view, 1));              /* the id is not unlearned */

        view_add(view, &id, &elsewhere);        /* it has moved */
        assert_int_equal(view->n_passive, 1);
        assert_true(address_equal(&view->passive[0].address, &elsewhere));

        /* Known by its id here, by its new address there: one peer all the same, and it rests if either did. */
        view_add(view, NULL, &other);
        view_rest(view, &other, 10 * SEC, false);
        assert_int_equal(view->n_passive, 2);
        view_add(view, &id, &other);
        assert_int_equal(view->n_passive, 1);
        assert_true(has(view, 1));
        assert_true(address_equal(&view->passive[0].address, &other));
        assert_int_equal(draw(view, true, 0, &wait_usec), 0);
}

static void test_what_is_known_of_a_peer_does_not_end_its_rest(void **state) {
        View *view = *state;
        Address address = harness_address(1, 6000);
        usec_t wait_usec;

        add(view, 1);
        view_rest(view, &address, 10 * SEC, false);
        add(view, 1);
        assert_int_equal(draw(view, false, 1 * SEC, &wait_usec), 0);
        assert_int_equal(wait_usec, 10 * SEC);
}

static void test_addresses_that_cannot_be_dialled_are_not_taken(void **state) {
        View *view = *state;
        NodeId id = ID(1);
        Address none = {}, any = address_ipv4((uint8_t[]) { 0, 0, 0, 0 }, 6000), no_port = harness_address(1, 0);
        Address multicast = address_ipv4((uint8_t[]) { 224, 0, 0, 1 }, 6000);
        const Address *all[] = { &none, &any, &no_port, &multicast };

        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                view_add(view, &id, all[i]);
                view_lose(view, &id, all[i]);
        }
        assert_int_equal(view->n_passive, 0);
        assert_int_equal(view->n_lost, 0);
}

static void test_who_rests_is_not_drawn_before_its_time(void **state) {
        View *view = *state;
        Address address = harness_address(1, 6000);
        usec_t wait_usec;

        add(view, 1);
        add(view, 2);
        view_rest(view, &address, 10 * SEC, false);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(draw(view, false, 10 * SEC - 1, &wait_usec), 2);

        address = harness_address(2, 6000);
        view_rest(view, &address, 20 * SEC, true);
        assert_int_equal(draw(view, false, 1 * SEC, &wait_usec), 0);
        assert_int_equal(wait_usec, 10 * SEC);  /* the first to have rested */
        assert_int_equal(draw(view, false, 10 * SEC, &wait_usec), 1);
}

static void test_without_links_only_those_that_failed_rest(void **state) {
        View *view = *state;
        Address failed = harness_address(1, 6000), busy = harness_address(2, 6000);
        usec_t wait_usec;

        add(view, 1);
        add(view, 2);
        view_rest(view, &failed, 10 * SEC, false);
        view_rest(view, &busy, 10 * SEC, true);
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(draw(view, true, 1 * SEC, &wait_usec), 2);
        assert_int_equal(draw(view, false, 1 * SEC, &wait_usec), 0);
}

static void test_rest_of_somebody_who_is_not_there_changes_nothing(void **state) {
        View *view = *state;
        Address unknown = harness_address(9, 6000);
        usec_t wait_usec;

        add(view, 1);
        view_rest(view, &unknown, 10 * SEC, false);
        assert_int_equal(draw(view, false, 0, &wait_usec), 1);
}

static void test_every_candidate_is_drawn_alike(void **state) {
        View *view = *state;
        unsigned n_drawn[PASSIVE_MAX + 1] = {};
        usec_t wait_usec;

        for (uint8_t n = 1; n <= PASSIVE_MAX; n++)
                add(view, n);
        for (unsigned i = 0; i < 4000; i++)
                n_drawn[draw(view, false, 0, &wait_usec)]++;
        for (uint8_t n = 1; n <= PASSIVE_MAX; n++)
                assert_in_range(n_drawn[n], 850, 1150);
        assert_int_equal(view->n_passive, PASSIVE_MAX);         /* they stay */
}

static void test_the_memory_forgets_the_one_lost_first(void **state) {
        View *view = *state;

        for (uint8_t n = 1; n <= LOST_MAX; n++)
                lose(view, n);
        lose(view, 1);                          /* lost again: the latest now */
        lose(view, 9);
        assert_int_equal(view->n_lost, LOST_MAX);
        assert_false(has_lost(view, 2));
        assert_int_equal(view->lost[0].id.bytes[0], 3);
        assert_int_equal(view->lost[1].id.bytes[0], 1);
        assert_int_equal(view->lost[2].id.bytes[0], 9);
}

static void test_a_lost_peer_is_there_once(void **state) {
        View *view = *state;
        Address address = harness_address(1, 6000), elsewhere = harness_address(1, 6001);
        NodeId id = ID(1);

        view_lose(view, NULL, &address);
        view_lose(view, &id, &address);
        view_lose(view, &id, &elsewhere);
        assert_int_equal(view->n_lost, 1);
        assert_true(address_equal(&view->lost[0].address, &elsewhere));
}

static void test_removal_is_by_id_and_by_address(void **state) {
        View *view = *state;
        Address address = harness_address(2, 6000);
        NodeId id = ID(1);

        add(view, 1);
        add(view, 2);
        add(view, 3);
        view_remove(view, &id, &address);
        assert_int_equal(view->n_passive, 1);
        assert_true(has(view, 3));

        /* Nobody's id is everybody's whose id is not known: it must not match them. */
        view_add(view, NULL, &address);
        view_remove(view, &NODE_ID_NULL, NULL);
        assert_int_equal(view->n_passive, 2);
}

static void test_removal_leaves_the_memory_alone_forgetting_does_not(void **state) {
        View *view = *state;
        Address address = harness_address(1, 6000);
        NodeId id = ID(1);

        add(view, 1);
        lose(view, 1);
        view_remove(view, &id, &address);
        assert_int_equal(view->n_passive, 0);
        assert_true(has_lost(view, 1));

        add(view, 1);
        view_forget(view, &address);
        assert_int_equal(view->n_passive, 0);
        assert_int_equal(view->n_lost, 0);
}

static void test_a_view_without_room_takes_nobody(void **state) {
        View view;
        (void) state;

        view_init(&view, 0, 0, 1);
        add(&view, 1);
        lose(&view, 1);
        assert_int_equal(view.n_passive, 0);
        assert_int_equal(view.n_lost, 0);
        view_done(&view);
}

/* ---- hearsay ---- */

static void add_from(View *view, unsigned n, const Address *source) {
        NodeId id = ID((uint8_t) n);
        Address address = address_ipv4((uint8_t[]) { 10, 1, (uint8_t) (n >> 8), (uint8_t) n }, 6000);

        id.bytes[1] = (uint8_t) (n >> 8);
        view_add_from(view, &id, &address, source);
}

static void test_one_host_fills_a_third_of_the_view(void **state) {
        Address source = harness_address(200, 6000), other_port = harness_address(200, 7000);
        View view;
        (void) state;

        view_init(&view, 30, LOST_MAX, 1);
        for (uint8_t n = 1; n <= 20; n++)
                add(&view, n);
        for (unsigned n = 1; n <= 1000; n++)
                add_from(&view, n, n % 2 ? &source : &other_port);
        assert_int_equal(view.n_passive, 30);
        for (uint8_t n = 1; n <= 20; n++)
                assert_true(has(&view, n));
        assert_int_equal(view.n_lost, 0);       /* nor does it fill the memory */
        view_done(&view);
}

static void test_the_addresses_of_an_ipv6_network_are_one_host(void **state) {
        View view;
        (void) state;

        view_init(&view, 30, LOST_MAX, 1);
        for (unsigned n = 1; n <= 200; n++) {
                Address source = address_ipv6((uint8_t[16]) { 0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t) n }, 6000);

                add_from(&view, n, &source);
        }
        assert_int_equal(view.n_passive, 10);
        view_done(&view);
}

static void test_many_hosts_fill_the_view_whatever_their_buckets(void **state) {
        (void) state;

        for (uint64_t run = 1; run <= 20; run++) {
                View view;

                view_init(&view, 30, LOST_MAX, run);
                for (unsigned n = 1; n <= 1000; n++) {
                        Address source = harness_address((uint8_t) (n % 250 + 1), 6000);

                        add_from(&view, n, &source);
                }
                assert_int_equal(view.n_passive, 30);
                view_done(&view);
        }
}

static void test_hearsay_changes_nothing_of_whom_we_know(void **state) {
        View *view = *state;
        Address source = harness_address(200, 6000), elsewhere = harness_address(99, 6000), address = harness_address(1, 6000);
        NodeId id = ID(1), other = ID(2);
        Candidate candidate;

        add(view, 1);
        view_add_from(view, &id, &elsewhere, &source);
        view_add_from(view, &other, &address, &source);
        assert_int_equal(view->n_passive, 1);
        assert_int_equal(view_sample(view, 0, &candidate, 1), 1);
        assert_true(node_id_equal(&candidate.id, &id));
        assert_true(address_equal(&candidate.address, &address));
}

static void test_an_exchange_gives_up_what_was_sent_first(void **state) {
        (void) state;

        for (uint64_t run = 1; run <= 50; run++) {
                Address source = harness_address(200, 6000), sent[2] = { harness_address(2, 6000), harness_address(3, 6000) };
                View view;
                size_t n_sent = 2;

                view_init(&view, 4, LOST_MAX, run);
                for (uint8_t n = 1; n <= 4; n++)
                        add(&view, n);
                for (uint8_t n = 11; n <= 12; n++) {
                        NodeId id = ID(n);
                        Address address = harness_address(n, 6000), from = harness_address((uint8_t) (n + 100), 6000);

                        view_exchange(&view, &id, &address, n == 11 ? &source : &from, sent, &n_sent);
                }
                assert_true(has(&view, 1) && has(&view, 4));
                assert_false(has(&view, 2) && has(&view, 3));
                assert_int_equal(view.n_passive, 4);
                assert_int_equal(view.n_lost, 0);
                view_done(&view);
        }
}

static void test_who_fails_twice_is_told_apart(void **state) {
        View *view = *state;
        Address address = harness_address(1, 6000), unknown = harness_address(9, 6000);
        usec_t wait_usec;

        add(view, 1);
        assert_true(view_fail(view, &address, 100));
        assert_int_equal(draw(view, true, 99, &wait_usec), 0);  /* that it is full is no excuse */
        assert_int_equal(draw(view, false, 100, &wait_usec), 1);
        assert_false(view_fail(view, &address, 200));
        assert_true(view_fail(view, &unknown, 100));
        assert_int_equal(view->n_passive, 1);
}

static void test_another_takes_the_place_of_one_that_failed(void **state) {
        View *view = *state;
        NodeId id = ID(9);
        Address address = harness_address(9, 6000), failed = harness_address(2, 6000), busy = harness_address(3, 6000);

        for (uint8_t n = 1; n <= 3; n++)
                add(view, n);
        assert_false(view_replace_failed(view, &id, &address, 50));
        view_rest(view, &busy, 100, true);
        assert_true(view_fail(view, &failed, 100));
        assert_false(view_replace_failed(view, &id, &address, 100));    /* it has rested */
        assert_true(view_replace_failed(view, &id, &address, 50));
        assert_true(has(view, 1) && has(view, 3) && has(view, 9));
        assert_false(has(view, 2));
        assert_int_equal(view->n_lost, 1);
        assert_true(address_equal(&view->lost[0].address, &failed));
        assert_false(view_replace_failed(view, &id, &address, 50));
}

static void test_a_sample_is_of_those_that_can_be_named_and_reached(void **state) {
        View *view = *state;
        Address unnamed = harness_address(9, 6000), failed = harness_address(2, 6000), busy = harness_address(3, 6000);
        unsigned n_drawn[5] = {};

        view_add(view, NULL, &unnamed);
        for (uint8_t n = 1; n <= 3; n++)
                add(view, n);
        view_rest(view, &failed, 100, false);
        view_rest(view, &busy, 100, true);
        for (unsigned i = 0; i < 1000; i++) {
                Candidate candidates[2];

                assert_int_equal(view_sample(view, 99, candidates, 1), 1);
                n_drawn[candidates[0].address.bytes[3]]++;
                assert_int_equal(view_sample(view, 99, candidates, 2), 2);
                assert_false(node_id_equal(&candidates[0].id, &candidates[1].id));
        }
        assert_int_equal(n_drawn[2], 0);
        assert_in_range(n_drawn[1], 400, 600);
        assert_int_equal(n_drawn[1] + n_drawn[3], 1000);
        assert_int_equal(view_sample(view, 100, (Candidate[4]) {}, 4), 3);
}

static void test_whoever_there_is_no_memory_for_is_not_taken_up(void **state) {
        View *view = *state;

        for (unsigned list = 0; list < 2; list++) {
                allocations.armed = true;
                allocations.failed = false;
                allocations.n_left = 0;
                if (list == 0)
                        add(view, 1);
                else
                        lose(view, 1);
                allocations.armed = false;
                assert_true(allocations.failed);
                assert_true(view->failed);
                assert_false(has(view, 1) || has_lost(view, 1));
                view->failed = false;
        }
        add(view, 1);
        lose(view, 2);
        assert_true(has(view, 1));
        assert_true(has_lost(view, 2));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_nobody_is_drawn_from_an_empty_view),
                TEST(test_the_passive_view_is_bounded),
                TEST(test_who_is_pushed_out_is_remembered_as_lost),
                TEST(test_everybody_may_be_pushed_out),
                TEST(test_a_peer_is_there_once),
                TEST(test_what_is_known_of_a_peer_does_not_end_its_rest),
                TEST(test_addresses_that_cannot_be_dialled_are_not_taken),
                TEST(test_who_rests_is_not_drawn_before_its_time),
                TEST(test_without_links_only_those_that_failed_rest),
                TEST(test_rest_of_somebody_who_is_not_there_changes_nothing),
                TEST(test_every_candidate_is_drawn_alike),
                TEST(test_the_memory_forgets_the_one_lost_first),
                TEST(test_a_lost_peer_is_there_once),
                TEST(test_removal_is_by_id_and_by_address),
                TEST(test_removal_leaves_the_memory_alone_forgetting_does_not),
                TEST(test_a_view_without_room_takes_nobody),
                cmocka_unit_test(test_one_host_fills_a_third_of_the_view),
                cmocka_unit_test(test_the_addresses_of_an_ipv6_network_are_one_host),
                cmocka_unit_test(test_many_hosts_fill_the_view_whatever_their_buckets),
                TEST(test_hearsay_changes_nothing_of_whom_we_know),
                cmocka_unit_test(test_an_exchange_gives_up_what_was_sent_first),
                TEST(test_who_fails_twice_is_told_apart),
                TEST(test_whoever_there_is_no_memory_for_is_not_taken_up),
                TEST(test_another_takes_the_place_of_one_that_failed),
                TEST(test_a_sample_is_of_those_that_can_be_named_and_reached),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
