/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two peers, and every order in which what is under way between them can arrive. Each connection keeps its order in each
 * direction, as TCP does; nothing else is in any order. Time stands still until nothing is under way any more; then it
 * goes on, and all must be well.
 *
 * A peer knows only what happened to it: two orders in which the same happened to both lead to the same state, and only
 * one of them is followed. So "every" is meant: with two connections the number of states stays in the thousands.
 */

#include "core/peer-node.h"

typedef enum StimulusType {
        STIMULUS_DIAL,          /* @peer dials the other */
        STIMULUS_FORGET,        /* @peer is told that the eldest connection was reset; the other end is not, and finds out */
        STIMULUS_RESTART,       /* the process of @peer is another one with the next epoch; what it held is gone without a word */
} StimulusType;

/* Something that happens once, at any moment. */
typedef struct Stimulus {
        StimulusType type;
        unsigned peer;          /* 0 or 1 */
} Stimulus;

#define STIMULI_MAX 4U

typedef struct Ordering {
        NodeIdentity identities[2];
        bool remember;          /* each remembers the other's address, and dials it by itself, from the start and again */
        bool linked;            /* before: peer 0 has dialled peer 1, and all is quiet */
        Stimulus stimuli[STIMULI_MAX];
        size_t n_stimuli;
} Ordering;

typedef struct OrderingResult {
        size_t n_states, n_ends;        /* different ones */
        size_t n_events_max;            /* until nothing was under way */
        unsigned n_suspected;           /* ends after which somebody had been suspected */
        unsigned n_new_ids;             /* ends in which somebody has taken a new id */
        bool both_new;                  /* in one of them both have */
} OrderingResult;

/* Follows all of them; fails the process with a sentence and the order when there is not exactly one session left between
 * the two, which is a link for both, with two ids, after @settle_usec, or when it takes no end. */
OrderingResult ordering_follow_all(const Ordering *ordering, usec_t settle_usec);

/* The same along @n of them at random, where all are too many: three connections at once have millions. */
OrderingResult ordering_follow_some(const Ordering *ordering, usec_t settle_usec, unsigned n, uint64_t run);
