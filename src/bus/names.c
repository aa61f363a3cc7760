/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/names.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"

char *instance_name_format(const char *fixed_name, uint16_t port, char buffer[static INSTANCE_NAME_SIZE]) {
        (void) snprintf(buffer, INSTANCE_NAME_SIZE, "%s.p%u", fixed_name, port);
        return buffer;
}

int instance_name_parse(const char *name, const char *fixed_name, uint16_t *ret_port) {
        char canonical[INSTANCE_NAME_SIZE];
        size_t size = strlen(fixed_name);
        uint16_t port;

        if (strncmp(name, fixed_name, size) != 0 || strncmp(name + size, ".p", 2) != 0)
                return -EINVAL;
        if (parse_port(name + size + 2, &port) < 0)
                return -EINVAL;
        if (!streq(name, instance_name_format(fixed_name, port, canonical)))
                return -EINVAL; /* leading zeros: somebody else's name */

        *ret_port = port;
        return 0;
}

char *peer_path_format(const NodeId *id, char buffer[static PEER_PATH_SIZE]) {
        (void) snprintf(buffer, PEER_PATH_SIZE, BUS_PATH_PEERS "/%s", NODE_ID_TEXT(id));
        return buffer;
}

int peer_path_parse(const char *path, NodeId *ret) {
        char canonical[PEER_PATH_SIZE];
        NodeId id;

        if (strncmp(path, BUS_PATH_PEERS "/", strlen(BUS_PATH_PEERS "/")) != 0)
                return -EINVAL;
        if (node_id_parse(path + strlen(BUS_PATH_PEERS "/"), &id) < 0)
                return -EINVAL;
        if (!streq(path, peer_path_format(&id, canonical)))
                return -EINVAL;

        *ret = id;
        return 0;
}
