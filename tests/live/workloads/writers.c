// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * writers PORT N: four processes write N requests each on one connection, in turn; a fifth one reads
 * the answers, of 40 bytes each. Prints the truth: a call is whose who wrote it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS	     4
#define ANSWER_BYTES 40

static void check(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

/* Whoever has the token writes. */
static void write_all(int fd, int token[2], int me, int n)
{
	char request[200], c;

	for (int i = 0; i < n; i++) {
		int size = sprintf(request, "GET /w/hand-%d-%d HTTP/1.1\r\nHost: x\r\n\r\n", me, i);

		check(read(token[0], &c, 1) == 1, "token");
		check(send(fd, request, size, 0) == size, "send");
		check(write(token[1], &c, 1) == 1, "token");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int token[2], fd = socket(AF_INET, SOCK_STREAM, 0), n;
	pid_t pids[WRITERS];
	char bytes[4096];
	ssize_t got;

	if (argc != 3)
		return 2;
	to.sin_port = htons(atoi(argv[1]));
	n = atoi(argv[2]);
	check(!connect(fd, (struct sockaddr *)&to, sizeof(to)) && !pipe(token), "connect");
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		check(pids[i] >= 0, "fork");
		if (!pids[i]) {
			write_all(fd, token, i, n);
			_exit(0);
		}
	}
	check(write(token[1], "t", 1) == 1, "token");
	for (long left = (long)WRITERS * n * ANSWER_BYTES; left; left -= got) {
		got = read(fd, bytes, sizeof(bytes));
		check(got > 0, "read");
	}
	for (int i = 0; i < WRITERS; i++) {
		waitpid(pids[i], NULL, 0);
		for (int j = 0; j < n; j++)
			printf("{\"side\": \"client\", \"id\": \"hand-%d-%d\", \"pid\": %d, "
			       "\"method\": \"GET\", \"req\": 0, \"resp\": 2, \"status\": 200}\n",
			       i, j, (int)pids[i]);
	}
	return 0;
}
