/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "seedd/seedd-bus.h"

#include <errno.h>

#include "bus/names.h"
#include "seedd/seedd.h"
#include "service/facts.h"
#include "service/node-bus.h"

static Seedd *seedd_of(void *userdata) {
        return container_of(userdata, Seedd, service);
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Service *service = userdata;
        const Node *node = service->daemon->node;
        MemberCounts members = facts_count_members(node);
        _cleanup_(json_decrefp_) json_t *facts = facts_common(service), *own = NULL;

        own = json_pack("{s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:{s:i, s:i, s:b}, s:{s:I, s:I, s:I}}",
                        "members", "alive", (json_int_t) members.alive, "suspect", (json_int_t) members.suspect,
                        "left", (json_int_t) members.left, "dead", (json_int_t) members.dead,
                        "lost", (json_int_t) members.lost,
                        "sessions", (json_int_t) node_n_sessions(node),
                        "seeds", "configured", (int) node_n_wanted(node), "linked", (int) node_n_registered(node),
                        "listed", (int) seedd_of(userdata)->self.is_listed,
                        "reports", "received", (json_int_t) node_counter(node, COUNTER_REPORTS_RECEIVED),
                        "false", (json_int_t) node_counter(node, COUNTER_REPORTS_FALSE),
                        "deaths", (json_int_t) node_counter(node, COUNTER_DEATHS));
        if (!facts || !own || json_object_update(facts, own) < 0)
                return -ENOMEM;
        return facts_reply(m, facts);
}

static int method_get_statistics(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Service *service = userdata;
        const Node *node = service->daemon->node;
        const Gauge gauges[] = {
                { "MembersLost", facts_count_members(node).lost },
                { "SeedsLinked", node_n_registered(node)        },
        };

        return facts_reply_statistics(m, service, gauges, ELEMENTSOF(gauges));
}

static const sd_bus_vtable seed_vtable[] = {
        SD_BUS_VTABLE_START(0),
        NODE_BUS_METHODS,
        SD_BUS_METHOD_WITH_ARGS("GetStatistics", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", statistics), method_get_statistics,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        NODE_BUS_SIGNALS,
        NODE_BUS_PROPERTIES,
        SD_BUS_VTABLE_END
};

static int seedd_bus_attach(Service *service, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, NULL, BUS_PATH_ROOT, BUS_INTERFACE_SEED, seed_vtable, service);
}

static void seedd_bus_detach(Service *service) {
        /* No call to a seed waits for anything but the authorizer, which the service tells itself. */
}

const ServiceHandlers seedd_bus_handlers = {
        .attach = seedd_bus_attach,
        .detach = seedd_bus_detach,
};
