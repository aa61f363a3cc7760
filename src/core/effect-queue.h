/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The queue between the core and whoever drives it: first in, first out, of a size given once. */

#include "core/effect.h"

typedef struct EffectQueue {
        Effect *effects;
        size_t n_max, begin, end;       /* both go back to 0 when it runs empty, so that few pages are ever touched */
} EffectQueue;

/* Return: 0, -ENOMEM. */
int effect_queue_init(EffectQueue *queue, size_t n_max);
void effect_queue_done(EffectQueue *queue);

/* The next free place; what belongs to the type is filled with zeros. */
Effect *effect_queue_push(EffectQueue *queue, EffectType type);
/* Writes what belongs to the type, and no more. */
bool effect_queue_pop(EffectQueue *queue, Effect *ret);
