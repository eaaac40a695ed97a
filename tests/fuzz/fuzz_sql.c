// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Whatever a text is: bounded, and what is shown has no literal in it. The first byte chooses
 * whether the text is cut. */
#include <assert.h>
#include <stdlib.h>

#include "base/buf.c"
#include "protocols/sql.c"
#include "protocols/sql_summary.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf shown = { 0 }, summary = { 0 };
	char *copy;

	if (size < 2)
		return 0;
	copy = memcpy(malloc(size - 1), data + 1, size - 1);
	struct slice text = slice(copy, size - 1);

	if (sql__sanitise(text, data[0] & 1, &shown)) {
		assert(shown.n <= 2 * text.n);
		struct slice rest = slice(shown.p, shown.n);
		struct sql_token token;

		while (sql__next(&rest, &token))
			assert(token.kind != SQL_LITERAL);
	}
	sql__summary(text, &summary);
	assert(summary.n <= SQL_SUMMARY_MAX);
	buf__release(&shown);
	buf__release(&summary);
	free(copy);
	return 0;
}
