/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "core/effect-queue.h"

#define QUEUE_KEPT sizeof(Effect)       /* bytes: one of any type, or many that are sent */

int effect_queue_init(EffectQueue *queue) {
        uint8_t *data = malloc(QUEUE_KEPT);

        if (!data)
                return -ENOMEM;

        *queue = (EffectQueue) { .data = data, .n_allocated = QUEUE_KEPT };
        return 0;
}

static void effect_queue_drop(EffectQueue *queue) {
        Effect effect;

        while (effect_queue_pop(queue, &effect))
                effect_release(&effect);
}

void effect_queue_done(EffectQueue *queue) {
        effect_queue_drop(queue);
        free(queue->data);
        *queue = (EffectQueue) {};
}

void effect_queue_make_room(EffectQueue *queue) {
        size_t n = 2 * queue->n_allocated;      /* so one of any type fits into what is added */
        uint8_t *data = reallocarray(queue->data, n, 1);

        if (!data) {
                effect_queue_drop(queue);
                queue->failed = true;
                return;
        }
        queue->data = data;
        queue->n_allocated = n;
}

static void effect_queue_rewind(EffectQueue *queue) {
        queue->begin = queue->end = 0;
        if (queue->n_allocated > QUEUE_KEPT) {
                uint8_t *data = realloc(queue->data, QUEUE_KEPT);

                if (!data)
                        return;         /* it stays as large as it is */
                queue->data = data;
                queue->n_allocated = QUEUE_KEPT;
        }
}

bool effect_queue_pop(EffectQueue *queue, Effect *ret) {
        const Effect *effect;

        if (queue->begin == queue->end)
                return false;

        effect = (const Effect *) (queue->data + queue->begin);
        queue->begin += effect_stride(effect->type);
        queue->n--;
        if (effect->type == EFFECT_SEND)
                memcpy(ret, effect, effect_size(EFFECT_SEND));          /* a few moves, as the size is known */
        else
                memcpy(ret, effect, effect_size(effect->type));
        if (queue->begin == queue->end)
                effect_queue_rewind(queue);
        return true;
}

void effect_release(Effect *effect) {
        switch (effect->type) {
        case EFFECT_SEND:
                effect->frame = frame_buffer_unref(effect->frame);
                break;
        case EFFECT_DELIVER:
                effect->delivery.frame = frame_buffer_unref(effect->delivery.frame);
                break;
        case EFFECT_DIAL:
        case EFFECT_MEASURE:
        case EFFECT_HANG_UP:
        case EFFECT_RESOLVE:
        case EFFECT_PERSIST:
        case EFFECT_PONG:
        case EFFECT_CRAWLED:
        case EFFECT_NOTICE:
                break;
        }
}

const char *node_state_to_string(NodeState state) {
        static const char *const names[_NODE_STATE_MAX] = {
                [NODE_STARTING] = "starting",
                [NODE_ONLINE] = "online",
                [NODE_ISOLATED] = "isolated",
                [NODE_STOPPING] = "stopping",
        };

        return state < _NODE_STATE_MAX ? names[state] : NULL;
}
