/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One connection of links.h: a Link, its place in the event loop, and what is known of it.
 *
 *              connected               hung up with flush       all sent, half-closed
 *      DIALING ---------> OPEN ------------------------> FLUSHING ---------> DRAINING
 *         |                |                                |                   |
 *         +----------------+---------------+----------------+-------------------+--> GONE
 *
 * GONE is for the time until the next turn: a handler further up the stack may still hold the connection.
 */

#include "base/hash.h"
#include "io/clock.h"
#include "io/link.h"
#include "io/links.h"
#include "io/listener.h"

#define LINKS_READ_SIZE (64U * 1024U)

typedef enum ConnectionState {
        CONNECTION_DIALING,
        CONNECTION_OPEN,
        CONNECTION_FLUSHING,
        CONNECTION_DRAINING,
        CONNECTION_GONE,
} ConnectionState;

typedef struct Connection Connection;

struct Connection {
        Links *links;
        LinkId id;
        ConnectionState state;
        Link link;
        bool reset;                     /* a write failed: what is still to be read comes first, then it is over */
        bool failed;                    /* the node is told so in the next turn: .change */
        LinkChange change;
        uint32_t events;                /* that links->epoll_fd waits for */
        bool is_ready;                  /* in links->ready */
        Connection *ready_prev, *ready_next;
        usec_t deadline_usec;           /* USEC_INFINITY: not in links->timed */
        Connection *timed_prev, *timed_next;
        UT_hash_handle hh;
};

struct Links {
        sd_event *event;                /* reference */
        Node *node;                     /* borrowed */
        const LinksHandlers *handlers;
        void *userdata;

        Listener *listeners[LINKS_LISTENING_MAX];
        size_t n_listeners;

        Connection *connections;        /* by id, all but those GONE */
        Connection *ready;              /* have something to do in the next turn */
        size_t n_ready;
        bool is_turning;                /* links_turn() comes without being asked for */
        bool is_asked;                  /* for a turn: the next one is due though nothing may come in */
        Connection *timed;              /* have a deadline, the oldest first */
        size_t n_flushing;              /* FLUSHING and DRAINING */
        uint64_t n_accepted;

        int epoll_fd;                   /* of all connections: one source of the loop, see links.c */
        sd_event_source *epoll_source;
        sd_event_source *turn_source;
        sd_event_source *timer_source;

        uint8_t *buffer;                /* LINKS_READ_SIZE bytes */
        Message *message;               /* too large for the stack of a handler */
};

static inline void links_settle(Links *links, int error) {
        links->handlers->settle(links->userdata, error);
}

static inline usec_t links_now(const Links *links) {
        return event_now(links->event);
}

/* Arms the timer for the first deadline. */
void links_arm(Links *links);

/* What the kernel says of its socket. */
void connection_on_io(Connection *connection, uint32_t revents);

/* Takes over @fd, on failure as well. It may be negative: then the connection is about to fail. */
int connection_new(Connection **ret, Links *links, LinkId id, int fd, ConnectionState state);
/* Of one that is in no list any more. */
Connection *connection_free(Connection *connection);
DEFINE_CLEANUP(Connection *, connection_free)

void connection_set_state(Connection *connection, ConnectionState state);
/* USEC_INFINITY: none. */
void connection_set_deadline(Connection *connection, usec_t deadline_usec);
/* Asks for a visit in the next turn: to write, to report, to be freed. */
void connection_make_ready(Connection *connection);

/* Closes it at once; the memory goes in the next turn. */
void connection_cut(Connection *connection);
/* The connection ended, and not because the node wished so: cuts it, and tells the node. */
void connection_ended(Connection *connection, LinkChange change);
/* The same, said in the next turn: for failures that come up while an effect is being carried out. */
void connection_fail(Connection *connection, LinkChange change);

/* Hands to the kernel what it takes of what is queued, and tells the node. Return: what the node did; settling is left to the
 * caller. */
int connection_write(Connection *connection, usec_t now_usec);
