// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "attribute/unit.h"

static struct verdict java__who(struct unit *unit, const struct call_site *site)
{
	return verdict_root(ROOT_WHY_RUNTIME);
}

const struct unit_rules java_rules = {
	.name = "java",
	.no_connect = true,
	.who = java__who,
};
