// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export/out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

int out__open(const char *path, struct out *ret)
{
	struct out out = { .fd = STDOUT_FILENO };
	struct stat st;

	if (strcmp(path, "-") != 0) {
		out.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
		out.owned = true;
	}
	if (out.fd < 0)
		return -errno; /* cppcheck-suppress memleak; nothing is open */
	if (fstat(out.fd, &st)) {
		int err = -errno;

		out__release(&out);
		return err;
	}
	out.waits = !S_ISREG(st.st_mode);
	*ret = out;
	return 0;
}

void out__begin(struct out *out)
{
	buf__clear(&out->pending);
	out->at = 0;
	if (out->cut)
		buf__puts(&out->pending, "\n");
	out->cut = false;
}

/* O_NONBLOCK on standard output would change it for every process that shares it: ask first, and
 * write no more than a pipe that answers "yes" takes for sure. */
static bool would_block(const struct out *out)
{
	struct pollfd pfd = { .fd = out->fd, .events = POLLOUT };

	return out->waits && poll(&pfd, 1, 0) <= 0;
}

/* A reader that went away must be an error here, not a signal that ends the agent. */
static ssize_t write_quietly(int fd, const char *p, size_t n)
{
	static const struct timespec now = { 0 };
	sigset_t pipe_signal, old, waiting;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigpending(&waiting);
	bool was_waiting = sigismember(&waiting, SIGPIPE);

	sigprocmask(SIG_BLOCK, &pipe_signal, &old);
	ssize_t done = write(fd, p, n);
	int err = errno;

	if (done < 0 && err == EPIPE && !was_waiting)
		sigtimedwait(&pipe_signal, NULL, &now);
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return done;
}

int out__push(struct out *out)
{
	struct buf *pending = &out->pending;

	while (out->at < pending->n) {
		size_t n = pending->n - out->at;

		if (would_block(out))
			return -EAGAIN;
		if (out->waits && n > PIPE_BUF)
			n = PIPE_BUF;
		ssize_t done = write_quietly(out->fd, pending->p + out->at, n);

		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			return -EAGAIN;
		if (done < 0) {
			out->cut = out->at > 0;
			out->at = pending->n = 0;
			return -errno;
		}
		out->at += (size_t)done;
	}
	out->at = 0;
	buf__clear(pending);
	return 0;
}

void out__release(struct out *out)
{
	if (out->owned && out->fd >= 0)
		close(out->fd);
	buf__release(&out->pending);
	*out = (struct out){ .fd = -1 };
}
