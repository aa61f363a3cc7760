/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records: what goes through the sockets of OpenStream() and OpenPublisher(), between a daemon and a program of its host.
 * Integers are big-endian, as in frames. org.p2pnet.Node1(5), STREAMS, specifies every byte:
 *
 *      u32 length      of all that follows
 *      u8  version     1
 *      u8  type        StreamType
 *      body            length - 2 bytes
 */

#include "wire/message.h"

#define STREAM_VERSION 1U
#define STREAM_HEADER_SIZE 6U
#define STREAM_MESSAGE_FIXED 44U        /* of a MESSAGE, before its texts */
#define STREAM_LOST_SIZE (STREAM_HEADER_SIZE + 8U)
#define STREAM_ANSWER_MAX (STREAM_HEADER_SIZE + 20U)
#define STREAM_PUBLISH_MAX (STREAM_HEADER_SIZE + 1U + TOPIC_MAX + PAYLOAD_MAX)
#define STREAM_MESSAGE_MAX (STREAM_HEADER_SIZE + STREAM_MESSAGE_FIXED + NODE_NAME_MAX + TOPIC_MAX + PAYLOAD_MAX)

typedef enum StreamType {
        STREAM_MESSAGE = 1,     /* stream: u8[16] origin, u64 epoch, u64 sequence, u64 age in us, u8 hops, u8 name size, u8 topic
                                 * size, u8 0; name, topic, payload */
        STREAM_LOST = 2,        /* stream: u64 messages dropped here */
        STREAM_PUBLISH = 16,    /* publisher: u8 topic size, topic, payload */
        STREAM_ACCEPTED = 17,   /* answer: u64 epoch, u64 first sequence, u32 how many */
        STREAM_REFUSED = 18,    /* answer: u8 StreamRefusal, for one record */
        STREAM_CLOSED = 19,     /* answer: u8 StreamClosing; the last one */
} StreamType;

typedef enum StreamRefusal {
        STREAM_BAD_TOPIC = 2,
        STREAM_TOO_LARGE = 3,
} StreamRefusal;

typedef enum StreamClosing {
        STREAM_BAD_VERSION = 1,
        STREAM_MALFORMED = 2,
        STREAM_STOPPING = 3,
} StreamClosing;

typedef struct StreamRecord {
        unsigned type;          /* StreamType, or one that we do not know */
        size_t size;            /* of the whole record */
        Slice body;             /* borrowed; not set when the record is too long */
} StreamRecord;

/**
 * stream_record_next() - find the first record in a stretch of bytes
 * @size_max:   of the whole record
 *
 * Return: 1; 0 when more bytes are needed; -EPROTONOSUPPORT for another version; -EBADMSG when it is shorter than its own header;
 * -EMSGSIZE when it is longer than @size_max, with type and size set, so that it can be skipped. Nothing but the header is
 * waited for before an error is found.
 */
int stream_record_next(StreamRecord *ret, Slice data, size_t size_max);

/* What is in a PUBLISH. The slices borrow from it. Return: 0; -EBADMSG when the topic is longer than the body; -EINVAL when it is
 * no topic; -EMSGSIZE when the payload is larger than a message may be. */
int stream_publish_decode(Slice body, Slice *ret_topic, Slice *ret_payload);

typedef struct StreamMessage {
        MessageId id;
        uint64_t age_usec;
        uint8_t n_hops;
        Slice name, topic, payload;     /* borrowed; the name may be empty */
} StreamMessage;

/* Return: 0, -EBADMSG. */
int stream_message_decode(StreamMessage *ret, Slice body);

static inline size_t stream_message_size(const StreamMessage *message) {
        return STREAM_HEADER_SIZE + STREAM_MESSAGE_FIXED + message->name.size + message->topic.size + message->payload.size;
}

/* Each writes a whole record and returns the byte behind it. */
uint8_t *stream_put_message(uint8_t *p, const StreamMessage *message);
uint8_t *stream_put_lost(uint8_t *p, uint64_t n);
uint8_t *stream_put_publish(uint8_t *p, Slice topic, Slice payload);
uint8_t *stream_put_accepted(uint8_t *p, uint64_t epoch, uint64_t first, uint32_t n);
uint8_t *stream_put_refused(uint8_t *p, StreamRefusal refusal);
uint8_t *stream_put_closed(uint8_t *p, StreamClosing closing);
