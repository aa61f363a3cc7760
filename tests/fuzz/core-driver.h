/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A whole protocol core among hostile neighbours: bytes say who calls, what they say, which connections break and
 * how time goes by. The ids and addresses come from a small set, so that they meet again. After each event the node
 * is held to what it promises whatever comes: see driver_check().
 */

#include "core/node.h"

/* Always 0, as libFuzzer wants it. */
int core_drive(Role role, const uint8_t *data, size_t size);
