/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Figures of a network whose nodes come and go all the time. Each of n nodes hears of n / 5 that end and as many that come in a
 * round, which is what bounds n here.
 */

#include "figures.h"

#include "base/random.h"
#include "sim-traffic.h"

#define ROUND_USEC (30 * USEC_PER_SEC)
#define N_ROUNDS 200U
#define ENDS_SHARE 5U           /* one of so many ends in each round */
#define AWAY_SHARE 10U          /* one of so many is away at any time */
#define MESSAGE_STEP 6U         /* of so many parts of a round: a message at the begin of each, */
#define N_MESSAGES 4U           /* but for the last ones: there is time to arrive */

typedef struct Churn {
        Sim *sim;
        Random random;
        unsigned n_peers;
        usec_t *since_usec;     /* it runs; USEC_INFINITY: it does not */
        unsigned *away;         /* of those that are, who has been for longest comes first: a ring */
        unsigned n_away, n_away_max, first_away;
        uint64_t n_ended;
} Churn;

typedef struct ChurnMessage {
        MessageId id;
        usec_t usec;
} ChurnMessage;

static void churn_done(Churn *churn) {
        churn->sim = sim_free(churn->sim);
        free(churn->since_usec);
        free(churn->away);
}

static void churn_begin(Churn *churn, uint64_t run, unsigned n_peers) {
        Params params = params_of_profile(PROFILE_LAN);

        params.members_max = 64;
        params.hello_count = 0;
        *churn = (Churn) {
                .sim = network_of_params(run, N_SEEDS, n_peers, &params),
                .random = random_from_run(~run),
                .n_peers = n_peers,
                .since_usec = calloc(n_peers, sizeof(usec_t)),
                .n_away_max = MAX(n_peers / AWAY_SHARE, 1U),
        };
        churn->away = calloc(churn->n_away_max, sizeof(unsigned));
        if (!churn->since_usec || !churn->away)
                abort();
        sim_run_for(churn->sim, 60 * USEC_PER_SEC);
}

static unsigned churn_draw(Churn *churn) {
        unsigned i;

        do
                i = (unsigned) random_below(&churn->random, churn->n_peers);
        while (churn->since_usec[i] == USEC_INFINITY);
        return i;
}

/* One of them ends, in order and by a crash by turns; who has been away for long enough is back, and knows nothing of its last life. */
static void churn_step(Churn *churn, unsigned but) {
        unsigned i;

        do
                i = churn_draw(churn);
        while (i == but);
        if (churn->n_ended++ % 2 == 0)
                sim_crash(churn->sim, N_SEEDS + i);
        else
                sim_stop(churn->sim, N_SEEDS + i);
        churn->since_usec[i] = USEC_INFINITY;

        if (churn->n_away < churn->n_away_max)
                churn->n_away++;
        else {
                unsigned back = churn->away[churn->first_away];

                sim_restart(churn->sim, N_SEEDS + back, false);
                churn->since_usec[back] = sim_now(churn->sim);
        }
        churn->away[churn->first_away] = i;
        churn->first_away = (churn->first_away + 1) % churn->n_away_max;
}

/* The share of those that have run ever since who have it. */
static double churn_reach(const Churn *churn, const ChurnMessage *message) {
        unsigned n = 0, n_reached = 0;

        for (unsigned i = 0; i < churn->n_peers; i++)
                if (churn->since_usec[i] <= message->usec) {
                        n++;
                        n_reached += sim_has_delivered(churn->sim, &message->id, N_SEEDS + i);
                }
        return (double) n_reached / n;
}

/* Who publishes lives on for as long as the round lasts. Return: the worst reach of its messages. */
static double churn_round(Churn *churn) {
        unsigned publisher = churn_draw(churn), n_steps = MAX(churn->n_peers / ENDS_SHARE, MESSAGE_STEP);
        ChurnMessage messages[N_MESSAGES] = {};
        double worst = 1;

        for (unsigned i = 0, n = 0; i < n_steps; i++) {
                if (n < N_MESSAGES && i >= n * n_steps / MESSAGE_STEP) {
                        messages[n].usec = sim_now(churn->sim);
                        (void) sim_publish(churn->sim, N_SEEDS + publisher, "/figure", "payload", &messages[n++].id);
                }
                churn_step(churn, publisher);
                sim_run_for(churn->sim, ROUND_USEC / n_steps);
        }
        for (unsigned i = 0; i < N_MESSAGES; i++)
                worst = MIN(worst, churn_reach(churn, messages + i));
        return worst;
}

static void figure_churn(FigureContext *context) {
        _cleanup_samples_ Samples reach = {};

        for (uint64_t run; figure_next_run(context, &run);) {
                _cleanup_(churn_done) Churn churn;

                churn_begin(&churn, run, context->n);
                for (unsigned i = 0; i < N_ROUNDS; i++)
                        samples_add(&reach, churn_round(&churn));
        }
        figure_at_least(context, "reach in each of 200 rounds", &reach, 0.9999, "");
}

const Figure figures_churn[] = {
        { "churn", "20 % of the nodes end every 30 s, half of them by a crash, and as many come.", 1000, 5, figure_churn },
        {},
};
