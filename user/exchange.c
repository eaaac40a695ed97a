// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

/* Enough for what is on its way at 10,000 requests/s and the join's hold; 0.5 MiB. */
static struct pool exchanges = { .size = sizeof(struct exchange), .keep = 512 };

struct exchange *exchange__new(void)
{
	struct exchange *exchange = pool__get(&exchanges);

	if (exchange)
		memset(exchange, 0, sizeof(*exchange));
	return exchange;
}

void exchange__free(struct exchange *exchange)
{
	if (!exchange)
		return;
	free((char *)exchange->request.head.p);
	free((char *)exchange->response.head.p);
	context__unref(exchange->context);
	process__unref(exchange->process);
	pool__put(&exchanges, exchange);
}

bool exchange__copy_head(struct message *to, const struct message *from)
{
	char *old = (char *)to->head.p;
	char *copy = from->head.n ? malloc(from->head.n) : NULL;

	*to = *from;
	to->head = slice(NULL, 0);
	free(old);
	if (!from->head.n)
		return true;
	if (!copy)
		return false;
	memcpy(copy, from->head.p, from->head.n);
	to->head = slice(copy, from->head.n);
	return true;
}

size_t exchange__memory(const struct exchange *exchange)
{
	return sizeof(*exchange) + exchange->request.head.n + exchange->response.head.n +
	       (exchange->context ? sizeof(*exchange->context) : 0) +
	       (exchange->context && exchange->context->remote ? sizeof(struct remote_context) : 0);
}
