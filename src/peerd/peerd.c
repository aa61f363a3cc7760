/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/peerd.h"

#include <errno.h>
#include <stdio.h>

#include "bus/names.h"
#include "daemon/log.h"
#include "daemon/lost-file.h"
#include "daemon/published-file.h"
#include "peerd/delivery.h"
#include "peerd/peerd-bus.h"

#define DELIVERIES_PER_SECOND 10U

/* ---- effects ---- */

static void peerd_deliver(Peerd *peerd, const Delivery *delivery) {
        usec_t now_usec = daemon_now(&peerd->daemon);

        topics_count(peerd->topics, delivery->topic, delivery->payload.size, now_usec);
        subscriptions_deliver(peerd->subscriptions, delivery);
        streams_deliver(peerd->streams, delivery);
        if (log_limit_allow(&peerd->delivery_limit, now_usec))
                delivery_log(delivery, peerd->daemon.config->gossip_log_level);
}

static int peerd_apply(Peerd *peerd, const Effect *effect) {
        int r = 0;

        if (effect->type == EFFECT_SEND)                /* nearly all are, and they concern nobody else */
                return links_apply(peerd->daemon.links, effect);

        if (effect->type == EFFECT_DELIVER)
                peerd_deliver(peerd, &effect->delivery);
        else if (effect->type != EFFECT_PONG && effect->type != EFFECT_CRAWLED)
                r = daemon_apply(&peerd->daemon, effect);

        calls_on_effect(peerd->calls, effect);
        if (effect->type == EFFECT_NOTICE)
                service_on_notice(&peerd->service, &effect->notice);
        return r;
}

void peerd_settle(Peerd *peerd, int error) {
        Effect effect;

        while (node_pop_effect(peerd->daemon.node, &effect)) {
                if (error >= 0)
                        error = peerd_apply(peerd, &effect);
                effect_release(&effect);
        }

        calls_on_settled(peerd->calls);
        daemon_settled(&peerd->daemon, error);
}

/* ---- what the daemon asks for ---- */

static void peerd_on_settle(void *userdata, int error) {
        peerd_settle(userdata, error);
}

static void peerd_on_turned(void *userdata) {
        Peerd *peerd = userdata;

        streams_write(peerd->streams);
}

static int peerd_restore(void *userdata) {
        Peerd *peerd = userdata;
        int r;

        r = published_file_load(peerd->daemon.state, peerd->daemon.node);
        return r < 0 ? r : lost_file_load(peerd->daemon.state, peerd->daemon.node);
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

static void peerd_done(Peerd *peerd) {
        service_done(&peerd->service);
        publishers_free(peerd->publishers);
        streams_free(peerd->streams);
        subscriptions_free(peerd->subscriptions);
        local_users_free(peerd->users);
        calls_free(peerd->calls);
        topics_free(peerd->topics);
        log_limit_done(&peerd->delivery_limit);
        daemon_done(&peerd->daemon);
}

static int peerd_on_record(void *userdata, const char *topic, Slice payload, MessageId *ret) {
        Peerd *peerd = userdata;
        int r;

        if (peerd->daemon.is_stopping)
                return -ESHUTDOWN;
        r = peer_publish(peerd->daemon.node, topic, payload, daemon_now(&peerd->daemon), ret);
        if (r >= 0)
                peerd_settle(peerd, 0);
        return r;
}

/* Return: 0, or an error that has been said. */
static int peerd_init(Peerd *peerd) {
        static const PublishersHandlers publishers_handlers = { .publish = peerd_on_record };
        int r;

        r = log_limit_init(&peerd->delivery_limit, peerd->daemon.event, DELIVERIES_PER_SECOND, "message", "messages");
        if (r >= 0)
                r = calls_new(&peerd->calls, &peerd->daemon);
        if (r >= 0)
                r = topics_new(&peerd->topics);
        if (r >= 0)
                r = local_users_new(&peerd->users, &peerd->daemon);
        if (r >= 0)
                r = subscriptions_new(&peerd->subscriptions, &peerd->service, peerd->users);
        if (r >= 0)
                r = streams_new(&peerd->streams, &peerd->daemon, &peerd->service, peerd->users);
        if (r >= 0)
                r = publishers_new(&peerd->publishers, &peerd->daemon, peerd->users, &publishers_handlers, peerd);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the event loop: %m");
        return 0;
}

int peerd_main(const Options *options) {
        static const DaemonHandlers handlers = {
                .settle = peerd_on_settle,
                .turned = peerd_on_turned,
                .restore = peerd_restore,
                .seeds_loaded = peerd_on_seeds,
                .describe = peerd_describe,
        };
        _cleanup_(peerd_done) Peerd peerd = {};
        int r;

        r = daemon_init(&peerd.daemon, ROLE_PEER, options, &handlers, &peerd);
        if (r != 0)
                return r;
        if (peerd_init(&peerd) < 0)
                return EX_OSERR;
        distributions_init(&peerd.distributions);
        node_set_distributions(peerd.daemon.node, &peerd.distributions);
        r = service_init(&peerd.service, &peerd.daemon, options->bus, BUS_NAME_PEER, BUS_INTERFACE_MANAGER, &peerd_bus_handlers);
        if (r != 0)
                return r;

        return daemon_run(&peerd.daemon);
}
