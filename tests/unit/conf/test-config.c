/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/config.h"

#include <syslog.h>

#include "conf/config-text.h"
#include "tree.h"

/* A configuration that has to be good; the diagnostics are empty afterwards. */
static Config *load(Tree *tree, const char *instance) {
        Config *config = NULL;
        int r;

        r = config_load(&config, &tree->paths, instance, &tree->diagnostics);
        for (size_t i = 0; i < tree->diagnostics.n_items; i++)
                print_message("%s\n", tree->diagnostics.items[i].text);
        assert_int_equal(r, 0);
        assert_int_equal(tree->diagnostics.n_items, 0);
        return config;
}

/* p2pnet.conf with that text is refused with that sentence, from "LINE:" on. */
static void assert_refused(Tree *tree, const char *instance, const char *text, const char *sentence) {
        Config *config = (Config *) tree;       /* has to be left alone */
        char expected[2 * PATH_MAX];

        tree_write(tree, "etc/p2pnet.conf", text);
        assert_int_equal(config_load(&config, &tree->paths, instance, &tree->diagnostics), -EINVAL);
        assert_ptr_equal(config, tree);
        assert_int_equal(tree->diagnostics.n_errors, 1);
        (void) snprintf(expected, sizeof(expected), "%s:%s", tree_path(tree, "etc/p2pnet.conf"), sentence);
        assert_said_only(&tree->diagnostics, expected);
}

static void assert_config_is_default(const Config *config) {
        assert_string_equal(config->network, "p2pnet");
        assert_int_equal(config->profile, PROFILE_LAN);
        assert_null(config->node_name);
        assert_int_equal(config->tags.n_items, 0);
        assert_int_equal(config->listen.n_items, 1);
        assert_string_equal(ADDRESS_TEXT(config->listen.items), "127.0.0.1:0");
        assert_int_equal(config->advertise.n_items, 0);
        assert_int_equal(config->log_level, LOG_INFO);
        assert_int_equal(config->gossip_log_level, LOG_INFO);
        assert_int_equal(config->security_mode, SECURITY_UNSET);
        assert_false(config->accept_plaintext);
        assert_int_equal(config->params.store_size_max, 16 << 20);
        assert_int_equal(config->params.store_age_usec, 600 * USEC_PER_SEC);
        assert_int_equal(config->subscriptions_max, 64);
        assert_int_equal(config->records_max, 32768);
}

/* Field by field, because there may be holes between them. */
static void assert_params_equal(const Params *a, const Params *b) {
        assert_int_equal(a->links_outgoing, b->links_outgoing);
        assert_int_equal(a->links_inbound, b->links_inbound);
        assert_int_equal(a->links_shared, b->links_shared);
        assert_int_equal(a->passive_max, b->passive_max);
        assert_int_equal(a->lost_max, b->lost_max);
        assert_int_equal(a->liveness_interval_usec, b->liveness_interval_usec);
        assert_int_equal(a->liveness_floor_usec, b->liveness_floor_usec);
        assert_int_equal(a->liveness_ceiling_usec, b->liveness_ceiling_usec);
        assert_int_equal(a->liveness_strikes, b->liveness_strikes);
        assert_int_equal(a->liveness_adaptive, b->liveness_adaptive);
        assert_int_equal(a->lease_usec, b->lease_usec);
        assert_int_equal(a->renew_usec, b->renew_usec);
        assert_int_equal(a->report_checked, b->report_checked);
        assert_int_equal(a->hello_interval_usec, b->hello_interval_usec);
        assert_int_equal(a->hello_count, b->hello_count);
        assert_int_equal(a->hello_always, b->hello_always);
        assert_int_equal(a->members_max, b->members_max);
        assert_int_equal(a->origins_max, b->origins_max);
        assert_int_equal(a->intervals_max, b->intervals_max);
        assert_int_equal(a->queue_max, b->queue_max);
        assert_int_equal(a->connections_max, b->connections_max);
        assert_int_equal(a->handshakes_max, b->handshakes_max);
        assert_int_equal(a->connections_per_host_max, b->connections_per_host_max);
}

static void test_machine_without_files_gets_the_defaults(void **state) {
        Tree *tree = *state;
        _cleanup_(config_freep) Config *config = load(tree, "peer@6001");
        Params lan = params_of_profile(PROFILE_LAN);

        assert_config_is_default(config);
        assert_params_equal(&config->params, &lan);
}

static void test_profiles_are_where_the_numbers_start(void **state) {
        Tree *tree = *state;

        for (Profile p = 0; p < PROFILE_HYPARVIEW; p++) {
                Params params = params_of_profile(p);
                char text[64];

                (void) snprintf(text, sizeof(text), "profile = \"%s\";", profile_to_string(p));
                tree_write(tree, "etc/p2pnet.conf", text);
                _cleanup_(config_freep) Config *config = load(tree, "peer@6001");

                assert_int_equal(config->profile, p);
                assert_params_equal(&config->params, &params);
        }
        assert_refused(tree, NULL, "\nprofile = \"hyparview\";",
                       "2: profile: found \"hyparview\", accepted is \"local\", \"lan\", \"wan\" or \"classic\".");
        assert_refused(tree, NULL, "\nprofile = \"fast\";",
                       "2: profile: found \"fast\", accepted is \"local\", \"lan\", \"wan\" or \"classic\".");
}

static void test_classic_keeps_the_numbers_of_the_original(void **state) {
        Params params = params_of_profile(PROFILE_CLASSIC);

        assert_int_equal(params.links_outgoing, 4);
        assert_int_equal(params.links_inbound, 0);
        assert_true(params.links_shared);
        assert_int_equal(params.liveness_interval_usec, 13 * USEC_PER_SEC);
        assert_int_equal(params.liveness_floor_usec, 13 * USEC_PER_SEC);
        assert_int_equal(params.liveness_ceiling_usec, 13 * USEC_PER_SEC);
        assert_int_equal(params.liveness_strikes, 3);
        assert_false(params.liveness_adaptive);
        assert_false(params.report_checked);
        assert_int_equal(params.hello_interval_usec, 5 * USEC_PER_SEC);
        assert_int_equal(params.hello_count, 10);
        assert_true(params.hello_always);
}

static void test_single_numbers_change_a_profile_wherever_it_is_named(void **state) {
        Tree *tree = *state;
        _cleanup_(config_freep) Config *config = NULL;

        tree_write(tree, "etc/p2pnet.conf", "links = { outgoing = 7; }; liveness = { strikes = 5; };");
        tree_write(tree, "etc/peer@6001.conf.d/a.conf", "profile = \"wan\";");
        config = load(tree, "peer@6001");
        assert_int_equal(config->params.links_outgoing, 7);
        assert_int_equal(config->params.liveness_strikes, 5);
        assert_int_equal(config->params.liveness_interval_usec, 5 * USEC_PER_SEC);
        assert_int_equal(config->params.liveness_floor_usec, 1500 * USEC_PER_MSEC);
}

static void test_classic_strikes_stay_one_interval_apart(void **state) {
        Tree *tree = *state;
        Config *config;

        tree_write(tree, "etc/p2pnet.conf", "profile = \"classic\"; liveness = { interval-ms = 200; };");
        config = load(tree, "peer@6001");
        assert_int_equal(config->params.liveness_floor_usec, 200 * USEC_PER_MSEC);
        assert_int_equal(config->params.liveness_ceiling_usec, 200 * USEC_PER_MSEC);
        config_free(config);

        tree_write(tree, "etc/p2pnet.conf",
                   "profile = \"classic\"; liveness = { interval-ms = 200; timeout-min-ms = 300; };");
        config = load(tree, "peer@6001");
        assert_int_equal(config->params.liveness_floor_usec, 300 * USEC_PER_MSEC);
        assert_int_equal(config->params.liveness_ceiling_usec, 300 * USEC_PER_MSEC);
        config_free(config);
}

static void test_number_of_greetings_that_was_set_is_kept_in_large_networks(void **state) {
        Tree *tree = *state;
        Config *config;

        config = load(tree, "peer@6001");
        assert_false(config->params.hello_always);
        config_free(config);

        tree_write(tree, "etc/p2pnet.conf", "gossip = { count = 10; };");
        config = load(tree, "peer@6001");
        assert_true(config->params.hello_always);
        assert_int_equal(config->params.hello_count, 10);
        config_free(config);
}

static void test_seed_has_the_bounds_of_a_seed(void **state) {
        Tree *tree = *state;
        Config *config;

        config = load(tree, "seed@5000");
        assert_int_equal(config->params.connections_max, 8192);
        assert_int_equal(config->params.members_max, 32768);
        config_free(config);

        tree_write(tree, "etc/p2pnet.conf",
                   "limits = { connections = 100; records = 200; }; members = { max = 64; };");
        config = load(tree, "seed@5000");
        assert_int_equal(config->params.connections_max, 100);
        assert_int_equal(config->params.members_max, 200);
        config_free(config);
        config = load(tree, "peer@6001");
        assert_int_equal(config->params.connections_max, 100);
        assert_int_equal(config->params.members_max, 64);
        config_free(config);
}

static void test_one_instance_can_differ(void **state) {
        Tree *tree = *state;
        Config *config;

        tree_write(tree, "vendor/p2pnet.conf", "node = { name = \"main\"; };");
        tree_write(tree, "etc/p2pnet.conf.d/50.conf", "node = { name = \"all\"; };");
        tree_write(tree, "run/peer@6001.conf.d/10.conf", "node = { name = \"one\"; };");
        tree_write(tree, "etc/seed@5000.conf.d/10.conf", "node = { name = \"seed\"; };");

        config = load(tree, "peer@6001");
        assert_string_equal(config->node_name, "one");
        config_free(config);
        config = load(tree, "peer@6002");
        assert_string_equal(config->node_name, "all");
        config_free(config);
        config = load(tree, "seed@5000");
        assert_string_equal(config->node_name, "seed");
        config_free(config);
        config = load(tree, NULL);
        assert_string_equal(config->node_name, "all");
        config_free(config);
}

static void test_everything_that_can_be_said_is_kept(void **state) {
        Tree *tree = *state;
        _cleanup_(config_freep) Config *config = NULL;

        tree_write(tree, "etc/p2pnet.conf",
                   "network = \"prod\";\n"
                   "node: { name = \"Gr\xc3\xbc\xc3\x9f\x65\"; tags = ( \"rack=a3\", \"role=db\" ); };\n"
                   "listen: { address = [ \"10.0.0.7\", \"::1\" ]; advertise = \"192.0.2.1:6001\"; };\n"
                   "security: { mode = \"none\"; accept-plaintext = true; };\n"
                   "gossip: { interval-ms = 100; log-level = \"debug\"; };\n"
                   "log: { level = \"warning\"; };\n"
                   "store: { size-mib = 4; age-s = 20; };\n"
                   "registration: { lease-s = 2; renew-s = 1; };\n"
                   "limits: { queue-kib = 64; subscriptions = 3; lost-peers = 0; };\n");
        config = load(tree, "peer@6001");
        assert_string_equal(config->network, "prod");
        assert_string_equal(config->node_name, "Gr\xc3\xbc\xc3\x9f\x65");
        assert_string_equal(config->tags.items[1], "role=db");
        assert_int_equal(config->listen.n_items, 2);
        assert_string_equal(ADDRESS_TEXT(config->advertise.items), "192.0.2.1:6001");
        assert_int_equal(config->security_mode, SECURITY_NONE);
        assert_true(config->accept_plaintext);
        assert_int_equal(config->params.hello_interval_usec, 100 * USEC_PER_MSEC);
        assert_int_equal(config->gossip_log_level, LOG_DEBUG);
        assert_int_equal(config->log_level, LOG_WARNING);
        assert_int_equal(config->params.store_size_max, 4 << 20);
        assert_int_equal(config->params.store_age_usec, 20 * USEC_PER_SEC);
        assert_int_equal(config->params.lease_usec, 2 * USEC_PER_SEC);
        assert_int_equal(config->params.queue_max, 65536);
        assert_int_equal(config->subscriptions_max, 3);
        assert_int_equal(config->params.lost_max, 0);
}

static void test_open_port_without_protection_takes_two_settings(void **state) {
        static const char *const refused[] = {
                "",
                "security = { mode = \"none\"; };",
                "security = { accept-plaintext = true; };",
                "security = { mode = \"\"; accept-plaintext = true; };",
                "security = { mode = \"none\"; accept-plaintext = false; };",
        };
        static const struct {
                const char *address, *text;
        } addresses[] = {
                { "0.0.0.0", "0.0.0.0" }, { "::", "[::]" }, { "10.0.0.7", "10.0.0.7" },
                { "::ffff:10.0.0.7", "10.0.0.7" }, { "2001:db8::1", "[2001:db8::1]" },
        };
        Tree *tree = *state;

        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                for (size_t j = 0; j < ELEMENTSOF(addresses); j++) {
                        char text[256], sentence[512];

                        (void) snprintf(text, sizeof(text), "%s\nlisten = {\n address = ( \"127.0.0.1\", \"%s\" ); "
                                        "};", refused[i], addresses[j].address);
                        (void) snprintf(sentence, sizeof(sentence), "3: listen.address: %s can be reached from other "
                                        "machines, and this version does not encrypt. To accept that, set security "
                                        "= { mode = \"none\"; accept-plaintext = true; }; else listen on "
                                        "\"127.0.0.1\" or \"::1\" only.", addresses[j].text);
                        assert_refused(tree, "peer@6001", text, sentence);
                }

        for (size_t j = 0; j < ELEMENTSOF(addresses); j++) {
                char text[256];

                (void) snprintf(text, sizeof(text), "security = { mode = \"none\"; accept-plaintext = true; };"
                                "listen = { address = \"%s\"; };", addresses[j].address);
                tree_write(tree, "etc/p2pnet.conf", text);
                config_free(load(tree, "peer@6001"));
        }
        tree_write(tree, "etc/p2pnet.conf", "listen = { address = ( \"127.0.0.1\", \"127.1.2.3\", \"::1\" ); };");
        config_free(load(tree, "peer@6001"));
}

static void test_security_modes_of_later_versions_are_refused(void **state) {
        Tree *tree = *state;

        assert_refused(tree, NULL, "security = { mode = \"psk\"; };",
                       "1: security.mode: found \"psk\", which is not available in this version; accepted is "
                       "\"none\".");
        assert_refused(tree, NULL, "security = { mode = \"keys\"; };",
                       "1: security.mode: found \"keys\", which is not available in this version; accepted is "
                       "\"none\".");
        assert_refused(tree, NULL, "security = { mode = \"None\"; };",
                       "1: security.mode: found \"None\", accepted is \"none\".");
}

static void test_settings_that_contradict_each_other_are_refused(void **state) {
        Tree *tree = *state;

        assert_refused(tree, NULL, "liveness = {\n timeout-min-ms = 5000; };",
                       "2: liveness.timeout-min-ms: liveness.timeout-min-ms is 5000 and liveness.timeout-max-ms is "
                       "3000, accepted is a maximum that is not below the minimum.");
        assert_refused(tree, NULL, "liveness = {\n timeout-max-ms = 100; };",
                       "2: liveness.timeout-max-ms: liveness.timeout-min-ms is 500 and liveness.timeout-max-ms is "
                       "100, accepted is a maximum that is not below the minimum.");
        assert_refused(tree, NULL, "registration = { lease-s = 59; };",
                       "1: registration.lease-s: registration.renew-s is 30 and registration.lease-s is 59, "
                       "accepted is a renewal after at most half of the lease.");
}

static void test_range_of_every_number_is_enforced(void **state) {
        Tree *tree = *state;
        const ConfigItem *items;
        size_t n_items, n_tried = 0;

        items = config_all_items(&n_items);
        for (size_t i = 0; i < n_items; i++) {
                const char *dot = strchr(items[i].path, '.');
                int64_t beyond[] = { items[i].min - 1, items[i].max + 1 };

                if (!dot || items[i].max == 0 || items[i].parse == config_parse_text ||
                    items[i].parse == config_parse_tags || items[i].parse == config_parse_listen ||
                    items[i].parse == config_parse_advertise || items[i].parse == config_parse_log_level ||
                    streq(items[i].path, "security.mode"))
                        continue;
                n_tried++;

                for (size_t j = 0; j < ELEMENTSOF(beyond); j++) {
                        char text[256], sentence[256];

                        (void) snprintf(text, sizeof(text), "%.*s = { %s = %lld; };", (int) (dot - items[i].path),
                                        items[i].path, dot + 1, (long long) beyond[j]);
                        (void) snprintf(sentence, sizeof(sentence), "1: %s: found %lld, accepted is %lld to %lld.",
                                        items[i].path, (long long) beyond[j], (long long) items[i].min,
                                        (long long) items[i].max);
                        assert_refused(tree, NULL, text, sentence);
                }
        }
        assert_true(n_tried > 20);
}

static void test_wrong_value_is_refused_even_where_it_is_overridden(void **state) {
        Tree *tree = *state;
        Config *config = NULL;

        tree_write(tree, "vendor/p2pnet.conf", "links = { outgoing = 0; };");
        tree_write(tree, "etc/p2pnet.conf.d/a.conf", "links = { outgoing = 4; };");
        assert_int_equal(config_load(&config, &tree->paths, NULL, &tree->diagnostics), -EINVAL);
        assert_said(&tree->diagnostics, "vendor/p2pnet.conf:1: links.outgoing: found 0, accepted is 1 to 64.");
}

static void test_all_mistakes_of_all_files_are_reported(void **state) {
        Tree *tree = *state;
        Config *config = NULL;

        tree_write(tree, "etc/p2pnet.conf", "links = { outgoing = 0; };\nprofile = \"fast\";\nnetwrok = \"x\";\n");
        tree_write(tree, "etc/p2pnet.conf.d/a.conf", "links = ( 1, );");
        (void) tree_path(tree, "etc/p2pnet.conf.d/b.conf/");
        assert_int_equal(config_load(&config, &tree->paths, NULL, &tree->diagnostics), -EINVAL);
        assert_null(config);
        assert_int_equal(tree->diagnostics.n_items, 5);
        assert_said(&tree->diagnostics, "etc/p2pnet.conf:1: links.outgoing: found 0, accepted is 1 to 64.");
        assert_said(&tree->diagnostics, "etc/p2pnet.conf:2: profile: found \"fast\"");
        assert_said(&tree->diagnostics,
                    "etc/p2pnet.conf:3: netwrok: unknown setting, ignored. Did you mean 'network'?");
        assert_said(&tree->diagnostics, "etc/p2pnet.conf.d/a.conf:1: found ')'");
        assert_said(&tree->diagnostics, "etc/p2pnet.conf.d/b.conf: is a directory");
}

static void test_file_that_cannot_be_used_refuses_the_configuration(void **state) {
        Tree *tree = *state;
        Config *config = NULL;

        (void) tree_path(tree, "etc/p2pnet.conf.d/b.conf/");
        assert_int_equal(config_load(&config, &tree->paths, NULL, &tree->diagnostics), -EINVAL);
        assert_null(config);
}

static void test_unknown_settings_do_not_refuse_the_configuration(void **state) {
        Tree *tree = *state;
        _cleanup_(config_freep) Config *config = NULL;

        tree_write(tree, "etc/p2pnet.conf", "links = { outgoign = 9; }; future = { x = 1; };");
        assert_int_equal(config_load(&config, &tree->paths, NULL, &tree->diagnostics), 0);
        assert_int_equal(config->params.links_outgoing, 4);
        assert_int_equal(tree->diagnostics.n_items, 2);
        assert_int_equal(tree->diagnostics.n_errors, 0);
        assert_said(&tree->diagnostics, "links.outgoign: unknown setting, ignored. Did you mean 'links.outgoing'?");
}

static void test_one_list_of_diagnostics_serves_several_instances(void **state) {
        Tree *tree = *state;
        Config *config = NULL;

        tree_write(tree, "etc/p2pnet.conf", "links = { outgoing = 0; };");
        tree_write(tree, "etc/peer@6002.conf.d/a.conf", "links = { outgoing = 99; };");
        assert_int_equal(config_load(&config, &tree->paths, "peer@6001", &tree->diagnostics), -EINVAL);
        assert_int_equal(config_load(&config, &tree->paths, "peer@6002", &tree->diagnostics), -EINVAL);
        assert_int_equal(config_load(&config, &tree->paths, "seed@5000", &tree->diagnostics), -EINVAL);
        assert_int_equal(tree->diagnostics.n_items, 2);
}

static void test_instances_are_a_role_and_a_port(void **state) {
        static const char *const good[] = { "peer@1", "peer@6001", "seed@65535" };
        static const char *const bad[] = {
                "", "peer", "peer@", "@6001", "peer@0", "peer@65536", "peer@06001", "peer@x", "peer@6001x",
                "node@6001", "peer@6001/../../etc", "Peer@6001", "peer@ 1", "peer@-1", "seed@seed@1",
        };
        Tree *tree = *state;
        Config *config = NULL;

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(config_instance_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_false(config_instance_is_valid(bad[i]));
                assert_int_equal(config_load(&config, &tree->paths, bad[i], &tree->diagnostics), -EINVAL);
                assert_null(config);
        }
        assert_said(&tree->diagnostics, "peer@65536: is not an instance, expected peer@PORT or seed@PORT.");
}

/* A file of the sources, with a NUL at its end. */
static char *read_source(const char *name) {
        char path[PATH_MAX];
        char *text = malloc(CONFIG_FILE_SIZE_MAX);
        size_t size;
        FILE *f;

        assert_non_null(getenv("SOURCE_ROOT"));
        (void) snprintf(path, sizeof(path), "%s/%s", getenv("SOURCE_ROOT"), name);
        f = fopen(path, "re");
        assert_non_null(f);
        assert_non_null(text);
        size = fread(text, 1, CONFIG_FILE_SIZE_MAX - 1, f);
        text[size] = 0;
        assert_int_equal(fclose(f), 0);
        return text;
}

/* Removes the comment sign before settings: "#key = ..." in contrast to "# A sentence." */
static void uncomment(char *text) {
        char *out = text;
        bool line_start = true;

        for (const char *p = text; *p; p++) {
                if (line_start && *p == '#' && p[1] >= 'a' && p[1] <= 'z')
                        continue;
                line_start = *p == '\n' || (line_start && *p == ' ');
                *out++ = *p;
        }
        *out = 0;
}

static void test_shipped_file_is_the_defaults(void **state) {
        Tree *tree = *state;
        _cleanup_free_ char *text = read_source("etc/p2pnet/p2pnet.conf");
        Params lan = params_of_profile(PROFILE_LAN);
        Config *config;

        tree_write(tree, "etc/p2pnet.conf", text);
        config = load(tree, "peer@6001");
        assert_config_is_default(config);
        assert_params_equal(&config->params, &lan);
        config_free(config);

        uncomment(text);
        tree_write(tree, "etc/p2pnet.conf", text);
        config = load(tree, "peer@6001");
        assert_config_is_default(config);
        lan.hello_always = true;        /* what setting gossip.count means, whatever the value */
        assert_params_equal(&config->params, &lan);
        config_free(config);
}

static void test_shipped_file_has_every_setting(void **state) {
        _cleanup_free_ char *text = read_source("etc/p2pnet/p2pnet.conf");
        ConfigDiagnostics diagnostics = {};
        const ConfigItem *items;
        size_t n_items;
        config_t config;

        uncomment(text);
        config_init(&config);
        assert_int_equal(config_text_parse(&config, "p2pnet.conf", text, strlen(text), &diagnostics), 0);
        items = config_all_items(&n_items);
        for (size_t i = 0; i < n_items; i++)
                if (!config_lookup(&config, items[i].path))
                        fail_msg("%s is not in the shipped file", items[i].path);
        config_destroy(&config);
}

static void test_manual_page_has_every_setting_and_its_range(void **state) {
        _cleanup_free_ char *text = read_source("docs/man/p2pnet.conf.5.scd");
        const ConfigItem *items;
        size_t n_items;

        items = config_all_items(&n_items);
        for (size_t i = 0; i < n_items; i++) {
                char head[128], range[64];
                const char *entry, *end;

                (void) snprintf(head, sizeof(head), "\n*%s*", items[i].path);
                (void) snprintf(range, sizeof(range), "%lld to %lld", (long long) items[i].min,
                                (long long) items[i].max);
                entry = strstr(text, head);
                if (!entry)
                        fail_msg("%s is not in the manual page", items[i].path);

                end = strstr(entry + 1, "\n*") ?: entry + strlen(entry);
                if (items[i].parse != config_parse_text && items[i].parse != config_parse_unsigned &&
                    items[i].parse != config_parse_msec && items[i].parse != config_parse_sec &&
                    items[i].parse != config_parse_kib && items[i].parse != config_parse_mib)
                        continue;
                if (!memmem(entry, (size_t) (end - entry), range, strlen(range)))
                        fail_msg("the range %s of %s is not in the manual page", range, items[i].path);
        }
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                tree_test(test_machine_without_files_gets_the_defaults),
                tree_test(test_profiles_are_where_the_numbers_start),
                cmocka_unit_test(test_classic_keeps_the_numbers_of_the_original),
                tree_test(test_single_numbers_change_a_profile_wherever_it_is_named),
                tree_test(test_classic_strikes_stay_one_interval_apart),
                tree_test(test_number_of_greetings_that_was_set_is_kept_in_large_networks),
                tree_test(test_seed_has_the_bounds_of_a_seed),
                tree_test(test_one_instance_can_differ),
                tree_test(test_everything_that_can_be_said_is_kept),
                tree_test(test_open_port_without_protection_takes_two_settings),
                tree_test(test_security_modes_of_later_versions_are_refused),
                tree_test(test_settings_that_contradict_each_other_are_refused),
                tree_test(test_range_of_every_number_is_enforced),
                tree_test(test_wrong_value_is_refused_even_where_it_is_overridden),
                tree_test(test_all_mistakes_of_all_files_are_reported),
                tree_test(test_file_that_cannot_be_used_refuses_the_configuration),
                tree_test(test_unknown_settings_do_not_refuse_the_configuration),
                tree_test(test_one_list_of_diagnostics_serves_several_instances),
                tree_test(test_instances_are_a_role_and_a_port),
                tree_test(test_shipped_file_is_the_defaults),
                cmocka_unit_test(test_shipped_file_has_every_setting),
                cmocka_unit_test(test_manual_page_has_every_setting_and_its_range),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
