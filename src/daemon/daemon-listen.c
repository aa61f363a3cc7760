/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a daemon listens. An address that this host does not have may be on its way, by DHCP say, or moves between hosts: it
 * is listened on all the same (see io/listener.c), so that connections arrive as soon as it is there. Until then that is said, in the
 * log once, and in the status.
 */

#include <errno.h>
#include <stdio.h>

#include "daemon/daemon-internal.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "io/sockaddr.h"

#define LOOK_USEC (2 * USEC_PER_SEC)
#define LOOK_ACCURACY_USEC (250 * USEC_PER_MSEC)

/* Without the port. */
static char *format_host(const Address *address, char buffer[static ADDRESS_TEXT_SIZE]) {
        *strrchr(address_format(address, buffer), ':') = 0;
        return buffer;
}

static int listen_failed(const Daemon *daemon, const Address *address, int error) {
        char host[ADDRESS_TEXT_SIZE];

        (void) format_host(address, host);

        switch (-error) {
        case EADDRINUSE:
                log_facts(LOG_ERR, LOG_FACTS(.message_id = MESSAGE_ID_PORT_IN_USE, .reason = "the port is in use"),
                          "Port %u on %s is in use by another program; \"ss -ltnp\" says by which.", daemon->port, host);
                return EX_UNAVAILABLE;
        case EAFNOSUPPORT:
                log_error("Cannot listen on %s: this host has no addresses of that kind. See listen.address.", host);
                return EX_UNAVAILABLE;
        case EACCES:
        case EPERM:
                log_error("Cannot listen on port %u of %s: no permission. Ports below 1024 need CAP_NET_BIND_SERVICE, see %s(8).",
                          daemon->port, host, log_program());
                return EX_NOPERM;
        default:
                log_error("Cannot listen on %s, port %u: %s.", host, daemon->port, strerror(-error));
                return EX_OSERR;
        }
}

static bool is_of_this_host(const Address *address, const Address *ours, size_t n_ours) {
        if (address_is_wildcard(address))
                return true;
        if (address->family == ADDRESS_IPV4 && address_is_loopback(address))
                return true;            /* all of 127.0.0.0/8, of which interfaces name one */
        for (size_t i = 0; i < n_ours; i++)
                if (address_same_host(address, &ours[i]))
                        return true;
        return false;
}

/* Tells of each address that is away, or is there again. Return: whether one is away. */
static bool daemon_look_at_addresses(Daemon *daemon) {
        _cleanup_free_ Address *ours = NULL;
        bool is_away, was_away;
        uint64_t away = 0;
        size_t n_ours;

        if (host_addresses(&ours, &n_ours) < 0)
                return daemon->away != 0;       /* then nobody can tell */

        static_assert(LINKS_LISTENING_MAX <= 64, "a bit each");
        for (size_t i = 0; i < links_n_listening(daemon->links); i++) {
                const Address *address = links_listening_at(daemon->links, i);
                char host[ADDRESS_TEXT_SIZE];

                is_away = !is_of_this_host(address, ours, n_ours);
                was_away = (daemon->away >> i & 1) != 0;
                away |= (uint64_t) is_away << i;

                if (is_away && !was_away)
                        log_facts(LOG_WARNING,
                                  LOG_FACTS(.message_id = MESSAGE_ID_ADDRESS_AWAY, .reason = format_host(address, host)),
                                  "This host has no address %s, which listen.address names: nobody can reach this node there until it has.",
                                  format_host(address, host));
                else if (was_away && !is_away)
                        log_notice("This host has the address %s now: this node can be reached there.",
                                   format_host(address, host));
        }

        daemon->status_is_stale |= away != daemon->away;
        daemon->away = away;
        return away != 0;
}

static int daemon_on_look(sd_event_source *source, uint64_t usec, void *userdata) {
        Daemon *daemon = userdata;

        if (!daemon->is_stopping && daemon_look_at_addresses(daemon)) {
                (void) sd_event_source_set_time(source, usec_add(daemon_now(daemon), LOOK_USEC));
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        }
        daemon_settled(daemon, 0);
        return 0;
}

const char *daemon_address_away(const Daemon *daemon, char buffer[static ADDRESS_TEXT_SIZE]) {
        for (size_t i = 0; i < links_n_listening(daemon->links); i++)
                if ((daemon->away >> i & 1) != 0)
                        return format_host(links_listening_at(daemon->links, i), buffer);
        return NULL;
}

int daemon_listen(Daemon *daemon) {
        int r;

        for (size_t i = 0; i < daemon->config->listen.n_items; i++) {
                Address address = daemon->config->listen.items[i];

                address.port = daemon->port;
                r = links_listen(daemon->links, &address);
                if (r < 0)
                        return listen_failed(daemon, &address, r);
        }

        if (daemon_look_at_addresses(daemon)) {
                r = sd_event_add_time_relative(daemon->event, &daemon->look_source, CLOCK_BOOTTIME, LOOK_USEC, LOOK_ACCURACY_USEC,
                                               daemon_on_look, daemon);
                if (r < 0) {
                        (void) log_error_errno(r, "Failed to set up the event loop: %m");
                        return EX_OSERR;
                }
        }
        return 0;
}
