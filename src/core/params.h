/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The numbers of the protocol, by profile (docs/PROTOCOL.md, section 9). A profile is where a node starts from; the
 * configuration changes single numbers after that. The core reads them from here and nowhere else.
 *
 * `hyparview` is the set-up of that paper (Leitao, Pereira, Rodrigues, DSN 2007), for the simulator only; no
 * configuration file may ask for it: 5 symmetric links, 30 passive peers, no seeds, nobody remembered, nobody known but these.
 * There is no FORWARD_JOIN on our wire (ARWL 6, PRWL 3): a newcomer begins 4 shuffles, which walk as far (TTL 6), and asks
 * the node at the end of each for a link that may not be refused; see shuffle.c.
 */

#include "base/macro.h"
#include "base/usec.h"

typedef enum Profile {
        PROFILE_LOCAL,
        PROFILE_LAN,            /* the default */
        PROFILE_WAN,
        PROFILE_CLASSIC,        /* the numbers of the original program */
        PROFILE_HYPARVIEW,      /* the simulator's: this and later ones have no place in a configuration */
        _PROFILE_MAX,
        _PROFILE_INVALID = -22, /* -EINVAL */
} Profile;

typedef struct Params {
        /* Overlay links */
        unsigned links_outgoing;        /* we dial until we have that many, or know nobody else */
        unsigned links_inbound;         /* accepted from others, besides; plus one slot for callers without a link */
        bool links_shared;              /* classic, hyparview: links_outgoing counts links of either direction */
        unsigned links_extra;           /* places beyond these for callers without a link */
        bool links_evict_any;           /* hyparview: when they are taken a random link makes room, else an inbound one */
        bool links_asked_first;         /* a full node asks its silent links before it refuses a caller */
        usec_t rotate_usec;             /* between two replacements of a link, +-50 %; 0: none, classic and hyparview */
        unsigned passive_max;           /* others to fall back on */
        unsigned lost_max;              /* peers remembered on disk */
        unsigned join_walks;            /* hyparview: the walks of a newcomer, to the ends of which it links; else 0 */
        usec_t shuffle_usec;            /* between two shuffles of our own, +-50 %; 0: none, classic */

        /* Liveness */
        usec_t liveness_interval_usec;  /* a link silent for so long is asked */
        bool liveness_in_step;          /* classic: the ticks count from the start, else each node has a phase of its own */
        usec_t liveness_floor_usec;     /* the least time-out of one strike */
        usec_t liveness_ceiling_usec;   /* and the largest */
        unsigned liveness_strikes;
        usec_t suspicion_min_usec;      /* an accused has so long to refute when all that could have accused it, */
        usec_t suspicion_max_usec;      /* and when only one has; classic: none at all */
        bool witnesses;                 /* others are asked before anybody is accused */
        bool liveness_adaptive;         /* strike time-outs follow the round-trip time; classic: one interval each */

        /* Seeds */
        usec_t lease_usec;              /* a registration is good for so long */
        usec_t renew_usec;
        bool report_checked;            /* a seed asks the accused first; classic: one report is enough */

        /* Gossip */
        usec_t hello_interval_usec;     /* between our own periodic messages */
        unsigned hello_count;           /* of them */
        bool hello_always;              /* also while more than HELLO_MEMBERS_MAX members are known */
        bool gossip_flood;              /* classic: every link is a way for every message */
        size_t store_size_max;          /* bytes of messages kept for repair */
        usec_t store_age_usec;          /* and how old they get there */

        /* Bounds */
        unsigned members_max;
        unsigned origins_max;           /* publishers whose sequence numbers are remembered */
        unsigned intervals_max;         /* per publisher and epoch */
        size_t queue_max;               /* bytes of data waiting on one link; see plumtree.c */
        unsigned connections_max;       /* of all kinds */
        unsigned handshakes_max;        /* inbound connections that have not finished theirs */
        usec_t turn_usec;               /* of one caller, where many call a seed at once; 0: everybody is taken */
        unsigned connections_per_host_max;
} Params;

/* Where a node of that profile starts from. */
Params params_of_profile(Profile profile);

const char *profile_to_string(Profile profile);
/* Of those that a configuration may name. Return: the profile, or _PROFILE_INVALID for another word. */
Profile profile_from_string(const char *text);
