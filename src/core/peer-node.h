/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What only a peer does: publishing, links by hand, the memory of lost peers. */

#include "core/node.h"
#include "core/topology.h"

/**
 * peer_publish() - gossip a message of our own to everybody
 * @topic:      1 to TOPIC_MAX bytes of printable ASCII
 * @payload:    0 to PAYLOAD_MAX bytes, copied
 * @ret:        its id
 *
 * It is delivered here, stored, and sent or announced on every link; without any it waits in the store.
 *
 * Return: 0; -EINVAL a topic that is none; -EMSGSIZE; -EBUSY: half of the queue of every link that would take it at once is taken,
 * or so much is under way that stores would lose some of it before everybody has it: try again in peer_retry_usec(); -ENOTCONN the
 * node does not run; -ENOMEM.
 */
int peer_publish(Node *node, const char *topic, Slice payload, usec_t now_usec, MessageId *ret);

usec_t peer_retry_usec(const Node *node);               /* after -EBUSY */

/*
 * What was delivered here and is still stored, in that order: each delivery has a serial number, Delivery.serial. With these a
 * subscriber gets what came before it, and goes on with what comes, without a seam.
 */
uint64_t peer_last_serial(const Node *node);            /* of the last delivery, 0: none yet */
/* The first one after that serial. @ret borrows from the store: valid until the next event. False: there is none. */
bool peer_next_stored(const Node *node, uint64_t serial, usec_t now_usec, Delivery *ret);
size_t peer_n_stored(const Node *node);                 /* messages, */
size_t peer_stored_size(const Node *node);              /* and bytes */
/* 0: it is not stored, or was not delivered. */
uint64_t peer_serial_of(const Node *node, const MessageId *id);

/* Links to an address now, whatever the number of links. -EINVAL: not dialable; -EALREADY: linked or being dialled;
 * -EISCONN: a seed is there that we have a session with, which another one would replace; -ENOTCONN: the node does not run. */
int peer_connect(Node *node, const Address *address, usec_t now_usec);

/* Ends the link to a member in order; it may come back by itself. -ESRCH: no such link. */
int peer_disconnect(Node *node, const NodeId *id, usec_t now_usec);

/* Asks all live members, at most 1,000 of them, for their links: EFFECT_CRAWLED with @token, now or within five seconds. While one
 * such question is under way, and for two to ten seconds after it, all who ask get the same answer. -EBUSY: 64 wait; -ENOTCONN: the
 * node does not run. */
int peer_crawl(Node *node, uint64_t token, usec_t now_usec);
/* What the last one found; NULL when there is none, or it is too long ago. */
const Topology *peer_topology(const Node *node);

typedef struct LostPeer {
        NodeId id;              /* may be null */
        Address address;
} LostPeer;

/* Before node_start(): what was remembered on disk. At most params.lost_max are taken. */
int peer_set_lost(Node *node, const LostPeer *peers, size_t n);
/* What to remember (the oldest links that we dialled, then others, best first): the number written to @ret, at most @n_max. */
size_t peer_lost(const Node *node, LostPeer *ret, size_t n_max);

/* Our last message of an earlier epoch, for the first one of this to name it; before node_start(). */
void peer_set_published(Node *node, const Previous *previous);
/* What is to be remembered of that, on EFFECT_PERSIST. False: nothing, and what was remembered is to be forgotten: there is no
 * message of ours yet, or more will follow the last one. */
bool peer_published(const Node *node, Previous *ret);

/* How many others there are, as a seed last said, when those that we hold are a sample of them; 0: we hold all that we know of. */
size_t peer_n_sampled(const Node *node);

unsigned peer_n_links(const Node *node);
unsigned peer_n_links_out(const Node *node);
uint64_t peer_sequence(const Node *node);       /* of our last message, 0: none */
