// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Every protocol that is understood. A new one: one unit, one line here, one row in the docs. */
#include "protocol.h"

const struct protocol *const protocols[] = {
	&http1_protocol, &redis_protocol, &fastcgi_protocol, &postgresql_protocol, NULL,
};
