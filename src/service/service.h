/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What both daemons show of a node on the bus: names, authorisation, the root object's common part (node-bus.h), the objects of
 * other nodes (member-bus.h), the log (log-control.h), and signals about what the node noticed. The programs embed a
 * Service, which is the userdata of their vtables, too.
 */

#include "bus/authorize.h"
#include "daemon/daemon.h"
#include "daemon/notice.h"
#include "service/bus-connection.h"

typedef struct Service Service;

typedef struct ServiceHandlers {
        /* The program's own objects, the root among them. Return: 0, or an error of sd-bus. */
        int (*attach)(Service *service, sd_bus *bus);
        /* Calls that wait for an answer, and subscriptions, have ended. */
        void (*detach)(Service *service);
} ServiceHandlers;

struct Service {
        Daemon *daemon;                 /* borrowed */
        const char *interface;          /* of the root object */
        const ServiceHandlers *handlers;
        Authorizer *authorizer;
        BusConnection *connection;

        /* Properties that changed are told at most once a second */
        sd_event_source *changes_source;
        usec_t changes_usec;            /* when they were told last */
        bool is_armed;
        NodeState state;                /* as told, */
        NodeState state_signalled;      /* and by StateChanged, which does not wait */
        size_t n_alive;                 /* as told */

        NodeId accused;                 /* by us, last; */
        char evidence[EVIDENCE_TEXT_SIZE];      /* in words: the reason of the suspicion that follows */
};

/**
 * service_init() - begin to connect
 * @choice:     --bus=, or NULL
 * @fixed_name, @interface, @handlers: static
 *
 * Return: 0, or the exit status of sysexits.h after a sentence.
 */
int service_init(Service *service, Daemon *daemon, const char *choice, const char *fixed_name, const char *interface,
                 const ServiceHandlers *handlers);
/* Also for one that is all zeros. */
void service_done(Service *service);

/* NULL while there is no bus. */
sd_bus *service_bus(const Service *service);

/* Tells the bus; the daemon's log has been told. */
void service_on_notice(Service *service, const Notice *notice);

/* Signals that cannot be sent have nobody to read them: nothing is returned. @types as for sd_bus_emit_signal(). */
void service_emit(Service *service, const char *member, const char *types, ...);

/* For methods that change something: sets @error during an orderly stop. Return: 0, -ESHUTDOWN. */
int service_check_running(const Service *service, sd_bus_error *error);
