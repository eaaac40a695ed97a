/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* System-call numbers and registers of the machine. Pure. */
#ifndef SPANPROBE_BPF_ARCH_H
#define SPANPROBE_BPF_ARCH_H

#if defined(__TARGET_ARCH_x86) || defined(__x86_64__)
enum syscall_nr {
	NR_READ = 0,
	NR_WRITE = 1,
	NR_READV = 19,
	NR_WRITEV = 20,
	NR_SENDTO = 44,
	NR_RECVFROM = 45,
	NR_SENDMSG = 46,
	NR_RECVMSG = 47,
	NR_FUTEX = 202,
	NR_RECVMMSG = 299,
	NR_SENDMMSG = 307,
	NR_PREADV2 = 327,
	NR_PWRITEV2 = 328,
	NR_IO_URING_ENTER = 426,
};
#else
#error "add this architecture's system calls"
#endif

#ifdef __bpf__
#define TS_COMPAT 0x2 /* a 32-bit system call is being served */

/*
 * While a system call is being served its return register holds -ENOSYS (set at entry). After it,
 * when deferred work of io_uring runs before the way back to user space, it holds the result: then
 * the argument registers say nothing about that work.
 */
#define CALL_RUNNING(regs) ((long)(regs)->ax == -38)
#define CALL_NR(regs)	   ((regs)->orig_ax)
#define CALL_ARG0(regs)	   ((regs)->di)
#define CALL_ARG1(regs)	   ((regs)->si)
#define CALL_ARG2(regs)	   ((regs)->dx)
#define CALL_ARG3(regs)	   ((regs)->r10)
#define CALL_COMPAT(task)  ((task)->thread_info.status & TS_COMPAT)
#endif

#endif
