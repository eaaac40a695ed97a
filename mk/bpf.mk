# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The kernel side's own tests (root): build/tests/bpf/test_bpf [FAMILY]

BPF_TEST := $(B)/tests/bpf/test_bpf

$(BPF_TEST): tests/bpf/test_bpf.c tests/bpf/drive.c tests/bpf/drive.h $(LIB)
	@mkdir -p $(@D)
	$(call msg,CC TEST,$@)
	$(Q)$(CC) $(CFLAGS) $(ALL_CFLAGS) -iquote tests/bpf -MMD -MP -MF $@.d $(filter %.c,$^) $(LIB) $(LDLIBS) -lcmocka -o $@

.PHONY: bpf-tests
bpf-tests: $(BPF_TEST) $(B)/tests/layout/test_layout $(B)/tests/layout/layout.bpf.o $(B)/tools/verifier_cost

.PHONY: test-bpf
test-bpf: $(BPF_TEST) ## the kernel side on real sockets, in the family that this kernel takes (root)
	$(Q)$(BPF_TEST)

# --- layout of shared structs, and what the programs cost the verifier

LAYOUT_OBJ  := $(B)/tests/layout/layout.bpf.o
LAYOUT_TEST := $(B)/tests/layout/test_layout

$(LAYOUT_OBJ): tests/layout/layout.bpf.c $(wildcard include/*.h) | tools-present
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(LAYOUT_TEST): tests/layout/test_layout.c $(wildcard include/*.h)
	@mkdir -p $(@D)
	$(call msg,CC TEST,$@)
	$(Q)$(CC) $(SAN) $(ALL_CFLAGS) $< $(LDLIBS) -lcmocka -o $@

.PHONY: test-layout
test-layout: $(LAYOUT_TEST) $(LAYOUT_OBJ) ## both compilers lay out the shared structs alike
	$(Q)$(LAYOUT_TEST) $(LAYOUT_OBJ)

.PHONY: test-verifier
test-verifier: $(B)/tools/verifier_cost ## verified instructions against tests/bpf/verifier-cost.txt (root)
	$(Q)$(B)/tools/verifier_cost tests/bpf/verifier-cost.txt
