/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/identity.h"

#include <errno.h>
#include <systemd/sd-id128.h>

#include "daemon/log.h"
#include "daemon/message-ids.h"
#include "io/clock.h"

#define FILE_NAME "identity"
#define FILE_SIZE_MAX 4096U
#define EPOCH_MAX (UINT64_C(1) << 63)

static const char HAD_NONE[] = "it had none";

/* Made for this program; the ids of the machine that others see are different ones. */
#define APPLICATION_ID SD_ID128_MAKE(5b, 0f, 4a, 0e, 86, 1f, 4d, 51, 9a, 0b, 1c, 4b, c6, 93, 7a, 2e)

int stored_identity_decode(StoredIdentity *ret, Slice body) {
        StoredIdentity stored = {};

        if (body.size != STORED_IDENTITY_SIZE)
                return -EBADMSG;

        memcpy(stored.identity.id.bytes, body.data, NODE_ID_SIZE);
        stored.identity.epoch = get_be64(body.data + 16);
        memcpy(stored.machine, body.data + 24, sizeof(stored.machine));
        if (node_id_is_null(&stored.identity.id))
                return -EBADMSG;

        *ret = stored;
        return 0;
}

void stored_identity_encode(const StoredIdentity *identity, uint8_t body[static STORED_IDENTITY_SIZE]) {
        body = put_bytes(body, identity->identity.id.bytes, NODE_ID_SIZE);
        body = put_be64(body, identity->identity.epoch);
        (void) put_bytes(body, identity->machine, sizeof(identity->machine));
}

/* All zeros where a machine has no id: then nobody can tell a copy. */
static void machine_id(uint8_t ret[static 16]) {
        sd_id128_t id;

        if (sd_id128_get_machine_app_specific(APPLICATION_ID, &id) < 0)
                id = SD_ID128_NULL;
        memcpy(ret, id.bytes, sizeof(id.bytes));
}

static bool is_other_machine(const uint8_t stored[static 16], const uint8_t here[static 16]) {
        static const uint8_t unknown[16] = {};

        return memcmp(stored, unknown, 16) != 0 && memcmp(here, unknown, 16) != 0 && memcmp(stored, here, 16) != 0;
}

int identity_save(StateDir *dir, const NodeIdentity *identity) {
        uint8_t file[STATE_HEADER_SIZE + STORED_IDENTITY_SIZE];
        StoredIdentity stored = { .identity = *identity };

        machine_id(stored.machine);
        stored_identity_encode(&stored, file + STATE_HEADER_SIZE);
        state_seal(file, sizeof(file), STATE_IDENTITY, clock_now(CLOCK_REALTIME));
        return state_dir_write(dir, FILE_NAME, file, sizeof(file));
}

/* Return: 0 when the stored identity goes on; 1 when a new id is needed, and why in @ret_reason. */
static int identity_read(StateDir *dir, NodeIdentity *ret, const char **ret_reason) {
        _cleanup_free_ uint8_t *file = NULL;
        StoredIdentity stored;
        uint8_t machine[16];
        StateBody body;
        int r;

        r = state_dir_load(dir, FILE_NAME, STATE_IDENTITY, FILE_SIZE_MAX, &file, &body);
        if (r >= 0) {
                r = stored_identity_decode(&stored, body.data);
                if (r < 0)
                        state_dir_set_aside(dir, FILE_NAME, "is damaged");
        }
        if (r < 0) {
                *ret_reason = r == -ENOENT ? HAD_NONE : "the old one cannot be read";
                return 1;
        }

        machine_id(machine);
        if (is_other_machine(stored.machine, machine)) {
                /* Or this machine has a new id itself, and its administrator wants the old one back. */
                (void) state_dir_keep(dir, FILE_NAME, "copied");
                *ret_reason = "its state was copied from another machine";
                return 1;
        }
        if (stored.identity.epoch >= EPOCH_MAX) {
                *ret_reason = "its epochs are used up";
                return 1;
        }

        *ret = stored.identity;
        return 0;
}

int identity_load(StateDir *dir, NodeIdentity *ret, const char **ret_reason) {
        NodeIdentity identity = {};
        const char *reason = NULL;
        int r;

        if (state_dir_is_denied(dir, FILE_NAME))
                return -EACCES;

        if (identity_read(dir, &identity, &reason) > 0) {
                sd_id128_t id;

                r = sd_id128_randomize(&id);
                if (r < 0)
                        return r;
                memcpy(identity.id.bytes, id.bytes, NODE_ID_SIZE);
                identity.epoch = 0;
        }

        identity.epoch = MAX(identity.epoch + 1, clock_now(CLOCK_REALTIME));
        log_set_node_id(NODE_ID_TEXT(&identity.id));
        if (reason)
                log_facts(LOG_NOTICE, LOG_FACTS(.message_id = MESSAGE_ID_IDENTITY_NEW, .reason = reason),
                          "This node has a new id, %s: %s.", NODE_ID_TEXT(&identity.id), reason);

        *ret = identity;
        if (ret_reason)
                *ret_reason = reason != HAD_NONE ? reason : NULL;
        return identity_save(dir, &identity) >= 0;      /* failing that, the clock still gives a later epoch next time */
}
