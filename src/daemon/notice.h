/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the core noticed, as sentences for the journal. */

#include "core/effect.h"

/* True for what others can cause at will, and what the caller therefore limits. */
bool notice_is_remote(NoticeType type);

void notice_log(const Notice *notice);

/* "the other end does not read": why a session ended, within a sentence. */
const char *close_reason_to_phrase(CloseReason reason);
