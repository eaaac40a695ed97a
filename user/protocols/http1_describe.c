// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * HTTP spans by the semantic conventions (docs/protocols.md lists what is written). Values come
 * from the peer: each is cut at VALUE_MAX, and the span replaces what is not UTF-8.
 */
#include "http1.h"

#include <stdio.h>

#include "describe.h"
#include "redact.h"
#include "span.h"

#define VALUE_MAX     8192
#define HEADER_VALUES 16 /* fields of one name that are kept */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct slice known_methods[] = {
	SLICE("GET"),	  SLICE("POST"),  SLICE("PUT"),	  SLICE("DELETE"),  SLICE("HEAD"),
	SLICE("OPTIONS"), SLICE("PATCH"), SLICE("TRACE"), SLICE("CONNECT"), SLICE("QUERY"),
};

/* The parts of a request that several attributes are made of. port: 0 when not given. */
struct place {
	struct slice host;
	uint32_t port;
};

struct request {
	const struct message *message;
	const struct http1_facts *facts;
	struct slice method;
	struct slice target;	/* as it came */
	struct slice scheme;	/* of the absolute form, else empty */
	struct slice authority; /* of the absolute or authority form, else empty */
	struct slice path;	/* with query and fragment */
};

static struct slice clip(struct slice s)
{
	size_t n = VALUE_MAX;

	if (s.n <= VALUE_MAX)
		return s;
	while (n > VALUE_MAX - 4 && ((uint8_t)s.p[n] & 0xc0) == 0x80)
		n--; /* not within a character */
	return slice(s.p, n);
}

static struct slice field(const struct request *request, enum http1_field id)
{
	if (!(request->facts->present & 1u << id))
		return slice(NULL, 0);
	return clip(http1__ref(request->message->head, request->facts->field[id]));
}

/* --- hosts ------------------------------------------------------------------------------- */

/* "host", "host:80", "[::1]:80", "::1" (no port), "user@host"; false when there is no host */
static bool split_place(struct slice text, struct place *ret)
{
	const char *at = text.n ? memrchr(text.p, '@', text.n) : NULL;
	struct slice port = { 0 };
	const char *colon;

	if (at)
		text = slice_from(text, (size_t)(at - text.p) + 1);
	ret->host = text;
	ret->port = 0;
	if (text.n && text.p[0] == '[') {
		const char *end = memchr(text.p, ']', text.n);

		if (!end)
			return false;
		ret->host = slice(text.p + 1, (size_t)(end - text.p) - 1);
		port = slice_from(text, (size_t)(end - text.p) + 1);
		if (port.n && port.p[0] != ':')
			return false;
		port = slice_from(port, 1);
	} else if (text.n && (colon = memchr(text.p, ':', text.n)) &&
		   colon == memrchr(text.p, ':', text.n)) {
		ret->host = slice(text.p, (size_t)(colon - text.p));
		port = slice_from(text, ret->host.n + 1);
	}
	for (size_t i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9' || ret->port > 6553) {
			ret->port = 0;
			break;
		}
		ret->port = ret->port * 10 + (uint32_t)(port.p[i] - '0');
	}
	if (ret->port > 65535)
		ret->port = 0;
	return ret->host.n > 0;
}

/*
 * The first value of a parameter in Forwarded (RFC 7239): elements split by ',', pairs by ';',
 * values are tokens or quoted strings. Escapes within quotes do not occur in names and addresses.
 */
static bool forwarded(struct slice value, struct slice name, struct slice *ret)
{
	while (value.n) {
		size_t n = 0;
		bool quoted = false;
		struct slice pair, key;
		const char *equals;

		while (n < value.n && (quoted || (value.p[n] != ',' && value.p[n] != ';')))
			quoted ^= value.p[n++] == '"';
		pair = slice_trim(slice(value.p, n));
		value = slice_from(value, n + 1);
		equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
		if (!equals)
			continue;
		key = slice_trim(slice(pair.p, (size_t)(equals - pair.p)));
		pair = slice_trim(slice_from(pair, (size_t)(equals - pair.p) + 1));
		if (!slice_ieq(key, name))
			continue;
		if (pair.n >= 2 && pair.p[0] == '"' && pair.p[pair.n - 1] == '"')
			pair = slice(pair.p + 1, pair.n - 2);
		*ret = pair;
		return pair.n > 0;
	}
	return false;
}

/* The first element of a list: the proxy nearest to the client wrote it. */
static struct slice first_of_list(struct slice value)
{
	const char *comma = value.n ? memchr(value.p, ',', value.n) : NULL;

	return slice_trim(comma ? slice(value.p, (size_t)(comma - value.p)) : value);
}

/* --- the request target, RFC 9112 section 3.2 ------------------------------------------------ */

static bool is_scheme(struct slice s)
{
	if (!s.n || s.n > 16 || !((s.p[0] | 0x20) >= 'a' && (s.p[0] | 0x20) <= 'z'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z') &&
		    !(s.p[i] >= '0' && s.p[i] <= '9') && !memchr("+-.", s.p[i], 3))
			return false;
	return true;
}

static void split_target(struct request *request)
{
	struct slice target = request->target;
	const char *colon;

	request->path = target;
	if (request->facts->method_id == HTTP1_METHOD_CONNECT) {
		request->authority = target;
		request->path = slice(target.p, 0);
		return;
	}
	if (!target.n || target.p[0] == '/')
		return;
	colon = memchr(target.p, ':', target.n);
	if (!colon || !is_scheme(slice(target.p, (size_t)(colon - target.p))) ||
	    !slice_starts(slice_from(target, (size_t)(colon - target.p)), SLICE("://")))
		return;
	request->scheme = slice(target.p, (size_t)(colon - target.p));
	target = slice_from(target, request->scheme.n + 3);

	size_t n = 0;

	while (n < target.n && target.p[n] != '/' && target.p[n] != '?' && target.p[n] != '#')
		n++;
	request->authority = slice(target.p, n);
	request->path = slice_from(target, n);
}

static void open_request(const struct exchange *exchange, struct request *ret)
{
	static const struct http1_facts none;

	*ret = (struct request){ .message = &exchange->request, .facts = &none };
	if (!exchange->has_request_head)
		return;
	ret->facts = (const struct http1_facts *)exchange->request.facts;
	ret->method = http1__ref(ret->message->head, ret->facts->method);
	ret->target = http1__ref(ret->message->head, ret->facts->target);
	split_target(ret);
}

/* --- attributes -------------------------------------------------------------------------- */

void http1__set_method(struct slice method, const struct describe_opts *opts, struct span *span)
{
	const struct slice *known = opts->known_methods ? opts->known_methods : known_methods;
	size_t count = opts->known_methods ? opts->known_method_count : COUNT(known_methods);

	for (size_t i = 0; i < count; i++) {
		if (!slice_eq(known[i], method))
			continue;
		/* no route is known, so the method is the whole name */
		span->name = span__text(span, method);
		span__set(span, "http.request.method", method);
		return;
	}
	span->name = span__text(span, SLICE("HTTP"));
	span__set(span, "http.request.method", SLICE("_OTHER"));
	if (method.n)
		span__set(span, "http.request.method_original", method);
}

static uint32_t default_port(struct slice scheme)
{
	return slice_ieq(scheme, SLICE("https")) ? 443 : 80;
}

/* The address that the socket itself tells, when no header names the server. */
static struct place socket_place(const struct exchange *exchange, bool peer, char text[110])
{
	const struct conn_tuple *tuple = &exchange->tuple;

	return (struct place){
		.host = slice_of(describe__address(tuple, peer, text)),
		.port = peer ? tuple->peer_port : tuple->local_port,
	};
}

static void set_server(const struct place *server, struct slice scheme, struct span *span)
{
	if (!server->host.n)
		return;
	span__set(span, "server.address", server->host);
	span__set_int(span, "server.port", server->port ? server->port : default_port(scheme));
}

bool http1__set_server(struct slice authority, struct slice scheme, struct span *span)
{
	struct place server;

	if (!split_place(authority, &server))
		return false;
	set_server(&server, scheme, span);
	return true;
}

static void set_client_side(const struct exchange *exchange, const struct request *request,
			    struct redact_keys keys, struct span *span)
{
	struct slice scheme = request->scheme.n ? request->scheme : SLICE("http");
	struct slice host = request->authority.n ? request->authority : field(request, HTTP1_HOST);
	char buf[VALUE_MAX], address[110];
	struct text url = { .p = buf, .room = sizeof(buf) };
	struct place server;

	text__add(&url, scheme);
	text__add(&url, SLICE("://"));
	if (host.n && split_place(host, &server)) {
		redact__authority(&url, host);
	} else {
		char port[8];
		bool v6 = exchange->tuple.family == FAMILY_INET6;

		server = socket_place(exchange, true, address);
		text__add(&url, v6 ? SLICE("[") : slice(NULL, 0));
		text__add(&url, server.host);
		text__add(&url, v6 ? SLICE("]") : slice(NULL, 0));
		snprintf(port, sizeof(port), ":%u", server.port & 0xffff);
		if (server.port && server.port != default_port(scheme))
			text__add(&url, slice_of(port));
	}
	/* the asterisk form asks about the server itself: its URI has no path */
	if (!slice_eq(request->path, SLICE("*")))
		redact__target(&url, request->path, keys);
	if (request->target.n)
		span__set(span, "url.full", clip(slice(url.p, url.n)));
	set_server(&server, scheme, span);
}

/* Scheme and host as the client saw them: what proxies say comes before what arrived here. */
static struct slice server_scheme(const struct request *request)
{
	struct slice scheme;

	if (forwarded(field(request, HTTP1_FORWARDED), SLICE("proto"), &scheme) &&
	    is_scheme(scheme))
		return scheme;
	scheme = first_of_list(field(request, HTTP1_X_FORWARDED_PROTO));
	if (is_scheme(scheme))
		return scheme;
	return request->scheme.n ? request->scheme : SLICE("http");
}

static struct place server_place(const struct exchange *exchange, const struct request *request,
				 char text[110])
{
	struct slice host;
	struct place place;

	if (forwarded(field(request, HTTP1_FORWARDED), SLICE("host"), &host) &&
	    split_place(host, &place))
		return place;
	if (split_place(first_of_list(field(request, HTTP1_X_FORWARDED_HOST)), &place))
		return place;
	/* RFC 9112 section 3.2.2: the absolute form replaces Host */
	host = request->authority.n ? request->authority : field(request, HTTP1_HOST);
	if (split_place(host, &place))
		return place;
	return socket_place(exchange, false, text);
}

static void set_client(const struct exchange *exchange, const struct request *request,
		       struct span *span)
{
	struct slice value;
	struct place client;
	char text[110];

	if (!forwarded(field(request, HTTP1_FORWARDED), SLICE("for"), &value))
		value = first_of_list(field(request, HTTP1_X_FORWARDED_FOR));
	if (!split_place(value, &client) || slice_ieq(client.host, SLICE("unknown")))
		client = socket_place(exchange, true, text);
	if (!client.host.n)
		return;
	span__set(span, "client.address", client.host);
	if (client.port)
		span__set_int(span, "client.port", client.port);
}

static void set_server_side(const struct exchange *exchange, const struct request *request,
			    struct redact_keys keys, struct span *span)
{
	struct slice scheme = server_scheme(request);
	struct slice path = request->path;
	const char *end = path.n ? memchr(path.p, '#', path.n) : NULL;
	char buf[VALUE_MAX], text[110];
	struct text query = { .p = buf, .room = sizeof(buf) };
	struct place server;

	path.n = end ? (size_t)(end - path.p) : path.n;
	end = path.n ? memchr(path.p, '?', path.n) : NULL;
	if (end)
		redact__query(&query, slice_from(path, (size_t)(end - path.p) + 1), keys);
	path.n = end ? (size_t)(end - path.p) : path.n;
	/* an absolute form without path asks for "/", RFC 9112 section 3.2.1 */
	if (!path.n && request->scheme.n)
		path = SLICE("/");
	if (request->target.n) {
		span__set(span, "url.path", clip(path));
		if (query.n)
			span__set(span, "url.query", clip(slice(query.p, query.n)));
	}
	span__set(span, "url.scheme", scheme);
	server = server_place(exchange, request, text);
	set_server(&server, scheme, span);
	set_client(exchange, request, span);
	if (request->facts->present & 1u << HTTP1_USER_AGENT)
		span__set(span, "user_agent.original", field(request, HTTP1_USER_AGENT));
}

static void set_error(struct span *span, struct slice type)
{
	span->status = STATUS_ERROR;
	span__set(span, "error.type", type);
}

/* Status and error.type; the names are the fixed list of docs/protocols.md. */
void http1__set_outcome(const struct exchange *exchange, uint16_t status, struct span *span)
{
	const char *failure;
	char text[8];

	if (status >= 500 || (status >= 400 && span->kind == SPAN_CLIENT)) {
		snprintf(text, sizeof(text), "%u", status);
		set_error(span, slice_of(text));
		return;
	}
	failure = describe__failure(exchange);
	if (failure)
		set_error(span, slice_of(failure));
}

static void set_headers(const struct message *message, const char *prefix,
			const struct slice *names, uint32_t count, struct span *span)
{
	struct slice values[HEADER_VALUES];
	char key[160];

	for (uint32_t i = 0; i < count; i++) {
		int n = snprintf(key, sizeof(key), "%s%.*s", prefix, (int)names[i].n, names[i].p);
		uint32_t found = 0;

		while (found < HEADER_VALUES &&
		       http1_head__header(message, names[i], found, &values[found])) {
			values[found] = clip(values[found]);
			found++;
		}
		if (found && n > 0 && (size_t)n < sizeof(key))
			span__set_list(span, slice(key, (size_t)n), values, found);
	}
}

void http1__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span)
{
	const struct http1_facts *response = (const struct http1_facts *)exchange->response.facts;
	struct redact_keys keys = { opts->sensitive_keys, opts->sensitive_key_count };
	uint16_t status = exchange->has_response_head ? response->status : 0;
	char version[4] = "1.x";
	struct request request;

	open_request(exchange, &request);
	span->kind = exchange->side == ROLE_CLIENT ? SPAN_CLIENT : SPAN_SERVER;
	http1__set_method(request.method, opts, span);
	if (span->kind == SPAN_CLIENT)
		set_client_side(exchange, &request, keys, span);
	else
		set_server_side(exchange, &request, keys, span);
	if (status)
		span__set_int(span, "http.response.status_code", status);
	http1__set_outcome(exchange, status, span);
	if (exchange->has_request_head || status) {
		uint8_t minor = exchange->has_request_head ? request.facts->minor : response->minor;

		version[2] = (char)('0' + minor);
		span__set(span, "network.protocol.version", slice(version, 3));
	}
	describe__network(exchange, span);
	/* no size rather than a part of it */
	if (exchange->has_request_head && !(exchange->request.flags & MESSAGE_INCOMPLETE))
		span__set_int(span, "http.request.body.size",
			      (int64_t)exchange->request.body_bytes);
	if (status && !(exchange->response.flags & MESSAGE_INCOMPLETE))
		span__set_int(span, "http.response.body.size",
			      (int64_t)exchange->response.body_bytes);
	if ((exchange->flags | exchange->request.flags | exchange->response.flags) &
	    MESSAGE_SMUGGLING)
		span__set_bool(span, "spanprobe.http.conflicting_length", true);
	if (exchange->has_request_head)
		set_headers(&exchange->request, "http.request.header.", opts->request_headers,
			    opts->request_header_count, span);
	if (status)
		set_headers(&exchange->response, "http.response.header.", opts->response_headers,
			    opts->response_header_count, span);
}
