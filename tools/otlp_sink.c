// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * otlp_sink: a receiver of OTLP/HTTP for tests, with scripted answers. Real back ends hardly ever
 * refuse, throttle or break off; this one does so on demand.
 *
 *   otlp_sink [PORT [ANSWER,ANSWER,... [counts]]]      PORT 0 (default): any free one
 *
 * ANSWERs are used one per request; the last one for all that follow (default 200):
 *   200 503 ...        that status, empty body            429@2  Retry-After: 2 seconds
 *   429+5, 429-5       Retry-After: the date in 5 s, 5 s ago
 *   partial=N          200, N spans rejected              close  closes without an answer
 *   slow=MS            200 after MS milliseconds          huge   200 with 5 MiB of body
 *   chunked, gzip      200, body in that form             once   200, then closes the connection
 *   cut                200, body cut short                redirect  307 to /elsewhere
 *   status=TEXT        400 with a google.rpc.Status
 * Standard output: {"listening":PORT}, then a JSON line for each request; with `counts` {"total":N},
 * the spans so far.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/json.h"
#include "trace.pb-c.h"

#define BODY_MAX (64u << 20)
#define HUGE	 (5u << 20)

struct sink {
	int fd;
	uint16_t port;
	const char *script; /* the answers that are left */
	FILE *out;	    /* NULL: silent */
	bool counts;
	pthread_t thread;
	pthread_mutex_t lock;
	/* what came so far, under the lock */
	uint32_t connections, requests, spans;
	struct buf head, body; /* of the last request */
};

struct connection {
	struct sink *sink;
	int fd;
};

static void sink__answer(struct sink *sink, char *answer, size_t size)
{
	size_t n = strcspn(sink->script, ",");

	snprintf(answer, size, "%.*s", (int)n, sink->script);
	if (sink->script[n] == ',')
		sink->script += n + 1;
}

/* --- one request -------------------------------------------------------------------------- */

static bool header(const struct buf *head, const char *name, char *value, size_t size)
{
	size_t n = strlen(name);

	value[0] = '\0';
	for (const char *line = head->p; line; line = strstr(line, "\r\n")) {
		line += line == head->p ? 0 : 2;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		line += n + 1;
		line += strspn(line, " ");
		snprintf(value, size, "%.*s", (int)strcspn(line, "\r\n"), line);
		return true;
	}
	return false;
}

/* Reads to the blank line; what follows it goes to body. NUL-terminates the head. */
static bool read_head(int fd, struct buf *head, struct buf *body)
{
	for (;;) {
		char *to = buf__reserve(head, 65536);
		ssize_t n = to ? read(fd, to, 65535) : -1;

		if (n <= 0 || head->n > (1u << 20))
			return false;
		head->n += (size_t)n;
		head->p[head->n] = '\0';
		char *end = strstr(head->p, "\r\n\r\n");

		if (!end)
			continue;
		size_t head_n = (size_t)(end - head->p) + 2;

		buf__append(body, end + 4, head->n - head_n - 2);
		head->n = head_n;
		head->p[head_n] = '\0';
		return true;
	}
}

static bool read_request(int fd, struct buf *head, struct buf *body)
{
	char length[32];

	buf__clear(head);
	buf__clear(body);
	if (!read_head(fd, head, body))
		return false;
	size_t want = header(head, "Content-Length", length, sizeof(length)) ?
			      strtoul(length, NULL, 10) :
			      0;

	while (body->n < want && want <= BODY_MAX) {
		char *to = buf__reserve(body, want - body->n);
		ssize_t n = to ? read(fd, to, want - body->n) : -1;

		if (n <= 0)
			return false;
		body->n += (size_t)n;
	}
	return true;
}

static bool gunzip(const struct buf *from, struct buf *to)
{
	z_stream z = { .next_in = (unsigned char *)from->p, .avail_in = (unsigned int)from->n };
	int err = inflateInit2(&z, 15 + 16);

	while (err == Z_OK && to->n < BODY_MAX) {
		z.next_out = buf__reserve(to, 65536);
		z.avail_out = 65536;
		err = z.next_out ? inflate(&z, Z_NO_FLUSH) : Z_MEM_ERROR;
		to->n += 65536 - z.avail_out;
	}
	inflateEnd(&z);
	return err == Z_STREAM_END;
}

static struct slice bytes(ProtobufCBinaryData data)
{
	return slice(data.data, data.len);
}

static struct slice service_of(const Otlp__ResourceSpans *group)
{
	for (size_t i = 0; group->resource && i < group->resource->n_attributes; i++) {
		const Otlp__KeyValue *pair = group->resource->attributes[i];

		if (slice_eq(bytes(pair->key), SLICE("service.name")) && pair->value)
			return bytes(pair->value->string_value);
	}
	return SLICE("");
}

static uint32_t describe_spans(const Otlp__ExportTraceServiceRequest *request, struct buf *line)
{
	uint32_t count = 0;

	for (size_t i = 0; i < request->n_resource_spans; i++) {
		const Otlp__ResourceSpans *group = request->resource_spans[i];

		for (size_t j = 0; j < group->n_scope_spans; j++) {
			const Otlp__ScopeSpans *scope = group->scope_spans[j];

			for (size_t k = 0; k < scope->n_spans; k++) {
				const Otlp__Span *span = scope->spans[k];

				buf__puts(line, count++ ? ",{\"traceId\":" : "{\"traceId\":");
				json__hex(line, span->trace_id.data, span->trace_id.len);
				buf__puts(line, ",\"spanId\":");
				json__hex(line, span->span_id.data, span->span_id.len);
				buf__puts(line, ",\"service\":");
				json__string(line, service_of(group));
				buf__puts(line, ",\"name\":");
				json__string(line, bytes(span->name));
				buf__puts(line, "}");
			}
		}
	}
	return count;
}

static void note(struct sink *sink, const struct buf *head, const struct buf *body,
		 const char *answer)
{
	char type[64], encoding[64];
	struct buf plain = { 0 }, line = { 0 };
	bool packed = header(head, "Content-Encoding", encoding, sizeof(encoding)) &&
		      strcmp(encoding, "gzip") == 0;
	bool readable = !packed || gunzip(body, &plain);
	const struct buf *message = packed ? &plain : body;
	Otlp__ExportTraceServiceRequest *request =
		readable ? otlp__export_trace_service_request__unpack(NULL, message->n,
								      (const uint8_t *)message->p) :
			   NULL;

	header(head, "Content-Type", type, sizeof(type));
	buf__puts(&line, "{\"request\":");
	json__string(&line, slice(head->p, strcspn(head->p, "\r")));
	buf__puts(&line, ",\"type\":");
	json__string(&line, slice_of(type));
	buf__puts(&line, ",\"encoding\":");
	json__string(&line, slice_of(encoding));
	buf__printf(&line, ",\"bytes\":%zu,\"readable\":%s,\"answer\":", body->n,
		    request ? "true" : "false");
	json__string(&line, slice_of(answer));
	buf__puts(&line, ",\"spans\":[");
	sink->spans += request ? describe_spans(request, &line) : 0;
	buf__puts(&line, "]}\n");
	sink->requests++;
	buf__clear(&sink->head);
	buf__append(&sink->head, head->p, head->n);
	buf__append(&sink->head, "", 1);
	buf__clear(&sink->body);
	buf__append(&sink->body, message->p, message->n);
	if (sink->out) {
		if (sink->counts)
			fprintf(sink->out, "{\"total\":%u}\n", sink->spans);
		else
			fwrite(line.p, 1, line.n, sink->out);
		fflush(sink->out);
	}
	if (request)
		otlp__export_trace_service_request__free_unpacked(request, NULL);
	buf__release(&plain);
	buf__release(&line);
}

/* --- the answers ------------------------------------------------------------------------------ */

static void respond(struct buf *out, int status, const char *headers, struct slice body)
{
	buf__printf(out, "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s\r\n", status, body.n,
		    headers);
	buf__append(out, body.p, body.n);
}

static void respond_with_date(struct buf *out, int status, long offset)
{
	char date[64], line[96];
	time_t when = time(NULL) + offset;
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	snprintf(line, sizeof(line), "Retry-After: %s\r\n", date);
	respond(out, status, line, SLICE(""));
}

static void respond_partial(struct buf *out, long rejected)
{
	Otlp__ExportTraceServiceResponse response = OTLP__EXPORT_TRACE_SERVICE_RESPONSE__INIT;
	Otlp__ExportTracePartialSuccess partial = OTLP__EXPORT_TRACE_PARTIAL_SUCCESS__INIT;
	uint8_t packed[128];

	partial.rejected_spans = rejected;
	partial.error_message = (ProtobufCBinaryData){ 10, (uint8_t *)(uintptr_t) "too old\x1b[m" };
	response.partial_success = &partial;
	respond(out, 200, "Content-Type: application/x-protobuf\r\n",
		slice(packed, otlp__export_trace_service_response__pack(&response, packed)));
}

static void respond_status(struct buf *out, const char *text)
{
	Otlp__RpcStatus status = OTLP__RPC_STATUS__INIT;
	uint8_t packed[256];

	status.code = 3;
	status.message = (ProtobufCBinaryData){ strnlen(text, 200), (uint8_t *)(uintptr_t)text };
	respond(out, 400, "Content-Type: application/x-protobuf\r\n",
		slice(packed, otlp__rpc_status__pack(&status, packed)));
}

static void respond_gzip(struct buf *out)
{
	/* gzip of nothing: an empty message */
	static const char empty[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";

	respond(out, 200, "Content-Encoding: gzip\r\n", slice(empty, sizeof(empty) - 1));
}

static void respond_huge(struct buf *out)
{
	char *body = calloc(1, HUGE);

	if (body)
		respond(out, 200, "", slice(body, HUGE));
	free(body);
}

/* Fills out; false: the connection is closed after it. */
static bool make_answer(const char *answer, struct buf *out)
{
	char *rest;
	long status = strtol(answer, &rest, 10);
	char line[64] = "";

	if (strncmp(answer, "partial=", 8) == 0) {
		respond_partial(out, atol(answer + 8));
	} else if (strncmp(answer, "status=", 7) == 0) {
		respond_status(out, answer + 7);
	} else if (strncmp(answer, "slow=", 5) == 0) {
		usleep((unsigned int)atol(answer + 5) * 1000);
		respond(out, 200, "", SLICE(""));
	} else if (strcmp(answer, "huge") == 0) {
		respond_huge(out);
	} else if (strcmp(answer, "gzip") == 0) {
		respond_gzip(out);
	} else if (strcmp(answer, "chunked") == 0) {
		buf__puts(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	} else if (strcmp(answer, "redirect") == 0) {
		respond(out, 307, "Location: /elsewhere\r\n", SLICE(""));
	} else if (strcmp(answer, "cut") == 0) {
		buf__puts(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
		return false;
	} else if (strcmp(answer, "once") == 0) {
		respond(out, 200, "", SLICE("")); /* kept alive, says the answer; then closed */
		return false;
	} else if (strcmp(answer, "close") == 0) {
		return false;
	} else if (*rest == '+' || *rest == '-') {
		respond_with_date(out, (int)status, atol(rest));
	} else {
		if (*rest == '@')
			snprintf(line, sizeof(line), "Retry-After: %ld\r\n", atol(rest + 1));
		respond(out, status ? (int)status : 200, line, SLICE(""));
	}
	return true;
}

static void *serve(void *arg)
{
	struct connection *connection = arg;
	struct sink *sink = connection->sink;
	struct buf head = { 0 }, body = { 0 }, out = { 0 };
	bool more = true;

	while (more && read_request(connection->fd, &head, &body)) {
		char answer[256];

		pthread_mutex_lock(&sink->lock);
		sink__answer(sink, answer, sizeof(answer));
		note(sink, &head, &body, answer);
		pthread_mutex_unlock(&sink->lock);
		buf__clear(&out);
		more = make_answer(answer, &out);
		for (size_t at = 0; at < out.n;) {
			ssize_t n = send(connection->fd, out.p + at, out.n - at, MSG_NOSIGNAL);

			if (n <= 0) {
				more = false;
				break;
			}
			at += (size_t)n;
		}
	}
	close(connection->fd);
	free(connection);
	buf__release(&head);
	buf__release(&body);
	buf__release(&out);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct sink *sink = arg;

	for (;;) {
		struct connection *connection = malloc(sizeof(*connection));
		pthread_t thread;

		if (!connection)
			break;
		connection->sink = sink;
		connection->fd = accept(sink->fd, NULL, NULL);
		if (connection->fd < 0) {
			free(connection);
			break;
		}
		pthread_mutex_lock(&sink->lock);
		sink->connections++;
		pthread_mutex_unlock(&sink->lock);
		if (pthread_create(&thread, NULL, serve, connection)) {
			close(connection->fd);
			free(connection);
			continue;
		}
		pthread_detach(thread);
	}
	return NULL;
}

/* 0, or -1 with errno; sink->port says where */
static int sink__start(struct sink *sink, uint16_t port, const char *script, FILE *out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(address);
	int one = 1;

	*sink = (struct sink){ .script = script, .out = out, .lock = PTHREAD_MUTEX_INITIALIZER };
	sink->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sink->fd < 0)
		return -1;
	setsockopt(sink->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(sink->fd, (struct sockaddr *)&address, n) || listen(sink->fd, 64) ||
	    getsockname(sink->fd, (struct sockaddr *)&address, &n))
		return -1;
	sink->port = ntohs(address.sin_port);
	return pthread_create(&sink->thread, NULL, accept_all, sink) ? -1 : 0;
}

#ifndef OTLP_SINK_AS_UNIT
int main(int argc, char **argv)
{
	static struct sink sink;
	uint16_t port = argc > 1 ? (uint16_t)atoi(argv[1]) : 0;

	if (argc > 4 || sink__start(&sink, port, argc > 2 ? argv[2] : "200", stdout)) {
		perror("otlp_sink");
		return 1;
	}
	pthread_mutex_lock(&sink.lock);
	sink.counts = argc > 3;
	printf("{\"listening\":%u}\n", sink.port);
	fflush(stdout);
	pthread_mutex_unlock(&sink.lock);
	pthread_join(sink.thread, NULL);
	return 0;
}
#endif
