/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which peer an argument means: a node id, the first digits of one, a name, or an address. Offer every peer that is
 * known; the best match wins. Better is: the whole id, then an address, a name, a name without its ":6001", some digits; of
 * two with equal names or addresses the one that lives (a peer that came back with a new id leaves its old record behind).
 */

#include <systemd/sd-bus.h>

#include "base/address.h"
#include "base/id.h"

#define PEER_CHOICE_DIGITS_MIN 4U       /* fewer are not taken for the beginning of an id */

typedef struct PeerChoice {
        const char *text;       /* borrowed */
        Address address;        /* of it, when it is one */
        unsigned rank;          /* of the best match, 0: none */
        unsigned n;             /* how many there are of that rank */
        NodeId id;              /* one of them */
} PeerChoice;

PeerChoice peer_choice(const char *text);

void peer_choice_offer(
                PeerChoice *choice,
                const NodeId *id,
                const char *name,
                const Address *addresses,
                size_t n_addresses,
                bool alive);

/* Return: 0, or -ENODEV (nothing matches) or -ENOTUNIQ (several do), with @error, if given, set. */
int peer_choice_result(const PeerChoice *choice, NodeId *ret, sd_bus_error *error);
