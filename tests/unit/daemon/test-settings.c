/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/settings.h"

#include "unit.h"

static const uint8_t LOOPBACK[4] = { 127, 0, 0, 1 }, HERE[4] = { 10, 0, 0, 7 }, ANYWHERE[4] = {};

static void test_a_node_without_a_name_is_called_after_host_and_port(void **state) {
        Config config = { .network = (char *) "n", .listen = { .items = { address_ipv4(LOOPBACK, 0) }, .n_items = 1 } };
        NodeSettings settings = settings_from_config(&config, ROLE_PEER, 6001, "web-1");

        assert_string_equal(settings.name, "web-1:6001");
        config.node_name = (char *) "front";
        settings = settings_from_config(&config, ROLE_PEER, 6001, "web-1");
        assert_string_equal(settings.name, "front");
}

static void test_a_long_host_name_does_not_cost_the_port(void **state) {
        Config config = { .network = (char *) "n" };
        char host[256] = {};
        NodeSettings settings;

        memset(host, 'h', sizeof(host) - 1);
        settings = settings_from_config(&config, ROLE_PEER, 65535, host);
        assert_true(strlen(settings.name) <= NODE_NAME_MAX);
        assert_string_equal(settings.name + strlen(settings.name) - 6, ":65535");
}

static void test_what_is_advertised_is_configured_else_listened_on_else_for_others_to_see(void **state) {
        Config config = {
                .network = (char *) "n",
                .listen = { .items = { address_ipv4(LOOPBACK, 0), address_ipv4(ANYWHERE, 0) }, .n_items = 2 },
        };
        NodeSettings settings = settings_from_config(&config, ROLE_SEED, 5000, "h");

        assert_int_equal(settings.n_advertised, 1);     /* a wildcard cannot be dialled */
        assert_string_equal(ADDRESS_TEXT(&settings.advertised[0]), "127.0.0.1:5000");

        config.listen.items[0] = address_ipv4(ANYWHERE, 0);
        settings = settings_from_config(&config, ROLE_SEED, 5000, "h");
        assert_int_equal(settings.n_advertised, 0);

        config.advertise.items[0] = address_ipv4(HERE, 0);
        config.advertise.items[1] = address_ipv4(HERE, 7777);
        config.advertise.n_items = 2;
        settings = settings_from_config(&config, ROLE_SEED, 5000, "h");
        assert_int_equal(settings.n_advertised, 2);
        assert_string_equal(ADDRESS_TEXT(&settings.advertised[0]), "10.0.0.7:5000");
        assert_string_equal(ADDRESS_TEXT(&settings.advertised[1]), "10.0.0.7:7777");
}

static void test_another_listen_address_needs_a_restart_and_nothing_else_does(void **state) {
        Config old = { .listen = { .items = { address_ipv4(LOOPBACK, 0) }, .n_items = 1 } }, new = old;

        new.node_name = (char *) "renamed";
        new.log_level = 7;
        assert_false(settings_need_restart(&old, &new));
        new.listen.items[0] = address_ipv4(HERE, 0);
        assert_true(settings_need_restart(&old, &new));
        new = old;
        new.listen.items[1] = address_ipv4(HERE, 0);
        new.listen.n_items = 2;
        assert_true(settings_need_restart(&old, &new));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_node_without_a_name_is_called_after_host_and_port),
                cmocka_unit_test(test_a_long_host_name_does_not_cost_the_port),
                cmocka_unit_test(test_what_is_advertised_is_configured_else_listened_on_else_for_others_to_see),
                cmocka_unit_test(test_another_listen_address_needs_a_restart_and_nothing_else_does),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
