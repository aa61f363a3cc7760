/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Our D-Bus errors, both ways: a daemon has an errno and sends a name with a sentence, p2pctl gets a name and needs
 * an exit status. What a standard name of D-Bus says as well (wrong arguments, access denied, limits) has no name of
 * ours.
 */

#include <systemd/sd-bus.h>

#include "base/macro.h"

#define BUS_ERROR_NOT_LINKED            "org.p2pnet.Node1.Error.NotLinked"              /* ENOTCONN */
#define BUS_ERROR_BUSY                  "org.p2pnet.Node1.Error.Busy"                   /* EBUSY */
#define BUS_ERROR_NO_SUCH_PEER          "org.p2pnet.Node1.Error.NoSuchPeer"             /* ENODEV */
#define BUS_ERROR_AMBIGUOUS_PEER        "org.p2pnet.Node1.Error.AmbiguousPeer"          /* ENOTUNIQ */
#define BUS_ERROR_CONFIGURATION_INVALID "org.p2pnet.Node1.Error.ConfigurationInvalid"   /* EBADMSG */
#define BUS_ERROR_UNREACHABLE           "org.p2pnet.Node1.Error.Unreachable"            /* EHOSTUNREACH */
#define BUS_ERROR_REFUSED               "org.p2pnet.Node1.Error.Refused"                /* ECONNREFUSED */
#define BUS_ERROR_TIMED_OUT             "org.p2pnet.Node1.Error.TimedOut"               /* ETIMEDOUT */
#define BUS_ERROR_SHUTTING_DOWN         "org.p2pnet.Node1.Error.ShuttingDown"           /* ESHUTDOWN */

/* Exit statuses of p2pctl, which its manual page lists. */
typedef enum ExitStatus {
        EXIT_OK = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_NOT_RUNNING = 3,
        EXIT_NOT_PERMITTED = 4,
        EXIT_NO_SUCH_PEER = 5,
        EXIT_TIMED_OUT = 6,
        EXIT_PARTIAL = 7,
        EXIT_NOT_ONLINE = 8,
} ExitStatus;

/* Makes sd-bus know the errno of our names: from then on sd_bus_error_setf() and sd_bus_error_get_errno() agree with
 * the table above. Once per process, before the first message. */
int bus_errors_register(void);

/**
 * bus_error_set() - fill in the error of a method from an errno
 * @error:      of the method
 * @code:       errno, negative; one that has no name of ours gets the name sd-bus gives it
 * @format:     a sentence for a person: what was found, what is accepted
 *
 * Return: a negative errno, as a method handler returns it.
 */
int bus_error_set(sd_bus_error *error, int code, const char *format, ...) _printf_(3, 4);

/* The exit status for an error that a call came back with. */
ExitStatus bus_error_to_exit_status(const sd_bus_error *error);
