/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/seeds.h"

#include "tree.h"

static SeedsConfig *load(Tree *tree) {
        SeedsConfig *seeds = NULL;
        int r;

        r = seeds_config_load(&seeds, &tree->paths, &tree->diagnostics);
        for (size_t i = 0; i < tree->diagnostics.n_items; i++)
                print_message("%s\n", tree->diagnostics.items[i].text);
        assert_int_equal(r, 0);
        assert_int_equal(tree->diagnostics.n_items, 0);
        return seeds;
}

/* The seeds of all files are @expected, "host:port host:port ". */
static void assert_seeds(Tree *tree, const char *expected) {
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = load(tree);
        char all[512] = "";

        for (size_t i = 0; i < seeds->n_entries; i++)
                (void) snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s:%u ", seeds->entries[i].host,
                                seeds->entries[i].port);
        assert_string_equal(all, expected);
}

/* seeds.conf with that text is refused with that sentence, from "LINE:" on. */
static void assert_refused(Tree *tree, const char *text, const char *sentence) {
        SeedsConfig *seeds = (SeedsConfig *) tree;      /* has to be left alone */
        char expected[2 * PATH_MAX];

        tree_write(tree, "etc/seeds.conf", text);
        assert_int_equal(seeds_config_load(&seeds, &tree->paths, &tree->diagnostics), -EINVAL);
        assert_ptr_equal(seeds, tree);
        (void) snprintf(expected, sizeof(expected), "%s:%s", tree_path(tree, "etc/seeds.conf"), sentence);
        assert_said_only(&tree->diagnostics, expected);
}

static void test_no_file_is_no_seed(void **state) {
        assert_seeds(*state, "");
}

static void test_empty_list_is_no_seed(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/seeds.conf", "seeds = ( );");
        assert_seeds(tree, "");
        tree_write(tree, "etc/seeds.conf", "# none\n");
        assert_seeds(tree, "");
}

static void test_lists_of_all_files_are_joined(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/seeds.conf", "seeds = ( { host = \"127.0.0.1\"; port = 5000; } );");
        tree_write(tree, "run/seeds.d/5002.conf", "seeds = ( { host = \"127.0.0.1\"; port = 5002; } );");
        tree_write(tree, "vendor/seeds.d/10.conf",
                   "seeds: (\n { port: 5000, host: \"seed.example\" },\n { host = \"::1\" port = 5001 }\n);");
        assert_seeds(tree, "127.0.0.1:5000 seed.example:5000 ::1:5001 127.0.0.1:5002 ");
}

static void test_entry_knows_its_line(void **state) {
        Tree *tree = *state;
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;
        char expected[PATH_MAX + 16];

        tree_write(tree, "etc/seeds.d/a.conf",
                   "seeds = (\n  { host = \"a\"; port = 1; },\n  {\n    host = \"b\"; port = 2;\n  }\n);");
        seeds = load(tree);
        (void) snprintf(expected, sizeof(expected), "%s:3", tree_path(tree, "etc/seeds.d/a.conf"));
        assert_string_equal(seeds->entries[1].source, expected);
}

static void test_dropin_can_be_masked(void **state) {
        Tree *tree = *state;

        tree_write(tree, "run/seeds.d/5000.conf", "seeds = ( { host = \"127.0.0.1\"; port = 5000; } );");
        assert_seeds(tree, "127.0.0.1:5000 ");
        (void) tree_path(tree, "etc/seeds.d/");
        assert_int_equal(symlink("/dev/null", tree_path(tree, "etc/seeds.d/5000.conf")), 0);
        assert_seeds(tree, "");
}

static void test_seed_that_is_named_twice_is_one(void **state) {
        Tree *tree = *state;

        tree_write(tree, "etc/seeds.conf",
                   "seeds = ( { host = \"Seed.Example\"; port = 5000; }, { host = \"::1\"; port = 5000; } );");
        tree_write(tree, "etc/seeds.d/a.conf",
                   "seeds = ( { host = \"seed.example\"; port = 5000; }, { host = \"0:0::1\"; port = 5000; }, { "
                   "host = \"seed.example\"; port = 5001; } );");
        assert_seeds(tree, "seed.example:5000 ::1:5000 seed.example:5001 ");
}

static void test_hosts_are_names_or_addresses(void **state) {
        static const struct {
                const char *written, *kept;
        } good[] = {
                { "seed", "seed" }, { "seed-1.example.org", "seed-1.example.org" },
                { "seed.example.org.", "seed.example.org." }, { "3com", "3com" }, { "10.0.0.7", "10.0.0.7" },
                { "2001:DB8::1", "2001:db8::1" },
                { "::ffff:10.0.0.7", "10.0.0.7" }, { "my_host", "my_host" }, { "a.1b", "a.1b" }, { "0xyz", "0xyz" },
        };
        static const char *const bad[] = {
                "", ".", "a..b", ".a", "-a", "a b", "a:5000", "[::1]", "127.1", "127.0.0.1.", "300.0.0.1",
                "2130706433", "0x7f000001", "0x7f.1", "a.0x1f", "0.0.0.0", "::", "224.0.0.1", "ff02::1",
                "255.255.255.255", "fe80::1%eth0", "h\xc3\xb6st", "a/b", "a\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_free_ char *host = NULL;

                assert_int_equal(seed_host_normalize(good[i].written, &host), 0);
                assert_string_equal(host, good[i].kept);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *host = NULL;

                if (seed_host_normalize(bad[i], &host) != -EINVAL)
                        fail_msg("%s was accepted", bad[i]);
                assert_null(host);
        }
}

static void test_long_host_names_are_refused(void **state) {
        char name[255];
        char *host = NULL;

        memset(name, 'a', sizeof(name));
        name[253] = 0;
        assert_int_equal(seed_host_normalize(name, &host), 0);
        free(host);
        name[253] = 'a';
        name[254] = 0;
        host = NULL;
        assert_int_equal(seed_host_normalize(name, &host), -EINVAL);
}

static void test_wrong_entries_are_named_with_what_is_accepted(void **state) {
        Tree *tree = *state;

        assert_refused(tree, "seeds = (\n { host = \"a\"; port = 1; },\n { host = \"127.0.0.1\";\n   port = "
                       "\"5000\"; }\n);",
                       "4: seeds[1].port: found \"5000\" (text), expected a number from 1 to 65535.");
        assert_refused(tree, "seeds = ( { host = \"a\"; port = 0; } );",
                       "1: seeds[0].port: found 0, accepted is 1 to 65535.");
        assert_refused(tree, "seeds = ( { host = \"a\"; port = 65536; } );",
                       "1: seeds[0].port: found 65536, accepted is 1 to 65535.");
        assert_refused(tree, "seeds = ( { host = 5; port = 1; } );",
                       "1: seeds[0].host: found 5, expected a text in quotation marks.");
        assert_refused(tree, "seeds = ( { host = \"127.1\"; port = 1; } );",
                       "1: seeds[0].host: found \"127.1\", expected the name of a host or a literal address such as "
                       "\"seed.example.org\", \"192.0.2.1\" or \"2001:db8::1\".");
        assert_refused(tree, "seeds = ( { port = 1; } );",
                       "1: seeds[0]: has no host, expected { host = \"HOST\"; port = PORT; }.");
        assert_refused(tree, "seeds = (\n\n { host = \"a\"; } );",
                       "3: seeds[0]: has no port, expected { host = \"HOST\"; port = PORT; }.");
        assert_refused(tree, "seeds = ( \"127.0.0.1:5000\" );",
                       "1: seeds[0]: found \"127.0.0.1:5000\" (text), expected a group { host = \"HOST\"; port = "
                       "PORT; }.");
        assert_refused(tree, "seeds = { host = \"a\"; port = 1; };",
                       "1: seeds: found a group { }, expected a list ( ) of groups { host = \"HOST\"; port = PORT; "
                       "}.");
        assert_refused(tree, "seeds = [ \"a\" ];",
                       "1: seeds: found an array [ ], expected a list ( ) of groups { host = \"HOST\"; port = PORT; "
                       "}.");
        assert_refused(tree, "seeds = ( { host = \"a\"; port = 1; }, );",
                       "1: found ')', expected another value; a comma before it is one too many.");
}

static void test_unknown_keys_are_warnings(void **state) {
        Tree *tree = *state;
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;

        tree_write(tree, "etc/seeds.conf",
                   "sedes = ( ); seeds = ( { host = \"a\"; port = 1; prot = 2; weight = 3; } );");
        assert_int_equal(seeds_config_load(&seeds, &tree->paths, &tree->diagnostics), 0);
        assert_int_equal(seeds->n_entries, 1);
        assert_int_equal(tree->diagnostics.n_items, 3);
        assert_int_equal(tree->diagnostics.n_errors, 0);
        assert_said(&tree->diagnostics, "sedes: unknown setting, ignored. Did you mean 'seeds'?");
        assert_said(&tree->diagnostics, "seeds[0].prot: unknown setting, ignored. Did you mean 'port'?");
        assert_said(&tree->diagnostics, "seeds[0].weight: unknown setting, ignored.");
}

static void test_one_bad_file_refuses_the_whole_list(void **state) {
        Tree *tree = *state;
        SeedsConfig *seeds = NULL;

        tree_write(tree, "etc/seeds.conf", "seeds = ( { host = \"a\"; port = 1; } );");
        tree_write(tree, "etc/seeds.d/a.conf", "seeds = ( ;");
        (void) tree_path(tree, "etc/seeds.d/b.conf/");
        assert_int_equal(seeds_config_load(&seeds, &tree->paths, &tree->diagnostics), -EINVAL);
        assert_null(seeds);
        assert_int_equal(tree->diagnostics.n_errors, 2);
}

static void test_number_of_seeds_is_bounded(void **state) {
        Tree *tree = *state;
        char text[8192] = "seeds = ( ";
        SeedsConfig *seeds;

        for (unsigned i = 1; i <= CONFIG_SEEDS_MAX; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "{ host = \"a\"; port = %u; }%s", i,
                                i < CONFIG_SEEDS_MAX ? "," : ");");
        tree_write(tree, "etc/seeds.conf", text);
        tree_write(tree, "etc/seeds.d/a.conf", "seeds = ( { host = \"a\"; port = 1; } );");
        seeds = load(tree);
        assert_int_equal(seeds->n_entries, CONFIG_SEEDS_MAX);
        seeds_config_free(seeds);

        tree_write(tree, "etc/seeds.d/a.conf", "seeds = ( { host = \"b\"; port = 1; } );");
        seeds = NULL;
        assert_int_equal(seeds_config_load(&seeds, &tree->paths, &tree->diagnostics), -EINVAL);
        assert_said(&tree->diagnostics, "a.conf:1: seeds[0]: is one seed too many, at most 64 are accepted.");
}

static void test_shipped_file_is_one_seed_on_this_host(void **state) {
        Tree *tree = *state;
        char path[PATH_MAX];

        assert_non_null(getenv("SOURCE_ROOT"));
        (void) snprintf(path, sizeof(path), "%s/etc/p2pnet", getenv("SOURCE_ROOT"));
        tree->paths.etc = path;
        assert_seeds(tree, "127.0.0.1:5000 ");
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                tree_test(test_no_file_is_no_seed),
                tree_test(test_empty_list_is_no_seed),
                tree_test(test_lists_of_all_files_are_joined),
                tree_test(test_entry_knows_its_line),
                tree_test(test_dropin_can_be_masked),
                tree_test(test_seed_that_is_named_twice_is_one),
                cmocka_unit_test(test_hosts_are_names_or_addresses),
                cmocka_unit_test(test_long_host_names_are_refused),
                tree_test(test_wrong_entries_are_named_with_what_is_accepted),
                tree_test(test_unknown_keys_are_warnings),
                tree_test(test_one_bad_file_refuses_the_whole_list),
                tree_test(test_number_of_seeds_is_bounded),
                tree_test(test_shipped_file_is_one_seed_on_this_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
