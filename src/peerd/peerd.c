/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/peerd.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/log.h"
#include "daemon/lost-file.h"
#include "peerd/delivery.h"

#define DELIVERIES_PER_SECOND 10U

/* ---- effects ---- */

static void peerd_deliver(Peerd *peerd, const Delivery *delivery) {
        if (log_limit_allow(&peerd->delivery_limit, daemon_now(&peerd->daemon)))
                delivery_log(delivery, peerd->daemon.config->gossip_log_level);
}

static int peerd_apply(Peerd *peerd, const Effect *effect) {
        if (effect->type == EFFECT_DELIVER) {
                peerd_deliver(peerd, &effect->delivery);
                return 0;
        }
        if (effect->type == EFFECT_PONG)
                return 0;
        return daemon_apply(&peerd->daemon, effect);
}

void peerd_settle(Peerd *peerd, int error) {
        Effect effect;

        while (node_pop_effect(peerd->daemon.node, &effect)) {
                if (error >= 0)
                        error = peerd_apply(peerd, &effect);
                effect_release(&effect);
        }

        daemon_settled(&peerd->daemon, error);
}

/* ---- what the daemon asks for ---- */

static void peerd_on_settle(void *userdata, int error) {
        peerd_settle(userdata, error);
}

static int peerd_restore(void *userdata) {
        Peerd *peerd = userdata;

        return lost_file_load(peerd->daemon.state, peerd->daemon.node);
}

static void peerd_on_seeds(void *userdata, const SeedsConfig *seeds) {
        /* A peer is in no list of seeds: there is nothing to find out about the entries. */
}

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

static void peerd_describe(void *userdata, char status[static STATUS_SIZE]) {
        Peerd *peerd = userdata;
        Node *node = peerd->daemon.node;
        size_t n_members = node_n_alive(node);
        unsigned n_links = peer_n_links(node);

        (void) snprintf(status, STATUS_SIZE, "%zu member%s, %u link%s, %u of %zu seeds", n_members, plural(n_members), n_links,
                        plural(n_links), node_n_registered(node), node_n_seeds(node));
}

static void peerd_on_reloaded(void *userdata) {
        /* The node has its new settings, and the rest is read from the configuration where it is used. */
}

static void peerd_done(Peerd *peerd) {
        log_limit_done(&peerd->delivery_limit);
        daemon_done(&peerd->daemon);
}

int peerd_main(const Options *options) {
        static const DaemonHandlers handlers = {
                .settle = peerd_on_settle,
                .restore = peerd_restore,
                .seeds_loaded = peerd_on_seeds,
                .describe = peerd_describe,
                .reloaded = peerd_on_reloaded,
        };
        _cleanup_(peerd_done) Peerd peerd = {};
        int r;

        r = daemon_init(&peerd.daemon, ROLE_PEER, options, &handlers, &peerd);
        if (r != 0)
                return r;

        r = log_limit_init(&peerd.delivery_limit, peerd.daemon.event, DELIVERIES_PER_SECOND, "messages");
        if (r < 0) {
                (void) log_error_errno(r, "Failed to set up the event loop: %m");
                return EX_OSERR;
        }

        return daemon_run(&peerd.daemon);
}
