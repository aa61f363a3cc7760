/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/option-table.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/message-id.h"
#include "p2pctl/format.h"
#include "p2pctl/output.h"
#include "p2pctl/remote.h"

/* ---- values ---- */

static int fail_value(const Option *option, const char *value, const char *accepted) {
        _cleanup_free_ char *text = output_text(value);

        return ctl_fail(EXIT_USAGE, "--%s: found '%s', accepted is %s.", option->name, text ?: "?", accepted);
}

static void *field_of(Ctl *ctl, const Option *option) {
        return (char *) ctl + option->offset;
}

static int parse_set(Ctl *ctl, const Option *option, const char *value) {
        *(bool *) field_of(ctl, option) = true;
        return 0;
}

static int parse_clear(Ctl *ctl, const Option *option, const char *value) {
        *(bool *) field_of(ctl, option) = false;
        return 0;
}

static int parse_text(Ctl *ctl, const Option *option, const char *value) {
        *(const char **) field_of(ctl, option) = value;
        return 0;
}

/* The daemons refuse it likewise: nothing would be wrong with the files in a directory that is mistyped. */
static int parse_config_dir(Ctl *ctl, const Option *option, const char *value) {
        struct stat st;

        ctl->config_dir = value;
        if (stat(value, &st) < 0 || !S_ISDIR(st.st_mode))
                return fail_value(option, value, "a directory that exists");
        return 0;
}

static int parse_verb(Ctl *ctl, const Option *option, const char *value) {
        return 0;               /* who reads the options looks at @option->verb */
}

static int parse_json(Ctl *ctl, const Option *option, const char *value) {
        if (!value)
                ctl->json = isatty(STDOUT_FILENO) ? JSON_MODE_PRETTY : JSON_MODE_SHORT;
        else if (streq(value, "pretty"))
                ctl->json = JSON_MODE_PRETTY;
        else if (streq(value, "short"))
                ctl->json = JSON_MODE_SHORT;
        else if (streq(value, "off"))
                ctl->json = JSON_MODE_OFF;
        else
                return fail_value(option, value, "pretty, short or off");
        return 0;
}

static int parse_color(Ctl *ctl, const Option *option, const char *value) {
        if (streq(value, "always"))
                ctl->color = true;
        else if (streq(value, "never"))
                ctl->color = false;
        else if (!streq(value, "auto"))
                return fail_value(option, value, "auto, always or never");
        return 0;
}

static int parse_host(Ctl *ctl, const Option *option, const char *value) {
        ctl->host = value;
        if (remote_host_parse(value, &(RemoteHost) {}) < 0)
                return fail_value(option, value, "[USER@]HOST[:PORT][/CONTAINER], an IPv6 address in brackets");
        return 0;
}

static int parse_machine(Ctl *ctl, const Option *option, const char *value) {
        ctl->machine = value;
        if (remote_machine_parse(value, &(RemoteMachine) {}) < 0)
                return fail_value(option, value, "[USER@]CONTAINER, or .host for this host");
        return 0;
}

static int parse_count(Ctl *ctl, const Option *option, const char *value) {
        ctl->has_count = true;
        if (parse_u64(value, &ctl->count) < 0 || ctl->count == 0)
                return fail_value(option, value, "a number from 1 on");
        return 0;
}

static int parse_timeout(Ctl *ctl, const Option *option, const char *value) {
        ctl->has_timeout = true;
        if (timeout_parse(value, &ctl->timeout_usec) < 0)
                return fail_value(option, value, "a number of seconds, such as 10 or 0.5, at most a year");
        return 0;
}

/* "300", "5min", or the id of a message. */
static int parse_since(Ctl *ctl, const Option *option, const char *value) {
        ctl->since = value;
        if (message_id_parse(value, &(MessageId) {}) < 0 && ago_parse(value, &ctl->since_seconds) < 0)
                return fail_value(option, value, "a time such as 90, 90s, 5min, 2h or 1d, or the id of a message");
        return 0;
}

static int parse_first_port(Ctl *ctl, const Option *option, const char *value) {
        ctl->has_first_port = true;
        if (parse_port(value, &ctl->first_port) < 0)
                return fail_value(option, value, "a number from 1 to 65535");
        return 0;
}

/* ---- the table ---- */

#define FIELD(field) .offset = offsetof(Ctl, field)

const Option options[] = {
        { 'i', "instance",    "NAME",              "Ask peer@6001, seed@5000, 6001 or all", NULL,
          WORDS_INSTANCES, parse_text, FIELD(instance) },
        { 'H', "host",        "[USER@]HOST",       "Ask on another host, through ssh", NULL,
          WORDS_HOSTS, parse_host },
        { 'M', "machine",     "CONTAINER",         "Ask in a local container", NULL,
          WORDS_CONTAINERS, parse_machine },
        { 0,   "user",        NULL,                "Ask the services of this user", NULL,
          WORDS_NONE, parse_set, FIELD(user) },
        { 0,   "bus",         "system|user|ADDRESS", "Ask on that bus", NULL,
          WORDS_NONE, parse_text, FIELD(bus_choice) },
        { 'j', "json",        "pretty|short|off",  "Print JSON (-j: pretty on a terminal, else short)", NULL,
          WORDS_NONE, parse_json, .letter_is_alone = true },
        { 'a', "all",         NULL,                "also those that are dead, left or lost", "peers",
          WORDS_NONE, parse_set, FIELD(all) },
        { 0,   "links",       NULL,                "only those that it is linked to", "peers",
          WORDS_NONE, parse_set, FIELD(links) },
        { 0,   "lines",       NULL,                "each line of standard input is a message", "publish",
          WORDS_NONE, parse_set, FIELD(lines) },
        { 0,   "count",       "N",                 "end after N", "subscribe ping",
          WORDS_NONE, parse_count },
        { 0,   "timeout",     "SECONDS",           "end after so long (0: never)", "wait-online subscribe monitor",
          WORDS_NONE, parse_timeout },
        { 0,   "since",       "TIME|ID",           "also what is stored of that time, or after that message", "subscribe",
          WORDS_NONE, parse_since },
        { 0,   "raw",         NULL,                "print payloads alone, as they are", "subscribe",
          WORDS_NONE, parse_set, FIELD(raw) },
        { 0,   "dot",         NULL,                "print a graph for Graphviz", "topology",
          WORDS_NONE, parse_set, FIELD(dot) },
        { 0,   "svg",         NULL,                "print a picture", "topology",
          WORDS_NONE, parse_set, FIELD(svg) },
        { 0,   "first-port",  "PORT",              "begin there (5000)", "spawn-seeds",
          WORDS_NONE, parse_first_port },
        { 0,   "config-dir",  "DIR",               "instead of " CONFIG_DIR, "config spawn-seeds",
          WORDS_DIRECTORIES, parse_config_dir },
        { 0,   "runtime-dir", "DIR",               "instead of " RUNTIME_DIR, "config spawn-seeds",
          WORDS_DIRECTORIES, parse_text, FIELD(runtime_dir) },
        { 0,   "state-dir",   "DIR",               "instead of " STATE_DIR, "spawn-seeds",
          WORDS_DIRECTORIES, parse_text, FIELD(state_dir) },
        { 'l', "full",        NULL,                "Shorten nothing", NULL,
          WORDS_NONE, parse_set, FIELD(full) },
        { 'q', "quiet",       NULL,                "Print only what was asked for, and errors", NULL,
          WORDS_NONE, parse_set, FIELD(quiet) },
        { 0,   "no-legend",   NULL,                "Print no headings and no summaries", NULL,
          WORDS_NONE, parse_clear, FIELD(legend) },
        { 0,   "no-pager",    NULL,                "Do not use a pager", NULL,
          WORDS_NONE, parse_clear, FIELD(pager) },
        { 0,   "color",       "auto|always|never", "Use colours", NULL,
          WORDS_NONE, parse_color },
        { 'h', "help",        NULL,                "Show this help", NULL,
          WORDS_NONE, parse_verb, .verb = "help" },
        { 0,   "version",     NULL,                "Show the version", NULL,
          WORDS_NONE, parse_verb, .verb = "version" },
        {}
};

#undef FIELD

static_assert(ELEMENTSOF(options) <= OPTIONS_MAX + 1, "the arrays for getopt hold all");

/* ---- asking the table ---- */

const Option *option_find(const char *name, size_t size) {
        for (const Option *option = options; option->name; option++)
                if (strlen(option->name) == size && memcmp(option->name, name, size) == 0)
                        return option;
        return NULL;
}

const Option *option_find_letter(char letter) {
        for (const Option *option = options; option->name; option++)
                if (letter && option->letter == letter)
                        return option;
        return NULL;
}

bool option_is_for(const Option *option, const char *verb) {
        size_t size = strlen(verb);

        if (!option->verbs)
                return true;
        for (const char *p = option->verbs; (p = strstr(p, verb)); p += size)
                if ((p == option->verbs || p[-1] == ' ') && (!p[size] || p[size] == ' '))
                        return true;
        return false;
}

char *option_verbs_text(const Option *option) {
        char *text, *end;

        text = end = malloc(2 * strlen(option->verbs ?: "") + 1);
        if (!text)
                return NULL;
        for (const char *p = option->verbs ?: ""; *p; p++) {
                if (*p == ' ')
                        *end++ = ',';
                *end++ = *p;
        }
        *end = 0;
        return text;
}

void options_for_getopt(OptionLetters *ret) {
        char *letters = ret->letters;
        size_t n = 0;

        *letters++ = ':';       /* a value that is missing is told from an option that is not known */
        for (const Option *option = options; option->name; option++) {
                ret->names[n++] = (struct option) {
                        .name = option->name,
                        .has_arg = option->value ? required_argument : no_argument,
                        .val = OPTION_LONG + (int) (option - options),
                };
                if (!option->letter)
                        continue;
                *letters++ = option->letter;
                if (option->value && !option->letter_is_alone)
                        *letters++ = ':';
        }
        *letters = 0;
        ret->names[n] = (struct option) {};
}

/* ---- for people ---- */

/* The option that was probably meant by "--cuont=3", or NULL. */
static const char *option_suggest(const char *word) {
        const char *names[OPTIONS_MAX];
        char name[32] = "";
        size_t n = 0;

        for (const Option *option = options; option->name; option++)
                names[n++] = option->name;
        (void) snprintf(name, sizeof(name), "%.*s", (int) strcspn(word, "="), word);
        return suggestion(name, names, n);
}

int option_fail(const char *word, int letter, bool is_value_missing) {
        const Option *option = letter >= OPTION_LONG ? options + (letter - OPTION_LONG) : option_find_letter((char) letter);
        _cleanup_free_ char *text = NULL;
        const char *meant;

        if (option)
                return ctl_fail(EXIT_USAGE, "--%s %s.", option->name, is_value_missing ? "needs a value" : "takes no value");
        if (letter) {
                text = text_escape((char[]) { (char) letter }, 1);
                return ctl_fail(EXIT_USAGE, "unknown option '-%s'. See: p2pctl help", text ?: "?");
        }

        text = text_escape(word, strcspn(word, "="));
        meant = option_suggest(word + strspn(word, "-"));
        if (meant)
                return ctl_fail(EXIT_USAGE, "unknown option '%s'. Did you mean '--%s'?", text ?: "?", meant);
        return ctl_fail(EXIT_USAGE, "unknown option '%s'. See: p2pctl help", text ?: "?");
}

void option_print(const Option *option, bool with_verbs) {
        _cleanup_free_ char *verbs = with_verbs && option->verbs ? option_verbs_text(option) : NULL;
        char usage[48];

        (void) snprintf(usage, sizeof(usage), "--%s%s%s", option->name, option->value ? "=" : "", option->value ?: "");
        printf("  %c%c %-27s %s%s%s\n", option->letter ? '-' : ' ', option->letter ?: ' ', usage, verbs ?: "",
               verbs ? ": " : "", option->summary);
}
