/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One node, and everything around it by hand: connections that come and go, what the others say, time. After each
 * event the harness drains the effects, as a daemon does, keeps what was sent, dialled, said and persisted until it
 * is asked for, and holds the node to what core/effect.h and core/node.h promise (assert): nothing is sent on a
 * connection that is not there, no number is used twice, and no id or epoch is told to anybody before it is written
 * down.
 *
 * Every frame goes through the codec in both directions. The unit tests and the fuzz targets of the core share it.
 */

#include "core/node.h"
#include "core/peer-node.h"
#include "core/seed-node.h"
#include "other.h"
#include "wire/message.h"

typedef struct Harness Harness;

#define HARNESS_START (1000 * USEC_PER_SEC)

NodeSettings harness_settings(Role role, Profile profile);

/* A node with the id of sixteen @id; not started, so that seeds and memories can be set. */
Harness *harness_new(const NodeSettings *settings, uint8_t id);
/* What is drawn at random comes from that run; else it is the first one. */
Harness *harness_new_run(const NodeSettings *settings, uint8_t id, uint64_t run);
Harness *harness_free(Harness *harness);
DEFINE_CLEANUP(Harness *, harness_free)

/* For calls that the harness has no function for: harness_settle() drains what they asked for. */
Node *harness_node(Harness *harness);
void harness_settle(Harness *harness);
usec_t harness_now(const Harness *harness);

void harness_start(Harness *harness);
void harness_stop(Harness *harness);
/* Entries "seed-<n>" for a list of numbers that ends with 0, on port 5000. */
void harness_set_seeds(Harness *harness, const uint8_t *numbers);

/* ---- time ---- */

/* Lets time pass, with a call at each deadline on the way. */
void harness_advance(Harness *harness, usec_t duration);
/* Lets time pass without a call, then makes one: the node has slept. */
void harness_sleep(Harness *harness, usec_t duration);

/* ---- connections ---- */

LinkId harness_accept(Harness *harness, const Address *remote);
/* Accepts, and sends its HELLO. */
LinkId harness_call(Harness *harness, const Other *other);
/* The same, and takes the HELLO_OK. 0 when another answer came. */
LinkId harness_open(Harness *harness, const Other *other);
/* The next dial nobody looked at: its number and address. 0: none. */
LinkId harness_dialled(Harness *harness, Address *ret);
/* A dial reaches @other, who answers the HELLO with a HELLO_OK, held or not. Return: true when there was a HELLO. */
bool harness_answer(Harness *harness, LinkId link, const Other *other, const Held *held);
void harness_change(Harness *harness, LinkId link, LinkChange change);
/* Whether the connection is there for the node: neither hung up nor ended. */
bool harness_is_up(const Harness *harness, LinkId link);
/* A resolver's answer; @n addresses. */
void harness_resolve(Harness *harness, uint8_t number, const Address *addresses, size_t n);
/* Whether the name "seed-<number>" is being asked for, which it then is not any more. */
bool harness_asked_for(Harness *harness, uint8_t number);

/* ---- messages ---- */

void harness_send(Harness *harness, LinkId link, const Message *message);
void harness_send_bytes(Harness *harness, LinkId link, const uint8_t *data, size_t size);
/* The other end goes on not reading: what is sent as data stays queued. */
void harness_set_reading(Harness *harness, LinkId link, bool reading);

/* From now on everybody answers PING with PONG at once, but those that are silent; the PINGs can be seen
 * nevertheless. */
void harness_set_answering(Harness *harness, bool answering);
void harness_set_silent(Harness *harness, LinkId link);
/* So many bytes that were sent before a PING have not been acknowledged. */
void harness_set_backlog(Harness *harness, LinkId link, size_t n_ahead);

/* The next message that the node sent on that link; NULL: none. Valid until the next call. */
const Message *harness_next(Harness *harness, LinkId link);
/* The next one of that type; those before it are dropped. NULL: none. */
const Message *harness_find(Harness *harness, LinkId link, MessageType type);
void harness_drop_sent(Harness *harness);

/* ---- what else the node wanted ---- */

/* The first notice of that type, taken out; NULL: none. Valid until the next call. */
const Notice *harness_notice(Harness *harness, NoticeType type);
unsigned harness_n_persisted(const Harness *harness, PersistWhat what);
size_t harness_n_up(const Harness *harness);
size_t harness_n_dialling(const Harness *harness);
const Delivery *harness_delivery(Harness *harness);     /* the last one; NULL: none yet */
size_t harness_n_deliveries(const Harness *harness);
/* The first answer to node_ping(), taken out; NULL: none. Valid until the next call. */
const Effect *harness_pong(Harness *harness);
/* Answers to peer_crawl() since the last call; the error of the last one. */
unsigned harness_n_crawled(Harness *harness, int *ret_error);
size_t harness_n_effects_max(const Harness *harness);   /* of a single event */
