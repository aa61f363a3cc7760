/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/notice.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"

/* What all sentences are made of: escaped, and never empty. */
typedef struct Words {
        const Notice *notice;
        char *name;                             /* what it calls itself, else its address, else its id */
        char *other_name;
        char *seed;
        char *detail;                           /* or a phrase for the reason */
        char id[NODE_ID_TEXT_SIZE];             /* "" when there is none */
        char address[ADDRESS_TEXT_SIZE];
} Words;

static const char *plural(unsigned n) {
        return n == 1 ? "" : "s";
}

const char *close_reason_to_phrase(CloseReason reason) {
        if (reason == 0)
                return "the connection broke";  /* before anybody could say why */

        switch (reason) {
        case CLOSE_DONE:
                return "no longer needed";
        case CLOSE_LEAVING:
                return "it stops";
        case CLOSE_NETWORK:
                return "another network";
        case CLOSE_VERSION:
                return "no common version of the protocol";
        case CLOSE_PROTOCOL:
                return "a message that the protocol does not allow";
        case CLOSE_BUSY:
                return "too many connections";
        case CLOSE_DUPLICATE_ID:
                return "another node has the same id";
        case CLOSE_SUPERSEDED:
                return "replaced by a newer connection";
        case CLOSE_SELF:
                return "it is this node itself";
        case CLOSE_SLOW:
                return "the other end does not read";
        case CLOSE_IDLE:
                return "not used";
        case CLOSE_TIMEOUT:
                return "no answer";
        case CLOSE_NOT_ALLOWED:
                return "not allowed";
        case _CLOSE_REASON_MAX:
                break;
        }
        return "no reason given";
}

bool notice_is_remote(NoticeType type) {
        switch (type) {
        case NOTICE_STATE:
        case NOTICE_DUPLICATE_ID:
        case NOTICE_EPOCH:
        case NOTICE_CLOCK_JUMP:
        case NOTICE_SEED_REGISTERED:
        case NOTICE_SEED_LOST:
        case NOTICE_SEED_UNREACHABLE:
                return false;
        case NOTICE_SESSION_REFUSED:
        case NOTICE_PROTOCOL_ERROR:
        case NOTICE_DUPLICATE_REFUSED:
        case NOTICE_REFUTED:
        case NOTICE_LINKED:
        case NOTICE_UNLINKED:
        case NOTICE_GAP:
        case NOTICE_BUSY:
        case NOTICE_SILENT:
        case NOTICE_JOINED:
        case NOTICE_LEFT:
        case NOTICE_SUSPECT:
        case NOTICE_DEAD:
        case NOTICE_ALIVE:
        case NOTICE_REGISTERED:
        case NOTICE_EXPIRED:
        case NOTICE_REPORTED_DEAD:
        case NOTICE_REPORT_FALSE:
        case NOTICE_REPORTER_IGNORED:
        case NOTICE_SEED_LINKED:
        case NOTICE_SEED_UNLINKED:
        case _NOTICE_INVALID:
                return true;
        }
        return true;
}

const char *notice_reason(const Notice *notice, char buffer[static DETAIL_MAX + 1]) {
        return text_clause(isempty(notice->detail) ? close_reason_to_phrase(notice->reason) : notice->detail, buffer);
}

const char *notice_evidence(const Notice *notice, char buffer[static EVIDENCE_TEXT_SIZE]) {
        switch (notice->evidence) {
        case EVIDENCE_SILENT:
                (void) snprintf(buffer, EVIDENCE_TEXT_SIZE, "%u liveness request%s missed in %s", notice->n, plural(notice->n),
                                DURATION_TEXT(notice->duration));
                return buffer;
        case EVIDENCE_REFUSED:
                return "nobody listens at its address any more";
        case EVIDENCE_OTHER_ID:
                return "another node answers at its address";
        }
        return "";
}

static void words_done(Words *words) {
        free(words->detail);
        free(words->seed);
        free(words->other_name);
        free(words->name);
}

/* What begins has none: a reason of 0 stands for a connection that broke. */
static bool notice_has_reason(const Notice *notice) {
        return !isempty(notice->detail) || notice->reason != 0 || notice->type == NOTICE_SEED_LOST ||
               notice->type == NOTICE_SEED_UNREACHABLE || notice->type == NOTICE_SEED_UNLINKED ||
               notice->type == NOTICE_SESSION_REFUSED || notice->type == NOTICE_PROTOCOL_ERROR || notice->type == NOTICE_UNLINKED;
}

static int words_init(Words *words, const Notice *notice) {
        const char *name = notice->name;
        char detail[DETAIL_MAX + 1] = "";

        *words = (Words) { .notice = notice };

        if (!node_id_is_null(&notice->id))
                (void) node_id_format(&notice->id, words->id);
        if (address_is_set(&notice->address))
                (void) address_format(&notice->address, words->address);
        if (isempty(name))
                name = !isempty(words->address) ? words->address : !isempty(words->id) ? words->id : "an unknown node";
        if (notice->type == NOTICE_CLOCK_JUMP)
                (void) snprintf(detail, sizeof(detail), "a timer came %s late", DURATION_TEXT(notice->duration));
        else if (notice_has_reason(notice))
                (void) notice_reason(notice, detail);

        words->name = text_escape(name, strlen(name));
        words->other_name = text_escape(notice->other_name, strlen(notice->other_name));
        words->seed = text_escape(notice->seed, strlen(notice->seed));
        words->detail = text_escape(detail, strlen(detail));
        return words->name && words->other_name && words->seed && words->detail ? 0 : log_oom();
}

/* One line with the facts that any notice may have. */
#define words_log(words, level, event, ...)             \
        log_facts((level),                              \
                  LOG_FACTS(.message_id = (event),      \
                            .peer_id = (words)->id,     \
                            .peer_address = (words)->address, \
                            .seed = (words)->seed,      \
                            .reason = (words)->detail), \
                  __VA_ARGS__)

static void log_state(const Words *w) {
        switch (w->notice->state) {
        case NODE_ONLINE:
                words_log(w, LOG_INFO, MESSAGE_ID_ONLINE, "Online.");
                return;
        case NODE_ISOLATED:
                words_log(w, LOG_NOTICE, MESSAGE_ID_ISOLATED, "Cut off: no other node can be reached; trying again and again.");
                return;
        case NODE_STARTING:
        case NODE_STOPPING:
        case _NODE_STATE_MAX:
                return;         /* said by whoever starts and stops */
        }
}

static void log_session(const Words *w) {
        const Notice *n = w->notice;
        const char *id = n->reason == CLOSE_NETWORK ? MESSAGE_ID_NETWORK_MISMATCH :
                         n->reason == CLOSE_VERSION ? MESSAGE_ID_VERSION_MISMATCH : MESSAGE_ID_SESSION_REFUSED;
        int level = n->reason == CLOSE_NETWORK || n->reason == CLOSE_VERSION ? LOG_NOTICE : LOG_INFO;

        if (n->by_us)
                words_log(w, level, id, "Refused a session with %s: %s.", w->name, w->detail);
        else
                words_log(w, level, id, "%s refused our session: %s.", w->name, w->detail);
}

static void log_silent(const Words *w) {
        const Notice *n = w->notice;
        char evidence[EVIDENCE_TEXT_SIZE];

        words_log(w, LOG_NOTICE, MESSAGE_ID_PEER_SILENT, "%s %s: %s; reported to %u seed%s.", w->name,
                  n->evidence == EVIDENCE_SILENT ? "does not answer" : "is gone", notice_evidence(n, evidence), n->n_max,
                  plural(n->n_max));
}

static void log_unlinked(const Words *w) {
        const Notice *n = w->notice;
        bool is_slow = n->reason == CLOSE_SLOW;

        words_log(w, is_slow ? LOG_NOTICE : LOG_INFO, is_slow ? MESSAGE_ID_LINK_SLOW : MESSAGE_ID_UNLINKED,
                  "The link to %s is gone: %s%s.", w->name, n->by_us ? "ended by us, " : "", w->detail);
}

static void log_gap(const Words *w) {
        const Notice *n = w->notice;

        if (n->count == 0)
                words_log(w, LOG_WARNING, MESSAGE_ID_GOSSIP_GAP,
                          "Messages of %s may be lost, from %" PRIu64 " on: it ended without telling anybody which was its last one.",
                          w->name, n->first);
        else if (n->count == 1)
                words_log(w, LOG_WARNING, MESSAGE_ID_GOSSIP_GAP, "Message %" PRIu64 " of %s is lost: no neighbour has it any more.",
                          n->first, w->name);
        else
                words_log(w, LOG_WARNING, MESSAGE_ID_GOSSIP_GAP,
                          "%" PRIu64 " messages of %s are lost, from %" PRIu64 " to %" PRIu64
                          ": no neighbour has them any more.", n->count, w->name, n->first, n->last);
}

static void log_words(const Words *w) {
        const Notice *n = w->notice;

        switch (n->type) {
        case NOTICE_STATE:
                log_state(w);
                return;
        case NOTICE_SESSION_REFUSED:
                log_session(w);
                return;
        case NOTICE_PROTOCOL_ERROR:
                words_log(w, LOG_NOTICE, MESSAGE_ID_PROTOCOL_ERROR, "Closed the connection with %s: %s.", w->name, w->detail);
                return;
        case NOTICE_DUPLICATE_ID:
                words_log(w, LOG_WARNING, MESSAGE_ID_IDENTITY_DUPLICATE,
                          "Another living node has our id: this node is %s from now on.", w->id);
                return;
        case NOTICE_DUPLICATE_REFUSED:
                words_log(w, LOG_WARNING, MESSAGE_ID_DUPLICATE_REFUSED,
                          "Refused a caller at %s that has the id of %s, which is alive.", w->address, w->name);
                return;
        case NOTICE_EPOCH:
                words_log(w, LOG_NOTICE, MESSAGE_ID_EPOCH_RAISED,
                          "Others know a later life of this node: its epoch is %" PRIu64 " from now on.", n->epoch);
                return;
        case NOTICE_REFUTED:
                words_log(w, LOG_NOTICE, MESSAGE_ID_REFUTED, "Somebody held this node for %s; told them that it lives.",
                          member_state_to_string(n->held_state));
                return;
        case NOTICE_CLOCK_JUMP:
                words_log(w, LOG_NOTICE, MESSAGE_ID_CLOCK_JUMP,
                          "A timer came %s late: the clock jumped, or the host slept. Nobody is blamed for the silence.",
                          DURATION_TEXT(n->duration));
                return;

        case NOTICE_SEED_REGISTERED:
                words_log(w, LOG_INFO, MESSAGE_ID_SEED_REGISTERED,
                          "Registered with seed %s (%u of %u wanted); it knows %u peer%s.", w->seed, n->n, n->n_max, n->total,
                          plural(n->total));
                return;
        case NOTICE_SEED_LOST:
                words_log(w, LOG_NOTICE, MESSAGE_ID_SEED_LOST, "Lost seed %s: %s (%u of %u wanted).", w->seed, w->detail, n->n,
                          n->n_max);
                return;
        case NOTICE_SEED_UNREACHABLE:
                words_log(w, LOG_NOTICE, MESSAGE_ID_SEED_UNREACHABLE, "Seed %s cannot be reached: %s. Trying again later.",
                          w->seed, w->detail);
                return;

        case NOTICE_LINKED:
                words_log(w, LOG_INFO, MESSAGE_ID_LINKED, "Linked to %s at %s (%s, %u of %u).", w->name, w->address,
                          n->incoming ? "in" : "out", n->n, n->n_max);
                return;
        case NOTICE_UNLINKED:
                log_unlinked(w);
                return;
        case NOTICE_GAP:
                log_gap(w);
                return;
        case NOTICE_BUSY:
                words_log(w, LOG_INFO, NULL, "%s refuses more links (busy), trying the next.", w->name);
                return;
        case NOTICE_SILENT:
                log_silent(w);
                return;

        case NOTICE_JOINED:
                words_log(w, LOG_INFO, MESSAGE_ID_MEMBER_JOINED, n->restarted ? "%s has restarted, at %s." : "%s joined, at %s.",
                          w->name, w->address);
                return;
        case NOTICE_LEFT:
                words_log(w, LOG_INFO, MESSAGE_ID_MEMBER_LEFT, "%s left.", w->name);
                return;
        case NOTICE_SUSPECT:
                words_log(w, LOG_NOTICE, MESSAGE_ID_MEMBER_SUSPECT, "%s is suspected to be dead%s%s.", w->name,
                          isempty(n->detail) ? "" : ": ", isempty(n->detail) ? "" : w->detail);
                return;
        case NOTICE_DEAD:
                words_log(w, LOG_NOTICE, MESSAGE_ID_MEMBER_DEAD, "%s is dead%s%s.", w->name, isempty(n->detail) ? "" : ": ",
                          isempty(n->detail) ? "" : w->detail);
                return;
        case NOTICE_ALIVE:
                words_log(w, LOG_INFO, MESSAGE_ID_MEMBER_ALIVE, "%s is alive after all.", w->name);
                return;

        case NOTICE_REGISTERED:
                words_log(w, LOG_INFO, MESSAGE_ID_PEER_REGISTERED, "%s at %s registered; %u peer%s in the list.", w->name,
                          w->address, n->n, plural(n->n));
                return;
        case NOTICE_EXPIRED:
                words_log(w, LOG_NOTICE, MESSAGE_ID_LEASE_EXPIRED,
                          "%s did not renew its registration: lost; dropped from the list, %u peer%s left.", w->name, n->n,
                          plural(n->n));
                return;
        case NOTICE_REPORTED_DEAD:
                words_log(w, LOG_NOTICE, MESSAGE_ID_PEER_DEAD,
                          "%s is dead: reported by %u peer%s, and it does not answer us; dropped from the list, %u peer%s left.",
                          w->name, n->n_max, plural(n->n_max), n->n, plural(n->n));
                return;
        case NOTICE_REPORT_FALSE:
                words_log(w, LOG_NOTICE, MESSAGE_ID_REPORT_FALSE, "%s was reported by %s but answers us; kept.", w->name,
                          isempty(w->other_name) ? "a peer" : w->other_name);
                return;
        case NOTICE_REPORTER_IGNORED:
                words_log(w, LOG_NOTICE, MESSAGE_ID_REPORTER_IGNORED,
                          "Reports of %s are ignored for %s: most of its last ones were wrong.", w->name,
                          DURATION_TEXT(n->duration));
                return;
        case NOTICE_SEED_LINKED:
                words_log(w, LOG_INFO, MESSAGE_ID_SEED_LINKED, "Sharing the list of peers with seed %s.", w->seed);
                return;
        case NOTICE_SEED_UNLINKED:
                words_log(w, LOG_NOTICE, MESSAGE_ID_SEED_UNLINKED, "Lost seed %s: %s.", w->seed, w->detail);
                return;
        case _NOTICE_INVALID:
                return;
        }
}

void notice_log(const Notice *notice) {
        _cleanup_(words_done) Words words = {};

        if (words_init(&words, notice) >= 0)
                log_words(&words);
}
