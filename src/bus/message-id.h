/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The name of a gossip message as people and programs see it: "<origin>-<epoch>-<sequence>", all hexadecimal. */

#include "wire/message.h"

#define MESSAGE_ID_TEXT_SIZE (NODE_ID_TEXT_SIZE + sizeof("-ffffffffffffffff-ffffffffffffffff"))

/* Writes to @buffer and returns it. */
char *message_id_format(const MessageId *id, char buffer[static MESSAGE_ID_TEXT_SIZE]);
#define MESSAGE_ID_TEXT(id) message_id_format((id), (char[MESSAGE_ID_TEXT_SIZE]){})

/* What message_id_format() writes, and nothing else. Return: 0, -EINVAL. */
int message_id_parse(const char *text, MessageId *ret);
