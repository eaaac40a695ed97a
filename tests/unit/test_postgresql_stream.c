// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* PostgreSQL through stream and decode: what the kernel is asked for, and answers of which only
 * the front and the ends of calls were captured. */
#include "streams.h"

#include "postgresql.h"

static struct buf bytes;

/* A call of messages with '^' between; of it the first `captured` bytes, and the last TAIL_BYTES. */
static void call(struct rig *rig, enum direction dir, const char *words, size_t captured)
{
	uint64_t at = rig->position[dir];
	size_t tail;

	buf__clear(&bytes);
	while (*words) {
		size_t n = strcspn(words, "^");

		put_message(&bytes, words, n);
		words += n + (words[n] == '^');
	}
	if (captured >= bytes.n) {
		rig__call(rig, dir, bytes.p, bytes.n, bytes.n);
		return;
	}
	tail = bytes.n - captured < TAIL_BYTES ? bytes.n - captured : TAIL_BYTES;
	if (captured)
		rig__record(rig, CONN, dir, at, (uint32_t)bytes.n, 0, bytes.p, (uint32_t)captured);
	rig__record(rig, CONN, dir, at, (uint32_t)bytes.n, (uint32_t)(bytes.n - tail),
		    bytes.p + bytes.n - tail, (uint32_t)tail);
	rig->position[dir] += bytes.n;
}

#define ALL SIZE_MAX

static struct rig *start(uint8_t role, uint8_t flags)
{
	struct rig *rig = rig__new(0, 0);
	enum direction ask = role == ROLE_SERVER ? DIR_IN : DIR_OUT;

	rig__open(rig, CONN, role, flags);
	if (flags)
		return rig;
	call(rig, ask, "start:user|u|database|d||", ALL);
	call(rig, !ask, "R:####^S:a|b|^Z:I", ALL);
	buf__clear(&rig->log);
	return rig;
}

static void end(struct rig *rig)
{
	rig__close(rig, 0);
	rig__free(rig);
	buf__release(&bytes);
}

static void one_exchange(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	assert_int_equal(rig->policies, 1);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_ENDS);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_ENDS);
	assert_int_equal(rig->policy.head_bytes, HEAD_BYTES_DEFAULT);
	call(rig, DIR_OUT, "Q:select 1|", ALL);
	call(rig, DIR_IN, "N:hello|^T:##^D:##^C:SELECT 1|^Z:I", ALL);
	call(rig, DIR_IN, "A:1234ch|p|", ALL);
	call(rig, DIR_OUT, "X", ALL);
	assert_log(rig, "begin req @27\nhead req \nend req body 0 wire 14\n"
			"begin one @28\nhead one \nend one body 0 wire 11\n"
			"begin res @39\nhead res \nend res body 0 wire 38\n"
			"begin one @77\nhead one \nend one body 0 wire 14\n"
			"begin one @41\nhead one \nend one body 0 wire 5\n");
	end(rig);
}

/* Rows that pass behind the budget: the end of the answer is the end of a call. */
static void a_long_answer_is_whole_by_its_end(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	call(rig, DIR_OUT, "Q:select 1|", ALL);
	call(rig, DIR_IN, "T:##^D:@^D:@^D:@", 10000);
	call(rig, DIR_IN, "D:@^D:@^D:@", 0);
	assert_log(rig, "begin req @27\nhead req \nend req body 0 wire 14\n"
			"begin res @28\nhead res \n");
	call(rig, DIR_IN, "D:@^D:@^C:SELECT 8|^Z:I", 0);
	assert_log(rig, "end res body 0 wire 72069\n");
	/* and the order is not in doubt */
	call(rig, DIR_OUT, "Q:x|", ALL);
	call(rig, DIR_IN, "C:SET|^Z:I", ALL);
	assert_log(rig, "begin req @41\nhead req \nend req body 0 wire 7\n"
			"begin res @72097\nhead res \nend res body 0 wire 15\n");
	for (int i = 0; i < LOSS_COUNT; i++)
		assert_int_equal(rig->stats.lost[i], 0);
	end(rig);
}

/* An error longer than what is caught: it is over, but how it ended is not known. */
static void a_long_answer_of_which_the_end_says_little(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	call(rig, DIR_OUT, "Q:select 1|", ALL);
	call(rig, DIR_IN, "T:##^D:@^D:@", 10000);
	buf__clear(&rig->log);
	call(rig, DIR_IN, "E:SERROR|C22012|M@||^Z:I", 0);
	assert_log(rig, "end res body 0 wire 27047 i\n");
	call(rig, DIR_OUT, "Q:x|", ALL);
	call(rig, DIR_IN, "C:SET|^Z:I", ALL);
	assert_log(rig, "begin req @41\nhead req \nend req body 0 wire 7\n"
			"begin res @27075\nhead res \nend res body 0 wire 15\n");
	assert_true(rig->stats.lost[LOSS_RESYNC_SKIPPED] > 8900);
	end(rig);
}

/* The end was lost altogether: the next question tells that there was one. */
static void an_answer_without_end(void **state)
{
	struct rig *rig = start(ROLE_SERVER, 0);

	call(rig, DIR_IN, "Q:select 1|", ALL);
	call(rig, DIR_OUT, "T:##^D:@^D:@", 10000);
	rig__mark(rig, DIR_OUT, 500);
	buf__clear(&rig->log);
	call(rig, DIR_IN, "Q:x|", ALL);
	assert_log(rig, "end res body 0 wire 18519 i\nbegin req @41\nhead req \n"
			"end req body 0 wire 7\n");
	call(rig, DIR_OUT, "C:SET|^Z:I", ALL);
	assert_log(rig, "begin res @18547\nhead res \nend res body 0 wire 15 g\n");
	end(rig);
}

/* Where the calls are cut is the programs' business: at any place within the end. */
static void an_end_in_two_calls(void **state)
{
	for (size_t cut = 1; cut < 20; cut++) {
		struct rig *rig = start(ROLE_CLIENT, 0);
		uint64_t at;

		call(rig, DIR_OUT, "Q:select 1|", ALL);
		call(rig, DIR_IN, "T:##^D:@^D:@", 10000);
		at = rig->position[DIR_IN];
		buf__clear(&bytes);
		put_message(&bytes, "D:@", 3);
		put_message(&bytes, "C:SELECT 8|", 11);
		put_message(&bytes, "Z:I", 3);
		rig__record(rig, CONN, DIR_IN, at, (uint32_t)(bytes.n - cut),
			    (uint32_t)(bytes.n - cut - TAIL_BYTES),
			    bytes.p + bytes.n - cut - TAIL_BYTES, TAIL_BYTES);
		rig->position[DIR_IN] += bytes.n - cut;
		buf__clear(&rig->log);
		rig__call(rig, DIR_IN, bytes.p + bytes.n - cut, cut, cut);
		assert_log(rig, "end res body 0 wire 27044\n");
		assert_int_equal(rig->stats.lost[LOSS_RESYNC_SKIPPED], 0);
		end(rig);
	}
}

/* Rows that look like the front of an answer, where a call begins, do not begin one. */
static void rows_are_no_answer(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	call(rig, DIR_OUT, "Q:select 1|", ALL);
	call(rig, DIR_IN, "T:##^D:@^D:@", 10000);
	call(rig, DIR_IN, "D:@^D:@", 0);
	buf__clear(&rig->log);
	call(rig, DIR_IN, "D:a^D:b^D:c^D:d^D:e", ALL);
	call(rig, DIR_IN, "D:@", 0);
	assert_log(rig, "");
	call(rig, DIR_IN, "D:f^C:SELECT 8|^Z:I", ALL);
	assert_log(rig, "end res body 0 wire 45090\n");
	end(rig);
}

/* A batch of which the middle has passed: it is over when it is answered. */
static void a_batch_without_end(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	call(rig, DIR_OUT, "P:|insert|#^B:||####^E:|####^B:||@", 100);
	call(rig, DIR_OUT, "B:||@^E:|####^B:||@^E:|####", 0);
	call(rig, DIR_IN, "1^2^C:INSERT 0 1|", ALL);
	rig__mark(rig, DIR_OUT, 100);
	call(rig, DIR_IN, "2^C:INSERT 0 1|^Z:I", ALL);
	assert_log(rig, "begin req @27\nhead req \nbegin res @28\nhead res \n"
			"end res body 0 wire 53\nend req body 0 wire 27193 i\n");
	call(rig, DIR_OUT, "Q:x|", ALL);
	call(rig, DIR_IN, "C:SET|^Z:I", ALL);
	assert_log(rig, "begin req @27220\nhead req \nend req body 0 wire 7 g\n"
			"begin res @81\nhead res \nend res body 0 wire 15\n");

	/* nor is the end of the answer known: what is asked next tells */
	call(rig, DIR_OUT, "P:|insert|#^B:||####^E:|####^B:||@", 100);
	call(rig, DIR_OUT, "B:||@^E:|####^B:||@^E:|####", 0);
	call(rig, DIR_IN, "1^2^C:INSERT 0 1|", ALL);
	rig__mark(rig, DIR_OUT, 100);
	rig__mark(rig, DIR_IN, 100);
	buf__clear(&rig->log);
	call(rig, DIR_OUT, "Q:x|", ALL);
	assert_log(rig, "end res body 0 wire 126 i\nend req body 0 wire 27193 i\n"
			"begin req @54420\nhead req \nend req body 0 wire 7 g\n");
	end(rig);
}

static void a_row_is_passed_by_its_length(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	call(rig, DIR_OUT, "Q:select 1|", ALL);
	buf__clear(&bytes);
	buf__append(&bytes, "T\0\0\0\6\0\0D\0\x0f\x42\x44", 12); /* 1,000,000 bytes */
	rig__call(rig, DIR_IN, bytes.p, bytes.n, bytes.n);
	assert_int_equal(rig->policy.quiet_until[DIR_IN], 28 + 7 + 5 + 1000000);
	rig__mark(rig, DIR_IN, 1000000);
	buf__clear(&rig->log);
	call(rig, DIR_IN, "C:SELECT 1|^Z:I", ALL);
	assert_log(rig, "end res body 0 wire 1000032\n");
	end(rig);
}

static void data_of_copy(void **state)
{
	struct rig *rig = start(ROLE_CLIENT, 0);

	call(rig, DIR_OUT, "Q:copy t from stdin|", ALL);
	call(rig, DIR_IN, "G:###", ALL);
	call(rig, DIR_OUT, "d:@^d:@^d:@", 5000);
	call(rig, DIR_OUT, "d:@^d:@^d:@", 0);
	call(rig, DIR_OUT, "d:@^c", 0);
	call(rig, DIR_IN, "C:COPY 7|^Z:I", ALL);
	call(rig, DIR_OUT, "Q:x|", ALL);
	assert_log(rig, "begin req @27\nhead req \nend req body 0 wire 23\n"
			"begin res @28\nhead res \n"
			"begin one @50\nhead one \nend one body 0 wire 63040\n"
			"end res body 0 wire 29\n"
			"begin req @63090\nhead req \nend req body 0 wire 7\n");
	for (int i = 0; i < LOSS_COUNT; i++)
		assert_int_equal(rig->stats.lost[i], 0);
	end(rig);
}

static void what_encryption_follows_is_left(void **state)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, ROLE_CLIENT, 0);
	call(rig, DIR_OUT, "ssl", ALL);
	rig__text(rig, DIR_IN, "S");
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_NONE);
	rig__call(rig, DIR_OUT, "\x16\3\1\0\0", 5, 5);
	assert_log(rig, "begin one @0\nhead one \nend one body 0 wire 8\n"
			"begin one @0\nhead one \nend one body 0 wire 1\ngone 0\n");
	end(rig);
}

/* The middle of rows, the middle of a batch: found again where a call begins. */
static void met_in_the_middle(void **state)
{
	for (int server = 0; server < 2; server++) {
		struct rig *rig = start(server ? ROLE_SERVER : ROLE_CLIENT, CONN_MIDSTREAM);
		enum direction ask = server ? DIR_IN : DIR_OUT;

		rig__text(rig, !ask, "rest of a row");
		call(rig, !ask, "D:abc^C:SELECT 5|^Z:I", ALL);
		call(rig, ask, "B:|s|####^D:P|^E:|####^S", ALL);
		call(rig, !ask, "2^T:##^C:SELECT 1|^Z:I", ALL);
		call(rig, ask, "Q:x|", ALL);
		assert_log(rig, "begin res @13\nhead res \nend res body 0 wire 28 mg\n"
				"begin req @0\nhead req \nend req body 0 wire 42 m\n"
				"begin res @41\nhead res \nend res body 0 wire 34 m\n"
				"begin req @42\nhead req \nend req body 0 wire 7 m\n");
		end(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_exchange),
		cmocka_unit_test(a_long_answer_is_whole_by_its_end),
		cmocka_unit_test(a_long_answer_of_which_the_end_says_little),
		cmocka_unit_test(an_answer_without_end),
		cmocka_unit_test(an_end_in_two_calls),
		cmocka_unit_test(rows_are_no_answer),
		cmocka_unit_test(a_batch_without_end),
		cmocka_unit_test(a_row_is_passed_by_its_length),
		cmocka_unit_test(data_of_copy),
		cmocka_unit_test(what_encryption_follows_is_left),
		cmocka_unit_test(met_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
