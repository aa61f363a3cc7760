/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/message-id.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

char *message_id_format(const MessageId *id, char buffer[static MESSAGE_ID_TEXT_SIZE]) {
        (void) snprintf(buffer, MESSAGE_ID_TEXT_SIZE, "%s-%" PRIx64 "-%" PRIx64, NODE_ID_TEXT(&id->origin), id->epoch,
                        id->sequence);
        return buffer;
}

int message_id_parse(const char *text, MessageId *ret) {
        char origin[NODE_ID_TEXT_SIZE];
        MessageId id;

        if (sscanf(text, "%32[0-9a-f]-%" SCNx64 "-%" SCNx64, origin, &id.epoch, &id.sequence) != 3 ||
            node_id_parse(origin, &id.origin) < 0 || id.sequence == 0)
                return -EINVAL;
        if (!streq(MESSAGE_ID_TEXT(&id), text))
                return -EINVAL;         /* leading zeros, blanks, something behind it */
        *ret = id;
        return 0;
}
