// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Golden spans of PostgreSQL: the messages of exchanges in, the whole attribute set out, in order. */
#include "database.h"
#include "postgresql.h"

#define ENDS "server.address=10.0.0.2\n"
#define PG   "db.system.name=postgresql\ndb.namespace=shop\n"

static struct note_store store;
static struct stats stats;
static struct buf asked, told;

/* `words`: messages as put_message() takes them, with '^' between */
static struct slice messages(struct buf *out, const char *words)
{
	buf__clear(out);
	while (*words) {
		size_t n = strcspn(words, "^");

		put_message(out, words, n);
		words += n + (words[n] == '^');
	}
	return slice(out->p, out->n);
}

static struct talk begin(const char *request, const char *response)
{
	struct talk talk = { .protocol = &postgresql_protocol, .side = ROLE_CLIENT, .port = 5432 };
	struct frame frame = { .type = MESSAGE_ONEWAY };
	_Alignas(8) uint8_t facts[PROTOCOL_FACTS_MAX];

	store.stats = &stats;
	*(struct notes **)talk.state = notes__new(&store);
	messages(&asked, "start:user|u|database|shop||");
	assert_int_equal(talk.protocol->frame(slice(asked.p, asked.n), true, talk.state, facts,
					      &frame),
			 FRAME_OK);
	frame.type = MESSAGE_ONEWAY;
	messages(&told, "Z:I");
	assert_int_equal(talk.protocol->frame(slice(told.p, told.n), false, talk.state, facts,
					      &frame),
			 FRAME_OK);
	talk.request = messages(&asked, request);
	talk.response = messages(&told, response);
	return talk;
}

static void end(struct talk *talk)
{
	assert_int_equal(talk->request.n + talk->response.n, 0);
	notes__free(*(struct notes **)talk->state);
	buf__release(&asked);
	buf__release(&told);
}

static void one(const char *request, const char *response, const char *want)
{
	struct talk talk = begin(request, response);

	assert_span(next_exchange(&talk), want);
	end(&talk);
}

static void simple_queries(void **state)
{
	one("Q:select * from people where name = 'secret'|", "T:##^C:SELECT 3|^Z:I",
	    "select people client unset\n" PG "db.query.summary=select people\n"
	    "db.query.text=select * from people where name = ?\n"
	    "db.response.returned_rows 3\n" ENDS);
	one("Q:delete from t where a = 1|", "C:DELETE 5|^Z:I",
	    "delete t client unset\n" PG "db.query.summary=delete t\n"
	    "db.query.text=delete from t where a = ?\nspanprobe.db.affected_rows 5\n" ENDS);
	one("Q:begin; select 1; commit|", "C:BEGIN|^T:##^C:SELECT 1|^C:COMMIT|^Z:I",
	    "begin select commit client unset\n" PG "db.query.summary=begin select commit\n"
	    "db.query.text=begin; select ?; commit\ndb.response.returned_rows 1\n" ENDS);
	one("Q:select nosuch|", "E:SERROR|VERROR|C42703|Mcolumn \"nosuch\"||^Z:I",
	    "select client error\n" PG "db.query.summary=select\ndb.query.text=select nosuch\n"
	    "db.response.status_code=42703\nerror.type=42703\n" ENDS);
	/* nothing to tell of it: the database */
	one("Q:-- ping|", "I^Z:I", "shop client unset\n" PG "db.query.text=\n" ENDS);
	/* what cannot be read is not shown */
	one("Q:select 'secret|", "E:C42601||^Z:I",
	    "select client error\n" PG "db.query.summary=select\n"
	    "db.response.status_code=42601\nerror.type=42601\n" ENDS);
	one("F:123", "V:1234^Z:I",
	    "FUNCTION client unset\n" PG "db.operation.name=FUNCTION\n" ENDS);
}

static void extended_queries(void **state)
{
	struct talk talk = begin(
		"P:s|select a from t where b = $1|#^D:Ss|^S^B:|s|####^E:|####^S^B:|s|####^E:|####^B:|s|####^E:|####^S^"
		"C:Ss|^S^B:|s|####^E:|####^S^P:|one|#^B:||####^E:|####^P:|two|#^B:||####^E:|####^S",
		"1^t:##^T:##^Z:I^2^D:##^C:SELECT 1|^Z:I^2^C:SELECT 1|^2^C:SELECT 4|^Z:I^3^Z:I^"
		"E:C26000||^Z:I^1^2^C:UPDATE 1|^1^2^C:UPDATE 2|^Z:I");

	assert_span(next_exchange(&talk),
		    "PREPARE select t client unset\n" PG "db.query.summary=PREPARE select t\n"
		    "db.query.text=select a from t where b = $1\n" ENDS);
	assert_span(
		next_exchange(&talk),
		"select t client unset\n" PG "db.query.summary=select t\n"
		"db.query.text=select a from t where b = $1\ndb.response.returned_rows 1\n" ENDS);
	assert_span(next_exchange(&talk),
		    "BATCH select t client unset\n" PG "db.query.summary=BATCH select t\n"
		    "db.query.text=select a from t where b = $1\ndb.operation.batch.size 2\n"
		    "db.response.returned_rows 5\n" ENDS);
	assert_span(next_exchange(&talk),
		    "CLOSE client unset\n" PG "db.operation.name=CLOSE\n" ENDS);
	/* a statement that is not known (any more) */
	assert_span(next_exchange(&talk), "shop client error\n" PG
					  "db.response.status_code=26000\nerror.type=26000\n" ENDS);
	/* statements of more than one text */
	assert_span(next_exchange(&talk),
		    "BATCH client unset\n" PG "db.operation.name=BATCH\ndb.operation.batch.size 2\n"
		    "spanprobe.db.affected_rows 3\n" ENDS);
	end(&talk);
}

static void the_other_side(void **state)
{
	struct talk talk = begin("Q:select 1|^Q:select 1|", "C:SELECT 1|^Z:I");
	struct exchange *exchange;

	talk.side = ROLE_SERVER;
	talk.port = 5433;
	assert_span(next_exchange(&talk),
		    "select server unset\n" PG "db.query.summary=select\ndb.query.text=select ?\n"
		    "db.response.returned_rows 1\nserver.address=10.0.0.1\nserver.port 5433\n");
	talk.side = ROLE_CLIENT;
	exchange = next_exchange(&talk);
	exchange->peer_closed = true;
	assert_span(exchange,
		    "select client error\n" PG "db.query.summary=select\ndb.query.text=select ?\n"
		    "error.type=connection_closed\nserver.address=10.0.0.2\nserver.port 5433\n");
	end(&talk);
}

static void what_was_not_seen(void **state)
{
	struct talk talk = begin("P:|select 1|#^B:||####^E:|####^E:|####^S", "");
	struct exchange *exchange = next_exchange(&talk);

	/* how many there were is not known */
	exchange->request.flags = exchange->flags = MESSAGE_INCOMPLETE;
	assert_span(exchange, "BATCH select client unset\n" PG "db.query.summary=BATCH select\n"
			      "db.query.text=select ?\n" ENDS);
	exchange = next_exchange(&talk);
	exchange->flags = MESSAGE_INCOMPLETE;
	assert_span(exchange, "postgresql client unset\ndb.system.name=postgresql\n" ENDS);
	end(&talk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_queries),
		cmocka_unit_test(extended_queries),
		cmocka_unit_test(the_other_side),
		cmocka_unit_test(what_was_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
