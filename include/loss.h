/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every way to lose something: LOSS(NAME, "name", side, "what the user reads").
 * One list for both sides. The kernel counts its own in the map `losses` (per CPU), user space in
 * struct stats; the summary prints every one that is not zero, and every exported batch carries
 * them as scope attributes `spanprobe.lost.<name>`.
 */
#ifndef SPANPROBE_LOSS_H
#define SPANPROBE_LOSS_H

#define LOSS_LIST(LOSS)                                                                            \
	/* kernel */                                                                               \
	LOSS(RING_DATA, "ring.data", "payload records that found the ring buffer full")            \
	LOSS(RING_CONN, "ring.conn", "connection records that found the ring buffer full")         \
	LOSS(RING_UNIT, "ring.unit", "task and thread records that found the ring buffer full")    \
	LOSS(CONN_TABLE_FULL, "conn.table_full", "connections that found the kernel table full")   \
	LOSS(CALL_TABLE_FULL, "call.table_full", "calls that found the table of open calls full")  \
	LOSS(RETURN_MISSED, "call.return_missed", "calls whose return probe did not fire")         \
	LOSS(READ_FAULT, "payload.fault", "payload bytes that could not be read from the caller")  \
	LOSS(UNSEEN_BYTES, "payload.unseen",                                                       \
	     "bytes moved without a readable buffer (sendfile...)")                                \
	LOSS(UNIT_READ, "unit.read", "units of a runtime that could not be read, or were not one") \
	LOSS(IOV_CUT, "payload.iov_cut", "calls with more vector segments than are looked at")     \
	/* receive */                                                                              \
	LOSS(EVENT_BAD, "event.bad", "records with an impossible size or kind")                    \
	LOSS(EVENT_NO_MEMORY, "event.memory", "records that found no memory")                      \
	LOSS(EVENT_LATE, "event.late", "records that came after their time window")                \
	/* stream */                                                                               \
	LOSS(CONN_UNKNOWN, "conn.unknown", "payload records of a connection never announced")      \
	LOSS(CONN_EVICTED, "conn.evicted", "connections forgotten because too many were open")     \
	LOSS(STREAM_EVICTED, "stream.evicted", "buffered bytes dropped to stay within memory")     \
	LOSS(STREAM_GAP, "stream.gap", "bytes missing inside a message head")                      \
	LOSS(STREAM_OVERFLOW, "stream.overflow", "bytes of heads longer than the buffer")          \
	/* decode, pair */                                                                         \
	LOSS(MIDSTREAM_SKIPPED, "decode.midstream", "bytes skipped until the first whole message") \
	LOSS(RESYNC_SKIPPED, "decode.resync", "bytes skipped after a gap or malformed message")    \
	LOSS(UNKNOWN_PROTOCOL, "decode.unknown", "connections whose protocol is not known")        \
	LOSS(MALFORMED, "decode.malformed", "messages that broke their protocol")                  \
	LOSS(NOTES_FULL, "decode.notes_full", "prepared statements that are not remembered")       \
	LOSS(RESPONSE_ALONE, "pair.response_alone", "responses whose request was not seen")        \
	LOSS(REQUEST_ALONE, "pair.request_alone", "requests whose response was not seen")          \
	LOSS(REQUEST_IN_DOUBT, "pair.doubt", "requests whose response could be another's")         \
	LOSS(PIPELINE_FULL, "pair.pipeline_full", "requests beyond the pipeline limit")            \
	LOSS(REQUEST_CUT, "pair.request_cut", "requests cut off within their head")                \
	LOSS(PAIR_FULL, "pair.full", "heads or exchanges beyond the memory for open ones")         \
	/* attribute, join, sample */                                                              \
	LOSS(UNIT_TABLE_FULL, "attribute.table_full", "threads forgotten because of too many")     \
	LOSS(MODULE_OFF, "attribute.module_off", "processes whose runtime could not be followed")  \
	LOSS(JOIN_TABLE_FULL, "join.table_full", "exchanges that found the join table full")       \
	LOSS(NO_MEMORY, "span.memory", "spans that could not be made for want of memory")          \
	LOSS(UNSAMPLED, "sample.dropped", "spans the sampler did not keep")                        \
	/* export */                                                                               \
	LOSS(ATTRIBUTE_LIMIT, "span.attributes", "attributes beyond the limit of a span")          \
	LOSS(QUEUE_FULL, "export.queue_full", "spans that found the export queue full")            \
	LOSS(EXPORT_REJECTED, "export.rejected", "spans the receiver refused")                     \
	LOSS(EXPORT_FAILED, "export.failed", "spans given up after the last retry")                \
	LOSS(EXPORT_TOO_BIG, "export.too_big", "spans in requests over the size limit")            \
	LOSS(EXPORT_SHUTDOWN, "export.shutdown", "spans still queued when the agent ended")        \
	LOSS(RECORD_FAILED, "record.failed", "events that could not be written to the recording")

enum loss {
#define LOSS(id, name, text) LOSS_##id,
	LOSS_LIST(LOSS)
#undef LOSS
		LOSS_COUNT
};

#endif
