// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "decode.h"

#include <stdlib.h>

#include "lane.h"

#define POOL_KEEP 1024

/* --- what stream tells --------------------------------------------------------------------- */

static void send_policy(struct decode *decode, struct conn *conn)
{
	struct decoder *decoder = conn->decoder;
	struct capture_policy policy;

	if (capture__take_process(&decoder->capture, conn, &policy) && decode->policy.apply)
		decode->policy.apply(decode->policy.ctx, &policy);
	if (capture__take(&decoder->capture, conn, &policy) && decode->policy.apply)
		decode->policy.apply(decode->policy.ctx, &policy);
}

static struct decoder *decoder_of(struct decode *decode, struct conn *conn)
{
	struct decoder *decoder = conn->decoder;

	if (decoder)
		return decoder;
	decoder = pool__get(&decode->decoders);
	if (!decoder)
		return NULL;
	*decoder = (struct decoder){ 0 };
	capture__init(&decoder->capture, decode->head_bytes);
	if (!(conn->tuple.flags & CONN_MIDSTREAM))
		decoder->lane[DIR_IN].phase = decoder->lane[DIR_OUT].phase = PHASE_START;
	conn->decoder = decoder;
	return decoder;
}

static void on_bytes(void *ctx, struct conn *conn, enum direction dir)
{
	struct decoder *decoder = decoder_of(ctx, conn);
	bool known;

	if (!decoder || decoder->muted)
		return;
	known = decoder->protocol;
	lane__advance(ctx, conn, dir);
	if (!known && decoder->protocol) /* what was not understood alone */
		lane__advance(ctx, conn, !dir);
	send_policy(ctx, conn);
}

static void on_ended(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at,
		     uint32_t error)
{
	struct decoder *decoder = conn->decoder;

	if (decoder && !decoder->muted) {
		struct work work = lane__work(ctx, conn, dir);

		lane__end(&work, error);
	}
}

static void on_gone(void *ctx, struct conn *conn, const struct stamp *at)
{
	struct decode *decode = ctx;

	if (!conn->decoder)
		return;
	if (!((struct decoder *)conn->decoder)->muted) {
		struct work work = lane__work(decode, conn, DIR_IN);

		lane__close(&work);
		lane__abandon(&work, at);
	}
	lane__forget(conn->decoder);
	pool__put(&decode->decoders, conn->decoder);
	conn->decoder = NULL;
}

/* --- the stage ----------------------------------------------------------------------------- */

struct decode *decode__new(const struct decode_opts *opts, struct message_sink next)
{
	struct decode *decode = calloc(1, sizeof(*decode));

	if (!decode)
		return NULL;
	decode->stats = opts->stats;
	decode->policy = opts->policy;
	decode->head_bytes = opts->head_bytes ? opts->head_bytes : HEAD_BYTES_DEFAULT;
	decode->next = next;
	decode->notes.stats = opts->stats;
	decode->decoders = (struct pool){ .size = sizeof(struct decoder), .keep = POOL_KEEP };
	decode->messages = (struct pool){ .size = sizeof(struct message), .keep = POOL_KEEP };
	return decode;
}

struct stream_sink decode__sink(struct decode *decode)
{
	return (struct stream_sink){ on_bytes, on_ended, on_gone, decode };
}

void decode__tick(struct decode *decode, uint64_t now_ns)
{
}

void decode__free(struct decode *decode)
{
	if (!decode)
		return;
	pool__release(&decode->decoders);
	pool__release(&decode->messages);
	free(decode);
}
