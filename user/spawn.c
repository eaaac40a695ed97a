// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: nothing of the agent may stay. The gate is close-on-exec: its end says success. */
static void run_child(char **argv, int gate)
{
	static const int reset[] = { SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD };
	sigset_t none;
	char go;
	int err;

	sigemptyset(&none);
	for (size_t i = 0; i < sizeof(reset) / sizeof(*reset); i++)
		signal(reset[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(gate, &go, 1) != 1)
		_exit(1); /* the agent is gone before it was ready */
	execvp(argv[0], argv);
	err = errno;
	(void)!write(gate, &err, sizeof(err));
	_exit(err == ENOENT ? 127 : 126);
}

int spawn__start(char **argv, struct spawn *ret, struct buf *why)
{
	int gate[2], err;

	memset(ret, 0, sizeof(*ret));
	/* no stream: those of the child are traced */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) != 0) {
		err = -errno;
		goto failed;
	}
	pid_t pid = fork();

	if (pid == 0) {
		close(gate[0]);
		run_child(argv, gate[1]);
	}
	err = -errno;
	close(gate[1]);
	if (pid < 0) {
		close(gate[0]);
		goto failed;
	}
	*ret = (struct spawn){ .pid = pid, .gate = gate[0] };
	return 0;
failed:
	buf__printf(why, "-- %s: cannot start it: %s; free some memory or processes", argv[0],
		    strerror(-err));
	return err;
}

int spawn__release(struct spawn *spawn)
{
	int err = 0;
	ssize_t n;

	if (send(spawn->gate, "g", 1, MSG_NOSIGNAL) != 1)
		err = errno;
	do {
		n = read(spawn->gate, &err, sizeof(err));
	} while (n < 0 && errno == EINTR);
	close(spawn->gate);
	spawn->gate = -1;
	if (err) {
		spawn->ended = true;
		spawn->exit_code = err == ENOENT ? 127 : 126;
		waitpid(spawn->pid, NULL, 0);
	}
	return -err;
}

bool spawn__poll(struct spawn *spawn)
{
	int status;

	if (!spawn->pid || spawn->ended)
		return spawn->ended;
	if (waitpid(spawn->pid, &status, WNOHANG) == spawn->pid) {
		spawn->ended = true;
		spawn->exit_code =
			WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return spawn->ended;
}

void spawn__signal(const struct spawn *spawn, int number)
{
	if (spawn->pid && !spawn->ended)
		kill(spawn->pid, number);
}

void spawn__abandon(struct spawn *spawn)
{
	if (!spawn->pid || spawn->gate < 0)
		return;
	close(spawn->gate);
	spawn->gate = -1;
	waitpid(spawn->pid, NULL, 0);
	spawn->ended = true;
}
