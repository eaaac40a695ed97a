// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Golden spans of Redis: the bytes of an exchange in, the whole attribute set out, in order. */
#include "database.h"

#define GET   "*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n"
#define SET   "*3\r\n$3\r\nset\r\n$6\r\nuser:1\r\n$6\r\nsecret\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC  "*1\r\n$4\r\nEXEC\r\n"

#define ENDS "server.address=10.0.0.2\n"
#define DB0  "db.system.name=redis\ndb.namespace=0\n"

static struct talk talk_of(const char *request, const char *response)
{
	return (struct talk){ .protocol = &redis_protocol,
			      .side = ROLE_CLIENT,
			      .port = 6379,
			      .request = slice_of(request),
			      .response = slice_of(response) };
}

static void commands(void **state)
{
	static const struct {
		const char *request, *response, *span;
	} cases[] = {
		{ GET, "$1\r\nv\r\n",
		  "GET client unset\n" DB0
		  "db.operation.name=GET\ndb.query.text=GET user:1\n" ENDS },
		{ SET, "+OK\r\n",
		  "set client unset\n" DB0
		  "db.operation.name=set\ndb.query.text=set user:1 ?\n" ENDS },
		{ SET, "-WRONGTYPE Operation against a key\r\n",
		  "set client error\n" DB0 "db.operation.name=set\ndb.query.text=set user:1 ?\n"
		  "db.response.status_code=WRONGTYPE\nerror.type=WRONGTYPE\n" ENDS },
		{ MULTI SET SET EXEC, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n",
		  "MULTI set client unset\n" DB0
		  "db.operation.name=MULTI set\ndb.operation.batch.size 2\n" ENDS },
		{ MULTI SET GET EXEC, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n_\r\n",
		  "MULTI client unset\n" DB0
		  "db.operation.name=MULTI\ndb.operation.batch.size 2\n" ENDS },
		{ MULTI SET EXEC, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n",
		  "MULTI set client unset\n" DB0 "db.operation.name=MULTI set\n" ENDS },
		{ MULTI EXEC, "+OK\r\n*0\r\n",
		  "MULTI client unset\n" DB0
		  "db.operation.name=MULTI\ndb.operation.batch.size 0\n" ENDS },
		{ "*4\r\n$7\r\nEVALSHA\r\n$4\r\n1a2b\r\n$1\r\n1\r\n$1\r\nk\r\n", "-NOSCRIPT No\r\n",
		  "EVALSHA client error\n" DB0
		  "db.operation.name=EVALSHA\ndb.query.text=EVALSHA 1a2b 1 k\n"
		  "db.stored_procedure.name=1a2b\n"
		  "db.response.status_code=NOSCRIPT\nerror.type=NOSCRIPT\n" ENDS },
		/* a name from a stranger is no name */
		{ "*1\r\n$9\r\n/cgi-bin/\r\n", "-ERR unknown\r\n",
		  "_OTHER client error\n" DB0 "db.operation.name=_OTHER\ndb.query.text=/cgi-bin/\n"
		  "db.response.status_code=ERR\nerror.type=ERR\n" ENDS },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct talk talk = talk_of(cases[i].request, cases[i].response);

		assert_span(next_exchange(&talk), cases[i].span);
	}
}

static void the_other_side(void **state)
{
	struct talk talk = talk_of(GET, "_\r\n");

	talk.side = ROLE_SERVER;
	talk.port = 6380;
	assert_span(next_exchange(&talk),
		    "GET server unset\n" DB0 "db.operation.name=GET\ndb.query.text=GET user:1\n"
		    "server.address=10.0.0.1\nserver.port 6380\n");
}

static void the_database_is_followed(void **state)
{
	struct talk talk = talk_of("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" GET, "+OK\r\n_\r\n");

	assert_span(next_exchange(&talk),
		    "SELECT client unset\n" DB0
		    "db.operation.name=SELECT\ndb.query.text=SELECT 3\n" ENDS);
	assert_span(next_exchange(&talk), "GET client unset\ndb.system.name=redis\ndb.namespace=3\n"
					  "db.operation.name=GET\ndb.query.text=GET user:1\n" ENDS);

	/* met in the middle: nobody knows, until it is said */
	talk = talk_of(GET "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" GET, "_\r\n+OK\r\n_\r\n");
	talk.request_flags = MESSAGE_MIDSTREAM;
	assert_span(next_exchange(&talk), "GET client unset\ndb.system.name=redis\n"
					  "db.operation.name=GET\ndb.query.text=GET user:1\n" ENDS);
	exchange__free(next_exchange(&talk));
	assert_span(next_exchange(&talk), "GET client unset\ndb.system.name=redis\ndb.namespace=3\n"
					  "db.operation.name=GET\ndb.query.text=GET user:1\n" ENDS);
}

static void what_was_not_seen(void **state)
{
	struct talk talk = talk_of("", "");
	struct exchange *exchange = next_exchange(&talk);

	exchange->flags = MESSAGE_INCOMPLETE;
	assert_span(exchange, "redis client unset\ndb.system.name=redis\n" ENDS);

	talk = talk_of(GET, "");
	exchange = next_exchange(&talk);
	exchange->error = 104;
	assert_span(exchange,
		    "GET client error\n" DB0 "db.operation.name=GET\ndb.query.text=GET user:1\n"
		    "error.type=ECONNRESET\n" ENDS);
	talk = talk_of(GET, "");
	exchange = next_exchange(&talk);
	exchange->peer_closed = true;
	assert_span(exchange,
		    "GET client error\n" DB0 "db.operation.name=GET\ndb.query.text=GET user:1\n"
		    "error.type=connection_closed\n" ENDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(the_other_side),
		cmocka_unit_test(the_database_is_followed),
		cmocka_unit_test(what_was_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
