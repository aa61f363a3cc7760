/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The queue between the core and whoever drives it: first in, first out, at most as many as a node allows. Each effect takes as many
 * bytes as its type needs. There is always room for one; what a burst took is given back when the queue runs empty.
 */

#include <stdalign.h>

#include "core/effect.h"

typedef struct EffectQueue {
        uint8_t *data;
        size_t n_allocated, begin, end; /* bytes; the latter go back to 0 when it runs empty */
        size_t last;                    /* where the one pushed last begins */
        size_t n, n_max;                /* effects */
        bool failed;                    /* there was no memory for one: it and all before it are lost */
} EffectQueue;

/* Return: 0, -ENOMEM. */
int effect_queue_init(EffectQueue *queue);
void effect_queue_done(EffectQueue *queue);

/* So many may be in it at a time, at least: none in one that nobody asked for. */
static inline void effect_queue_allow(EffectQueue *queue, size_t n_max) {
        queue->n_max = MAX(queue->n_max, n_max);
}

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

/* How far it is to the next one. */
static inline size_t effect_stride(EffectType type) {
        return (effect_size(type) + alignof(Effect) - 1) & ~(alignof(Effect) - 1);
}

/* Makes room for one more of any type, if need be by dropping all: see EffectQueue.failed. */
void effect_queue_make_room(EffectQueue *queue);

/* The next free place, until the next push; what belongs to the type is filled with zeros. Every caller names the type: the
 * size is known where this is compiled. */
static inline Effect *effect_queue_push(EffectQueue *queue, EffectType type) {
        Effect *effect;

        assert(queue->n < queue->n_max);

        if (queue->n_allocated - queue->end < effect_stride(type))
                effect_queue_make_room(queue);
        effect = (Effect *) (queue->data + queue->end);
        queue->last = queue->end;
        queue->end += effect_stride(type);
        queue->n++;
        memset(effect, 0, effect_size(type));
        effect->type = type;
        return effect;
}

/* The one that was pushed last and waits still, until the next push; NULL: none waits. */
static inline Effect *effect_queue_last(const EffectQueue *queue) {
        return queue->begin < queue->end ? (Effect *) (queue->data + queue->last) : NULL;
}

/* Whether effects were lost since this was last asked. */
static inline bool effect_queue_failed(EffectQueue *queue) {
        bool failed = queue->failed;

        queue->failed = false;
        return failed;
}

/* Writes what belongs to the type, and no more. */
bool effect_queue_pop(EffectQueue *queue, Effect *ret);
