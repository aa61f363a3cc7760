/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Resident, from the kernel's count of our pages. */
static uint64_t memory_bytes(void) {
        uint64_t n_pages = 0;
        FILE *f = fopen("/proc/self/statm", "re");

        if (!f)
                return 0;
        if (fscanf(f, "%*u %" SCNu64, &n_pages) != 1)
                n_pages = 0;
        (void) fclose(f);
        return n_pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

static json_t *listening(const Links *links) {
        json_t *addresses = json_array();

        for (size_t i = 0; i < links_n_listening(links); i++)
                (void) json_array_append_new(addresses, json_string(ADDRESS_TEXT(links_listening_at(links, i))));
        return addresses;
}

/* The configured bounds, under their keys. */
static json_t *limits(const Config *config) {
        const Params *params = &config->params;

        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                         "limits.connections", (json_int_t) params->connections_max,
                         "limits.connections-per-address", (json_int_t) params->connections_per_host_max,
                         "limits.handshakes", (json_int_t) params->handshakes_max,
                         "limits.intervals", (json_int_t) params->intervals_max,
                         "limits.lost-peers", (json_int_t) params->lost_max,
                         "limits.origins", (json_int_t) params->origins_max,
                         "limits.queue-kib", (json_int_t) (params->queue_max / 1024),
                         "limits.records", (json_int_t) config->records_max,
                         "limits.subscriptions", (json_int_t) config->subscriptions_max,
                         "members.max", (json_int_t) params->members_max);
}

json_t *facts_common(const Service *service) {
        const Daemon *daemon = service->daemon;
        const NodeSettings *settings = node_settings(daemon->node);

        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:o, s:s?}",
                         "role", role_to_string(daemon->role),
                         "instance", daemon->instance,
                         "name", settings->name,
                         "nodeId", NODE_ID_TEXT(&node_identity(daemon->node)->id),
                         "network", settings->network,
                         "version", PROJECT_VERSION,
                         "profile", profile_to_string(daemon->config->profile),
                         "state", node_state_to_string(node_state(daemon->node)),
                         "port", (int) daemon->port,
                         "listen", listening(daemon->links),
                         "timestamp", (json_int_t) daemon_now(daemon),
                         "startTimestamp", (json_int_t) node_started_usec(daemon->node),
                         "memoryBytes", (json_int_t) memory_bytes(),
                         "limits", limits(daemon->config),
                         "reloadError", daemon->reload_refused);
}

MemberCounts facts_count_members(const Node *node) {
        MemberCounts counts = {};

        for (size_t i = 0; i < node_n_members(node); i++) {
                MemberInfo info = node_member_at(node, i);

                if (info.lost) {
                        counts.lost++;
                        continue;
                }
                switch (info.state) {
                case MEMBER_ALIVE:
                        counts.alive++;
                        break;
                case MEMBER_SUSPECT:
                        counts.suspect++;
                        break;
                case MEMBER_LEFT:
                        counts.left++;
                        break;
                case MEMBER_DEAD:
                        counts.dead++;
                        break;
                case _MEMBER_STATE_MAX:
                case _MEMBER_STATE_INVALID:
                        break;
                }
        }
        return counts;
}

int facts_reply(sd_bus_message *m, json_t *facts) {
        _cleanup_free_ char *text = NULL;

        if (facts)
                text = json_dumps(facts, JSON_COMPACT);
        if (!text)
                return -ENOMEM;
        return sd_bus_reply_method_return(m, "s", text);
}

static int append_gauges(sd_bus_message *m, const Gauge *gauges, size_t n_gauges) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n_gauges; i++)
                r = sd_bus_message_append(m, "{st}", gauges[i].name, gauges[i].value);
        return r;
}

int facts_reply_statistics(sd_bus_message *m, const Service *service, const Gauge *gauges, size_t n_gauges) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Node *node = service->daemon->node;
        const Gauge common[] = {
                { "Members",         node_n_members(node)             },
                { "MembersAlive",    node_n_alive(node)               },
                { "MembersSuspect",  node_n_suspect(node)             },
                { "SeedsConfigured", node_n_seeds(node)               },
                { "Sessions",        node_n_sessions(node)            },
                { "Connections",     links_n(service->daemon->links)  },
                { "MemoryBytes",     memory_bytes()                   },
        };
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "{st}");
        for (Counter i = 0; r >= 0 && i < _COUNTER_MAX; i++)
                r = sd_bus_message_append(reply, "{st}", counter_to_string(i), node_counter(node, i));
        if (r >= 0)
                r = append_gauges(reply, common, ELEMENTSOF(common));
        if (r >= 0)
                r = append_gauges(reply, gauges, n_gauges);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}
