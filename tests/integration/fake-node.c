/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A peer on the bus that is none: for what real daemons do not do when they are asked to. It knows peers with hostile
 * names, answers with any error, describes itself in nonsense, sends signals on request, and goes away in the
 * middle of a call.
 *
 *      fake-node PORT [ERROR-NAME ERROR-MESSAGE]       with an error: every privileged method fails with it
 *      fake-node PORT names NAME...                    knows peers of these names instead, every other one linked
 *
 * Ping("vanish") ends it without an answer, Ping("emit") makes it send one signal of each kind, Ping("quit") ends it.
 */

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/text.h"
#include "bus/authorize.h"
#include "bus/connect.h"
#include "bus/error.h"
#include "bus/names.h"

/* ESC ]0; sets the title of a terminal, U+202E turns the rest of the line around, U+009B is another ESC [. */
#define HOSTILE_NAME "evil\033]0;owned\007\xe2\x80\xae" "gpj\xc2\x9b" "31m\n\ttail\\end"
#define HOSTILE_ID "00000000000000000000000000000bad"
#define HOSTILE_PATH BUS_PATH_PEERS "/" HOSTILE_ID

typedef struct Fake {
        sd_event *event;
        sd_bus *bus;
        Authorizer *authorizer;
        const char *error_name, *error_message;
        char **names;
        size_t n_names;
        char *subscriber;
} Fake;

static usec_t clock_now(Fake *fake) {
        uint64_t now;

        (void) sd_event_now(fake->event, CLOCK_BOOTTIME, &now);
        return now;
}

/* Peer 1 is 000...001 at 10.0.0.1:6001; those with an odd number are linked. */
static int append_names(Fake *fake, sd_bus_message *m, sd_bus_message *reply) {
        int r, wanted = -1;
        uint64_t flags;

        if ((r = sd_bus_message_read(m, "t", &flags)) < 0 ||
            (r = sd_bus_message_enter_container(m, 'a', "{sv}")) < 0)
                return r;
        if (sd_bus_message_read(m, "{sv}", NULL, "b", &wanted) < 0)
                wanted = -1;

        r = sd_bus_message_open_container(reply, 'a', "(sossssttta{sv})");
        for (size_t i = 1; i <= fake->n_names && r >= 0; i++) {
                char id[NODE_ID_TEXT_SIZE], path[PEER_PATH_SIZE], address[32];

                if (wanted >= 0 && wanted != (int) (i % 2))
                        continue;
                (void) snprintf(id, sizeof(id), "%032zx", i);
                (void) snprintf(path, sizeof(path), "%s/%s", BUS_PATH_PEERS, id);
                (void) snprintf(address, sizeof(address), "10.0.0.%zu:6001", i);
                r = sd_bus_message_append(reply, "(sossssttta{sv})", id, path, fake->names[i - 1], address, "alive",
                                          i % 2 ? "out" : "-", UINT64_C(0), UINT64_C(0), UINT64_C(0), 0);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_list_peers(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        static char long_name[2001];
        Fake *fake = userdata;
        usec_t now = clock_now(fake);
        int r;

        memset(long_name, 'n', sizeof(long_name) - 1);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = fake->names ? append_names(fake, m, reply) :
            sd_bus_message_append(reply, "a(sossssttta{sv})", 3,
                                  HOSTILE_ID, HOSTILE_PATH, HOSTILE_NAME, "127.0.0.1:6002", "alive", "out",
                                  now - 130 * USEC_PER_SEC - 500 * USEC_PER_MSEC, UINT64_C(400), now, 1,
                                  "Links", "u", 3U,
                                  HOSTILE_ID, HOSTILE_PATH, long_name, "[::1]:6003", "suspect", "-",
                                  UINT64_C(0), UINT64_C(0), UINT64_C(0), 2,
                                  "Strange", "(us)", 7U, "of a later version",
                                  "Addresses", "as", 2, "[::1]:6003", "10.0.0.3:6003",
                                  HOSTILE_ID, HOSTILE_PATH, "", "", "dead", "-",
                                  UINT64_MAX, UINT64_MAX, UINT64_MAX, 0);
        if (r < 0)
                return r;
        return sd_bus_send(NULL, reply, NULL);
}

static int method_list_seeds(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        usec_t now = clock_now(userdata);

        return sd_bus_reply_method_return(m, "a(sssstta{sv})", 3,
                                          "127.0.0.1:5000", "127.0.0.1:5000", "registered", "",
                                          UINT64_C(5), now + 12 * USEC_PER_SEC, 0,
                                          "seed.example:5000", "", "unreachable", "name not known\033[5m",
                                          UINT64_C(0), now + 8 * USEC_PER_SEC, 0,
                                          "127.0.0.1:5002", "127.0.0.1:5002", "standby", "",
                                          UINT64_C(0), UINT64_C(0), 0);
}

static int method_get_statistics(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a{st}", 2, "Zeta", UINT64_C(1), "Alpha\033[1m", UINT64_MAX);
}

static int method_get_histogram(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "atattt", 2, UINT64_C(1000), UINT64_C(2000),
                                          3, UINT64_C(98), UINT64_C(1), UINT64_C(1), UINT64_C(5000), UINT64_C(3000));
}

/* One that answers for all, one with a name to be escaped, and one without any. The last link is none. */
static int method_get_topology(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *fake = userdata;

        return sd_bus_reply_method_return(m, "a(sssss)a(uuut)a{sv}", 3,
                                          "00000000000000000000000000000001", "web-1:6001", "127.0.0.1:6001", "alive", "answered",
                                          HOSTILE_ID, HOSTILE_NAME "<b>&\"", "10.0.0.2\033[31m", "suspect\033[5m", "silent",
                                          "00000000000000000000000000000003", "", "", "dead", "of a later version",
                                          2, 0U, 1U, 4U | 16U, UINT64_C(1500), 1U, fake->names ? 7U : 2U, 64U, UINT64_MAX,
                                          3, "Members", "t", UINT64_C(5000), "Answered", "t", UINT64_C(0), "Strange", "(u)", 1U);
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "s", "[\"not what was promised\"]");
}

/* What changes something fails as the command line says. */
static int fail_privileged(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *fake = userdata;

        if (fake->error_name)
                return sd_bus_error_set(error, fake->error_name, fake->error_message);
        return sd_bus_error_set(error, SD_BUS_ERROR_NOT_SUPPORTED, "This node only pretends.");
}

static int method_privileged(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *fake = userdata;

        return authorize(fake->authorizer, m, "pretending", fail_privileged, fake, error);
}

static int emit_all(Fake *fake) {
        int r;

        if ((r = sd_bus_emit_signal(fake->bus, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "PeerChanged", "sosa{sv}",
                                    HOSTILE_ID, HOSTILE_PATH, "suspect", 3, "Name", "s", HOSTILE_NAME,
                                    "Address", "s", "127.0.0.1:6002", "Reason", "s", "no answer\r for 1.6 s")) < 0 ||
            (r = sd_bus_emit_signal(fake->bus, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "SeedChanged", "ssss",
                                    "seed.example:5000", "", "unreachable", "name not known")) < 0 ||
            (r = sd_bus_emit_signal(fake->bus, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "OfALaterVersion", "u",
                                    1U)) < 0 ||
            (r = sd_bus_emit_signal(fake->bus, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "Overflow", "st",
                                    BUS_PATH_SUBSCRIPTIONS "/s1", UINT64_C(12))) < 0)
                return r;
        return sd_bus_emit_signal(fake->bus, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "StateChanged", "ss", "isolated",
                                  "online");
}

static int method_ping(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *fake = userdata;
        const char *peer;
        int r;

        r = sd_bus_message_read(m, "s", &peer);
        if (r < 0)
                return r;
        if (streq(peer, "vanish")) {
                r = sd_event_exit(fake->event, 0);
                return r < 0 ? r : 1;   /* answered, as far as sd-bus needs to know */
        }
        if (streq(peer, "emit"))
                r = emit_all(fake);
        else if (streq(peer, "quit"))
                r = sd_event_exit(fake->event, 0);
        else
                return fail_privileged(m, fake, error);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, "t", UINT64_C(400));
}

static int append_message(sd_bus_message *signal, const char *topic, const void *payload, size_t size) {
        int r;

        if ((r = sd_bus_message_append(signal, "ssss", HOSTILE_ID "-1a-1", topic, HOSTILE_ID, HOSTILE_NAME)) < 0 ||
            (r = sd_bus_message_append_array(signal, 'y', payload, size)) < 0)
                return r;
        return sd_bus_message_append(signal, "a{sv}", 3, "AgeUSec", "t", UINT64_C(1500), "Hops", "u", 2U,
                                     "Later", "s", "unknown");
}

static int send_message(Fake *fake, const char *path, const char *topic, const void *payload, size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        if ((r = sd_bus_message_new_signal(fake->bus, &signal, path, BUS_INTERFACE_SUBSCRIPTION, "Message")) < 0 ||
            (r = append_message(signal, topic, payload, size)) < 0)
                return r;
        return sd_bus_send_to(fake->bus, signal, fake->subscriber, NULL);
}

/* Four messages follow the reply: a text, bytes, one of a subscription that nobody made, and an empty one. */
static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Fake *fake = userdata;
        int r;

        free(fake->subscriber);
        fake->subscriber = strdup(sd_bus_message_get_sender(m));
        if (!fake->subscriber)
                return -ENOMEM;
        r = sd_bus_reply_method_return(m, "o", BUS_PATH_SUBSCRIPTIONS "/s1");
        if (r < 0)
                return r;

        if ((r = send_message(fake, BUS_PATH_SUBSCRIPTIONS "/s1", "/t/one", "red\033[31m\n", 9)) < 0 ||
            (r = send_message(fake, BUS_PATH_SUBSCRIPTIONS "/s2", "/t/forged", "forged", 6)) < 0 ||
            (r = send_message(fake, BUS_PATH_SUBSCRIPTIONS "/s1", "/t/two", "\xff\x00\x01", 3)) < 0)
                return r;
        return send_message(fake, BUS_PATH_SUBSCRIPTIONS "/s1", "/t/three", NULL, 0);
}

static int property_get_text(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *error) {

        return sd_bus_message_append(reply, "s", streq(property, "Name") ? HOSTILE_NAME : "isolated\033[31m");
}

/* Whoever pretends to know some names, knows them of a thousand. */
static int property_get_sample_of(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *error) {

        const Fake *fake = userdata;

        return sd_bus_message_append(reply, "u", fake->n_names > 0 ? 1000U : 0U);
}

static int property_get_timestamp(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *error) {

        return sd_bus_message_append(reply, "t", clock_now(userdata));
}

static const sd_bus_vtable fake_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", property_get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Timestamp", "t", property_get_timestamp, 0, 0),
        SD_BUS_PROPERTY("SampleOf", "u", property_get_sample_of, 0, 0),
        SD_BUS_METHOD("ListPeers", "ta{sv}", "a(sossssttta{sv})", method_list_peers, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListSeeds", "", "a(sssstta{sv})", method_list_seeds, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetStatistics", "", "a{st}", method_get_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetHistogram", "s", "atattt", method_get_histogram, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetTopology", "a{sv}", "a(sssss)a(uuut)a{sv}", method_get_topology, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Describe", "", "s", method_describe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Ping", "s", "t", method_ping, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Subscribe", "asa{sv}", "o", method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Publish", "saya{sv}", "st", method_privileged, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", "", "", method_privileged, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Connect", "s", "so", method_privileged, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Disconnect", "s", "", method_privileged, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static int fake_run(Fake *fake, uint16_t port) {
        int r;

        if ((r = bus_errors_register()) < 0 ||
            (r = sd_event_new(&fake->event)) < 0 ||
            (r = authorizer_new(&fake->authorizer, BUS_GROUP)) < 0 ||
            (r = bus_open(NULL, "fake-node", &fake->bus)) < 0 ||
            (r = sd_bus_add_object_vtable(fake->bus, NULL, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, fake_vtable,
                                          fake)) < 0 ||
            (r = sd_bus_request_name(fake->bus, INSTANCE_NAME(BUS_NAME_PEER, port), 0)) < 0 ||
            (r = sd_bus_attach_event(fake->bus, fake->event, 0)) < 0)
                return r;

        printf("ready\n");
        (void) fflush(stdout);
        return sd_event_loop(fake->event);
}

int main(int argc, char **argv) {
        Fake fake = {};
        uint16_t port;
        int r;

        if (argc < 2 || parse_port(argv[1], &port) < 0)
                return EXIT_USAGE;
        if (argc > 2 && streq(argv[2], "names")) {
                fake.names = argv + 3;
                fake.n_names = (size_t) argc - 3;
        } else if (argc == 4) {
                fake.error_name = argv[2];
                fake.error_message = argv[3];
        }

        r = fake_run(&fake, port);
        if (r < 0)
                fprintf(stderr, "fake-node: %s\n", strerror(-r));
        authorizer_free(fake.authorizer);
        sd_bus_flush_close_unref(fake.bus);
        sd_event_unref(fake.event);
        free(fake.subscriber);
        return r < 0 ? EXIT_FAILED : 0;
}
