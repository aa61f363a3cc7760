/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <errno.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/each.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

/* The labels of the lines below the first end in one column. */
#define LABEL "%12s: "

/* ---- status ---- */

static void print_links(const json_t *facts) {
        const json_t *links = fact_object(facts, "links");
        uint64_t rtt = fact_u64(links, "rttMedianUSec");

        printf(LABEL "%" PRIu64 " out, %" PRIu64 " in", "Links", fact_u64(links, "outgoing"), fact_u64(links,
                                                                                                       "inbound"));
        if (rtt > 0)
                printf(" (median RTT %s)", RTT_TEXT(rtt));
        (void) putchar('\n');
}

static int print_peer_seeds(const json_t *facts) {
        const json_t *seeds = fact_object(facts, "seeds"), *addresses = fact_object(seeds, "registeredAt");
        uint64_t next = fact_u64(seeds, "nextTimestamp"), now = fact_u64(facts, "timestamp"),
                 registered = fact_u64(seeds, "registered");

        if (fact_u64(seeds, "configured") == 0) {
                printf(LABEL "none configured\n", "Seeds");
                return 0;
        }

        printf(LABEL "registered with %" PRIu64 " of %" PRIu64, "Seeds", registered, fact_u64(seeds, "configured"));
        for (size_t i = 0; i < json_array_size(addresses); i++) {
                _cleanup_free_ char *text = output_text(json_string_value(json_array_get(addresses, i)) ?: "");

                if (!text)
                        return -ENOMEM;
                printf("%s%s%s", i == 0 ? " (" : ", ", text, i + 1 == json_array_size(addresses) ? ")" : "");
        }
        if (next > 0)
                printf(", next %s in %s", registered > 0 ? "renewal" : "attempt", WAIT_TEXT(usec_sub(next, now)));
        (void) putchar('\n');
        return 0;
}

static void print_gossip(const json_t *facts) {
        const json_t *gossip = fact_object(facts, "gossip");
        uint64_t refused = fact_u64(gossip, "refused"), lost = fact_u64(gossip, "lost");

        printf(LABEL "%" PRIu64 " published, %" PRIu64 " received, %" PRIu64 " duplicates dropped", "Gossip",
               fact_u64(gossip, "published"), fact_u64(gossip, "received"), fact_u64(gossip, "duplicates"));
        if (refused > 0)
                printf(", %" PRIu64 " refused", refused);
        if (lost > 0)
                printf(", %" PRIu64 " lost\n", lost);
        else
                printf(", nothing lost\n");
}

static void print_network(const json_t *facts, const char *network, bool seed) {
        const json_t *members = fact_object(facts, "members");
        uint64_t alive = fact_u64(members, "alive"), suspect = fact_u64(members, "suspect"),
                 lost = fact_u64(members, "lost");

        if (seed)
                printf(LABEL "%s, %s alive", "Network", network, COUNT_TEXT(alive, "peer"));
        else
                printf(LABEL "%s, %s alive", "Network", network, COUNT_TEXT(alive, "other member"));
        if (suspect > 0)
                printf(", %" PRIu64 " suspect", suspect);
        if (fact_u64(members, "sampleOf") > 0)
                printf(", a sample of %" PRIu64, fact_u64(members, "sampleOf"));
        if (lost > 0)
                printf(", %" PRIu64 " lost", lost);
        (void) putchar('\n');
}

static void print_seed(const json_t *facts) {
        const json_t *seeds = fact_object(facts, "seeds"), *reports = fact_object(facts, "reports");

        printf(LABEL "%" PRIu64 " open\n", "Sessions", fact_u64(facts, "sessions"));
        printf(LABEL "linked with %" PRIu64 " of %" PRIu64 " others%s\n", "Seeds",
               fact_u64(seeds, "linked"), fact_u64(seeds, "configured"),
               json_is_false(json_object_get(seeds, "listed")) ? "; not in seeds.conf, added itself" : "");
        printf(LABEL "%" PRIu64 " received, %" PRIu64 " false; %" PRIu64 " found dead\n", "Reports",
               fact_u64(reports, "received"), fact_u64(reports, "false"), fact_u64(reports, "deaths"));
}

static int show_status(Ctl *ctl, const Instance *instance, const json_t *facts, void *userdata) {
        _cleanup_free_ char *name = output_text(fact_text(facts, "name")),
                            *network = output_text(fact_text(facts, "network")),
                            *id = output_text(fact_text(facts, "nodeId")),
                            *state = output_text(fact_text(facts, "state")),
                            *error = output_text(fact_text(facts, "reloadError"));
        bool utf8 = output_is_utf8();
        Color color;
        int r;

        if (!name || !network || !id || !state || !error)
                return -ENOMEM;

        color = color_of_state(state);
        printf("%s%s%s %s%s%s  %s  %s%s%s\n",
               color_of(ctl, color), utf8 ? "●" : "*", color_of(ctl, COLOR_PLAIN),
               color_of(ctl, COLOR_BOLD), instance->text, color_of(ctl, COLOR_PLAIN),
               name,
               color_of(ctl, color), state, color_of(ctl, COLOR_PLAIN));
        print_network(facts, network, instance->seed);
        if (instance->seed)
                print_seed(facts);
        else {
                print_links(facts);
                r = print_peer_seeds(facts);
                if (r < 0)
                        return r;
                print_gossip(facts);
        }
        printf(LABEL "%s, %s, node %s\n", "Running",
               DURATION_TEXT(usec_sub(fact_u64(facts, "timestamp"), fact_u64(facts, "startTimestamp"))),
               SIZE_TEXT(fact_u64(facts, "memoryBytes")),
               id_format(id, ctl->full, utf8, (char[ID_TEXT_SIZE]){}));
        if (!isempty(error))
                printf(LABEL "%srefused: %s%s\n", "Reload", color_of(ctl, COLOR_RED), error, color_of(ctl,
                                                                                                      COLOR_PLAIN));
        return 0;
}

static int ask_status(Ctl *ctl, const Instance *instance, void *userdata, json_t **ret) {
        return facts_describe(ctl, instance, ret);
}

int verb_status(Ctl *ctl, size_t n_arguments, char **arguments) {
        static const EachVerb verb = { .has_heading = true, .ask = ask_status, .print = show_status };

        return each_run(ctl, &verb, NULL);
}
