/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A simulator of whole networks: many real protocol cores on one virtual clock, joined by virtual TCP connections. Every frame
 * goes through the codec. The same run number gives the same trace, byte for byte.
 *
 * Each node has a host of its own; hosts and processes fail apart from each other: sim_crash() is a kill -9 (its kernel
 * resets what was open and refuses what comes), sim_power_cut() is silence, sim_freeze() is a stopped process whose kernel goes on
 * accepting.
 */

#include <limits.h>

#include "core/node.h"
#include "core/peer-node.h"
#include "core/seed-node.h"

typedef struct Sim Sim;

/* 10 to 100 ms one way, drawn per pair of nodes. */
#define SIM_LATENCY_MIN_USEC (10 * USEC_PER_MSEC)
#define SIM_LATENCY_MAX_USEC (100 * USEC_PER_MSEC)

Sim *sim_new(uint64_t run);
Sim *sim_free(Sim *sim);
DEFINE_CLEANUP(Sim *, sim_free)

/* Checks more (see sim-check.c), which takes time; before anybody starts. */
void sim_set_strict(Sim *sim);

/* What nodes that are added from here on start from. */
void sim_set_params(Sim *sim, const Params *params);

/* Nodes are numbered from 0 in the order in which they are added; adding does not start them. Seeds come into the seeds.conf
 * of every node as "seed-<number>" unless @listed is false. */
unsigned sim_add_seed(Sim *sim, bool listed);
unsigned sim_add_peer(Sim *sim);
/* A peer on a host of its own with a copy of the state directory of another. */
unsigned sim_add_clone(Sim *sim, unsigned of);
unsigned sim_n_nodes(const Sim *sim);

void sim_start(Sim *sim, unsigned i);
void sim_start_all(Sim *sim);
/* The same, evenly over a time that has passed then. */
void sim_start_spread(Sim *sim, usec_t duration_usec);
void sim_stop(Sim *sim, unsigned i);            /* in order, as systemctl stop */
void sim_crash(Sim *sim, unsigned i);
void sim_power_cut(Sim *sim, unsigned i);
void sim_freeze(Sim *sim, unsigned i);
void sim_thaw(Sim *sim, unsigned i);
/* After a stop, a crash or a power cut; without its state it is a new node at the same address. */
void sim_restart(Sim *sim, unsigned i, bool keep_state);
void sim_forget_seeds(Sim *sim, unsigned i);    /* its seeds.conf is empty */

/* Its host sleeps, and nothing reaches it: sim_thaw() wakes both. */
void sim_suspend(Sim *sim, unsigned i);
/* Its real-time clock differs by so much from that of the others; it is read when the process starts. */
void sim_set_clock(Sim *sim, unsigned i, int64_t offset_usec);
/* It has another address when it starts next. Only while it does not run. */
void sim_move(Sim *sim, unsigned i);
/* Its process reads no more than so many bytes a second; 0: as fast as they come. */
void sim_set_slow(Sim *sim, unsigned i, uint64_t bytes_per_sec);
/* It takes part in everything, but sends and forwards no message to everybody. */
void sim_set_mute(Sim *sim, unsigned i, bool mute);

/* Nodes of different groups do not reach each other: what is sent waits, as with TCP, until they do again or the connection is
 * given up. All begin in 0. Those of SIM_EVERY_GROUP reach everybody. */
#define SIM_EVERY_GROUP UINT_MAX
void sim_set_group(Sim *sim, unsigned i, unsigned group);
/* The same for one way between two nodes; the other way stays as it is. */
void sim_block(Sim *sim, unsigned from, unsigned to, bool block);
void sim_heal(Sim *sim);                        /* one group, and no way blocked */
/* The connection between two nodes is gone for @i, who learns of it; the other end does not. */
void sim_half_open(Sim *sim, unsigned i, unsigned other);

/* One way, drawn per pair of nodes; before anybody starts. */
void sim_set_latency(Sim *sim, usec_t min_usec, usec_t max_usec);
/* So many frames of a million are lost at first, and hold up what follows on their connection until they are sent again. */
void sim_set_loss(Sim *sim, unsigned per_million);

typedef enum Alteration {
        ALTER_WRONG,            /* some bytes of it are others */
        ALTER_LATE,             /* by up to 20 s, and nothing else waits for it */
        ALTER_TWICE,
        ALTER_ORDER,            /* others overtake it */
        _ALTER_MAX,
} Alteration;
/* So many of a million frames that the node sends from now on, of any type. */
void sim_set_alter(Sim *sim, unsigned i, Alteration alteration, unsigned per_million);

void sim_run_for(Sim *sim, usec_t duration_usec);
/* Runs until the condition holds, looking each 10 ms, or each @step_usec. False when it does not after @limit_usec. */
bool sim_run_until(Sim *sim, bool (*condition)(Sim *sim), usec_t limit_usec);
bool sim_run_until_every(Sim *sim, usec_t step_usec, bool (*condition)(Sim *sim), usec_t limit_usec);

usec_t sim_now(const Sim *sim);
/* To ask it something; what makes it act goes through sim_settle(). NULL when it does not run. */
Node *sim_node(const Sim *sim, unsigned i);
bool sim_is_running(const Sim *sim, unsigned i);
const NodeId *sim_id(const Sim *sim, unsigned i);
Address sim_address(unsigned i);

/* Publishes at a peer. Return: as peer_publish(). */
int sim_publish(Sim *sim, unsigned i, const char *topic, const char *payload, MessageId *ret);
/* Links to another peer by hand. Return: as peer_connect(). */
int sim_connect(Sim *sim, unsigned i, unsigned other);
/* How many nodes delivered it, the publisher included. */
unsigned sim_n_delivered(const Sim *sim, const MessageId *id);
/* Deliveries of the periodic messages of node @of at node @at. */
unsigned sim_n_hellos(const Sim *sim, unsigned of, unsigned at);

unsigned sim_n_notices(const Sim *sim, unsigned i, NoticeType type);
usec_t sim_last_notice_usec(const Sim *sim, unsigned i, NoticeType type);
/* What one node holds of another; false: nothing. */
bool sim_holds(Sim *sim, unsigned i, unsigned other, MemberInfo *ret);
bool sim_linked(Sim *sim, unsigned i, unsigned other);

/* Everything that happened so far, in one number. */
uint64_t sim_trace(const Sim *sim);

/* All running peers hang together over links that both ends know of. */
bool sim_is_connected(Sim *sim);
/* All running peers hold all running peers alive; and nobody else alive. */
bool sim_members_agree(Sim *sim);
/* The list of each running seed holds exactly the running peers. */
bool sim_seeds_agree(Sim *sim);

/* A message that a peer stores, and will for a while yet, and another one neither got nor gave up. */
typedef struct Missing {
        MessageId id;
        unsigned at, held_by;
} Missing;
bool sim_misses(Sim *sim, Missing *ret);
/* A peer has messages that it does not deliver yet: one before them is missing, the one in @ret, or others of an earlier epoch are.
 * @held_by is not set: maybe nobody has it. */
bool sim_holds_back(Sim *sim, Missing *ret);

/* Prints to stderr what keeps the three above from being true. */
void sim_explain(Sim *sim);

/* Checks what must hold at all times, and fails the process with a sentence if it does not: it is called after each event. */
void sim_check(Sim *sim, unsigned i);
