/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/settings.h"

#include <stdio.h>

static void advertise(NodeSettings *settings, Address address) {
        if (address.port == 0)
                address.port = settings->port;
        if (settings->n_advertised < ADVERTISE_MAX && address_is_dialable(&address))
                settings->advertised[settings->n_advertised++] = address;
}

NodeSettings settings_from_config(const Config *config, Role role, uint16_t port, const char *host_name) {
        NodeSettings settings = { .role = role, .port = port, .params = config->params };

        (void) snprintf(settings.network, sizeof(settings.network), "%s", config->network);
        if (config->node_name)
                (void) snprintf(settings.name, sizeof(settings.name), "%s", config->node_name);
        else
                (void) snprintf(settings.name, sizeof(settings.name), "%.80s:%u", host_name, port);

        if (config->advertise.n_items > 0)
                for (size_t i = 0; i < config->advertise.n_items; i++)
                        advertise(&settings, config->advertise.items[i]);
        else
                for (size_t i = 0; i < config->listen.n_items; i++)
                        advertise(&settings, config->listen.items[i]);
        return settings;
}

bool settings_need_restart(const Config *old, const Config *new) {
        if (old->listen.n_items != new->listen.n_items)
                return true;
        for (size_t i = 0; i < old->listen.n_items; i++)
                if (!address_same_host(&old->listen.items[i], &new->listen.items[i]))
                        return true;
        return false;
}
