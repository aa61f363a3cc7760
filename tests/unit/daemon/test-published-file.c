/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/published-file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "unit.h"

#define EPOCH 1000U
#define NAME "published"

typedef struct Fixture {
        char path[64];
        StateDir *dir;
        EffectQueue effects;
} Fixture;

static const NodeId OWN = { { 7 } };

static int setup(void **state) {
        Fixture *fixture = calloc(1, sizeof(*fixture));

        if (!fixture)
                return -1;
        (void) snprintf(fixture->path, sizeof(fixture->path), "/tmp/test-published-XXXXXX");
        if (!mkdtemp(fixture->path))
                return -1;
        log_set_level(LOG_CRIT);
        *state = fixture;
        if (effect_queue_init(&fixture->effects) < 0)
                return -1;
        return state_dir_open(&fixture->dir, fixture->path);
}

static int teardown(void **state) {
        Fixture *fixture = *state;
        char command[128];
        int r;

        effect_queue_done(&fixture->effects);
        state_dir_close(fixture->dir);
        (void) snprintf(command, sizeof(command), "rm -rf %s", fixture->path);
        r = system(command);
        free(fixture);
        return r;
}

static bool exists(const Fixture *fixture, const char *name) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", fixture->path, name);
        return access(path, F_OK) == 0;
}

/* A peer of that epoch, with what is remembered. */
static Node *new_peer(Fixture *fixture, const NodeId *id, uint64_t epoch) {
        NodeSettings settings = { .role = ROLE_PEER, .network = "test", .name = "peer", .port = 6000,
                                  .params = params_of_profile(PROFILE_LAN) };
        Node *node = NULL;

        assert_int_equal(node_new(&node, &settings, &(NodeIdentity) { *id, epoch }, &fixture->effects, 1), 0);
        assert_int_equal(published_file_load(fixture->dir, node), 0);
        return node;
}

static void drain(const Fixture *fixture, Node *node) {
        Effect effect;

        while (node_pop_effect(node, &effect)) {
                if (effect.type == EFFECT_PERSIST && effect.persist == PERSIST_PUBLISHED)
                        assert_int_equal(published_file_save(fixture->dir, node), 0);
                effect_release(&effect);
        }
}

static void publish(const Fixture *fixture, Node *node) {
        MessageId id;

        assert_int_equal(peer_publish(node, "/t", slice_of("x", 1), 2, &id), 0);
        drain(fixture, node);
}

static void start(const Fixture *fixture, Node *node) {
        assert_int_equal(node_start(node, 1), 0);
        drain(fixture, node);
}

static void stop(const Fixture *fixture, Node *node) {
        assert_int_equal(node_stop(node, 3), 0);
        drain(fixture, node);
}

static void test_it_is_there_from_a_stop_to_the_next_message(void **state) {
        Fixture *fixture = *state;
        Previous last;

        for (uint64_t life = 0; life < 3; life++) {
                _cleanup_(node_freep) Node *node = new_peer(fixture, &OWN, EPOCH + life);

                assert_int_equal(peer_published(node, &last), life > 0);
                if (life > 0) {
                        assert_int_equal(last.epoch, EPOCH + life - 1);
                        assert_int_equal(last.sequence, life + 1);
                }
                start(fixture, node);
                assert_int_equal(exists(fixture, NAME), life > 0);
                for (unsigned i = 0; i < life + 2; i++)
                        publish(fixture, node);
                assert_false(exists(fixture, NAME));
                stop(fixture, node);
                assert_true(exists(fixture, NAME));
        }
}

static void test_after_a_crash_nothing_is_known(void **state) {
        Fixture *fixture = *state;
        Node *node = new_peer(fixture, &OWN, EPOCH);
        Previous last;

        start(fixture, node);
        publish(fixture, node);
        stop(fixture, node);
        node_free(node);

        node = new_peer(fixture, &OWN, EPOCH + 1);
        start(fixture, node);
        publish(fixture, node);
        node_free(node);

        node = new_peer(fixture, &OWN, EPOCH + 2);
        assert_false(peer_published(node, &last));
        node_free(node);
}

static void test_a_crash_before_any_message_forgets_nothing(void **state) {
        Fixture *fixture = *state;
        Node *node = new_peer(fixture, &OWN, EPOCH);
        Previous last;

        start(fixture, node);
        publish(fixture, node);
        stop(fixture, node);
        node_free(node);

        node = new_peer(fixture, &OWN, EPOCH + 1);
        start(fixture, node);
        node_free(node);

        node = new_peer(fixture, &OWN, EPOCH + 2);
        assert_true(peer_published(node, &last));
        assert_int_equal(last.epoch, EPOCH);
        assert_int_equal(last.sequence, 1);
        node_free(node);
}

static void write_published(const Fixture *fixture, const StoredPublished *published, size_t size) {
        uint8_t file[STATE_HEADER_SIZE + STORED_PUBLISHED_SIZE];

        stored_published_encode(published, file + STATE_HEADER_SIZE);
        state_seal(file, STATE_HEADER_SIZE + size, STATE_PUBLISHED, 1);
        assert_int_equal(state_dir_write(fixture->dir, NAME, file, STATE_HEADER_SIZE + size), 0);
}

static void test_that_of_another_node_is_not_ours(void **state) {
        Fixture *fixture = *state;
        _cleanup_(node_freep) Node *node = NULL;
        Previous last;

        write_published(fixture, &(StoredPublished) { { { 8 } }, { EPOCH - 1, 3 } }, STORED_PUBLISHED_SIZE);
        node = new_peer(fixture, &OWN, EPOCH);
        assert_false(peer_published(node, &last));
        assert_false(exists(fixture, NAME ".damaged"));
}

static void test_what_is_damaged_is_set_aside(void **state) {
        Fixture *fixture = *state;
        const struct {
                StoredPublished published;
                size_t size;
        } cases[] = {
                { { OWN, { EPOCH - 1, 0 } }, STORED_PUBLISHED_SIZE     },
                { { {}, { EPOCH - 1, 3 } },  STORED_PUBLISHED_SIZE     },
                { { OWN, { EPOCH - 1, 3 } }, STORED_PUBLISHED_SIZE - 1 },
        };
        Previous last;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(node_freep) Node *node = NULL;

                write_published(fixture, &cases[i].published, cases[i].size);
                node = new_peer(fixture, &OWN, EPOCH);
                assert_false(peer_published(node, &last));
                assert_false(exists(fixture, NAME));
                assert_true(exists(fixture, NAME ".damaged"));
                assert_int_equal(state_dir_remove(fixture->dir, NAME ".damaged"), 0);
        }
}

static void test_what_cannot_be_removed_is_said(void **state) {
        Fixture *fixture = *state;
        char path[128];

        assert_int_equal(state_dir_remove(fixture->dir, NAME), 0);      /* there is none */
        assert_null(state_dir_trouble(fixture->dir));
        (void) snprintf(path, sizeof(path), "%s/" NAME, fixture->path);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_true(state_dir_remove(fixture->dir, NAME) < 0);
        assert_non_null(strstr(state_dir_trouble(fixture->dir), "/" NAME ": "));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(test_it_is_there_from_a_stop_to_the_next_message),
                TEST(test_after_a_crash_nothing_is_known),
                TEST(test_a_crash_before_any_message_forgets_nothing),
                TEST(test_that_of_another_node_is_not_ours),
                TEST(test_what_is_damaged_is_set_aside),
                TEST(test_what_cannot_be_removed_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
