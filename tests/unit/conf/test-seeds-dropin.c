/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/seeds-dropin.h"

#include "conf/seeds.h"
#include "tree.h"

static size_t count_seeds(Tree *tree) {
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;

        assert_int_equal(seeds_config_load(&seeds, &tree->paths, &tree->diagnostics), 0);
        assert_int_equal(tree->diagnostics.n_items, 0);
        return seeds->n_entries;
}

static void test_seed_that_adds_itself_is_in_the_list_until_it_goes(void **state) {
        Tree *tree = *state;
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;

        (void) tree_path(tree, "run/");
        assert_int_equal(seeds_dropin_write(tree->run, 5007, "::1"), 0);
        assert_int_equal(seeds_dropin_write(tree->run, 5008, "Seed.Example"), 0);

        assert_int_equal(seeds_config_load(&seeds, &tree->paths, &tree->diagnostics), 0);
        assert_int_equal(seeds->n_entries, 2);
        assert_string_equal(seeds->entries[0].host, "::1");
        assert_int_equal(seeds->entries[0].port, 5007);
        assert_string_equal(seeds->entries[1].host, "seed.example");

        assert_int_equal(seeds_dropin_remove(tree->run, 5007), 0);
        assert_int_equal(count_seeds(tree), 1);
        assert_int_equal(seeds_dropin_remove(tree->run, 5008), 0);
        assert_int_equal(count_seeds(tree), 0);
}

static void test_second_write_replaces_the_first(void **state) {
        Tree *tree = *state;

        (void) tree_path(tree, "run/");
        assert_int_equal(seeds_dropin_write(tree->run, 5000, "127.0.0.1"), 0);
        assert_int_equal(seeds_dropin_write(tree->run, 5000, "127.0.0.2"), 0);
        assert_int_equal(count_seeds(tree), 1);
}

static void test_file_can_be_read_by_other_users(void **state) {
        Tree *tree = *state;
        mode_t saved = umask(0077);
        struct stat st;

        (void) tree_path(tree, "run/seeds.d/");
        assert_int_equal(seeds_dropin_write(tree->run, 5000, "127.0.0.1"), 0);
        (void) umask(saved);
        assert_int_equal(stat(tree_path(tree, "run/seeds.d/5000.conf"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
}

static void test_nothing_is_left_behind_by_a_failure(void **state) {
        Tree *tree = *state;

        /* A directory in its place cannot be replaced by a file. */
        (void) tree_path(tree, "run/seeds.d/5000.conf/");
        assert_true(seeds_dropin_write(tree->run, 5000, "127.0.0.1") < 0);
        assert_int_equal(rmdir(tree_path(tree, "run/seeds.d/5000.conf")), 0);
        assert_int_equal(rmdir(tree_path(tree, "run/seeds.d")), 0);    /* and so it was empty */
}

static void test_what_could_not_be_read_back_is_not_written(void **state) {
        Tree *tree = *state;

        (void) tree_path(tree, "run/");
        assert_int_equal(seeds_dropin_write(tree->run, 0, "127.0.0.1"), -EINVAL);
        assert_int_equal(seeds_dropin_write(tree->run, 5000, "0.0.0.0"), -EINVAL);
        assert_int_equal(seeds_dropin_write(tree->run, 5000, "a\"; port = 1; } );"), -EINVAL);
        assert_int_equal(count_seeds(tree), 0);
}

static void test_missing_directory_is_an_error_to_write_and_none_to_remove(void **state) {
        Tree *tree = *state;

        assert_int_equal(seeds_dropin_write(tree->run, 5000, "127.0.0.1"), -ENOENT);
        assert_int_equal(seeds_dropin_remove(tree->run, 5000), 0);
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                tree_test(test_seed_that_adds_itself_is_in_the_list_until_it_goes),
                tree_test(test_second_write_replaces_the_first),
                tree_test(test_file_can_be_read_by_other_users),
                tree_test(test_nothing_is_left_behind_by_a_failure),
                tree_test(test_what_could_not_be_read_back_is_not_written),
                tree_test(test_missing_directory_is_an_error_to_write_and_none_to_remove),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
