/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the arguments of verbs and the values of options can be, for the shell to complete them, besides the words that their
 * usage names ("pretty|short|off"). */
typedef enum Words {
        WORDS_NONE,
        WORDS_ADDRESSES,        /* of peers without a link */
        WORDS_CONFIGURED,       /* instances that run, or have files of their own */
        WORDS_CONTAINERS,
        WORDS_DIRECTORIES,
        WORDS_HOSTS,
        WORDS_INSTANCES,        /* that run, and "all" */
        WORDS_LINKED,           /* peers with a link */
        WORDS_LOG_LEVELS,
        WORDS_PEERS,
        WORDS_VERBS,
} Words;
