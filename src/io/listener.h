/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A listening TCP socket. When no more file descriptors are to be had it rests for LISTENER_REST_USEC, instead of being woken
 * again and again by a connection that it cannot take; callers wait in the kernel meanwhile.
 */

#include <systemd/sd-event.h>

#include "base/address.h"
#include "base/usec.h"

#define LISTENER_REST_USEC USEC_PER_SEC

typedef struct Listener Listener;

/* @fd is the callee's. */
typedef void (*ListenerAccepted)(void *userdata, int fd, const Address *remote);
/* It rests because of @error, such as -EMFILE. */
typedef void (*ListenerResting)(void *userdata, int error);

typedef struct ListenerHandlers {
        ListenerAccepted accepted;
        ListenerResting resting;
} ListenerHandlers;

/**
 * listener_new() - listen on an address
 * @address:    a host's own, though it may have it later only, or a wildcard; an IPv6 one takes IPv6 callers only; with
 *              port 0 the kernel chooses one
 * @handlers:   static
 *
 * Return: 0; -EADDRINUSE, -EACCES, -EAFNOSUPPORT and others of socket(), bind() and listen().
 */
int listener_new(Listener **ret, sd_event *event, const Address *address, const ListenerHandlers *handlers, void *userdata);
Listener *listener_free(Listener *listener);
DEFINE_CLEANUP(Listener *, listener_free)

/* With the port that the kernel chose. */
const Address *listener_address(const Listener *listener);
