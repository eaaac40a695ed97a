# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The kernel side's own tests (root): build/tests/bpf/test_bpf [FAMILY]

BPF_TEST := $(B)/tests/bpf/test_bpf

$(BPF_TEST): tests/bpf/test_bpf.c tests/bpf/drive.c tests/bpf/drive.h $(LIB)
	@mkdir -p $(@D)
	$(call msg,CC TEST,$@)
	$(Q)$(CC) $(CFLAGS) $(ALL_CFLAGS) -iquote tests/bpf -MMD -MP -MF $@.d $(filter %.c,$^) $(LIB) $(LDLIBS) -lcmocka -o $@

.PHONY: test-bpf
test-bpf: $(BPF_TEST) ## the kernel side on real sockets, in the family that this kernel takes (root)
	$(Q)$(BPF_TEST)
