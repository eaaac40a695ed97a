/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a HotSpot JVM exports about itself for debuggers: where its structs keep their fields, how
 * large they are, and how its flags are set. libjvm exports the tables (gHotSpotVMStructs, ...);
 * they are read from the memory of the process, since they are filled when it starts.
 */
#ifndef SPANPROBE_HOTSPOT_H
#define SPANPROBE_HOTSPOT_H

#include "code/image.h"

#define HOTSPOT_NAME 48

struct hotspot_field { /* type and field are asked for, the rest is answered */
	const char *type, *field;
	bool found;
	uint64_t at; /* offset; of a static field its address */
	char is[HOTSPOT_NAME];
};

#define HOTSPOT_FIELD(type_, field_)                                                               \
	{                                                                                          \
		.type = (type_), .field = (field_)                                                 \
	}

struct hotspot_size {
	const char *type;
	bool found;
	uint64_t size;
};

/* -EAGAIN: not started yet; -ENOENT: no such tables; or what reading said. What is not found is
 * marked so, and is no error. */
int hotspot__fields(const struct image *libjvm, struct hotspot_field *fields, size_t count);
int hotspot__sizes(const struct image *libjvm, struct hotspot_size *sizes, size_t count);

struct hotspot_flag { /* a bool */
	const char *name;
	bool found, value;
};

int hotspot__flags(const struct image *libjvm, struct hotspot_flag *flags, size_t count);

/*
 * Pure: a number as HotSpot packs field lists since 21 (UNSIGNED5): at most 5 bytes. How many bytes
 * were used; 0: cut off, or no number.
 */
size_t hotspot__unpack(const uint8_t *bytes, size_t n, uint32_t *ret);

/* The offset of a field in the objects of a class (an InstanceKlass, not its superclasses).
 * -ENOENT: it has none of that name. */
int hotspot__field_offset(const struct image *libjvm, uint64_t klass, const char *name,
			  uint32_t *ret);
/* The name of a class ("java/lang/Thread"), cut at size. 0 or negative errno. */
int hotspot__class_name(const struct image *libjvm, uint64_t klass, char *ret, size_t size);

#endif
