/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "bus/message-id.h"
#include "p2pctl/ctl-bus.h"
#include "p2pctl/follow.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

/* The last message of a publisher that was printed. */
typedef struct Printed {
        UT_hash_handle hh;
        MessageId id;           /* hashed by its origin */
} Printed;

#define PRINTED_MAX 4096U

typedef struct Subscriber {
        Ctl *ctl;
        Follow *follow;
        const Instance *instance;
        char **patterns;
        size_t n_patterns;
        char *path;             /* of the subscription, NULL: none just now */
        bool has_begun, again;  /* it is not the first one */
        Printed *printed;       /* by publisher, in the order in which they were last heard */
        uint64_t n_received;
} Subscriber;

typedef struct Received {
        const char *id, *topic, *origin, *name;
        const void *payload;
        size_t payload_size;
        uint64_t age_usec;
        uint32_t n_hops;
} Received;

/* The two members of the last argument that we know. */
static int read_details(sd_bus_message *m, Received *received) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                r = streq(key, "AgeUSec") ? sd_bus_message_read(m, "v", "t", &received->age_usec) :
                    streq(key, "Hops")    ? sd_bus_message_read(m, "v", "u", &received->n_hops) :
                                            sd_bus_message_skip(m, "v");
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

static int received_print_json(const Ctl *ctl, const Received *received) {
        json_t *payload;
        bool is_text = payload_is_text(received->payload, received->payload_size);

        if (is_text)
                payload = json_stringn(received->payload ?: "", received->payload_size);
        else {
                _cleanup_free_ char *base64 = base64_encode(received->payload, received->payload_size);

                payload = base64 ? json_string(base64) : NULL;
        }
        return json_print(ctl, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:i}",
                                         "id", received->id,
                                         "topic", received->topic,
                                         "origin", received->origin,
                                         "name", json_text(received->name),
                                         is_text ? "payload" : "payloadBase64", payload,
                                         "ageUSec", json_u64(received->age_usec),
                                         "hops", (int) received->n_hops));
}

static int received_print(const Ctl *ctl, const Received *received) {
        _cleanup_free_ char *topic = NULL, *name = NULL, *payload = NULL;

        if (ctl->raw)
                return fwrite(received->payload ?: "", 1, received->payload_size,
                              stdout) == received->payload_size ? 0 : -EIO;
        if (ctl->json != JSON_MODE_OFF)
                return received_print_json(ctl, received);

        topic = output_text(received->topic);
        name = output_text(isempty(received->name) ? received->origin : received->name);
        payload = text_escape(received->payload ?: "", received->payload_size);
        if (!topic || !name || !payload)
                return -ENOMEM;
        printf("%s  %s%s%s  from %s  %s\n", CLOCK_TEXT(), color_of(ctl, COLOR_BOLD), topic, color_of(ctl,
                                                                                                     COLOR_PLAIN),
               name, payload);
        return 0;
}

/* ---- what was printed ---- */

/*
 * A peer that is back fetches what it has missed, and its new subscription has what was published up to a second before it: the
 * earlier one may have shown us some of that. Return: 1 when it is to be printed, 0 when it was, -ENOMEM.
 */
static int subscriber_is_news(Subscriber *subscriber, const char *text) {
        Printed *printed;
        MessageId id;

        if (message_id_parse(text, &id) < 0)
                return 1;               /* of a later version */

        HASH_FIND(hh, subscriber->printed, &id.origin, sizeof(NodeId), printed);
        if (printed) {
                if (subscriber->again && (id.epoch < printed->id.epoch ||
                                          (id.epoch == printed->id.epoch && id.sequence <= printed->id.sequence)))
                        return 0;
                HASH_DELETE(hh, subscriber->printed, printed);
        } else {
                if (HASH_COUNT(subscriber->printed) >= PRINTED_MAX) {
                        Printed *eldest = subscriber->printed;

                        HASH_DELETE(hh, subscriber->printed, eldest);
                        free(eldest);
                }
                printed = malloc(sizeof(*printed));
                if (!printed)
                        return -ENOMEM;
        }
        printed->id = id;
        HASH_ADD(hh, subscriber->printed, id.origin, sizeof(NodeId), printed);
        if (!table_added(printed)) {
                free(printed);
                return -ENOMEM;
        }
        return 1;
}

static void subscriber_forget(Subscriber *subscriber) {
        Printed *printed, *next;

        HASH_ITER(hh, subscriber->printed, printed, next) {
                HASH_DELETE(hh, subscriber->printed, printed);
                free(printed);
        }
}

/* ---- signals ---- */

static int subscriber_exit(Subscriber *subscriber, int r) {
        return sd_event_exit(follow_event(subscriber->follow), r == -EIO ? 0 : r);
}

static int subscriber_on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Subscriber *subscriber = userdata;
        const char *path = sd_bus_message_get_path(m);
        Received received = {};
        int r;

        if (!subscriber->path || !path || !streq(path, subscriber->path))
                return 0;
        if (follow_sender(subscriber->follow, m) != subscriber->instance)
                return 0;

        if ((r = sd_bus_message_read(m, "ssss", &received.id, &received.topic, &received.origin,
                                     &received.name)) < 0 ||
            (r = sd_bus_message_read_array(m, 'y', &received.payload, &received.payload_size)) < 0 ||
            (r = read_details(m, &received)) < 0)
                return 0;       /* of a later version; and a message to nobody's taste does not end the rest */

        r = subscriber_is_news(subscriber, received.id);
        if (r == 0)
                return 0;
        if (r > 0)
                r = received_print(subscriber->ctl, &received);
        if (fflush(stdout) != 0)
                r = -EIO;
        if (r < 0)
                return subscriber_exit(subscriber, r);

        subscriber->n_received++;
        if (subscriber->ctl->has_count && subscriber->n_received >= subscriber->ctl->count)
                return subscriber_exit(subscriber, 0);
        return 0;
}

static int subscriber_on_overflow(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Subscriber *subscriber = userdata;
        uint64_t dropped;

        if (follow_sender(subscriber->follow, m) == subscriber->instance && sd_bus_message_read(m, "t", &dropped) > 0)
                ctl_note(subscriber->ctl, "%s lost: this program did not read fast enough.",
                         COUNT_TEXT(dropped, "message"));
        return 0;
}

static int append_options(sd_bus_message *m, const Subscriber *subscriber) {
        const Ctl *ctl = subscriber->ctl;

        if (!ctl->since || subscriber->has_begun)
                return sd_bus_message_append(m, "a{sv}", 0);
        if (message_id_parse(ctl->since, &(MessageId) {}) >= 0)
                return sd_bus_message_append(m, "a{sv}", 1, "since", "s", ctl->since);
        return sd_bus_message_append(m, "a{sv}", 1, "since", "t", ctl->since_seconds);
}

/* Return: 0, or an error that has been reported. */
static int subscriber_subscribe(Subscriber *subscriber) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path;
        int r;

        if ((r = sd_bus_message_new_method_call(subscriber->ctl->bus, &m, subscriber->instance->bus_name,
                                                BUS_PATH_ROOT,
                                                BUS_INTERFACE_MANAGER, "Subscribe")) < 0 ||
            (r = sd_bus_message_open_container(m, 'a', "s")) < 0)
                return r;
        for (size_t i = 0; i < subscriber->n_patterns; i++) {
                r = sd_bus_message_append(m, "s", subscriber->patterns[i]);
                if (r < 0)
                        return r;
        }
        if ((r = sd_bus_message_close_container(m)) < 0 ||
            (r = append_options(m, subscriber)) < 0)
                return r;

        r = sd_bus_call(subscriber->ctl->bus, m, CALL_TIMEOUT_USEC, &error, &reply);
        if (r < 0)
                return ctl_report(subscriber->ctl, subscriber->instance, r, &error);
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;

        subscriber->again = subscriber->has_begun;
        subscriber->has_begun = true;
        subscriber->path = strdup(path);
        return subscriber->path ? 0 : -ENOMEM;
}

static void subscriber_on_instance(const Instance *instance, FollowChange change, void *userdata) {
        Subscriber *subscriber = userdata;
        int r;

        if (change == FOLLOW_RUNS)
                return;

        free(subscriber->path);
        subscriber->path = NULL;
        if (change == FOLLOW_STOPPED) {
                ctl_note(subscriber->ctl, "%s has stopped; waiting for it to come back.", instance->text);
                return;
        }

        r = subscriber_subscribe(subscriber);
        if (r != 0)
                (void) sd_event_exit(follow_event(subscriber->follow), r);
        else
                ctl_note(subscriber->ctl, "%s runs again; subscribed again.", instance->text);
}

int verb_subscribe(Ctl *ctl, size_t n_arguments, char **arguments) {
        Subscriber subscriber = { .ctl = ctl, .patterns = arguments, .n_patterns = n_arguments };
        _cleanup_(follow_freep) Follow *follow = NULL;
        int r;

        if (ctl->json == JSON_MODE_PRETTY)
                ctl->json = JSON_MODE_SHORT;    /* each line is a whole value */

        r = ctl_select_one(ctl, TARGET_PEER, &subscriber.instance);
        if (r != 0)
                return r;
        r = follow_new(&follow, ctl, &subscriber.instance, 1, subscriber_on_instance, &subscriber);
        if (r != 0)
                return r;
        subscriber.follow = follow;

        if ((r = sd_bus_match_signal(ctl->bus, NULL, subscriber.instance->bus_name, NULL, BUS_INTERFACE_SUBSCRIPTION,
                                     "Message", subscriber_on_message, &subscriber)) < 0 ||
            (r = sd_bus_match_signal(ctl->bus, NULL, subscriber.instance->bus_name, NULL, BUS_INTERFACE_SUBSCRIPTION,
                                     "Overflow", subscriber_on_overflow, &subscriber)) < 0)
                return ctl_report(ctl, subscriber.instance, r, NULL);
        r = subscriber_subscribe(&subscriber);
        if (r == 0)
                r = follow_run(follow, ctl->has_timeout ? ctl->timeout_usec : USEC_INFINITY);
        free(subscriber.path);
        subscriber_forget(&subscriber);

        if (r == EXIT_TIMED_OUT && ctl->has_count)
                return ctl_fail(EXIT_TIMED_OUT, "%s received in %s, %" PRIu64 " wanted.",
                                COUNT_TEXT(subscriber.n_received,
                                           "message"), DURATION_TEXT(ctl->timeout_usec), ctl->count);
        if (r == EXIT_TIMED_OUT)
                return 0;
        if (r == 0 && ctl->has_count && subscriber.n_received < ctl->count)
                return EXIT_PARTIAL;
        return r;
}
