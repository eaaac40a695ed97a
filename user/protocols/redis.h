/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Redis (RESP2, RESP3), private to redis*.c: what framing and describing share. */
#ifndef SPANPROBE_REDIS_H
#define SPANPROBE_REDIS_H

#include "base/buf.h"
#include "exchange.h"

#define REDIS_HEAD_MAX	 (4u << 10)  /* of a command: what is kept for its text */
#define REDIS_ARG_BIG	 1024	     /* a longer argument is passed over, not looked at */
#define REDIS_LINE_MAX	 (64u << 10) /* of an inline command */
#define REDIS_NAME_MAX	 64
#define REDIS_ERROR_MAX	 32
#define REDIS_LENGTH_MAX (1ll << 40) /* of a string */
#define REDIS_LINE_LONG	 256	     /* a longer line of a reply is passed piece by piece */
#define REDIS_TEXT_MAX	 1024	     /* of db.query.text, as long as it is whole words */

struct redis_facts {
	/* request */
	uint32_t commands; /* of a transaction, between MULTI and EXEC */
	int32_t db;
	bool db_selected; /* seen, else it is the connection's first */
	bool multi;
	bool mixed; /* the transaction's commands are not all the same */
	uint8_t inner_n;
	char inner[REDIS_NAME_MAX]; /* the first of them */
	/* response: the prefix of the first error */
	uint8_t error_n;
	char error[REDIS_ERROR_MAX];
};
_Static_assert(sizeof(struct redis_facts) <= PROTOCOL_FACTS_MAX, "redis facts too large");

/* A command as far as its head tells. */
struct redis_command {
	uint64_t args;	 /* with its name */
	uint64_t left;	 /* behind head and body */
	uint64_t head;	 /* bytes */
	uint64_t body;	 /* of the argument that is not looked at, with its line end */
	bool inlined;	 /* a line of words instead of an array */
	struct slice at; /* the arguments in the head, in their framing, name first */
};

/* FRAME_OK, _MORE or _BAD. The same bytes give the same head, however many follow. */
enum frame_status redis_command__parse(struct slice bytes, struct redis_command *ret);
/* The next argument of `at`, moved on; false: the head has no more. */
bool redis_command__next(struct redis_command *command, struct slice *ret_arg);

/*
 * "<mark><number>\r\n" at the front. Bytes of it; 0: more must come; -1: malformed.
 */
int redis__header(struct slice bytes, int64_t *ret_number);

/* Could it be a command's name? Letters, then digits and a few signs as well */
bool redis__is_name(struct slice name);

/* One value, or its front: its head is taken off `left`, its elements are added. */
struct redis_value {
	uint64_t head;
	uint64_t body; /* not there yet */
	uint64_t adds;
	bool counts; /* a value of its own: not an attribute */
	bool line;   /* its line goes on */
};

/* `bytes` is not empty. */
enum frame_status redis_value__parse(struct slice bytes, struct redis_value *ret);

enum confidence redis__sniff(struct slice bytes, enum message_type *ret_type);
/* ">3\r\n$7\r\nmessage\r\n...": "message"; SNIFF_NO: it is not of this form. */
enum confidence redis__push_kind(struct slice bytes, struct slice *ret_kind);

/* The command in the syntax of redis-cli, values as "?". */
void redis__text(const struct redis_command *command, struct buf *out);
/* EVALSHA and FCALL name a stored procedure: its name, else empty. */
struct slice redis__procedure(const struct redis_command *command);

void redis__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span);

#endif
