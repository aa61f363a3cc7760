/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A simulated network as a picture: the overlay, with links that carry messages told apart from those that only announce them,
 * and plots of degree, reach, redundancy and latency. One self-contained SVG document without scripts or links.
 *
 * Nodes are placed by forces (Fruchterman, Reingold, "Graph drawing by force-directed placement", 1991) from a circle, so the same
 * network gives the same picture. Above SVG_DRAWN_MAX nodes only the plots are drawn.
 */

#include "sim-report.h"

#define SVG_DRAWN_MAX 600U

/* Return: 0, or -EIO when @out cannot be written. */
int svg_write(const SimReport *report, const SimOverlay *overlay, FILE *out);
