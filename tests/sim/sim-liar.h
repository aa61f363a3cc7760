/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Peers that lie. A liar is a peer with a core like all others, so it is linked, asked and told like them; but on each of its links
 * (or of its sessions with seeds) it also says what its lie is, ten times a second, and where the lie is an answer, that takes the
 * place of its core's. What is said is well-formed: bytes that nobody can read are the fuzzers' business.
 */

#include "sim.h"

#define LIAR_INTERVAL_USEC (100 * USEC_PER_MSEC)

typedef enum Lie {
        LIE_NONE,
        LIE_ACCUSE,             /* all living members are accused, in the names of others, with all they answer */
        LIE_OFFER,              /* IHAVE and MSG_RANGES of messages that do not exist */
        LIE_ANNOUNCE,           /* IHAVE without end, of messages that everybody has and of some that nobody has */
        LIE_AGE,                /* messages that are older, and came further, than any can */
        LIE_SEQUENCE,           /* messages in the names of others, far ahead of theirs */
        LIE_EPOCH,              /* others are said to live in later epochs, and messages come from there */
        LIE_ASK,                /* GRAFT and MSG_WANT for everything */
        LIE_MEMBERS,            /* records of nobody, by MEMBERS */
        LIE_SHUFFLE,            /* the same, by SHUFFLE and SHUFFLE_REPLY */
        LIE_PROBE,              /* PROBE_ACK for the dead, PROBE_NACK for the living */
        LIE_LINKS,              /* LINKS_OK names links to all, and to nobody */
        LIE_ID,                 /* HELLO and HELLO_OK of a session with a peer name an id that nobody has */
        LIE_REPORT,             /* all living members are reported to the seeds, on the sessions with these */
        _LIE_MAX,
} Lie;

/* From now on, or (LIE_NONE) no more. */
void sim_set_liar(Sim *sim, unsigned i, Lie lie);
/* The network goes on for so long, and its liars lie. */
void sim_run_with_liars(Sim *sim, usec_t duration_usec);

/* How many of the frames that a liar made up were sent; and how often others ended a session with a node, liar or not, for that
 * reason. */
uint64_t sim_n_lies(const Sim *sim, unsigned i);
unsigned sim_n_closed(const Sim *sim, unsigned i, CloseReason reason);

/* What a peer holds in memory because others made it: bytes, as far as they are its own. */
size_t sim_held_bytes(const Sim *sim, unsigned i);
