/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/state-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/directories.h"
#include "daemon/log.h"
#include "daemon/message-ids.h"

#define NAME_SIZE 64U

struct StateDir {
        char *path;
        int fd;                 /* -EBADF: there is no directory */
        char *trouble;          /* why the last write failed, which was said; NULL when it did not */
};

static void closep(const int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

StateDir *state_dir_close(StateDir *dir) {
        if (!dir)
                return NULL;

        if (dir->fd >= 0)
                (void) close(dir->fd);          /* and with it goes the lock */
        free(dir->trouble);
        free(dir->path);
        free(dir);
        return NULL;
}

/* Once per spell: a full disk would fill the journal, too. */
static void state_dir_failed(StateDir *dir, const char *path, int error) {
        if (dir->trouble)
                return;

        if (asprintf(&dir->trouble, "%s: %s", path, strerror(-error)) < 0)
                dir->trouble = NULL;
        log_facts(LOG_WARNING,
                  LOG_FACTS(.message_id = MESSAGE_ID_STATE_NOT_WRITABLE, .file = path, .reason = strerror(-error)),
                  "State cannot be written to %s: %s. Going on without; a restart will not remember.", path, strerror(-error));
}

int state_dir_open(StateDir **ret, const char *path) {
        _cleanup_(state_dir_closep) StateDir *dir = NULL;
        int r;

        dir = malloc(sizeof(*dir));
        if (!dir)
                return -ENOMEM;
        *dir = (StateDir) { .fd = -EBADF, .path = strdup(path) };
        if (!dir->path)
                return -ENOMEM;

        r = directories_make(path, 0700);
        if (r >= 0) {
                dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (dir->fd < 0)
                        r = -errno;
        }
        if (r < 0)
                state_dir_failed(dir, path, r);
        else if (flock(dir->fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno == EWOULDBLOCK)
                        return -EWOULDBLOCK;
                (void) log_warning_errno(-errno, "Failed to lock %s: %m", path);        /* some network file system */
        }

        *ret = TAKE_PTR(dir);
        return 0;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
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

static int replace_file(int dir_fd, const char *name, const uint8_t *data, size_t size) {
        char new_name[NAME_SIZE];
        int fd, r;

        (void) snprintf(new_name, sizeof(new_name), "%s.new", name);
        fd = openat(dir_fd, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;

        r = write_all(fd, data, size);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r >= 0)
                r = -errno;
        if (r >= 0 && renameat(dir_fd, new_name, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dir_fd, new_name, 0);
                return r;
        }

        return fsync(dir_fd) < 0 ? -errno : 0;
}

/* Return: @error, which has been said. */
static int state_dir_failed_at(StateDir *dir, const char *name, int error) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", dir->path, name) < 0)
                return -ENOMEM;
        state_dir_failed(dir, path, error);
        return error;
}

int state_dir_write(StateDir *dir, const char *name, const uint8_t *data, size_t size) {
        int r;

        if (dir->fd < 0)
                return -ENOTDIR;        /* said when it was opened */

        r = replace_file(dir->fd, name, data, size);
        if (r < 0)
                return state_dir_failed_at(dir, name, r);

        if (dir->trouble)
                log_notice("State can be written to %s again.", dir->path);
        free(dir->trouble);
        dir->trouble = NULL;
        return 0;
}

int state_dir_remove(StateDir *dir, const char *name) {
        if (dir->fd < 0)
                return -ENOTDIR;        /* said when it was opened */

        if (unlinkat(dir->fd, name, 0) < 0)
                return errno == ENOENT ? 0 : state_dir_failed_at(dir, name, -errno);
        return fsync(dir->fd) < 0 ? state_dir_failed_at(dir, name, -errno) : 0;
}

const char *state_dir_trouble(const StateDir *dir) {
        return dir->trouble;
}

bool state_dir_is_denied(const StateDir *dir, const char *name) {
        _cleanup_(closep) int fd = -EBADF;

        if (dir->fd < 0)
                return false;
        fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        return fd < 0 && (errno == EACCES || errno == EPERM);
}

int state_dir_keep(StateDir *dir, const char *name, const char *suffix) {
        char kept[NAME_SIZE];

        (void) snprintf(kept, sizeof(kept), "%s.%s", name, suffix);
        if (renameat(dir->fd, name, dir->fd, kept) < 0)
                return log_warning_errno(-errno, "Failed to keep %s/%s as %s: %m", dir->path, name, kept);
        return 0;
}

void state_dir_set_aside(StateDir *dir, const char *name, const char *reason) {
        _cleanup_free_ char *path = NULL;
        char damaged[NAME_SIZE];

        if (asprintf(&path, "%s/%s", dir->path, name) < 0)
                return;

        (void) snprintf(damaged, sizeof(damaged), "%s.damaged", name);
        if (renameat(dir->fd, name, dir->fd, damaged) < 0)
                (void) log_warning_errno(-errno, "Failed to set %s aside: %m", path);

        log_facts(LOG_WARNING, LOG_FACTS(.message_id = MESSAGE_ID_STATE_DAMAGED, .file = path, .reason = reason),
                  "State file %s %s; set aside as %s, going on without it.", path, reason, damaged);
}

static int read_file(int dir_fd, const char *name, size_t size_max, uint8_t **ret, size_t *ret_size) {
        _cleanup_(closep) int fd = -EBADF;
        _cleanup_free_ uint8_t *data = NULL;
        struct stat st;
        size_t size = 0;

        fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uintmax_t) st.st_size > size_max)
                return -EBADMSG;

        data = malloc((size_t) st.st_size + 1);         /* not 0 */
        if (!data)
                return -ENOMEM;

        while (size < (size_t) st.st_size) {
                ssize_t n = read(fd, data + size, (size_t) st.st_size - size);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
        }

        *ret = TAKE_PTR(data);
        *ret_size = size;
        return 0;
}

int state_dir_load(StateDir *dir, const char *name, StateKind kind, size_t size_max, uint8_t **ret_file, StateBody *ret) {
        _cleanup_free_ uint8_t *file = NULL;
        size_t size = 0;
        int r;

        if (dir->fd < 0)
                return -ENOENT;

        r = read_file(dir->fd, name, size_max, &file, &size);
        if (r >= 0)
                r = state_unseal(ret, slice_of(file, size), kind);
        if (r == -EBADMSG)
                state_dir_set_aside(dir, name, "is damaged");
        else if (r == -EPROTONOSUPPORT) {
                state_dir_set_aside(dir, name, "was written by a later version");
                return -EBADMSG;
        } else if (r < 0 && r != -ENOENT)
                log_warning("State file %s/%s cannot be read: %s. Going on without it.", dir->path, name, strerror(-r));
        if (r < 0)
                return r;

        *ret_file = TAKE_PTR(file);
        return 0;
}
