/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* docs/PROTOCOL.md, section 5.3: what a peer does that is slow itself. */

#include "core/peer-node-internal.h"
#include "overlay.h"

static unsigned health(Harness *h) {
        return harness_node(h)->health;
}

/* A call comes 400 ms late each second. */
static void be_slow_until(Harness *h, unsigned level) {
        while (health(h) < level)
                harness_sleep(h, 1400 * MSEC);
}

static void test_late_timers_raise_it_and_each_clean_interval_lowers_it(void **state) {
        Harness *h = *state;

        harness_set_answering(h, true);
        link_in(h, 1);
        harness_advance(h, 20 * SEC);
        assert_int_equal(health(h), 0);
        harness_sleep(h, 1200 * MSEC);                  /* not by a quarter of an interval */
        harness_advance(h, 2 * SEC);
        assert_int_equal(health(h), 0);

        for (unsigned i = 1; i <= 12; i++) {
                harness_sleep(h, 1400 * MSEC);
                assert_int_equal(health(h), MIN(i, 8U));
        }
        for (unsigned i = 8; i > 0; i--) {
                assert_int_equal(health(h), i);
                harness_advance(h, 1 * SEC);
        }
        assert_int_equal(health(h), 0);
}

/* So many links, of which the last ones fall silent at once: how high it gets. */
static unsigned highest(unsigned n, unsigned n_silent, LinkChange *change) {
        NodeSettings settings = quiet_settings(PROFILE_LAN);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        unsigned max = 0;
        LinkId links[8];

        harness_set_answering(h, true);
        for (unsigned i = 0; i < n; i++)
                links[i] = link_in(h, (uint8_t) (i + 1));
        harness_advance(h, 5 * SEC);
        for (unsigned i = n - n_silent; i < n; i++) {
                if (change)
                        harness_change(h, links[i], *change);
                else
                        harness_set_silent(h, links[i]);
        }
        for (unsigned i = 0; i < 500; i++) {
                harness_advance(h, 10 * MSEC);
                max = MAX(max, health(h));
        }
        return max;
}

static void test_most_links_silent_together_raise_it(void **state) {
        LinkChange reset = LINK_RESET;
        (void) state;

        assert_true(highest(3, 3, NULL) > 0);
        assert_true(highest(5, 3, NULL) > 0);
        assert_true(highest(5, 3, NULL) < 4);           /* and yet they are accused */
        assert_int_equal(highest(2, 2, NULL), 0);       /* that may well be */
        assert_int_equal(highest(6, 3, NULL), 0);       /* half is not more than half */
        assert_int_equal(highest(5, 5, &reset), 0);     /* whom it was said of is not silent */
}

static void test_a_slow_node_waits_longer(void **state) {
        Harness *h = *state;
        usec_t since_usec;
        LinkId link;

        harness_set_answering(h, true);
        link = link_in(h, 1);
        harness_advance(h, 5 * SEC);
        be_slow_until(h, 3);
        harness_set_silent(h, link);
        while (counted(h, COUNTER_STRIKES) == 0)
                harness_advance(h, 10 * MSEC);
        since_usec = harness_now(h);
        while (counted(h, COUNTER_STRIKES) == 1)
                harness_advance(h, 10 * MSEC);
        assert_in_range(harness_now(h) - since_usec, 1000 * MSEC, 2000 * MSEC);         /* two to four times 500 ms */
}

static void test_a_sick_node_drops_links_and_accuses_nobody(void **state) {
        Harness *h = *state;
        LinkId link;

        harness_set_answering(h, true);
        link = link_in(h, 1);
        harness_advance(h, 5 * SEC);
        be_slow_until(h, 8);
        harness_set_silent(h, link);
        while (harness_is_up(h, link))
                harness_sleep(h, 1400 * MSEC);
        harness_advance(h, 100 * MSEC);
        assert_int_equal(member_of(h, 1).state, MEMBER_ALIVE);
        assert_null(harness_notice(h, NOTICE_SILENT));
        assert_int_equal(counted(h, COUNTER_ACCUSATIONS_WITHHELD), 1);
        assert_int_equal(n_links(h), 0);
}

static void test_who_has_just_slept_accuses_nobody(void **state) {
        Harness *h = *state;

        link_in(h, 1);
        link_in(h, 2);
        harness_set_answering(h, true);
        harness_sleep(h, 60 * SEC);
        harness_change(h, 3, LINK_RESET);
        for (LinkId dial; (dial = harness_dialled(h, NULL)) != 0;)
                harness_change(h, dial, LINK_REFUSED);
        assert_int_equal(counted(h, COUNTER_REPORTS_SENT), 0);
        harness_advance(h, 500 * MSEC);
        assert_int_equal(node_n_suspect(harness_node(h)), 0);
}

static void test_the_original_numbers_have_no_health(void **state) {
        NodeSettings settings = quiet_settings(PROFILE_CLASSIC);
        _cleanup_(harness_freep) Harness *h = peer_new(&settings);
        (void) state;

        for (unsigned i = 0; i < 5; i++)
                harness_sleep(h, 17 * SEC);
        assert_int_equal(health(h), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_quiet_peer, teardown)
                TEST(test_late_timers_raise_it_and_each_clean_interval_lowers_it),
                cmocka_unit_test(test_most_links_silent_together_raise_it),
                TEST(test_a_slow_node_waits_longer),
                TEST(test_a_sick_node_drops_links_and_accuses_nobody),
                TEST(test_who_has_just_slept_accuses_nobody),
                cmocka_unit_test(test_the_original_numbers_have_no_health),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
