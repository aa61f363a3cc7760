/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A daemon's place on a bus: its two names, and coming back when the bus was away. sd-bus does not connect again by itself, so
 * there is a new sd_bus for each time. Nothing here waits; without a bus everything else goes on, after one warning.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/macro.h"

typedef struct BusConnection BusConnection;

typedef struct BusConnectionHandlers {
        /* A new bus, not yet connected: put the objects on it. Return: 0, or an error of sd-bus. */
        int (*attach)(void *userdata, sd_bus *bus);
        /* The bus has gone, and with it every caller: let go of it. */
        void (*detach)(void *userdata);
        /* Whether programs find us is decided: we have our names, or were refused them, or there is no bus. */
        void (*decided)(void *userdata);
} BusConnectionHandlers;

/**
 * bus_connection_new() - begin to connect, and keep at it
 * @choice:     as bus_open(), or "none": no bus, no warning
 * @fixed_name: shared by all instances, queued for; the instance's own is below it
 * @handlers:   static
 *
 * Return: 0; -EINVAL when @choice is none; -ENOMEM and other errors of sd-event.
 */
int bus_connection_new(BusConnection **ret, sd_event *event, const char *choice, const char *fixed_name, uint16_t port,
                       const BusConnectionHandlers *handlers, void *userdata);
BusConnection *bus_connection_free(BusConnection *connection);
DEFINE_CLEANUP(BusConnection *, bus_connection_free)

/* NULL while there is none. */
sd_bus *bus_connection_bus(const BusConnection *connection);
