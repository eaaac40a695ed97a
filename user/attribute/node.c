// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "attribute/unit.h"

static struct verdict node__who(struct unit *unit, const struct call_site *site)
{
	return verdict_root(ROOT_WHY_RUNTIME);
}

const struct unit_rules node_rules = {
	.name = "node",
	.no_connect = false,
	.who = node__who,
};
