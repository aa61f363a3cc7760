/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A few peers lie, one kind of lie after the other, among many that do not. Whatever they say, it costs the others a bounded amount
 * of memory and frames, none of these is held dead, what they publish arrives at all of them, and none of them is taken for a liar
 * because of what it was told. Latencies are 10 to 100 ms.
 */

#include "core/report.h"
#include "core/topology.h"
#include "scenario.h"
#include "sim-internal.h"
#include "unit.h"

#include <stdio.h>

#define N_PEERS 33U
#define N_LIARS 3U
#define MEMBERS_MAX 256U
#define FIRST_LIAR N_SEEDS
#define FIRST_HONEST (N_SEEDS + N_LIARS)
#define LIES_USEC (10 * USEC_PER_SEC)
#define PEACE_AFTER_USEC (40 * USEC_PER_SEC)
#define MESSAGES_MAX 64U

/* What one may hold because of others: 4,096 offers of 250 bytes of each of three liars, MEMBERS_MAX members, and the messages. */
#define HELD_MAX (4U * 1024U * 1024U)

typedef struct Network {
        Sim *sim;
        MessageId ids[MESSAGES_MAX];
        size_t n_ids;
        size_t held_max, members_max;   /* by one of the honest peers */
        uint64_t n_frames;              /* sent by the honest when it began */
        uint64_t n_dead;                /* looks at which somebody honest was held dead */
} Network;

static uint64_t honest_frames(const Sim *sim) {
        uint64_t n = 0;

        for (unsigned i = FIRST_HONEST; i < sim_n_nodes(sim); i++)
                n += sim_n_frames(sim, i, 0);
        return n;
}

static uint64_t honest_counter(Sim *sim, Counter counter) {
        uint64_t n = 0;

        for (unsigned i = FIRST_HONEST; i < sim_n_nodes(sim); i++)
                n += sim_is_running(sim, i) ? node_counter(sim_node(sim, i), counter) : 0;
        return n;
}

static uint64_t n_lies(const Sim *sim) {
        uint64_t n = 0;

        for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++)
                n += sim_n_lies(sim, i);
        return n;
}

/* The liars are peers like others, until they begin. */
static Network network_with(uint64_t run, Lie lie) {
        Params params = params_of_profile(PROFILE_LAN);
        Network network = {};
        Sim *sim;

        params.members_max = MEMBERS_MAX;
        sim = network.sim = network_of_params(run, N_SEEDS, N_PEERS, &params);
        assert_true(sim_run_until(sim, settled, 90 * USEC_PER_SEC));
        sim_run_for(sim, 60 * USEC_PER_SEC);
        for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++)
                sim_set_liar(sim, i, lie);
        network.n_frames = honest_frames(sim);
        return network;
}

static void network_free(Network *network) {
        network->sim = sim_free(network->sim);
}

static void look(Network *network) {
        Sim *sim = network->sim;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++) {
                bool is_seed = i < N_SEEDS;

                if (!sim_is_running(sim, i) || (!is_seed && i < FIRST_HONEST))
                        continue;
                if (!is_seed) {
                        network->held_max = MAX(network->held_max, sim_held_bytes(sim, i));
                        network->members_max = MAX(network->members_max, node_n_members(sim_node(sim, i)));
                }
                for (unsigned k = FIRST_HONEST; k < sim_n_nodes(sim); k++)
                        network->n_dead += k != i && sim_is_running(sim, k) && state_at(sim, i, k) == MEMBER_DEAD;
        }
}

/* Each second somebody else publishes. */
static void go_on(Network *network, usec_t duration_usec) {
        Sim *sim = network->sim;

        for (usec_t usec = 0; usec < duration_usec; usec += LIAR_INTERVAL_USEC) {
                if (usec % USEC_PER_SEC == 0) {
                        unsigned i = FIRST_HONEST + (unsigned) network->n_ids % 8;

                        assert_true(network->n_ids < MESSAGES_MAX);
                        assert_int_equal(sim_publish(sim, i, "/test", "payload", network->ids + network->n_ids), 0);
                        network->n_ids++;
                }
                sim_run_with_liars(sim, LIAR_INTERVAL_USEC);
                look(network);
        }
}

static uint64_t n_missing(const Network *network, size_t from) {
        uint64_t n = 0;

        for (size_t j = from; j < network->n_ids; j++)
                for (unsigned i = FIRST_HONEST; i < sim_n_nodes(network->sim); i++)
                        n += sim_is_running(network->sim, i) && !sim_has_delivered(network->sim, network->ids + j, i);
        return n;
}

static unsigned n_closed(const Sim *sim, unsigned from, unsigned to, CloseReason reason) {
        unsigned n = 0;

        for (unsigned i = from; i < to; i++)
                n += sim_n_closed(sim, i, reason);
        return n;
}

typedef struct Case {
        Lie lie;
        CloseReason reason;             /* for which liars are dropped; 0: they are not */
        Counter counter;                /* which then counts; _COUNTER_MAX: the same */
        unsigned frames_max;            /* of one honest node in a second, on average */
        bool is_heard;                  /* what the honest publish meanwhile arrives, too */
        bool fills;                     /* their tables are full then */
        uint64_t n_runs;                /* 0: one */
} Case;

static void assert_harmless(const Case *c) {
        for (uint64_t run = 1; run <= MAX(c->n_runs, UINT64_C(1)); run++) {
                Network network = network_with(run, c->lie);
                Sim *sim = network.sim;
                size_t n_meanwhile, n_per_node;

                go_on(&network, LIES_USEC);
                n_per_node = (honest_frames(sim) - network.n_frames) / (N_PEERS - N_LIARS) / (LIES_USEC / USEC_PER_SEC);
                n_meanwhile = network.n_ids;
                if (getenv("SIM_TEST"))
                        printf("held %zu bytes, %zu frames per node and second, %ju lies, not delivered %ju, not-allowed %u, "
                               "protocol %u\n", network.held_max, n_per_node, (uintmax_t) n_lies(sim),
                               (uintmax_t) n_missing(&network, 0), n_closed(sim, FIRST_LIAR, FIRST_HONEST, CLOSE_NOT_ALLOWED),
                               n_closed(sim, FIRST_LIAR, FIRST_HONEST, CLOSE_PROTOCOL));
                assert_true(n_lies(sim) > 100);
                assert_true(n_per_node <= c->frames_max);
                assert_true(network.held_max <= HELD_MAX);
                assert_in_range(network.members_max, c->fills ? MEMBERS_MAX : 1, MEMBERS_MAX);

                /* The liars have nothing more to say. */
                for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++)
                        sim_set_liar(sim, i, LIE_NONE);
                sim_run_for(sim, PEACE_AFTER_USEC);
                go_on(&network, LIES_USEC);
                sim_run_for(sim, 5 * USEC_PER_SEC);
                assert_int_equal(n_missing(&network, c->is_heard ? 0 : n_meanwhile), 0);
                assert_int_equal(network.n_dead, 0);
                assert_true(sim_is_connected(sim));

                if (c->reason > 0)
                        assert_true(n_closed(sim, FIRST_LIAR, FIRST_HONEST, c->reason) >= N_LIARS);
                if (c->counter < _COUNTER_MAX)
                        assert_true(honest_counter(sim, c->counter) >= 100);
                assert_int_equal(n_closed(sim, FIRST_HONEST, sim_n_nodes(sim), CLOSE_NOT_ALLOWED), 0);
                assert_int_equal(n_closed(sim, FIRST_HONEST, sim_n_nodes(sim), CLOSE_PROTOCOL), 0);
                network_free(&network);
        }
}

static void test_invented_accusations_bury_nobody_and_end_the_link(void **state) {
        assert_harmless(&(Case) { LIE_ACCUSE, CLOSE_NOT_ALLOWED, COUNTER_NEWS_IGNORED, 400, true });
}

static void test_messages_that_do_not_exist_are_offered_in_vain(void **state) {
        assert_harmless(&(Case) { LIE_OFFER, CLOSE_PROTOCOL, _COUNTER_MAX, 50, true });
}

static void test_announcements_without_end_are_not_noted(void **state) {
        assert_harmless(&(Case) { LIE_ANNOUNCE, CLOSE_PROTOCOL, _COUNTER_MAX, 50, true });
}

static void test_impossible_ages_and_hops_are_refused_and_counted(void **state) {
        assert_harmless(&(Case) { LIE_AGE, 0, COUNTER_GOSSIP_REFUSED, 50, true });
}

/* Without signatures they do silence a publisher (PROTOCOL.md, 11), but not for long after they end. */
static void test_forged_sequences_silence_nobody_for_long(void **state) {
        assert_harmless(&(Case) { LIE_SEQUENCE, 0, COUNTER_GOSSIP_REFUSED, 2000, false });
}

static void test_forged_epochs_silence_nobody_for_long(void **state) {
        assert_harmless(&(Case) { LIE_EPOCH, 0, COUNTER_GOSSIP_REFUSED, 1000, .n_runs = 2 });
}

static void test_who_asks_for_everything_again_and_again_is_dropped(void **state) {
        assert_harmless(&(Case) { LIE_ASK, CLOSE_PROTOCOL, _COUNTER_MAX, 4000, true });
}

static void test_records_by_the_thousand_end_the_link(void **state) {
        assert_harmless(&(Case) { LIE_MEMBERS, CLOSE_NOT_ALLOWED, _COUNTER_MAX, 200, true, .fills = true });
}

static void test_shuffles_by_the_thousand_are_refused_and_counted(void **state) {
        assert_harmless(&(Case) { LIE_SHUFFLE, 0, COUNTER_SHUFFLES_REFUSED, 200, true });
}

/* ---- reports ---- */

static uint64_t seeds_say(Sim *sim, MessageType type) {
        uint64_t n = 0;

        for (unsigned i = 0; i < N_SEEDS; i++)
                n += sim_n_frames(sim, i, type);
        return n;
}

/* A report of one alone is checked, and believed when nobody answers: so whoever lives is called, but not for ever. */
static void test_reports_of_the_living_bury_nobody_and_cost_few_calls(void **state) {
        for (uint64_t run = 1; run <= 3; run++) {
                Network network = network_with(run, LIE_REPORT);
                Sim *sim = network.sim;
                uint64_t n_calls = seeds_say(sim, MESSAGE_HELLO), n_pings = seeds_say(sim, MESSAGE_PING);
                unsigned n_ignored = 0;

                go_on(&network, LIES_USEC);
                n_calls = seeds_say(sim, MESSAGE_HELLO) - n_calls;
                n_pings = seeds_say(sim, MESSAGE_PING) - n_pings;
                for (unsigned i = 0; i < N_SEEDS; i++)
                        n_ignored += sim_n_notices(sim, i, NOTICE_REPORTER_IGNORED);
                if (getenv("SIM_TEST"))
                        printf("%ju reports, %ju calls, %ju pings, %u times ignored\n", (uintmax_t) n_lies(sim),
                               (uintmax_t) n_calls, (uintmax_t) n_pings, n_ignored);
                assert_true(n_lies(sim) > 1000);
                assert_in_range(n_calls, 1, N_SEEDS * N_LIARS * REPORTS_OPEN_MAX);
                assert_in_range(n_pings, 1, N_SEEDS * N_LIARS * REPORTS_OPEN_MAX);
                assert_true(n_ignored >= N_LIARS);

                sim_run_for(sim, PEACE_AFTER_USEC);
                go_on(&network, LIES_USEC);
                assert_int_equal(network.n_dead, 0);
                assert_int_equal(n_missing(&network, 0), 0);
                for (unsigned i = 0; i < N_SEEDS; i++)
                        assert_int_equal(sim_n_notices(sim, i, NOTICE_REPORTED_DEAD), 0);
                network_free(&network);
        }
}

/* ---- answers ---- */

static bool crashed_are_dead(Sim *sim) {
        for (unsigned i = FIRST_HONEST; i < sim_n_nodes(sim); i++)
                for (unsigned k = FIRST_HONEST; k < sim_n_nodes(sim); k++)
                        if (sim_is_running(sim, i) && !sim_is_running(sim, k) && state_at(sim, i, k) != MEMBER_DEAD)
                                return false;
        return true;
}

/* Five of the honest do not reach five others, and everybody else reaches all of them; then some crash. */
static void test_lying_witnesses_bury_nobody_alive_and_hide_no_dead(void **state) {
        uint64_t n = 0;

        for (uint64_t run = 1; run <= 3; run++) {
                Network network = network_with(run, LIE_PROBE);
                Sim *sim = network.sim;

                for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                        sim_set_group(sim, i, SIM_EVERY_GROUP);
                for (unsigned i = 0; i < 10; i++)
                        sim_set_group(sim, FIRST_HONEST + 10 + i, 1 + i % 2);
                go_on(&network, LIES_USEC);
                for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                        sim_set_group(sim, i, 0);
                sim_run_for(sim, PEACE_AFTER_USEC);
                assert_int_equal(network.n_dead, 0);
                assert_int_equal(n_missing(&network, 0), 0);

                for (unsigned i = 0; i < 4; i++)
                        sim_crash(sim, FIRST_HONEST + 20 + i);
                assert_true(sim_run_until(sim, crashed_are_dead, 60 * USEC_PER_SEC));
                assert_int_equal(network.n_dead, 0);
                n += n_lies(sim);
                network_free(&network);
        }
        assert_true(n > 0);
}

static bool is_liar(const Sim *sim, const NodeId *id) {
        for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++)
                if (node_id_equal(sim_id(sim, i), id))
                        return true;
        return false;
}

/* Each names links to everybody else: those are shown as denied by their other end, and all others are right. */
static void test_lying_about_links_is_seen_in_the_picture(void **state) {
        Network network = network_with(1, LIE_LINKS);
        Sim *sim = network.sim;
        unsigned asker = FIRST_HONEST + 5;
        const Topology *topology;
        size_t n_denied = 0;

        sim_settle(sim, asker, peer_crawl(sim_node(sim, asker), 1, sim_now(sim)));
        while (!(topology = peer_topology(sim_node(sim, asker))))
                sim_run_for(sim, 10 * USEC_PER_MSEC);

        assert_int_equal(topology->n_nodes, N_PEERS);
        assert_true(topology->n_unknown >= N_LIARS * MESSAGE_LINKS_MAX / 2);
        assert_true(topology->n_links <= N_PEERS * 12 + N_LIARS * MESSAGE_LINKS_MAX);
        for (size_t i = 0; i < topology->n_links; i++) {
                const TopologyLink *link = topology->links + i;
                bool lied = is_liar(sim, &topology->nodes[link->a].id) || is_liar(sim, &topology->nodes[link->b].id);

                n_denied += (link->flags & TOPOLOGY_DENIED) != 0;
                assert_true(lied || !(link->flags & TOPOLOGY_DENIED));
        }
        assert_true(n_denied >= N_LIARS);
        assert_true(sim_held_bytes(sim, asker) <= HELD_MAX);
        go_on(&network, LIES_USEC);
        sim_run_for(sim, 5 * USEC_PER_SEC);
        assert_int_equal(n_missing(&network, 0), 0);
        assert_int_equal(network.n_dead, 0);
        network_free(&network);
}

/* ---- ids ---- */

static bool is_anybody(const Sim *sim, const NodeId *id) {
        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                if (node_id_equal(sim_id(sim, i), id))
                        return true;
        return false;
}

/* How often somebody holds alive who does not exist. */
static unsigned n_false_ids(Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++) {
                const MemberTable *members = &sim_node(sim, i)->members;

                for (size_t j = 0; j < members->n_live; j++)
                        n += !is_anybody(sim, &members->members[j]->record.id);
        }
        return n;
}

static bool nobody_is_false(Sim *sim) {
        return n_false_ids(sim) == 0;
}

/* They have refuted once before they begin, so that what is held of the id that they gave is older than they are. A neighbour that
 * knows a liar by another id keeps that alive, for whoever is behind the link answers: it hears of its error by the answer to
 * ACCUSED. */
static void test_who_gave_another_id_is_found_out(void **state) {
        for (uint64_t run = 1; run <= 3; run++) {
                Network network = network_with(run, LIE_NONE);
                Sim *sim = network.sim;

                for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++)
                        sim_freeze(sim, i);
                sim_run_for(sim, 10 * USEC_PER_SEC);
                for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++) {
                        sim_thaw(sim, i);
                        sim_set_liar(sim, i, LIE_ID);
                }
                go_on(&network, LIES_USEC);
                assert_true(n_lies(sim) >= N_LIARS);
                assert_true(n_false_ids(sim) >= N_LIARS);

                for (unsigned i = FIRST_LIAR; i < FIRST_HONEST; i++)
                        sim_set_liar(sim, i, LIE_NONE);
                assert_true(sim_run_until(sim, nobody_is_false, 5 * USEC_PER_MINUTE));
                sim_run_for(sim, PEACE_AFTER_USEC);
                go_on(&network, LIES_USEC);
                sim_run_for(sim, 5 * USEC_PER_SEC);
                assert_int_equal(n_false_ids(sim), 0);
                assert_true(n_closed(sim, FIRST_LIAR, FIRST_HONEST, CLOSE_PROTOCOL) > 0);
                assert_int_equal(n_closed(sim, FIRST_HONEST, sim_n_nodes(sim), CLOSE_PROTOCOL), 0);
                assert_int_equal(n_missing(&network, 0), 0);
                assert_int_equal(network.n_dead, 0);
                assert_true(sim_is_connected(sim));
                network_free(&network);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_invented_accusations_bury_nobody_and_end_the_link),
                cmocka_unit_test(test_messages_that_do_not_exist_are_offered_in_vain),
                cmocka_unit_test(test_announcements_without_end_are_not_noted),
                cmocka_unit_test(test_impossible_ages_and_hops_are_refused_and_counted),
                cmocka_unit_test(test_forged_sequences_silence_nobody_for_long),
                cmocka_unit_test(test_forged_epochs_silence_nobody_for_long),
                cmocka_unit_test(test_who_asks_for_everything_again_and_again_is_dropped),
                cmocka_unit_test(test_records_by_the_thousand_end_the_link),
                cmocka_unit_test(test_shuffles_by_the_thousand_are_refused_and_counted),
                cmocka_unit_test(test_reports_of_the_living_bury_nobody_and_cost_few_calls),
                cmocka_unit_test(test_lying_witnesses_bury_nobody_alive_and_hide_no_dead),
                cmocka_unit_test(test_lying_about_links_is_seen_in_the_picture),
                cmocka_unit_test(test_who_gave_another_id_is_found_out),
        };

        if (getenv("SIM_TEST"))
                cmocka_set_test_filter(getenv("SIM_TEST"));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
