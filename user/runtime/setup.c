// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What the modules of runtimes fill in: probes, and the files that they are in. */
#include <errno.h>
#include <stdio.h>

#include "runtime/module.h"

int runtime_setup__keep(struct runtime_setup *setup, struct image *image)
{
	if (setup->image_count == RUNTIME_IMAGES_MAX) {
		image__free(image);
		return -E2BIG;
	}
	setup->images[setup->image_count++] = image;
	return 0;
}

struct uprobe *runtime_setup__probe(struct runtime_setup *setup, const char *program,
				    const struct image *image, uint64_t offset)
{
	struct uprobe *probe;

	if (setup->count == RUNTIME_PROBES_MAX)
		return NULL;
	probe = &setup->probes[setup->count++];
	*probe = (struct uprobe){ .program = program, .offset = offset };
	snprintf(probe->path, sizeof(probe->path), "%s", image->path);
	return probe;
}

void runtime_setup__release(struct runtime_setup *setup)
{
	while (setup->image_count)
		image__free(setup->images[--setup->image_count]);
}
