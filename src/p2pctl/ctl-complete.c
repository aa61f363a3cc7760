/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the last word of a command can become. For the scripts of shells, which know nothing of p2pctl by themselves: they hand
 * over the words behind "p2pctl" as they were typed, up to the cursor, and put one of ours in the place of the last one.
 *
 * The first line says what the others are: "words", ready to stand on a command line, each instead of the whole word;
 * or "directories" or "hosts", of which a shell knows more than we do, and then there are no others.
 *
 * Somebody waits with a finger on the key: nothing is said on standard error that a script would not throw away, and what is
 * not there in a moment does not come. Nothing is asked of other hosts, where a password may be asked for on the way.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "p2pctl/ctl-bus.h"
#include "p2pctl/ctl-config.h"
#include "p2pctl/facts.h"
#include "p2pctl/format.h"
#include "p2pctl/option-table.h"
#include "p2pctl/output.h"
#include "p2pctl/shell-word.h"
#include "p2pctl/verb-table.h"

#define COMPLETE_SEC 2U

typedef struct Completion {
        Ctl *ctl;
        char **words;           /* without quotation marks; ours */
        size_t n_words;
        const char *typed;      /* the last one, as it was typed */
        size_t n_prefix;        /* of it, what stands before the value: "--json=" */
        bool has_verb;
        const Verb *verb;       /* NULL: one that is not known */
        size_t n_arguments;     /* of the verb, before the last word */
        bool only_arguments;    /* "--" was among the words */
        const Option *pending;  /* whose value the last word is */
} Completion;

static void completion_done(Completion *completion) {
        for (size_t i = 0; i < completion->n_words; i++)
                free(completion->words[i]);
        free(completion->words);
}

/* ---- the words before the last one ---- */

/* What -i, --bus= and the like say decides who is asked; what is wrong with them is said when the command is run. */
static void take_option(Completion *completion, const Option *option, const char *value) {
        (void) option->parse(completion->ctl, option, value);
}

/* "-qi" waits for a value, "-qipeer@6001" and "-q" do not. */
static void take_letters(Completion *completion, const char *letters) {
        for (; *letters; letters++) {
                const Option *option = option_find_letter(*letters);

                if (!option)
                        return;
                if (!option->value || option->letter_is_alone)
                        take_option(completion, option, NULL);
                else if (letters[1]) {
                        take_option(completion, option, letters + 1);
                        return;
                } else
                        completion->pending = option;
        }
}

static void take_name(Completion *completion, const char *name) {
        size_t size = strcspn(name, "=");
        const Option *option = option_find(name, size);

        if (option && !option->value)
                take_option(completion, option, NULL);
        else if (option && name[size])
                take_option(completion, option, name + size + 1);
        else
                completion->pending = option;
}

static void take_word(Completion *completion, const char *word) {
        const Option *option = completion->pending;

        completion->pending = NULL;
        if (option)
                take_option(completion, option, word);
        else if (completion->only_arguments || word[0] != '-' || !word[1]) {
                if (completion->has_verb)
                        completion->n_arguments++;
                else {
                        completion->has_verb = true;
                        completion->verb = verb_find(word);
                }
        } else if (streq(word, "--"))
                completion->only_arguments = true;
        else if (word[1] == '-')
                take_name(completion, word + 2);
        else
                take_letters(completion, word + 1);
}

/* ---- what it can become ---- */

static int offer(const Completion *completion, const char *text) {
        const char *typed = completion->typed;
        _cleanup_free_ char *word = shell_quote(text);

        if (!word)
                return 0;

        /* Behind an open quotation mark the shell puts in what we say, which must not mean anything there. */
        if (typed[0] == '\'' || typed[0] == '"') {
                if (streq(word, text) && strncmp(text, typed + 1, strlen(typed + 1)) == 0)
                        printf("%s\n", text);
                return 0;
        }
        if (strncmp(word, typed + completion->n_prefix, strlen(typed + completion->n_prefix)) == 0)
                printf("%.*s%s\n", (int) completion->n_prefix, typed, word);
        return 0;
}

/* "pretty|short|off", "[PAYLOAD|-]": words in small letters are meant as they are, others stand for something. */
static void offer_literals(const Completion *completion, const char *usage, size_t size) {
        for (size_t i = 0; i < size;) {
                char word[32];
                size_t n = strcspn(usage + i, "|[]. ");

                n = MIN(n, size - i);
                if (n > 0 && usage[i] >= 'a' && usage[i] <= 'z') {
                        (void) snprintf(word, sizeof(word), "%.*s", (int) n, usage + i);
                        (void) offer(completion, word);
                }
                i += n + 1;
        }
}

static void offer_verbs(const Completion *completion) {
        for (const Verb *verb = verbs; verb->name; verb++)
                if (verb->function && !verb->hidden)
                        (void) offer(completion, verb->name);
}

static void offer_options(const Completion *completion) {
        const char *typed = completion->typed;

        for (const Option *option = options; option->name; option++) {
                char word[40];

                (void) snprintf(word, sizeof(word), "--%s%s", option->name, option->value ? "=" : "");
                if ((!completion->verb || option_is_for(option, completion->verb->name)) &&
                    strncmp(word, typed, strlen(typed)) == 0)
                        printf("%s\n", word);
        }
}

static bool is_elsewhere(const Completion *completion) {
        return completion->ctl->host || completion->ctl->machine;
}

static int offer_instances(const Completion *completion, bool with_all) {
        Ctl *ctl = completion->ctl;
        bool as_port = completion->typed[completion->n_prefix] >= '0' && completion->typed[completion->n_prefix] <= '9';
        int r;

        r = is_elsewhere(completion) ? 0 : ctl_connect(ctl);
        if (r != 0)
                return r;

        for (size_t i = 0; i < ctl->n_instances; i++) {
                char port[sizeof("65535")];

                (void) snprintf(port, sizeof(port), "%u", ctl->instances[i].port);
                (void) offer(completion, as_port ? port : ctl->instances[i].text);
        }
        return with_all ? offer(completion, "all") : 0;
}

static int offer_configured(const Completion *completion) {
        _cleanup_(json_decrefp) json_t *instances = NULL;
        const char *instance;
        json_t *value;
        int r;

        r = config_instances(completion->ctl, &instances);
        if (r < 0)
                return r;
        if (ctl_connect(completion->ctl) == 0)
                for (size_t i = 0; i < completion->ctl->n_instances; i++)
                        if (json_object_set_new(instances, completion->ctl->instances[i].text, json_true()) < 0)
                                return -ENOMEM;
        json_object_foreach(instances, instance, value)
                (void) offer(completion, instance);
        return 0;
}

/* Those that machined knows, if it runs. */
static int offer_containers(const Completion *completion) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *name;
        int r;

        if ((r = sd_bus_open_system(&bus)) < 0 ||
            (r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.machine1", "/org/freedesktop/machine1",
                                                "org.freedesktop.machine1.Manager", "ListMachines")) < 0 ||
            (r = sd_bus_message_set_auto_start(m, false)) < 0 ||
            (r = sd_bus_call(bus, m, 0, NULL, &reply)) < 0 ||
            (r = sd_bus_message_enter_container(reply, 'a', "(ssso)")) < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(ssso)", &name, NULL, NULL, NULL)) > 0)
                (void) offer(completion, name);
        return r;
}

/* ---- peers ---- */

/* Each by its name, or by its id where the name is not good for that: it has none, not one of its own, or not one that a person
 * could type. Whoever begins with the digits of an id wants that. */
static int offer_names(const Completion *completion, const json_t *peers, Words words) {
        _cleanup_(json_decrefp) json_t *count = json_object();
        const char *typed = completion->typed;

        for (size_t i = 0; i < json_array_size(peers); i++) {
                const char *name = fact_text(json_array_get(peers, i), "name");

                if (json_object_set_new(count, name, json_integer((json_int_t) fact_u64(count, name) + 1)) < 0)
                        return -ENOMEM;
        }

        for (size_t i = 0; i < json_array_size(peers); i++) {
                const json_t *peer = json_array_get(peers, i);
                const char *name = fact_text(peer, "name"), *id = fact_text(peer, "id");
                _cleanup_free_ char *word = shell_quote(name);

                if (words == WORDS_ADDRESSES)
                        (void) offer(completion, fact_text(peer, "address"));
                else if (word && fact_u64(count, name) == 1)
                        (void) offer(completion, name);
                else
                        (void) offer(completion, id);
                if (words != WORDS_ADDRESSES && typed[0] && word && fact_u64(count, name) == 1 &&
                    strncmp(id, typed, strlen(typed)) == 0 && !streq(id, name) && strncmp(name, typed, strlen(typed)) != 0)
                        (void) offer(completion, id);
        }
        return 0;
}

static int offer_peers(const Completion *completion, Words words) {
        Ctl *ctl = completion->ctl;
        bool linked = words == WORDS_LINKED;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_decrefp) json_t *peers = NULL;
        _cleanup_free_ const Instance **instances = NULL;
        size_t n;
        int r;

        if (is_elsewhere(completion))
                return 0;
        r = ctl_select(ctl, words == WORDS_PEERS ? TARGET_ANY : TARGET_PEER, &instances, &n);
        if (r != 0)
                return r;

        if (words == WORDS_PEERS)
                r = ctl_call(ctl, instances[0], "ListPeers", CALL_TIMEOUT_USEC, &reply, "ta{sv}",
                             ctl->all ? LIST_PEERS_ALL : UINT64_C(0), 0);
        else
                r = ctl_call(ctl, instances[0], "ListPeers", CALL_TIMEOUT_USEC, &reply, "ta{sv}", UINT64_C(0), 1,
                             "Linked", "b", (int) linked);
        if (r != 0)
                return r;
        r = facts_read_peers(reply, 0, &peers);
        return r < 0 ? r : offer_names(completion, peers, words);
}

/* ---- the last word ---- */

static int offer_of_kind(const Completion *completion, Words words) {
        switch (words) {
        case WORDS_NONE:
        case WORDS_DIRECTORIES:
        case WORDS_HOSTS:
                return 0;
        case WORDS_ADDRESSES:
        case WORDS_LINKED:
        case WORDS_PEERS:
                return offer_peers(completion, words);
        case WORDS_CONFIGURED:
                return offer_configured(completion);
        case WORDS_CONTAINERS:
                return offer_containers(completion);
        case WORDS_INSTANCES:
                return offer_instances(completion, true);
        case WORDS_LOG_LEVELS:
                for (size_t i = 0; i < N_LOG_LEVELS; i++)
                        (void) offer(completion, log_levels[i]);
                return 0;
        case WORDS_VERBS:
                offer_verbs(completion);
                return 0;
        }
        return 0;
}

static void print_kind(Words words) {
        printf("%s\n", words == WORDS_DIRECTORIES ? "directories" : words == WORDS_HOSTS ? "hosts" : "words");
}

static int complete_value(const Completion *completion, const Option *option) {
        print_kind(option->words);
        offer_literals(completion, option->value, strlen(option->value));
        return offer_of_kind(completion, option->words);
}

/* The argument number @completion->n_arguments: of the words of the usage that one, the last one if it may be repeated. */
static int complete_argument(const Completion *completion) {
        const Verb *verb = completion->verb;
        const char *usage = verb->arguments;
        size_t size = strcspn(usage, " ");

        print_kind(verb->words);
        if (completion->n_arguments >= verb->n_arguments_max)
                return 0;
        for (size_t i = 0; i < completion->n_arguments && usage[size]; i++) {
                usage += size + 1;
                size = strcspn(usage, " ");
        }
        offer_literals(completion, usage, size);

        /* One that is a word of its own, such as "check", is nothing else. */
        return usage[0] >= 'a' && usage[0] <= 'z' ? 0 : offer_of_kind(completion, verb->words);
}

static int complete_word(Completion *completion) {
        const char *typed = completion->typed;

        if (completion->pending)
                return complete_value(completion, completion->pending);

        if (typed[0] == '-' && !completion->only_arguments) {
                size_t size = strcspn(typed, "=");
                const Option *option = size > 2 && typed[size] ? option_find(typed + 2, size - 2) : NULL;

                if (option && option->value) {
                        completion->n_prefix = size + 1;
                        return complete_value(completion, option);
                }
                print_kind(WORDS_NONE);
                offer_options(completion);
                return 0;
        }

        if (completion->verb)
                return complete_argument(completion);
        print_kind(WORDS_NONE);
        if (!completion->has_verb)
                offer_verbs(completion);
        return 0;
}

static void on_alarm(int number) {
        _exit(EXIT_TIMED_OUT);
}

int verb_complete(Ctl *ctl, size_t n_arguments, char **arguments) {
        _cleanup_(completion_done) Completion completion = { .ctl = ctl };

        (void) signal(SIGALRM, on_alarm);
        (void) alarm(COMPLETE_SEC);

        completion.words = calloc(n_arguments, sizeof(char *));
        if (!completion.words)
                return -ENOMEM;
        for (; completion.n_words < n_arguments - 1; completion.n_words++) {
                completion.words[completion.n_words] = shell_unquote(arguments[completion.n_words]);
                if (!completion.words[completion.n_words])
                        return -ENOMEM;
                take_word(&completion, completion.words[completion.n_words]);
        }
        completion.typed = arguments[n_arguments - 1];
        return complete_word(&completion);
}
