// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A row of user/runtime/go_releases.h, by the DWARF of a program: go_layout RELEASE FILE */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/go_layout.h"

int main(int argc, char **argv)
{
	struct go_layout l;
	struct image *image;
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: go_layout RELEASE FILE\n");
		return 2;
	}
	err = image__of_path(argv[2], &image);
	if (!err) {
		err = go_layout__of_dwarf(image, &l);
		image__free(image);
	}
	if (err) {
		fprintf(stderr, "go_layout: %s: %s\n", argv[2], strerror(-err));
		return 1;
	}
	printf("\t{ \"%s\", { %u, %u, %u, %u, %u, %u, %u, 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64
	       ", 0x%" PRIx64 " } },\n",
	       argv[1], l.g_m, l.g_goid, l.g_startpc, l.g_waitreason, l.m_curg, l.persist_conn,
	       l.fd_sysfd, l.receive, l.send, l.other, l.time);
	return 0;
}
