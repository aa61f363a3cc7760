/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Streams: messages for a local program through a socket of its own, as records (wire/stream-record.h), past the bus.
 *
 * A reader that does not read harms only itself: STREAM_WAITING_MAX bytes wait for it here beyond what the kernel holds, further
 * messages are dropped, and a record says how many they were, at the place where they are missing; the bus is told as well, as it is
 * for subscriptions. A stream outlives its caller's connection to the bus, and the bus; it ends when the program closes the
 * socket.
 */

#include "core/effect.h"
#include "peerd/local-user.h"
#include "service/service.h"

#define STREAM_WAITING_MAX (1024U * 1024U)      /* and one message more for a reader that has everything else */

typedef struct Streams Streams;

/* All are borrowed; @service may come to its bus later. */
int streams_new(Streams **ret, Daemon *daemon, Service *service, LocalUsers *users);
Streams *streams_free(Streams *streams);
DEFINE_CLEANUP(Streams *, streams_free)

/* OpenStream(), its caller being allowed to. Returns what a method handler returns. */
int streams_open(Streams *streams, sd_bus_message *m, sd_bus_error *error);

void streams_deliver(Streams *streams, const Delivery *delivery);
/* Hands what was delivered to its readers: at the end of each turn of the links, which is asked for. */
void streams_write(Streams *streams);

size_t streams_n(const Streams *streams);
/* How many of them have a pattern that matches. */
size_t streams_n_for(const Streams *streams, const char *topic);
