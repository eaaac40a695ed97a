# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# What build, demo and tests need. Ubuntu's /usr/sbin/bpftool is a wrapper that starts only with
# the tools of the very kernel that runs; any version can link objects and make the skeleton.
ifeq ($(origin BPFTOOL),file)
BPFTOOL := $(or $(shell bpftool version >/dev/null 2>&1 && echo bpftool), \
	$(lastword $(sort $(wildcard /usr/lib/linux-tools/*/bpftool))),bpftool)
endif

.PHONY: deps
deps: ## installs what build and demo need (root; Debian, Ubuntu)
	$(Q)tools/deps.sh build demo

.PHONY: deps-tests
deps-tests: ## installs what the tests need besides (root)
	$(Q)tools/deps.sh build tests
