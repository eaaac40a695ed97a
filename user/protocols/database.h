/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What database units share when they describe a span. */
#ifndef SPANPROBE_DATABASE_H
#define SPANPROBE_DATABASE_H

#include "describe.h"

/* Kind and db.system.name */
void database__begin(const struct exchange *exchange, struct slice system, struct span *span);
/* server.address, server.port unless it is the system's default one, network.peer.* */
void database__ends(const struct exchange *exchange, uint16_t default_port, struct span *span);
/* Status, db.response.status_code and error.type. code: the server's error, empty: it told none. */
void database__outcome(const struct exchange *exchange, struct slice code, struct span *span);

#endif
