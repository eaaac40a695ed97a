// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* nginx: whom a worker says it calls for, and where that is found in its program. */
#include "trees.h"

#include <errno.h>
#include <unistd.h>

#include "code_files.h"
#include "runtime/nginx.h"

#define PID 10
#define W   PID /* a worker has one thread that serves */

static struct conn in[4], out[8];

static void event(struct trees *t, enum unit_change change, uint64_t ns, uint32_t tid,
		  uint64_t other, uint64_t arg)
{
	struct event_unit event = { .change = change, .other_unit = other, .arg = arg };

	event.event = (struct event){ .kind = EVENT_UNIT, .pid = PID, .tid = tid, .time_ns = ns };
	attribute__event(t->attribute, &event.event);
}

static int setup(void **state)
{
	struct trees *t = trees__new();

	for (int i = 0; i < 4; i++)
		in[i] = make_conn(100 + i, true);
	for (int i = 0; i < 8; i++)
		out[i] = make_conn(200 + i, false);
	trees__process(t, PID, RUNTIME_NGINX);
	event(t, UNIT_MODULE, 1, 0, 0, UNITS_NGINX);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

static void request(struct trees *t, int conn, uint64_t ns)
{
	request_at(t, &in[conn], ns, ns, PID, W);
}

static void answer(struct trees *t, int conn, uint64_t ns)
{
	response_at(t, &in[conn], ns, PID, W);
}

static void call(struct trees *t, int conn, uint64_t ns)
{
	request_at(t, &out[conn], ns, ns, PID, W);
}

static void result(struct trees *t, int conn, uint64_t ns)
{
	response_at(t, &out[conn], ns, PID, W);
}

/* It is about to call for that client. */
static void says(struct trees *t, int client, uint64_t ns)
{
	event(t, UNIT_CLIENT, ns, W, in[client].id, 0);
}

static void says_nobody(struct trees *t, uint64_t ns)
{
	event(t, UNIT_CLIENT, ns, W, 0, 0);
}

static void finish(struct trees *t)
{
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], 900, 0);
	for (int i = 0; i < 4; i++)
		gone_at(t, &in[i], 901, 0);
	attribute__flush(t->attribute);
	join__flush(t->join, 1000);
}

static void assert_parent(struct trees *t, int conn, uint64_t ns, int parent, uint64_t parent_ns,
			  enum parent_by by)
{
	struct out *child = find_out(t, &out[conn], ns);
	struct out *mother = find_out(t, &in[parent], parent_ns);

	assert_non_null(child);
	assert_non_null(mother);
	assert_ptr_equal(child->context->parent, mother->context);
	assert_int_equal(child->context->by, by);
}

static void assert_root(struct trees *t, int conn, uint64_t ns, enum root_why why)
{
	struct out *child = find_out(t, &out[conn], ns);

	assert_non_null(child);
	assert_null(child->context->parent);
	assert_int_equal(child->context->why, why);
}

/* Delayed requests, parallel calls, new connections: nothing else matters. */
static void it_is_the_client_that_it_names(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	request(t, 1, 11);
	request(t, 2, 12);
	says(t, 1, 20);
	call(t, 0, 21);
	says(t, 1, 22);
	call(t, 1, 23);
	says(t, 0, 24);
	connect_at(t, &out[2], 25, PID, W);
	says(t, 2, 26);
	connect_at(t, &out[3], 27, PID, W);
	result(t, 0, 30);
	says(t, 1, 31);
	call(t, 0, 32);
	call(t, 3, 33);
	call(t, 2, 34);
	for (int i = 0; i < 4; i++)
		result(t, i, 40 + i);
	for (int i = 0; i < 3; i++)
		answer(t, i, 50 + i);
	finish(t);
	assert_parent(t, 0, 21, 1, 11, PARENT_BY_CLIENT);
	assert_parent(t, 1, 23, 1, 11, PARENT_BY_CLIENT);
	assert_parent(t, 0, 32, 1, 11, PARENT_BY_CLIENT);
	assert_parent(t, 2, 34, 0, 10, PARENT_BY_CONNECT);
	assert_parent(t, 3, 33, 2, 12, PARENT_BY_CONNECT);
}

static void its_own_calls_are_roots(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	says_nobody(t, 11);
	call(t, 0, 12);
	says_nobody(t, 13);
	connect_at(t, &out[1], 14, PID, W);
	call(t, 2, 15); /* nothing was said of it */
	call(t, 1, 16);
	says(t, 3, 17); /* a client that has asked for nothing yet, or before the agent came */
	call(t, 3, 18);
	answer(t, 0, 30);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, 16, ROOT_WHY_NO_REQUEST);
	assert_root(t, 2, 15, ROOT_WHY_UNIT);
	assert_root(t, 3, 18, ROOT_WHY_NO_REQUEST);
}

/* What it says is good for one call, of that connection if it says so, before it reads on. */
static void what_it_says_is_used_once(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	says(t, 0, 11);
	call(t, 0, 12);
	call(t, 1, 13);
	says(t, 0, 14); /* and all servers are down */
	request(t, 1, 15);
	call(t, 2, 16);
	says(t, 0, 17);
	answer(t, 1, 18);
	call(t, 3, 19);
	says(t, 0, 20);
	result(t, 0, 21);
	call(t, 4, 22);
	event(t, UNIT_CLIENT, 23, W, in[0].id, out[5].id);
	call(t, 6, 24);
	call(t, 5, 25);
	event(t, UNIT_CLIENT, 26, W + 1, in[0].id, 0); /* another thread's */
	call(t, 7, 27);
	answer(t, 0, 30);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_CLIENT);
	assert_parent(t, 5, 25, 0, 10, PARENT_BY_CLIENT);
	assert_root(t, 1, 13, ROOT_WHY_UNIT);
	assert_root(t, 2, 16, ROOT_WHY_UNIT);
	assert_root(t, 3, 19, ROOT_WHY_UNIT);
	assert_root(t, 4, 22, ROOT_WHY_UNIT);
	assert_root(t, 6, 24, ROOT_WHY_UNIT);
	assert_root(t, 7, 27, ROOT_WHY_UNIT);
}

/* A call whose protocol was not known at once: what was said since is not of it. */
static void calls_may_be_known_late(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	request(t, 1, 11);
	says(t, 0, 12);
	for (uint64_t ns = 14; ns < 54; ns++)
		says(t, 1, ns);
	call(t, 0, 13);
	for (uint64_t ns = 54; ns < 154; ns++)
		says(t, 1, ns);
	call(t, 1, 13); /* too late */
	answer(t, 0, 200);
	answer(t, 1, 201);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_CLIENT);
	assert_root(t, 1, 13, ROOT_WHY_UNIT);
}

/* A page that is sent while its parts are fetched; a mirror that is asked after the answer. */
static void calls_go_on_after_the_answer(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	says(t, 0, 11);
	connect_at(t, &out[0], 12, PID, W);
	answer(t, 0, 13);
	call(t, 0, 14);
	says(t, 0, 15);
	call(t, 1, 16);
	result(t, 0, 17);
	result(t, 1, 18);
	request(t, 0, 20);
	says(t, 0, 21);
	call(t, 2, 22);
	result(t, 2, 23);
	answer(t, 0, 24);
	finish(t);
	assert_parent(t, 0, 14, 0, 10, PARENT_BY_CONNECT);
	assert_parent(t, 1, 16, 0, 10, PARENT_BY_CLIENT);
	assert_parent(t, 2, 22, 0, 20, PARENT_BY_CLIENT);
}

/* The first of several requests is served until it is answered. Then it is not known when the next
 * one is taken up: a call may still be the first one's. */
static void pipelined_requests_are_doubt(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	request(t, 0, 11);
	says(t, 0, 12);
	call(t, 0, 13);
	result(t, 0, 14);
	answer(t, 0, 15);
	says(t, 0, 16);
	call(t, 1, 17);
	result(t, 1, 18);
	answer(t, 0, 19);
	says(t, 0, 20);
	call(t, 2, 21);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_CLIENT);
	assert_root(t, 1, 17, ROOT_WHY_DOUBT);
	assert_root(t, 2, 21, ROOT_WHY_NO_REQUEST);
}

/* Streams share their client's connection. */
static void streams_are_doubt(void **state)
{
	struct trees *t = *state;
	struct message stream =
		make_message(MESSAGE_REQUEST, DIR_IN, 10, stamp_of(10, PID, W), "x");

	stream.key = 1;
	t->sink.begin(t->sink.ctx, &in[0], &stream);
	t->sink.head(t->sink.ctx, &in[0], &stream);
	t->sink.end(t->sink.ctx, &in[0], &stream);
	says(t, 0, 11);
	call(t, 0, 12);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_DOUBT);
}

static void lost_events_forget_what_was_said(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10);
	says(t, 0, 11);
	t->stats.lost[LOSS_RING_UNIT]++;
	attribute__tick(t->attribute, 12);
	call(t, 0, 13);
	says(t, 0, 14);
	call(t, 1, 15);
	answer(t, 0, 16);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_UNIT);
	assert_root(t, 1, 15, ROOT_WHY_DOUBT);
}

static void without_it_turns_count(void **state)
{
	struct trees *t = *state;

	event(t, UNIT_MODULE, 2, 0, 0, 0);
	request(t, 0, 10);
	says(t, 1, 11); /* the probe is still there */
	call(t, 0, 12);
	result(t, 0, 13);
	answer(t, 0, 14);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_THREAD);
}

/* --- the program -------------------------------------------------------------------------------- */

static const char source[] =
	"#include <stddef.h>\n"
	"struct log { unsigned long level; void *file; };\n"
	"struct connection { void *data, *read, *write; int fd; void *call[4], *listening;\n"
	"	long sent; struct log *log; void *pool; int type; };\n"
	"struct peer { void *connection; char pad[PAD]; struct log *log; int flags; };\n"
	"static struct connection all[4], *volatile next = all;\n"
	"extern int socket(int, int, int), send(int, const void *, long, int);\n"
	"extern int log_error(struct log *, const char *);\n"
	"int log_error(struct log *l, const char *s) { return l->level && *s; }\n"
	"__attribute__((noinline)) struct connection *ngx_get_connection(int s, struct log *log)\n"
	"{ struct connection *c = next++; if (!c->data) { if (log->level & 4) log_error(log, \"x\");\n"
	"  if (!c->read) return NULL; } __builtin_memset(c, 0, sizeof(*c)); c->fd = s; c->log = LOG;\n"
	"  return c; }\n"
	"__attribute__((noinline)) int ngx_event_connect_peer(struct peer *p)\n"
	"{ struct connection *c; int s = socket(2, 1, 0);\n"
	"  if (p->log->level & 128) log_error(p->log, \"socket\");\n"
	"  if (s == -1) return 1; c = ngx_get_connection(s, p->log);\n"
	"  if (!c) return 2; p->connection = c; c->type = p->flags; return 0; }\n"
	"__attribute__((noinline)) long ngx_unix_send(struct connection *c, char *b, long n)\n"
	"{ return send(c->fd, b, n, 0); }\n"
	"int main(void) { struct log l = { 1 }; struct peer p = { .log = &l };\n"
	"  return ngx_event_connect_peer(&p) + ngx_unix_send(all, 0, 0); }\n";

/* 0 or what the module says; *log: where it has found the log to be */
static int look_at(const char *path, uint64_t *log, char *text, size_t size)
{
	struct runtime_setup setup = { 0 };
	struct buf why = { 0 };
	struct image *image;
	int err;

	assert_int_equal(image__of_path(path, &image), 0);
	err = nginx__look_at(image, &setup, &why);
	snprintf(text, size, "%.*s", (int)why.n, why.n ? why.p : "");
	*log = setup.recipe.words[NGINX_PEER_LOG];
	if (!err) {
		assert_int_equal(setup.count, 2);
		assert_string_equal(setup.probes[0].program, "nginx__connect_peer");
		assert_string_equal(setup.probes[1].program, "nginx__send");
		assert_int_not_equal(setup.probes[0].offset, setup.probes[1].offset);
	}
	buf__release(&why);
	runtime_setup__release(&setup);
	image__free(image);
	return err;
}

static void compile(const char *folder, const char *flags)
{
	char command[512];
	FILE *cc;

	snprintf(command, sizeof(command), "cc -x c %s -o %s/nginx -", flags, folder);
	cc = popen(command, "w");
	assert_non_null(cc);
	assert_int_equal(fwrite(source, 1, sizeof(source) - 1, cc), sizeof(source) - 1);
	assert_int_equal(pclose(cc), 0);
}

static void places_are_read_from_the_code(void **state)
{
	static const struct {
		const char *flags;
		int err;
		uint64_t log;
	} builds[] = {
		{ "-O1 -rdynamic -DPAD=96 -DLOG=log", 0, 104 },
		{ "-O2 -rdynamic -s -DPAD=80 -DLOG=log", 0, 88 },
		{ "-O2 -rdynamic -no-pie -DPAD=104 -DLOG=log", 0, 112 },
		{ "-Os -rdynamic -DPAD=48 -DLOG=log", 0, 56 },
		{ "-O3 -DPAD=120 -DLOG=log", 0, 128 },
		{ "-O0 -g -DPAD=120 -DLOG=log", 0, 128 },
		{ "-O2 -s -DPAD=96 -DLOG=log", -ENOENT, 0 },	      /* no names */
		{ "-O2 -rdynamic -DPAD=2000 -DLOG=log", -ENOENT, 0 }, /* absurd */
		{ "-O2 -rdynamic -DPAD=96 -DLOG=NULL", -ENOENT, 0 },  /* another nginx */
	};
	char folder[] = "/tmp/test_nginx.XXXXXX", path[64], why[256];
	uint64_t log;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/nginx", folder);
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		compile(folder, builds[i].flags);
		assert_int_equal(look_at(path, &log, why, sizeof(why)), builds[i].err);
		if (!builds[i].err)
			assert_int_equal(log, builds[i].log);
		assert_int_equal(strlen(why) > 0, builds[i].err != 0);
	}
	unlink(path);
	rmdir(folder);
}

static void nginx_of_this_machine(void **state)
{
	const char *path = code_file("/usr/sbin/nginx");
	char why[256];
	uint64_t log;

	if (!path)
		skip();
	assert_int_equal(look_at(path, &log, why, sizeof(why)), 0);
	assert_in_range(log, 80, 160);
}

/* Every symbol and byte may lie. */
static void damaged_programs_are_survived(void **state)
{
	char folder[] = "/tmp/test_nginx.XXXXXX", path[64];
	struct runtime_setup setup;
	struct image *image;
	struct buf why = { 0 };
	uint32_t random = 1;
	char *bytes;
	size_t n;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/nginx", folder);
	compile(folder, "-O2 -rdynamic -DPAD=96 -DLOG=log");
	bytes = bytes_of(path, &n);
	for (int i = 0; i < 3000; i++) {
		size_t at = (random = random * 1664525 + 1013904223) % n;
		char was = bytes[at];

		bytes[at] = (char)(random >> 24);
		if (image__of_memory(slice(bytes, i % 8 ? n : at), &image) == 0) {
			setup = (struct runtime_setup){ 0 };
			if (nginx__look_at(image, &setup, &why) == 0)
				assert_in_range(setup.recipe.words[NGINX_PEER_LOG], 8, 1016);
			image__free(image);
		}
		if (i % 4)
			bytes[at] = was;
	}
	buf__release(&why);
	free(bytes);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(it_is_the_client_that_it_names),
		TEST(its_own_calls_are_roots),
		TEST(what_it_says_is_used_once),
		TEST(calls_may_be_known_late),
		TEST(calls_go_on_after_the_answer),
		TEST(pipelined_requests_are_doubt),
		TEST(streams_are_doubt),
		TEST(lost_events_forget_what_was_said),
		TEST(without_it_turns_count),
		cmocka_unit_test(places_are_read_from_the_code),
		cmocka_unit_test(nginx_of_this_machine),
		cmocka_unit_test(damaged_programs_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
