// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "database.h"

void database__begin(const struct exchange *exchange, struct slice system, struct span *span)
{
	span->kind = exchange->side == ROLE_CLIENT ? SPAN_CLIENT : SPAN_SERVER;
	span__set(span, "db.system.name", system);
}

void database__ends(const struct exchange *exchange, uint16_t default_port, struct span *span)
{
	const struct conn_tuple *tuple = &exchange->tuple;
	bool client = exchange->side == ROLE_CLIENT;
	uint16_t port = client ? tuple->peer_port : tuple->local_port;
	char text[110];
	struct slice address = slice_of(describe__address(tuple, client, text));

	if (address.n) {
		span__set(span, "server.address", address);
		if (port && port != default_port)
			span__set_int(span, "server.port", port);
	}
	describe__network(exchange, span);
}

void database__outcome(const struct exchange *exchange, struct slice code, struct span *span)
{
	struct slice error = code;

	if (code.n)
		span__set(span, "db.response.status_code", code);
	else
		error = slice_of(describe__failure(exchange));
	if (!error.n)
		return;
	span->status = STATUS_ERROR;
	span__set(span, "error.type", error);
}
