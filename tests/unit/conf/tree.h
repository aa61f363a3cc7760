/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory of its own for every test, with etc/, run/ and vendor/ in it, and ways to look for a sentence. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config-file.h"
#include "conf/diagnostics.h"
#include "unit.h"

typedef struct Tree {
        char root[PATH_MAX];
        char etc[PATH_MAX], run[PATH_MAX], vendor[PATH_MAX];
        ConfigPaths paths;
        ConfigDiagnostics diagnostics;
} Tree;

static _unused_ int tree_setup(void **state) {
        Tree *tree = calloc(1, sizeof(*tree));

        assert_non_null(tree);
        (void) snprintf(tree->root, sizeof(tree->root), "%s/p2pnet-test-XXXXXX", getenv("TMPDIR") ?: "/tmp");
        assert_non_null(mkdtemp(tree->root));
        (void) snprintf(tree->etc, sizeof(tree->etc), "%.1000s/etc", tree->root);
        (void) snprintf(tree->run, sizeof(tree->run), "%.1000s/run", tree->root);
        (void) snprintf(tree->vendor, sizeof(tree->vendor), "%.1000s/vendor", tree->root);
        tree->paths = (ConfigPaths) { .etc = tree->etc, .run = tree->run, .vendor = tree->vendor };
        *state = tree;
        return 0;
}

static int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static _unused_ int tree_teardown(void **state) {
        Tree *tree = *state;

        assert_int_equal(nftw(tree->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        config_diagnostics_done(&tree->diagnostics);
        free(tree);
        return 0;
}

/* The path of @name in the tree, with the directories above it made. Two results are good at a time. */
static _unused_ const char *tree_path(const Tree *tree, const char *name) {
        static char paths[2][PATH_MAX];
        static unsigned n;
        char *path = paths[n++ % ELEMENTSOF(paths)];

        (void) snprintf(path, PATH_MAX, "%.1000s/%s", tree->root, name);
        for (char *slash = path + strlen(tree->root); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
        return path;
}

static _unused_ void tree_write_bytes(const Tree *tree, const char *name, const void *data, size_t size) {
        FILE *f = fopen(tree_path(tree, name), "we");

        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, size, f), size);
        assert_int_equal(fclose(f), 0);
}

static _unused_ void tree_write(const Tree *tree, const char *name, const char *text) {
        tree_write_bytes(tree, name, text, strlen(text));
}

/* Whether one of the sentences has @text in it. */
static _unused_ bool said(const ConfigDiagnostics *diagnostics, const char *text) {
        for (size_t i = 0; i < diagnostics->n_items; i++)
                if (strstr(diagnostics->items[i].text, text))
                        return true;
        for (size_t i = 0; i < diagnostics->n_items; i++)
                print_message("said: %s\n", diagnostics->items[i].text);
        return false;
}

#define assert_said(diagnostics, text) assert_true(said((diagnostics), (text)))

/* The only sentence, which has to be there, is exactly this one; the list is empty afterwards. */
static _unused_ void assert_said_only(ConfigDiagnostics *diagnostics, const char *text) {
        assert_int_equal(diagnostics->n_items, 1);
        assert_string_equal(diagnostics->items[0].text, text);
        config_diagnostics_done(diagnostics);
}
