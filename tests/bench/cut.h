/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The power cut of one process. It is stopped, so that nothing new leaves it, and every packet from and to the sockets that
 * it has is dropped without a word, so that its kernel answers for it no more: no acknowledgement, no reset. That is
 * what others see of a host without power. (A process that is only stopped has a kernel that acknowledges.)
 *
 * Packets are dropped by nft in the rig's own network namespace.
 */

#include "rig.h"

/* Whether packets can be dropped here. */
bool cut_is_possible(void);
void cut_process(Process *process);
/* Nothing is dropped any more. */
void cut_mend(void);
