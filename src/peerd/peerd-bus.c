/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/peerd-bus.h"

#include <errno.h>
#include <inttypes.h>

#include "base/text.h"
#include "bus/error.h"
#include "bus/message-id.h"
#include "bus/names.h"
#include "peerd/delivery.h"
#include "peerd/overview-bus.h"
#include "peerd/peerd.h"
#include "service/facts.h"
#include "service/member-bus.h"
#include "service/node-bus.h"

static Peerd *peerd_of(void *userdata) {
        return container_of(userdata, Peerd, service);
}

/* ---- asking ---- */

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

/* null when no link has been measured. */
static json_t *median_rtt(const Node *node) {
        _cleanup_free_ usec_t *rtts = NULL;
        size_t n = 0;

        rtts = calloc(node_n_members(node) + 1, sizeof(*rtts));
        if (!rtts)
                return NULL;
        for (size_t i = 0; i < node_n_members(node); i++) {
                MemberInfo info = node_member_at(node, i);

                if (info.linked && info.rtt_usec > 0)
                        rtts[n++] = info.rtt_usec;
        }
        if (n == 0)
                return json_null();

        qsort(rtts, n, sizeof(*rtts), compare_usec);
        return json_integer((json_int_t) rtts[n / 2]);
}

static json_t *describe_links(const Node *node) {
        const Params *params = &node_settings(node)->params;

        return json_pack("{s:i, s:i, s:i, s:i, s:o}",
                         "outgoing", (int) peer_n_links_out(node),
                         "inbound", (int) (peer_n_links(node) - peer_n_links_out(node)),
                         "outgoingTarget", (int) params->links_outgoing,
                         "inboundMax", (int) (params->links_shared ? params->links_outgoing : params->links_inbound),
                         "rttMedianUSec", median_rtt(node));
}

static json_t *describe_seeds(const Node *node) {
        SeedState awaited = node_n_registered(node) > 0 ? SEED_REGISTERED : SEED_UNREACHABLE;
        usec_t next_usec = USEC_INFINITY;
        json_t *addresses = json_array();
        char text[ADDRESS_TEXT_SIZE];

        for (size_t i = 0; i < node_n_seeds(node); i++) {
                SeedInfo info = node_seed_at(node, i);

                if (info.state == SEED_REGISTERED)
                        (void) json_array_append_new(addresses, json_string(member_address_text(&info.address, text)));
                if (info.state == awaited)
                        next_usec = MIN(next_usec, info.next_usec);
        }

        return json_pack("{s:i, s:i, s:i, s:o, s:I}",
                         "configured", (int) node_n_seeds(node),
                         "wanted", (int) node_n_wanted(node),
                         "registered", (int) node_n_registered(node),
                         "registeredAt", addresses,
                         "nextTimestamp", (json_int_t) (next_usec == USEC_INFINITY ? 0 : next_usec));
}

static json_t *describe_gossip(const Node *node) {
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                         "published", (json_int_t) node_counter(node, COUNTER_GOSSIP_PUBLISHED),
                         "received", (json_int_t) node_counter(node, COUNTER_GOSSIP_RECEIVED),
                         "duplicates", (json_int_t) node_counter(node, COUNTER_GOSSIP_DUPLICATES),
                         "forwarded", (json_int_t) node_counter(node, COUNTER_GOSSIP_FORWARDED),
                         "refused", (json_int_t) node_counter(node, COUNTER_GOSSIP_REFUSED),
                         "lost", (json_int_t) node_counter(node, COUNTER_GOSSIP_LOST),
                         "repaired", (json_int_t) node_counter(node, COUNTER_GOSSIP_REPAIRED),
                         "stored", (json_int_t) peer_n_stored(node),
                         "storedBytes", (json_int_t) peer_stored_size(node));
}

static NODE_BUS_GETTER(property_get_sample_of) {
        const Service *service = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) peer_n_sampled(service->daemon->node));
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Service *service = userdata;
        const Node *node = service->daemon->node;
        MemberCounts members = facts_count_members(node);
        _cleanup_(json_decrefp_) json_t *facts = facts_common(service), *own = NULL;

        own = json_pack("{s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:o, s:o}",
                        "members", "alive", (json_int_t) members.alive, "suspect", (json_int_t) members.suspect,
                        "left", (json_int_t) members.left, "dead", (json_int_t) members.dead,
                        "sampleOf", (json_int_t) peer_n_sampled(node),
                        "links", describe_links(node),
                        "seeds", describe_seeds(node),
                        "gossip", describe_gossip(node));
        if (!facts || !own || json_object_update(facts, own) < 0)
                return -ENOMEM;
        return facts_reply(m, facts);
}

static int method_get_statistics(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Service *service = userdata;
        const Node *node = service->daemon->node;
        const Gauge gauges[] = {
                { "LinksInbound",    peer_n_links(node) - peer_n_links_out(node)            },
                { "LinksOutgoing",   peer_n_links_out(node)                                 },
                { "Publishers",      publishers_n(peerd_of(userdata)->publishers)           },
                { "SeedsRegistered", node_n_registered(node)                                },
                { "SeedsWanted",     node_n_wanted(node)                                    },
                { "StoreBytes",      peer_stored_size(node)                                 },
                { "StoreMessages",   peer_n_stored(node)                                    },
                { "Streams",         streams_n(peerd_of(userdata)->streams)                 },
                { "Subscriptions",   subscriptions_n(peerd_of(userdata)->subscriptions)     },
        };

        return facts_reply_statistics(m, service, gauges, ELEMENTSOF(gauges));
}

/* ---- messages ---- */

static int check_topic(const char *topic, sd_bus_error *error) {
        size_t size = strlen(topic);

        if (size >= 1 && size <= TOPIC_MAX && ascii_is_printable(topic, size))
                return 0;
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                 "The topic has %zu bytes or is not printable; accepted are 1 to %u bytes of printable ASCII.",
                                 size, TOPIC_MAX);
}

static int publish_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Peerd *peerd = peerd_of(userdata);
        const char *topic;
        const void *data;
        MessageId id;
        size_t size;
        int r;

        if ((r = service_check_running(userdata, error)) < 0 ||
            (r = sd_bus_message_read(m, "s", &topic)) < 0 ||
            (r = sd_bus_message_read_array(m, 'y', &data, &size)) < 0 ||
            (r = node_bus_read_no_options(m, error)) < 0 ||
            (r = check_topic(topic, error)) < 0)
                return r;
        if (size > PAYLOAD_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "The payload has %zu bytes, at most %u are accepted.",
                                         size, PAYLOAD_MAX);

        r = peer_publish(peerd->daemon.node, topic, slice_of(data, size), daemon_now(&peerd->daemon), &id);
        if (r == -EBUSY)
                return bus_error_set(error, r, "Too much is under way; try again in %" PRIu64 " ms.",
                                     peer_retry_usec(peerd->daemon.node) / USEC_PER_MSEC + 1);
        if (r < 0)
                return r;

        r = sd_bus_reply_method_return(m, "st", MESSAGE_ID_TEXT(&id), id.sequence);
        peerd_settle(peerd, 0);
        return r < 0 ? r : 1;
}

static int method_publish(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "publishing", publish_authorized, service, error);
}

static int subscribe_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = service_check_running(userdata, error);
        return r < 0 ? r : subscriptions_subscribe(peerd_of(userdata)->subscriptions, m, error);
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "subscribing", subscribe_authorized, service, error);
}

static int open_stream_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = service_check_running(userdata, error);
        return r < 0 ? r : streams_open(peerd_of(userdata)->streams, m, error);
}

static int method_open_stream(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "subscribing", open_stream_authorized, service, error);
}

static int open_publisher_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = service_check_running(userdata, error);
        return r < 0 ? r : publishers_open(peerd_of(userdata)->publishers, m, error);
}

static int method_open_publisher(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "publishing", open_publisher_authorized, service, error);
}

/* ---- links ---- */

static int connect_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Peerd *peerd = peerd_of(userdata);
        Address address;
        const char *text;
        int r;

        if ((r = service_check_running(userdata, error)) < 0 ||
            (r = sd_bus_message_read(m, "s", &text)) < 0)
                return r;
        if (address_parse(text, &address) < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Found '%.60s', accepted is an address with port such as 127.0.0.1:6002 or [::1]:6002.",
                                         text);

        r = calls_connect(peerd->calls, m, &address, error);
        peerd_settle(peerd, 0);
        return r;
}

static int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "connecting", connect_authorized, service, error);
}

/* The peer that the only argument means. */
static int read_peer(sd_bus_message *m, const Service *service, NodeId *ret, sd_bus_error *error) {
        const char *text;
        int r;

        if ((r = service_check_running(service, error)) < 0 ||
            (r = sd_bus_message_read(m, "s", &text)) < 0)
                return r;
        return node_bus_choose(service, text, ret, error);
}

static int disconnect_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Peerd *peerd = peerd_of(userdata);
        NodeId id;
        int r;

        r = read_peer(m, userdata, &id, error);
        if (r < 0)
                return r;
        r = peer_disconnect(peerd->daemon.node, &id, daemon_now(&peerd->daemon));
        if (r == -ESRCH)
                return bus_error_set(error, -ENOTCONN, "There is no link to that peer.");
        if (r < 0)
                return r;

        peerd_settle(peerd, 0);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_disconnect(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "disconnecting", disconnect_authorized, service, error);
}

static int ping_authorized(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Peerd *peerd = peerd_of(userdata);
        NodeId id;
        int r;

        r = read_peer(m, userdata, &id, error);
        if (r < 0)
                return r;
        r = calls_ping(peerd->calls, m, &id, error);
        peerd_settle(peerd, 0);
        return r;
}

static int method_ping(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Service *service = userdata;

        return authorize(service->authorizer, m, "pinging", ping_authorized, service, error);
}

/* ---- the object ---- */

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        NODE_BUS_METHODS,
        OVERVIEW_BUS_METHODS,
        SD_BUS_METHOD_WITH_ARGS("GetStatistics", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", statistics), method_get_statistics,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_describe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Publish", SD_BUS_ARGS("s", topic, "ay", payload, "a{sv}", options),
                                SD_BUS_RESULT("s", id, "t", sequence), method_publish, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_ARGS("as", patterns, "a{sv}", options), SD_BUS_RESULT("o", subscription),
                                method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenStream", SD_BUS_ARGS("as", patterns, "a{sv}", options),
                                SD_BUS_RESULT("h", socket, "a{sv}", details), method_open_stream, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenPublisher", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", socket, "a{sv}", details),
                                method_open_publisher, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Connect", SD_BUS_ARGS("s", address), SD_BUS_RESULT("s", id, "o", path), method_connect,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Disconnect", SD_BUS_ARGS("s", peer), SD_BUS_NO_RESULT, method_disconnect,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Ping", SD_BUS_ARGS("s", peer), SD_BUS_RESULT("t", rtt), method_ping,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        NODE_BUS_SIGNALS,
        SD_BUS_SIGNAL_WITH_ARGS("Gap", SD_BUS_ARGS("s", origin, "t", first, "t", last, "t", count), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Overflow", SD_BUS_ARGS("s", where, "t", dropped), 0),
        NODE_BUS_PROPERTIES,
        SD_BUS_PROPERTY("SampleOf", "u", property_get_sample_of, 0, 0),
        SD_BUS_VTABLE_END
};

static int peerd_bus_attach(Service *service, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, NULL, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, manager_vtable, service);
}

static void peerd_bus_detach(Service *service) {
        Peerd *peerd = peerd_of(service);

        subscriptions_forget(peerd->subscriptions);
        local_users_forget(peerd->users);
        calls_forget(peerd->calls);
}

const ServiceHandlers peerd_bus_handlers = {
        .attach = peerd_bus_attach,
        .detach = peerd_bus_detach,
};
