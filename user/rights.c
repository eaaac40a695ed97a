// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rights.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CAP_PERFMON /* headers before 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif

static uint64_t effective(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &head, data) != 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static bool need(uint64_t has, int capability, const char *name, struct buf *missing)
{
	bool admin = has & 1ull << CAP_SYS_ADMIN; /* stands for the two finer ones */

	if ((has & 1ull << capability) || (admin && capability != CAP_SYS_PTRACE))
		return true;
	buf__printf(missing, "%s%s", missing->n ? ", " : "", name);
	return false;
}

bool rights__enough(struct buf *missing)
{
	uint64_t has = effective();
	bool bpf = need(has, CAP_BPF, "CAP_BPF", missing);
	bool perfmon = need(has, CAP_PERFMON, "CAP_PERFMON", missing);
	bool ptrace = need(has, CAP_SYS_PTRACE, "CAP_SYS_PTRACE", missing);

	return bpf && perfmon && ptrace;
}
