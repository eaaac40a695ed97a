// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The layout of the runtime's types by the debug information that the Go linker writes by default. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <string.h>

#include "runtime/go_layout.h"

#define DIES_MAX    (4u << 20) /* of a program, before the search is given up */
#define MEMBERS_MAX 512
#define OFFSET_MAX  4096

struct field {
	const char *type, *name;
	uint16_t *to;
	bool found;
};

struct reason {
	const char *name;
	uint64_t *to;
	bool found;
};

#define FIELDS	8
#define REASONS 6

struct search {
	struct field fields[FIELDS];
	struct reason reasons[REASONS];
	uint16_t pfd, sysfd;
};

static void search__init(struct search *search, struct go_layout *layout)
{
	const struct field fields[FIELDS] = {
		{ .type = "runtime.g", .name = "m", .to = &layout->g_m },
		{ .type = "runtime.g", .name = "goid", .to = &layout->g_goid },
		{ .type = "runtime.g", .name = "startpc", .to = &layout->g_startpc },
		{ .type = "runtime.g", .name = "waitreason", .to = &layout->g_waitreason },
		{ .type = "runtime.m", .name = "curg", .to = &layout->m_curg },
		{ .type = "net/http.persistConn", .name = "conn", .to = &layout->persist_conn },
		{ .type = "net.netFD", .name = "pfd", .to = &search->pfd },
		{ .type = "internal/poll.FD", .name = "Sysfd", .to = &search->sysfd },
	};
	/* not "semacquire": up to Go 1.23 that of WaitGroups, but always that of the locks of
	 * descriptors too, which say nothing (two goroutines that print) */
	const struct reason reasons[REASONS] = {
		{ .name = "runtime.waitReasonChanReceive", .to = &layout->receive },
		{ .name = "runtime.waitReasonChanSend", .to = &layout->send },
		{ .name = "runtime.waitReasonSelect", .to = &layout->other },
		{ .name = "runtime.waitReasonSyncCondWait", .to = &layout->other },
		{ .name = "runtime.waitReasonSyncWaitGroupWait", .to = &layout->other },
		{ .name = "runtime.waitReasonSleep", .to = &layout->time },
	};

	memset(search, 0, sizeof(*search));
	memcpy(search->fields, fields, sizeof(fields));
	memcpy(search->reasons, reasons, sizeof(reasons));
}

static void take_members(struct search *search, const char *type, Dwarf_Die *structure)
{
	Dwarf_Die member;
	int n = 0;

	for (int err = dwarf_child(structure, &member); err == 0 && n < MEMBERS_MAX;
	     err = dwarf_siblingof(&member, &member), n++) {
		const char *name = dwarf_diename(&member);
		Dwarf_Attribute attribute;
		Dwarf_Word at;

		if (!name || dwarf_tag(&member) != DW_TAG_member ||
		    !dwarf_attr(&member, DW_AT_data_member_location, &attribute) ||
		    dwarf_formudata(&attribute, &at) != 0 || at > OFFSET_MAX)
			continue;
		for (int i = 0; i < FIELDS; i++) {
			struct field *field = &search->fields[i];

			if (field->found || strcmp(field->type, type) != 0 ||
			    strcmp(field->name, name) != 0)
				continue;
			*field->to = (uint16_t)at;
			field->found = true;
		}
	}
}

static void take_constant(struct search *search, const char *name, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	for (int i = 0; i < REASONS; i++) {
		struct reason *reason = &search->reasons[i];

		if (reason->found || strcmp(reason->name, name) != 0)
			continue;
		if (!dwarf_attr(die, DW_AT_const_value, &attribute) ||
		    dwarf_formudata(&attribute, &value) != 0 || value > 63)
			continue;
		reason->found = true;
		*reason->to |= 1ull << value;
	}
}

static void search__die(struct search *search, Dwarf_Die *die)
{
	int tag = dwarf_tag(die);
	const char *name;

	if (tag != DW_TAG_structure_type && tag != DW_TAG_constant)
		return;
	name = dwarf_diename(die);
	if (!name || (strncmp(name, "runtime.", 8) != 0 && strncmp(name, "net", 3) != 0 &&
		      strncmp(name, "internal/poll.", 14) != 0))
		return;
	if (tag == DW_TAG_constant)
		take_constant(search, name, die);
	else
		take_members(search, name, die);
}

static void search__all(struct search *search, Dwarf *dwarf)
{
	Dwarf_Off at = 0, next;
	unsigned int dies = 0;
	size_t header;

	while (dwarf_nextcu(dwarf, at, &next, &header, NULL, NULL, NULL) == 0) {
		Dwarf_Die unit, die;

		if (dwarf_offdie(dwarf, at + header, &unit) && dwarf_child(&unit, &die) == 0)
			do {
				if (++dies > DIES_MAX)
					return;
				search__die(search, &die);
			} while (dwarf_siblingof(&die, &die) == 0);
		if (next <= at)
			return;
		at = next;
	}
}

int go_layout__of_dwarf(const struct image *image, struct go_layout *ret)
{
	struct go_layout layout = { 0 };
	struct search search;
	Dwarf *dwarf;

	if (image->fd < 0)
		return -ENOENT;
	dwarf = dwarf_begin(image->fd, DWARF_C_READ);
	if (!dwarf)
		return -ENOENT;
	search__init(&search, &layout);
	search__all(&search, dwarf);
	dwarf_end(dwarf);
	for (int i = 0; i < 5; i++)
		if (!search.fields[i].found)
			return -ENOENT;
	if (!search.fields[6].found || !search.fields[7].found)
		layout.persist_conn = 0;
	layout.fd_sysfd = search.pfd + search.sysfd;
	*ret = layout;
	return 0;
}
