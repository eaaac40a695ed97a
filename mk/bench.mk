# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Measurements (root, an otherwise idle machine): the tables of docs/performance.md.

.PHONY: bench
bench: all $(B)/tests/bench/threads $(B)/tests/live/epoll_server $(B)/tests/live/http_load $(B)/tools/otlp_sink ## measures; writes docs/performance.md (root)
	$(Q)B=$(B) python3 -B tests/bench/bench.py $(BENCH)

$(B)/tests/bench/threads: tests/bench/threads.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -pthread $< -o $@
