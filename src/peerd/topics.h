/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What has been delivered, by topic. Anybody in the network can make up topics, so at most TOPICS_MAX are kept: the one that
 * was used least recently goes for a new one, and its counts go to those of the others.
 */

#include "base/usec.h"
#include "wire/message.h"

#define TOPICS_MAX 1024U

typedef struct TopicCounts {
        uint64_t n_messages, n_bytes;   /* bytes of payload */
        usec_t last_usec;               /* 0: never */
} TopicCounts;

typedef struct Topics Topics;

int topics_new(Topics **ret);
Topics *topics_free(Topics *topics);
DEFINE_CLEANUP(Topics *, topics_free)

/* One more message. @topic is as GOSSIP has it: 1 to TOPIC_MAX printable bytes. */
void topics_count(Topics *topics, Slice topic, size_t payload_size, usec_t now_usec);

size_t topics_n(const Topics *topics);

/* Names and counts of all, in the order of their names: topics_n() of them. @ret_names are borrowed until the next call of
 * topics_count(). Return: 0, -ENOMEM. */
typedef struct TopicRow {
        const char *name;
        TopicCounts counts;
} TopicRow;
int topics_list(const Topics *topics, TopicRow **ret);

/* Of all messages whose topics are not kept any more, or never were for want of memory. */
const TopicCounts *topics_others(const Topics *topics);
