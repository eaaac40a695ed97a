// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/note.h"

#include <elf.h>

bool note__next(struct slice *rest, uint64_t align, struct note *ret)
{
	uint64_t mask = align == 8 ? 7 : 3;
	Elf64_Nhdr header; /* the same in both classes */

	if (rest->n < sizeof(header))
		return false;
	memcpy(&header, rest->p, sizeof(header));
	uint64_t desc = (sizeof(header) + (uint64_t)header.n_namesz + mask) & ~mask;
	uint64_t end = (desc + (uint64_t)header.n_descsz + mask) & ~mask;

	if (desc + header.n_descsz > rest->n)
		return false;
	ret->type = header.n_type;
	ret->owner = slice(rest->p + sizeof(header), header.n_namesz);
	if (ret->owner.n && ret->owner.p[ret->owner.n - 1] == '\0')
		ret->owner.n--;
	ret->desc = slice(rest->p + desc, header.n_descsz);
	*rest = slice_from(*rest, end);
	return true;
}
