// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The configuration file: one flat mapping of scalars, lists of scalars, and (for k=v options)
 * mappings of scalars. Everything else is refused with its place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "options_table.h"

#define PLACE_MAX 320

struct reader {
	const char *path;
	const struct yaml_sink *sink;
	struct buf *why;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	char where[PLACE_MAX];
};

static int broken(struct reader *reader, yaml_mark_t mark, const char *reason)
{
	buf__printf(reader->why, "%s:%zu:%zu: %s", reader->path, mark.line + 1, mark.column + 1,
		    reason);
	return -EINVAL;
}

/* The next event into reader->event; its place into where. */
static int next(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
	if (!yaml_parser_parse(&reader->parser, &reader->event)) {
		const char *problem = reader->parser.problem;

		buf__printf(reader->why, "%s:%zu:%zu: not YAML: %s; mend this line", reader->path,
			    reader->parser.problem_mark.line + 1,
			    reader->parser.problem_mark.column + 1,
			    problem ? problem : "unreadable");
		return -EINVAL;
	}
	reader->has_event = true;
	snprintf(reader->where, sizeof(reader->where), "%s:%zu:%zu", reader->path,
		 reader->event.start_mark.line + 1, reader->event.start_mark.column + 1);
	return 0;
}

static const char *scalar(const struct reader *reader)
{
	return (const char *)reader->event.data.scalar.value;
}

static int read_list(struct reader *reader, const char *key)
{
	for (;;) {
		int err = next(reader);

		if (err || reader->event.type == YAML_SEQUENCE_END_EVENT)
			return err;
		if (reader->event.type != YAML_SCALAR_EVENT)
			return broken(reader, reader->event.start_mark,
				      "a list holds plain values only; write - VALUE");
		err = reader->sink->set(reader->sink->ctx, key, scalar(reader), reader->where);
		if (err)
			return err;
	}
}

/* "k: v" pairs to "k=v,..." with what would be misread percent-encoded */
static void append_encoded(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (strchr(",=%", *text))
			buf__printf(out, "%%%02X", (unsigned char)*text);
		else
			buf__append(out, text, 1);
	}
}

static int read_pairs(struct reader *reader, const char *key)
{
	struct buf pairs = { 0 };
	char where[PLACE_MAX];
	int err = 0;

	memcpy(where, reader->where, sizeof(where));
	for (bool value = false;; value = !value) {
		err = next(reader);
		if (err || reader->event.type == YAML_MAPPING_END_EVENT)
			break;
		if (reader->event.type != YAML_SCALAR_EVENT) {
			err = broken(reader, reader->event.start_mark,
				     "a value must be plain here; write KEY: VALUE");
			break;
		}
		buf__puts(&pairs, value ? "=" : (pairs.n ? "," : ""));
		append_encoded(&pairs, scalar(reader));
	}
	buf__append(&pairs, "", 1);
	if (!err)
		err = pairs.failed ? -ENOMEM :
				     reader->sink->set(reader->sink->ctx, key, pairs.p, where);
	buf__release(&pairs);
	return err;
}

static int read_value(struct reader *reader, const char *key, const char *key_where)
{
	int err = next(reader);

	if (err)
		return err;
	switch (reader->event.type) {
	case YAML_SCALAR_EVENT:
		/* `key:` alone means the default */
		if (reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !*scalar(reader))
			return 0;
		return reader->sink->set(reader->sink->ctx, key, scalar(reader), key_where);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(reader, key);
	case YAML_MAPPING_START_EVENT:
		if (reader->sink->pairs(key))
			return read_pairs(reader, key);
		return broken(reader, reader->event.start_mark,
			      "this key takes a value or a list; write KEY: VALUE");
	default:
		return broken(reader, reader->event.start_mark,
			      "aliases are not understood; write the value");
	}
}

static int read_document(struct reader *reader)
{
	int err = next(reader); /* stream start */

	if (!err)
		err = next(reader); /* document start, or the end of an empty file */
	if (err || reader->event.type == YAML_STREAM_END_EVENT)
		return err;
	err = next(reader);
	if (err)
		return err;
	if (reader->event.type == YAML_SCALAR_EVENT && !*scalar(reader))
		return 0; /* comments only */
	if (reader->event.type != YAML_MAPPING_START_EVENT)
		return broken(
			reader, reader->event.start_mark,
			"the file is not a list of KEY: VALUE lines; man spanprobe shows one");
	for (;;) {
		char key[128], where[PLACE_MAX];

		err = next(reader);
		if (err || reader->event.type == YAML_MAPPING_END_EVENT)
			return err;
		if (reader->event.type != YAML_SCALAR_EVENT)
			return broken(reader, reader->event.start_mark,
				      "a key must be a plain word; write KEY: VALUE");
		snprintf(key, sizeof(key), "%s", scalar(reader));
		memcpy(where, reader->where, sizeof(where));
		err = read_value(reader, key, where);
		if (err)
			return err;
	}
}

int options_yaml__read(const char *path, const struct yaml_sink *sink, struct buf *why)
{
	struct reader reader = { .path = path, .sink = sink, .why = why };
	FILE *file = fopen(path, "re");

	if (!file) {
		buf__printf(why, "--config %s: %s; give a file that can be read", path,
			    strerror(errno));
		return -EINVAL;
	}
	int err = -ENOMEM;

	if (yaml_parser_initialize(&reader.parser)) {
		yaml_parser_set_input_file(&reader.parser, file);
		err = read_document(&reader);
		if (reader.has_event)
			yaml_event_delete(&reader.event);
		yaml_parser_delete(&reader.parser);
	}
	fclose(file);
	return err;
}
