/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a node observes reaches the histograms of its shell: ages and hops of messages, round trips over links. */

#include "overlay.h"

#include "core/distribution.h"

static const Histogram *kept(Harness *h, Distributions *distributions, Distribution which) {
        distributions_init(distributions);
        node_set_distributions(harness_node(h), distributions);
        return distributions->histograms + which;
}

static uint64_t n_values(const Histogram *histogram) {
        uint64_t n = 0;

        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
                n += histogram->counts[i];
        return n;
}

static void test_names_are_unique_and_found_again(void **state) {
        for (Distribution i = 0; i < _DISTRIBUTION_MAX; i++)
                assert_int_equal(distribution_from_string(distribution_to_string(i)), i);
        assert_int_equal(distribution_from_string("Nope"), _DISTRIBUTION_INVALID);
        assert_int_equal(distribution_from_string(""), _DISTRIBUTION_INVALID);
        assert_null(distribution_to_string(_DISTRIBUTION_MAX));
        assert_null(distribution_to_string(_DISTRIBUTION_INVALID));
}

static void test_first_copies_of_others_are_counted_by_age_and_hops(void **state) {
        Harness *h = *state;
        Distributions distributions;
        const Histogram *ages = kept(h, &distributions, DISTRIBUTION_DELIVERY_AGE),
                        *hops = distributions.histograms + DISTRIBUTION_DELIVERY_HOPS;
        LinkId link = link_in(h, 1);
        MessageId id;

        send_gossip(h, link, 9, 1, 1, 0, 1);            /* its publisher's own link */
        send_gossip(h, link, 9, 1, 2, 5, 7);
        send_gossip(h, link, 9, 1, 2, 5, 7);            /* a later copy */
        assert_int_equal(peer_publish(harness_node(h), "/a", slice_of("hi", 2), harness_now(h), &id), 0);
        harness_settle(h);

        assert_int_equal(harness_n_deliveries(h), 3);
        assert_int_equal(n_values(hops), 2);
        assert_int_equal(hops->counts[1], 1);
        assert_int_equal(hops->counts[7], 1);
        assert_int_equal(hops->max, 7);
        assert_int_equal(n_values(ages), 2);
        assert_int_equal(ages->counts[0], 1);           /* below 1 ms */
        assert_int_equal(ages->counts[3], 1);           /* 4 to 8 ms */
        assert_int_equal(ages->sum, 5 * MSEC);
}

static void test_each_measured_answer_on_a_link_is_counted(void **state) {
        Harness *h = *state;
        Distributions distributions;
        const Histogram *trips = kept(h, &distributions, DISTRIBUTION_ROUND_TRIP);
        LinkId link = link_in(h, 1);
        const Message *ping;

        while (!(ping = harness_find(h, link, MESSAGE_PING)))
                harness_advance(h, 1 * MSEC);

        uint64_t nonce = ping->ping.nonce;

        harness_advance(h, 20 * MSEC);
        send_pong(h, link, nonce + 1, 4);               /* to nobody's question */
        assert_int_equal(n_values(trips), 0);
        send_pong(h, link, nonce, 4);
        assert_int_equal(n_values(trips), 1);
        assert_int_equal(trips->max, 20 * MSEC);
}

static void test_without_a_shell_that_keeps_them_nothing_is_kept(void **state) {
        Harness *h = *state;
        Distributions distributions;
        const Histogram *hops = kept(h, &distributions, DISTRIBUTION_DELIVERY_HOPS);
        LinkId link = link_in(h, 1);

        node_set_distributions(harness_node(h), NULL);
        send_gossip(h, link, 9, 1, 1, 0, 1);
        assert_int_equal(harness_n_deliveries(h), 1);
        assert_int_equal(n_values(hops), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_are_unique_and_found_again),
                TEST(test_first_copies_of_others_are_counted_by_age_and_hops),
                TEST(test_each_measured_answer_on_a_link_is_counted),
                TEST(test_without_a_shell_that_keeps_them_nothing_is_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
