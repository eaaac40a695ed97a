// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The file belongs to the traced process, so it may be hostile: read() instead of mmap() (a file
 * that shrinks would be a SIGBUS), small sections only, and lengths checked before use.
 */
#include "discover/elf.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define SECTIONS_MAX	 4096
#define SECTION_BYTES	 (64u << 10)
#define GO_BUILD_ID_TYPE 4
#define GO_INFO_MAGIC	 "\xff Go buildinf:"
#define GO_INFO_HEADER	 32
#define GO_INFO_INLINE	 2 /* flag: strings follow in the section (Go 1.18 and later) */

/* Print only: the text comes from a file, and becomes an attribute. */
static void copy_text(char *to, size_t size, const char *from, size_t n)
{
	if (n >= size)
		return;
	for (size_t i = 0; i < n; i++) {
		if (from[i] <= ' ' || from[i] > '~')
			return;
	}
	memcpy(to, from, n);
	to[n] = '\0';
}

static void read_notes(Elf_Data *data, struct elf_facts *facts)
{
	GElf_Nhdr note;
	size_t offset = 0, name, desc;

	while ((offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
		const char *base = data->d_buf;

		if (note.n_namesz != 4)
			continue;
		if (note.n_type == NT_GNU_BUILD_ID && !memcmp(base + name, "GNU", 4)) {
			size_t n = note.n_descsz;

			if (n > sizeof(facts->build_id) / 2)
				n = sizeof(facts->build_id) / 2;
			for (size_t i = 0; i < n; i++) {
				static const char hex[] = "0123456789abcdef";
				unsigned char byte = (unsigned char)base[desc + i];

				facts->build_id[2 * i] = hex[byte >> 4];
				facts->build_id[2 * i + 1] = hex[byte & 15];
			}
		} else if (note.n_type == GO_BUILD_ID_TYPE && !memcmp(base + name, "Go\0", 4)) {
			facts->is_go = true;
			copy_text(facts->go_build_id, sizeof(facts->go_build_id), base + desc,
				  note.n_descsz);
		}
	}
}

/* Header of 32 bytes, then a length as varint and "go1.22.1". */
static void read_go_info(Elf_Data *data, struct elf_facts *facts)
{
	const unsigned char *p = data->d_buf;
	size_t n = data->d_size;

	if (n <= GO_INFO_HEADER || memcmp(p, GO_INFO_MAGIC, sizeof(GO_INFO_MAGIC) - 1) != 0)
		return;
	facts->is_go = true;
	if (!(p[15] & GO_INFO_INLINE) || p[GO_INFO_HEADER] >= 0x80)
		return;
	const char *text = (const char *)p + GO_INFO_HEADER + 1;
	size_t len = p[GO_INFO_HEADER];

	if (len > n - GO_INFO_HEADER - 1 || len < 3 || memcmp(text, "go", 2) != 0)
		return;
	/* "go1.22.1 X:boringcrypto": the version is the first word */
	const char *space = memchr(text, ' ', len);

	copy_text(facts->go_version, sizeof(facts->go_version), text + 2,
		  (space ? (size_t)(space - text) : len) - 2);
}

static void read_sections(Elf *elf, struct elf_facts *facts)
{
	size_t names;
	int left = SECTIONS_MAX;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) && left-- > 0;) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS)
			continue;
		const char *name = elf_strptr(elf, names, shdr.sh_name);
		bool note = shdr.sh_type == SHT_NOTE;
		bool info = name && strcmp(name, ".go.buildinfo") == 0;

		if ((!note && !info) || shdr.sh_size > SECTION_BYTES)
			continue;
		Elf_Data *data = note ? elf_getdata(scn, NULL) : elf_rawdata(scn, NULL);

		if (!data || !data->d_buf)
			continue;
		if (note)
			read_notes(data, facts);
		else
			read_go_info(data, facts);
	}
}

/* Section headers may be stripped; the notes are in a segment too. */
static void read_segments(Elf *elf, struct elf_facts *facts)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0 || count > SECTIONS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_NOTE ||
		    phdr.p_filesz > SECTION_BYTES)
			continue;
		Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)phdr.p_offset, phdr.p_filesz,
						      phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);

		if (data && data->d_buf)
			read_notes(data, facts);
	}
}

int elf_facts__read(int fd, struct elf_facts *ret)
{
	struct elf_facts facts = { 0 };
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);

	if (!elf)
		return -EIO;
	if (elf_kind(elf) == ELF_K_ELF) {
		read_sections(elf, &facts);
		if (!facts.build_id[0] && !facts.is_go)
			read_segments(elf, &facts);
	}
	elf_end(elf);
	*ret = facts;
	return 0;
}
