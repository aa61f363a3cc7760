/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/params.h"

#include "unit.h"

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

static void test_profiles_have_names(void **state) {
        (void) state;

        assert_string_equal(profile_to_string(PROFILE_LOCAL), "local");
        assert_string_equal(profile_to_string(PROFILE_CLASSIC), "classic");
        assert_string_equal(profile_to_string(PROFILE_HYPARVIEW), "hyparview");
        for (Profile p = 0; p < PROFILE_HYPARVIEW; p++)
                assert_int_equal(profile_from_string(profile_to_string(p)), p);
}

static void test_other_words_are_no_profile(void **state) {
        const char *wrong[] = { "", "LAN", "lan ", "lann", "la", "default", "hyparview" };
        (void) state;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(profile_from_string(wrong[i]), _PROFILE_INVALID);
}

static void test_the_numbers_are_those_of_the_protocol(void **state) {
        /* docs/PROTOCOL.md, section 9 */
        static const struct {
                usec_t interval_usec, floor_usec;
                unsigned n_out, n_in;
                bool shared, adaptive, checked;
        } expected[PROFILE_HYPARVIEW] = {
                [PROFILE_LOCAL] = { 500 * MSEC, 100 * MSEC, 4, 8, false, true, true },
                [PROFILE_LAN] = { 1 * SEC, 500 * MSEC, 4, 8, false, true, true },
                [PROFILE_WAN] = { 5 * SEC, 1500 * MSEC, 4, 8, false, true, true },
                [PROFILE_CLASSIC] = { 13 * SEC, 13 * SEC, 4, 0, true, false, false },
        };
        (void) state;

        for (Profile p = 0; p < PROFILE_HYPARVIEW; p++) {
                Params params = params_of_profile(p);

                assert_int_equal(params.links_extra, 1);
                assert_true(params.links_asked_first);
                assert_false(params.links_evict_any);
                assert_int_equal(params.shuffle_usec, p == PROFILE_CLASSIC ? 0 : 30 * SEC);
                assert_int_equal(params.rotate_usec, p == PROFILE_CLASSIC ? 0 : 1500 * SEC);

                assert_int_equal(params.liveness_interval_usec, expected[p].interval_usec);
                assert_int_equal(params.liveness_floor_usec, expected[p].floor_usec);
                assert_int_equal(params.links_outgoing, expected[p].n_out);
                assert_int_equal(params.links_inbound, expected[p].n_in);
                assert_int_equal(params.links_shared, expected[p].shared);
                assert_int_equal(params.liveness_adaptive, expected[p].adaptive);
                assert_int_equal(params.report_checked, expected[p].checked);
                assert_int_equal(params.liveness_strikes, 3);
                assert_int_equal(params.hello_interval_usec, 5 * SEC);
                assert_int_equal(params.hello_count, 10);
                assert_int_equal(params.lease_usec, 90 * SEC);
                assert_int_equal(params.renew_usec, 30 * SEC);
                assert_int_equal(params.handshakes_max, 64);
                assert_int_equal(params.turn_usec, SEC / 400);
                assert_int_equal(params.queue_max, 1024 * 1024);
                assert_int_equal(params.intervals_max, 1024);
                assert_int_equal(params.passive_max, 30);
                assert_int_equal(params.lost_max, 256);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_profiles_have_names),
                cmocka_unit_test(test_other_words_are_no_profile),
                cmocka_unit_test(test_the_numbers_are_those_of_the_protocol),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
