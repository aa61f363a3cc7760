/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a scenario file may say, what it may not, and that it is carried out as it says. */

#include <errno.h>
#include <stdio.h>

#include "plan-random.h"
#include "plan-run.h"
#include "scenario.h"
#include "unit.h"

static int parse(Plan *plan, const char *text, char *error) {
        *plan = plan_default();
        return plan_parse(plan, slice_of(text, strlen(text)), error);
}

static void test_a_scenario_is_read(void **state) {
        _cleanup_(plan_done) Plan plan;
        char error[PLAN_ERROR_MAX];

        assert_int_equal(parse(&plan, "# two seeds\nseeds 2\n\n  peers 10 # and some\r\nprofile local\nrun 7\nlatency 1ms 5ms\n"
                                      "loss 0.25%\nmembers-max 64\nat 10s crash 3\nat 5s pause 4-6 8s\nat 7s cut 3 4-5\n"
                                      "at 8s clock 2 -1h\nuntil 2m\nsettle 10m", error), 0);
        assert_int_equal(plan.n_seeds, 2);
        assert_int_equal(plan.n_peers, 10);
        assert_int_equal(plan.profile, PROFILE_LOCAL);
        assert_int_equal(plan.run, 7);
        assert_int_equal(plan.latency_max_usec, 5 * USEC_PER_MSEC);
        assert_int_equal(plan.loss, 2500);
        assert_int_equal(plan.members_max, 64);
        assert_int_equal(plan.until_usec, 2 * USEC_PER_MINUTE);
        assert_int_equal(plan.settle_usec, 10 * USEC_PER_MINUTE);

        /* In the order of time; a pause is two actions. */
        assert_int_equal(plan.n_actions, 5);
        assert_int_equal(plan.actions[0].verb, VERB_HANG);
        assert_int_equal(plan.actions[0].last, 6);
        assert_int_equal(plan.actions[1].verb, VERB_CUT);
        assert_int_equal(plan.actions[1].other_last, 5);
        assert_int_equal(plan.actions[2].verb, VERB_CLOCK);
        assert_true(plan.actions[2].offset_usec == -3600 * (int64_t) USEC_PER_SEC);
        assert_int_equal(plan.actions[3].verb, VERB_CRASH);
        assert_int_equal(plan.actions[4].verb, VERB_WAKE);
        assert_int_equal(plan.actions[4].at_usec, 13 * USEC_PER_SEC);
}

static void test_what_is_wrong_is_said_with_its_line(void **state) {
        static const struct {
                const char *text, *error;
        } cases[] = {
                { "peers", "line 1: 'peers' alone says nothing." },
                { "peers 0", "line 1: Found '0', a number from 1 to 1000000 is accepted." },
                { "peers 99999999999999999999999", "line 1: Found '99999999999999999999999', a number from 1 to 1000000 is accepted." },
                { "\nseeds 65", "line 2: Found '65', a number from 0 to 64 is accepted." },
                { "peers 3 4", "line 1: 'peers' takes 1 words after it, not 2." },
                { "profile fast", "line 1: There is no profile 'fast'." },
                { "colour red", "line 1: There is no statement 'colour'." },
                { "until 5", "line 1: Found '5', a time such as 300ms, 10s, 5m or 2h is accepted." },
                { "until 9999999h", "line 1: Found '9999999h', a time such as 300ms, 10s, 5m or 2h is accepted." },
                { "loss 101%", "line 1: Found '101%', a share such as 0.5% is accepted." },
                { "latency 5s 1s", "line 1: A latency goes from one time to a longer one, of at most 10s." },
                { "at 5s", "line 1: 'at' takes a time and what happens then." },
                { "at 5s explode 4", "line 1: Nothing called 'explode' can happen to a network." },
                { "at 5s crash", "line 1: 'crash' takes 1 words after it, not 0." },
                { "at 5s crash 9-4", "line 1: Found '9-4', nodes such as 4, 4-9, seeds, peers or all are accepted." },
                { "at 5s crash 87", "line 1: Found '87', nodes such as 4, 4-9, seeds, peers or all are accepted." },
                { "at 5s crash 1\npeers 30", "line 2: 'peers' comes before all that happens." },
                { "at 5s cut 1 2 3 4 5", "line 1: More than 6 words are not accepted." },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(plan_done) Plan plan;
                char error[PLAN_ERROR_MAX] = "";

                assert_int_equal(parse(&plan, cases[i].text, error), -EBADMSG);
                assert_string_equal(error, cases[i].error);
        }
}

static char *text_of(const Plan *plan) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert_non_null(file);
        plan_print(plan, file);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void test_a_drawn_plan_is_printed_and_read_again(void **state) {
        for (uint64_t run = 1; run <= 50; run++) {
                _cleanup_(plan_done) Plan plan, again = plan_default();
                _cleanup_free_ char *text = NULL, *text_again = NULL;
                char error[PLAN_ERROR_MAX];

                assert_int_equal(plan_random(&plan, run, 5, 30), 0);
                text = text_of(&plan);
                assert_int_equal(plan_parse(&again, slice_of(text, strlen(text)), error), 0);
                text_again = text_of(&again);
                assert_string_equal(text, text_again);
        }
}

static void test_a_plan_is_carried_out(void **state) {
        _cleanup_(plan_done) Plan plan;
        _cleanup_(sim_freep) Sim *sim = NULL;
        char error[PLAN_ERROR_MAX], complaint[PLAN_COMPLAINT_MAX];
        usec_t usec;

        assert_int_equal(parse(&plan, "peers 8\nat 20s crash 4\nat 21s stop 5\nat 22s start-elsewhere 6\nat 23s clone 7\n"
                                      "until 25s\nsettle 5m\n", error), 0);
        sim = plan_network(&plan, true);
        plan_run(&plan, sim);
        assert_int_equal(sim_n_nodes(sim), 3 + 8 + 1);
        assert_false(sim_is_running(sim, 4));
        assert_false(sim_is_running(sim, 5));
        assert_int_equal(node_settings(sim_node(sim, 6))->advertised[0].bytes[0], 11);
        assert_true(sim_is_running(sim, 11));
        assert_true(plan_settle(&plan, sim, &usec, complaint));
        assert_int_equal(state_at(sim, 0, 4), MEMBER_DEAD);
        assert_int_equal(state_at(sim, 0, 5), MEMBER_LEFT);
}

static void test_a_network_that_is_not_well_is_complained_about(void **state) {
        _cleanup_(plan_done) Plan plan;
        _cleanup_(sim_freep) Sim *sim = NULL;
        char error[PLAN_ERROR_MAX], complaint[PLAN_COMPLAINT_MAX];
        usec_t usec;

        assert_int_equal(parse(&plan, "peers 8\nat 20s group 3-6 1\nuntil 25s\nsettle 10s\n", error), 0);
        sim = plan_network(&plan, false);
        plan_run(&plan, sim);
        assert_false(plan_settle(&plan, sim, &usec, complaint));
        assert_non_null(strstr(complaint, "Not one component"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_scenario_is_read),
                cmocka_unit_test(test_what_is_wrong_is_said_with_its_line),
                cmocka_unit_test(test_a_drawn_plan_is_printed_and_read_again),
                cmocka_unit_test(test_a_plan_is_carried_out),
                cmocka_unit_test(test_a_network_that_is_not_well_is_complained_about),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
