/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Subscriptions of local programs: each message goes, as a signal, to whoever subscribed, and to nobody else.
 *
 * A subscriber that does not read harms only itself. A bus would buffer for it without end, and then stop reading from us; so
 * what is sent to one is counted until it answers a Ping that was sent behind it, which every D-Bus library does by itself
 * and in order. Beyond SUBSCRIPTION_UNCONFIRMED_MAX messages are dropped, counted, and signalled.
 */

#include "core/effect.h"
#include "peerd/local-user.h"
#include "service/service.h"

#define SUBSCRIPTION_UNCONFIRMED_MAX (256U * 1024U)

typedef struct Subscriptions Subscriptions;

/* Both are borrowed; @service may come to its bus later. */
int subscriptions_new(Subscriptions **ret, Service *service, LocalUsers *users);
Subscriptions *subscriptions_free(Subscriptions *subscriptions);
DEFINE_CLEANUP(Subscriptions *, subscriptions_free)

/* The bus has gone, and all subscribers with it. */
void subscriptions_forget(Subscriptions *subscriptions);

/* Subscribe(), its caller being allowed to. Returns what a method handler returns. */
int subscriptions_subscribe(Subscriptions *subscriptions, sd_bus_message *m, sd_bus_error *error);

void subscriptions_deliver(Subscriptions *subscriptions, const Delivery *delivery);

size_t subscriptions_n(const Subscriptions *subscriptions);
/* How many of them have a pattern that matches. */
size_t subscriptions_n_for(const Subscriptions *subscriptions, const char *topic);
