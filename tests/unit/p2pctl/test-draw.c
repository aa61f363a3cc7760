/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What strangers call themselves stays text in every kind of picture, and numbers are numbers everywhere. */

#include "p2pctl/draw.h"

#include <locale.h>

#include "unit.h"

#define HOSTILE "</text><script>x&y</script>\"]; \\n evil 'quote'"

static void make(Graph *graph, size_t n_nodes) {
        assert_int_equal(graph_init(graph, n_nodes, n_nodes), 0);
        graph->n_links = n_nodes - 1;
        for (size_t i = 0; i < n_nodes; i++) {
                graph->nodes[i] = (GraphNode) { .id = i % 2 ? "id-of\"one" : "id", .name = i % 2 ? HOSTILE : "web-1:6001",
                                                .address = "10.0.0.1:6001", .state = i % 5 == 1 ? "suspect" : "alive",
                                                .answer = i % 3 == 1 ? "silent" : "answered" };
                if (i > 0)
                        graph->links[i - 1] = (GraphLink) { .a = i / 2, .b = i, .rtt = 1234, .carries = i % 4 != 3,
                                                            .is_doubtful = i % 7 == 6 };
        }
        assert_int_equal(graph_grow(graph), 0);
}

static char *svg_of(size_t n_nodes) {
        _cleanup_(graph_done) Graph graph = {};
        char *text = NULL;
        size_t size;
        FILE *file;

        make(&graph, n_nodes);
        file = open_memstream(&text, &size);
        assert_non_null(file);
        assert_int_equal(draw_svg(file, &graph, HOSTILE, "sub & title"), 0);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void test_no_name_becomes_markup(void **state) {
        for (size_t n = 1; n < 60; n++) {
                _cleanup_free_ char *text = svg_of(n);

                assert_null(strstr(text, "<script"));
                assert_null(strstr(text, "x&y"));
                assert_null(strstr(text, "& "));
                assert_non_null(strstr(text, "&lt;/text&gt;&lt;script&gt;x&amp;y"));        /* in the title, whole */
                assert_non_null(strstr(text, "</svg>\n"));
        }
}

static void test_a_picture_needs_nothing_from_elsewhere(void **state) {
        _cleanup_free_ char *text = svg_of(40);

        assert_null(strstr(text, "href"));
        assert_null(strstr(text, "url("));
        assert_null(strstr(text, "@import"));
}

static void test_the_same_network_gives_the_same_bytes(void **state) {
        _cleanup_free_ char *first = svg_of(45), *second = svg_of(45);

        assert_string_equal(first, second);
}

/* A decimal comma would make two numbers of one. Only the last of these is installed everywhere. */
static void test_numbers_have_a_point_in_every_locale(void **state) {
        static const char *const locales[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "C.UTF-8" };
        _cleanup_free_ char *expected = svg_of(20);

        for (size_t i = 0; i < ELEMENTSOF(locales); i++) {
                _cleanup_free_ char *text = NULL;

                if (!setlocale(LC_ALL, locales[i]))
                        continue;
                text = svg_of(20);
                (void) setlocale(LC_ALL, "C");
                assert_string_equal(text, expected);
        }
}

static void test_no_name_ends_its_quotes_in_dot(void **state) {
        _cleanup_(graph_done) Graph graph = {};
        _cleanup_free_ char *text = NULL;
        bool is_quoted = false;
        size_t size;
        FILE *file;

        make(&graph, 12);
        file = open_memstream(&text, &size);
        assert_non_null(file);
        assert_int_equal(draw_dot(file, &graph, HOSTILE), 0);
        assert_int_equal(fclose(file), 0);

        /* Outside of quotes there is nothing of what others said. */
        for (const char *p = text; *p; p++) {
                if (*p == '\\' && is_quoted)
                        p++;
                else if (*p == '"')
                        is_quoted = !is_quoted;
                else if (!is_quoted)
                        assert_true(strncmp(p, "evil", 4) != 0 && strncmp(p, "script", 6) != 0 && *p != '\\');
        }
        assert_false(is_quoted);
        assert_non_null(strstr(text, "style=dotted"));
        assert_non_null(strstr(text, "style=dashed"));
        assert_non_null(strstr(text, "tooltip=\"1.2 ms\""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_name_becomes_markup),
                cmocka_unit_test(test_a_picture_needs_nothing_from_elsewhere),
                cmocka_unit_test(test_the_same_network_gives_the_same_bytes),
                cmocka_unit_test(test_numbers_have_a_point_in_every_locale),
                cmocka_unit_test(test_no_name_ends_its_quotes_in_dot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
