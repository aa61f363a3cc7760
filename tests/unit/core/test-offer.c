/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/offer.h"

#include "unit.h"

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

typedef struct Fixture {
        Seen seen;
        Offers offers;
        OfferRequest requests[64];
        size_t n;
        usec_t next;
} Fixture;

static NodeId id_of(uint8_t byte) {
        NodeId id;

        memset(id.bytes, byte, sizeof(id.bytes));
        return id;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        seen_init(&f->seen, 100, 600 * SEC);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        seen_done(&f->seen);
        offers_done(&f->offers);
        free(f);
        return 0;
}

static int offer(Fixture *f, LinkId link, uint64_t first, uint64_t last, bool is_listed, usec_t now) {
        Range range = { .origin = id_of(1), .epoch = 1, .first = first, .last = last };

        return offers_add(&f->offers, &range, link, is_listed, is_listed ? 0 : OFFER_T1_USEC, now);
}

static void announce(Fixture *f, LinkId link, uint64_t first, uint64_t last, usec_t now) {
        assert_int_equal(offer(f, link, first, last, false, now), 1);
}

static void come(Fixture *f, LinkId link, uint64_t sequence, usec_t now) {
        MessageId id = { .origin = id_of(1), .epoch = 1, .sequence = sequence };
        SeenOrigin *origin;

        assert_true(seen_hear(&f->seen, &id.origin, 1, now, &origin) >= 0);
        assert_int_equal(seen_add(origin, sequence, now), 1);
        offers_came(&f->offers, &id, link, now);
}

static size_t ask(Fixture *f, usec_t now) {
        f->n = offers_ask(&f->offers, &f->seen, now, f->requests, ELEMENTSOF(f->requests), &f->next);
        return f->n;
}

static void assert_request(const Fixture *f, size_t i, LinkId link, uint64_t first, uint64_t last) {
        assert_true(i < f->n);
        assert_int_equal(f->requests[i].link, link);
        assert_int_equal(f->requests[i].range.first, first);
        assert_int_equal(f->requests[i].range.last, last);
}

static void test_what_is_announced_has_500_ms_to_come_by_itself(void **state) {
        Fixture *f = *state;

        announce(f, 7, 1, 3, 0);
        assert_int_equal(ask(f, 499 * MSEC), 0);
        assert_int_equal(f->next, 500 * MSEC);
        come(f, 9, 2, 499 * MSEC);
        assert_int_equal(ask(f, 500 * MSEC), 2);        /* the rest, piece by piece */
        assert_request(f, 0, 7, 1, 1);
        assert_request(f, 1, 7, 3, 3);
        assert_false(f->requests[0].is_listed);
}

static void test_what_is_listed_is_asked_for_at_once(void **state) {
        Fixture *f = *state;

        assert_int_equal(offer(f, 7, 1, 1000, true, 5), 1);
        assert_int_equal(ask(f, 5), 1);
        assert_request(f, 0, 7, 1, 1000);
        assert_true(f->requests[0].is_listed);
        assert_int_equal(ask(f, 6), 0);                 /* once */
}

static void test_what_has_come_is_forgotten(void **state) {
        Fixture *f = *state;

        announce(f, 7, 1, 2, 0);
        come(f, 8, 1, 1);
        come(f, 8, 2, 1);
        assert_int_equal(ask(f, 500 * MSEC), 0);
        assert_int_equal(f->next, USEC_INFINITY);
        assert_null(f->offers.origins);
}

static void test_the_next_one_is_asked_when_the_first_does_not_answer(void **state) {
        Fixture *f = *state;

        announce(f, 7, 1, 1, 0);
        announce(f, 8, 1, 1, 10 * MSEC);
        announce(f, 9, 1, 1, 20 * MSEC);
        assert_int_equal(ask(f, 500 * MSEC), 1);
        assert_request(f, 0, 7, 1, 1);
        assert_int_equal(ask(f, 520 * MSEC), 0);
        assert_int_equal(f->next, 770 * MSEC);
        assert_int_equal(ask(f, 770 * MSEC), 1);
        assert_request(f, 0, 8, 1, 1);
        assert_int_equal(ask(f, 1100 * MSEC), 1);
        assert_request(f, 0, 9, 1, 1);
}

static void test_while_messages_come_nobody_else_is_asked(void **state) {
        Fixture *f = *state;

        assert_int_equal(offer(f, 7, 1, 100, true, 1), 1);
        assert_int_equal(offer(f, 8, 1, 100, true, 1), 1);
        assert_int_equal(ask(f, 1), 1);
        for (uint64_t i = 1; i <= 50; i++) {
                come(f, 7, i, i * 100 * MSEC);
                assert_int_equal(ask(f, i * 100 * MSEC), 0);
        }
        assert_int_equal(ask(f, 5250 * MSEC), 1);       /* it has stopped */
        assert_request(f, 0, 8, 51, 100);
}

static void test_only_what_nobody_was_asked_for_is_asked_of_the_next(void **state) {
        Fixture *f = *state;

        assert_int_equal(offer(f, 7, 11, 20, true, 1), 1);
        assert_int_equal(offer(f, 8, 1, 30, true, 1), 1);
        assert_int_equal(ask(f, 1), 3);
        assert_request(f, 0, 7, 11, 20);
        assert_request(f, 1, 8, 1, 10);
        assert_request(f, 2, 8, 21, 30);
}

static void test_announcements_that_adjoin_are_one_offer(void **state) {
        Fixture *f = *state;

        for (uint64_t i = 1; i <= 20; i++)
                announce(f, 7, i, i, i * MSEC);
        announce(f, 7, 5, 9, 30 * MSEC);                /* once more */
        assert_int_equal(f->offers.origins->n, 1);
        announce(f, 7, 21, 21, 200 * MSEC);             /* that one has its own 500 ms */
        assert_int_equal(f->offers.origins->n, 2);
        assert_int_equal(ask(f, 501 * MSEC), 1);
        assert_request(f, 0, 7, 1, 20);
        assert_int_equal(f->next, 700 * MSEC);
}

static void test_a_link_that_is_gone_offers_nothing(void **state) {
        Fixture *f = *state;

        announce(f, 7, 1, 5, 0);
        announce(f, 8, 3, 9, 0);
        assert_int_equal(ask(f, 500 * MSEC), 2);
        offers_forget_link(&f->offers, 7);
        assert_false(offers_cover(&f->offers, &(NodeId[]) { id_of(1) }[0], 1, 1, 2));
        assert_true(offers_cover(&f->offers, &(NodeId[]) { id_of(1) }[0], 1, 1, 3));
        assert_int_equal(offers_lowest(&f->offers, &(NodeId[]) { id_of(1) }[0], 1), 3);
        offers_forget_link(&f->offers, 8);
        assert_int_equal(offers_lowest(&f->offers, &(NodeId[]) { id_of(1) }[0], 1), 0);
        assert_null(f->offers.origins);
        assert_int_equal(f->offers.n_links, 0);
}

static void test_who_offers_a_message_is_known(void **state) {
        Fixture *f = *state;
        MessageId id = { id_of(1), 1, 3 };

        assert_false(offers_made(&f->offers, &id, 7));
        announce(f, 7, 1, 2, 0);
        announce(f, 7, 4, 5, 0);
        announce(f, 8, 3, 3, 0);
        assert_false(offers_made(&f->offers, &id, 7));
        assert_true(offers_made(&f->offers, &id, 8));
        id.sequence = 5;
        assert_true(offers_made(&f->offers, &id, 7));
        id.epoch = 2;
        assert_false(offers_made(&f->offers, &id, 7));
}

static void test_offers_that_lead_to_nothing_are_counted(void **state) {
        Fixture *f = *state;

        for (uint64_t i = 0; i < 3; i++)
                announce(f, 7, 10 * i + 1, 10 * i + 2, 0);
        assert_int_equal(ask(f, 500 * MSEC), 3);
        assert_int_equal(f->next, 500 * MSEC + OFFER_LIFE_USEC);
        assert_int_equal(ask(f, f->next), 0);
        assert_int_equal(offers_broken(&f->offers, 7), 3);

        /* One that is kept makes up for them. */
        announce(f, 7, 1, 1, 100 * SEC);
        assert_int_equal(ask(f, 101 * SEC), 1);
        come(f, 7, 1, 102 * SEC);
        assert_int_equal(offers_broken(&f->offers, 7), 0);
}

static void test_the_offers_of_a_link_are_bounded(void **state) {
        Fixture *f = *state;

        for (uint64_t i = 0; i < OFFERS_PER_LINK_MAX; i++)
                announce(f, 7, 10 * i + 1, 10 * i + 2, 0);
        assert_int_equal(offer(f, 7, 10 * OFFERS_PER_LINK_MAX + 1, 10 * OFFERS_PER_LINK_MAX + 2, false, 0), 0);
        assert_int_equal(offer(f, 8, 1, 2, false, 0), 1);       /* that of others is not touched */

        /* In turns of what there is room for; and when they are gone, there is room again. */
        for (size_t n = 0; n < OFFERS_PER_LINK_MAX; n += ELEMENTSOF(f->requests)) {
                assert_int_equal(ask(f, 500 * MSEC + n), ELEMENTSOF(f->requests));
                assert_int_equal(f->requests[0].range.first, 10 * n + 1);
        }
        (void) ask(f, 40 * SEC);
        (void) ask(f, 80 * SEC);
        assert_null(f->offers.origins);
        assert_int_equal(offer(f, 7, 1, 2, false, 0), 1);
}

static void test_endless_ranges_are_no_more_than_others(void **state) {
        Fixture *f = *state;

        announce(f, 7, 1, UINT64_MAX, 0);
        come(f, 8, UINT64_MAX, 1);
        come(f, 8, 1, 1);
        assert_int_equal(ask(f, 500 * MSEC), 1);
        assert_request(f, 0, 7, 2, UINT64_MAX - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_what_is_announced_has_500_ms_to_come_by_itself),
                TEST(test_what_is_listed_is_asked_for_at_once),
                TEST(test_what_has_come_is_forgotten),
                TEST(test_the_next_one_is_asked_when_the_first_does_not_answer),
                TEST(test_while_messages_come_nobody_else_is_asked),
                TEST(test_only_what_nobody_was_asked_for_is_asked_of_the_next),
                TEST(test_announcements_that_adjoin_are_one_offer),
                TEST(test_a_link_that_is_gone_offers_nothing),
                TEST(test_who_offers_a_message_is_known),
                TEST(test_offers_that_lead_to_nothing_are_counted),
                TEST(test_the_offers_of_a_link_are_bounded),
                TEST(test_endless_ranges_are_no_more_than_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
