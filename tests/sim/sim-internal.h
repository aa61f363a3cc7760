/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the simulator share. */

#include "base/hash.h"
#include "base/index.h"
#include "base/random.h"
#include "sim-liar.h"
#include "sim-traffic.h"

#include <utlist.h>

#define PORT 6000
#define CONNECT_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define FRAME_KINDS 40U

typedef struct Connection Connection;
typedef struct Order Order;             /* sim-promise.c */

typedef enum EventType {
        EVENT_CONNECTED,        /* at the caller */
        EVENT_ACCEPTED,         /* at the callee */
        EVENT_REFUSED,
        EVENT_UNREACHABLE,
        EVENT_FRAME,
        EVENT_CLOSED,
        EVENT_RESET,
        EVENT_RESOLVED,
        EVENT_RESEND,           /* of what is stalled on its way to an end; happens to its kernel */
        EVENT_SENT,             /* the kernel took data that had waited for room */
} EventType;

/* Something that the kernel of one end holds for the other, until it gets through. */
typedef struct Parcel {
        EventType type;
        FrameBuffer *frame;     /* may be NULL */
} Parcel;

/* One direction of a connection that does not simply flow. */
typedef struct Flow {
        Parcel *stalled;        /* lost or cut off: sent again all together */
        size_t n_stalled, n_stalled_allocated;
        usec_t stalled_usec;    /* since when */
        usec_t again_usec;      /* how long to wait between two tries, doubling */
        size_t n_in_flight;     /* bytes that the other process has not read */
        FrameBuffer **queued;   /* data for which the kernel has no room */
        size_t n_queued, n_queued_allocated;
} Flow;

typedef struct End End;
struct End {
        End *prev, *next;       /* SimNode.ends */
        IndexEntry by_link;     /* when it is @numbered: in Sim.ends, by node and link */
        LinkId link;
        Flow *flow;             /* towards this end; NULL: nothing is in its way */
        usec_t arrives_usec;    /* of the last thing on its way to this end: what follows comes later */
        unsigned node;
        uint32_t n_payloads;    /* messages to everybody that came in here */
        bool side;              /* of its connection */
        bool numbered;          /* has a link number */
        bool open;              /* this end has not hung up and was not told that it is over */
};

struct Connection {
        Connection *prev, *next;
        uint64_t number;
        usec_t agreed_usec;     /* when its ends last agreed whether it is a link */
        unsigned n_events;      /* that refer to it */
        End ends[2];            /* the caller, the callee */
};

static inline Connection *end_connection(End *end) {
        return container_of(end - end->side, Connection, ends);
}

static inline End *end_other(End *end) {
        return end_connection(end)->ends + !end->side;
}

typedef struct Event {
        EventType type;
        unsigned node;
        unsigned life;          /* of the node's process: an event for an earlier one is void */
        unsigned side;          /* the end at which it happens */
        Connection *connection;
        LinkId link;
        FrameBuffer *frame;
        unsigned seed;          /* RESOLVED */
        Address address;        /* RESOLVED */
        size_t size;            /* SENT */
} Event;

/* What 64 nodes have to do with a message, a bit for each. */
typedef struct BroadcastNodes {
        uint64_t ran;           /* when it was published */
        uint64_t has;           /* its process delivered it */
        uint64_t had;           /* that one or an earlier one did */
} BroadcastNodes;

/* An event's place in the queue: small, for places move about and events do not. */
typedef struct Due {
        usec_t when_usec;
        uint64_t serial;        /* of two at one time the first that was put in comes first */
        Event *event;
} Due;

typedef struct Broadcast {
        UT_hash_handle hh;
        MessageId id;
        usec_t published_usec, last_usec;
        usec_t last_prompt_usec;        /* to one that reads as fast as it comes */
        unsigned n_peers;       /* that ran when it was published */
        unsigned n_reached;     /* of them */
        unsigned n_delivered, n_prompt, last_hop, max_hop;
        uint64_t n_deliveries;  /* a node that was started anew delivers it once more, perhaps */
        uint64_t n_payloads;
        BroadcastNodes *nodes;
        size_t n_words;
} Broadcast;

typedef struct Hellos {
        UT_hash_handle hh;
        struct {
                NodeId of;
                uint64_t at;
        } key;
        unsigned n;
} Hellos;

/* What somebody ever was by its own account. */
typedef struct Owner {
        UT_hash_handle hh;
        NodeId id;
        unsigned node;          /* that had this id first */
        bool cloned;            /* another one had it, too */
        uint64_t epoch;
        uint32_t incarnation;   /* of that epoch */
} Owner;

typedef struct Blocked {
        UT_hash_handle hh;
        uint64_t way;           /* from << 32 | to */
} Blocked;

/* How often somebody spoke of something. */
typedef struct Noticed {
        NoticeType type;
        unsigned n;
        usec_t last_usec;
} Noticed;

typedef struct SimNode {
        Node *node;             /* NULL: no process */
        const Params *params;   /* in Sim.params */
        Role role;
        NodeIdentity stored;    /* its state directory: sim-disk.c */
        LostPeer *lost;
        size_t n_lost;
        Previous published;
        uint8_t *snapshot;
        size_t n_snapshot;      /* records */
        bool has_seeds;
        bool host_up;
        bool frozen;
        bool suspended;         /* with its kernel */
        bool mute;              /* forwards no messages to everybody */
        unsigned alter[_ALTER_MAX];     /* of a million frames that it sends */
        Lie lie;
        uint64_t n_lies;
        unsigned n_closed[_CLOSE_REASON_MAX];   /* sessions that others ended */
        unsigned group;
        unsigned generation;    /* of its address */
        uint64_t slow;          /* bytes a second that its process reads; 0: as fast as they come */
        usec_t reads_usec;      /* when it has read what it has begun */
        int64_t clock_offset;   /* of its real-time clock, in us */
        usec_t harmed_usec;     /* when a fault last had to do with it */
        unsigned life;
        End *ends;              /* of its connections, in the order in which these were made */
        LinkId last_accepted;
        Event **waiting;        /* what came while it was frozen */
        size_t n_waiting, n_waiting_allocated;
        Noticed *noticed;
        size_t n_noticed;
        uint32_t n_frames[FRAME_KINDS];         /* sent, by frame_kind() */
        size_t n_members;       /* when it was last looked for among its own, */
        usec_t looked_usec;     /* which was then: a full table changes and has as many */
        bool listed;
        usec_t deadline_usec;   /* as the heap of nodes knows it; USEC_INFINITY while it does nothing by itself */
        size_t heap_index;
} SimNode;

/* That some nodes start from. */
typedef struct SimParams SimParams;
struct SimParams {
        SimParams *next;
        Params params;
};

struct Sim {
        Random random;
        SimParams *params;      /* the latest first */
        usec_t now_usec;
        EffectQueue effects;    /* of the node that something has just happened to */
        SimNode *nodes;
        size_t n_nodes, n_listed;
        Due *heap;
        size_t n_events, n_allocated;
        uint64_t serial, last_connection;
        Connection *connections;
        size_t n_connections;
        Index ends;
        Broadcast *broadcasts;
        Hellos *hellos;
        TrafficReport traffic;
        usec_t traffic_usec;    /* since when */
        uint64_t n_bytes[FRAME_KINDS];
        unsigned *by_deadline;  /* all nodes: a heap, the earliest first, of two with one deadline the one added first */
        Blocked *blocked;       /* one-way cuts */
        usec_t latency_min_usec, latency_max_usec;
        unsigned loss;          /* frames of a million that need to be sent again */
        usec_t harmed_usec;     /* when a fault last had to do with all */
        bool has_altered, has_lied;     /* some frame may have been altered; its bytes, too */
        bool strict;
        usec_t check_usec;      /* when links are compared next */
        unsigned differed;      /* whose list of members was the last found to differ */
        Owner *owners;
        Order *orders;
        uint64_t trace;
        uint64_t run;
};

/* ---- sim-network.c: what happens when, and between whom ---- */

void *must(void *p);                    /* memory is not what is tested here */
void must_ok(int r);
_noreturn_ _printf_(2, 3) void sim_fail(const Sim *sim, const char *format, ...);

void sim_push(Sim *sim, usec_t when_usec, Event event);
void sim_put_back(Sim *sim, usec_t when_usec, Event *event);    /* that was popped, for later */
Event *sim_pop(Sim *sim);               /* the first one; there is one. To be given to event_done() or put back */
void event_done(Sim *sim, Event *event);

bool sim_reaches(const Sim *sim, unsigned from, unsigned to);
usec_t sim_latency(const Sim *sim, unsigned a, unsigned b);
Address node_address(const Sim *sim, unsigned i);               /* its present one */
/* UINT_MAX: nobody is there now. */
unsigned address_node(const Sim *sim, const Address *address);
Connection *sim_find(Sim *sim, unsigned node, LinkId link, unsigned *ret_side);
/* From here on the end is found by the number that its node knows it by. */
void sim_number(Sim *sim, End *end, LinkId link);
void sim_unnumber(Sim *sim, End *end);
/* On its way to one end: never overtakes what was sent before. */
void sim_send(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame);
void sim_dial(Sim *sim, unsigned i, LinkId link, const Address *address);
/* Frees it when both ends are closed and nothing is under way. */
void connection_release(Sim *sim, Connection *connection);
void connection_free(Sim *sim, Connection *connection);

/* ---- sim-disk.c: what a process leaves to the next one ---- */

void sim_persist(Sim *sim, unsigned i, PersistWhat what);
void sim_restore(Sim *sim, unsigned i);                 /* before the node starts */
void sim_wipe(Sim *sim, unsigned i);                    /* it has a new id, too */
void disk_free(SimNode *node);

/* ---- sim-flow.c: what happens to what is on its way ---- */

/* To an end, from the process at the other. True when the kernel took it, else EVENT_SENT says so later. */
bool flow_send_data(Sim *sim, Connection *connection, unsigned side, FrameBuffer *frame);
/* Stalls it, or false: it gets through. */
bool flow_stall(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame);
void flow_resend(Sim *sim, Connection *connection, unsigned side);
void flow_read(Sim *sim, Connection *connection, unsigned side, size_t size);
void flow_flush(Sim *sim, Connection *connection, unsigned side, bool send);
size_t flow_n_ahead(const End *to);
void flow_free(End *to);
void sim_carry(Sim *sim, Connection *connection, unsigned side, EventType type, FrameBuffer *frame);

/* ---- sim-alter.c: frames that do not arrive as they were sent ---- */

bool sim_alters(const Sim *sim, unsigned i);
/* False: the frame is sent as it is. Else what is to be sent instead, to be given back; NULL: it has been seen to. */
bool alter_frame(Sim *sim, unsigned i, Connection *connection, unsigned side, FrameBuffer **frame);

/* ---- sim.c ---- */

#define SIM_NAME_SIZE sizeof("peer-4294967295")

/* "peer-7" */
char *sim_name(const Sim *sim, unsigned i, char buffer[static SIM_NAME_SIZE]);
#define SIM_NAME(sim, i) sim_name((sim), (i), (char[SIM_NAME_SIZE]) {})

/* The process is gone; @said: the kernel tells the other ends. */
void sim_end(Sim *sim, unsigned i, bool said);

/* ---- sim-fault.c ---- */

void sim_harm(Sim *sim, unsigned i);
void sim_free_blocked(Sim *sim);

/* ---- sim-drive.c: events into the nodes, effects out of them ---- */

/* The deadline of a node may have changed. */
void sim_rearm(Sim *sim, unsigned i);
/* Carries out all that a node asks for after an event that returned @r. */
void sim_settle(Sim *sim, unsigned i, int r);
void sim_handle(Sim *sim, Event *event);                /* which is given away */

/* ---- sim-traffic.c ---- */

void traffic_sent(Sim *sim, unsigned i, const FrameBuffer *frame);
void traffic_payload(Sim *sim, const MessageId *id);            /* it arrived somewhere, for the first time or not */
void traffic_delivered(Sim *sim, unsigned i, const Delivery *delivery);
void traffic_restarted(Sim *sim, unsigned i);           /* a new process delivers to new subscribers */
void traffic_free(Sim *sim);

/* ---- sim-liar.c ---- */

/* What a node sends instead of @frame: a reference to that, unless it is a liar. */
FrameBuffer *liar_answer(Sim *sim, unsigned i, FrameBuffer *frame);
void liar_told(Sim *sim, unsigned i, const Message *message);           /* node @i is given it */

/* ---- sim-check.c ---- */

void check_message(Sim *sim, unsigned i, const Message *message);       /* node @i is given it */
void check_notice(Sim *sim, unsigned i, const Notice *notice);
void check_links(Sim *sim);                             /* once a second */
bool check_is_cloned(const Sim *sim, const NodeId *id);
void check_free(Sim *sim);

/* ---- sim-promise.c: all of them for strict simulations ---- */

void check_delivery(Sim *sim, unsigned i, const Delivery *delivery);
void check_bounds(Sim *sim, unsigned i);                /* of a running peer */
void check_store(Sim *sim, unsigned i);
void promise_free(Sim *sim);

/* ---- sim-overlay.c ---- */

bool end_is_link(const Sim *sim, const End *end);

/* ---- sim-ask.c ---- */

bool sim_is_running_peer(const Sim *sim, unsigned i);
