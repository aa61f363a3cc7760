/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names and paths of the D-Bus interface, which dbus/ specifies. Every instance queues for its fixed name (local
 * programs use that one) and owns a name of its own below it, in which the port is written p6001: an element may not
 * begin with a digit.
 */

#include "base/id.h"

#define BUS_NAME_PEER "org.p2pnet.Peer1"
#define BUS_NAME_SEED "org.p2pnet.Seed1"

#define BUS_INTERFACE_MANAGER "org.p2pnet.Node1.Manager"
#define BUS_INTERFACE_SEED "org.p2pnet.Node1.Seed"
#define BUS_INTERFACE_PEER "org.p2pnet.Node1.Peer"
#define BUS_INTERFACE_SUBSCRIPTION "org.p2pnet.Node1.Subscription"

#define BUS_PATH_ROOT "/org/p2pnet/Node1"
#define BUS_PATH_PEERS BUS_PATH_ROOT "/peer"                    /* prefix of the fallback vtable */
#define BUS_PATH_SUBSCRIPTIONS BUS_PATH_ROOT "/subscription"

#define BUS_PATH_LOG_CONTROL "/org/freedesktop/LogControl1"
#define BUS_INTERFACE_LOG_CONTROL "org.freedesktop.LogControl1"

/* What Publish, Subscribe, Connect and the like ask for, see bus/authorize.h. */
#define BUS_GROUP "p2pnet-ctl"

/* Bits of the flags of ListPeers(). */
#define LIST_PEERS_ALL UINT64_C(1)      /* also dead, left and lost ones */

#define INSTANCE_NAME_SIZE sizeof("org.p2pnet.Peer1.p65535")
#define PEER_PATH_SIZE (sizeof(BUS_PATH_PEERS "/") + NODE_ID_TEXT_SIZE)

/* "org.p2pnet.Peer1.p6001" of BUS_NAME_PEER and 6001. Writes to @buffer and returns it. */
char *instance_name_format(const char *fixed_name, uint16_t port, char buffer[static INSTANCE_NAME_SIZE]);
#define INSTANCE_NAME(fixed_name, port) instance_name_format((fixed_name), (port), (char[INSTANCE_NAME_SIZE]){})

/* The other way round. Return: 0, -EINVAL when @name is not that of an instance of @fixed_name. */
int instance_name_parse(const char *name, const char *fixed_name, uint16_t *ret_port);

/* "/org/p2pnet/Node1/peer/<32 hex digits>". Writes to @buffer and returns it. */
char *peer_path_format(const NodeId *id, char buffer[static PEER_PATH_SIZE]);
#define PEER_PATH(id) peer_path_format((id), (char[PEER_PATH_SIZE]){})

/* The other way round. Return: 0, -EINVAL when @path is not that of a peer; upper-case digits are not. */
int peer_path_parse(const char *path, NodeId *ret);
