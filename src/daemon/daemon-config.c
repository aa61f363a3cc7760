/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration of a running daemon: read, and read again, both p2pnet.conf and the list of seeds. */

#include <errno.h>
#include <stdio.h>

#include "daemon/daemon-internal.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "daemon/settings.h"

void daemon_log_diagnostics(const ConfigDiagnostics *diagnostics) {
        for (size_t i = 0; i < diagnostics->n_items; i++)
                if (diagnostics->items[i].severity == CONFIG_ERROR)
                        log_error("%s", diagnostics->items[i].text);
                else
                        log_warning("%s", diagnostics->items[i].text);
        if (diagnostics->n_dropped > 0)
                log_error("%zu more mistakes in the configuration.", diagnostics->n_dropped);
}

static const char *first_error(const ConfigDiagnostics *diagnostics) {
        const char *text = config_diagnostics_first_error(diagnostics);

        return text ? text : "out of memory";
}

/* All errors, one a line: a text of the caller's; NULL when out of memory. */
static char *all_errors(const ConfigDiagnostics *diagnostics) {
        _cleanup_free_ char *text = strdup("");

        for (size_t i = 0; text && i < diagnostics->n_items; i++) {
                char *longer;

                if (diagnostics->items[i].severity != CONFIG_ERROR)
                        continue;
                if (asprintf(&longer, "%s%s%s", text, isempty(text) ? "" : "\n", diagnostics->items[i].text) < 0)
                        return NULL;
                free(text);
                text = longer;
        }
        return TAKE_PTR(text);
}

int daemon_load_files(const Daemon *daemon, Config **ret_config, SeedsConfig **ret_seeds, ConfigDiagnostics *diagnostics) {
        ConfigPaths paths = directories_config_paths(&daemon->directories);
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;
        int r, k;

        r = config_load(&config, &paths, daemon->instance, diagnostics);
        k = seeds_config_load(&seeds, &paths, diagnostics);     /* in any case, so that all mistakes are shown */
        if (r < 0 || k < 0)
                return r == -ENOMEM || k == -ENOMEM ? -ENOMEM : -EINVAL;

        *ret_config = TAKE_PTR(config);
        *ret_seeds = TAKE_PTR(seeds);
        return 0;
}

static bool seeds_are_the_same(const Daemon *daemon, const SeedsConfig *seeds) {
        if (daemon->n_seeds != seeds->n_entries)
                return false;
        for (size_t i = 0; i < seeds->n_entries; i++)
                if (daemon->seeds[i].port != seeds->entries[i].port || !streq(daemon->seeds[i].host, seeds->entries[i].host))
                        return false;
        return true;
}

int daemon_take_seeds(Daemon *daemon, const SeedsConfig *seeds) {
        static_assert(CONFIG_SEEDS_MAX <= SEEDS_MAX, "the core has room for what is configured");

        daemon->n_seeds = 0;
        for (size_t i = 0; i < seeds->n_entries; i++) {
                SeedEntry *entry = &daemon->seeds[daemon->n_seeds++];

                *entry = (SeedEntry) { .port = seeds->entries[i].port };
                (void) snprintf(entry->host, sizeof(entry->host), "%s", seeds->entries[i].host);
        }

        daemon->status_is_stale = true;
        daemon->handlers->seeds_loaded(daemon->userdata, seeds);
        return node_set_seeds(daemon->node, daemon->seeds, daemon->n_seeds, daemon_now(daemon));
}

void daemon_seeds_changed(Daemon *daemon) {
        daemon->handlers->settle(daemon->userdata,
                                 node_set_seeds(daemon->node, daemon->seeds, daemon->n_seeds, daemon_now(daemon)));
}

void daemon_on_seed_files(void *userdata) {
        Daemon *daemon = userdata;
        ConfigPaths paths = directories_config_paths(&daemon->directories);
        _cleanup_(config_diagnostics_done) ConfigDiagnostics diagnostics = {};
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;
        const char *reason;
        int r;

        if (daemon->is_stopping)
                return;

        r = seeds_config_load(&seeds, &paths, &diagnostics);
        if (r < 0) {
                reason = first_error(&diagnostics);
                if (daemon->seeds_refused && streq(daemon->seeds_refused, reason))
                        return;
                log_warning("The list of seeds has changed and cannot be used: %s Keeping the old one.", reason);
                free(daemon->seeds_refused);
                daemon->seeds_refused = strdup(reason);
                daemon->status_is_stale = true;
                daemon_settled(daemon, 0);
                return;
        }

        daemon->status_is_stale |= daemon->seeds_refused != NULL;
        free(daemon->seeds_refused);
        daemon->seeds_refused = NULL;
        if (seeds_are_the_same(daemon, seeds)) {
                daemon_settled(daemon, 0);
                return;
        }

        log_info("The list of seeds has changed: it has %zu now.", seeds->n_entries);
        daemon->handlers->settle(daemon->userdata, daemon_take_seeds(daemon, seeds));
}

static int daemon_take_config(Daemon *daemon, Config *config, const SeedsConfig *seeds) {
        _cleanup_(config_freep) Config *new = config;
        NodeSettings settings = settings_from_config(new, daemon->role, daemon->port, daemon->host_name);
        int r;

        if (settings_need_restart(daemon->config, new))
                log_warning("listen.address has changed; this takes effect at the next start only.");

        log_set_level(new->log_level);
        r = node_reconfigure(daemon->node, &settings, daemon_now(daemon));
        if (r >= 0 && !seeds_are_the_same(daemon, seeds))
                r = daemon_take_seeds(daemon, seeds);
        if (r < 0)
                return r;

        config_free(daemon->config);
        daemon->config = TAKE_PTR(new);
        return 0;
}

/* The status says what became of it before the service manager hears that it is over. */
static void daemon_reloaded(Daemon *daemon, int error) {
        daemon->status_is_stale = true;
        daemon->handlers->settle(daemon->userdata, error);
        daemon->is_reloading = false;
        process_ready(daemon->process);
}

int daemon_reload(Daemon *daemon, char **ret_reason) {
        _cleanup_(config_diagnostics_done) ConfigDiagnostics diagnostics = {};
        _cleanup_(seeds_config_freep) SeedsConfig *seeds = NULL;
        Config *config = NULL;
        const char *reason;
        int r;

        process_reloading(daemon->process);
        daemon->is_reloading = true;
        free(daemon->reload_refused);
        daemon->reload_refused = NULL;

        r = daemon_load_files(daemon, &config, &seeds, &diagnostics);
        daemon_log_diagnostics(&diagnostics);
        if (r < 0) {
                reason = first_error(&diagnostics);
                daemon->reload_refused = strdup(reason);
                if (ret_reason)
                        *ret_reason = all_errors(&diagnostics);
                log_facts(LOG_ERR, LOG_FACTS(.message_id = MESSAGE_ID_CONFIG_REFUSED, .reason = reason),
                          "The new configuration is refused, the old one stays in force.");
                log_forget_errors();
                daemon_reloaded(daemon, 0);
                return r;
        }

        r = daemon_take_config(daemon, config, seeds);
        if (r >= 0)
                log_facts(LOG_INFO, LOG_FACTS(.message_id = MESSAGE_ID_CONFIG_LOADED), "The configuration was read again.");
        daemon_reloaded(daemon, r);
        return r;
}
