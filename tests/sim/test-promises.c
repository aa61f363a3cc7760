/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the simulator checks of messages and bounds can fail: each rule is broken by hand, in a process of its own. */

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/peer-node-internal.h"
#include "scenario.h"
#include "sim-internal.h"
#include "unit.h"

/* Three peers and a seed, all checked, after ten messages. */
static Sim *strict_network(uint64_t run) {
        Sim *sim = network(run, 1, 3);
        MessageId id;

        sim_set_strict(sim);
        assert_true(sim_run_until(sim, settled, USEC_PER_MINUTE));
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(sim_publish(sim, 1, "/test", "payload", &id), 0);
        sim_run_for(sim, 10 * USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, &id), 3);
        return sim;
}

/* Whether the simulator ends its process when that has been done to the peer. */
static bool is_noticed(Sim *sim, void (*harm)(Sim *sim, PeerNode *peer)) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                (void) signal(SIGABRT, SIG_DFL);
                (void) close(STDERR_FILENO);
                harm(sim, sim_node(sim, 2)->peer);
                sim_run_for(sim, 5 * USEC_PER_SEC);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void harm_nothing(Sim *sim, PeerNode *peer) {}

static void deliver(Sim *sim, uint64_t epoch, uint64_t sequence, uint64_t serial) {
        check_delivery(sim, 2, &(Delivery) { .id = { .epoch = epoch, .sequence = sequence }, .serial = serial });
}

static void harm_order(Sim *sim, PeerNode *peer) {
        deliver(sim, 7, 2, 1);
        deliver(sim, 7, 1, 2);
}

static void deliver_epochs(Sim *sim, NodeId origin, uint64_t later) {
        check_delivery(sim, 2, &(Delivery) { .id = { .origin = origin, .epoch = later, .sequence = 2 }, .serial = 100 });
        check_delivery(sim, 2, &(Delivery) { .id = { .origin = origin, .epoch = 6, .sequence = 3 }, .serial = 101 });
}

/* The record of the publisher says that it had such an epoch, */
static void harm_order_of_epochs(Sim *sim, PeerNode *peer) {
        deliver_epochs(sim, *sim_id(sim, 3), node_identity(sim_node(sim, 3))->epoch);
}

/* or it does not. */
static void forge_an_epoch(Sim *sim, PeerNode *peer) {
        deliver_epochs(sim, *sim_id(sim, 3), node_identity(sim_node(sim, 3))->epoch + 1);
}

static void harm_serials(Sim *sim, PeerNode *peer) {
        deliver(sim, 7, 2, 2);
        deliver(sim, 7, 3, 1);
}

static void keep_order(Sim *sim, PeerNode *peer) {
        deliver(sim, 7, 2, 1);
        deliver(sim, 7, 4, 2);
        deliver(sim, 8, 1, 3);
}

static void harm_store(Sim *sim, PeerNode *peer) {
        peer->store.size += 1;
}

static void harm_store_bound(Sim *sim, PeerNode *peer) {
        sim_node(sim, 2)->settings.params.store_size_max = peer->store.size - 1;
}

static void harm_publishers(Sim *sim, PeerNode *peer) {
        sim_node(sim, 2)->settings.params.origins_max = 0;
}

static void harm_passive(Sim *sim, PeerNode *peer) {
        sim_node(sim, 2)->settings.params.passive_max = 0;
        view_add(&peer->view, &NODE_ID_NULL, &(Address) { .family = ADDRESS_IPV4, .bytes = { 10, 9, 9, 9 }, .port = 1 });
}

static void test_each_broken_rule_ends_the_simulation(void **state) {
        _cleanup_(sim_freep) Sim *sim = strict_network(1);

        assert_false(is_noticed(sim, harm_nothing));
        assert_false(is_noticed(sim, keep_order));
        assert_false(is_noticed(sim, forge_an_epoch));
        assert_true(is_noticed(sim, harm_order));
        assert_true(is_noticed(sim, harm_order_of_epochs));
        assert_true(is_noticed(sim, harm_serials));
        assert_true(is_noticed(sim, harm_store));
        assert_true(is_noticed(sim, harm_store_bound));
        assert_true(is_noticed(sim, harm_publishers));
        assert_true(is_noticed(sim, harm_passive));
}

/* Who was cut off misses what the others store, until it is back and has caught up. */
static void test_what_is_stored_elsewhere_is_missed_and_caught_up(void **state) {
        _cleanup_(sim_freep) Sim *sim = strict_network(2);
        Missing missing;
        MessageId id;

        assert_false(sim_misses(sim, &missing));
        sim_set_group(sim, 3, 1);
        sim_run_for(sim, USEC_PER_SEC);
        assert_int_equal(sim_publish(sim, 1, "/test", "payload", &id), 0);
        sim_run_for(sim, 5 * USEC_PER_SEC);
        assert_true(sim_misses(sim, &missing));
        assert_int_equal(missing.at, 3);
        assert_true(missing.held_by == 1 || missing.held_by == 2);
        assert_int_equal(missing.id.sequence, id.sequence);

        sim_heal(sim);
        sim_run_for(sim, 2 * USEC_PER_MINUTE);
        assert_false(sim_misses(sim, &missing));
        assert_int_equal(sim_n_delivered(sim, &id), 3);
}

/* Somebody was heard by nobody in its last life. When it is back the others wait for what it published then, until it is clear that
 * nobody has it: a network is not well before. */
static void test_what_nobody_has_holds_up_what_comes_next_until_it_is_given_up(void **state) {
        _cleanup_(sim_freep) Sim *sim = strict_network(3);
        Missing missing;
        MessageId id;

        assert_false(sim_holds_back(sim, &missing));
        sim_set_mute(sim, 1, true);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(sim_publish(sim, 1, "/test", "payload", &id), 0);
                sim_run_for(sim, USEC_PER_SEC);
        }
        sim_stop(sim, 1);
        sim_set_mute(sim, 1, false);
        sim_run_for(sim, USEC_PER_SEC);
        sim_restart(sim, 1, true);
        sim_run_for(sim, 5 * USEC_PER_SEC);
        assert_int_equal(sim_publish(sim, 1, "/test", "payload", &id), 0);
        sim_run_for(sim, USEC_PER_SEC);
        assert_int_equal(sim_n_delivered(sim, &id), 1);
        assert_true(sim_holds_back(sim, &missing));
        assert_true(missing.at == 2 || missing.at == 3);
        assert_int_equal(missing.id.epoch, id.epoch);

        sim_run_for(sim, 30 * USEC_PER_SEC);
        assert_false(sim_holds_back(sim, &missing));
        assert_int_equal(sim_n_delivered(sim, &id), 3);
        assert_true(sim_n_notices(sim, 2, NOTICE_GAP) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_broken_rule_ends_the_simulation),
                cmocka_unit_test(test_what_is_stored_elsewhere_is_missed_and_caught_up),
                cmocka_unit_test(test_what_nobody_has_holds_up_what_comes_next_until_it_is_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
