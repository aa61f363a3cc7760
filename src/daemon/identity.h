/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who a node is, from one start to the next: its id, drawn once, and its epoch, which grows with each start. The file also
 * knows on which machine it was written: a state directory that was copied with its host would make two nodes of one id,
 * so it gets a new id there.
 */

#include "core/node.h"
#include "daemon/state-dir.h"

typedef struct StoredIdentity {
        NodeIdentity identity;
        uint8_t machine[16];            /* all zeros: not known */
} StoredIdentity;

#define STORED_IDENTITY_SIZE 40U

/* The body of the file. Return: 0, -EBADMSG. */
int stored_identity_decode(StoredIdentity *ret, Slice body);
void stored_identity_encode(const StoredIdentity *identity, uint8_t body[static STORED_IDENTITY_SIZE]);

/**
 * identity_load() - who we are from now on, already written down
 * @dir:        a directory that cannot be written gives an identity for this start only
 * @ret_reason: may be NULL; why the id is a new one although there was another, static; NULL when there is nothing to say
 *
 * Says so where the id is new, and why. Return: 1; 0 when it could not be written down; -EACCES when there is one that another
 * user keeps from us, which must not be replaced; or why the kernel gives no random bytes.
 */
int identity_load(StateDir *dir, NodeIdentity *ret, const char **ret_reason);

/* Return: 0, or an error that has been said. */
int identity_save(StateDir *dir, const NodeIdentity *identity);
