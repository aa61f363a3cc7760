/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the core asks for: the only way out of it. Effects are carried out in the order in which they come; whoever
 * drives the core drains the queue after every event. The queue has room for the worst that a single event can ask
 * for; more is a mistake of ours (assert), never dropped.
 */

#include "base/address.h"
#include "base/id.h"
#include "base/usec.h"
#include "wire/message.h"

/*
 * A connection, whoever opened it. The core numbers those it dials (even numbers), the shell those it accepts (odd
 * ones, see link_id_is_accepted()); a number is never used twice.
 */
typedef uint64_t LinkId;

static inline bool link_id_is_accepted(LinkId link) {
        return link & 1;
}

typedef enum EffectType {
        EFFECT_DIAL,            /* open a connection; answered by node_on_link() */
        EFFECT_SEND,            /* send a frame, on one link or on several */
        EFFECT_MEASURE,         /* report again what is ahead of the last measured frame, by node_on_backlog() */
        EFFECT_HANG_UP,         /* close a link; nothing is reported about it any more */
        EFFECT_RESOLVE,         /* look a seed's host name up; answered by node_on_resolved() */
        EFFECT_PERSIST,         /* write something down before the next effect is carried out */
        EFFECT_DELIVER,         /* a gossip message for local subscribers and the journal */
        EFFECT_PONG,            /* the answer to node_ping() */
        EFFECT_CRAWLED,         /* the answer to peer_crawl(): peer_topology(), which is good until the next event */
        EFFECT_NOTICE,          /* something happened that people and programs may want to know */
} EffectType;

#define SEND_LINKS_MAX 8U       /* of one effect: a frame for more of them takes several */
#define SEED_HOST_MAX 255U      /* a host name or literal address */

typedef enum PersistWhat {
        PERSIST_IDENTITY,       /* node_identity() */
        PERSIST_PEERS,          /* a peer's lost-peer memory, peer_lost() */
        PERSIST_PUBLISHED,      /* a peer's last message, peer_published(): when it stops, and when it publishes its first one */
        PERSIST_REGISTRY,       /* a seed's directory, seed_snapshot() */
} PersistWhat;

typedef enum NoticeType {
        NOTICE_STATE,                   /* the node's NodeState changed: .state */

        /* Sessions. .address and .incoming say which connection; .detail what the other end or we found */
        NOTICE_SESSION_REFUSED,         /* we or they closed it: .reason, .by_us */
        NOTICE_PROTOCOL_ERROR,          /* malformed or misplaced message: closed */

        /* The node itself */
        NOTICE_DUPLICATE_ID,            /* another node has our id: we took a new one, .id */
        NOTICE_DUPLICATE_REFUSED,       /* somebody came with the id of another living node, .id .name, at .address */
        NOTICE_EPOCH,                   /* we were shown a higher epoch of ours and jumped above it: .epoch */
        NOTICE_REFUTED,                 /* somebody held us as .held_state; incarnation raised */
        NOTICE_CLOCK_JUMP,              /* our timer came .duration late */

        /* Peer: seeds. .seed is "host:port" as configured, .n of .n_max wanted registrations */
        NOTICE_SEED_REGISTERED,         /* .total peers known there */
        NOTICE_SEED_LOST,               /* a registered seed's session ended: .detail */
        NOTICE_SEED_UNREACHABLE,        /* it could not be reached: .detail; once per spell, not per attempt */

        /* Peer: links. .id .name .address .incoming .n of .n_max */
        NOTICE_LINKED,
        NOTICE_UNLINKED,                /* .reason, .by_us, .detail */
        NOTICE_BUSY,                    /* a peer refuses more links */
        NOTICE_SILENT,                  /* a peer is accused: .evidence, .n strikes in .duration; reported to .n_max seeds */

        /* Messages. .id .name of the publisher, .epoch */
        NOTICE_GAP,                     /* .count messages between .first and .last are lost; .count 0: the epoch ended, and
                                         * nobody knows how many from .first on there were */

        /* Members. .id .name .address */
        NOTICE_JOINED,                  /* .restarted: alive with a higher epoch, and nobody was told that it had gone;
                                         * .known: it was alive or suspect before, as far as anybody was told */
        NOTICE_LEFT,                    /* in order, and did not come back for RESTART_USEC */
        NOTICE_SUSPECT,                 /* .detail by whom; "": by us, as NOTICE_SILENT has just said */
        NOTICE_DEAD,                    /* .detail by how many */
        NOTICE_ALIVE,                   /* was suspect or dead and is not */

        /* Seed. .id .name .address; .n live records after it */
        NOTICE_REGISTERED,              /* .restarted .known: as NOTICE_JOINED */
        NOTICE_EXPIRED,                 /* its lease ran out: lost */
        NOTICE_REPORTED_DEAD,           /* reported by .n_max peers, and does not answer: dead */
        NOTICE_REPORT_FALSE,            /* reported by .other_name, but answers */
        NOTICE_REPORTER_IGNORED,        /* too many false reports; .duration */
        NOTICE_SEED_LINKED,             /* session with another seed: .seed as in our list, else its address */
        NOTICE_SEED_UNLINKED,           /* it ended: .seed .reason */
        _NOTICE_INVALID = -22,          /* -EINVAL */
} NoticeType;

typedef enum Evidence {
        EVIDENCE_SILENT,        /* no answer to any of the strikes */
        EVIDENCE_REFUSED,       /* nobody listens any more where it answered before */
        EVIDENCE_OTHER_ID,      /* somebody else answers there */
} Evidence;

typedef enum NodeState {
        NODE_STARTING,
        NODE_ONLINE,            /* linked, or registered with no other live member known; a seed: listening */
        NODE_ISOLATED,          /* no link and no seed, or no link though others are known */
        NODE_STOPPING,
        _NODE_STATE_MAX,
} NodeState;

#define SEED_TEXT_MAX 300U      /* "host:port" */

typedef struct Notice {
        NoticeType type;
        NodeId id;
        char name[NODE_NAME_MAX + 1];
        char other_name[NODE_NAME_MAX + 1];
        Address address;
        char seed[SEED_TEXT_MAX];
        char detail[DETAIL_MAX + 1];    /* from a remote, or our own words; not escaped */
        NodeState state;
        Evidence evidence;
        MemberState held_state;
        CloseReason reason;
        bool incoming, by_us, restarted, known;
        unsigned n, n_max, total;
        uint64_t epoch;
        uint64_t first, last, count;
        usec_t duration;
} Notice;

typedef struct Delivery {
        MessageId id;
        uint64_t serial;                        /* counts deliveries of this node */
        char origin_name[NODE_NAME_MAX + 1];    /* "" when the origin is not in the member table */
        char from_name[NODE_NAME_MAX + 1];      /* the neighbour that brought it; "" for our own message, and for one that
                                                 * was held back */
        bool own;                               /* published here */
        usec_t age_usec;
        unsigned n_hops;
        FrameBuffer *frame;                     /* keeps topic and payload alive; a reference of the effect's */
        Slice topic, payload;
} Delivery;

typedef struct Effect {
        EffectType type;
        LinkId link;                    /* DIAL, MEASURE, HANG_UP */
        union {
                Address address;        /* DIAL */
                struct {
                        FrameBuffer *frame;     /* SEND: a reference of the effect's */
                        LinkId links[SEND_LINKS_MAX];   /* one after the other */
                        uint8_t n_links;
                        bool is_data;           /* after all control frames; node_on_sent() reports it gone */
                        bool measure;           /* report what is ahead of it by node_on_backlog() */
                };
                bool flush;             /* HANG_UP: send what is queued first, for a few seconds at most; else drop it */
                struct {
                        unsigned seed;          /* RESOLVE: given back with node_on_resolved() */
                        uint16_t port;
                        char host[SEED_HOST_MAX + 1];
                } resolve;
                PersistWhat persist;
                Delivery delivery;
                struct {
                        uint64_t token; /* PONG, CRAWLED: as given to node_ping() and peer_crawl() */
                        int error;      /* PONG: 0, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH; CRAWLED: 0, -ENOTCONN */
                        usec_t rtt_usec;        /* PONG */
                };
                Notice notice;
        };
} Effect;

/* Gives back what the effect holds. Every popped effect is released, whatever became of it. */
void effect_release(Effect *effect);

const char *node_state_to_string(NodeState state);
