/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

#define WAIT_TIMEOUT_USEC (120 * USEC_PER_SEC)

#define NAME_OWNER_CHANGED "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0namespace='"

static int get_state(Ctl *ctl, const Instance *instance, sd_bus_error *error, char **ret) {
        return sd_bus_get_property_string(ctl->bus, instance->bus_name, BUS_PATH_ROOT, instance_interface(instance),
                                          "State", error, ret);
}

/* ---- is-online ---- */

/* With -i all: online when all are. */
int verb_is_online(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *states = json_object();
        _cleanup_free_ const Instance **instances = NULL;
        bool online = true;
        size_t n;
        int r;

        if (!states)
                return -ENOMEM;
        r = ctl_select(ctl, TARGET_ANY, &instances, &n);
        if (r != 0)
                return r;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_free_ char *state = NULL, *escaped = NULL;

                r = get_state(ctl, instances[i], &error, &state);
                if (r < 0)
                        return ctl_report(ctl, instances[i], r, &error);
                online = online && streq(state, "online");
                if (json_object_set_new(states, instances[i]->text, json_string(state)) < 0)
                        return -ENOMEM;
                escaped = output_text(state);
                if (!escaped)
                        return -ENOMEM;
                if (ctl->json == JSON_MODE_OFF && !ctl->quiet)
                        printf("%s%s%s\n", n > 1 ? instances[i]->text : "", n > 1 ? ": " : "", escaped);
        }

        if (ctl->json != JSON_MODE_OFF) {
                r = json_print(ctl, json_pack("{s:b, s:O}", "online", (int) online, "state", states));
                if (r < 0)
                        return r;
        }
        return online ? 0 : EXIT_NOT_ONLINE;
}

/* ---- wait-online ---- */

typedef struct Waiter {
        Ctl *ctl;
        sd_event *event;
        InstanceFilter filter;
        Instance last;          /* that was not online when asked last; no port: none runs */
        char *last_state;
        bool dirty;             /* something happened: ask again */
} Waiter;

/* Asks those that run now. With -i all: every one, and at least one; else the first one that matches and is online.
 * Return: true, false, a negative errno. */
static int waiter_is_satisfied(Waiter *waiter) {
        Ctl *ctl = waiter->ctl;
        bool any = false, all = true;
        int r;

        r = ctl_find_instances(ctl);
        if (r < 0)
                return r;

        waiter->last = (Instance) {};
        for (size_t i = 0; i < ctl->n_instances; i++) {
                _cleanup_free_ char *state = NULL;
                bool online;

                if (!instance_matches(&ctl->instances[i], &waiter->filter))
                        continue;
                /* One that has just gone, or does not answer, is not online; it is asked again later. */
                online = get_state(ctl, &ctl->instances[i], NULL, &state) >= 0 && streq(state, "online");
                any = any || online;
                all = all && online;
                if (!online) {
                        waiter->last = ctl->instances[i];
                        free(waiter->last_state);
                        waiter->last_state = TAKE_PTR(state);
                }
        }
        return waiter->filter.all ? any && all : any;
}

static int waiter_on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Waiter *waiter = userdata;

        waiter->dirty = true;
        return 0;
}

/* Whatever happened was noted; what it means is asked here, once for all of it, where calls may wait for answers. */
static int waiter_run(Waiter *waiter, usec_t timeout_usec) {
        uint64_t now, end;
        int r;

        r = sd_event_now(waiter->event, CLOCK_BOOTTIME, &now);
        if (r < 0)
                return r;
        end = usec_add(now, timeout_usec);

        for (;;) {
                waiter->dirty = false;
                r = waiter_is_satisfied(waiter);
                if (r != 0)
                        return r;

                while (!waiter->dirty) {
                        r = sd_event_now(waiter->event, CLOCK_BOOTTIME, &now);
                        if (r < 0)
                                return r;
                        if (now >= end)
                                return 0;
                        r = sd_event_run(waiter->event, end == USEC_INFINITY ? UINT64_MAX : end - now);
                        if (r < 0)
                                return r;
                        if (sd_bus_is_open(waiter->ctl->bus) <= 0)
                                return -ECONNRESET;
                }
        }
}

static int waiter_fail(const Waiter *waiter, usec_t timeout_usec) {
        _cleanup_free_ char *state = output_text(waiter->last_state ?: "not answering");

        const char *who = waiter->ctl->instance && !waiter->filter.all ? waiter->ctl->instance : "a peer or seed";

        if (waiter->last.port == 0)
                return ctl_fail(EXIT_TIMED_OUT, "not online after %s: %s is not running on %s.",
                                DURATION_TEXT(timeout_usec),
                                who, ctl_host_text(waiter->ctl));
        return ctl_fail(EXIT_TIMED_OUT, "not online after %s: %s is %s.\nSee: p2pctl status -i %s",
                        DURATION_TEXT(timeout_usec), waiter->last.text, state ?: "?", waiter->last.text);
}

int verb_wait_online(Ctl *ctl, size_t n_arguments, char **arguments) {
        static const char *const rules[] = {
                NAME_OWNER_CHANGED BUS_NAME_PEER "'",
                NAME_OWNER_CHANGED BUS_NAME_SEED "'",
                "type='signal',path='" BUS_PATH_ROOT "',member='StateChanged'",
        };
        usec_t timeout_usec = ctl->has_timeout ? ctl->timeout_usec : WAIT_TIMEOUT_USEC;
        Waiter waiter = { .ctl = ctl, .filter = { .peers = true } };
        int r;

        /* Without -i it is a peer that is waited for, as it is a peer that programs use. */
        if (ctl->instance && instance_filter_parse(ctl->instance, &waiter.filter) < 0)
                return ctl_fail(EXIT_USAGE, "-i accepts peer@PORT, seed@PORT, PORT, or 'all'.");
        r = ctl_connect(ctl);
        if (r != 0)
                return r;
        if (!ctl->bus)
                return ctl_fail_no_bus(ctl);

        r = sd_event_new(&waiter.event);
        if (r >= 0)
                r = sd_bus_attach_event(ctl->bus, waiter.event, SD_EVENT_PRIORITY_NORMAL);
        for (size_t i = 0; i < ELEMENTSOF(rules) && r >= 0; i++)
                r = sd_bus_add_match(ctl->bus, NULL, rules[i], waiter_on_signal, &waiter);
        if (r >= 0)
                r = waiter_run(&waiter, timeout_usec);
        (void) sd_bus_detach_event(ctl->bus);
        sd_event_unref(waiter.event);

        if (r == 0)
                r = waiter_fail(&waiter, timeout_usec);
        else if (r < 0 && r != -ENOMEM)
                r = ctl_fail_lost(ctl);
        else if (r > 0)
                r = ctl->json != JSON_MODE_OFF ? json_print(ctl, json_pack("{s:b}", "online", 1)) : 0;
        free(waiter.last_state);
        return r;
}
