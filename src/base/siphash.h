/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SipHash-2-4 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012): with the all-zero key the hash of the table
 * digests (PROTOCOL.md), and a checksum. SipHash-1-3, with half the rounds, is the keyed hash of our tables, so that nobody can
 * choose ids that collide: its results stay in the process, and other makers of hash tables trust it for the same.
 */

#include "base/macro.h"

typedef struct SipKey {
        uint8_t bytes[16];
} SipKey;

uint64_t siphash24(const void *data, size_t size, const SipKey *key);
uint64_t siphash13(const void *data, size_t size, const SipKey *key);
