/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/state-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "daemon/identity.h"
#include "daemon/log.h"
#include "io/clock.h"
#include "unit.h"

/* A new directory, and a path in it that is not there yet. */
typedef struct Fixture {
        char root[64];
        char path[80];
} Fixture;

static int setup(void **state) {
        Fixture *fixture = calloc(1, sizeof(*fixture));

        if (!fixture)
                return -1;
        (void) snprintf(fixture->root, sizeof(fixture->root), "/tmp/test-state-XXXXXX");
        if (!mkdtemp(fixture->root))
                return -1;
        (void) snprintf(fixture->path, sizeof(fixture->path), "%s/deep/er", fixture->root);
        log_set_level(LOG_CRIT);
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = *state;
        char command[128];
        int r;

        (void) snprintf(command, sizeof(command), "rm -rf %s", fixture->root);
        r = system(command);
        free(fixture);
        return r;
}

static StateDir *open_dir(const char *path) {
        StateDir *dir = NULL;

        assert_int_equal(state_dir_open(&dir, path), 0);
        return dir;
}

static char *path_of(const Fixture *fixture, const char *name) {
        char *path;

        assert_true(asprintf(&path, "%s/%s", fixture->path, name) > 0);
        return path;
}

static bool exists(const Fixture *fixture, const char *name) {
        _cleanup_free_ char *path = path_of(fixture, name);

        return access(path, F_OK) == 0;
}

static void put_file(StateDir *dir, const char *name, const char *text) {
        uint8_t file[STATE_HEADER_SIZE + 64];
        size_t size = STATE_HEADER_SIZE + strlen(text);

        memcpy(file + STATE_HEADER_SIZE, text, strlen(text));
        state_seal(file, size, STATE_PEERS, 1);
        assert_int_equal(state_dir_write(dir, name, file, size), 0);
}

static void test_what_is_written_comes_back(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        _cleanup_free_ uint8_t *file = NULL;
        StateBody body;

        put_file(dir, "x", "first");
        put_file(dir, "x", "second");
        assert_int_equal(state_dir_load(dir, "x", STATE_PEERS, 4096, &file, &body), 0);
        assert_int_equal(body.data.size, 6);
        assert_memory_equal(body.data.data, "second", 6);
        assert_false(exists(fixture, "x.new"));
        assert_false(exists(fixture, "x.damaged"));
}

static void test_any_changed_byte_and_any_lost_tail_is_noticed(void **state) {
        uint8_t file[STATE_HEADER_SIZE + 9];
        StateBody body;

        memcpy(file + STATE_HEADER_SIZE, "some body", 9);
        state_seal(file, sizeof(file), STATE_PEERS, 1);
        assert_int_equal(state_unseal(&body, slice_of(file, sizeof(file)), STATE_PEERS), 0);
        assert_int_equal(state_unseal(&body, slice_of(file, sizeof(file)), STATE_IDENTITY), -EBADMSG);

        for (size_t i = 0; i < sizeof(file); i++) {
                file[i] ^= 0x10;
                assert_int_equal(state_unseal(&body, slice_of(file, sizeof(file)), STATE_PEERS), -EBADMSG);
                file[i] ^= 0x10;
                assert_int_equal(state_unseal(&body, slice_of(file, i), STATE_PEERS), -EBADMSG);
        }
}

static void test_a_damaged_file_is_set_aside_and_only_the_last_is_kept(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        _cleanup_free_ char *path = path_of(fixture, "x");
        _cleanup_free_ uint8_t *file = NULL;
        StateBody body;

        for (unsigned i = 0; i < 2; i++) {
                put_file(dir, "x", "body");
                assert_int_equal(truncate(path, 20), 0);
                assert_int_equal(state_dir_load(dir, "x", STATE_PEERS, 4096, &file, &body), -EBADMSG);
                assert_false(exists(fixture, "x"));
                assert_true(exists(fixture, "x.damaged"));
        }
        assert_int_equal(state_dir_load(dir, "x", STATE_PEERS, 4096, &file, &body), -ENOENT);
}

static void test_a_file_that_is_none_is_not_read(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        _cleanup_free_ char *fifo = path_of(fixture, "fifo"), *huge = path_of(fixture, "huge");
        _cleanup_free_ uint8_t *file = NULL;
        StateBody body;

        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(state_dir_load(dir, "fifo", STATE_PEERS, 4096, &file, &body), -EBADMSG);

        put_file(dir, "huge", "body");
        assert_int_equal(truncate(huge, 1 << 20), 0);
        assert_int_equal(state_dir_load(dir, "huge", STATE_PEERS, 4096, &file, &body), -EBADMSG);
}

static void test_a_second_daemon_is_kept_out(void **state) {
        Fixture *fixture = *state;
        StateDir *first = open_dir(fixture->path), *second = NULL;

        assert_int_equal(state_dir_open(&second, fixture->path), -EWOULDBLOCK);
        assert_null(second);
        state_dir_close(first);
        assert_int_equal(state_dir_open(&second, fixture->path), 0);
        state_dir_close(second);
}

static void test_without_a_directory_everything_goes_on(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir("/proc/no-such-directory/x");
        _cleanup_free_ uint8_t *file = NULL;
        NodeIdentity identity = {};
        StateBody body;

        (void) fixture;
        assert_true(state_dir_write(dir, "x", (const uint8_t *) "", 0) < 0);
        assert_int_equal(state_dir_load(dir, "x", STATE_PEERS, 4096, &file, &body), -ENOENT);
        assert_int_equal(identity_load(dir, &identity, NULL), 0);      /* known, but not written down */
        assert_false(node_id_is_null(&identity.id));
}

static void test_the_id_stays_and_the_epoch_grows(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        NodeIdentity first, second, future, third;

        assert_int_equal(identity_load(dir, &first, NULL), 1);
        assert_int_equal(identity_load(dir, &second, NULL), 1);
        assert_true(node_id_equal(&first.id, &second.id));
        assert_true(second.epoch > first.epoch);

        future = second;                /* a clock that was set back is no way to an old epoch */
        future.epoch += USEC_PER_HOUR;
        assert_int_equal(identity_save(dir, &future), 0);
        assert_int_equal(identity_load(dir, &third, NULL), 1);
        assert_int_equal(third.epoch, future.epoch + 1);
}

static void write_identity(StateDir *dir, const StoredIdentity *stored) {
        uint8_t file[STATE_HEADER_SIZE + STORED_IDENTITY_SIZE];

        stored_identity_encode(stored, file + STATE_HEADER_SIZE);
        state_seal(file, sizeof(file), STATE_IDENTITY, 1);
        assert_int_equal(state_dir_write(dir, "identity", file, sizeof(file)), 0);
}

static void test_a_copy_on_another_machine_gets_a_new_id(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        StoredIdentity stored = { .identity = { .id = { { 7 } }, .epoch = 1 }, .machine = { 9 } };
        NodeIdentity identity;
        sd_id128_t machine;
        bool can_tell = sd_id128_get_machine(&machine) >= 0;    /* a machine without an id takes every state for its own */

        write_identity(dir, &stored);
        assert_int_equal(identity_load(dir, &identity, NULL), 1);
        assert_int_equal(node_id_equal(&identity.id, &stored.identity.id), !can_tell);
        assert_int_equal(exists(fixture, "identity.copied"), can_tell);

        memset(stored.machine, 0, sizeof(stored.machine));      /* where it was written, nobody could tell */
        write_identity(dir, &stored);
        assert_int_equal(identity_load(dir, &identity, NULL), 1);
        assert_true(node_id_equal(&identity.id, &stored.identity.id));
}

static void test_an_identity_that_another_user_owns_is_not_replaced(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        _cleanup_free_ char *path = path_of(fixture, "identity");
        StoredIdentity stored = { .identity = { .id = { { 7 } }, .epoch = 1 } };
        NodeIdentity identity;
        const char *reason;

        write_identity(dir, &stored);
        assert_false(state_dir_is_denied(dir, "identity"));
        assert_false(state_dir_is_denied(dir, "none"));
        assert_int_equal(chmod(path, 0), 0);
        if (geteuid() == 0)
                assert_int_equal(seteuid(65534), 0);
        assert_true(state_dir_is_denied(dir, "identity"));
        assert_int_equal(identity_load(dir, &identity, &reason), -EACCES);
        (void) seteuid(getuid());
        assert_int_equal(chmod(path, 0600), 0);

        assert_int_equal(identity_load(dir, &identity, &reason), 1);
        assert_true(node_id_equal(&identity.id, &stored.identity.id));
        assert_null(reason);
}

static void test_what_is_wrong_with_the_directory_can_be_asked_for(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *good = open_dir(fixture->path), *bad = open_dir("/proc/no-such-directory/x");
        _cleanup_free_ char *blocked = path_of(fixture, "x.new");

        assert_null(state_dir_trouble(good));
        assert_string_equal(state_dir_trouble(bad), "/proc/no-such-directory/x: No such file or directory");

        assert_int_equal(mkdir(blocked, 0700), 0);
        assert_true(state_dir_write(good, "x", (const uint8_t *) "", 0) < 0);
        assert_non_null(strstr(state_dir_trouble(good), "/deep/er/x: Is a directory"));
        assert_int_equal(rmdir(blocked), 0);
        put_file(good, "x", "body");
        assert_null(state_dir_trouble(good));
}

static void test_epochs_that_are_used_up_mean_a_new_id(void **state) {
        Fixture *fixture = *state;
        _cleanup_(state_dir_closep) StateDir *dir = open_dir(fixture->path);
        StoredIdentity stored = { .identity = { .id = { { 7 } }, .epoch = UINT64_C(1) << 63 } };
        NodeIdentity identity;

        write_identity(dir, &stored);
        assert_int_equal(identity_load(dir, &identity, NULL), 1);
        assert_false(node_id_equal(&identity.id, &stored.identity.id));
        assert_true(identity.epoch < UINT64_C(1) << 63);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_is_written_comes_back, setup, teardown),
                cmocka_unit_test(test_any_changed_byte_and_any_lost_tail_is_noticed),
                cmocka_unit_test_setup_teardown(test_a_damaged_file_is_set_aside_and_only_the_last_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_file_that_is_none_is_not_read, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_second_daemon_is_kept_out, setup, teardown),
                cmocka_unit_test_setup_teardown(test_without_a_directory_everything_goes_on, setup, teardown),
                cmocka_unit_test_setup_teardown(test_the_id_stays_and_the_epoch_grows, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_copy_on_another_machine_gets_a_new_id, setup, teardown),
                cmocka_unit_test_setup_teardown(test_an_identity_that_another_user_owns_is_not_replaced, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_is_wrong_with_the_directory_can_be_asked_for, setup, teardown),
                cmocka_unit_test_setup_teardown(test_epochs_that_are_used_up_mean_a_new_id, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
