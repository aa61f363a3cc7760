/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sentences for administrators, with facts to search for beside them. To the journal where standard error is the journal,
 * so that the facts become fields; else as lines on standard error.
 *
 * Text from a remote goes through text_escape() before it is part of a sentence; facts are taken as they are.
 */

#include <syslog.h>

#include "base/macro.h"

typedef struct LogFacts {
        const char *message_id;         /* one of daemon/message-ids.h */
        const char *peer_id, *peer_address;
        const char *seed;               /* "host:port" as configured */
        const char *file;
        const char *reason;
        const char *gossip_id, *gossip_topic;
} LogFacts;

#define LOG_FACTS(...) (&(const LogFacts) { __VA_ARGS__ })

/* Must be called first; @program is static. */
void log_open(const char *program);

/* NODE_ID= of every line from now on; "" before the id is known. */
void log_set_node_id(const char *id);

/* Lines above this level of syslog(3) are left out. */
void log_set_level(int level);
int log_level(void);

/* Where lines go: "journal" or "console". */
const char *log_target(void);
/* "auto" is what log_open() chose. Return: 0; -EINVAL for another word; -ENOENT when there is no journal. */
int log_set_target(const char *target);
const char *log_program(void);

/*
 * Waits, for at most a second, until the journal has read all that was logged. To be called before the process ends: the
 * journal learns from /proc which unit a line belongs to, and without that "journalctl -u" and "systemctl status" do not
 * show it. No more than that; nothing is lost without.
 */
void log_flush(void);

/* "debug" for LOG_DEBUG, and back; -EINVAL. */
const char *log_level_to_string(int level);
int log_level_from_string(const char *text);

/* The first sentence of level err or worse since log_forget_errors(), for a place that has one line; NULL when there was none. */
const char *log_first_error(void);
unsigned log_n_errors(void);
void log_forget_errors(void);

/* @facts may be NULL. Keeps errno; %m is that of the caller. */
void log_write(int level, const LogFacts *facts, const char *file, int line, const char *function, const char *format, ...)
        _printf_(6, 7);

#define log_facts(level, facts, ...) log_write((level), (facts), __FILE__, __LINE__, __func__, __VA_ARGS__)

#define log_debug(...) log_facts(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_facts(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...) log_facts(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_facts(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...) log_facts(LOG_ERR, NULL, __VA_ARGS__)

/* With %m for @error, a negative errno, which it returns. */
#define log_full_errno(level, error, ...)               \
        __extension__({                                 \
                int _error = (error);                   \
                errno = -_error;                        \
                log_facts((level), NULL, __VA_ARGS__);  \
                _error;                                 \
        })
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, (error), __VA_ARGS__)
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, (error), __VA_ARGS__)

static inline int log_oom(void) {
        log_error("Out of memory.");
        return -12;     /* -ENOMEM */
}
