/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may publish, subscribe and manage: root, the user the daemon runs as, and the members of one group.
 *
 * sd-bus has a check of its own, for vtable entries without SD_BUS_VTABLE_UNPRIVILEGED, but it asks the bus while
 * everything else waits, knows nothing of groups, and reads /proc, which the sandbox hides. So all our methods have
 * that flag, and those that need privilege begin with authorize(). Who the caller is, is asked of the bus alone
 * (GetConnectionCredentials), without waiting; a caller from outside this host's pid namespace has no pid, and needs
 * none.
 *
 * A caller that was let in is remembered by its unique name, which a bus never gives twice. Calls of one caller run
 * in the order in which they came, whether they had to wait for the answer or not.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "base/macro.h"

typedef struct Authorizer Authorizer;

/* @group: its members are let in; one that does not exist (or NULL) lets nobody in. Return: 0, -ENOMEM. */
int authorizer_new(Authorizer **ret, const char *group);
Authorizer *authorizer_free(Authorizer *authorizer);
DEFINE_CLEANUP(Authorizer *, authorizer_free)

/* Drops who is remembered and whoever waits, without replies: for when the connection to the bus has ended. */
void authorizer_forget(Authorizer *authorizer);

/**
 * authorize() - run the privileged part of a method if its caller may
 * @authorizer: outlives the connection to the bus or is told that it ended
 * @m:          the method call
 * @action:     "publishing": begins the sentence that the caller gets when it may not
 * @handler:    the method proper; called now, or later with the same arguments. It may reply or return an error as
 *              any method handler. Nothing of @m has been read.
 * @userdata:   for @handler; lives as long as the authorizer
 * @error:      the method's
 *
 * Return: what the method returns to sd-bus.
 */
int authorize(
                Authorizer *authorizer,
                sd_bus_message *m,
                const char *action,
                sd_bus_message_handler_t handler,
                void *userdata,
                sd_bus_error *error);
