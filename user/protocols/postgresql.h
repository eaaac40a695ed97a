/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* PostgreSQL's protocol 3, private to postgresql*.c: what framing and describing share. */
#ifndef SPANPROBE_POSTGRESQL_H
#define SPANPROBE_POSTGRESQL_H

#include "exchange.h"
#include "notes.h"

#define PG_TEXT_MAX    NOTES_TEXT_MAX /* of a query that is kept */
#define PG_NAME_MAX    64
#define PG_HEADER      5	  /* type and length */
#define PG_LENGTH_MAX  (1u << 30) /* of a message; the server has the same limit */
#define PG_STARTUP_MAX 10000	  /* the server's limit, too */
#define PG_CLOSES_MAX  16	  /* in front of what a batch is about */
#define PG_TAG_MAX     64
#define PG_ERROR_FRONT 128 /* of an error: its code lies within */

/* What a client asks for before it starts, instead of a version */
#define PG_CANCEL 80877102u
#define PG_SSL	  80877103u
#define PG_GSS	  80877104u

/* One message by its header; untyped ones of the start have type 0. */
struct pg_message {
	char type;
	uint32_t n;	      /* bytes of content */
	struct slice content; /* as much of it as is there */
};

/* FRAME_OK, or FRAME_MORE, or FRAME_BAD: no message of that side begins so */
enum frame_status pg__header(struct slice bytes, bool request, struct pg_message *ret);
/* A zero-terminated string at the front, moved over; false: it has no end within `content`. */
bool pg__string(struct slice *content, struct slice *ret);
uint32_t pg__u32(const char *p); /* big-endian */

struct pg_dir {
	bool open;    /* a message is under way */
	bool copying; /* data of COPY: until its end */
};

struct pg_state {
	struct notes *notes;  /* decode's: statements by name */
	struct pg_dir dir[2]; /* [true]: requests */
	bool started;	      /* the connection's start was seen */
	bool ready;	      /* ... and its end */
	bool encryption_asked;
	bool extended;	     /* the newest request came in parts, up to a Sync */
	bool copy_in;	     /* the server waits for data */
	bool sync_swallowed; /* ... and ignored a Sync: the one behind the data stands for it */
	bool lost;	     /* a response was given up */
	uint8_t database_n;
	uint32_t open; /* requests whose response has not ended */
	char database[PG_NAME_MAX];
};
_Static_assert(sizeof(struct pg_state) <= PROTOCOL_STATE_MAX, "postgresql state too large");

struct pg_facts {
	/* request; its head is the text of its first statement */
	uint64_t hash; /* of that text */
	uint32_t executes;
	char kind;     /* type of its first message */
	bool prepares; /* a statement was parsed */
	bool text;     /* the text is known */
	bool cut;      /* ... and goes on */
	bool mixed;    /* statements of more than one text */
	uint8_t database_n;
	char database[PG_NAME_MAX];
	/* response */
	bool failed;
	bool returns; /* rows, says a command's tag */
	bool affects;
	char code[5];
	uint64_t returned;
	uint64_t affected;
};
_Static_assert(sizeof(struct pg_facts) <= PROTOCOL_FACTS_MAX, "postgresql facts too large");

enum confidence pg__sniff(struct slice bytes, enum message_type *ret_type);
enum frame_status pg_request__frame(struct slice bytes, struct pg_state *state,
				    struct pg_facts *facts, struct frame *ret_frame);
enum tail pg_request__tail(struct slice bytes, struct pg_state *state);
enum frame_status pg_response__frame(struct slice bytes, struct pg_state *state,
				     struct pg_facts *facts, struct frame *ret_frame);
enum tail pg_response__tail(struct slice bytes, struct pg_state *state, struct pg_facts *facts);
void pg__describe(const struct exchange *exchange, const struct describe_opts *opts,
		  struct span *span);

#endif
