// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Redis through stream and decode: which connections are taken for it, and what the kernel is
 * asked for. */
#include "streams.h"

#define GET "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"	   /* 20 bytes */
#define SUB "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n" /* 26 */

static struct rig *open_rig(uint8_t role, uint8_t flags)
{
	struct rig *rig = rig__new(0, 0);

	rig__open(rig, CONN, role, flags);
	return rig;
}

static void close_rig(struct rig *rig)
{
	rig__close(rig, 0);
	rig__free(rig);
}

static void one_exchange(void **state)
{
	struct rig *rig = open_rig(ROLE_CLIENT, 0);

	rig__text(rig, DIR_OUT, GET);
	rig__text(rig, DIR_IN, "$3\r\nabc\r\n");
	assert_log(rig, "begin req @0\nhead req *2\nend req body 0 wire 20\n"
			"begin res @0\nhead res $3\nend res body 0 wire 9\n");
	/* a pipeline may be longer than the budget of a turn */
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_ALL);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_ALL);
	assert_int_equal(rig->policies, 1);
	for (int i = 0; i < 20; i++) {
		rig__text(rig, DIR_OUT, GET);
		rig__text(rig, DIR_IN, "$3\r\nabc\r\n");
	}
	assert_int_equal(rig->policies, 1);
	close_rig(rig);
}

static void pushes_are_oneway(void **state)
{
	struct rig *rig = open_rig(ROLE_SERVER, 0);

	rig__text(rig, DIR_IN, SUB);
	rig__text(rig, DIR_OUT, ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	rig__text(rig, DIR_OUT, ">3\r\n$7\r\nmess");
	rig__text(rig, DIR_OUT, "age\r\n$1\r\na\r\n$1\r\nx\r\n");
	rig__text(rig, DIR_IN, GET);
	rig__text(rig, DIR_OUT, "_\r\n");
	assert_log(rig, "begin req @0\nhead req *2\nend req body 0 wire 26\n"
			"begin res @0\nhead res >3\nend res body 0 wire 30\n"
			"begin one @30\nhead one >3\nend one body 0 wire 31\n"
			"begin req @26\nhead req *2\nend req body 0 wire 20\n"
			"begin res @61\nhead res _\nend res body 0 wire 3\n");
	close_rig(rig);
}

/* What a long value is made of is not wanted, and the next reply behind it is. */
static void long_values_pass_in_silence(void **state)
{
	struct rig *rig = open_rig(ROLE_CLIENT, 0);
	static char value[70000] = "$1000000\r\n";

	rig__text(rig, DIR_OUT, GET GET);
	rig__call(rig, DIR_IN, value, 50000, 50000);
	assert_int_equal(rig->policy.quiet_until[DIR_IN], 1000012);
	rig__mark(rig, DIR_IN, 1000012 - 50000);
	rig__text(rig, DIR_IN, "$-1\r\n");
	assert_log(rig, "begin req @0\nhead req *2\nend req body 0 wire 20\n"
			"begin req @20\nhead req *2\nend req body 0 wire 20\n"
			"begin res @0\nhead res $1000000\nend res body 0 wire 1000012\n"
			"begin res @1000012\nhead res $-1\nend res body 0 wire 5\n");
	close_rig(rig);
}

/* An array of strings may be asked or answered: the connection's role tells. */
static void the_role_tells_who_asks(void **state)
{
	for (int client = 0; client < 2; client++) {
		struct rig *rig = open_rig(client ? ROLE_CLIENT : ROLE_SERVER, CONN_MIDSTREAM);

		rig__text(rig, DIR_IN, "*1\r\n$4\r\nkeys\r\n");
		assert_log(rig, client ? "begin res @0\nhead res *1\nend res body 0 wire 14 m\n" :
					 "begin req @0\nhead req *1\nend req body 0 wire 14 m\n");
		close_rig(rig);
	}
	struct rig *rig = open_rig(ROLE_UNKNOWN, CONN_MIDSTREAM);

	rig__text(rig, DIR_IN, GET);
	assert_log(rig, "begin req @0\nhead req *2\nend req body 0 wire 20 m\n");
	assert_int_equal(rig->policy.role, ROLE_SERVER);
	close_rig(rig);
}

static void met_in_the_middle_of_a_value(void **state)
{
	struct rig *rig = open_rig(ROLE_CLIENT, CONN_MIDSTREAM);

	rig__text(rig, DIR_IN, "rest of a value\r\n+OK\r\n");
	rig__text(rig, DIR_OUT, "v\r\n" GET);
	rig__text(rig, DIR_IN, "$1\r\nx\r\n"); /* not yet known to be Redis */
	rig__text(rig, DIR_OUT, GET);
	rig__text(rig, DIR_IN, "$1\r\ny\r\n");
	assert_log(rig, "begin req @23\nhead req *2\nend req body 0 wire 20 mg\n"
			"begin res @29\nhead res $1\nend res body 0 wire 7 mg\n");
	assert_int_equal(rig->stats.lost[LOSS_MIDSTREAM_SKIPPED], 23 + 29);
	close_rig(rig);
}

/* A gap between replies: whatever looks like one where a call begins is the next. */
static void found_again_behind_a_gap(void **state)
{
	struct rig *rig = open_rig(ROLE_CLIENT, 0);

	rig__text(rig, DIR_OUT, GET GET GET);
	rig->position[DIR_IN] += 100;
	rig__text(rig, DIR_IN, "+OK\r\n");
	buf__clear(&rig->log);
	rig__text(rig, DIR_OUT, GET);
	rig__text(rig, DIR_IN, ":1\r\n");
	assert_log(rig, "begin req @60\nhead req *2\nend req body 0 wire 20\n"
			"begin res @105\nhead res :1\nend res body 0 wire 4\n");
	close_rig(rig);
}

/* Other protocols of lines are not Redis, however long they go on. */
static void lines_of_others(void **state)
{
	static const char *const talks[][2] = {
		{ "EHLO example\r\n", "250-hello\r\n" },
		{ "USER me\r\nPASS secret\r\n", "+OK\r\n" },
		{ "PING\r\n", "+OK\r\n-ERR 'x'\r\n" },
		{ "CONNECT {}\r\nPING\r\n", "INFO {}\r\n" },
		{ "set k 0 0 1\r\nv\r\n", "STORED\r\n" },
		{ ":nick PRIVMSG\r\n", "(hello)\r\n" },
	};

	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		for (int midstream = 0; midstream < 2; midstream++) {
			struct rig *rig = open_rig(ROLE_CLIENT, midstream ? CONN_MIDSTREAM : 0);

			for (int n = 0; n < 2000; n++) {
				rig__text(rig, DIR_OUT, talks[i][0]);
				rig__text(rig, DIR_IN, talks[i][1]);
			}
			assert_log(rig, "");
			assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_NONE);
			close_rig(rig);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_exchange),
		cmocka_unit_test(pushes_are_oneway),
		cmocka_unit_test(long_values_pass_in_silence),
		cmocka_unit_test(the_role_tells_who_asks),
		cmocka_unit_test(met_in_the_middle_of_a_value),
		cmocka_unit_test(found_again_behind_a_gap),
		cmocka_unit_test(lines_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
