/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Small ELF files made by hand, for what no compiler of this machine writes, and as seeds of the
 * fuzzer. Every part that has an address is a PT_LOAD of its own. */
#ifndef SPANPROBE_TESTS_CODE_ELF_H
#define SPANPROBE_TESTS_CODE_ELF_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

#define MADE_PARTS 16

struct made_part {
	const char *name;
	uint32_t type, flags; /* SHT_*, PF_* */
	uint64_t vaddr;	      /* 0: not loaded */
	struct slice bytes;
	uint32_t link, entsize;
};

struct made {
	_Alignas(16) char bytes[1 << 16];
	size_t n;
};

static inline size_t made__put(struct made *made, struct slice bytes, size_t align)
{
	size_t at = (made->n + align - 1) / align * align;

	memset(made->bytes + made->n, 0, at - made->n);
	if (bytes.n)
		memcpy(made->bytes + at, bytes.p, bytes.n);
	made->n = at + bytes.n;
	return at;
}

/* Sections: 0 is empty, part i is i + 1, the names are last. */
static inline void made__build(struct made *made, const struct made_part *parts, size_t count)
{
	Elf64_Phdr loads[MADE_PARTS] = { 0 };
	Elf64_Shdr sections[MADE_PARTS + 2] = { 0 };
	char names[1024] = "";
	size_t names_n = 1, load_count = 0;
	Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_shentsize = sizeof(Elf64_Shdr),
	};

	made->n = sizeof(header) + sizeof(loads);
	memset(made->bytes, 0, made->n);
	for (size_t i = 0; i < count; i++) {
		const struct made_part *part = &parts[i];
		size_t at = made__put(made, part->bytes, 16);

		sections[i + 1] = (Elf64_Shdr){
			.sh_name = (Elf64_Word)names_n,
			.sh_type = part->type,
			.sh_flags = part->vaddr ? SHF_ALLOC : 0,
			.sh_addr = part->vaddr,
			.sh_offset = at,
			.sh_size = part->bytes.n,
			.sh_link = part->link,
			.sh_addralign = 4,
			.sh_entsize = part->entsize,
		};
		strcpy(names + names_n, part->name);
		names_n += strlen(part->name) + 1;
		if (part->vaddr)
			loads[load_count++] = (Elf64_Phdr){
				.p_type = PT_LOAD,
				.p_flags = part->flags,
				.p_offset = at,
				.p_vaddr = part->vaddr,
				.p_filesz = part->bytes.n,
				.p_memsz = part->bytes.n,
				.p_align = 16,
			};
	}
	sections[count + 1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB,
		.sh_offset = made__put(made, slice(names, names_n), 16),
		.sh_size = names_n,
	};
	header.e_shoff = made__put(made, slice(sections, (count + 2) * sizeof(*sections)), 16);
	header.e_shnum = (Elf64_Half)(count + 2);
	header.e_shstrndx = (Elf64_Half)(count + 1);
	header.e_phnum = (Elf64_Half)load_count;
	memcpy(made->bytes, &header, sizeof(header));
	memcpy(made->bytes + sizeof(header), loads, sizeof(loads));
}

#define MADE_TEXT  0x401000
#define MADE_TABLE 0x402000
#define MADE_DATA  0x403000

/* Three functions of 16 bytes each from MADE_TEXT on; magic chooses the layout. */
static inline size_t made__pclntab(uint32_t magic, char *ret)
{
	static const char names[] = "\0main.first\0main.(*T).second\0main.third";
	static const uint32_t name_at[] = { 1, 12, 29 };
	bool old = magic == 0xfffffffa;
	uint32_t field = old ? 8 : 4, header = old ? 8 + 7 * 8 : 8 + 8 * 8;
	uint64_t words[8] = { 3, 1 };
	uint32_t at = header;

	memset(ret, 0, 1024);
	memcpy(ret, &magic, 4);
	ret[6] = 1;
	ret[7] = 8;
	if (!old && magic == 0xfffffff0)
		words[2] = MADE_TEXT;
	words[old ? 2 : 3] = at;
	memcpy(ret + at, names, sizeof(names));
	at = (at + (uint32_t)sizeof(names) + 7) / 8 * 8;
	for (int i = old ? 3 : 4; i < (old ? 7 : 8); i++)
		words[i] = at;
	memcpy(ret + 8, words, header - 8);

	uint32_t records = 7 * field;

	for (uint32_t i = 0; i < 4; i++) {
		uint64_t entry = (old ? MADE_TEXT : 0) + 16 * i, record = records + i * 40;

		memcpy(ret + at + 2 * i * field, &entry, field);
		if (i == 3)
			break;
		memcpy(ret + at + (2 * i + 1) * field, &record, field);
		memcpy(ret + at + record, &entry, field);
		memcpy(ret + at + record + field, &name_at[i], 4);
	}
	return at + records + 3 * 40;
}

/* A program with one of everything that code/ reads. */
static inline void made__all(struct made *made, uint32_t magic, struct slice debugdata)
{
	static char table[1024];
	static char text[64] = "\x49\x3b\x66\x10\x76\x08\x55\x48\x89\xe5\x5d\xc3\x90\x90\x90\x90"
			       "\x48\x89\xf8\x53\xff\xc8\x75\xfb\xc3\x90\x90\x90\x90\x90\x90\x90"
			       "\x64\x48\x8b\x04\x25\xf8\xff\xff\xff\xc3";
	static const char strings[] = "\0first\0second\0_ZN4node3FooC1Ev";
	static char info[80] = "\xff Go buildinf:\x08\x02";
	static const char note[] = "\x08\0\0\0\x3d\0\0\0\x03\0\0\0stapsdt\0"
				   "\x10\x10\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				   "shop\0sold\0"
				   "8@%rdi -4@-8(%rbp) 4@$7\0\0\0";
	Elf64_Sym symbols[4] = {
		{ 0 },
		{ .st_name = 1,
		  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		  .st_shndx = 1,
		  .st_value = MADE_TEXT,
		  .st_size = 16 },
		{ .st_name = 7,
		  .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
		  .st_shndx = 1,
		  .st_value = MADE_TEXT + 16,
		  .st_size = 16 },
		{ .st_name = 14,
		  .st_info = ELF64_ST_INFO(STB_WEAK, STT_OBJECT),
		  .st_shndx = 1,
		  .st_value = MADE_DATA,
		  .st_size = 8 },
	};
	static uint64_t module[23];
	size_t names_at = magic == 0xfffffffa ? 64 : 72;

	memcpy(info + 32, "\x08go1.22.1", 9);
	module[0] = MADE_TABLE;
	module[1] = MADE_TABLE + names_at;
	module[20] = module[22] = MADE_TEXT;
	struct made_part parts[] = {
		{ ".text", SHT_PROGBITS, PF_R | PF_X, MADE_TEXT, slice(text, sizeof(text)), 0, 0 },
		{ ".gopclntab", SHT_PROGBITS, PF_R, MADE_TABLE,
		  slice(table, made__pclntab(magic, table)), 0, 0 },
		{ ".go.buildinfo", SHT_PROGBITS, PF_R | PF_W, MADE_DATA, slice(info, sizeof(info)),
		  0, 0 },
		{ ".go.module", SHT_PROGBITS, PF_R | PF_W, MADE_DATA + 0x100,
		  slice(module, sizeof(module)), 0, 0 },
		{ ".note.stapsdt", SHT_NOTE, 0, 0, slice(note, sizeof(note) - 1), 0, 0 },
		{ ".strtab", SHT_STRTAB, 0, 0, slice(strings, sizeof(strings)), 0, 0 },
		{ ".symtab", SHT_SYMTAB, 0, 0, slice(symbols, sizeof(symbols)), 6,
		  sizeof(Elf64_Sym) },
		{ ".gnu_debugdata", SHT_PROGBITS, 0, 0, debugdata, 0, 0 },
	};

	made__build(made, parts, debugdata.n ? 8 : 7);
}

#endif
