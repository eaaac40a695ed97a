// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/debugdata.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#define PACKED_MAX   (16u << 20)
#define UNPACKED_MAX (64u << 20)
#define DECODER_MAX  (80u << 20) /* xz -9 takes 65 MiB */
#define FIRST_BYTES  (1u << 20)

/* Grows as it goes: a few bytes may claim to be very many. */
static int unpack(lzma_stream *xz, void **ret, size_t *ret_n)
{
	uint8_t *out = NULL;
	size_t cap = 0, n = 0;
	int err = 0;

	for (lzma_ret state = LZMA_OK; !err && state != LZMA_STREAM_END;) {
		if (n == cap) {
			cap = cap ? cap * 2 : FIRST_BYTES;
			uint8_t *more = cap <= UNPACKED_MAX ? realloc(out, cap) : NULL;

			if (!more) {
				err = cap <= UNPACKED_MAX ? -ENOMEM : -E2BIG;
				break;
			}
			out = more;
		}
		xz->next_out = out + n;
		xz->avail_out = cap - n;
		state = lzma_code(xz, LZMA_FINISH);
		n = cap - xz->avail_out;
		if (state != LZMA_OK && state != LZMA_STREAM_END)
			err = state == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
	}
	if (err) {
		free(out);
		return err;
	}
	*ret = out;
	*ret_n = n;
	return 0;
}

int debugdata__open(const struct image *image, struct image **ret)
{
	const struct image_section *section = image__section(image, ".gnu_debugdata");
	lzma_stream xz = LZMA_STREAM_INIT;
	void *packed = NULL, *bytes = NULL;
	size_t n = 0;

	*ret = NULL;
	if (!section || section->size == 0)
		return -ENOENT;
	int err = image__load(image, section->offset, section->size, PACKED_MAX, &packed);

	if (err)
		return err == -ERANGE ? -EBADMSG : err;
	if (lzma_stream_decoder(&xz, DECODER_MAX, 0) != LZMA_OK) {
		free(packed);
		return -ENOMEM;
	}
	xz.next_in = packed;
	xz.avail_in = section->size;
	err = unpack(&xz, &bytes, &n);
	lzma_end(&xz);
	free(packed);
	if (err)
		return err;
	err = image__of_memory(slice(bytes, n), ret);
	if (err) {
		free(bytes);
		return err == -ENOEXEC ? -EBADMSG : err;
	}
	(*ret)->owned = bytes;
	return 0;
}
