/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages and exchanges: what passes between decode, pair, attribute, join, sample, describe.
 * An exchange is made by pair at its first byte and travels as steps; at EXCHANGE_DONE it belongs
 * to the receiver of the step.
 */
#ifndef SPANPROBE_EXCHANGE_H
#define SPANPROBE_EXCHANGE_H

#include "context.h"
#include "protocols/protocol.h"
#include "stream.h"

/* message.flags, exchange.flags */
#define MESSAGE_INCOMPLETE                                                                         \
	0x01 /* a part of it was lost or cut; see span attribute spanprobe.incomplete */
#define MESSAGE_CUT	  0x02 /* the connection ended before the message did */
#define MESSAGE_SMUGGLING 0x04 /* two lengths that contradict, RFC 9112 section 6.3 */
#define MESSAGE_MIDSTREAM 0x08 /* on a connection that was open before the agent */
#define MESSAGE_AFTER_GAP                                                                          \
	0x10 /* bytes were lost before it in its direction: whole messages may
				 * be missing, so pair must not count on the order (set by decode) */

struct message {
	const struct protocol *protocol;
	enum message_type type;
	enum direction dir;
	uint64_t key;
	uint64_t position;   /* of the first byte in its direction */
	struct stamp first;  /* first byte */
	struct stamp last;   /* last byte; valid at the end */
	uint64_t body_bytes; /* encoded payload */
	uint64_t wire_bytes; /* head and body with framing */
	uint32_t flags;
	struct slice head; /* bytes of the first frame's head; in a sink valid during the call,
			       * in an exchange as long as the exchange */
	_Alignas(8) uint8_t facts[PROTOCOL_FACTS_MAX];
};

/* decode -> pair, in stream order per connection. Pair tells messages apart by dir, type and key:
 * at most one is between begin and end per dir and key. A type may become INTERIM at head. */
struct message_sink {
	void (*begin)(void *ctx, struct conn *conn, struct message *message); /* first byte */
	/* first frame parsed; called again when a later one has a better head to keep */
	void (*head)(void *ctx, struct conn *conn, struct message *message);
	void (*end)(void *ctx, struct conn *conn, struct message *message); /* last byte, or cut */
	/* bytes of that direction, between messages, have passed that cannot be read; the last at `at` */
	void (*unread)(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at);
	/* the connection is gone or leaves the protocol: nothing more will come; error: errno or 0 */
	void (*gone)(void *ctx, struct conn *conn, const struct stamp *at, uint32_t error);
	void *ctx;
};

enum exchange_step {
	EXCHANGE_BEGIN,	  /* first byte of the request */
	EXCHANGE_HEAD,	  /* request head parsed: header() works, context may be read */
	EXCHANGE_REQUEST, /* last byte of the request */
	EXCHANGE_ANSWER,  /* first byte of the final response */
	EXCHANGE_DONE	  /* last byte of the response, or the failure */
};

struct exchange {
	const struct protocol *protocol; /* NULL: a connect that failed; see `connect` */
	enum conn_role side;		 /* ROLE_SERVER or ROLE_CLIENT */
	uint64_t conn_id;
	struct conn_tuple tuple; /* copied */
	struct process *process; /* a reference; NULL when unknown */
	bool conn_reused;	 /* not the first exchange of the connection */
	bool has_request_head;
	bool request_ended; /* its last byte is known */
	bool response_ended;
	bool answered;	   /* the step ANSWER has been taken */
	bool has_response; /* at least its first byte */
	bool has_response_head;
	uint32_t flags;	    /* MESSAGE_* of both messages */
	uint32_t error;	    /* errno that ended it, 0: none */
	bool peer_closed;   /* the peer closed before the response was complete */
	uint64_t unseen_ns; /* pair's: bytes passed unread where its response was due; 0: none */
	struct message request; /* heads are copies owned by the exchange */
	struct message response;
	uint64_t end_ns;	      /* set at DONE: response.last, else when it failed */
	struct context *context;      /* identity of its span; a reference */
	void *attribution;	      /* attribute's own state */
	void *joining;		      /* join's own state */
	struct exchange *prev, *next; /* list of the stage that holds it: pair, then join */
	uint64_t look_ns;	      /* join looks at it again then */
	bool looked;		      /* ... for the second time or later */
};

/* NULL is allowed; gives back heads, context and process */
void exchange__free(struct exchange *exchange);
struct exchange *exchange__new(void); /* zeroed; NULL without memory */
/* Takes over a message; its head is copied. false: the head is left out for want of memory. */
bool exchange__copy_head(struct message *to, const struct message *from);
void exchange__drop_head(struct message *message);	  /* of a copy */
size_t exchange__memory(const struct exchange *exchange); /* bytes it holds, for bounds */

struct exchange_sink {
	void (*push)(void *ctx, struct exchange *exchange, enum exchange_step step);
	void *ctx;
};

#endif
