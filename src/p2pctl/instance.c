/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/instance.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"

Instance instance_make(bool seed, uint16_t port) {
        Instance instance = { .seed = seed, .port = port };

        (void) snprintf(instance.text, sizeof(instance.text), "%s@%u", seed ? "seed" : "peer", port);
        (void) instance_name_format(seed ? BUS_NAME_SEED : BUS_NAME_PEER, port, instance.bus_name);
        return instance;
}

int instance_from_bus_name(const char *name, Instance *ret) {
        uint16_t port;

        if (instance_name_parse(name, BUS_NAME_PEER, &port) >= 0)
                *ret = instance_make(false, port);
        else if (instance_name_parse(name, BUS_NAME_SEED, &port) >= 0)
                *ret = instance_make(true, port);
        else
                return -EINVAL;
        return 0;
}

int instance_compare(const void *a, const void *b) {
        const Instance *x = a, *y = b;

        if (x->seed != y->seed)
                return x->seed ? 1 : -1;
        return (int) x->port - (int) y->port;
}

int instance_filter_parse(const char *text, InstanceFilter *ret) {
        InstanceFilter filter = { .peers = true, .seeds = true };

        if (streq(text, "all")) {
                filter.all = true;
                *ret = filter;
                return 0;
        }

        if (strncmp(text, "peer@", 5) == 0) {
                filter.seeds = false;
                text += 5;
        } else if (strncmp(text, "seed@", 5) == 0) {
                filter.peers = false;
                text += 5;
        }
        if (parse_port(text, &filter.port) < 0)
                return -EINVAL;

        *ret = filter;
        return 0;
}
