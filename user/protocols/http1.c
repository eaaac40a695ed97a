// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * HTTP/1.0 and 1.1: where messages begin and end. RFC 9112 (messages) and RFC 9110 (semantics).
 *
 * The end of a response depends on its request: HEAD has no body, a 2xx to CONNECT ends HTTP. The
 * unit keeps what matters of each open request in a ring of two bits per request; beyond its size,
 * and for requests that were never seen, a response is read as one to GET.
 *
 * A head may be 64 KiB and come byte by byte: the state remembers how far it has been searched, so
 * that every byte is searched once, and parsed once when the empty line has come.
 */
#include "http1.h"

#define OPEN_MAX  256  /* open requests remembered */
#define SNIFF_MAX 8192 /* of a line, looked at for its end */

enum phase {
	PHASE_HEAD = 0, /* at, or in, a start line and its fields */
	PHASE_CHUNK,	/* at the first size line */
	PHASE_NEXT,	/* at the line end after a chunk's data, then a size line */
	PHASE_TRAILER
};

struct http1_dir {
	uint32_t scanned; /* bytes of the head under way that hold no end of it */
	uint8_t phase;
	bool until_close;
	uint8_t pad[2];
};

struct http1_state {
	struct http1_dir dir[2]; /* [true]: requests */
	uint16_t open_first;
	uint16_t open_count;
	uint32_t open_beyond; /* open requests that the ring has no room for */
	bool asked;	      /* a request was seen */
	bool early;	      /* a response had no request: the next one may be it */
	bool held;	      /* it came, and is `held_method` should it not have been it */
	uint8_t held_method;
	uint8_t open[OPEN_MAX / 4];
};
_Static_assert(sizeof(struct http1_state) <= PROTOCOL_STATE_MAX, "http1 state too large");

/* Methods that may be believed before the end of the request line has come. */
static const struct slice methods[] = {
	SLICE("GET"),	SLICE("POST"),	  SLICE("PUT"),	     SLICE("DELETE"),	 SLICE("HEAD"),
	SLICE("PATCH"), SLICE("OPTIONS"), SLICE("CONNECT"),  SLICE("TRACE"),	 SLICE("QUERY"),
	SLICE("LOCK"),	SLICE("UNLOCK"),  SLICE("PROPFIND"), SLICE("PROPPATCH"), SLICE("MKCOL"),
	SLICE("COPY"),	SLICE("MOVE"),	  SLICE("REPORT"),   SLICE("SEARCH"),	 SLICE("PURGE"),
};

/*
 * A send is stamped after the copy, so that of two threads the reader's response may come before
 * the writer's request. Such a request is answered already and has no place in the ring; if the
 * response was another's, whose request was lost, the next one finds what is held.
 */
static void open_push(struct http1_state *state, enum http1_method method)
{
	unsigned int at = (state->open_first + state->open_count) % OPEN_MAX;

	state->asked = true;
	if (state->early) {
		state->early = false;
		state->held = true;
		state->held_method = method;
		return;
	}
	if (state->open_beyond || state->open_count == OPEN_MAX) {
		state->open_beyond++;
		return;
	}
	state->open[at / 4] &= (uint8_t) ~(3u << at % 4 * 2);
	state->open[at / 4] |= (uint8_t)(method << at % 4 * 2);
	state->open_count++;
}

static enum http1_method open_pop(struct http1_state *state)
{
	unsigned int at = state->open_first;

	if (!state->open_count) {
		bool held = state->held;

		state->held = false;
		if (state->open_beyond)
			state->open_beyond--;
		else
			state->early = !held && state->asked;
		return held ? state->held_method : HTTP1_METHOD_OTHER;
	}
	state->held = false;
	state->open_first = (uint16_t)((at + 1) % OPEN_MAX);
	state->open_count--;
	return state->open[at / 4] >> at % 4 * 2 & 3;
}

/* --- sniff ------------------------------------------------------------------------------- */

static enum confidence sniff_response(struct slice bytes)
{
	static const struct slice version = SLICE("HTTP/1.");
	static const char form[] = "0 000"; /* minor SP status */

	if (memcmp(bytes.p, version.p, bytes.n < version.n ? bytes.n : version.n) != 0)
		return SNIFF_NO;
	if (bytes.n < version.n)
		return SNIFF_MORE;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (version.n + i == bytes.n)
			return SNIFF_LIKELY;

		char c = bytes.p[version.n + i];

		if (form[i] == ' ' ? c != ' ' : c < '0' || c > '9')
			return SNIFF_NO;
	}
	return SNIFF_SURE;
}

/* Is the token (the beginning of one, when not whole) a method that one may believe? */
static bool known_method(struct slice token, bool whole)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (whole ? slice_eq(methods[i], token) : slice_starts(methods[i], token))
			return true;
	return false;
}

static enum confidence sniff_request(struct slice bytes)
{
	struct slice token = slice(bytes.p, http1_head__token(bytes));
	bool whole = token.n < bytes.n;

	if (!token.n || token.n > HTTP1_METHOD_MAX)
		return SNIFF_NO;
	if (!whole)
		return SNIFF_MORE;
	if (bytes.p[token.n] != ' ')
		return SNIFF_NO;

	struct slice rest = slice_from(bytes, token.n + 1);
	size_t look = rest.n < SNIFF_MAX ? rest.n : SNIFF_MAX;
	size_t end = 0;
	uint8_t minor;

	while (end < look && (uint8_t)rest.p[end] >= ' ' && rest.p[end] != 0x7f)
		end++;
	if (end < look) { /* the line's end, or a byte that no request line has */
		bool ends = rest.p[end] == '\n' ||
			    (rest.p[end] == '\r' && (end + 1 == rest.n || rest.p[end + 1] == '\n'));

		while (end && rest.p[end - 1] == ' ')
			end--;
		return ends && end >= 10 && rest.p[end - 9] == ' ' &&
				       http1_head__version(slice(rest.p + end - 8, 8), &minor) ?
			       SNIFF_SURE :
			       SNIFF_NO;
	}
	if (!look)
		return SNIFF_MORE;
	/* origin, asterisk, absolute or authority form, RFC 9112 section 3.2 */
	if (known_method(token, true) && (rest.p[0] == '/' || slice_starts(rest, SLICE("http")) ||
					  slice_eq(token, SLICE("CONNECT"))))
		return SNIFF_LIKELY;
	return look < SNIFF_MAX ? SNIFF_MORE : SNIFF_NO;
}

static enum confidence sniff(struct slice bytes, enum message_type *ret_type)
{
	enum confidence response, request;

	*ret_type = MESSAGE_REQUEST;
	bytes = slice_from(bytes, http1_head__blank(bytes));
	if (!bytes.n || (bytes.n == 1 && bytes.p[0] == '\r'))
		return SNIFF_MORE;
	response = sniff_response(bytes);
	request = sniff_request(bytes);
	if (response > request)
		*ret_type = MESSAGE_RESPONSE;
	return response > request ? response : request;
}

/* --- frame ------------------------------------------------------------------------------- */

/*
 * Bytes up to and with the empty line that ends a block of lines beginning at start; 0 when it has
 * not come. Searches only what earlier calls have not.
 */
static size_t block_end(struct slice bytes, size_t start, uint32_t *scanned)
{
	size_t at = *scanned > start ? *scanned : start;

	while (at < bytes.n) {
		const char *lf = memchr(bytes.p + at, '\n', bytes.n - at);

		if (!lf)
			break;

		size_t i = (size_t)(lf - bytes.p);
		size_t content = i;

		if (content > start && bytes.p[content - 1] == '\r')
			content--;
		if (content == start || bytes.p[content - 1] == '\n')
			return i + 1;
		at = i + 1;
	}
	*scanned = (uint32_t)bytes.n;
	return 0;
}

/* More is to come, unless the limit of a head has been reached. */
static enum frame_status more(struct slice bytes)
{
	return bytes.n < HTTP1_HEAD_MAX ? FRAME_MORE : FRAME_BAD;
}

/* Can these first bytes still become a start line? A bounded look, so that garbage is left soon. */
static bool plausible(struct slice bytes, bool request)
{
	if (!request) {
		size_t n = bytes.n < 7 ? bytes.n : 7;

		return !n || !memcmp(bytes.p, "HTTP/1.", n);
	}

	struct slice look = slice(bytes.p, bytes.n < 64 ? bytes.n : 64);
	size_t n = http1_head__token(look);

	if (look.n && !n) /* half an empty line may stand here */
		return look.n == 1 && look.p[0] == '\r';
	return n <= HTTP1_METHOD_MAX && (n == look.n || look.p[n] == ' ');
}

/* The length of a message's body: RFC 9112 section 6.3, rule by rule. */
static void body_of(const struct http1_facts *facts, bool request, enum http1_method asked,
		    struct http1_dir *dir, struct frame *frame)
{
	frame->last = true;
	if (facts->lengths & HTTP1_CONTRADICTS)
		frame->flags |= MESSAGE_SMUGGLING;
	if (!request) {
		if (facts->status == 101 || /* RFC 9110 section 15.2.2 */
		    (asked == HTTP1_METHOD_CONNECT && facts->status / 100 == 2)) { /* rule 2 */
			frame->leaves = true;
			return;
		}
		if (asked == HTTP1_METHOD_HEAD || facts->status < 200 || facts->status == 204 ||
		    facts->status == 304) /* rule 1 */
			return;
	}
	if (facts->lengths & HTTP1_CHUNKED) { /* rules 3 and 4: it wins over a length */
		dir->phase = PHASE_CHUNK;
		frame->last = false;
		frame->wants_all = true;
		return;
	}
	if (facts->lengths & (HTTP1_HAS_CODING | HTTP1_BAD_LENGTH)) {
		/* Rules 4 and 5: a response lasts until the close; no reader may find a next
		 * request behind this one: the server must refuse it and close. */
		frame->body = FRAME_UNTIL_CLOSE;
	} else if (facts->lengths & HTTP1_HAS_LENGTH) { /* rule 6 */
		frame->body = facts->content_length;
		frame->payload = facts->content_length;
	} else if (!request) { /* rule 8 */
		frame->body = FRAME_UNTIL_CLOSE;
	}
	dir->until_close = frame->body == FRAME_UNTIL_CLOSE;
	frame->quiet_worthy = frame->body > 0;
}

static enum frame_status head_frame(struct slice bytes, bool request, struct http1_state *state,
				    struct http1_facts *facts, struct frame *ret_frame)
{
	struct http1_dir *dir = &state->dir[request];
	size_t start = request ? http1_head__blank(bytes) : 0;
	enum http1_method asked = HTTP1_METHOD_OTHER;
	struct frame frame = { .first = true };

	if (!plausible(slice_from(bytes, start), request))
		return FRAME_BAD;
	frame.head = block_end(bytes, start, &dir->scanned);
	if (!frame.head)
		return more(bytes);
	if (!http1_head__parse(slice(bytes.p, frame.head), request, facts))
		return FRAME_BAD;
	dir->scanned = 0;
	dir->until_close = false;
	if (request) {
		frame.type = MESSAGE_REQUEST;
		open_push(state, facts->method_id);
	} else if (facts->status < 200 && facts->status != 101) {
		frame.type = MESSAGE_INTERIM; /* RFC 9110 section 15.2 */
	} else {
		frame.type = MESSAGE_RESPONSE;
		asked = open_pop(state);
	}
	body_of(facts, request, asked, dir, &frame);
	*ret_frame = frame;
	return FRAME_OK;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk = chunk-size [chunk-ext] CRLF chunk-data CRLF, section 7.1: the line, or its refusal */
static bool chunk_size(struct slice line, uint64_t *ret_size)
{
	uint64_t size = 0;
	size_t n = 0;

	while (n < line.n && hex_digit(line.p[n]) >= 0) {
		if (size > INT64_MAX >> 4)
			return false;
		size = size << 4 | (uint64_t)hex_digit(line.p[n++]);
	}
	if (!n)
		return false;
	while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	if (n < line.n && line.p[n] != ';') /* extensions are skipped, section 7.1.1 */
		return false;
	*ret_size = size;
	return true;
}

static enum frame_status chunk_frame(struct slice bytes, struct http1_dir *dir,
				     struct frame *ret_frame)
{
	struct frame frame = { .wants_all = true };
	size_t start = 0;
	const char *lf;

	if (dir->phase == PHASE_NEXT) {
		if (bytes.n && bytes.p[0] == '\r')
			start++;
		if (start == bytes.n)
			return FRAME_MORE;
		if (bytes.p[start++] != '\n')
			return FRAME_BAD;
	}
	if (dir->scanned < start)
		dir->scanned = (uint32_t)start;
	lf = bytes.n > dir->scanned ? memchr(bytes.p + dir->scanned, '\n', bytes.n - dir->scanned) :
				      NULL;
	if (!lf) {
		dir->scanned = (uint32_t)bytes.n;
		/* garbage in place of the size is told by its first byte */
		return bytes.n > start && hex_digit(bytes.p[start]) < 0 ? FRAME_BAD : more(bytes);
	}
	frame.head = (uint64_t)(lf - bytes.p) + 1;
	if (lf > bytes.p + start && lf[-1] == '\r')
		lf--;
	if (frame.head > HTTP1_HEAD_MAX ||
	    !chunk_size(slice(bytes.p + start, (size_t)(lf - bytes.p) - start), &frame.body))
		return FRAME_BAD;
	frame.payload = frame.body;
	frame.quiet_worthy = frame.body > 0;
	dir->scanned = 0;
	dir->phase = frame.body ? PHASE_NEXT : PHASE_TRAILER;
	*ret_frame = frame;
	return FRAME_OK;
}

/* trailer-section CRLF, section 7.1.2: nothing in it is wanted */
static enum frame_status trailer_frame(struct slice bytes, struct http1_dir *dir,
				       struct frame *ret_frame)
{
	size_t n = block_end(bytes, 0, &dir->scanned);

	if (!n)
		return more(bytes);
	if (n > HTTP1_HEAD_MAX)
		return FRAME_BAD;
	dir->scanned = 0;
	dir->phase = PHASE_HEAD;
	*ret_frame = (struct frame){ .head = n, .last = true, .wants_all = true };
	return FRAME_OK;
}

static enum frame_status frame(struct slice bytes, bool request, void *state, void *facts,
			       struct frame *ret_frame)
{
	struct http1_state *http1 = state;
	struct http1_dir *dir = &http1->dir[request];

	switch (dir->phase) {
	case PHASE_HEAD:
		return head_frame(bytes, request, http1, facts, ret_frame);
	case PHASE_TRAILER:
		return trailer_frame(bytes, dir, ret_frame);
	default:
		return chunk_frame(bytes, dir, ret_frame);
	}
}

static bool ends_at_close(const void *state, bool request)
{
	return ((const struct http1_state *)state)->dir[request].until_close;
}

static void resync(void *state, bool request)
{
	struct http1_state *http1 = state;
	struct http1_dir *dir = &http1->dir[request];

	/* a head that was lost still has its place among the open requests */
	if (dir->phase == PHASE_HEAD && !dir->until_close) {
		if (request)
			open_push(http1, HTTP1_METHOD_OTHER);
		else
			open_pop(http1);
	}
	*dir = (struct http1_dir){ 0 };
}

const struct protocol http1_protocol = {
	.name = "http",
	.id = PROTOCOL_HTTP1,
	.state_size = sizeof(struct http1_state),
	.facts_size = sizeof(struct http1_facts),
	.sniff = sniff,
	.frame = frame,
	.ends_at_close = ends_at_close,
	.resync = resync,
	.header = http1_head__header,
	.describe = http1__describe,
};
