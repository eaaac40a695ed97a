/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The header of the PROXY protocol (versions 1 and 2), which a load balancer may put before the
 * first byte of any protocol. It is no message of its own: it is passed over.
 */
#ifndef SPANPROBE_PROTOCOLS_PREFACE_H
#define SPANPROBE_PROTOCOLS_PREFACE_H

#include <stdbool.h>

#include "base/slice.h"

/* Length of the header that a connection's bytes begin with; 0: none, or *ret_more: not yet whole */
size_t preface__length(struct slice bytes, bool *ret_more);

#endif
