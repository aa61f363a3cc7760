/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Passive views are kept fresh, and random, by exchange: the shuffle of HyParView (Leitao, Pereira, Rodrigues, DSN 2007,
 * section 4.4), PROTOCOL.md section 5.2.
 *
 * Every 30 s a node sends its own record, 3 of its links and 4 of its passive peers on a random walk of at most 6 links. The last
 * node of the walk answers with as many passive peers of its own; both take over what they got, and give up for it
 * those that they sent, so that no peer is forgotten by the exchange. (The paper: k_a = 3, k_p = 4, TTL 6, active 5.)
 *
 * Departures: the answer goes over an open session with the one that began if there is one, else over a short session
 * with PURPOSE probe, which cannot take the place of a link that is being made at the same time. A node whose passive
 * view is short answers with links, too, without which a network that has just begun would have nothing to exchange.
 * Records are taken over into the member table as well. In the profile `hyparview` a newcomer's walks stand for
 * FORWARD_JOIN: it asks whoever is at the end of one for a link with priority merge, and answers name passive peers only, or
 * newcomers would link to whole neighbourhoods. As anybody may begin as many walks as it likes, each with
 * eight records of nobody and one victim to be answered to: what comes on one link, the sessions that are dialled for
 * answers, in all and to one address, and the members learned so are bounded in number and in time.
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define TTL_MAX 6U
#define N_ACTIVE 3U
#define N_PASSIVE 4U
#define SOON_USEC (1 * USEC_PER_SEC)            /* of a node that knows nobody */
#define ANSWER_USEC (15 * USEC_PER_SEC)         /* never longer than the time between two of ours */
#define INTERVAL_USEC (30 * USEC_PER_SEC)
#define LINK_RATE ((Rate) { 8, INTERVAL_USEC })         /* shuffles taken from one link; some six times what comes in peace */
#define DIALS_RATE ((Rate) { 8, INTERVAL_USEC })        /* answers that we dial for */
#define NEWS_RATE ((Rate) { 64, INTERVAL_USEC })        /* members that nobody else spoke of */
#define NAME_UNKNOWN "?"

struct ShuffleReply {
        LinkId link;
        ShuffleMessage message;
};

static bool link_is_up(const Session *session) {
        return session->link_state == LINK_UP && !session->ending && !session->lingering;
}

/* A random link that is neither of the two; NULL: there is none. */
static Session *shuffle_pick(Node *node, const Session *but, const NodeId *but_id) {
        Session *picked = NULL;
        unsigned n = 0;

        for (Session *session = node->sessions; session; session = session->next)
                if (link_is_up(session) && session != but && (!but_id || !node_id_equal(&session->id, but_id)) &&
                    random_below(&node->random, ++n) == 0)
                        picked = session;
        return picked;
}

/* ---- what is sent ---- */

static bool shuffle_has(const ShuffleMessage *message, const NodeId *id) {
        for (size_t i = 0; i < message->n_records; i++)
                if (node_id_equal(&message->records[i].id, id))
                        return true;
        return false;
}

/* For whoever is at @remote; false when the addresses are of no use there. */
static bool shuffle_add(ShuffleMessage *message, const Record *record, const Address *remote) {
        if (message->n_records >= SHUFFLE_RECORDS_MAX || shuffle_has(message, &record->id) ||
            !record_for_caller(record, remote, message->records + message->n_records))
                return false;
        message->n_records++;
        return true;
}

/* False when it is not held alive. Of whom we hold no record we say the epoch 0: that is where to find it, and no more. */
static bool shuffle_record(const Node *node, const NodeId *id, const Address *addresses, size_t n_addresses, Record *ret,
                           usec_t now_usec) {
        const Member *member = member_table_find(&node->members, id);

        if (member) {
                *ret = member->record;
                ret->age_msec = member_age_msec(member, now_usec);
                return member_is_live(member) && member->record.state == MEMBER_ALIVE;
        }
        *ret = (Record) { .id = *id, .role = ROLE_PEER, .name = NAME_UNKNOWN, .n_addresses = n_addresses };
        memcpy(ret->addresses, addresses, n_addresses * sizeof(*addresses));
        return true;
}

/* @n random links, other than those with @but and @but_id. */
static void shuffle_add_active(Node *node, ShuffleMessage *message, const Session *but, const NodeId *but_id,
                               const Address *remote, size_t n, usec_t now_usec) {
        const Session *picked[N_ACTIVE + SHUFFLE_RECORDS_MAX];
        size_t n_seen = 0;

        for (const Session *session = node->sessions; session && n > 0; session = session->next) {
                uint64_t place;

                if (!link_is_up(session) || session == but || (but_id && node_id_equal(&session->id, but_id)))
                        continue;
                place = n_seen < n ? n_seen : random_below(&node->random, n_seen + 1);
                n_seen++;
                if (place < n)
                        picked[place] = session;
        }
        for (size_t i = 0; i < MIN(n, n_seen); i++) {
                Record record;

                if (shuffle_record(node, &picked[i]->id, picked[i]->addresses, picked[i]->n_addresses, &record, now_usec))
                        (void) shuffle_add(message, &record, remote);
        }
}

/* @n random passive peers; their addresses, as we know them, go to @ret_sent. Return: how many. */
static size_t shuffle_add_passive(Node *node, ShuffleMessage *message, const NodeId *but_id, const Address *remote, size_t n,
                                  Address ret_sent[static SHUFFLE_RECORDS_MAX], usec_t now_usec) {
        Candidate candidates[SHUFFLE_RECORDS_MAX];
        size_t n_sent = 0;

        n = view_sample(&node->peer->view, now_usec, candidates, n);
        for (size_t i = 0; i < n; i++) {
                Record record;

                if (but_id && node_id_equal(&candidates[i].id, but_id))
                        continue;
                if (shuffle_record(node, &candidates[i].id, &candidates[i].address, 1, &record, now_usec) &&
                    shuffle_add(message, &record, remote))
                        ret_sent[n_sent++] = candidates[i].address;
        }
        return n_sent;
}

static int shuffle_send(Node *node, Session *to, usec_t now_usec) {
        Shuffle *shuffle = &node->peer->shuffle;
        Message message;

        message_set(&message, MESSAGE_SHUFFLE, shuffle, .ttl = TTL_MAX, .n_records = 1, .records = { node_record(node) });
        shuffle_add_active(node, &message.shuffle, to, NULL, &to->remote, N_ACTIVE, now_usec);
        shuffle->n_sent = shuffle_add_passive(node, &message.shuffle, &to->id, &to->remote, N_PASSIVE, shuffle->sent, now_usec);
        shuffle->n_awaited++;
        shuffle->until_usec = usec_add(now_usec, ANSWER_USEC);
        return session_send(node, to, &message);
}

/* With neither a seed nor anybody else to ask for a link. */
static void shuffle_hurry(Node *node, usec_t now_usec) {
        Timer *timer = &node->peer->shuffle.timer;

        if (timer_is_set(timer) && node->peer->view.n_passive == 0 && node_n_registered(node) == 0 &&
            links_counted(node) < node->settings.params.links_outgoing)
                timer_set(&node->timers, timer, MIN(timer->when_usec,
                                                    usec_add(now_usec, random_jitter(&node->random, SOON_USEC))));
}

int shuffle_begin(Node *node, usec_t now_usec) {
        Session *to = shuffle_pick(node, NULL, NULL);

        shuffle_start(node, now_usec);
        if (!to)
                return 0;
        shuffle_hurry(node, now_usec);          /* and again, should nobody answer */
        node->peer->shuffle.n_awaited = 0;
        return shuffle_send(node, to, now_usec);
}

int shuffle_join(Node *node, usec_t now_usec) {
        Session *to = shuffle_pick(node, NULL, NULL);

        shuffle_hurry(node, now_usec);
        if (!to || links_n(node) > 1)
                return 0;

        node->peer->shuffle.n_awaited = 0;
        for (unsigned i = 0; i < node->settings.params.join_walks; i++) {
                int r = shuffle_send(node, to, now_usec);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- what is taken over ---- */

static int shuffle_take(Node *node, const ShuffleMessage *message, const Address *source, Address *sent, size_t n_sent,
                        usec_t now_usec) {
        Shuffle *shuffle = &node->peer->shuffle;

        for (size_t i = 0; i < message->n_records; i++) {
                const Record *record = message->records + i;
                const Member *member = member_table_find(&node->members, &record->id);
                int r;

                if (record->state != MEMBER_ALIVE || record->role != ROLE_PEER || record->n_addresses == 0 ||
                    node_id_equal(&record->id, &node->identity.id))
                        continue;
                if (record->epoch > 0 && (member || ratelimit_allow(&shuffle->news, NEWS_RATE, now_usec))) {
                        r = peer_merge(node, record, 0, now_usec);
                        if (r < 0)
                                return r;
                        member = member_table_find(&node->members, &record->id);
                }
                if ((!member || member->record.state == MEMBER_ALIVE) && !session_of(node, &record->id))
                        view_exchange(&node->peer->view, &record->id, record->addresses, source, sent, &n_sent);
        }
        return links_fill(node, now_usec);
}

int shuffle_on_reply(Node *node, const Session *session, const ShuffleMessage *message, usec_t now_usec) {
        Shuffle *shuffle = &node->peer->shuffle;

        if (shuffle->n_awaited == 0 || shuffle->until_usec <= now_usec || session->role != ROLE_PEER) {
                node->counters[COUNTER_SHUFFLES_REFUSED]++;
                return 0;
        }
        shuffle->n_awaited--;

        /* As FORWARD_JOIN ends at it, it gives a newcomer a place, whoever has to make room for that. */
        if (node->settings.params.join_walks > 0 && !session_of(node, &session->id) &&
            links_counted(node) < node->settings.params.links_outgoing) {
                int r = links_dial(node, &session->id, session->addresses, PRIORITY_MERGE, now_usec);

                if (r < 0)
                        return r;
        }
        return shuffle_take(node, message, &session->remote, shuffle->sent, shuffle->n_sent, now_usec);
}

/* ---- the walk ---- */

/* Whoever asked for it or not: an address is dialled once in that time. Return: 1, and it is noted; 0; -ENOMEM. */
static int shuffle_may_dial(Shuffle *shuffle, const Address *address, usec_t now_usec) {
        struct ShuffleDialled *dialled;
        size_t n_past = 0;

        while (n_past < shuffle->n_dialled && now_usec >= usec_add(shuffle->dialled[n_past].when_usec, INTERVAL_USEC))
                n_past++;
        for (size_t i = n_past; i < shuffle->n_dialled; i++)
                if (address_equal(&shuffle->dialled[i].address, address))
                        return 0;
        if (!ratelimit_allow(&shuffle->dials, DIALS_RATE, now_usec))
                return 0;

        if (n_past == 0 && shuffle->n_dialled == DIALLED_MAX)
                n_past = 1;
        if (n_past > 0) {
                shuffle->n_dialled -= n_past;
                memmove(shuffle->dialled, shuffle->dialled + n_past, shuffle->n_dialled * sizeof(*dialled));
        }
        dialled = reallocarray(shuffle->dialled, shuffle->n_dialled + 1, sizeof(*dialled));
        if (!dialled)
                return -ENOMEM;
        dialled[shuffle->n_dialled++] = (struct ShuffleDialled) { *address, now_usec };
        shuffle->dialled = dialled;
        return 1;
}

/* Dials whoever began, for @message. Return: 1, 0 when that may not be, -ENOMEM. */
static int shuffle_dial(Node *node, const Record *origin, const ShuffleMessage *message, usec_t now_usec) {
        Shuffle *shuffle = &node->peer->shuffle;
        _cleanup_free_ ShuffleReply *reply = NULL;
        Session *session;
        size_t free_place = 0;
        int r;

        while (free_place < REPLIES_MAX && shuffle->replies[free_place])
                free_place++;
        if (free_place == REPLIES_MAX || !address_is_dialable(origin->addresses))
                return 0;
        r = shuffle_may_dial(shuffle, origin->addresses, now_usec);
        if (r <= 0)
                return r;

        reply = malloc(sizeof(*reply));
        if (!reply)
                return -ENOMEM;
        r = session_dial(node, origin->addresses, SESSION_FOR_SHUFFLE, &origin->id, DIAL_USEC, now_usec, &session);
        if (r < 0)
                return r;
        *reply = (ShuffleReply) { .link = session->link, .message = *message };
        shuffle->replies[free_place] = TAKE_PTR(reply);
        return 1;
}

/* The walk ends here. */
static int shuffle_answer(Node *node, const Session *from, const ShuffleMessage *shuffled, usec_t now_usec) {
        const Record *origin = shuffled->records;
        Session *session = session_of(node, &origin->id);
        const Address *remote = session ? &session->remote : origin->addresses;
        Address sent[SHUFFLE_RECORDS_MAX];
        size_t n_sent;
        Message reply;
        int r = 0;

        message_set(&reply, MESSAGE_SHUFFLE_REPLY, shuffle, .ttl = 0);
        n_sent = shuffle_add_passive(node, &reply.shuffle, &origin->id, remote, shuffled->n_records, sent, now_usec);
        if (reply.shuffle.n_records < shuffled->n_records && node->settings.params.join_walks == 0)
                shuffle_add_active(node, &reply.shuffle, session, &origin->id, remote,
                                   shuffled->n_records - reply.shuffle.n_records, now_usec);

        if (!session)
                r = shuffle_dial(node, origin, &reply.shuffle, now_usec);
        else if (session->role == ROLE_PEER)
                r = session_send(node, session, &reply) < 0 ? -ENOMEM : 1;
        if (r < 0)
                return r;
        node->counters[r > 0 ? COUNTER_SHUFFLES_ANSWERED : COUNTER_SHUFFLES_REFUSED]++;
        return shuffle_take(node, shuffled, &from->remote, sent, n_sent, now_usec);
}

/* The same walk, one link on. Return: 1, 0 when it ends here, -ENOMEM. */
static int shuffle_pass_on(Node *node, const Session *from, const ShuffleMessage *shuffled, usec_t now_usec) {
        Session *to = shuffle_pick(node, from, &shuffled->records[0].id);
        Message message;
        int r;

        if (shuffled->ttl <= 1 || !to)
                return 0;

        message_set(&message, MESSAGE_SHUFFLE, shuffle, .ttl = MIN(shuffled->ttl, TTL_MAX) - 1);
        if (!shuffle_add(&message.shuffle, shuffled->records, &to->remote))
                return 0;               /* whoever comes next could not answer it */
        for (size_t i = 1; i < shuffled->n_records; i++)
                (void) shuffle_add(&message.shuffle, shuffled->records + i, &to->remote);
        r = session_send(node, to, &message);
        return r < 0 ? r : 1;
}

static bool shuffle_is_sound(const ShuffleMessage *message) {
        const Record *origin = message->records;

        return message->n_records > 0 && origin->state == MEMBER_ALIVE && origin->role == ROLE_PEER &&
               origin->epoch < EPOCH_MAX && origin->n_addresses > 0;
}

int shuffle_on_message(Node *node, Session *session, const ShuffleMessage *message, usec_t now_usec) {
        ShuffleMessage shuffled = *message;
        Record *origin = shuffled.records;
        int r;

        if (session->link_state != LINK_UP)
                return session_protocol_error(node, session, "SHUFFLE has no place on a session that is no link.", now_usec);

        /* One that advertises no address is where we see it. */
        if (shuffled.n_records > 0 && origin->n_addresses == 0 && node_id_equal(&origin->id, &session->id)) {
                origin->n_addresses = session->n_addresses;
                memcpy(origin->addresses, session->addresses, session->n_addresses * sizeof(*origin->addresses));
        }
        if (!ratelimit_allow(&session->up->shuffles, LINK_RATE, now_usec) || !shuffle_is_sound(&shuffled)) {
                node->counters[COUNTER_SHUFFLES_REFUSED]++;
                return 0;
        }
        if (node_id_equal(&origin->id, &node->identity.id))
                return 0;               /* it came home */

        r = shuffle_pass_on(node, session, &shuffled, now_usec);
        if (r != 0)
                return MIN(r, 0);
        return shuffle_answer(node, session, &shuffled, now_usec);
}

/* ---- sessions ---- */

static ShuffleReply **shuffle_reply_of(Node *node, const Session *session) {
        Shuffle *shuffle = &node->peer->shuffle;

        for (size_t i = 0; i < REPLIES_MAX; i++)
                if (shuffle->replies[i] && shuffle->replies[i]->link == session->link)
                        return shuffle->replies + i;
        return NULL;
}

int shuffle_opened(Node *node, Session *session, usec_t now_usec) {
        ShuffleReply **reply = shuffle_reply_of(node, session);
        Message message;
        int r;

        if (reply && session->role == ROLE_PEER) {
                message.type = MESSAGE_SHUFFLE_REPLY;
                message.shuffle = (*reply)->message;
                r = session_send(node, session, &message);
                if (r < 0)
                        return r;
        }
        return session_close(node, session, CLOSE_DONE, NULL, now_usec);
}

void shuffle_ended(Node *node, const Session *session) {
        ShuffleReply **reply = shuffle_reply_of(node, session);

        if (reply) {
                free(*reply);
                *reply = NULL;
        }
}

void shuffle_link_up(Session *session) {
        session->up->shuffles = (RateLimit) {};
}

void shuffle_start(Node *node, usec_t now_usec) {
        Shuffle *shuffle = &node->peer->shuffle;
        usec_t interval_usec = node->settings.params.shuffle_usec;

        timer_set(&node->timers, &shuffle->timer,
                  interval_usec == 0 ? USEC_INFINITY : usec_add(now_usec, random_jitter(&node->random, interval_usec)));
}

void shuffle_done(Node *node) {
        for (size_t i = 0; i < REPLIES_MAX; i++)
                free(node->peer->shuffle.replies[i]);
        free(node->peer->shuffle.dialled);
}
