/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "bus/names.h"
#include "unit.h"

static void test_instance_names_survive_the_way_there_and_back(void **state) {
        uint16_t port = 0;

        assert_string_equal(INSTANCE_NAME(BUS_NAME_PEER, 6001), "org.p2pnet.Peer1.p6001");
        assert_string_equal(INSTANCE_NAME(BUS_NAME_SEED, 65535), "org.p2pnet.Seed1.p65535");
        assert_int_equal(instance_name_parse("org.p2pnet.Peer1.p6001", BUS_NAME_PEER, &port), 0);
        assert_int_equal(port, 6001);
}

static void test_other_names_are_no_instances(void **state) {
        static const char *const names[] = {
                "", ":1.5", "org.p2pnet.Peer1", "org.p2pnet.Peer1.p", "org.p2pnet.Peer1.p0", "org.p2pnet.Peer1.p06001",
                "org.p2pnet.Peer1.p65536", "org.p2pnet.Peer1.6001", "org.p2pnet.Peer1.p6001.x", "org.p2pnet.Peer12.p6001",
                "org.p2pnet.Seed1.p6001", "org.p2pnet.Peer1.p-1", "org.p2pnet.Peer1.p 6001",
        };
        uint16_t port = 7;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(instance_name_parse(names[i], BUS_NAME_PEER, &port), -EINVAL);
        assert_int_equal(port, 7);
}

static void test_peer_paths_survive_the_way_there_and_back(void **state) {
        NodeId id = { { 0x7c, 0x1e, 0x90, [15] = 0x01 } }, back = {};

        assert_string_equal(PEER_PATH(&id), "/org/p2pnet/Node1/peer/7c1e9000000000000000000000000001");
        assert_int_equal(peer_path_parse(PEER_PATH(&id), &back), 0);
        assert_true(node_id_equal(&id, &back));
}

static void test_other_paths_are_no_peers(void **state) {
        static const char *const paths[] = {
                "/", "/org/p2pnet/Node1", "/org/p2pnet/Node1/peer", "/org/p2pnet/Node1/peer/",
                "/org/p2pnet/Node1/peer/00000000000000000000000000000000",          /* nobody's */
                "/org/p2pnet/Node1/peer/7C1E9000000000000000000000000001",
                "/org/p2pnet/Node1/peer/7c1e900000000000000000000000001",
                "/org/p2pnet/Node1/peer/7c1e9000000000000000000000000001/x",
                "/org/p2pnet/Node1/subscription/7c1e9000000000000000000000000001",
        };
        NodeId id;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                assert_int_equal(peer_path_parse(paths[i], &id), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_instance_names_survive_the_way_there_and_back),
                cmocka_unit_test(test_other_names_are_no_instances),
                cmocka_unit_test(test_peer_paths_survive_the_way_there_and_back),
                cmocka_unit_test(test_other_paths_are_no_peers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
