/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pictures of a network, as files for other programs. What strangers have named themselves is escaped for each of them. */

#include <stdio.h>

#include "p2pctl/graph.h"

/**
 * draw_svg() - a picture that needs nothing else: no script, no font, no other file
 * @graph:      its tree has been found; it is laid out
 * @title, @subtitle: what stands above it
 *
 * The same graph gives the same bytes, whatever the locale. Return: 0, -ENOMEM.
 */
int draw_svg(FILE *file, Graph *graph, const char *title, const char *subtitle);

/* For Graphviz: dot, neato, twopi. Return: 0, -ENOMEM. */
int draw_dot(FILE *file, const Graph *graph, const char *title);
