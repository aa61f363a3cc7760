/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/state-format.h"

#include <errno.h>

#include "base/siphash.h"

#define MAGIC "p2pstate"
#define MAGIC_SIZE 8U
#define SUMMED_OFFSET 16U       /* what the checksum is of begins here */
#define VERSION 1U

static uint64_t state_checksum(const uint8_t *file, size_t size) {
        return siphash24(file + SUMMED_OFFSET, size - SUMMED_OFFSET, &(SipKey) {});
}

void state_seal(uint8_t *file, size_t size, StateKind kind, usec_t written_usec) {
        uint8_t *p = file;

        assert(size >= STATE_HEADER_SIZE && size - STATE_HEADER_SIZE <= UINT32_MAX);

        p = put_bytes(p, MAGIC, MAGIC_SIZE) + sizeof(uint64_t);
        p = put_be16(p, (uint16_t) kind);
        p = put_be16(p, VERSION);
        p = put_be64(p, written_usec);
        p = put_be32(p, (uint32_t) (size - STATE_HEADER_SIZE));
        assert(p == file + STATE_HEADER_SIZE);

        (void) put_be64(file + MAGIC_SIZE, state_checksum(file, size));
}

int state_unseal(StateBody *ret, Slice file, StateKind kind) {
        const uint8_t *p = file.data;

        if (file.size < STATE_HEADER_SIZE ||
            memcmp(p, MAGIC, MAGIC_SIZE) != 0 ||
            get_be64(p + MAGIC_SIZE) != state_checksum(p, file.size) ||
            get_be16(p + 16) != kind ||
            get_be32(p + 28) != file.size - STATE_HEADER_SIZE)
                return -EBADMSG;
        if (get_be16(p + 18) != VERSION)
                return -EPROTONOSUPPORT;

        *ret = (StateBody) {
                .data = slice_of(p + STATE_HEADER_SIZE, file.size - STATE_HEADER_SIZE),
                .written_usec = get_be64(p + 20),
        };
        return 0;
}
