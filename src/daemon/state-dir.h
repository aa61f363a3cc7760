/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The directory of one instance, /var/lib/p2pnet/peer-6001. Nothing in it is needed to run: what cannot be read or written
 * is said once, and the daemon lives without it. A directory that could not be opened stays unused until the next start:
 * what it holds may be worth more than what we would write. Files are replaced whole: written beside, synced, renamed.
 */

#include "daemon/state-format.h"

typedef struct StateDir StateDir;

/**
 * state_dir_open() - make, open and lock the directory
 *
 * Return: 0, also when it cannot be used, after a sentence in the log; -EWOULDBLOCK when another daemon holds the lock; -ENOMEM.
 */
int state_dir_open(StateDir **ret, const char *path);
StateDir *state_dir_close(StateDir *dir);
DEFINE_CLEANUP(StateDir *, state_dir_close)

/* Return: 0, or why not; the log has been told when this is news. */
int state_dir_write(StateDir *dir, const char *name, const uint8_t *data, size_t size);

/* Return: 0, also when there is no such file, or why not; the log has been told when this is news. */
int state_dir_remove(StateDir *dir, const char *name);

/**
 * state_dir_load() - read a file that state_seal() sealed
 * @size_max:   a larger one is damaged
 * @ret_file:   the caller's memory, from which @ret borrows
 *
 * Return: 0; -ENOENT when there is none; -EBADMSG when it was damaged, and has been set aside with a sentence; another error
 * after a sentence.
 */
int state_dir_load(StateDir *dir, const char *name, StateKind kind, size_t size_max, uint8_t **ret_file, StateBody *ret);

/* True when the file is there, and another user's who keeps us from reading it. */
bool state_dir_is_denied(const StateDir *dir, const char *name);

/* What is written is lost, and why: "/var/lib/p2pnet/peer-6001: No space left on device"; NULL when all is well. */
const char *state_dir_trouble(const StateDir *dir);

/* Renames a file that is not ours to NAME.SUFFIX. Return: 0, or an error that has been said. */
int state_dir_keep(StateDir *dir, const char *name, const char *suffix);

/* Renames a file that turned out to be damaged to NAME.damaged, where the last of them stays, and says so. */
void state_dir_set_aside(StateDir *dir, const char *name, const char *reason);
