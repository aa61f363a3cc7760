/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Looks up host names without making the loop wait: getaddrinfo() in at most RESOLVER_THREADS_MAX threads, which are started when
 * the first name comes. Literal addresses are answered without one. Each question is answered once, from the loop, never
 * from within resolver_ask(): after RESOLVER_USEC with "timed out", whatever the thread that still waits finds later.
 */

#include <systemd/sd-event.h>

#include "base/address.h"
#include "base/usec.h"

#define RESOLVER_THREADS_MAX 2U
#define RESOLVER_QUESTIONS_MAX 128U
#define RESOLVER_ADDRESSES_MAX 16U      /* of one name; more are left out */
#define RESOLVER_HOST_MAX 255U
#define RESOLVER_USEC (5 * USEC_PER_SEC)

typedef struct Resolver Resolver;

typedef struct ResolverAnswer {
        uint64_t token;                 /* as asked */
        const char *host;               /* as asked */
        uint16_t port;
        const Address *addresses;
        size_t n_addresses;
        const char *detail;             /* why there are none; "" when there are */
} ResolverAnswer;

typedef void (*ResolverHandler)(void *userdata, const ResolverAnswer *answer);

int resolver_new(Resolver **ret, sd_event *event);
/* Questions that wait are forgotten: their handlers are not called. */
Resolver *resolver_free(Resolver *resolver);
DEFINE_CLEANUP(Resolver *, resolver_free)

/* Return: 0; -EINVAL for an empty name or one longer than RESOLVER_HOST_MAX; -EBUSY while too many wait; -ENOMEM; -EAGAIN when
 * no thread could be started. */
int resolver_ask(Resolver *resolver, uint64_t token, const char *host, uint16_t port, ResolverHandler handler,
                 void *userdata);
