// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "describe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "resource.h"

#define FLAG_SAMPLED 0x01

struct describe {
	struct describe_stage_opts opts;
	struct span_sink next;
	int64_t wall_offset_ns;
};

struct describe *describe__new(const struct describe_stage_opts *opts, struct span_sink next)
{
	struct describe *describe = calloc(1, sizeof(*describe));

	if (!describe)
		return NULL;
	describe->opts = *opts;
	describe->next = next;
	return describe;
}

void describe__free(struct describe *describe)
{
	free(describe);
}

void describe__set_wall_offset(struct describe *describe, int64_t offset_ns)
{
	describe->wall_offset_ns = offset_ns;
}

const char *describe__errno(uint32_t error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
#define NAME(e) { e, #e }
		NAME(ECONNREFUSED), NAME(ECONNRESET),	NAME(ECONNABORTED),  NAME(ETIMEDOUT),
		NAME(EPIPE),	    NAME(EHOSTUNREACH), NAME(ENETUNREACH),   NAME(EHOSTDOWN),
		NAME(ENETDOWN),	    NAME(ENETRESET),	NAME(EADDRNOTAVAIL), NAME(EADDRINUSE),
		NAME(EACCES),	    NAME(EPERM),	NAME(ENOENT),	     NAME(ENOTCONN),
		NAME(EPROTO),	    NAME(ENOBUFS),	NAME(ENOMEM),	     NAME(EAGAIN),
#undef NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((uint32_t)names[i].error == error)
			return names[i].name;
	return "_OTHER";
}

const char *describe__failure(const struct exchange *exchange)
{
	if (exchange->error)
		return describe__errno(exchange->error);
	if (exchange->has_response && !(exchange->response.flags & MESSAGE_CUT))
		return NULL;
	if (exchange->peer_closed)
		return "connection_closed";
	/* when bytes were lost, or the agent stopped looking, nobody knows */
	if (exchange->flags & MESSAGE_INCOMPLETE)
		return NULL;
	return exchange->has_response ? "response_incomplete" : "no_response";
}

/* inet_ntop() goes through printf, which was a fifth of what a span costs to describe. */
static void format_ipv4(const uint8_t address[4], char *text)
{
	for (int i = 0; i < 4; i++) {
		unsigned int byte = address[i];

		if (i)
			*text++ = '.';
		if (byte >= 100)
			*text++ = (char)('0' + byte / 100);
		if (byte >= 10)
			*text++ = (char)('0' + byte / 10 % 10);
		*text++ = (char)('0' + byte % 10);
	}
	*text = 0;
}

const char *describe__address(const struct conn_tuple *tuple, bool peer, char text[110])
{
	const uint8_t *address = peer ? tuple->peer_addr : tuple->local_addr;

	text[0] = 0;
	/* The path of a Unix socket is not part of the tuple. */
	if (tuple->family == FAMILY_INET)
		format_ipv4(address, text);
	else if (tuple->family == FAMILY_INET6)
		inet_ntop(AF_INET6, address, text, 110);
	return text;
}

void describe__network(const struct exchange *exchange, struct span *span)
{
	char text[110];
	struct slice address = slice_of(describe__address(&exchange->tuple, true, text));

	if (!address.n)
		return;
	span__set(span, "network.peer.address", address);
	if (exchange->tuple.peer_port)
		span__set_int(span, "network.peer.port", exchange->tuple.peer_port);
}

/* A connect that failed: nothing is known but where it was to go. */
static void describe_connect(const struct exchange *exchange, struct span *span)
{
	const struct conn_tuple *tuple = &exchange->tuple;
	const char *error = exchange->error ? describe__errno(exchange->error) : "_OTHER";
	char text[110];
	struct slice address = slice_of(describe__address(tuple, true, text));

	span->kind = SPAN_CLIENT;
	span->name = span__text(span, SLICE("socket connect"));
	span->status = STATUS_ERROR;
	if (address.n) {
		span__set(span, "server.address", address);
		span__set_int(span, "server.port", tuple->peer_port);
	}
	span__set(span, "error.type", slice_of(error));
	describe__network(exchange, span);
	span__set(span, "network.transport",
		  tuple->family == FAMILY_UNIX ? SLICE("unix") : SLICE("tcp"));
	if (tuple->family != FAMILY_UNIX)
		span__set(span, "network.type",
			  tuple->family == FAMILY_INET6 ? SLICE("ipv6") : SLICE("ipv4"));
}

static void set_identity(const struct context *context, struct span *span)
{
	const struct remote_context *origin = context__origin(context);

	memcpy(span->trace_id, context->trace_id, sizeof(span->trace_id));
	memcpy(span->span_id, context->span_id, sizeof(span->span_id));
	/* what is exported is sampled, whatever the sampler's reason */
	span->trace_flags = context->origin_flags | FLAG_SAMPLED;
	if (context->parent) {
		span->has_parent = true;
		memcpy(span->parent_id, context->parent->span_id, sizeof(span->parent_id));
	} else if (context->parent_is_remote && context->remote) {
		span->has_parent = span->remote_parent = true;
		memcpy(span->parent_id, context->remote->span_id, sizeof(span->parent_id));
	}
	/* the trace's state is every span's, however many local ones lie between */
	if (origin && origin->trace_state_len)
		span->trace_state =
			span__text(span, slice(origin->trace_state, origin->trace_state_len));

	span__set(span, "spanprobe.parent.by", slice_of(parent_by__name(context->by)));
	if (context->by == PARENT_BY_NONE)
		span__set(span, "spanprobe.root.why", slice_of(root_why__name(context->why)));
}

/* A recording may give any offset. */
static uint64_t wall_time(const struct describe *describe, uint64_t ns)
{
	int64_t wall;

	if (__builtin_add_overflow((int64_t)ns, describe->wall_offset_ns, &wall))
		return describe->wall_offset_ns < 0 ? 0 : INT64_MAX;
	return wall < 0 ? 0 : (uint64_t)wall;
}

/* end > start, also when a stamp is missing or late */
static void set_times(const struct describe *describe, const struct exchange *exchange,
		      struct span *span)
{
	uint64_t start = exchange->request.first.ns;
	uint64_t end = exchange->end_ns;

	if (!end)
		end = exchange->has_response ? exchange->response.last.ns :
					       exchange->request.last.ns;
	if (!start)
		start = exchange->has_response ? exchange->response.first.ns : end;
	span->start_ns = wall_time(describe, start);
	span->end_ns = wall_time(describe, end);
	if (span->end_ns <= span->start_ns)
		span->end_ns = span->start_ns + 1;
}

void describe__push(struct describe *describe, struct exchange *exchange, enum exchange_step step)
{
	struct resource *resource = describe->opts.fallback;
	struct span *span;

	if (step != EXCHANGE_DONE)
		return;
	if (exchange->process && exchange->process->resource)
		resource = exchange->process->resource;
	span = exchange->context ? span__new(resource) : NULL;
	if (!span) {
		describe->opts.stats->lost[LOSS_NO_MEMORY]++;
		exchange__free(exchange);
		return;
	}
	if (exchange->protocol)
		exchange->protocol->describe(exchange, &describe->opts.describe, span);
	else
		describe_connect(exchange, span);
	set_identity(exchange->context, span);
	set_times(describe, exchange, span);
	if (exchange->flags & MESSAGE_INCOMPLETE)
		span__set_bool(span, "spanprobe.incomplete", true);
	describe->opts.stats->spans_made++;
	describe->opts.stats->lost[LOSS_ATTRIBUTE_LIMIT] += span->attr_dropped;
	context__forget_parent(exchange->context);
	exchange__free(exchange);
	describe->next.push(describe->next.ctx, span);
	span__unref(span);
}
