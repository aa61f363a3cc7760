/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Members everywhere (PROTOCOL.md, 6.4 and 7.3): what is news to a peer, it tells its links, and tables are compared so that
 * nothing that got lost stays so.
 *
 *      MEMBERS         who joined, left or refuted, when that changed our own table; accusations. On all links but the one
 *                      that it came from, after a moment in which more may come. On a new link all whom we suspect: who had
 *                      lost all links with a rack that died, or has just come, has missed it, and digests do not show it.
 *      SYNC_DIGEST     on a new link by the one that dialled it, and once a minute on a random one, while our table holds all
 *                      members; whoever finds differences in it answers with its records of these buckets and asks for the other's.
 *
 * After the dissemination component of SWIM (Das, Gupta, Motivala, DSN 2002, section 4.1). Departure: it does not ride on pings,
 * which would take seconds; news are flooded on the overlay, each once per link at most.
 *
 * What one link may tell in a minute is bounded by how many members there are. Whoever goes on beyond that lies. Some that lie
 * together, or one on all of its links, may each stay within it, while those who pass all of it on would not: so what anybody
 * else makes us tell is bounded for all of them together, and below that. Accusations beyond it are ignored. Records are taken over
 * and passed on later, each member's once, as it is held then: what somebody has forged reaches whom it speaks of, who refutes it. As
 * long as that goes on refutations are late: nobody is held dead then (verdict.c).
 */

#include <errno.h>

#include "core/peer-node-internal.h"

#define NEWS_USEC (20 * USEC_PER_MSEC)          /* more that comes in this time goes into the same frame */
#define COMPARE_ANSWER_MAX 4096U                /* records; the next comparison finds the rest */
#define DIGESTS_RATE ((Rate) { 4, 4 * USEC_PER_SEC })   /* one link may send so many digests in that time */
#define TOLD_USEC USEC_PER_MINUTE               /* in which a link may tell so much, and per member: */
#define TOLD_MIN 1024U
#define TOLD_PER_MEMBER 20U
/* What others make us tell in that time, whoever they are: so much at once, and as much again in the course of it; the rest is for
 * comparisons. So nobody is closed upon because of what it was told. */
#define PASSED_MIN (TOLD_MIN / 2)
#define PASSED_PER_MEMBER 8U                    /* as many refutations and the like, */
#define ACCUSED_MIN (TOLD_MIN / 4)
#define ACCUSED_PER_MEMBER 4U                   /* as four accusers */

#define WITHHELD_USEC (200 * USEC_PER_MSEC)     /* what was too much is tried again */
#define FLOODED_WAITS 2U                        /* so many of the longest waits for an accused */

#define NEWS_MAX MESSAGE_RECORDS_MAX

static_assert(MESSAGE_SUSPICIONS_MAX >= NEWS_MAX, "all news fit into one message");

struct News {
        LinkId from;                    /* not to be told again */
        bool is_record;
        union {
                NodeId id;              /* of a member, whose record is read when it is sent */
                Suspicion suspicion;
        };
};

/* ---- telling ---- */

static bool link_listens(const Session *session) {
        return session->link_state == LINK_UP && !session->ending && !session->lingering;
}

static void members_begin(Message *message) {
        message->type = MESSAGE_MEMBERS;
        message->members.n_records = message->members.n_suspicions = 0;
}

static void members_add(const Member *member, const Session *session, MembersMessage *message, usec_t now_usec) {
        Record *record = message->records + message->n_records;

        assert(message->n_records < MESSAGE_RECORDS_MAX);

        if (node_id_equal(&member->record.id, &session->id))
                return;                 /* it knows that best */
        if (!record_for_caller(&member->record, &session->remote, record) && member_state_is_live(record->state))
                return;
        if (record->state == MEMBER_SUSPECT)
                record->state = MEMBER_ALIVE;   /* accusations go by themselves */
        record->age_msec = member_age_msec(member, now_usec);
        message->n_records++;
}

static int members_send(Node *node, Session *session, const Message *message) {
        if (message->members.n_records + message->members.n_suspicions == 0)
                return 0;
        node->counters[COUNTER_NEWS_SENT] += message->members.n_records + message->members.n_suspicions;
        return session_send(node, session, message);
}

static int members_tell(Node *node, Session *session, Message *message, usec_t now_usec) {
        PeerNode *peer = node->peer;

        members_begin(message);
        for (size_t i = 0; i < peer->n_news; i++) {
                const News *news = peer->news + i;
                const Member *member;

                if (news->from == session->link)
                        continue;
                if (!news->is_record)
                        message->members.suspicions[message->members.n_suspicions++] = news->suspicion;
                else if ((member = member_table_find(&node->members, &news->id)) && member->record.state != MEMBER_DEAD)
                        members_add(member, session, &message->members, now_usec);
        }
        return members_send(node, session, message);
}

int members_link_up(Node *node, Session *session, usec_t now_usec) {
        Message message;
        MembersMessage *told = &message.members;
        int r = 0;

        members_begin(&message);
        for (size_t i = 0; i < node->members.n_live && node->members.n_suspect > 0 && r >= 0; i++) {
                const Member *member = node->members.members[i];
                size_t n = verdict_accusations(member, told->suspicions + told->n_suspicions);

                if (n == 0)
                        continue;
                members_add(member, session, told, now_usec);   /* nobody takes accusations of who is unknown */
                told->n_suspicions += n;
                if (told->n_suspicions > MESSAGE_SUSPICIONS_MAX - VERDICT_ACCUSERS_MAX) {
                        r = members_send(node, session, &message);
                        members_begin(&message);
                }
        }
        return r < 0 ? r : members_send(node, session, &message);
}

/* ---- how much of it ---- */

static size_t passed_max(const Node *node) {
        return PASSED_MIN + PASSED_PER_MEMBER * node->members.n;
}

/* What was passed on is forgotten evenly. */
static void passed_fall(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        usec_t each_usec = TOLD_USEC / passed_max(node), n = usec_sub(now_usec, peer->passed_usec) / each_usec;

        if (n >= peer->n_passed) {
                peer->n_passed = 0;
                peer->passed_usec = now_usec;
        } else {
                peer->n_passed -= n;
                peer->passed_usec += n * each_usec;
        }
}

static bool passed_is_below(Node *node, size_t max, usec_t now_usec) {
        passed_fall(node, now_usec);
        if (node->peer->n_passed < max)
                return true;
        node->peer->flooded_usec = now_usec;
        return false;
}

bool members_may_accuse(Node *node, usec_t now_usec) {
        if (passed_is_below(node, ACCUSED_MIN + ACCUSED_PER_MEMBER * node->members.n, now_usec))
                return true;
        node->counters[COUNTER_NEWS_IGNORED]++;
        return false;
}

bool members_is_flooded(const Node *node, usec_t now_usec) {
        usec_t since_usec = node->peer->flooded_usec;

        return since_usec > 0 && now_usec < usec_add(since_usec, FLOODED_WAITS * node->settings.params.suspicion_max_usec);
}

/* ---- news ---- */

static int news_send(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        Message message;
        int r = 0;

        for (Session *session = node->sessions; session && r >= 0; session = session->next)
                if (link_listens(session))
                        r = members_tell(node, session, &message, now_usec);

        members_free(node);
        timer_set(&node->timers, &peer->news_timer, peer->withheld_usec > 0 ? peer->withheld_usec : USEC_INFINITY);
        return r;
}

static int news_push(Node *node, const News *news, usec_t now_usec) {
        PeerNode *peer = node->peer;

        if (!peer->news) {
                peer->news = malloc(NEWS_MAX * sizeof(*news));
                if (!peer->news)
                        return -ENOMEM;
        }
        peer->news[peer->n_news++] = *news;
        return peer->n_news == NEWS_MAX ? news_send(node, now_usec) : 0;
}

static int news_add(Node *node, const News *news, usec_t now_usec) {
        PeerNode *peer = node->peer;
        int r;

        if (news->from != 0)
                peer->n_passed++;
        r = news_push(node, news, now_usec);
        if (r >= 0 && peer->n_news > 0)
                timer_set(&node->timers, &peer->news_timer, MIN(peer->news_timer.when_usec, usec_add(now_usec, NEWS_USEC)));
        return r;
}

static void news_withhold(Node *node, Member *member, usec_t now_usec) {
        PeerNode *peer = node->peer;

        member->is_withheld = true;
        peer->flooded_usec = now_usec;
        node->counters[COUNTER_NEWS_IGNORED]++;
        if (peer->withheld_usec > 0)
                return;
        peer->withheld_usec = usec_add(now_usec, WITHHELD_USEC);
        timer_set(&node->timers, &peer->news_timer, MIN(peer->news_timer.when_usec, peer->withheld_usec));
}

/* Those whose turn it is, beginning where there was no room for more the last time. */
static int news_release(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;
        size_t first = peer->withheld_next;

        peer->withheld_usec = 0;
        for (size_t i = 0; i < node->members.n; i++) {
                size_t next = (first + i) % node->members.n;
                Member *member = node->members.members[next];
                int r;

                if (!member->is_withheld)
                        continue;
                if (!passed_is_below(node, passed_max(node), now_usec)) {
                        peer->withheld_next = next;
                        peer->withheld_usec = usec_add(now_usec, WITHHELD_USEC);
                        return 0;
                }
                member->is_withheld = false;
                peer->n_passed++;
                r = news_push(node, &(News) { .is_record = true, .id = member->record.id }, now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

int members_on_news_timer(Node *node, usec_t now_usec) {
        PeerNode *peer = node->peer;

        if (peer->withheld_usec > 0 && now_usec >= peer->withheld_usec) {
                int r = news_release(node, now_usec);

                if (r < 0)
                        return r;
        }
        return news_send(node, now_usec);
}

/* Whoever comes compares first. */
static bool has_listeners(const Node *node) {
        return node->state != NODE_STOPPING && links_n(node) > 0;
}

int members_news(Node *node, Member *member, LinkId from, usec_t now_usec) {
        PeerNode *peer = node->peer;

        /* What is told of it is what is held then. */
        for (size_t i = 0; i < peer->n_news; i++)
                if (peer->news[i].is_record && node_id_equal(&peer->news[i].id, &member->record.id)) {
                        peer->news[i].from = from;
                        return 0;
                }
        if (!has_listeners(node))
                return 0;
        if (from != 0 && (peer->withheld_usec > 0 || !passed_is_below(node, passed_max(node), now_usec))) {
                news_withhold(node, member, now_usec);
                return 0;
        }
        member->is_withheld = false;
        return news_add(node, &(News) { .from = from, .is_record = true, .id = member->record.id }, now_usec);
}

int members_accusation(Node *node, const Suspicion *suspicion, LinkId from, usec_t now_usec) {
        if (!has_listeners(node))
                return 0;
        if (from != 0 && !passed_is_below(node, passed_max(node), now_usec)) {
                node->counters[COUNTER_NEWS_IGNORED]++;
                return 0;
        }
        return news_add(node, &(News) { .from = from, .suspicion = *suspicion }, now_usec);
}

void members_free(Node *node) {
        free(node->peer->news);
        node->peer->news = NULL;
        node->peer->n_news = 0;
}

/* ---- being told ---- */

/* Return: 1, 0 when that is more than a link may tell (closed), -ENOMEM. */
static int members_may_tell(Node *node, Session *session, size_t n, usec_t now_usec) {
        int r;

        if (now_usec >= usec_add(session->up->told_usec, TOLD_USEC)) {
                session->up->told_usec = now_usec;
                session->up->n_told = 0;
        }
        session->up->n_told += n;
        if (session->up->n_told <= TOLD_MIN + TOLD_PER_MEMBER * node->members.n)
                return 1;
        r = session_close(node, session, CLOSE_NOT_ALLOWED, "More news than there can be.", now_usec);
        return r < 0 ? r : 0;
}

/* The highest of what is held of us: answered once, for with each answer we announce ourselves to everybody. */
static void note_own(const Node *node, const Record *record, Held *own) {
        Held held = { record->epoch, record->incarnation, record->state };

        if (node_id_equal(&record->id, &node->identity.id) && held_compare(&held, own) > 0)
                *own = held;
}

int members_take(Node *node, const Record *given, LinkId from, const NodeId *teller, usec_t now_usec) {
        Record record = *given;

        if (node_id_equal(&record.id, &node->identity.id) || record.role != ROLE_PEER || record.epoch >= EPOCH_MAX)
                return 0;
        if (record.state == MEMBER_SUSPECT)
                record.state = MEMBER_ALIVE;    /* whom somebody suspects he accuses */
        if (record.state == MEMBER_DEAD)
                return verdict_on_death(node, &record, teller, from, now_usec);
        return peer_merge(node, &record, from, now_usec);
}

static int members_learn(Node *node, const Record *records, size_t n, LinkId link, const NodeId *teller, usec_t now_usec) {
        Held own = {};
        int r;

        for (size_t i = 0; i < n; i++) {
                const Member *member = member_table_find(&node->members, &records[i].id);
                bool was_live = member && member_state_is_live(member->record.state), was_dead = member && !was_live;

                note_own(node, records + i, &own);
                r = members_take(node, records + i, link, teller, now_usec);
                if (r < 0)
                        return r;
                if (!was_live)
                        peer_wait_for(node, &records[i].id, was_dead, now_usec);
        }
        return node_on_held(node, &own, now_usec);
}

int members_on_message(Node *node, Session *session, const MembersMessage *members, usec_t now_usec) {
        NodeId teller = session->id;
        LinkId link = session->link;
        Message better;
        int r;

        if (session->link_state != LINK_UP)
                return session_protocol_error(node, session, "MEMBERS has a place on links only.", now_usec);
        r = members_may_tell(node, session, members->n_records + members->n_suspicions, now_usec);
        if (r <= 0)
                return r;

        members_begin(&better);
        r = members_learn(node, members->records, members->n_records, link, &teller, now_usec);
        for (size_t i = 0; r >= 0 && i < members->n_suspicions; i++) {
                bool outdated;

                r = verdict_on_suspicion(node, members->suspicions + i, link, now_usec, &outdated);
                session = session_find(node, link);
                if (r >= 0 && outdated && session)
                        members_add(member_table_find(&node->members, &members->suspicions[i].id), session, &better.members,
                                    now_usec);
        }
        if (r < 0)
                return r;
        session = session_find(node, link);
        if (session && better.members.n_records > 0) {
                r = session_send(node, session, &better);
                if (r < 0)
                        return r;
        }
        return links_fill(node, now_usec);
}

/* ---- comparing ---- */

/* A full table lacks somebody, and would be found different for ever. */
static bool holds_everybody(const Node *node) {
        return node->members.n < node->members.n_max;
}

int members_compare(Node *node, Session *session) {
        return holds_everybody(node) ? sync_send_digest(node, session) : 0;
}

int members_on_compare_timer(Node *node, usec_t now_usec) {
        Session *picked = NULL;
        unsigned n = 0;

        timer_set(&node->timers, &node->peer->compare, usec_add(now_usec, random_jitter(&node->random, COMPARE_USEC)));
        for (Session *session = node->sessions; session; session = session->next)
                if (link_listens(session) && random_below(&node->random, ++n) == 0)
                        picked = session;
        return picked ? members_compare(node, picked) : 0;
}

/* Takes out the buckets that are too much for one answer, beginning somewhere. */
static void mask_cut(Node *node, uint8_t mask[static SYNC_BUCKETS / 8]) {
        size_t counts[SYNC_BUCKETS] = {}, first = random_below(&node->random, SYNC_BUCKETS), n = 0;

        for (size_t i = 0; i < node->members.n; i++)
                counts[node->members.members[i]->record.id.bytes[0]]++;
        for (size_t i = 0; i < SYNC_BUCKETS; i++) {
                size_t bucket = (first + i) % SYNC_BUCKETS;

                if (!sync_marked(mask, bucket))
                        continue;
                if (n > 0 && n + counts[bucket] > COMPARE_ANSWER_MAX)
                        mask[bucket / 8] &= (uint8_t) ~(0x80 >> bucket % 8);
                else
                        n += counts[bucket];
        }
}

/* And not too often, nor more than it reads. */
static bool may_compare(const Node *node, Session *session, usec_t now_usec) {
        return ratelimit_allow(&session->digests, DIGESTS_RATE, now_usec) && session->n_queued <= node->settings.params.queue_max &&
               holds_everybody(node);
}

int members_on_digest(Node *node, Session *session, const SyncDigestMessage *digest, usec_t now_usec) {
        uint8_t mask[SYNC_BUCKETS / 8];

        if (session->link_state != LINK_UP)
                return session_protocol_error(node, session, "Tables are compared on links only.", now_usec);
        if (!may_compare(node, session, now_usec) || sync_compare(node, digest->hashes, mask) == 0)
                return 0;
        mask_cut(node, mask);
        return sync_send_records(node, session, mask, mask, now_usec);
}

int members_on_records(Node *node, Session *session, const SyncRecordsMessage *records, usec_t now_usec) {
        NodeId teller = session->id;
        LinkId link = session->link;
        uint8_t mask[SYNC_BUCKETS / 8];
        int r;

        if (session->link_state != LINK_UP)
                return session_protocol_error(node, session, "Tables are compared on links only.", now_usec);
        node->counters[COUNTER_SYNC_RECORDS_IN] += records->n_records;
        r = members_may_tell(node, session, records->n_records, now_usec);
        if (r <= 0)
                return r;
        r = members_learn(node, records->records, records->n_records, link, &teller, now_usec);
        if (r < 0)
                return r;

        session = session_find(node, link);
        if (session && session->link_state == LINK_UP && records->has_want && may_compare(node, session, now_usec)) {
                memcpy(mask, records->want, sizeof(mask));
                mask_cut(node, mask);
                r = sync_send_records(node, session, mask, NULL, now_usec);
                if (r < 0)
                        return r;
        }
        return links_fill(node, now_usec);
}
