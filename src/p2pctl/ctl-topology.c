/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/draw.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/graph.h"
#include "p2pctl/output.h"
#include "p2pctl/verbs.h"

/* Of a link in GetTopology(). */
#define DIALLED_BY_A 1U
#define DIALLED_BY_B 2U
#define EAGER_A 4U
#define EAGER_B 8U
#define DENIED 64U

/* ---- reading ---- */

static int read_nodes(sd_bus_message *m, json_t **ret) {
        _cleanup_(json_decrefp) json_t *nodes = json_array();
        const char *id, *name, *address, *state, *answer;
        int r;

        if (!nodes)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "(sssss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(sssss)", &id, &name, &address, &state, &answer)) > 0)
                if (json_array_append_new(nodes, json_pack("{s:s, s:s, s:o, s:s, s:s}", "id", id, "name", name, "address",
                                                           json_text(address), "state", state, "answer", answer)) < 0)
                        return -ENOMEM;
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        if (json_array_size(nodes) == 0)
                return -EBADMSG;
        *ret = TAKE_PTR(nodes);
        return 0;
}

/* "a" and "b" are ids; the places of both are for make_graph(). Return: 1, 0 at the end, or an error. */
static int read_link(sd_bus_message *m, const json_t *nodes, json_t *links) {
        uint32_t a, b, flags;
        uint64_t rtt;
        json_t *link;
        int r;

        r = sd_bus_message_read(m, "(uuut)", &a, &b, &flags, &rtt);
        if (r <= 0)
                return r;
        if (a >= b || b >= json_array_size(nodes))
                return -EBADMSG;

        link = json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:i, s:i}",
                         "a", fact_text(json_array_get(nodes, a), "id"),
                         "b", fact_text(json_array_get(nodes, b), "id"),
                         "eagerA", (flags & EAGER_A) != 0,
                         "eagerB", (flags & EAGER_B) != 0,
                         "doubtful", (flags & DENIED) != 0,
                         "rttUSec", rtt > 0 ? json_u64(rtt) : json_null(),
                         "placeA", (int) a,
                         "placeB", (int) b);
        if (!link)
                return -ENOMEM;
        if (json_array_append_new(links, link) < 0)
                return -ENOMEM;
        if ((flags & (DIALLED_BY_A | DIALLED_BY_B)) == 0 || (flags & DIALLED_BY_A && flags & DIALLED_BY_B))
                return json_object_set_new(link, "dialledBy", json_null()) < 0 ? -ENOMEM : 1;
        return json_object_set_new(link, "dialledBy", json_string(flags & DIALLED_BY_A ? "a" : "b")) < 0 ? -ENOMEM : 1;
}

static int read_topology(sd_bus_message *m, const char *instance, json_t **ret) {
        _cleanup_(json_decrefp) json_t *nodes = NULL, *links = json_array(), *extra = NULL;
        int r;

        if (!links)
                return -ENOMEM;
        r = read_nodes(m, &nodes);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "(uuut)");
        if (r < 0)
                return r;
        while ((r = read_link(m, nodes, links)) > 0)
                ;
        if (r < 0 || (r = sd_bus_message_exit_container(m)) < 0 ||
            (r = facts_read_dict(m, &extra)) < 0)
                return r;
        if (json_object_set_new(extra, "instance", json_string(instance)) < 0 ||
            json_object_set(extra, "nodes", nodes) < 0 || json_object_set(extra, "links", links) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(extra);
        return 0;
}

/* ---- the graph ---- */

static int make_graph(const json_t *facts, Graph *ret) {
        const json_t *nodes = fact_object(facts, "nodes"), *links = fact_object(facts, "links");
        int r;

        r = graph_init(ret, json_array_size(nodes), json_array_size(links));
        if (r < 0)
                return r;
        for (size_t i = 0; i < ret->n_nodes; i++) {
                const json_t *node = json_array_get(nodes, i);

                ret->nodes[i].id = fact_text(node, "id");
                ret->nodes[i].name = fact_text(node, "name")[0] ? fact_text(node, "name") : fact_text(node, "id");
                ret->nodes[i].address = fact_text(node, "address");
                ret->nodes[i].state = fact_text(node, "state");
                ret->nodes[i].answer = fact_text(node, "answer");
        }
        for (size_t i = 0; i < ret->n_links; i++) {
                const json_t *link = json_array_get(links, i);

                ret->links[i] = (GraphLink) {
                        .a = fact_u64(link, "placeA"),
                        .b = fact_u64(link, "placeB"),
                        .rtt = fact_u64(link, "rttUSec"),
                        .carries = json_is_true(json_object_get(link, "eagerA")) || json_is_true(json_object_get(link, "eagerB")),
                        .is_doubtful = json_is_true(json_object_get(link, "doubtful")),
                };
        }
        return graph_grow(ret);
}

/* What the tree adds to the facts. */
static int add_tree(json_t *facts, const Graph *graph) {
        json_t *nodes = json_object_get(facts, "nodes"), *links = json_object_get(facts, "links");

        for (size_t i = 0; i < graph->n_nodes; i++) {
                const GraphNode *node = graph->nodes + i;
                json_t *object = json_array_get(nodes, i);

                if (json_object_set_new(object, "parent", node->parent == GRAPH_NONE ? json_null() :
                                        json_string(graph->nodes[node->parent].id)) < 0 ||
                    json_object_set_new(object, "hops", node->is_reached ? json_u64(node->depth) : json_null()) < 0 ||
                    json_object_set_new(object, "furtherLinks", json_u64(node->n_further)) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < graph->n_links; i++) {
                json_t *object = json_array_get(links, i);

                if (json_object_set_new(object, "tree", json_boolean(graph->links[i].is_tree)) < 0)
                        return -ENOMEM;
                (void) json_object_del(object, "placeA");
                (void) json_object_del(object, "placeB");
        }
        return 0;
}

/* ---- the tree on a terminal ---- */

static const char *answer_words(const GraphNode *node) {
        if (streq(node->answer, "answered"))
                return "";
        if (streq(node->answer, "silent"))
                return "no answer";
        return streq(node->answer, "not-asked") ? "not asked" : "unreachable";
}

static int print_node(const Ctl *ctl, const Graph *graph, const GraphNode *node) {
        _cleanup_free_ char *name = output_text(node->name), *address = output_text(node->address), *state = output_text(node->state);
        const char *answer = answer_words(node);
        bool is_root = node == graph->nodes;

        if (!name || !address || !state)
                return -ENOMEM;
        printf("%s%s%s", color_of(ctl, is_root ? COLOR_BOLD : COLOR_PLAIN), name, color_of(ctl, COLOR_PLAIN));
        if (is_root && !isempty(address))
                printf("  %s", address);
        if (node->parent != GRAPH_NONE && graph->links[node->parent_link].rtt > 0)
                printf("  %s", RTT_TEXT(graph->links[node->parent_link].rtt));
        if (node->parent != GRAPH_NONE && !graph->links[node->parent_link].carries)
                printf("  announcements only");
        if (!streq(node->state, "alive"))
                printf("  %s%s%s", color_of(ctl, color_of_state(node->state)), state, color_of(ctl, COLOR_PLAIN));
        if (!isempty(answer))
                printf("  %s%s%s", color_of(ctl, COLOR_YELLOW), answer, color_of(ctl, COLOR_PLAIN));
        if (node->n_further > 0)
                printf("  %s+%u%s", color_of(ctl, COLOR_GRAY), node->n_further, color_of(ctl, COLOR_PLAIN));
        (void) putchar('\n');
        return 0;
}

/* All below @parent. @prefix is what stands before their branches. */
static int print_children(const Ctl *ctl, const Graph *graph, size_t parent, const char *prefix) {
        bool utf8 = output_is_utf8();

        for (size_t i = graph->nodes[parent].first_child; i != GRAPH_NONE; i = graph->nodes[i].next_sibling) {
                bool is_last = graph->nodes[i].next_sibling == GRAPH_NONE;
                _cleanup_free_ char *below = NULL;
                int r;

                printf("%s%s", prefix, utf8 ? (is_last ? "└─ " : "├─ ") : (is_last ? "`- " : "|- "));
                r = print_node(ctl, graph, graph->nodes + i);
                if (r < 0)
                        return r;
                if (graph->nodes[i].first_child == GRAPH_NONE)
                        continue;
                if (asprintf(&below, "%s%s", prefix, is_last ? "   " : utf8 ? "│  " : "|  ") < 0)
                        return -ENOMEM;
                r = print_children(ctl, graph, i, below);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int print_unreached(const Ctl *ctl, const Graph *graph) {
        bool is_first = true;

        for (size_t i = 0; i < graph->n_nodes; i++) {
                int r;

                if (graph->nodes[i].is_reached)
                        continue;
                if (is_first && ctl->legend)
                        printf("\nNo known link leads to:\n");
                is_first = false;
                (void) fputs(ctl->legend ? "   " : "", stdout);
                r = print_node(ctl, graph, graph->nodes + i);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void print_summary(const Instance *instance, const json_t *facts, const Graph *graph) {
        GraphCounts counts = graph_count(graph);
        uint64_t n_members = fact_u64(facts, "members"), n_answered = fact_u64(facts, "answered");
        size_t n_silent = 0, n_not_asked = 0;

        if (graph->n_nodes == 1) {
                printf("\nNo other peer is known to %s.\n", instance->text);
                return;
        }
        for (size_t i = 1; i < graph->n_nodes; i++) {
                n_silent += streq(graph->nodes[i].answer, "silent") || streq(graph->nodes[i].answer, "unreachable");
                n_not_asked += streq(graph->nodes[i].answer, "not-asked") &&
                               (streq(graph->nodes[i].state, "alive") || streq(graph->nodes[i].state, "suspect"));
        }
        printf("\n%s, %s: %zu in this tree, at most %s deep", COUNT_TEXT(graph->n_nodes, "node"),
               COUNT_TEXT(graph->n_links - counts.n_doubtful, "link"), counts.n_tree, COUNT_TEXT(counts.depth, "link"));
        if (counts.n_further > 0)
                printf(", %zu further", counts.n_further);
        if (counts.n_lazy > 0)
                printf(", %zu that only announce messages", counts.n_lazy);
        printf("; as %s was told.\n", instance->text);
        if (counts.n_further + counts.n_lazy > 0)
                printf("+N: so many links beside those of the tree.\n");
        if (n_silent > 0)
                printf("%zu of %" PRIu64 " did not answer.\n", n_silent, n_silent + n_answered);
        if (n_not_asked > 0 || n_members > n_silent + n_answered)
                printf("Only %" PRIu64 " of %" PRIu64 " members were asked (a sample).\n", n_silent + n_answered, n_members);
        if (counts.n_doubtful > 0)
                printf("%s left out: named by one end, denied by the other.\n", COUNT_TEXT(counts.n_doubtful, "link"));
}

static int print_tree(Ctl *ctl, const Instance *instance, const json_t *facts, const Graph *graph) {
        int r;

        page_begin(ctl);
        if ((r = print_node(ctl, graph, graph->nodes)) < 0 ||
            (r = print_children(ctl, graph, 0, "")) < 0 ||
            (r = print_unreached(ctl, graph)) < 0)
                return r;
        if (ctl->legend && !ctl->quiet)
                print_summary(instance, facts, graph);
        return 0;
}

/* ---- pictures ---- */

static int draw(const Ctl *ctl, const json_t *facts, Graph *graph) {
        GraphCounts counts = graph_count(graph);
        _cleanup_free_ char *title = NULL, *subtitle = NULL;
        uint64_t n_members = fact_u64(facts, "members"), n_answered = fact_u64(facts, "answered");

        if (asprintf(&title, "The network as %s was told", graph->nodes[0].name) < 0)
                return -ENOMEM;
        if (ctl->dot)
                return draw_dot(stdout, graph, title);
        if (asprintf(&subtitle, "%s, %s; %" PRIu64 " of %" PRIu64 " other members answered; at most %s deep",
                     COUNT_TEXT(graph->n_nodes, "node"), COUNT_TEXT(graph->n_links, "link"), n_answered, n_members,
                     COUNT_TEXT(counts.depth, "link")) < 0)
                return -ENOMEM;
        return draw_svg(stdout, graph, title, subtitle);
}

int verb_topology(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_decrefp) json_t *facts = NULL;
        _cleanup_(graph_done) Graph graph = {};
        const Instance *instance;
        int r;

        if (ctl->dot + ctl->svg + (ctl->json != JSON_MODE_OFF) > 1)
                return ctl_fail(EXIT_USAGE, "of --dot, --svg and --json only one can be given.");
        r = ctl_select_one(ctl, TARGET_PEER, &instance);
        if (r != 0)
                return r;
        r = ctl_call(ctl, instance, "GetTopology", CALL_TIMEOUT_USEC, &reply, "a{sv}", 0);
        if (r != 0)
                return r;
        if ((r = read_topology(reply, instance->text, &facts)) < 0 ||
            (r = make_graph(facts, &graph)) < 0)
                return r;
        if (ctl->dot || ctl->svg)
                return draw(ctl, facts, &graph);
        if (ctl->json == JSON_MODE_OFF)
                return print_tree(ctl, instance, facts, &graph);

        r = add_tree(facts, &graph);
        return r < 0 ? r : json_print(ctl, json_incref(facts));
}
