/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>

#include "p2pctl/ctl.h"

/* The instances that have configuration files of their own, as the keys of an object. Return: 0, -ENOMEM. */
int config_instances(const Ctl *ctl, json_t **ret);
