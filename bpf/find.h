/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sockets and their entries in the table of connections. */
#ifndef SPANPROBE_BPF_FIND_H
#define SPANPROBE_BPF_FIND_H

#include "maps.h"

#define SK(sk, field)	BPF_CORE_READ(sk, field)
#define TCP(sk, field)	BPF_CORE_READ((struct tcp_sock *)(sk), field)
#define UNIX(sk, field) BPF_CORE_READ((struct unix_sock *)(sk), field)

static __always_inline bool sock__is_unix(__u16 family)
{
	return family == AF_UNIX;
}

static __always_inline __u64 sock__inode(struct sock *sk)
{
	struct socket *socket = SK(sk, sk_socket);
	struct socket_alloc *alloc = (void *)socket;

	return socket ? BPF_CORE_READ(alloc, vfs_inode.i_ino) : 0;
}

/* What two sockets that have the same address one after the other hardly share. TCP: the peer's port,
 * which stays when the socket has given its own one back; who connects is told by SYN_SENT. */
static __always_inline __u64 sock__identity(struct sock *sk, __u16 family)
{
	return sock__is_unix(family) ? sock__inode(sk) : SK(sk, __sk_common.skc_dport);
}

static __always_inline bool entry__is_of(struct entry *entry, struct sock *sk, __u16 family)
{
	/* while it connects it is not known yet */
	return !(entry->flags & ENTRY_CONNECTED) || entry->identity == sock__identity(sk, family);
}

/* NULL also for what is left of another socket that had this address: conn__adopt clears it away. */
static __always_inline struct entry *conn__find(struct sock *sk, __u16 family)
{
	__u64 key = (__u64)sk;
	struct entry *entry = sock__is_unix(family) ? bpf_map_lookup_elem(&unix_conns, &key) :
						      bpf_map_lookup_elem(&conns, &key);

	return entry && entry__is_of(entry, sk, family) ? entry : NULL;
}

/* The socket of a descriptor of the process, or NULL. */
static __always_inline struct sock *fd__sock(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = NULL;
	struct socket *socket;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	/* only a socket points back to its file from there */
	return socket && BPF_CORE_READ(socket, file) == file ? BPF_CORE_READ(socket, sk) : NULL;
}

/* The connection of a descriptor of the process; 0: none that is followed. */
static __always_inline __u64 fd__conn(struct task_struct *task, __u32 fd)
{
	struct sock *sk = fd__sock(task, fd);
	struct entry *entry = sk ? conn__find(sk, SK(sk, __sk_common.skc_family)) : NULL;

	return entry ? entry->id : 0;
}

#endif
