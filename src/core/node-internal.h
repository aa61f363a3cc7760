/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of the core share and nobody else sees: the node, its sessions, and the table by which a role
 * (peer-node.c, seed-node.c) takes part in their life.
 *
 *      session.c       connections: calling, being called, sending, ending
 *      handshake.c     HELLO, two sessions with one id, one id at two addresses
 *      liveness.c      liveness requests on links
 *      seed-list.c     the configured seeds: names, attempts, sessions
 *      identity.c      who we are, and what is held of us
 *      node.c          the facade: events in, timers
 */

#include "base/hash.h"
#include "base/index.h"
#include "base/random.h"
#include "base/ratelimit.h"
#include "core/member.h"
#include "core/node.h"
#include "core/range-queue.h"
#include "core/turn.h"

#define HANDSHAKE_USEC (5 * USEC_PER_SEC)
#define DIAL_USEC (5 * USEC_PER_SEC)
#define CHECK_USEC (1 * USEC_PER_SEC)           /* dialling the other holder of an id */
#define PROBE_SESSION_USEC (10 * USEC_PER_SEC)  /* the life of a session with PURPOSE_PROBE */
#define UNUSED_USEC (30 * USEC_PER_SEC)         /* a session that does nothing */
#define LINGER_USEC (10 * USEC_PER_SEC)         /* for the other end to end the elder of two sessions */
#define CLOCK_JUMP_USEC (5 * USEC_PER_SEC)
#define EPOCH_MAX (UINT64_C(1) << 63)           /* epochs are below it */
/* How far we jump above an epoch that we are shown, at most: two copies of one node that are shown the same must
 * not come to share an epoch, too, by which alone they can be told apart. A second, as epochs are microseconds. */
#define EPOCH_JUMP (UINT64_C(1) << 20)
#define EPOCH_RAISES_RATE ((Rate) { 4, 10 * USEC_PER_SEC })
#define ID_CHANGES_RATE ((Rate) { 1, 10 * USEC_PER_SEC })
#define CHECKS_MAX 16U
#define PINGS_MAX 64U
#define NEIGHBOURS_NAMED 4U             /* in a PONG, and kept of one */

typedef struct Session Session;
typedef struct SeedSlot SeedSlot;
typedef struct PeerNode PeerNode;       /* peer-node.c */
typedef struct SeedNode SeedNode;       /* seed-node.c */

typedef enum TimerKind {
        TIMER_SESSION,          /* Session.timer */
        TIMER_LIVENESS,         /* SessionUp.liveness.timer */
        TIMER_SEED,             /* SeedSlot.timer */
        TIMER_MEMBER,           /* Member.timer: the role's */
        TIMER_ROLE,             /* this and all higher kinds: the role's */
} TimerKind;

/* ---- sessions ---- */

typedef enum SessionUse {
        SESSION_ACCEPTED,       /* the other end opened it, and knows what for */
        SESSION_FOR_LINK,       /* to become a link of the overlay */
        SESSION_FOR_SEED,       /* with a configured seed, Session.seed */
        SESSION_FOR_CHECK,      /* does the known holder of an id still live? Session.waiting asks */
        SESSION_FOR_VERDICT,    /* does a suspect answer? The role's */
        SESSION_FOR_SHUFFLE,    /* to answer a shuffle: the peer role's */
        SESSION_FOR_WITNESS,    /* does somebody else hear from a suspect, or do we, whom somebody else asked? A peer's */
        SESSION_FOR_PING,       /* node_ping() of a member without a session */
        SESSION_FOR_CRAWL,      /* a member without a session is asked for its links: a peer's */
} SessionUse;

typedef enum SessionState {
        SESSION_DIALING,        /* connecting */
        SESSION_HELLO_SENT,     /* connected; HELLO_OK is awaited */
        SESSION_HELLO_AWAITED,  /* accepted */
        SESSION_CHECKING,       /* accepted; its id is held at another address, which is being asked */
        SESSION_OPEN,
} SessionState;

typedef enum SessionEnd {
        END_REFUSED,            /* the dial was refused: nobody listens there */
        END_UNREACHABLE,        /* no connection or no HELLO_OK in time */
        END_WRONG_ID,           /* somebody else answered (Session.id), or ourselves */
        END_LOST,               /* it ended without CLOSE */
        END_CLOSED,             /* they sent CLOSE: Session.reason, .detail */
        END_BY_US,              /* we sent CLOSE: Session.reason */
} SessionEnd;

typedef struct Liveness {
        usec_t srtt_usec, rttvar_usec;  /* RFC 6298; 0: no sample yet */
        bool outstanding : 1;           /* a PING has not been answered by anything */
        bool clock_runs : 1;            /* what was sent before it has been acknowledged */
        bool doubted : 1;               /* others have been asked, in this round */
        unsigned n_strikes;
        size_t n_ahead;                 /* bytes that were not, when we last looked */
        uint64_t nonce;
        usec_t sent_usec;               /* the outstanding PING, or the last one */
        usec_t first_usec;              /* the PING of the first strike */
        usec_t timeout_max_usec;        /* of this round */
        Timer timer;
} Liveness;

typedef enum LinkState {
        LINK_NONE,
        LINK_ASKED,             /* we sent NEIGHBOR */
        LINK_UNDECIDED,         /* they did; we ask our silent links first */
        LINK_UP,
        LINK_SILENT,            /* used up its strikes: replaced, and kept open until it is known whether its other end is dead */
} LinkState;

/* What a link is owed: most never are owed anything. plumtree.c, repair.c. */
typedef struct Arrears {
        RangeQueue behind;              /* what an eager link had no room for, and is sent when it has some */
        RangeQueue wanted;              /* what they asked for, and has not been sent yet */
        uint64_t n_answered;            /* bytes of messages sent because they asked, */
        size_t n_stored_max;            /* of which so many were stored at most, */
        usec_t window_usec;             /* since then */
} Arrears;

Arrears *arrears_free(Arrears *arrears);

/* What the broadcast knows of a link: plumtree.c, repair.c. */
typedef struct LinkGossip {
        bool is_lazy;                   /* messages are announced on it, not sent */
        bool is_useful;                 /* it is eager, and has brought a first copy since */
        bool is_listing_awaited;        /* our MSG_RANGES has not been answered by theirs */
        usec_t copy_usec;               /* when it last brought a later copy, */
        usec_t cycle_usec;              /* and the first one after a long time without */
        usec_t used_usec;               /* of the first message on it since it is eager */
        usec_t agreed_usec;             /* when we last sent PRUNE, or were sent GRAFT */
        usec_t grafted_usec;            /* when we last sent GRAFT */

        usec_t asked_usec;              /* when we last sent ours */
        usec_t listed_usec;             /* when theirs was last complete */
        RateLimit listings;             /* answered */

        Arrears *arrears;               /* NULL: there never were any */
} LinkGossip;

/* What only a session needs that is a link of the overlay, or was one. Most sessions never become one: they answer a question,
 * and end. */
typedef struct SessionUp {
        Session *session;
        usec_t linked_usec;
        LinkGossip gossip;
        Liveness liveness;
        bool probed;                    /* asked because a caller waits for a place */
        unsigned n_neighbours;          /* that the other end named last */
        Neighbour neighbours[NEIGHBOURS_NAMED];
        RateLimit shuffles;             /* that came on it */
        usec_t told_usec;               /* the minute began in which it told us @n_told things */
        size_t n_told;
} SessionUp;

struct Session {
        Session *prev, *next;           /* Node.sessions */
        IndexEntry by_link, by_id;      /* the latter only while it is .current */
        LinkId link;
        SessionUse use : 8;
        SessionState state : 8;
        Purpose purpose : 8;
        bool current : 1;               /* in Node.sessions_by_id */
        bool lingering : 1;             /* a newer one is in use; the other end will close this one */
        bool ending : 1;                /* ended() is being called for it */
        bool handshake : 1;             /* counted in Node.n_handshakes */
        bool rotates : 1;               /* dialled to take the place of another link */
        bool meshed : 1;                /* a seed: with another seed, and counted in Mesh.n_linked */

        /* The other end, from its HELLO or HELLO_OK */
        Role role : 8;
        uint8_t n_addresses;            /* at least one: advertised, else observed with its port; before: none */
        Address remote;                 /* dialled, or observed */
        NodeId id;
        uint64_t epoch;
        Address *addresses;             /* and in the same piece of memory, behind them, */
        const char *name;               /* its name; before: "" */

        Timer timer;                    /* of its state; when open, the role's after opened() */
        usec_t since_usec;              /* of the state */
        usec_t received_usec;           /* the last bytes */

        union {
                NodeId subject;         /* dialled: who is expected there; null: anybody */
                IndexEntry by_host;     /* accepted, from another host */
        };
        LinkId waiting;                 /* FOR_CHECK: the session in SESSION_CHECKING */
        SeedSlot *seed;                 /* FOR_SEED */
        const char *detail;             /* of their CLOSE, and borrowed from it, while it is carried out; else NULL */
        CloseReason reason : 8;         /* when it ends by CLOSE, */
        uint32_t retry_msec;            /* and when to call again, of CLOSE(busy); 0: no advice */

        /* Links of the overlay: a peer's */
        LinkState link_state : 8;
        Priority priority : 8;          /* of the NEIGHBOR that was sent or received */
        unsigned n_links;               /* the other end's, as last told */
        SessionUp *up;                  /* from when it comes up until the session ends; else NULL */
        usec_t handshake_usec;          /* the round trip of its handshake, when we dialled; else 0 */
        size_t n_queued;                /* bytes of data waiting */
        usec_t drained_usec;            /* when the kernel last took some of them, or they began to wait */
        usec_t links_told_usec;         /* the last answer to LINKS; 0: none */

        unsigned n_requests;            /* seed and registrar: requests without an answer */

        /* Comparing tables */
        RateLimit digests;
        uint8_t *owed;                  /* SYNC_BUCKETS bits: buckets whose records are still to be sent; NULL: none */
};

static inline bool session_outgoing(const Session *session) {
        return session->use != SESSION_ACCEPTED;
}

/* ---- seeds as configured ---- */

#define SEED_ADDRESSES_MAX 8U

struct SeedSlot {
        char *host;                     /* its entry: as in SeedEntry */
        uint16_t port;
        bool self;
        unsigned number;                /* for EFFECT_RESOLVE; never used twice */
        SeedState state;
        size_t n_addresses, next_address;
        Address *addresses;             /* as last resolved, at most SEED_ADDRESSES_MAX */
        Address address;                /* dialled last */
        NodeId id;                      /* that answered there last; null: nobody yet */
        char *name;                     /* its name; NULL: nobody yet */
        bool alias;                     /* leads to a node that another entry leads to, too */
        Session *session;               /* being opened, or open */
        Timer timer;                    /* next attempt; when registered, the role's */
        usec_t backoff_usec;
        usec_t since_usec;
        unsigned total;                 /* peers it knows */
        bool confirmed;                 /* REGISTER was answered; between seeds: from the start */
        bool said;                      /* NOTICE_SEED_UNREACHABLE was given in this spell */
        char *error;                    /* why the last attempt failed; NULL: it did not */
};

/* ---- the node ---- */

typedef struct PendingPing {
        uint64_t token, nonce;
        LinkId link;                    /* 0: free */
        usec_t sent_usec;
} PendingPing;

/* How a role takes part. A session is still in the table when ended() is called, but not by
 * its id; nothing can be sent on it. */
typedef struct RoleOps {
        int (*start)(Node *node, usec_t now_usec);
        int (*stop)(Node *node, usec_t now_usec);               /* before the sessions are closed */
        void (*free)(Node *node);

        /* The handshake is done, on a session with PURPOSE_SESSION, or one that we dialled FOR_VERDICT, FOR_SHUFFLE, FOR_WITNESS
         * or FOR_CRAWL. Nobody else uses its timer then (set to UNUSED_USEC): the role sets it. It may close the session. */
        int (*opened)(Node *node, Session *session, usec_t now_usec);
        /* The same session ended; or one that the role dialled never opened. It is freed afterwards. */
        int (*ended)(Node *node, Session *session, SessionEnd end, usec_t now_usec);
        /* The other end of an open session, whatever that was for, said that it leaves; ended() comes next. */
        int (*left)(Node *node, const Session *session, usec_t now_usec);
        /* A message on an open session that is not HELLO, HELLO_OK, CLOSE, PING, PONG or ACCUSED. */
        int (*message)(Node *node, Session *session, const Message *message, usec_t now_usec);
        int (*timer)(Node *node, Timer *timer, usec_t now_usec);        /* TIMER_MEMBER, TIMER_ROLE and higher */
        int (*session_timer)(Node *node, Session *session, usec_t now_usec);    /* Session.timer, when open */
        int (*seed_timer)(Node *node, SeedSlot *slot, usec_t now_usec);         /* SeedSlot.timer, when registered */
        /* No address of that seed leads anywhere; it waits for its next attempt. */
        int (*seed_failed)(Node *node, SeedSlot *slot, usec_t now_usec);
        int (*seeds_changed)(Node *node, usec_t now_usec);
        /* A link has not answered for half of the first time-out; and again at each strike but the last one. */
        int (*doubted)(Node *node, Session *session, usec_t now_usec);
        int (*silent)(Node *node, Session *session, usec_t now_usec);   /* it used them up */
        void (*sent)(Node *node, Session *session, usec_t now_usec);    /* fewer bytes wait: asks for nothing at once */
        int (*alive)(Node *node, Session *session, usec_t now_usec);    /* PONG, or the first bytes after a PING */
        void (*name_neighbours)(Node *node, const Session *to, PingMessage *pong);
        int (*ponged)(Node *node, Session *session, const PingMessage *pong, usec_t now_usec);
        int (*own_record_changed)(Node *node, usec_t now_usec);         /* incarnation, epoch or id */
        int (*clock_jumped)(Node *node, usec_t late_usec, usec_t now_usec);
        int (*reconfigured)(Node *node, usec_t now_usec);
        bool (*failed)(Node *node);     /* since this was last asked, there was no memory for something that could not say so */
        NodeState (*state)(const Node *node);
        unsigned (*n_links)(const Node *node);
        void (*member_info)(const Node *node, const Member *member, MemberInfo *ret);
} RoleOps;

struct Node {
        NodeSettings settings;
        NodeIdentity identity;
        uint32_t incarnation;
        NodeState state;
        usec_t started_usec;
        Random random;
        EffectQueue *effects;           /* borrowed */
        TimerQueue timers;

        Session *sessions;              /* in the order in which they began */
        Index sessions_by_link;
        Index sessions_by_id;           /* those in use: at most one with a node */
        Index sessions_by_host;         /* those accepted from other hosts */
        size_t n_sessions, n_handshakes, n_checks;
        bool closing;                   /* all sessions are being ended: nobody begins another one meanwhile */
        LinkId last_link;               /* that we dialled */

        unsigned health;                /* a peer's, 0 to 8: how much longer we wait than when we are well (health.c) */
        usec_t late_usec;               /* by how much this call for a timer is too late, */
        usec_t late_most_usec;          /* and the latest one since the last tick was that was no clock jump */

        MemberTable members;
        SeedSlot **seeds;               /* at most SEEDS_MAX */
        size_t n_seeds;
        unsigned last_seed_number;

        PendingPing *pings;             /* PINGS_MAX, once somebody has asked for one */
        RateLimit id_changes, epoch_raises;
        Turns turns;                    /* of those who call us */
        uint64_t epoch_shown;           /* the highest one that was left alone so far; below our own: none */
        uint64_t counters[_COUNTER_MAX];
        Distributions *distributions;   /* borrowed, or NULL */

        const RoleOps *ops;
        union {
                PeerNode *peer;
                SeedNode *seed;
        };
};

/* False when an event comes too early or too late to mean anything. */
static inline bool node_runs(const Node *node) {
        return node->started_usec > 0 && node->state != NODE_STOPPING;
}

extern const RoleOps peer_ops, seed_ops;
int peer_node_new(Node *node);          /* fills in node->peer */
int seed_node_new(Node *node);

/* A place in the queue for a notice, to be filled in; the session's other end is in it when @session is not NULL. */
Notice *node_notice(Node *node, NoticeType type);
Notice *node_notice_session(Node *node, NoticeType type, const Session *session);
Notice *node_notice_member(Node *node, NoticeType type, const Member *member);
void node_persist(Node *node, PersistWhat what);

/* One more value, for whoever keeps them. */
void node_observe(Node *node, Distribution distribution, uint64_t value);

/* Our own record, alive. */
Record node_record(const Node *node);

/* Somebody said what it holds of us: refutes, or jumps over a higher epoch. */
int node_on_held(Node *node, const Held *held, usec_t now_usec);
/* Somebody speaks in our name, in our epoch or a later one: takes an epoch above @shown, unless that was done too often. */
int node_leave_epoch(Node *node, uint64_t shown, usec_t now_usec);
/* When it was, and it may be done again. */
int node_leave_shown_epoch(Node *node, usec_t now_usec);

/* A node that lives elsewhere has our id: takes a new one, ends all sessions, begins again. */
int node_take_new_id(Node *node, usec_t now_usec);

/* What we say in LINKS. */
uint16_t node_n_own_links(const Node *node);

/* Where a caller seen at @remote can be dialled: its advertised addresses, else @remote with @port. */
size_t node_effective_addresses(const Address *advertised, size_t n, const Address *remote, uint16_t port,
                                Address ret[static RECORD_ADDRESSES_MAX]);

/* ---- session.c ---- */

Session *session_find(const Node *node, LinkId link);
Session *session_of(const Node *node, const NodeId *id);        /* the one in use, open; NULL: none */

/* Opens a connection. @subject may be NULL. @timeout_usec is for connection and handshake together. -ENOMEM. */
int session_dial(Node *node, const Address *address, SessionUse use, const NodeId *subject, usec_t timeout_usec,
                 usec_t now_usec, Session **ret);
int session_accept(Node *node, LinkId link, const Address *remote, usec_t now_usec);
int session_on_link(Node *node, Session *session, LinkChange change, usec_t now_usec);
int session_on_message(Node *node, Session *session, const Message *message, usec_t now_usec);
int session_on_timer(Node *node, Session *session, usec_t now_usec);

/* Encode and queue one message as a control frame. -ENOMEM. */
int session_send(Node *node, Session *session, const Message *message);
void session_send_frame(Node *node, Session *session, FrameBuffer *frame, bool is_data);

/* Sends CLOSE, hangs up, calls ended(END_BY_US) and frees the session. @detail may be NULL. */
int session_close(Node *node, Session *session, CloseReason reason, const char *detail, usec_t now_usec);
/* Closes with CLOSE(protocol) and a notice: the other end sent what it may not send. */
int session_protocol_error(Node *node, Session *session, const char *detail, usec_t now_usec);
int session_close_all(Node *node, CloseReason reason, usec_t now_usec);
/* Forgets all without a word. */
void session_free_all(Node *node);

/* When one that lingers will end is settled already, whatever still comes in on it. */
static inline void session_set_timer(Node *node, Session *session, usec_t when_usec) {
        if (!session->lingering)
                timer_set(&node->timers, &session->timer, when_usec);
}

/* It is a link of the overlay from now on, for the first time or again. Return: 0, -ENOMEM. */
int session_set_up(Node *node, Session *session, usec_t now_usec);

/* Between session.c and handshake.c */
void session_enter(Node *node, Session *session, SessionState state, usec_t until_usec, usec_t now_usec);
void session_handshake_done(Node *node, Session *session);
/* It is in use with its node, where none is. Return: 0, -ENOMEM. */
int session_make_current(Node *node, Session *session);
void session_uncurrent(Node *node, Session *session);   /* another one is in use with that node */
void session_hang_up(Node *node, LinkId link, bool flush);
int session_send_close(Node *node, Session *session, CloseReason reason, const char *detail);
/* The connection is gone, or its hanging up has been asked for: tells the role, and frees the session. */
int session_end(Node *node, Session *session, SessionEnd end, usec_t now_usec);

/* ---- handshake.c ---- */

int session_send_hello(Node *node, Session *session);
int session_on_hello(Node *node, Session *session, const HelloMessage *hello, usec_t now_usec);
int session_on_hello_ok(Node *node, Session *session, const HelloOkMessage *ok, usec_t now_usec);
/* The known holder of an id has been asked: @clone when it lives, and is not the one that called. */
int session_checked(Node *node, Session *check, bool clone, usec_t now_usec);
/* Sends HELLO_OK: the caller is who it says. */
int session_open_accepted(Node *node, Session *session, usec_t now_usec);

/* ---- liveness.c ---- */

void liveness_sample(Liveness *liveness, usec_t rtt_usec);
/* The time-out of one strike. */
usec_t liveness_timeout(const Params *params, const Liveness *liveness);
/* Begins a round of strikes on a link, each at most @timeout_max_usec long, unless one is running. */
int liveness_ping(Node *node, Session *session, usec_t timeout_max_usec, usec_t now_usec);
/* All links that were silent for the interval: one tick for all. It was due at @due_usec: timers come late, often by more than an
 * answer takes, and a link whose other end answered the last tick would have been silent for a whole interval again at each. */
int liveness_tick(Node *node, usec_t due_usec, usec_t now_usec);
int liveness_on_received(Node *node, Session *session, usec_t now_usec);
int liveness_on_pong(Node *node, Session *session, const PingMessage *pong, usec_t now_usec);
int liveness_on_backlog(Node *node, Session *session, size_t n_ahead, usec_t now_usec);
int liveness_on_timer(Node *node, Session *session, usec_t now_usec);
void liveness_forget(Node *node, Session *session);     /* all strikes, if it is a link */

/* ---- seed-list.c ---- */

/* Starts an attempt: resolve, then each address in turn, until a session opens or seed_failed() is called. */
int seed_slot_try(Node *node, SeedSlot *slot, usec_t now_usec);
/* The session of a slot opened or ended; called by the role from opened() and ended(). */
int seed_slot_opened(Node *node, SeedSlot *slot, Session *session, usec_t now_usec);
int seed_slot_ended(Node *node, SeedSlot *slot, SessionEnd end, usec_t now_usec);
int seed_slot_on_timer(Node *node, SeedSlot *slot, usec_t now_usec);
/* What leads to a seed that failed, or is gone from the list, may lead to another one, and is needed itself. */
void seed_list_release_aliases(Node *node, const NodeId *id, usec_t now_usec);
int seed_list_set(Node *node, const SeedEntry *entries, size_t n, usec_t now_usec);
int seed_list_on_resolved(Node *node, unsigned number, const Address *addresses, size_t n, const char *detail,
                          usec_t now_usec);
void seed_list_free(Node *node);
/* An entry's "host:port". */
char *seed_slot_text(const SeedSlot *slot, char buffer[static SEED_TEXT_MAX]);

/* ---- sync.c ---- */

/* The 256 hashes of our table, our own record included when @with_self (peers are in their own digest, seeds are
 * not). */
void sync_digest(const Node *node, bool with_self, uint64_t ret[static SYNC_BUCKETS]);
int sync_send_digest(Node *node, Session *session);
/* Sends what we hold in the marked buckets as SYNC_RECORDS, in batches, to @session; @want may be NULL: asks
 * nothing back. */
int sync_send_records(Node *node, Session *session, const uint8_t mask[static SYNC_BUCKETS / 8], const uint8_t *want,
                      usec_t now_usec);
/* Marks the buckets in which the digest differs from ours. Return: how many. */
unsigned sync_compare(const Node *node, Slice hashes, uint8_t ret_mask[static SYNC_BUCKETS / 8]);
/* An empty SYNC_RECORDS. */
void sync_begin(Message *message);
/* One more record for that session, or none (false) when it is not for its ears. */
bool sync_add(const Member *member, const Session *session, SyncRecordsMessage *message, usec_t now_usec);
/* Sends a SYNC_RECORDS and empties its records. */
int sync_flush(Node *node, Session *session, Message *message);

static inline void sync_mark(uint8_t mask[static SYNC_BUCKETS / 8], size_t bucket) {
        mask[bucket / 8] |= (uint8_t) (0x80 >> bucket % 8);
}

static inline bool sync_marked(const uint8_t mask[static SYNC_BUCKETS / 8], size_t bucket) {
        return mask[bucket / 8] & 0x80 >> bucket % 8;
}

/* The age in ms that goes onto the wire for a member. */
uint32_t member_age_msec(const Member *member, usec_t now_usec);
