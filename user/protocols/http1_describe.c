// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "http1.h"
#include "span.h"

void http1__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span)
{
	span->kind = exchange->side == ROLE_CLIENT ? SPAN_CLIENT : SPAN_SERVER;
}
