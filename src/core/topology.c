/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/topology.h"

#include <errno.h>

const char *topology_answer_to_string(TopologyAnswer answer) {
        static const char *const names[_TOPOLOGY_ANSWER_MAX] = {
                [TOPOLOGY_NOT_ASKED] = "not-asked",
                [TOPOLOGY_ANSWERED] = "answered",
                [TOPOLOGY_SILENT] = "silent",
                [TOPOLOGY_UNREACHABLE] = "unreachable",
        };

        return answer < _TOPOLOGY_ANSWER_MAX ? names[answer] : NULL;
}

Topology *topology_free(Topology *topology) {
        if (!topology)
                return NULL;

        free(topology->links);
        free(topology->nodes);
        free(topology);
        return NULL;
}

/* ---- nodes, by their ids ---- */

typedef struct Place {
        UT_hash_handle hh;
        NodeId id;
        uint32_t index;         /* in Topology.nodes */
} Place;

typedef struct Places {
        Place *places;          /* room for all that there can be */
        Place *by_id;
        size_t n;
} Places;

static void places_done(Places *places) {
        HASH_CLEAR(hh, places->by_id);
        free(places->places);
}

static int places_add(Places *places, const NodeId *id, uint32_t index) {
        Place *place = places->places + places->n++;

        *place = (Place) { .id = *id, .index = index };
        HASH_ADD(hh, places->by_id, id, sizeof(NodeId), place);
        return table_added(place) ? 0 : -ENOMEM;
}

static void node_fill(TopologyNode *node, const Member *member) {
        node->state = member->record.state;
        memcpy(node->name, member->record.name, sizeof(node->name));
        if (member->record.n_addresses > 0)
                node->address = member->record.addresses[0];
}

/* The place of whoever a link leads to. Return: 1, 0 when it is not known, -ENOMEM. */
static int find_end(Topology *topology, Places *places, const MemberTable *members, const NodeId *id, uint32_t *ret) {
        const Member *member;
        Place *place;

        HASH_FIND(hh, places->by_id, id, sizeof(*id), place);
        if (place) {
                *ret = place->index;
                return 1;
        }
        member = member_table_find(members, id);
        if (!member)
                return 0;

        *ret = (uint32_t) topology->n_nodes++;
        topology->nodes[*ret] = (TopologyNode) { .id = *id };
        node_fill(topology->nodes + *ret, member);
        return places_add(places, id, *ret) < 0 ? -ENOMEM : 1;
}

/* ---- links ---- */

static int compare_links(const void *a, const void *b) {
        const TopologyLink *x = a, *y = b;

        if (x->a != y->a)
                return x->a < y->a ? -1 : 1;
        return x->b < y->b ? -1 : x->b > y->b;
}

static TopologyLink link_of_claim(uint32_t from, uint32_t to, const LinkInfo *info) {
        bool is_a = from < to;
        TopologyLink link = {
                .a = MIN(from, to),
                .b = MAX(from, to),
                .rtt_usec = info->rtt_usec,
                .flags = is_a ? TOPOLOGY_NAMED_BY_A : TOPOLOGY_NAMED_BY_B,
        };

        if (info->flags & LINK_OUTGOING)
                link.flags |= is_a ? TOPOLOGY_DIALLED_BY_A : TOPOLOGY_DIALLED_BY_B;
        if (info->flags & LINK_EAGER)
                link.flags |= is_a ? TOPOLOGY_EAGER_A : TOPOLOGY_EAGER_B;
        return link;
}

/* Whoever names as many as a message holds may have more that it does not name. */
static bool denies(const TopologyNode *node) {
        return node->answer == TOPOLOGY_ANSWERED && node->n_named < MESSAGE_LINKS_MAX;
}

/* Makes one of all that speak of the same two ends. */
static void fold_links(Topology *topology) {
        size_t n = 0;

        if (topology->n_links > 0)
                qsort(topology->links, topology->n_links, sizeof(*topology->links), compare_links);
        for (size_t i = 0; i < topology->n_links; i++) {
                const TopologyLink *link = topology->links + i;
                TopologyLink *last = n > 0 ? topology->links + n - 1 : NULL;

                if (!last || compare_links(last, link) != 0) {
                        topology->links[n++] = *link;
                        continue;
                }
                last->flags |= link->flags;
                if (last->rtt_usec == 0 || (link->rtt_usec > 0 && link->rtt_usec < last->rtt_usec))
                        last->rtt_usec = link->rtt_usec;
        }
        topology->n_links = n;

        for (size_t i = 0; i < n; i++) {
                TopologyLink *link = topology->links + i;

                if ((!(link->flags & TOPOLOGY_NAMED_BY_A) && denies(topology->nodes + link->a)) ||
                    (!(link->flags & TOPOLOGY_NAMED_BY_B) && denies(topology->nodes + link->b)))
                        link->flags |= TOPOLOGY_DENIED;
        }
}

/* ---- both ---- */

static int add_asked(Topology *topology, Places *places, const MemberTable *members, const TopologyNode *asked, size_t n_asked) {
        for (size_t i = 0; i < n_asked; i++) {
                const Member *member = i > 0 ? member_table_find(members, &asked[i].id) : NULL;

                topology->nodes[i] = asked[i];
                if (member)
                        node_fill(topology->nodes + i, member);
                else if (i > 0)
                        topology->nodes[i].state = MEMBER_LEFT;         /* forgotten meanwhile, as only those are that have gone */
                if (i > 0 && asked[i].answer == TOPOLOGY_ANSWERED)
                        topology->n_answered++;
                if (places_add(places, &asked[i].id, (uint32_t) i) < 0)
                        return -ENOMEM;
        }
        topology->n_nodes = n_asked;
        return 0;
}

int topology_build(const MemberTable *members, const TopologyNode *asked, size_t n_asked, const TopologyClaim *claims,
                   size_t n_claims, Topology **ret) {
        _cleanup_(topology_freep) Topology *topology = NULL;
        _cleanup_(places_done) Places places = {};
        size_t n_nodes_max = n_asked + members->n;
        int r;

        topology = calloc(1, sizeof(*topology));
        if (!topology)
                return -ENOMEM;
        topology->nodes = calloc(n_nodes_max, sizeof(*topology->nodes));
        topology->links = calloc(n_claims + 1, sizeof(*topology->links));
        places.places = calloc(n_nodes_max, sizeof(*places.places));
        if (!topology->nodes || !topology->links || !places.places)
                return -ENOMEM;

        r = add_asked(topology, &places, members, asked, n_asked);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_claims; i++) {
                uint32_t to;

                r = find_end(topology, &places, members, &claims[i].link.id, &to);
                if (r < 0)
                        return r;
                if (r == 0)
                        topology->n_unknown++;
                else if (to != claims[i].from)
                        topology->links[topology->n_links++] = link_of_claim(claims[i].from, to, &claims[i].link);
        }
        fold_links(topology);

        *ret = TAKE_PTR(topology);
        return 0;
}
