/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * docs/PROTOCOL.md, sections 4.3 and 4.4, at every order of what is under way between two peers: always one session is
 * left, and it is a link.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "orderings.h"

#define SETTLE_USEC (15 * USEC_PER_SEC)

static const NodeIdentity low = { .id = { { 1 } }, .epoch = 1000000 }, high = { .id = { { 2 } }, .epoch = 1000000 };

#define N_RANDOM 200U

static OrderingResult tell(const char *what, OrderingResult result) {
        print_message("%s: %zu states, %zu ends, at most %zu events; %u with a suspicion, %u with a new id%s\n", what,
                      result.n_states, result.n_ends, result.n_events_max, result.n_suspected, result.n_new_ids,
                      result.both_new ? ", once at both" : "");
        assert_true(result.n_ends > 0);
        return result;
}

static OrderingResult follow_all(const char *what, const Ordering *ordering) {
        return tell(what, ordering_follow_all(ordering, SETTLE_USEC));
}

static OrderingResult follow_some(const char *what, const Ordering *ordering) {
        return tell(what, ordering_follow_some(ordering, SETTLE_USEC, N_RANDOM, 1));
}

static void test_dials_that_cross(void **state) {
        Ordering ordering = {
                .identities = { low, high },
                .stimuli = { { STIMULUS_DIAL, 0 }, { STIMULUS_DIAL, 1 } },
                .n_stimuli = 2,
        };
        OrderingResult result = follow_all("dials that cross", &ordering);

        assert_int_equal(result.n_suspected, 0);
        assert_int_equal(result.n_new_ids, 0);
}

/* One end was told that the link is gone, and dials again; the other still believes in it, and may dial as well. */
static void test_a_link_that_one_end_has_lost(void **state) {
        for (unsigned peer = 0; peer < 2; peer++) {
                Ordering ordering = {
                        .identities = { low, high },
                        .linked = true,
                        .stimuli = { { STIMULUS_FORGET, peer }, { STIMULUS_DIAL, peer }, { STIMULUS_DIAL, !peer } },
                        .n_stimuli = 2,
                };

                if (peer == 0)          /* the callee calls twice: once to ask whether the other lives */
                        assert_int_equal(follow_all("lost by the caller", &ordering).n_suspected, 0);
                else
                        assert_int_equal(follow_some("lost by the callee", &ordering).n_suspected, 0);
                ordering.n_stimuli = 3;
                (void) follow_some(peer == 0 ? "lost by the caller, both dial" : "lost by the callee, both dial", &ordering);
        }
}

static void test_a_process_that_is_replaced(void **state) {
        for (unsigned peer = 0; peer < 2; peer++) {
                Ordering ordering = {
                        .identities = { low, high },
                        .linked = true,
                        .stimuli = { { STIMULUS_RESTART, peer }, { STIMULUS_DIAL, peer }, { STIMULUS_DIAL, !peer } },
                        .n_stimuli = 3,
                };

                assert_int_equal(follow_some(peer == 0 ? "the caller is replaced" : "the callee is replaced", &ordering).n_new_ids, 0);
        }
}

/* Copies never share an epoch as well: it is made of the clock, to the microsecond. */
static void test_two_with_one_id(void **state) {
        Ordering ordering = {
                .identities = { low, { low.id, low.epoch + 1 } },
                .remember = true,
        };
        OrderingResult result = follow_all("one id", &ordering);

        assert_int_equal(result.n_new_ids, result.n_ends);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dials_that_cross),
                cmocka_unit_test(test_a_link_that_one_end_has_lost),
                cmocka_unit_test(test_a_process_that_is_replaced),
                cmocka_unit_test(test_two_with_one_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
