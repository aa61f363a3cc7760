/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SipHash-2-4 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012): the keyed hash of our tables,
 * so that nobody can choose ids that collide; and, with the all-zero key, the hash of the table digests (PROTOCOL.md).
 */

#include "base/macro.h"

typedef struct SipKey {
        uint8_t bytes[16];
} SipKey;

uint64_t siphash24(const void *data, size_t size, const SipKey *key);
