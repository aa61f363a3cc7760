/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A message as one line of text, in which every field has one form: two messages are equal when their lines are.
 *
 *      PING nonce=17 links=4
 *      BUSY address=[4/7f000001/6001,6/00000000000000000000000000000001/6002]
 *
 * Fields have the names and the order of PROTOCOL.md; text, ids and bytes are in hex, the parts of structured values
 * are separated by slashes, a record is in braces, an optional field that is absent is not there.
 */

#include "wire/message.h"

/* Return: the caller's; NULL when out of memory. */
char *message_to_text(const Message *message);
