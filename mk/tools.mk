# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Small programs for tests: build/tools/NAME from tools/NAME.c

TOOL_BIN := $(patsubst %.c,$(B)/%,$(wildcard tools/*.c))

.PHONY: tools
tools: $(TOOL_BIN) ## the test tools, build/tools/*

$(B)/tools/%: tools/%.c $(LIB)
	@mkdir -p $(@D)
	$(call msg,CC TOOL,$<)
	$(Q)$(CC) $(CFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $< $(LIB) $(LDLIBS) -lpthread -o $@
