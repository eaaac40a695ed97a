// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * otlp=URL: a batch is one POST of protobuf, over one kept connection. libcurl's multi interface
 * moves the transfer along inside poll, which never waits; what the answer means stands in one
 * table of outcomes. Retries, deadlines and messages are export.c's.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/pairs.h"
#include "base/utf8.h"
#include "export.h"
#include "export/url.h"
#include "trace.pb-c.h"

#define REQUEST_MAX	(64u << 20)
#define RESPONSE_MAX	(4u << 20)
#define CONNECT_MS	5000L
#define RETRY_AFTER_MAX 60 /* seconds: no answer keeps the agent silent for longer */
#define KEPT_MAX	(4u << 20)

struct otlp_http {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct otlp_url url;
	struct stats *stats;
	size_t request_max;
	bool gzip;
	bool active;   /* easy is in multi */
	bool too_long; /* the answer went over RESPONSE_MAX */
	struct buf plain, packed, answer;
	char error[CURL_ERROR_SIZE];
};

/* --- sending ------------------------------------------------------------------------------ */

static int squeeze(const struct buf *from, struct buf *to)
{
	z_stream z = { 0 };

	/* 16: a gzip head and tail instead of zlib's; level 1: a local network is fast */
	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	size_t room = deflateBound(&z, from->n);

	buf__clear(to);
	z.next_in = (unsigned char *)from->p;
	z.avail_in = (unsigned int)from->n;
	z.next_out = buf__reserve(to, room);
	z.avail_out = (unsigned int)room;
	int done = z.next_out ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;

	to->n = room - z.avail_out;
	deflateEnd(&z);
	return done == Z_STREAM_END ? 0 : -ENOMEM;
}

static int encode(struct otlp_http *http, struct span *const *spans, uint32_t count)
{
	if (http->plain.cap > KEPT_MAX)
		buf__release(&http->plain);
	buf__clear(&http->plain);
	int err = otlp_encode(spans, count, http->stats, &http->plain);

	if (err)
		return err;
	if (http->plain.n > http->request_max)
		return -E2BIG;
	return http->gzip ? squeeze(&http->plain, &http->packed) : 0;
}

static void stop(struct otlp_http *http)
{
	if (http->active)
		curl_multi_remove_handle(http->multi, http->easy);
	http->active = false;
}

static int otlp_http__send(void *self, struct span *const *spans, uint32_t count, bool again)
{
	struct otlp_http *http = self;
	const struct buf *body = http->gzip ? &http->packed : &http->plain;
	int err = again ? 0 : encode(http, spans, count); /* a retry is the same bytes */

	if (err)
		return err;
	stop(http);
	buf__clear(&http->answer);
	http->too_long = false;
	http->error[0] = '\0';
	curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, body->p);
	curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->n);
	if (curl_multi_add_handle(http->multi, http->easy))
		return -ENOMEM;
	http->active = true;
	return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *self)
{
	struct otlp_http *http = self;

	if (http->answer.n + n > RESPONSE_MAX) {
		http->too_long = true;
		return 0;
	}
	buf__append(&http->answer, p, n);
	return http->answer.failed ? 0 : n;
}

/* --- what came of it ------------------------------------------------------------------------ */

/* Words of a stranger go to the user's terminal: one line of printable text. */
static void say(struct export_result *result, struct slice words)
{
	char *to = result->message;
	size_t at = strlen(to), room = sizeof(result->message) - 1;

	words = slice(words.p, utf8__valid(words));
	words = utf8__cut(words, room - at);
	for (size_t i = 0; i < words.n; i++) {
		unsigned char c = (unsigned char)words.p[i];

		to[at++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	while (at && to[at - 1] == ' ')
		at--;
	to[at] = '\0';
}

static struct slice bytes(ProtobufCBinaryData data)
{
	return slice(data.data, data.len);
}

static void read_partial_success(const struct otlp_http *http, struct export_result *result)
{
	Otlp__ExportTraceServiceResponse *response = otlp__export_trace_service_response__unpack(
		NULL, http->answer.n, (const uint8_t *)http->answer.p);

	/* Not protobuf (a proxy's page, "{}"): the status said that the spans were taken. */
	if (!response)
		return;
	if (response->partial_success) {
		int64_t rejected = response->partial_success->rejected_spans;

		result->rejected = rejected < 0		 ? 0 :
				   rejected > UINT32_MAX ? UINT32_MAX :
							   (uint32_t)rejected;
		say(result, bytes(response->partial_success->error_message));
	}
	otlp__export_trace_service_response__free_unpacked(response, NULL);
}

static void read_refusal(const struct otlp_http *http, struct export_result *result)
{
	struct slice answer = slice(http->answer.p, http->answer.n);
	const char *type = NULL;

	curl_easy_getinfo(http->easy, CURLINFO_CONTENT_TYPE, &type);
	if (!type || !slice_starts(slice_of(type), SLICE("application/x-protobuf"))) {
		say(result, answer);
		return;
	}
	Otlp__RpcStatus *status =
		otlp__rpc_status__unpack(NULL, answer.n, (const uint8_t *)answer.p);

	if (status)
		say(result, bytes(status->message));
	if (status)
		otlp__rpc_status__free_unpacked(status, NULL);
}

static void read_status(const struct otlp_http *http, struct export_result *result)
{
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300) {
		result->verdict = EXPORT_DONE;
		read_partial_success(http, result);
		return;
	}
	snprintf(result->message, sizeof(result->message), "HTTP status %ld%s", status,
		 http->answer.n ? ": " : "");
	read_refusal(http, result);
	switch (status) {
	case 429:
	case 502:
	case 503:
	case 504:
		break;
	default: /* also redirects: a body is not sent to where a stranger points */
		result->verdict = EXPORT_DROP;
		return;
	}
	result->verdict = EXPORT_RETRY;
	/* seconds, or a date as seconds from now */
	curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > RETRY_AFTER_MAX)
		retry_after = RETRY_AFTER_MAX;
	if (retry_after > 0)
		result->retry_after_ns = (uint64_t)retry_after * NSEC_PER_SEC;
}

static void read_failure(const struct otlp_http *http, CURLcode code, struct export_result *result)
{
	long os_error = 0;

	curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &os_error);
	if (code == CURLE_COULDNT_CONNECT && os_error)
		say(result, slice_of(strerror((int)os_error)));
	else
		say(result, slice_of(http->error[0] ? http->error : curl_easy_strerror(code)));
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_OPERATION_TIMEDOUT: /* only connecting has a time limit here */
		result->verdict = EXPORT_RETRY;
		result->unreachable = true;
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		result->verdict = EXPORT_RETRY;
		break;
	default: /* a certificate that does not fit, an answer that is not HTTP or too long */
		result->verdict = EXPORT_DROP;
	}
}

static struct export_result otlp_http__poll(void *self, uint64_t now_ns)
{
	struct otlp_http *http = self;
	struct export_result result = { .verdict = EXPORT_PENDING };
	int running, left;
	CURLMsg *msg;

	curl_multi_perform(http->multi, &running);
	while ((msg = curl_multi_info_read(http->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		/* a cut answer has its status all the same */
		if (msg->data.result == CURLE_OK || msg->data.result == CURLE_PARTIAL_FILE)
			read_status(http, &result);
		else if (http->too_long)
			snprintf(result.message, sizeof(result.message),
				 "the answer is longer than %u bytes", RESPONSE_MAX);
		else
			read_failure(http, msg->data.result, &result);
		if (result.verdict == EXPORT_PENDING)
			result.verdict = EXPORT_DROP;
		stop(http);
		break;
	}
	return result;
}

static void otlp_http__cancel(void *self)
{
	stop(self);
}

static void otlp_http__free(void *self)
{
	struct otlp_http *http = self;

	if (!http)
		return;
	stop(http);
	curl_easy_cleanup(http->easy);
	curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	otlp_url__release(&http->url);
	buf__release(&http->plain);
	buf__release(&http->packed);
	buf__release(&http->answer);
	free(http);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int add_header(struct otlp_http *http, const char *line)
{
	struct curl_slist *list = curl_slist_append(http->headers, line);

	if (!list)
		return -ENOMEM;
	http->headers = list;
	return 0;
}

/* A line break inside a header would let its value write further headers. */
static bool header_is_clean(struct slice key, struct slice value)
{
	for (size_t i = 0; i < key.n; i++) {
		unsigned char c = (unsigned char)key.p[i];

		if (c <= 0x20 || c >= 0x7f || c == ':')
			return false;
	}
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static int add_user_headers(struct otlp_http *http, const char *text, struct buf *why)
{
	struct slice rest = slice_of(text), key, value;
	struct buf scratch = { 0 }, line = { 0 };
	int more;

	while ((more = pairs__next(&rest, &scratch, &key, &value)) > 0) {
		if (!header_is_clean(key, value)) {
			more = -EINVAL;
			break;
		}
		buf__clear(&line);
		/* "name;" is how libcurl spells a header with an empty value */
		buf__printf(&line, value.n ? "%.*s: %.*s" : "%.*s;", (int)key.n, key.p,
			    (int)value.n, value.p);
		buf__append(&line, "", 1);
		more = line.failed ? -ENOMEM : add_header(http, line.p);
		if (more)
			break;
	}
	if (more == -EINVAL)
		buf__puts(why, "OTLP headers: not of the form name=value,name=value; a comma or "
			       "line break inside a value is written %2C, and no control "
			       "character is allowed");
	buf__release(&scratch);
	buf__release(&line);
	return more;
}

static int set_headers(struct otlp_http *http, const struct otlp_opts *opts, struct buf *why)
{
	int err = add_header(http, "Content-Type: application/x-protobuf");

	if (!err)
		err = add_header(http, "Expect:"); /* no round trip before the body */
	if (!err && http->gzip)
		err = add_header(http, "Content-Encoding: gzip");
	if (!err && opts->headers)
		err = add_user_headers(http, opts->headers, why);
	curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, http->headers);
	return err;
}

static int set_tls(struct otlp_http *http, const struct otlp_opts *opts, struct buf *why)
{
	const struct {
		CURLoption option;
		const char *file, *what;
	} files[] = {
		{ CURLOPT_CAINFO, opts->ca_file, "certificate authorities" },
		{ CURLOPT_SSLCERT, opts->client_cert, "client certificate" },
		{ CURLOPT_SSLKEY, opts->client_key, "client key" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!files[i].file)
			continue;
		FILE *f = fopen(files[i].file, "re");

		if (!f) {
			int err = -errno;

			buf__printf(why, "cannot read the %s file %s: %s; name a PEM file",
				    files[i].what, files[i].file, strerror(-err));
			return err;
		}
		fclose(f);
		curl_easy_setopt(http->easy, files[i].option, files[i].file);
	}
	return 0;
}

static void set_transfer(struct otlp_http *http)
{
	CURL *easy = http->easy;

	curl_easy_setopt(easy, CURLOPT_URL, http->url.url);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
			 "spanprobe/" SPANPROBE_VERSION " OTel-OTLP-Exporter-C/" SPANPROBE_VERSION);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	/* one call of libcurl sends one buffer: a batch (about 260 KB) goes out in one tick, not in five */
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->error);
	/* A proxy could not reach this machine's loopback: http_proxy is not meant for it. */
	if (http->url.loopback)
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

int otlp_http__new(const struct otlp_opts *opts, struct stats *stats, struct exporter *ret,
		   struct buf *why)
{
	struct otlp_http *http = calloc(1, sizeof(*http));
	int err = http ? 0 : -ENOMEM;

	if (err)
		goto fail;
	err = otlp_url__parse(opts->url, opts->url_verbatim, &http->url, why);
	if (err)
		goto fail;
	http->stats = stats;
	http->gzip = opts->gzip;
	http->request_max = opts->request_bytes_max ? opts->request_bytes_max : REQUEST_MAX;
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	if (!http->multi || !http->easy) {
		err = -ENOMEM;
		goto fail;
	}
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L);
	set_transfer(http);
	err = set_headers(http, opts, why);
	if (!err)
		err = set_tls(http, opts, why);
	if (err)
		goto fail;
	*ret = (struct exporter){
		.name = "otlp",
		.where = http->url.where,
		.timeout_ns = opts->timeout_ms * NSEC_PER_MSEC,
		.self = http,
		.send = otlp_http__send,
		.poll = otlp_http__poll,
		.cancel = otlp_http__cancel,
		.free = otlp_http__free,
	};
	return 0;
fail:
	otlp_http__free(http);
	return err;
}
