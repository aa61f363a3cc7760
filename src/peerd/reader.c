/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peerd/reader.h"

#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "bus/message-id.h"
#include "core/peer-node.h"

#define AGO_SECONDS_MAX (366U * 24U * 60U * 60U)
#define AGE_SLACK_USEC USEC_PER_SEC

void reader_done(Reader *reader) {
        patterns_done(&reader->patterns);
        free(reader->after);
        *reader = (Reader) {};
}

/* ---- what it asks for ---- */

static int read_since(Reader *reader, sd_bus_message *m, sd_bus_error *error) {
        uint64_t seconds;
        const char *type, *text;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;

        if (streq(type, "t")) {
                r = sd_bus_message_read(m, "v", "t", &seconds);
                if (r < 0)
                        return r;
                reader->since = READER_AGO;
                reader->ago_usec = MIN(seconds, (uint64_t) AGO_SECONDS_MAX) * USEC_PER_SEC;
                return 0;
        }
        if (streq(type, "s")) {
                r = sd_bus_message_read(m, "v", "s", &text);
                if (r < 0)
                        return r;
                reader->since = READER_MESSAGE;
                if (message_id_parse(text, &reader->id) >= 0)
                        return 0;
        }
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                "The option 'since' has to be a number of seconds (t), or the id of a message (s).");
}

static int id_compare(const void *x, const void *y) {
        const MessageId *a = x, *b = y;
        int r = memcmp(&a->origin, &b->origin, sizeof(a->origin));

        if (r != 0)
                return r;
        if (a->epoch != b->epoch)
                return a->epoch < b->epoch ? -1 : 1;
        return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static int refuse_after(sd_bus_error *error) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                 "The option 'after' has to be the ids of messages (as), at most %u.", READER_AFTER_MAX);
}

static int read_after(Reader *reader, sd_bus_message *m, sd_bus_error *error) {
        const char *type, *text;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &type);
        if (r < 0)
                return r;
        if (!streq(type, "as") || reader->after)
                return refuse_after(error);
        reader->after = calloc(READER_AFTER_MAX, sizeof(*reader->after));
        if (!reader->after)
                return -ENOMEM;

        if ((r = sd_bus_message_enter_container(m, 'v', "as")) < 0 ||
            (r = sd_bus_message_enter_container(m, 'a', "s")) < 0)
                return r;
        while ((r = sd_bus_message_read(m, "s", &text)) > 0)
                if (reader->n_after == READER_AFTER_MAX || message_id_parse(text, &reader->after[reader->n_after++]) < 0)
                        return refuse_after(error);
        if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0)
                return r;

        qsort(reader->after, reader->n_after, sizeof(*reader->after), id_compare);
        return sd_bus_message_exit_container(m);
}

static int read_option(Reader *reader, sd_bus_message *m, sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;
        if (streq(key, "since"))
                return read_since(reader, m, error);
        if (streq(key, "after"))
                return read_after(reader, m, error);
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Found the option '%.40s', accepted are since and after.", key);
}

int reader_read(Reader *reader, sd_bus_message *m, usec_t now_usec, sd_bus_error *error) {
        int r;

        reader->published_usec = now_usec;
        if ((r = patterns_read(&reader->patterns, m, error)) < 0 ||
            (r = sd_bus_message_enter_container(m, 'a', "{sv}")) < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0)
                if ((r = read_option(reader, m, error)) < 0 ||
                    (r = sd_bus_message_exit_container(m)) < 0)
                        return r;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ---- which messages ---- */

/* The last of the ids that is of that publisher; NULL: none is. */
static const MessageId *find_after(const Reader *reader, const NodeId *origin) {
        size_t begin = 0, end = reader->n_after;

        while (begin < end) {
                size_t middle = begin + (end - begin) / 2;

                if (memcmp(&reader->after[middle].origin, origin, sizeof(*origin)) <= 0)
                        begin = middle + 1;
                else
                        end = middle;
        }
        return begin > 0 && node_id_equal(&reader->after[begin - 1].origin, origin) ? reader->after + begin - 1 : NULL;
}

static bool reader_wants(const Reader *reader, const Delivery *delivery, const char *topic, usec_t now_usec) {
        const MessageId *after;

        if (!patterns_match(&reader->patterns, topic))
                return false;
        if (reader->published_usec != 0 &&
            usec_add(now_usec, AGE_SLACK_USEC) < usec_add(reader->published_usec, delivery->age_usec))
                return false;
        after = find_after(reader, &delivery->id.origin);
        return !after || id_compare(&delivery->id, after) > 0;
}

int reader_begin(Reader *reader, const Daemon *daemon, sd_bus_error *error) {
        Delivery delivery;

        reader->serial = reader->owed = peer_last_serial(daemon->node);
        switch (reader->since) {
        case READER_NOW:
                return 0;
        case READER_AGO:
                reader->published_usec = usec_sub(daemon_now(daemon), reader->ago_usec);
                if (peer_next_stored(daemon->node, 0, daemon_now(daemon), &delivery))
                        reader->serial = delivery.serial - 1;
                break;
        case READER_MESSAGE:
                reader->published_usec = 0;
                reader->serial = reader->owed = peer_serial_of(daemon->node, &reader->id);
                if (reader->serial == 0)
                        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                                "The message of the option 'since' is not stored here any more.");
                break;
        }
        reader->is_behind = true;
        return 0;
}

bool reader_on_delivery(Reader *reader, const Delivery *delivery, const char *topic, usec_t now_usec) {
        if (reader->is_behind || delivery->serial <= reader->serial)
                return false;
        reader->serial = delivery->serial;
        return reader_wants(reader, delivery, topic, now_usec);
}

/* What has gone from the store before it was read is lost. */
static void reader_skip_to(Reader *reader, uint64_t serial) {
        uint64_t promised = MAX(reader->serial, reader->owed);

        if (serial > promised)
                reader->n_missing += serial - promised;
        reader->serial = MAX(reader->serial, serial);
}

bool reader_next(Reader *reader, const Daemon *daemon, Delivery *ret) {
        usec_t now_usec = daemon_now(daemon);
        char topic[TOPIC_MAX + 1];

        if (!reader->is_behind)
                return false;
        while (peer_next_stored(daemon->node, reader->serial, now_usec, ret)) {
                reader_skip_to(reader, ret->serial - 1);
                memcpy(topic, ret->topic.data, ret->topic.size);
                topic[ret->topic.size] = 0;
                if (reader_wants(reader, ret, topic, now_usec))
                        return true;
                reader->serial = ret->serial;
        }
        reader_skip_to(reader, peer_last_serial(daemon->node));
        reader->is_behind = false;
        return false;
}

void reader_took(Reader *reader, const Delivery *delivery) {
        reader->serial = delivery->serial;
}

uint64_t reader_take_missing(Reader *reader) {
        uint64_t n = reader->n_missing;

        reader->n_missing = 0;
        return n;
}
