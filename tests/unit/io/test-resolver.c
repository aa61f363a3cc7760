/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "io/resolver.h"

#include <errno.h>
#include <stdio.h>

#include "unit.h"

typedef struct Answers {
        unsigned n;
        uint64_t token;
        size_t n_addresses;
        Address first;
        char detail[128];
} Answers;

static void on_answer(void *userdata, const ResolverAnswer *answer) {
        Answers *answers = userdata;

        answers->n++;
        answers->token = answer->token;
        answers->n_addresses = answer->n_addresses;
        answers->first = answer->n_addresses > 0 ? answer->addresses[0] : (Address) {};
        (void) snprintf(answers->detail, sizeof(answers->detail), "%s", answer->detail);
}

typedef struct Fixture {
        sd_event *event;
        Resolver *resolver;
        Answers answers;
} Fixture;

static int setup(void **state) {
        Fixture *fixture = calloc(1, sizeof(*fixture));

        if (!fixture || sd_event_new(&fixture->event) < 0 || resolver_new(&fixture->resolver, fixture->event) < 0)
                return -1;
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = *state;

        resolver_free(fixture->resolver);
        sd_event_unref(fixture->event);
        free(fixture);
        return 0;
}

static void wait_for_answers(Fixture *fixture, unsigned n) {
        while (fixture->answers.n < n)
                assert_true(sd_event_run(fixture->event, 20 * USEC_PER_SEC) > 0);
}

static void test_a_literal_address_is_its_own_answer_but_not_before_the_loop_turns(void **state) {
        Fixture *fixture = *state;
        Address expected = address_ipv4((const uint8_t[4]) { 10, 0, 0, 7 }, 5000);

        assert_int_equal(resolver_ask(fixture->resolver, 42, "10.0.0.7", 5000, on_answer, &fixture->answers), 0);
        assert_int_equal(fixture->answers.n, 0);
        wait_for_answers(fixture, 1);
        assert_int_equal(fixture->answers.token, 42);
        assert_int_equal(fixture->answers.n_addresses, 1);
        assert_true(address_equal(&fixture->answers.first, &expected));
        assert_string_equal(fixture->answers.detail, "");
}

static void test_a_name_is_looked_up_and_gets_the_port(void **state) {
        Fixture *fixture = *state;

        assert_int_equal(resolver_ask(fixture->resolver, 1, "localhost", 5001, on_answer, &fixture->answers), 0);
        wait_for_answers(fixture, 1);
        assert_true(fixture->answers.n_addresses >= 1);
        assert_true(address_is_loopback(&fixture->answers.first));
        assert_int_equal(fixture->answers.first.port, 5001);
}

static void test_a_name_that_leads_nowhere_is_answered_with_a_reason(void **state) {
        Fixture *fixture = *state;

        assert_int_equal(resolver_ask(fixture->resolver, 1, "nobody.invalid", 5000, on_answer, &fixture->answers), 0);
        wait_for_answers(fixture, 1);
        assert_int_equal(fixture->answers.n_addresses, 0);
        assert_true(strlen(fixture->answers.detail) > 0);
}

static void test_questions_are_bounded_and_all_are_answered(void **state) {
        Fixture *fixture = *state;

        for (unsigned i = 0; i < RESOLVER_QUESTIONS_MAX; i++)
                assert_int_equal(resolver_ask(fixture->resolver, i, "127.0.0.1", 1, on_answer, &fixture->answers), 0);
        assert_int_equal(resolver_ask(fixture->resolver, 0, "127.0.0.1", 1, on_answer, &fixture->answers), -EBUSY);
        wait_for_answers(fixture, RESOLVER_QUESTIONS_MAX);
        assert_int_equal(resolver_ask(fixture->resolver, 0, "127.0.0.1", 1, on_answer, &fixture->answers), 0);
        wait_for_answers(fixture, RESOLVER_QUESTIONS_MAX + 1);
}

static void test_names_that_cannot_be_any_are_refused(void **state) {
        Fixture *fixture = *state;
        char name[RESOLVER_HOST_MAX + 2] = {};

        memset(name, 'a', sizeof(name) - 1);
        assert_int_equal(resolver_ask(fixture->resolver, 0, name, 1, on_answer, &fixture->answers), -EINVAL);
        assert_int_equal(resolver_ask(fixture->resolver, 0, "", 1, on_answer, &fixture->answers), -EINVAL);
}

static void test_nobody_is_called_after_the_end(void **state) {
        Fixture *fixture = *state;

        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(resolver_ask(fixture->resolver, i, "localhost", 1, on_answer, &fixture->answers), 0);
        fixture->resolver = resolver_free(fixture->resolver);
        assert_true(sd_event_run(fixture->event, 100 * USEC_PER_MSEC) >= 0);
        assert_int_equal(fixture->answers.n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_literal_address_is_its_own_answer_but_not_before_the_loop_turns, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_name_is_looked_up_and_gets_the_port, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_name_that_leads_nowhere_is_answered_with_a_reason, setup, teardown),
                cmocka_unit_test_setup_teardown(test_questions_are_bounded_and_all_are_answered, setup, teardown),
                cmocka_unit_test_setup_teardown(test_names_that_cannot_be_any_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nobody_is_called_after_the_end, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
