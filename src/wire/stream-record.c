/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/stream-record.h"

#include <errno.h>

#include "base/text.h"

int stream_record_next(StreamRecord *ret, Slice data, size_t size_max) {
        size_t size;

        if (data.size < STREAM_HEADER_SIZE)
                return 0;
        if (data.data[4] != STREAM_VERSION)
                return -EPROTONOSUPPORT;

        size = FRAME_LENGTH_SIZE + (size_t) get_be32(data.data);
        if (size < STREAM_HEADER_SIZE)
                return -EBADMSG;

        ret->type = data.data[5];
        ret->size = size;
        if (size > size_max)
                return -EMSGSIZE;
        if (data.size < size)
                return 0;

        ret->body = slice_of(data.data + STREAM_HEADER_SIZE, size - STREAM_HEADER_SIZE);
        return 1;
}

int stream_publish_decode(Slice body, Slice *ret_topic, Slice *ret_payload) {
        Slice topic, payload;

        if (body.size < 1 || body.size - 1 < body.data[0])
                return -EBADMSG;

        topic = slice_of(body.data + 1, body.data[0]);
        payload = slice_of(topic.data + topic.size, body.size - 1 - topic.size);
        if (topic.size == 0 || !ascii_is_printable((const char *) topic.data, topic.size))
                return -EINVAL;
        if (payload.size > PAYLOAD_MAX)
                return -EMSGSIZE;

        *ret_topic = topic;
        *ret_payload = payload;
        return 0;
}

int stream_message_decode(StreamMessage *ret, Slice body) {
        const uint8_t *p = body.data;
        size_t name_size, topic_size;

        if (body.size < STREAM_MESSAGE_FIXED)
                return -EBADMSG;
        name_size = p[41];
        topic_size = p[42];
        if (body.size - STREAM_MESSAGE_FIXED < name_size + topic_size)
                return -EBADMSG;

        memcpy(ret->id.origin.bytes, p, NODE_ID_SIZE);
        ret->id.epoch = get_be64(p + 16);
        ret->id.sequence = get_be64(p + 24);
        ret->age_usec = get_be64(p + 32);
        ret->n_hops = p[40];
        ret->name = slice_of(p + STREAM_MESSAGE_FIXED, name_size);
        ret->topic = slice_of(ret->name.data + name_size, topic_size);
        ret->payload = slice_of(ret->topic.data + topic_size, body.size - STREAM_MESSAGE_FIXED - name_size - topic_size);
        return 0;
}

static uint8_t *put_header(uint8_t *p, StreamType type, size_t body_size) {
        p = put_be32(p, (uint32_t) (body_size + STREAM_HEADER_SIZE - FRAME_LENGTH_SIZE));
        return put_u8(put_u8(p, STREAM_VERSION), (uint8_t) type);
}

uint8_t *stream_put_message(uint8_t *p, const StreamMessage *message) {
        assert(message->name.size <= UINT8_MAX && message->topic.size <= TOPIC_MAX);

        p = put_header(p, STREAM_MESSAGE, stream_message_size(message) - STREAM_HEADER_SIZE);
        p = put_bytes(p, message->id.origin.bytes, NODE_ID_SIZE);
        p = put_be64(put_be64(put_be64(p, message->id.epoch), message->id.sequence), message->age_usec);
        p = put_u8(put_u8(p, message->n_hops), (uint8_t) message->name.size);
        p = put_u8(put_u8(p, (uint8_t) message->topic.size), 0);
        p = put_bytes(put_bytes(p, message->name.data, message->name.size), message->topic.data, message->topic.size);
        return put_bytes(p, message->payload.data, message->payload.size);
}

uint8_t *stream_put_lost(uint8_t *p, uint64_t n) {
        return put_be64(put_header(p, STREAM_LOST, 8), n);
}

uint8_t *stream_put_publish(uint8_t *p, Slice topic, Slice payload) {
        assert(topic.size <= TOPIC_MAX);

        p = put_u8(put_header(p, STREAM_PUBLISH, 1 + topic.size + payload.size), (uint8_t) topic.size);
        return put_bytes(put_bytes(p, topic.data, topic.size), payload.data, payload.size);
}

uint8_t *stream_put_accepted(uint8_t *p, uint64_t epoch, uint64_t first, uint32_t n) {
        return put_be32(put_be64(put_be64(put_header(p, STREAM_ACCEPTED, 20), epoch), first), n);
}

uint8_t *stream_put_refused(uint8_t *p, StreamRefusal refusal) {
        return put_u8(put_header(p, STREAM_REFUSED, 1), (uint8_t) refusal);
}

uint8_t *stream_put_closed(uint8_t *p, StreamClosing closing) {
        return put_u8(put_header(p, STREAM_CLOSED, 1), (uint8_t) closing);
}
