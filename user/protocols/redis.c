// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Redis: where commands and replies begin and end, in RESP2 and RESP3.
 *
 * The n-th reply answers the n-th command. The unit numbers both, for what MULTI begins and EXEC
 * ends is one message, and so are its replies. The first push that confirms a subscription is the
 * reply to its command; all other pushes, and messages in RESP2, belong to nobody.
 */
#include "redis.h"

#define MULTI_MAX 16 /* transactions with replies to come */

/* A transaction: commands from .. to, by number */
struct redis_multi {
	uint32_t from;
	uint32_t to;
	bool open; /* more commands follow */
	uint8_t pad[3];
};

struct redis_dir {
	uint64_t left; /* arguments or values of the message under way that have not begun */
	bool open;     /* a message is under way */
	bool line;     /* within a long line */
	bool ends;     /* a command: the last one of its message */
	bool aside;    /* a push between the replies of one message */
	char kind;     /* of the reply under way */
	uint8_t pad[3];
};

struct redis_state {
	struct redis_dir dir[2]; /* [true]: requests */
	uint32_t asked;
	uint32_t answered;
	int32_t db;
	bool db_selected;
	bool subscribed;
	bool silent;	     /* CLIENT REPLY OFF */
	bool skip;	     /* CLIENT REPLY SKIP */
	uint8_t subscribing; /* commands that the next confirmations answer */
	uint8_t multi_count;
	uint8_t pad[2];
	struct redis_multi multi[MULTI_MAX];
};
_Static_assert(sizeof(struct redis_state) <= PROTOCOL_STATE_MAX, "redis state too large");

/* --- transactions ------------------------------------------------------------------------ */

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* The one that the reply of this number belongs to */
static const struct redis_multi *multi__of(const struct redis_state *state, uint32_t number)
{
	for (uint8_t i = 0; i < state->multi_count; i++) {
		const struct redis_multi *multi = &state->multi[i];

		if (!before(number, multi->from) && (multi->open || !before(multi->to, number)))
			return multi;
	}
	return NULL;
}

/* NULL: there is no room, or replies have come before their commands; each is a message then. */
static struct redis_multi *multi__begin(struct redis_state *state)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < state->multi_count; i++)
		if (!before(state->multi[i].to, state->answered))
			state->multi[n++] = state->multi[i];
	state->multi_count = n;
	if (n == MULTI_MAX || before(state->asked, state->answered))
		return NULL;
	state->multi[n] = (struct redis_multi){ state->asked, state->asked, true, { 0 } };
	return &state->multi[state->multi_count++];
}

/* The one that more commands belong to: the newest */
static struct redis_multi *multi__open(struct redis_state *state)
{
	struct redis_multi *newest =
		state->multi_count ? &state->multi[state->multi_count - 1] : NULL;

	return newest && newest->open ? newest : NULL;
}

/* --- commands ---------------------------------------------------------------------------- */

static bool is(struct slice name, const char *command)
{
	return slice_ieq(name, slice_of(command));
}

static bool subscribes(struct slice name)
{
	return is(name, "subscribe") || is(name, "psubscribe") || is(name, "ssubscribe");
}

static bool unsubscribes(struct slice name)
{
	return is(name, "unsubscribe") || is(name, "punsubscribe") || is(name, "sunsubscribe");
}

static void note_command(struct redis_state *state, struct slice name, struct slice arg)
{
	if (is(name, "select")) {
		int32_t db = 0;

		for (size_t i = 0; i < arg.n && i < 7 && arg.p[i] >= '0' && arg.p[i] <= '9'; i++)
			db = db * 10 + (arg.p[i] - '0');
		state->db = db;
		state->db_selected = true;
	} else if (subscribes(name) || unsubscribes(name)) {
		state->subscribed = state->subscribed || subscribes(name);
		if (state->subscribing < UINT8_MAX)
			state->subscribing++;
	} else if (is(name, "reset")) {
		state->subscribed = false;
		state->db = 0;
		state->db_selected = true;
	} else if (is(name, "client") && is(arg, "reply")) { /* ON, or it would be one-way */
		state->silent = false;
	}
}

static void note_inner(struct redis_facts *facts, struct slice name)
{
	struct slice first = slice(facts->inner, facts->inner_n);

	facts->commands++;
	if (facts->commands > 1) {
		facts->mixed = facts->mixed || !slice_ieq(first, name);
		return;
	}
	facts->inner_n = (uint8_t)(name.n < sizeof(facts->inner) ? name.n : sizeof(facts->inner));
	if (name.n) /* a long one is not looked at */
		memcpy(facts->inner, name.p, facts->inner_n);
}

/* Sets dir->ends: is this the last command of its message? */
static void on_command(struct redis_state *state, struct redis_facts *facts, struct slice name,
		       struct slice arg)
{
	struct redis_multi *multi = multi__open(state);
	struct redis_dir *dir = &state->dir[true];

	if (!dir->open) {
		*facts = (struct redis_facts){ .db = state->db, .db_selected = state->db_selected };
		multi = NULL;
		if (is(name, "multi"))
			multi = multi__begin(state);
		facts->multi = multi;
		note_command(state, name, arg);
	} else if (multi) {
		multi->to = state->asked;
		multi->open = !is(name, "exec") && !is(name, "discard") && !is(name, "reset");
		if (multi->open)
			note_inner(facts, name);
		if (is(name, "select"))
			note_command(state, name, arg);
	}
	dir->ends = !multi || !multi->open;
	state->asked++;
}

/* Of a command that gets no reply: CLIENT REPLY itself, and what follows it. */
static void on_silent(struct redis_state *state, const struct redis_command *command)
{
	struct redis_command args = *command;
	struct slice arg[3] = { { 0 } };

	for (int i = 0; i < 3 && redis_command__next(&args, &arg[i]); i++)
		;
	state->dir[true].ends = true;
	state->skip = false;
	if (!is(arg[0], "client") || !is(arg[1], "reply"))
		return;
	state->silent = is(arg[2], "off");
	state->skip = is(arg[2], "skip");
}

/* --- arguments --------------------------------------------------------------------------- */

static enum frame_status command_frame(struct slice bytes, struct redis_state *state,
				       struct redis_facts *facts, struct frame *ret_frame)
{
	struct redis_dir *dir = &state->dir[true];
	struct redis_command command, args;
	struct slice name = { 0 }, arg = { 0 };
	enum frame_status status = redis_command__parse(bytes, &command);

	if (status != FRAME_OK)
		return status;
	args = command;
	redis_command__next(&args, &name);
	redis_command__next(&args, &arg);
	*ret_frame = (struct frame){
		.head = command.head,
		.body = command.body,
		.first = !dir->open,
		.quiet_worthy = command.body > 0,
		.type = ret_frame->type,
	};
	if (ret_frame->type == MESSAGE_ONEWAY) {
		on_silent(state, &command);
	} else if (command.args || !dir->open) { /* an empty one gets no reply */
		on_command(state, facts, name, arg);
		/* what comes then is another protocol */
		ret_frame->leaves = is(name, "monitor") || is(name, "psync") || is(name, "sync");
	}
	dir->left = command.left;
	ret_frame->last = !dir->left && dir->ends;
	dir->open = !ret_frame->last;
	return FRAME_OK;
}

/* Arguments behind one that was too long to look at. */
static enum frame_status rest_frame(struct slice bytes, struct redis_dir *dir,
				    struct frame *ret_frame)
{
	struct frame frame = { .type = ret_frame->type };

	while (dir->left && !frame.body) {
		struct slice rest = slice_from(bytes, frame.head);
		int64_t length = 0;
		int n = rest.n ? redis__header(rest, &length) : 0;

		if (n < 0 || (rest.n && rest.p[0] != '$') || length < 0 ||
		    length > REDIS_LENGTH_MAX)
			return FRAME_BAD;
		if (!n && !frame.head)
			return FRAME_MORE;
		if (!n)
			break;
		frame.head += (uint64_t)n;
		dir->left--;
		if ((uint64_t)length + 2 > rest.n - (size_t)n)
			frame.body = (uint64_t)length + 2;
		else if (memcmp(rest.p + n + length, "\r\n", 2) != 0)
			return FRAME_BAD;
		else
			frame.head += (uint64_t)length + 2;
	}
	frame.quiet_worthy = frame.body > 0;
	frame.last = !dir->left && dir->ends;
	dir->open = !frame.last;
	*ret_frame = frame;
	return FRAME_OK;
}

/* --- replies ----------------------------------------------------------------------------- */

/* The prefix of an error, "WRONGTYPE" of "-WRONGTYPE Operation ..."; `text` begins after '-'. */
static void note_error(struct redis_facts *facts, struct slice text)
{
	size_t n = 0;

	if (facts->error_n)
		return;
	while (n < text.n && n < sizeof(facts->error) &&
	       ((text.p[n] >= 'A' && text.p[n] <= 'Z') ||
		(n && text.p[n] >= '0' && text.p[n] <= '9') || (n && text.p[n] == '_')))
		n++;
	facts->error_n = (uint8_t)(n ? n : 3);
	memcpy(facts->error, n ? text.p : "ERR", facts->error_n);
}

/* A whole reply has passed: is the message whole? */
static enum frame_status on_reply(struct redis_state *state, struct frame *frame)
{
	struct redis_dir *dir = &state->dir[false];
	const struct redis_multi *multi = multi__of(state, state->answered);
	bool aside = dir->aside;

	dir->aside = false;
	if (aside)
		return FRAME_OK;
	frame->last = true;
	if (frame->type == MESSAGE_ONEWAY)
		return FRAME_OK;
	if (multi) {
		frame->last = !multi->open && multi->to == state->answered;
		/* OK, QUEUED or an error, until the last one */
		if (!frame->last && dir->kind != '+' && dir->kind != '-' && dir->kind != '|')
			return FRAME_BAD;
	}
	state->answered++;
	return FRAME_OK;
}

/* The front of a reply */
static void begin_reply(struct redis_state *state, struct redis_facts *facts,
			const struct frame *frame, char kind)
{
	struct redis_dir *dir = &state->dir[false];

	if (frame->first)
		*facts = (struct redis_facts){ 0 };
	dir->left = 1;
	dir->kind = kind;
	dir->aside = !frame->first && kind == '>';
	if (frame->first && frame->type == MESSAGE_RESPONSE && state->subscribing &&
	    (kind == '>' || (kind == '*' && state->subscribed)))
		state->subscribing--;
}

/* One value, or what there is of it, of the reply under way. */
static enum frame_status take_value(struct slice bytes, struct redis_state *state,
				    struct redis_facts *facts, struct frame *frame)
{
	struct redis_dir *dir = &state->dir[false];
	bool top = !dir->left;
	struct redis_value value;
	enum frame_status status = redis_value__parse(bytes, &value);

	if (status != FRAME_OK)
		return status;
	if (top)
		begin_reply(state, facts, frame, bytes.p[0]);
	/* of a transaction: any of its replies tells */
	if ((bytes.p[0] == '-' || bytes.p[0] == '!') && !dir->aside &&
	    (top || multi__of(state, state->answered)))
		note_error(facts, slice_from(bytes, bytes.p[0] == '-' ? 1 : value.head));
	dir->left += value.adds;
	dir->left -= value.counts;
	dir->line = value.line;
	frame->head += value.head;
	frame->body = value.body;
	return !dir->left && !dir->line ? on_reply(state, frame) : FRAME_OK;
}

/* The first frame of a message is the front of its first value alone, so that no more is kept. */
static enum frame_status reply_frame(struct slice bytes, struct redis_state *state,
				     struct redis_facts *facts, struct frame *ret_frame)
{
	struct redis_dir *dir = &state->dir[false];
	struct frame frame = { .first = !dir->open, .type = ret_frame->type };
	enum frame_status status = FRAME_OK;

	if (dir->line) {
		const char *lf = memchr(bytes.p, '\n', bytes.n);

		frame.head = lf ? (uint64_t)(lf - bytes.p) + 1 : bytes.n;
		dir->line = !lf;
		if (lf && !dir->left)
			status = on_reply(state, &frame);
	} else {
		do {
			struct slice rest = slice_from(bytes, frame.head);

			status = rest.n ? take_value(rest, state, facts, &frame) : FRAME_MORE;
			/* a string that is all there is passed at once */
			if (status == FRAME_OK && frame.body && !frame.first && !frame.last &&
			    frame.body <= bytes.n - frame.head) {
				frame.head += frame.body;
				frame.body = 0;
			}
		} while (status == FRAME_OK && dir->left && !frame.first && !frame.body &&
			 !dir->line);
	}
	if (status == FRAME_BAD || (status == FRAME_MORE && !frame.head))
		return status;
	frame.quiet_worthy = frame.body > 0;
	dir->open = !frame.last;
	*ret_frame = frame;
	return FRAME_OK;
}

static enum frame_status frame(struct slice bytes, bool request, void *state_, void *facts,
			       struct frame *ret_frame)
{
	struct redis_state *state = state_;

	if (!request)
		return reply_frame(bytes, state, facts, ret_frame);
	if (state->dir[true].left)
		return rest_frame(bytes, &state->dir[true], ret_frame);
	return command_frame(bytes, state, facts, ret_frame);
}

/* --- what is no exchange ------------------------------------------------------------------ */

static enum confidence oneway_reply(struct slice bytes, const struct redis_state *state)
{
	bool push = bytes.p[0] == '>';
	struct slice kind = { 0 };
	enum confidence found;

	/* RESP2 has no pushes: subscribers get arrays */
	if (!push &&
	    (bytes.p[0] != '*' || (!state->subscribed && before(state->answered, state->asked))))
		return SNIFF_NO;
	found = redis__push_kind(bytes, &kind);
	if (found != SNIFF_SURE)
		return push && found == SNIFF_NO ? SNIFF_SURE : found;
	/* the first one answers the command, the others tell of its other channels */
	if (subscribes(kind) || unsubscribes(kind))
		return state->subscribing ? SNIFF_NO : SNIFF_SURE;
	if (push || is(kind, "message") || is(kind, "pmessage") || is(kind, "smessage"))
		return SNIFF_SURE;
	return SNIFF_NO;
}

static enum confidence oneway_command(struct slice bytes, const struct redis_state *state)
{
	static const struct slice reply = SLICE("*3\r\n$6\r\n"); /* CLIENT REPLY ... */
	struct redis_command command;
	struct slice arg[3] = { { 0 } };
	enum frame_status status;

	/* cheap for what is usual */
	if (!state->silent && !state->skip && bytes.p[0] == '*' && bytes.n >= reply.n &&
	    bytes.p[1] != '0' && bytes.p[1] != '-' && !slice_starts(bytes, reply))
		return SNIFF_NO;
	status = redis_command__parse(bytes, &command);
	if (status != FRAME_OK)
		return status == FRAME_MORE ? SNIFF_MORE : SNIFF_NO;
	if (!command.args)
		return SNIFF_SURE;
	for (int i = 0; i < 3 && redis_command__next(&command, &arg[i]); i++)
		;
	if (is(arg[0], "client") && is(arg[1], "reply"))
		return is(arg[2], "on") ? SNIFF_NO : SNIFF_SURE;
	return state->silent || state->skip ? SNIFF_SURE : SNIFF_NO;
}

static enum confidence oneway(struct slice bytes, bool request, const void *state)
{
	return request ? oneway_command(bytes, state) : oneway_reply(bytes, state);
}

/* What is open is not known any more: numbers and marks begin anew. */
static void resync(void *state_, bool request)
{
	struct redis_state *state = state_;

	state->dir[request] = (struct redis_dir){ 0 };
	state->asked = state->answered = 0;
	state->multi_count = state->subscribing = 0;
	state->skip = false;
}

static bool header(const struct message *message, struct slice name, unsigned int n,
		   struct slice *ret_value)
{
	return false;
}

const struct protocol redis_protocol = {
	.name = "redis",
	.id = PROTOCOL_REDIS,
	.state_size = sizeof(struct redis_state),
	.facts_size = sizeof(struct redis_facts),
	.pipeline_max = 4096,
	.capture = CAPTURE_ALL,
	.sniff = redis__sniff,
	.frame = frame,
	.oneway = oneway,
	.resync = resync,
	.header = header,
	.describe = redis__describe,
};
