/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target over every file of the folders and files named on the command line. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "base/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_replayed;

static int replay_file(const char *path) {
        _cleanup_free_ uint8_t *data = NULL;
        FILE *f = fopen(path, "re");
        long size;

        if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0)
                return -errno;
        rewind(f);
        data = malloc((size_t) size + 1);       /* exactly @size bytes are handed on, so that a sanitizer sees the end */
        if (!data)
                return -ENOMEM;
        if (fread(data, 1, (size_t) size, f) != (size_t) size)
                return -EIO;
        (void) fclose(f);

        data = realloc(data, MAX((size_t) size, (size_t) 1));
        (void) LLVMFuzzerTestOneInput(data, (size_t) size);
        n_replayed++;
        return 0;
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                struct dirent **entries;
                int n = scandir(argv[i], &entries, NULL, alphasort);

                if (n < 0) {
                        if (replay_file(argv[i]) < 0)
                                return perror(argv[i]), EXIT_FAILURE;
                        continue;
                }
                for (int j = 0; j < n; j++) {
                        char path[4096];

                        (void) snprintf(path, sizeof(path), "%s/%s", argv[i], entries[j]->d_name);
                        if (entries[j]->d_name[0] != '.' && replay_file(path) < 0)
                                return perror(path), EXIT_FAILURE;
                        free(entries[j]);
                }
                free(entries);
        }

        if (n_replayed == 0) {
                fprintf(stderr, "nothing to replay\n");
                return EXIT_FAILURE;
        }
        printf("%u inputs replayed\n", n_replayed);
        return EXIT_SUCCESS;
}
