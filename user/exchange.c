// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

/* Enough for what is on its way at 10,000 requests/s and the join's hold; 0.5 MiB. */
static struct pool exchanges = { .size = sizeof(struct exchange), .keep = 512 };

/* Most heads fit here; blocks of one size spare the allocator the merging. */
#define HEAD_BLOCK 512
static struct pool heads = { .size = HEAD_BLOCK, .keep = 1024 };

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
	exchange__drop_head(&exchange->request);
	exchange__drop_head(&exchange->response);
	context__unref(exchange->context);
	process__unref(exchange->process);
	pool__put(&exchanges, exchange);
}

void exchange__drop_head(struct message *message)
{
	if (message->head.n <= HEAD_BLOCK)
		pool__put(&heads, (char *)message->head.p);
	else
		free((char *)message->head.p);
	message->head = slice(NULL, 0);
}

bool exchange__copy_head(struct message *to, const struct message *from)
{
	size_t n = from->head.n;
	char *copy = NULL;

	exchange__drop_head(to);
	*to = *from;
	to->head = slice(NULL, 0);
	if (!n)
		return true;
	copy = n <= HEAD_BLOCK ? pool__get(&heads) : malloc(n);
	if (!copy)
		return false;
	memcpy(copy, from->head.p, n);
	to->head = slice(copy, n);
	return true;
}

static size_t head_memory(const struct message *message)
{
	return message->head.n && message->head.n < HEAD_BLOCK ? HEAD_BLOCK : message->head.n;
}

size_t exchange__memory(const struct exchange *exchange)
{
	return sizeof(*exchange) + head_memory(&exchange->request) +
	       head_memory(&exchange->response) +
	       (exchange->context ? sizeof(*exchange->context) : 0) +
	       (exchange->context && exchange->context->remote ? sizeof(struct remote_context) : 0);
}
