/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pnet.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "bus/names.h"
#include "stream.h"

#define BUS_TIMEOUT_USEC (30 * USEC_PER_SEC)

#define BUS_CONFIG \
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n" \
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n" \
        "<busconfig>\n" \
        "  <type>session</type>\n" \
        "  <listen>unix:path=%s</listen>\n" \
        "  <auth>EXTERNAL</auth>\n" \
        "  <policy context=\"default\">\n" \
        "    <allow send_destination=\"*\"/> <allow receive_sender=\"*\"/> <allow own=\"*\"/>\n" \
        "  </policy>\n" \
        "  <limit name=\"max_connections_per_user\">4096</limit>\n" \
        "  <limit name=\"max_completed_connections\">4096</limit>\n" \
        "</busconfig>\n"

/* ---- who is who ---- */

/* "vm:6003" is node 2. Return: -1 for anything else. */
static int node_of_name(const Cluster *cluster, const char *name) {
        const char *colon = strrchr(name, ':');
        uint16_t port;

        if (!colon || parse_port(colon + 1, &port) < 0 || port < P2PNET_PEER_PORT || port >= P2PNET_PEER_PORT + cluster->n)
                return -1;
        return (int) (port - P2PNET_PEER_PORT);
}

static bool unique_number(const char *name, size_t *ret) {
        uint64_t number;

        if (strncmp(name, ":1.", 3) != 0 || parse_u64(name + 3, &number) < 0)
                return false;
        *ret = (size_t) number;
        return true;
}

int p2pnet_node_of(const P2pnet *p2pnet, const char *unique_name) {
        size_t number;

        return unique_name && unique_number(unique_name, &number) && number < p2pnet->n_unique ?
                p2pnet->node_of_unique[number] : -1;
}

static void remember_unique(P2pnet *p2pnet, const char *name, int node) {
        size_t number, n;

        if (!unique_number(name, &number))
                return;
        if (number >= p2pnet->n_unique) {
                n = 2 * number + 64;
                p2pnet->node_of_unique = reallocarray(p2pnet->node_of_unique, n, sizeof(int));
                if (!p2pnet->node_of_unique)
                        bench_fail("Out of memory.");
                for (size_t i = p2pnet->n_unique; i < n; i++)
                        p2pnet->node_of_unique[i] = -1;
                p2pnet->n_unique = n;
        }
        p2pnet->node_of_unique[number] = node;
}

/* ---- what they say ---- */

static View view_of_word(const char *word) {
        static const struct {
                const char *word;
                View view;
        } words[] = {
                { "alive", VIEW_ALIVE }, { "joined", VIEW_ALIVE }, { "restarted", VIEW_ALIVE },
                { "suspect", VIEW_SUSPECT }, { "dead", VIEW_DEAD }, { "left", VIEW_DEAD },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(words[i].word, word))
                        return words[i].view;
        return VIEW_UNKNOWN;
}

/* What it knew before it could tell. */
static int on_list(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        P2pnet *p2pnet = userdata;
        int observer = p2pnet_node_of(p2pnet, sd_bus_message_get_sender(m)), subject;
        const char *name, *state;

        if (sd_bus_message_is_method_error(m, NULL) || observer < 0)
                return 0;
        if (sd_bus_message_enter_container(m, 'a', "(sossssttta{sv})") < 0)
                return 0;
        while (sd_bus_message_enter_container(m, 'r', "sossssttta{sv}") > 0) {
                if (sd_bus_message_read(m, "sossssttt", NULL, NULL, &name, NULL, &state, NULL, NULL, NULL, NULL) < 0 ||
                    sd_bus_message_skip(m, "a{sv}") < 0 || sd_bus_message_exit_container(m) < 0)
                        return 0;
                subject = node_of_name(p2pnet->cluster, name);
                if (subject >= 0 && view_of_word(state) != VIEW_UNKNOWN)
                        cluster_view(p2pnet->cluster, (unsigned) observer, (unsigned) subject, view_of_word(state));
        }
        return 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        P2pnet *p2pnet = userdata;
        const char *name, *old_owner, *new_owner;
        uint16_t port;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0 || isempty(new_owner) ||
            instance_name_parse(name, BUS_NAME_PEER, &port) < 0)
                return 0;
        remember_unique(p2pnet, new_owner, (int) (port - P2PNET_PEER_PORT));
        if (sd_bus_call_method_async(p2pnet->bus, NULL, name, BUS_PATH_ROOT, BUS_INTERFACE_MANAGER, "ListPeers", on_list,
                                     p2pnet, "ta{sv}", UINT64_C(0), 0) < 0)
                bench_fail("Cannot ask %s for its members.", name);
        return 0;
}

/* The name of the peer in the details of PeerChanged; NULL without. */
static const char *read_name(sd_bus_message *m) {
        const char *key, *name = NULL;

        if (sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return NULL;
        while (!name && sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &key) < 0)
                        return NULL;
                if (streq(key, "Name")) {
                        if (sd_bus_message_read(m, "v", "s", &name) < 0)
                                return NULL;
                } else if (sd_bus_message_skip(m, "v") < 0)
                        return NULL;
                if (sd_bus_message_exit_container(m) < 0)
                        return NULL;
        }
        return name;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        P2pnet *p2pnet = userdata;
        int observer = p2pnet_node_of(p2pnet, sd_bus_message_get_sender(m)), subject;
        const char *change, *name;

        if (observer < 0 || sd_bus_message_read(m, "sos", NULL, NULL, &change) < 0 || view_of_word(change) == VIEW_UNKNOWN)
                return 0;
        name = read_name(m);
        subject = name ? node_of_name(p2pnet->cluster, name) : -1;
        if (subject >= 0)
                cluster_view(p2pnet->cluster, (unsigned) observer, (unsigned) subject, view_of_word(change));
        return 0;
}

/* ---- processes ---- */

/* The socket is there a moment before anybody listens on it. */
static bool is_bus_there(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_there;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        is_there = connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0;
        (void) close(fd);
        return is_there;
}

static void add_helper(Cluster *cluster, Process *process) {
        cluster->helpers[cluster->n_helpers++] = process;
}

static void start_bus(P2pnet *p2pnet, const char *address) {
        Rig *rig = p2pnet->cluster->rig;
        const char *path = address + strlen("unix:path=");
        _cleanup_free_ char *config = rig_path(rig, "bus.conf"), *text = NULL;
        usec_t end_usec = bench_now() + BUS_TIMEOUT_USEC;

        if (asprintf(&text, BUS_CONFIG, path) < 0)
                bench_fail("Out of memory.");
        rig_write(rig, "bus.conf", text);
        (void) unlink(path);
        add_helper(p2pnet->cluster,
                   rig_start(rig, "bus", 0, (const char *const[]) { "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                                                                     "--config-file", config, NULL }, NULL, NULL));
        while (!is_bus_there(path)) {
                if (bench_now() >= end_usec)
                        bench_fail("The bus has not started.");
                rig_run_for(rig, USEC_PER_MSEC);
        }

        if (sd_bus_new(&p2pnet->bus) < 0 || sd_bus_set_address(p2pnet->bus, address) < 0 ||
            sd_bus_set_bus_client(p2pnet->bus, true) < 0 || sd_bus_start(p2pnet->bus) < 0 ||
            sd_bus_attach_event(p2pnet->bus, rig->event, 0) < 0 ||
            sd_bus_add_match(p2pnet->bus, NULL, "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                             "arg0namespace='" BUS_NAME_PEER "'", on_name, p2pnet) < 0 ||
            sd_bus_add_match(p2pnet->bus, NULL, "type='signal',interface='" BUS_INTERFACE_MANAGER "',member='PeerChanged'",
                             on_changed, p2pnet) < 0)
                bench_fail("Cannot use the bus.");
}

static void write_config(Rig *rig, unsigned n_seeds) {
        char text[1024] = "seeds = (";
        size_t n = strlen(text);

        for (unsigned i = 0; i < n_seeds; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s { host = \"127.0.0.1\"; port = %u; }", i > 0 ? "," : "",
                                       P2PNET_SEED_PORT + i);
        (void) snprintf(text + n, sizeof(text) - n, " );\n");
        rig_write(rig, "etc/seeds.conf", text);
        rig_write(rig, "etc/p2pnet.conf", "gossip = { count = 0; };\n");
}

static Process *start_daemon(Cluster *cluster, const char *program, const char *role, unsigned number, unsigned port,
                             const char *address) {
        char name[32], port_text[8];
        _cleanup_free_ char *config = NULL, *runtime = NULL, *state = NULL, *bus = NULL;

        (void) snprintf(name, sizeof(name), "%s@%u", role, port);
        (void) snprintf(port_text, sizeof(port_text), "%u", port);
        if (asprintf(&config, "--config-dir=%s/etc", cluster->rig->directory) < 0 ||
            asprintf(&runtime, "--runtime-dir=%s/run", cluster->rig->directory) < 0 ||
            asprintf(&state, "--state-dir=%s/state/%s", cluster->rig->directory, name) < 0 ||
            asprintf(&bus, "--bus=%s", address) < 0)
                bench_fail("Out of memory.");
        return rig_start(cluster->rig, name, number, (const char *const[]) { program, port_text, config, runtime, state, bus, NULL },
                         NULL, NULL);
}

static const char *program_of(const char *variable) {
        const char *program = getenv(variable);

        if (isempty(program))
                bench_fail("%s has to say where the daemon is.", variable);
        return program;
}

void p2pnet_start(Cluster *cluster) {
        const char *seedd = program_of("P2P_SEEDD"), *peerd = program_of("P2P_PEERD");
        unsigned n_seeds = cluster->n >= 10 ? 3 : 1;
        P2pnet *p2pnet = bench_calloc(1, sizeof(*p2pnet));
        _cleanup_free_ char *address = NULL;

        cluster->data = p2pnet;
        p2pnet->cluster = cluster;
        if (asprintf(&address, "unix:path=%s/socket", cluster->rig->directory) < 0)
                bench_fail("Out of memory.");
        write_config(cluster->rig, n_seeds);
        rig_write(cluster->rig, "state/.keep", "");
        start_bus(p2pnet, address);

        cluster->started_usec = bench_now();
        for (unsigned i = 0; i < n_seeds; i++)
                add_helper(cluster, start_daemon(cluster, seedd, "seed", i, P2PNET_SEED_PORT + i, address));
        for (unsigned i = 0; i < cluster->n; i++)
                cluster->nodes[i] = start_daemon(cluster, peerd, "peer", i, P2PNET_PEER_PORT + i, address);
}

void p2pnet_stop(Cluster *cluster) {
        P2pnet *p2pnet = cluster->data;

        for (unsigned i = 0; p2pnet->observers && i < cluster->n_observers; i++)
                stream_free(p2pnet->observers[i]);
        free(p2pnet->observers);
        stream_free(p2pnet->publisher);
        sd_bus_close_unref(p2pnet->bus);
        free(p2pnet->node_of_unique);
        free(p2pnet);
}
