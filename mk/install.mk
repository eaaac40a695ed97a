# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
DESTDIR ?=
MANUAL  := $(firstword $(wildcard packaging/spanprobe.8 docs/spanprobe.8))
INSTALLED = $(DESTDIR)$(PREFIX)/bin/spanprobe \
	$(DESTDIR)$(PREFIX)/share/man/man8/spanprobe.8 \
	$(DESTDIR)$(PREFIX)/share/bash-completion/completions/spanprobe \
	$(DESTDIR)$(PREFIX)/share/doc/spanprobe/spanprobe.yaml \
	$(DESTDIR)$(PREFIX)/lib/systemd/system/spanprobe.service

.PHONY: install
install: $(B)/spanprobe ## program, manual, completion, service file: PREFIX=/usr/local DESTDIR=
	$(call msg,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -D -m 755 $(B)/spanprobe $(DESTDIR)$(PREFIX)/bin/spanprobe
	$(Q)install -D -m 644 $(MANUAL) $(DESTDIR)$(PREFIX)/share/man/man8/spanprobe.8
	$(Q)install -D -m 644 packaging/spanprobe.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/spanprobe
	$(Q)install -D -m 644 packaging/spanprobe.yaml \
		$(DESTDIR)$(PREFIX)/share/doc/spanprobe/spanprobe.yaml
	$(Q)mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)sed 's|@PREFIX@|$(PREFIX)|g' packaging/spanprobe.service.in \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/spanprobe.service
	$(Q)chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/spanprobe.service

.PHONY: uninstall
uninstall: ## removes what install put there
	$(Q)rm -f $(INSTALLED)
