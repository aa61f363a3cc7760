/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body is: id of the publisher, u64 epoch, u64 sequence. */

#include "daemon/published-file.h"

#include <errno.h>

#include "io/clock.h"

#define FILE_NAME "published"
#define FILE_SIZE_MAX 4096U

int stored_published_decode(StoredPublished *ret, Slice body) {
        StoredPublished stored = {};

        if (body.size != STORED_PUBLISHED_SIZE)
                return -EBADMSG;

        memcpy(stored.publisher.bytes, body.data, NODE_ID_SIZE);
        stored.last = (Previous) { get_be64(body.data + 16), get_be64(body.data + 24) };
        if (node_id_is_null(&stored.publisher) || stored.last.sequence == 0)
                return -EBADMSG;

        *ret = stored;
        return 0;
}

void stored_published_encode(const StoredPublished *published, uint8_t body[static STORED_PUBLISHED_SIZE]) {
        body = put_bytes(body, published->publisher.bytes, NODE_ID_SIZE);
        body = put_be64(body, published->last.epoch);
        (void) put_be64(body, published->last.sequence);
}

int published_file_load(StateDir *dir, Node *node) {
        _cleanup_free_ uint8_t *file = NULL;
        StoredPublished stored;
        StateBody body;
        int r;

        r = state_dir_load(dir, FILE_NAME, STATE_PUBLISHED, FILE_SIZE_MAX, &file, &body);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        r = stored_published_decode(&stored, body.data);
        if (r < 0)
                state_dir_set_aside(dir, FILE_NAME, "is damaged");
        else if (node_id_equal(&stored.publisher, &node_identity(node)->id))    /* else of another node, that we are no more */
                peer_set_published(node, &stored.last);
        return 0;
}

int published_file_save(StateDir *dir, const Node *node) {
        uint8_t file[STATE_HEADER_SIZE + STORED_PUBLISHED_SIZE];
        StoredPublished published = { .publisher = node_identity(node)->id };

        if (!peer_published(node, &published.last))
                return state_dir_remove(dir, FILE_NAME);

        stored_published_encode(&published, file + STATE_HEADER_SIZE);
        state_seal(file, sizeof(file), STATE_PUBLISHED, clock_now(CLOCK_REALTIME));
        return state_dir_write(dir, FILE_NAME, file, sizeof(file));
}
