/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a program of this host sends to a publisher, cut anywhere: the first byte chooses the limit, the second the lengths of the
 * pieces. What is found does not depend on them, and every record that is accepted is made of the same bytes again.
 */

#include <errno.h>

#include "base/random.h"
#include "wire/stream-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Found {
        size_t n_records, n_published, n_bytes;
        int error;
} Found;

static void check_publish(Found *found, const uint8_t *start, const StreamRecord *record) {
        Slice topic, payload;
        _cleanup_free_ uint8_t *again = NULL;

        if (stream_publish_decode(record->body, &topic, &payload) < 0)
                return;
        assert(topic.size >= 1 && topic.size <= TOPIC_MAX && payload.size <= PAYLOAD_MAX);
        again = malloc(record->size);
        assert(again);
        assert(stream_put_publish(again, topic, payload) == again + record->size);
        assert(memcmp(again, start, record->size) == 0);
        found->n_published++;
}

static void check_message(const uint8_t *start, const StreamRecord *record) {
        _cleanup_free_ uint8_t *again = NULL;
        StreamMessage message;

        if (stream_message_decode(&message, record->body) < 0)
                return;
        assert(stream_message_size(&message) == record->size);
        again = malloc(record->size);
        assert(again);
        assert(stream_put_message(again, &message) == again + record->size);
        again[STREAM_HEADER_SIZE + 43] = start[STREAM_HEADER_SIZE + 43];       /* ignored when it is read */
        assert(memcmp(again, start, record->size) == 0);
}

/* Takes the records off a copy of exactly @size bytes, so that a sanitizer sees a step beyond its end. */
static void take_records(Found *found, const uint8_t *data, size_t size, size_t size_max) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(size, (size_t) 1));

        assert(copy);
        (void) put_bytes(copy, data, size);

        while (found->error == 0 && found->n_bytes <= size) {
                uint8_t *start = copy + found->n_bytes;
                StreamRecord record;
                int r = stream_record_next(&record, slice_of(start, size - found->n_bytes), size_max);

                if (r == 0)
                        return;
                if (r < 0) {
                        assert(r != -EMSGSIZE || record.size > size_max);
                        found->error = r;
                        return;
                }
                assert(record.size <= size - found->n_bytes && record.size <= size_max);
                assert(record.body.size + STREAM_HEADER_SIZE == record.size);
                if (record.type == STREAM_PUBLISH)
                        check_publish(found, start, &record);
                else if (record.type == STREAM_MESSAGE)
                        check_message(start, &record);
                found->n_bytes += record.size;
                found->n_records++;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const size_t limits[] = { STREAM_PUBLISH_MAX, STREAM_MESSAGE_MAX, 64, STREAM_HEADER_SIZE };
        Found whole = {}, pieces = {};
        Random random;
        size_t size_max;

        if (size < 2)
                return 0;

        size_max = limits[data[0] % ELEMENTSOF(limits)];
        random = random_from_run(data[1]);
        data += 2;
        size -= 2;

        take_records(&whole, data, size, size_max);
        for (size_t arrived = 0; arrived < size;) {
                arrived += MIN(1 + random_below(&random, 1 + size / 8), size - arrived);
                take_records(&pieces, data, arrived, size_max);
        }

        assert(pieces.n_records == whole.n_records && pieces.n_published == whole.n_published &&
               pieces.n_bytes == whole.n_bytes && pieces.error == whole.error);
        return 0;
}
