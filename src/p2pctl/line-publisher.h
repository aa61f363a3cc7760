/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lines of standard input as messages, through the socket of OpenPublisher(). A line goes as soon as it is whole; while the
 * peer's links take nothing more nothing is read, so whoever writes the lines waits, too.
 */

#include "p2pctl/ctl.h"

/**
 * publish_lines() - publish until the input ends, or SIGINT or SIGTERM comes
 * @topic:      a valid one
 * @ret_n:      how many messages the peer has accepted, whatever is returned
 *
 * Each line without its end is a payload; what is behind the last line end is one as well, if there is anything.
 *
 * Return: 0, a negative errno, or an ExitStatus that has been reported: EXIT_PARTIAL after some were accepted.
 */
int publish_lines(Ctl *ctl, const Instance *instance, const char *topic, uint64_t *ret_n);
