/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

/* Properties in the order in which they are shown, under which name, and how. */
static const struct {
        const char *key;
        const char *label;
        enum {
                AS_TEXT,
                AS_AGO,
                AS_RTT,
        } how;
} shown[] = {
        { "id",             "Node",        AS_TEXT   },
        { "nodeId",         "Node",        AS_TEXT   },
        { "name",           "Name",        AS_TEXT   },
        { "role",           "Role",        AS_TEXT   },
        { "address",        "Address",     AS_TEXT   },
        { "addresses",      "Advertises",  AS_TEXT   },
        { "state",          "State",       AS_TEXT   },
        { "direction",      "Link",        AS_TEXT   },
        { "sinceUSec",      "Since",       AS_AGO    },
        { "heardUSec",      "Heard",       AS_AGO    },
        { "rttUSec",        "RTT",         AS_RTT    },
        { "epoch",          "Epoch",       AS_TEXT   },
        { "incarnation",    "Incarnation", AS_TEXT   },
        { "network",        "Network",     AS_TEXT   },
        { "profile",        "Profile",     AS_TEXT   },
        { "port",           "Port",        AS_TEXT   },
        { "listenAddresses", "Listens",    AS_TEXT   },
        { "peerCount",      "Peers",       AS_TEXT   },
        { "startUSec",      "Started",     AS_AGO    },
        { "version",        "Version",     AS_TEXT   },
};

/* The texts of an array, or a value of any simple kind. The caller's. */
static char *value_to_text(const json_t *value) {
        char *text = NULL;

        if (json_is_array(value)) {
                for (size_t i = 0; i < json_array_size(value); i++) {
                        _cleanup_free_ char *before = text;

                        if (asprintf(&text, "%s%s%s", before ?: "", before ? ", " : "",
                                     json_string_value(json_array_get(value, i)) ?: "") < 0)
                                return NULL;
                }
                return text ?: strdup("-");
        }
        if (json_is_string(value))
                return strdup(isempty(json_string_value(value)) ? "-" : json_string_value(value));
        return json_dumps(value, JSON_ENCODE_ANY);
}

static int print_fact(const Ctl *ctl, const char *label, const json_t *object, const char *key, int how) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;
        bool is_state = streq(key, "state");

        if (how == AS_AGO)
                text = strdup(fact_ago(object, key, (char[AGO_TEXT_SIZE]){}));
        else if (how == AS_RTT)
                text = strdup(RTT_TEXT(fact_u64(object, key)));
        else
                text = value_to_text(json_object_get(object, key));
        if (!text)
                return -ENOMEM;
        escaped = output_text(text);
        if (!escaped)
                return -ENOMEM;

        printf("%12s: %s%s%s\n", label, is_state ? color_of(ctl, color_of_state(text)) : "", escaped,
               is_state ? color_of(ctl, COLOR_PLAIN) : "");
        return 0;
}

static int print_facts(const Ctl *ctl, const json_t *object) {
        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                int r;

                if (!json_object_get(object, shown[i].key))
                        continue;
                r = print_fact(ctl, shown[i].label, object, shown[i].key, shown[i].how);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* "sinceTimestamp", a point in time, becomes "sinceUSec", how long ago. */
static int replace_timestamp(json_t *object, const char *key, const char *age_key, usec_t now) {
        const json_t *value = json_object_get(object, key);
        usec_t timestamp = fact_u64(object, key);

        if (!value)
                return 0;
        if (json_object_set_new(object, age_key, timestamp > 0 ? json_u64(usec_sub(now, timestamp)) :
                                json_null()) < 0)
                return -ENOMEM;
        return json_object_del(object, key);
}

static int read_properties(Ctl *ctl, const Instance *instance, const char *path, const char *interface,
                           json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_decrefp) json_t *object = NULL;
        usec_t now;
        int r;

        r = facts_clock(ctl, instance, &now);
        if (r != 0)
                return r;
        r = ctl_get_all(ctl, instance, path, interface, &reply);
        if (r != 0)
                return r;
        r = facts_read_dict(reply, &object);
        if (r < 0)
                return r;

        if ((r = replace_timestamp(object, "sinceTimestamp", "sinceUSec", now)) < 0 ||
            (r = replace_timestamp(object, "heardTimestamp", "heardUSec", now)) < 0 ||
            (r = replace_timestamp(object, "startTimestamp", "startUSec", now)) < 0)
                return r;
        (void) json_object_del(object, "timestamp");
        if (json_object_set_new(object, "instance", json_string(instance->text)) < 0)
                return -ENOMEM;

        *ret = TAKE_PTR(object);
        return 0;
}

static int show_node(Ctl *ctl, const Instance *instance, json_t **ret) {
        return read_properties(ctl, instance, BUS_PATH_ROOT, instance_interface(instance), ret);
}

static int show_peer(Ctl *ctl, const Instance *instance, const char *peer, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = ctl_call(ctl, instance, "GetPeer", CALL_TIMEOUT_USEC, &reply, "s", peer);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        return read_properties(ctl, instance, path, BUS_INTERFACE_PEER, ret);
}

int verb_show(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(json_decrefp) json_t *all = json_array();
        _cleanup_free_ const Instance **instances = NULL;
        size_t n, n_shown = 0;
        int r;

        if (!all)
                return -ENOMEM;
        r = ctl_select(ctl, TARGET_ANY, &instances, &n);
        if (r != 0)
                return r;

        page_begin(ctl);
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < MAX(n_arguments, (size_t) 1); j++) {
                        json_t *object;

                        r = n_arguments == 0 ? show_node(ctl, instances[i], &object) :
                                               show_peer(ctl, instances[i], arguments[j], &object);
                        if (r != 0)
                                return r;
                        if (json_array_append_new(all, object) < 0)
                                return -ENOMEM;
                        if (ctl->json != JSON_MODE_OFF)
                                continue;

                        if (n_shown++ > 0)
                                (void) putchar('\n');
                        if (n > 1 && ctl->legend)
                                printf("%s%s:%s\n", color_of(ctl, COLOR_BOLD), instances[i]->text,
                                       color_of(ctl, COLOR_PLAIN));
                        r = print_facts(ctl, object);
                        if (r < 0)
                                return r;
                }

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_incref(ctl_asks_all(ctl) || n_arguments > 1 ? all : json_array_get(all,
                                                                                                               0)));
        return 0;
}
