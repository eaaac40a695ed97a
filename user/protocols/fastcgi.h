/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* FastCGI 1.0, private to fastcgi*.c: what framing and describing share. */
#ifndef SPANPROBE_FASTCGI_H
#define SPANPROBE_FASTCGI_H

#include "exchange.h"

#define FASTCGI_HEAD_MAX (64u << 10) /* the records of a request's parameters */
#define FASTCGI_CGI_MAX	 (16u << 10) /* the header of a response */

/* Parameters that describe looks at: FASTCGI_PARAM(ID, "NAME"), RFC 3875 section 4.1. */
#define FASTCGI_PARAM_LIST(FASTCGI_PARAM)                                                          \
	FASTCGI_PARAM(METHOD, "REQUEST_METHOD")                                                    \
	FASTCGI_PARAM(URI, "REQUEST_URI")                                                          \
	FASTCGI_PARAM(SCRIPT, "SCRIPT_NAME")                                                       \
	FASTCGI_PARAM(FILENAME, "SCRIPT_FILENAME")                                                 \
	FASTCGI_PARAM(QUERY, "QUERY_STRING")                                                       \
	FASTCGI_PARAM(SCHEME, "REQUEST_SCHEME")                                                    \
	FASTCGI_PARAM(HTTPS, "HTTPS")                                                              \
	FASTCGI_PARAM(HOST, "HTTP_HOST")                                                           \
	FASTCGI_PARAM(SERVER, "SERVER_NAME")                                                       \
	FASTCGI_PARAM(PORT, "SERVER_PORT")                                                         \
	FASTCGI_PARAM(CLIENT, "REMOTE_ADDR")                                                       \
	FASTCGI_PARAM(CLIENT_PORT, "REMOTE_PORT")                                                  \
	FASTCGI_PARAM(AGENT, "HTTP_USER_AGENT")

enum fastcgi_param {
#define FASTCGI_PARAM(id, name) FASTCGI_##id,
	FASTCGI_PARAM_LIST(FASTCGI_PARAM)
#undef FASTCGI_PARAM
		FASTCGI_PARAM_COUNT
};

struct fastcgi_facts {
	uint32_t at[FASTCGI_PARAM_COUNT]; /* of the value in the head */
	uint32_t n[FASTCGI_PARAM_COUNT];
	uint16_t status; /* of a response: 0 when the program said nothing */
};
_Static_assert(sizeof(struct fastcgi_facts) <= PROTOCOL_FACTS_MAX, "fastcgi facts too large");

/* One record, fastcgi_spec section 3.3. */
struct fastcgi_record {
	uint8_t type;
	uint16_t id;
	uint32_t content;
	uint32_t padding;
};

#define FASTCGI_HEADER 8

enum fastcgi_type {
	FASTCGI_BEGIN = 1,
	FASTCGI_ABORT,
	FASTCGI_END,
	FASTCGI_PARAMS,
	FASTCGI_STDIN,
	FASTCGI_STDOUT,
	FASTCGI_STDERR,
	FASTCGI_DATA
};

/* The header at the front; false: it is none. bytes.n >= FASTCGI_HEADER */
bool fastcgi__record(struct slice bytes, struct fastcgi_record *ret);

/*
 * The next pair of a parameter stream, whose records may be cut anywhere. A pair that lies in two
 * records has no place of its own and is left out.
 */
struct fastcgi_pairs {
	struct slice head; /* all records of the request's head */
	size_t at;
	size_t record_end; /* of the content under way */
	size_t next;	   /* record */
};

struct fastcgi_pairs fastcgi_pairs__of(struct slice head);
bool fastcgi_pairs__next(struct fastcgi_pairs *pairs, struct slice *ret_name,
			 struct slice *ret_value);

bool fastcgi__header(const struct message *message, struct slice name, unsigned int n,
		     struct slice *ret_value);
void fastcgi__describe(const struct exchange *exchange, const struct describe_opts *opts,
		       struct span *span);

#endif
