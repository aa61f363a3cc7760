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

#define EFFECT_UP_TO(member) (offsetof(Effect, member) + sizeof(((Effect *) NULL)->member))

/* Nearly all effects are SEND, and a notice is twenty times as large: only what belongs to the type is cleared and
 * copied. */
static inline size_t effect_size(EffectType type) {
        switch (type) {
        case EFFECT_DIAL:
                return EFFECT_UP_TO(address);
        case EFFECT_SEND:
                return EFFECT_UP_TO(measure);
        case EFFECT_MEASURE:
                return EFFECT_UP_TO(link);
        case EFFECT_HANG_UP:
                return EFFECT_UP_TO(flush);
        case EFFECT_RESOLVE:
                return EFFECT_UP_TO(resolve);
        case EFFECT_PERSIST:
                return EFFECT_UP_TO(persist);
        case EFFECT_DELIVER:
                return EFFECT_UP_TO(delivery);
        case EFFECT_PONG:
        case EFFECT_CRAWLED:
                return EFFECT_UP_TO(rtt_usec);
        case EFFECT_NOTICE:
                return EFFECT_UP_TO(notice);
        }
        assert(false);
        return sizeof(Effect);
}

/* The next free place; what belongs to the type is filled with zeros. Every caller names the type, and so the size is known
 * where this is compiled. */
static inline Effect *effect_queue_push(EffectQueue *queue, EffectType type) {
        Effect *effect;

        assert(queue->end < queue->n_max);

        effect = queue->effects + queue->end++;
        memset(effect, 0, effect_size(type));
        effect->type = type;
        return effect;
}

/* Writes what belongs to the type, and no more. */
bool effect_queue_pop(EffectQueue *queue, Effect *ret);
