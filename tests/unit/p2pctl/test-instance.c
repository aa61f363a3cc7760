/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "p2pctl/instance.h"
#include "unit.h"

static void test_names_on_the_bus_become_instances(void **state) {
        Instance instance;

        assert_int_equal(instance_from_bus_name("org.p2pnet.Seed1.p5000", &instance), 0);
        assert_true(instance.seed);
        assert_string_equal(instance.text, "seed@5000");
        assert_string_equal(instance.bus_name, "org.p2pnet.Seed1.p5000");
        assert_int_equal(instance_from_bus_name("org.p2pnet.Peer1", &instance), -EINVAL);
        assert_int_equal(instance_from_bus_name(":1.7", &instance), -EINVAL);
}

static void test_the_peer_with_the_lowest_port_comes_first_and_seeds_last(void **state) {
        Instance instances[] = {
                instance_make(true, 5000), instance_make(false, 6010), instance_make(true, 80), instance_make(false, 6002),
        };

        qsort(instances, ELEMENTSOF(instances), sizeof(instances[0]), instance_compare);
        assert_string_equal(instances[0].text, "peer@6002");
        assert_string_equal(instances[1].text, "peer@6010");
        assert_string_equal(instances[2].text, "seed@80");
        assert_string_equal(instances[3].text, "seed@5000");
}

static void test_an_instance_can_be_named_in_four_ways(void **state) {
        const Instance peer = instance_make(false, 6001), seed = instance_make(true, 6001), other = instance_make(false, 6002);
        InstanceFilter filter;

        assert_int_equal(instance_filter_parse("peer@6001", &filter), 0);
        assert_true(instance_matches(&peer, &filter) && !instance_matches(&seed, &filter));
        assert_false(instance_matches(&other, &filter));
        assert_int_equal(instance_filter_parse("seed@6001", &filter), 0);
        assert_true(!instance_matches(&peer, &filter) && instance_matches(&seed, &filter));
        assert_int_equal(instance_filter_parse("6001", &filter), 0);
        assert_true(instance_matches(&peer, &filter) && instance_matches(&seed, &filter));
        assert_false(instance_matches(&other, &filter) || filter.all);
        assert_int_equal(instance_filter_parse("all", &filter), 0);
        assert_true(filter.all && instance_matches(&other, &filter) && instance_matches(&seed, &filter));
}

static void test_anything_else_names_none(void **state) {
        static const char *const texts[] = {
                "", "peer", "peer@", "peer@0", "peer@65536", "node@1", "6001x", "-1", "ALL", "peer@6001 ", "p2p-peerd@6001",
        };
        InstanceFilter filter;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(instance_filter_parse(texts[i], &filter), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_on_the_bus_become_instances),
                cmocka_unit_test(test_the_peer_with_the_lowest_port_comes_first_and_seeds_last),
                cmocka_unit_test(test_an_instance_can_be_named_in_four_ways),
                cmocka_unit_test(test_anything_else_names_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
