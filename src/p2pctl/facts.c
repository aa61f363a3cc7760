/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/facts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/output.h"

/* ---- variants ---- */

/* "NodeId" becomes "nodeId", "RTTUSec" "rttUSec". */
static void key_begin_low(char *key) {
        for (size_t i = 0; isupper((unsigned char) key[i]); i++)
                if (i == 0 || (isupper((unsigned char) key[i + 1]) && !streq(key + i, "USec")))
                        key[i] = (char) tolower((unsigned char) key[i]);
                else
                        break;
}

static int texts_read(sd_bus_message *m, json_t **ret) {
        _cleanup_(json_decrefp) json_t *array = json_array();
        const char *text;
        int r;

        if (!array)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &text)) > 0)
                if (json_array_append_new(array, json_string(text)) < 0)
                        return -ENOMEM;
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(array);
        return 0;
}

static int basic_read(sd_bus_message *m, char type, json_t **ret) {
        union {
                const char *s;
                uint64_t t;
                int64_t x;
                uint32_t u;
                int32_t i;
                uint16_t q;
                int b;
                double d;
        } value;
        int r;

        r = sd_bus_message_read_basic(m, type, &value);
        if (r < 0)
                return r;

        switch (type) {
        case 's':
        case 'o':
                *ret = json_string(value.s);
                break;
        case 't':
                *ret = json_u64(value.t);
                break;
        case 'x':
                *ret = json_integer(value.x);
                break;
        case 'u':
                *ret = json_u64(value.u);
                break;
        case 'i':
                *ret = json_integer(value.i);
                break;
        case 'q':
                *ret = json_u64(value.q);
                break;
        case 'b':
                *ret = json_boolean(value.b);
                break;
        case 'd':
                *ret = json_real(value.d);
                break;
        default:
                return -EINVAL;
        }
        return *ret ? 0 : -ENOMEM;
}

/* *ret is NULL when the value was skipped: a type that no fact of ours has. */
static int variant_read(sd_bus_message *m, json_t **ret) {
        const char *contents;
        char type;
        int r;

        *ret = NULL;
        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0 || type != 'v')
                return -EBADMSG;
        if (!streq(contents, "as") && (strlen(contents) != 1 || !strchr("sotxuiqbd", contents[0])))
                return sd_bus_message_skip(m, "v");

        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r < 0)
                return r;
        r = streq(contents, "as") ? texts_read(m, ret) : basic_read(m, contents[0], ret);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0) {
                json_decref(*ret);
                *ret = NULL;
        }
        return r;
}

int facts_read_dict(sd_bus_message *m, json_t **ret) {
        _cleanup_(json_decrefp) json_t *object = json_object();
        int r;

        if (!object)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                _cleanup_free_ char *key = NULL;
                const char *name;
                json_t *value;

                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                key = strdup(name);
                if (!key)
                        return -ENOMEM;
                key_begin_low(key);
                r = variant_read(m, &value);
                if (r < 0)
                        return r;
                if (value && json_object_set_new(object, key, value) < 0)
                        return -ENOMEM;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return 0;
}

/* ---- asking ---- */

int facts_clock(Ctl *ctl, const Instance *instance, usec_t *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_get_property_trivial(ctl->bus, instance->bus_name, BUS_PATH_ROOT, instance_interface(instance),
                                        "Timestamp", &error, 't', ret);
        if (r < 0)
                return ctl_report(ctl, instance, r, &error);
        return 0;
}

int facts_describe(Ctl *ctl, const Instance *instance, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        json_error_t error;
        json_t *object;
        int r;

        r = ctl_call(ctl, instance, "Describe", CALL_TIMEOUT_USEC, &reply, "");
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return r;

        object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!json_is_object(object)) {
                json_decref(object);
                return ctl_fail(EXIT_FAILED, "%s describes itself in a way this program does not understand.",
                                instance->text);
        }
        *ret = object;
        return 0;
}

/* ---- rows ---- */

json_t *fact_age(usec_t timestamp, usec_t now) {
        return timestamp == 0 ? json_null() : json_u64(usec_sub(now, timestamp));
}

/* In how long; null for "nothing is planned". */
static json_t *json_until(usec_t timestamp, usec_t now) {
        return timestamp == 0 || timestamp == USEC_INFINITY ? json_null() : json_u64(usec_sub(timestamp, now));
}

/* What follows a row in its a{sv}, with points in time turned into durations. Consumes nothing else. */
static int row_add_extra(sd_bus_message *m, json_t *row, usec_t now) {
        _cleanup_(json_decrefp) json_t *extra = NULL;
        uint64_t lease, registered;
        int r;

        r = facts_read_dict(m, &extra);
        if (r < 0)
                return r;

        lease = fact_u64(extra, "leaseTimestamp");
        if (lease > 0 && json_object_set_new(row, "leaseUSec", json_until(lease, now)) < 0)
                return -ENOMEM;
        registered = fact_u64(extra, "registeredTimestamp");
        if (registered > 0 && json_object_set_new(row, "registeredUSec", fact_age(registered, now)) < 0)
                return -ENOMEM;
        (void) json_object_del(extra, "leaseTimestamp");
        (void) json_object_del(extra, "registeredTimestamp");
        return json_object_update(row, extra) < 0 ? -ENOMEM : 0;
}

static int read_peer(sd_bus_message *m, usec_t now, json_t **ret) {
        const char *id, *path, *name, *address, *state, *direction;
        uint64_t since, rtt, heard;
        int r;

        r = sd_bus_message_read(m, "sossssttt", &id, &path, &name, &address, &state, &direction, &since, &rtt, &heard);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o}",
                         "id", id,
                         "name", name,
                         "address", json_text(address),
                         "state", state,
                         "direction", direction,
                         "sinceUSec", fact_age(since, now),
                         "rttUSec", rtt > 0 ? json_u64(rtt) : json_null(),
                         "heardUSec", fact_age(heard, now));
        return 0;
}

static int read_seed(sd_bus_message *m, usec_t now, json_t **ret) {
        const char *seed, *address, *state, *error;
        uint64_t peers, next;
        int r;

        r = sd_bus_message_read(m, "sssstt", &seed, &address, &state, &error, &peers, &next);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o}",
                         "seed", seed,
                         "address", json_text(address),
                         "state", state,
                         "error", json_text(error),
                         "peers", json_u64(peers),
                         "nextUSec", json_until(next, now));
        return 0;
}

/* An array of structs, which @types describes, each with an a{sv} at its end. @read reads all before that; the row is NULL
 * when there was no memory for it. */
static int read_rows(sd_bus_message *m, const char *types, int (*read)(sd_bus_message *m, usec_t now, json_t **ret), usec_t now,
                     json_t **ret) {
        _cleanup_(json_decrefp) json_t *array = json_array();
        char contents[32];
        int r;

        if (!array)
                return -ENOMEM;
        (void) snprintf(contents, sizeof(contents), "(%s)", types);
        r = sd_bus_message_enter_container(m, 'a', contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'r', types)) > 0) {
                json_t *row = NULL;

                r = read(m, now, &row);
                if (r < 0)
                        return r;
                if (!row || json_array_append_new(array, row) < 0)
                        return -ENOMEM;
                r = row_add_extra(m, row, now);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(array);
        return 0;
}

int facts_read_peers(sd_bus_message *m, usec_t now, json_t **ret) {
        return read_rows(m, "sossssttta{sv}", read_peer, now, ret);
}

int facts_read_seeds(sd_bus_message *m, usec_t now, json_t **ret) {
        return read_rows(m, "sssstta{sv}", read_seed, now, ret);
}

/* ---- members ---- */

const char *fact_text(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

uint64_t fact_u64(const json_t *object, const char *key) {
        json_int_t value = json_integer_value(json_object_get(object, key));

        return value < 0 ? 0 : (uint64_t) value;
}

const json_t *fact_object(const json_t *object, const char *key) {
        return json_object_get(object, key);    /* all that takes an object takes NULL for an empty one */
}

char *fact_ago(const json_t *object, const char *key, char buffer[static AGO_TEXT_SIZE]) {
        const json_t *value = json_object_get(object, key);
        usec_t age = fact_u64(object, key);

        /* As if the clock had begun a microsecond before it. */
        return ago_format(json_is_integer(value) ? 1 : 0, age + 1, buffer);
}
