/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A node of the network: everything it decides, and nothing it does. Feed it events, each with the time, and carry
 * out the effects that it asks for:
 *
 *      node_on_...(node, ..., now);
 *      while (node_pop_effect(node, &effect)) { carry it out; effect_release(&effect); }
 *      arm a timer for node_deadline(node), and call node_on_deadline() when it fires.
 *
 * The same run number and the same events give the same effects, byte for byte. Functions return 0, or -ENOMEM: the
 * node is then still valid, but what the event asked for may be half done, and a daemon does best to end.
 *
 * peer-node.h and seed-node.h have what only one of the roles does.
 */

#include "core/distribution.h"
#include "core/effect-queue.h"
#include "core/params.h"

typedef struct Node Node;

typedef struct NodeIdentity {
        NodeId id;
        uint64_t epoch;
} NodeIdentity;

#define ADVERTISE_MAX RECORD_ADDRESSES_MAX

typedef struct NodeSettings {
        Role role;
        char network[NETWORK_NAME_MAX + 1];
        char name[NODE_NAME_MAX + 1];
        uint16_t port;                          /* the one we listen on */
        size_t n_advertised;                    /* none: what others observe, with our port */
        Address advertised[ADVERTISE_MAX];
        Params params;
} NodeSettings;

#define SEEDS_MAX 64U

typedef struct SeedEntry {
        char host[SEED_HOST_MAX + 1];           /* name or literal address */
        uint16_t port;
        bool self;                              /* seeds: it is this node, never dialled */
} SeedEntry;

/**
 * node_new() - a node that has not started yet
 * @settings:   copied
 * @identity:   already persisted by the caller
 * @effects:    borrowed: where its effects wait, and room is made for as many as one event can ask for. Nodes may share one when
 *              what one of them asked for is carried out before anything happens to another.
 * @run:        number of the random generator; a daemon takes it from the kernel
 *
 * Return: 0, -ENOMEM.
 */
int node_new(Node **ret, const NodeSettings *settings, const NodeIdentity *identity, EffectQueue *effects, uint64_t run);
Node *node_free(Node *node);
DEFINE_CLEANUP(Node *, node_free)

int node_start(Node *node, usec_t now_usec);

/* Leaves in order: LEAVE to the seeds, CLOSE(leaving) on every session. Carry out the effects, give the links a
 * moment to flush, then free the node. Later events do nothing. */
int node_stop(Node *node, usec_t now_usec);

/* New settings for a running node; role and port stay. Links beyond new bounds go; a new network name ends all
 * sessions. */
int node_reconfigure(Node *node, const NodeSettings *settings, usec_t now_usec);

/* Replaces the list of seeds; entries with the same host and port keep their sessions, and
 * one that is named twice counts once. @n is at most SEEDS_MAX. */
int node_set_seeds(Node *node, const SeedEntry *entries, size_t n, usec_t now_usec);

/* ---- in: what happened, and when ---- */

typedef enum LinkChange {
        LINK_CONNECTED,         /* a dial succeeded */
        LINK_REFUSED,           /* a dial was answered by a reset */
        LINK_UNREACHABLE,       /* a dial failed otherwise: no route, time-out, no permission, no file descriptor */
        LINK_CLOSED,            /* the other end closed (FIN), or a frame could not be completed */
        LINK_RESET,             /* RST or another error on a connection */
} LinkChange;

/* Somebody called. The core may ask at once to hang up. @link is odd and new. */
int node_on_accepted(Node *node, LinkId link, const Address *remote, usec_t now_usec);

/* For a link that the core has hung up this does nothing. All changes but LINK_CONNECTED end the link: no HANG_UP
 * follows. */
int node_on_link(Node *node, LinkId link, LinkChange change, usec_t now_usec);

/* Bytes came, whether they complete a frame or not: call it before the messages in them. */
int node_on_received(Node *node, LinkId link, usec_t now_usec);

/* @message and what its slices borrow need to live during the call only. */
int node_on_message(Node *node, LinkId link, const Message *message, usec_t now_usec);

/* A frame of a type that this version does not know: counted, nothing else. */
int node_on_unknown(Node *node, LinkId link, unsigned type, usec_t now_usec);

/* Frame or body could not be decoded; @error is that of frame_decode() or message_decode(). */
int node_on_malformed(Node *node, LinkId link, int error, usec_t now_usec);

/* The size limit for the next frame on that link. */
size_t node_frame_size_max(const Node *node, LinkId link);

/* @n_bytes of frames sent with is_data have been handed to the kernel, and so the first bytes of @n_frames of them: what has
 * begun is sent to its end. */
int node_on_sent(Node *node, LinkId link, size_t n_bytes, size_t n_frames, usec_t now_usec);

/* For a frame sent with measure: how many bytes that were sent before it the other end has not acknowledged yet (0:
 * none, its clock starts now). Call it while carrying out that effect, and each EFFECT_MEASURE for the link. */
int node_on_backlog(Node *node, LinkId link, size_t n_ahead, usec_t now_usec);

/* The name of EFFECT_RESOLVE was looked up: @n addresses with their port, or none and a sentence why in @detail. */
int node_on_resolved(Node *node, unsigned seed, const Address *addresses, size_t n, const char *detail, usec_t now_usec);

int node_on_deadline(Node *node, usec_t now_usec);

/* ---- out: what to do about it ---- */

bool node_pop_effect(Node *node, Effect *ret);

/* The latest time to call node_on_deadline(); USEC_INFINITY when nothing is due. */
usec_t node_deadline(const Node *node);

/* ---- asking ---- */

typedef enum Counter {
        COUNTER_SESSIONS_IN, COUNTER_SESSIONS_OUT, COUNTER_SESSIONS_REFUSED, COUNTER_SESSIONS_FAILED,
        COUNTER_FRAMES_IN, COUNTER_FRAMES_OUT, COUNTER_BYTES_OUT, COUNTER_FRAMES_UNKNOWN, COUNTER_FRAMES_MALFORMED,
        COUNTER_PINGS_SENT, COUNTER_STRIKES, COUNTER_WITNESSES_ASKED, COUNTER_ACCUSATIONS_SPARED, COUNTER_ACCUSATIONS_WITHHELD,
        COUNTER_REPORTS_SENT, COUNTER_REFUTATIONS,
        COUNTER_LINKS_SLOW, COUNTER_BUSY_SENT, COUNTER_BUSY_RECEIVED, COUNTER_SHUFFLES_ANSWERED,
        COUNTER_SHUFFLES_REFUSED,
        COUNTER_GOSSIP_PUBLISHED, COUNTER_GOSSIP_RECEIVED, COUNTER_GOSSIP_DUPLICATES, COUNTER_GOSSIP_FORWARDED,
        COUNTER_GOSSIP_REFUSED, COUNTER_GOSSIP_LOST, COUNTER_GOSSIP_UNCERTAIN, COUNTER_GOSSIP_REPAIRED,
        COUNTER_ANNOUNCEMENTS_SENT, COUNTER_GRAFTS_SENT, COUNTER_PRUNES_SENT,
        COUNTER_MEMBERS_REFUSED, COUNTER_NEWS_SENT, COUNTER_NEWS_IGNORED,
        COUNTER_REPORTS_RECEIVED, COUNTER_REPORTS_FALSE, COUNTER_DEATHS, COUNTER_SYNC_RECORDS_IN, COUNTER_SYNC_RECORDS_OUT,
        _COUNTER_MAX,
} Counter;

/* "GossipReceived", the key in GetStatistics. */
const char *counter_to_string(Counter counter);
uint64_t node_counter(const Node *node, Counter counter);

/* From now on what the node observes is counted there, too. @distributions is borrowed, and several nodes may share it; NULL:
 * it is not kept. */
void node_set_distributions(Node *node, Distributions *distributions);

const NodeSettings *node_settings(const Node *node);
const NodeIdentity *node_identity(const Node *node);
uint32_t node_incarnation(const Node *node);
NodeState node_state(const Node *node);
usec_t node_started_usec(const Node *node);
size_t node_n_sessions(const Node *node);

/* A member as people see it; valid until the next event. */
typedef struct MemberInfo {
        const Record *record;
        MemberState state;
        bool lost;                      /* seed: its lease ran out */
        usec_t since_usec;              /* in this state */
        usec_t heard_usec;              /* last heard from it directly, 0: never */
        bool linked, incoming;          /* peer: there is a link, and who opened it */
        usec_t linked_usec;
        usec_t rtt_usec;                /* 0: not measured */
        unsigned n_links;               /* that it last told us of */
        usec_t registered_usec;         /* seed */
        usec_t lease_end_usec;          /* seed */
} MemberInfo;

size_t node_n_members(const Node *node);        /* of any state, ourselves not counted */
size_t node_n_alive(const Node *node);          /* alive or suspect */
size_t node_n_suspect(const Node *node);
/* The @index-th member, 0 to node_n_members() - 1, in no order. */
MemberInfo node_member_at(const Node *node, size_t index);
/* False when nobody has that id. */
bool node_member(const Node *node, const NodeId *id, MemberInfo *ret);

typedef enum SeedState {
        SEED_STANDBY,           /* not asked: enough others are registered */
        SEED_RESOLVING,
        SEED_CONNECTING,
        SEED_REGISTERED,        /* a seed says: linked */
        SEED_UNREACHABLE,       /* waiting for the next attempt */
        SEED_SELF,              /* a seed's own entry, or one that leads to a node already counted */
        _SEED_STATE_MAX,
} SeedState;

typedef struct SeedInfo {
        SeedEntry entry;
        SeedState state;
        Address address;                /* last used; may be unset */
        NodeId id;                      /* null until it answered once */
        const char *name;               /* "" until then */
        unsigned total;                 /* peers it knows */
        usec_t next_usec;               /* renewal or next attempt, USEC_INFINITY: none */
        usec_t since_usec;
        const char *error;              /* "" or why the last attempt failed */
} SeedInfo;

const char *seed_state_to_string(SeedState state);
size_t node_n_seeds(const Node *node);
SeedInfo node_seed_at(const Node *node, size_t index);
unsigned node_n_registered(const Node *node);           /* seeds with a session */
unsigned node_n_wanted(const Node *node);               /* majority; a seed: all others */

/* Measures the round trip to a member, over its link or by a short session of its own: EFFECT_PONG with @token.
 * -ESRCH: no such member; -EHOSTUNREACH: no address of it is known; -EBUSY: 64 are under way; -ENOTCONN: the node
 * does not run. */
int node_ping(Node *node, const NodeId *id, uint64_t token, usec_t now_usec);
