/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "seedd/self.h"

#include <errno.h>
#include <stdio.h>

#include "conf/seeds-dropin.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "io/sockaddr.h"

#define RETRY_USEC (10 * USEC_PER_SEC)
#define HOST_TEXT_SIZE ADDRESS_TEXT_SIZE

/* The part before the port, as seeds.conf wants it: no brackets. */
static void format_host(const Address *address, char buffer[static HOST_TEXT_SIZE]) {
        char text[ADDRESS_TEXT_SIZE];
        char *begin = address_format(address, text), *end = strrchr(text, ':');

        if (*begin == '[') {
                begin++;
                end--;
        }
        (void) snprintf(buffer, HOST_TEXT_SIZE, "%.*s", (int) (end - begin), begin);
}

/* Does a connection to @address arrive here? */
static bool self_listens_on(const Self *self, const Address *address) {
        const Links *links = self->daemon->links;

        for (size_t i = 0; i < links_n_listening(links); i++) {
                const Address *ours = links_listening_at(links, i);

                if (address->port != ours->port || address->family != ours->family)
                        continue;
                if (address_same_host(address, ours))
                        return true;
                if (!address_is_wildcard(ours))
                        continue;
                if (address_is_loopback(address))
                        return true;
                for (size_t k = 0; k < self->n_host_addresses; k++)
                        if (address_same_host(address, &self->host_addresses[k]))
                                return true;
        }
        return false;
}

/* What peers of this host are to dial: the address we listen on, of a wildcard the loopback one. */
static void self_host(const Self *self, char buffer[static HOST_TEXT_SIZE]) {
        Address address = *links_listening_at(self->daemon->links, 0);

        if (address_is_wildcard(&address))
                address = address.family == ADDRESS_IPV4 ? address_ipv4((const uint8_t[4]) { 127, 0, 0, 1 }, address.port)
                                                         : address_ipv6((const uint8_t[16]) { [15] = 1 }, address.port);
        format_host(&address, buffer);
}

static void self_remove_dropin(Self *self) {
        const char *runtime = self->daemon->directories.runtime;
        int r;

        if (!runtime)
                return;

        self->has_dropin = false;
        r = seeds_dropin_remove(runtime, self->daemon->port);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to take this seed off the list of seeds again: %m");
}

static int self_on_retry(sd_event_source *source, uint64_t usec, void *userdata);

/* Says why once, and tries again: a file system that is full will have room again. */
static void self_add_failed(Self *self, const char *runtime, int error) {
        Daemon *daemon = self->daemon;

        if (!self->trouble) {
                log_warning("This seed is in no list of seeds, and cannot add itself in %s/seeds.d: %s. Trying again.", runtime,
                            strerror(-error));
                self->trouble = strdup(strerror(-error));
                daemon->status_is_stale = true;
        }

        if (self->retry_source) {
                (void) sd_event_source_set_time(self->retry_source, usec_add(daemon_now(daemon), RETRY_USEC));
                (void) sd_event_source_set_enabled(self->retry_source, SD_EVENT_ONESHOT);
        } else
                (void) sd_event_add_time_relative(daemon->event, &self->retry_source, CLOCK_BOOTTIME, RETRY_USEC, USEC_PER_SEC,
                                                  self_on_retry, self);
}

static void self_forget_trouble(Self *self) {
        self->daemon->status_is_stale |= self->trouble != NULL;
        self->retry_source = sd_event_source_disable_unref(self->retry_source);
        free(self->trouble);
        self->trouble = NULL;
}

const char *self_trouble(const Self *self) {
        return self->trouble;
}

static void self_add_dropin(Self *self) {
        const char *runtime = self->daemon->directories.runtime;
        char host[HOST_TEXT_SIZE], seed[HOST_TEXT_SIZE + 8];
        _cleanup_free_ char *path = NULL;
        int r;

        if (self->has_dropin || !runtime)
                return;

        self_host(self, host);
        r = seeds_dropin_write(runtime, self->daemon->port, host);
        if (r < 0) {
                self_add_failed(self, runtime, r);
                return;
        }

        self_forget_trouble(self);
        self->has_dropin = true;
        (void) snprintf(seed, sizeof(seed), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, self->daemon->port);
        if (asprintf(&path, "%s/seeds.d/%u.conf", runtime, self->daemon->port) < 0) {
                path = NULL;
                return;
        }
        log_facts(LOG_INFO, LOG_FACTS(.message_id = MESSAGE_ID_SEED_ADDED, .seed = seed, .file = path),
                  "This seed is in no list of seeds: added it as %s by %s, for as long as it runs.", seed, path);
}

static void self_found(Self *self, size_t index) {
        self->daemon->seeds[index].self = true;
        if (!self->from_dropin[index])
                self->is_listed = true;
}

static void self_decide(Self *self) {
        if (self->n_asked > 0)
                return;
        if (self->is_listed) {
                self_forget_trouble(self);
                self_remove_dropin(self);
        } else
                self_add_dropin(self);
}

static int self_on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Self *self = userdata;

        self_decide(self);
        daemon_settled(self->daemon, 0);
        return 0;
}

static void self_on_resolved(void *userdata, const ResolverAnswer *answer) {
        Self *self = userdata;
        size_t index = answer->token & UINT32_MAX;

        if (answer->token >> 32 != self->round)
                return;

        self->n_asked--;
        for (size_t i = 0; i < answer->n_addresses; i++)
                if (self_listens_on(self, &answer->addresses[i])) {
                        self_found(self, index);
                        daemon_seeds_changed(self->daemon);
                        break;
                }
        self_decide(self);
}

/* "FILE:LINE" is of the file that we write ourselves. */
static bool self_wrote(const Self *self, const char *source) {
        _cleanup_free_ char *prefix = NULL;

        if (!self->daemon->directories.runtime || !source)
                return false;
        if (asprintf(&prefix, "%s/seeds.d/%u.conf:", self->daemon->directories.runtime, self->daemon->port) < 0) {
                prefix = NULL;
                return false;
        }
        return strncmp(source, prefix, strlen(prefix)) == 0;
}

void self_look(Self *self, const SeedsConfig *seeds) {
        Daemon *daemon = self->daemon;
        int r;

        self->round++;
        self->n_asked = 0;
        self->is_listed = false;
        self->has_dropin = false;
        self->is_active = true;

        free(self->host_addresses);
        self->host_addresses = NULL;
        self->n_host_addresses = 0;
        r = host_addresses(&self->host_addresses, &self->n_host_addresses);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to find out the addresses of this host: %m");

        for (size_t i = 0; i < daemon->n_seeds; i++) {
                Address address;

                self->from_dropin[i] = self_wrote(self, seeds->entries[i].source);
                if (self->from_dropin[i])
                        self->has_dropin = true;        /* perhaps of a run before this one */

                if (address_parse_host(daemon->seeds[i].host, daemon->seeds[i].port, &address) >= 0) {
                        if (self_listens_on(self, &address))
                                self_found(self, i);
                } else if (daemon->seeds[i].port == daemon->port) {
                        r = resolver_ask(daemon->resolver, (uint64_t) self->round << 32 | i, daemon->seeds[i].host,
                                         daemon->seeds[i].port, self_on_resolved, self);
                        if (r >= 0)
                                self->n_asked++;
                }
        }

        self_decide(self);
}

void self_init(Self *self, Daemon *daemon) {
        *self = (Self) { .daemon = daemon };
}

void self_done(Self *self) {
        if (self->is_active)
                self_remove_dropin(self);
        self_forget_trouble(self);
        free(self->host_addresses);
        *self = (Self) {};
}
