/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "scenario.h"

#include "base/random.h"

/* Between two peers that join one by one. The first ones have to be done with it before the next comes: of ten nodes that make each
 * other places all at once, some may be left over with links to each other only. */
#define JOIN_USEC (100 * USEC_PER_MSEC)
#define JOIN_FIRST_USEC (2 * USEC_PER_SEC)
#define JOIN_FIRST 50U

/* Of a network that is not joined one by one: 100,000 peers are 1,667 a second. */
#define START_MAX_USEC USEC_PER_MINUTE

void network_add_seeds(Sim *sim, unsigned n_seeds, unsigned n_peers, const Params *params) {
        Params of_seeds = *params;

        /* As in the daemon: however few others a peer wants to know, the directory has them all, and talks to most. */
        of_seeds.members_max = MAX(params->members_max, 2 * n_peers);
        of_seeds.connections_max = MAX(8192U, n_peers + 64);
        sim_set_params(sim, &of_seeds);
        for (unsigned i = 0; i < n_seeds; i++)
                (void) sim_add_seed(sim, true);
        sim_set_params(sim, params);
}

void network_begin(Sim *sim, unsigned n_seeds, unsigned n_peers, const Params *params) {
        network_add_seeds(sim, n_seeds, n_peers, params);
        for (unsigned i = 0; i < n_peers; i++)
                (void) sim_add_peer(sim);
        if (n_peers <= 200)
                sim_start_all(sim);
        else
                sim_start_spread(sim, MIN(n_peers * 5 * USEC_PER_MSEC, START_MAX_USEC));
}

Sim *network_of_params(uint64_t run, unsigned n_seeds, unsigned n_peers, const Params *params) {
        Sim *sim = sim_new(run);

        network_begin(sim, n_seeds, n_peers, params);
        return sim;
}

Sim *network_of_profile(uint64_t run, unsigned n_seeds, unsigned n_peers, Profile profile) {
        Params params = params_of_profile(profile);

        return network_of_params(run, n_seeds, n_peers, &params);
}

Sim *network(uint64_t run, unsigned n_seeds, unsigned n_peers) {
        return network_of_profile(run, n_seeds, n_peers, PROFILE_LAN);
}

Sim *hyparview_network(uint64_t run, unsigned n_peers, bool asked_first, usec_t liveness_usec) {
        Params params = params_of_profile(PROFILE_HYPARVIEW);
        Random random = random_from_run(run);
        Sim *sim = sim_new(run);

        params.links_asked_first = asked_first;
        params.liveness_interval_usec = liveness_usec;
        sim_set_params(sim, &params);
        for (unsigned i = 0; i < n_peers; i++) {
                (void) sim_add_peer(sim);
                sim_start(sim, i);
                if (i > 0)
                        (void) sim_connect(sim, i, (unsigned) random_below(&random, i));
                sim_run_for(sim, i < JOIN_FIRST ? JOIN_FIRST_USEC : JOIN_USEC);
        }
        return sim;
}

void end_some(Sim *sim, uint64_t run, unsigned percent, void (*end)(Sim *sim, unsigned i)) {
        Random random = random_from_run(~run);
        unsigned n_left = n_running_peers(sim) * percent / 100;

        while (n_left > 0) {
                unsigned i = (unsigned) random_below(&random, sim_n_nodes(sim));

                if (!sim_is_running(sim, i) || node_settings(sim_node(sim, i))->role != ROLE_PEER)
                        continue;
                end(sim, i);
                n_left--;
        }
}

/* What is asked of fewest nodes first: it is asked many times before it is so. */
bool settled(Sim *sim) {
        return sim_seeds_agree(sim) && sim_members_agree(sim) && sim_is_connected(sim);
}

bool connected(Sim *sim) {
        return sim_is_connected(sim);
}

unsigned n_running_peers(Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n += sim_is_running(sim, i) && node_settings(sim_node(sim, i))->role == ROLE_PEER;
        return n;
}

MemberState state_at(Sim *sim, unsigned at, unsigned of) {
        MemberInfo info;

        return sim_holds(sim, at, of, &info) ? info.state : _MEMBER_STATE_INVALID;
}

unsigned n_noticed(Sim *sim, NoticeType type) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n += sim_n_notices(sim, i, type);
        return n;
}

unsigned n_burials(Sim *sim) {
        unsigned n = 0;

        for (unsigned i = 0; i < sim_n_nodes(sim); i++)
                n += sim_n_notices(sim, i, NOTICE_DEAD) + sim_n_notices(sim, i, NOTICE_REPORTED_DEAD);
        return n;
}

unsigned gossip_reach(Sim *sim, unsigned from, usec_t usec) {
        MessageId id;

        if (sim_publish(sim, from, "/test", "payload", &id) < 0)
                return 0;
        sim_run_for(sim, usec);
        return sim_n_delivered(sim, &id);
}
