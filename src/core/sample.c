/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whom a full table holds (PROTOCOL.md, 6.3): neighbours, the newest, and of all others a uniform random sample.
 *
 * The sample is the bottom-k sketch of Cohen and Kaplan ("Summarizing data using bottom-k sketches", PODC 2007), also known by the name
 * KMV: ids are ranked by a hash with a key of our own, and the lowest ranks are kept. When, how often and from whom one is heard of
 * changes nothing of its rank, so whoever is heard of is as likely to be held as anybody else; the min-wise samplers of Brahms (Bortnikov,
 * Gurevich, Keidar, Kliot, Shraer, Computer Networks 2009) stand on the same. And nobody can choose ids that are held, who does not
 * know the key.
 *
 * Departures. Who dies or leaves gives its place back, and the next one that is heard of gets it, whatever its rank, until the table is
 * full again; seeds name random members with each renewal, so that is a random one, too. And what links say unasked, a newcomer, or who
 * calls, takes no place in the sample: an eighth of the table is for the latest of them, who are sampled when a seed or a shuffle
 * speaks of them afterwards. So whoever invents newcomers pushes out newcomers.
 */

#include "core/peer-node-internal.h"

#define NEWEST_SHARE 8U

void sample_init(Sample *sample, const SipKey *secret) {
        uint8_t *p = sample->key.bytes;

        for (uint8_t i = 0; i < sizeof(sample->key.bytes) / sizeof(uint64_t); i++)
                p = put_be64(p, siphash24(&i, sizeof(i), secret));
        sample->highest = UINT64_MAX;
}

uint64_t sample_rank(const Sample *sample, const NodeId *id) {
        return siphash13(id->bytes, NODE_ID_SIZE, &sample->key);
}

/* Others know more of it than its record, or wait for what becomes of it. */
static bool is_needed(const Node *node, const Member *member) {
        return member->record.state != MEMBER_ALIVE || member->asked_usec > 0 || member->accused || member->verdict ||
               session_of(node, &member->record.id);
}

bool sample_make_room(Node *node, const NodeId *id, bool is_newcomer) {
        Sample *sample = &node->peer->sample;
        MemberTable *table = &node->members;
        uint64_t rank = sample_rank(sample, id), last_rank = 0, highest = rank;
        Member *oldest = NULL, *last = NULL;
        size_t n_newest = 0;

        if (!is_newcomer && rank >= sample->highest)
                return false;           /* as most are, in a large network */

        for (size_t i = 0; i < table->n_live; i++) {
                Member *member = table->members[i];
                uint64_t other;

                if (member->is_newcomer) {
                        if (is_needed(node, member))
                                continue;
                        n_newest++;
                        if (!oldest || member->since_usec < oldest->since_usec)
                                oldest = member;
                        continue;
                }
                other = member->rank;
                if ((!last || other > last_rank) && !is_needed(node, member)) {        /* in this order: it looks for a session */
                        if (last)
                                highest = MAX(highest, last_rank);
                        last = member;
                        last_rank = other;
                } else
                        highest = MAX(highest, other);
        }

        if (is_newcomer) {
                Member *out = n_newest > 0 && n_newest >= table->n_max / NEWEST_SHARE ? oldest : last;

                if (!out)
                        return false;
                member_table_remove(table, out);
                return true;
        }
        if (!last || rank >= last_rank) {
                sample->highest = last ? MAX(highest, last_rank) : UINT64_MAX;
                return false;
        }
        member_table_remove(table, last);
        sample->highest = highest;
        return true;
}
