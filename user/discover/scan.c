// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which running processes --exe and --port mean. A port belongs to the process that holds the
 * listening socket: the sockets of each network namespace are read once, and their inodes looked
 * for among the descriptors of the processes in that namespace.
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uthash.h>

#include "discover.h"
#include "discover/proc.h"

#define PF_KTHREAD 0x00200000
/* The kernel lists listening sockets first; reading on would be all connections of the host. */
#define LISTEN_BYTES_MAX (4u << 20)
#define TCP_LISTEN	 0x0A

struct listener {
	uint64_t inode;
	struct listener *next; /* all of them, for freeing */
	UT_hash_handle hh;
};

struct netns {
	uint64_t inode; /* of the namespace */
	struct listener *listeners;
	struct listener *all;
	struct netns *next;
	UT_hash_handle hh;
};

struct scan {
	const struct discover_opts *opts;
	void (*found)(void *ctx, uint32_t pid);
	void *ctx;
	struct netns *namespaces;
	struct netns *all;
	int err;
};

bool discover__matches_port(const struct discover_opts *opts, uint16_t port)
{
	for (uint32_t i = 0; i < opts->port_count; i++) {
		if (port >= opts->ports[i].first && port <= opts->ports[i].last)
			return true;
	}
	return false;
}

bool discover__matches_exe(const struct discover_opts *opts, uint32_t pid)
{
	static const char deleted[] = " (deleted)";
	char exe[PROC_PATH_MAX];
	ssize_t n = opts->exe_count ? proc__link(pid, "exe", exe, sizeof(exe)) : -1;

	if (n < 0)
		return false;
	if (n > (ssize_t)sizeof(deleted) - 1 && !strcmp(exe + n - (sizeof(deleted) - 1), deleted))
		exe[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	for (uint32_t i = 0; i < opts->exe_count; i++) {
		if (fnmatch(opts->exe_globs[i], exe, 0) == 0)
			return true;
	}
	return false;
}

/* --- listening sockets ------------------------------------------------------------------------ */

/* "  0: 0100007F:1F90 00000000:0000 0A ... inode ..."; false: not a listening socket */
static bool parse_socket(const char *line, uint16_t *ret_port, uint64_t *ret_inode)
{
	unsigned int port, state;
	unsigned long inode;

	if (sscanf(line,
		   " %*[^:]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
		   &port, &state, &inode) != 3 ||
	    state != TCP_LISTEN)
		return false;
	*ret_port = (uint16_t)port;
	*ret_inode = inode;
	return true;
}

static int read_listeners(uint32_t pid, const char *name, const struct discover_opts *opts,
			  struct netns *ns)
{
	struct buf text = { 0 };
	int err = proc__read(pid, name, &text, LISTEN_BYTES_MAX);
	struct slice rest = slice(text.p, text.n), line;

	if (err)
		goto out;
	proc__cut(&rest, '\n', &line); /* the heading */
	while (proc__cut(&rest, '\n', &line)) {
		char copy[256];
		uint16_t port;
		uint64_t inode;

		if (line.n >= sizeof(copy))
			continue;
		memcpy(copy, line.p, line.n);
		copy[line.n] = '\0';
		if (!parse_socket(copy, &port, &inode))
			break;
		if (!discover__matches_port(opts, port))
			continue;
		struct listener *listener = calloc(1, sizeof(*listener));

		if (!listener) {
			err = -ENOMEM;
			break;
		}
		listener->inode = inode;
		listener->next = ns->all;
		ns->all = listener;
		HASH_ADD(hh, ns->listeners, inode, sizeof(listener->inode), listener);
	}
out:
	buf__release(&text);
	return err;
}

static bool link_number(const char *link, const char *form, uint64_t *ret)
{
	unsigned long value;

	if (sscanf(link, form, &value) != 1)
		return false;
	*ret = value;
	return true;
}

static struct netns *netns_of(struct scan *scan, uint32_t pid)
{
	char link[64];
	uint64_t inode;
	struct netns *ns;

	if (proc__link(pid, "ns/net", link, sizeof(link)) < 0 ||
	    !link_number(link, "net:[%lu]", &inode))
		return NULL;
	HASH_FIND(hh, scan->namespaces, &inode, sizeof(inode), ns);
	if (ns)
		return ns;
	ns = calloc(1, sizeof(*ns));
	if (!ns) {
		scan->err = -ENOMEM;
		return NULL;
	}
	ns->inode = inode;
	ns->next = scan->all;
	scan->all = ns;
	HASH_ADD(hh, scan->namespaces, inode, sizeof(ns->inode), ns);
	/* a kernel without IPv6 has no tcp6, and a process that ended has neither */
	if (read_listeners(pid, "net/tcp", scan->opts, ns) == -ENOMEM ||
	    read_listeners(pid, "net/tcp6", scan->opts, ns) == -ENOMEM)
		scan->err = -ENOMEM;
	return ns;
}

static bool holds_listener(uint32_t pid, const struct netns *ns)
{
	char path[PROC_PATH_MAX], name[320], link[64];
	bool found = false;

	snprintf(path, sizeof(path), "%s/proc/%u/fd", proc_root, pid);
	DIR *dir = opendir(path);

	if (!dir)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(dir));) {
		struct listener *listener = NULL;
		uint64_t inode;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "fd/%s", entry->d_name);
		if (proc__link(pid, name, link, sizeof(link)) < 0 ||
		    !link_number(link, "socket:[%lu]", &inode))
			continue;
		HASH_FIND(hh, ns->listeners, &inode, sizeof(inode), listener);
		found = listener;
	}
	closedir(dir);
	return found;
}

static bool visit(void *ctx, uint32_t pid)
{
	struct scan *scan = ctx;
	struct proc_stat stat;
	struct netns *ns;

	if (pid == (uint32_t)getpid() || proc__stat(pid, &stat) != 0 || stat.flags & PF_KTHREAD ||
	    stat.state == 'Z')
		return true;
	if (discover__matches_exe(scan->opts, pid)) {
		scan->found(scan->ctx, pid);
	} else if (scan->opts->port_count) {
		ns = netns_of(scan, pid);
		if (ns && ns->listeners && holds_listener(pid, ns))
			scan->found(scan->ctx, pid);
	}
	return scan->err == 0;
}

int discover__scan(const struct discover_opts *opts, void (*found)(void *ctx, uint32_t pid),
		   void *ctx)
{
	struct scan scan = { .opts = opts, .found = found, .ctx = ctx };
	int err = proc__each(visit, &scan);

	HASH_CLEAR(hh, scan.namespaces);
	for (struct netns *ns = scan.all, *next_ns; ns; ns = next_ns) {
		next_ns = ns->next;
		HASH_CLEAR(hh, ns->listeners);
		for (struct listener *listener = ns->all, *next; listener; listener = next) {
			next = listener->next;
			free(listener);
		}
		free(ns);
	}
	return err ? err : scan.err;
}

/* --- descendants ------------------------------------------------------------------------------ */

struct kin {
	uint32_t pid, ppid;
	bool taken;
};

struct family {
	struct kin *kin;
	size_t count, cap;
};

static bool note_parent(void *ctx, uint32_t pid)
{
	struct family *family = ctx;
	struct proc_stat stat;

	if (proc__stat(pid, &stat) != 0)
		return true;
	if (family->count == family->cap) {
		size_t cap = family->cap ? 2 * family->cap : 512;
		struct kin *kin = realloc(family->kin, cap * sizeof(*kin));

		if (!kin)
			return false;
		family->kin = kin;
		family->cap = cap;
	}
	family->kin[family->count++] = (struct kin){ pid, stat.ppid, false };
	return true;
}

static void take_children(struct family *family, uint32_t parent, uint32_t *ret_pids, int *count,
			  int max)
{
	for (size_t i = 0; i < family->count && *count < max; i++) {
		struct kin *kin = &family->kin[i];

		if (kin->ppid != parent || kin->taken)
			continue;
		kin->taken = true;
		ret_pids[(*count)++] = kin->pid;
	}
}

/* Breadth first: each one found is a parent to look for. One walk over /proc, whoever is asked for. */
int discover__children(const uint32_t *parents, int count, uint32_t *ret_pids, int max)
{
	struct family family = { 0 };
	int found = 0;

	proc__each(note_parent, &family);
	for (size_t i = 0; i < family.count; i++)
		for (int j = 0; j < count && !family.kin[i].taken; j++)
			family.kin[i].taken = family.kin[i].pid == parents[j];
	for (int i = 0; i < count; i++)
		take_children(&family, parents[i], ret_pids, &found, max);
	for (int i = 0; i < found; i++)
		take_children(&family, ret_pids[i], ret_pids, &found, max);
	free(family.kin);
	return found;
}
