/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Other nodes on the bus: an object for each that is known, and the words in which they are shown. The ObjectManager of the
 * root lists the linked ones.
 */

#include "service/service.h"

int member_bus_attach(Service *service, sd_bus *bus);

/* The ObjectManager's signals. */
void member_bus_linked(Service *service, const NodeId *id);
void member_bus_unlinked(Service *service, const NodeId *id);

/* "alive", "suspect", "left", "dead", "lost" */
const char *member_state_word(const MemberInfo *info);
/* "in", "out", "-" */
const char *member_direction_word(const MemberInfo *info);
/* When state or direction changed last. */
usec_t member_since(const MemberInfo *info);
/* "" when it is not set. Writes to @buffer and returns it. */
const char *member_address_text(const Address *address, char buffer[static ADDRESS_TEXT_SIZE]);
/* Under which it is known best; "" when under none. */
const char *member_best_address_text(const MemberInfo *info, char buffer[static ADDRESS_TEXT_SIZE]);

/* A whole row of ListPeers. Return: 0, or an error of sd-bus. */
int member_append_row(sd_bus_message *m, const MemberInfo *info, Role role_of_daemon);
