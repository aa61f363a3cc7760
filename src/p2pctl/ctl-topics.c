/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/each.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

static int read_topics(sd_bus_message *m, usec_t now, json_t **ret_topics, json_t **ret_others) {
        _cleanup_(json_decrefp) json_t *topics = json_array();
        uint64_t n_messages, n_bytes, last, n_subscriptions;
        const char *topic;
        json_t *others;
        int r;

        if (!topics)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "(stttt)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(stttt)", &topic, &n_messages, &n_bytes, &last, &n_subscriptions)) > 0)
                if (json_array_append_new(topics, json_pack("{s:s, s:o, s:o, s:o, s:o}",
                                                            "topic", topic,
                                                            "messages", json_u64(n_messages),
                                                            "bytes", json_u64(n_bytes),
                                                            "lastUSec", fact_age(last, now),
                                                            "subscriptions", json_u64(n_subscriptions))) < 0)
                        return -ENOMEM;
        if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0 ||
            (r = sd_bus_message_read(m, "(ttt)", &n_messages, &n_bytes, &last)) < 0)
                return r;

        others = json_pack("{s:o, s:o, s:o}", "messages", json_u64(n_messages), "bytes", json_u64(n_bytes),
                           "lastUSec", fact_age(last, now));
        if (!others)
                return -ENOMEM;
        *ret_topics = TAKE_PTR(topics);
        *ret_others = others;
        return 0;
}

static int ask_topics(Ctl *ctl, const Instance *instance, void *userdata, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        json_t *topics, *others;
        usec_t now;
        int r;

        r = facts_clock(ctl, instance, &now);
        if (r != 0)
                return r;
        r = ctl_call(ctl, instance, "ListTopics", CALL_TIMEOUT_USEC, &reply, "");
        if (r != 0)
                return r;
        r = read_topics(reply, now, &topics, &others);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:o, s:o}", "instance", instance->text, "topics", topics, "others", others);
        return 0;
}

static int add_row(const Ctl *ctl, struct libscols_table *table, const json_t *topic) {
        uint64_t n_subscriptions = fact_u64(topic, "subscriptions");
        struct libscols_line *row;
        char number[24];
        int r;

        if ((r = table_add_row(table, &row)) < 0 ||
            (r = row_set_color(ctl, row, 0, fact_text(topic, "topic"), COLOR_BOLD)) < 0)
                return r;
        (void) snprintf(number, sizeof(number), "%" PRIu64, fact_u64(topic, "messages"));
        if ((r = row_set(row, 1, number)) < 0 ||
            (r = row_set(row, 2, SIZE_TEXT(fact_u64(topic, "bytes")))) < 0 ||
            (r = row_set(row, 3, fact_ago(topic, "lastUSec", (char[AGO_TEXT_SIZE]){}))) < 0)
                return r;
        (void) snprintf(number, sizeof(number), "%" PRIu64, n_subscriptions);
        return row_set(row, 4, n_subscriptions > 0 ? number : "-");
}

static int print_table(const Ctl *ctl, const json_t *topics) {
        _cleanup_(scols_unref_tablep) struct libscols_table *table = NULL;
        int r;

        if ((r = table_new(ctl, &table)) < 0 ||
            (r = table_add_column(ctl, table, "TOPIC", COLUMN_SHORTEN)) < 0 ||
            (r = table_add_column(ctl, table, "MESSAGES", COLUMN_RIGHT)) < 0 ||
            (r = table_add_column(ctl, table, "PAYLOAD", COLUMN_RIGHT)) < 0 ||
            (r = table_add_column(ctl, table, "LAST", 0)) < 0 ||
            (r = table_add_column(ctl, table, "SUBSCRIPTIONS", COLUMN_RIGHT)) < 0)
                return r;
        for (size_t i = 0; i < json_array_size(topics); i++) {
                r = add_row(ctl, table, json_array_get(topics, i));
                if (r < 0)
                        return r;
        }
        return table_print(table);
}

static int show_topics(Ctl *ctl, const Instance *instance, const json_t *facts, void *userdata) {
        const json_t *topics = fact_object(facts, "topics"), *others = fact_object(facts, "others");
        uint64_t n_others = fact_u64(others, "messages");
        size_t n = json_array_size(topics);
        int r;

        if (n > 0) {
                r = print_table(ctl, topics);
                if (r < 0)
                        return r;
        }
        if (!ctl->legend || ctl->quiet)
                return 0;

        if (n == 0 && n_others == 0) {
                printf("No message has reached %s since it started.\n", instance->text);
                return 0;
        }
        printf("\n%s, as seen by %s since it started.\n", COUNT_TEXT(n, "topic"), instance->text);
        if (n_others > 0)
                printf("Of topics that were not used for longest only the sum is kept: %s, %s.\n", COUNT_TEXT(n_others, "message"),
                       SIZE_TEXT(fact_u64(others, "bytes")));
        return 0;
}

int verb_topics(Ctl *ctl, size_t n_arguments, char **arguments) {
        static const EachVerb verb = { .is_paged = true, .target = TARGET_PEER, .ask = ask_topics, .print = show_topics };

        return each_run(ctl, &verb, NULL);
}
