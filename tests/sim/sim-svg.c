/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sim-svg.h"

#include <errno.h>
#include <math.h>

#define SIDE 900.0              /* of the drawing of the overlay */
#define MARGIN 40.0
#define PLOT_WIDTH 420.0
#define PLOT_HEIGHT 240.0
#define PLOT_GAP 60.0
#define ROUNDS 300U

#define COLOUR_TREE "#1f5fa8"
#define COLOUR_LAZY "#c9cdd2"
#define COLOUR_NODE "#e8a33d"
#define COLOUR_TEXT "#222222"
#define COLOUR_FAINT "#888888"

typedef struct Point {
        double x, y;
} Point;

/* ---- placing nodes ---- */

static void push_apart(Point *force, Point *other_force, const Point *a, const Point *b, double k) {
        double dx = a->x - b->x, dy = a->y - b->y, square = dx * dx + dy * dy + 1e-9, f = k * k / square;

        force->x += dx * f;
        force->y += dy * f;
        other_force->x -= dx * f;
        other_force->y -= dy * f;
}

static void pull_together(Point *force, const Point *a, const Point *b, double k) {
        double dx = a->x - b->x, dy = a->y - b->y, f = sqrt(dx * dx + dy * dy) / k;

        force->x -= dx * f;
        force->y -= dy * f;
}

static void scale_to_side(Point *points, size_t n) {
        Point low = points[0], high = points[0];
        double extent, scale;

        for (size_t i = 1; i < n; i++) {
                low = (Point) { MIN(low.x, points[i].x), MIN(low.y, points[i].y) };
                high = (Point) { MAX(high.x, points[i].x), MAX(high.y, points[i].y) };
        }
        extent = MAX(high.x - low.x, high.y - low.y);
        scale = (SIDE - 2 * MARGIN) / MAX(extent, 1e-9);
        for (size_t i = 0; i < n; i++)
                points[i] = (Point) {
                        SIDE / 2 + (points[i].x - (low.x + high.x) / 2) * scale,
                        SIDE / 2 + (points[i].y - (low.y + high.y) / 2) * scale,
                };
}

static Point *place(const SimOverlay *overlay) {
        size_t n = overlay->n;
        Point *points = calloc(n, sizeof(*points));
        _cleanup_free_ Point *forces = calloc(n, sizeof(*forces));
        double k = 1 / sqrt((double) n);

        if (!points || !forces)
                abort();
        for (size_t i = 0; i < n; i++)
                points[i] = (Point) { cos(2 * M_PI * (double) i / (double) n), sin(2 * M_PI * (double) i / (double) n) };
        for (unsigned round = 0; round < ROUNDS; round++) {
                double step = 0.2 * (1 - (double) round / ROUNDS);

                memset(forces, 0, n * sizeof(*forces));
                for (size_t i = 0; i < n; i++) {
                        for (size_t j = 0; j < i; j++)
                                push_apart(forces + i, forces + j, points + i, points + j, k);
                        for (size_t j = overlay->first[i]; j < overlay->first[i + 1]; j++)
                                pull_together(forces + i, points + i, points + overlay->ends[j], k);
                        pull_together(forces + i, points + i, &(Point) {}, 4 * k);      /* components stay near each other */
                }
                for (size_t i = 0; i < n; i++) {
                        double length = sqrt(forces[i].x * forces[i].x + forces[i].y * forces[i].y) + 1e-9;

                        points[i].x += forces[i].x / length * MIN(length, step);
                        points[i].y += forces[i].y / length * MIN(length, step);
                }
        }
        scale_to_side(points, n);
        return points;
}

/* ---- the overlay ---- */

/* Links of a tree carry all messages, others the odd one before they are lazy. */
static bool link_carries(const SimOverlay *overlay, size_t link, uint32_t most) {
        return most > 0 && overlay->payloads[link] * 2 >= most;
}

static void draw_links(const SimOverlay *overlay, const Point *points, bool carrying, uint32_t most, FILE *out) {
        fprintf(out, "<g stroke=\"%s\" stroke-width=\"%s\">\n", carrying ? COLOUR_TREE : COLOUR_LAZY,
                carrying ? overlay->n > 100 ? "1.6" : "3" : overlay->n > 100 ? "0.6" : "1.2");
        for (size_t i = 0; i < overlay->n; i++)
                for (size_t j = overlay->first[i]; j < overlay->first[i + 1]; j++)
                        if (i < overlay->ends[j] && link_carries(overlay, j, most) == carrying)
                                fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", points[i].x, points[i].y,
                                        points[overlay->ends[j]].x, points[overlay->ends[j]].y);
        fprintf(out, "</g>\n");
}

static void draw_overlay(const SimOverlay *overlay, FILE *out) {
        double radius = CLAMP(90 / sqrt((double) overlay->n), 3.0, 16.0);
        _cleanup_free_ Point *points = place(overlay);
        uint32_t most = 0;

        for (size_t j = 0; j < overlay->first[overlay->n]; j++)
                most = MAX(most, overlay->payloads[j]);
        draw_links(overlay, points, false, most, out);
        draw_links(overlay, points, true, most, out);

        fprintf(out, "<g fill=\"%s\" stroke=\"#ffffff\" stroke-width=\"1\">\n", COLOUR_NODE);
        for (size_t i = 0; i < overlay->n; i++)
                fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>peer-%u, %zu links</title></circle>\n", points[i].x,
                        points[i].y, radius, overlay->nodes[i], sim_overlay_degree(overlay, i));
        fprintf(out, "</g>\n");
        if (radius >= 9) {
                fprintf(out, "<g text-anchor=\"middle\" font-size=\"%.0f\">\n", radius);
                for (size_t i = 0; i < overlay->n; i++)
                        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">%u</text>\n", points[i].x, points[i].y + radius / 3,
                                overlay->nodes[i]);
                fprintf(out, "</g>\n");
        }
        fprintf(out, "<line x1=\"20\" y1=\"%.0f\" x2=\"60\" y2=\"%.0f\" stroke=\"%s\" stroke-width=\"3\"/>"
                "<text x=\"68\" y=\"%.0f\">carries messages</text>\n", SIDE + 10, SIDE + 10, COLOUR_TREE, SIDE + 15);
        fprintf(out, "<line x1=\"220\" y1=\"%.0f\" x2=\"260\" y2=\"%.0f\" stroke=\"%s\" stroke-width=\"2\"/>"
                "<text x=\"268\" y=\"%.0f\">carries few or none</text>\n", SIDE + 10, SIDE + 10, COLOUR_LAZY, SIDE + 15);
}

/* ---- plots ---- */

typedef struct Plot {
        const char *title, *x_text;
        double left, top;
        size_t n;               /* bars or points, from the left */
        double x_first, x_step; /* what the first one and the distance between two stand for */
        const double *values;
        double y_min, y_max;
        const char *y_format;
        bool points;
} Plot;

/* At least that, and so that a quarter of it is a round number. */
static double round_up(double value) {
        static const double steps[] = { 1, 2, 2.5, 5 };
        double unit = pow(10, floor(log10(MAX(value, 1e-9) / 4)));

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (4 * steps[i] * unit >= value)
                        return 4 * steps[i] * unit;
        return 40 * unit;
}

static void draw_plot(const Plot *plot, FILE *out) {
        double width = PLOT_WIDTH / (double) MAX(plot->n, (size_t) 1), range = MAX(plot->y_max - plot->y_min, 1e-9);
        size_t every = plot->n / 8 + 1;

        fprintf(out, "<g transform=\"translate(%.0f %.0f)\">\n<text x=\"0\" y=\"-14\" font-weight=\"bold\">%s</text>\n", plot->left,
                plot->top, plot->title);
        for (unsigned i = 0; i <= 4; i++) {
                double y = PLOT_HEIGHT - PLOT_HEIGHT * i / 4;
                char text[32];

                (void) snprintf(text, sizeof(text), plot->y_format[0] == '%' ? "%.3g %%" : "%.3g", plot->y_min + range * i / 4);
                fprintf(out, "<line x1=\"0\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>"
                        "<text x=\"-6\" y=\"%.1f\" text-anchor=\"end\" font-size=\"12\">%s</text>\n", y, PLOT_WIDTH, y, y + 4, text);
        }
        fprintf(out, "<g fill=\"%s\">\n", COLOUR_TREE);
        for (size_t i = 0; i < plot->n; i++) {
                double height = PLOT_HEIGHT * CLAMP((plot->values[i] - plot->y_min) / range, 0.0, 1.0), x = width * (double) i;

                if (plot->points)
                        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", x + width / 2, PLOT_HEIGHT - height);
                else if (height > 0)
                        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", x + width * 0.1,
                                PLOT_HEIGHT - height, width * 0.8, height);
        }
        fprintf(out, "</g>\n<g font-size=\"12\" text-anchor=\"middle\">\n");
        for (size_t i = 0; i < plot->n; i += every)
                fprintf(out, "<text x=\"%.1f\" y=\"%.0f\">%.4g</text>\n", width * ((double) i + 0.5), PLOT_HEIGHT + 16,
                        plot->x_first + plot->x_step * (double) i);
        fprintf(out, "<text x=\"%.0f\" y=\"%.0f\" fill=\"%s\">%s</text>\n</g>\n</g>\n", PLOT_WIDTH / 2, PLOT_HEIGHT + 34,
                COLOUR_FAINT, plot->n > 0 ? plot->x_text : "nothing to show");
}

static double largest(const double *values, size_t n) {
        double max = 0;

        for (size_t i = 0; i < n; i++)
                max = MAX(max, values[i]);
        return max;
}

static void plot_degrees(const SimReport *report, Plot plot, FILE *out) {
        double values[SHAPE_DEGREE_MAX + 1];

        plot.n = MIN(report->shape.degree_max, SHAPE_DEGREE_MAX) + 1;
        for (size_t i = 0; i < plot.n; i++)
                values[i] = 100.0 * (double) report->shape.degrees[i] / (double) MAX(report->shape.n, (size_t) 1);
        plot.title = "Degree";
        plot.x_text = "links of a node";
        plot.y_format = "%";
        plot.x_step = 1;
        plot.values = values;
        plot.y_max = round_up(largest(values, plot.n));
        draw_plot(&plot, out);
}

static void plot_latency(const SimReport *report, Plot plot, FILE *out) {
        const TrafficReport *traffic = &report->traffic;
        double values[TRAFFIC_BUCKETS];
        uint64_t n = 0;

        for (size_t i = 0; i < TRAFFIC_BUCKETS && traffic->n_delivered > 0; i++) {
                n += traffic->latencies[i];
                values[plot.n++] = 100.0 * (double) n / (double) traffic->n_delivered;
                if (n == traffic->n_delivered)
                        break;
        }
        plot.title = "Latency";
        plot.x_text = "delivered within so many ms of publishing";
        plot.y_format = "%";
        plot.x_first = plot.x_step = (double) TRAFFIC_BUCKET_USEC / USEC_PER_MSEC;
        plot.values = values;
        plot.y_max = 100;
        draw_plot(&plot, out);
}

static void plot_messages(const SimReport *report, Plot plot, bool reach, FILE *out) {
        _cleanup_free_ double *values = calloc(report->n_messages + 1, sizeof(double));
        double low = reach ? 100 : 0;

        if (!values)
                abort();
        for (size_t i = 0; i < report->n_messages; i++) {
                const BroadcastReport *message = report->messages + i;

                values[i] = reach ? 100.0 * message->n_reached / MAX(message->n_peers, 1U) : message->redundancy;
                low = MIN(low, values[i]);
        }
        plot.title = reach ? "Reach" : "Redundancy";
        plot.x_text = reach ? "peers that each message reached, in the order of publishing" :
                              "copies beyond the first for each node (RMR), in the order of publishing";
        plot.y_format = reach ? "%" : "";
        plot.n = report->n_messages;
        plot.x_first = plot.x_step = 1;
        plot.values = values;
        plot.points = true;
        plot.y_min = reach ? MIN(floor(low), 90.0) : floor(low);
        plot.y_max = reach ? 100 : MAX(round_up(largest(values, plot.n)), 1.0);
        draw_plot(&plot, out);
}

int svg_write(const SimReport *report, const SimOverlay *overlay, FILE *out) {
        bool drawn = overlay->n > 0 && overlay->n <= SVG_DRAWN_MAX;
        double left = (drawn ? SIDE : 0) + 80, right = left + PLOT_WIDTH + 90;
        double width = right + PLOT_WIDTH + 30, top = drawn ? 140 : 90, below = top + PLOT_HEIGHT + PLOT_GAP + 40;
        double height = MAX(below + PLOT_HEIGHT + 60, drawn ? SIDE + 40 : 0);

        fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
                "font-family=\"sans-serif\" font-size=\"14\" fill=\"%s\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
                width, height, width, height, COLOUR_TEXT);
        if (drawn)
                draw_overlay(overlay, out);
        fprintf(out, "<text x=\"%.0f\" y=\"30\" font-size=\"18\" font-weight=\"bold\">%zu peers, %zu links, run %ju</text>\n", left,
                report->shape.n, report->shape.n_links, (uintmax_t) report->run);
        fprintf(out, "<text x=\"%.0f\" y=\"54\" fill=\"%s\">path %.2f hops, longest %u; clustering %.4f; %zu component%s%s</text>\n",
                left, COLOUR_FAINT, report->shape.path_mean, report->shape.path_max, report->shape.clustering,
                report->shape.n_components, report->shape.n_components == 1 ? "" : "s",
                drawn ? "" : "; too many to draw each of them");
        plot_degrees(report, (Plot) { .left = left, .top = top }, out);
        plot_latency(report, (Plot) { .left = right, .top = top }, out);
        plot_messages(report, (Plot) { .left = left, .top = below }, true, out);
        plot_messages(report, (Plot) { .left = right, .top = below }, false, out);
        fprintf(out, "</svg>\n");
        return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
