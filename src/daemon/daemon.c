/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/daemon.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/text.h"
#include "daemon/daemon-internal.h"
#include "daemon/identity.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "daemon/settings.h"
#include "io/clock.h"

#define NOTICES_PER_SECOND 20U
#define STOP_USEC (LINKS_FLUSH_USEC + USEC_PER_SEC)
#define DEADLINE_ACCURACY_USEC USEC_PER_MSEC
#define OVERDUE_MAX_USEC (5 * USEC_PER_SEC)
#define READY_MAX_USEC (3 * USEC_PER_SEC)

/* ---- events ---- */

static int daemon_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Daemon *daemon = userdata;

        daemon->deadline_usec = USEC_INFINITY;
        daemon->handlers->settle(daemon->userdata, node_on_deadline(daemon->node, daemon_now(daemon)));
        return 0;
}

static int daemon_on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Daemon *daemon = userdata;

        return sd_event_exit(daemon->event, EXIT_SUCCESS);
}

static void daemon_on_stop(void *userdata) {
        Daemon *daemon = userdata;
        int r;

        log_facts(LOG_INFO, LOG_FACTS(.message_id = MESSAGE_ID_NODE_STOPPED), "Leaving the network.");
        process_stopping(daemon->process);
        links_stop_listening(daemon->links);

        daemon->is_stopping = true;
        r = sd_event_add_time_relative(daemon->event, &daemon->stop_source, CLOCK_BOOTTIME, STOP_USEC, 0, daemon_on_stop_timer,
                                       daemon);
        if (r >= 0)
                r = node_stop(daemon->node, daemon_now(daemon));
        daemon->handlers->settle(daemon->userdata, r);
}

static void daemon_on_reload(void *userdata) {
        (void) daemon_reload(userdata, NULL);
}

static bool daemon_is_healthy(void *userdata) {
        Daemon *daemon = userdata;

        return daemon_now(daemon) <= usec_add(node_deadline(daemon->node), OVERDUE_MAX_USEC);
}

static void daemon_on_links(void *userdata, int error) {
        Daemon *daemon = userdata;

        daemon->handlers->settle(daemon->userdata, error);
}

static void daemon_on_turned(void *userdata) {
        Daemon *daemon = userdata;

        if (daemon->handlers->turned)
                daemon->handlers->turned(daemon->userdata);
}

static void daemon_on_resting(void *userdata, int error) {
        Daemon *daemon = userdata;

        if (ratelimit_allow(&daemon->resting_limit, (Rate) { 1, USEC_PER_MINUTE }, daemon_now(daemon)))
                log_warning("No connection can be accepted for a moment: %s.", strerror(-error));
}

/* ---- starting ---- */

static int daemon_open_state(Daemon *daemon) {
        int r;

        r = state_dir_open(&daemon->state, daemon->directories.state);
        if (r == -EWOULDBLOCK) {
                log_error("State directory %s is in use by another %s.", daemon->directories.state, log_program());
                return EX_UNAVAILABLE;
        }
        if (r < 0) {
                (void) log_oom();
                return EX_OSERR;
        }
        return 0;
}

static const char *user_name(void) {
        const struct passwd *user = getpwuid(geteuid());

        return user ? user->pw_name : "USER";
}

/* Return: 0, or the exit status after a sentence. */
static int daemon_new_node(Daemon *daemon) {
        NodeSettings settings = settings_from_config(daemon->config, daemon->role, daemon->port, daemon->host_name);
        NodeIdentity identity;
        uint64_t run;
        int r;

        r = identity_load(daemon->state, &identity, &daemon->identity_reason);
        if (r == -EACCES) {
                log_facts(LOG_ERR, LOG_FACTS(.message_id = MESSAGE_ID_STATE_DENIED, .file = daemon->directories.state),
                          "The state in %s belongs to another user, and without it this would be another node: give it back by "
                          "\"chown -R %s: %s\" and start again.",
                          daemon->directories.state, user_name(), daemon->directories.state);
                return EX_NOPERM;
        }
        if (r < 0) {
                (void) log_error_errno(r, "Failed to make an identity: %m");
                return EX_OSERR;
        }
        daemon->is_identity_saved = r > 0;
        if (getrandom(&run, sizeof(run), 0) < 0) {
                (void) log_error_errno(-errno, "Failed to read random bytes: %m");
                return EX_OSERR;
        }

        r = effect_queue_init(&daemon->effects);
        if (r >= 0)
                r = node_new(&daemon->node, &settings, &identity, &daemon->effects, run);
        if (r >= 0) {
                links_set_node(daemon->links, daemon->node);
                r = daemon->handlers->restore(daemon->userdata);
        }
        if (r < 0) {
                (void) log_oom();
                return EX_OSERR;
        }
        return 0;
}

/* Return: 0, or an error that has been said. */
static int daemon_new_loop(Daemon *daemon) {
        static const ProcessHandlers process_handlers = {
                .stop = daemon_on_stop,
                .reload = daemon_on_reload,
                .is_healthy = daemon_is_healthy,
        };
        int r;

        if (getrandom(&hash_key, sizeof(hash_key), 0) < 0)
                return log_error_errno(-errno, "Failed to read random bytes: %m");

        r = sd_event_new(&daemon->event);           /* the default one would ask in each turn which thread it is in */
        if (r >= 0)
                r = process_new(&daemon->process, daemon->event, &process_handlers, daemon);
        if (r >= 0)
                r = resolver_new(&daemon->resolver, daemon->event);
        if (r >= 0)
                r = log_limit_init(&daemon->notice_limit, daemon->event, NOTICES_PER_SECOND, "event of the network",
                                   "events of the network");
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->deadline_source, CLOCK_BOOTTIME, 0, DEADLINE_ACCURACY_USEC,
                                      daemon_on_deadline, daemon);
        if (r >= 0)
                r = sd_event_source_set_enabled(daemon->deadline_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(daemon->event, &daemon->state_source, CLOCK_BOOTTIME, 0, 0, daemon_on_still_isolated,
                                      daemon);
        if (r >= 0)
                r = sd_event_source_set_enabled(daemon->state_source, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(daemon->deadline_source, true);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");
        return 0;
}

static void log_started(const Daemon *daemon) {
        const NodeSettings *settings = node_settings(daemon->node);
        _cleanup_free_ char *name = text_escape(settings->name, strlen(settings->name));

        for (size_t i = 0; i < links_n_listening(daemon->links); i++)
                log_facts(LOG_INFO, LOG_FACTS(.message_id = i == 0 ? MESSAGE_ID_NODE_STARTED : NULL),
                          "Listening on %s as %s, node %.8s…, network \"%s\", profile %s.",
                          ADDRESS_TEXT(links_listening_at(daemon->links, i)), name,
                          NODE_ID_TEXT(&node_identity(daemon->node)->id), settings->network,
                          profile_to_string(daemon->config->profile));
}

int daemon_init(Daemon *daemon, Role role, const Options *options, const DaemonHandlers *handlers, void *userdata) {
        static const LinksHandlers links_handlers = {
                .settle = daemon_on_links,
                .turned = daemon_on_turned,
                .resting = daemon_on_resting,
        };
        _cleanup_(config_diagnostics_done) ConfigDiagnostics diagnostics = {};
        int r;

        *daemon = (Daemon) {
                .handlers = handlers,
                .userdata = userdata,
                .role = role,
                .port = options->port,
                .deadline_usec = USEC_INFINITY,
                .started_usec = clock_now(CLOCK_REALTIME),
                .status_is_stale = true,
        };
        (void) snprintf(daemon->instance, sizeof(daemon->instance), "%s@%u", role_to_string(role), options->port);
        if (gethostname(daemon->host_name, sizeof(daemon->host_name) - 1) < 0 || isempty(daemon->host_name))
                (void) snprintf(daemon->host_name, sizeof(daemon->host_name), "localhost");

        if (directories_find(&daemon->directories, options, role) < 0) {
                (void) log_oom();
                return EX_OSERR;
        }

        r = daemon_load_files(daemon, &daemon->config, &daemon->first_seeds, &diagnostics);
        daemon_log_diagnostics(&diagnostics);
        if (r < 0)
                return r == -ENOMEM ? EX_OSERR : EX_CONFIG;
        log_set_level(daemon->config->log_level);

        r = daemon_new_loop(daemon);
        if (r < 0)
                return EX_OSERR;
        r = links_new(&daemon->links, daemon->event, &links_handlers, daemon);
        if (r < 0)
                return EX_OSERR;
        r = daemon_listen(daemon);
        if (r > 0)
                return r;
        r = daemon_open_state(daemon);
        if (r > 0)
                return r;
        return daemon_new_node(daemon);
}

static int daemon_on_ready_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        daemon_release_ready(userdata);
        return 0;
}

void daemon_hold_ready(Daemon *daemon) {
        daemon->is_ready_held = sd_event_add_time_relative(daemon->event, &daemon->ready_source, CLOCK_BOOTTIME, READY_MAX_USEC, 0,
                                                           daemon_on_ready_timer, daemon) >= 0;
}

void daemon_release_ready(Daemon *daemon) {
        if (!daemon->is_ready_held)
                return;

        daemon->is_ready_held = false;
        daemon->ready_source = sd_event_source_disable_unref(daemon->ready_source);
        if (daemon->is_running && !daemon->is_stopping)
                process_ready(daemon->process);
}

int daemon_run(Daemon *daemon) {
        ConfigPaths paths = directories_config_paths(&daemon->directories);
        int r;

        log_started(daemon);
        daemon->handlers->settle(daemon->userdata, node_start(daemon->node, daemon_now(daemon)));

        r = seed_files_watch(&daemon->seed_files, daemon->event, &paths, daemon_on_seed_files, daemon);
        if (r >= 0)
                r = daemon_take_seeds(daemon, daemon->first_seeds);
        daemon->handlers->settle(daemon->userdata, r);
        daemon->is_running = true;
        log_forget_errors();            /* those of the start: it went well */
        if (!daemon->is_ready_held)
                process_ready(daemon->process);

        r = sd_event_loop(daemon->event);
        if (r < 0)
                (void) log_error_errno(r, "The event loop failed: %m");
        return r < 0 ? EX_OSERR : r;
}

void daemon_done(Daemon *daemon) {
        seed_files_free(daemon->seed_files);
        seeds_config_free(daemon->first_seeds);
        resolver_free(daemon->resolver);
        links_free(daemon->links);
        node_free(daemon->node);
        effect_queue_done(&daemon->effects);
        config_free(daemon->config);
        state_dir_close(daemon->state);

        log_limit_done(&daemon->notice_limit);
        sd_event_source_disable_unref(daemon->look_source);
        sd_event_source_disable_unref(daemon->ready_source);
        sd_event_source_disable_unref(daemon->state_source);
        sd_event_source_disable_unref(daemon->stop_source);
        sd_event_source_disable_unref(daemon->deadline_source);
        process_free(daemon->process);
        sd_event_unref(daemon->event);

        directories_done(&daemon->directories);
        free(daemon->seeds_refused);
        free(daemon->reload_refused);
}
