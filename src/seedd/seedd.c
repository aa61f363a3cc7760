/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "seedd/seedd.h"

#include <errno.h>
#include <stdio.h>

#include "bus/names.h"
#include "daemon/registry-file.h"
#include "seedd/seedd-bus.h"

/* ---- effects ---- */

static int seedd_apply(Seedd *seedd, const Effect *effect) {
        int r;

        if (effect->type == EFFECT_DELIVER || effect->type == EFFECT_PONG || effect->type == EFFECT_CRAWLED)
                return 0;       /* a seed takes no gossip, and nobody can ask it to ping or to crawl */

        r = daemon_apply(&seedd->daemon, effect);
        if (effect->type == EFFECT_NOTICE)
                service_on_notice(&seedd->service, &effect->notice);
        return r;
}

void seedd_settle(Seedd *seedd, int error) {
        Effect effect;

        while (node_pop_effect(seedd->daemon.node, &effect)) {
                if (error >= 0)
                        error = seedd_apply(seedd, &effect);
                effect_release(&effect);
        }

        daemon_settled(&seedd->daemon, error);
}

/* ---- what the daemon asks for ---- */

static void seedd_on_settle(void *userdata, int error) {
        seedd_settle(userdata, error);
}

static int seedd_restore(void *userdata) {
        Seedd *seedd = userdata;

        return registry_file_load(seedd->daemon.state, seedd->daemon.node, daemon_now(&seedd->daemon));
}

static void seedd_on_seeds(void *userdata, const SeedsConfig *seeds) {
        Seedd *seedd = userdata;

        self_look(&seedd->self, seeds);
}

static void seedd_describe(void *userdata, char status[static STATUS_SIZE]) {
        Seedd *seedd = userdata;
        Node *node = seedd->daemon.node;
        size_t n_peers = node_n_alive(node);

        (void) snprintf(status, STATUS_SIZE, "%zu peer%s, %u of %u other seeds", n_peers, n_peers == 1 ? "" : "s",
                        node_n_registered(node), node_n_wanted(node));
        if (self_trouble(&seedd->self))
                status_add(status, "; cannot add itself to the list of seeds: %s", self_trouble(&seedd->self));
}

static void seedd_done(Seedd *seedd) {
        service_done(&seedd->service);
        self_done(&seedd->self);
        daemon_done(&seedd->daemon);
}

int seedd_main(const Options *options) {
        static const DaemonHandlers handlers = {
                .settle = seedd_on_settle,
                .restore = seedd_restore,
                .seeds_loaded = seedd_on_seeds,
                .describe = seedd_describe,
        };
        _cleanup_(seedd_done) Seedd seedd = {};
        int r;

        self_init(&seedd.self, &seedd.daemon);
        r = daemon_init(&seedd.daemon, ROLE_SEED, options, &handlers, &seedd);
        if (r != 0)
                return r;

        r = service_init(&seedd.service, &seedd.daemon, options->bus, BUS_NAME_SEED, BUS_INTERFACE_SEED, &seedd_bus_handlers);
        if (r != 0)
                return r;

        return daemon_run(&seedd.daemon);
}
