/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulated network itself: what its faults do to what is sent. */

#include "scenario.h"
#include "sim-traffic.h"
#include "unit.h"

#define PAYLOAD_SIZE 1000U

/* Two peers that are linked, without a seed and with nothing else to do. */
static Sim *pair(uint64_t run) {
        Sim *sim = sim_new(run);
        Params params = params_of_profile(PROFILE_LAN);

        params.hello_count = 0;
        sim_set_params(sim, &params);
        (void) sim_add_peer(sim);
        (void) sim_add_peer(sim);
        sim_start_all(sim);
        assert_int_equal(sim_connect(sim, 0, 1), 0);
        sim_run_for(sim, 2 * USEC_PER_SEC);
        assert_true(sim_linked(sim, 0, 1) && sim_linked(sim, 1, 0));
        return sim;
}

/* Its seventh byte on are a text, so messages can be told apart. */
static MessageId publish(Sim *sim, unsigned from) {
        char payload[PAYLOAD_SIZE + 1];
        MessageId id;

        memset(payload, 'x', PAYLOAD_SIZE);
        payload[PAYLOAD_SIZE] = '\0';
        assert_int_equal(sim_publish(sim, from, "/test", payload, &id), 0);
        return id;
}

static void test_what_is_sent_over_a_cut_way_waits_and_arrives(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(1);
        MessageId there, back;

        sim_block(sim, 0, 1, true);
        there = publish(sim, 0);
        back = publish(sim, 1);
        sim_run_for(sim, 500 * USEC_PER_MSEC);
        assert_int_equal(sim_n_delivered(sim, &there), 1);
        assert_int_equal(sim_n_delivered(sim, &back), 2);      /* the other way is open */

        sim_block(sim, 0, 1, false);
        sim_run_for(sim, 3 * USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, &there), 2);
        assert_true(sim_linked(sim, 0, 1));
}

/* Each frame that is lost holds up what follows; nothing is missing, and nothing comes twice, which the simulator sees to. */
static void test_loss_delays_and_loses_nothing(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(2);
        MessageId ids[200];
        usec_t last_usec = 0;

        sim_set_loss(sim, 100000);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                ids[i] = publish(sim, 0);
                sim_run_for(sim, 20 * USEC_PER_MSEC);
        }
        sim_set_loss(sim, 0);
        sim_run_for(sim, 10 * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                assert_int_equal(sim_n_delivered(sim, ids + i), 2);
                last_usec = MAX(last_usec, sim_broadcast(sim, ids + i).last_usec);
        }
        assert_true(last_usec > SIM_LATENCY_MAX_USEC);
}

/* Its sender is told by the queue, not by the death of anybody. */
static void test_a_slow_reader_fills_the_queue_of_its_sender(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(3);
        MessageId ids[400];

        sim_set_slow(sim, 1, 100 * 1024);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                ids[i] = publish(sim, 0);
        sim_run_for(sim, USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, ids + 10), 2);
        assert_int_equal(sim_n_delivered(sim, ids + ELEMENTSOF(ids) - 1), 1);
        sim_run_for(sim, 10 * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 2);
        assert_int_equal(n_burials(sim), 0);
}

static void test_a_mute_node_receives_and_passes_nothing_on(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(4);
        MessageId to, from;

        sim_set_mute(sim, 1, true);
        to = publish(sim, 0);
        from = publish(sim, 1);
        sim_run_for(sim, USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, &to), 2);
        assert_int_equal(sim_n_delivered(sim, &from), 1);
        sim_run_for(sim, USEC_PER_MINUTE);
        assert_true(sim_linked(sim, 0, 1));
}

static void test_a_suspended_host_wakes_with_its_connections(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(5);
        MessageId id;

        sim_suspend(sim, 1);
        id = publish(sim, 0);
        sim_run_for(sim, 500 * USEC_PER_MSEC);
        assert_int_equal(sim_n_delivered(sim, &id), 1);
        sim_thaw(sim, 1);
        sim_run_for(sim, 3 * USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, &id), 2);
}

static void test_a_clock_that_was_set_back_does_not_lower_the_epoch(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(6);
        uint64_t before = node_identity(sim_node(sim, 1))->epoch;

        sim_set_clock(sim, 1, -(int64_t) USEC_PER_MINUTE);
        sim_crash(sim, 1);
        sim_restart(sim, 1, true);
        assert_int_equal(node_identity(sim_node(sim, 1))->epoch, before + 1);
}

static void test_a_node_that_moved_is_found_at_its_new_address(void **state) {
        _cleanup_(sim_freep) Sim *sim = network(7, N_SEEDS, 8);
        MemberInfo info;

        assert_true(sim_run_until(sim, settled, 60 * USEC_PER_SEC));
        sim_crash(sim, 5);
        sim_move(sim, 5);
        sim_restart(sim, 5, true);
        assert_true(sim_run_until(sim, settled, 120 * USEC_PER_SEC));
        assert_true(sim_holds(sim, 6, 5, &info));
        assert_int_equal(info.record->addresses[0].bytes[0], 11);
        assert_gossip_reaches_all(sim, 5);
}

/* ---- frames that do not arrive as they were sent ---- */

static bool pair_linked(Sim *sim) {
        return sim_linked(sim, 0, 1) && sim_linked(sim, 1, 0);
}

static void test_what_cannot_be_read_ends_a_session_and_no_more(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(11);

        sim_set_alter(sim, 0, ALTER_WRONG, 1000000);
        sim_run_for(sim, 30 * USEC_PER_SEC);
        assert_true(sim_n_notices(sim, 1, NOTICE_PROTOCOL_ERROR) > 0);

        sim_set_alter(sim, 0, ALTER_WRONG, 0);
        assert_true(sim_run_until(sim, pair_linked, 15 * USEC_PER_MINUTE));
}

static void test_what_comes_twice_is_delivered_once(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(12);
        MessageId id;

        sim_set_alter(sim, 0, ALTER_TWICE, 1000000);
        id = publish(sim, 0);
        sim_set_alter(sim, 0, ALTER_TWICE, 0);
        sim_run_for(sim, 5 * USEC_PER_SEC);
        assert_int_equal(sim_broadcast(sim, &id).n_payloads, 2);
        assert_int_equal(sim_n_delivered(sim, &id), 2);         /* once at either */
}

static void test_what_comes_late_comes(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(13);
        MessageId late, soon;

        sim_set_alter(sim, 0, ALTER_LATE, 1000000);
        late = publish(sim, 0);
        sim_set_alter(sim, 0, ALTER_LATE, 0);
        sim_run_for(sim, 200 * USEC_PER_MSEC);
        assert_int_equal(sim_n_delivered(sim, &late), 1);
        soon = publish(sim, 1);
        sim_run_for(sim, 21 * USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, &late), 2);
        assert_int_equal(sim_n_delivered(sim, &soon), 2);
}

static void test_what_is_overtaken_is_delivered_in_order(void **state) {
        _cleanup_(sim_freep) Sim *sim = pair(14);
        MessageId ids[20];

        sim_set_strict(sim);                                    /* order is one of its rules */
        sim_set_alter(sim, 0, ALTER_ORDER, 500000);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                ids[i] = publish(sim, 0);
        sim_set_alter(sim, 0, ALTER_ORDER, 0);
        sim_run_for(sim, 5 * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++)
                assert_int_equal(sim_n_delivered(sim, ids + i), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_sent_over_a_cut_way_waits_and_arrives),
                cmocka_unit_test(test_loss_delays_and_loses_nothing),
                cmocka_unit_test(test_a_slow_reader_fills_the_queue_of_its_sender),
                cmocka_unit_test(test_a_mute_node_receives_and_passes_nothing_on),
                cmocka_unit_test(test_a_suspended_host_wakes_with_its_connections),
                cmocka_unit_test(test_a_clock_that_was_set_back_does_not_lower_the_epoch),
                cmocka_unit_test(test_a_node_that_moved_is_found_at_its_new_address),
                cmocka_unit_test(test_what_cannot_be_read_ends_a_session_and_no_more),
                cmocka_unit_test(test_what_comes_twice_is_delivered_once),
                cmocka_unit_test(test_what_comes_late_comes),
                cmocka_unit_test(test_what_is_overtaken_is_delivered_in_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
