// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Words, literals and signs of SQL; the text without its values. */
#include "sql.h"

#include "sql_token.h"

static bool is_letter(char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool in_word(char c)
{
	return is_letter(c) || is_digit(c) || c == '$';
}

/* Bytes of white space and comments at the front; a comment may lack its end. */
static size_t blank(struct slice s)
{
	size_t i = 0;

	while (i < s.n) {
		if (strchr(" \t\r\n\f\v", s.p[i]) && s.p[i]) {
			i++;
		} else if (i + 1 < s.n && s.p[i] == '-' && s.p[i + 1] == '-') {
			while (i < s.n && s.p[i] != '\n')
				i++;
		} else if (i + 1 < s.n && s.p[i] == '/' && s.p[i + 1] == '*') {
			unsigned int depth = 0;

			do { /* they nest */
				bool opens = i + 1 < s.n && s.p[i] == '/' && s.p[i + 1] == '*';
				bool closes = i + 1 < s.n && s.p[i] == '*' && s.p[i + 1] == '/';

				depth += opens;
				depth -= closes;
				i += opens || closes ? 2 : 1;
			} while (depth && i < s.n);
		} else {
			break;
		}
	}
	return i < s.n ? i : s.n;
}

/* Up to and with the closing quote, which is doubled where it is meant; 0: there is none. */
static size_t quoted(struct slice s, size_t from, char quote, bool escapes)
{
	for (size_t i = from; i < s.n; i++) {
		if (escapes && s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == quote) {
			if (i + 1 == s.n || s.p[i + 1] != quote)
				return i + 1;
			i++;
		}
	}
	return 0;
}

/* $tag$ ... $tag$: bytes of the opening tag; 0: it is none */
static size_t dollar_tag(struct slice s)
{
	size_t i = 1;

	while (i < s.n && (is_letter(s.p[i]) || (i > 1 && is_digit(s.p[i]))))
		i++;
	return i < s.n && s.p[i] == '$' ? i + 1 : 0;
}

static size_t dollar_quoted(struct slice s, size_t tag)
{
	for (size_t i = tag; i + tag <= s.n; i++)
		if (s.p[i] == '$' && memcmp(s.p + i, s.p, tag) == 0)
			return i + tag;
	return 0;
}

static size_t number(struct slice s)
{
	size_t i = 0;

	while (i < s.n && (in_word(s.p[i]) || s.p[i] == '.' ||
			   ((s.p[i] == '+' || s.p[i] == '-') && (s.p[i - 1] | 0x20) == 'e' &&
			    !slice_starts(s, SLICE("0x")))))
		i++;
	return i;
}

/* A word that a quote follows at once says how the literal is written: E'..', B'..', X'..', N'..' */
static size_t prefixed(struct slice s, size_t word)
{
	char c = (char)(s.p[0] | 0x20);

	if (word == 1 && s.n > 1 && s.p[1] == '\'' && strchr("ebxn", c))
		return quoted(s, 2, '\'', c == 'e');
	if (c == 'u' && s.n > 2 && s.p[1] == '&' && s.p[2] == '\'')
		return quoted(s, 3, '\'', false);
	return SIZE_MAX;
}

static size_t literal(struct slice s, enum sql_kind *ret_kind)
{
	size_t tag;

	*ret_kind = SQL_LITERAL;
	if (s.p[0] == '\'')
		return quoted(s, 1, '\'', false);
	tag = s.p[0] == '$' ? dollar_tag(s) : 0;
	if (tag)
		return dollar_quoted(s, tag);
	if (is_digit(s.p[0]) || (s.p[0] == '.' && s.n > 1 && is_digit(s.p[1])))
		return number(s);
	*ret_kind = SQL_SIGN;
	return SIZE_MAX;
}

bool sql__next(struct slice *text, struct sql_token *ret)
{
	size_t skip = blank(*text), n = 1;
	struct slice s = slice_from(*text, skip);
	enum sql_kind kind = SQL_SIGN;

	*text = s;
	if (!s.n)
		return false;
	n = literal(s, &kind);
	if (kind != SQL_LITERAL && s.p[0] == '"') {
		kind = SQL_QUOTED;
		n = quoted(s, 1, '"', false);
	} else if (kind != SQL_LITERAL && s.p[0] == '$' && s.n > 1 && is_digit(s.p[1])) {
		kind = SQL_PARAM;
		for (n = 1; n < s.n && is_digit(s.p[n]); n++)
			;
	} else if (kind != SQL_LITERAL && is_letter(s.p[0])) {
		for (n = 1; n < s.n && in_word(s.p[n]); n++)
			;
		kind = SQL_WORD;
		if (prefixed(s, n) != SIZE_MAX) {
			kind = SQL_LITERAL;
			n = prefixed(s, n);
		}
	} else if (kind != SQL_LITERAL) {
		n = 1;
	}
	ret->open = n == 0; /* a quote without end */
	n = n ? n : s.n;
	ret->kind = kind;
	ret->text = slice(s.p, n);
	ret->spaced = skip > 0;
	*text = slice_from(s, n);
	return true;
}

bool sql_token__is(const struct sql_token *token, const char *word)
{
	return token->kind == SQL_WORD && slice_ieq(token->text, slice_of(word));
}

/* A list of nothing but literals: what follows its ')'; NULL: it is none. */
static const char *literal_list(struct slice text)
{
	struct sql_token token;
	bool any = false;

	while (sql__next(&text, &token)) {
		bool sign = token.kind == SQL_SIGN;

		if (sign && token.text.p[0] == ')')
			return any ? text.p : NULL;
		if (token.kind == SQL_LITERAL)
			any = true;
		else if (!sign || !strchr(",-+", token.text.p[0]))
			return NULL;
	}
	return NULL;
}

bool sql__sanitise(struct slice text, bool cut, struct buf *out)
{
	const char *end = text.p + text.n;
	struct sql_token token;
	bool after_in = false;

	while (sql__next(&text, &token)) {
		const char *behind = NULL;

		if (token.open && !cut)
			return false;
		if (token.spaced && out->n)
			buf__puts(out, " ");
		if (token.kind == SQL_LITERAL || sql_token__is(&token, "true") ||
		    sql_token__is(&token, "false"))
			buf__puts(out, "?");
		else if (!token.open)
			buf__append(out, token.text.p, token.text.n);
		if (after_in && token.text.p[0] == '(')
			behind = literal_list(text);
		if (behind) {
			buf__puts(out, "?)");
			text = slice(behind, (size_t)(end - behind));
		}
		after_in = sql_token__is(&token, "in");
	}
	return true;
}
