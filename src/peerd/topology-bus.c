/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/topology-bus.h"

#include "service/member-bus.h"

/* Of a node that advertises nothing we know where it listens, if that is ourselves. */
static const Address *node_address(const Daemon *daemon, const Topology *topology, size_t i) {
        const TopologyNode *node = topology->nodes + i;

        if (i == 0 && !address_is_set(&node->address) && links_n_listening(daemon->links) > 0)
                return links_listening_at(daemon->links, 0);
        return &node->address;
}

static int append_nodes(sd_bus_message *reply, const Daemon *daemon, const Topology *topology) {
        char address[ADDRESS_TEXT_SIZE];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sssss)");
        for (size_t i = 0; r >= 0 && i < topology->n_nodes; i++) {
                const TopologyNode *node = topology->nodes + i;

                r = sd_bus_message_append(reply, "(sssss)", NODE_ID_TEXT(&node->id), node->name,
                                          member_address_text(node_address(daemon, topology, i), address),
                                          member_state_to_string(node->state), topology_answer_to_string(node->answer));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_links(sd_bus_message *reply, const Topology *topology) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(uuut)");
        for (size_t i = 0; r >= 0 && i < topology->n_links; i++) {
                const TopologyLink *link = topology->links + i;

                r = sd_bus_message_append(reply, "(uuut)", link->a, link->b, (uint32_t) link->flags, (uint64_t) link->rtt_usec);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int topology_bus_reply(sd_bus_message *m, const Daemon *daemon, const Topology *topology) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if ((r = sd_bus_message_new_method_return(m, &reply)) < 0 ||
            (r = append_nodes(reply, daemon, topology)) < 0 ||
            (r = append_links(reply, topology)) < 0 ||
            (r = sd_bus_message_append(reply, "a{sv}", 3,
                                       "Members", "t", (uint64_t) topology->n_members,
                                       "Answered", "t", (uint64_t) topology->n_answered,
                                       "Unknown", "t", (uint64_t) topology->n_unknown)) < 0)
                return r;
        return sd_bus_message_send(reply);
}
