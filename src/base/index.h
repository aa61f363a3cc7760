/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An index: things found by the hash of a key that they have. Each carries its entry, which is 16 bytes, where one of uthash is 56,
 * and the buckets are 4 to 16 bytes for each; so this is for what there are many of, or many tables of. It keeps no order, and
 * compares no keys: whoever looks for one walks those with its hash.
 *
 *      for (IndexEntry *entry = index_first(&index, hash); entry; entry = index_next(entry))
 *              if (key_equal(&container_of(entry, Thing, by_key)->key, key))
 *                      ...
 *
 * Where strangers choose the keys the hash has to be a keyed one: hash_of_bytes().
 */

#include <stddef.h>
#include <stdint.h>

typedef struct IndexEntry IndexEntry;

struct IndexEntry {
        IndexEntry *next;       /* in its bucket */
        uint32_t hash;
};

/* One of zeros is empty, and one that is empty again holds no memory. */
typedef struct Index {
        IndexEntry **buckets;
        uint32_t n_buckets, n;
} Index;

/* Return: 0, -ENOMEM. */
int index_add(Index *index, IndexEntry *entry, uint32_t hash);
void index_remove(Index *index, IndexEntry *entry);

static inline IndexEntry *index_find(IndexEntry *entry, uint32_t hash) {
        while (entry && entry->hash != hash)
                entry = entry->next;
        return entry;
}

/* Those with that hash, in no order; NULL: there are no more. */
static inline IndexEntry *index_first(const Index *index, uint32_t hash) {
        return index->n > 0 ? index_find(index->buckets[hash & (index->n_buckets - 1)], hash) : NULL;
}

static inline IndexEntry *index_next(const IndexEntry *entry) {
        return index_find(entry->next, entry->hash);
}
