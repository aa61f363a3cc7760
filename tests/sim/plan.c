/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "plan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#define WORDS_MAX 6U
#define LINE_MAX_SIZE 200U
#define CLONES_MAX 64U          /* nodes beyond seeds and peers that a plan may speak of */

typedef enum PlanArguments {
        TAKES_NOTHING, TAKES_NODES, TAKES_NODES_NODES, TAKES_NODES_NUMBER, TAKES_NODES_OFFSET, TAKES_NODES_SHARE,
        TAKES_SHARE,
} PlanArguments;

static const struct {
        const char *name;
        PlanArguments arguments;
} verbs[_VERB_MAX] = {
        [VERB_CRASH]            = { "crash",            TAKES_NODES },
        [VERB_POWER_CUT]        = { "power-cut",        TAKES_NODES },
        [VERB_STOP]             = { "stop",             TAKES_NODES },
        [VERB_START]            = { "start",            TAKES_NODES },
        [VERB_START_EMPTY]      = { "start-empty",      TAKES_NODES },
        [VERB_START_ELSEWHERE]  = { "start-elsewhere",  TAKES_NODES },
        [VERB_HANG]             = { "hang",             TAKES_NODES },
        [VERB_SUSPEND]          = { "suspend",          TAKES_NODES },
        [VERB_WAKE]             = { "wake",             TAKES_NODES },
        [VERB_CLONE]            = { "clone",            TAKES_NODES },
        [VERB_HALF_OPEN]        = { "half-open",        TAKES_NODES_NODES },
        [VERB_CUT]              = { "cut",              TAKES_NODES_NODES },
        [VERB_JOIN]             = { "join",             TAKES_NODES_NODES },
        [VERB_GROUP]            = { "group",            TAKES_NODES_NUMBER },
        [VERB_HEAL]             = { "heal",             TAKES_NOTHING },
        [VERB_LOSS]             = { "loss",             TAKES_SHARE },
        [VERB_SLOW]             = { "slow",             TAKES_NODES_NUMBER },
        [VERB_MUTE]             = { "mute",             TAKES_NODES },
        [VERB_UNMUTE]           = { "unmute",           TAKES_NODES },
        [VERB_WRONG]            = { "wrong",            TAKES_NODES_SHARE },
        [VERB_LATE]             = { "late",             TAKES_NODES_SHARE },
        [VERB_TWICE]            = { "twice",            TAKES_NODES_SHARE },
        [VERB_REORDER]          = { "reorder",          TAKES_NODES_SHARE },
        [VERB_CLOCK]            = { "clock",            TAKES_NODES_OFFSET },
        [VERB_FORGET_SEEDS]     = { "forget-seeds",     TAKES_NODES },
        [VERB_PUBLISH]          = { "publish",          TAKES_NODES_NUMBER },
        [VERB_MEASURE]          = { "measure",          TAKES_NOTHING },
        [VERB_RECOVER]          = { "recover",          TAKES_NOTHING },
};

Plan plan_default(void) {
        return (Plan) {
                .run = 1, .n_seeds = 3, .n_peers = 20, .profile = PROFILE_LAN, .members_max = UINT_MAX,
                .latency_min_usec = 10 * USEC_PER_MSEC, .latency_max_usec = 100 * USEC_PER_MSEC,
                .until_usec = USEC_PER_MINUTE,
        };
}

void plan_done(Plan *plan) {
        free(plan->actions);
        plan->actions = NULL;
        plan->n_actions = plan->n_allocated = 0;
}

int plan_add(Plan *plan, PlanAction action) {
        size_t i;

        if (plan->n_actions >= PLAN_ACTIONS_MAX)
                return -ENOSPC;
        if (plan->n_actions >= plan->n_allocated) {
                size_t n = MAX((size_t) 16, 2 * plan->n_allocated);
                PlanAction *actions = reallocarray(plan->actions, n, sizeof(*actions));

                if (!actions)
                        return -ENOMEM;
                plan->actions = actions;
                plan->n_allocated = n;
        }
        for (i = plan->n_actions++; i > 0 && plan->actions[i - 1].at_usec > action.at_usec; i--)
                plan->actions[i] = plan->actions[i - 1];
        plan->actions[i] = action;
        return 0;
}

/* ---- words ---- */

/* Digits, and where they end. */
static bool take_number(const char **text, uint64_t max, uint64_t *ret) {
        uint64_t n = 0;
        const char *p = *text;

        if (!isdigit((unsigned char) *p))
                return false;
        for (; isdigit((unsigned char) *p); p++) {
                n = n * 10 + (uint64_t) (*p - '0');
                if (n > max)
                        return false;
        }
        *text = p;
        *ret = n;
        return true;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
        return take_number(&text, max, ret) && *text == '\0';
}

int plan_parse_time(const char *text, usec_t *ret) {
        static const struct {
                const char *name;
                usec_t usec;
        } units[] = {
                { "us", 1 }, { "ms", USEC_PER_MSEC }, { "s", USEC_PER_SEC }, { "m", USEC_PER_MINUTE },
                { "h", 60 * USEC_PER_MINUTE },
        };
        uint64_t n;

        if (!take_number(&text, PLAN_TIME_MAX, &n))
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(text, units[i].name) && n <= PLAN_TIME_MAX / units[i].usec) {
                        *ret = n * units[i].usec;
                        return 0;
                }
        return -EINVAL;
}

int plan_parse_share(const char *text, uint64_t *ret) {
        uint64_t whole, digits = 0, scale = 10000;

        if (!take_number(&text, 100, &whole))
                return -EINVAL;
        whole *= 10000;
        if (*text == '.') {
                if (!isdigit((unsigned char) *++text))
                        return -EINVAL;
                for (; isdigit((unsigned char) *text) && scale > 1; text++)
                        digits += (uint64_t) (*text - '0') * (scale /= 10);
        }
        if (!streq(text, "%") || whole + digits > 1000000)
                return -EINVAL;
        *ret = whole + digits;
        return 0;
}

static void print_time(FILE *out, usec_t usec) {
        if (usec % USEC_PER_MINUTE == 0)
                fprintf(out, "%" PRIu64 "m", usec / USEC_PER_MINUTE);
        else if (usec % USEC_PER_SEC == 0)
                fprintf(out, "%" PRIu64 "s", usec / USEC_PER_SEC);
        else if (usec % USEC_PER_MSEC == 0)
                fprintf(out, "%" PRIu64 "ms", usec / USEC_PER_MSEC);
        else
                fprintf(out, "%" PRIu64 "us", usec);
}

static void print_share(FILE *out, uint64_t per_million) {
        fprintf(out, "%" PRIu64 ".%04" PRIu64 "%%", per_million / 10000, per_million % 10000);
}

static bool parse_nodes(const Plan *plan, const char *text, unsigned *ret_first, unsigned *ret_last) {
        unsigned n = plan->n_seeds + plan->n_peers;
        uint64_t first, last;

        if (streq(text, "all") || streq(text, "peers") || streq(text, "seeds")) {
                *ret_first = streq(text, "peers") ? plan->n_seeds : 0;
                *ret_last = streq(text, "seeds") ? plan->n_seeds - 1 : n - 1;
                return *ret_first <= *ret_last && (plan->n_seeds > 0 || !streq(text, "seeds"));
        }
        if (!take_number(&text, n + CLONES_MAX - 1, &first))
                return false;
        last = first;
        if (*text == '-') {
                text++;
                if (!take_number(&text, n + CLONES_MAX - 1, &last))
                        return false;
        }
        *ret_first = (unsigned) first;
        *ret_last = (unsigned) last;
        return *text == '\0' && first <= last;
}

static void print_nodes(FILE *out, unsigned first, unsigned last) {
        if (first == last)
                fprintf(out, " %u", first);
        else
                fprintf(out, " %u-%u", first, last);
}

/* ---- statements ---- */

typedef struct Parser {
        Plan *plan;
        unsigned line;
        char *error;
        char *words[WORDS_MAX];
        size_t n_words;
} Parser;

static _printf_(2, 3) int parser_fail(Parser *parser, const char *format, ...) {
        int n = snprintf(parser->error, PLAN_ERROR_MAX, "line %u: ", parser->line);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(parser->error + n, PLAN_ERROR_MAX - (size_t) n, format, ap);
        va_end(ap);
        return -EBADMSG;
}

static int parse_number_word(Parser *parser, const char *word, uint64_t min, uint64_t max, uint64_t *ret) {
        if (!parse_number(word, max, ret) || *ret < min)
                return parser_fail(parser, "Found '%s', a number from %" PRIu64 " to %" PRIu64 " is accepted.", word, min, max);
        return 0;
}

static int parse_time_word(Parser *parser, const char *word, usec_t *ret) {
        if (plan_parse_time(word, ret) < 0)
                return parser_fail(parser, "Found '%s', a time such as 300ms, 10s, 5m or 2h is accepted.", word);
        return 0;
}

static int parse_share_word(Parser *parser, const char *word, uint64_t *ret) {
        if (plan_parse_share(word, ret) < 0)
                return parser_fail(parser, "Found '%s', a share such as 0.5%% is accepted.", word);
        return 0;
}

static int parse_nodes_word(Parser *parser, const char *word, unsigned *ret_first, unsigned *ret_last) {
        if (!parse_nodes(parser->plan, word, ret_first, ret_last))
                return parser_fail(parser, "Found '%s', nodes such as 4, 4-9, seeds, peers or all are accepted.", word);
        return 0;
}

static int parse_offset_word(Parser *parser, const char *word, int64_t *ret) {
        usec_t usec;
        int r;

        r = parse_time_word(parser, word + (*word == '-' || *word == '+'), &usec);
        if (r < 0)
                return r;
        *ret = *word == '-' ? -(int64_t) usec : (int64_t) usec;
        return 0;
}

static int expect_words(Parser *parser, size_t n) {
        if (parser->n_words != n)
                return parser_fail(parser, "'%s' takes %zu words after it, not %zu.",
                                   parser->words[parser->n_words > 2 && streq(parser->words[0], "at") ? 2 : 0],
                                   n - (streq(parser->words[0], "at") ? 3 : 1),
                                   parser->n_words - (parser->n_words > 2 && streq(parser->words[0], "at") ? 3 : 1));
        return 0;
}

static int add(Parser *parser, PlanAction action) {
        int r = plan_add(parser->plan, action);

        return r == -ENOSPC ? parser_fail(parser, "More than %u actions are not accepted.", PLAN_ACTIONS_MAX) : r;
}

/* "pause" and "sleep" are hanging and being suspended, with the waking. */
static int parse_pause(Parser *parser, PlanAction action) {
        usec_t usec;
        int r;

        r = expect_words(parser, 5);
        if (r < 0)
                return r;
        r = parse_nodes_word(parser, parser->words[3], &action.first, &action.last);
        if (r < 0)
                return r;
        r = parse_time_word(parser, parser->words[4], &usec);
        if (r < 0)
                return r;
        r = add(parser, action);
        if (r < 0)
                return r;
        action.verb = VERB_WAKE;
        action.at_usec += usec;
        return add(parser, action);
}

static int parse_action(Parser *parser) {
        static const size_t n_words[] = {
                [TAKES_NOTHING] = 3, [TAKES_NODES] = 4, [TAKES_NODES_NODES] = 5,
                [TAKES_NODES_NUMBER] = 5, [TAKES_NODES_OFFSET] = 5, [TAKES_NODES_SHARE] = 5,
                [TAKES_SHARE] = 4,
        };
        PlanAction action = {};
        PlanArguments arguments;
        int r;

        if (parser->n_words < 3)
                return parser_fail(parser, "'at' takes a time and what happens then.");
        r = parse_time_word(parser, parser->words[1], &action.at_usec);
        if (r < 0)
                return r;
        if (streq(parser->words[2], "pause") || streq(parser->words[2], "sleep")) {
                action.verb = streq(parser->words[2], "pause") ? VERB_HANG : VERB_SUSPEND;
                return parse_pause(parser, action);
        }
        while (action.verb < _VERB_MAX && !streq(verbs[action.verb].name, parser->words[2]))
                action.verb++;
        if (action.verb == _VERB_MAX)
                return parser_fail(parser, "Nothing called '%s' can happen to a network.", parser->words[2]);

        arguments = verbs[action.verb].arguments;
        r = expect_words(parser, n_words[arguments]);
        if (r < 0 || arguments == TAKES_NOTHING)
                return r < 0 ? r : add(parser, action);
        r = arguments == TAKES_SHARE ? parse_share_word(parser, parser->words[3], &action.number) :
                                       parse_nodes_word(parser, parser->words[3], &action.first, &action.last);
        if (r >= 0 && arguments == TAKES_NODES_NODES)
                r = parse_nodes_word(parser, parser->words[4], &action.other_first, &action.other_last);
        if (r >= 0 && arguments == TAKES_NODES_NUMBER)
                r = parse_number_word(parser, parser->words[4], 0, 1000000, &action.number);
        if (r >= 0 && arguments == TAKES_NODES_SHARE)
                r = parse_share_word(parser, parser->words[4], &action.number);
        if (r >= 0 && arguments == TAKES_NODES_OFFSET)
                r = parse_offset_word(parser, parser->words[4], &action.offset_usec);
        return r < 0 ? r : add(parser, action);
}

static int parse_setting(Parser *parser) {
        Plan *plan = parser->plan;
        const char *name = parser->words[0], *value = parser->words[1];
        uint64_t n;
        int r;

        r = expect_words(parser, streq(name, "latency") ? 3 : 2);
        if (r < 0)
                return r;
        if ((streq(name, "seeds") || streq(name, "peers")) && plan->n_actions > 0)
                return parser_fail(parser, "'%s' comes before all that happens.", name);

        if (streq(name, "seeds")) {
                r = parse_number_word(parser, value, 0, PLAN_SEEDS_MAX, &n);
                plan->n_seeds = r < 0 ? plan->n_seeds : (unsigned) n;
        } else if (streq(name, "peers")) {
                r = parse_number_word(parser, value, 1, PLAN_PEERS_MAX, &n);
                plan->n_peers = r < 0 ? plan->n_peers : (unsigned) n;
        } else if (streq(name, "members-max")) {
                r = parse_number_word(parser, value, 0, PLAN_PEERS_MAX, &n);
                plan->members_max = r < 0 ? plan->members_max : (unsigned) n;
        } else if (streq(name, "run")) {
                r = parse_number_word(parser, value, 0, UINT64_MAX / 16, &plan->run);
        } else if (streq(name, "loss")) {
                r = parse_share_word(parser, value, &n);
                plan->loss = r < 0 ? plan->loss : (unsigned) n;
        } else if (streq(name, "until")) {
                r = parse_time_word(parser, value, &plan->until_usec);
        } else if (streq(name, "settle")) {
                r = parse_time_word(parser, value, &plan->settle_usec);
        } else if (streq(name, "profile")) {
                Profile profile = profile_from_string(value);

                if (profile < 0)
                        return parser_fail(parser, "There is no profile '%s'.", value);
                plan->profile = profile;
        } else if (streq(name, "latency")) {
                usec_t min_usec, max_usec;

                r = parse_time_word(parser, value, &min_usec);
                if (r < 0)
                        return r;
                r = parse_time_word(parser, parser->words[2], &max_usec);
                if (r < 0)
                        return r;
                if (min_usec < 1 || min_usec > max_usec || max_usec > 10 * USEC_PER_SEC)
                        return parser_fail(parser, "A latency goes from one time to a longer one, of at most 10s.");
                plan->latency_min_usec = min_usec;
                plan->latency_max_usec = max_usec;
        } else
                return parser_fail(parser, "There is no statement '%s'.", name);
        return r;
}

static int parse_line(Parser *parser, char *line) {
        char *comment = strchr(line, '#'), *save = NULL;

        if (comment)
                *comment = '\0';
        parser->n_words = 0;
        for (char *word = strtok_r(line, " \t\r", &save); word; word = strtok_r(NULL, " \t\r", &save)) {
                if (parser->n_words >= WORDS_MAX)
                        return parser_fail(parser, "More than %u words are not accepted.", WORDS_MAX);
                parser->words[parser->n_words++] = word;
        }
        if (parser->n_words == 0)
                return 0;
        if (parser->n_words < 2)
                return parser_fail(parser, "'%s' alone says nothing.", parser->words[0]);
        return streq(parser->words[0], "at") ? parse_action(parser) : parse_setting(parser);
}

int plan_parse(Plan *plan, Slice text, char error[static PLAN_ERROR_MAX]) {
        Parser parser = { .plan = plan, .error = error };
        const char *data = (const char *) text.data;
        int r;

        for (size_t begin = 0; begin < text.size;) {
                const char *end = memchr(data + begin, '\n', text.size - begin);
                size_t size = (end ? (size_t) (end - data) : text.size) - begin;
                char line[LINE_MAX_SIZE];

                parser.line++;
                if (size >= sizeof(line) || memchr(data + begin, '\0', size))
                        return parser_fail(&parser, "A line is text of at most %zu bytes.", sizeof(line) - 1);
                memcpy(line, data + begin, size);
                line[size] = '\0';
                r = parse_line(&parser, line);
                if (r < 0)
                        return r;
                begin += size + 1;
        }
        return 0;
}

static void print_action(const PlanAction *action, FILE *out) {
        PlanArguments arguments = verbs[action->verb].arguments;

        fprintf(out, "at ");
        print_time(out, action->at_usec);
        fprintf(out, " %s", verbs[action->verb].name);
        if (arguments == TAKES_SHARE) {
                fprintf(out, " ");
                print_share(out, action->number);
        } else if (arguments != TAKES_NOTHING)
                print_nodes(out, action->first, action->last);
        if (arguments == TAKES_NODES_NODES)
                print_nodes(out, action->other_first, action->other_last);
        if (arguments == TAKES_NODES_NUMBER)
                fprintf(out, " %" PRIu64, action->number);
        if (arguments == TAKES_NODES_SHARE) {
                fprintf(out, " ");
                print_share(out, action->number);
        }
        if (arguments == TAKES_NODES_OFFSET) {
                fprintf(out, action->offset_usec < 0 ? " -" : " ");
                print_time(out, (usec_t) (action->offset_usec < 0 ? -action->offset_usec : action->offset_usec));
        }
        fprintf(out, "\n");
}

void plan_print(const Plan *plan, FILE *out) {
        fprintf(out, "run %" PRIu64 "\nseeds %u\npeers %u\nprofile %s\nlatency ", plan->run, plan->n_seeds, plan->n_peers,
                profile_to_string(plan->profile));
        print_time(out, plan->latency_min_usec);
        fprintf(out, " ");
        print_time(out, plan->latency_max_usec);
        fprintf(out, "\nloss ");
        print_share(out, plan->loss);
        if (plan->members_max != UINT_MAX)
                fprintf(out, "\nmembers-max %u", plan->members_max);
        fprintf(out, "\n");
        for (size_t i = 0; i < plan->n_actions; i++)
                print_action(plan->actions + i, out);
        fprintf(out, "until ");
        print_time(out, plan->until_usec);
        fprintf(out, "\nsettle ");
        print_time(out, plan->settle_usec);
        fprintf(out, "\n");
}
