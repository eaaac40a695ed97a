// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Framing of commands and replies. Every case is read against an inaccessible page, cut at every
 * length and byte by byte; each way must give the same messages.
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

#include "protocols/redis.h"

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
static struct slice guarded(struct slice bytes)
{
	assert_true(bytes.n <= GUARDED);
	if (bytes.n)
		memcpy(guard - bytes.n, bytes.p, bytes.n);
	return slice(guard - bytes.n, bytes.n);
}

/* Both directions of a connection: "C" before what the client sends, "S" before the server. */
struct reader {
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX];
	struct redis_facts facts[2];
	struct slice all[2];
	size_t at[2];
	size_t begun[2]; /* a message is under way since; SIZE_MAX: none */
	enum message_type type[2];
	bool bad;
	bool left;
	struct buf log;
};

static void message_ends(struct reader *r, bool request)
{
	const struct redis_facts *facts = &r->facts[request];

	buf__printf(&r->log, "%c%zu", request ? 'C' : 'S', r->at[request] - r->begun[request]);
	if (r->type[request] == MESSAGE_ONEWAY)
		buf__puts(&r->log, "!");
	else if (request && facts->multi)
		buf__printf(&r->log, "m%u%s", facts->commands, facts->mixed ? "x" : "");
	if (request && facts->db)
		buf__printf(&r->log, "@%d", facts->db);
	if (!request && facts->error_n)
		buf__printf(&r->log, "-%.*s", facts->error_n, facts->error);
	buf__puts(&r->log, r->left ? "^ " : " ");
	r->begun[request] = SIZE_MAX;
}

/* Reads on with `avail` bytes of the direction known. */
static void read_on(struct reader *r, bool request, size_t avail)
{
	while (!r->bad && !r->left && r->at[request] < avail) {
		struct slice bytes =
			guarded(slice(r->all[request].p + r->at[request], avail - r->at[request]));
		enum message_type type;
		struct frame f;
		enum frame_status status;

		if (r->begun[request] == SIZE_MAX) {
			enum confidence oneway = redis_protocol.oneway(bytes, request, r->state);

			if (oneway == SNIFF_MORE)
				return;
			type = request ? MESSAGE_REQUEST : MESSAGE_RESPONSE;
			r->type[request] = oneway == SNIFF_SURE ? MESSAGE_ONEWAY : type;
			r->begun[request] = r->at[request];
		}
		f.type = r->type[request];
		status = redis_protocol.frame(bytes, request, r->state, &r->facts[request], &f);
		if (status == FRAME_MORE)
			return;
		if (status == FRAME_BAD) {
			r->bad = true;
			buf__puts(&r->log, request ? "Cbad " : "Sbad ");
			return;
		}
		assert_true(f.head > 0 && f.head <= bytes.n);
		assert_true(f.first == (r->at[request] == r->begun[request]));
		assert_true(f.quiet_worthy == (f.body > 0));
		assert_int_equal(f.type, r->type[request]);
		r->at[request] += f.head + f.body;
		r->left = f.leaves;
		if (f.last)
			message_ends(r, request);
	}
}

/* `text`: "C:...^S:...^C:..." in order; cut: each part comes in two pieces, or (0) byte by byte. */
static void run(const char *text, size_t cut, struct buf *ret)
{
	struct reader r = { .begun = { SIZE_MAX, SIZE_MAX } };
	char *bytes[2] = { malloc(65536), malloc(65536) };
	size_t n[2] = { 0 };

	while (*text) {
		bool request = text[0] == 'C';
		size_t from = n[request];

		for (text += 2; *text && *text != '^'; text++) {
			if (*text == '@') { /* a big value: 2000 bytes */
				memset(bytes[request] + n[request], 'x', 2000);
				n[request] += 2000;
			} else {
				bytes[request][n[request]++] = *text;
			}
		}
		text += *text == '^';
		r.all[request] = slice(bytes[request], n[request]);
		for (size_t i = from + 1; cut == 0 && i < n[request]; i++)
			read_on(&r, request, i);
		if (cut && from + cut < n[request])
			read_on(&r, request, from + cut);
		read_on(&r, request, n[request]);
	}
	buf__append(&r.log, "", 1);
	buf__puts(ret, r.log.p);
	buf__append(ret, "", 1);
	buf__release(&r.log);
	free(bytes[0]);
	free(bytes[1]);
}

#define GET   "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define SET   "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC  "*1\r\n$4\r\nEXEC\r\n"
#define SUB2  "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"

static const struct {
	const char *bytes;
	const char *messages;
} cases[] = {
	{ "C:" GET "^S:$3\r\nabc\r\n", "C20 S9 " },
	{ "C:" GET "^S:$-1\r\n^C:" GET "^S:_\r\n", "C20 S5 C20 S3 " },
	{ "C:" GET GET GET "^S:$0\r\n\r\n$-1\r\n$1\r\n-\r\n", "C20 C20 C20 S6 S5 S7 " },
	{ "C:" SET "^S:+OK\r\n", "C27 S5 " },
	{ "C:" SET "^S:-WRONGTYPE Operation against\r\n", "C27 S30-WRONGTYPE " },
	{ "C:" SET "^S:-MOVED 3999 127.0.0.1:6381\r\n", "C27 S28-MOVED " },
	{ "C:" SET "^S:-oops\r\n", "C27 S7-ERR " },
	{ "C:" SET "^S:!11\r\nSYNTAX else\r\n", "C27 S18-SYNTAX " },
	/* long arguments are passed by length */
	{ "C:*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000\r\n@\r\n^S:+OK\r\n", "C2029 S5 " },
	{ "C:*5\r\n$4\r\nMSET\r\n$1\r\nk\r\n$2000\r\n@\r\n$1\r\nl\r\n$2000\r\n@\r\n" GET
	  "^S:+OK\r\n$2000\r\n@\r\n",
	  "C4046 C20 S5 S2009 " },
	{ "C:*3\r\n$4\r\nMGET\r\n$2000\r\n@\r\n$1\r\nl\r\n", "C2030 " },
	/* nested and empty replies */
	{ "C:" GET "^S:*0\r\n", "C20 S4 " },
	{ "C:" GET "^S:*-1\r\n", "C20 S5 " },
	{ "C:" GET "^S:*3\r\n:1\r\n*2\r\n+a\r\n$-1\r\n$1\r\nx\r\n", "C20 S28 " },
	{ "C:" GET "^S:%1\r\n+k\r\n~2\r\n#t\r\n,1.5\r\n", "C20 S22 " },
	{ "C:" GET "^S:|1\r\n+ttl\r\n:5\r\n*1\r\n(123\r\n", "C20 S24 " },
	{ "C:" GET "^S:=8\r\ntxt:abcd\r\n", "C20 S14 " },
	{ "C:" GET "^S:*2\r\n-ERR inner\r\n:1\r\n", "C20 S20 " },
	{ "C:" GET "^S:*2\r\n$2000\r\n@\r\n$2000\r\n@\r\n", "C20 S4022 " },
	{ "C:" GET "^S:+@\r\n", "C20 S2003 " },
	{ "C:" GET "^S:*2\r\n+@\r\n:1\r\n", "C20 S2011 " },
	/* lines of words */
	{ "C:PING\r\n^S:+PONG\r\n", "C6 S7 " },
	{ "C:set  k v\n\r\nget k\r\n^S:+OK\r\n", "C9 C2! C7 S5 " },
	{ "C:*0\r\n*-1\r\n" GET, "C4! C5! C20 " },
	/* transactions are one message */
	{ "C:" MULTI SET SET EXEC "^S:+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n",
	  "C83m2 S37 " },
	{ "C:" MULTI "^S:+OK\r\n^C:" SET "^S:+QUEUED\r\n^C:" GET "^S:+QUEUED\r\n^C:" EXEC
	  "^S:*2\r\n+OK\r\n$1\r\nv\r\n^C:" GET "^S:_\r\n",
	  "C76m2x S39 C20 S3 " },
	{ "C:" MULTI SET EXEC MULTI GET EXEC
	  "^S:+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+OK\r\n+QUEUED\r\n_\r\n",
	  "C56m1 C49m1 S23 S17 " },
	{ "C:" MULTI SET "*1\r\n$7\r\nDISCARD\r\n" GET "^S:+OK\r\n+QUEUED\r\n+OK\r\n_\r\n",
	  "C59m1 C20 S19 S3 " },
	{ "C:" MULTI SET EXEC "^S:+OK\r\n-ERR syntax\r\n-EXECABORT dis\r\n", "C56m1 S34-ERR " },
	{ "C:" MULTI SET EXEC "^S:+OK\r\n+QUEUED\r\n*1\r\n-WRONGTYPE x\r\n",
	  "C56m1 S32-WRONGTYPE " },
	{ "C:" MULTI SET EXEC "^S:+OK\r\n>2\r\n+x\r\n:1\r\n+QUEUED\r\n_\r\n", "C56m1 S29 " },
	{ "C:" MULTI SET "^S:+OK\r\n$1\r\nx\r\n", "Sbad " },
	{ "C:" MULTI "*0\r\n\r\n" SET EXEC "^S:+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n", "C62m1 S23 " },
	/* a transaction whose first reply is told of before it */
	{ "S:+OK\r\n^C:" MULTI SET EXEC "^S:+QUEUED\r\n*1\r\n+OK\r\n", "S5 C15 C27 C14 S9 S9 " },
	/* which database */
	{ "C:*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" GET "^S:+OK\r\n_\r\n", "C23 C20@3 S5 S3 " },
	{ "C:*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*1\r\n$5\r\nRESET\r\n" GET, "C24 C15@12 C20 " },
	/* RESP3: pushes are no replies, but for the first confirmation of a subscription */
	{ "C:" GET "^S:>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n_\r\n", "C20 S32! S3 " },
	{ "C:" SUB2 GET
	  "^S:>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
	  ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n_\r\n",
	  "C33 C20 S30 S30! S31! S3 " },
	/* RESP2 */
	{ "C:" SUB2
	  "^S:*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
	  "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nx\r\n"
	  "^C:*1\r\n$4\r\nPING\r\n^S:*2\r\n$4\r\npong\r\n$0\r\n\r\n",
	  "C33 S30 S30! S31! S39! C14 S20 " },
	{ "S:*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n", "S31! " },
	{ "C:" GET "^S:*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n", "C20 S31 " },
	/* no replies wanted */
	{ "C:*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n" SET
	  "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n^S:+OK\r\n",
	  "C36! C27! C35 S5 " },
	{ "C:*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n" SET GET "^S:_\r\n",
	  "C37! C27! C20 S3 " },
	/* the end of RESP */
	{ "C:*1\r\n$7\r\nMONITOR\r\n", "C17^ " },
	/* malformed */
	{ "C:*2\r\n:1\r\n", "Cbad " },
	{ "C:*1\r\n$-1\r\n", "Cbad " },
	{ "C:*1\r\n$3\r\nGETxx", "Cbad " },
	{ "C:*x\r\n", "Cbad " },
	{ "C:*1\n", "Cbad " },
	{ "C:*123456789012345678901234567890\r\n", "Cbad " },
	{ "C:\x01\r\n", "Cbad " },
	{ "S:GET\r\n", "Sbad " },
	{ "S:$-2\r\n", "Sbad " },
	{ "S:*99999999999\r\n:1\r\n", "Sbad " },
	{ "S:$?\r\n", "Sbad " },
};

static void any_cut_gives_the_same_messages(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t longest = strlen(cases[i].bytes) + 4000;

		for (size_t cut = 0; cut < longest; cut += cut < 300 ? 1 : 97) {
			struct buf out = { 0 };

			run(cases[i].bytes, cut, &out);
			if (strcmp(out.p, cases[i].messages) != 0)
				fail_msg("case %zu %s, cut at %zu: %s, not %s", i, cases[i].bytes,
					 cut, out.p, cases[i].messages);
			buf__release(&out);
		}
	}
}

static void sniffed(const char *text, enum confidence want, enum message_type type)
{
	struct slice all = slice_of(text);
	enum message_type got = MESSAGE_REQUEST;
	enum confidence confidence = redis__sniff(guarded(all), &got);

	if (confidence != want || (want > SNIFF_MORE && got != type))
		fail_msg("%s: %d of type %d", text, confidence, got);
	for (size_t n = 0; n < all.n; n++) /* no prefix of it is refused, or surer */
		if (want != SNIFF_NO) {
			confidence = redis__sniff(guarded(slice(all.p, n)), &got);
			assert_true(confidence != SNIFF_NO && confidence <= want);
		}
}

static void sniff_tells_by_content(void **state)
{
	sniffed(GET, SNIFF_SURE, MESSAGE_EITHER);
	sniffed("*2\r\n$7\r\nFT.INFO\r\n", SNIFF_SURE, MESSAGE_EITHER);
	sniffed("*2\r\n$1\r\n\x80\r\n", SNIFF_LIKELY, MESSAGE_RESPONSE);
	sniffed("*2\r\n:1\r\n", SNIFF_FAIR, MESSAGE_RESPONSE);
	sniffed("*2\r\n$100\r\n", SNIFF_FAIR, MESSAGE_RESPONSE);
	sniffed("*0\r\n", SNIFF_NEXT, MESSAGE_EITHER);
	sniffed("+OK\r\n", SNIFF_FAIR, MESSAGE_RESPONSE);
	sniffed("$5\r\nhello\r\n", SNIFF_FAIR, MESSAGE_RESPONSE);
	sniffed(">3\r\n", SNIFF_FAIR, MESSAGE_RESPONSE);
	sniffed("PING\r\n", SNIFF_NEXT, MESSAGE_REQUEST);
	sniffed("*2\r\n@", SNIFF_NO, MESSAGE_REQUEST);
	sniffed("*x", SNIFF_NO, MESSAGE_REQUEST);
	sniffed("*2\r\n$3\r\nGETxx", SNIFF_NO, MESSAGE_REQUEST);
	sniffed("$x", SNIFF_NO, MESSAGE_REQUEST);
	sniffed("+O\nK", SNIFF_NO, MESSAGE_REQUEST);
	sniffed("\x16\x03\x01", SNIFF_NO, MESSAGE_REQUEST);
}

/* Neither protocol takes what belongs to the other. */
static void http_is_told_apart(void **state)
{
	static const char *const http[] = { "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
					    "HTTP/1.1 200 OK\r\n\r\n", "* HTTP/1.1\r\n",
					    "$ /x HTTP/1.0\r\n\r\n" };
	static const char *const redis[] = {
		GET, "+OK\r\n", "-ERR no\r\n", "$2\r\nab\r\n", "*1\r\n:1\r\n", ":1\r\n"
	};
	enum message_type type;

	for (size_t i = 0; i < sizeof(http) / sizeof(http[0]); i++)
		for (size_t n = 0; n <= strlen(http[i]); n++)
			assert_true(redis__sniff(guarded(slice(http[i], n)), &type) < SNIFF_FAIR);
	for (size_t i = 0; i < sizeof(redis) / sizeof(redis[0]); i++)
		for (size_t n = 0; n <= strlen(redis[i]); n++)
			assert_true(http1_protocol.sniff(guarded(slice(redis[i], n)), &type) <=
				    SNIFF_MORE);
}

/* After bytes were lost numbers begin anew: the next transaction is read as any other. */
static void resync_begins_anew(void **state)
{
	struct reader r = { .begun = { SIZE_MAX, SIZE_MAX } };

	r.all[true] = SLICE(MULTI SET);
	read_on(&r, true, r.all[true].n);
	redis_protocol.resync(r.state, true);
	r.begun[true] = SIZE_MAX;
	r.at[true] = 0;
	r.all[true] = SLICE(MULTI SET EXEC GET);
	read_on(&r, true, r.all[true].n);
	r.all[false] = SLICE("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n_\r\n");
	read_on(&r, false, r.all[false].n);
	buf__append(&r.log, "", 1);
	assert_string_equal(r.log.p, "C56m1 C20 S23 S3 ");
	buf__release(&r.log);
}

/* More open transactions than there is room for: the others are read command by command. */
static void many_transactions(void **state)
{
	struct reader r = { .begun = { SIZE_MAX, SIZE_MAX } };
	struct buf asked = { 0 }, answered = { 0 };
	unsigned int messages = 0;

	for (int i = 0; i < 40; i++) {
		buf__puts(&asked, MULTI SET EXEC);
		buf__puts(&answered, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
	}
	r.all[true] = slice(asked.p, asked.n);
	r.all[false] = slice(answered.p, answered.n);
	read_on(&r, true, asked.n);
	read_on(&r, false, answered.n);
	assert_false(r.bad);
	for (size_t i = 0; i < r.log.n; i++)
		messages += r.log.p[i] == 'C' ? 1 : r.log.p[i] == 'S' ? 0x10000 : 0;
	assert_int_equal(messages & 0xffff, messages >> 16);
	assert_int_equal(messages & 0xffff, 16 + 24 * 3);
	buf__release(&r.log);
	buf__release(&asked);
	buf__release(&answered);
}

static const struct {
	const char *command;
	const char *text;
} texts[] = {
	{ "GET user:1", "GET user:1" },
	{ "get user:1", "get user:1" },
	{ "SET user:1 secret", "SET user:1 ?" },
	{ "SET user:1 secret EX 10", "SET user:1 ? ? ?" },
	{ "MSET a 1 b 2", "MSET a ? b ?" },
	{ "HMSET myhash field1 Hello field2 World", "HMSET myhash field1 ? field2 ?" },
	{ "HSET h f v", "HSET h f ?" },
	{ "AUTH user password", "AUTH ? ?" },
	{ "HELLO 3 AUTH default secret", "HELLO 3 ? ? ?" },
	{ "CONFIG SET requirepass secret", "CONFIG SET requirepass ?" },
	{ "ACL SETUSER bob >secret", "ACL SETUSER ? ?" },
	{ "CLIENT SETINFO LIB-NAME x", "CLIENT SETINFO LIB-NAME ?" },
	{ "MIGRATE h 6379 k 0 100 AUTH secret", "MIGRATE ? ? ? ? ? ? ?" },
	{ "LPUSH l a b c d e f g h i j", "LPUSH l ? ? ? ? ? ? ? ? ..." },
	{ "LRANGE l 0 -1", "LRANGE l 0 -1" },
	{ "ZADD z 1 member", "ZADD z ? ?" },
	{ "XADD s * f v", "XADD s * f ?" },
	{ "XADD s NOMKSTREAM MAXLEN ~ 1000 LIMIT 5 5-* f v g w",
	  "XADD s NOMKSTREAM MAXLEN ~ 1000 LIMIT 5 5-* f ? g ?" },
	{ "XREADGROUP GROUP g c COUNT 5 STREAMS s >", "XREADGROUP GROUP g c COUNT 5 STREAMS s >" },
	{ "EVAL body 2 k1 k2 v1", "EVAL ? 2 k1 k2 ?" },
	{ "EVALSHA 1a2b 1 k v", "EVALSHA 1a2b 1 k ?" },
	{ "FCALL f 0 v", "FCALL f 0 ?" },
	{ "PUBLISH ch secret", "PUBLISH ch ?" },
	{ "MYMODULE.DO k secret", "MYMODULE.DO ? ?" },
	{ "GETTT k", "GETTT ?" },
	{ "AVERYLONGCOMMANDNAMETHATISNOTREDIS k", "AVERYLONGCOMMANDNAMETHATISNOTREDIS ?" },
};

static void values_are_not_shown(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct redis_command command;
		struct buf array = { 0 }, line = { 0 }, out = { 0 };
		char words[128], *save, *word;
		int n = 0;

		snprintf(words, sizeof(words), "%s", texts[i].command);
		for (word = strtok_r(words, " ", &save); word;
		     word = strtok_r(NULL, " ", &save), n++)
			buf__printf(&line, "$%zu\r\n%s\r\n", strlen(word), word);
		buf__printf(&array, "*%d\r\n%.*s", n, (int)line.n, line.p);
		assert_int_equal(redis_command__parse(guarded(slice(array.p, array.n)), &command),
				 FRAME_OK);
		redis__text(&command, &out);
		buf__append(&out, "", 1);
		assert_string_equal(out.p, texts[i].text);
		buf__clear(&out);
		buf__clear(&line);
		buf__printf(&line, "%s\r\n", texts[i].command);
		assert_int_equal(redis_command__parse(guarded(slice(line.p, line.n)), &command),
				 FRAME_OK);
		redis__text(&command, &out);
		buf__append(&out, "", 1);
		assert_string_equal(out.p, texts[i].text);
		buf__release(&out);
		buf__release(&line);
		buf__release(&array);
	}
}

static void assert_text(struct slice bytes, const char *want)
{
	struct redis_command command;
	struct buf out = { 0 };

	assert_int_equal(redis_command__parse(guarded(bytes), &command), FRAME_OK);
	redis__text(&command, &out);
	buf__append(&out, "", 1);
	assert_string_equal(out.p, want);
	buf__release(&out);
}

static void text_is_bounded_and_clean(void **state)
{
	struct buf bytes = { 0 };

	assert_text(SLICE("*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"), "GET \"a b\"");
	assert_text(SLICE("*2\r\n$3\r\nGET\r\n$3\r\na\"\\\r\n"), "GET \"a\\\"\\\\\"");
	assert_text(SLICE("*2\r\n$3\r\nGET\r\n$0\r\n\r\n"), "GET \"\"");
	assert_text(SLICE("*2\r\n$3\r\nGET\r\n$3\r\na\nb\r\n"), "GET ?");
	assert_text(SLICE("*2\r\n$3\r\nGET\r\n$5000\r\n"), "GET ?");
	assert_text(SLICE("*3\r\n$4\r\nMGET\r\n$5000\r\n"), "MGET ...");
	buf__printf(&bytes, "*300\r\n$4\r\nMGET\r\n");
	for (int i = 0; i < 299; i++)
		buf__printf(&bytes, "$200\r\n%0200d\r\n", i);

	struct redis_command command;
	struct buf out = { 0 };

	assert_int_equal(redis_command__parse(guarded(slice(bytes.p, bytes.n)), &command),
			 FRAME_OK);
	assert_true(command.head <= REDIS_HEAD_MAX + 8 && command.left > 250);
	redis__text(&command, &out);
	assert_true(out.n < REDIS_TEXT_MAX + 200);
	assert_memory_equal(out.p + out.n - 4, " ...", 4);
	buf__release(&out);
	buf__release(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_gives_the_same_messages),
		cmocka_unit_test(sniff_tells_by_content),
		cmocka_unit_test(http_is_told_apart),
		cmocka_unit_test(resync_begins_anew),
		cmocka_unit_test(many_transactions),
		cmocka_unit_test(values_are_not_shown),
		cmocka_unit_test(text_is_bounded_and_clean),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
