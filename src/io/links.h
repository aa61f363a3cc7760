/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All connections of a node: listens, dials, reads and writes, and feeds the node with what happens on them.
 *
 * Reads go through one buffer for all links; what the node asks to be sent in one turn of the loop leaves each link by one
 * system call. All connections are one source of the loop. Nothing that a remote does makes a handler fail.
 *
 * A link that the node has hung up is none any more for the node; here it may live on for LINKS_FLUSH_USEC at most, until what
 * was queued (a CLOSE, mostly) is sent and the other end has closed, too: a socket that is closed while bytes wait
 * in it makes the kernel reset the connection and throw away the CLOSE that the other end was about to read.
 */

#include <systemd/sd-event.h>

#include "core/node.h"

#define LINKS_LISTENING_MAX 16U
#define LINKS_DIAL_USEC (5 * USEC_PER_SEC)
#define LINKS_FLUSH_USEC (2 * USEC_PER_SEC)
#define LINKS_FLUSHING_MAX 128U         /* beyond it the one that has flushed longest is cut */

typedef struct Links Links;

typedef struct LinksHandlers {
        /* After each event that was fed to the node, with what the node's function returned (0 or -ENOMEM): carry out its
         * effects. Once for all that was written in one turn, and also when the last link has gone, with 0. */
        void (*settle)(void *userdata, int error);
        /* What had come on any connection has been read, and what this led to has been written: the turn is over. Also when
         * there was another reason for one: see links_ask_turn(). */
        void (*turned)(void *userdata);
        /* No connection is accepted for a moment, because of @error, such as -EMFILE. */
        void (*resting)(void *userdata, int error);
} LinksHandlers;

/* @handlers is static. Return: 0, -ENOMEM and other errors of sd-event. */
int links_new(Links **ret, sd_event *event, const LinksHandlers *handlers, void *userdata);
/* Cuts what is still connected. */
Links *links_free(Links *links);
DEFINE_CLEANUP(Links *, links_free)

/* Before the loop runs. A node wants to know its port, so listening comes first. @node is borrowed, and outlives the links. */
void links_set_node(Links *links, Node *node);

/* Listens on one more address. Return: 0; an error of listener_new(); -E2BIG. */
int links_listen(Links *links, const Address *address);
/* The addresses listened on. */
size_t links_n_listening(const Links *links);
const Address *links_listening_at(const Links *links, size_t index);
void links_stop_listening(Links *links);

/* Carries out EFFECT_DIAL, EFFECT_SEND, EFFECT_MEASURE and EFFECT_HANG_UP. Return: 0, -ENOMEM. */
int links_apply(Links *links, const Effect *effect);

/* turned() is called at the end of the turn that is under way, or else of one that comes for this. From turned(): of the next. */
void links_ask_turn(Links *links);

/* Is it being dialled or open, and not hung up? */
bool links_has(const Links *links, LinkId link);

/* Connections of any kind, those that are being flushed among them. */
size_t links_n(const Links *links);
