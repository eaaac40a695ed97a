// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The bytes of a recording. An even first byte asks for a good header before them. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "event.h"
#include "record.h"

static uint64_t events;

static void on_event(void *ctx, const void *record, size_t size)
{
	assert(((const struct event *)record)->size <= size);
	events++;
}

static void on_process(void *ctx, struct process *process)
{
	assert(process->pid && process->runtime < RUNTIME_COUNT && process->resource);
}

static const struct {
	char magic[8];
	uint32_t version, host_bytes;
	uint64_t seed, wall_offset_ns;
} good = { "spanprb", RECORD_VERSION, 0, 1, 0 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[32];
	static int fd = -1;
	struct replay_sink sink = { on_event, on_process, NULL, NULL };
	struct record_header header = { 0 };
	struct replayer *replayer;
	struct buf why = { 0 };

	if (fd < 0) {
		fd = memfd_create("recording", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) || !size)
		return 0;
	if (!(data[0] & 1) && write(fd, &good, sizeof(good)) < 0)
		return 0;
	if (write(fd, data + 1, size - 1) < 0)
		return 0;
	if (!replayer__new(path, &header, &replayer, &why)) {
		events = 0;
		if (replayer__run(replayer, sink, &why))
			assert(why.n);
		assert(replayer__events(replayer) == events);
		resource__unref(header.host);
		replayer__free(replayer);
	} else {
		assert(why.n);
	}
	buf__release(&why);
	return 0;
}
