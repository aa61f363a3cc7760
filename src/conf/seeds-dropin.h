/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A seed that is not in the list of seeds puts itself there, by a file below the runtime directory, for as long as it
 * runs: RUNTIME_DIR/seeds.d/PORT.conf. Peers of the same host see it at their next attempt.
 */

#include "base/macro.h"

/**
 * seeds_dropin_write() - put a seed of this host into the list
 * @runtime_dir: an existing directory; the file is seeds.d/PORT.conf in it
 * @host:        what peers are to dial, a name or a literal address
 *
 * The file appears at once and whole; one that was there is replaced.
 *
 * Return: 0; -EINVAL when @host or @port could not be read back; another negative errno.
 */
int seeds_dropin_write(const char *runtime_dir, uint16_t port, const char *host);

/* Takes it back. Return: 0, also when there is none; negative errno. */
int seeds_dropin_remove(const char *runtime_dir, uint16_t port);
