/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as each of the two configuration files: nothing breaks or leaks, what is refused has a sentence, and what
 * the strict reading lets through is what libconfig reads, too, so that it alone decides what is a syntax error.
 */

#include <errno.h>

#include "base/text.h"
#include "conf/config-text.h"
#include "conf/config.h"
#include "conf/seeds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sentences(const ConfigDiagnostics *diagnostics, int r) {
        assert(r == 0 || r == -EINVAL);
        assert((r == 0) == (diagnostics->n_errors == 0));
        assert((r == 0) == (config_diagnostics_first_error(diagnostics) == NULL));

        /* One line each, which does nothing to a terminal. */
        for (size_t i = 0; i < diagnostics->n_items; i++) {
                const char *text = diagnostics->items[i].text;

                assert(utf8_is_valid(text, strlen(text)));
                for (const char *p = text; *p; p++)
                        assert((uint8_t) *p >= 0x20 && *p != 0x7f);
        }
}

static void check_syntax(const char *text, size_t size) {
        ConfigDiagnostics ours = {}, both = {};
        config_t config;
        int r, q;

        config_init(&config);
        r = config_text_check("f", text, size, &ours);
        q = config_text_parse(&config, "f", text, size, &both);
        assert(r == 0 || r == -EBADMSG);
        assert(q == 0 || q == -EBADMSG);

        if (r < 0)
                assert(q < 0);
        else if (q < 0)
                assert(strstr(both.items[0].text, "this setting is set twice in one file") ||
                       strstr(both.items[0].text, "the elements of an array [ ] are of one kind"));

        config_destroy(&config);
        config_diagnostics_done(&ours);
        config_diagnostics_done(&both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const instances[] = { "peer@6001", "seed@5000" };
        _cleanup_free_ char *text = NULL;
        ConfigFiles files = { .n_items = 1 };

        if (size > CONFIG_FILE_SIZE_MAX)
                return 0;

        text = malloc(size + 1);
        assert(text);
        text[size] = 0;
        (void) memcpy(text, size > 0 ? (const void *) data : "", size);
        files.items[0] = (ConfigFile) { .path = (char *) "f", .text = text, .size = size };

        check_syntax(text, size);

        for (size_t i = 0; i < ELEMENTSOF(instances); i++) {
                ConfigDiagnostics diagnostics = {};
                Config *config = NULL;
                int r;

                r = config_load_files(&config, &files, instances[i], &diagnostics);
                check_sentences(&diagnostics, r);
                if (r >= 0) {
                        assert(config->listen.n_items > 0);
                        assert(config->params.renew_usec * 2 <= config->params.lease_usec);
                        assert(config->params.liveness_floor_usec <= config->params.liveness_ceiling_usec);
                }
                config_free(config);
                config_diagnostics_done(&diagnostics);
        }

        ConfigDiagnostics diagnostics = {};
        SeedsConfig *seeds = NULL;
        int r;

        r = seeds_config_load_files(&seeds, &files, &diagnostics);
        check_sentences(&diagnostics, r);
        for (size_t i = 0; r >= 0 && i < seeds->n_entries; i++)
                assert(seeds->entries[i].port > 0 && !isempty(seeds->entries[i].host));
        seeds_config_free(seeds);
        config_diagnostics_done(&diagnostics);
        return 0;
}
