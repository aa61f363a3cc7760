/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the core noticed, as sentences for the journal. */

#include "core/effect.h"

/* True for what others can cause at will, and what the caller therefore limits. */
bool notice_is_remote(NoticeType type);

void notice_log(const Notice *notice);

/* Why, in words that may be in the middle of a sentence: what the other end or we said, else a phrase for the
 * reason. Not escaped. Writes to @buffer and returns it. */
const char *notice_reason(const Notice *notice, char buffer[static DETAIL_MAX + 1]);

#define EVIDENCE_TEXT_SIZE 80U

/* Of NOTICE_SILENT, within a sentence: "3 liveness requests missed in 2.5 s". Static, or in @buffer. */
const char *notice_evidence(const Notice *notice, char buffer[static EVIDENCE_TEXT_SIZE]);

/* "the other end does not read": why a session ended, within a sentence. */
const char *close_reason_to_phrase(CloseReason reason);
