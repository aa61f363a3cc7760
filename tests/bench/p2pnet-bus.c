/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages as programs send and get them today: Publish() at the first peer, a subscription at each, all on one bus. */

#include <stdio.h>

#include "bus/names.h"
#include "p2pnet.h"

#define CALLS_MAX 64U           /* under way at once */
#define ATTEND_TIMEOUT_USEC (60 * USEC_PER_SEC)
#define TOPIC "/bench"

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        P2pnet *p2pnet = userdata;
        int node;

        if (sd_bus_message_is_signal(m, BUS_INTERFACE_SUBSCRIPTION, "Message") <= 0)
                return 0;
        node = p2pnet_node_of(p2pnet, sd_bus_message_get_sender(m));
        if (node >= 0)
                cluster_received(p2pnet->cluster, (unsigned) node, 1);
        return 1;
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        P2pnet *p2pnet = userdata;

        if (sd_bus_message_is_method_error(m, NULL))
                bench_fail("Subscribe() failed: %s", sd_bus_message_get_error(m)->message);
        p2pnet->n_attending++;
        return 0;
}

static bool all_attend(void *userdata) {
        P2pnet *p2pnet = userdata;

        return p2pnet->n_attending == p2pnet->cluster->n_observers;
}

static void bus_attend(Cluster *cluster) {
        P2pnet *p2pnet = cluster->data;

        if (sd_bus_add_filter(p2pnet->bus, NULL, on_message, p2pnet) < 0)
                bench_fail("Cannot use the bus.");
        for (unsigned i = 0; i < cluster->n_observers; i++)
                if (sd_bus_call_method_async(p2pnet->bus, NULL,
                                             INSTANCE_NAME(BUS_NAME_PEER, (uint16_t) (P2PNET_PEER_PORT + i % cluster->n)),
                                             BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "Subscribe", on_subscribed, p2pnet,
                                             "asa{sv}", 1, TOPIC, 0) < 0)
                        bench_fail("Cannot subscribe.");
        if (!rig_run_until(cluster->rig, all_attend, p2pnet, ATTEND_TIMEOUT_USEC))
                bench_fail("%u of %u subscriptions stand.", p2pnet->n_attending, cluster->n_observers);
}

static int on_published(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        P2pnet *p2pnet = userdata;

        p2pnet->n_calls--;
        if (sd_bus_message_is_method_error(m, NULL))
                p2pnet->cluster->n_refused++;
        else
                p2pnet->cluster->n_accepted++;
        return 0;
}

static bool bus_publish(Cluster *cluster, uint64_t number, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        P2pnet *p2pnet = cluster->data;
        void *payload;

        if (p2pnet->n_calls >= CALLS_MAX)
                return false;
        if (sd_bus_message_new_method_call(p2pnet->bus, &m, INSTANCE_NAME(BUS_NAME_PEER, P2PNET_PEER_PORT), BUS_PATH_ROOT,
                                           BUS_INTERFACE_MANAGER, "Publish") < 0 ||
            sd_bus_message_append(m, "s", TOPIC) < 0 || sd_bus_message_append_array_space(m, 'y', size, &payload) < 0)
                bench_fail("Out of memory.");
        payload_fill(payload, size, number);
        if (sd_bus_message_append(m, "a{sv}", 0) < 0 ||
            sd_bus_call_async(p2pnet->bus, NULL, m, on_published, p2pnet, 0) < 0)
                bench_fail("Cannot call Publish().");
        p2pnet->n_calls++;
        return true;
}

const System system_p2pnet = {
        .name = "p2pnet",
        .has_members = true,
        .start = p2pnet_start,
        .attend = bus_attend,
        .publish = bus_publish,
        .stop = p2pnet_stop,
};
