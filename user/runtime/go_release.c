// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/go_layout.h"

struct release {
	const char *name;
	struct go_layout layout;
};

/* Oldest first: what changes between two of them is as in the older one until the newer. */
static const struct release releases[] = {
#include "runtime/go_releases.h"
};

#define RELEASES (sizeof(releases) / sizeof(releases[0]))

/* "1.22.1", "1.23rc2": one number; 0: no release */
static unsigned int number_of(const char *version)
{
	unsigned int major, minor, patch = 0;

	if (sscanf(version, "%u.%u.%u", &major, &minor, &patch) < 2 || major != 1 || minor > 999 ||
	    patch > 999)
		return 0;
	return minor * 1000 + patch + 1;
}

int go_layout__of_release(const char *version, struct go_layout *ret)
{
	unsigned int wanted = number_of(version);
	const struct release *found = NULL;

	for (size_t i = 0; wanted && i < RELEASES; i++)
		if (number_of(releases[i].name) <= wanted)
			found = &releases[i];
	if (!found)
		return -ENOENT;
	*ret = found->layout;
	return strcmp(found->name, version) == 0;
}
