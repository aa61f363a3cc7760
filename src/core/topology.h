/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The overlay as others have described it, put together: which nodes there are, and which links between them. Each node knows
 * its own links only, so what each says of them has to be fitted: the two ends of a link say the same of it from two sides,
 * and whoever lies is alone with what it says.
 *
 * Ends of links that the collecting node does not hold as members are counted and left out, so nobody can name more nodes
 * than there are members.
 */

#include "core/member.h"

typedef enum TopologyAnswer {
        TOPOLOGY_NOT_ASKED,     /* there were too many, or there was no time for it */
        TOPOLOGY_ANSWERED,
        TOPOLOGY_SILENT,        /* it was reached, and said nothing in time */
        TOPOLOGY_UNREACHABLE,
        _TOPOLOGY_ANSWER_MAX,
} TopologyAnswer;

typedef struct TopologyNode {
        NodeId id;
        char name[NODE_NAME_MAX + 1];
        Address address;                /* unset when none is known */
        MemberState state;
        TopologyAnswer answer;
        unsigned n_named;               /* links in its answer */
} TopologyNode;

#define TOPOLOGY_DIALLED_BY_A 0x01U
#define TOPOLOGY_DIALLED_BY_B 0x02U
#define TOPOLOGY_EAGER_A      0x04U     /* a forwards messages to b at once, else it announces them */
#define TOPOLOGY_EAGER_B      0x08U
#define TOPOLOGY_NAMED_BY_A   0x10U     /* a has named this link */
#define TOPOLOGY_NAMED_BY_B   0x20U
#define TOPOLOGY_DENIED       0x40U     /* the other end has answered, and this link was not in its answer */

typedef struct TopologyLink {
        uint32_t a, b;                  /* places in Topology.nodes, a < b */
        uint32_t rtt_usec;              /* the smaller of what both have measured; 0: nobody has */
        uint8_t flags;
} TopologyLink;

typedef struct Topology {
        TopologyNode *nodes;            /* [0] is who has asked; those asked follow, then others that they have named */
        size_t n_nodes;
        TopologyLink *links;            /* in the order of (a, b), each pair once */
        size_t n_links;
        size_t n_members;               /* alive or suspect, when asking began; itself not counted */
        size_t n_answered;              /* of them */
        size_t n_unknown;               /* links in answers whose other end is not held as a member */
} Topology;

const char *topology_answer_to_string(TopologyAnswer answer);

/* What one node said of one of its links. */
typedef struct TopologyClaim {
        uint32_t from;                  /* place among the nodes that were asked */
        LinkInfo link;
} TopologyClaim;

/**
 * topology_build() - put together what has been said
 * @asked:      who has asked, with its own answer, and those that were to be asked, each once: ids, answers, n_named; names
 *              and addresses of all but the first come from @members
 * @claims:     of these, in any order
 * @ret:        n_members is left 0
 *
 * Return: 0, -ENOMEM.
 */
int topology_build(const MemberTable *members, const TopologyNode *asked, size_t n_asked, const TopologyClaim *claims,
                   size_t n_claims, Topology **ret);
Topology *topology_free(Topology *topology);
DEFINE_CLEANUP(Topology *, topology_free)
