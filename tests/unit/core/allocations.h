/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory that runs out at a chosen moment. Include it in one file of a test that is linked with --wrap for malloc, calloc and
 * reallocarray: while allocations.armed, the allocation after allocations.n_left others fails, once.
 */

#include <stdbool.h>
#include <stddef.h>

static struct {
        bool armed;
        bool failed;            /* it has happened */
        unsigned n_left;
} allocations;

static bool allocation_fails(void) {
        if (!allocations.armed || allocations.failed || allocations.n_left-- > 0)
                return false;
        allocations.failed = true;
        return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

void *__wrap_malloc(size_t size) {
        return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size) {
        return allocation_fails() ? NULL : __real_reallocarray(old, n, size);
}
