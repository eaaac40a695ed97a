/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How the kernel side reads the execution unit of a process whose runtime moves its units over
 * threads: one recipe per process, written by apply_recipe, found out in user/runtime/. The kernel
 * follows pointers and copies numbers; what they mean is decided in user/attribute/.
 */
#ifndef SPANPROBE_RECIPE_H
#define SPANPROBE_RECIPE_H

#include "types.h"

/* What event.unit is in the events of a process. */
enum unit_kind {
	UNITS_THREADS = 0, /* how often the thread has gone to sleep, plus 1 */
	UNITS_GO,	   /* goroutine id */
	UNITS_CPYTHON,	   /* address of the contextvars.Context; see CPYTHON_BASE */
	UNITS_NODE,	   /* as with threads; UNIT_AT and UNIT_SCOPE tell async ids */
	UNITS_JAVA,	   /* enum java_unit; park and unpark are told besides */
	UNITS_NGINX,	   /* as with threads; for which client it calls is told besides */
	UNITS_KIND_COUNT
};

/* recipe.flags */
#define RECIPE_WAKES  0x01 /* report UNIT_WAKE of threads that sleep in futex */
#define RECIPE_QUEUES 0x02 /* CPython: UNIT_PUT and UNIT_GET of its thread-pool queues are told */

#define RECIPE_WORDS 24

struct recipe {
	__u32 pid;
	__u8 kind;  /* enum unit_kind */
	__u8 flags; /* RECIPE_* */
	__u8 pad[2];
	/* offsets (signed) and addresses by the runtime's own enum below */
	__u64 words[RECIPE_WORDS];
	__u64 read;   /* units that were read; counted by the kernel side */
	__u64 failed; /* ... and those that were not what they must be */
	__u64 calls;  /* Go: calls whose caller is known, and of them those of goroutines that no */
	__u64 asked;  /* request has made: only wakes tell for whom they work */
};
SIZE_ASSERT(struct recipe, 232);

enum recipe_go {
	GO_TLS_G, /* fs: displacement of the g pointer */
	GO_G_M,	  /* offsets within runtime.g and runtime.m */
	GO_M_CURG,
	GO_G_GOID,
	GO_G_STARTPC,
	GO_G_WAITREASON,
	GO_WAITS_RECEIVE, /* bits: runtime.waitReason of those that wait in a channel receive, ... */
	GO_WAITS_SEND,
	GO_WAITS_OTHER,	 /* select, WaitGroup, Cond: for a message or a signal of another one */
	GO_WAITS_TIME,	 /* for a time to pass */
	GO_PERSIST_CONN, /* offset of conn in net/http.persistConn; 0: that is not looked at */
	GO_FD_SYSFD,	 /* offset of the descriptor within net.netFD */
};

enum recipe_cpython {
	CPYTHON_FS_STATE,      /* where the thread's PyThreadState stands: fs + offset */
	CPYTHON_STATE_THREAD,  /* offsets within it: of its pthread_self() ... */
	CPYTHON_STATE_CONTEXT, /* ... and of its context */
	CPYTHON_CONTEXT_TYPE,  /* address of PyContext_Type */
	CPYTHON_LOOP,	       /* 1: its event loop reads outside of contexts */
	CPYTHON_GREENLET_DTV,  /* greenlet.so: of its entry in the threads' tables of TLS blocks; */
	CPYTHON_GREENLET_TLS,  /* of its ThreadState within its block; */
	CPYTHON_GREENLET_TYPE, /* address of PyGreenlet_Type; 1: there are some that cannot be told */
	CPYTHON_STREAM_HANDLE, /* of uvloop's UVStream; the kernel side finds it out */
};

/* event.unit of a thread that is in no context that somebody entered: its greenlet, or (in the first
 * one, or without) its PyThreadState, odd */
#define CPYTHON_BASE	 1
#define CPYTHON_NO_STATE 2 /* a thread that has none: no Python runs in it */

enum recipe_node {
	NODE_HOOKS_FIELDS, /* offsets within node::AsyncHooks: pointers to its fields and ids */
	NODE_HOOKS_IDS,
	NODE_SCOPE_THIS, /* enum node_reg: which one has AsyncHooks at the probe */
};

enum node_reg { NODE_REG_RBX, NODE_REG_R12, NODE_REG_R13, NODE_REG_R14, NODE_REG_R15 };

#define NODE_FIELD_STACK_LENGTH 28 /* AsyncHooks::kStackLength, the eighth of 32 bits each */

/* event.unit of Java's threads: one of these in bits 0-1; above: 1 + how many tasks the thread of a
 * ThreadPoolExecutor has ended, 0: not known, or no such thread */
enum java_unit {
	JAVA_UNIT_THREAD = 1,
	JAVA_UNIT_CARRIER, /* it may carry virtual threads, one after the other */
};

#define JAVA_UNIT_TASK_SHIFT 2

/* Offsets within JavaThread where not said otherwise. JAVA_PARKER 0: no parks, only java_unit. */
enum recipe_java {
	JAVA_PARKER,	    /* its Parker */
	JAVA_OSTHREAD,	    /* -> OSThread; in bits 32 to 63 the thread's id within that */
	JAVA_STACK_BASE,    /* where its stack begins */
	JAVA_THREAD_OBJECT, /* -> the place of the java.lang.Thread */
	JAVA_VTHREAD,	    /* -> ... that runs on it: itself or a virtual one; 0: has none such */
	JAVA_PARK_BLOCKER,  /* Thread.parkBlocker */
	JAVA_KLASS_OFFSET,  /* of the class within an object */
	JAVA_KLASS_NAME,    /* Klass -> Symbol */
	JAVA_SYMBOL,	    /* its length (bits 32 to 63) and its text within Symbol */
	JAVA_OOP_BASE,	    /* compressed references and class pointers: base + (value << shift) */
	JAVA_KLASS_BASE,
	JAVA_FORMS,	 /* bits 0-7: shift of references, 8-15: of classes; JAVA_*_NARROW */
	JAVA_TLAB_START, /* 0: no lineage asked for */
	JAVA_TLAB_TOP,
	JAVA_HEAP_START, /* addresses */
	JAVA_HEAP_END,
	JAVA_TLS_MODULE, /* where a thread keeps its JavaThread: index of the module, 0: not known */
	JAVA_TLS_OFFSET,  /* ... and the place within its block */
	JAVA_TARGET,	  /* of Thread: what it runs, or what holds that: */
	JAVA_HOLDER_TASK, /* then the place there; 0: nothing holds it */
	JAVA_WORKER,	  /* class of ThreadPoolExecutor's workers; 0: not known (yet) */
	JAVA_COMPLETED,	  /* of such a worker: its count of ended tasks */
	JAVA_EPOCH,	  /* counts the times that objects have moved */
};

#define JAVA_OOP_NARROW	  0x10000 /* references are 4 bytes */
#define JAVA_KLASS_NARROW 0x20000

enum recipe_nginx {
	NGINX_PEER_LOG, /* offsets: ngx_peer_connection_t -> log, that of the client's connection, */
	NGINX_LOG_DATA,		/* ngx_log_t -> data: what the log is about, */
	NGINX_DATA_CONN,	/* which holds the ngx_connection_t here in http ... */
	NGINX_DATA_CONN_STREAM, /* ... and here in stream */
	NGINX_CONN_LOG,		/* of ngx_connection_t: back to its log */
	NGINX_CONN_FD,
};

#endif
