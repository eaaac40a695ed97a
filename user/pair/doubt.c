// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Where clients pipeline, order is all that tells whose a response is. On a connection met in the
 * middle, or after messages were lost among several open ones, nobody knows how many responses are
 * due. It is known again when silence follows though nothing seems to be open: a server that owed a
 * response would have sent it. Until then requests are counted, not followed. Should the silence have
 * been a slow command's, a response that nobody has asked for tells so, and the doubt is back.
 */
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "pair/doubt.h"

struct line *doubt__line(struct pair *pair, const struct conn *conn, const struct message *message)
{
	struct line *line = line__find(pair, conn->id);

	if (line)
		return line;
	line = line__get(pair, conn->id);
	if (line && message__pipelines(message) && (message->flags & MESSAGE_MIDSTREAM)) {
		line->doubt = true;
		line->doubt_ns = conn->opened_ns;
	}
	return line;
}

void doubt__enter(struct pair *pair, struct line *line, uint64_t ns)
{
	line__lose(pair, line, NULL, ns);
	line__drop_all_early(pair, line);
	line->skipped = line->owed = 0;
	line->doubt = true;
	line->relieved = false;
	line->doubt_ns = ns;
}

uint64_t doubt__early_until(const struct line *line)
{
	return line->early->response.first.ns + (line->relieved ? PAIR_QUIET_NS : PAIR_EARLY_NS);
}

bool doubt__request(struct pair *pair, struct line *line, const struct message *message)
{
	uint64_t ns = message->first.ns;

	if (!message__pipelines(message))
		return false;
	if ((message->flags & MESSAGE_AFTER_GAP) && line->deep && !line->doubt)
		doubt__enter(pair, line, ns);
	if (line->relieved && line->early && ns > doubt__early_until(line))
		doubt__enter(pair, line, ns);
	if (!line->doubt)
		return false;
	if (!line->owed && ns > line->doubt_ns + PAIR_QUIET_NS) {
		line->doubt = line->deep = false;
		line->relieved = true;
		return false;
	}
	line->owed++;
	line->doubt_ns = ns > line->doubt_ns ? ns : line->doubt_ns;
	pair->stats->lost[LOSS_REQUEST_IN_DOUBT]++;
	return true;
}

bool doubt__response(struct pair *pair, struct line *line, const struct message *message)
{
	uint64_t ns = message->first.ns;

	if (!message__pipelines(message))
		return false;
	if ((message->flags & MESSAGE_AFTER_GAP) && line->deep && !line->doubt)
		doubt__enter(pair, line, ns);
	if (!line->doubt)
		return false;
	if (message->flags & MESSAGE_AFTER_GAP)
		line->owed = 0; /* they may have been among what was lost */
	if (line->owed)
		line->owed--;
	line->doubt_ns = ns > line->doubt_ns ? ns : line->doubt_ns;
	return true;
}
