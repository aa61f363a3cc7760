/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "conf/config-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CONFIG_SUFFIX ".conf"

char *config_own_directory(void) {
        const char *bus = secure_getenv("P2PNET_BUS"), *config_home = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
        char *path;
        int r;

        if (geteuid() == 0 || (bus && streq(bus, "system")))
                return NULL;
        if (config_home && config_home[0] == '/')
                r = asprintf(&path, "%s/p2pnet", config_home);
        else if (home && home[0] == '/' && home[1])
                r = asprintf(&path, "%s/.config/p2pnet", home);
        else
                return NULL;
        return r < 0 ? NULL : path;
}

/* Names of drop-ins, sorted by strcmp(), each once. */
typedef struct NameList {
        char *items[CONFIG_FILES_MAX];
        size_t n_items;
} NameList;

static void name_list_free(NameList *names) {
        for (size_t i = 0; i < names->n_items; i++)
                free(names->items[i]);
        free(names);
}
DEFINE_CLEANUP(NameList *, name_list_free)

static void closedirp(DIR **dir) {
        if (*dir)
                (void) closedir(*dir);
}

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

/* True when @name is in the list now; false when there is no room, or no memory. */
static bool name_list_add(NameList *names, const char *name) {
        size_t i = 0;
        char *copy;

        while (i < names->n_items && strcmp(names->items[i], name) < 0)
                i++;
        if (i < names->n_items && streq(names->items[i], name))
                return true;
        if (names->n_items == CONFIG_FILES_MAX)
                return false;

        copy = strdup(name);
        if (!copy)
                return false;
        memmove(names->items + i + 1, names->items + i, (names->n_items - i) * sizeof(names->items[0]));
        names->items[i] = copy;
        names->n_items++;
        return true;
}

/* Reads to the end of an open regular file. Return: 0, -EFBIG, -ENOMEM, another errno of read(). */
static int file_read_all(int fd, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        text = malloc(CONFIG_FILE_SIZE_MAX + 2);
        if (!text)
                return -ENOMEM;

        for (;;) {
                ssize_t n = read(fd, text + size, CONFIG_FILE_SIZE_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > CONFIG_FILE_SIZE_MAX)
                        return -EFBIG;
        }

        text[size] = 0;
        *ret = realloc(text, size + 1);
        if (!*ret)
                return -ENOMEM;
        text = NULL;
        *ret_size = size;
        return 0;
}

/*
 * Says that something cannot be read, or whatever @what is, and why; of what permissions forbid, what to do. A directory on
 * the way that may not be entered is named instead of each file in it, and so named once.
 */
static void fail_to_read(ConfigDiagnostics *diagnostics, const char *path, const char *what) {
        int error = errno;
        _cleanup_free_ char *denied = NULL;
        const struct passwd *user;

        denied = strdup(path);
        for (char *slash = denied ? strchr(denied + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                if (faccessat(AT_FDCWD, denied, X_OK, AT_EACCESS) < 0 && errno == EACCES)
                        break;          /* with the rest cut off */
                *slash = '/';
        }

        errno = error;
        if (!denied || error != EACCES) {
                config_fail(diagnostics, &(ConfigPosition) { .file = path }, "cannot be %s: %m.", what);
                return;
        }
        user = getpwuid(geteuid());
        config_fail(diagnostics, &(ConfigPosition) { .file = denied },
                    "may not be read by user %s; grant that, for example by \"chmod -R a+rX\".",
                    user ? user->pw_name : "of this process");
}

static bool stat_is_mask(const struct stat *st) {
        return (S_ISREG(st->st_mode) && st->st_size == 0) ||
               (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));          /* /dev/null */
}

/*
 * Reads one file. It is looked at before it is opened, because opening a device may do something, and opened without
 * blocking, because it may have become a FIFO in between.
 *
 * Return: 1 it was read; 0 it hides others, or cannot be used and a diagnostic says why; -ENOENT; -ENOMEM.
 */
static int file_read(const char *path, ConfigFile *ret, ConfigDiagnostics *diagnostics) {
        const ConfigPosition at = { .file = path };
        _cleanup_(closep) int fd = -EBADF;
        struct stat st;
        int r;

        if (stat(path, &st) < 0) {
                if (errno != ENOENT)
                        fail_to_read(diagnostics, path, "looked at");
                else if (lstat(path, &st) < 0)
                        return -ENOENT;         /* truly not there, or gone since the directory was read */
                else
                        config_fail(diagnostics, &at, "is a link to a file that does not exist.");
                return 0;
        }
        if (stat_is_mask(&st))
                return 0;

        if (S_ISREG(st.st_mode)) {
                fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (fd < 0 && errno == ENOENT)
                        return -ENOENT;
                if (fd < 0 || fstat(fd, &st) < 0) {
                        fail_to_read(diagnostics, path, "read");
                        return 0;
                }
        }
        if (!S_ISREG(st.st_mode)) {
                config_fail(diagnostics, &at, "is %s, expected a regular file.",
                            S_ISDIR(st.st_mode) ? "a directory" :
                            S_ISFIFO(st.st_mode) ? "a FIFO" :
                            S_ISSOCK(st.st_mode) ? "a socket" : "a device");
                return 0;
        }

        r = file_read_all(fd, &ret->text, &ret->size);
        if (r == -ENOMEM)
                return r;
        if (r == -EFBIG) {
                config_fail(diagnostics, &at, "is larger than %d KiB, which is all that is accepted.",
                            CONFIG_FILE_SIZE_MAX / 1024);
                return 0;
        }
        if (r < 0) {
                errno = -r;
                config_fail(diagnostics, &at, "cannot be read: %m.");
                return 0;
        }
        return 1;
}

/* Reads @name, in directory @dropin unless that is NULL, from the first place that has it. */
static int files_add(ConfigFiles *files, const ConfigPaths *paths, const char *dropin, const char *name,
                     ConfigDiagnostics *diagnostics) {
        const char *const places[] = { paths->own, paths->etc, paths->run, paths->vendor };

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_free_ char *path = NULL;
                ConfigFile file = {};
                int r;

                if (!places[i])
                        continue;
                if (asprintf(&path, "%s/%s%s%s", places[i], dropin ?: "", dropin ? "/" : "", name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }

                r = file_read(path, &file, diagnostics);
                if (r == -ENOENT)
                        continue;
                if (r <= 0)
                        return r;

                if (files->n_items == CONFIG_FILES_MAX) {
                        config_fail(diagnostics, &(ConfigPosition) { .file = path },
                                    "is one file too many, at most %d are read.", CONFIG_FILES_MAX);
                        free(file.text);
                        return 0;
                }
                file.path = TAKE_PTR(path);
                files->items[files->n_items++] = file;
                return 0;
        }
        return 0;
}

static bool name_is_dropin(const char *name) {
        size_t length = strlen(name), suffix = strlen(CONFIG_SUFFIX);

        return name[0] != '.' && length > suffix && streq(name + length - suffix, CONFIG_SUFFIX);
}

/* Adds the names of the drop-ins in one directory, which need not exist. */
static int names_read(NameList *names, const char *place, const char *dropin, ConfigDiagnostics *diagnostics) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        ConfigPosition at;

        if (asprintf(&path, "%s/%s", place, dropin) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        at = (ConfigPosition) { .file = path };

        dir = opendir(path);
        if (!dir) {
                if (errno == ENOTDIR)
                        config_fail(diagnostics, &at, "is not a directory.");
                else if (errno != ENOENT)
                        fail_to_read(diagnostics, path, "read");
                return 0;
        }

        for (;;) {
                const struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry && errno != 0)
                        config_fail(diagnostics, &at, "cannot be read: %m.");
                if (!entry)
                        return 0;
                if (name_is_dropin(entry->d_name) && !name_list_add(names, entry->d_name)) {
                        config_fail(diagnostics, &at, "has too many files, at most %d are read.", CONFIG_FILES_MAX);
                        return 0;
                }
        }
}

static int files_add_dropins(ConfigFiles *files, const ConfigPaths *paths, const char *dropin,
                             ConfigDiagnostics *diagnostics) {
        const char *const places[] = { paths->own, paths->etc, paths->run, paths->vendor };
        _cleanup_(name_list_freep) NameList *names = NULL;
        int r;

        names = calloc(1, sizeof(*names));
        if (!names)
                return -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                if (!places[i])
                        continue;
                r = names_read(names, places[i], dropin, diagnostics);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < names->n_items; i++) {
                r = files_add(files, paths, dropin, names->items[i], diagnostics);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Whoever mistypes a directory has to hear of it: all that is in the right one would be left out silently. */
static bool places_are_there(const ConfigPaths *paths, ConfigDiagnostics *diagnostics) {
        const ConfigPosition at = { .file = paths->etc };
        struct stat st;

        if (!paths->etc_given)
                return true;
        if (stat(paths->etc, &st) < 0) {
                config_fail(diagnostics, &at, "cannot be used as the directory of the configuration: %m.");
                return false;
        }
        if (!S_ISDIR(st.st_mode)) {
                config_fail(diagnostics, &at, "is given as the directory of the configuration, and is no directory.");
                return false;
        }
        return true;
}

int config_files_read(ConfigFiles **ret, const ConfigPaths *paths, const char *main_file,
                      const char *const *dropins, ConfigDiagnostics *diagnostics) {
        _cleanup_(config_files_freep) ConfigFiles *files = NULL;
        size_t n_errors = diagnostics->n_errors;
        int r;

        files = calloc(1, sizeof(*files));
        if (!files)
                return -ENOMEM;

        if (!places_are_there(paths, diagnostics)) {
                files->n_refused = 1;
                *ret = TAKE_PTR(files);
                return 0;
        }

        r = files_add(files, paths, NULL, main_file, diagnostics);
        if (r < 0)
                return r;

        for (; *dropins; dropins++) {
                r = files_add_dropins(files, paths, *dropins, diagnostics);
                if (r < 0)
                        return r;
        }

        files->n_refused = diagnostics->n_errors - n_errors;
        *ret = TAKE_PTR(files);
        return 0;
}

void config_files_free(ConfigFiles *files) {
        if (!files)
                return;

        for (size_t i = 0; i < files->n_items; i++) {
                free(files->items[i].path);
                free(files->items[i].text);
        }
        free(files);
}
