/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/effect-queue.h"

#include "allocations.h"
#include "unit.h"

static void test_effects_come_out_as_they_went_in(void **state) {
        EffectQueue queue;
        Effect effect;

        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 8);
        assert_false(effect_queue_pop(&queue, &effect));
        for (unsigned round = 0; round < 10; round++) {
                for (LinkId i = 1; i <= 8; i++)
                        effect_queue_push(&queue, EFFECT_DIAL)->link = i;
                for (LinkId i = 1; i <= 8; i++) {
                        assert_true(effect_queue_pop(&queue, &effect));
                        assert_int_equal(effect.type, EFFECT_DIAL);
                        assert_int_equal(effect.link, i);
                }
                assert_false(effect_queue_pop(&queue, &effect));
        }
        effect_queue_done(&queue);
}

static void test_a_new_effect_is_empty(void **state) {
        EffectQueue queue;
        Effect effect;

        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 1);
        memset(&effect_queue_push(&queue, EFFECT_NOTICE)->notice, 0xff, sizeof(Notice));
        assert_true(effect_queue_pop(&queue, &effect));
        effect_queue_push(&queue, EFFECT_NOTICE);
        assert_true(effect_queue_pop(&queue, &effect));
        assert_int_equal(effect.notice.name[0], 0);
        assert_int_equal(effect.notice.n, 0);
        effect_queue_done(&queue);
}

/* Each kind has its own size: what is set last in it comes out, too, and is clear in the next one of its kind. */
static void test_every_kind_comes_out_whole(void **state) {
        const EffectType types[] = { EFFECT_DIAL, EFFECT_SEND, EFFECT_HANG_UP, EFFECT_RESOLVE, EFFECT_PERSIST, EFFECT_DELIVER,
                                     EFFECT_PONG, EFFECT_CRAWLED, EFFECT_NOTICE };
        EffectQueue queue;
        Effect effect;

        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 1);
        for (size_t i = 0; i < 2 * ELEMENTSOF(types); i++) {
                EffectType type = types[i / 2];
                Effect *pushed = effect_queue_push(&queue, type);
                bool is_set = i % 2 == 0;

                if (is_set) {
                        pushed->link = 7;
                        if (type == EFFECT_DIAL)
                                pushed->address.bytes[15] = 1;
                        else if (type == EFFECT_SEND)
                                pushed->links[SEND_LINKS_MAX - 1] = pushed->is_data = pushed->measure = true;
                        else if (type == EFFECT_HANG_UP)
                                pushed->flush = true;
                        else if (type == EFFECT_RESOLVE)
                                pushed->resolve.host[SEED_HOST_MAX] = 1;
                        else if (type == EFFECT_PERSIST)
                                pushed->persist = PERSIST_PEERS;
                        else if (type == EFFECT_DELIVER)
                                pushed->delivery.payload.size = 5;
                        else if (type == EFFECT_PONG || type == EFFECT_CRAWLED)
                                pushed->rtt_usec = 6;
                        else
                                pushed->notice.duration = 8;
                }
                assert_true(effect_queue_pop(&queue, &effect));
                assert_int_equal(effect.type, type);
                assert_int_equal(effect.link, is_set ? 7 : 0);
                assert_true(type != EFFECT_DIAL || effect.address.bytes[15] == is_set);
                assert_true(type != EFFECT_SEND || (effect.is_data == is_set && effect.measure == is_set &&
                                                     effect.links[SEND_LINKS_MAX - 1] == is_set && !effect.frame));
                assert_true(type != EFFECT_HANG_UP || effect.flush == is_set);
                assert_true(type != EFFECT_RESOLVE || effect.resolve.host[SEED_HOST_MAX] == is_set);
                assert_true(type != EFFECT_PERSIST || effect.persist == (is_set ? PERSIST_PEERS : (PersistWhat) 0));
                assert_true(type != EFFECT_DELIVER || effect.delivery.payload.size == (is_set ? 5 : 0));
                assert_true((type != EFFECT_PONG && type != EFFECT_CRAWLED) || effect.rtt_usec == (is_set ? 6 : 0));
                assert_true(type != EFFECT_NOTICE || effect.notice.duration == (is_set ? 8 : 0));
        }
        effect_queue_done(&queue);
}

static void test_the_last_one_that_waits_can_be_added_to(void **state) {
        EffectQueue queue;
        Effect effect;

        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 4);
        assert_null(effect_queue_last(&queue));
        effect_queue_push(&queue, EFFECT_DIAL)->link = 1;
        effect_queue_push(&queue, EFFECT_NOTICE);               /* for which the queue has to grow */
        effect_queue_push(&queue, EFFECT_MEASURE)->link = 3;
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(effect_queue_last(&queue)->type, EFFECT_MEASURE);
                assert_true(effect_queue_pop(&queue, &effect));
        }
        assert_null(effect_queue_last(&queue));
        effect_queue_done(&queue);
}

static void test_what_is_left_is_released_with_the_queue(void **state) {
        FrameBuffer *frame = frame_buffer_new(10);
        EffectQueue queue;
        Effect effect;

        assert_non_null(frame);
        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 4);
        effect_queue_push(&queue, EFFECT_SEND)->frame = frame_buffer_ref(frame);
        effect_queue_push(&queue, EFFECT_DELIVER)->delivery.frame = frame_buffer_ref(frame);
        effect_queue_push(&queue, EFFECT_SEND)->frame = frame_buffer_ref(frame);
        assert_int_equal(frame->n_ref, 4);

        assert_true(effect_queue_pop(&queue, &effect));
        effect_release(&effect);
        assert_int_equal(frame->n_ref, 3);
        effect_queue_done(&queue);
        assert_int_equal(frame->n_ref, 1);
        frame_buffer_unref(frame);
}

static void test_memory_is_taken_for_as_many_as_wait(void **state) {
        EffectQueue queue;
        Effect effect;
        size_t n_allocated;

        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 1000);
        assert_true(queue.n_allocated <= sizeof(Effect));
        for (unsigned round = 0; round < 2; round++) {
                for (unsigned i = 0; i < 1000; i++)
                        if (i % 3 == 0)
                                effect_queue_push(&queue, EFFECT_NOTICE)->notice.n = i;
                        else
                                effect_queue_push(&queue, EFFECT_MEASURE)->link = i;
                if (round == 0)
                        n_allocated = queue.n_allocated;
                assert_int_equal(queue.n_allocated, n_allocated);
                for (unsigned i = 0; i < 1000; i++) {
                        assert_true(effect_queue_pop(&queue, &effect));
                        assert_int_equal(i % 3 == 0 ? effect.notice.n : effect.link, i);
                }
                assert_false(effect_queue_pop(&queue, &effect));
                assert_true(queue.n_allocated <= sizeof(Effect));       /* the burst is over */
        }
        assert_false(effect_queue_failed(&queue));
        effect_queue_done(&queue);
}

static void test_without_memory_effects_are_lost_and_that_is_said(void **state) {
        FrameBuffer *frame = frame_buffer_new(10);
        EffectQueue queue;
        Effect effect;

        assert_non_null(frame);
        assert_int_equal(effect_queue_init(&queue), 0);
        effect_queue_allow(&queue, 1000);
        effect_queue_push(&queue, EFFECT_SEND)->frame = frame_buffer_ref(frame);
        allocations.armed = true;
        effect_queue_push(&queue, EFFECT_NOTICE)->notice.n = 5;
        allocations.armed = false;
        assert_true(allocations.failed);
        assert_int_equal(frame->n_ref, 1);

        assert_true(effect_queue_failed(&queue));
        assert_false(effect_queue_failed(&queue));              /* said once */
        assert_true(effect_queue_pop(&queue, &effect));
        assert_int_equal(effect.notice.n, 5);
        assert_false(effect_queue_pop(&queue, &effect));
        effect_queue_done(&queue);
        frame_buffer_unref(frame);
}

static void test_states_have_names(void **state) {
        assert_string_equal(node_state_to_string(NODE_STARTING), "starting");
        assert_string_equal(node_state_to_string(NODE_ONLINE), "online");
        assert_string_equal(node_state_to_string(NODE_ISOLATED), "isolated");
        assert_string_equal(node_state_to_string(NODE_STOPPING), "stopping");
        assert_null(node_state_to_string(_NODE_STATE_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_effects_come_out_as_they_went_in),
                cmocka_unit_test(test_a_new_effect_is_empty),
                cmocka_unit_test(test_every_kind_comes_out_whole),
                cmocka_unit_test(test_the_last_one_that_waits_can_be_added_to),
                cmocka_unit_test(test_what_is_left_is_released_with_the_queue),
                cmocka_unit_test(test_memory_is_taken_for_as_many_as_wait),
                cmocka_unit_test(test_without_memory_effects_are_lost_and_that_is_said),
                cmocka_unit_test(test_states_have_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
