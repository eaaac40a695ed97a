/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * export: spans -> batches -> exporters. Owns one bounded queue and the retries of each exporter;
 * an exporter only turns a batch into bytes, starts sending them and answers done / retry / drop.
 * Nothing here blocks: progress is made in export__tick. What happens to a destination is logged
 * by its queue, once per change; the exporters are silent.
 */
#ifndef SPANPROBE_EXPORT_H
#define SPANPROBE_EXPORT_H

#include "base/buf.h"
#include "span.h"
#include "stats.h"

enum export_verdict {
	EXPORT_PENDING, /* still under way */
	EXPORT_DONE,
	EXPORT_RETRY, /* the same bytes again, after retry_after_ns or the back-off */
	EXPORT_DROP
};

struct export_result {
	enum export_verdict verdict;
	bool unreachable;	 /* EXPORT_RETRY: nobody there; tried again for ever */
	uint64_t retry_after_ns; /* asked for by the receiver; 0: none */
	uint32_t rejected;	 /* spans refused by a partial success */
	char message[256];	 /* for the log: the outcome in the receiver's words; may be "" */
};

/* One destination. All functions get `self`. */
struct exporter {
	const char *name;    /* "otlp", "file", "console" */
	const char *where;   /* for messages: "http://localhost:4318", a path */
	uint64_t timeout_ns; /* of one batch with its retries; 0: none */
	bool immediate;	     /* wants spans at once, not in batches */
	void *self;
	/* Begin to send spans[0..count) with the scope's loss counters; they stay valid until poll
	 * answers something else than EXPORT_PENDING. Called again with again = true for a retry.
	 * 0, -E2BIG: over the receiver's size limit, send fewer, or another negative errno. */
	int (*send)(void *self, struct span *const *spans, uint32_t count, bool again);
	struct export_result (*poll)(void *self, uint64_t now_ns);
	void (*cancel)(void *self);
	/* At every tick; last = true: the end is near, hold nothing back. Answers whether it still
	 * holds something. May be NULL. */
	bool (*tick)(void *self, uint64_t now_ns, bool last);
	void (*free)(void *self);
};

struct otlp_opts {
	const char *url; /* base; "/v1/traces" is added unless url_verbatim */
	bool url_verbatim;
	const char *headers; /* "k=v,k=v", percent-decoded; NULL: none */
	bool gzip;
	uint64_t timeout_ms; /* of one export with its retries; 0: none */
	const char *ca_file, *client_cert, *client_key;
	size_t request_bytes_max; /* 0: 64 MiB */
};

struct export_opts {
	struct stats *stats;
	uint32_t queue_spans;  /* 0: 8192; of each exporter */
	size_t queue_bytes;    /* 0: 24 MiB */
	uint32_t batch_spans;  /* 0: 512 */
	uint64_t delay_ns;     /* 0: 1 s; the longest wait of a span */
	uint64_t seed;	       /* of the jitter */
	struct otlp_opts otlp; /* for exporters "otlp"; url may be overridden by the spec */
};

struct export *export__new(const struct export_opts *opts);
/* spec: "otlp=URL", "otlp", "file=PATH", "console", "none". 0 or negative errno with the reason
 * and the next step in why. */
int export__add(struct export *export, const char *spec, struct buf *why);
struct span_sink export__sink(struct export *export);
void export__push(struct export *export, struct span *span);
void export__tick(struct export *export, uint64_t now_ns);
/* How long the caller may sleep: a millisecond or some while a transfer is under way */
uint64_t export__idle_ns(const struct export *export, uint64_t now_ns);
/* Sends all that is queued until deadline_ns (monotonic); what remains is counted and dropped. */
void export__flush(struct export *export, uint64_t deadline_ns);
void export__free(struct export *export);

/* For exporters of other makers (tests): takes over what the exporter owns, also on failure. */
int export__adopt(struct export *export, const struct exporter *exporter);

/* Makers, one per file in export/. 0, or negative errno with the reason in why. */
int otlp_http__new(const struct otlp_opts *opts, struct stats *stats, struct exporter *ret,
		   struct buf *why);
int json_file__new(const char *path, struct stats *stats, struct exporter *ret, struct buf *why);
int console__new(struct stats *stats, struct exporter *ret, struct buf *why);

/* export/otlp_encode.c, export/otlp_json.c: pure; a whole ExportTraceServiceRequest / TracesData */
int otlp_encode(struct span *const *spans, uint32_t count, const struct stats *stats,
		struct buf *out);
int otlp_json(struct span *const *spans, uint32_t count, const struct stats *stats,
	      struct buf *out);

#endif
