/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/each.h"

#include <errno.h>
#include <stdio.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/facts.h"
#include "p2pctl/output.h"

int each_run(Ctl *ctl, const EachVerb *verb, void *userdata) {
        _cleanup_(json_decrefp) json_t *all = json_array();
        _cleanup_free_ const Instance **instances = NULL;
        size_t n;
        int r;

        if (!all)
                return -ENOMEM;
        r = ctl_select(ctl, verb->target, &instances, &n);
        if (r != 0)
                return r;

        if (verb->is_paged)
                page_begin(ctl);
        for (size_t i = 0; i < n; i++) {
                json_t *facts;

                r = verb->ask(ctl, instances[i], userdata, &facts);
                if (r != 0)
                        return r;
                if (json_array_append_new(all, facts) < 0)
                        return -ENOMEM;
                if (ctl->json != JSON_MODE_OFF)
                        continue;

                if (!verb->has_heading)
                        ctl_print_heading(ctl, instances, n, i);
                else if (i > 0)
                        (void) putchar('\n');
                r = verb->print(ctl, instances[i], facts, userdata);
                if (r != 0)
                        return r;
        }

        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_incref(ctl_asks_all(ctl) ? all : json_array_get(all, 0)));
        ctl_print_others(ctl, instances, n);
        return 0;
}
