/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service/log-control.h"

#include <errno.h>

#include "base/text.h"
#include "bus/names.h"
#include "daemon/log.h"

static int property_get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_level()));
}

static int property_get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_target());
}

static int property_get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                                   sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_program());
}

static int set_level(const char *value, sd_bus_error *error) {
        int level = log_level_from_string(value);

        if (level < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Found a log level that is none; accepted are emerg, alert, crit, err, warning, notice, "
                                         "info and debug.");
        log_set_level(level);
        log_notice("The log level is %s from now on.", value);
        return 0;
}

static int set_target(const char *value, sd_bus_error *error) {
        if (log_set_target(value) < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Found a log target that is none here; accepted are auto, console and journal.");
        return 0;
}

static int method_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface, *property, *value;
        int r;

        r = sd_bus_message_read(m, "ss", &interface, &property);
        if (r < 0)
                return r;
        if (!streq(interface, BUS_INTERFACE_LOG_CONTROL))
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_INTERFACE, "No such interface here.");
        if (streq(property, "SyslogIdentifier"))
                return sd_bus_error_set(error, SD_BUS_ERROR_PROPERTY_READ_ONLY, "SyslogIdentifier cannot be changed.");
        if (!streq(property, "LogLevel") && !streq(property, "LogTarget"))
                return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "Accepted are LogLevel and LogTarget.");

        r = sd_bus_message_read(m, "v", "s", &value);
        if (r < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s has to be a text.", property);

        r = streq(property, "LogLevel") ? set_level(value, error) : set_target(value, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

/* Called before the vtable below. Return: 0 to go on with it. */
static int log_control_on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Set"))
                return 0;
        if (!sd_bus_message_has_signature(m, "ssv"))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Set() takes an interface, a property and a value.");
        return authorize(userdata, m, "changing the log", method_set, NULL, error);
}

/* LogLevel and LogTarget have no setter, as log_control_on_message() comes first. */
static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", property_get_level, NULL, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", property_get_target, NULL, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", property_get_identifier, 0, 0),
        SD_BUS_VTABLE_END
};

int log_control_attach(sd_bus *bus, Authorizer *authorizer) {
        int r;

        r = sd_bus_add_object(bus, NULL, BUS_PATH_LOG_CONTROL, log_control_on_message, authorizer);
        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(bus, NULL, BUS_PATH_LOG_CONTROL, BUS_INTERFACE_LOG_CONTROL, log_control_vtable, NULL);
}
