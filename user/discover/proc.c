// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "discover/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *proc_root = "";

/* A process that ends makes /proc answer ENOENT or ESRCH, by the moment of its end. */
static int gone(int error)
{
	return error == ENOENT ? -ESRCH : -error;
}

static int read_fd(int fd, struct buf *out, size_t max)
{
	buf__clear(out);
	while (out->n < max) {
		size_t want = max - out->n < 16384 ? max - out->n : 16384;
		void *to = buf__reserve(out, want);

		if (!to)
			return -ENOMEM;
		ssize_t n = read(fd, to, want);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		out->n += (size_t)n;
	}
	return 0;
}

int proc__read_path(const char *path, struct buf *out, size_t max)
{
	char full[PROC_PATH_MAX];
	int n = snprintf(full, sizeof(full), "%s%s", proc_root, path);

	buf__clear(out);
	if (n < 0 || (size_t)n >= sizeof(full))
		return -ENAMETOOLONG;
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int err = read_fd(fd, out, max);

	close(fd);
	return err;
}

int proc__open(uint32_t pid, const char *name, int flags)
{
	char path[PROC_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/proc/%u/%s", proc_root, pid, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	/* cppcheck-suppress resourceLeak; it is returned */
	return fd < 0 ? gone(errno) : fd;
}

int proc__read(uint32_t pid, const char *name, struct buf *out, size_t max)
{
	buf__clear(out);
	int fd = proc__open(pid, name, O_RDONLY);

	if (fd < 0)
		return fd;
	int err = read_fd(fd, out, max);

	close(fd);
	return err;
}

ssize_t proc__link(uint32_t pid, const char *name, char *ret, size_t size)
{
	char path[PROC_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/proc/%u/%s", proc_root, pid, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	ssize_t len = readlink(path, ret, size - 1);

	if (len < 0)
		return gone(errno);
	ret[len] = '\0';
	return len;
}

int proc__read_inside(uint32_t pid, const char *path, struct buf *out, size_t max)
{
	buf__clear(out);
	int root = proc__open(pid, "root", O_PATH | O_DIRECTORY);

	if (root < 0)
		return root;

	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	int err = fd < 0 ? -errno : 0;
	struct stat st;

	close(root);
	if (err)
		return err;
	if (fstat(fd, &st) != 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else
		err = read_fd(fd, out, max);
	close(fd);
	return err;
}

bool proc__cut(struct slice *rest, char stop, struct slice *ret)
{
	if (rest->n == 0)
		return false;
	const char *end = memchr(rest->p, stop, rest->n);
	size_t n = end ? (size_t)(end - rest->p) : rest->n;

	*ret = slice(rest->p, n);
	*rest = slice_from(*rest, end ? n + 1 : n);
	return true;
}

bool proc__number(struct slice text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.n == 0 || text.n > 20)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned int digit = (unsigned int)text.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

/* "PID (COMM) STATE PPID ...": COMM may hold anything, also ") R 1", so the last ')' ends it. */
int proc__parse_stat(struct slice text, struct proc_stat *ret)
{
	const char *open = memchr(text.p, '(', text.n);
	const char *close = text.n ? memrchr(text.p, ')', text.n) : NULL;

	if (!open || !close || close < open)
		return -EINVAL;
	struct proc_stat stat = { 0 };
	size_t n = (size_t)(close - open) - 1;

	if (n > sizeof(stat.comm) - 1)
		n = sizeof(stat.comm) - 1;
	memcpy(stat.comm, open + 1, n);

	struct slice rest = slice_from(text, (size_t)(close - text.p) + 1);
	struct slice field;
	int index = 2;

	if (rest.n == 0 || rest.p[0] != ' ')
		return -EINVAL;
	rest = slice_from(rest, 1);
	while (index < 22 && proc__cut(&rest, ' ', &field)) {
		uint64_t value = 0;

		index++;
		if (index == 3)
			stat.state = field.n == 1 ? field.p[0] : '?';
		else if ((index == 4 || index == 9 || index == 22) && !proc__number(field, &value))
			return -EINVAL;
		if (index == 4)
			stat.ppid = (uint32_t)value;
		else if (index == 9)
			stat.flags = (uint32_t)value;
		else if (index == 22)
			stat.start_ticks = value;
	}
	if (index < 22)
		return -EINVAL;
	*ret = stat;
	return 0;
}

int proc__stat(uint32_t pid, struct proc_stat *ret)
{
	struct buf text = { 0 };
	int err = proc__read(pid, "stat", &text, PROC_READ_MAX);

	if (!err)
		err = text.n ? proc__parse_stat(slice(text.p, text.n), ret) : -ESRCH;
	buf__release(&text);
	return err;
}

/* The index-th number (-1: the last one) of a line of blank-separated numbers. */
static uint64_t nth_number(struct slice line, int index)
{
	struct slice word;
	uint64_t value = 0, last = 0;

	for (int i = 0; line.n;) {
		while (line.n && (*line.p == ' ' || *line.p == '\t'))
			line = slice_from(line, 1);
		size_t n = 0;

		while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
			n++;
		word = slice(line.p, n);
		line = slice_from(line, n);
		if (!proc__number(word, &value))
			break;
		last = value;
		if (i++ == index)
			break;
	}
	return last;
}

int proc__status(uint32_t pid, struct proc_status *ret)
{
	struct buf text = { 0 };
	int err = proc__read(pid, "status", &text, PROC_READ_MAX);
	struct slice rest = slice(text.p, text.n), line;
	struct proc_status status = { 0 };

	if (err)
		goto out;
	/* the first line is "Name:", in which the kernel escapes newlines: no line can be faked */
	while (proc__cut(&rest, '\n', &line)) {
		if (slice_starts(line, SLICE("Tgid:")))
			status.tgid = (uint32_t)nth_number(slice_from(line, 5), 0);
		else if (slice_starts(line, SLICE("Uid:")))
			status.uid = (uint32_t)nth_number(slice_from(line, 4), 0);
		else if (slice_starts(line, SLICE("NSpid:")))
			status.vpid = (uint32_t)nth_number(slice_from(line, 6), -1);
	}
	if (status.tgid == 0)
		err = -ESRCH;
	else
		*ret = status;
out:
	buf__release(&text);
	return err;
}

int proc__each(bool (*visit)(void *ctx, uint32_t pid), void *ctx)
{
	char path[PROC_PATH_MAX];

	snprintf(path, sizeof(path), "%s/proc", proc_root);
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	for (struct dirent *entry; (entry = readdir(dir));) {
		uint64_t pid;

		if (!proc__number(slice_of(entry->d_name), &pid) || pid == 0 || pid > UINT32_MAX)
			continue;
		if (!visit(ctx, (uint32_t)pid))
			break;
	}
	closedir(dir);
	return 0;
}
