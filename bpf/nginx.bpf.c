// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * nginx: for which client does a worker call a server? Whoever calls for a client writes to the log
 * of the client's connection, and that log names the connection.
 */
#include "find.h"
#include "runtime.h"

/* The ngx_connection_t at that place of what the log is about: it must have that log. */
static __always_inline __u64 connection__of(const struct recipe *recipe, __u64 log, __u64 place)
{
	__u64 connection = user__read64(place);

	return connection && user__read64(connection + recipe->words[NGINX_CONN_LOG]) == log ?
		       connection :
		       0;
}

/* 0: the log is not a client's. nginx itself calls, or a script's timer */
static __always_inline __u64 connection__of_client(const struct recipe *recipe, __u64 log)
{
	__u64 data = user__read64(log + recipe->words[NGINX_LOG_DATA]);
	__u64 http = connection__of(recipe, log, data + recipe->words[NGINX_DATA_CONN]);

	return http ?: connection__of(recipe, log, data + recipe->words[NGINX_DATA_CONN_STREAM]);
}

/* The number of an ngx_connection_t in the table of connections; 0: it is not there. */
static __always_inline __u64 connection__id(const struct recipe *recipe, __u64 connection)
{
	__u64 fd = user__read64(connection + recipe->words[NGINX_CONN_FD]);

	return connection ? fd__conn(bpf_get_current_task_btf(), fd) : 0;
}

/* ngx_event_connect_peer(peer): passed before each request to a server, on a new connection or on
 * one that was kept alive. */
SEC("uprobe")
int nginx__connect_peer(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), peer = PT_REGS_PARM1(ctx);
	struct recipe *recipe = recipe__of(pid_tgid >> 32, UNITS_NGINX);
	struct event_unit event = { .change = UNIT_CLIENT };
	__u64 log;

	if (!recipe)
		return 0;
	log = user__read64(peer + recipe->words[NGINX_PEER_LOG]);
	event.other_unit = connection__id(recipe, connection__of_client(recipe, log));
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &event);
	return 0;
}

/* ngx_unix_send(connection, ...): scripts keep connections alive themselves, and write with this. */
SEC("uprobe")
int nginx__send(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), connection = PT_REGS_PARM1(ctx);
	struct recipe *recipe = recipe__of(pid_tgid >> 32, UNITS_NGINX);
	struct event_unit event = { .change = UNIT_CLIENT };
	__u64 client;

	if (!recipe)
		return 0;
	client = connection__of_client(recipe,
				       user__read64(connection + recipe->words[NGINX_CONN_LOG]));
	if (client == connection) /* an answer */
		return 0;
	event.other_unit = connection__id(recipe, client);
	event.arg = connection__id(recipe, connection);
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &event);
	return 0;
}
