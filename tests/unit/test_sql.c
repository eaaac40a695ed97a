// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocols/sql.h"

static const struct {
	const char *text;
	const char *sanitised; /* NULL: none */
	const char *summary;
} cases[] = {
	/* the conventions' examples */
	{ "SELECT * FROM wuser_table WHERE name = 'x'", "SELECT * FROM wuser_table WHERE name = ?",
	  "SELECT wuser_table" },
	{ "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = 7",
	  "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?",
	  "INSERT shipping_details SELECT orders" },
	{ "SELECT * FROM songs, artists WHERE songs.artist_id = artists.id",
	  "SELECT * FROM songs, artists WHERE songs.artist_id = artists.id",
	  "SELECT songs artists" },
	{ "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
	  "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
	  "SELECT SELECT orders customers" },
	{ "SELECT * FROM \"song list\"", "SELECT * FROM \"song list\"", "SELECT \"song list\"" },
	/* literals */
	{ "select 'it''s', 'a\\', 1", "select ?, ?, ?", "select" },
	{ "select E'it\\'s', e'\\\\' , 5", "select ?, ? , ?", "select" },
	{ "select $$a'b$$, $t$ $$ $t$, $1", "select ?, ?, $1", "select" },
	{ "select B'101', x'1F', N'a', U&'d\\0061'", "select ?, ?, ?, ?", "select" },
	{ "select 1, 1.5, .5, 1e10, 1.5e-3, 0x1F, 1_000, -7", "select ?, ?, ?, ?, ?, ?, ?, -?",
	  "select" },
	{ "select TRUE, false, null, t1, a$b", "select ?, ?, null, t1, a$b", "select" },
	{ "select date '2020-01-01', interval '1 day', '{1,2}'::int[]",
	  "select date ?, interval ?, ?::int[]", "select" },
	{ "select * from t where id in (1, 2, -3) and x IN('a','b')",
	  "select * from t where id in (?) and x IN(?)", "select t" },
	{ "select * from t where id in ($1, $2) and (1, 2) in (select a, b from u)",
	  "select * from t where id in ($1, $2) and (?, ?) in (select a, b from u)",
	  "select t select u" },
	{ "select * from t where id in (1, f(2))", "select * from t where id in (?, f(?))",
	  "select t" },
	{ "insert into t values (1, 'a'), (2, 'b')", "insert into t values (?, ?), (?, ?)",
	  "insert t" },
	/* comments go, whatever they hold */
	{ "/* app='x' /* nested */ */ select 1 -- secret\n + 2 /*traceparent='00-1'*/",
	  "select ? + ?", "select" },
	{ "select/**/1", "select ?", "select" },
	{ "-- ping", "", "" },
	{ "", "", "" },
	{ "  select\n\t 1 ;  ", "select ? ;", "select" },
	/* no end: nothing can be shown */
	{ "select 'secret", NULL, "select" },
	{ "select $$secret$", NULL, "select" },
	{ "select \"a", NULL, "select" },
	{ "select E'secret\\'", NULL, "select" },
	/* summaries */
	{ "UPDATE only users u SET name = $1 FROM other WHERE id = $2",
	  "UPDATE only users u SET name = $1 FROM other WHERE id = $2", "UPDATE users other" },
	{ "delete from a.b using c where a.b.x = c.x", "delete from a.b using c where a.b.x = c.x",
	  "delete a.b c" },
	{ "select extract(year from d), substring(x from 2), trim(both from y) from t where a is distinct from b",
	  "select extract(year from d), substring(x from ?), trim(both from y) from t where a is distinct from b",
	  "select t" },
	{ "select * from t left join \"U\".v using (id) for update",
	  "select * from t left join \"U\".v using (id) for update", "select t \"U\".v" },
	{ "insert into t (a) values ($1) on conflict (a) do update set a = 1 returning id",
	  "insert into t (a) values ($1) on conflict (a) do update set a = ? returning id",
	  "insert t" },
	{ "with x as (select * from a), y as (delete from b returning *) select * from x",
	  "with x as (select * from a), y as (delete from b returning *) select * from x",
	  "select a delete b select x" },
	{ "select * from generate_series(1, 5) g, t", "select * from generate_series(?, ?) g, t",
	  "select t" },
	{ "select (select count(*) from b), c from a", "select (select count(*) from b), c from a",
	  "select select b a" },
	{ "BEGIN", "BEGIN", "BEGIN" },
	{ "begin; select * from t; commit", "begin; select * from t; commit",
	  "begin select t commit" },
	{ "SAVEPOINT sp_123", "SAVEPOINT sp_123", "SAVEPOINT" },
	{ "DEALLOCATE pdo_stmt_00001", "DEALLOCATE pdo_stmt_00001", "DEALLOCATE" },
	{ "set search_path to 'a'", "set search_path to ?", "set" },
	{ "CREATE TABLE IF NOT EXISTS a.t (id int)", "CREATE TABLE IF NOT EXISTS a.t (id int)",
	  "CREATE TABLE a.t" },
	{ "create temp table tmp_8237 as select * from t",
	  "create temp table tmp_8237 as select * from t", "create table select t" },
	{ "create unique index concurrently i on t using btree (x)",
	  "create unique index concurrently i on t using btree (x)", "create index i" },
	{ "create or replace function f() returns int as $$ select 1 $$ language sql",
	  "create or replace function f() returns int as ? language sql", "create function f" },
	{ "drop table if exists a, b", "drop table if exists a, b", "drop table a" },
	{ "truncate table a, b", "truncate table a, b", "truncate a b" },
	{ "copy t (a, b) from stdin", "copy t (a, b) from stdin", "copy t" },
	{ "fetch 5 from \"c1234\"; select * from t", "fetch ? from \"c1234\"; select * from t",
	  "fetch select t" },
	{ "call p(1)", "call p(?)", "call p" },
	{ "explain analyze select * from t", "explain analyze select * from t",
	  "explain analyze select t" },
	{ "merge into t using s on t.id = s.id when matched then update set x = 1",
	  "merge into t using s on t.id = s.id when matched then update set x = ?", "merge t s" },
	{ "values (1), (2)", "values (?), (?)", "values" },
	{ "declare c cursor for select * from t", "declare c cursor for select * from t",
	  "declare select t" },
	{ "select pg_sleep(0.1) as \"w/c1-5.0\"", "select pg_sleep(?) as \"w/c1-5.0\"", "select" },
	{ "select 'a' from \xc3\xbctab", "select ? from \xc3\xbctab", "select \xc3\xbctab" },
	{ "select a.b.* from t where x ? 'k' and y @> '{}'",
	  "select a.b.* from t where x ? ? and y @> ?", "select t" },
};

static void as_written(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice text = slice_of(cases[i].text);
		/* an exact copy: a read beyond it is found */
		char *copy = memcpy(malloc(text.n + 1), text.p, text.n);
		struct buf out = { 0 };

		copy = realloc(copy, text.n ? text.n : 1);
		if (sql__sanitise(slice(copy, text.n), false, &out) != (cases[i].sanitised != NULL))
			fail_msg("%s: can%s be shown", cases[i].text,
				 cases[i].sanitised ? "not" : "");
		buf__append(&out, "", 1);
		if (cases[i].sanitised)
			assert_string_equal(out.p, cases[i].sanitised);
		buf__clear(&out);
		sql__summary(slice(copy, text.n), &out);
		buf__append(&out, "", 1);
		assert_string_equal(out.p, cases[i].summary);
		buf__release(&out);
		free(copy);
	}
}

/* However a text is cut, nothing of a value is shown. */
static void a_cut_text_shows_no_value(void **state)
{
	static const char text[] =
		"select E'SEC\\'RET', $a$SECRET$a$, \"x\" /* SECRET */, 'SEC''RET', U&'SECRET' -- SECRET";

	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = memcpy(malloc(n ? n : 1), text, n);
		struct buf out = { 0 };

		assert_true(sql__sanitise(slice(copy, n), true, &out));
		buf__append(&out, "", 1);
		assert_null(strstr(out.p, "SEC"));
		assert_null(strstr(out.p, "RET"));
		buf__clear(&out);
		sql__summary(slice(copy, n), &out);
		buf__append(&out, "", 1);
		assert_null(strstr(out.p, "RET"));
		buf__release(&out);
		free(copy);
	}
}

static void summaries_are_bounded(void **state)
{
	struct buf text = { 0 }, out = { 0 };

	buf__puts(&text, "select * from a");
	for (int i = 0; i < 100; i++)
		buf__printf(&text, ", table_number_%d", i);
	sql__summary(slice(text.p, text.n), &out);
	assert_true(out.n <= SQL_SUMMARY_MAX && out.n > 230);
	assert_memory_equal(out.p, "select a table_number_0 ", 24);
	assert_true(strstr(text.p, "table_number_14") && out.p[out.n - 1] != '_');
	buf__clear(&text);
	buf__clear(&out);
	for (int i = 0; i < 5000; i++) /* deeper than is remembered */
		buf__puts(&text, "(select ");
	sql__summary(slice(text.p, text.n), &out);
	assert_true(out.n <= SQL_SUMMARY_MAX);
	buf__release(&text);
	buf__release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_written),
		cmocka_unit_test(a_cut_text_shows_no_value),
		cmocka_unit_test(summaries_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
