/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the files of the peer role share:
 *
 *      registrar.c     a majority of the seeds: registration, lists, renewal, reports
 *      links.c         the overlay: dialling, accepting, refusing, replacing links
 *      candidates.c    who is dialled for the links that are missing
 *      admission.c     who may become a link when it asks
 *      rotation.c      replacing links in time, and keeping the oldest
 *      sample.c        whom a full table holds
 *      shuffle.c       exchanging passive peers with others
 *      suspicion.c     a peer does not answer: asking it once more, accusing it
 *      witness.c       asking others whether they hear from it
 *      duty.c          being asked that
 *      health.c        whether we are the ones who are slow
 *      crawl.c         the links of all members, when somebody wants to see them
 *      verdict.c       the accused: how long they have to refute
 *      members.c       telling others of members that come and go, and comparing tables with them
 *      gossip.c        messages: publishing, first and later copies
 *      plumtree.c      forwarding and announcing them, asking for those announced
 *      repair.c        asking for those missed, answering who asks
 *      order.c         delivering them in order, gaps
 *      peer-member.c   members as they come and go
 *      peer-node.c     the role's table
 */

#include "core/node-internal.h"
#include "core/offer.h"
#include "core/pace.h"
#include "core/peer-node.h"
#include "core/seen.h"
#include "core/store.h"
#include "core/view.h"

#define DIALS_MAX 3U                            /* for links, at a time */
#define HIGH_MAX 64U                            /* ids whose last NEIGHBOR(high) is remembered */
#define HIGH_INTERVAL_USEC (30 * USEC_PER_SEC)  /* at most one of them per id is accepted in that time */
#define UNDECIDED_MAX 8U                        /* callers that wait while we ask our silent links */
#define SILENT_USEC (2 * USEC_PER_SEC)          /* a link so long silent is asked before a caller is refused */
#define PROBE_USEC (60 * USEC_PER_SEC)          /* between two questions to members without a link, +-50 % */
#define COMPARE_USEC (60 * USEC_PER_SEC)        /* between two comparisons with a neighbour, +-50 % */
#define WITNESS_SESSIONS_MAX 6U                 /* at once, for our questions and those of others together */
#define PROBE_LINK_USEC (1 * USEC_PER_SEC)

typedef enum PeerTimer {
        TIMER_TICK = TIMER_ROLE,        /* liveness of all links */
        TIMER_FILL,                     /* a candidate has rested */
        TIMER_LOST,                     /* retry a lost peer */
        TIMER_REFRESH,                  /* ask a seed for its list */
        TIMER_HELLO,                    /* our own periodic message */
        TIMER_SYNC,                     /* ask a seed whether others came in the same moment */
        TIMER_REMEMBER,                 /* write the lost peers down */
        TIMER_PROBE,                    /* ask a member that we have no link to */
        TIMER_NEWS,                     /* tell our links what is new */
        TIMER_COMPARE,                  /* compare tables with one of them */
        TIMER_DUTY,                     /* a node that we were asked about has had its time */
        TIMER_ANNOUNCE,                 /* messages that lazy links were not told of yet */
        TIMER_GRAFT,                    /* something announced has not come */
        TIMER_ORDER,                    /* a gap, or more to deliver */
        TIMER_REPAIR,                   /* ask a neighbour what it has */
        TIMER_ANSWER,                   /* a link has room for what its other end asked for */
        TIMER_EXPIRE,                   /* of stored messages */
        TIMER_SETTLE,                   /* we have had time to find somebody */
        TIMER_ROTATE,                   /* replace a link */
        TIMER_SHUFFLE,                  /* exchange passive peers with somebody */
        TIMER_CRAWL,                    /* a member has had time to name its links, or they have been shown long enough */
} PeerTimer;

typedef struct Crawl Crawl;

typedef struct HighCaller {
        NodeId id;
        usec_t when_usec;
} HighCaller;

#define REPLIES_MAX 4U                          /* sessions that we dial to answer shuffles, at a time */
#define DIALLED_MAX 16U                         /* of whom we remember it */

typedef struct ShuffleReply ShuffleReply;

typedef struct Shuffle {
        unsigned n_awaited;             /* answers to ours */
        usec_t until_usec;              /* they come before, or not at all */
        size_t n_sent;
        Address sent[SHUFFLE_RECORDS_MAX];      /* the passive peers in it */
        ShuffleReply *replies[REPLIES_MAX];     /* that wait for a session to be sent on */
        struct ShuffleDialled {
                Address address;
                usec_t when_usec;
        } *dialled;                     /* for that, lately, the last one last */
        size_t n_dialled;
        RateLimit dials, news;
        Timer timer;
} Shuffle;
typedef struct Inquiry Inquiry;
typedef struct Duty Duty;
typedef struct News News;

typedef struct Sample {
        SipKey key;
        uint64_t highest;               /* no rank in the sample is above it */
} Sample;

struct PeerNode {
        View view;
        Sample sample;
        Shuffle shuffle;
        Timer rotate;
        unsigned n_out, n_in;           /* links that are up */
        HighCaller *high;
        size_t n_high;
        RateLimit hints;                /* dials to addresses that came with BUSY */

        Seen seen;
        Store store;
        Offers offers;
        Random broadcast_random;        /* apart, so that it changes nothing of what the overlay draws */
        SeenOrigin *waiting;            /* those of which something is held back, or missing */
        RangeQueue announced;           /* first copies that lazy links were not told of yet, */
        size_t announced_size;          /* and what they take in the store */
        usec_t first_usec;              /* when a message came that we did not have, */
        bool is_alone;                  /* and none for a while before that */
        unsigned n_to_replace;          /* eager links that were lost, and no other has become eager since */
        usec_t redrawn_usec;            /* when candidates that failed were last replaced by other members; 0: never */
        usec_t grafted_usec;            /* when GRAFT was last sent or received; 0: never */
        NodeIdentity publisher;         /* as which we publish: */
        uint64_t sequence;              /* of our last message */
        Previous previous;              /* the last one of our epoch before, .sequence 0: not known */
        Pace pace;                      /* of what we publish */
        usec_t retry_usec;              /* in which it may be more, after one was refused */
        unsigned n_hello;               /* periodic messages sent */

        unsigned n_fresh;               /* digests for a seed that are still to come because we have only just registered */
        usec_t refresh_wait_usec;       /* before the next early refresh, doubling */
        unsigned list_total;            /* the largest number of members that a seed spoke of lately */
        bool settled;                   /* having nobody is worth a word now */

        News *news;                     /* that our links have not been told yet */
        size_t n_news;
        size_t n_passed;                /* of what others say, falling evenly, */
        usec_t passed_usec;             /* and when it last fell */
        usec_t flooded_usec;            /* when that was last too much; 0: never */
        usec_t withheld_usec;           /* when members that are withheld for it are next looked for; 0: none is */
        size_t withheld_next;           /* the first of these, in the table */

        usec_t deaf_until_usec;         /* we have slept, and accuse nobody before */
        Inquiry *inquiries;             /* of ours, about nodes that do not answer us */
        Duty *duties;                   /* questions of others */
        unsigned n_inquiries, n_duties, n_witness_sessions;
        RateLimit duty_calls, duty_hints;

        Crawl *crawl;                   /* NULL: none runs, and there is no result of one */

        usec_t tick_usec;               /* when the next tick is due */
        Timer tick, fill, lost, refresh, hello, sync, save, settle, probe, duty, news_timer, compare, crawl_timer;
        Timer announce, graft, order, repair, answer, expire;
};

/* ---- peer-node.c ---- */

void peer_remember(Node *node, usec_t now_usec);        /* the lost-peer memory changed */

/* ---- peer-member.c ---- */

/* Merges what somebody says of a member, which is not ourselves, and tells people and links what that changes; not the link
 * @from. */
int peer_merge(Node *node, const Record *record, LinkId from, usec_t now_usec);
/* The other end of an open session speaks for itself: alive. */
int peer_heard_of(Node *node, const Session *session, usec_t now_usec);
/* A newcomer dials whom it wants: whoever hears of it leaves it a moment to do so. @revived: it was gone. */
void peer_wait_for(Node *node, const NodeId *id, bool revived, usec_t now_usec);
int peer_left(Node *node, const Session *session, usec_t now_usec);     /* its other end says so */
/* It has not come back: so it has left. Or died after all, as somebody else may have found meanwhile. */
int peer_on_parted(Node *node, Member *member);

/* ---- links.c ---- */

int links_up(Node *node, Session *session, usec_t now_usec);
unsigned links_counted(const Node *node);               /* that count against links_outgoing */
/* As links_dial(); @rotates: to take the place of another link. */
int links_dial_as(Node *node, const NodeId *id, const Address *address, Priority priority, bool rotates, usec_t now_usec);
int links_dial(Node *node, const NodeId *id, const Address *address, Priority priority, usec_t now_usec);
int links_opened(Node *node, Session *session, usec_t now_usec);
int links_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec);
int links_on_message(Node *node, Session *session, const Message *message, usec_t now_usec);
int links_trim(Node *node, usec_t now_usec);            /* after the bounds have changed */
/* A link used up its strikes: it counts no more, and is replaced at once. */
int links_silence(Node *node, Session *session, usec_t now_usec);
/* Something came on a silent link: it counts again. */
int links_restore(Node *node, Session *session, usec_t now_usec);
/* The other end of a silent link has shown elsewhere that it lives: the link has one more round of questions. */
int links_ask_again(Node *node, const NodeId *id, usec_t now_usec);
/* It is known what was to be learnt about the other end of a silent link. */
int links_end_silent(Node *node, const NodeId *id, usec_t now_usec);
int links_disconnect(Node *node, Session *session, CloseReason reason, const char *detail, usec_t now_usec);

static inline unsigned links_n(const Node *node) {
        return node->peer->n_out + node->peer->n_in;
}

/* ---- candidates.c ---- */

/* Dials whom it takes until there are as many links as are wanted, and sets the timer for the next try. */
int links_fill(Node *node, usec_t now_usec);
/* Ourselves, or somebody we have a session with already. */
bool links_is_useless(const Node *node, const Candidate *candidate);
int links_retry_lost(Node *node, usec_t now_usec);

/* ---- admission.c ---- */

int links_on_neighbor(Node *node, Session *session, const NeighborMessage *neighbor, usec_t now_usec);
/* A link that was asked before callers are refused has answered, or is gone. */
int links_decide(Node *node, usec_t now_usec);
int links_on_undecided_timer(Node *node, usec_t now_usec);
/* The inbound link whose other end will miss it least, and not @but; NULL: there is none. */
Session *links_least_missed_in(Node *node, const Session *but);
Session *links_random(Node *node, const Session *but);  /* of either direction, and not @but; NULL: there is none */

/* ---- rotation.c ---- */

#define ANCHORS 2U

void rotation_start(Node *node, usec_t now_usec);       /* arms the timer anew */
int rotation_begin(Node *node, usec_t now_usec);
/* The oldest outgoing links, the eldest first. Return: how many. */
size_t rotation_anchors(const Node *node, const Session *ret[static ANCHORS]);
/* A random outgoing link that is no anchor and not @newcomer, a lazy one if there is any; NULL: there is none. */
void rotation_stop(Node *node);                         /* the anchors become the last that are remembered */
Session *rotation_victim(Node *node, const Session *newcomer, usec_t now_usec);

/* ---- sample.c ---- */

void sample_init(Sample *sample, const SipKey *secret);          /* from which its key is derived */
uint64_t sample_rank(const Sample *sample, const NodeId *id);
/* The table is full of the living: forgets one of them for that id, or does not. @is_newcomer: it calls, or a link speaks of it
 * unasked; else a seed or a shuffle does. Pointers to members that nobody asks, accuses or is linked with are void. */
bool sample_make_room(Node *node, const NodeId *id, bool is_newcomer);

/* ---- shuffle.c ---- */

void shuffle_start(Node *node, usec_t now_usec);         /* arms the timer anew */
int shuffle_join(Node *node, usec_t now_usec);          /* our first link is up */
int shuffle_begin(Node *node, usec_t now_usec);         /* one of our own */
int shuffle_on_message(Node *node, Session *session, const ShuffleMessage *message, usec_t now_usec);
int shuffle_on_reply(Node *node, const Session *session, const ShuffleMessage *message, usec_t now_usec);
int shuffle_opened(Node *node, Session *session, usec_t now_usec);      /* FOR_SHUFFLE */
void shuffle_ended(Node *node, const Session *session);
void shuffle_link_up(Session *session);                 /* sets what may come on it */
void shuffle_done(Node *node);

/* ---- registrar.c ---- */

int registrar_try(Node *node, usec_t now_usec);
int registrar_opened(Node *node, Session *session, usec_t now_usec);
int registrar_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec);
int registrar_on_message(Node *node, Session *session, const Message *message, usec_t now_usec);
int registrar_on_seed_timer(Node *node, SeedSlot *slot, usec_t now_usec);
int registrar_on_session_timer(Node *node, Session *session, usec_t now_usec);
int registrar_refresh(Node *node, usec_t now_usec);
void registrar_refresh_early(Node *node, usec_t now_usec);
int registrar_sync(Node *node, usec_t now_usec);
/* Tells every seed that we are registered with. Return: how many there are, -ENOMEM. */
int registrar_report(Node *node, const Member *member);
int registrar_announce(Node *node, usec_t now_usec);
int registrar_leave(Node *node);

/* ---- suspicion.c ---- */

/* One member that we have no link to: so one that died together with all its neighbours is noticed, too. */
int suspicion_probe(Node *node, usec_t now_usec);
/* A link ended without CLOSE: its other end is called. */
int suspicion_lost(Node *node, const Session *session, usec_t now_usec);
/* A link ended, however: nobody is asked about it any more, unless its other end is being asked itself. */
int suspicion_link_ended(Node *node, const Session *session, usec_t now_usec);
/* A link used up its strikes, and is closed; Member.asked_usec says since when. Accused unless a witness has heard it. */
int suspicion_silent(Node *node, Member *member, unsigned n_strikes, usec_t now_usec);
/* Nobody listens any more where the member answered before, or somebody else: accused unless somebody knows better. */
int suspicion_found(Node *node, Member *member, Evidence evidence, usec_t now_usec);
/* Asks a member, unless that is useless or done already. Return: 1 when it is asked, 0, -ENOMEM. */
int suspicion_question(Node *node, const NodeId *id, usec_t now_usec);
/* It was heard from: no more questions. */
int suspicion_clear(Node *node, Member *member, usec_t now_usec);
/* A witness has answered, or will not. */
int suspicion_on_witness(Node *node, const NodeId *suspect, usec_t now_usec);
int suspicion_opened(Node *node, Session *session, usec_t now_usec);
int suspicion_ended(Node *node, Session *session, SessionEnd end, usec_t now_usec);
int suspicion_on_member_timer(Node *node, Member *member, usec_t now_usec);    /* one call had its time */
/* How many others could accuse the other end of a link: those that it named, else as many as it has links. */
uint8_t suspicion_n_others(const Session *session);
int suspicion_clock_jumped(Node *node, usec_t now_usec);

/* ---- witness.c ---- */

typedef enum Opinion {
        OPINION_NONE,           /* nobody was asked, or nobody can say anything */
        OPINION_OPEN,
        OPINION_PARTLY_UNHEARD, /* others may still answer */
        OPINION_UNHEARD,
        OPINION_HEARD,          /* at least one has heard it */
} Opinion;

/* Whom to ask about us: for a PONG on a link. */
void witness_name(Node *node, const Session *to, PingMessage *pong);
/* Asks three, unless that is being done: of those that the suspect named, and of our own neighbours. */
int witness_ask(Node *node, const NodeId *suspect, const Neighbour *named, size_t n_named, usec_t now_usec);
Opinion witness_opinion(const Node *node, const NodeId *suspect);
unsigned witness_n_unheard(const Node *node, const NodeId *suspect);
/* The suspect has answered. */
int witness_done(Node *node, const NodeId *suspect, usec_t now_usec);
/* They have had their time: who did not answer is asked whether it lives. */
int witness_conclude(Node *node, const NodeId *suspect, usec_t now_usec);
int witness_on_message(Node *node, Session *session, const Message *message, usec_t now_usec);
int witness_opened(Node *node, Session *session, usec_t now_usec);
/* Of any session. */
int witness_ended(Node *node, const Session *session, usec_t now_usec);
/* How long one answer is waited for. */
usec_t witness_patience(const Node *node);
/* Opens a session to a witness or a suspect; fewer than WITNESS_SESSIONS_MAX of them may be. */
int witness_dial(Node *node, const Address *address, const NodeId *id, usec_t now_usec, LinkId *ret);
void witness_free_all(Node *node);

/* ---- duty.c ---- */

int duty_on_question(Node *node, const Session *session, const ProbeMessage *question, usec_t now_usec);
int duty_on_pong(Node *node, const Session *session, uint64_t nonce);
int duty_on_timer(Node *node, usec_t now_usec);
/* A call of our own was refused, or taken by somebody else. */
int duty_on_found_gone(Node *node, const NodeId *suspect);
/* The suspect has taken our call. */
int duty_opened(Node *node, LinkId via);
/* Of any session. */
int duty_ended(Node *node, LinkId via);
/* Those that wait for a session may have theirs. */
int duty_go_on(Node *node, usec_t now_usec);
void duty_free_all(Node *node);

/* ---- health.c ---- */

/* At the tick of all links. */
void health_tick(Node *node);
void health_clock_jumped(Node *node, usec_t now_usec);
/* This very timer has fired late: what others have sent meanwhile may still wait to be read. */
bool health_is_late(const Node *node);
bool health_may_accuse(const Node *node, usec_t now_usec);

/* ---- verdict.c ---- */

/* How long an accused has, with so many others that could accuse it, and so many of them that have. */
usec_t verdict_wait(const Params *params, unsigned n_others, unsigned n_further);
unsigned verdict_n_accusers(const Member *member);
#define VERDICT_ACCUSERS_MAX 4U
/* Those that a suspect was accused by; none for others. Return: how many. */
size_t verdict_accusations(const Member *member, Suspicion ret[static VERDICT_ACCUSERS_MAX]);
/* Somebody accuses a live member: takes note, tells it or waits, and passes it on, but not to @from. @accuser may be ourselves. */
int verdict_accuse(Node *node, Member *member, const NodeId *accuser, unsigned n_others, LinkId from, usec_t now_usec);
/* @ret_outdated: we know better, and the teller should hear it. */
int verdict_on_suspicion(Node *node, const Suspicion *suspicion, LinkId from, usec_t now_usec, bool *ret_outdated);
/* Somebody holds it dead. */
int verdict_on_death(Node *node, const Record *dead, const NodeId *teller, LinkId from, usec_t now_usec);
int verdict_on_timer(Node *node, Member *member, usec_t now_usec);
/* It has refuted, was heard from, or is gone. */
void verdict_drop(Node *node, Member *member);
void verdict_clock_jumped(Node *node, usec_t now_usec);

/* ---- members.c ---- */

int members_news(Node *node, Member *member, LinkId from, usec_t now_usec);
int members_accusation(Node *node, const Suspicion *suspicion, LinkId from, usec_t now_usec);
int members_on_news_timer(Node *node, usec_t now_usec);
/* Whether what others accuse somebody of is still taken note of. */
bool members_may_accuse(Node *node, usec_t now_usec);
/* More was told lately than can be true, and some of it ignored or withheld. */
bool members_is_flooded(const Node *node, usec_t now_usec);
/* One record out of the table of @teller. */
int members_take(Node *node, const Record *given, LinkId from, const NodeId *teller, usec_t now_usec);
int members_on_message(Node *node, Session *session, const MembersMessage *members, usec_t now_usec);
/* Tells whom we suspect, and by whose word. */
int members_link_up(Node *node, Session *session, usec_t now_usec);
/* Begins to compare tables over a link. */
int members_compare(Node *node, Session *session);
int members_on_compare_timer(Node *node, usec_t now_usec);
int members_on_digest(Node *node, Session *session, const SyncDigestMessage *digest, usec_t now_usec);
int members_on_records(Node *node, Session *session, const SyncRecordsMessage *records, usec_t now_usec);
void members_free(Node *node);

/* ---- gossip.c ---- */

/* Somebody has that message, or says so. When it is in our name, and not by us, all that believe it take what we publish next for
 * something older: we go on in a later epoch. Return: 1: so it was; 0; -ENOMEM. */
int gossip_on_shown(Node *node, const MessageId *id, usec_t now_usec);
/* GOSSIP, IHAVE, GRAFT, PRUNE, MSG_RANGES, MSG_WANT. */
int gossip_on_any(Node *node, Session *session, const Message *message, usec_t now_usec);
int gossip_hello(Node *node, usec_t now_usec);
void gossip_on_own_record(Node *node);                  /* our id or epoch may be another one */

/* ---- plumtree.c ---- */

/* A link that is up, and not about to go. */
bool link_carries(const Session *session);
size_t plumtree_n_eager(const Node *node);
bool plumtree_has_link(const Node *node);
bool plumtree_has_tree(const Node *node);               /* messages have been sent or announced on its links */
/* What a link is owed, from now on if it was nothing so far. Return: 0, -ENOMEM. */
int link_get_arrears(Session *session, Arrears **ret);
/* Something waits for room on it, to be sent in its turn; or for that, or because they asked. */
bool link_is_behind(const SessionUp *up);
bool link_is_owed(const SessionUp *up);
/* Sends a message, as data. */
void plumtree_send(Node *node, Session *session, FrameBuffer *frame, usec_t now_usec);
/* Sends or announces a message on every link but @but. */
int plumtree_forward(Node *node, const MessageId *id, FrameBuffer *frame, LinkId but, usec_t now_usec);
bool plumtree_is_busy(const Node *node);
int plumtree_announce(Node *node);                      /* what has been collected */
/* A message came on that link, the first copy or another one. */
void plumtree_on_first(Node *node, Session *session, usec_t now_usec);
int plumtree_on_duplicate(Node *node, Session *session, const MessageId *id, usec_t now_usec);
int plumtree_on_prune(Node *node, Session *session, usec_t now_usec);
int plumtree_on_ihave(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec);
int plumtree_on_graft(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec);
/* Asks for what is offered and due. */
int plumtree_graft(Node *node, usec_t now_usec);
void plumtree_on_sent(Node *node, Session *session, usec_t now_usec);
int plumtree_link_up(Node *node, Session *session, usec_t now_usec);     /* makes it lazy, or has it eager */
void plumtree_link_down(Node *node, Session *session);
/* Ends links that have taken nothing for too long. */
int plumtree_tick(Node *node, usec_t now_usec);

/* ---- repair.c ---- */

/* A link offers messages, by offers_add(). Return: 1: some of them never came; 0; -ENOMEM. */
int repair_on_offer(Node *node, Session *session, const Range *range, bool is_listed, usec_t wait_usec, usec_t now_usec);
int repair_link_up(Node *node, Session *session, usec_t now_usec);
int repair_on_ranges(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec);
int repair_on_want(Node *node, Session *session, const RangesMessage *ranges, usec_t now_usec);
int repair_on_timer(Node *node, usec_t now_usec);
/* Lists what we store, which the other end answers. */
int repair_ask(Node *node, Session *session, usec_t now_usec);
/* The same on all links, but those that were asked just now. */
int repair_ask_all(Node *node, usec_t now_usec);
/* There is a link, and all of them have listed what they have since then. */
bool repair_all_listed_since(const Node *node, usec_t since_usec);
/* Sends what was asked for, where there is room. */
int repair_answer(Node *node, usec_t now_usec);

/* ---- order.c ---- */

/* The first message of an origin that was not known has come, and is to be noted. */
void order_begin(Node *node, SeenOrigin *origin, const GossipMessage *gossip, usec_t now_usec);
/* The first copy of a message, already noted: stores it, and delivers what can be. @from is NULL for one of our own. */
int order_take(Node *node, SeenOrigin *origin, const GossipMessage *gossip, FrameBuffer *frame, const Session *from,
               usec_t now_usec);
/* A later epoch needs the room: what is missing is counted as lost and told, and nothing is waited for any more. */
int order_end(Node *node, SeenOrigin *origin, usec_t now_usec);
/* Looks at all gaps. */
int order_run(Node *node, usec_t now_usec);
