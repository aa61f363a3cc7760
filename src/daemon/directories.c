/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/directories.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"

void directories_done(Directories *directories) {
        free(directories->state);
        free(directories->runtime);
        free(directories->vendor_config);
        free(directories->config);
        free(directories->own_config);
        *directories = (Directories) {};
}

ConfigPaths directories_config_paths(const Directories *directories) {
        return (ConfigPaths) {
                .own = directories->own_config,
                .etc = directories->config,
                .run = directories->runtime,
                .vendor = directories->vendor_config,
                .etc_given = directories->config_given,
        };
}

static char *format_path(const char *format, ...) _printf_(1, 2);
static char *format_path(const char *format, ...) {
        va_list ap;
        char *path;
        int n;

        va_start(ap, format);
        n = vasprintf(&path, format, ap);
        va_end(ap);
        return n < 0 ? NULL : path;
}

/* The first of a list as the service manager sets it, "a:b". */
static char *first_of_environment(const char *name) {
        const char *value = getenv(name);

        return isempty(value) || value[0] != '/' ? NULL : strndup(value, strcspn(value, ":"));
}

static const char *home_directory(void) {
        const char *home = getenv("HOME");
        const struct passwd *user;

        if (home && home[0] == '/')
                return home;
        user = getpwuid(getuid());
        return user && user->pw_dir[0] == '/' ? user->pw_dir : "/";
}

static char *find_state(const Options *options, Role role) {
        const char *xdg = getenv("XDG_STATE_HOME");
        char *path;

        if (options->state_dir)
                return strdup(options->state_dir);

        path = first_of_environment("STATE_DIRECTORY");
        if (path)
                return path;
        if (getuid() == 0)
                return format_path("%s/%s-%u", STATE_DIR, role_to_string(role), options->port);
        if (xdg && xdg[0] == '/')
                return format_path("%s/p2pnet/%s-%u", xdg, role_to_string(role), options->port);
        return format_path("%s/.local/state/p2pnet/%s-%u", home_directory(), role_to_string(role), options->port);
}

static char *find_runtime(const Options *options) {
        const char *xdg = getenv("XDG_RUNTIME_DIR");
        char *path;

        if (options->runtime_dir)
                return strdup(options->runtime_dir);

        path = first_of_environment("RUNTIME_DIRECTORY");
        if (path)
                return path;
        if (getuid() == 0)
                return strdup(RUNTIME_DIR);
        if (xdg && xdg[0] == '/')
                return format_path("%s/p2pnet", xdg);
        return format_path("/tmp/p2pnet-%u/p2pnet", (unsigned) getuid());
}

/* In /tmp anybody may have made a directory, or a link, of that name before us: it has to be ours, and only ours to write. */
static int make_own_directory(const char *path) {
        struct stat st;

        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        if (lstat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        if (st.st_uid != geteuid() || (st.st_mode & 0022) != 0)
                return -EPERM;
        return 0;
}

int directories_make(const char *path, mode_t mode) {
        _cleanup_free_ char *prefix = NULL;

        prefix = strdup(path);
        if (!prefix)
                return -ENOMEM;

        for (char *slash = strchr(prefix + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                if (mkdir(prefix, mode) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
                        return -errno;          /* the last one says whether these two matter */
                *slash = '/';
        }

        return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_runtime(const char *path) {
        char fallback[sizeof("/tmp/p2pnet-4294967295")];
        int r;

        (void) snprintf(fallback, sizeof(fallback), "/tmp/p2pnet-%u", (unsigned) getuid());
        if (strncmp(path, fallback, strlen(fallback)) == 0) {
                r = make_own_directory(fallback);
                if (r < 0)
                        return r;
        }

        return directories_make(path, 0755);
}

int directories_find(Directories *ret, const Options *options, Role role) {
        _cleanup_(directories_done) Directories directories = {};
        int r;

        directories.config_given = options->config_dir;
        directories.config = strdup(options->config_dir ?: CONFIG_DIR);
        directories.state = find_state(options, role);
        directories.runtime = find_runtime(options);
        if (!directories.config || !directories.state || !directories.runtime)
                return -ENOMEM;

        if (!options->config_dir) {
                directories.vendor_config = strdup(VENDOR_CONFIG_DIR);
                if (!directories.vendor_config)
                        return -ENOMEM;
                directories.own_config = config_own_directory();
        }

        r = make_runtime(directories.runtime);
        if (r == -EPERM) {
                log_warning("Runtime directory %s belongs to somebody else, or others may write to it: not used.",
                            directories.runtime);
                free(directories.runtime);
                directories.runtime = NULL;
        } else if (r < 0)
                (void) log_warning_errno(r, "Failed to make runtime directory %s: %m", directories.runtime);

        *ret = directories;
        directories = (Directories) {};
        return 0;
}
