// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The table begins with a header; a sorted list has, for each function, its entry and the place of its
 * record, and the record the place of its name. Since Go 1.18 entries count from the beginning of
 * the text, which up to Go 1.25 the header knows, and after that only the module's data.
 */
#include "code/golang.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <uthash.h>

#include "code/pointers.h"

#define MAGIC_116 0xfffffffau
#define MAGIC_118 0xfffffff0u
#define MAGIC_120 0xfffffff1u

#define FUNCTIONS_MAX (4u << 20)
#define NAMES_MAX     (64u << 20)
#define SHARED_TIMES  8 /* bytes of names, as in symbols.c */
#define NAME_LEN_MAX  4096
#define RECORD_BYTES  12 /* entry and place of the name, of either layout */
#define SEARCH_TRIES  8	 /* for each magic number, each from the beginning of the file */
#define CHUNK	      (64u << 10)

/* words of the runtime's moduledata */
#define MODULE_HEADER 0
#define MODULE_NAMES  1
#define MODULE_MINPC  20
#define MODULE_TEXT   22
#define MODULE_WORDS  23

struct header {
	uint32_t magic;
	uint8_t zero[2], quantum, pointer_size;
	uint64_t words[8]; /* functions, files, then text (1.18), names, cu, files, pc, functions */
};

/* --- where the table is ----------------------------------------------------------------------- */

static bool is_header(const struct header *h)
{
	return (h->magic == MAGIC_116 || h->magic == MAGIC_118 || h->magic == MAGIC_120) &&
	       h->zero[0] == 0 && h->zero[1] == 0 && h->quantum == 1 && h->pointer_size == 8;
}

static uint64_t functions_at(const struct header *h)
{
	return h->words[h->magic == MAGIC_116 ? 6 : 7];
}

static uint64_t names_at(const struct header *h)
{
	return h->words[h->magic == MAGIC_116 ? 2 : 3];
}

static bool is_plausible(const struct header *h, uint64_t size)
{
	uint64_t entry = h->magic == MAGIC_116 ? 16 : 8;

	return is_header(h) && h->words[0] > 0 && h->words[0] <= FUNCTIONS_MAX &&
	       names_at(h) >= sizeof(*h) - 8 && names_at(h) < size &&
	       functions_at(h) > names_at(h) && functions_at(h) < size &&
	       functions_at(h) - names_at(h) <= NAMES_MAX &&
	       (h->words[0] + 1) * entry <= size - functions_at(h);
}

static int read_header(const struct image *image, uint64_t offset, uint64_t size,
		       struct header *ret)
{
	int err = size < sizeof(*ret) ? -EBADMSG : image__read(image, offset, ret, sizeof(*ret));

	return err ? err : is_plausible(ret, size) ? 0 : -EBADMSG;
}

/* Without a section of its own (some PIE, no section headers): by its first bytes. */
static int search_table(const struct image *image, uint64_t *vaddr, uint64_t *size,
			struct header *header)
{
	static const uint32_t magics[] = { MAGIC_120, MAGIC_118, MAGIC_116 };

	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		char start[8] = { 0, 0, 0, 0, 0, 0, 1, 8 };
		const struct image_segment *s;
		uint64_t offset;

		int tries = SEARCH_TRIES;

		memcpy(start, &magics[i], 4);
		for (*vaddr = 0;
		     tries-- && pointers__bytes(image, slice(start, sizeof(start)), 8, vaddr) == 0;
		     (*vaddr)++) {
			s = image__segment_of(image, *vaddr);
			if (!s || image__offset_of(image, *vaddr, &offset) != 0)
				break;
			*size = s->filesz - (*vaddr - s->vaddr);
			if (read_header(image, offset, *size, header) == 0)
				return 0;
		}
	}
	return -ENOENT;
}

static int find_table(const struct image *image, uint64_t *vaddr, uint64_t *size,
		      struct header *header)
{
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab" };
	char version[32];

	for (size_t i = 0; i < 2; i++) {
		const struct image_section *s = image__section(image, names[i]);

		if (!s || s->type == SHT_NOBITS)
			continue;
		*vaddr = s->vaddr;
		*size = s->size;
		return read_header(image, s->offset, s->size, header);
	}
	/* all of a file is looked at only when it says that it is Go's */
	if (golang__version(image, version, sizeof(version)) != 0)
		return -ENOENT;
	return search_table(image, vaddr, size, header);
}

/* --- where the text begins ---------------------------------------------------------------------- */

static bool is_text(const struct golang *go, uint64_t text)
{
	uint32_t ends[2];

	if (image__read(go->image, go->offset + go->functions, &ends[0], 4) != 0 ||
	    image__read(go->image, go->offset + go->functions + 8ull * go->count, &ends[1], 4))
		return false;
	return ends[0] <= ends[1] && image__is_code(go->image, text + ends[0]) &&
	       (ends[1] == 0 || image__is_code(go->image, text + ends[1] - 1));
}

/* The module's data begins with a pointer to the table and one to its names. */
static int text_of_module(const struct golang *go, uint64_t table, uint64_t *ret)
{
	uint64_t places[8], words[MODULE_WORDS];
	int n = pointers__to(go->image, table, places, 8);

	for (int i = 0; i < n; i++) {
		if (pointers__read(go->image, places[i], words, MODULE_WORDS) != 0 ||
		    words[MODULE_HEADER] != table || words[MODULE_NAMES] != table + go->names ||
		    words[MODULE_MINPC] < words[MODULE_TEXT] || !is_text(go, words[MODULE_TEXT]))
			continue;
		*ret = words[MODULE_TEXT];
		return 0;
	}
	return n < 0 ? n : -ENOENT;
}

static int find_text(struct golang *go, uint64_t table)
{
	struct symbol symbol;

	/* the header's word is 0 since 1.26, and in a PIE a relocation */
	if (pointers__read(go->image, table + 24, &go->text, 1) == 0 && go->text &&
	    is_text(go, go->text))
		return 0;
	if (text_of_module(go, table, &go->text) == 0)
		return 0;
	if (symbols__get(go->image, "runtime.text", &symbol) == 0 && is_text(go, symbol.vaddr)) {
		go->text = symbol.vaddr;
		return 0;
	}
	return -EBADMSG;
}

int golang__open(const struct image *image, struct golang *ret)
{
	struct golang go = { .image = image };
	struct header header;
	uint64_t vaddr;

	if (!image->x86_64)
		return -ENOTSUP;
	int err = find_table(image, &vaddr, &go.size, &header);

	if (!err)
		err = image__offset_of(image, vaddr, &go.offset);
	if (err)
		return err;
	go.names = names_at(&header);
	go.functions = functions_at(&header);
	go.count = (uint32_t)header.words[0];
	go.field = header.magic == MAGIC_116 ? 8 : 4;
	if (go.field == 4)
		err = find_text(&go, vaddr);
	if (!err)
		*ret = go;
	return err;
}

/* --- functions ---------------------------------------------------------------------------------- */

static uint64_t number(const char *bytes, uint8_t field)
{
	uint64_t value = 0;

	memcpy(&value, bytes, field);
	return value;
}

struct entry {
	uint64_t vaddr, record;
};

static struct entry entry_of(const struct golang *go, const char *bytes)
{
	return (struct entry){ go->text + number(bytes, go->field),
			       number(bytes + go->field, go->field) };
}

static int read_entry(const struct golang *go, uint32_t index, struct entry *ret)
{
	char bytes[16] = { 0 };
	uint64_t at = go->offset + go->functions + 2ull * go->field * index;
	/* the last one is an end only, without a record */
	int err = image__read(go->image, at, bytes, index < go->count ? 2u * go->field : go->field);

	*ret = entry_of(go, bytes);
	return err;
}

/* The list and the names are kept whole for one pass, the records come through a window. */
struct pass {
	const struct golang *go;
	char *list, *names;
	uint64_t names_size;
	uint64_t window, window_size; /* from the beginning of the list */
	char chunk[CHUNK];
};

static int begin_pass(const struct golang *go, struct pass **ret)
{
	struct pass *pass = calloc(1, sizeof(*pass));
	uint64_t list = 2ull * go->field * go->count + go->field;
	void *bytes = NULL;

	if (!pass)
		return -ENOMEM;
	pass->go = go;
	int err = image__load(go->image, go->offset + go->functions, list, FUNCTIONS_MAX * 17ull,
			      &bytes);

	pass->list = bytes;
	pass->names_size = go->functions - go->names;
	bytes = NULL;
	if (!err)
		err = image__load(go->image, go->offset + go->names, pass->names_size, NAMES_MAX,
				  &bytes);
	pass->names = bytes;
	*ret = pass;
	return err;
}

static void end_pass(struct pass *pass)
{
	if (!pass)
		return;
	free(pass->list);
	free(pass->names);
	free(pass);
}

static bool record_name(struct pass *pass, uint64_t record, struct slice *ret)
{
	const struct golang *go = pass->go;
	uint64_t most = go->size - go->functions, name = 0;

	if (record > most || most - record < RECORD_BYTES)
		return false;
	if (record < pass->window || record + RECORD_BYTES > pass->window + pass->window_size) {
		pass->window = record;
		pass->window_size = most - record < CHUNK ? most - record : CHUNK;
		if (image__read(go->image, go->offset + go->functions + record, pass->chunk,
				pass->window_size) != 0) {
			pass->window_size = 0;
			return false;
		}
	}
	memcpy(&name, pass->chunk + (record - pass->window) + go->field, 4);
	if (name >= pass->names_size)
		return false;
	most = pass->names_size - name;
	*ret = slice(pass->names + name,
		     strnlen(pass->names + name, most < NAME_LEN_MAX ? most : NAME_LEN_MAX));
	return true;
}

int golang__each(const struct golang *go, symbols_visit visit, void *ctx)
{
	struct pass *pass = NULL;
	struct slice name;
	int err = begin_pass(go, &pass);
	uint64_t budget = SHARED_TIMES * (go->functions - go->names);

	for (uint32_t i = 0; !err && i < go->count; i++) {
		const char *at = pass->list + 2ull * go->field * i;
		struct entry entry = entry_of(go, at);
		uint64_t end = go->text + number(at + 2ull * go->field, go->field);
		struct symbol symbol = {
			.vaddr = entry.vaddr,
			.size = end > entry.vaddr ? end - entry.vaddr : 0,
			.kind = SYMBOL_CODE,
		};

		if (!record_name(pass, entry.record, &name))
			continue;
		if (name.n > budget)
			err = -EBADMSG;
		else if (!visit(ctx, name, &symbol))
			break;
		budget -= name.n;
	}
	end_pass(pass);
	return err;
}

int golang__find(const struct golang *go, struct symbol_wish *wishes, size_t count)
{
	struct symbol_wishes *all;
	int err = symbol_wishes__new(wishes, count, &all);

	if (err)
		return err;
	err = golang__each(go, symbol_wishes__grant, all);
	int found = symbol_wishes__end(all);

	return err && !found ? err : found;
}

int golang__at(const struct golang *go, uint64_t vaddr, char *name, size_t size, struct symbol *ret)
{
	uint32_t low = 0, high = go->count; /* entry(low) <= vaddr < entry(high) */
	struct entry entry, next;
	char bytes[RECORD_BYTES];
	uint64_t at = 0;

	if (size == 0)
		return -EINVAL;
	int err = read_entry(go, 0, &entry);

	if (!err)
		err = read_entry(go, high, &next);
	if (!err && (vaddr < entry.vaddr || vaddr >= next.vaddr))
		err = -ENOENT;
	while (!err && high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		struct entry candidate;

		err = read_entry(go, middle, &candidate);
		if (candidate.vaddr <= vaddr) {
			low = middle;
			entry = candidate;
		} else {
			high = middle;
			next = candidate;
		}
	}
	if (!err && (entry.record > go->size || go->functions > go->size - entry.record))
		err = -EBADMSG;
	if (!err)
		err = image__read(go->image, go->offset + go->functions + entry.record, bytes,
				  sizeof(bytes));
	if (err)
		return err;
	memcpy(&at, bytes + go->field, 4);
	uint64_t room = go->functions - go->names;

	if (at >= room)
		return -EBADMSG;
	size_t n = room - at < size - 1 ? room - at : size - 1;

	err = image__read(go->image, go->offset + go->names + at, name, n);
	name[err ? 0 : n] = '\0';
	*ret = (struct symbol){
		.vaddr = entry.vaddr,
		.size = next.vaddr > entry.vaddr ? next.vaddr - entry.vaddr : 0,
		.kind = SYMBOL_CODE,
	};
	return err;
}
