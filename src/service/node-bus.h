/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the root objects of a peer and of a seed have in common: rows of their vtables, whose userdata is the Service.
 * dbus/org.p2pnet.Node1.Manager.xml says what each is.
 */

#include "service/service.h"

#define NODE_BUS_GETTER(name)                                                                                    \
        int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, \
                 void *userdata, sd_bus_error *error)

NODE_BUS_GETTER(node_bus_get_node_id);
NODE_BUS_GETTER(node_bus_get_name);
NODE_BUS_GETTER(node_bus_get_network);
NODE_BUS_GETTER(node_bus_get_version);
NODE_BUS_GETTER(node_bus_get_profile);
NODE_BUS_GETTER(node_bus_get_port);
NODE_BUS_GETTER(node_bus_get_started);
NODE_BUS_GETTER(node_bus_get_timestamp);
NODE_BUS_GETTER(node_bus_get_epoch);
NODE_BUS_GETTER(node_bus_get_state);
NODE_BUS_GETTER(node_bus_get_count);
NODE_BUS_GETTER(node_bus_get_listening);

int node_bus_list_peers(sd_bus_message *m, void *userdata, sd_bus_error *error);
int node_bus_get_peer(sd_bus_message *m, void *userdata, sd_bus_error *error);
int node_bus_list_seeds(sd_bus_message *m, void *userdata, sd_bus_error *error);
int node_bus_reload(sd_bus_message *m, void *userdata, sd_bus_error *error);

#define NODE_BUS_PROPERTIES                                                                              \
        SD_BUS_PROPERTY("NodeId", "s", node_bus_get_node_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),           \
        SD_BUS_PROPERTY("Name", "s", node_bus_get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),                \
        SD_BUS_PROPERTY("Network", "s", node_bus_get_network, 0, SD_BUS_VTABLE_PROPERTY_CONST),          \
        SD_BUS_PROPERTY("Version", "s", node_bus_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),          \
        SD_BUS_PROPERTY("Profile", "s", node_bus_get_profile, 0, SD_BUS_VTABLE_PROPERTY_CONST),          \
        SD_BUS_PROPERTY("Port", "q", node_bus_get_port, 0, SD_BUS_VTABLE_PROPERTY_CONST),                \
        SD_BUS_PROPERTY("StartTimestamp", "t", node_bus_get_started, 0, SD_BUS_VTABLE_PROPERTY_CONST),   \
        SD_BUS_PROPERTY("Timestamp", "t", node_bus_get_timestamp, 0, 0),                                 \
        SD_BUS_PROPERTY("Epoch", "t", node_bus_get_epoch, 0, 0),                                         \
        SD_BUS_PROPERTY("State", "s", node_bus_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),       \
        SD_BUS_PROPERTY("PeerCount", "u", node_bus_get_count, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),   \
        SD_BUS_PROPERTY("ListenAddresses", "as", node_bus_get_listening, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

#define NODE_BUS_METHODS                                                                                               \
        SD_BUS_METHOD_WITH_ARGS("ListPeers", SD_BUS_ARGS("t", flags, "a{sv}", filter),                                 \
                                SD_BUS_RESULT("a(sossssttta{sv})", peers), node_bus_list_peers, SD_BUS_VTABLE_UNPRIVILEGED), \
        SD_BUS_METHOD_WITH_ARGS("GetPeer", SD_BUS_ARGS("s", peer), SD_BUS_RESULT("o", path), node_bus_get_peer,        \
                                SD_BUS_VTABLE_UNPRIVILEGED),                                                           \
        SD_BUS_METHOD_WITH_ARGS("ListSeeds", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssstta{sv})", seeds),                   \
                                node_bus_list_seeds, SD_BUS_VTABLE_UNPRIVILEGED),                                      \
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, node_bus_reload, SD_BUS_VTABLE_UNPRIVILEGED)

#define NODE_BUS_SIGNALS                                                                                               \
        SD_BUS_SIGNAL_WITH_ARGS("PeerJoined", SD_BUS_ARGS("s", id, "o", path), 0),                                     \
        SD_BUS_SIGNAL_WITH_ARGS("PeerLeft", SD_BUS_ARGS("s", id, "o", path, "s", reason), 0),                          \
        SD_BUS_SIGNAL_WITH_ARGS("PeerChanged", SD_BUS_ARGS("s", id, "o", path, "s", change, "a{sv}", details), 0),     \
        SD_BUS_SIGNAL_WITH_ARGS("SeedChanged", SD_BUS_ARGS("s", seed, "s", address, "s", state, "s", error), 0),       \
        SD_BUS_SIGNAL_WITH_ARGS("StateChanged", SD_BUS_ARGS("s", state, "s", previous), 0)

/* Which known member an argument means. Return: 0; -ENODEV, -ENOTUNIQ with @error set. */
int node_bus_choose(const Service *service, const char *text, NodeId *ret, sd_bus_error *error);

/* For an a{sv} argument that has no keys yet. Return: 0; or an error, with @error set when it has one. */
int node_bus_read_no_options(sd_bus_message *m, sd_bus_error *error);

/* "127.0.0.1:5000", "seed.example:5000", "[::1]:5000". Writes to @buffer and returns it. */
const char *seed_text_format(const SeedEntry *entry, char buffer[static SEED_TEXT_MAX]);
/* "registered" (of a seed: "linked"), "trying", "unreachable", "standby", "self" */
const char *seed_state_word(const Node *node, SeedState state);
