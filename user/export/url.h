/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where spans go: the rules for endpoints of the OTLP exporter specification. */
#ifndef SPANPROBE_EXPORT_URL_H
#define SPANPROBE_EXPORT_URL_H

#include "base/buf.h"

struct otlp_url {
	char *url;     /* the whole, to post to */
	char *where;   /* "http://host:4318", for messages: no path, no password */
	bool loopback; /* never through a proxy */
	bool tls;
};

/* verbatim: used as it is, else "/v1/traces" is added to the path. 0 or -EINVAL with the reason
 * and the next step in why. */
int otlp_url__parse(const char *text, bool verbatim, struct otlp_url *ret, struct buf *why);
void otlp_url__release(struct otlp_url *url);

#endif
