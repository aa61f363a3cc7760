/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the daemons: which bus, which instances, calls, and sentences for what goes wrong on it. */

#include "p2pctl/ctl.h"

/* What a verb can be asked of. */
typedef enum Target {
        TARGET_ANY,             /* peers and seeds */
        TARGET_PEER,
} Target;

#define CALL_TIMEOUT_USEC (25 * USEC_PER_SEC)

/* Connects and finds the instances; does nothing when that was done. Without --bus, --user, -H and -M: the system
 * bus, and where no instance is on that one, the bus of the user. */
int ctl_connect(Ctl *ctl);

/* Connects to where systemd's manager is, whether instances run there or not. */
int ctl_connect_manager(Ctl *ctl);

/* Looks again for the instances on the bus that is connected. */
int ctl_find_instances(Ctl *ctl);

/* Says that the connection has ended meanwhile, and why if that is known. Return: EXIT_FAILED. */
int ctl_fail_lost(Ctl *ctl);

/* Says that there is no bus at all to ask on, and what to do about it. Return: EXIT_NOT_RUNNING. */
int ctl_fail_no_bus(const Ctl *ctl);

/* What to type to start such an instance where the options lead: a command of systemd, or the programs themselves. The
 * caller's; NULL when out of memory. */
char *ctl_start_command(const Ctl *ctl, const InstanceFilter *filter);

/**
 * ctl_select() - the instances that a verb is to be asked of
 * @ret:        borrowed from @ctl, of which they are a part: @ret_n of them, at least one
 *
 * As -i says; without it the first of those that can answer. It is an error when there is none.
 */
int ctl_select(Ctl *ctl, Target target, const Instance ***ret, size_t *ret_n);

/* The same for verbs that ask one only. */
int ctl_select_one(Ctl *ctl, Target target, const Instance **ret);

/* "this host", or the name of the one that -H or -M names. */
const char *ctl_host_text(const Ctl *ctl);

/* True with -i all: then JSON is an array with one value per instance, however many there are. */
bool ctl_asks_all(const Ctl *ctl);

/* With -i all and several instances: whose table comes now, and an empty line before it. */
void ctl_print_heading(const Ctl *ctl, const Instance *const *asked, size_t n_asked, size_t i);

/* "Also here: peer@6002, seed@5000 (-i NAME, -i all)" for those that have not been asked; nothing when there are
 * none. */
void ctl_print_others(const Ctl *ctl, const Instance *const *asked, size_t n_asked);

const char *instance_interface(const Instance *instance);

/* Calls a method of the root object. @types and what follows as sd_bus_message_append(). An error has been reported.
 * */
int ctl_call(
                Ctl *ctl,
                const Instance *instance,
                const char *method,
                usec_t timeout_usec,
                sd_bus_message **ret,
                const char *types,
                ...);

/* All properties of an object, ready to enter the array a{sv}. */
int ctl_get_all(
                Ctl *ctl,
                const Instance *instance,
                const char *path,
                const char *interface,
                sd_bus_message **ret);

/* Says what a call of @instance (NULL: of the bus or systemd) came back with. Return: an ExitStatus. */
int ctl_report(const Ctl *ctl, const Instance *instance, int r, const sd_bus_error *error);
