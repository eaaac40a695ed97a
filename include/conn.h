/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Identity of a connection: what the kernel knows about a socket when it is first met. */
#ifndef SPANPROBE_CONN_H
#define SPANPROBE_CONN_H

#include "types.h"

/* Direction of bytes as the traced process sees them. Index of every two-element array. */
enum direction {
	DIR_IN = 0,  /* received by the process */
	DIR_OUT = 1, /* sent by the process */
	DIR_COUNT
};

enum conn_role {
	ROLE_UNKNOWN = 0, /* the decoder learns it from the first message */
	ROLE_SERVER,	  /* accepted, or its local port is one the process listens on */
	ROLE_CLIENT	  /* seen to connect */
};

enum conn_family {
	FAMILY_INET = 2,   /* AF_INET; also an IPv4-mapped peer of an AF_INET6 socket */
	FAMILY_INET6 = 10, /* AF_INET6 */
	FAMILY_UNIX = 1	   /* AF_UNIX, SOCK_STREAM */
};

/* The connection began before its first event: the stream starts in the middle of something. */
#define CONN_MIDSTREAM 0x01
/* the bound path of a Unix socket (the peer's, for a client) follows; '@' for an abstract one */
#define CONN_HAS_PATH 0x02

#define UNIX_PATH_BYTES 112

/*
 * Addresses are in network byte order, IPv4 in the first four bytes; ports in host order.
 * base_seq[d] is the TCP sequence number of position 0 of direction d (sender's numbering): the
 * same number at both ends of a connection, which is how the ends recognise each other.
 * For Unix sockets sock and peer_sock take the place of the addresses.
 */
struct conn_tuple {
	__u64 netns_cookie;
	__u64 sock;	 /* address of struct sock; an id only, never followed */
	__u64 peer_sock; /* Unix sockets: the other end's struct sock, else 0 */
	__u32 netns_inum;
	__u32 base_seq[DIR_COUNT];
	__u16 local_port;
	__u16 peer_port;
	__u8 local_addr[16];
	__u8 peer_addr[16];
	__u8 family; /* enum conn_family */
	__u8 role;   /* enum conn_role */
	__u8 flags;  /* CONN_* */
	__u8 pad[5];
};

SIZE_ASSERT(struct conn_tuple, 80);

#endif
