/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/params.h"

static const char *const profile_names[_PROFILE_MAX] = {
        [PROFILE_LOCAL] = "local",
        [PROFILE_LAN] = "lan",
        [PROFILE_WAN] = "wan",
        [PROFILE_CLASSIC] = "classic",
        [PROFILE_HYPARVIEW] = "hyparview",
};

/* What the profiles share; local, lan and wan differ in their clock alone. */
static const Params params_lan = {
        .links_outgoing = 4,
        .links_inbound = 8,
        .links_extra = 1,
        .links_asked_first = true,
        .rotate_usec = 25 * USEC_PER_MINUTE,
        .passive_max = 30,
        .lost_max = 256,
        .shuffle_usec = 30 * USEC_PER_SEC,

        .liveness_interval_usec = 1 * USEC_PER_SEC,
        .liveness_floor_usec = 500 * USEC_PER_MSEC,
        .liveness_ceiling_usec = 3 * USEC_PER_SEC,
        .liveness_strikes = 3,
        .liveness_adaptive = true,
        .suspicion_min_usec = 2 * USEC_PER_SEC,
        .suspicion_max_usec = 8 * USEC_PER_SEC,
        .witnesses = true,

        .lease_usec = 90 * USEC_PER_SEC,
        .renew_usec = 30 * USEC_PER_SEC,
        .report_checked = true,

        .hello_interval_usec = 5 * USEC_PER_SEC,
        .hello_count = 10,
        .store_size_max = 16 * 1024 * 1024,
        .store_age_usec = 10 * USEC_PER_MINUTE,

        .members_max = 10000,
        .origins_max = 16384,
        .intervals_max = 1024,
        .queue_max = 1024 * 1024,
        .connections_max = 256,
        .handshakes_max = 64,
        .turn_usec = USEC_PER_SEC / 400,
        .connections_per_host_max = 64,
};

Params params_of_profile(Profile profile) {
        Params params = params_lan;

        switch (profile) {

        case PROFILE_LOCAL:
                params.liveness_interval_usec = 500 * USEC_PER_MSEC;
                params.liveness_floor_usec = 100 * USEC_PER_MSEC;
                params.suspicion_min_usec = 1 * USEC_PER_SEC;
                params.suspicion_max_usec = 3 * USEC_PER_SEC;
                return params;

        case PROFILE_LAN:
                return params;

        case PROFILE_WAN:
                params.liveness_interval_usec = 5 * USEC_PER_SEC;
                params.liveness_floor_usec = 1500 * USEC_PER_MSEC;
                params.suspicion_min_usec = 10 * USEC_PER_SEC;
                params.suspicion_max_usec = 40 * USEC_PER_SEC;
                return params;

        case PROFILE_CLASSIC:
                params.links_inbound = 0;
                params.links_shared = true;
                params.shuffle_usec = 0;
                params.rotate_usec = 0;
                /* Three misses, each one interval after the other, whatever the round-trip time. */
                params.liveness_interval_usec = 13 * USEC_PER_SEC;
                params.liveness_floor_usec = 13 * USEC_PER_SEC;
                params.liveness_ceiling_usec = 13 * USEC_PER_SEC;
                params.liveness_adaptive = false;
                params.liveness_in_step = true;
                params.suspicion_min_usec = params.suspicion_max_usec = 0;
                params.witnesses = false;
                params.report_checked = false;
                params.hello_always = true;
                params.gossip_flood = true;
                return params;

        case PROFILE_HYPARVIEW:
                params.links_outgoing = 5;
                params.links_inbound = 0;
                params.links_shared = true;
                params.links_extra = 0;
                params.links_evict_any = true;
                params.links_asked_first = false;
                params.join_walks = 4;
                params.rotate_usec = 0;
                params.lost_max = 0;
                params.members_max = 0;
                params.hello_count = 0;
                return params;

        case _PROFILE_MAX:
        case _PROFILE_INVALID:
                break;
        }

        assert(false && "not a profile");
        return params;
}

const char *profile_to_string(Profile profile) {
        assert(profile >= 0 && profile < _PROFILE_MAX);

        return profile_names[profile];
}

Profile profile_from_string(const char *text) {
        for (Profile p = 0; p < PROFILE_HYPARVIEW; p++)
                if (streq(profile_names[p], text))
                        return p;
        return _PROFILE_INVALID;
}
