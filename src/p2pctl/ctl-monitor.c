/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/facts.h"
#include "p2pctl/follow.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

typedef struct Monitor {
        Ctl *ctl;
        Follow *follow;
        bool several;           /* instances: each line says which */
} Monitor;

typedef struct MonitorMatch {
        Monitor *monitor;
        const Instance *instance;
} MonitorMatch;

/* One thing that happened, as facts: "instance", "event", "what" (whom it is about), and what is known about it. */
static int monitor_print(const Monitor *monitor, json_t *facts) {
        _cleanup_(json_decrefp) json_t *owned = facts;
        _cleanup_free_ char *what = NULL, *address = NULL, *reason = NULL;
        const char *event = fact_text(facts, "event");

        if (!owned)
                return -ENOMEM;
        if (monitor->ctl->json != JSON_MODE_OFF) {
                int r = json_print(monitor->ctl, json_incref(owned));

                (void) fflush(stdout);
                return r;
        }

        what = output_text(fact_text(facts, "what"));
        address = output_text(fact_text(facts, "address"));
        reason = output_text(fact_text(facts, "reason"));
        if (!what || !address || !reason)
                return -ENOMEM;

        printf("%s  ", CLOCK_TEXT());
        if (monitor->several)
                printf("%-10s  ", fact_text(facts, "instance"));
        printf("%s%-10s%s  %-18s  ", color_of(monitor->ctl, color_of_state(event)), event,
               color_of(monitor->ctl, COLOR_PLAIN), what);
        if (isempty(address))
                printf("%s\n", reason);
        else
                printf("%s%s%s%s\n", address, isempty(reason) ? "" : "  (", reason, isempty(reason) ? "" : ")");
        (void) fflush(stdout);
        return 0;
}

/* ---- signals ---- */

static int on_peer_changed(const Monitor *monitor, const Instance *instance, sd_bus_message *m) {
        _cleanup_(json_decrefp) json_t *details = NULL;
        const char *id, *path, *change, *name, *direction, *reason;
        int r;

        r = sd_bus_message_read(m, "sos", &id, &path, &change);
        if (r < 0)
                return r;
        r = facts_read_dict(m, &details);
        if (r < 0)
                return r;

        name = fact_text(details, "name");
        direction = fact_text(details, "direction");
        reason = fact_text(details, "reason");
        if (isempty(reason) && streq(change, "linked"))
                reason = streq(direction, "in") ? "in" : "out";
        return monitor_print(monitor, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
                                                "instance", instance->text,
                                                "event", change,
                                                "what", isempty(name) ? id : name,
                                                "id", id,
                                                "address", json_text(fact_text(details, "address")),
                                                "state", json_text(fact_text(details, "state")),
                                                "direction", json_text(direction),
                                                "reason", json_text(reason)));
}

static int on_seed_changed(const Monitor *monitor, const Instance *instance, sd_bus_message *m) {
        _cleanup_free_ char *reason = NULL;
        const char *seed, *address, *state, *error;
        int r;

        r = sd_bus_message_read(m, "ssss", &seed, &address, &state, &error);
        if (r < 0)
                return r;
        if (asprintf(&reason, "%s%s%s", state, isempty(error) ? "" : ": ", error) < 0)
                return -ENOMEM;
        return monitor_print(monitor, json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}",
                                                "instance", instance->text,
                                                "event", "seed",
                                                "what", seed,
                                                "address", json_text(streq(address, seed) ? "" : address),
                                                "state", state,
                                                "reason", reason));
}

static int on_state_changed(const Monitor *monitor, const Instance *instance, sd_bus_message *m) {
        _cleanup_free_ char *was = NULL;
        const char *state, *previous;
        int r;

        r = sd_bus_message_read(m, "ss", &state, &previous);
        if (r < 0)
                return r;
        if (asprintf(&was, "was %s", previous) < 0)
                return -ENOMEM;
        return monitor_print(monitor, json_pack("{s:s, s:s, s:s, s:s, s:s}",
                                                "instance", instance->text,
                                                "event", "state",
                                                "what", state,
                                                "previous", previous,
                                                "reason", was));
}

static int on_overflow(const Monitor *monitor, const Instance *instance, sd_bus_message *m) {
        _cleanup_free_ char *sentence = NULL;
        const char *where;
        uint64_t dropped;
        int r;

        r = sd_bus_message_read(m, "st", &where, &dropped);
        if (r < 0)
                return r;
        if (asprintf(&sentence, "%s dropped: it does not read", COUNT_TEXT(dropped, "message")) < 0)
                return -ENOMEM;
        return monitor_print(monitor, json_pack("{s:s, s:s, s:s, s:o, s:s}",
                                                "instance", instance->text,
                                                "event", "overflow",
                                                "what", where,
                                                "dropped", json_u64(dropped),
                                                "reason", sentence));
}

static int on_gap(const Monitor *monitor, const Instance *instance, sd_bus_message *m) {
        _cleanup_free_ char *sentence = NULL;
        uint64_t first, last, count;
        const char *origin;
        int r;

        r = sd_bus_message_read(m, "sttt", &origin, &first, &last, &count);
        if (r < 0)
                return r;
        if (count == 0)
                r = asprintf(&sentence, "messages of it may be lost, from %" PRIu64 " on: its last one is not known", first);
        else
                r = asprintf(&sentence, "%s of it lost, from %" PRIu64 " to %" PRIu64, COUNT_TEXT(count, "message"), first, last);
        if (r < 0)
                return -ENOMEM;
        return monitor_print(monitor, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s}",
                                                "instance", instance->text,
                                                "event", "gap",
                                                "what", origin,
                                                "first", json_u64(first),
                                                "last", json_u64(last),
                                                "count", json_u64(count),
                                                "reason", sentence));
}

static int monitor_on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const struct {
                const char *member;
                int (*handler)(const Monitor *monitor, const Instance *instance, sd_bus_message *m);
        } table[] = {
                { "PeerChanged",  on_peer_changed  },
                { "SeedChanged",  on_seed_changed  },
                { "StateChanged", on_state_changed },
                { "Gap",          on_gap           },
                { "Overflow",     on_overflow      },
        };
        const MonitorMatch *match = userdata;
        const Monitor *monitor = match->monitor;
        const Instance *instance = match->instance;

        /* sd-bus asks every rule whose sender might have this message. */
        if (follow_sender(monitor->follow, m) != instance)
                return 0;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (sd_bus_message_is_signal(m, instance_interface(instance), table[i].member) > 0) {
                        int r = table[i].handler(monitor, instance, m);

                        /* What we do not understand, a later version may say; what we cannot print, nobody reads. */
                        if (r == -ENOMEM || r == -EIO)
                                return sd_event_exit(follow_event(monitor->follow), r == -EIO ? 0 : r);
                        return 0;
                }
        return 0;
}

static void monitor_on_instance(const Instance *instance, FollowChange change, void *userdata) {
        bool started = change == FOLLOW_STARTED;
        Monitor *monitor = userdata;
        int r;

        if (change == FOLLOW_RUNS)
                return;
        r = monitor_print(monitor, json_pack("{s:s, s:s, s:s, s:s}",
                                             "instance", instance->text,
                                             "event", started ? "started" : "stopped",
                                             "what", instance->text,
                                             "reason", started ? "it runs again" : "waiting for it to come back"));
        if (r < 0)
                (void) sd_event_exit(follow_event(monitor->follow), r == -EIO ? 0 : r);
}

int verb_monitor(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_free_ const Instance **instances = NULL;
        _cleanup_(follow_freep) Follow *follow = NULL;
        _cleanup_free_ MonitorMatch *matches = NULL;
        Monitor monitor = { .ctl = ctl };
        size_t n;
        int r;

        /* Each line is a whole value. */
        if (ctl->json == JSON_MODE_PRETTY)
                ctl->json = JSON_MODE_SHORT;

        r = ctl_select(ctl, TARGET_ANY, &instances, &n);
        if (r != 0)
                return r;
        monitor.several = n > 1;

        r = follow_new(&follow, ctl, instances, n, monitor_on_instance, &monitor);
        if (r != 0)
                return r;
        monitor.follow = follow;
        matches = calloc(n, sizeof(*matches));
        if (!matches)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                char rule[200];

                matches[i] = (MonitorMatch) { &monitor, instances[i] };
                (void) snprintf(rule, sizeof(rule),
                                "type='signal',sender='%s',path='" BUS_PATH_ROOT "',interface='%s'",
                                instances[i]->bus_name, instance_interface(instances[i]));
                r = sd_bus_add_match(ctl->bus, NULL, rule, monitor_on_signal, &matches[i]);
                if (r < 0)
                        return ctl_report(ctl, instances[i], r, NULL);
        }

        /* Nothing may happen for hours: say that this is not for want of looking. */
        ctl_note(ctl, "watching %s%s.", n == 1 ? instances[0]->text : COUNT_TEXT(n, "node"),
                 ctl->has_timeout ? "" : " until Ctrl-C");

        r = follow_run(follow, ctl->has_timeout ? ctl->timeout_usec : USEC_INFINITY);
        return r == EXIT_TIMED_OUT ? 0 : r;     /* --timeout= says for how long to look */
}
