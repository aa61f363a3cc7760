/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/hash.h"

SipKey hash_key;
