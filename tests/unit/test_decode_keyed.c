// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * decode with a protocol that is nothing like HTTP, to see that it knows none: frames of a length
 * and a key, answers out of order, messages of several frames, a frame that ends the protocol.
 *
 * Frame: kind 'Q' or 'A', flags (1: first, 2: last, 4: leaves), key, length; then the body.
 * The table of protocols is this file's own.
 */
#include "streams.h"

struct keyed_head {
	char magic[4];
	char kind;
	uint8_t flags;
	uint8_t key;
	uint8_t pad;
	uint32_t length;
};

struct keyed_state {
	uint32_t resyncs[2];
};

static unsigned int resyncs;

static enum confidence sniff(struct slice bytes, enum message_type *ret_type)
{
	size_t n = bytes.n < 4 ? bytes.n : 4;

	if (memcmp(bytes.p, "KEYD", n) != 0)
		return SNIFF_NO;
	if (bytes.n < 5)
		return SNIFF_MORE;
	*ret_type = bytes.p[4] == 'Q' ? MESSAGE_REQUEST : MESSAGE_RESPONSE;
	return bytes.p[4] == 'Q' || bytes.p[4] == 'A' ? SNIFF_SURE : SNIFF_NO;
}

static enum frame_status frame(struct slice bytes, bool request, void *state, void *facts,
			       struct frame *ret_frame)
{
	struct keyed_head head;

	if (bytes.n < sizeof(head))
		return FRAME_MORE;
	memcpy(&head, bytes.p, sizeof(head));
	if (memcmp(head.magic, "KEYD", 4) != 0 || head.kind != (request ? 'Q' : 'A'))
		return FRAME_BAD;
	*ret_frame = (struct frame){ .head = sizeof(head),
				     .body = head.length,
				     .payload = head.length,
				     .first = head.flags & 1,
				     .last = head.flags & 2,
				     .leaves = head.flags & 4,
				     .wants_all = !(head.flags & 2),
				     .quiet_worthy = true,
				     .type = request ? MESSAGE_REQUEST : MESSAGE_RESPONSE,
				     .key = head.key };
	return FRAME_OK;
}

static void resync(void *state, bool request)
{
	((struct keyed_state *)state)->resyncs[request]++;
	resyncs++;
}

static const struct protocol keyed = { .name = "keyed",
				       .id = PROTOCOL_HTTP1,
				       .state_size = sizeof(struct keyed_state),
				       .sniff = sniff,
				       .frame = frame,
				       .resync = resync };

const struct protocol *const protocols[] = { &keyed, NULL };

/* --- the sink also tells the keys --- */

static void keyed_head(void *ctx, struct conn *conn, struct message *message)
{
	struct rig *rig = ctx;

	buf__printf(&rig->log, "head %s key %llu of %zu\n", rig_kind(message),
		    (unsigned long long)message->key, message->head.n);
}

static struct rig *keyed_rig(void)
{
	struct rig *rig = rig__new(0, 0);
	struct decode_opts opts = { .stats = &rig->stats, .policy = { rig_apply, rig } };
	struct stream_opts stream = { .stats = &rig->stats, .processes = rig->processes };

	stream__free(rig->stream);
	decode__free(rig->decode);
	rig->decode = decode__new(&opts, (struct message_sink){ rig_begin, keyed_head, rig_end,
								rig_unread, rig_gone, rig });
	rig->stream = stream__new(&stream, decode__sink(rig->decode));
	resyncs = 0;
	return rig;
}

/* Appends one frame to text. */
static size_t add(char *text, size_t at, char kind, uint8_t flags, uint8_t key, uint32_t length)
{
	struct keyed_head head = { "KEYD", kind, flags, key, 0, length };

	memcpy(text + at, &head, sizeof(head));
	memset(text + at + sizeof(head), 'x', length);
	return at + sizeof(head) + length;
}

static void out_of_order(void **state)
{
	struct rig *rig = keyed_rig();
	char text[256];
	size_t n = add(text, 0, 'Q', 3, 1, 5);

	n = add(text, n, 'Q', 3, 2, 0);
	rig__open(rig, CONN, ROLE_UNKNOWN, 0);
	rig__call(rig, DIR_OUT, text, n, n);
	assert_int_equal(rig->policy.role, ROLE_CLIENT);
	n = add(text, 0, 'A', 3, 2, 7);
	n = add(text, n, 'A', 3, 1, 1);
	for (size_t i = 0; i < n; i++) /* byte by byte */
		rig__call(rig, DIR_IN, text + i, 1, 1);
	assert_log(rig, "begin req @0\nhead req key 1 of 12\nend req body 5 wire 17\n"
			"begin req @17\nhead req key 2 of 12\nend req body 0 wire 12\n"
			"begin res @0\nhead res key 2 of 12\nend res body 7 wire 19\n"
			"begin res @19\nhead res key 1 of 12\nend res body 1 wire 13\n");
	rig__free(rig);
}

/* Frames of one message need CAPTURE_ALL until its last one; eight without it give it back. */
static void several_frames(void **state)
{
	struct rig *rig = keyed_rig();
	char *text = calloc(1, 100000);
	size_t n = add(text, 0, 'Q', 1, 9, 100);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__call(rig, DIR_IN, text, n, n);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_ALL);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_HEAD);
	n = add(text, 0, 'Q', 0, 9, 90000); /* large: told of by its call alone */
	rig__call(rig, DIR_IN, text, n, CALL_BYTES_MAX);
	n = add(text, 0, 'Q', 2, 9, 1);
	rig__call(rig, DIR_IN, text, n, n);
	assert_log(rig, "begin req @0\nhead req key 9 of 12\nend req body 90101 wire 90137\n");
	for (int i = 0; i < 8; i++) {
		assert_int_equal(rig->policies, 1);
		n = add(text, 0, 'Q', 3, 9, 1);
		rig__call(rig, DIR_IN, text, n, n);
	}
	assert_int_equal(rig->policies, 2);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_HEAD);
	assert_int_equal(resyncs, 0);
	rig__free(rig);
	free(text);
}

/* A frame in a gap: the message is given up, and its protocol told so, once. */
static void lost_frame(void **state)
{
	struct rig *rig = keyed_rig();
	char text[256];
	size_t n = add(text, 0, 'A', 1, 3, 10);

	rig__open(rig, CONN, ROLE_CLIENT, 0);
	rig__call(rig, DIR_IN, text, n, n);
	rig__mark(rig, DIR_IN, 500);
	assert_int_equal(resyncs, 1);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_HEAD);
	n = add(text, 0, 'A', 3, 4, 2);
	rig__call(rig, DIR_IN, text, n, n);
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_ALL);
	assert_int_equal(resyncs, 1);
	assert_log(rig, "begin res @0\nhead res key 3 of 12\nend res body 10 wire 522 i\n"
			"begin res @522\nhead res key 4 of 12\nend res body 2 wire 14 g\n");
	rig__free(rig);
}

/* The connection is another protocol's after the body of the frame that says so. */
static void leaves_after_its_body(void **state)
{
	struct rig *rig = keyed_rig();
	char text[256];
	size_t n = add(text, 0, 'Q', 7, 1, 50);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__call(rig, DIR_IN, text, n, n - 10);
	assert_int_equal(rig->policies, 0);
	stream__tick(rig->stream, rig->now);
	assert_log(rig, "begin req @0\nhead req key 1 of 12\nend req body 50 wire 62\ngone 0\n");
	assert_int_equal(rig->policy.mode[DIR_IN], CAPTURE_NONE);
	assert_int_equal(rig->policy.mode[DIR_OUT], CAPTURE_NONE);
	n = add(text, 0, 'A', 3, 1, 5);
	rig__call(rig, DIR_OUT, text, n, n);
	rig__close(rig, 0);
	assert_log(rig, "");
	rig__free(rig);
}

/* A message that a direction cannot have: malformed, and the connection is kept. */
static void wrong_direction(void **state)
{
	struct rig *rig = keyed_rig();
	char text[256];
	size_t n = add(text, 0, 'Q', 3, 1, 5);

	rig__open(rig, CONN, ROLE_SERVER, 0);
	rig__call(rig, DIR_IN, text, n, n);
	rig__call(rig, DIR_OUT, text, n, n);
	n = add(text, 0, 'A', 3, 1, 5);
	rig__call(rig, DIR_OUT, text, n, n);
	assert_log(rig, "begin req @0\nhead req key 1 of 12\nend req body 5 wire 17\n"
			"begin res @17\nhead res key 1 of 12\nend res body 5 wire 17 g\n");
	assert_int_equal(rig->stats.lost[LOSS_MALFORMED], 1);
	rig__free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_of_order),	   cmocka_unit_test(several_frames),
		cmocka_unit_test(lost_frame),	   cmocka_unit_test(leaves_after_its_body),
		cmocka_unit_test(wrong_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
