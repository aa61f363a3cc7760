/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "bus/message-id.h"
#include "unit.h"

static const MessageId some = { .origin = { { 0x01, 0xfe, [15] = 0xa0 } }, .epoch = UINT64_MAX, .sequence = 1 };

static void test_names_survive_the_way_there_and_back(void **state) {
        const MessageId ids[] = {
                some, { some.origin, 0, UINT64_MAX }, { some.origin, 0x660e8215d7860, 0x10 },
        };

        assert_string_equal(MESSAGE_ID_TEXT(&some), "01fe00000000000000000000000000a0-ffffffffffffffff-1");
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                MessageId id;

                assert_int_equal(message_id_parse(MESSAGE_ID_TEXT(ids + i), &id), 0);
                assert_true(node_id_equal(&id.origin, &ids[i].origin));
                assert_true(id.epoch == ids[i].epoch && id.sequence == ids[i].sequence);
        }
}

static void test_nothing_else_is_a_name(void **state) {
        static const char *const texts[] = {
                "", "-", "--", "5min", "01fe00000000000000000000000000a0", "01fe00000000000000000000000000a0-",
                "01fe00000000000000000000000000a0-1", "01fe00000000000000000000000000a0-1-", "01fe00000000000000000000000000a0--1",
                "01fe00000000000000000000000000a0-1-0", "01fe00000000000000000000000000a0-01-1", "01fe00000000000000000000000000a0-1-01",
                "01fe00000000000000000000000000a0-1-1-", "01fe00000000000000000000000000a0-1-1 ", " 01fe00000000000000000000000000a0-1-1",
                "01fe00000000000000000000000000a0-1-F", "01FE00000000000000000000000000A0-1-1", "01fe00000000000000000000000000a-1-1",
                "01fe00000000000000000000000000a0-10000000000000000-1", "01fe00000000000000000000000000a0-1-0x1",
                "00000000000000000000000000000000-1-1", "01fe00000000000000000000000000g0-1-1",
        };
        MessageId id = some;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(message_id_parse(texts[i], &id), -EINVAL);
        assert_memory_equal(&id, &some, sizeof(id));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_survive_the_way_there_and_back),
                cmocka_unit_test(test_nothing_else_is_a_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
