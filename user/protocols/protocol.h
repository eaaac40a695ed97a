/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract of a protocol unit: pure functions from bytes to messages. No sockets, clocks,
 * globals, allocation or logging; slices point into the input; every output is bounded.
 *
 * A message is a chain of *frames*. A frame has a head, contiguous bytes that the unit must see,
 * and a body, opaque bytes that it only needs counted (they may never have been captured). An HTTP
 * message with Content-Length is one frame; a chunked one is a head frame, one frame per chunk
 * (head: the size line) and a last one (head: trailers).
 */
#ifndef SPANPROBE_PROTOCOL_H
#define SPANPROBE_PROTOCOL_H

#include <stdint.h>

#include "../base/slice.h"
#include "settings.h"

struct exchange;
struct message;
struct notes;
struct span;

enum protocol_id {
	PROTOCOL_UNKNOWN = 0,
	PROTOCOL_HTTP1,
	PROTOCOL_REDIS,
	PROTOCOL_FASTCGI,
	PROTOCOL_POSTGRESQL,
	PROTOCOL_COUNT
};

enum message_type {
	MESSAGE_REQUEST,
	MESSAGE_RESPONSE,
	MESSAGE_INTERIM, /* belongs to the exchange but does not end it (HTTP 1xx) */
	MESSAGE_ONEWAY,	 /* belongs to no exchange (a push, a notice); in either direction */
	MESSAGE_EITHER	 /* sniff only: a request or a response, the connection's role tells */
};

enum frame_status {
	FRAME_OK,   /* ret_frame is filled */
	FRAME_MORE, /* the head is not complete; call again with more bytes from the same place */
	FRAME_BAD   /* not this protocol, or malformed */
};

#define FRAME_UNTIL_CLOSE UINT64_MAX /* body: everything up to the end of the direction */

struct frame {
	uint64_t head;	   /* bytes at the front that were read */
	uint64_t body;	   /* opaque bytes that follow */
	uint64_t payload;  /* of head + body: encoded payload bytes of the message; with
			    * FRAME_UNTIL_CLOSE of the head alone: the body's own count adds to it */
	bool first;	   /* the message's first frame: `type` and facts are valid */
	bool last;	   /* the message ends after the body */
	bool leaves;	   /* after this message the connection is another protocol's (Upgrade) */
	bool quiet_worthy; /* nothing of the body is wanted: it may pass uncaptured */
	bool wants_all;	   /* capture everything of this direction until the message has ended */
	enum message_type type;
	uint32_t flags; /* MESSAGE_* of exchange.h that the message gets */
	/* What the next stages get as the message's head; p NULL: the bytes of `head`, and on a later
	 * frame what they have. */
	struct slice keep;
	uint64_t key; /* of the exchange: stream or correlation id; 0 when by order */
};

/* sniff: how sure a unit is that a direction begins with a message of its own */
enum confidence {
	SNIFF_NO = 0,
	SNIFF_MORE = 1,	 /* it may be, when more bytes have come */
	SNIFF_NEXT = 25, /* enough where a message of a known protocol must begin */
	SNIFF_FAIR = 40, /* enough where one may begin, of a known protocol */
	SNIFF_LIKELY = 50,
	SNIFF_SURE = 100
};

enum tail {
	TAIL_NO,
	TAIL_ENDS, /* the message is over */
	TAIL_WHOLE /* ... and nothing that matters of it is missing */
};

/* Facts that parse leaves for describe: the unit's own struct, plain data, offsets into the head. */
#define PROTOCOL_FACTS_MAX 256
#define PROTOCOL_STATE_MAX 256

/* Options of the user that change what describe writes. */
struct describe_opts {
	const struct slice *request_headers; /* lower case names to keep, by explicit list */
	uint32_t request_header_count;
	const struct slice *response_headers;
	uint32_t response_header_count;
	const struct slice *sensitive_keys; /* query keys; NULL: the default list */
	uint32_t sensitive_key_count;
	const struct slice *known_methods; /* NULL: the default list */
	uint32_t known_method_count;
};

struct protocol {
	const char *name; /* "http" */
	enum protocol_id id;
	size_t state_size; /* per connection, zeroed at first; <= PROTOCOL_STATE_MAX */
	size_t facts_size; /* per message; <= PROTOCOL_FACTS_MAX */
	/* Clients send on without waiting as a rule, and order tells whose a response is: so many
	 * open requests of a connection are followed. 0: it is rare, PIPELINE_MAX */
	uint32_t pipeline_max;
	enum capture_mode capture; /* of both directions, once the protocol is known */
	/* The state begins with a struct notes *, made by decode; NULL when memory ran out. */
	bool remembers;

	/* At a place where a message may begin. *ret_type: which kind it would be. */
	enum confidence (*sniff)(struct slice bytes, enum message_type *ret_type);

	/*
	 * The next frame of one direction. request: the direction is the requests' one. The state
	 * is shared by both directions (a response's framing depends on its request). On the first
	 * frame of a message facts[] is filled from the head; later frames may add to them, and the
	 * next stages have the last word at the message's end. ret_frame->type is what the message
	 * has begun as.
	 */
	enum frame_status (*frame)(struct slice bytes, bool request, void *state, void *facts,
				   struct frame *ret_frame);

	/* Where a message of a known connection begins: is it MESSAGE_ONEWAY? SNIFF_SURE, _NO or
	 * _MORE. NULL: there are none. */
	enum confidence (*oneway)(struct slice bytes, bool request, const void *state);

	/* The direction ended within a body of FRAME_UNTIL_CLOSE or elsewhere: is the message whole? */
	bool (*ends_at_close)(const void *state, bool request);

	/*
	 * Bytes of this direction are missing and its message under way (begun, not ended) is
	 * given up: the next frame() begins a new one. Not for bytes between messages.
	 */
	void (*resync)(void *state, bool request);

	/*
	 * The framing of the message under way was lost, and these are the last bytes of a call:
	 * does it end with them? Facts are filled. NULL: nobody could tell.
	 */
	enum tail (*tail)(struct slice bytes, bool request, void *state, void *facts);

	/* Value of a header of the message, by lower case name; false when absent. n: which of
	 * several fields of the name, from 0. */
	bool (*header)(const struct message *message, struct slice name, unsigned int n,
		       struct slice *ret_value);

	/* Name, kind, status and attributes of the exchange by the semantic conventions. */
	void (*describe)(const struct exchange *exchange, const struct describe_opts *opts,
			 struct span *span);
};

extern const struct protocol http1_protocol;
extern const struct protocol redis_protocol;
extern const struct protocol fastcgi_protocol;
extern const struct protocol postgresql_protocol;

/* All of them, NULL-terminated; index is not the id. */
extern const struct protocol *const protocols[];

#endif
