// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <stdio.h>

#include "trees.h"

/* pair alone: every step is checked for legal order and written down */
struct log {
	struct stats stats;
	struct ids *ids;
	struct pair *pair;
	struct message_sink sink;
	const struct protocol *protocol; /* of the messages; NULL: fake_protocol */
	struct exchange *done[1024];
	int done_count;
	int began;
	char steps[4096];
};

struct seen { /* kept in exchange->attribution, which pair never touches */
	int mask;
};

static void on_step(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	struct log *log = ctx;
	struct seen *seen = exchange->attribution;
	char word[16];

	if (step == EXCHANGE_BEGIN) {
		assert_null(seen);
		exchange->attribution = seen = calloc(1, sizeof(*seen));
		log->began++;
	}
	assert_non_null(seen);
	assert_false(seen->mask & (1 << step)); /* each step once */
	assert_false(seen->mask & (1 << EXCHANGE_DONE));
	if (step == EXCHANGE_HEAD)
		assert_false(seen->mask & (1 << EXCHANGE_REQUEST));
	seen->mask |= 1 << step;
	snprintf(word, sizeof(word), "%c%llu ", "BHRAD"[step],
		 (unsigned long long)exchange -> request.position);
	if (strlen(log->steps) + strlen(word) < sizeof(log->steps))
		strcat(log->steps, word);
	if (step != EXCHANGE_DONE)
		return;
	free(seen);
	exchange->attribution = NULL;
	assert_true(log->done_count < 1024);
	log->done[log->done_count++] = exchange;
}

static int setup(void **state)
{
	struct log *log = calloc(1, sizeof(*log));

	log->ids = ids__new_seeded(3);
	log->pair = pair__new(&(struct pair_opts){ &log->stats, log->ids, NULL },
			      (struct exchange_sink){ on_step, log });
	log->sink = pair__sink(log->pair);
	*state = log;
	return 0;
}

static int teardown(void **state)
{
	struct log *log = *state;

	for (int i = 0; i < log->done_count; i++)
		exchange__free(log->done[i]);
	pair__free(log->pair);
	ids__free(log->ids);
	free(log);
	return 0;
}

enum { B = 1, H = 2, E = 4, ALL = B | H | E };

static void put(struct log *log, struct conn *conn, int parts, enum message_type type,
		enum direction dir, uint64_t position, uint64_t ns, uint32_t flags)
{
	struct message m = make_message(type, dir, position, stamp_of(ns, 1, 1), "head");

	m.flags = flags;
	if (log->protocol)
		m.protocol = log->protocol;
	if (parts & B)
		log->sink.begin(log->sink.ctx, conn, &m);
	if (parts & H)
		log->sink.head(log->sink.ctx, conn, &m);
	m.head = slice(NULL, 0);
	if (parts & E)
		log->sink.end(log->sink.ctx, conn, &m);
}

static void req(struct log *log, struct conn *conn, int parts, uint64_t position, uint64_t ns)
{
	put(log, conn, parts, MESSAGE_REQUEST, DIR_IN, position, ns, 0);
}

static void res(struct log *log, struct conn *conn, int parts, uint64_t ns)
{
	put(log, conn, parts, MESSAGE_RESPONSE, DIR_OUT, 0, ns, 0);
}

static void gone(struct log *log, struct conn *conn, uint64_t ns, uint32_t error)
{
	struct stamp at = stamp_of(ns, 1, 1);

	log->sink.gone(log->sink.ctx, conn, &at, error);
}

static void keep_alive(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	req(log, &conn, ALL, 0, 10);
	res(log, &conn, ALL, 20);
	req(log, &conn, ALL, 50, 30);
	res(log, &conn, ALL, 40);
	gone(log, &conn, 50, 0);
	assert_string_equal(log->steps, "B0 H0 R0 A0 D0 B50 H50 R50 A50 D50 ");
	assert_false(log->done[0]->conn_reused);
	assert_true(log->done[1]->conn_reused);
	assert_int_equal(log->done[0]->end_ns, 20);
	assert_int_equal(log->done[0]->request.head.n, 4);
	assert_int_equal(log->stats.requests_served, 2);
	for (int i = 0; i < LOSS_COUNT; i++)
		assert_int_equal(log->stats.lost[i], 0);
}

static void pipelined_in_order(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	for (int i = 0; i < 4; i++)
		req(log, &conn, ALL, i, 10);
	for (int i = 0; i < 4; i++)
		res(log, &conn, ALL, 20 + i);
	assert_int_equal(log->done_count, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(log->done[i]->request.position, i);
		assert_int_equal(log->done[i]->end_ns, 20 + i);
	}
	gone(log, &conn, 50, 0);
}

static void answer_before_the_request_is_complete(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	req(log, &conn, B | H, 0, 10);
	res(log, &conn, ALL, 20);
	assert_int_equal(log->done_count, 0);
	req(log, &conn, E, 0, 30);
	assert_string_equal(log->steps, "B0 H0 A0 R0 D0 ");
	assert_int_equal(log->done[0]->end_ns, 20);
	req(log, &conn, B | H, 7, 40);
	res(log, &conn, ALL, 50);
	gone(log, &conn, 60, 0); /* the upload was given up: the answer was whole */
	assert_int_equal(log->done[1]->end_ns, 50);
	assert_true(log->done[1]->response_ended);
	assert_false(log->done[1]->peer_closed);
}

static void interim_is_no_answer(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	req(log, &conn, B | H, 0, 10);
	put(log, &conn, ALL, MESSAGE_INTERIM, DIR_OUT, 0, 15, 0);
	/* known as interim only when its head is there */
	put(log, &conn, B, MESSAGE_RESPONSE, DIR_OUT, 0, 16, 0);
	put(log, &conn, H | E, MESSAGE_INTERIM, DIR_OUT, 0, 16, 0);
	req(log, &conn, E, 0, 20);
	res(log, &conn, ALL, 30);
	assert_string_equal(log->steps, "B0 H0 R0 A0 D0 ");
	assert_int_equal(log->done[0]->response.first.ns, 30);
	gone(log, &conn, 40, 0);
}

static void response_alone_is_counted(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	conn.tuple.flags = CONN_MIDSTREAM;
	res(log, &conn, ALL, 5);
	req(log, &conn, ALL, 0, 10);
	res(log, &conn, ALL, 20);
	res(log, &conn, ALL, 25);
	gone(log, &conn, 40, 0);
	assert_int_equal(log->done_count, 1);
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 2);
	assert_true(log->done[0]->conn_reused);
	assert_true(log->done[0]->flags & MESSAGE_MIDSTREAM);
}

static void ends_without_response(void **state)
{
	struct log *log = *state;
	struct conn a = make_conn(1, false), b = make_conn(2, false), c = make_conn(3, false),
		    d = make_conn(4, false);

	put(log, &a, ALL, MESSAGE_REQUEST, DIR_OUT, 0, 10, 0);
	gone(log, &a, 99, 104);
	assert_int_equal(log->done[0]->error, 104);
	assert_int_equal(log->done[0]->end_ns, 99);
	assert_false(log->done[0]->has_response);

	put(log, &b, ALL, MESSAGE_REQUEST, DIR_OUT, 0, 10, 0);
	b.shut[DIR_IN] = true;
	gone(log, &b, 99, 0);
	assert_true(log->done[1]->peer_closed);

	put(log, &c, ALL, MESSAGE_REQUEST, DIR_OUT, 0, 10, 0);
	gone(log, &c, 99, 0); /* the process itself gave up */
	assert_false(log->done[2]->peer_closed);
	assert_false(log->done[2]->flags & MESSAGE_INCOMPLETE);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_ALONE], 0);

	put(log, &d, ALL, MESSAGE_REQUEST, DIR_OUT, 0, 10, 0);
	d.closed = false; /* evicted, or the agent ends */
	gone(log, &d, 99, 0);
	assert_true(log->done[3]->flags & MESSAGE_INCOMPLETE);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_ALONE], 1);
}

static void response_cut_short(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	put(log, &conn, ALL, MESSAGE_REQUEST, DIR_OUT, 0, 10, 0);
	put(log, &conn, B | H, MESSAGE_RESPONSE, DIR_IN, 0, 20, 0);
	put(log, &conn, E, MESSAGE_RESPONSE, DIR_IN, 0, 30, MESSAGE_CUT);
	assert_int_equal(log->done_count, 0);
	conn.shut[DIR_IN] = true;
	gone(log, &conn, 40, 0);
	assert_true(log->done[0]->flags & MESSAGE_CUT);
	assert_true(log->done[0]->has_response && log->done[0]->peer_closed);
	assert_false(log->done[0]->response_ended);
	assert_int_equal(log->done[0]->end_ns, 40);
}

static void lost_response_does_not_shift_the_rest(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	req(log, &conn, ALL, 0, 10);
	req(log, &conn, ALL, 1, 30); /* the response to 0 was lost */
	put(log, &conn, ALL, MESSAGE_RESPONSE, DIR_OUT, 9, 40, MESSAGE_AFTER_GAP);
	req(log, &conn, ALL, 2, 50);
	res(log, &conn, ALL, 60);
	assert_int_equal(log->done_count, 3);
	assert_int_equal(log->done[0]->request.position, 0);
	assert_false(log->done[0]->has_response);
	assert_int_equal(log->done[1]->request.position, 1);
	assert_int_equal(log->done[1]->end_ns, 40);
	assert_int_equal(log->done[2]->request.position, 2);
	assert_int_equal(log->done[2]->end_ns, 60);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_ALONE], 1);
	gone(log, &conn, 70, 0);
}

static void pipeline_limit_keeps_the_order(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	for (int i = 0; i < PIPELINE_MAX + 5; i++)
		req(log, &conn, ALL, i, 10);
	assert_int_equal(log->stats.lost[LOSS_PIPELINE_FULL], 5);
	for (int i = 0; i < 10; i++)
		res(log, &conn, ALL, 20);
	req(log, &conn, ALL, 1000, 25); /* still behind the skipped ones */
	for (int i = 0; i < PIPELINE_MAX - 10 + 6; i++)
		res(log, &conn, ALL, 30);
	assert_int_equal(log->done_count, PIPELINE_MAX);
	req(log, &conn, ALL, 2000, 40);
	res(log, &conn, ALL, 50);
	assert_int_equal(log->done_count, PIPELINE_MAX + 1);
	assert_int_equal(log->done[PIPELINE_MAX]->request.position, 2000);
	assert_int_equal(log->done[PIPELINE_MAX]->end_ns, 50);
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 0);
	gone(log, &conn, 60, 0);
}

static void by_key_in_any_order(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);
	const uint64_t order[] = { 5, 1, 3 };

	for (uint64_t key = 1; key <= 5; key += 2) {
		struct message m =
			make_message(MESSAGE_REQUEST, DIR_IN, key, stamp_of(10, 1, 1), "h");

		m.key = key;
		log->sink.begin(log->sink.ctx, &conn, &m);
		log->sink.head(log->sink.ctx, &conn, &m);
		log->sink.end(log->sink.ctx, &conn, &m);
	}
	for (int i = 0; i < 3; i++) {
		struct message m =
			make_message(MESSAGE_RESPONSE, DIR_OUT, 0, stamp_of(20, 1, 1), "h");

		m.key = order[i];
		log->sink.begin(log->sink.ctx, &conn, &m);
		log->sink.head(log->sink.ctx, &conn, &m);
		log->sink.end(log->sink.ctx, &conn, &m);
		assert_int_equal(log->done[i]->request.key, order[i]);
	}
	gone(log, &conn, 60, 0);
}

/* A client that writes on one thread and reads on another: the answer's event may be first. */
static void early_response_waits_for_its_request(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	put(log, &conn, ALL, MESSAGE_REQUEST, DIR_OUT, 0, 10, 0);
	put(log, &conn, ALL, MESSAGE_RESPONSE, DIR_IN, 0, 20, 0);
	put(log, &conn, ALL, MESSAGE_RESPONSE, DIR_IN, 5, 30, 0);
	assert_int_equal(log->done_count, 1);
	put(log, &conn, ALL, MESSAGE_REQUEST, DIR_OUT, 7, 31, 0);
	assert_string_equal(log->steps, "B0 H0 R0 A0 D0 B7 H7 R7 A7 D7 ");
	assert_true(log->done[1]->request.first.ns <= 30);
	assert_int_equal(log->done[1]->end_ns, log->done[1]->request.first.ns + 1);
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 0);

	put(log, &conn, B | H, MESSAGE_RESPONSE, DIR_IN, 9, 40, 0);
	pair__tick(log->pair, 41);
	pair__tick(log->pair, 40 + PAIR_EARLY_NS + 1);
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 1);
	put(log, &conn, E, MESSAGE_RESPONSE, DIR_IN, 9, 60, 0);
	gone(log, &conn, 70 * MS, 0);
	assert_int_equal(log->began, 2);
}

/* --- clients that pipeline ------------------------------------------------------------------ */

static const struct protocol pipelining = { .name = "fake", .pipeline_max = 300 };

static void ask(struct log *log, struct conn *conn, uint64_t position, uint64_t ns, uint32_t flags)
{
	put(log, conn, ALL, MESSAGE_REQUEST, DIR_OUT, position, ns, flags);
}

static void answer(struct log *log, struct conn *conn, uint64_t ns, uint32_t flags)
{
	put(log, conn, ALL, MESSAGE_RESPONSE, DIR_IN, 0, ns, flags);
}

#define MID   MESSAGE_MIDSTREAM
#define QUIET PAIR_QUIET_NS

static void met_in_the_middle(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	answer(log, &conn, 10, MID); /* of what was asked before */
	ask(log, &conn, 1, 20, MID);
	answer(log, &conn, 30, MID); /* its own, or another one's? */
	ask(log, &conn, 2, 40, MID);
	ask(log, &conn, 3, QUIET + 50, MID); /* silence, but 2 is open */
	answer(log, &conn, QUIET + 60, MID);
	answer(log, &conn, QUIET + 70, MID);
	ask(log, &conn, 4, QUIET + 80, MID); /* nothing is open, but there was no silence */
	answer(log, &conn, QUIET + 90, MID);
	assert_int_equal(log->began, 0);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_IN_DOUBT], 4);
	ask(log, &conn, 5, 2 * QUIET + 91, MID);
	ask(log, &conn, 6, 2 * QUIET + 92, MID);
	answer(log, &conn, 2 * QUIET + 93, MID);
	answer(log, &conn, 2 * QUIET + 94, MID);
	assert_string_equal(log->steps, "B5 H5 R5 B6 H6 R6 A5 D5 A6 D6 ");
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 0);
	gone(log, &conn, 3 * QUIET, 0);
}

/* The silence was that of a slow command: its answer is one too many. */
static void doubt_comes_back(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	conn.opened_ns = 5;
	ask(log, &conn, 1, QUIET + 6, MID);
	answer(log, &conn, QUIET + 7, MID); /* of what was asked before the agent came */
	answer(log, &conn, QUIET + 8, MID); /* its own */
	ask(log, &conn, 2, 2 * QUIET + 9, MID);
	assert_int_equal(log->began, 1);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_IN_DOUBT], 1);
	answer(log, &conn, 2 * QUIET + 10, MID);
	ask(log, &conn, 3, 3 * QUIET + 11, MID);
	answer(log, &conn, 3 * QUIET + 12, MID);
	assert_int_equal(log->done_count, 2);
	assert_int_equal(log->done[1]->request.position, 3);

	answer(log, &conn, 3 * QUIET + 13, MID);
	pair__tick(log->pair, 4 * QUIET + 14);
	ask(log, &conn, 4, 4 * QUIET + 15, MID);
	assert_int_equal(log->began, 2);
	gone(log, &conn, 6 * QUIET, 0);
}

static void met_while_it_was_idle(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	conn.opened_ns = 5;
	ask(log, &conn, 1, QUIET + 6, MID);
	answer(log, &conn, QUIET + 7, MID);
	assert_int_equal(log->done_count, 1);
	gone(log, &conn, 3 * QUIET, 0);
}

static void loss_among_several_open(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	ask(log, &conn, 1, 10, 0);
	ask(log, &conn, 2, 11, 0);
	ask(log, &conn, 3, 12, 0);
	answer(log, &conn, 20, 0);
	answer(log, &conn, 30, MESSAGE_AFTER_GAP); /* of 2, or of 3? */
	ask(log, &conn, 4, 40, 0);
	answer(log, &conn, 50, 0);
	assert_int_equal(log->done_count, 3);
	assert_int_equal(log->done[0]->flags & MESSAGE_INCOMPLETE, 0);
	assert_int_equal(log->done[1]->flags & MESSAGE_INCOMPLETE, MESSAGE_INCOMPLETE);
	assert_false(log->done[2]->has_response);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_ALONE], 2);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_IN_DOUBT], 1);
	ask(log, &conn, 5, 51 + QUIET, 0);
	answer(log, &conn, 60 + QUIET, 0);
	assert_int_equal(log->done_count, 4);
	assert_int_equal(log->done[3]->end_ns, 60 + QUIET);

	/* requests were lost: what is answered next? */
	ask(log, &conn, 6, 70 + QUIET, 0);
	ask(log, &conn, 7, 71 + QUIET, 0);
	ask(log, &conn, 8, 72 + QUIET, MESSAGE_AFTER_GAP);
	assert_int_equal(log->done_count, 6);
	/* in doubt a loss may have taken what was due */
	answer(log, &conn, 80 + QUIET, MESSAGE_AFTER_GAP);
	ask(log, &conn, 9, 81 + 2 * QUIET, 0);
	answer(log, &conn, 82 + 2 * QUIET, 0);
	assert_int_equal(log->done_count, 7);
	gone(log, &conn, 3 * QUIET, 0);
	assert_int_equal(log->began, log->done_count);
}

/* Who waits for every answer is not in doubt for long. */
static void loss_of_one_at_a_time(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	ask(log, &conn, 1, 10, 0);
	ask(log, &conn, 2, 20, 0); /* the answer between was lost */
	answer(log, &conn, 30, MESSAGE_AFTER_GAP);
	assert_int_equal(log->done_count, 2);
	gone(log, &conn, 40, 0);

	struct conn next = make_conn(2, false);

	ask(log, &next, 1, 10, 0);
	answer(log, &next, 20, 0);
	ask(log, &next, 2, 30, 0);
	answer(log, &next, 40, MESSAGE_AFTER_GAP);
	assert_int_equal(log->done_count, 4);
	assert_true(log->done[3]->has_response);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_IN_DOUBT], 0);
	gone(log, &next, 50, 0);
}

/* A batch is sent by one thread and read by another: all answers may be told of before it. */
static void early_responses_keep_their_order(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	for (int i = 0; i < 3; i++)
		answer(log, &conn, 20 + i, 0);
	put(log, &conn, B | H, MESSAGE_RESPONSE, DIR_IN, 0, 23, 0);
	for (int i = 0; i < 4; i++)
		ask(log, &conn, i, 30, 0);
	put(log, &conn, E, MESSAGE_RESPONSE, DIR_IN, 0, 31, 0);
	assert_int_equal(log->done_count, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(log->done[i]->request.position, i);
		assert_int_equal(log->done[i]->response.first.ns, 20 + i);
	}
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 0);

	/* answers that nobody asked for: the order is not to be trusted */
	ask(log, &conn, 5, 40, 0);
	ask(log, &conn, 6, 41, 0);
	for (int i = 0; i < 4; i++)
		answer(log, &conn, 50, 0);
	pair__tick(log->pair, 51 + PAIR_EARLY_NS);
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 2);
	ask(log, &conn, 7, 52 + PAIR_EARLY_NS, 0);
	assert_int_equal(log->stats.lost[LOSS_REQUEST_IN_DOUBT], 1);
	gone(log, &conn, 2 * PAIR_EARLY_NS, 0);
	assert_int_equal(log->began, 6);
}

static void early_responses_are_bounded(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	for (int i = 0; i < 1000; i++)
		answer(log, &conn, 20, 0);
	assert_true(log->stats.lost[LOSS_RESPONSE_ALONE] > 500);
	gone(log, &conn, 30, 0);
	assert_int_equal(log->stats.lost[LOSS_RESPONSE_ALONE], 1000);
}

static void deep_pipelines_by_protocol(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	log->protocol = &pipelining;
	for (int i = 0; i < 301; i++)
		ask(log, &conn, i, 10, 0);
	assert_int_equal(log->began, 300);
	assert_int_equal(log->stats.lost[LOSS_PIPELINE_FULL], 1);
	gone(log, &conn, 30, 0);
}

/* What belongs to no exchange leaves the order alone. */
static void oneway_is_nobodys(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);

	ask(log, &conn, 1, 10, 0);
	put(log, &conn, ALL, MESSAGE_ONEWAY, DIR_IN, 0, 20, 0);
	put(log, &conn, ALL, MESSAGE_ONEWAY, DIR_OUT, 2, 21, 0);
	assert_int_equal(log->done_count, 0);
	answer(log, &conn, 30, 0);
	put(log, &conn, ALL, MESSAGE_ONEWAY, DIR_IN, 0, 40, 0);
	assert_string_equal(log->steps, "B1 H1 R1 A1 D1 ");
	assert_int_equal(log->done[0]->end_ns, 30);
	gone(log, &conn, 50, 0);
}

static void failed_connect(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, false);
	struct stamp at = stamp_of(500, 0, 0);

	conn.opened_ns = 400;
	conn.pid = 9;
	pair__connect_failed(log->pair, &conn, &at, 111);
	assert_string_equal(log->steps, "B0 D0 ");
	assert_null(log->done[0]->protocol);
	assert_int_equal(log->done[0]->error, 111);
	assert_int_equal(log->done[0]->request.first.ns, 400);
	assert_int_equal(log->done[0]->end_ns, 500);
}

static void unread(struct log *log, struct conn *conn, enum direction dir, uint64_t ns)
{
	struct stamp at = stamp_of(ns, 1, 1);

	log->sink.unread(log->sink.ctx, conn, dir, &at);
}

/* Answers that no hook could read: each ends where their bytes did, and nothing is called an error. */
static void answers_unseen(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	unread(log, &conn, DIR_OUT, 5); /* nobody waits */
	req(log, &conn, ALL, 0, 10);
	unread(log, &conn, DIR_IN, 12); /* no answer */
	unread(log, &conn, DIR_OUT, 20);
	unread(log, &conn, DIR_OUT, 25);
	req(log, &conn, ALL, 50, 100);
	unread(log, &conn, DIR_OUT, 120);
	conn.shut[DIR_IN] = true;
	gone(log, &conn, 900, 104);
	assert_string_equal(log->steps, "B0 H0 R0 A0 D0 B50 H50 R50 A50 D50 ");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(log->done[i]->end_ns, i ? 120 : 25);
		assert_true(log->done[i]->flags & MESSAGE_INCOMPLETE);
		assert_int_equal(log->done[i]->error, 0);
		assert_false(log->done[i]->peer_closed);
	}
	assert_int_equal(log->stats.lost[LOSS_REQUEST_ALONE], 2);
}

/* Bytes that cannot be read are no answer to who has got one, nor do they end what is pipelined. */
static void unseen_among_seen(void **state)
{
	struct log *log = *state;
	struct conn conn = make_conn(1, true);

	req(log, &conn, ALL, 0, 10);
	req(log, &conn, ALL, 50, 20);
	unread(log, &conn, DIR_OUT, 30);
	req(log, &conn, ALL, 100, 40); /* three are open: whose were they? */
	assert_int_equal(log->done_count, 0);
	put(log, &conn, ALL, MESSAGE_RESPONSE, DIR_OUT, 0, 50, MESSAGE_AFTER_GAP);
	assert_int_equal(log->done_count, 3);
	assert_int_equal(log->done[2]->request.position, 100);
	assert_true(log->done[2]->has_response);
	req(log, &conn, ALL, 150, 60);
	res(log, &conn, B | H, 70);
	unread(log, &conn, DIR_OUT, 80);
	conn.shut[DIR_IN] = true;
	gone(log, &conn, 90, 0);
	assert_true(log->done[3]->peer_closed);
	assert_true(log->done[3]->response.flags & MESSAGE_CUT);
}

/* A socket that is shared, or passed on: each request is whose who read its first byte. */
static void shared_by_processes(void **state)
{
	struct log *log = *state;
	struct processes *processes = processes__new();
	struct conn conn = make_conn(1, true);
	struct pair_opts opts = { &log->stats, log->ids, processes };
	struct process *known[3];

	pair__free(log->pair);
	log->pair = pair__new(&opts, (struct exchange_sink){ on_step, log });
	log->sink = pair__sink(log->pair);
	for (uint32_t i = 0; i < 3; i++) {
		known[i] = process__new(10 + i, 0, RUNTIME_NATIVE, NULL);
		assert_int_equal(processes__add(processes, known[i]), 0);
	}
	conn.pid = 10;
	conn.process = known[0];
	for (uint32_t i = 0; i < 4; i++) { /* nobody knows 13 */
		struct message m = make_message(MESSAGE_REQUEST, DIR_IN, 50 * i,
						stamp_of(100 * i + 10, 10 + i, 10 + i), "head");

		log->sink.begin(log->sink.ctx, &conn, &m);
		log->sink.end(log->sink.ctx, &conn, &m);
		res(log, &conn, ALL, 100 * i + 20);
	}
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(log->done[i]->process, known[i]);
	assert_ptr_equal(log->done[3]->process, known[0]);
	for (int i = 0; i < 3; i++)
		process__unref(known[i]);
	processes__free(processes);
}

/* Any sequence of messages: no crash, no leak, every exchange that began is done once. */
static void any_sequence(void **state)
{
	struct log *log = *state;
	struct conn conns[4];
	unsigned int seed = 11;

	for (int i = 0; i < 4; i++)
		conns[i] = make_conn(i, i & 1);
	for (int i = 0; i < 3000 && log->done_count < 1000; i++) {
		int n = rand_r(&seed) % 4, what = rand_r(&seed) % 40;
		uint32_t flags = rand_r(&seed) % 8 == 0 ? 1u << rand_r(&seed) % 5 : 0;
		int parts = rand_r(&seed) % 3 ? ALL : rand_r(&seed) % 8;
		bool request = what & 1;

		if (what == 0)
			gone(log, &conns[n], i, 0);
		else if (what == 2)
			unread(log, &conns[n], n & 1, i);
		else
			put(log, &conns[n], parts,
			    request  ? MESSAGE_REQUEST :
			    what < 8 ? MESSAGE_INTERIM :
				       MESSAGE_RESPONSE,
			    request == !!(n & 1) ? DIR_IN : DIR_OUT, i, i, flags);
	}
	for (int i = 0; i < 4; i++)
		gone(log, &conns[i], 5000, 0);
	assert_true(log->began > 100);
	assert_int_equal(log->began, log->done_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(keep_alive),
		TEST(pipelined_in_order),
		TEST(answer_before_the_request_is_complete),
		TEST(interim_is_no_answer),
		TEST(response_alone_is_counted),
		TEST(ends_without_response),
		TEST(response_cut_short),
		TEST(lost_response_does_not_shift_the_rest),
		TEST(pipeline_limit_keeps_the_order),
		TEST(by_key_in_any_order),
		TEST(early_response_waits_for_its_request),
		TEST(met_in_the_middle),
		TEST(doubt_comes_back),
		TEST(met_while_it_was_idle),
		TEST(loss_among_several_open),
		TEST(loss_of_one_at_a_time),
		TEST(early_responses_keep_their_order),
		TEST(early_responses_are_bounded),
		TEST(deep_pipelines_by_protocol),
		TEST(oneway_is_nobodys),
		TEST(failed_connect),
		TEST(answers_unseen),
		TEST(unseen_among_seen),
		TEST(shared_by_processes),
		TEST(any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
