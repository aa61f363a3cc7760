/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What -H and -M may say, taken apart. */

#include "base/macro.h"

#define REMOTE_TEXT_SIZE 256U

/* [USER@]HOST[:PORT][/CONTAINER], as systemctl -H takes it; an IPv6 address with or without brackets, but a port only with. */
typedef struct RemoteHost {
        char destination[REMOTE_TEXT_SIZE];     /* [USER@]HOST, for ssh */
        char port[sizeof("65535")];             /* "": ssh knows */
        char container[REMOTE_TEXT_SIZE];       /* "": none */
} RemoteHost;

/**
 * remote_host_parse() - take apart what -H says
 *
 * Nothing that is accepted can be taken for an option by ssh, or be more than one word for the shell at the other end.
 *
 * Return: 0, -EINVAL.
 */
int remote_host_parse(const char *text, RemoteHost *ret);

/* [USER@]CONTAINER. */
typedef struct RemoteMachine {
        bool has_user;                          /* there is an "@"; the user before it may be empty, then it is the caller */
        char user[REMOTE_TEXT_SIZE];
        char name[REMOTE_TEXT_SIZE];            /* ".host" is this host, and what an empty one becomes */
} RemoteMachine;

/* Return: 0, -EINVAL. */
int remote_machine_parse(const char *text, RemoteMachine *ret);
