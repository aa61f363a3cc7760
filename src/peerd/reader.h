/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a local program wants to read, whatever way it gets it: topics that match one of its patterns, from some point on, and how
 * far it is. A reader that asks for the past is behind at first: it reads from the store, in the order in which messages were
 * delivered here, until there is nothing left there that it has not got, and from then on what is delivered.
 *
 * The age of a message is what its holders add up, and no more exact than that: what was published just before a reader came may
 * be among its messages. Who was here before says where it was, by id.
 */

#include "core/effect.h"
#include "daemon/daemon.h"
#include "peerd/patterns.h"

#define READER_AFTER_MAX 1024U

/* All zeros can be done with. */
typedef struct Reader {
        Patterns patterns;

        /* From where on */
        enum {
                READER_NOW,             /* what is published after it has come */
                READER_AGO,             /* stored ones, too, that were published at most @ago_usec before that */
                READER_MESSAGE,         /* those that were delivered here after the one with @id */
        } since;
        usec_t ago_usec;
        MessageId id;
        MessageId *after;               /* of the publisher of each only what comes behind it; ascending */
        size_t n_after;
        usec_t published_usec;          /* what was published before is not wanted; 0: all is */

        /* How far */
        uint64_t serial;                /* of the last delivery that it got, or did not want */
        uint64_t owed;                  /* all after that serial are promised; before, those that are stored */
        uint64_t n_missing;             /* promised, gone from the store before they were read, and not told yet */
        bool is_behind;
} Reader;

void reader_done(Reader *reader);

/* Takes over what the caller of Subscribe() or OpenStream() wants, "as" and "a{sv}". It comes now. Return: 0; an error, with @error
 * set when it has a sentence. */
int reader_read(Reader *reader, sd_bus_message *m, usec_t now_usec, sd_bus_error *error);

/* Begins. Return: 0; an error with @error set when the message it wants to begin behind is not stored. */
int reader_begin(Reader *reader, const Daemon *daemon, sd_bus_error *error);

/* A message is delivered, its @topic once more as a string: is it to be handed on now? */
bool reader_on_delivery(Reader *reader, const Delivery *delivery, const char *topic, usec_t now_usec);

/* The next stored message that it wants, while it is behind; reader_took() goes on behind it. */
bool reader_next(Reader *reader, const Daemon *daemon, Delivery *ret);
void reader_took(Reader *reader, const Delivery *delivery);

/* How many are missing before the next one, as of reader_next(); they are told then. */
uint64_t reader_take_missing(Reader *reader);
