// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * TCP: addresses, ports and the sequence number of the request's first byte are the same at both
 * ends, also on a connection that is older than the agent, and after 2^32 initial numbers no two
 * connections with one tuple share them. Unix sockets have no numbers: there it is the two socks
 * and the position, which only count from the same place when the connection is younger than the
 * agent.
 */
#include "join/connection.h"

#include <string.h>

static bool is_loopback(const struct conn_tuple *tuple)
{
	static const uint8_t six[16] = { [15] = 1 };

	if (tuple->family == FAMILY_INET)
		return tuple->local_addr[0] == 127 || tuple->peer_addr[0] == 127;
	return memcmp(tuple->local_addr, six, sizeof(six)) == 0 ||
	       memcmp(tuple->peer_addr, six, sizeof(six)) == 0;
}

static bool unix_key(const struct exchange *exchange, struct join_key *ret)
{
	const struct conn_tuple *tuple = &exchange->tuple;
	bool client = exchange->side == ROLE_CLIENT;
	uint64_t client_sock = client ? tuple->sock : tuple->peer_sock;
	uint64_t server_sock = client ? tuple->peer_sock : tuple->sock;

	if ((tuple->flags & CONN_MIDSTREAM) || !client_sock || !server_sock)
		return false;
	memcpy(ret->client, &client_sock, sizeof(client_sock));
	memcpy(ret->server, &server_sock, sizeof(server_sock));
	ret->position = exchange->request.position;
	return true;
}

bool join_key__of(const struct exchange *exchange, struct join_key *ret)
{
	const struct conn_tuple *tuple = &exchange->tuple;
	bool client = exchange->side == ROLE_CLIENT;

	memset(ret, 0, sizeof(*ret));
	ret->family = tuple->family;
	if (!exchange->protocol)
		return false;
	if (tuple->family == FAMILY_UNIX)
		return unix_key(exchange, ret);
	if (!tuple->local_port || !tuple->peer_port)
		return false;
	if (is_loopback(tuple))
		ret->netns = tuple->netns_cookie;
	memcpy(client ? ret->client : ret->server, tuple->local_addr, sizeof(ret->client));
	memcpy(client ? ret->server : ret->client, tuple->peer_addr, sizeof(ret->client));
	ret->client_port = client ? tuple->local_port : tuple->peer_port;
	ret->server_port = client ? tuple->peer_port : tuple->local_port;
	ret->position =
		(uint32_t)(tuple->base_seq[client ? DIR_OUT : DIR_IN] + exchange->request.position);
	return true;
}
