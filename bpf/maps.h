/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every map, with its owner, key, lifetime and eviction. Each unit includes all of them: they are
 * weak, and the static linker keeps one of each. load.c sizes them before the object is loaded.
 */
#ifndef SPANPROBE_BPF_MAPS_H
#define SPANPROBE_BPF_MAPS_H

#include "entry.h"
#include "event.h"
#include "helpers.h"
#include "loss.h"
#include "recipe.h"
#include "source.h"
#include "vector.h"

#define MAP __weak SEC(".maps")

/* Set before load, never changed after it. Defined in task.bpf.c. */
extern const volatile struct settings settings;

/* One bit per process of the root pid namespace. Written by user space (load__trace) and by fork
 * and exit; read by every hook before anything else. Defined in task.bpf.c. */
extern __u64 traced[PID_LIMIT / 64];

/* Processes with a recipe. Written by the agent (load__recipe). Defined in unit.bpf.c. */
extern __u32 recipe_count;
extern __u32 node_count; /* of them those of Node */

/* Records that found a ring full, of all kinds: read by the agent at every turn. Defined in
 * task.bpf.c. */
extern __u64 records_lost;

/* Connections met so far: their ids are 1, 2, 3... Defined in socket.bpf.c. */
extern __u64 conns_met;

/* A traced process has an io_uring. Defined in socket.bpf.c. */
extern __u32 uring_used;

/* Rings of records. Index: CPU & (ring_count - 1). Written by every program, emptied by the agent;
 * load.c makes the rings. Full: the record is not written, and counted. */
struct ring { /* the size is that of a pattern: real rings may have any */
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RINGS_MAX);
	__type(key, __u32);
	__array(values, struct ring);
} rings MAP;

/* enum loss -> count. Written by every program, summed by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} losses MAP;

/* TCP connections by the address of struct sock. Made by connect, accept, bootstrap or the first
 * traffic; removed when the socket closes. Full: the connection is not captured, and counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONNS_DEFAULT);
	__type(key, __u64);
	__type(value, struct entry);
} conns MAP;

/* Unix stream sockets likewise. Not every hook family sees their end: the idlest goes when it is
 * full, and a reused address is told by the socket's inode. Who is met again after that is counted,
 * and starts in the middle. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, UNIX_CONNS);
	__type(key, __u64);
	__type(value, struct entry);
} unix_conns MAP;

/* Traced processes whose open sockets have been looked at (load__bootstrap): a Unix socket that is
 * met later is new. Value: the budget per turn of the process's new connections, 0: that of the
 * settings; set by apply_policy. Key: pid. Written by the agent and by fork, removed at exit. Full:
 * Unix connections of the process count as begun before the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} known MAP;

/* How to read the unit of a process. Key: pid. Written by apply_recipe, removed by the agent and at
 * exit. Full: the process's units stay threads, and the agent says so. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct recipe);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} recipes MAP;

/* What is known of a thread whose process has a recipe. Key: tid. Made by the programs in need of
 * it, removed when the thread ends. Full: the idlest goes; its unit is not known until the next
 * probe tells. */
struct thread {
	__u64 handle;	/* PyThreadState, node::Environment, JavaThread */
	__u64 since_ns; /* when it was switched out last */
	__u64 words[2]; /* of the runtime's programs, by the enum below */
};

enum thread_node {
	NODE_TOLD, /* unit of the last UNIT_SCOPE; 0 after a UNIT_AT */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct thread);
} threads MAP;

/* Whose Parker it is: the tid. Made at a thread's first park, replaced when the memory becomes
 * another thread's, removed when the thread ends. Full: the idlest goes; its thread's next park
 * makes it again, and until then nobody knows whom an unpark is for. */
struct parker {
	__u64 address;
	__u32 pid;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct parker);
	__type(value, __u32);
} parkers MAP;

/* Java classes whose name was told (EVENT_NAME), by the address of their Klass. Full: the idlest
 * goes and is told again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct parker);
	__type(value, __u8);
} java_classes MAP;

/* Goroutines that matter: those that serve requests, what they create, and those that make calls
 * without. Key: go__key(). Made by the Go programs, never removed (numbers of goroutines are not used
 * twice). Full: the idlest goes; it and what it creates are not known any more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);
} goroutines MAP;

/* Calls between their entry and their return (kprobe family). Key: tid. Made at entry, removed at
 * return or replaced by the thread's next call (counted). Full: not captured, and counted. */
struct open_call {
	__u64 sock;
	struct source source;
	__u64 length; /* bytes asked for */
	__u64 done;   /* bytes told of already: tcp_cleanup_rbuf gives running sums */
	__u32 flags;  /* MSG_* */
	__u8 dir;
	__u8 by_return; /* only the return tells how much has moved */
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct open_call);
} calls MAP;

/* The request of io_uring that a thread issues. Key: tid. Written by uring__submit; a candidate that
 * is checked before it is believed. The idlest thread goes when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} uring_now MAP;

/* Requests that wait for their socket, which they have not tried yet. Key: address of struct sock plus
 * enum direction. Written by uring__arm, removed when they are found. Full: their bytes are unseen. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} uring_first MAP;

/* What belongs to a socket; lives and ends with it. Only programs that the kernel hands a socket can
 * have it: those of tracepoints. */
struct sock_note {
	__u64 waiting[DIR_COUNT]; /* requests of io_uring that will be tried again */
	__u64 met;		  /* it has had an entry in unix_conns */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sock_note);
} sock_notes MAP;

/* One call that moved bytes, on its way into records. */
struct moved {
	__u64 conn;
	__u64 position;
	__u64 pid_tgid;
	__u64 now;
	__u64 at; /* of a single buffer */
	__u32 length;
	__u32 offset; /* of the next byte to capture */
	__u32 want;   /* bytes left to capture */
	__u32 tail;   /* ... and then of the call's end */
	__u8 dir;
	__u8 flags;   /* EVENT_* */
	__u8 written; /* a record of this call is in the ring */
	__u8 pad;
};

/* What a traffic program works on; they never nest on a CPU. Not on the stack: the verifier follows
 * every value that a stack slot can take through every turn of a loop, but nothing in a map. */
struct scratch {
	__u8 bytes[2 * DATA_BYTES_MAX];
	struct moved moved;
	struct walk walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches MAP;

#endif
