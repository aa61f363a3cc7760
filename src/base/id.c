/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/id.h"

#include <errno.h>

#include "base/text.h"

char *node_id_format(const NodeId *id, char buffer[static NODE_ID_TEXT_SIZE]) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < NODE_ID_SIZE; i++) {
                buffer[2 * i] = digits[id->bytes[i] >> 4];
                buffer[2 * i + 1] = digits[id->bytes[i] & 15];
        }
        buffer[2 * NODE_ID_SIZE] = 0;
        return buffer;
}

int node_id_parse(const char *text, NodeId *ret) {
        NodeId id;

        if (strlen(text) != 2 * NODE_ID_SIZE)
                return -EINVAL;

        for (size_t i = 0; i < NODE_ID_SIZE; i++) {
                int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                id.bytes[i] = (uint8_t) (high << 4 | low);
        }
        if (node_id_is_null(&id))
                return -EINVAL;

        *ret = id;
        return 0;
}
