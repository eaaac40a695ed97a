# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# Form and static analysis. Each target can be called alone; `make lint` is all of them.

CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-14 clang-format) clang-format)
CLANG_TIDY   ?= $(firstword $(shell command -v clang-tidy-14 clang-tidy) clang-tidy)

FORMATTED := $(shell find include user bpf tests tools -name '*.[ch]' -not -name core.h 2>/dev/null | LC_ALL=C sort)
TIDIED    := $(USER_SRC) $(wildcard tools/*.c)
SHELLS    := $(shell grep -rlE '^\#!.*\b(ba)?sh\b' .ci tools tests packaging --include='*' 2>/dev/null | LC_ALL=C sort)
PYTHONS   := $(shell find tests tools -name '*.py' | LC_ALL=C sort)
MAN_PAGES := $(shell find docs packaging -name '*.[1-8]' 2>/dev/null)

.PHONY: format
format: ## clang-format over all C
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)

.PHONY: check-format
check-format: ## says what clang-format would change
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED)

.PHONY: lint-cppcheck
lint-cppcheck: | $(GENERATED)
	$(Q)cppcheck -q -j2 --enable=warning,portability,performance --std=c11 --error-exitcode=1 \
		--inline-suppr --suppress=missingIncludeSystem --suppress=uninitvar --suppress=readdirCalled --suppress=unknownMacro \
		--suppress=preprocessorErrorDirective --suppress='*:$(B)/*' --max-configs=4 \
		--library=posix -D_GNU_SOURCE -D__x86_64__ -Iinclude -Iuser user tools

TIDY_STAMP := $(TIDIED:%.c=$(B)/tidy/%.ok)
$(B)/tidy/%.ok: %.c .clang-tidy | $(GENERATED)
	@mkdir -p $(@D)
	$(call msg,TIDY,$<)
	$(Q)$(CLANG_TIDY) --quiet $< -- $(ALL_CFLAGS) >$(@:.ok=.log) 2>&1 || { cat $(@:.ok=.log); exit 1; }
	@touch $@

.PHONY: lint-tidy
lint-tidy: $(TIDY_STAMP)

.PHONY: lint-shell
lint-shell:
	$(Q)shellcheck -x -S warning $(SHELLS) $(wildcard packaging/*.bash-completion)

.PHONY: lint-python
lint-python:
	$(Q)python3 -c 'import ast, sys; [ast.parse(open(p).read(), p) for p in sys.argv[1:]]' $(PYTHONS)

.PHONY: lint-spelling
lint-spelling:
	$(Q)codespell -q 3 -L ans,te,ser,nd,fo,hist,rouge,unx,bu,ot,parms,crate,smove \
		--skip '*/corpus,*.talk,tests/jaeger/go.*,*.spr,*.jsonl' \
		README.md CONTRIBUTING.md docs include user bpf tools tests mk Makefile packaging .ci 2>/dev/null

.PHONY: lint-man
lint-man:
	$(Q)for m in $(MAN_PAGES); do mandoc -T lint -W warning $$m || exit 1; done

.PHONY: lint-commits
lint-commits:
	$(Q)tools/check_commits.sh

# both compilers, optimised and with every warning an error, beside the build that tests use
.PHONY: lint-compilers
lint-compilers:
	$(Q)$(MAKE) --no-print-directory B=$(B) all
	$(Q)$(MAKE) --no-print-directory B=$(B)/clang CC=$(CLANG) all

.PHONY: lint
lint: ## format, compilers, cppcheck, clang-tidy, shellcheck, codespell, man page, commits
	$(Q)$(MAKE) --no-print-directory check-format
	$(Q)$(MAKE) --no-print-directory lint-commits lint-shell lint-python lint-spelling lint-man
	$(Q)$(MAKE) --no-print-directory lint-compilers
	$(Q)$(MAKE) --no-print-directory lint-cppcheck lint-tidy
	@echo "lint: clean"
