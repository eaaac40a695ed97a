// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "discover/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PF_KTHREAD 0x00200000

struct slice path__base(struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return slash ? slice_from(path, (size_t)(slash - path.p) + 1) : path;
}

struct slice path__dir(struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;

	return slice(path.p, slash ? (size_t)(slash - path.p) : 0);
}

struct slice path__stem(struct slice name)
{
	const char *dot = name.n ? memrchr(name.p, '.', name.n) : NULL;

	return dot && dot != name.p ? slice(name.p, (size_t)(dot - name.p)) : name;
}

bool slice__in(struct slice word, const char *words)
{
	struct slice rest = slice_of(words), one;

	while (proc__cut(&rest, ' ', &one)) {
		if (slice_eq(one, word))
			return true;
	}
	return false;
}

struct slice facts__env(const struct facts *facts, const char *name)
{
	struct slice rest = slice(facts->environ.p, facts->environ.n), entry;
	struct slice key = slice_of(name);

	while (proc__cut(&rest, '\0', &entry)) {
		if (entry.n > key.n && entry.p[key.n] == '=' && slice_starts(entry, key))
			return slice_from(entry, key.n + 1);
	}
	return slice(NULL, 0);
}

struct slice facts__exe_name(const struct facts *facts)
{
	struct slice name = path__base(slice_of(facts->exe));

	return name.n ? name : slice_of(facts->stat.comm);
}

static void split_args(struct facts *facts)
{
	struct slice rest = slice(facts->cmdline.p, facts->cmdline.n), arg;

	/* a rewritten title is padded with NULs up to its old length */
	while (rest.n && rest.p[rest.n - 1] == '\0')
		rest.n--;
	while (facts->argc < ARGS_MAX && proc__cut(&rest, '\0', &arg))
		facts->argv[facts->argc++] = arg;
}

/* A file may be out of reach (rights, a kernel without cgroups); whether the process has ended is
 * asked once, at the end. */
static int soft(int err)
{
	return err == -ENOMEM ? err : 0;
}

static int read_links(struct facts *facts)
{
	static const char deleted[] = " (deleted)";
	char own[64], its[64];
	ssize_t n = proc__link(facts->pid, "exe", facts->exe, sizeof(facts->exe));

	if (n < 0)
		facts->exe[0] = '\0';
	else if (n > (ssize_t)sizeof(deleted) - 1 &&
		 !strcmp(facts->exe + n - (sizeof(deleted) - 1), deleted))
		facts->exe[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	if (proc__link(facts->pid, "cwd", facts->cwd, sizeof(facts->cwd)) < 0)
		facts->cwd[0] = '\0';
	facts->own_mounts = proc__link(facts->pid, "ns/mnt", its, sizeof(its)) > 0 &&
			    proc__link((uint32_t)getpid(), "ns/mnt", own, sizeof(own)) > 0 &&
			    strcmp(own, its) != 0;

	int fd = proc__open(facts->pid, "exe", O_RDONLY);

	if (fd < 0)
		return 0;
	elf_facts__read(fd, &facts->elf); /* a file that is no good leaves its facts empty */
	close(fd);
	return 0;
}

static int refuse(struct buf *why, uint32_t pid, const char *what)
{
	buf__printf(why, "process %u %s", pid, what);
	return -EINVAL;
}

static int check_kind(struct facts *facts, struct buf *why)
{
	uint32_t pid = facts->pid;

	if (facts->status.tgid != pid) {
		buf__printf(why, "%u is a thread of process %u: use --pid %u", pid,
			    facts->status.tgid, facts->status.tgid);
		return -EINVAL;
	}
	if (facts->stat.flags & PF_KTHREAD)
		return refuse(why, pid,
			      "is a kernel thread, which serves no requests of its own: "
			      "name the process whose requests you look for");
	if (facts->stat.state == 'Z' || facts->stat.state == 'X' || facts->stat.state == 'x')
		return refuse(why, pid,
			      "has ended and waits for its parent (a zombie): "
			      "name a running process");
	if (pid == (uint32_t)getpid())
		return refuse(why, pid, "is spanprobe itself: name the process to trace");
	return 0;
}

static int read_all(struct facts *facts, struct buf *why)
{
	uint32_t pid = facts->pid;
	int err = proc__stat(pid, &facts->stat);

	if (!err)
		err = proc__status(pid, &facts->status);
	if (!err)
		err = check_kind(facts, why);
	if (!err)
		err = read_links(facts);
	if (!err)
		err = soft(proc__read(pid, "cmdline", &facts->cmdline, PROC_READ_MAX));
	if (!err)
		err = soft(proc__read(pid, "environ", &facts->environ, PROC_READ_MAX));
	if (!err)
		err = soft(proc__read(pid, "cgroup", &facts->cgroup, PROC_READ_MAX));
	if (err)
		return err;

	/* another process may have got the pid while we read: what we have would be a mixture */
	struct proc_stat again;

	err = proc__stat(pid, &again);
	if (!err && (again.start_ticks != facts->stat.start_ticks || again.state == 'Z'))
		err = -ESRCH;
	return err;
}

int facts__read(uint32_t pid, struct facts *ret, struct buf *why)
{
	memset(ret, 0, sizeof(*ret));
	ret->pid = pid;
	int err = read_all(ret, why);

	if (err == -ESRCH || err == -ENOENT) {
		err = -ESRCH;
		buf__printf(why, "no such process %u: see `ps -e` for those that run", pid);
	}
	if (err) {
		facts__release(ret);
		return err;
	}
	split_args(ret);
	return 0;
}

void facts__release(struct facts *facts)
{
	buf__release(&facts->cmdline);
	buf__release(&facts->environ);
	buf__release(&facts->cgroup);
}
