// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "discover/container.h"

#define ID    "8a3f1c0de4b5968778695a4b3c2d1e0f8a3f1c0de4b5968778695a4b3c2d1e0f"
#define OTHER "00000000000000000000000000000000000000000000000000000000000000aa"
#define POD   "6b1c6a7e-1d4b-4d4e-9a66-0c1f8c7f2b11"
#define POD_  "6b1c6a7e_1d4b_4d4e_9a66_0c1f8c7f2b11"

static const struct {
	const char *text, *id, *pod, *unit;
} cases[] = {
	/* engines, v1 and v2, cgroupfs and systemd drivers */
	{ "0::/system.slice/docker-" ID ".scope\n", ID, "", "" },
	{ "0::/docker/" ID "\n", ID, "", "" },
	{ "12:memory:/docker/" ID "\n11:cpu,cpuacct:/docker/" ID "\n0::/\n", ID, "", "" },
	{ "0::/kubepods/burstable/pod" POD "/" ID "\n", ID, POD, "" },
	{ "1:name=systemd:/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_
	  ".slice/cri-containerd-" ID ".scope\n",
	  ID, POD, "" },
	{ "0::/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID ".scope\n", ID, POD, "" },
	{ "0::/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID ".scope/container\n", ID, POD,
	  "" },
	{ "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" POD_
	  ".slice/cri-containerd-" ID ".scope",
	  ID, POD, "" },
	{ "0::/kubepods/besteffort/pod0123456789abcdef0123456789abcdef/" ID "\n", ID,
	  "0123456789abcdef0123456789abcdef", "" },
	{ "11:cpu:/kubepods-besteffort-pod" POD_ ".slice:cri-containerd:" ID "\n", ID, "", "" },
	{ "0::/machine.slice/libpod-" ID ".scope/container\n", ID, "", "" },
	{ "0::/machine.slice/machine-libpod_pod_" OTHER ".slice/libpod-" ID ".scope\n", ID, "",
	  "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope\n", ID,
	  "", "" },
	{ "0::/../../docker-" ID ".scope\n", ID, "", "" }, /* the agent has a cgroup namespace */
	{ "3:cpu:/ecs/0123456789/" ID "\n", ID, "", "" },
	/* the innermost of nested ones */
	{ "0::/docker/" OTHER "/kubepods/burstable/pod" POD "/" ID "\n", ID, POD, "" },
	/* the monitor beside a container is none */
	{ "0::/machine.slice/libpod-conmon-" ID ".scope\n", "", "", "" },
	{ "0::/kubepods.slice/kubepods-pod" POD_ ".slice/crio-conmon-" ID ".scope\n", "", POD, "" },
	/* almost */
	{ "0::/docker/8a3f1c\n", "", "", "" },
	{ "0::/docker/" ID "0\n", "", "", "" },
	{ "0::/docker/x" ID "\n", "", "", "" },
	{ "0::/kubepods/pod6b1c6a7e-1d4b-4d4e-9a66-0c1f8c7f2b1/x\n", "", "", "" },
	/* units */
	{ "0::/system.slice/shop.service\n", "", "", "shop" },
	{ "0::/system.slice/system-shop.slice/shop@blue.service\n", "", "", "shop" },
	{ "0::/system.slice/shop.service/worker\n", "", "", "shop" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/cart.service\n", "", "",
	  "cart" },
	{ "1:name=systemd:/system.slice/shop.service\n0::/system.slice/shop.service\n", "", "",
	  "shop" },
	{ "0::/user.slice/user-1000.slice/session-3.scope\n", "", "", "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-1.scope\n", "", "", "" },
	{ "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "", "", "" },
	{ "0::/init.scope\n", "", "", "" },
	{ "0::/system.slice/ssh.service\n", "", "", "" },
	{ "0::/system.slice/.service\n", "", "", "" },
	/* no text, or not of the kernel */
	{ "", "", "", "" },
	{ "\n\n::\n:", "", "", "" },
	{ "0::", "", "", "" },
};

static void every_form(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cgroup_facts facts;

		cgroup_facts__parse(slice_of(cases[i].text), &facts);
		if (strcmp(facts.container_id, cases[i].id) ||
		    strcmp(facts.pod_uid, cases[i].pod) ||
		    !slice_eq(facts.unit, slice_of(cases[i].unit)))
			fail_msg("%s: container '%s' pod '%s' unit '%.*s'", cases[i].text,
				 facts.container_id, facts.pod_uid, (int)facts.unit.n,
				 facts.unit.p);
	}
}

/* A text cut anywhere gives a right answer or none, and reads nothing beyond it. */
static void every_prefix(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t n = 0; n <= strlen(cases[i].text); n++) {
			char *copy = test_malloc(n + 1);
			struct cgroup_facts facts;

			memcpy(copy, cases[i].text, n);
			cgroup_facts__parse(slice(copy, n), &facts);
			assert_true(strlen(facts.container_id) == 0 ||
				    strlen(facts.container_id) == 64);
			test_free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form),
		cmocka_unit_test(every_prefix),
	};

	return cmocka_run_group_tests_name("discover_cgroup", tests, NULL, NULL);
}
