// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * test_layout OBJECT: sizes and offsets of every shared struct as the BPF compiler laid them out
 * (from the BTF of layout.bpf.o) and as this one does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/btf.h>
#include <string.h>

#include "event.h"
#include "recipe.h"
#include "settings.h"

#define STRUCT(type)	   { #type, NULL, sizeof(struct type) },
#define FIELD(type, field) { #type, #field, offsetof(struct type, field) },

/* A field that is added to a shared struct is added here: test_complete counts them. */
/* clang-format off */
static const struct layout {
	const char *type;
	const char *field; /* NULL: the size of the struct */
	size_t value;
} layouts[] = {
	STRUCT(conn_tuple)
	FIELD(conn_tuple, netns_cookie)
	FIELD(conn_tuple, sock)
	FIELD(conn_tuple, peer_sock)
	FIELD(conn_tuple, netns_inum)
	FIELD(conn_tuple, base_seq)
	FIELD(conn_tuple, local_port)
	FIELD(conn_tuple, peer_port)
	FIELD(conn_tuple, local_addr)
	FIELD(conn_tuple, peer_addr)
	FIELD(conn_tuple, family)
	FIELD(conn_tuple, role)
	FIELD(conn_tuple, flags)
	FIELD(conn_tuple, pad)
	STRUCT(event)
	FIELD(event, size)
	FIELD(event, cpu)
	FIELD(event, kind)
	FIELD(event, flags)
	FIELD(event, time_ns)
	FIELD(event, pid)
	FIELD(event, tid)
	FIELD(event, unit)
	STRUCT(event_conn_open)
	FIELD(event_conn_open, event)
	FIELD(event_conn_open, conn)
	FIELD(event_conn_open, tuple)
	FIELD(event_conn_open, path)
	STRUCT(event_connect)
	FIELD(event_connect, event)
	FIELD(event_connect, conn)
	FIELD(event_connect, tuple)
	STRUCT(event_shut)
	FIELD(event_shut, event)
	FIELD(event_shut, conn)
	FIELD(event_shut, position)
	FIELD(event_shut, error)
	FIELD(event_shut, dir)
	FIELD(event_shut, pad)
	STRUCT(event_conn_close)
	FIELD(event_conn_close, event)
	FIELD(event_conn_close, conn)
	FIELD(event_conn_close, position)
	FIELD(event_conn_close, last_ns)
	FIELD(event_conn_close, error)
	FIELD(event_conn_close, retransmits)
	FIELD(event_conn_close, srtt_us)
	FIELD(event_conn_close, connected)
	FIELD(event_conn_close, pad)
	STRUCT(event_data)
	FIELD(event_data, event)
	FIELD(event_data, conn)
	FIELD(event_data, position)
	FIELD(event_data, length)
	FIELD(event_data, offset)
	FIELD(event_data, captured)
	FIELD(event_data, dir)
	FIELD(event_data, pad)
	FIELD(event_data, bytes)
	STRUCT(event_mark)
	FIELD(event_mark, event)
	FIELD(event_mark, conn)
	FIELD(event_mark, position)
	FIELD(event_mark, last_ns)
	FIELD(event_mark, last_tid)
	FIELD(event_mark, dir)
	FIELD(event_mark, pad)
	STRUCT(event_task)
	FIELD(event_task, event)
	FIELD(event_task, change)
	FIELD(event_task, child_pid)
	FIELD(event_task, exit_code)
	FIELD(event_task, pad)
	FIELD(event_task, comm)
	STRUCT(event_unit)
	FIELD(event_unit, event)
	FIELD(event_unit, change)
	FIELD(event_unit, other_tid)
	FIELD(event_unit, other_unit)
	FIELD(event_unit, arg)
	STRUCT(event_listen)
	FIELD(event_listen, event)
	FIELD(event_listen, netns_cookie)
	FIELD(event_listen, port)
	FIELD(event_listen, pad)
	STRUCT(settings)
	FIELD(settings, agent_pid)
	FIELD(settings, ring_count)
	FIELD(settings, ring_bytes)
	FIELD(settings, wake_bytes)
	FIELD(settings, head_bytes)
	FIELD(settings, follow_children)
	FIELD(settings, watch_exec)
	FIELD(settings, watch_listen)
	FIELD(settings, units)
	FIELD(settings, uring)
	FIELD(settings, pad)
	STRUCT(capture_policy)
	FIELD(capture_policy, conn)
	FIELD(capture_policy, sock)
	FIELD(capture_policy, quiet_until)
	FIELD(capture_policy, head_bytes)
	FIELD(capture_policy, mode)
	FIELD(capture_policy, role)
	FIELD(capture_policy, pad)
	FIELD(capture_policy, pid)
	FIELD(capture_policy, pad2)
	STRUCT(event_name)
	FIELD(event_name, event)
	FIELD(event_name, key)
	FIELD(event_name, text)
	STRUCT(recipe)
	FIELD(recipe, pid)
	FIELD(recipe, kind)
	FIELD(recipe, flags)
	FIELD(recipe, pad)
	FIELD(recipe, words)
	FIELD(recipe, read)
	FIELD(recipe, failed)
	FIELD(recipe, calls)
	FIELD(recipe, asked)
};
/* clang-format on */

#define LAYOUT_COUNT (sizeof(layouts) / sizeof(layouts[0]))

static struct btf *btf;

static const struct btf_type *find_struct(const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	if (id < 0)
		fail_msg("struct %s is not in the BPF object", name);
	return btf__type_by_id(btf, id);
}

static const struct btf_member *find_member(const struct btf_type *type, const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, members[i].name_off), name))
			return &members[i];
	}
	fail_msg("no field %s", name);
	return NULL;
}

static void test_same(void **state)
{
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		const struct layout *layout = &layouts[i];
		const struct btf_type *type = find_struct(layout->type);
		size_t value = type->size;

		if (layout->field)
			value = find_member(type, layout->field)->offset / 8;
		if (value != layout->value)
			fail_msg("%s %s: %zu in BPF, %zu here", layout->type,
				 layout->field ? layout->field : "size", value, layout->value);
	}
}

static void test_complete(void **state)
{
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		unsigned int listed = 0;

		if (layouts[i].field)
			continue;
		for (size_t j = i + 1; j < LAYOUT_COUNT && layouts[j].field; j++)
			listed++;
		if (listed != btf_vlen(find_struct(layouts[i].type)))
			fail_msg("struct %s has other fields than are listed", layouts[i].type);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_complete),
	};

	btf = argc > 1 ? btf__parse(argv[1], NULL) : NULL;
	if (!btf)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
