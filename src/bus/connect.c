/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/connect.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define SYSTEM_BUS_ADDRESS_DEFAULT "unix:path=/run/dbus/system_bus_socket"

static const char *environment(const char *name) {
        const char *value = secure_getenv(name);

        return isempty(value) ? NULL : value;
}

/* Return: 0 with *ret NULL when the user has none. */
static int user_bus_address(char **ret) {
        const char *address = environment("DBUS_SESSION_BUS_ADDRESS"),
                   *runtime_dir = environment("XDG_RUNTIME_DIR");
        _cleanup_free_ char *path = NULL;

        *ret = NULL;
        if (address) {
                *ret = strdup(address);
                return *ret ? 0 : -ENOMEM;
        }
        if (!runtime_dir)
                return 0;

        if (asprintf(&path, "%s/bus", runtime_dir) < 0)
                return -ENOMEM;
        if (access(path, F_OK) < 0)
                return 0;
        return asprintf(ret, "unix:path=%s", path) < 0 ? -ENOMEM : 0;
}

bool bus_user_exists(void) {
        _cleanup_free_ char *address = NULL;

        return user_bus_address(&address) >= 0 && address;
}

const char *bus_choose(void) {
        const char *choice = environment("P2PNET_BUS");

        if (choice)
                return choice;
        if (geteuid() == 0 || environment("DBUS_SYSTEM_BUS_ADDRESS") || !bus_user_exists())
                return "system";
        return "user";
}

int bus_choice_to_address(const char *choice, char **ret) {
        _cleanup_free_ char *address = NULL;
        int r;

        if (streq(choice, "system"))
                address = strdup(environment("DBUS_SYSTEM_BUS_ADDRESS") ?: SYSTEM_BUS_ADDRESS_DEFAULT);
        else if (streq(choice, "user")) {
                r = user_bus_address(&address);
                if (r < 0)
                        return r;
                if (!address)
                        return -ENOENT;
        } else if (strchr(choice, ':'))
                address = strdup(choice);
        else
                return -EINVAL;
        if (!address)
                return -ENOMEM;

        *ret = TAKE_PTR(address);
        return 0;
}

int bus_open(const char *choice, const char *description, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = NULL;
        int r;

        r = bus_choice_to_address(choice ?: bus_choose(), &address);
        if (r < 0)
                return r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_description(bus, description);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, true);
        if (r < 0)
                return r;
        r = sd_bus_set_connected_signal(bus, true);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}
