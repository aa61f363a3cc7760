/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/seeds-dropin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/seeds.h"

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static int write_all(int fd, const char *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

/* Writes @text to @temporary, which a template for mkostemp() begins as, and gives it the name @path. */
static int file_write_renamed(char *temporary, const char *path, const char *text) {
        _cleanup_(closep) int fd = -EBADF;
        int r;

        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = write_all(fd, text, strlen(text));
        if (r >= 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);
        return r;
}

/* snprintf() into a path. Return: 0, -ENAMETOOLONG. */
_printf_(2, 3)
static int path_format(char ret[static PATH_MAX], const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(ret, PATH_MAX, format, ap);
        va_end(ap);
        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int seeds_dropin_write(const char *runtime_dir, uint16_t port, const char *host) {
        char path[PATH_MAX], temporary[PATH_MAX], text[512];
        _cleanup_free_ char *normalized = NULL;
        int r;

        if (port == 0)
                return -EINVAL;
        r = seed_host_normalize(host, &normalized);
        if (r < 0)
                return r;
        (void) snprintf(text, sizeof(text), "# Written by the seed on port %u of this host, for as long as it runs.\n"
                        "seeds = ( { host = \"%s\"; port = %u; } );\n", port, normalized, port);

        r = path_format(path, "%s/seeds.d", runtime_dir);
        if (r < 0)
                return r;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;

        /* The dot keeps a file that is left over from a crash out of the list. */
        r = path_format(temporary, "%s/seeds.d/.%u.conf.XXXXXX", runtime_dir, port);
        if (r < 0)
                return r;
        r = path_format(path, "%s/seeds.d/%u.conf", runtime_dir, port);
        if (r < 0)
                return r;
        return file_write_renamed(temporary, path, text);
}

int seeds_dropin_remove(const char *runtime_dir, uint16_t port) {
        char path[PATH_MAX];
        int r;

        r = path_format(path, "%s/seeds.d/%u.conf", runtime_dir, port);
        if (r < 0)
                return r;
        if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
                return -errno;
        return 0;
}
