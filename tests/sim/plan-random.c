/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "plan-random.h"

#include "base/random.h"

#define START_USEC (60 * USEC_PER_SEC)
#define FAULTS_USEC (3 * USEC_PER_MINUTE)
#define SETTLE_USEC (60 * USEC_PER_MINUTE)      /* one that died unnoticed is found when its turn comes: one member a minute */
#define BETWEEN_USEC (6 * USEC_PER_SEC)
#define CLONES_MAX 3U

typedef enum Fault {
        FAULT_CRASH, FAULT_POWER_CUT, FAULT_STOP, FAULT_PAUSE, FAULT_SUSPEND, FAULT_START, FAULT_START_EMPTY, FAULT_MOVE,
        FAULT_CLONE, FAULT_HALF_OPEN, FAULT_CUT, FAULT_PARTITION, FAULT_LOSS, FAULT_SLOW, FAULT_MUTE, FAULT_CLOCK, FAULT_CHURN,
        FAULT_SEEDS, FAULT_PUBLISH, FAULT_LATE, FAULT_TWICE, FAULT_REORDER, FAULT_WRONG,
        _FAULT_MAX,
} Fault;

typedef struct Draw {
        Plan *plan;
        Random random;
        usec_t now_usec;
        unsigned n_nodes, n_clones;
        int r;                  /* the first error */
} Draw;

static unsigned draw_below(Draw *draw, unsigned n) {
        return (unsigned) random_below(&draw->random, n);
}

static void draw_add(Draw *draw, usec_t after_usec, PlanAction action) {
        int r;

        action.at_usec = draw->now_usec + after_usec;
        r = plan_add(draw->plan, action);
        if (r < 0 && draw->r >= 0)
                draw->r = r;
}

static void draw_nodes(Draw *draw, usec_t after_usec, PlanVerb verb, unsigned first, unsigned last, uint64_t number) {
        draw_add(draw, after_usec, (PlanAction) { .verb = verb, .first = first, .last = last, .number = number });
}

/* Up to three groups of nodes that lie together, and some nodes perhaps that see all. */
static void draw_partition(Draw *draw) {
        unsigned n_groups = 1 + draw_below(draw, 3), at = draw_below(draw, draw->n_nodes);

        draw_add(draw, 0, (PlanAction) { .verb = VERB_HEAL });
        for (unsigned group = 1; group < n_groups; group++) {
                unsigned last = MIN(at + draw_below(draw, draw->n_nodes), draw->n_nodes - 1);

                draw_nodes(draw, 0, VERB_GROUP, at, last, group);
                at = draw_below(draw, draw->n_nodes);
        }
}

/* Of few frames or of nearly all. */
static void draw_alteration(Draw *draw, PlanVerb verb, unsigned i, usec_t until_usec) {
        static const unsigned shares[] = { 1000, 20000, 200000, 900000 };

        draw_nodes(draw, 0, verb, i, i, shares[draw_below(draw, ELEMENTSOF(shares))]);
        draw_nodes(draw, until_usec, verb, i, i, 0);
}

static void draw_fault(Draw *draw, Fault fault) {
        unsigned n_seeds = draw->plan->n_seeds, i = draw_below(draw, draw->n_nodes), other = draw_below(draw, draw->n_nodes);
        usec_t pause_usec = USEC_PER_SEC + random_below(&draw->random, 31 * USEC_PER_SEC);
        PlanAction pair = { .first = i, .last = i, .other_first = other, .other_last = other };

        switch (fault) {

        case FAULT_CRASH:
                draw_nodes(draw, 0, VERB_CRASH, i, i, 0);
                break;

        case FAULT_POWER_CUT:
                draw_nodes(draw, 0, VERB_POWER_CUT, i, i, 0);
                break;

        case FAULT_STOP:
                draw_nodes(draw, 0, VERB_STOP, i, i, 0);
                break;

        case FAULT_PAUSE:
        case FAULT_SUSPEND:
                draw_nodes(draw, 0, fault == FAULT_PAUSE ? VERB_HANG : VERB_SUSPEND, i, i, 0);
                draw_nodes(draw, pause_usec, VERB_WAKE, i, i, 0);
                break;

        case FAULT_START:
                draw_nodes(draw, 0, VERB_START, i, MIN(i + draw->n_nodes / 4, draw->n_nodes - 1), 0);
                break;

        case FAULT_START_EMPTY:
                draw_nodes(draw, 0, VERB_START_EMPTY, i, i, 0);
                break;

        case FAULT_MOVE:
                draw_nodes(draw, 0, VERB_CRASH, i, i, 0);
                draw_nodes(draw, pause_usec / 8, VERB_START_ELSEWHERE, i, i, 0);
                break;

        case FAULT_CLONE:
                if (i >= n_seeds && i < n_seeds + draw->plan->n_peers && draw->n_clones++ < CLONES_MAX) {
                        draw_nodes(draw, 0, VERB_CLONE, i, i, 0);
                        draw->n_nodes++;
                }
                break;

        case FAULT_HALF_OPEN:
                pair.verb = VERB_HALF_OPEN;
                draw_add(draw, 0, pair);
                break;

        case FAULT_CUT:
                pair.verb = VERB_CUT;
                draw_add(draw, 0, pair);
                pair.verb = VERB_JOIN;
                draw_add(draw, pause_usec, pair);
                break;

        case FAULT_PARTITION:
                draw_partition(draw);
                break;

        case FAULT_LOSS:
                draw_nodes(draw, 0, VERB_LOSS, 0, 0, random_below(&draw->random, 20000));
                draw_nodes(draw, pause_usec, VERB_LOSS, 0, 0, 0);
                break;

        case FAULT_SLOW:
                draw_nodes(draw, 0, VERB_SLOW, i, i, 4 + draw_below(draw, 60));
                draw_nodes(draw, pause_usec, VERB_SLOW, i, i, 0);
                break;

        case FAULT_MUTE:
                draw_nodes(draw, 0, VERB_MUTE, i, i, 0);
                break;

        case FAULT_CLOCK:
                draw_add(draw, 0, (PlanAction) {
                        .verb = VERB_CLOCK, .first = i, .last = i,
                        .offset_usec = (int64_t) random_below(&draw->random, 2 * 3600 * USEC_PER_SEC) -
                                       (int64_t) (3600 * USEC_PER_SEC),
                });
                break;

        case FAULT_CHURN: {
                unsigned last = MIN(i + draw->n_nodes / 5, draw->n_nodes - 1);

                draw_nodes(draw, 0, VERB_CRASH, i, last, 0);
                draw_nodes(draw, pause_usec, VERB_START, i, last, 0);
                break;
        }

        case FAULT_SEEDS:
                draw_nodes(draw, 0, VERB_CRASH, 0, draw_below(draw, n_seeds), 0);
                break;

        case FAULT_PUBLISH:
                draw_nodes(draw, 0, VERB_PUBLISH, i, i, 1 + draw_below(draw, 3));
                break;

        case FAULT_LATE:
                draw_alteration(draw, VERB_LATE, i, pause_usec);
                break;

        case FAULT_TWICE:
                draw_alteration(draw, VERB_TWICE, i, pause_usec);
                break;

        case FAULT_REORDER:
                draw_alteration(draw, VERB_REORDER, i, pause_usec);
                break;

        case FAULT_WRONG:
                draw_alteration(draw, VERB_WRONG, i, pause_usec);
                break;

        case _FAULT_MAX:
                break;
        }
}

int plan_random(Plan *ret, uint64_t run, unsigned n_peers_min, unsigned n_peers_max) {
        Draw draw = { .plan = ret, .random = random_from_run(~run) };
        bool enabled[_FAULT_MAX];
        usec_t end_usec;
        unsigned n_gone;

        *ret = plan_default();
        ret->run = run;
        ret->n_seeds = 1 + draw_below(&draw, 4);
        ret->n_peers = n_peers_min + draw_below(&draw, n_peers_max - n_peers_min + 1);
        draw.n_nodes = ret->n_seeds + ret->n_peers;
        if (draw_below(&draw, 4) == 0) {
                ret->latency_min_usec = 200;
                ret->latency_max_usec = 5 * USEC_PER_MSEC;
        }
        for (Fault fault = 0; fault < _FAULT_MAX; fault++)
                enabled[fault] = draw_below(&draw, 3) > 0;

        draw.now_usec = random_below(&draw.random, START_USEC);
        for (end_usec = draw.now_usec + FAULTS_USEC; draw.now_usec < end_usec && draw.r >= 0;) {
                Fault fault = (Fault) draw_below(&draw, _FAULT_MAX);

                if (enabled[fault])
                        draw_fault(&draw, fault);
                draw.now_usec += random_below(&draw.random, BETWEEN_USEC);
        }

        /* Pauses may reach beyond the end; then all is mended, and a few die for good. */
        draw.now_usec += 33 * USEC_PER_SEC;
        draw_add(&draw, 0, (PlanAction) { .verb = VERB_RECOVER });
        draw.now_usec += 5 * USEC_PER_SEC;
        n_gone = draw_below(&draw, ret->n_peers / 5 + 1);
        for (unsigned i = 0; i < n_gone; i++) {
                unsigned node = ret->n_seeds + 1 + draw_below(&draw, ret->n_peers - 1);         /* the first peer stays */

                draw_nodes(&draw, 0, draw_below(&draw, 2) ? VERB_CRASH : VERB_POWER_CUT, node, node, 0);
        }
        ret->until_usec = draw.now_usec;
        ret->settle_usec = SETTLE_USEC;
        return draw.r;
}
