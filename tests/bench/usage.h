/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a process costs, from /proc, over all of its threads. */

#include <sys/types.h>

#include "base/macro.h"

typedef struct Usage {
        uint64_t cpu_nsec;      /* on a processor: the first field of schedstat. The ticks of stat are too coarse for this */
        uint64_t n_waits;       /* voluntary_ctxt_switches: each is one sleep that something ended. The third field of
                                 * schedstat would count slices after preemption, too, and so the load of the machine */
} Usage;

/* Bytes, from smaps_rollup: private is what would be free if the process were not there. */
typedef struct Memory {
        uint64_t resident, private;
} Memory;

/* Both: 0, or a negative errno when the process is gone. */
int usage_read(pid_t pid, Usage *ret);
int memory_read(pid_t pid, Memory *ret);
