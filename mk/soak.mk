# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# A steady load for a long time (root). SOAK_SECONDS, SOAK_RATE, SOAK_WARM; SOAK=--no-write for a trial.

SOAK_SECONDS ?= 1800
SOAK_RATE    ?= 5000
SOAK_WARM    ?= 120

.PHONY: soak
soak: all $(B)/tests/live/epoll_server $(B)/tests/live/http_load $(B)/tools/otlp_sink ## half an hour of load: does the agent stay as it is? writes docs/soak.md (root)
	$(Q)B=$(B) python3 -B tests/soak/soak.py --seconds $(SOAK_SECONDS) --rate $(SOAK_RATE) --warm $(SOAK_WARM) $(SOAK)
