// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The tables of a JVM: this program has some of its own, good ones and bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/hotspot.h"

/* --- what a JVM would export, in a layout of our own ---------------------------------------------- */

struct struct_entry {
	uint64_t pad;
	const char *type, *field, *is;
	uint64_t offset;
	const void *address;
};

struct type_entry {
	const char *type;
	uint64_t size;
};

struct flag {
	uint32_t pad[2];
	const char *name;
	void *address;
};

struct symbol {
	uint32_t pad;
	uint16_t length;
	char text[26];
};

struct pool {
	uint64_t pad[3];
	const struct symbol *symbols[8];
};

struct klass {
	uint64_t pad;
	const struct symbol *name;
	const struct pool *pool;
	const void *fields;
	const void *stream;
	uint16_t count;
};

static struct flag flags[] = { { .name = "UseA", .address = (char[]){ 1 } },
			       { .name = NULL },
			       { .name = "UseB", .address = (char[]){ 0 } } };
static struct flag *flags_at = flags;
static uint64_t flag_count = 3;

#define STATIC(type, field, to)                                                                    \
	{                                                                                          \
		0, type, field, "T*", 0, to                                                        \
	}
#define MEMBER(type, field, s, member)                                                             \
	{                                                                                          \
		0, type, field, "T", offsetof(struct s, member), NULL                              \
	}

static struct struct_entry structs[] = {
	STATIC("JVMFlag", "flags", &flags_at),
	STATIC("JVMFlag", "numFlags", &flag_count),
	MEMBER("JVMFlag", "_name", flag, name),
	MEMBER("JVMFlag", "_addr", flag, address),
	MEMBER("Klass", "_name", klass, name),
	MEMBER("Symbol", "_length", symbol, length),
	MEMBER("Symbol", "_body", symbol, text),
	MEMBER("InstanceKlass", "_constants", klass, pool),
	MEMBER("InstanceKlass", "_fields", klass, fields),
	MEMBER("InstanceKlass", "_java_fields_count", klass, count),
	{ 0, "Array<u2>", "_data", "T", 4, NULL },
	{ 0, "Array<u1>", "_data", "T", 4, NULL },
	MEMBER("InstanceKlass", "_fieldinfo_stream", klass, stream),
	{ 0, NULL, NULL, NULL, 0, NULL },
};

#define WITHOUT_STREAM 12

static struct type_entry types[] = { { "JVMFlag", sizeof(struct flag) },
				     { "ConstantPool", offsetof(struct pool, symbols) },
				     { NULL, 0 } };

struct struct_entry *gHotSpotVMStructs = structs;
uint64_t gHotSpotVMStructEntryArrayStride = sizeof(struct struct_entry);
uint64_t gHotSpotVMStructEntryTypeNameOffset = offsetof(struct struct_entry, type);
uint64_t gHotSpotVMStructEntryFieldNameOffset = offsetof(struct struct_entry, field);
uint64_t gHotSpotVMStructEntryTypeStringOffset = offsetof(struct struct_entry, is);
uint64_t gHotSpotVMStructEntryOffsetOffset = offsetof(struct struct_entry, offset);
uint64_t gHotSpotVMStructEntryAddressOffset = offsetof(struct struct_entry, address);
struct type_entry *gHotSpotVMTypes = types;
uint64_t gHotSpotVMTypeEntryArrayStride = sizeof(struct type_entry);
uint64_t gHotSpotVMTypeEntryTypeNameOffset = offsetof(struct type_entry, type);
uint64_t gHotSpotVMTypeEntrySizeOffset = offsetof(struct type_entry, size);

static const struct symbol thread = { .length = 16, .text = "java/lang/Thread" };
static const struct symbol names[] = { { .length = 4, .text = "name" },
				       { .length = 11, .text = "parkBlocker" },
				       { .length = 1, .text = "I" } };
static const struct pool pool = { .symbols = { NULL, &names[0], &names[1], &names[2] } };

static struct image *self;

static int open_self(void **state)
{
	return image__of_process((uint32_t)getpid(), NULL, &self);
}

static int close_self(void **state)
{
	image__free(self);
	return 0;
}

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void fields_and_sizes(void **state)
{
	struct hotspot_field wanted[] = { HOTSPOT_FIELD("Klass", "_name"),
					  HOTSPOT_FIELD("JVMFlag", "flags"),
					  HOTSPOT_FIELD("Klass", "_none"),
					  HOTSPOT_FIELD("InstanceKlass", "_constants") };
	struct hotspot_size sizes[] = { { .type = "ConstantPool" }, { .type = "None" } };

	assert_int_equal(hotspot__fields(self, wanted, 4), 0);
	assert_true(wanted[0].found && wanted[1].found && !wanted[2].found && wanted[3].found);
	assert_int_equal(wanted[0].at, offsetof(struct klass, name));
	assert_int_equal(wanted[1].at, address(&flags_at));
	assert_string_equal(wanted[1].is, "T*");
	assert_int_equal(wanted[3].at, offsetof(struct klass, pool));
	assert_int_equal(hotspot__sizes(self, sizes, 2), 0);
	assert_true(sizes[0].found && !sizes[1].found);
	assert_int_equal(sizes[0].size, offsetof(struct pool, symbols));
}

static void set_flags(void **state)
{
	struct hotspot_flag wanted[] = { { .name = "UseB" }, { .name = "UseA" }, { .name = "No" } };

	assert_int_equal(hotspot__flags(self, wanted, 3), 0);
	assert_true(wanted[0].found && !wanted[0].value);
	assert_true(wanted[1].found && wanted[1].value);
	assert_false(wanted[2].found);
	flag_count = UINT64_MAX; /* runs into memory that is not there, or ends by itself */
	hotspot__flags(self, wanted, 3);
	flag_count = 3;
}

static void bad_tables(void **state)
{
	struct hotspot_field wanted = HOTSPOT_FIELD("Klass", "_nope");
	uint64_t *numbers[] = { &gHotSpotVMStructEntryArrayStride,
				&gHotSpotVMStructEntryTypeNameOffset,
				&gHotSpotVMStructEntryAddressOffset };
	static struct struct_entry endless = { 0, "A", "b", "c", 1, NULL };

	for (int i = 0; i < 3; i++) {
		uint64_t good = *numbers[i];

		*numbers[i] = 1 << 20;
		assert_int_equal(hotspot__fields(self, &wanted, 1), -EBADMSG);
		*numbers[i] = good;
	}
	gHotSpotVMStructEntryArrayStride = 0;
	assert_int_equal(hotspot__fields(self, &wanted, 1), -EAGAIN);
	gHotSpotVMStructEntryArrayStride = sizeof(struct struct_entry);
	gHotSpotVMStructs = NULL;
	assert_int_equal(hotspot__fields(self, &wanted, 1), -EAGAIN);
	gHotSpotVMStructs = (void *)8;
	assert_int_equal(hotspot__fields(self, &wanted, 1), -EFAULT);
	gHotSpotVMStructs = &endless; /* what follows it is no table: an end, or no memory */
	gHotSpotVMStructEntryTypeNameOffset = offsetof(struct struct_entry, field);
	hotspot__fields(self, &wanted, 1);
	assert_false(wanted.found);
	gHotSpotVMStructEntryTypeNameOffset = offsetof(struct struct_entry, type);
	gHotSpotVMStructs = structs;
}

static void packed_numbers(void **state)
{
	static const struct {
		uint8_t bytes[5];
		size_t n;
		uint32_t value;
	} good[] = {
		{ { 1 }, 1, 0 },
		{ { 2 }, 1, 1 },
		{ { 191 }, 1, 190 },
		{ { 192, 1 }, 2, 191 },
		{ { 255, 191 }, 2, 254 + 190 * 64 },
		{ { 255, 255, 1 }, 3, 254 + 254 * 64 },
	};
	uint32_t value;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(hotspot__unpack(good[i].bytes, good[i].n, &value), good[i].n);
		assert_int_equal(value, good[i].value);
		for (size_t n = 0; n < good[i].n; n++)
			assert_int_equal(hotspot__unpack(good[i].bytes, n, &value), 0);
	}
	assert_int_equal(hotspot__unpack((uint8_t[]){ 0 }, 1, &value), 0);
	assert_int_equal(hotspot__unpack((uint8_t[]){ 255, 0 }, 2, &value), 0);
	assert_int_equal(hotspot__unpack((uint8_t[]){ 255, 255, 255, 255, 255 }, 5, &value), 5);
}

/* Up to 20: access, name, signature, value, offset in two halves. */
static void fields_in_an_array(void **state)
{
	struct {
		uint32_t length;
		uint16_t slots[12];
	} array = { 12, { 0, 1, 3, 0, 12 << 2, 0, 0, 2, 3, 0, 100 << 2, 0 } };
	struct klass klass = { .name = &thread, .pool = &pool, .fields = &array, .count = 2 };
	uint32_t at = 0;
	char name[8];

	structs[WITHOUT_STREAM].type = NULL;
	assert_int_equal(hotspot__class_name(self, address(&klass), name, sizeof(name)), 0);
	assert_string_equal(name, "java/la");
	assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at), 0);
	assert_int_equal(at, 100);
	assert_int_equal(hotspot__field_offset(self, address(&klass), "none", &at), -ENOENT);
	array.slots[7] = 0xffff; /* an index beyond all pools */
	assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at), -ENOENT);
	klass.fields = (void *)16;
	assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at), -EFAULT);
	assert_int_equal(hotspot__field_offset(self, 24, "parkBlocker", &at), -EFAULT);
	structs[WITHOUT_STREAM].type = "InstanceKlass";
}

/* Since 21, packed: two counts; name, signature, offset, access, flags, and what they announce. */
static void fields_in_a_stream(void **state)
{
	struct {
		int32_t length;
		uint8_t bytes[20];
	} stream = { 17, { 3, 1, 2, 4, 13, 1, 2, 8 /* a value */, 3, 4, 101, 1, 1 } };
	struct klass klass = { .name = &thread, .pool = &pool, .stream = &stream };
	uint32_t at = 0;

	assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at), 0);
	assert_int_equal(at, 100);
	assert_int_equal(hotspot__field_offset(self, address(&klass), "name", &at), 0);
	assert_int_equal(at, 12);
	for (stream.length = 0; stream.length < 13; stream.length++)
		assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at),
				 -EBADMSG);
	stream.length = INT32_MAX;
	assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at), -E2BIG);
	stream.length = -1;
	assert_int_equal(hotspot__field_offset(self, address(&klass), "parkBlocker", &at), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_and_sizes),   cmocka_unit_test(set_flags),
		cmocka_unit_test(bad_tables),	      cmocka_unit_test(packed_numbers),
		cmocka_unit_test(fields_in_an_array), cmocka_unit_test(fields_in_a_stream),
	};

	return cmocka_run_group_tests(tests, open_self, close_self);
}
