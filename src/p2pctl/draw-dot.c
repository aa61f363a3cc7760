/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>

#include "base/text.h"
#include "p2pctl/draw.h"

/* Within quotes a quote needs a backslash before it, and a label has meanings for what follows a backslash. */
static int put_text(FILE *file, const char *text) {
        _cleanup_free_ char *escaped = text_escape(text, strlen(text));

        if (!escaped)
                return -ENOMEM;
        for (const char *p = escaped; *p; p++) {
                if (*p == '"' || *p == '\\')
                        (void) fputc('\\', file);
                (void) fputc(*p, file);
        }
        return 0;
}

static const char *node_color(const GraphNode *node) {
        if (strcmp(node->state, "suspect") == 0)
                return "#b45309";
        return strcmp(node->state, "alive") == 0 ? "#0b6e4f" : "#991b1b";
}

static int put_node(FILE *file, const GraphNode *node, bool is_root) {
        int r;

        (void) fprintf(file, "        \"");
        if ((r = put_text(file, node->id)) < 0)
                return r;
        (void) fprintf(file, "\" [label=\"");
        if ((r = put_text(file, node->name)) < 0)
                return r;
        (void) fprintf(file, "\", tooltip=\"");
        if ((r = put_text(file, node->address)) < 0)
                return r;
        (void) fprintf(file, "\", color=\"%s\"%s%s];\n", node_color(node), is_root ? ", peripheries=2, root=true" : "",
                       strcmp(node->answer, "answered") == 0 ? "" : ", style=dashed");
        return 0;
}

static const char *link_style(const GraphLink *link) {
        if (link->is_doubtful)
                return "style=dotted, color=\"#c2410c\", constraint=false";
        if (!link->carries)
                return "style=dashed, color=\"#808080\", constraint=false";
        return link->is_tree ? "penwidth=2" : "color=\"#6b8fb5\", constraint=false";
}

static int put_link(FILE *file, const Graph *graph, const GraphLink *link) {
        size_t from = link->a, to = link->b;
        int r;

        /* From the root outwards. */
        if (link->is_tree && graph->nodes[from].parent == to) {
                from = link->b;
                to = link->a;
        }
        (void) fprintf(file, "        \"");
        if ((r = put_text(file, graph->nodes[from].id)) < 0)
                return r;
        (void) fprintf(file, "\" -- \"");
        if ((r = put_text(file, graph->nodes[to].id)) < 0)
                return r;
        (void) fprintf(file, "\" [%s", link_style(link));
        if (link->rtt > 0)
                (void) fprintf(file, ", tooltip=\"%s\"", DURATION_TEXT(link->rtt));
        (void) fprintf(file, "];\n");
        return 0;
}

int draw_dot(FILE *file, const Graph *graph, const char *title) {
        int r;

        (void) fprintf(file, "graph p2pnet {\n        label=\"");
        if ((r = put_text(file, title)) < 0)
                return r;
        (void) fprintf(file, "\";\n        layout=twopi;\n        overlap=false;\n        node [shape=box, fontsize=10];\n\n");
        for (size_t i = 0; i < graph->n_nodes; i++) {
                r = put_node(file, graph->nodes + i, i == 0);
                if (r < 0)
                        return r;
        }
        (void) fputc('\n', file);
        for (size_t i = 0; i < graph->n_links; i++) {
                r = put_link(file, graph, graph->links + i);
                if (r < 0)
                        return r;
        }
        (void) fprintf(file, "}\n");
        return 0;
}
