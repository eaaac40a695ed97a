/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the text of /proc/PID/cgroup tells: container, pod, systemd unit. Pure. */
#ifndef SPANPROBE_DISCOVER_CONTAINER_H
#define SPANPROBE_DISCOVER_CONTAINER_H

#include "base/slice.h"

struct cgroup_facts {
	char container_id[65]; /* 64 hex digits; "": none */
	char pod_uid[37];      /* k8s.pod.uid, with dashes (a static pod's has none); "": none */
	struct slice unit;     /* into the text: "shop" of shop.service and shop@2.service */
};

void cgroup_facts__parse(struct slice text, struct cgroup_facts *ret);

#endif
