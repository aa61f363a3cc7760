/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What scenarios have in common, be they tests or figures: networks to begin with, conditions to wait for, questions to ask. */

#include "sim.h"

#define N_SEEDS 3U

/* Seeds that have room for so many peers; what is added later has @params. */
void network_add_seeds(Sim *sim, unsigned n_seeds, unsigned n_peers, const Params *params);
/* Seeds come first, then peers. All have been started: more than 200 peers over 5 ms for each, a minute at most; else at once. */
void network_begin(Sim *sim, unsigned n_seeds, unsigned n_peers, const Params *params);
Sim *network_of_params(uint64_t run, unsigned n_seeds, unsigned n_peers, const Params *params);
Sim *network_of_profile(uint64_t run, unsigned n_seeds, unsigned n_peers, Profile profile);
Sim *network(uint64_t run, unsigned n_seeds, unsigned n_peers);         /* of profile lan */

/* Of profile hyparview, without seeds. Peers come one by one, as in its paper, each by way of one that is there
 * already. A link that is silent for @liveness_usec is asked. */
Sim *hyparview_network(uint64_t run, unsigned n_peers, bool asked_first, usec_t liveness_usec);
/* A share of the peers that run, drawn at random, ends at once. */
void end_some(Sim *sim, uint64_t run, unsigned percent, void (*end)(Sim *sim, unsigned i));

/* For sim_run_until(): one component, and everybody holds alive exactly those that run. */
bool settled(Sim *sim);
bool connected(Sim *sim);

unsigned n_running_peers(Sim *sim);
/* What one node holds of another; _MEMBER_STATE_INVALID: nothing. */
MemberState state_at(Sim *sim, unsigned at, unsigned of);
unsigned n_noticed(Sim *sim, NoticeType type);          /* by all of them */
/* How often anybody was said to be dead. */
unsigned n_burials(Sim *sim);

/* Publishes a message, and counts after @usec who has it. Nobody has it twice: the simulator itself sees to that. */
unsigned gossip_reach(Sim *sim, unsigned from, usec_t usec);

/* For tests; unit.h comes first. */
#define assert_gossip_reaches_all(sim, from) \
        assert_int_equal(gossip_reach(sim, from, 3 * USEC_PER_SEC), n_running_peers(sim))
