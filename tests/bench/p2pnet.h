/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Our own daemons: seeds and peers with the profile "lan" and every other setting at its default, but for the greetings that
 * each peer sends in its first minute (gossip.count = 0), which would be counted as messages of ours. One bus for all of
 * them, where there would be one per host.
 *
 * Programs: P2P_SEEDD and P2P_PEERD in the environment.
 */

#include <systemd/sd-bus.h>

#include "cluster.h"

#define P2PNET_SEED_PORT 5000U
#define P2PNET_PEER_PORT 6001U

typedef struct P2pnet {
        Cluster *cluster;
        sd_bus *bus;
        int *node_of_unique;            /* by the number of a unique name: a node, or -1 */
        size_t n_unique;
        unsigned n_attending;           /* subscriptions that stand */
        unsigned n_calls;               /* of Publish, not answered yet */

        /* Those that speak the protocol themselves */
        struct Stream **observers;
        struct Stream *publisher;
        uint64_t sequence;
} P2pnet;

/* One seed for fewer than 10 peers, three for more. */
void p2pnet_start(Cluster *cluster);
void p2pnet_stop(Cluster *cluster);

/* The node whose unique name on the bus that is, or -1. */
int p2pnet_node_of(const P2pnet *p2pnet, const char *unique_name);
