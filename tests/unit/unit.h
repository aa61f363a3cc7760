/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* cmocka with the headers it wants to see first. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
