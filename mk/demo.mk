# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
.PHONY: demo
demo: ## installs, builds, traces a small shop, prints the trees (root)
	$(Q)[ "$$(id -u)" = 0 ] || { echo "demo: needs root to load BPF programs: sudo make demo" >&2; exit 3; }
	$(Q)tools/deps.sh build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/demo/with_jaeger.sh "$(MAKE)" $(B)/spanprobe
	$(Q)[ -z "$$SUDO_UID" ] || chown -R "$$SUDO_UID:$$SUDO_GID" $(B)
