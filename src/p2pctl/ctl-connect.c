/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connecting to the bus that the options name, and what to say and advise when that fails. */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/text.h"
#include "bus/connect.h"
#include "p2pctl/ctl-bus.h"
#include "p2pctl/output.h"
#include "p2pctl/remote.h"

#define SSH_FAILED 255          /* exit status of ssh itself, else it is that of the command at the other end */
#define COMMAND_NOT_FOUND 127   /* says the shell there */

const char *ctl_host_text(const Ctl *ctl) {
        return ctl->host ?: ctl->machine ?: "this host";
}

static void ctl_disconnect(Ctl *ctl) {
        ctl->bus = sd_bus_close_unref(ctl->bus);
        free(ctl->instances);
        ctl->instances = NULL;
        ctl->n_instances = 0;
}

/* ---- another host ---- */

static int ctl_fail_ssh(Ctl *ctl, const RemoteHost *remote, int r) {
        const char *option = remote->port[0] ? "-p " : "", *space = remote->port[0] ? " " : "";
        _cleanup_free_ char *words = NULL;
        int status;

        ctl_disconnect(ctl);
        status = bridge_end(&ctl->bridge);
        words = bridge_last_words(&ctl->bridge);

        if (status == SSH_FAILED) {
                const char *why = words && strncmp(words, "ssh: ", 5) == 0 ? words + 5 : words;

                return ctl_fail(EXIT_FAILED, "cannot reach %s by ssh: %s.\nTry: ssh %s%s%s%s true", ctl->host,
                                why ?: "it does not say why", option, remote->port, space, remote->destination);
        }
        if (status == COMMAND_NOT_FOUND)
                return ctl_fail(EXIT_FAILED,
                                "%s has no systemd-stdio-bridge, which comes with systemd and is needed there.\n"
                                "Without it, try: ssh %s%s%s%s p2pctl", ctl->host, option, remote->port, space,
                                remote->destination);
        if (status == 0 || status == -EINTR)    /* it was content until we hung up */
                return ctl_fail(EXIT_FAILED,
                                "what came from %s through ssh is no bus: %s.\n"
                                "Does the shell there print something when nobody types? Try: ssh %s%s%s%s true", ctl->host,
                                strerror(-r), option, remote->port, space, remote->destination);
        return ctl_fail(EXIT_FAILED,
                        "systemd-stdio-bridge on %s cannot reach the system bus: %s.\n"
                        "Try: ssh %s%s%s%s busctl%s%s list", ctl->host, words ?: strerror(-r), option, remote->port, space,
                        remote->destination, remote->container[0] ? " --machine=" : "", remote->container);
}

static int ctl_connect_host(Ctl *ctl) {
        char machine[sizeof("--machine=") + REMOTE_TEXT_SIZE];
        const char *command[10] = { "ssh", "-xT" };
        RemoteHost remote;
        size_t n = 2;
        int r;

        r = remote_host_parse(ctl->host, &remote);
        if (r < 0)
                return r;
        if (remote.port[0]) {
                command[n++] = "-p";
                command[n++] = remote.port;
        }
        command[n++] = "--";
        command[n++] = remote.destination;
        command[n++] = "systemd-stdio-bridge";
        if (remote.container[0]) {
                (void) snprintf(machine, sizeof(machine), "--machine=%s", remote.container);
                command[n++] = machine;
        }

        r = bridge_open(&ctl->bridge, command, &ctl->bus);
        if (r == -ENOENT)
                return ctl_fail(EXIT_FAILED, "-H needs ssh, which is not installed here.\n"
                                "In Debian it is the package openssh-client.");
        if (r >= 0)
                r = ctl_find_instances(ctl);
        return r >= 0 ? 0 : ctl_fail_ssh(ctl, &remote, r);
}

/* ---- this host ---- */

/* Return: 0, -errno. */
static int ctl_try_bus(Ctl *ctl, const char *choice) {
        int r;

        ctl_disconnect(ctl);
        r = bus_open(choice, "p2pctl", &ctl->bus);
        if (r >= 0)
                r = ctl_find_instances(ctl);
        if (r < 0)
                ctl_disconnect(ctl);
        return r;
}

static int ctl_fail_user_bus(int r) {
        const char *address = secure_getenv("DBUS_SESSION_BUS_ADDRESS"), *directory = secure_getenv("XDG_RUNTIME_DIR");
        const struct passwd *self = getpwuid(geteuid());
        _cleanup_free_ char *text = NULL;
        char usual[64];

        text = output_text(!isempty(address) ? address : directory ?: "");
        if (!text)
                return -ENOMEM;
        if (!isempty(address))
                return ctl_fail(EXIT_NOT_RUNNING,
                                "nobody answers on the bus of this user, %s: %s.\n"
                                "DBUS_SESSION_BUS_ADDRESS says that it is there; a new login sets it anew.", text, strerror(-r));
        if (!isempty(directory))
                return ctl_fail(EXIT_NOT_RUNNING,
                                "this user has no bus: there is no %s/bus, and DBUS_SESSION_BUS_ADDRESS is not set.\n"
                                "%s%s", text,
                                sd_booted() > 0 ? "It comes with the user's service manager; to have that without a login, as root: "
                                                  "loginctl enable-linger " : "For a shell that has one: dbus-run-session bash",
                                sd_booted() > 0 ? (self ? self->pw_name : "USER") : "");

        /* As su and sudo leave it. */
        (void) snprintf(usual, sizeof(usual), "/run/user/%u", (unsigned) geteuid());
        return ctl_fail(EXIT_NOT_RUNNING,
                        "where the bus of this user is cannot be told: neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS "
                        "is set, as after su and sudo.\n"
                        "%s%s%s", access(usual, X_OK) >= 0 ? "Try: export XDG_RUNTIME_DIR=" : "For a shell that has one: ",
                        access(usual, X_OK) >= 0 ? usual : "dbus-run-session bash", "");
}

static int ctl_connect_chosen(Ctl *ctl, const char *choice) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = ctl_try_bus(ctl, choice);
        if (r >= 0)
                return 0;
        if (r == -ENOMEM)
                return r;
        if (streq(choice, "user"))
                return ctl_fail_user_bus(r);

        text = output_text(choice);
        if (!text)
                return -ENOMEM;
        if (r == -EINVAL)
                return ctl_fail(EXIT_USAGE, "'%s' is not a bus: accepted is 'system', 'user', or an address such as "
                                "unix:path=/run/dbus/system_bus_socket.", text);
        return ctl_fail(EXIT_NOT_RUNNING, "cannot connect to the %s%s: %s.", streq(choice, "system") ? "" : "bus at ",
                        streq(choice, "system") ? "system bus" : text, strerror(-r));
}

/* ---- a container ---- */

static int ctl_fail_machine(const Ctl *ctl, int r) {
        if (r == -EACCES || r == -EPERM)
                return ctl_fail(EXIT_NOT_PERMITTED, "only root may reach into %s.\nTry: sudo p2pctl -M %s", ctl->machine,
                                ctl->machine);
        if (r == -EHOSTDOWN || r == -ENOENT || r == -ENXIO)
                return ctl_fail(EXIT_NOT_RUNNING,
                                "no container %s runs here, as far as systemd-machined knows.\n"
                                "See which do: machinectl list", ctl->machine);
        return ctl_fail(EXIT_FAILED, "cannot talk to the bus of the container %s: %s.\nSee what runs: machinectl list",
                        ctl->machine, strerror(-r));
}

/* True for whoever we are anyway. */
static bool remote_machine_is_here(const RemoteMachine *remote, bool user) {
        const struct passwd *self;
        char uid[16];

        if (!streq(remote->name, ".host"))
                return false;
        if (!remote->has_user)
                return geteuid() == 0;
        self = getpwuid(geteuid());
        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) geteuid());
        return isempty(remote->user) || streq(remote->user, uid) || (self && streq(remote->user, self->pw_name));
}

/* A session of that user is made in the container, as its environment says where the bus of the user is. So does
 * systemctl(1). */
static int ctl_connect_session(Ctl *ctl, const RemoteMachine *remote) {
        char machine[sizeof("--machine=") + REMOTE_TEXT_SIZE], user[sizeof("-pUser=") + REMOTE_TEXT_SIZE];
        const struct passwd *self = getpwuid(geteuid());
        const char *name = !remote->has_user ? "root" : !isempty(remote->user) ? remote->user : self ? self->pw_name : "root";
        const char *command[] = {
                "systemd-run", machine, "--pipe", "--collect", "--quiet", "--wait", "--no-ask-password", user, "-pPAMName=login",
                "systemd-stdio-bridge", ctl->user ? "-punix:path=${XDG_RUNTIME_DIR}/bus" : NULL, NULL
        };
        _cleanup_free_ char *words = NULL;
        int r;

        (void) snprintf(machine, sizeof(machine), "--machine=%s", remote->name);
        (void) snprintf(user, sizeof(user), "-pUser=%s", name);

        r = bridge_open(&ctl->bridge, command, &ctl->bus);
        if (r == -ENOENT)
                return ctl_fail(EXIT_FAILED, "-M with a user needs systemd-run, which is not installed here.");
        if (r >= 0)
                r = ctl_find_instances(ctl);
        if (r >= 0)
                return 0;

        ctl_disconnect(ctl);
        (void) bridge_end(&ctl->bridge);
        words = bridge_last_words(&ctl->bridge);
        return ctl_fail(geteuid() != 0 ? EXIT_NOT_PERMITTED : EXIT_FAILED, "cannot be %s in %s: %s.\n%s", name,
                        streq(remote->name, ".host") ? "this host" : remote->name, words ?: strerror(-r),
                        geteuid() != 0 ? "Only root may be somebody else there." :
                        streq(remote->name, ".host") ? "See who is logged in, or lingers: loginctl list-users" :
                        "See what runs: machinectl list");
}

static int ctl_connect_machine(Ctl *ctl) {
        RemoteMachine remote;
        int r;

        r = remote_machine_parse(ctl->machine, &remote);
        if (r < 0)
                return r;
        if (remote_machine_is_here(&remote, ctl->user)) {
                ctl->machine = NULL;
                return ctl_connect_chosen(ctl, ctl->user ? "user" : "system");
        }
        if (ctl->user || remote.has_user)
                return ctl_connect_session(ctl, &remote);

        r = sd_bus_open_system_machine(&ctl->bus, remote.name);
        if (r >= 0)
                r = ctl_find_instances(ctl);
        if (r >= 0)
                return 0;
        ctl_disconnect(ctl);
        return ctl_fail_machine(ctl, r);
}

/* ---- by the options ---- */

int ctl_connect(Ctl *ctl) {
        const char *choice = ctl->bus_choice ?: ctl->user ? "user" : secure_getenv("P2PNET_BUS");
        int r;

        if (ctl->bus)
                return 0;
        if (ctl->host)
                return ctl_connect_host(ctl);
        if (ctl->machine)
                return ctl_connect_machine(ctl);
        if (!isempty(choice))
                return ctl_connect_chosen(ctl, choice);

        r = ctl_try_bus(ctl, "system");
        if ((r < 0 || ctl->n_instances == 0) && bus_user_exists()) {
                int r_user;

                r_user = ctl_try_bus(ctl, "user");
                if (r >= 0 && (r_user < 0 || ctl->n_instances == 0))
                        r_user = ctl_try_bus(ctl, "system");
                r = r_user;
        }
        if (r == -ENOMEM)
                return r;
        return 0;       /* no bus, no instances: ctl_select() says it */
}

int ctl_connect_manager(Ctl *ctl) {
        int r;

        if (ctl->bus_choice || ctl->user || ctl->host || ctl->machine)
                return ctl_connect(ctl);

        r = ctl_try_bus(ctl, "system");
        if (r < 0)
                return ctl_fail(EXIT_FAILED, "cannot connect to the system bus: %s.", strerror(-r));
        return 0;
}

/* ---- what to say ---- */

int ctl_fail_lost(Ctl *ctl) {
        _cleanup_free_ char *words = NULL;

        if (ctl->bridge.pid == 0)
                return ctl_fail(EXIT_FAILED, "lost the connection to the bus.");

        sd_bus_close(ctl->bus);
        (void) bridge_end(&ctl->bridge);
        words = bridge_last_words(&ctl->bridge);
        return ctl_fail(EXIT_FAILED, "lost the connection to %s%s%s.", ctl_host_text(ctl), words ? ": " : "", words ?: "");
}

int ctl_fail_no_bus(const Ctl *ctl) {
        return ctl_fail(EXIT_NOT_RUNNING,
                        "there is no bus on %s to ask on, neither that of the system nor one of this user.\n%s", ctl_host_text(ctl),
                        sd_booted() > 0 ? "Start that of the system with: systemctl start dbus.socket" :
                                          "For a shell that has one, for all that is started from it: dbus-run-session bash");
}

char *ctl_start_command(const Ctl *ctl, const InstanceFilter *filter) {
        const char *private_dir = secure_getenv("P2PNET_PRIVATE_DIR");
        unsigned seed_port = filter->port ?: 5000, peer_port = filter->port ?: 6001;
        bool seed = filter->seeds && (filter->port == 0 || !filter->peers);
        char *text = NULL;
        FILE *f;
        size_t size;

        f = open_memstream(&text, &size);
        if (!f)
                return NULL;

        if (isempty(private_dir))
                private_dir = PRIVATE_DIR;
        if (ctl->host || ctl->machine || (sd_booted() > 0 && !ctl->bus_choice)) {
                fprintf(f, "systemctl%s%s%s%s%s start", ctl->host ? " -H " : "", ctl->host ?: "", ctl->machine ? " -M " : "",
                        ctl->machine ?: "", ctl->user ? " --user" : "");
                if (seed)
                        fprintf(f, " p2p-seedd@%u", seed_port);
                if (filter->peers)
                        fprintf(f, " p2p-peerd@%u", peer_port);
        } else {
                /* Nobody manages services here: they run as long as somebody lets them. */
                const char *option = ctl->bus_choice ? " --bus=" : ctl->user ? " --bus=user" : "";

                if (seed)
                        fprintf(f, "%s/p2p-seedd%s%s %u", private_dir, option, ctl->bus_choice ?: "", seed_port);
                if (filter->peers)
                        fprintf(f, "%s%s/p2p-peerd%s%s %u", seed ? " & " : "", private_dir, option, ctl->bus_choice ?: "",
                                peer_port);
        }
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
