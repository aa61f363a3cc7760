/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The users of this host who have something open here: subscriptions, streams, publishers. What one of them may have open at once
 * is bounded (limits.subscriptions), whatever it is and from however many programs.
 */

#include <systemd/sd-bus.h>

#include "daemon/daemon.h"

typedef struct LocalUsers LocalUsers;

/* @daemon is borrowed. */
int local_users_new(LocalUsers **ret, Daemon *daemon);
LocalUsers *local_users_free(LocalUsers *users);
DEFINE_CLEANUP(LocalUsers *, local_users_free)

/* The bus has gone: whoever waits for its answer gets none. */
void local_users_forget(LocalUsers *users);

/* The method proper, once it is known who calls. Nothing of @m has been read. May reply, or return an error. */
typedef int (*LocalUserHandler)(void *userdata, sd_bus_message *m, uid_t user, sd_bus_error *error);

/* Asks the bus whose call that is. Return: what a method handler returns. */
int local_users_ask(LocalUsers *users, sd_bus_message *m, LocalUserHandler handler, void *userdata, sd_bus_error *error);

/* One thing more, or fewer. Return: 0; an error with @error set when the user has as many as are accepted; -ENOMEM. */
int local_users_take(LocalUsers *users, uid_t user, sd_bus_error *error);
void local_users_give(LocalUsers *users, uid_t user);

/* Makes a pair of connected stream sockets and replies with one of them, and an a{sv} with "Version", and "Name" unless @name is
 * NULL. Into one that is @read_only nothing can be written there. Return: the other one, the caller's; an error. */
int local_socket_reply(sd_bus_message *m, const char *name, bool read_only);
