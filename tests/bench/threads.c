// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * threads SECONDS [idle]: a busy program: four threads take small tasks from a queue, four others put
 * them in and wait for each. Prints how many were done and the CPU of each, ns. idle: nobody asks.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SIDE 4

struct task {
	struct task *next;
	pthread_cond_t done;
	int is_done;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t there_is = PTHREAD_COND_INITIALIZER;
static struct task *queue;
static unsigned long count;
static volatile int stop;

static void work(void)
{
	for (volatile int i = 0; i < 20000; i++)
		;
}

static void *worker(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct task *task = queue;

		if (!task) {
			pthread_cond_wait(&there_is, &lock);
			continue;
		}
		queue = task->next;
		pthread_mutex_unlock(&lock);
		work();
		pthread_mutex_lock(&lock);
		count++;
		task->is_done = 1;
		pthread_cond_signal(&task->done);
	}
	return NULL;
}

static void *asker(void *arg)
{
	struct task task;

	pthread_cond_init(&task.done, NULL);
	while (!stop) {
		pthread_mutex_lock(&lock);
		task.is_done = 0;
		task.next = queue;
		queue = &task;
		pthread_cond_signal(&there_is);
		while (!task.is_done)
			pthread_cond_wait(&task.done, &lock);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2 * SIDE];
	struct timespec cpu;

	for (int i = 0; i < SIDE; i++) {
		if (argc < 3)
			pthread_create(&threads[i], NULL, asker, NULL);
		pthread_create(&threads[SIDE + i], NULL, worker, NULL);
	}
	sleep(argc > 1 ? (unsigned int)atoi(argv[1]) : 1);
	stop = 1;
	for (int i = 0; argc < 3 && i < SIDE; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("%lu %.0f\n", count,
	       (cpu.tv_sec * 1e9 + (double)cpu.tv_nsec) / (double)(count ? count : 1));
	return 0;
}
