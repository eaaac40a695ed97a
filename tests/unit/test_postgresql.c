// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * PostgreSQL's framing. Every talk is read against an inaccessible page, each part cut at every length
 * and byte by byte; each way must give the same messages.
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

#include "postgresql.h"

#define GUARDED (256u << 10)

static char *guard; /* the first byte that must not be read */
static struct stats stats;

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

/* --- reading ------------------------------------------------------------------------------------ */

struct reader {
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX];
	struct pg_facts facts[2];
	struct buf all[2];
	struct buf keep;
	size_t at[2];
	bool begun[2];
	enum message_type type[2];
	bool bad;
	bool left;
	struct buf log;
};

static void message_ends(struct reader *r, bool request)
{
	const struct pg_facts *facts = &r->facts[request];

	buf__printf(&r->log, "%c", request ? 'C' : 'S');
	if (r->type[request] == MESSAGE_ONEWAY) {
		buf__puts(&r->log, "!");
	} else if (request) {
		buf__printf(&r->log, "%c%s%s%s%u<%.*s>", facts->kind, facts->prepares ? "p" : "",
			    facts->mixed ? "x" : "", facts->cut ? "c" : "", facts->executes,
			    (int)(r->keep.n < 20 ? r->keep.n : 20), r->keep.p ? r->keep.p : "");
		if (!facts->text)
			buf__puts(&r->log, "?");
		if (facts->database_n)
			buf__printf(&r->log, "@%.*s", facts->database_n, facts->database);
	} else {
		if (facts->returns)
			buf__printf(&r->log, "r%u", (unsigned int)facts->returned);
		if (facts->affects)
			buf__printf(&r->log, "a%u", (unsigned int)facts->affected);
		if (facts->failed)
			buf__printf(&r->log, "-%.5s", facts->code);
	}
	buf__puts(&r->log, r->left ? "^ " : " ");
	r->begun[request] = false;
}

static void read_on(struct reader *r, bool request, size_t avail)
{
	while (!r->bad && !r->left && r->at[request] < avail) {
		struct slice bytes =
			guarded(slice(r->all[request].p + r->at[request], avail - r->at[request]));
		struct frame f = { 0 };
		enum frame_status status;

		if (!r->begun[request]) {
			r->type[request] =
				postgresql_protocol.oneway(bytes, request, r->state) == SNIFF_SURE ?
					MESSAGE_ONEWAY :
				request ? MESSAGE_REQUEST :
					  MESSAGE_RESPONSE;
			memset(&r->facts[request], 0, sizeof(r->facts[request]));
		}
		f.type = r->type[request];
		status =
			postgresql_protocol.frame(bytes, request, r->state, &r->facts[request], &f);
		if (status == FRAME_MORE)
			return;
		if (status == FRAME_BAD) {
			r->bad = true;
			buf__puts(&r->log, request ? "Cbad " : "Sbad ");
			return;
		}
		assert_true(f.head <= bytes.n && (f.head || f.last));
		assert_true(f.first == !r->begun[request]);
		assert_true(f.quiet_worthy == (f.body > 0));
		assert_int_equal(f.type, r->type[request]);
		r->begun[request] = true;
		if (request && f.keep.p) {
			buf__clear(&r->keep);
			buf__append(&r->keep, f.keep.p, f.keep.n);
		}
		if (!request && f.keep.p)
			assert_int_equal(f.keep.n, 0);
		r->at[request] += f.head + f.body;
		r->left = f.leaves;
		if (f.last)
			message_ends(r, request);
	}
}

/* `text`: "C word word", "S word", ... in order; cut: each part in two pieces, or (0) byte by byte. */
static void run(const char *text, size_t cut, struct buf *ret)
{
	struct note_store store = { .stats = &stats };
	struct reader r = { 0 };
	bool request = true;

	*(struct notes **)r.state = notes__new(&store);
	while (*text) {
		size_t n = strcspn(text, " "), from = r.all[request].n;

		if (n == 2 && text[1] == '>') {
			request = text[0] == 'C';
			text += n + (text[n] == ' ');
			continue;
		}
		put_message(&r.all[request], text, n);
		text += n + (text[n] == ' ');
		for (size_t i = from + 1; cut == 0 && i < r.all[request].n; i++)
			read_on(&r, request, i);
		if (cut && from + cut < r.all[request].n)
			read_on(&r, request, from + cut);
		read_on(&r, request, r.all[request].n);
	}
	buf__append(&r.log, "", 1);
	buf__append(ret, r.log.p, r.log.n);
	notes__free(*(struct notes **)r.state);
	assert_int_equal(store.bytes, 0);
	buf__release(&r.log);
	buf__release(&r.keep);
	buf__release(&r.all[0]);
	buf__release(&r.all[1]);
}

#define ASK "P:s|select_1|# B:|s|#### D:P| E:||||| S "
#define OK1 "1 2 T:## D:## C:SELECT_1| Z:I "

static const struct {
	const char *talk;
	const char *messages;
} talks[] = {
	/* the start belongs to no exchange, whatever it is made of */
	{ "C> start:user|u|database|shop|| S> R:#### S:a|b| N:hi| K:12345678 Z:I C> Q:x| S> C:BEGIN| Z:T",
	  "C! S! S! S! S! S! CQ1<x>@shop S " },
	{ "C> ssl S> N! C> start:user|u|| C> p:secret| S> R:#### E:CXXXXX|| Z:I C> Q:x| X",
	  "C! S! C! C! S! S! S! CQ1<x>@u C! " },
	{ "C> ssl S> S! ", "C! S!^ " },
	{ "C> start:user|u|replication|true||", "C!^ " },
	{ "C> start:user|u|replication|off||", "C! " },
	/* simple queries */
	{ "C> Q:select_1| S> T:## D:## C:SELECT_1| Z:I", "CQ1<select_1> S " },
	{ "C> Q:x| S> I Z:I C> Q:y| S> E:SERROR|VERROR|C42P01|Mno|| Z:E",
	  "CQ1<x> S CQ1<y> S-42P01 " },
	{ "C> Q:x| S> E:SERROR|Mno|| Z:E", "CQ1<x> S-XX000 " },
	{ "C> Q:@| S> Z:I C> Q:y|", "CQc1<xxxxxxxxxxxxxxxxxxxx> S CQ1<y> " },
	{ "C> Q:| F:12 S> Z:I V:## Z:I", "CQ1<> CF0<>? S S " },
	/* extended ones, up to their Sync */
	{ "C> " ASK "S> " OK1, "CPp1<select_1> S " },
	{ "C> P:s|one|# S B:|s|#### E:||||| S B:|s|#### E:||||| B:|s|#### E:||||| S B:|none|#### E:||||| S",
	  "CPp0<one> CB1<one> CB2<one> CB1<>? " },
	{ "C> P:|one|# B:||#### E:||||| P:|two|# B:||#### E:||||| S", "CPpx2<one> " },
	{ "C> P:a|one|# S C:Sa| P:b|two|# B:|b|#### E:||||| S B:|a|#### E:||||| S C:Sb| S B:|b|#### E:||||| S",
	  "CPp0<one> CPp1<two> CB1<>? CC0<>? CB1<>? " },
	{ "C> P:s|one|# D:Ss| S D:Ss| S D:Pp| S S", "CPp0<one> CD0<one> CD0<>? CS0<>? " },
	/* a portal that is read in steps */
	{ "C> P:s|one|# S B:p|s|#### E:p||||| S E:p||||| S E:q||||| S",
	  "CPp0<one> CB1<one> CE1<one> CE1<>? " },
	{ "C> P:s|@|# B:@|s|#### E:||||| S Q:y|", "CPpc1<xxxxxxxxxxxxxxxxxxxx> CQ1<y> " },
	{ "C> P:|one|# B:||@@ E:||||| S Q:y|", "CPp1<one> CQ1<y> " },
	{ "S> 1 2 n C:INSERT_0_5| s Z:I", "S " },
	/* a query behind preparations without a Sync */
	{ "C> P:|one|# D:S| H Q:two| S> 1 t:## T:## C:COPY_5| Z:I", "CQ1<two> S " },
	{ "C> H Q:two|", "C! CQ1<two> " },
	/* rows */
	{ "S> T:## D:@ D:@@ C:SELECT_2| Z:I", "S " },
	/* notices and notifications between exchanges, and within */
	{ "S> N:hi| A:1234ch|p| S:a|b| C> Q:x| S> N:within| C:SET| S:a|b| A:1234ch|p| Z:I A:1234ch|p|",
	  "S! S! S! CQ1<x> S! S S! " },
	/* COPY */
	{ "C> Q:copy| S> G:### C> d:abc d:@ d:x c S> C:COPY_3| Z:I C> Q:y|",
	  "CQ1<copy> C! S CQ1<y> " },
	{ "C> Q:copy| S> G:### C> d:abc f:why| S> E:C57014|| Z:I", "CQ1<copy> C! S-57014 " },
	{ "C> Q:copy| S> G:### C> d:abc S> E:C22P04|| Z:I C> Q:y|",
	  "CQ1<copy> S-22P04 C! CQ1<y> " },
	{ "C> Q:copy| S> H:### d:abc d:@ c C:COPY_2| Z:I", "CQ1<copy> S " },
	/* ... in extended form: the Sync behind the data stands for the one that was ignored */
	{ "C> P:|copy|# B:||#### E:||||| S S> 1 2 G:### C> d:abc c S S> C:COPY_1| Z:I C> Q:y|",
	  "CPp1<copy> C! C! S CQ1<y> " },
	{ "C> P:|copy|# B:||#### E:||||| H S> 1 2 G:### C> d:abc c S S> C:COPY_1| Z:I C> Q:y|",
	  "CPp1<copy> S CQ1<y> " },
	{ "C> Q:x| S> W:###", "CQ1<x> S^ " },
	/* the end without a Sync */
	{ "C> P:|one|# D:S| X", "CPp0<one> C! " },
	/* malformed */
	{ "C> y:x", "Cbad " },
	{ "C> S:abc", "Cbad " },
	{ "C> T:x", "Cbad " },
	{ "S> Q:x", "Sbad " },
	{ "S> Z:II", "Sbad " },
	{ "S> 1:x", "Sbad " },
	{ "S> T:# y:x", "Sbad " },
};

static void any_cut_gives_the_same_messages(void **state)
{
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		for (size_t cut = 0; cut < 9100; cut += cut < 60 ? 1 : 601) {
			struct buf out = { 0 };

			run(talks[i].talk, cut, &out);
			if (strcmp(out.p, talks[i].messages) != 0)
				fail_msg("%s, cut at %zu: %s, not %s", talks[i].talk, cut, out.p,
					 talks[i].messages);
			buf__release(&out);
		}
	}
}

static void rows_are_those_of_the_tags(void **state)
{
	static const struct {
		const char *tag;
		const char *want;
	} tags[] = {
		{ "SELECT 12", "S r12" },
		{ "FETCH 3", "S r3" },
		{ "INSERT 0 5", "S a5" },
		{ "UPDATE 0", "S a0" },
		{ "DELETE 7", "S a7" },
		{ "COPY 20000", "S a20000" },
		{ "BEGIN", "S " },
		{ "CREATE TABLE", "S " },
		{ "5", "S " },
		{ "SELECT", "S " },
		{ "SELECT 99999999999999999999", "S " },
		{ "", "S " },
	};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct reader r = { 0 };
		struct buf want = { 0 };

		buf__append(&r.all[false], "C", 1);
		put_u32(&r.all[false], (uint32_t)strlen(tags[i].tag) + 5);
		buf__append(&r.all[false], tags[i].tag, strlen(tags[i].tag) + 1);
		put_message(&r.all[false], "Z:I", 3);
		read_on(&r, false, r.all[false].n);
		buf__append(&r.log, "", 1);
		buf__printf(&want, "S%s ", tags[i].want + 2);
		buf__append(&want, "", 1);
		if (strstr(tags[i].tag, "9999"))
			assert_true(r.log.n < 40); /* bounded, whatever it is */
		else
			assert_string_equal(r.log.p, want.p);
		buf__release(&want);
		buf__release(&r.log);
		buf__release(&r.all[false]);
	}
}

static void hostile_lengths(void **state)
{
	static const char *const bytes[] = { "Q\0\0\0\3", "Q\xff\xff\xff\xff", "Q\x80\0\0\0",
					     "D\x7f\xff\xff\xff" };

	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		struct pg_message message;

		for (size_t n = 0; n < 5; n++)
			assert_int_equal(pg__header(guarded(slice(bytes[i], n)), true, &message),
					 FRAME_MORE);
		assert_int_equal(pg__header(guarded(slice(bytes[i], 5)), true, &message),
				 FRAME_BAD);
	}
}

/* --- what is left when bytes are missing -------------------------------------------------------- */

static enum tail tail_of(struct reader *r, bool request, const char *bytes, size_t n)
{
	return postgresql_protocol.tail(guarded(slice(bytes, n)), request, r->state,
					&r->facts[request]);
}

#define TAIL(r, request, literal) tail_of(r, request, literal, sizeof(literal) - 1)

static void ask(struct reader *r, const char *word)
{
	put_message(&r->all[true], word, strlen(word));
	read_on(r, true, r->all[true].n);
}

static void release(struct reader *r)
{
	buf__release(&r->log);
	buf__release(&r->keep);
	buf__release(&r->all[0]);
	buf__release(&r->all[1]);
}

static void the_end_of_a_response(void **state)
{
	struct reader r = { 0 };

	ask(&r, "Q:x|");
	postgresql_protocol.resync(r.state, false);
	assert_int_equal(TAIL(&r, false, "rows rows"), TAIL_NO);
	assert_int_equal(TAIL(&r, false, "xxxC\0\0\0\x0fSELECT 500\0"), TAIL_NO);
	assert_int_equal(TAIL(&r, false, "xxZ\0\0\0\5X"), TAIL_NO);
	assert_int_equal(TAIL(&r, false, "xxxC\0\0\0\x0fSELECT 500\0Z\0\0\0\5I"), TAIL_WHOLE);
	assert_int_equal(r.facts[false].returned, 500);

	/* whether it failed is not known */
	ask(&r, "Q:x|");
	postgresql_protocol.resync(r.state, false);
	assert_int_equal(TAIL(&r, false, "some error\0\0Z\0\0\0\5E"), TAIL_ENDS);
	ask(&r, "Q:x|");
	postgresql_protocol.resync(r.state, false);
	assert_int_equal(TAIL(&r, false, "xxs\0\0\0\4Z\0\0\0\5T"), TAIL_WHOLE);
	ask(&r, "Q:x|");
	postgresql_protocol.resync(r.state, false);
	assert_int_equal(TAIL(&r, false, "Z\0\0\0\5I"), TAIL_ENDS);

	/* several are open: whose end is it? */
	ask(&r, "Q:x|");
	ask(&r, "Q:y|");
	postgresql_protocol.resync(r.state, false);
	assert_int_equal(TAIL(&r, false, "C\0\0\0\x0fSELECT 500\0Z\0\0\0\5I"), TAIL_NO);

	/* the next request tells that it is over */
	ask(&r, "Q:z|");
	postgresql_protocol.resync(r.state, false);
	assert_int_equal(TAIL(&r, false, "C\0\0\0\x0fSELECT 501\0Z\0\0\0\5I"), TAIL_WHOLE);
	for (size_t n = 0; n < 20; n++)
		tail_of(&r, false, "C\0\0\0\x0fSELECT 501\0Z\0\0\0\5I", n);
	release(&r);
}

static void the_end_of_a_request(void **state)
{
	struct reader r = { 0 };

	ask(&r, "P:|one|#");
	postgresql_protocol.resync(r.state, true);
	assert_int_equal(TAIL(&r, true, "xxxx"), TAIL_NO);
	assert_int_equal(TAIL(&r, true, "E\0\0\0\x9\0\0\0\0\0S\0\0\0\4"), TAIL_ENDS);
	release(&r);

	r = (struct reader){ 0 };
	ask(&r, "Q:copy|");
	ask(&r, "d:data");
	postgresql_protocol.resync(r.state, true);
	assert_int_equal(TAIL(&r, true, "more"), TAIL_NO);
	assert_int_equal(TAIL(&r, true, "S\0\0\0\4"), TAIL_NO);
	assert_int_equal(TAIL(&r, true, "morec\0\0\0\4"), TAIL_WHOLE);
	release(&r);

	r = (struct reader){ 0 };
	ask(&r, "d:data");
	postgresql_protocol.resync(r.state, true);
	assert_int_equal(TAIL(&r, true, "morec\0\0\0\4S\0\0\0\4"), TAIL_WHOLE);
	release(&r);
}

/* --- sniff --------------------------------------------------------------------------------------- */

static void sniffed(const char *words, enum confidence want, enum message_type type)
{
	struct buf bytes = { 0 };
	enum message_type got = MESSAGE_INTERIM;
	enum confidence confidence;

	for (const char *at = words; *at;) {
		size_t n = strcspn(at, " ");

		put_message(&bytes, at, n);
		at += n + (at[n] == ' ');
	}
	confidence = pg__sniff(guarded(slice(bytes.p, bytes.n)), &got);
	if (confidence != want || (want > SNIFF_MORE && got != type))
		fail_msg("%s: %d of type %d", words, confidence, got);
	for (size_t n = 0; n < bytes.n && want != SNIFF_NO; n++)
		if (pg__sniff(guarded(slice(bytes.p, n)), &got) == SNIFF_NO)
			fail_msg("%s: refused after %zu bytes", words, n);
	buf__release(&bytes);
}

static void sniff_tells_by_content(void **state)
{
	sniffed("start:user|u|database|d||", SNIFF_SURE, MESSAGE_REQUEST);
	sniffed("ssl", SNIFF_SURE, MESSAGE_REQUEST);
	sniffed("start:client|u||", SNIFF_NO, MESSAGE_REQUEST);
	sniffed("Q:select_1|", SNIFF_SURE, MESSAGE_REQUEST);
	sniffed("P:s|select_1|#", SNIFF_SURE, MESSAGE_REQUEST);
	sniffed("B:|s|#### E:||||| S", SNIFF_SURE, MESSAGE_REQUEST);
	sniffed("B:|s|####", SNIFF_FAIR, MESSAGE_REQUEST);
	sniffed("S", SNIFF_FAIR, MESSAGE_EITHER);
	sniffed("T:## D:## D:## C:SELECT_2| Z:I", SNIFF_SURE, MESSAGE_RESPONSE);
	sniffed("C:BEGIN| Z:T", SNIFF_SURE, MESSAGE_RESPONSE);
	sniffed("1 2 n C:SET| Z:I", SNIFF_SURE, MESSAGE_RESPONSE);
	sniffed("1", SNIFF_FAIR, MESSAGE_RESPONSE);
	sniffed("D:xxxx", SNIFF_FAIR, MESSAGE_EITHER);
}

/* Requests of other protocols, from their first bytes */
static void others_are_refused(void **state)
{
	static const struct slice others[] = {
		SLICE("GET / HTTP/1.1\r\n\r\n"),
		SLICE("HTTP/1.1 200 OK\r\n\r\n"),
		SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		SLICE("*1\r\n$4\r\nPING\r\n"),
		SLICE("SELECT 1\r\n"),
		SLICE("QUIT\r\n"),
		SLICE("EHLO x\r\n"),
		SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		/* Kafka: Metadata version 0, correlation id 1, client "abc", no topics */
		SLICE("\0\0\0\x11\0\3\0\0\0\0\0\1\0\3"
		      "abc\0\0\0\0"),
		/* MySQL's greeting */
		SLICE("J\0\0\0\n8.0.36\0\x0b\0\0\0abcdefgh\0\xff\xff"),
		SLICE("C\0\0\0\n5.5.5-10.11.6\0\x0b\0\0\0abcdefgh\0\xff\xff"),
		/* MongoDB: OP_MSG */
		SLICE("Q\0\0\0\7\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0"),
		SLICE("AMQP\0\0\x09\1"),
	};
	enum message_type type;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		for (size_t n = 0; n <= others[i].n; n++)
			if (pg__sniff(guarded(slice(others[i].p, n)), &type) >= SNIFF_LIKELY)
				fail_msg("other %zu is taken after %zu bytes", i, n);
		if (i != 11 && pg__sniff(guarded(others[i]), &type) >= SNIFF_FAIR)
			fail_msg("other %zu looks fair", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_gives_the_same_messages),
		cmocka_unit_test(rows_are_those_of_the_tags),
		cmocka_unit_test(hostile_lengths),
		cmocka_unit_test(the_end_of_a_response),
		cmocka_unit_test(the_end_of_a_request),
		cmocka_unit_test(sniff_tells_by_content),
		cmocka_unit_test(others_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
