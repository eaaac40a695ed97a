// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "ring.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "settings.h"

/* no record is longer: a DATA record of the largest class, and room to grow */
#define RECORD_MAX 8192

struct ring {
	int fd;
	uint32_t mask;
	size_t page;
	unsigned long *consumer; /* its page is ours to write */
	unsigned long *producer;
	uint8_t *data;
};

struct rings {
	int epoll;
	unsigned int count;
	bool crowded;
	/* oldest first: small ones, and those that take their place */
	struct ring *rings[2 * RINGS_MAX];
	uint64_t wrapped[RECORD_MAX / 8]; /* the one that lies over the end */
};

int ring__new(uint32_t bytes, struct ring **ret)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	void *map;
	int err;

	if (!ring)
		return -ENOMEM;
	ring->page = sysconf(_SC_PAGESIZE);
	ring->mask = bytes - 1;
	ring->fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "spanprobe_ring", 0, 0, bytes, NULL);
	if (ring->fd < 0)
		goto fail;
	map = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (map == MAP_FAILED)
		goto fail;
	ring->consumer = map;
	map = mmap(NULL, ring->page + bytes, PROT_READ, MAP_SHARED, ring->fd, ring->page);
	if (map == MAP_FAILED)
		goto fail;
	ring->producer = map;
	ring->data = (uint8_t *)map + ring->page;
	*ret = ring;
	return 0;
fail:
	err = -errno;
	ring__free(ring);
	return err;
}

void ring__free(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap(ring->producer, ring->page + ring->mask + 1);
	if (ring->fd >= 0)
		close(ring->fd);
	free(ring);
}

int ring__fd(const struct ring *ring)
{
	return ring->fd;
}

struct rings *rings__new(void)
{
	struct rings *rings = calloc(1, sizeof(*rings));

	if (!rings)
		return NULL;
	rings->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (rings->epoll < 0) {
		free(rings);
		return NULL;
	}
	return rings;
}

void rings__free(struct rings *rings)
{
	if (!rings)
		return;
	rings__drop(rings, rings->count);
	close(rings->epoll);
	free(rings);
}

int rings__add(struct rings *rings, struct ring *ring)
{
	struct epoll_event wait = { .events = EPOLLIN | EPOLLET };

	if (rings->count == 2 * RINGS_MAX)
		return -E2BIG;
	if (epoll_ctl(rings->epoll, EPOLL_CTL_ADD, ring->fd, &wait))
		return -errno;
	rings->rings[rings->count++] = ring;
	return 0;
}

void rings__drop(struct rings *rings, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		ring__free(rings->rings[i]);
	rings->count -= count;
	memmove(rings->rings, rings->rings + count, rings->count * sizeof(*rings->rings));
}

bool rings__crowded(const struct rings *rings)
{
	return rings->crowded;
}

/* The record behind the header at `at`, in one piece. */
static void *ring__record(struct rings *rings, const struct ring *ring, unsigned long at,
			  uint32_t length)
{
	uint32_t start = (at + BPF_RINGBUF_HDR_SZ) & ring->mask;
	uint32_t room = ring->mask + 1 - start;

	if (length <= room)
		return ring->data + start;
	memcpy(rings->wrapped, ring->data + start, room);
	memcpy((uint8_t *)rings->wrapped + room, ring->data, length - room);
	return rings->wrapped;
}

static int ring__drain(struct rings *rings, struct ring *ring, ring_fn fn, void *ctx, int *error)
{
	unsigned long at = *ring->consumer;
	/* what was there at the beginning: a drain ends although a producer may outrun it */
	unsigned long end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	int count = 0;

	rings->crowded |= end - at > ring->mask / 4;
	while (at < end) {
		uint32_t *header = (uint32_t *)(ring->data + (at & ring->mask));
		uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);
		uint32_t n = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(length & BPF_RINGBUF_DISCARD_BIT) && n <= RECORD_MAX) {
			int err = fn(ctx, ring__record(rings, ring, at, n), n);

			if (err < 0 && !*error)
				*error = err;
			count++;
		}
		at += (BPF_RINGBUF_HDR_SZ + n + 7) & ~7ul;
		__atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
	}
	return count;
}

int rings__drain(struct rings *rings, ring_fn fn, void *ctx)
{
	struct epoll_event events[2 * RINGS_MAX];
	int count = 0, error = 0;

	/* takes the edges: what is drained now need not wake anybody */
	(void)epoll_wait(rings->epoll, events, 2 * RINGS_MAX, 0);
	for (unsigned int i = 0; i < rings->count; i++)
		count += ring__drain(rings, rings->rings[i], fn, ctx, &error);
	return error ? error : count;
}

int rings__epoll_fd(const struct rings *rings)
{
	return rings->epoll;
}

size_t map__kernel_bytes(int map_fd)
{
	char path[64], line[256];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map_fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(file);
	return bytes;
}

size_t rings__kernel_bytes(const struct rings *rings)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < rings->count; i++)
		bytes += map__kernel_bytes(rings->rings[i]->fd);
	return bytes;
}
