// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Framing and detection. Every message is read against an inaccessible page, cut at every length
 * and byte by byte; each way must give the same frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "exchange.h"
#include "protocols/http1.h"

#define GUARDED (256u << 10)

static char *guard; /* the first byte that must not be read */

static int setup(void **state)
{
	char *p = mmap(NULL, GUARDED + (size_t)getpagesize(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + GUARDED, (size_t)getpagesize(), PROT_NONE))
		return -1;
	guard = p + GUARDED;
	return 0;
}

/* The same bytes, ending right before the guard page. */
static struct slice guarded(const char *p, size_t n)
{
	assert_true(n <= GUARDED);
	if (n)
		memcpy(guard - n, p, n);
	return slice(guard - n, n);
}

struct reader {
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX];
	_Alignas(8) uint8_t facts[PROTOCOL_FACTS_MAX];
	struct slice all;
	bool request;
	bool bad;
	bool done; /* left, or in a body without end */
	uint64_t at;
	struct buf log;
};

/* Reads on with the first `avail` bytes known; logs each frame as "head+body marks". */
static void read_on(struct reader *r, size_t avail)
{
	while (!r->bad && !r->done && r->at < avail) {
		struct frame f;
		enum frame_status status;

		status = http1_protocol.frame(guarded(r->all.p + r->at, avail - r->at), r->request,
					      r->state, r->facts, &f);
		if (status == FRAME_MORE)
			return;
		if (status == FRAME_BAD) {
			r->bad = true;
			buf__puts(&r->log, "bad ");
			return;
		}
		assert_true(f.head > 0 && f.head <= avail - r->at);
		buf__printf(&r->log, "%s%llu",
			    f.first ? (f.type == MESSAGE_INTERIM ? "i" : "m") : "",
			    (unsigned long long)f.head);
		if (f.body == FRAME_UNTIL_CLOSE)
			buf__puts(&r->log, "+*");
		else if (f.body)
			buf__printf(&r->log, "+%llu", (unsigned long long)f.body);
		assert_true(f.quiet_worthy == (f.body > 0));
		assert_true(f.payload == (f.body == FRAME_UNTIL_CLOSE ? 0 : f.body));
		buf__printf(&r->log, "%s%s%s%s ", f.last ? "." : "", f.leaves ? "^" : "",
			    f.wants_all ? "a" : "", f.flags & MESSAGE_SMUGGLING ? "!" : "");
		r->done = f.leaves || f.body == FRAME_UNTIL_CLOSE;
		if (!r->done)
			r->at += f.head + f.body;
	}
}

static void ask(struct reader *r, const char *requests)
{
	while (*requests) {
		char text[256];
		struct frame f;
		size_t n = strcspn(requests, " ");
		int len = snprintf(text, sizeof(text), "%.*s x HTTP/1.1\r\n\r\n", (int)n, requests);

		assert_int_equal(http1_protocol.frame(slice(text, (size_t)len), true, r->state,
						      r->facts, &f),
				 FRAME_OK);
		requests += n + (requests[n] == ' ');
	}
}

#define REQ true, ""
#define RES false, ""

static const struct {
	bool request;
	const char *asked; /* methods of the requests before */
	const char *bytes;
	const char *frames;
} cases[] = {
	/* requests */
	{ REQ, "GET / HTTP/1.1\r\n\r\n", "m18. " },
	{ REQ, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "m27. " },
	{ REQ, "GET / HTTP/1.0\n\n", "m16. " },
	{ REQ, "GET / HTTP/1.1\nHost: a\r\nA: b\n\r\n", "m31. " },
	{ REQ, "\r\nGET / HTTP/1.1\r\n\r\n", "m20. " },
	{ REQ, "\n\n\n\nGET / HTTP/1.1\r\n\r\n", "m22. " },
	{ REQ, "\n\n\n\n\nGET / HTTP/1.1\r\n\r\n", "bad " },
	{ REQ, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n",
	  "m19. m19. m19. " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
	  "m38+5. m18. " },
	{ REQ, "POST / HTTP/1.1\r\ncontent-length:0\r\n\r\nGET / HTTP/1.1\r\n\r\n", "m37. m18. " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello", "m41+5. " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5,5\r\n\r\nhello", "m40+5. " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip,chunked\r\n\r\n0\r\n\r\n",
	  "m52a 3a 2.a " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\nhello",
	  "m58+5. " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	  "m57+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5,6\r\n\r\nhello", "m40+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", "m39+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\nhello", "m40+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: \r\n\r\nhello", "m37+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n", "m56+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 922337203685477580\r\n\r\n",
	  "m55+922337203685477580. " },
	{ REQ, "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", "m60+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	  "m47a 3+5a 5a 2.a " },
	{ REQ,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
	  "a;x=\"y;z\";q\r\n0123456789\r\n3 \t;e\r\nabc\r\n000;last\r\nA: b\r\nC: d\r\n\r\n"
	  "GET / HTTP/1.1\r\n\r\n",
	  "m53a 13+10a 9+3a 12a 14.a m18. " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n",
	  "m47a 2+2a 3a 1.a " },
	{ REQ,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "m72a 3a 2.a " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", "m48a 3a 2.a " },
	{ REQ,
	  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
	  "m66a! 3a 2.a " },
	{ REQ,
	  "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  "m66a! 3a 2.a " },
	{ REQ, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "m47a! 3a 2.a " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\nx", "m53+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\nx", "m48+*.! " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "m47a bad " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "m47a bad " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n",
	  "m47a bad " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
	  "m47a 3+1a bad " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
	  "m47a bad " },
	{ REQ, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
	  "m47a 18+9223372036854775807a " },
	{ REQ, "POST /up HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
	  "m62+2. " },
	{ REQ, "GET http://h:8080/p?q#f HTTP/1.1\r\nHost: x\r\n\r\n", "m45. " },
	{ REQ, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "m39. " },
	{ REQ, "OPTIONS * HTTP/1.1\r\n\r\n", "m22. " },
	{ REQ, "brew-it /pot HTTP/1.1\r\n\r\n", "m25. " },
	{ REQ, "GET /a b HTTP/1.1\r\n\r\n", "m21. " },
	{ REQ, "GET  /a  HTTP/1.1 \r\n\r\n", "m22. " },
	{ REQ, "GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "m20. " },
	{ REQ, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "bad " }, /* obs-fold */
	{ REQ, "GET / HTTP/1.1\r\n A: b\r\n\r\n", "bad " },
	{ REQ, "GET / HTTP/1.1\r\nA : b\r\n\r\n", "bad " },
	{ REQ, "GET / HTTP/1.1\r\n: b\r\n\r\n", "bad " },
	{ REQ, "GET / HTTP/1.1\r\nAb\r\n\r\n", "bad " },
	{ REQ, "GET / HTTP/1.1\r\nA\x01: b\r\n\r\n", "bad " },
	{ REQ, "GET /\x01 HTTP/1.1\r\n\r\n", "bad " },
	{ REQ, "GET / HTTP/1.x\r\n\r\n", "bad " },
	{ REQ, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n\r\n", "m47. " },
	{ REQ, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n", "bad " },
	{ REQ, "GET / HTTP/2.0\r\n\r\n", "bad " },
	{ REQ, "GET /\r\n\r\n", "bad " },
	{ REQ, "GET  HTTP/1.1\r\n\r\n", "bad " },
	{ REQ, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad " },
	{ REQ, "*1\r\n$4\r\nPING\r\n", "bad " },
	{ REQ, "\x16\x03\x01\x02", "bad " },
	/* responses */
	{ RES,
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
	  "m38+2. m36. " },
	{ RES, "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", "m35+1. " },
	{ RES, "HTTP/1.0 200 OK\r\n\r\nbody without end", "m19+*. " },
	{ RES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx", "m44+*. " },
	{ RES, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "m57+*.! " },
	{ RES, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	  "m27. m38. " },
	{ RES, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
	  "m49. m18. " },
	{ RES,
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
	  "i25. i27. m18. " },
	{ RES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n",
	  "m47a 3+1a 5a 8.a " },
	{ RES, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
	  "m56.^ " },
	{ RES, "HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n", "m45. " },
	{ RES, "HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", "bad " },
	{ RES, "HTTP/1.1 20\r\n\r\n", "bad " },
	{ RES, "HTTP/1.1x200 OK\r\n\r\n", "bad " },
	{ RES, "HTTP/1.x 200 OK\r\n\r\n", "bad " },
	{ RES, "HTTP/1.1 2x0 OK\r\n\r\n", "bad " },
	{ RES, "HTTP/1.1 099 OK\r\n\r\n", "bad " },
	{ RES, "HTTP/1.1 2000 OK\r\n\r\n", "bad " },
	{ RES, "HTTP/1.1  200 OK\r\n\r\n", "bad " },
	{ RES, "HTTP/2 200\r\n\r\n", "bad " },
	{ RES, "ICY 200 OK\r\n\r\n", "bad " },
	/* responses by their requests */
	{ false, "HEAD GET",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	  "m38. m38+2. " },
	{ false, "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "m47. " },
	{ false, "HEAD", "HTTP/1.1 200 OK\r\n\r\n", "m19. " },
	{ false, "CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\x16\x03", "m38.^ " },
	{ false, "CONNECT GET",
	  "HTTP/1.1 407 x\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 204 x\r\n\r\n", "m37+2. m18. " },
	{ false, "POST HEAD",
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 x\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n",
	  "i25. m37+1. m37. " },
	{ false, "head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "m38+2. " },
};

static void start(struct reader *r, size_t i)
{
	memset(r, 0, sizeof(*r));
	ask(r, cases[i].asked);
	r->all = slice_of(cases[i].bytes);
	r->request = cases[i].request;
}

static void finish(struct reader *r, size_t i)
{
	buf__append(&r->log, "", 1);
	if (strcmp(r->log.p, cases[i].frames))
		fail_msg("%s\ngives \"%s\", not \"%s\"", cases[i].bytes, r->log.p, cases[i].frames);
	buf__release(&r->log);
}

static void frames_are_the_same_however_cut(void **state)
{
	struct reader r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].bytes);

		start(&r, i);
		read_on(&r, n);
		finish(&r, i);
		for (size_t k = 0; k < n; k++) {
			start(&r, i);
			read_on(&r, k);
			read_on(&r, n);
			finish(&r, i);
		}
		start(&r, i);
		for (size_t k = 1; k <= n; k++)
			read_on(&r, k);
		finish(&r, i);
	}
}

static void heads_up_to_64k(void **state)
{
	size_t size = HTTP1_HEAD_MAX;
	char *text = malloc(size + 1);
	struct frame f;
	struct reader r;

	memset(text, 'x', size + 1);
	memcpy(text, "GET /", 5);
	memcpy(text + 200, " HTTP/1.1\r\nA: ", 14);
	memcpy(text + size - 4, "\r\n\r\n", 4);
	memset(&r, 0, sizeof(r));
	/* byte by byte: quadratic searching would take minutes under the sanitizers */
	for (size_t k = 1; k < size; k++)
		assert_int_equal(http1_protocol.frame(slice(text, k), true, r.state, r.facts, &f),
				 FRAME_MORE);
	assert_int_equal(http1_protocol.frame(slice(text, size), true, r.state, r.facts, &f),
			 FRAME_OK);
	assert_int_equal(f.head, size);

	/* one byte more is refused, whole or not */
	memcpy(text + size - 4, "xxx\r\n", 5);
	memset(&r, 0, sizeof(r));
	assert_int_equal(http1_protocol.frame(slice(text, size), true, r.state, r.facts, &f),
			 FRAME_BAD);
	memcpy(text + size - 3, "\r\n\r\n", 4);
	memset(&r, 0, sizeof(r));
	assert_int_equal(http1_protocol.frame(slice(text, size + 1), true, r.state, r.facts, &f),
			 FRAME_BAD);
	free(text);
}

static void open_requests_beyond_the_ring(void **state)
{
	struct reader r = { .request = false };
	struct frame f;
	static const char response[] = "HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n";

	for (int i = 0; i < 300; i++)
		ask(&r, i % 2 ? "HEAD" : "GET");
	for (int i = 0; i < 300; i++) {
		assert_int_equal(http1_protocol.frame(slice_of(response), false, r.state, r.facts,
						      &f),
				 FRAME_OK);
		/* 256 are known, the rest count as GET, and the order is kept */
		assert_int_equal(f.body, i < 256 && i % 2 ? 0 : 1);
	}
	ask(&r, "HEAD GET");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(http1_protocol.frame(slice_of(response), false, r.state, r.facts,
						      &f),
				 FRAME_OK);
		assert_int_equal(f.body, i);
	}
}

static void a_lost_message_keeps_its_place(void **state)
{
	struct reader r = { .request = false };
	struct frame f;
	static const char response[] = "HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n";
	static const char chunked[] = "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n";

	ask(&r, "GET HEAD GET");
	http1_protocol.resync(r.state, true); /* the head of a fourth was lost */
	ask(&r, "HEAD");
	http1_protocol.resync(r.state, false); /* the first one's answer was lost */
	assert_int_equal(http1_protocol.frame(slice_of(response), false, r.state, r.facts, &f),
			 FRAME_OK);
	assert_int_equal(f.body, 0);
	assert_int_equal(http1_protocol.frame(slice_of(chunked), false, r.state, r.facts, &f),
			 FRAME_OK);
	assert_false(f.last);
	http1_protocol.resync(r.state, false); /* within the chunks: its request is answered */
	assert_int_equal(http1_protocol.frame(slice_of(response), false, r.state, r.facts, &f),
			 FRAME_OK);
	assert_int_equal(f.body, 1);
	assert_int_equal(http1_protocol.frame(slice_of(response), false, r.state, r.facts, &f),
			 FRAME_OK);
	assert_int_equal(f.body, 0);
}

/* The body that the response to one of these methods is read with. */
static uint64_t answer(struct reader *r)
{
	static const char response[] = "HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n";
	struct frame f;

	assert_int_equal(http1_protocol.frame(slice_of(response), false, r->state, r->facts, &f),
			 FRAME_OK);
	return f.body;
}

static void a_response_before_its_request(void **state)
{
	struct reader r = { .request = false };

	ask(&r, "GET");
	assert_int_equal(answer(&r), 1);
	assert_int_equal(answer(&r), 1); /* to the next one, which is stamped later */
	ask(&r, "GET");
	ask(&r, "HEAD");
	assert_int_equal(answer(&r), 0);
	ask(&r, "GET");
	assert_int_equal(answer(&r), 1);

	/* a response whose request was lost looks the same, and shifts nothing either */
	assert_int_equal(answer(&r), 1);
	ask(&r, "HEAD");
	assert_int_equal(answer(&r), 0);
	ask(&r, "GET");
	assert_int_equal(answer(&r), 1);
	ask(&r, "HEAD");
	assert_int_equal(answer(&r), 0);

	/* on a connection met in the middle, the first response says nothing */
	memset(&r, 0, sizeof(r));
	assert_int_equal(answer(&r), 1);
	ask(&r, "GET HEAD");
	assert_int_equal(answer(&r), 1);
	assert_int_equal(answer(&r), 0);
}

static void only_a_body_without_length_ends_at_close(void **state)
{
	struct reader r = { .request = false };
	struct frame f;

	http1_protocol.frame(SLICE("HTTP/1.1 200 x\r\n\r\n"), false, r.state, r.facts, &f);
	assert_true(http1_protocol.ends_at_close(r.state, false));
	assert_false(http1_protocol.ends_at_close(r.state, true));
	memset(&r, 0, sizeof(r));
	http1_protocol.frame(SLICE("HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\n"), false, r.state,
			     r.facts, &f);
	assert_false(http1_protocol.ends_at_close(r.state, false));
}

#define RQ MESSAGE_REQUEST
#define RP MESSAGE_RESPONSE

static const struct {
	const char *bytes;
	enum confidence confidence;
	enum message_type type;
} sniffs[] = {
	{ "", SNIFF_MORE, RQ },
	{ "G", SNIFF_MORE, RQ },
	{ "GET", SNIFF_MORE, RQ },
	{ "GET ", SNIFF_MORE, RQ },
	{ "GET /", SNIFF_LIKELY, RQ },
	{ "GET /index.html", SNIFF_LIKELY, RQ },
	{ "GET / HTTP/1.1\r", SNIFF_SURE, RQ },
	{ "GET / HTTP/1.1\r\n", SNIFF_SURE, RQ },
	{ "GET / HTTP/1.0\n", SNIFF_SURE, RQ },
	{ "\r\nGET / HTTP/1.0\n", SNIFF_SURE, RQ },
	{ "\r", SNIFF_MORE, RQ },
	{ "GET http://a/ ", SNIFF_LIKELY, RQ },
	{ "CONNECT a:443 ", SNIFF_LIKELY, RQ },
	{ "OPTIONS *", SNIFF_MORE, RQ },
	{ "OPTIONS * HTTP/1.1\r\n", SNIFF_SURE, RQ },
	{ "BREW /pot", SNIFF_MORE, RQ },
	{ "BREW /pot HTTP/1.1\r\n", SNIFF_SURE, RQ },
	{ "M-SEARCH * HTTP/1.1\r\n", SNIFF_SURE, RQ },
	{ "H", SNIFF_MORE, RQ },
	{ "HT", SNIFF_MORE, RQ },
	{ "HTTP/1.", SNIFF_LIKELY, RP },
	{ "HTTP/1.1 2", SNIFF_LIKELY, RP },
	{ "HTTP/1.1 200", SNIFF_SURE, RP },
	{ "HTTP/1.1 200 OK\r\n", SNIFF_SURE, RP },
	{ "HTTP/1.x 200", SNIFF_NO, RP },
	{ "HTTP/1.1 2a0", SNIFF_NO, RP },
	{ "HTTP/2 200", SNIFF_NO, RP },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SNIFF_NO, RQ },
	{ "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", SNIFF_NO, RQ },
	{ "GET foo\r\n", SNIFF_NO, RQ },
	{ "PING\r\n", SNIFF_NO, RQ },
	{ "+OK\r\n", SNIFF_NO, RQ },
	{ "get foo\r\n", SNIFF_NO, RQ },
	{ "get / HTTP/1.1\r\n", SNIFF_SURE, RQ },
	{ "GET / HTTP/1.1\rX", SNIFF_NO, RQ },
	{ "A\x01", SNIFF_NO, RQ },
	{ "QUIT\r\n", SNIFF_NO, RQ },
	{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", SNIFF_NO, RQ },
	{ "SSH-2.0-OpenSSH_9.2p1\r\n", SNIFF_NO, RQ },
	{ "HELO mail.example\r\n", SNIFF_NO, RQ },
	{ "220 mail.example ESMTP\r\n", SNIFF_NO, RQ },
	{ "OPTIONS rtsp://a/b RTSP/1.0\r\n", SNIFF_NO, RQ },
	{ "INVITE sip:bob@b SIP/2.0\r\n", SNIFF_NO, RQ },
	{ "GET /\x01 HTTP/1.1\r\n", SNIFF_NO, RQ },
	{ "GET\t/ HTTP/1.1\r\n", SNIFF_NO, RQ },
	{ "AMQP\x01\x01\x02\x03", SNIFF_NO, RQ },
	{ "INFO {\"server_id\":\"x\"}\r\n", SNIFF_NO, RQ },
};

static void detection(void **state)
{
	for (size_t i = 0; i < sizeof(sniffs) / sizeof(sniffs[0]); i++) {
		enum message_type type = MESSAGE_INTERIM;
		struct slice bytes = slice_of(sniffs[i].bytes);
		enum confidence got = http1_protocol.sniff(guarded(bytes.p, bytes.n), &type);

		if (got != sniffs[i].confidence || (got != SNIFF_NO && type != sniffs[i].type))
			fail_msg("\"%s\": %d of type %d", sniffs[i].bytes, got, type);
		/* every beginning of something believed is believed or waited for */
		for (size_t k = 0; got != SNIFF_NO && k < bytes.n; k++)
			assert_int_not_equal(http1_protocol.sniff(guarded(bytes.p, k), &type),
					     SNIFF_NO);
	}
	/* a nul byte, and a line that never ends */
	assert_int_equal(http1_protocol.sniff(slice("\0\0\0", 3), &(enum message_type){ 0 }),
			 SNIFF_NO);
	char *text = malloc(20000);

	memset(text, 'A', 20000);
	assert_int_equal(http1_protocol.sniff(slice(text, 20000), &(enum message_type){ 0 }),
			 SNIFF_NO);
	memcpy(text, "BREW /", 6);
	assert_int_equal(http1_protocol.sniff(slice(text, 20000), &(enum message_type){ 0 }),
			 SNIFF_NO);
	memcpy(text, "GET /", 5);
	assert_int_equal(http1_protocol.sniff(slice(text, 20000), &(enum message_type){ 0 }),
			 SNIFF_LIKELY);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_the_same_however_cut),
		cmocka_unit_test(heads_up_to_64k),
		cmocka_unit_test(open_requests_beyond_the_ring),
		cmocka_unit_test(a_lost_message_keeps_its_place),
		cmocka_unit_test(a_response_before_its_request),
		cmocka_unit_test(only_a_body_without_length_ends_at_close),
		cmocka_unit_test(detection),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
