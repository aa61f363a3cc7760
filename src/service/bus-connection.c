/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service/bus-connection.h"

#include <errno.h>

#include "bus/connect.h"
#include "bus/names.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "io/clock.h"

#define RETRY_FIRST_USEC (500 * USEC_PER_MSEC)
#define RETRY_USEC (5 * USEC_PER_SEC)

struct BusConnection {
        sd_event *event;                /* reference */
        char *choice;
        const char *fixed_name;
        uint16_t port;
        const BusConnectionHandlers *handlers;
        void *userdata;

        sd_bus *bus;
        sd_event_source *retry_source;
        bool is_away;                   /* and that was said */
};

static void bus_connection_drop(BusConnection *connection) {
        if (!connection->bus)
                return;

        connection->handlers->detach(connection->userdata);
        (void) sd_bus_detach_event(connection->bus);
        connection->bus = sd_bus_close_unref(connection->bus);  /* no flush, which would wait for a bus that hangs */
}

BusConnection *bus_connection_free(BusConnection *connection) {
        if (!connection)
                return NULL;

        bus_connection_drop(connection);
        sd_event_source_disable_unref(connection->retry_source);
        sd_event_unref(connection->event);
        free(connection->choice);
        free(connection);
        return NULL;
}

sd_bus *bus_connection_bus(const BusConnection *connection) {
        return connection->bus;
}

static void bus_connection_retry(BusConnection *connection, usec_t delay_usec) {
        (void) sd_event_source_set_time(connection->retry_source, usec_add(event_now(connection->event), delay_usec));
        (void) sd_event_source_set_enabled(connection->retry_source, SD_EVENT_ONESHOT);
}

static void bus_connection_away(BusConnection *connection, const char *reason) {
        if (connection->is_away)
                return;

        connection->is_away = true;
        log_facts(LOG_WARNING, LOG_FACTS(.message_id = MESSAGE_ID_BUS_LOST, .reason = reason),
                  "No D-Bus: %s. The network works without, but local programs cannot reach this node; trying again.", reason);
        connection->handlers->decided(connection->userdata);
}

/* sd-bus is in the middle of taking leave when it says so: the rest is for the next turn. */
static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusConnection *connection = userdata;

        bus_connection_away(connection, "the connection has ended");
        bus_connection_retry(connection, RETRY_FIRST_USEC);
        return 0;
}

static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusConnection *connection = userdata;

        if (connection->is_away)
                log_facts(LOG_NOTICE, LOG_FACTS(.message_id = MESSAGE_ID_BUS_BACK), "D-Bus is back.");
        connection->is_away = false;
        return 0;
}

/* Without its names the daemon still can be asked by its unique name, and still takes part in the network. */
static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        enum { PRIMARY_OWNER = 1, IN_QUEUE = 2, EXISTS = 3, ALREADY_OWNER = 4 };
        BusConnection *connection = userdata;
        const sd_bus_error *refusal = sd_bus_message_get_error(m);
        uint32_t result;

        if (refusal) {
                if (!sd_bus_error_has_name(refusal, SD_BUS_ERROR_NO_REPLY) &&
                    !sd_bus_error_has_name(refusal, SD_BUS_ERROR_DISCONNECTED))
                        log_warning("The bus does not give this node a name below %s: %s", connection->fixed_name,
                                    refusal->message ? refusal->message : refusal->name);
                return 0;
        }

        if (sd_bus_message_read(m, "u", &result) >= 0 && result == EXISTS)
                log_warning("The name %s is taken on this bus: programs that ask for this node reach another.",
                            INSTANCE_NAME(connection->fixed_name, connection->port));
        return 0;
}

/* The name of the instance is asked for last, and the bus answers in order. */
static int on_last_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusConnection *connection = userdata;
        int r;

        r = on_name(m, userdata, error);
        connection->handlers->decided(connection->userdata);
        return r;
}

static int bus_connection_set_up(BusConnection *connection, sd_bus *bus) {
        static const char rule[] = "type='signal',sender='org.freedesktop.DBus.Local',"
                                   "path='/org/freedesktop/DBus/Local',interface='org.freedesktop.DBus.Local',member='%s'";
        char match[sizeof(rule) + 16];
        int r;

        (void) snprintf(match, sizeof(match), rule, "Connected");
        r = sd_bus_add_match_async(bus, NULL, match, on_connected, NULL, connection);
        if (r < 0)
                return r;
        (void) snprintf(match, sizeof(match), rule, "Disconnected");
        r = sd_bus_add_match_async(bus, NULL, match, on_disconnected, NULL, connection);
        if (r < 0)
                return r;

        r = connection->handlers->attach(connection->userdata, bus);
        if (r < 0)
                return r;

        /* In this order: by the policy of the bus only who has the fixed name, or waits for it, may be called, by any name. Who
         * watches for this instance calls as soon as its name is there. */
        r = sd_bus_request_name_async(bus, NULL, connection->fixed_name, SD_BUS_NAME_QUEUE, on_name, connection);
        if (r < 0)
                return r;
        r = sd_bus_request_name_async(bus, NULL, INSTANCE_NAME(connection->fixed_name, connection->port), 0, on_last_name,
                                      connection);
        if (r < 0)
                return r;
        return sd_bus_attach_event(bus, connection->event, SD_EVENT_PRIORITY_NORMAL);
}

/* Return: 0; -EINVAL when the choice of a bus is none. */
static int bus_connection_open(BusConnection *connection) {
        int r;

        r = bus_open(connection->choice, log_program(), &connection->bus);
        if (r == -EINVAL)
                return r;
        if (r >= 0) {
                r = bus_connection_set_up(connection, connection->bus);
                if (r < 0)
                        bus_connection_drop(connection);
        }
        if (r < 0) {
                bus_connection_away(connection, strerror(-r));
                bus_connection_retry(connection, RETRY_USEC);
        }
        return 0;
}

static int bus_connection_on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        BusConnection *connection = userdata;

        bus_connection_drop(connection);
        (void) bus_connection_open(connection);
        return 0;
}

int bus_connection_new(BusConnection **ret, sd_event *event, const char *choice, const char *fixed_name, uint16_t port,
                       const BusConnectionHandlers *handlers, void *userdata) {
        _cleanup_(bus_connection_freep) BusConnection *connection = NULL;
        int r;

        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return -ENOMEM;

        connection->event = sd_event_ref(event);
        connection->fixed_name = fixed_name;
        connection->port = port;
        connection->handlers = handlers;
        connection->userdata = userdata;
        connection->choice = strdup(choice ? choice : bus_choose());
        if (!connection->choice)
                return -ENOMEM;

        r = sd_event_add_time(event, &connection->retry_source, CLOCK_BOOTTIME, 0, USEC_PER_SEC, bus_connection_on_retry,
                              connection);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(connection->retry_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        if (streq(connection->choice, "none"))
                handlers->decided(userdata);
        else {
                r = bus_connection_open(connection);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(connection);
        return 0;
}
