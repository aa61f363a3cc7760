/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A gossip message as people read it. */

#include "core/effect.h"

/* The topic of the periodic messages, the only one whose payload the journal shows. */
#define HELLO_TOPIC "/p2pnet/hello"

#define MESSAGE_ID_TEXT_SIZE (NODE_ID_TEXT_SIZE + sizeof("-ffffffffffffffff-ffffffffffffffff"))

/* "<origin>-<epoch>-<sequence>", all hexadecimal. Writes to @buffer and returns it. */
char *message_id_format(const MessageId *id, char buffer[static MESSAGE_ID_TEXT_SIZE]);
#define MESSAGE_ID_TEXT(id) message_id_format((id), (char[MESSAGE_ID_TEXT_SIZE]){})

void delivery_log(const Delivery *delivery, int level);
