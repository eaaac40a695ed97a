// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The fields of a class. Up to 20 they are an array of 16-bit numbers, six per field: access,
 * name, signature, value (indices into the constant pool), and the offset, shifted and split in two.
 * Since 21 they are a stream of packed numbers: how many fields, how many of the JVM's own, and per
 * field name, signature, offset, access, flags, and what the flags announce.
 */
#include <errno.h>
#include <string.h>

#include "code/memory.h"
#include "runtime/hotspot.h"

#define FIELDS_MAX   1024
#define STREAM_MAX   (FIELDS_MAX * 24)
#define SLOTS	     6 /* of a field up to 20 */
#define OFFSET_SHIFT 2

enum layout {
	KLASS_NAME,
	SYMBOL_LENGTH,
	SYMBOL_BODY,
	SYMBOL_BODY_OLD,
	CONSTANTS,
	FIELDS,
	FIELDS_COUNT,
	STREAM,
	DATA_2,
	DATA_1,
	LAYOUT_COUNT
};

struct class_layout {
	struct hotspot_field fields[LAYOUT_COUNT];
	uint64_t pool_bytes; /* of a ConstantPool, which its entries follow */
};

static int layout__get(const struct image *libjvm, struct class_layout *ret)
{
	static const struct hotspot_field wanted[LAYOUT_COUNT] = {
		[KLASS_NAME] = HOTSPOT_FIELD("Klass", "_name"),
		[SYMBOL_LENGTH] = HOTSPOT_FIELD("Symbol", "_length"),
		[SYMBOL_BODY] = HOTSPOT_FIELD("Symbol", "_body"),
		[SYMBOL_BODY_OLD] = HOTSPOT_FIELD("Symbol", "_body[0]"),
		[CONSTANTS] = HOTSPOT_FIELD("InstanceKlass", "_constants"),
		[FIELDS] = HOTSPOT_FIELD("InstanceKlass", "_fields"),
		[FIELDS_COUNT] = HOTSPOT_FIELD("InstanceKlass", "_java_fields_count"),
		[STREAM] = HOTSPOT_FIELD("InstanceKlass", "_fieldinfo_stream"),
		[DATA_2] = HOTSPOT_FIELD("Array<u2>", "_data"),
		[DATA_1] = HOTSPOT_FIELD("Array<u1>", "_data"),
	};
	struct hotspot_size pool = { .type = "ConstantPool" };
	int err;

	memcpy(ret->fields, wanted, sizeof(wanted));
	err = hotspot__fields(libjvm, ret->fields, LAYOUT_COUNT);
	if (!err)
		err = hotspot__sizes(libjvm, &pool, 1);
	if (err)
		return err;
	ret->pool_bytes = pool.size;
	if (!ret->fields[SYMBOL_BODY].found)
		ret->fields[SYMBOL_BODY] = ret->fields[SYMBOL_BODY_OLD];
	return pool.found && ret->fields[KLASS_NAME].found && ret->fields[SYMBOL_LENGTH].found &&
			       ret->fields[SYMBOL_BODY].found && ret->fields[CONSTANTS].found ?
		       0 :
		       -ENOENT;
}

static int symbol__text(const struct image *libjvm, const struct class_layout *layout,
			uint64_t symbol, char *ret, size_t size)
{
	uint16_t length;
	int err = memory__read(libjvm->pid, symbol + layout->fields[SYMBOL_LENGTH].at, &length,
			       sizeof(length));

	if (err)
		return err;
	if (length >= size)
		length = (uint16_t)(size - 1);
	ret[length] = '\0';
	return memory__read(libjvm->pid, symbol + layout->fields[SYMBOL_BODY].at, ret, length);
}

int hotspot__class_name(const struct image *libjvm, uint64_t klass, char *ret, size_t size)
{
	struct class_layout layout;
	uint64_t symbol;
	int err = layout__get(libjvm, &layout);

	if (!err)
		err = memory__word(libjvm->pid, klass + layout.fields[KLASS_NAME].at, &symbol);
	return err ? err : symbol__text(libjvm, &layout, symbol, ret, size);
}

/* Entry `index` of a class's constant pool is a Symbol of that text. */
static bool is_name(const struct image *libjvm, const struct class_layout *layout, uint64_t pool,
		    uint32_t index, const char *name)
{
	char text[HOTSPOT_NAME];
	uint64_t symbol;

	return index && index < UINT16_MAX &&
	       !memory__word(libjvm->pid, pool + layout->pool_bytes + 8ull * index, &symbol) &&
	       !symbol__text(libjvm, layout, symbol, text, sizeof(text)) && !strcmp(text, name);
}

static int find_in_array(const struct image *libjvm, const struct class_layout *layout,
			 uint64_t klass, uint64_t pool, const char *name, uint32_t *ret)
{
	uint16_t count, slots[SLOTS];
	uint64_t array;
	int err = memory__word(libjvm->pid, klass + layout->fields[FIELDS].at, &array);

	if (!err)
		err = memory__read(libjvm->pid, klass + layout->fields[FIELDS_COUNT].at, &count,
				   sizeof(count));
	for (uint32_t i = 0; !err && i < count && i < FIELDS_MAX; i++) {
		err = memory__read(libjvm->pid,
				   array + layout->fields[DATA_2].at + i * sizeof(slots), slots,
				   sizeof(slots));
		if (err || !is_name(libjvm, layout, pool, slots[1], name))
			continue;
		*ret = ((uint32_t)slots[5] << 16 | slots[4]) >> OFFSET_SHIFT;
		return 0;
	}
	return err ? err : -ENOENT;
}

#define UNPACK_EXCLUDED 1
#define UNPACK_SHIFT	6
#define UNPACK_LAST	(256 - UNPACK_EXCLUDED - (1 << UNPACK_SHIFT)) /* below: no byte follows */
#define UNPACK_BYTES	5

size_t hotspot__unpack(const uint8_t *bytes, size_t n, uint32_t *ret)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n && i < UNPACK_BYTES; i++) {
		if (bytes[i] < UNPACK_EXCLUDED)
			return 0;
		uint32_t digit = bytes[i] - UNPACK_EXCLUDED;

		sum += digit << (UNPACK_SHIFT * i);
		if (digit < UNPACK_LAST || i == UNPACK_BYTES - 1) {
			*ret = sum;
			return i + 1;
		}
	}
	return 0;
}

/* What a field's flags announce: numbers that follow. */
#define FIELD_HAS_VALUE	    0x01
#define FIELD_HAS_SIGNATURE 0x04
#define FIELD_HAS_GROUP	    0x10

static int find_in_stream(const struct image *libjvm, const struct class_layout *layout,
			  uint64_t klass, uint64_t pool, const char *name, uint32_t *ret)
{
	enum { NAME, SIGNATURE, OFFSET, ACCESS, FLAGS, NUMBERS };
	uint8_t stream[STREAM_MAX];
	uint32_t counts[2], numbers[NUMBERS + 3];
	uint64_t array;
	int32_t length;
	size_t at = 0, used;
	int err = memory__word(libjvm->pid, klass + layout->fields[STREAM].at, &array);

	if (!err)
		err = memory__read(libjvm->pid, array, &length, sizeof(length));
	if (err)
		return err;
	if (length < 0 || (size_t)length > sizeof(stream))
		return -E2BIG;
	err = memory__read(libjvm->pid, array + layout->fields[DATA_1].at, stream, (size_t)length);
	for (int i = 0; i < 2 && !err; i++, at += used) {
		used = hotspot__unpack(stream + at, (size_t)length - at, &counts[i]);
		err = used ? 0 : -EBADMSG;
	}
	for (uint32_t i = 0; !err && i < counts[0]; i++) {
		uint32_t want = NUMBERS;

		for (uint32_t k = 0; k < want; k++, at += used) {
			used = hotspot__unpack(stream + at, (size_t)length - at, &numbers[k]);
			if (!used)
				return -EBADMSG;
			if (k == FLAGS)
				want += !!(numbers[k] & FIELD_HAS_VALUE) +
					!!(numbers[k] & FIELD_HAS_SIGNATURE) +
					!!(numbers[k] & FIELD_HAS_GROUP);
		}
		if (!is_name(libjvm, layout, pool, numbers[NAME], name))
			continue;
		*ret = numbers[OFFSET];
		return 0;
	}
	return err ? err : -ENOENT;
}

int hotspot__field_offset(const struct image *libjvm, uint64_t klass, const char *name,
			  uint32_t *ret)
{
	struct class_layout layout;
	uint64_t pool;
	int err = layout__get(libjvm, &layout);

	if (!err)
		err = memory__word(libjvm->pid, klass + layout.fields[CONSTANTS].at, &pool);
	if (err)
		return err;
	if (layout.fields[STREAM].found && layout.fields[DATA_1].found)
		return find_in_stream(libjvm, &layout, klass, pool, name, ret);
	if (layout.fields[FIELDS].found && layout.fields[FIELDS_COUNT].found &&
	    layout.fields[DATA_2].found)
		return find_in_array(libjvm, &layout, klass, pool, name, ret);
	return -ENOTSUP;
}
