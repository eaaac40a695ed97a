// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "redact.h"

#define KEY_MAX 128 /* a longer key, decoded, is no secret one */

static const struct slice redacted = SLICE("REDACTED");

/* Of the semantic conventions: exact. */
static const struct slice signed_keys[] = {
	SLICE("AWSAccessKeyId"),       SLICE("Signature"),
	SLICE("X-Amz-Signature"),      SLICE("X-Amz-Credential"),
	SLICE("X-Amz-Security-Token"), SLICE("sig"),
	SLICE("X-Goog-Signature"),
};

/* Ours: names that carry secrets wherever they occur, in any case. */
static const struct slice secret_keys[] = {
	SLICE("access_token"),	SLICE("api_key"),    SLICE("api-key"),	     SLICE("apikey"),
	SLICE("auth"),		SLICE("auth_token"), SLICE("client_secret"), SLICE("id_token"),
	SLICE("key"),		SLICE("passwd"),     SLICE("password"),	     SLICE("pwd"),
	SLICE("refresh_token"), SLICE("secret"),     SLICE("token"),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void text__add(struct text *text, struct slice s)
{
	size_t n = text->room - text->n < s.n ? text->room - text->n : s.n;

	if (n)
		memcpy(text->p + text->n, s.p, n);
	text->n += n;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct slice key, char out[KEY_MAX], size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < key.n; i++) {
		if (n == KEY_MAX)
			return false;
		int high = -1, low = -1;

		if (key.p[i] == '%' && key.n - i >= 3) {
			high = hex_digit(key.p[i + 1]);
			low = hex_digit(key.p[i + 2]);
		}
		out[n] = key.p[i];
		if (high >= 0 && low >= 0) {
			out[n] = (char)(high << 4 | low);
			i += 2;
		}
		n++;
	}
	*ret_n = n;
	return true;
}

static bool listed(struct slice key, struct redact_keys keys)
{
	if (keys.keys) {
		for (uint32_t i = 0; i < keys.count; i++)
			if (slice_eq(key, keys.keys[i]))
				return true;
		return false;
	}
	for (size_t i = 0; i < COUNT(signed_keys); i++)
		if (slice_eq(key, signed_keys[i]))
			return true;
	for (size_t i = 0; i < COUNT(secret_keys); i++)
		if (slice_ieq(key, secret_keys[i]))
			return true;
	return false;
}

static bool sensitive(struct slice key, struct redact_keys keys)
{
	char plain[KEY_MAX];
	size_t n;

	if (listed(key, keys))
		return true;
	return key.n && memchr(key.p, '%', key.n) && decode(key, plain, &n) &&
	       listed(slice(plain, n), keys);
}

void redact__query(struct text *out, struct slice query, struct redact_keys keys)
{
	while (query.n) {
		const char *end = memchr(query.p, '&', query.n);
		struct slice pair = slice(query.p, end ? (size_t)(end - query.p) : query.n);
		const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;

		if (equals && sensitive(slice(pair.p, (size_t)(equals - pair.p)), keys)) {
			text__add(out, slice(pair.p, (size_t)(equals - pair.p) + 1));
			text__add(out, redacted);
		} else {
			text__add(out, pair);
		}
		if (end)
			text__add(out, SLICE("&"));
		query = slice_from(query, pair.n + (end ? 1 : 0));
		if (out->n == out->room)
			return; /* nothing more can be added */
	}
}

void redact__authority(struct text *out, struct slice authority)
{
	const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;

	if (at) {
		size_t n = (size_t)(at - authority.p);

		text__add(out, redacted);
		if (n && memchr(authority.p, ':', n)) {
			text__add(out, SLICE(":"));
			text__add(out, redacted);
		}
		text__add(out, SLICE("@"));
		authority = slice_from(authority, n + 1);
	}
	text__add(out, authority);
}

void redact__target(struct text *out, struct slice target, struct redact_keys keys)
{
	const char *hash = target.n ? memchr(target.p, '#', target.n) : NULL;
	size_t n = hash ? (size_t)(hash - target.p) : target.n;
	const char *mark = n ? memchr(target.p, '?', n) : NULL;
	size_t path = mark ? (size_t)(mark - target.p) : n;

	text__add(out, slice(target.p, path));
	if (mark) {
		text__add(out, SLICE("?"));
		redact__query(out, slice(target.p + path + 1, n - path - 1), keys);
	}
	text__add(out, slice_from(target, n));
}
