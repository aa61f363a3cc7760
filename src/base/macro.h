/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The few macros every file uses: cleanup attributes and ownership, bounds, attributes.
 *
 * assert() is for our own mistakes and stays on in release builds (meson sets b_ndebug=false).
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _unused_ __attribute__((unused))
#define _noreturn_ __attribute__((noreturn))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))

#define MIN(a, b)                                 \
        __extension__({                           \
                __auto_type _min_a = (a);         \
                __auto_type _min_b = (b);         \
                _min_a < _min_b ? _min_a : _min_b; \
        })
#define MAX(a, b)                                 \
        __extension__({                           \
                __auto_type _max_a = (a);         \
                __auto_type _max_b = (b);         \
                _max_a > _max_b ? _max_a : _max_b; \
        })
#define CLAMP(x, low, high) MAX((low), MIN((x), (high)))

/* The structure that @ptr is the @member of. */
#define container_of(ptr, type, member) ((type *) (void *) ((char *) (ptr) - offsetof(type, member)))

/* Hands a pointer over: the variable is NULL afterwards, so that its cleanup does nothing. */
#define TAKE_PTR(p)                        \
        __extension__({                    \
                __auto_type _take_p = &(p); \
                __auto_type _taken = *_take_p; \
                *_take_p = NULL;           \
                _taken;                    \
        })

/* The same for a file descriptor, whose empty value is -EBADF. */
#define TAKE_FD(fd)                  \
        __extension__({              \
                int *_take_fd = &(fd); \
                int _taken_fd = *_take_fd; \
                *_take_fd = -EBADF;  \
                _taken_fd;           \
        })

/* For a destructor that takes a pointer: declares FUNCp(), for use as _cleanup_(FUNCp). */
#define DEFINE_CLEANUP(type, func)                             \
        static inline _unused_ void func##p(type *p) {         \
                if (*p)                                        \
                        func(*p);                              \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)

#define streq(a, b) (strcmp((a), (b)) == 0)

static inline bool isempty(const char *s) {
        return !s || !s[0];
}
