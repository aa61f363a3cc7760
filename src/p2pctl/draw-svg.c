/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/text.h"
#include "p2pctl/draw.h"
#include "p2pctl/layout.h"

#define FONT "DejaVu Sans, Liberation Sans, Helvetica, Arial, sans-serif"
#define FONT_SIZE 11
#define CHARACTER_WIDTH 7.0     /* of that size, on the average, generously */
#define SUBTITLE_CHARACTER_WIDTH 7.0
#define LABEL_MAX 20U           /* characters */
#define LABEL_OFF 9.0           /* from the middle of its node */
#define MARGIN 24.0
#define HEADING_HEIGHT 76.0
#define WIDTH_MIN 460.0
#define LEVEL_MAX 30U           /* up to so many nodes their labels are level, else they point outwards */
#define LEGEND_ROW 20.0

/* ---- numbers and texts ---- */

/* One decimal, with a point in every locale. */
static const char *number_format(double value, char buffer[static 32]) {
        long tenths = lround(value * 10);
        bool negative = tenths < 0;

        tenths = labs(tenths);
        (void) snprintf(buffer, 32, "%s%ld.%ld", negative ? "-" : "", tenths / 10, tenths % 10);
        return buffer;
}
#define N(value) number_format((value), (char[32]){})

static size_t character_size(const char *p) {
        size_t n = 1;

        while (((unsigned char) p[n] & 0xc0) == 0x80)
                n++;
        return n;
}

/* How much room it takes, in characters: those of other scripts are often as wide as two. */
static unsigned text_width(const char *text) {
        unsigned width = 0;

        for (const char *p = text; *p; p += character_size(p))
                width += character_size(p) >= 3 ? 2 : 1;
        return width;
}

/* Escaped for people and for XML, and cut to so many characters. */
static int put_text(FILE *file, const char *text, unsigned width_max) {
        _cleanup_free_ char *escaped = text_escape(text, strlen(text));
        bool is_cut;
        unsigned width = 0;

        if (!escaped)
                return -ENOMEM;
        is_cut = text_width(escaped) > width_max;
        for (const char *p = escaped; *p; p += character_size(p)) {
                size_t size = character_size(p);

                width += size >= 3 ? 2 : 1;
                if (is_cut && width >= width_max) {
                        (void) fputs("…", file);
                        break;
                }
                switch (*p) {
                case '&':
                        (void) fputs("&amp;", file);
                        break;
                case '<':
                        (void) fputs("&lt;", file);
                        break;
                case '>':
                        (void) fputs("&gt;", file);
                        break;
                case '"':
                        (void) fputs("&quot;", file);
                        break;
                case '\'':
                        (void) fputs("&#39;", file);
                        break;
                default:
                        (void) fwrite(p, 1, size, file);
                }
        }
        return 0;
}

static int put_line(FILE *file, double x, double y, const char *class, const char *text) {
        int r;

        (void) fprintf(file, "<text class=\"%s\" x=\"%s\" y=\"%s\">", class, N(x), N(y));
        r = put_text(file, text, UINT32_MAX);
        (void) fprintf(file, "</text>\n");
        return r;
}

/* ---- links ---- */

static const char *link_class(const GraphLink *link) {
        if (link->is_doubtful)
                return "doubtful";
        if (!link->carries)
                return link->is_tree ? "tree lazy" : "lazy";
        return link->is_tree ? "tree" : "further";
}

static void put_link(FILE *file, const Graph *graph, const GraphLink *link, bool is_level) {
        const GraphNode *a = graph->nodes + link->a, *b = graph->nodes + link->b;

        if (!a->is_reached || !b->is_reached)
                return;
        (void) fprintf(file, "<path class=\"%s\" d=\"M%s %s", link_class(link), N(a->x), N(a->y));
        if (link->is_tree && is_level)
                (void) fprintf(file, "L%s %s\"", N(b->x), N(b->y));
        else if (link->is_tree) {
                double middle = (a->radius + b->radius) / 2;
                /* The root has no direction of its own. */
                double angle_a = a->radius > 0 ? a->angle : b->angle, angle_b = b->radius > 0 ? b->angle : a->angle;

                (void) fprintf(file, "C%s %s %s %s %s %s\"", N(middle * cos(angle_a)), N(middle * sin(angle_a)),
                               N(middle * cos(angle_b)), N(middle * sin(angle_b)), N(b->x), N(b->y));
        } else          /* bent inwards, where there are no labels */
                (void) fprintf(file, "Q%s %s %s %s\"", N((a->x + b->x) * 0.35), N((a->y + b->y) * 0.35), N(b->x), N(b->y));
        (void) fprintf(file, "/>\n");
}

static void put_links(FILE *file, const Graph *graph, bool tree, bool is_level) {
        for (size_t i = 0; i < graph->n_links; i++)
                if (graph->links[i].is_tree == tree)
                        put_link(file, graph, graph->links + i, is_level);
}

/* ---- nodes ---- */

static const char *node_class(const GraphNode *node) {
        if (strcmp(node->state, "suspect") == 0)
                return "suspect";
        if (strcmp(node->state, "alive") != 0)
                return "gone";
        return strcmp(node->answer, "answered") == 0 ? "alive" : "mute";
}

static int put_details(FILE *file, const GraphNode *node) {
        const char *texts[] = { node->name, node->address, node->state, node->answer, node->id };
        int r = 0;

        (void) fprintf(file, "<title>");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(texts); i++) {
                (void) fputs(i > 0 && texts[i][0] ? ", " : "", file);
                r = put_text(file, texts[i], UINT32_MAX);
        }
        (void) fprintf(file, "</title>");
        return r;
}

/* Where the label of a node stands. */
typedef struct Label {
        const char *anchor;
        double x, y;
        double turn;            /* degrees; 0: level */
} Label;

static Label label_of(const GraphNode *node, bool is_asked, bool is_level) {
        bool is_left = cos(node->angle) < -1e-9;
        double off = is_asked ? LABEL_OFF + 6 : LABEL_OFF, side = is_left ? -off : off;

        if (node->parent == GRAPH_NONE)
                return (Label) { "middle", node->x, node->y + 24, 0 };
        if (!is_level)
                return (Label) { is_left ? "end" : "start", side, FONT_SIZE * 0.35,
                                 (node->angle + (is_left ? M_PI : 0)) * 180 / M_PI };
        /* Towards the middle, away from its children; and above or below where others may be beside it. */
        if (node->first_child != GRAPH_NONE || fabs(cos(node->angle)) < 0.5) {
                bool is_above = (sin(node->angle) < 0) == (node->first_child == GRAPH_NONE);

                return (Label) { "middle", node->x, node->y + (is_above ? -off : off + FONT_SIZE), 0 };
        }
        return (Label) { is_left ? "end" : "start", node->x + side, node->y + FONT_SIZE * 0.35, 0 };
}

static int put_label(FILE *file, const GraphNode *node, bool is_asked, bool is_level) {
        Label label = label_of(node, is_asked, is_level);
        int r;

        (void) fprintf(file, "<text class=\"%s\" text-anchor=\"%s\"", is_asked ? "label asked" : "label", label.anchor);
        if (!is_level && node->parent != GRAPH_NONE)
                (void) fprintf(file, " transform=\"translate(%s %s) rotate(%s)\"", N(node->x), N(node->y), N(label.turn));
        (void) fprintf(file, " x=\"%s\" y=\"%s\">", N(label.x), N(label.y));
        r = put_text(file, node->name, LABEL_MAX);
        (void) fprintf(file, "</text>\n");
        return r;
}

static int put_node(FILE *file, const GraphNode *node, double x, double y, bool is_asked) {
        int r;

        (void) fprintf(file, "<circle class=\"node %s\" cx=\"%s\" cy=\"%s\" r=\"%s\">", node_class(node), N(x), N(y),
                       is_asked ? "8" : "5");
        r = put_details(file, node);
        (void) fprintf(file, "</circle>\n");
        if (is_asked)
                (void) fprintf(file, "<circle class=\"ring\" cx=\"%s\" cy=\"%s\" r=\"11.5\"/>\n", N(x), N(y));
        return r;
}

static int put_nodes(FILE *file, const Graph *graph, bool is_level) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < graph->n_nodes; i++)
                if (graph->nodes[i].is_reached)
                        r = put_node(file, graph->nodes + i, graph->nodes[i].x, graph->nodes[i].y, i == 0);
        for (size_t i = 0; r >= 0 && i < graph->n_nodes; i++)
                if (graph->nodes[i].is_reached)
                        r = put_label(file, graph->nodes + i, i == 0, is_level);
        return r;
}

/* Those that no known link leads to, in columns. */
static int put_others(FILE *file, const Graph *graph, double left, double top, size_t n_columns, double label_width) {
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < graph->n_nodes; i++) {
                const GraphNode *node = graph->nodes + i;
                double x = left + 6 + (double) (n % n_columns) * (label_width + 30),
                       y = top + 22 + (double) (n / n_columns) * LEGEND_ROW;

                if (node->is_reached)
                        continue;
                n++;
                r = put_node(file, node, x, y, false);
                if (r < 0)
                        return r;
                (void) fprintf(file, "<text class=\"label\" x=\"%s\" y=\"%s\">", N(x + LABEL_OFF), N(y + FONT_SIZE * 0.35));
                r = put_text(file, node->name, LABEL_MAX);
                (void) fprintf(file, "</text>\n");
        }
        return r;
}

/* ---- the legend ---- */

typedef struct Entry {
        const char *class;
        const char *text;
        size_t n;
        bool is_node;
} Entry;

#define ENTRIES_MAX 8U

/* Of what there is only. */
static size_t legend_entries(const Graph *graph, Entry ret[static ENTRIES_MAX]) {
        GraphCounts counts = graph_count(graph);
        const Entry links[] = {
                { "tree",     "carries messages, in the tree", counts.n_tree,     false },
                { "further",  "carries messages, beside the tree",                  counts.n_further,  false },
                { "lazy",     "announces messages only",                        counts.n_lazy,     false },
                { "doubtful", "named by one end, denied by the other",          counts.n_doubtful, false },
        };
        Entry nodes[] = {
                { "alive",   "alive, has answered",     0, true },
                { "mute",    "alive, has not answered", 0, true },
                { "suspect", "suspect",                 0, true },
                { "gone",    "dead or left",            0, true },
        };
        size_t n = 0;

        static_assert(ELEMENTSOF(links) + ELEMENTSOF(nodes) <= ENTRIES_MAX, "all have a place");
        for (size_t i = 0; i < graph->n_nodes; i++)
                for (size_t k = 0; k < ELEMENTSOF(nodes); k++)
                        nodes[k].n += strcmp(node_class(graph->nodes + i), nodes[k].class) == 0;
        for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
                if (nodes[i].n > 0)
                        ret[n++] = nodes[i];
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                if (links[i].n > 0)
                        ret[n++] = links[i];
        return n;
}

static void put_legend(FILE *file, const Entry *entries, size_t n, double x, double y) {
        for (size_t i = 0; i < n; i++, y += LEGEND_ROW) {
                if (entries[i].is_node)
                        (void) fprintf(file, "<circle class=\"node %s\" cx=\"%s\" cy=\"%s\" r=\"5\"/>\n", entries[i].class, N(x + 17),
                                       N(y));
                else
                        (void) fprintf(file, "<path class=\"%s sample\" d=\"M%s %sH%s\"/>\n", entries[i].class, N(x), N(y), N(x + 34));
                (void) fprintf(file, "<text class=\"legend\" x=\"%s\" y=\"%s\">%s: %zu</text>\n", N(x + 44), N(y + 4), entries[i].text,
                               entries[i].n);
        }
}

/* ---- all of it ---- */

static void put_style(FILE *file) {
        (void) fprintf(file,
                       "<style>\n"
                       "text { font-family: " FONT "; fill: #111111; }\n"
                       ".title { font-size: 17px; font-weight: bold; }\n"
                       ".subtitle, .legend { font-size: 12px; }\n"
                       ".label { font-size: %dpx; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }\n"
                       ".asked { font-weight: bold; }\n"
                       "path { fill: none; stroke-linecap: round; }\n"
                       ".tree { stroke: #1f4e79; stroke-width: 1.8; }\n"
                       ".further { stroke: #6b8fb5; stroke-width: 0.8; stroke-opacity: 0.45; }\n"
                       ".lazy { stroke: #666666; stroke-width: 0.8; stroke-dasharray: 4 4; stroke-opacity: 0.45; }\n"
                       ".doubtful { stroke: #c2410c; stroke-width: 1.2; stroke-dasharray: 1 4; }\n"
                       ".sample { stroke-opacity: 1; }\n"
                       ".node { stroke: #ffffff; stroke-width: 1; }\n"
                       ".alive { fill: #0b6e4f; }\n"
                       ".suspect { fill: #d97706; }\n"
                       ".gone { fill: #b91c1c; }\n"
                       ".mute { fill: #ffffff; stroke: #555555; stroke-width: 1.6; }\n"
                       ".ring { fill: none; stroke: #1f4e79; stroke-width: 1.5; }\n"
                       ".circle { fill: none; stroke: #e8e8e8; stroke-width: 1; }\n"
                       "</style>\n", FONT_SIZE);
}

typedef struct Box {
        double left, top, right, bottom;
} Box;

static void box_add(Box *box, double x, double y, double reach) {
        box->left = fmin(box->left, x - reach);
        box->right = fmax(box->right, x + reach);
        box->top = fmin(box->top, y - reach);
        box->bottom = fmax(box->bottom, y + reach);
}

/* What nodes and labels need. */
static Box measure(const Graph *graph, double label_width, bool is_level) {
        Box box = { -WIDTH_MIN / 2, -60, WIDTH_MIN / 2, 60 };

        for (size_t i = 0; i < graph->n_nodes; i++) {
                const GraphNode *node = graph->nodes + i;
                double length = LABEL_OFF + label_width;

                if (!node->is_reached)
                        continue;
                if (is_level) {
                        box_add(&box, node->x - length, node->y, 16);
                        box_add(&box, node->x + length, node->y, 16);
                } else
                        box_add(&box, node->x + length * cos(node->angle), node->y + length * sin(node->angle), FONT_SIZE);
        }
        return box;
}

/* White; over circles, which end where there is text. */
static void put_blank(FILE *file, double x, double y, double width, double height) {
        (void) fprintf(file, "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" fill=\"#ffffff\"/>\n", N(x), N(y), N(width), N(height));
}

int draw_svg(FILE *file, Graph *graph, const char *title, const char *subtitle) {
        _cleanup_(layout_done) Layout layout = {};
        bool is_level = graph->n_nodes <= LEVEL_MAX;
        size_t n_others = graph->n_nodes - graph_count(graph).n_reached, n_entries, n_columns;
        double label_width = 0, left, top, width, height, others_top, legend_top;
        Entry entries[ENTRIES_MAX];
        Box box;
        int r;

        for (size_t i = 0; i < graph->n_nodes; i++)
                label_width = fmax(label_width, CHARACTER_WIDTH * MIN(text_width(graph->nodes[i].name), LABEL_MAX));
        r = graph_centre(graph);
        if (r < 0)
                return r;
        r = layout_radial(graph, is_level ? label_width + 16 : FONT_SIZE + 4, label_width + (is_level ? 30 : 26), &layout);
        if (r < 0)
                return r;

        box = measure(graph, label_width, is_level);
        left = box.left - MARGIN;
        top = box.top - HEADING_HEIGHT;
        width = fmax(box.right + MARGIN - left, 2 * MARGIN + SUBTITLE_CHARACTER_WIDTH * text_width(subtitle));
        n_columns = MAX((size_t) 1, (size_t) ((width - 2 * MARGIN) / (label_width + 30)));
        others_top = box.bottom + MARGIN;
        legend_top = others_top + (n_others > 0 ? 40 + LEGEND_ROW * (double) ((n_others + n_columns - 1) / n_columns) : 0);
        n_entries = legend_entries(graph, entries);
        height = legend_top + LEGEND_ROW * (double) n_entries + MARGIN / 2 - top;

        (void) fprintf(file, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                       "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%s\" height=\"%s\" viewBox=\"%s %s %s %s\">\n",
                       N(width), N(height), N(left), N(top), N(width), N(height));
        put_style(file);
        put_blank(file, left, top, width, height);
        for (size_t i = 1; i < layout.n_rings; i++)
                (void) fprintf(file, "<circle class=\"circle\" r=\"%s\"/>\n", N(layout.rings[i]));
        put_blank(file, left, top, width, HEADING_HEIGHT - MARGIN);
        if ((r = put_line(file, left + MARGIN, top + 30, "title", title)) < 0 ||
            (r = put_line(file, left + MARGIN, top + 49, "subtitle", subtitle)) < 0)
                return r;

        put_links(file, graph, false, is_level);
        put_links(file, graph, true, is_level);
        r = put_nodes(file, graph, is_level);
        if (r < 0)
                return r;
        put_blank(file, left, others_top - MARGIN / 2, width, top + height - others_top + MARGIN / 2);
        if (n_others > 0 &&
            ((r = put_line(file, left + MARGIN, others_top, "subtitle", "No known link leads to:")) < 0 ||
             (r = put_others(file, graph, left + MARGIN, others_top, n_columns, label_width)) < 0))
                return r;
        put_legend(file, entries, n_entries, left + MARGIN, legend_top);
        (void) fprintf(file, "</svg>\n");
        return 0;
}
