// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A FastCGI exchange is an HTTP request that came by another way: the conventions of HTTP hold, and
 * network.protocol.name says how it came (docs/protocols.md).
 */
#include <stdio.h>

#include "describe.h"
#include "fastcgi.h"
#include "http1.h"
#include "redact.h"
#include "span.h"

#define VALUE_MAX 8192

static struct slice param(const struct exchange *exchange, enum fastcgi_param id)
{
	const struct fastcgi_facts *facts = (const void *)exchange->request.facts;
	struct slice head = exchange->request.head;

	if (!exchange->has_request_head || facts->at[id] + (size_t)facts->n[id] > head.n)
		return slice(NULL, 0);
	return slice(head.p + facts->at[id], facts->n[id] < VALUE_MAX ? facts->n[id] : VALUE_MAX);
}

static struct slice first(const struct exchange *exchange, enum fastcgi_param id,
			  enum fastcgi_param otherwise)
{
	struct slice value = param(exchange, id);

	return value.n ? value : param(exchange, otherwise);
}

static struct slice scheme(const struct exchange *exchange)
{
	struct slice said = param(exchange, FASTCGI_SCHEME), https = param(exchange, FASTCGI_HTTPS);

	if (said.n)
		return said;
	return https.n && !slice_ieq(https, SLICE("off")) ? SLICE("https") : SLICE("http");
}

static bool number(struct slice text, int64_t *ret)
{
	int64_t value = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || value > 65535)
			return false;
		value = value * 10 + (text.p[i] - '0');
	}
	*ret = value;
	return text.n && value && value <= 65535;
}

static void set_port(struct span *span, const char *key, struct slice text)
{
	int64_t port;

	if (number(text, &port))
		span__set_int(span, key, port);
}

/* As the client of the web server named it; else the socket. */
static void set_server(const struct exchange *exchange, bool peer, struct span *span)
{
	uint16_t port = peer ? exchange->tuple.peer_port : exchange->tuple.local_port;
	char address[110];

	if (!http1__set_server(first(exchange, FASTCGI_HOST, FASTCGI_SERVER), scheme(exchange),
			       span)) {
		span__set(span, "server.address",
			  slice_of(describe__address(&exchange->tuple, peer, address)));
		if (port)
			span__set_int(span, "server.port", port);
		return;
	}
	set_port(span, "server.port", param(exchange, FASTCGI_PORT));
}

static void set_server_side(const struct exchange *exchange, struct redact_keys keys,
			    struct span *span)
{
	struct slice uri = first(exchange, FASTCGI_URI, FASTCGI_SCRIPT);
	struct slice query = param(exchange, FASTCGI_QUERY);
	const char *mark = uri.n ? memchr(uri.p, '?', uri.n) : NULL;
	char buf[VALUE_MAX];
	struct text text = { .p = buf, .room = sizeof(buf) };

	if (mark) {
		query = slice_from(uri, (size_t)(mark - uri.p) + 1);
		uri.n = (size_t)(mark - uri.p);
	}
	if (uri.n)
		span__set(span, "url.path", uri);
	if (query.n) {
		redact__query(&text, query, keys);
		span__set(span, "url.query", slice(text.p, text.n));
	}
	span__set(span, "url.scheme", scheme(exchange));
	if (param(exchange, FASTCGI_CLIENT).n)
		span__set(span, "client.address", param(exchange, FASTCGI_CLIENT));
	set_port(span, "client.port", param(exchange, FASTCGI_CLIENT_PORT));
	if (param(exchange, FASTCGI_AGENT).n)
		span__set(span, "user_agent.original", param(exchange, FASTCGI_AGENT));
	set_server(exchange, false, span);
}

static void set_client_side(const struct exchange *exchange, struct redact_keys keys,
			    struct span *span)
{
	struct slice host = first(exchange, FASTCGI_HOST, FASTCGI_SERVER);
	char buf[VALUE_MAX];
	struct text url = { .p = buf, .room = sizeof(buf) };

	if (host.n) {
		text__add(&url, scheme(exchange));
		text__add(&url, SLICE("://"));
		redact__authority(&url, host);
		redact__target(&url, first(exchange, FASTCGI_URI, FASTCGI_SCRIPT), keys);
		span__set(span, "url.full", slice(url.p, url.n));
	}
	set_server(exchange, true, span);
}

void fastcgi__describe(const struct exchange *exchange, const struct describe_opts *opts,
		       struct span *span)
{
	const struct fastcgi_facts *response = (const void *)exchange->response.facts;
	struct redact_keys keys = { opts->sensitive_keys, opts->sensitive_key_count };
	uint16_t status = exchange->has_response_head ? response->status : 0;

	span->kind = exchange->side == ROLE_CLIENT ? SPAN_CLIENT : SPAN_SERVER;
	http1__set_method(param(exchange, FASTCGI_METHOD), opts, span);
	if (span->kind == SPAN_CLIENT)
		set_client_side(exchange, keys, span);
	else
		set_server_side(exchange, keys, span);
	if (status)
		span__set_int(span, "http.response.status_code", status);
	http1__set_outcome(exchange, status, span);
	span__set(span, "network.protocol.name", SLICE("fastcgi"));
	describe__network(exchange, span);
	if (exchange->has_request_head && !(exchange->request.flags & MESSAGE_INCOMPLETE))
		span__set_int(span, "http.request.body.size",
			      (int64_t)exchange->request.body_bytes);
	if (status && !(exchange->response.flags & MESSAGE_INCOMPLETE))
		span__set_int(span, "http.response.body.size",
			      (int64_t)exchange->response.body_bytes);
}
