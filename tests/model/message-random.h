/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages with valid content of every kind, which likes the edges: the same run gives the same messages. */

#include "base/random.h"
#include "wire/message.h"

/* One message, and the bytes its slices borrow. Some 1.1 MiB: not for the stack. */
typedef struct RandomMessage {
        Message message;
        uint8_t topic[TOPIC_MAX];
        uint8_t digest[SYNC_BUCKETS * 8];
        uint8_t payload[PAYLOAD_MAX];
} RandomMessage;

/* The types that have a body in this version, in ascending order. */
extern const MessageType message_types[];
extern const size_t n_message_types;

/* Fills @ret with a message of @type; a payload has at most @payload_max bytes. */
void message_random(Random *random, MessageType type, size_t payload_max, RandomMessage *ret);
