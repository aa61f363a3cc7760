/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * uthash with our choices: keys hashed by SipHash-2-4 under a key of this process, so that a stranger who chooses ids
 * cannot choose collisions; and out of memory reported by table_added() instead of exit(). Iteration is in the order of
 * insertion, whatever the key, so the simulator is repeatable.
 */

#include "base/siphash.h"

extern SipKey hash_key;         /* random in the daemons (set once at start), zero in the simulator */

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, size, result) (result) = (unsigned) siphash24((key), (size), &hash_key)

#include <uthash.h>

/* True when the HASH_ADD() before it found the memory it needed. */
#define table_added(element) ((element)->hh.tbl != NULL)
