/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which bus, and the way to it. A choice is "system", "user", or a D-Bus address such as unix:path=/run/x/bus.
 *
 * The environment: P2PNET_BUS holds a choice; DBUS_SYSTEM_BUS_ADDRESS and DBUS_SESSION_BUS_ADDRESS say where the
 * system and the user bus are, as everywhere.
 */

#include <systemd/sd-bus.h>

#include "base/macro.h"

/**
 * bus_choose() - the bus to use when no option says which
 *
 * What P2PNET_BUS says; else the system bus for root, and where DBUS_SYSTEM_BUS_ADDRESS is set; else the bus of the
 * user if there is a sign of one; else the system bus. Units say it with P2PNET_BUS=, for a service of the system
 * that does not run as root.
 *
 * Return: a choice, borrowed from the environment or static.
 */
const char *bus_choose(void);

/* True where the user has a bus of its own to be asked. */
bool bus_user_exists(void);

/* The D-Bus address a choice stands for. Return: 0, -EINVAL (neither "system" nor "user" nor an address), -ENOENT
 * (this user has no bus), -ENOMEM. */
int bus_choice_to_address(const char *choice, char **ret);

/**
 * bus_open() - begin to connect
 * @choice:     as above; NULL is bus_choose()
 * @description: for debugging output of sd-bus
 * @ret:        a bus that is being connected: replies and signals come once it is attached to an event loop, or
 *              processed. org.freedesktop.DBus.Local.Connected announces that it is ready, .Disconnected that it is
 * lost (sd-bus
 *              does not connect again: a daemon opens a new one). The caller closes it.
 *
 * Does not wait for anything but the connect() to a local socket.
 *
 * Return: 0, an error of bus_choice_to_address(), or why the socket cannot be connected (-ENOENT, -ECONNREFUSED,
 * -EACCES).
 */
int bus_open(const char *choice, const char *description, sd_bus **ret);
