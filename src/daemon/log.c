/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define SD_JOURNAL_SUPPRESS_LOCATION

#include "daemon/log.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SENTENCE_SIZE 2048U
#define FIELD_SIZE 512U         /* with the name; what a remote sent, a seed's name or a path is cut there */
#define FIELDS_MAX 16U
#define FLUSH_MSEC 1000U        /* a journal that hangs longer does not keep us */

static struct {
        const char *program;
        char node_id[NODE_ID_TEXT_SIZE];
        int level;
        bool to_journal;
        int queue_fd;           /* connected to the journal, only to be asked about its queue */
        unsigned n_dropped;     /* lines that it did not take */
        unsigned n_errors;
        char first_error[SENTENCE_SIZE];
} logging = { .program = "p2pnet", .level = LOG_INFO, .queue_fd = -EBADF };

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert", [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

const char *log_level_to_string(int level) {
        assert(level >= 0 && (size_t) level < ELEMENTSOF(level_names));
        return level_names[level];
}

int log_level_from_string(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (streq(level_names[i], text))
                        return (int) i;
        return -EINVAL;
}

/* The service manager puts device and inode of the journal's stream into $JOURNAL_STREAM: somebody may have redirected
 * standard error since, and then means it. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        uintmax_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) >= 0 &&
               st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program) {
        logging.program = program;
        logging.to_journal = stderr_is_journal();
}

void log_set_node_id(const char *id) {
        (void) snprintf(logging.node_id, sizeof(logging.node_id), "%s", id);
}

void log_set_level(int level) {
        logging.level = level;
}

int log_level(void) {
        return logging.level;
}

const char *log_target(void) {
        return logging.to_journal ? "journal" : "console";
}

int log_set_target(const char *target) {
        if (streq(target, "auto"))
                logging.to_journal = stderr_is_journal();
        else if (streq(target, "console"))
                logging.to_journal = false;
        else if (!streq(target, "journal"))
                return -EINVAL;
        else if (access(JOURNAL_SOCKET, W_OK) < 0)
                return -ENOENT;
        else
                logging.to_journal = true;
        return 0;
}

const char *log_first_error(void) {
        return logging.n_errors > 0 ? logging.first_error : NULL;
}

unsigned log_n_errors(void) {
        return logging.n_errors;
}

void log_forget_errors(void) {
        logging.n_errors = 0;
}

const char *log_program(void) {
        return logging.program;
}

typedef struct Fields {
        char text[FIELDS_MAX][FIELD_SIZE];
        struct iovec iov[FIELDS_MAX];
        size_t n;
} Fields;

static void fields_add(Fields *fields, const char *format, ...) _printf_(2, 3);
static void fields_add(Fields *fields, const char *format, ...) {
        va_list ap;
        int n;

        assert(fields->n < FIELDS_MAX);

        va_start(ap, format);
        n = vsnprintf(fields->text[fields->n], FIELD_SIZE, format, ap);
        va_end(ap);
        if (n < 0)
                return;

        fields->iov[fields->n] = (struct iovec) {
                .iov_base = fields->text[fields->n],
                .iov_len = MIN((size_t) n, (size_t) FIELD_SIZE - 1),
        };
        fields->n++;
}

static void fields_add_fact(Fields *fields, const char *name, const char *value) {
        if (!isempty(value))
                fields_add(fields, "%s=%s", name, value);
}

/* Return: false when nobody can tell about the journal's queue. */
static bool journal_queue_open(void) {
        static const union {
                struct sockaddr any;
                struct sockaddr_un un;
        } address = { .un = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET } };
        int fd;

        if (logging.queue_fd >= 0)
                return true;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return false;
        if (connect(fd, &address.any, sizeof(address.un)) < 0) {
                (void) close(fd);
                return false;
        }
        logging.queue_fd = fd;
        return true;
}

/*
 * sd_journal_sendv() waits for a journal that hangs, and with it would the daemon, until others take it for dead. A socket
 * of our own tells whether the queue of the journal's is full.
 */
static bool journal_has_room(int timeout_msec) {
        struct pollfd queue = { .events = POLLOUT };

        if (!journal_queue_open())
                return true;
        queue.fd = logging.queue_fd;
        return poll(&queue, 1, timeout_msec) != 0;
}

void log_flush(void) {
        static const struct timespec msec = { .tv_nsec = 1000000 };
        int n = 0;

        if (!logging.to_journal || !journal_queue_open() || !journal_has_room(FLUSH_MSEC))
                return;

        /* The journal drops an empty datagram, and takes it after all that was sent before. */
        if (send(logging.queue_fd, "", 0, MSG_NOSIGNAL) < 0)
                return;
        for (unsigned i = 0; i < FLUSH_MSEC && ioctl(logging.queue_fd, SIOCOUTQ, &n) >= 0 && n > 0; i++)
                (void) nanosleep(&msec, NULL);
}

static bool send_to_journal(int level, const LogFacts *facts, const char *file, int line, const char *function,
                            char *sentence) {
        Fields fields = {};

        /* sd_journal_sendv() reports success when nobody listens. */
        if (access(JOURNAL_SOCKET, W_OK) < 0)
                return false;

        fields.iov[fields.n++] = (struct iovec) { .iov_base = sentence, .iov_len = strlen(sentence) };
        fields_add(&fields, "PRIORITY=%d", level);
        fields_add(&fields, "SYSLOG_FACILITY=%d", LOG_DAEMON >> 3);
        fields_add(&fields, "SYSLOG_IDENTIFIER=%s", logging.program);
        fields_add(&fields, "CODE_FILE=%s", file);
        fields_add(&fields, "CODE_LINE=%d", line);
        fields_add(&fields, "CODE_FUNC=%s", function);
        fields_add_fact(&fields, "NODE_ID", logging.node_id);
        if (facts) {
                fields_add_fact(&fields, "MESSAGE_ID", facts->message_id);
                fields_add_fact(&fields, "PEER_ID", facts->peer_id);
                fields_add_fact(&fields, "PEER_ADDRESS", facts->peer_address);
                fields_add_fact(&fields, "SEED", facts->seed);
                fields_add_fact(&fields, "FILE", facts->file);
                fields_add_fact(&fields, "REASON", facts->reason);
                fields_add_fact(&fields, "GOSSIP_ID", facts->gossip_id);
                fields_add_fact(&fields, "GOSSIP_TOPIC", facts->gossip_topic);
        }

        return sd_journal_sendv(fields.iov, (int) fields.n) >= 0;
}

/* Return: false when there is no journal. */
static bool write_to_journal(int level, const LogFacts *facts, const char *file, int line, const char *function,
                             char *sentence) {
        char dropped[128];

        if (!journal_has_room(0)) {
                logging.n_dropped++;
                return true;
        }

        if (logging.n_dropped > 0) {
                (void) snprintf(dropped, sizeof(dropped),
                                "MESSAGE=%u line%s before this one could not be written: the journal did not take %s.",
                                logging.n_dropped, logging.n_dropped == 1 ? "" : "s", logging.n_dropped == 1 ? "it" : "them");
                logging.n_dropped = 0;
                (void) send_to_journal(LOG_WARNING, NULL, __FILE__, __LINE__, __func__, dropped);
        }
        return send_to_journal(level, facts, file, line, function, sentence);
}

void log_write(int level, const LogFacts *facts, const char *file, int line, const char *function, const char *format, ...) {
        char message[sizeof("MESSAGE=") + SENTENCE_SIZE] = "MESSAGE=";
        char *sentence = message + strlen("MESSAGE=");
        int saved_errno = errno;
        va_list ap;

        if (level > logging.level && level > LOG_ERR)
                return;

        va_start(ap, format);
        errno = saved_errno;
        (void) vsnprintf(sentence, SENTENCE_SIZE, format, ap);
        va_end(ap);

        if (level <= LOG_ERR && logging.n_errors++ == 0)
                memcpy(logging.first_error, sentence, strlen(sentence) + 1);
        if (level > logging.level)
                return;

        if (!logging.to_journal || !write_to_journal(level, facts, file, line, function, message))
                (void) fprintf(stderr, "%s[%d]: %s\n", logging.program, (int) getpid(), sentence);
        errno = saved_errno;
}
