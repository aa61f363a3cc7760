/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "bus/choice.h"
#include "bus/error.h"
#include "unit.h"

typedef struct Known {
        NodeId id;
        const char *name;
        const char *address;
        bool alive;
} Known;

/* Three peers; the first came back with a new id, and its old record is still there. */
static const Known known[] = {
        { { { 0x11, 0x11, 0x11, 0x01 } }, "web-1", "127.0.0.1:6001", true  },
        { { { 0x11, 0x11, 0x22, 0x02 } }, "web-1", "127.0.0.1:6001", false },
        { { { 0x33, 0x33, 0x33, 0x03 } }, "web-3", "[::1]:6003",     true  },
        { { { 0x44, 0x44, 0x44, 0x04 } }, "3333",  "10.0.0.4:6004",  true  },
        { { { 0x55, 0x55, 0x55, 0x05 } }, "twin",  "10.0.0.5:6005",  true  },
        { { { 0x66, 0x66, 0x66, 0x06 } }, "twin",  "10.0.0.6:6006",  true  },
        { { { 0x77, 0x77, 0x77, 0x07 } }, "db:6001", "10.0.0.7:6001", true  },
        { { { 0x88, 0x88, 0x88, 0x08 } }, "db-2:6001", "10.0.0.8:6001", true  },
        { { { 0x99, 0x99, 0x99, 0x09 } }, "db-2:6002", "10.0.0.8:6002", true  },
        { { { 0xaa, 0xaa, 0xaa, 0x0a } }, "twin:6009", "10.0.0.9:6009", true  },
};

static int choose(const char *text, NodeId *ret) {
        PeerChoice choice = peer_choice(text);

        for (size_t i = 0; i < ELEMENTSOF(known); i++) {
                Address address;

                assert_int_equal(address_parse(known[i].address, &address), 0);
                peer_choice_offer(&choice, &known[i].id, known[i].name, &address, 1, known[i].alive);
        }
        return peer_choice_result(&choice, ret, NULL);
}

static void assert_chosen(const char *text, const Known *peer) {
        NodeId id = {};

        assert_int_equal(choose(text, &id), 0);
        assert_true(node_id_equal(&id, &peer->id));
}

static void test_a_whole_id_is_chosen_dead_or_alive(void **state) {
        assert_chosen(NODE_ID_TEXT(&known[1].id), &known[1]);
        assert_chosen("11112202000000000000000000000000", &known[1]);
}

static void test_digits_are_enough_when_one_peer_has_them(void **state) {
        NodeId id;

        assert_chosen("1111110", &known[0]);
        assert_chosen("111111", &known[0]);
        assert_int_equal(choose("555", &id), -ENODEV);          /* too few to be meant as an id */
}

static void test_the_living_one_is_meant_by_name_and_address(void **state) {
        assert_chosen("web-1", &known[0]);
        assert_chosen("127.0.0.1:6001", &known[0]);
        assert_chosen("[::1]:6003", &known[2]);
        assert_chosen("[0:0:0:0:0:0:0:1]:6003", &known[2]);
}

static void test_a_name_of_digits_wins_over_the_begin_of_an_id(void **state) {
        assert_chosen("3333", &known[3]);
        assert_chosen("33333", &known[2]);
}

static void test_a_name_needs_no_port_where_one_peer_has_it(void **state) {
        NodeId id;

        assert_chosen("db", &known[6]);
        assert_chosen("db-2:6002", &known[8]);
        assert_int_equal(choose("db-2", &id), -ENOTUNIQ);
        assert_int_equal(choose("db-2:", &id), -ENODEV);
        assert_int_equal(choose("twin", &id), -ENOTUNIQ);       /* whole names come first */
        assert_chosen("twin:6009", &known[9]);
}

static void test_two_of_a_name_are_ambiguous_and_nobody_is_nobody(void **state) {
        NodeId id;

        assert_int_equal(choose("twin", &id), -ENOTUNIQ);
        assert_int_equal(choose("", &id), -ENODEV);
        assert_int_equal(choose("nobody", &id), -ENODEV);
        assert_int_equal(choose("127.0.0.1:6002", &id), -ENODEV);
}

static void test_the_sentence_says_what_was_found_escaped(void **state) {
        PeerChoice choice = peer_choice("web\x1b[31m");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        NodeId id;

        assert_int_equal(peer_choice_result(&choice, &id, &error), -ENODEV);
        assert_string_equal(error.name, BUS_ERROR_NO_SUCH_PEER);
        assert_non_null(strstr(error.message, "'web\\x1b[31m'"));
        sd_bus_error_free(&error);
}

static int setup(void **state) {
        return bus_errors_register() < 0 ? -1 : 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_whole_id_is_chosen_dead_or_alive),
                cmocka_unit_test(test_digits_are_enough_when_one_peer_has_them),
                cmocka_unit_test(test_the_living_one_is_meant_by_name_and_address),
                cmocka_unit_test(test_a_name_of_digits_wins_over_the_begin_of_an_id),
                cmocka_unit_test(test_a_name_needs_no_port_where_one_peer_has_it),
                cmocka_unit_test(test_two_of_a_name_are_ambiguous_and_nobody_is_nobody),
                cmocka_unit_test(test_the_sentence_says_what_was_found_escaped),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
