/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body is a list of: id (16 bytes, zeros when not known), u8 family, u16 port, 16 bytes of address. */

#include "daemon/lost-file.h"

#include <errno.h>

#include "io/clock.h"

#define FILE_NAME "peers"
#define ENTRY_SIZE (NODE_ID_SIZE + 1 + 2 + 16)

int lost_file_decode(LostPeer *ret, size_t n_max, Slice body) {
        size_t n = 0;

        if (body.size % ENTRY_SIZE != 0)
                return -EBADMSG;

        for (const uint8_t *p = body.data; p < body.data + body.size; p += ENTRY_SIZE) {
                const uint8_t *bytes = p + NODE_ID_SIZE + 3;
                uint16_t port = get_be16(p + NODE_ID_SIZE + 1);
                LostPeer peer;

                memcpy(peer.id.bytes, p, NODE_ID_SIZE);
                if (p[NODE_ID_SIZE] == ADDRESS_IPV4)
                        peer.address = address_ipv4(bytes, port);
                else if (p[NODE_ID_SIZE] == ADDRESS_IPV6)
                        peer.address = address_ipv6(bytes, port);
                else
                        return -EBADMSG;
                if (!address_is_dialable(&peer.address))
                        return -EBADMSG;
                if (n < n_max)
                        ret[n++] = peer;
        }
        return (int) n;
}

static uint8_t *put_lost_peer(uint8_t *p, const LostPeer *peer) {
        p = put_bytes(p, peer->id.bytes, NODE_ID_SIZE);
        p = put_u8(p, peer->address.family);
        p = put_be16(p, peer->address.port);
        return put_bytes(p, peer->address.bytes, sizeof(peer->address.bytes));
}

int lost_file_load(StateDir *dir, Node *node) {
        size_t n_max = MIN((size_t) node_settings(node)->params.lost_max, (size_t) LOST_FILE_PEERS_MAX);
        _cleanup_free_ LostPeer *peers = NULL;
        _cleanup_free_ uint8_t *file = NULL;
        StateBody body;
        int n, r;

        r = state_dir_load(dir, FILE_NAME, STATE_PEERS, STATE_HEADER_SIZE + ENTRY_SIZE * LOST_FILE_PEERS_MAX, &file, &body);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        peers = calloc(MAX(n_max, (size_t) 1), sizeof(*peers));
        if (!peers)
                return -ENOMEM;

        n = lost_file_decode(peers, n_max, body.data);
        if (n < 0) {
                state_dir_set_aside(dir, FILE_NAME, "is damaged");
                return 0;
        }
        return peer_set_lost(node, peers, (size_t) n);
}

int lost_file_save(StateDir *dir, const Node *node) {
        size_t n_max = MIN((size_t) node_settings(node)->params.lost_max, (size_t) LOST_FILE_PEERS_MAX);
        _cleanup_free_ LostPeer *peers = NULL;
        _cleanup_free_ uint8_t *file = NULL;
        uint8_t *p;
        size_t n;

        peers = calloc(MAX(n_max, (size_t) 1), sizeof(*peers));
        if (!peers)
                return -ENOMEM;
        n = peer_lost(node, peers, n_max);

        file = malloc(STATE_HEADER_SIZE + n * ENTRY_SIZE);
        if (!file)
                return -ENOMEM;

        p = file + STATE_HEADER_SIZE;
        for (size_t i = 0; i < n; i++)
                p = put_lost_peer(p, &peers[i]);

        state_seal(file, (size_t) (p - file), STATE_PEERS, clock_now(CLOCK_REALTIME));
        return state_dir_write(dir, FILE_NAME, file, (size_t) (p - file));
}
