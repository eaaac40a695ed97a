/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Messages to the user on standard error. Only the edge logs (main, pipeline, export's outcome);
 * library units return negative errno and stay silent above debug.
 */
#ifndef SPANPROBE_LOG_H
#define SPANPROBE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern enum log_level log_level; /* messages above it are not written; default LOG_INFO */

/* 0, or -EINVAL for a name that is not error, warn, info or debug (any case) */
int log_level__parse(const char *name, enum log_level *ret_level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_level >= LOG_DEBUG)                                                        \
			log_write(LOG_DEBUG, __VA_ARGS__);                                         \
	} while (0)

#endif
