/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A gossip message as people read it. */

#include "core/effect.h"

/* The topic of the periodic messages, the only one whose payload the journal shows. */
#define HELLO_TOPIC "/p2pnet/hello"

void delivery_log(const Delivery *delivery, int level);
