/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdio.h>

#include "p2pctl/option-table.h"
#include "p2pctl/output.h"
#include "p2pctl/verb-table.h"

static json_t *verb_to_json(const Verb *verb) {
        return json_pack("{s:s, s:s, s:s}", "command", verb->name, "arguments", verb->arguments, "summary",
                         verb->summary);
}

static json_t *option_to_json(const Option *option) {
        _cleanup_(json_decrefp) json_t *names = json_null();

        if (option->verbs) {
                names = json_array();
                for (const Verb *verb = verbs; verb->name; verb++)
                        if (verb->function && option_is_for(option, verb->name) &&
                            json_array_append_new(names, json_string(verb->name)) < 0)
                                return NULL;
        }
        return json_pack("{s:s, s:o, s:o, s:s, s:O}",
                         "option", option->name,
                         "letter", option->letter ? json_stringn(&option->letter, 1) : json_null(),
                         "value", json_text(option->value),
                         "summary", option->summary,
                         "commands", names);
}

static int help_all_json(const Ctl *ctl) {
        _cleanup_(json_decrefp) json_t *all_verbs = json_array(), *all_options = json_array();

        for (const Verb *verb = verbs; verb->name; verb++)
                if (verb->function && !verb->hidden && json_array_append_new(all_verbs, verb_to_json(verb)) < 0)
                        return -ENOMEM;
        for (const Option *option = options; option->name; option++)
                if (json_array_append_new(all_options, option_to_json(option)) < 0)
                        return -ENOMEM;
        return json_print(ctl, json_pack("{s:O, s:O}", "commands", all_verbs, "options", all_options));
}

static int help_all(const Ctl *ctl) {
        if (ctl->json != JSON_MODE_OFF)
                return help_all_json(ctl);

        page_begin(ctl);
        printf("p2pctl [OPTIONS...] [COMMAND] ...\n\nAsk and manage the nodes of a peer-to-peer network.\n");
        for (const Verb *verb = verbs; verb->name; verb++)
                if (!verb->function)
                        printf("\n%s%s:%s\n", color_of(ctl, COLOR_BOLD), verb->name, color_of(ctl, COLOR_PLAIN));
                else if (!verb->hidden)
                        verb_print_usage(verb);
        printf("\n%sOptions:%s\n", color_of(ctl, COLOR_BOLD), color_of(ctl, COLOR_PLAIN));
        for (const Option *option = options; option->name; option++)
                option_print(option, true);
        printf("\nSee p2pctl(1) for everything else.\n");
        return 0;
}

/* Options for any command are left to the whole text. */
static void help_one(const Verb *verb) {
        bool any = false;

        printf("p2pctl %s%s%s\n%s.\n", verb->name, isempty(verb->arguments) ? "" : " ", verb->arguments, verb->summary);
        for (const Option *option = options; option->name; option++)
                if (option->verbs && option_is_for(option, verb->name)) {
                        if (!any)
                                printf("\n");
                        any = true;
                        option_print(option, false);
                }
}

int verb_help(Ctl *ctl, size_t n_arguments, char **arguments) {
        const Verb *verb;

        if (n_arguments == 0)
                return help_all(ctl);

        verb = verb_find(arguments[0]);
        if (!verb) {
                _cleanup_free_ char *text = output_text(arguments[0]);
                const char *meant = verb_suggest(arguments[0]);

                return ctl_fail(EXIT_USAGE, "unknown command '%s'.%s%s%s", text ?: "?", meant ? " Did you mean '" :
                                "",
                                meant ?: "", meant ? "'?" : "");
        }
        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, verb_to_json(verb));
        help_one(verb);
        return 0;
}

int verb_version(Ctl *ctl, size_t n_arguments, char **arguments) {
        if (ctl->json != JSON_MODE_OFF)
                return json_print(ctl, json_pack("{s:s}", "version", PROJECT_VERSION));
        printf("p2pctl %s\n", PROJECT_VERSION);
        return 0;
}
