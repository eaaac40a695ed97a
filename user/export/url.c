// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

#define SIGNAL_PATH "v1/traces"

static bool is_loopback(const char *host)
{
	size_t n = strlen(host);
	struct in_addr v4;

	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	if (n > 10 && strcasecmp(host + n - 10, ".localhost") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static int add_signal_path(CURLU *handle)
{
	char *path = NULL;
	struct buf longer = { 0 };
	int err = curl_url_get(handle, CURLUPART_PATH, &path, 0) ? -EINVAL : 0;

	if (!err) {
		size_t n = strlen(path);

		buf__printf(&longer, "%s%s" SIGNAL_PATH, path, n && path[n - 1] == '/' ? "" : "/");
		buf__append(&longer, "", 1);
		if (longer.failed || curl_url_set(handle, CURLUPART_PATH, longer.p, 0))
			err = -ENOMEM;
	}
	curl_free(path);
	buf__release(&longer);
	return err;
}

/* scheme://host[:port], with the port only when it was written */
static char *describe(const char *scheme, const char *host, const char *port)
{
	struct buf text = { 0 };

	buf__printf(&text, "%s://%s%s%s", scheme, host, port ? ":" : "", port ? port : "");
	buf__append(&text, "", 1);
	if (text.failed)
		buf__release(&text);
	return text.p;
}

static int take_parts(CURLU *handle, struct otlp_url *ret)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *url = NULL;
	int err = -EINVAL;

	if (curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(handle, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(handle, CURLUPART_URL, &url, 0))
		goto cleanup;
	curl_url_get(handle, CURLUPART_PORT, &port, 0); /* may be missing */
	ret->tls = strcasecmp(scheme, "https") == 0;
	if (!ret->tls && strcasecmp(scheme, "http") != 0)
		goto cleanup;
	ret->loopback = is_loopback(host);
	ret->url = strdup(url);
	ret->where = describe(scheme, host, port);
	err = ret->url && ret->where ? 0 : -ENOMEM;
cleanup:
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(url);
	return err;
}

int otlp_url__parse(const char *text, bool verbatim, struct otlp_url *ret, struct buf *why)
{
	struct otlp_url url = { 0 };
	CURLU *handle = curl_url();
	int err = handle ? 0 : -ENOMEM;

	/* "localhost:4318" would pass as scheme "localhost": the two slashes are asked for */
	if (!err && (!strstr(text, "://") || curl_url_set(handle, CURLUPART_URL, text, 0)))
		err = -EINVAL;
	if (!err)
		curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
	if (!err && !verbatim)
		err = add_signal_path(handle);
	if (!err)
		err = take_parts(handle, &url);
	curl_url_cleanup(handle);
	if (err == -EINVAL)
		buf__printf(why,
			    "--export otlp=%s: not a URL that begins with http:// or https://; "
			    "write for example otlp=http://localhost:4318",
			    text);
	else if (err)
		buf__puts(why, "--export otlp: out of memory");
	if (err)
		otlp_url__release(&url);
	else
		*ret = url;
	return err;
}

void otlp_url__release(struct otlp_url *url)
{
	free(url->url);
	free(url->where);
	*url = (struct otlp_url){ 0 };
}
