/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Node keeps the async id that runs, the one that triggered it and the counter that ids come from in
 * an array of doubles (AsyncHooks::async_id_fields), whether or not anybody has asked for hooks. The
 * uprobe in node.bpf.c tells where the AsyncHooks of a thread are; here they are read.
 */
#ifndef SPANPROBE_BPF_NODE_H
#define SPANPROBE_BPF_NODE_H

#include "whole.h"

struct node_ids {
	__u64 execution;
	__u64 trigger;
	__u64 counter;
};

/* The ids of the AsyncHooks at that address; false: what is there is none. */
static __always_inline bool node__ids(const struct recipe *recipe, __u64 hooks,
				      struct node_ids *ret)
{
	__u64 at = user__read64(hooks + recipe->words[NODE_HOOKS_IDS]), raw[3];

	if (!at || bpf_probe_read_user(raw, sizeof(raw), (const void *)at))
		return false;
	ret->execution = whole__of_double(raw[0]);
	ret->trigger = whole__of_double(raw[1]);
	ret->counter = whole__of_double(raw[2]);
	return ret->counter && ret->counter != NOT_WHOLE && ret->execution <= ret->counter &&
	       ret->trigger <= ret->counter;
}

/*
 * What a socket call happens under, told before its own record and with the same time. A function for
 * the verifier, too: it looks at it once, and sees one way past it. Defined in node.bpf.c.
 */
int node__at(__u64 pid_tgid, __u64 now, __u32 reads);

#endif
