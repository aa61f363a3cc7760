/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the core asks for and both programs do alike, and what follows when it asks for nothing more. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "daemon/daemon-internal.h"
#include "daemon/identity.h"
#include "daemon/log.h"
#include "daemon/lost-file.h"
#include "daemon/notice.h"
#include "daemon/published-file.h"
#include "daemon/registry-file.h"

#define ISOLATED_USEC (2 * USEC_PER_SEC)        /* a node is cut off for a moment whenever it hears of the first other */

static void daemon_on_resolved(void *userdata, const ResolverAnswer *answer) {
        Daemon *daemon = userdata;

        daemon->handlers->settle(daemon->userdata,
                                 node_on_resolved(daemon->node, (unsigned) answer->token, answer->addresses,
                                                  answer->n_addresses, answer->detail, daemon_now(daemon)));
}

static int daemon_resolve(Daemon *daemon, const Effect *effect) {
        int r;

        r = resolver_ask(daemon->resolver, effect->resolve.seed, effect->resolve.host, effect->resolve.port,
                         daemon_on_resolved, daemon);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return node_on_resolved(daemon->node, effect->resolve.seed, NULL, 0, strerror(-r), daemon_now(daemon));
        return 0;
}

static void daemon_persist(Daemon *daemon, PersistWhat what) {
        int r = 0;

        switch (what) {
        case PERSIST_IDENTITY:
                log_set_node_id(NODE_ID_TEXT(&node_identity(daemon->node)->id));
                daemon->is_identity_saved = false;
                break;
        case PERSIST_PEERS:
                r = lost_file_save(daemon->state, daemon->node);
                break;
        case PERSIST_PUBLISHED:
                r = published_file_save(daemon->state, daemon->node);
                break;
        case PERSIST_REGISTRY:
                r = registry_file_save(daemon->state, daemon->node, daemon_now(daemon));
                break;
        }

        /* A disk that was full when we started may have room by now. */
        if (r >= 0 && !daemon->is_identity_saved)
                daemon->is_identity_saved = identity_save(daemon->state, node_identity(daemon->node)) >= 0;
        daemon->status_is_stale = true;
}

static void daemon_log_state(Daemon *daemon) {
        NodeState state = node_state(daemon->node);

        if (state == daemon->state_logged)
                return;
        daemon->state_logged = state;
        notice_log(&(Notice) { .type = NOTICE_STATE, .state = state });
}

int daemon_on_still_isolated(sd_event_source *source, uint64_t usec, void *userdata) {
        daemon_log_state(userdata);
        return 0;
}

static void daemon_on_notice(Daemon *daemon, const Notice *notice) {
        daemon->status_is_stale = true;
        if (notice->type == NOTICE_DUPLICATE_ID)
                daemon->identity_reason = "another living node has the old one";

        if (daemon->is_stopping)        /* that everything ends is no news then */
                return;

        if (notice->type == NOTICE_STATE) {
                (void) sd_event_source_set_enabled(daemon->state_source, SD_EVENT_OFF);
                if (notice->state != NODE_ISOLATED)
                        daemon_log_state(daemon);
                else if (sd_event_source_set_time(daemon->state_source, usec_add(daemon_now(daemon), ISOLATED_USEC)) >= 0)
                        (void) sd_event_source_set_enabled(daemon->state_source, SD_EVENT_ONESHOT);
        } else if (!notice_is_remote(notice->type) || log_limit_allow(&daemon->notice_limit, daemon_now(daemon)))
                notice_log(notice);
}

int daemon_apply(Daemon *daemon, const Effect *effect) {
        switch (effect->type) {
        case EFFECT_DIAL:
        case EFFECT_SEND:
        case EFFECT_MEASURE:
        case EFFECT_HANG_UP:
                return links_apply(daemon->links, effect);
        case EFFECT_RESOLVE:
                return daemon_resolve(daemon, effect);
        case EFFECT_PERSIST:
                daemon_persist(daemon, effect->persist);
                return 0;
        case EFFECT_NOTICE:
                daemon_on_notice(daemon, &effect->notice);
                return 0;
        case EFFECT_DELIVER:
        case EFFECT_PONG:
        case EFFECT_CRAWLED:
                break;
        }
        assert(false);
        return -EINVAL;
}

static int daemon_arm(Daemon *daemon) {
        usec_t deadline_usec = node_deadline(daemon->node);
        int r;

        if (deadline_usec == daemon->deadline_usec)
                return 0;

        daemon->deadline_usec = deadline_usec;
        if (deadline_usec == USEC_INFINITY)
                return sd_event_source_set_enabled(daemon->deadline_source, SD_EVENT_OFF);
        r = sd_event_source_set_time(daemon->deadline_source, deadline_usec);
        return r < 0 ? r : sd_event_source_set_enabled(daemon->deadline_source, SD_EVENT_ONESHOT);
}

void status_add(char status[static STATUS_SIZE], const char *format, ...) {
        size_t n = strlen(status);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(status + n, STATUS_SIZE - n, format, ap);
        va_end(ap);
}

/* The first seed that is missed, and why. */
static void daemon_add_seed_trouble(const Daemon *daemon, char status[static STATUS_SIZE]) {
        if (node_n_registered(daemon->node) >= node_n_wanted(daemon->node))
                return;

        for (size_t i = 0; i < node_n_seeds(daemon->node); i++) {
                SeedInfo seed = node_seed_at(daemon->node, i);
                _cleanup_free_ char *error = NULL;

                if (seed.state == SEED_REGISTERED || seed.state == SEED_STANDBY || seed.state == SEED_SELF || isempty(seed.error))
                        continue;
                error = text_escape(seed.error, strcspn(seed.error, "."));
                if (error)
                        status_add(status, strchr(seed.entry.host, ':') ? "; seed [%s]:%u: %s" : "; seed %s:%u: %s",
                                   seed.entry.host, seed.entry.port, error);
                return;
        }
}

/* What is not as it should be, for as long as it is so: the journal said it once, and that may be long ago. */
static void daemon_add_troubles(const Daemon *daemon, char status[static STATUS_SIZE]) {
        const char *away, *unsaved = state_dir_trouble(daemon->state);
        char buffer[ADDRESS_TEXT_SIZE];

        daemon_add_seed_trouble(daemon, status);
        if (daemon->reload_refused)
                status_add(status, "; reload refused: %s", daemon->reload_refused);
        if (daemon->seeds_refused && !(daemon->reload_refused && streq(daemon->reload_refused, daemon->seeds_refused)))
                status_add(status, "; list of seeds refused: %s", daemon->seeds_refused);
        away = daemon_address_away(daemon, buffer);
        if (away)
                status_add(status, "; this host has no address %s", away);
        if (unsaved)
                status_add(status, "; state cannot be written to %s", unsaved);
        if (daemon->identity_reason)
                status_add(status, "; new id: %s", daemon->identity_reason);
}

static void daemon_tell_status(Daemon *daemon) {
        char status[STATUS_SIZE];

        if (!daemon->status_is_stale || !daemon->is_running)
                return;

        daemon->status_is_stale = false;
        daemon->handlers->describe(daemon->userdata, status);
        daemon_add_troubles(daemon, status);
        process_set_status(daemon->process, status, daemon->is_reloading);
}

void daemon_settled(Daemon *daemon, int error) {
        if (error >= 0)
                error = daemon_arm(daemon);
        if (error < 0) {
                (void) log_error_errno(error, "Cannot go on: %m");
                (void) sd_event_exit(daemon->event, EX_OSERR);
                return;
        }

        if (daemon->is_stopping && links_n(daemon->links) == 0)
                (void) sd_event_exit(daemon->event, EXIT_SUCCESS);
        daemon_tell_status(daemon);
}
