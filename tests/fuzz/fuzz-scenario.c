/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a scenario of the simulator: what is refused has a sentence of one line, and what is read can be printed and
 * read again, and is the same. */

#include <errno.h>
#include <stdio.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *text_of(const Plan *plan) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert(file);
        plan_print(plan, file);
        assert(fclose(file) == 0);
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(plan_done) Plan plan = plan_default(), again = plan_default();
        _cleanup_free_ char *text = NULL, *text_again = NULL;
        char error[PLAN_ERROR_MAX] = "";
        int r;

        r = plan_parse(&plan, slice_of(data, size), error);
        if (r < 0) {
                assert(r == -EBADMSG && strncmp(error, "line ", 5) == 0 && !strchr(error, '\n'));
                return 0;
        }

        text = text_of(&plan);
        r = plan_parse(&again, slice_of(text, strlen(text)), error);
        assert(r == 0);
        text_again = text_of(&again);
        assert(streq(text, text_again));
        return 0;
}
