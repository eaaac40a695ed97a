# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Tests. `make test T=live/nginx` runs one of them or one folder; tests/run.py --list names them.

WORKLOADS := $(patsubst tests/live/workloads/%.c,$(B)/tests/live/%,\
	$(filter-out %/uring_server.c,$(wildcard tests/live/workloads/*.c)))

$(B)/tests/live/%: tests/live/workloads/%.c
	@mkdir -p $(@D)
	$(call msg,CC,$<)
	$(Q)$(CC) -O2 -g $(CSTD) $(WARN) -MMD -MP -MF $@.d $< -o $@

# Programs that only some machines can build: a test that needs one is skipped by name.
$(B)/tests/live/uring_server: tests/live/workloads/uring_server.c
	@mkdir -p $(@D)
	$(call msg,CC,$<)
	$(Q)! $(PKG_CONFIG) --exists liburing || \
		$(CC) -O2 -g $(CSTD) $(WARN) $$($(PKG_CONFIG) --cflags liburing) $< \
		$$($(PKG_CONFIG) --libs liburing) -o $@

$(B)/tests/live/goserver: tests/live/workloads/goserver.go
	@mkdir -p $(@D)
	$(call msg,GO,$<)
	$(Q)! command -v go >/dev/null || CGO_ENABLED=0 GO111MODULE=off GOFLAGS= go build -o $@ $< || \
		echo "tests: no Go server" >&2

$(B)/venv/bin/gunicorn: tests/live/requirements.txt
	$(call msg,VENV,$(B)/venv)
	$(Q)python3 -m venv $(B)/venv && $(B)/venv/bin/python3 -m pip install -q -r $< || \
		{ rm -rf $(B)/venv; echo "tests: no packages from PyPI" >&2; }

$(B)/jaeger: tests/jaeger/go.sum
	$(call msg,GO,jaeger)
	$(Q)command -v go >/dev/null || { echo "jaeger: Go >= 1.21 is needed to build it" >&2; exit 1; }
	$(Q)cd tests/jaeger && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w" \
		-o $(abspath $@) github.com/jaegertracing/jaeger/cmd/jaeger

.PHONY: jaeger
jaeger: $(B)/jaeger ## real Jaeger, build/jaeger (needs Go >= 1.21)

.PHONY: truth-programs
truth-programs:
	$(Q)B=$(B) python3 -B tests/truth/build.py

.PHONY: test-programs
test-programs: truth-programs $(WORKLOADS) $(B)/tests/live/uring_server $(B)/tests/live/goserver $(B)/venv/bin/gunicorn
	$(Q)$(MAKE) --no-print-directory jaeger || echo "tests: without Jaeger" >&2

.PHONY: vm-kernels
vm-kernels:
	$(Q)tests/vm/kernels.sh $(B)/vm

KERNEL_TESTS := $(addprefix $(B)/,tests/bpf/test_bpf tests/layout/test_layout \
	tests/layout/layout.bpf.o tools/verifier_cost)

.PHONY: test-build
test-build: all $(UNIT_BIN) $(KERNEL_TESTS) test-programs vm-kernels
	$(Q)! ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 || \
		$(MAKE) --no-print-directory $(FUZZ_BIN)

# make is started anew after the packages are there: it asks pkg-config and clang when it reads
.PHONY: test
test: ## installs what the tests need, builds, runs all tests (as root; T=NAME for one)
	$(Q)tools/deps.sh build demo tests truth
	$(Q)$(MAKE) --no-print-directory -j2 test-build
	$(Q)B=$(B) python3 -B tests/run.py $(T)

.PHONY: truth
truth: all truth-programs $(B)/tests/live/http_load ## whose call was it? right, wrong and missing parents (root; T=NAME: some, else docs/)
	$(Q)B=$(B) python3 -B tests/truth/truth.py $(if $(T),,--write) $(T)
