// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* JSON is read with the YAML parser that the configuration file needs anyway. */
#include <yaml.h>

#include "discover/script.h"

#define DEPTH_MAX 32 /* a hostile file nests as deep as its size allows */

/* Feeds the events of the document until the wanted one; what is a key alternates at depth 1. */
static bool find_name(yaml_parser_t *parser, struct buf *out)
{
	int depth = 0;
	bool is_key = true, wanted = false, found = false, done = false;
	yaml_event_t event;

	while (!done && yaml_parser_parse(parser, &event)) {
		bool ends_value = false;

		switch (event.type) {
		case YAML_MAPPING_START_EVENT:
		case YAML_SEQUENCE_START_EVENT:
			done = ++depth > DEPTH_MAX ||
			       (depth == 1 && event.type == YAML_SEQUENCE_START_EVENT);
			break;
		case YAML_MAPPING_END_EVENT:
		case YAML_SEQUENCE_END_EVENT:
			done = --depth <= 0;
			ends_value = depth == 1;
			break;
		case YAML_SCALAR_EVENT:
			ends_value = depth == 1 && !is_key;
			if (ends_value && wanted) {
				struct slice name = path__base(
					slice(event.data.scalar.value, event.data.scalar.length));

				buf__append(out, name.p, name.n);
				found = name.n > 0;
				done = true;
			} else if (depth == 1 && is_key) {
				wanted = event.data.scalar.length == 4 &&
					 !memcmp(event.data.scalar.value, "name", 4);
				is_key = false;
			} else if (depth == 0) {
				done = true;
			}
			break;
		default:
			done = event.type == YAML_DOCUMENT_END_EVENT ||
			       event.type == YAML_STREAM_END_EVENT;
			break;
		}
		if (ends_value)
			is_key = true;
		yaml_event_delete(&event);
	}
	return found;
}

bool package__name(struct slice json, struct buf *out)
{
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_input_string(&parser, (const unsigned char *)json.p, json.n);
	bool found = find_name(&parser, out);

	yaml_parser_delete(&parser);
	return found;
}
