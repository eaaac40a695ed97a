/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How a span's parent is known: the fixed list of values of `spanprobe.parent.by`, and why a span
 * is a root. PARENT_BY(ID, "value", "what it rests on").
 */
#ifndef SPANPROBE_PARENT_BY_H
#define SPANPROBE_PARENT_BY_H

#define PARENT_BY_LIST(PARENT_BY)                                                                  \
	PARENT_BY(NONE, "none", "a root: no evidence of a parent")                                 \
	PARENT_BY(HEADER, "header", "a context that the request carried")                          \
	PARENT_BY(CONNECTION, "connection", "the other end of the same connection, same position") \
	PARENT_BY(THREAD, "thread", "the thread's only open request")                              \
	PARENT_BY(TURN, "turn", "the turn of an event loop that a read began")                     \
	PARENT_BY(CONNECT, "connect", "the request that opened the connection for this call")      \
	PARENT_BY(CREATE, "create", "the request whose thread made the calling thread")            \
	PARENT_BY(RESULT_WAKE, "result-wake", "the request whose thread waited for the result")    \
	PARENT_BY(QUEUE, "queue", "the request that queued the work")                              \
	PARENT_BY(PARK, "park", "the request whose thread was unparked with the result")           \
	PARENT_BY(LINEAGE, "lineage", "the request that allocated the caller's objects")           \
	PARENT_BY(GOROUTINE, "goroutine", "the request of the goroutine or of its makers")         \
	PARENT_BY(PYTHON_CONTEXT, "python-context", "the request of the Python context")           \
	PARENT_BY(NODE_ASYNC, "node-async", "the request of Node's async id")                      \
	PARENT_BY(CLIENT, "client", "the client that the proxy itself says it calls for")

#define ROOT_WHY_LIST(ROOT_WHY)                                                                    \
	ROOT_WHY(ENTRY, "entry", "a request whose client is not traced and sent no context")       \
	ROOT_WHY(NO_REQUEST, "no_request", "a call on a thread with no request of its own")        \
	ROOT_WHY(CLOSED, "closed", "a call after the request was answered")                        \
	ROOT_WHY(DOUBT, "doubt", "a call that several open requests may have made")                \
	ROOT_WHY(LOOP, "loop", "a call of an event loop: it may be the loop's own")                \
	ROOT_WHY(RUNTIME, "runtime", "a call in a runtime whose units are not known (Go, ...)")    \
	ROOT_WHY(UNIT, "unit",                                                                     \
		 "a call of a unit that could not be read, or was never seen before")              \
	ROOT_WHY(EXPIRED, "expired", "a call that no request claimed in time")

enum parent_by {
#define PARENT_BY(id, value, text) PARENT_BY_##id,
	PARENT_BY_LIST(PARENT_BY)
#undef PARENT_BY
		PARENT_BY_COUNT
};

enum root_why {
#define ROOT_WHY(id, value, text) ROOT_WHY_##id,
	ROOT_WHY_LIST(ROOT_WHY)
#undef ROOT_WHY
		ROOT_WHY_COUNT
};

const char *parent_by__name(enum parent_by by);
const char *root_why__name(enum root_why why);

#endif
