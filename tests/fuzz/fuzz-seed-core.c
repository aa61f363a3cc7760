/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole seed, see core-driver.h. */

#include "core-driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        return core_drive(ROLE_SEED, data, size);
}
