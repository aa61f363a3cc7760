/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* State directories: what the process of a node leaves to its next one. A seed's directory is kept as a daemon writes it, which takes
 * a third of what its records take in memory. */

#include "sim-internal.h"

#define ENTRY_SIZE_MAX (2U + RECORD_SIZE_MAX)           /* u16 size, then the record */
#define RECORDS_AT_ONCE 64U

static void snapshot_write(Sim *sim, SimNode *node) {
        size_t n_allocated = 0, size = 0, n;
        Record records[RECORDS_AT_ONCE];

        node->n_snapshot = 0;
        do {
                n = seed_snapshot(node->node, node->n_snapshot, records, RECORDS_AT_ONCE, sim->now_usec);
                if (n_allocated - size < n * ENTRY_SIZE_MAX) {
                        n_allocated += n_allocated / 4 + n * ENTRY_SIZE_MAX;
                        node->snapshot = must(realloc(node->snapshot, n_allocated));
                }
                for (size_t i = 0; i < n; i++) {
                        uint8_t *p = node->snapshot + size;
                        size_t record_size = record_encode(records + i, p + 2);

                        (void) put_be16(p, (uint16_t) record_size);
                        size += 2 + record_size;
                }
                node->n_snapshot += n;
        } while (n == RECORDS_AT_ONCE);
        node->snapshot = must(realloc(node->snapshot, size + 1));
}

static void snapshot_read(Sim *sim, SimNode *node) {
        _cleanup_free_ Record *records = must(calloc(node->n_snapshot + 1, sizeof(*records)));
        const uint8_t *p = node->snapshot;

        for (size_t i = 0; i < node->n_snapshot; i++) {
                size_t size = get_be16(p);

                must_ok(record_decode(records + i, slice_of(p + 2, size)));
                p += 2 + size;
        }
        must_ok(seed_restore(node->node, records, node->n_snapshot, sim->now_usec));
}

void sim_persist(Sim *sim, unsigned i, PersistWhat what) {
        SimNode *node = sim->nodes + i;

        switch (what) {
        case PERSIST_IDENTITY:
                node->stored = *node_identity(node->node);
                break;
        case PERSIST_PEERS:
                free(node->lost);
                node->n_lost = node->params->lost_max;
                node->lost = must(calloc(node->n_lost + 1, sizeof(LostPeer)));
                node->n_lost = peer_lost(node->node, node->lost, node->n_lost);
                node->lost = must(reallocarray(node->lost, node->n_lost + 1, sizeof(LostPeer)));
                break;
        case PERSIST_PUBLISHED:
                if (!peer_published(node->node, &node->published))
                        node->published = (Previous) {};
                break;
        case PERSIST_REGISTRY:
                snapshot_write(sim, node);
                break;
        }
}

void sim_restore(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;

        if (node->role == ROLE_SEED) {
                snapshot_read(sim, node);
                return;
        }
        peer_set_published(node->node, &node->published);
        must_ok(peer_set_lost(node->node, node->lost, node->n_lost));
}

void sim_wipe(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;

        for (size_t j = 0; j < NODE_ID_SIZE; j++)
                node->stored.id.bytes[j] = (uint8_t) random_u64(&sim->random);
        node->stored.epoch = 1;
        node->n_lost = node->n_snapshot = 0;
        node->published = (Previous) {};
}

void disk_free(SimNode *node) {
        free(node->snapshot);
        free(node->lost);
}
