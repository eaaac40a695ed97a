// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * nginx passes ngx_event_connect_peer(peer) before every request to a server, scripts write with
 * ngx_unix_send(connection), and both are exported to its modules. Where the log is within the peer
 * depends on the version and on how it was configured: the function itself says it where it asks
 * for a connection, ngx_get_connection(socket, peer->log); and that one stores the two where they
 * are expected in it. All other places are the same in all versions. The kernel side checks each
 * time that the connection has the log through which it was found.
 */
#include <errno.h>
#include <string.h>

#include "code/insn.h"
#include "code/site.h"
#include "code/symbols.h"
#include "runtime/nginx.h"

#define FUNCTION_MAX 16384
#define LOG_MAX	     1024 /* bytes of a peer before its log */

enum function { CONNECT_PEER, GET_CONNECTION, UNIX_SEND, FUNCTIONS };

static const uint64_t places[RECIPE_WORDS] = {
	[NGINX_LOG_DATA] = 40, [NGINX_DATA_CONN] = 0, [NGINX_DATA_CONN_STREAM] = 8,
	[NGINX_CONN_LOG] = 80, [NGINX_CONN_FD] = 24,
};

#define CALLEE_SAVED                                                                               \
	(X86_BIT(X86_RBX) | X86_BIT(X86_RBP) | X86_BIT(X86_R12) | X86_BIT(X86_R13) |               \
	 X86_BIT(X86_R14) | X86_BIT(X86_R15))

/* loads[r]: register r holds what was loaded from [pointer + place]; 0: something else. In line,
 * as if there were no jumps: what comes out is checked by the kernel side at every use. */
static void follow_loads(const struct insn *insn, int64_t loads[16])
{
	const struct operand *to = &insn->operands[0], *from = &insn->operands[1];
	uint32_t lost = insn->op == INSN_CALL ? ~CALLEE_SAVED : insn->writes;
	int64_t place = 0;

	if (insn->op == INSN_MOV && to->kind == OPERAND_REG && to->size == 8) {
		if (from->kind == OPERAND_REG && from->reg <= X86_R15)
			place = loads[from->reg];
		else if (from->kind == OPERAND_MEM && from->base <= X86_R15 &&
			 from->index == X86_NONE)
			place = from->disp;
	}
	for (int r = 0; r < 16; r++)
		if (lost & X86_BIT(r))
			loads[r] = 0;
	if (place && to->reg <= X86_R15)
		loads[to->reg] = place;
}

/* Where the second argument of the first call of `callee` was loaded from. */
static int find_log(const struct image *image, const struct symbol *function, uint64_t callee,
		    __u64 *ret)
{
	struct insns it;
	struct insn insn;
	bool called = false;
	int64_t loads[16] = { 0 }, log;
	int err = insns__begin(&it, image, function->vaddr, function->size);

	while (!err && !called && insns__next(&it, &insn) == 1) {
		called = insn.op == INSN_CALL && insn.target == callee;
		if (!called)
			follow_loads(&insn, loads);
	}
	insns__end(&it);
	log = loads[X86_RSI];
	if (!err && (!called || log <= 0 || log >= LOG_MAX || log % 8))
		err = -ENOENT;
	*ret = err ? 0 : (__u64)log;
	return err;
}

/* Does the function store a socket and a log at their places of one structure? */
static int check_places(const struct image *image, const struct symbol *function)
{
	uint32_t fds = 0, logs = 0; /* registers that point to it */
	struct insns it;
	struct insn insn;
	int err = insns__begin(&it, image, function->vaddr, function->size);

	while (!err && insns__next(&it, &insn) == 1) {
		const struct operand *to = &insn.operands[0];

		if (insn.op != INSN_MOV || to->kind != OPERAND_MEM || to->base > X86_R15 ||
		    to->index != X86_NONE || insn.operands[1].kind != OPERAND_REG)
			continue;
		if (to->size == 4 && to->disp == (int64_t)places[NGINX_CONN_FD])
			fds |= X86_BIT(to->base);
		if (to->size == 8 && to->disp == (int64_t)places[NGINX_CONN_LOG])
			logs |= X86_BIT(to->base);
	}
	insns__end(&it);
	return err ? err : fds & logs ? 0 : -ENOENT;
}

static int add_probe(struct runtime_setup *setup, const char *program, const struct image *image,
		     const struct symbol *function)
{
	struct site site;
	int err = site__entry(image, function->vaddr, function->size, X86_BIT(X86_RDI), &site);

	if (!err && !runtime_setup__probe(setup, program, image, site.offset))
		err = -E2BIG;
	return err;
}

int nginx__look_at(const struct image *image, struct runtime_setup *ret, struct buf *why)
{
	struct symbol_wish wishes[FUNCTIONS] = {
		[CONNECT_PEER] = { .name = "ngx_event_connect_peer" },
		[GET_CONNECTION] = { .name = "ngx_get_connection" },
		[UNIX_SEND] = { .name = "ngx_unix_send" },
	};
	const struct symbol *connect = &wishes[CONNECT_PEER].symbol;
	const struct symbol *get = &wishes[GET_CONNECTION].symbol;
	int err = symbols__find(image, wishes, FUNCTIONS);

	ret->recipe.kind = UNITS_NGINX;
	memcpy(ret->recipe.words, places, sizeof(places));
	for (int i = 0; i < FUNCTIONS; i++) {
		if (err >= 0 && wishes[i].found && wishes[i].symbol.size <= FUNCTION_MAX)
			continue;
		buf__printf(why, "%s is not found", wishes[i].name);
		return err < 0 ? err : -ENOENT;
	}
	err = find_log(image, connect, get->vaddr, &ret->recipe.words[NGINX_PEER_LOG]);
	if (!err)
		err = check_places(image, get);
	if (err) {
		buf__puts(why, "where a connection has its log is not found");
		return err;
	}
	err = add_probe(ret, "nginx__connect_peer", image, connect);
	if (!err)
		err = add_probe(ret, "nginx__send", image, &wishes[UNIX_SEND].symbol);
	if (err)
		buf__printf(why, "its functions: %s", strerror(-err));
	return err;
}

static int nginx__prepare(const struct process *process, struct runtime_setup *ret, struct buf *why)
{
	struct image *image;
	int err = image__of_process(process->pid, NULL, &image);

	if (!err) {
		err = runtime_setup__keep(ret, image);
		image = err ? NULL : image;
	}
	if (err) {
		buf__printf(why, "its program: %s", strerror(-err));
		return err;
	}
	return nginx__look_at(image, ret, why);
}

const struct runtime_module nginx_module = { "nginx", nginx__prepare };
