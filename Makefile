# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# spanprobe. `make help` lists the targets; V=1 shows the commands; B= is the build folder.

B           ?= build
PREFIX      ?= /usr/local
CC          ?= gcc
CLANG       ?= clang
BPFTOOL     ?= bpftool
PROTOC_C    ?= protoc-c
PKG_CONFIG  ?= pkg-config
VERSION     := 0.1.0

ifeq ($(V),1)
Q =
msg =
else
Q = @
msg = @printf '  %-8s %s\n' "$(1)" "$(2)";
endif

ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

LIBS      := libbpf libelf libdw zlib liblzma libprotobuf-c libcurl yaml-0.1 uuid
LIB_FLAGS  = $(shell $(PKG_CONFIG) --cflags $(LIBS))
LDLIBS     = $(shell $(PKG_CONFIG) --libs $(LIBS)) -lZydis

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings \
	-Wpointer-arith -Wshadow -Wno-unused-parameter
CFLAGS   ?= -O2 -g
CSTD     := -std=gnu11 -D_GNU_SOURCE -DSPANPROBE_VERSION='"$(VERSION)"'
# -iquote: <features.h> and the like stay the system's
INCLUDES := -iquote include -iquote user -I$(B)/gen
ALL_CFLAGS = $(CSTD) $(WARN) $(INCLUDES) $(LIB_FLAGS) -fno-omit-frame-pointer

SAN := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_SAN := $(SAN) -fsanitize=fuzzer-no-link

PROTO_SRC := $(wildcard user/export/otlp/*.proto)
PROTO_C   := $(PROTO_SRC:user/export/otlp/%.proto=$(B)/gen/%.pb-c.c)
PROTO_OBJ := $(PROTO_C:.c=.o)

USER_SRC  := $(shell find user -name '*.c' | LC_ALL=C sort)
LIB_SRC   := $(filter-out user/main.c,$(USER_SRC))
LIB_OBJ   := $(LIB_SRC:%.c=$(B)/obj/%.o)
MAIN_OBJ  := $(B)/obj/user/main.o
ASAN_OBJ  := $(LIB_SRC:%.c=$(B)/asan/%.o) $(PROTO_C:$(B)/gen/%.c=$(B)/asan/gen/%.o)
LIB       := $(B)/libspanprobe.a
ASAN_LIB  := $(B)/libspanprobe-asan.a
FUZZ_OBJ  := $(ASAN_OBJ:$(B)/asan/%=$(B)/fuzz/%)
FUZZ_LIB  := $(B)/libspanprobe-fuzz.a

BPF_SRC   := $(wildcard bpf/*.bpf.c)
BPF_OBJ   := $(BPF_SRC:%.bpf.c=$(B)/%.bpf.o)
SKELETON  := $(B)/gen/spanprobe.skel.h

UNIT_SRC  := $(wildcard tests/unit/test_*.c)
UNIT_BIN  := $(UNIT_SRC:%.c=$(B)/%)
FUZZ_SRC  := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN  := $(FUZZ_SRC:%.c=$(B)/%)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all: $(B)/spanprobe ## the program, build/spanprobe

# --- BPF ------------------------------------------------------------------------------------

BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -iquote include -iquote bpf \
	-Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-declarations -Wno-address-of-packed-member

$(B)/bpf/%.bpf.o: bpf/%.bpf.c | tools-present
	@mkdir -p $(@D)
	$(call msg,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(B)/bpf/spanprobe.linked.o: $(BPF_OBJ)
	$(call msg,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(B)/bpf/spanprobe.linked.o
	@mkdir -p $(@D)
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name spanprobe_bpf > $@

# --- user space -----------------------------------------------------------------------------

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: user/export/otlp/%.proto | tools-present
	@mkdir -p $(@D)
	$(call msg,PROTOC,$<)
	$(Q)$(PROTOC_C) --proto_path=user/export/otlp --c_out=$(B)/gen $(notdir $<)

GENERATED := $(if $(BPF_SRC),$(SKELETON)) $(PROTO_C)

$(B)/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(call msg,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/gen/%.o: $(B)/gen/%.c
	$(call msg,CC,$<)
	$(Q)$(CC) $(CFLAGS) -I$(B)/gen -c $< -o $@

$(B)/asan/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -I$(B)/gen -c $< -o $@

$(B)/asan/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(call msg,CC ASAN,$<)
	$(Q)$(CC) $(SAN) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(LIB): $(LIB_OBJ) $(PROTO_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(ASAN_LIB): $(ASAN_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/spanprobe: $(MAIN_OBJ) $(LIB)
	$(call msg,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(MAIN_OBJ) $(LIB) $(LDLIBS) -o $@

# --- unit tests and fuzzing -------------------------------------------------------------------

$(B)/tests/unit/%: tests/unit/%.c $(ASAN_LIB)
	@mkdir -p $(@D)
	$(call msg,CC TEST,$<)
	$(Q)$(CC) $(SAN) $(ALL_CFLAGS) -iquote tests/stub -iquote bpf -MMD -MP -MF $@.d $< $(ASAN_LIB) $(LDLIBS) -lcmocka -o $@

.PHONY: unit
unit: $(UNIT_BIN) ## unit tests only (no root needed)
	$(Q)for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done

$(B)/fuzz/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(call msg,CC FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_SAN) $(CSTD) $(INCLUDES) $(LIB_FLAGS) -MMD -MP -c $< -o $@

$(B)/fuzz/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_SAN) -I$(B)/gen -c $< -o $@

$(FUZZ_LIB): $(FUZZ_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# a harness may include the unit that it is for: the archive is only asked for the rest
$(B)/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_LIB)
	@mkdir -p $(@D)
	$(call msg,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_SAN) -fsanitize=fuzzer $(CSTD) $(INCLUDES) $(LIB_FLAGS) -MMD -MP -MF $@.d $< $(FUZZ_LIB) $(LDLIBS) -o $@

FUZZ_SECONDS ?= 30
.PHONY: fuzz
fuzz: $(FUZZ_BIN) ## every fuzz harness for FUZZ_SECONDS (30)
	$(Q)for f in $(FUZZ_BIN); do n=$$(basename $$f); mkdir -p $(B)/corpus/$$n; \
		echo "== $$n"; $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 \
		-print_final_stats=1 -artifact_prefix=$(B)/tests/fuzz/ $(B)/corpus/$$n \
		$$(ls -d tests/fuzz/corpus/$${n#fuzz_} 2>/dev/null) || exit 1; done

# --- the rest -----------------------------------------------------------------------------------

.PHONY: tools-present
tools-present:
	@command -v $(CLANG) >/dev/null && command -v $(BPFTOOL) >/dev/null && command -v $(PROTOC_C) >/dev/null || \
		{ echo "clang, bpftool or protoc-c is missing: run 'sudo make deps' first" >&2; exit 1; }

-include mk/*.mk

.PHONY: clean
clean: ## removes the build folder
	$(Q)rm -rf $(B)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
