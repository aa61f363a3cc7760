/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/index.h"

#include <errno.h>

#include "base/macro.h"

#define BUCKETS_MIN 8U          /* a power of two, as all their numbers */
#define ENTRIES_PER_BUCKET 2U

static void index_put(Index *index, IndexEntry *entry) {
        IndexEntry **bucket = index->buckets + (entry->hash & (index->n_buckets - 1));

        entry->next = *bucket;
        *bucket = entry;
}

/* Return: 0, -ENOMEM: it is as it was. */
static int index_resize(Index *index, uint32_t n_buckets) {
        Index larger = { .n_buckets = n_buckets, .n = index->n };

        larger.buckets = calloc(n_buckets, sizeof(*larger.buckets));
        if (!larger.buckets)
                return -ENOMEM;

        for (uint32_t i = 0; i < index->n_buckets; i++)
                for (IndexEntry *entry = index->buckets[i], *next; entry; entry = next) {
                        next = entry->next;
                        index_put(&larger, entry);
                }
        free(index->buckets);
        *index = larger;
        return 0;
}

int index_add(Index *index, IndexEntry *entry, uint32_t hash) {
        int r;

        if (index->n >= ENTRIES_PER_BUCKET * index->n_buckets) {
                r = index_resize(index, MAX(BUCKETS_MIN, 2 * index->n_buckets));
                if (r < 0)
                        return r;
        }
        entry->hash = hash;
        index_put(index, entry);
        index->n++;
        return 0;
}

void index_remove(Index *index, IndexEntry *entry) {
        IndexEntry **place = index->buckets + (entry->hash & (index->n_buckets - 1));

        while (*place != entry)
                place = &(*place)->next;
        *place = entry->next;
        *entry = (IndexEntry) {};

        index->n--;
        if (index->n == 0) {
                free(index->buckets);
                *index = (Index) {};
        }
}
