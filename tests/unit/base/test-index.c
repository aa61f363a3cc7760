/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/index.h"

#include "base/macro.h"

#include "unit.h"

typedef struct Thing {
        unsigned key;
        IndexEntry by_key;
} Thing;

/* Few hashes for many keys: so nearly all share theirs. */
static uint32_t hash_of(unsigned key) {
        return key % 61 * 0x01010101U;
}

static Thing *find(const Index *index, unsigned key) {
        for (IndexEntry *entry = index_first(index, hash_of(key)); entry; entry = index_next(entry)) {
                Thing *thing = container_of(entry, Thing, by_key);

                assert_int_equal(entry->hash, hash_of(key));
                if (thing->key == key)
                        return thing;
        }
        return NULL;
}

static void add(Index *index, Thing *thing, unsigned key) {
        thing->key = key;
        assert_int_equal(index_add(index, &thing->by_key, hash_of(key)), 0);
}

static void test_what_was_added_is_found_and_nothing_else(void **state) {
        Thing things[1000] = {};
        Index index = {};

        assert_null(find(&index, 1));
        for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                add(&index, things + i, 2 * i);
        assert_int_equal(index.n, ELEMENTSOF(things));
        for (unsigned i = 0; i < ELEMENTSOF(things); i++) {
                assert_ptr_equal(find(&index, 2 * i), things + i);
                assert_null(find(&index, 2 * i + 1));
        }
        for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                index_remove(&index, &things[i].by_key);
}

static void test_what_was_removed_is_not_found_and_all_else_is(void **state) {
        Thing things[300] = {};
        Index index = {};

        for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                add(&index, things + i, i);
        for (unsigned i = 0; i < ELEMENTSOF(things); i += 3)
                index_remove(&index, &things[i].by_key);
        for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                assert_ptr_equal(find(&index, i), i % 3 == 0 ? NULL : things + i);
        for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                if (i % 3 != 0)
                        index_remove(&index, &things[i].by_key);
}

static void test_an_index_that_is_empty_again_holds_no_memory(void **state) {
        Thing things[100] = {};
        Index index = {};

        for (unsigned round = 0; round < 2; round++) {
                for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                        add(&index, things + i, i);
                for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                        index_remove(&index, &things[i].by_key);
                assert_int_equal(index.n, 0);
                assert_null(index.buckets);
                assert_null(find(&index, 0));
        }
}

static void test_buckets_grow_with_what_is_in_them(void **state) {
        Thing things[1000] = {};
        Index index = {};

        for (unsigned i = 0; i < ELEMENTSOF(things); i++) {
                add(&index, things + i, i);
                assert_true(index.n <= 2 * index.n_buckets);
                assert_true(index.n_buckets <= MAX(8U, index.n));
        }
        for (unsigned i = 0; i < ELEMENTSOF(things); i++)
                index_remove(&index, &things[i].by_key);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_added_is_found_and_nothing_else),
                cmocka_unit_test(test_what_was_removed_is_not_found_and_all_else_is),
                cmocka_unit_test(test_an_index_that_is_empty_again_holds_no_memory),
                cmocka_unit_test(test_buckets_grow_with_what_is_in_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
