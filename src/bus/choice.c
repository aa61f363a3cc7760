/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/choice.h"

#include <errno.h>
#include <strings.h>

#include "base/text.h"
#include "bus/error.h"

enum {
        RANK_NONE,
        RANK_DIGITS,
        RANK_HOST,              /* web-2 for web-2:6001 */
        RANK_NAME,
        RANK_ADDRESS,
        RANK_ID,
};

PeerChoice peer_choice(const char *text) {
        PeerChoice choice = { .text = text };

        if (address_parse(text, &choice.address) < 0)
                choice.address = (Address) {};
        return choice;
}

static unsigned rank_of_name(const char *text, const char *name) {
        size_t size = strlen(text);

        if (size == 0 || strncmp(text, name, size) != 0)
                return RANK_NONE;
        return name[size] == '\0' ? RANK_NAME : name[size] == ':' ? RANK_HOST : RANK_NONE;
}

static unsigned peer_choice_rank(
                const PeerChoice *choice,
                const NodeId *id,
                const char *name,
                const Address *addresses,
                size_t n_addresses) {

        unsigned rank = rank_of_name(choice->text, name);
        size_t size = strlen(choice->text);

        if (size >= PEER_CHOICE_DIGITS_MIN && strncasecmp(choice->text, NODE_ID_TEXT(id), size) == 0)
                return size == NODE_ID_TEXT_SIZE - 1 ? RANK_ID : MAX(rank, (unsigned) RANK_DIGITS);
        if (address_is_set(&choice->address))
                for (size_t i = 0; i < n_addresses; i++)
                        if (address_equal(&choice->address, &addresses[i]))
                                return RANK_ADDRESS;
        return rank;
}

void peer_choice_offer(
                PeerChoice *choice,
                const NodeId *id,
                const char *name,
                const Address *addresses,
                size_t n_addresses,
                bool alive) {

        unsigned rank = peer_choice_rank(choice, id, name, addresses, n_addresses);

        if (rank == RANK_NONE)
                return;

        rank = 2 * rank + alive;
        if (rank > choice->rank) {
                choice->rank = rank;
                choice->n = 0;
                choice->id = *id;
        }
        if (rank == choice->rank)
                choice->n++;
}

int peer_choice_result(const PeerChoice *choice, NodeId *ret, sd_bus_error *error) {
        if (choice->n == 1) {
                *ret = choice->id;
                return 0;
        }

        _cleanup_free_ char *text = text_escape(choice->text, strnlen(choice->text, 100));

        if (!text)
                return -ENOMEM;
        if (choice->n == 0)
                return bus_error_set(error, -ENODEV,
                                     "No peer '%s' is known; a node id, its first %u digits or more, a name, "
                                     "with or without its port, or an address with port is accepted.", text, PEER_CHOICE_DIGITS_MIN);
        return bus_error_set(error, -ENOTUNIQ,
                             "%u peers match '%s'; give more digits of the node id.", choice->n, text);
}
