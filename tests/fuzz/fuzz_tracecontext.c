// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The input is headers, "name: value" by line; whatever is found must be a valid context. */
#include <assert.h>
#include <stdlib.h>

#include "tracecontext.c"

/* Values are handed out as exact copies: the sanitizer sees every read beyond. */
struct headers {
	struct slice text;
	char *copies[256];
	unsigned int count;
};

static bool get(const void *ctx, struct slice name, unsigned int n, struct slice *ret_value)
{
	struct headers *headers = (struct headers *)ctx;
	struct slice rest = headers->text;

	while (rest.n && headers->count < 256) {
		struct slice line = cut(&rest, '\n');
		struct slice found = cut(&line, ':');

		line = slice_trim(line);
		if (!slice_ieq(found, name) || n--)
			continue;
		char *copy = malloc(line.n ? line.n : 1);

		if (line.n)
			memcpy(copy, line.p, line.n);
		headers->copies[headers->count++] = copy;
		*ret_value = slice(copy, line.n);
		return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zero[16];
	bool (*const parse[])(struct slice, struct remote_context *) = {
		traceparent__parse, b3__parse, uber__parse, xray__parse, gcp__parse,
	};
	struct headers headers = { .text = slice(data, size) };
	struct header_source source = { get, &headers };
	struct remote_context context;

	if (tracecontext__extract(&source, &context)) {
		assert(memcmp(context.trace_id, zero, 16) && memcmp(context.span_id, zero, 8));
		assert(!(context.trace_flags & ~3));
		assert(context.trace_state_len <= TRACE_STATE_MAX);
		for (unsigned int i = 0; i < context.trace_state_len; i++)
			assert(context.trace_state[i] >= 0x20 && context.trace_state[i] < 0x7f);
	}
	while (headers.count)
		free(headers.copies[--headers.count]);
	for (size_t i = 0; i < sizeof(parse) / sizeof(parse[0]); i++)
		parse[i](slice(data, size), &context);
	return 0;
}
