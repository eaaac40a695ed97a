// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bytes of a program file, through everything that is read of one. */
#include "../unit/code_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	code_all(slice(data, size));
	return 0;
}
