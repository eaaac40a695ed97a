// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * FastCGI: every message cut at every length and byte by byte gives the same frames; hostile
 * lengths give none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "exchange.h"
#include "protocols/fastcgi.h"

/* --- records ---------------------------------------------------------------------------------- */

static void record(struct buf *out, uint8_t type, const void *content, size_t n, uint8_t padding)
{
	char header[8] = { 1, (char)type, 0, 1, (char)(n >> 8), (char)n, (char)padding, 0 };
	static const char zeros[256];

	buf__append(out, header, sizeof(header));
	buf__append(out, content, n);
	buf__append(out, zeros, padding);
}

static void pair(struct buf *out, const char *name, const char *value)
{
	size_t n = strlen(value);
	char lengths[5] = { (char)strlen(name) };

	if (n < 128) {
		lengths[1] = (char)n;
		buf__append(out, lengths, 2);
	} else {
		lengths[1] = (char)(0x80 | n >> 24);
		lengths[2] = (char)(n >> 16);
		lengths[3] = (char)(n >> 8);
		lengths[4] = (char)n;
		buf__append(out, lengths, 5);
	}
	buf__append(out, name, strlen(name));
	buf__append(out, value, n);
}

static void request(struct buf *out, const char *uri, size_t body)
{
	static const char begin[8] = { 0, 1, 1 };
	struct buf params = { 0 };
	char *bytes = calloc(1, body + 1);

	record(out, FASTCGI_BEGIN, begin, sizeof(begin), 0);
	pair(&params, "REQUEST_METHOD", "POST");
	pair(&params, "REQUEST_URI", uri);
	pair(&params, "HTTP_TRACEPARENT",
	     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	pair(&params, "HTTP_X_A", "1");
	pair(&params, "HTTP_X_A", "2");
	record(out, FASTCGI_PARAMS, params.p, params.n, 3);
	record(out, FASTCGI_PARAMS, NULL, 0, 0);
	if (body)
		record(out, FASTCGI_STDIN, bytes, body, 0);
	record(out, FASTCGI_STDIN, NULL, 0, 0);
	buf__release(&params);
	free(bytes);
}

static void response(struct buf *out, const char *warning, const char *text)
{
	static const char end[8];

	if (warning)
		record(out, FASTCGI_STDERR, warning, strlen(warning), 2);
	if (text)
		record(out, FASTCGI_STDOUT, text, strlen(text), 5);
	record(out, FASTCGI_END, end, sizeof(end), 0);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX];
	_Alignas(8) uint8_t facts[PROTOCOL_FACTS_MAX];
	struct slice all;
	bool request, bad;
	uint64_t at;
	struct buf log;
};

static void read_on(struct reader *r, size_t avail)
{
	while (!r->bad && r->at < avail) {
		/* an exact copy: the sanitizer sees every read beyond */
		size_t n = avail - r->at;
		char *copy = memcpy(malloc(n), r->all.p + r->at, n);
		struct frame f;
		enum frame_status status =
			fastcgi_protocol.frame(slice(copy, n), r->request, r->state, r->facts, &f);

		free(copy);
		if (status == FRAME_MORE)
			return;
		if (status == FRAME_BAD) {
			r->bad = true;
			buf__puts(&r->log, "bad ");
			return;
		}
		assert_true(f.head && f.head <= n);
		buf__printf(&r->log, "%llu+%llu%s%s ", (unsigned long long)f.head,
			    (unsigned long long)f.body, f.first ? "f" : "", f.last ? "l" : "");
		r->at += f.head + f.body;
	}
}

static void reader__end(struct reader *r)
{
	buf__release(&r->log);
	free(r);
}

static struct reader *read_all(const struct buf *bytes, bool is_request, size_t cut, size_t step)
{
	struct reader *r = calloc(1, sizeof(*r));

	r->all = slice(bytes->p, bytes->n);
	r->request = is_request;
	for (size_t n = cut; n < bytes->n && step; n += step)
		read_on(r, n);
	read_on(r, bytes->n);
	buf__append(&r->log, "", 1);
	return r;
}

static void same_however_cut(const struct buf *bytes, bool is_request, const char *frames)
{
	struct reader *whole = read_all(bytes, is_request, 0, 0);

	assert_string_equal(whole->log.p, frames);
	for (size_t cut = 1; cut < bytes->n; cut++) {
		struct reader *r = read_all(bytes, is_request, cut, bytes->n);

		assert_string_equal(r->log.p, frames);
		assert_memory_equal(r->facts, whole->facts, sizeof(r->facts));
		reader__end(r);
	}
	struct reader *slow = read_all(bytes, is_request, 1, 1);

	assert_string_equal(slow->log.p, frames);
	reader__end(slow);
	reader__end(whole);
}

static void requests(void **state)
{
	struct buf bytes = { 0 };

	request(&bytes, "/a?b=1", 0);
	same_however_cut(&bytes, true, "169+0f 8+0l ");
	request(&bytes, "/b", 300); /* the next one of the connection */
	same_however_cut(&bytes, true, "169+0f 8+0l 165+0f 8+300 8+0l ");
	buf__release(&bytes);
}

static void params_are_found(void **state)
{
	struct buf bytes = { 0 };
	struct message message = { .type = MESSAGE_REQUEST };
	const struct fastcgi_facts *facts;
	struct slice value;
	char uri[400];

	memset(uri, 'x', sizeof(uri));
	uri[0] = '/';
	uri[399] = '\0'; /* a length of four bytes */
	request(&bytes, uri, 0);
	struct reader *r = read_all(&bytes, true, 0, 0);

	facts = (const void *)r->facts;
	assert_int_equal(facts->n[FASTCGI_URI], 399);
	assert_memory_equal(bytes.p + facts->at[FASTCGI_URI], uri, 399);
	assert_memory_equal(bytes.p + facts->at[FASTCGI_METHOD], "POST", 4);
	assert_int_equal(facts->n[FASTCGI_QUERY], 0);
	message.head = slice(bytes.p, bytes.n);
	assert_true(fastcgi_protocol.header(&message, SLICE("traceparent"), 0, &value));
	assert_int_equal(value.n, 55);
	assert_true(fastcgi_protocol.header(&message, SLICE("x-a"), 1, &value));
	assert_true(slice_eq(value, SLICE("2")));
	assert_false(fastcgi_protocol.header(&message, SLICE("x-a"), 2, &value));
	assert_false(fastcgi_protocol.header(&message, SLICE("x-b"), 0, &value));
	reader__end(r);
	buf__release(&bytes);
}

static void responses(void **state)
{
	static const struct {
		const char *warning, *text, *frames;
		unsigned int status;
	} cases[] = {
		{ NULL, "Content-type: text/html\r\n\r\nhello", "35+10f 8+8l ", 200 },
		{ NULL, "Status: 404 Not Found\r\nX: y\r\n\r\n", "39+5f 8+8l ", 404 },
		{ NULL, "Status: 4x4\n\n", "21+5f 8+8l ", 0 },
		{ NULL, "Location: http://a/\n\n", "29+5f 8+8l ", 302 },
		{ NULL, "Location: /a\n\n", "22+5f 8+8l ", 200 },
		{ "PHP Warning", "Status: 500\n\nx", "42+6f 8+8l ", 500 },
		{ NULL, "no header at all", "8+21f 8+8l ", 0 },
		{ NULL, NULL, "8+8fl ", 0 },
		{ "only this", NULL, "27+8fl ", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf bytes = { 0 };

		response(&bytes, cases[i].warning, cases[i].text);
		same_however_cut(&bytes, false, cases[i].frames);
		struct reader *r = read_all(&bytes, false, 0, 0);

		assert_int_equal(((const struct fastcgi_facts *)(const void *)r->facts)->status,
				 cases[i].status);
		reader__end(r);
		buf__release(&bytes);
	}
}

static void what_is_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool request;
	} bad[] = {
		{ "GET / HTTP/1.1\r\n", 16, true },
		{ "\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0", 16, true },		   /* id 0 */
		{ "\1\1\0\1\0\7\0\0\0\1\0\0\0\0\0\0", 16, true },		   /* too short */
		{ "\1\4\0\1\0\0\0\0", 8, true },				   /* no BEGIN */
		{ "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\5\0\1\0\0\0\0", 24, true }, /* no PARAMS */
		{ "\1\5\0\1\0\0\0\0", 8, false },
		{ "\2\6\0\1\0\0\0\0", 8, false },
		{ "\1\14\0\1\0\0\0\0", 8, false },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf bytes = { 0 };

		buf__append(&bytes, bad[i].bytes, bad[i].n);
		same_however_cut(&bytes, bad[i].request, "bad ");
		buf__release(&bytes);
	}
}

static void pairs_that_lie(void **state)
{
	static const char *const lies[] = {
		"\x05\x7f"
		"ABCDE",
		"\x80",
		"\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x01\x80\x00\x00",
		"\x00\x00\x00\x00\x00",
		"\x7f",
	};
	static const size_t lengths[] = { 7, 1, 8, 4, 5, 1 };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		static const char begin[8] = { 0, 1 };
		struct buf bytes = { 0 };

		record(&bytes, FASTCGI_BEGIN, begin, 8, 0);
		record(&bytes, FASTCGI_PARAMS, lies[i], lengths[i], 0);
		record(&bytes, FASTCGI_PARAMS, NULL, 0, 0);
		struct reader *r = read_all(&bytes, true, 0, 0);

		assert_false(r->bad);
		assert_int_equal(((const struct fastcgi_facts *)(const void *)r->facts)->n[0], 0);
		reader__end(r);
		buf__release(&bytes);
	}
}

/* Parameters and headers without end are left; nothing grows without bound. */
static void heads_without_end(void **state)
{
	static const char begin[8] = { 0, 1 };
	struct buf bytes = { 0 }, out = { 0 };
	char *much = calloc(1, 60000);

	memset(much, 'a', 60000);
	record(&bytes, FASTCGI_BEGIN, begin, 8, 0);
	record(&bytes, FASTCGI_PARAMS, much, 60000, 0);
	record(&bytes, FASTCGI_PARAMS, much, 60000, 0);
	struct reader *r = read_all(&bytes, true, 0, 0);

	assert_true(r->bad);
	reader__end(r);
	record(&out, FASTCGI_STDOUT, much, 60000, 0);
	r = read_all(&out, false, 17000, 100);
	assert_string_equal(r->log.p, "8+60000f ");
	reader__end(r);
	free(much);
	buf__release(&bytes);
	buf__release(&out);
}

static void detection(void **state)
{
	static const char *const others[] = { "GET / HTTP/1.1\r\n\r\n", "*1\r\n$4\r\nPING\r\n",
					      "\x16\x03\x01\x02\x00\x01\x00\x01", "\1" };
	struct buf bytes = { 0 }, out = { 0 };
	enum message_type type;

	request(&bytes, "/", 0);
	for (size_t n = 1; n < bytes.n; n++)
		assert_int_equal(fastcgi_protocol.sniff(slice(bytes.p, n), &type),
				 n < 16 ? SNIFF_MORE : SNIFF_SURE);
	assert_int_equal(type, MESSAGE_REQUEST);
	response(&out, NULL, "Content-Type: a\r\n\r\n");
	assert_int_equal(fastcgi_protocol.sniff(slice(out.p, out.n), &type), SNIFF_SURE);
	assert_int_equal(type, MESSAGE_RESPONSE);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fastcgi_protocol.sniff(slice_of(others[i]), &type), SNIFF_NO);
	assert_int_equal(fastcgi_protocol.sniff(slice_of(others[3]), &type), SNIFF_MORE);
	buf__release(&bytes);
	buf__release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),	  cmocka_unit_test(params_are_found),
		cmocka_unit_test(responses),	  cmocka_unit_test(what_is_none),
		cmocka_unit_test(pairs_that_lie), cmocka_unit_test(heads_without_end),
		cmocka_unit_test(detection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
