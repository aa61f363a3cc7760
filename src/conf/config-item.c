/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/config-item.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

#define KEY_SIZE_MAX 256        /* of a path in a sentence; nesting and names are cut there */

static bool setting_is_number(const config_setting_t *setting) {
        return setting->type == CONFIG_TYPE_INT || setting->type == CONFIG_TYPE_INT64;
}

char *config_found(const config_setting_t *setting, char buffer[static CONFIG_FOUND_SIZE]) {
        const char *text = NULL;

        switch (setting->type) {

        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                (void) snprintf(buffer, CONFIG_FOUND_SIZE, "%lld", config_setting_get_int64(setting));
                return buffer;

        case CONFIG_TYPE_STRING: {
                size_t size = strlen(setting->value.sval), shown = MIN(size, (size_t) 40);
                _cleanup_free_ char *escaped = NULL;

                while (shown < size && shown > 0 && (setting->value.sval[shown] & 0xc0) == 0x80)
                        shown--;        /* not in the middle of a character */
                escaped = text_escape(setting->value.sval, shown);
                (void) snprintf(buffer, CONFIG_FOUND_SIZE, "\"%s%s\"", escaped ?: "", shown < size ? "..." : "");
                return buffer;
        }

        case CONFIG_TYPE_BOOL:
                text = setting->value.ival ? "true" : "false";
                break;

        case CONFIG_TYPE_FLOAT:
                text = "a number with a fraction or an exponent";
                break;

        case CONFIG_TYPE_GROUP:
                text = "a group { }";
                break;

        case CONFIG_TYPE_LIST:
                text = "a list ( )";
                break;

        case CONFIG_TYPE_ARRAY:
                text = "an array [ ]";
                break;
        }

        (void) snprintf(buffer, CONFIG_FOUND_SIZE, "%s", text ?: "nothing");
        return buffer;
}

int config_wrong_type(const config_setting_t *setting, const ConfigPosition *at, const char *expected,
                      ConfigDiagnostics *diagnostics) {
        config_fail(diagnostics, at, "found %s%s, expected %s.", CONFIG_FOUND(setting),
                    setting->type == CONFIG_TYPE_STRING ? " (text)" : "", expected);
        return 0;
}

int config_get_number(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at, int64_t *ret,
                      ConfigDiagnostics *diagnostics) {
        int64_t value;

        if (!setting_is_number(setting)) {
                char expected[96];

                (void) snprintf(expected, sizeof(expected), "a number from %" PRId64 " to %" PRId64, item->min,
                                item->max);
                return config_wrong_type(setting, at, expected, diagnostics);
        }

        value = config_setting_get_int64(setting);
        if (value < item->min || value > item->max) {
                config_fail(diagnostics, at, "found %" PRId64 ", accepted is %" PRId64 " to %" PRId64 ".", value,
                            item->min, item->max);
                return 0;
        }

        *ret = value;
        return 1;
}

int config_get_text(const ConfigItem *item, const config_setting_t *setting, const ConfigPosition *at,
                    const char **ret, ConfigDiagnostics *diagnostics) {
        const char *text;
        size_t size;

        if (setting->type != CONFIG_TYPE_STRING)
                return config_wrong_type(setting, at, "a text in quotation marks", diagnostics);

        text = setting->value.sval;
        size = strlen(text);
        if (size < (size_t) item->min || size > (size_t) item->max) {
                config_fail(diagnostics, at, "found a text of %zu bytes, accepted is %" PRId64 " to %" PRId64 ".",
                            size, item->min, item->max);
                return 0;
        }

        /* Control characters (C0, DEL, C1) have no place in a word that ends up in logs and on terminals. */
        for (size_t i = 0; i < size; i++) {
                uint8_t c = (uint8_t) text[i], next = (uint8_t) text[i + 1];

                if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0)) {
                        config_fail(diagnostics, at, "found %s, control characters are not accepted.",
                                    CONFIG_FOUND(setting));
                        return 0;
                }
        }
        if (!utf8_is_valid(text, size)) {
                config_fail(diagnostics, at, "found %s, which is not UTF-8.", CONFIG_FOUND(setting));
                return 0;
        }

        *ret = text;
        return 1;
}

/* How far apart two words are (Levenshtein), for words that fit; others are far apart. */
static size_t word_distance(const char *a, const char *b) {
        size_t row[64], n_a = strlen(a), n_b = strlen(b);

        if (n_a >= ELEMENTSOF(row) || n_b >= ELEMENTSOF(row))
                return SIZE_MAX;

        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 1; i <= n_a; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t change = diagonal + (a[i - 1] != b[j - 1]);
                        size_t insert_or_delete = MIN(row[j], row[j - 1]) + 1;

                        diagonal = row[j];
                        row[j] = MIN(insert_or_delete, change);
                }
        }
        return row[n_b];
}

static const char *last_component(const char *path) {
        const char *dot = strrchr(path, '.');

        return dot ? dot + 1 : path;
}

/* The item that was probably meant by @path: nearly the same path, or nearly the same name in another group. */
static const char *items_guess(const ConfigItem *items, size_t n_items, const char *path) {
        const char *name = last_component(path), *guess = NULL;
        size_t nearest = MIN(strlen(name) / 3, (size_t) 3) + 1;

        for (size_t i = 0; i < n_items; i++) {
                size_t distance = word_distance(path, items[i].path);
                size_t of_name = word_distance(name, last_component(items[i].path));

                distance = MIN(distance, of_name < SIZE_MAX ? of_name + 1 : SIZE_MAX);
                if (distance <= nearest && (!guess || distance < nearest)) {
                        nearest = distance;
                        guess = items[i].path;
                }
        }
        return guess;
}

/* True when @path is the group of some item. */
static bool items_have_group(const ConfigItem *items, size_t n_items, const char *path) {
        size_t size = strlen(path);

        for (size_t i = 0; i < n_items; i++)
                if (strncmp(items[i].path, path, size) == 0 && items[i].path[size] == '.')
                        return true;
        return false;
}

typedef struct Apply {
        const ConfigItem *items;
        size_t n_items;
        const char *file;
        const char *prefix;
        void *target;
        ConfigOrigin *origins;
        ConfigDiagnostics *diagnostics;
} Apply;

/* The group of some item that has nearly the name @path; written to @buffer, NULL when there is none. */
static const char *items_guess_group(const ConfigItem *items, size_t n_items, const char *path, char *buffer,
                                     size_t buffer_size) {
        for (size_t i = 0; i < n_items; i++) {
                const char *dot = strrchr(items[i].path, '.');

                if (!dot)
                        continue;
                (void) snprintf(buffer, buffer_size, "%.*s", (int) (dot - items[i].path), items[i].path);
                if (word_distance(path, buffer) <= 2)
                        return buffer;
        }
        return NULL;
}

static void apply_unknown(const Apply *apply, const config_setting_t *setting, const char *path,
                          const ConfigPosition *at) {
        bool is_group = setting->type == CONFIG_TYPE_GROUP;
        const char *what = is_group ? "unknown group, ignored with all that is in it." : "unknown setting, ignored.";
        char buffer[64];
        const char *guess = is_group ? items_guess_group(apply->items, apply->n_items, path, buffer, sizeof(buffer)) :
                                       items_guess(apply->items, apply->n_items, path);

        if (guess)
                config_warn(apply->diagnostics, at, "%s Did you mean '%s'?", what, guess);
        else
                config_warn(apply->diagnostics, at, "%s", what);
}

static int apply_group(const Apply *apply, const config_setting_t *group, const char *path);

static int apply_setting(const Apply *apply, const config_setting_t *setting, const char *path) {
        char key[KEY_SIZE_MAX + 64];    /* with room for the prefix */
        ConfigPosition at = { .file = apply->file, .line = setting->line, .key = key };

        (void) snprintf(key, sizeof(key), "%s%s%s", apply->prefix ?: "", apply->prefix ? "." : "", path);

        for (size_t i = 0; i < apply->n_items; i++) {
                const ConfigItem *item = apply->items + i;
                int r;

                if (!streq(item->path, path))
                        continue;
                r = item->parse(item, setting, &at, (uint8_t *) apply->target + item->offset, apply->diagnostics);
                if (r < 0)
                        return r;
                if (r > 0 && apply->origins)
                        apply->origins[i] = (ConfigOrigin) { .file = apply->file, .line = setting->line };
                return 0;
        }

        if (!items_have_group(apply->items, apply->n_items, path)) {
                apply_unknown(apply, setting, path, &at);
                return 0;
        }
        if (setting->type != CONFIG_TYPE_GROUP)
                return config_wrong_type(setting, &at, "a group { }", apply->diagnostics);
        return apply_group(apply, setting, path);
}

/* Recursion is as deep as the paths of the table at most, because unknown groups are not entered. */
static int apply_group(const Apply *apply, const config_setting_t *group, const char *path) {
        for (int i = 0; i < config_setting_length(group); i++) {
                const config_setting_t *setting = config_setting_get_elem(group, (unsigned) i);
                char child[KEY_SIZE_MAX];
                int r;

                (void) snprintf(child, sizeof(child), "%s%s%s", path ?: "", path ? "." : "", setting->name);
                r = apply_setting(apply, setting, child);
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_items_apply(const ConfigItem *items, size_t n_items, const config_setting_t *group, const char *file,
                       const char *prefix, void *target, ConfigOrigin *origins, ConfigDiagnostics *diagnostics) {
        Apply apply = {
                .items = items,
                .n_items = n_items,
                .file = file,
                .prefix = prefix,
                .target = target,
                .origins = origins,
                .diagnostics = diagnostics,
        };

        return apply_group(&apply, group, NULL);
}
