/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Method calls whose reply waits for the network: Connect(), Ping() and GetTopology(). */

#include <systemd/sd-bus.h>

#include "core/effect.h"
#include "daemon/daemon.h"

#define CALLS_CONNECT_MAX 64U
#define CALLS_CONNECT_USEC (15 * USEC_PER_SEC)

typedef struct Calls Calls;

/* @daemon is borrowed. */
int calls_new(Calls **ret, Daemon *daemon);
Calls *calls_free(Calls *calls);
DEFINE_CLEANUP(Calls *, calls_free)

/* The bus has gone: nobody waits any more. */
void calls_forget(Calls *calls);

/* Both return what a method handler returns; the reply comes now or later. The caller settles the node afterwards. */
int calls_connect(Calls *calls, sd_bus_message *m, const Address *address, sd_bus_error *error);
int calls_ping(Calls *calls, sd_bus_message *m, const NodeId *id, sd_bus_error *error);
int calls_get_topology(Calls *calls, sd_bus_message *m, sd_bus_error *error);

/* Each effect goes past here after it was carried out, */
void calls_on_effect(Calls *calls, const Effect *effect);
/* and this follows the last one. */
void calls_on_settled(Calls *calls);
