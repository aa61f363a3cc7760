/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Publishers: messages of a local program through a socket of its own, as records (wire/stream-record.h), past the bus. Answers
 * come back through the same socket, in the order of the records: so many were accepted, this one was refused.
 *
 * While Publish() would say Busy nothing is read from any of them, and the kernel makes their programs wait. Nor is anything
 * read from one that does not read its answers. A publisher outlives its caller's connection to the bus, and the bus;
 * it ends when the program has said all, and was answered, or breaks the format.
 */

#include "peerd/local-user.h"

typedef struct Publishers Publishers;

typedef struct PublishersHandlers {
        /* A record to publish; the topic is a valid one. Return: 0; -EBUSY: to be tried again; -ENOTCONN; -ESHUTDOWN. */
        int (*publish)(void *userdata, const char *topic, Slice payload, MessageId *ret);
} PublishersHandlers;

/* @daemon and @users are borrowed, @handlers is static. */
int publishers_new(Publishers **ret, Daemon *daemon, LocalUsers *users, const PublishersHandlers *handlers, void *userdata);
Publishers *publishers_free(Publishers *publishers);
DEFINE_CLEANUP(Publishers *, publishers_free)

/* OpenPublisher(), its caller being allowed to. Returns what a method handler returns. */
int publishers_open(Publishers *publishers, sd_bus_message *m, sd_bus_error *error);

size_t publishers_n(const Publishers *publishers);
