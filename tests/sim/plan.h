/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A plan of a simulation: the network, and what happens to it when. It is written by hand as a scenario file, or drawn by run
 * number. The text has one statement on each line; p2psim(1) describes it.
 *
 *      seeds 3
 *      peers 20
 *      at 30s crash 5-9
 *      at 40s publish 12 1
 *      until 2m
 */

#include <limits.h>
#include <stdio.h>

#include "base/bytes.h"
#include "core/params.h"

#define PLAN_SEEDS_MAX 64U
#define PLAN_PEERS_MAX 1000000U
#define PLAN_ACTIONS_MAX 20000U
#define PLAN_TIME_MAX (UINT64_C(366) * 24U * 60U * USEC_PER_MINUTE)

typedef enum PlanVerb {
        VERB_CRASH, VERB_POWER_CUT, VERB_STOP, VERB_START, VERB_START_EMPTY, VERB_START_ELSEWHERE, VERB_HANG, VERB_SUSPEND,
        VERB_WAKE, VERB_CLONE, VERB_HALF_OPEN, VERB_CUT, VERB_JOIN, VERB_GROUP, VERB_HEAL, VERB_LOSS, VERB_SLOW, VERB_MUTE,
        VERB_UNMUTE,
        VERB_WRONG, VERB_LATE, VERB_TWICE, VERB_REORDER, VERB_CLOCK, VERB_FORGET_SEEDS, VERB_PUBLISH, VERB_MEASURE, VERB_RECOVER,
        _VERB_MAX,
} PlanVerb;

typedef struct PlanAction {
        usec_t at_usec;
        PlanVerb verb;
        unsigned first, last;           /* nodes: seeds come first, then peers, then clones */
        unsigned other_first, other_last;
        uint64_t number;                /* a group, a rate, a share, how many messages */
        int64_t offset_usec;            /* CLOCK */
} PlanAction;

typedef struct Plan {
        uint64_t run;
        unsigned n_seeds, n_peers;
        Profile profile;
        usec_t latency_min_usec, latency_max_usec;
        unsigned loss;                  /* frames of a million */
        unsigned members_max;           /* UINT_MAX: as the profile has it */
        usec_t until_usec;
        usec_t settle_usec;             /* after that it must be well again within so much; 0: that is not asked */
        PlanAction *actions;            /* in the order of time */
        size_t n_actions, n_allocated;
} Plan;

/* Three seeds, 20 peers, a minute, nothing happens. */
Plan plan_default(void);
void plan_done(Plan *plan);

/**
 * plan_parse() - read a scenario
 * @plan:       on success what the text says, over what was there; on failure to be freed all the same
 * @error:      on failure, "line 3: a sentence."
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
#define PLAN_ERROR_MAX 200U
int plan_parse(Plan *plan, Slice text, char error[static PLAN_ERROR_MAX]);
/* Prints what plan_parse() reads. */
void plan_print(const Plan *plan, FILE *out);

/* Keeps the order of time; of two at one time the one added first comes first. Return: 0, -ENOSPC, -ENOMEM. */
int plan_add(Plan *plan, PlanAction action);

/* Reads "10ms", "3s", "5m", "2h", at most PLAN_TIME_MAX. Return: 0, -EINVAL. */
int plan_parse_time(const char *text, usec_t *ret);
/* Reads "0.5%" as frames of a million. Return: 0, -EINVAL. */
int plan_parse_share(const char *text, uint64_t *ret);
