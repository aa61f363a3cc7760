/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* State files of any content. The first byte says which; then once as a whole file, and once as the body of one, since
 * hardly an input finds the checksum. */

#include "daemon/identity.h"
#include "daemon/lost-file.h"
#include "daemon/published-file.h"
#include "daemon/registry-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(StateKind kind, Slice body) {
        StoredIdentity identity;
        StoredPublished published;
        LostPeer peers[16];
        Record *records;
        size_t n;
        int r;

        switch (kind) {
        case STATE_IDENTITY:
                if (stored_identity_decode(&identity, body) >= 0) {
                        uint8_t again[STORED_IDENTITY_SIZE];

                        stored_identity_encode(&identity, again);
                        assert(memcmp(again, body.data, sizeof(again)) == 0);
                }
                return;
        case STATE_PEERS:
                r = lost_file_decode(peers, ELEMENTSOF(peers), body);
                assert(r <= (int) ELEMENTSOF(peers));
                for (int i = 0; i < r; i++)
                        assert(address_is_dialable(&peers[i].address));
                return;
        case STATE_REGISTRY:
                if (registry_file_decode(&records, &n, body, USEC_PER_HOUR) >= 0)
                        free(records);
                return;
        case STATE_PUBLISHED:
                if (stored_published_decode(&published, body) >= 0) {
                        uint8_t again[STORED_PUBLISHED_SIZE];

                        stored_published_encode(&published, again);
                        assert(memcmp(again, body.data, sizeof(again)) == 0);
                }
                return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        StateKind kind;
        StateBody body;

        if (size == 0)
                return 0;

        kind = STATE_IDENTITY + data[0] % 4;
        if (state_unseal(&body, slice_of(data + 1, size - 1), kind) >= 0)
                decode(kind, body.data);
        decode(kind, slice_of(data + 1, size - 1));
        return 0;
}
