/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "p2pctl/remote.h"

#include <errno.h>

#include "base/text.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME LETTERS "0123456789.-_"

/* A word of these characters that does not begin with a dash. */
static int word_copy(char ret[static REMOTE_TEXT_SIZE], const char *word, size_t size, const char *accepted) {
        if (size == 0 || size >= REMOTE_TEXT_SIZE || word[0] == '-' || strspn(word, accepted) < size)
                return -EINVAL;
        memcpy(ret, word, size);
        ret[size] = 0;
        return 0;
}

/* HOST or HOST:PORT. */
static int host_parse(const char *text, size_t size, char ret_host[static REMOTE_TEXT_SIZE], char *ret_port) {
        const char *end = text + size, *colon = memchr(text, ':', size);
        uint16_t port;

        ret_port[0] = 0;
        if (size > 0 && text[0] == '[') {
                const char *bracket = memchr(text, ']', size);

                if (!bracket || (bracket + 1 < end && bracket[1] != ':') ||
                    word_copy(ret_host, text + 1, (size_t) (bracket - text) - 1, LETTERS "0123456789.:%") < 0)
                        return -EINVAL;
                colon = bracket + 1 < end ? bracket + 1 : NULL;
        } else if (colon && memchr(colon + 1, ':', (size_t) (end - colon) - 1))
                return word_copy(ret_host, text, size, "0123456789abcdefABCDEF.:");
        else if (word_copy(ret_host, text, (size_t) ((colon ?: end) - text), NAME) < 0)
                return -EINVAL;

        if (!colon)
                return 0;
        if ((size_t) (end - colon) > sizeof("65535"))
                return -EINVAL;
        memcpy(ret_port, colon + 1, (size_t) (end - colon) - 1);
        ret_port[end - colon - 1] = 0;
        return parse_port(ret_port, &port);
}

int remote_host_parse(const char *text, RemoteHost *ret) {
        const char *slash = strchr(text, '/'), *at;
        char user[REMOTE_TEXT_SIZE] = "", host[REMOTE_TEXT_SIZE];
        size_t size = slash ? (size_t) (slash - text) : strlen(text);
        RemoteHost remote = {};

        if (slash && word_copy(remote.container, slash + 1, strlen(slash + 1), NAME) < 0)
                return -EINVAL;

        at = memrchr(text, '@', size);
        if (at) {
                if (word_copy(user, text, (size_t) (at - text), NAME "@+") < 0)
                        return -EINVAL;
                size -= (size_t) (at - text) + 1;
                text = at + 1;
        }
        if (host_parse(text, size, host, remote.port) < 0)
                return -EINVAL;
        if (strlen(user) + 1 + strlen(host) >= sizeof(remote.destination))
                return -EINVAL;

        if (at)
                (void) stpcpy(stpcpy(stpcpy(remote.destination, user), "@"), host);
        else
                (void) strcpy(remote.destination, host);
        *ret = remote;
        return 0;
}

int remote_machine_parse(const char *text, RemoteMachine *ret) {
        const char *at = strrchr(text, '@');
        RemoteMachine remote = { .has_user = at };

        if (at) {
                if (at > text && word_copy(remote.user, text, (size_t) (at - text), NAME "@+") < 0)
                        return -EINVAL;
                text = at + 1;
        }
        if (at && isempty(text))
                (void) strcpy(remote.name, ".host");
        else if (word_copy(remote.name, text, strlen(text), NAME) < 0)
                return -EINVAL;

        *ret = remote;
        return 0;
}
