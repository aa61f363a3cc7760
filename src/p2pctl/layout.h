/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where to draw what: the node that was asked in the middle, all others on circles around it by their distance in the tree. Each
 * subtree has a sector of its own (Eades, Drawing free trees, Bulletin of the ICA 5, 1992), so links of the tree do not cross. The
 * sectors below one node are turned towards where their other links lead (barycentres, after Sugiyama, Tagawa, Toda, IEEE
 * Transactions on Systems, Man, and Cybernetics 11, 1981). Nothing is random: the same graph gives the same picture.
 *
 * Departures: the share of a leaf in the circle shrinks with its depth, as its circle is longer; and the circles are as large as
 * labels between and along them need.
 */

#include "p2pctl/graph.h"

typedef struct Layout {
        double radius;          /* of the outermost circle */
        double *rings;          /* by depth; the caller's, freed by layout_done() */
        size_t n_rings;
} Layout;

/**
 * layout_radial() - sets angle, radius, x and y of all nodes of the tree
 * @spacing:    at least so far apart are neighbours on one circle
 * @gap:        at least so far apart are circles
 *
 * Return: 0, -ENOMEM.
 */
int layout_radial(Graph *graph, double spacing, double gap, Layout *ret);
void layout_done(Layout *layout);
