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

/* ---- peers ---- */

/* @pattern is NULL for all names. */
static int call_list_peers(Ctl *ctl, const Instance *instance, const char *pattern, sd_bus_message **ret) {
        uint64_t flags = ctl->all ? LIST_PEERS_ALL : 0;

        if (pattern && ctl->links)
                return ctl_call(ctl, instance, "ListPeers", CALL_TIMEOUT_USEC, ret, "ta{sv}", flags, 2,
                                "Name", "s", pattern, "Linked", "b", 1);
        if (pattern)
                return ctl_call(ctl, instance, "ListPeers", CALL_TIMEOUT_USEC, ret, "ta{sv}", flags, 1,
                                "Name", "s", pattern);
        if (ctl->links)
                return ctl_call(ctl, instance, "ListPeers", CALL_TIMEOUT_USEC, ret, "ta{sv}", flags, 1,
                                "Linked", "b", 1);
        return ctl_call(ctl, instance, "ListPeers", CALL_TIMEOUT_USEC, ret, "ta{sv}", flags, 0);
}

static int add_peer_row(const Ctl *ctl, const Instance *instance, struct libscols_table *table, const json_t *peer) {
        const char *state = fact_text(peer, "state");
        struct libscols_line *row;
        bool has_lease = json_is_integer(json_object_get(peer, "leaseUSec"));
        int r;

        if ((r = table_add_row(table, &row)) < 0 ||
            (r = row_set_color(ctl, row, 0, fact_text(peer, "name"), COLOR_BOLD)) < 0 ||
            (r = row_set(row, 1, fact_text(peer, "address"))) < 0 ||
            (r = row_set_color(ctl, row, 2, state, color_of_state(state))) < 0)
                return r;
        if (instance->seed)
                return (r = row_set(row, 3, has_lease ? DURATION_TEXT(fact_u64(peer, "leaseUSec")) : "-")) < 0 ? r :
                       row_set(row, 4, fact_ago(peer, "registeredUSec", (char[AGO_TEXT_SIZE]){}));

        if ((r = row_set(row, 3, fact_text(peer, "direction"))) < 0 ||
            (r = row_set(row, 4, RTT_TEXT(fact_u64(peer, "rttUSec")))) < 0)
                return r;
        return row_set(row, 5, fact_ago(peer, "sinceUSec", (char[AGO_TEXT_SIZE]){}));
}

static int print_peers(const Ctl *ctl, const Instance *instance, const json_t *peers) {
        _cleanup_(scols_unref_tablep) struct libscols_table *table = NULL;
        int r;

        if ((r = table_new(ctl, &table)) < 0 ||
            (r = table_add_column(ctl, table, "NAME", COLUMN_SHORTEN)) < 0 ||
            (r = table_add_column(ctl, table, "ADDRESS", 0)) < 0 ||
            (r = table_add_column(ctl, table, "STATE", 0)) < 0)
                return r;
        if (instance->seed)
                r = (r = table_add_column(ctl, table, "LEASE", COLUMN_RIGHT)) < 0 ? r :
                    table_add_column(ctl, table, "REGISTERED", 0);
        else if ((r = table_add_column(ctl, table, "LINK", 0)) >= 0 &&
                 (r = table_add_column(ctl, table, "RTT", COLUMN_RIGHT)) >= 0)
                r = table_add_column(ctl, table, "SINCE", 0);
        if (r < 0)
                return r;

        for (size_t i = 0; i < json_array_size(peers); i++) {
                r = add_peer_row(ctl, instance, table, json_array_get(peers, i));
                if (r < 0)
                        return r;
        }
        return table_print(table);
}

/* Nobody in the list: which is what a person would rather know the reason of. */
static int print_alone(Ctl *ctl, const Instance *instance, const char *pattern) {
        _cleanup_(json_decrefp) json_t *facts = NULL;
        const json_t *seeds;
        int r;

        if (!ctl->legend || ctl->quiet)
                return 0;
        if (pattern || ctl->links) {
                printf("No such peer, as seen by %s.\n", instance->text);
                return 0;
        }
        if (instance->seed) {
                printf("No peer is registered with %s.\n", instance->text);
                return 0;
        }

        r = facts_describe(ctl, instance, &facts);
        if (r != 0)
                return r;
        seeds = fact_object(facts, "seeds");
        printf("No other peer known; registered with %" PRIu64 " of %s.\n", fact_u64(seeds, "registered"),
               COUNT_TEXT(fact_u64(seeds, "configured"), "seed"));
        return 0;
}

static int ask_peers(Ctl *ctl, const Instance *instance, void *userdata, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *pattern = userdata;
        uint32_t sample_of = 0;
        json_t *peers;
        usec_t now;
        int r;

        r = facts_clock(ctl, instance, &now);
        if (r != 0)
                return r;
        if (!instance->seed)            /* one of an earlier version has no samples */
                (void) sd_bus_get_property_trivial(ctl->bus, instance->bus_name, BUS_PATH_ROOT, instance_interface(instance),
                                                   "SampleOf", NULL, 'u', &sample_of);
        r = call_list_peers(ctl, instance, pattern, &reply);
        if (r != 0)
                return r;
        r = facts_read_peers(reply, now, &peers);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:o, s:I}", "instance", instance->text, "peers", peers,
                         "sampleOf", (json_int_t) sample_of);
        return 0;
}

static int show_peers(Ctl *ctl, const Instance *instance, const json_t *facts, void *userdata) {
        const json_t *peers = json_object_get(facts, "peers");
        uint64_t sample_of = fact_u64(facts, "sampleOf");
        const char *pattern = userdata;
        int r;

        if (json_array_size(peers) == 0)
                return print_alone(ctl, instance, pattern);
        r = print_peers(ctl, instance, peers);
        if (r < 0)
                return r;
        if (!ctl->legend || ctl->quiet)
                return 0;
        printf("\n%s", COUNT_TEXT(json_array_size(peers), "peer"));
        if (sample_of > 0)
                printf(", a sample of %" PRIu64, sample_of);
        printf(", as seen by %s.\n", instance->text);
        return 0;
}

int verb_peers(Ctl *ctl, size_t n_arguments, char **arguments) {
        static const EachVerb verb = { .is_paged = true, .ask = ask_peers, .print = show_peers };

        return each_run(ctl, &verb, n_arguments > 0 ? arguments[0] : NULL);
}

/* ---- seeds ---- */

static int add_seed_row(const Ctl *ctl, struct libscols_table *table, const json_t *seed) {
        const char *state = fact_text(seed, "state"), *error = fact_text(seed, "error");
        uint64_t peers = fact_u64(seed, "peers");
        _cleanup_free_ char *next = NULL;
        struct libscols_line *row;
        char peers_text[24];
        int r;

        if (json_is_integer(json_object_get(seed, "nextUSec")))
                r = asprintf(&next, "%s in %s%s%s", streq(state, "registered") ? "renew" : "retry",
                             WAIT_TEXT(fact_u64(seed, "nextUSec")), isempty(error) ? "" : ": ", error);
        else if (streq(state, "unreachable"))
                r = asprintf(&next, "no retry needed now%s%s", isempty(error) ? "" : ": ", error);
        else
                r = asprintf(&next, "%s", isempty(error) ? "-" : error);
        if (r < 0)
                return -ENOMEM;
        (void) snprintf(peers_text, sizeof(peers_text), "%" PRIu64, peers);

        if ((r = table_add_row(table, &row)) < 0 ||
            (r = row_set(row, 0, fact_text(seed, "seed"))) < 0 ||
            (r = row_set(row, 1, fact_text(seed, "address"))) < 0 ||
            (r = row_set_color(ctl, row, 2, state, color_of_state(state))) < 0 ||
            (r = row_set(row, 3, peers > 0 ? peers_text : "-")) < 0)
                return r;
        return row_set(row, 4, next);
}

static int print_seeds(const Ctl *ctl, const json_t *seeds) {
        _cleanup_(scols_unref_tablep) struct libscols_table *table = NULL;
        int r;

        if ((r = table_new(ctl, &table)) < 0 ||
            (r = table_add_column(ctl, table, "SEED", COLUMN_SHORTEN)) < 0 ||
            (r = table_add_column(ctl, table, "ADDRESS", 0)) < 0 ||
            (r = table_add_column(ctl, table, "STATE", 0)) < 0 ||
            (r = table_add_column(ctl, table, "PEERS", COLUMN_RIGHT)) < 0 ||
            (r = table_add_column(ctl, table, "NEXT", COLUMN_SHORTEN)) < 0)
                return r;
        for (size_t i = 0; i < json_array_size(seeds); i++) {
                r = add_seed_row(ctl, table, json_array_get(seeds, i));
                if (r < 0)
                        return r;
        }
        return table_print(table);
}

/* What the table means. */
static void print_verdict(const Instance *instance, const json_t *counts) {
        uint64_t configured = fact_u64(counts, "configured"), registered = fact_u64(counts, "registered"),
                 wanted = fact_u64(counts, "wanted");

        if (instance->seed) {
                printf("%s shares its list with %" PRIu64 " of %" PRIu64 " other seeds.\n", instance->text,
                       fact_u64(counts, "linked"), configured);
                return;
        }
        if (configured == 0) {
                printf("No seed is configured: %s finds others only through those it remembers.\n"
                       "Name seeds in %s/seeds.conf\n", instance->text, CONFIG_DIR);
                return;
        }
        printf("Registered with %" PRIu64 " of %" PRIu64 " wanted (a majority of %" PRIu64 ").%s\n", registered,
               wanted,
               configured,
               registered >= wanted ? "" : " The network works without; new peers may not find us.");
}

static int ask_seeds(Ctl *ctl, const Instance *instance, void *userdata, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_decrefp) json_t *facts = NULL;
        json_t *seeds, *summary;
        int r;

        r = facts_describe(ctl, instance, &facts);
        if (r != 0)
                return r;
        summary = json_object_get(facts, "seeds");
        (void) json_object_del(summary, "nextTimestamp");       /* each row has its own */
        r = ctl_call(ctl, instance, "ListSeeds", CALL_TIMEOUT_USEC, &reply, "");
        if (r != 0)
                return r;
        r = facts_read_seeds(reply, fact_u64(facts, "timestamp"), &seeds);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:O*, s:o}", "instance", instance->text, "summary", summary, "seeds", seeds);
        return 0;
}

static int show_seeds(Ctl *ctl, const Instance *instance, const json_t *facts, void *userdata) {
        const json_t *seeds = json_object_get(facts, "seeds");
        int r;

        if (json_array_size(seeds) > 0) {
                r = print_seeds(ctl, seeds);
                if (r < 0)
                        return r;
        }
        if (ctl->legend && !ctl->quiet) {
                printf("%s", json_array_size(seeds) > 0 ? "\n" : "");
                print_verdict(instance, fact_object(facts, "summary"));
        }
        return 0;
}

int verb_seeds(Ctl *ctl, size_t n_arguments, char **arguments) {
        static const EachVerb verb = { .is_paged = true, .ask = ask_seeds, .print = show_seeds };

        return each_run(ctl, &verb, NULL);
}
