/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where the Go runtime keeps what is read of it: by the program's DWARF, or by its release. */
#ifndef SPANPROBE_RUNTIME_GO_LAYOUT_H
#define SPANPROBE_RUNTIME_GO_LAYOUT_H

#include "code/image.h"

struct go_layout {
	uint16_t g_m, g_goid, g_startpc, g_waitreason; /* offsets within runtime.g */
	uint16_t m_curg;			       /* ... runtime.m */
	uint16_t persist_conn; /* net/http.persistConn.conn; 0: the program has none */
	uint16_t fd_sysfd;     /* net.netFD.pfd.Sysfd */
	/* bits: values of runtime.waitReason, see GO_WAITS_* */
	uint64_t receive, send, other, time;
};

/* -ENOENT: the file has no DWARF, or not of these types; -EBADMSG: it makes no sense. */
int go_layout__of_dwarf(const struct image *image, struct go_layout *ret);
/* "1.22.1". 1: the very release is in the table; 0: the newest that is not newer; -ENOENT: Go before
 * 1.18, or no release ("devel"). */
int go_layout__of_release(const char *version, struct go_layout *ret);

#endif
