/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* HTTP/1.0 and 1.1, private to http1*.c: what framing, head parsing and describing share. */
#ifndef SPANPROBE_HTTP1_H
#define SPANPROBE_HTTP1_H

#include "exchange.h"

#define HTTP1_HEAD_MAX	 (64u << 10) /* a header block, a trailer section or a chunk's size line */
#define HTTP1_METHOD_MAX 32
#define HTTP1_BLANK_MAX	 4 /* empty lines skipped before a request line, RFC 9112 section 2.2 */

/* Fields whose first value is found while the head is parsed: HTTP1_FIELD(ID, "lower case name"). */
#define HTTP1_FIELD_LIST(HTTP1_FIELD)                                                              \
	HTTP1_FIELD(B3, "b3")                                                                      \
	HTTP1_FIELD(HOST, "host")                                                                  \
	HTTP1_FIELD(FORWARDED, "forwarded")                                                        \
	HTTP1_FIELD(USER_AGENT, "user-agent")                                                      \
	HTTP1_FIELD(TRACESTATE, "tracestate")                                                      \
	HTTP1_FIELD(B3_FLAGS, "x-b3-flags")                                                        \
	HTTP1_FIELD(TRACEPARENT, "traceparent")                                                    \
	HTTP1_FIELD(B3_SPANID, "x-b3-spanid")                                                      \
	HTTP1_FIELD(B3_TRACEID, "x-b3-traceid")                                                    \
	HTTP1_FIELD(B3_SAMPLED, "x-b3-sampled")                                                    \
	HTTP1_FIELD(UBER, "uber-trace-id")                                                         \
	HTTP1_FIELD(CONTENT_LENGTH, "content-length")                                              \
	HTTP1_FIELD(X_FORWARDED_FOR, "x-forwarded-for")                                            \
	HTTP1_FIELD(XRAY, "x-amzn-trace-id")                                                       \
	HTTP1_FIELD(X_FORWARDED_HOST, "x-forwarded-host")                                          \
	HTTP1_FIELD(X_FORWARDED_PROTO, "x-forwarded-proto")                                        \
	HTTP1_FIELD(TRANSFER_ENCODING, "transfer-encoding")                                        \
	HTTP1_FIELD(GCP, "x-cloud-trace-context")

enum http1_field {
#define HTTP1_FIELD(id, name) HTTP1_##id,
	HTTP1_FIELD_LIST(HTTP1_FIELD)
#undef HTTP1_FIELD
		HTTP1_FIELD_COUNT,
	HTTP1_FIELD_OTHER = HTTP1_FIELD_COUNT
};

struct http1_ref {
	uint16_t at;
	uint16_t n;
};

enum http1_method { HTTP1_METHOD_OTHER, HTTP1_METHOD_HEAD, HTTP1_METHOD_CONNECT };

/* How a message's lengths stand, RFC 9112 section 6.3 */
#define HTTP1_HAS_LENGTH  0x01 /* a valid Content-Length */
#define HTTP1_BAD_LENGTH  0x02 /* not a number, too large, or several that differ */
#define HTTP1_HAS_CODING  0x04 /* Transfer-Encoding */
#define HTTP1_CHUNKED	  0x08 /* ... of which the last coding is chunked */
#define HTTP1_CONTRADICTS 0x10 /* MESSAGE_SMUGGLING */

struct http1_facts {
	uint64_t content_length;
	struct http1_ref method;
	struct http1_ref target;
	struct http1_ref field[HTTP1_FIELD_COUNT]; /* first value of each */
	uint32_t present;			   /* bit per field */
	uint32_t repeated;			   /* it came more than once */
	uint16_t fields_at;			   /* offset of the first field line */
	uint16_t status;
	uint8_t minor; /* of HTTP/1.x */
	uint8_t lengths;
	uint8_t method_id; /* enum http1_method */
	uint8_t pad;
};
_Static_assert(sizeof(struct http1_facts) <= PROTOCOL_FACTS_MAX, "http1 facts too large");

/* A whole head, first line to empty line. false: malformed. Every byte is looked at once. */
bool http1_head__parse(struct slice head, bool request, struct http1_facts *ret_facts);
bool http1_head__header(const struct message *message, struct slice name, unsigned int n,
			struct slice *ret_value);
/* "HTTP/1.x" at the front, eight bytes at least */
bool http1_head__version(struct slice text, uint8_t *ret_minor);
/* Bytes of blank lines at the front of a request, at most HTTP1_BLANK_MAX lines */
size_t http1_head__blank(struct slice bytes);
size_t http1_head__token(struct slice bytes); /* tchars at the front, RFC 9110 section 5.6.2 */

/* Name and http.request.method; also of requests that come by another way (FastCGI). */
void http1__set_method(struct slice method, const struct describe_opts *opts, struct span *span);
/* server.address and server.port of "host:port"; without a port that of the scheme. false: no host */
bool http1__set_server(struct slice authority, struct slice scheme, struct span *span);
/* Status and error.type. status: of the response, 0: none was seen */
void http1__set_outcome(const struct exchange *exchange, uint16_t status, struct span *span);
void http1__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span);

static inline struct slice http1__ref(struct slice head, struct http1_ref ref)
{
	return ref.at + (size_t)ref.n <= head.n ? slice(head.p + ref.at, ref.n) : slice(NULL, 0);
}

#endif
