/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/seed-files.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

typedef struct Fixture {
        char root[64];
        sd_event *event;
        SeedFiles *files;
        unsigned n_changes;
} Fixture;

static void on_changed(void *userdata) {
        Fixture *fixture = userdata;

        fixture->n_changes++;
}

/* Runs the loop until nothing has happened for longer than changes need to settle. */
static void run(Fixture *fixture) {
        while (sd_event_run(fixture->event, 3 * SEED_FILES_SETTLE_USEC) > 0)
                ;
}

static int setup(void **state) {
        Fixture *fixture = calloc(1, sizeof(*fixture));
        ConfigPaths paths = {};

        if (!fixture)
                return -1;
        (void) snprintf(fixture->root, sizeof(fixture->root), "/tmp/test-seed-files-XXXXXX");
        if (!mkdtemp(fixture->root) || sd_event_new(&fixture->event) < 0)
                return -1;
        paths.run = fixture->root;
        if (seed_files_watch(&fixture->files, fixture->event, &paths, on_changed, fixture) < 0)
                return -1;
        run(fixture);
        fixture->n_changes = 0;
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        Fixture *fixture = *state;
        char command[128];
        int r;

        seed_files_free(fixture->files);
        sd_event_unref(fixture->event);
        (void) snprintf(command, sizeof(command), "rm -rf %s", fixture->root);
        r = system(command);
        free(fixture);
        return r;
}

static void write_file(const Fixture *fixture, const char *name) {
        char path[256];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
        f = fopen(path, "we");
        assert_non_null(f);
        (void) fclose(f);
}

static void test_a_directory_that_comes_later_is_watched_and_so_are_its_files(void **state) {
        Fixture *fixture = *state;
        char path[128], other[128];

        (void) snprintf(path, sizeof(path), "%s/seeds.d", fixture->root);
        assert_int_equal(mkdir(path, 0755), 0);
        run(fixture);
        assert_int_equal(fixture->n_changes, 1);

        write_file(fixture, "seeds.d/5000.conf");
        run(fixture);
        assert_int_equal(fixture->n_changes, 2);

        (void) snprintf(other, sizeof(other), "%s/elsewhere", fixture->root);
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(rename(other, path), 0);
        run(fixture);
        write_file(fixture, "seeds.d/5001.conf");
        fixture->n_changes = 0;
        run(fixture);
        assert_int_equal(fixture->n_changes, 1);
}

static void test_files_that_change_together_are_one_change(void **state) {
        Fixture *fixture = *state;

        for (unsigned i = 0; i < 20; i++)
                write_file(fixture, "seeds.conf");
        run(fixture);
        assert_int_equal(fixture->n_changes, 1);
}

static void test_what_came_before_the_watch_is_noticed(void **state) {
        Fixture *fixture = *state;
        _cleanup_(seed_files_freep) SeedFiles *files = NULL;
        ConfigPaths paths = { .run = fixture->root };

        write_file(fixture, "seeds.conf");
        run(fixture);
        fixture->n_changes = 0;
        assert_int_equal(seed_files_watch(&files, fixture->event, &paths, on_changed, fixture), 0);
        run(fixture);
        assert_int_equal(fixture->n_changes, 1);
}

static void test_other_files_in_the_directory_do_not_matter(void **state) {
        Fixture *fixture = *state;

        write_file(fixture, "p2pnet.conf");
        run(fixture);
        assert_int_equal(fixture->n_changes, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_directory_that_comes_later_is_watched_and_so_are_its_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_files_that_change_together_are_one_change, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_came_before_the_watch_is_noticed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_other_files_in_the_directory_do_not_matter, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
