/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * uthash with our choices: keys hashed by SipHash-1-3 under a key of this process, so that a stranger who chooses ids
 * cannot choose collisions; and out of memory reported by table_added() instead of exit(). Iteration is in the order of
 * insertion, whatever the key, so the simulator is repeatable. Most tables here have a few elements, and a simulation has a great
 * many of them: they begin with a quarter of the buckets that uthash would give them.
 */

#include "base/siphash.h"

extern SipKey hash_key;         /* random in the daemons (set once at start), zero in the simulator */

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, result) (result) = (unsigned) siphash13((key), (size), &hash_key)

#include <uthash.h>

#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 8U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 3U

/* For keys that nobody else chooses, such as numbers that we count up ourselves: one multiplication (Fibonacci hashing, Knuth, The
 * Art of Computer Programming, vol. 3, section 6.4). */
static inline uint32_t hash_of_number(uint64_t number) {
        return (uint32_t) ((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

#define HASH_FIND_NUMBER(head, number, out) \
        HASH_FIND_BYHASHVALUE(hh, head, &(number), sizeof(number), hash_of_number(number), out)
#define HASH_ADD_NUMBER(head, field, element) \
        HASH_ADD_BYHASHVALUE(hh, head, field, sizeof((element)->field), hash_of_number((element)->field), element)

/* For an index whose keys strangers choose. */
static inline uint32_t hash_of_bytes(const void *data, size_t size) {
        return (uint32_t) siphash13(data, size, &hash_key);
}

/* True when the HASH_ADD() before it found the memory it needed. */
#define table_added(element) ((element)->hh.tbl != NULL)
