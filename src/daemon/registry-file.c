/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body is a list of: u16 size, then a record as record_encode() writes it. */

#include "daemon/registry-file.h"

#include <errno.h>

#include "daemon/log.h"
#include "io/clock.h"

#define FILE_NAME "registry"
#define ENTRY_SIZE_MAX (2U + RECORD_SIZE_MAX)
#define ELAPSED_MAX (30 * 24 * USEC_PER_HOUR)   /* more is a wall clock that was set, not a seed that was down */

/* Cuts the next record off @rest, which is not empty. */
static int next_record(Slice *rest, Slice *ret) {
        size_t size;

        if (rest->size < 2)
                return -EBADMSG;
        size = get_be16(rest->data);
        if (size > RECORD_SIZE_MAX || size > rest->size - 2)
                return -EBADMSG;

        *ret = slice_of(rest->data + 2, size);
        *rest = slice_of(rest->data + 2 + size, rest->size - 2 - size);
        return 0;
}

int registry_file_decode(Record **ret, size_t *ret_n, Slice body, usec_t elapsed_usec) {
        uint64_t elapsed_msec = MIN(elapsed_usec / USEC_PER_MSEC, (usec_t) UINT32_MAX);
        _cleanup_free_ Record *records = NULL;
        size_t n = 0;
        Slice data;
        int r;

        for (Slice rest = body; rest.size > 0; n++) {
                r = next_record(&rest, &data);
                if (r < 0)
                        return r;
        }

        records = calloc(MAX(n, (size_t) 1), sizeof(*records));
        if (!records)
                return -ENOMEM;

        n = 0;
        for (Slice rest = body; rest.size > 0; n++) {
                (void) next_record(&rest, &data);
                r = record_decode(&records[n], data);
                if (r < 0)
                        return r;
                records[n].age_msec = (uint32_t) MIN(records[n].age_msec + elapsed_msec, (uint64_t) UINT32_MAX);
        }

        *ret = TAKE_PTR(records);
        *ret_n = n;
        return 0;
}

int registry_file_load(StateDir *dir, Node *node, usec_t now_usec) {
        size_t n, size_max = STATE_HEADER_SIZE + ENTRY_SIZE_MAX * (size_t) node_settings(node)->params.members_max;
        _cleanup_free_ Record *records = NULL;
        _cleanup_free_ uint8_t *file = NULL;
        usec_t elapsed_usec;
        StateBody body;
        int r;

        r = state_dir_load(dir, FILE_NAME, STATE_REGISTRY, size_max, &file, &body);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        elapsed_usec = usec_sub(clock_now(CLOCK_REALTIME), body.written_usec);
        r = registry_file_decode(&records, &n, body.data, elapsed_usec > ELAPSED_MAX ? 0 : elapsed_usec);
        if (r == -EBADMSG) {
                state_dir_set_aside(dir, FILE_NAME, "is damaged");
                return 0;
        }
        if (r < 0)
                return r;
        if (n > 0)
                log_info("Remembering %zu record%s of before; the living have to renew.", n, n == 1 ? "" : "s");
        return seed_restore(node, records, n, now_usec);
}

int registry_file_save(StateDir *dir, const Node *node, usec_t now_usec) {
        size_t n = node_n_members(node);
        _cleanup_free_ Record *records = NULL;
        _cleanup_free_ uint8_t *file = NULL;
        uint8_t *p;

        records = calloc(MAX(n, (size_t) 1), sizeof(*records));
        file = malloc(STATE_HEADER_SIZE + n * ENTRY_SIZE_MAX);
        if (!records || !file)
                return -ENOMEM;

        n = seed_snapshot(node, 0, records, n, now_usec);
        p = file + STATE_HEADER_SIZE;
        for (size_t i = 0; i < n; i++) {
                size_t size = record_encode(&records[i], p + 2);

                (void) put_be16(p, (uint16_t) size);
                p += 2 + size;
        }

        state_seal(file, (size_t) (p - file), STATE_REGISTRY, clock_now(CLOCK_REALTIME));
        return state_dir_write(dir, FILE_NAME, file, (size_t) (p - file));
}
