// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An HTTP/1.1 server, a thread per connection, whose bytes move in ways that a tracer finds hard:
 *   ways PORT MODE
 *     zerocopy  answers by MSG_ZEROCOPY          sendfile  answer bodies from a file
 *     splice    request bodies into a pipe       mapped    answer bodies from a mapped file
 *     mmsg      head and body of an answer as two messages of one sendmmsg
 *     trunc     request bodies thrown away by MSG_TRUNC
 * Answers ?size=N bytes and prints the truth of every /w/<id>.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define BODY_MAX (1 << 20)

struct request {
	char method[16], id[128];
	size_t body, answer;
};

static const char *mode;
static int file;
static const char *mapped;

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static void parse(const char *head, struct request *request)
{
	const char *length = strcasestr(head, "\r\nContent-Length:");
	const char *path = strchr(head, ' ') + 1, *size = strstr(path, "size=");

	snprintf(request->method, sizeof(request->method), "%.*s", (int)(path - 1 - head), head);
	snprintf(request->id, sizeof(request->id), "%.*s", (int)strcspn(path + 3, "/? "), path + 3);
	request->body = length ? strtoull(length + 17, NULL, 10) : 0;
	request->answer = size && size < strchr(path, '\r') ? strtoull(size + 5, NULL, 10) : 2;
}

/* --- the body of a request ----------------------------------------------------------------- */

static ssize_t take_some(int fd, size_t left, int pipes[2])
{
	char bytes[65536];
	ssize_t n;

	if (is("trunc"))
		return recv(fd, bytes, left, MSG_TRUNC);
	if (!is("splice"))
		return read(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
	n = splice(fd, NULL, pipes[1], NULL, left, 0);
	for (ssize_t out = 0; out < n;)
		out += read(pipes[0], bytes, sizeof(bytes));
	return n;
}

/* --- the answer ---------------------------------------------------------------------------- */

/* The kernel tells of every send when it has let go of the pages. */
static void send_zerocopy(int fd, const char *bytes, size_t n)
{
	struct msghdr message = { 0 };
	char control[128];

	for (size_t done = 0; done < n;) {
		ssize_t sent = send(fd, bytes + done, n - done, MSG_ZEROCOPY);

		check(sent > 0, "send");
		done += sent;
		do {
			message.msg_control = control;
			message.msg_controllen = sizeof(control);
		} while (recvmsg(fd, &message, MSG_ERRQUEUE) < 0 && errno == EAGAIN &&
			 usleep(100) == 0);
	}
}

static void send_mmsg(int fd, const char *head, size_t n, const char *body, size_t body_n)
{
	struct iovec iov[] = { { (void *)head, n }, { (void *)body, body_n } };
	struct mmsghdr messages[] = { { .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
				      { .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } } };

	check(sendmmsg(fd, messages, 2, 0) == 2, "sendmmsg");
}

static void answer(int fd, size_t size)
{
	static _Thread_local char out[BODY_MAX + 200];
	int n = sprintf(out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	struct iovec iov[] = { { out, n }, { (void *)mapped, size } };
	off_t from = 0;

	if (is("sendfile")) {
		check(send(fd, out, n, MSG_MORE) == n, "send");
		while (from < (off_t)size)
			check(sendfile(fd, file, &from, size - from) > 0, "sendfile");
		return;
	}
	if (is("mapped")) {
		check(writev(fd, iov, 2) == (ssize_t)(n + size), "writev");
		return;
	}
	memset(out + n, 'x', size);
	if (is("zerocopy"))
		send_zerocopy(fd, out, n + size);
	else if (is("mmsg"))
		send_mmsg(fd, out, n, out + n, size);
	else
		check(write(fd, out, n + size) == (ssize_t)(n + size), "write");
}

/* --- connections --------------------------------------------------------------------------- */

static void serve(int fd, const struct request *request, size_t have, int pipes[2])
{
	char line[512];
	int n;

	for (size_t left = request->body - have; left;) {
		ssize_t some = take_some(fd, left, pipes);

		check(some > 0, "body");
		left -= some;
	}
	answer(fd, request->answer);
	n = snprintf(line, sizeof(line),
		     "{\"side\": \"server\", \"id\": \"%s\", \"pid\": %d, \"method\": \"%s\", "
		     "\"req\": %zu, \"resp\": %zu, \"status\": 200}\n",
		     request->id, (int)getpid(), request->method, request->body, request->answer);
	check(write(1, line, n) == n, "truth");
}

/* A request at a time: what is sent waits for its answer. */
static void *talk(void *arg)
{
	int fd = (int)(intptr_t)arg, pipes[2];
	char head[HEAD_MAX + 1];
	size_t have = 0;
	ssize_t n;

	check(!pipe(pipes), "pipe");
	while ((n = read(fd, head + have, HEAD_MAX - have)) > 0) {
		struct request request;
		char *end;

		have += n;
		head[have] = 0;
		end = strstr(head, "\r\n\r\n");
		if (!end)
			continue;
		parse(head, &request);
		serve(fd, &request, have - (end + 4 - head), pipes);
		have = 0;
	}
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	char path[] = "/tmp/spanprobe-ways-XXXXXX";
	int listener, one = 1;

	if (argc != 3)
		return 2;
	mode = argv[2];
	signal(SIGPIPE, SIG_IGN);
	file = mkstemp(path);
	check(file >= 0 && !unlink(path) && !ftruncate(file, BODY_MAX), "file");
	mapped = mmap(NULL, BODY_MAX, PROT_READ, MAP_SHARED, file, 0);
	check(mapped != MAP_FAILED, "mmap");
	in.sin_port = htons(atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	check(!bind(listener, (struct sockaddr *)&in, sizeof(in)) && !listen(listener, 128),
	      "listen");
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		check(fd >= 0, "accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (is("zerocopy"))
			check(!setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)),
			      "SO_ZEROCOPY");
		check(!pthread_create(&thread, NULL, talk, (void *)(intptr_t)fd), "thread");
		pthread_detach(thread);
	}
}
