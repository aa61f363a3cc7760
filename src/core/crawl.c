/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/crawl.h"

#include <errno.h>

#include "core/topology.h"

typedef struct Question {
        LinkId link;            /* 0: free */
        size_t target;          /* in Crawl.nodes */
        uint64_t nonce;
        usec_t until_usec;
        bool again;             /* the session that it was asked on has ended: it is asked once more, by one of its own */
} Question;

struct Crawl {
        Topology *result;       /* NULL while it runs */
        usec_t until_usec;      /* the end of asking; with a result, the time until which that is good */
        size_t n_members, n_calls;

        TopologyNode *nodes;    /* [0] ourselves, then those to ask; names and addresses come at the end */
        size_t n_nodes, next;   /* those before it have been asked */
        Question questions[CRAWL_QUESTIONS_MAX];
        TopologyClaim *claims;
        size_t n_claims, n_claims_allocated;

        uint64_t tokens[CRAWL_CALLERS_MAX];
        size_t n_tokens;
};

void crawl_free(Crawl *crawl) {
        if (!crawl)
                return;
        topology_free(crawl->result);
        free(crawl->claims);
        free(crawl->nodes);
        free(crawl);
}

/* ---- being asked ---- */

static size_t own_links(const Node *node, LinkInfo ret[static MESSAGE_LINKS_MAX]) {
        size_t n = 0;

        for (const Session *session = node->sessions; session && n < MESSAGE_LINKS_MAX; session = session->next)
                if (session->link_state == LINK_UP && !session->lingering && !session->ending)
                        ret[n++] = (LinkInfo) {
                                .id = session->id,
                                .flags = (session->up->gossip.is_lazy ? 0U : LINK_EAGER) |
                                         (session_outgoing(session) ? LINK_OUTGOING : 0U),
                                .rtt_usec = (uint32_t) MIN(session->up->liveness.srtt_usec, (usec_t) UINT32_MAX),
                        };
        return n;
}

int crawl_on_links(Node *node, Session *session, const LinksMessage *message, usec_t now_usec) {
        Message answer = { .type = MESSAGE_LINKS_OK, .links.nonce = message->nonce };

        if (session->links_told_usec > 0 && now_usec < usec_add(session->links_told_usec, LINKS_INTERVAL_USEC))
                return 0;
        session->links_told_usec = MAX(now_usec, (usec_t) 1);
        answer.links.n_links = own_links(node, answer.links.links);
        return session_send(node, session, &answer);
}

/* ---- the answer ---- */

static int crawl_add_claims(Crawl *crawl, size_t from, const LinkInfo *links, size_t n_links) {
        if (crawl->n_claims + n_links > crawl->n_claims_allocated) {
                size_t n = MAX(crawl->n_claims + n_links, 2 * crawl->n_claims_allocated);
                TopologyClaim *claims = reallocarray(crawl->claims, n, sizeof(*claims));

                if (!claims)
                        return -ENOMEM;
                crawl->claims = claims;
                crawl->n_claims_allocated = n;
        }
        for (size_t i = 0; i < n_links; i++)
                crawl->claims[crawl->n_claims++] = (TopologyClaim) { (uint32_t) from, links[i] };
        crawl->nodes[from].answer = TOPOLOGY_ANSWERED;
        crawl->nodes[from].n_named = (unsigned) n_links;
        return 0;
}

static void crawl_tell(Node *node, Crawl *crawl, int error) {
        for (size_t i = 0; i < crawl->n_tokens; i++) {
                Effect *effect = effect_queue_push(node->effects, EFFECT_CRAWLED);

                effect->token = crawl->tokens[i];
                effect->error = error;
        }
        crawl->n_tokens = 0;
}

/* The question has been answered, or will not be. Its session, when it was dialled for that, is closed. */
static int question_end(Node *node, Question *question, CloseReason reason, usec_t now_usec) {
        Session *session = session_find(node, question->link);

        question->link = 0;
        if (!session || session->use != SESSION_FOR_CRAWL)
                return 0;
        return session_close(node, session, reason, NULL, now_usec);
}

static int question_expire(Node *node, Question *question, usec_t now_usec) {
        const Session *session = session_find(node, question->link);

        node->peer->crawl->nodes[question->target].answer =
                session && session->state == SESSION_OPEN ? TOPOLOGY_SILENT : TOPOLOGY_UNREACHABLE;
        return question_end(node, question, CLOSE_TIMEOUT, now_usec);
}

static int crawl_finish(Node *node, usec_t now_usec) {
        Crawl *crawl = node->peer->crawl;
        LinkInfo links[MESSAGE_LINKS_MAX];
        Topology *topology;
        int r;

        timer_set(&node->timers, &node->peer->crawl_timer, usec_add(now_usec, CRAWL_FRESH_USEC));
        for (size_t i = 0; i < CRAWL_QUESTIONS_MAX; i++)
                if (crawl->questions[i].link != 0) {
                        r = question_expire(node, crawl->questions + i, now_usec);
                        if (r < 0)
                                return r;
                }

        crawl->nodes[0] = (TopologyNode) { .id = node->identity.id, .state = MEMBER_ALIVE };
        memcpy(crawl->nodes[0].name, node->settings.name, sizeof(crawl->nodes[0].name));
        if (node->settings.n_advertised > 0)
                crawl->nodes[0].address = node->settings.advertised[0];
        r = crawl_add_claims(crawl, 0, links, own_links(node, links));
        if (r < 0)
                return r;

        r = topology_build(&node->members, crawl->nodes, crawl->n_nodes, crawl->claims, crawl->n_claims, &topology);
        if (r < 0)
                return r;
        topology->n_members = crawl->n_members;

        crawl->result = topology;
        crawl->until_usec = usec_add(now_usec, MAX(CRAWL_FRESH_USEC, crawl->n_calls * CRAWL_FRESH_PER_CALL_USEC));
        timer_set(&node->timers, &node->peer->crawl_timer, crawl->until_usec);
        free(crawl->nodes);
        free(crawl->claims);
        crawl->nodes = NULL;
        crawl->claims = NULL;
        crawl_tell(node, crawl, 0);
        return 0;
}

/* ---- asking ---- */

static int question_send(Node *node, Session *session, const Question *question) {
        Message message = { .type = MESSAGE_LINKS, .links.nonce = question->nonce };

        return session_send(node, session, &message);
}

/* Leaves the place free when there is no way to ask. */
static int crawl_ask(Node *node, Question *question, size_t i, usec_t now_usec) {
        TopologyNode *target = node->peer->crawl->nodes + i;
        const Member *member = member_table_find(&node->members, &target->id);
        Session *session = session_of(node, &target->id);
        const Address *address;
        int r;

        if (session && session->role != ROLE_PEER)
                session = NULL;
        if (!session && (!member || !member_is_live(member) || member->record.n_addresses == 0)) {
                target->answer = TOPOLOGY_UNREACHABLE;
                return 0;
        }

        *question = (Question) {
                .target = i,
                .nonce = random_u64(&node->random),
                .until_usec = usec_add(now_usec, CRAWL_QUESTION_USEC),
        };
        if (session) {
                question->link = session->link;
                return question_send(node, session, question);
        }
        address = address_is_set(&member->reached) ? &member->reached : member->record.addresses;
        r = session_dial(node, address, SESSION_FOR_CRAWL, &target->id, CRAWL_QUESTION_USEC, now_usec, &session);
        if (r < 0)
                return r;
        question->link = session->link;
        node->peer->crawl->n_calls++;
        return 0;
}

/* Asks as many as may be asked now; ends when there is nobody left to wait for. */
static int crawl_go_on(Node *node, usec_t now_usec) {
        Crawl *crawl = node->peer->crawl;
        usec_t due_usec = crawl->until_usec;
        size_t n_open = 0;
        int r;

        for (size_t i = 0; i < CRAWL_QUESTIONS_MAX; i++) {
                Question *question = crawl->questions + i;

                while (question->link == 0 && (question->again || crawl->next < crawl->n_nodes)) {
                        size_t target = question->again ? question->target : crawl->next++;

                        question->again = false;
                        r = crawl_ask(node, question, target, now_usec);
                        if (r < 0)
                                return r;
                }
                if (question->link == 0)
                        continue;
                n_open++;
                due_usec = MIN(due_usec, question->until_usec);
        }
        if (n_open == 0)
                return crawl_finish(node, now_usec);
        timer_set(&node->timers, &node->peer->crawl_timer, due_usec);
        return 0;
}

int crawl_on_timer(Node *node, usec_t now_usec) {
        Crawl *crawl = node->peer->crawl;
        int r;

        if (crawl->result) {
                crawl_free(crawl);
                node->peer->crawl = NULL;
                return 0;
        }
        if (now_usec >= crawl->until_usec)
                return crawl_finish(node, now_usec);

        for (size_t i = 0; i < CRAWL_QUESTIONS_MAX; i++)
                if (crawl->questions[i].link != 0 && now_usec >= crawl->questions[i].until_usec) {
                        r = question_expire(node, crawl->questions + i, now_usec);
                        if (r < 0)
                                return r;
                }
        return crawl_go_on(node, now_usec);
}

static Question *crawl_question_on(const Node *node, const Session *session) {
        Crawl *crawl = node->peer->crawl;

        if (!crawl || crawl->result)
                return NULL;
        for (size_t i = 0; i < CRAWL_QUESTIONS_MAX; i++)
                if (crawl->questions[i].link == session->link)
                        return crawl->questions + i;
        return NULL;
}

int crawl_on_links_ok(Node *node, Session *session, const LinksMessage *message, usec_t now_usec) {
        Question *question = crawl_question_on(node, session);
        int r;

        /* Too late perhaps, or to nobody's question. */
        if (!question || question->nonce != message->nonce)
                return 0;

        r = crawl_add_claims(node->peer->crawl, question->target, message->links, message->n_links);
        if (r < 0)
                return r;
        r = question_end(node, question, CLOSE_DONE, now_usec);
        return r < 0 ? r : crawl_go_on(node, now_usec);
}

int crawl_opened(Node *node, Session *session, usec_t now_usec) {
        const Question *question = crawl_question_on(node, session);

        if (!question)
                return session_close(node, session, CLOSE_DONE, NULL, now_usec);
        return question_send(node, session, question);
}

/* The next one is asked by the timer: all sessions may be ending just now. */
void crawl_ended(Node *node, const Session *session, usec_t now_usec) {
        Question *question = crawl_question_on(node, session);

        if (!question)
                return;
        question->again = session->use != SESSION_FOR_CRAWL;
        node->peer->crawl->nodes[question->target].answer =
                session->state == SESSION_OPEN ? TOPOLOGY_SILENT : TOPOLOGY_UNREACHABLE;
        question->link = 0;
        timer_set(&node->timers, &node->peer->crawl_timer, now_usec);
}

void crawl_stop(Node *node) {
        if (!node->peer->crawl)
                return;
        crawl_tell(node, node->peer->crawl, -ENOTCONN);
        crawl_free(node->peer->crawl);
        node->peer->crawl = NULL;
        timer_set(&node->timers, &node->peer->crawl_timer, USEC_INFINITY);
}

/* Those that we have a session with first: they cost little, and are where messages go. */
static size_t crawl_choose(Node *node, TopologyNode *ret) {
        MemberTable *members = &node->members;
        size_t n_drawn = member_table_draw(members, &node->random, CRAWL_MEMBERS_MAX), n = 0;

        for (int with_session = 1; with_session >= 0; with_session--)
                for (size_t i = 0; i < n_drawn; i++) {
                        const NodeId *id = &members->members[i]->record.id;

                        if ((session_of(node, id) != NULL) == with_session)
                                ret[n++].id = *id;
                }
        return n;
}

static int crawl_begin(Node *node, usec_t now_usec) {
        Crawl *crawl;

        crawl = calloc(1, sizeof(*crawl));
        if (!crawl)
                return -ENOMEM;
        crawl->n_members = node->members.n_live;
        crawl->nodes = calloc(1 + MIN(crawl->n_members, (size_t) CRAWL_MEMBERS_MAX), sizeof(*crawl->nodes));
        if (!crawl->nodes) {
                free(crawl);
                return -ENOMEM;
        }
        crawl->n_nodes = 1 + crawl_choose(node, crawl->nodes + 1);
        crawl->next = 1;
        crawl->until_usec = usec_add(now_usec, CRAWL_USEC);
        node->peer->crawl = crawl;
        timer_set(&node->timers, &node->peer->crawl_timer, crawl->until_usec);
        return 0;
}

int peer_crawl(Node *node, uint64_t token, usec_t now_usec) {
        Crawl *crawl;
        int r;

        if (!node_runs(node))
                return -ENOTCONN;
        /* Its timer may be late. */
        if (node->peer->crawl && node->peer->crawl->result && now_usec >= node->peer->crawl->until_usec) {
                crawl_free(node->peer->crawl);
                node->peer->crawl = NULL;
        }
        if (node->peer->crawl) {
                crawl = node->peer->crawl;
                if (crawl->n_tokens == CRAWL_CALLERS_MAX)
                        return -EBUSY;
                crawl->tokens[crawl->n_tokens++] = token;
                if (crawl->result)
                        crawl_tell(node, crawl, 0);
                return 0;
        }

        r = crawl_begin(node, now_usec);
        if (r < 0)
                return r;
        node->peer->crawl->tokens[node->peer->crawl->n_tokens++] = token;
        return crawl_go_on(node, now_usec);
}

const Topology *peer_topology(const Node *node) {
        return node->peer->crawl ? node->peer->crawl->result : NULL;
}
