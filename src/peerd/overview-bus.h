/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a peer shows of the network as a whole and over time: rows of the vtable of its root object, which
 * dbus/org.p2pnet.Node1.Manager.xml specifies. The userdata is the Service in a Peerd. */

#include <systemd/sd-bus.h>

int overview_bus_get_histogram(sd_bus_message *m, void *userdata, sd_bus_error *error);
int overview_bus_get_topology(sd_bus_message *m, void *userdata, sd_bus_error *error);
int overview_bus_list_topics(sd_bus_message *m, void *userdata, sd_bus_error *error);

#define OVERVIEW_BUS_METHODS                                                                                           \
        SD_BUS_METHOD_WITH_ARGS("GetHistogram", SD_BUS_ARGS("s", name),                                                \
                                SD_BUS_RESULT("at", bounds, "at", counts, "t", sum, "t", max), overview_bus_get_histogram, \
                                SD_BUS_VTABLE_UNPRIVILEGED),                                                           \
        SD_BUS_METHOD_WITH_ARGS("ListTopics", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(stttt)", topics, "(ttt)", others),      \
                                overview_bus_list_topics, SD_BUS_VTABLE_UNPRIVILEGED),                                 \
        SD_BUS_METHOD_WITH_ARGS("GetTopology", SD_BUS_ARGS("a{sv}", options),                                          \
                                SD_BUS_RESULT("a(sssss)", nodes, "a(uuut)", links, "a{sv}", extra), overview_bus_get_topology, \
                                SD_BUS_VTABLE_UNPRIVILEGED)
