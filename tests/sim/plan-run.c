/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "plan-run.h"

#include "base/text.h"
#include "scenario.h"
#include "sim-traffic.h"

#define LAST_USEC (5 * USEC_PER_SEC)
#define CATCH_UP_USEC (5 * USEC_PER_MINUTE)     /* a neighbour drawn at random is asked once a minute what it stores */

Sim *plan_network(const Plan *plan, bool strict) {
        Params params = params_of_profile(plan->profile);
        Sim *sim = sim_new(plan->run);

        if (strict)
                sim_set_strict(sim);
        sim_set_latency(sim, plan->latency_min_usec, plan->latency_max_usec);
        sim_set_loss(sim, plan->loss);
        if (plan->members_max != UINT_MAX)
                params.members_max = plan->members_max;
        network_begin(sim, plan->n_seeds, plan->n_peers, &params);
        return sim;
}

static bool is_peer(Sim *sim, unsigned i) {
        return sim_is_running(sim, i) && node_settings(sim_node(sim, i))->role == ROLE_PEER;
}

static void recover(Sim *sim) {
        sim_heal(sim);
        sim_set_loss(sim, 0);
        for (unsigned i = 0; i < sim_n_nodes(sim); i++) {
                sim_set_slow(sim, i, 0);
                sim_set_mute(sim, i, false);
                for (Alteration alteration = 0; alteration < _ALTER_MAX; alteration++)
                        sim_set_alter(sim, i, alteration, 0);
                if (sim_is_running(sim, i))
                        sim_thaw(sim, i);
                else
                        sim_restart(sim, i, true);
        }
}

static void act_on_pair(Sim *sim, PlanVerb verb, unsigned i, unsigned other) {
        if (i == other)
                return;
        if (verb == VERB_HALF_OPEN) {
                if (sim_is_running(sim, i) && sim_is_running(sim, other))
                        sim_half_open(sim, i, other);
        } else
                sim_block(sim, i, other, verb == VERB_CUT);
}

static void act_on_node(const PlanAction *action, Sim *sim, unsigned i) {
        bool runs = sim_is_running(sim, i);
        MessageId id;

        switch (action->verb) {

        case VERB_CRASH:
                if (runs)
                        sim_crash(sim, i);
                break;
        case VERB_POWER_CUT:
                if (runs)
                        sim_power_cut(sim, i);
                break;
        case VERB_STOP:
                if (runs)
                        sim_stop(sim, i);
                break;
        case VERB_START:
        case VERB_START_EMPTY:
                if (!runs)
                        sim_restart(sim, i, action->verb == VERB_START);
                break;
        case VERB_START_ELSEWHERE:
                if (runs)
                        sim_crash(sim, i);
                sim_move(sim, i);
                sim_restart(sim, i, true);
                break;
        case VERB_HANG:
                if (runs)
                        sim_freeze(sim, i);
                break;
        case VERB_SUSPEND:
                if (runs)
                        sim_suspend(sim, i);
                break;
        case VERB_WAKE:
                if (runs)
                        sim_thaw(sim, i);
                break;
        case VERB_CLONE:
                sim_start(sim, sim_add_clone(sim, i));
                break;
        case VERB_GROUP:
                sim_set_group(sim, i, (unsigned) action->number);
                break;
        case VERB_SLOW:
                sim_set_slow(sim, i, action->number * 1024);
                break;
        case VERB_MUTE:
        case VERB_UNMUTE:
                sim_set_mute(sim, i, action->verb == VERB_MUTE);
                break;
        case VERB_WRONG:
                sim_set_alter(sim, i, ALTER_WRONG, (unsigned) action->number);
                break;
        case VERB_LATE:
                sim_set_alter(sim, i, ALTER_LATE, (unsigned) action->number);
                break;
        case VERB_TWICE:
                sim_set_alter(sim, i, ALTER_TWICE, (unsigned) action->number);
                break;
        case VERB_REORDER:
                sim_set_alter(sim, i, ALTER_ORDER, (unsigned) action->number);
                break;
        case VERB_CLOCK:
                sim_set_clock(sim, i, action->offset_usec);
                break;
        case VERB_FORGET_SEEDS:
                sim_forget_seeds(sim, i);
                break;
        case VERB_PUBLISH:
                for (uint64_t n = 0; n < action->number && is_peer(sim, i); n++)
                        (void) sim_publish(sim, i, "/sim", "payload", &id);
                break;

        case VERB_HALF_OPEN:
        case VERB_CUT:
        case VERB_JOIN:
                for (unsigned other = action->other_first; other <= action->other_last && other < sim_n_nodes(sim); other++)
                        act_on_pair(sim, action->verb, i, other);
                break;

        case VERB_HEAL:
        case VERB_LOSS:
        case VERB_MEASURE:
        case VERB_RECOVER:
        case _VERB_MAX:
                break;
        }
}

static void act(const PlanAction *action, Sim *sim) {
        unsigned n = sim_n_nodes(sim);          /* a clone is not cloned again by the same action */

        switch ((unsigned) action->verb) {
        case VERB_HEAL:
                sim_heal(sim);
                break;
        case VERB_LOSS:
                sim_set_loss(sim, (unsigned) action->number);
                break;
        case VERB_MEASURE:
                sim_traffic_reset(sim);
                break;
        case VERB_RECOVER:
                recover(sim);
                break;
        default:
                for (unsigned i = action->first; i <= action->last && i < n; i++)
                        act_on_node(action, sim, i);
        }
}

void plan_run(const Plan *plan, Sim *sim) {
        usec_t start_usec = sim_now(sim);

        for (size_t i = 0; i < plan->n_actions && plan->actions[i].at_usec <= plan->until_usec; i++) {
                sim_run_for(sim, start_usec + plan->actions[i].at_usec - sim_now(sim));
                act(plan->actions + i, sim);
        }
        sim_run_for(sim, start_usec + plan->until_usec - sim_now(sim));
}

/* What nobody has any more is given up, too. */
static bool has_caught_up(Sim *sim) {
        return !sim_misses(sim, &(Missing) {}) && !sim_holds_back(sim, &(Missing) {});
}

bool plan_settle(const Plan *plan, Sim *sim, usec_t *ret_usec, char complaint[static PLAN_COMPLAINT_MAX]) {
        usec_t start_usec = sim_now(sim);
        unsigned n_reached, publisher = 0;

        if (!sim_run_until_every(sim, 100 * USEC_PER_MSEC, settled, plan->settle_usec)) {
                (void) snprintf(complaint, PLAN_COMPLAINT_MAX, "%s%s%safter %s of peace.",
                                sim_is_connected(sim) ? "" : "Not one component, ",
                                sim_members_agree(sim) ? "" : "members differ, ",
                                sim_seeds_agree(sim) ? "" : "seeds differ, ", DURATION_TEXT(plan->settle_usec));
                return false;
        }
        *ret_usec = sim_now(sim) - start_usec;

        if (!sim_run_until_every(sim, USEC_PER_SEC, has_caught_up, CATCH_UP_USEC)) {
                Missing missing;

                if (sim_misses(sim, &missing))
                        (void) snprintf(complaint, PLAN_COMPLAINT_MAX, "Message %ju/%ju is stored at node %u and missing at node "
                                        "%u, %s after all was well.", (uintmax_t) missing.id.epoch, (uintmax_t) missing.id.sequence,
                                        missing.held_by, missing.at, DURATION_TEXT(CATCH_UP_USEC));
                else if (sim_holds_back(sim, &missing))
                        (void) snprintf(complaint, PLAN_COMPLAINT_MAX, "Node %u still waits for message %ju/%ju, or for those of an "
                                        "earlier epoch, %s after all was well.", missing.at, (uintmax_t) missing.id.epoch,
                                        (uintmax_t) missing.id.sequence, DURATION_TEXT(CATCH_UP_USEC));
                return false;
        }

        while (publisher < sim_n_nodes(sim) && !is_peer(sim, publisher))
                publisher++;
        if (publisher == sim_n_nodes(sim))
                return true;
        n_reached = gossip_reach(sim, publisher, LAST_USEC);
        if (n_reached == n_running_peers(sim))
                return true;
        (void) snprintf(complaint, PLAN_COMPLAINT_MAX, "A message in a healthy network reached %u of %u peers.", n_reached,
                        n_running_peers(sim));
        return false;
}
