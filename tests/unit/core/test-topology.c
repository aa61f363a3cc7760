/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What many nodes say of their links, put together, lies among it. */

#include "core/topology.h"

#include <stdio.h>

#include "unit.h"

#define N_MEMBERS 40U

typedef struct Fixture {
        TimerQueue timers;
        MemberTable members;
        TopologyNode asked[N_MEMBERS + 1];
        size_t n_asked;
        TopologyClaim *claims;
        size_t n_claims, n_allocated;
        Topology *topology;
} Fixture;

static NodeId id_of(unsigned n) {
        NodeId id = { .bytes = { (uint8_t) (n >> 8), (uint8_t) n, 1 } };

        return id;
}

static void hold(Fixture *f, unsigned n, MemberState state) {
        Record record = { .id = id_of(n), .epoch = 1, .state = state, .role = ROLE_PEER, .n_addresses = 1 };
        Member *member;

        (void) snprintf(record.name, sizeof(record.name), "node-%u", n);
        record.addresses[0] = address_ipv4((uint8_t[]) { 10, 0, 0, (uint8_t) n }, 6000);
        assert_true(member_table_merge(&f->members, &record, 1, &member) >= 0);
}

/* We are 0; 1 to 3 are asked, members, and have answered. */
static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        member_table_init(&f->members, &f->timers, 0, N_MEMBERS);
        for (unsigned i = 0; i <= 3; i++) {
                f->asked[f->n_asked++] = (TopologyNode) { .id = id_of(i), .answer = TOPOLOGY_ANSWERED };
                if (i > 0)
                        hold(f, i, MEMBER_ALIVE);
        }
        (void) snprintf(f->asked[0].name, sizeof(f->asked[0].name), "ourselves");
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        topology_free(f->topology);
        free(f->claims);
        member_table_done(&f->members);
        timer_queue_done(&f->timers);
        free(f);
        return 0;
}

static void claim(Fixture *f, unsigned from, unsigned to, uint8_t flags, uint32_t rtt_usec) {
        if (f->n_claims == f->n_allocated) {
                f->n_allocated = 2 * f->n_allocated + 16;
                f->claims = reallocarray(f->claims, f->n_allocated, sizeof(*f->claims));
                assert_non_null(f->claims);
        }
        f->claims[f->n_claims++] = (TopologyClaim) { from, { id_of(to), flags, rtt_usec } };
        f->asked[from].n_named++;
}

static const Topology *build(Fixture *f) {
        topology_free(f->topology);
        assert_int_equal(topology_build(&f->members, f->asked, f->n_asked, f->claims, f->n_claims, &f->topology), 0);
        return f->topology;
}

static void expect_link(const Topology *topology, size_t i, unsigned a, unsigned b, unsigned flags, unsigned rtt_usec) {
        assert_true(i < topology->n_links);
        assert_int_equal(topology->links[i].a, a);
        assert_int_equal(topology->links[i].b, b);
        assert_int_equal(topology->links[i].flags, flags);
        assert_int_equal(topology->links[i].rtt_usec, rtt_usec);
}

static void test_two_ends_of_a_link_become_one(void **state) {
        Fixture *f = *state;
        const Topology *topology;

        claim(f, 2, 1, LINK_EAGER, 700);
        claim(f, 1, 2, LINK_OUTGOING, 500);
        claim(f, 0, 3, 0, 0);
        claim(f, 3, 0, LINK_OUTGOING | LINK_EAGER, 900);
        topology = build(f);

        assert_int_equal(topology->n_nodes, 4);
        assert_int_equal(topology->n_answered, 3);
        assert_int_equal(topology->n_links, 2);
        expect_link(topology, 0, 0, 3, TOPOLOGY_DIALLED_BY_B | TOPOLOGY_EAGER_B | TOPOLOGY_NAMED_BY_A | TOPOLOGY_NAMED_BY_B, 900);
        expect_link(topology, 1, 1, 2, TOPOLOGY_DIALLED_BY_A | TOPOLOGY_EAGER_B | TOPOLOGY_NAMED_BY_A | TOPOLOGY_NAMED_BY_B, 500);
        assert_string_equal(topology->nodes[0].name, "ourselves");
        assert_string_equal(topology->nodes[2].name, "node-2");
        assert_int_equal(topology->nodes[2].address.bytes[3], 2);
}

static void test_the_order_of_what_is_said_does_not_matter(void **state) {
        Fixture *f = *state;
        _cleanup_free_ TopologyLink *links = NULL;
        size_t n;

        for (unsigned from = 0; from <= 3; from++)
                for (unsigned to = 0; to <= 3; to++)
                        if (from != to)
                                claim(f, from, to, from < to ? LINK_OUTGOING : LINK_EAGER, 100 * from + to);
        n = build(f)->n_links;
        assert_int_equal(n, 6);
        links = calloc(n, sizeof(*links));
        assert_non_null(links);
        memcpy(links, f->topology->links, n * sizeof(*links));

        for (size_t i = 0; i < f->n_claims / 2; i++) {
                TopologyClaim other = f->claims[i];

                f->claims[i] = f->claims[f->n_claims - 1 - i];
                f->claims[f->n_claims - 1 - i] = other;
        }
        assert_int_equal(build(f)->n_links, n);
        for (size_t i = 0; i < n; i++)
                expect_link(f->topology, i, links[i].a, links[i].b, links[i].flags, links[i].rtt_usec);
}

static void test_a_link_that_the_other_end_does_not_name_is_denied_if_that_has_answered(void **state) {
        Fixture *f = *state;
        const Topology *topology;

        f->asked[2].answer = TOPOLOGY_SILENT;
        claim(f, 1, 2, LINK_EAGER, 1);
        claim(f, 1, 3, LINK_EAGER, 1);
        topology = build(f);
        assert_int_equal(topology->n_answered, 2);
        expect_link(topology, 0, 1, 2, TOPOLOGY_EAGER_A | TOPOLOGY_NAMED_BY_A, 1);
        expect_link(topology, 1, 1, 3, TOPOLOGY_EAGER_A | TOPOLOGY_NAMED_BY_A | TOPOLOGY_DENIED, 1);
}

/* A message holds 64 links: who names so many may have more. */
static void test_a_full_answer_denies_nothing(void **state) {
        Fixture *f = *state;

        claim(f, 1, 3, LINK_EAGER, 1);
        f->asked[3].n_named = MESSAGE_LINKS_MAX;
        expect_link(build(f), 0, 1, 3, TOPOLOGY_EAGER_A | TOPOLOGY_NAMED_BY_A, 1);
        f->asked[3].n_named--;
        expect_link(build(f), 0, 1, 3, TOPOLOGY_EAGER_A | TOPOLOGY_NAMED_BY_A | TOPOLOGY_DENIED, 1);
}

static void test_links_to_oneself_to_nobody_and_twice_add_nothing(void **state) {
        Fixture *f = *state;
        const Topology *topology;

        claim(f, 1, 1, LINK_EAGER, 1);
        for (unsigned i = 0; i < 60; i++)
                claim(f, 1, 1000 + i, LINK_EAGER, 1);
        claim(f, 1, 2, LINK_EAGER, 1);
        claim(f, 1, 2, LINK_OUTGOING, 0);
        topology = build(f);

        assert_int_equal(topology->n_nodes, 4);
        assert_int_equal(topology->n_unknown, 60);
        assert_int_equal(topology->n_links, 1);
        expect_link(topology, 0, 1, 2, TOPOLOGY_EAGER_A | TOPOLOGY_DIALLED_BY_A | TOPOLOGY_NAMED_BY_A | TOPOLOGY_DENIED, 1);
}

static void test_members_that_were_not_asked_are_shown_when_they_are_named(void **state) {
        Fixture *f = *state;
        const Topology *topology;

        hold(f, 20, MEMBER_DEAD);
        hold(f, 21, MEMBER_ALIVE);
        hold(f, 22, MEMBER_ALIVE);
        claim(f, 1, 20, LINK_EAGER, 1);
        claim(f, 2, 21, LINK_EAGER, 1);
        claim(f, 3, 21, LINK_EAGER, 1);
        topology = build(f);

        assert_int_equal(topology->n_nodes, 6);
        assert_string_equal(topology->nodes[4].name, "node-20");
        assert_int_equal(topology->nodes[4].state, MEMBER_DEAD);
        assert_int_equal(topology->nodes[4].answer, TOPOLOGY_NOT_ASKED);
        assert_string_equal(topology->nodes[5].name, "node-21");
        assert_int_equal(topology->n_links, 3);
        assert_false(topology->links[1].flags & TOPOLOGY_DENIED);
}

/* Everybody lies as much as fits, with all members that there are. */
static void test_lies_of_all_are_bounded_by_members_and_answers(void **state) {
        Fixture *f = *state;
        const Topology *topology;

        for (unsigned i = 4; i < N_MEMBERS; i++)
                hold(f, i, MEMBER_ALIVE);
        for (unsigned from = 0; from <= 3; from++)
                for (unsigned i = 0; i < MESSAGE_LINKS_MAX; i++)
                        claim(f, from, i, 0xff, UINT32_MAX);
        topology = build(f);

        assert_int_equal(topology->n_nodes, N_MEMBERS);
        assert_true(topology->n_links <= 4 * MESSAGE_LINKS_MAX);
        for (size_t i = 0; i < topology->n_links; i++) {
                assert_true(topology->links[i].a < topology->links[i].b);
                assert_true(topology->links[i].b < topology->n_nodes);
        }
}

static void test_alone_there_is_one_node_and_no_link(void **state) {
        Fixture *f = *state;

        f->n_asked = 1;
        assert_int_equal(build(f)->n_nodes, 1);
        assert_int_equal(f->topology->n_links, 0);
        assert_int_equal(f->topology->n_answered, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_two_ends_of_a_link_become_one),
                TEST(test_the_order_of_what_is_said_does_not_matter),
                TEST(test_a_link_that_the_other_end_does_not_name_is_denied_if_that_has_answered),
                TEST(test_a_full_answer_denies_nothing),
                TEST(test_links_to_oneself_to_nobody_and_twice_add_nothing),
                TEST(test_members_that_were_not_asked_are_shown_when_they_are_named),
                TEST(test_lies_of_all_are_bounded_by_members_and_answers),
                TEST(test_alone_there_is_one_node_and_no_link),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
