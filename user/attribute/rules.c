// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Which rules a process has. */
#include "attribute/unit.h"

/* Runtimes that move their units over threads and whose units are not read, and programs not looked
 * at yet. */
static struct verdict nobody__who(struct unit *unit, const struct call_site *site)
{
	return verdict_root(ROOT_WHY_RUNTIME);
}

static const struct unit_rules nobody_rules = {
	.name = "nobody",
	.no_connect = true,
	.who = nobody__who,
};

static const struct unit_rules *const by_kind[UNITS_KIND_COUNT] = {
	[UNITS_GO] = &go_rules,
	[UNITS_CPYTHON] = &cpython_rules,
	[UNITS_NODE] = &node_rules,
	[UNITS_JAVA] = &java_rules,
};

const struct unit_rules *unit_rules__of(const struct process *process, uint8_t kind)
{
	if (kind < UNITS_KIND_COUNT && by_kind[kind])
		return by_kind[kind];
	if (!process || process->runtime == RUNTIME_GO)
		return &nobody_rules;
	if (process->runtime == RUNTIME_RUBY)
		return &ruby_rules;
	return process->runtime == RUNTIME_NGINX ? &nginx_rules : &threads_rules;
}
