/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Node ids: 128 random bits, made once per node. The all-zero id is nobody's. Written as 32 lower-case hex digits. */

#include "base/macro.h"

#define NODE_ID_SIZE 16
#define NODE_ID_TEXT_SIZE (2 * NODE_ID_SIZE + 1)        /* with the closing NUL */

typedef struct NodeId {
        uint8_t bytes[NODE_ID_SIZE];
} NodeId;

#define NODE_ID_NULL ((NodeId) {})

static inline int node_id_compare(const NodeId *a, const NodeId *b) {
        return memcmp(a->bytes, b->bytes, NODE_ID_SIZE);
}

static inline bool node_id_equal(const NodeId *a, const NodeId *b) {
        return node_id_compare(a, b) == 0;
}

static inline bool node_id_is_null(const NodeId *id) {
        return node_id_equal(id, &NODE_ID_NULL);
}

/* Writes 32 hex digits and a NUL to @buffer and returns it. */
char *node_id_format(const NodeId *id, char buffer[static NODE_ID_TEXT_SIZE]);
#define NODE_ID_TEXT(id) node_id_format((id), (char[NODE_ID_TEXT_SIZE]){})

/* Accepts exactly 32 hex digits of either case; anything else, and the null id, is -EINVAL. */
int node_id_parse(const char *text, NodeId *ret);
