/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The functions behind the verbs, by file. @arguments are those behind the verb, their number within the bounds of
 * the table. */

#include "p2pctl/ctl.h"

typedef int VerbFunction(Ctl *ctl, size_t n_arguments, char **arguments);

/* ctl-status.c */
VerbFunction verb_status;
/* ctl-statistics.c */
VerbFunction verb_statistics;
/* ctl-online.c */
VerbFunction verb_is_online, verb_wait_online;
/* ctl-peers.c */
VerbFunction verb_peers, verb_seeds;
/* ctl-topics.c */
VerbFunction verb_topics;
/* ctl-topology.c */
VerbFunction verb_topology;
/* ctl-show.c */
VerbFunction verb_show;
/* ctl-monitor.c */
VerbFunction verb_monitor;
/* ctl-publish.c, ctl-subscribe.c */
VerbFunction verb_publish, verb_subscribe;
/* ctl-manage.c */
VerbFunction verb_ping, verb_connect, verb_disconnect, verb_reload, verb_log_level;
/* ctl-spawn.c */
VerbFunction verb_spawn_seeds;
/* ctl-config.c */
VerbFunction verb_config;
/* ctl-complete.c */
VerbFunction verb_complete;
/* ctl-help.c */
VerbFunction verb_help, verb_version;
