// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Paths as the engines make them (cgroupfs and systemd drivers, v1 and v2):
 *   /docker/ID                         /system.slice/docker-ID.scope
 *   /kubepods/burstable/podUID/ID      /kubepods.slice/kubepods-podUID.slice/cri-containerd-ID.scope
 *   /machine.slice/libpod-ID.scope     ../crio-ID.scope        ../libpod-ID.scope/container
 * ID is 64 hex digits. The innermost one counts: a container may run an engine of its own.
 */
#include "discover/container.h"

#include "discover/facts.h"

#define ID_LEN	 64
#define UUID_LEN 36

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static size_t hex_run(struct slice s)
{
	size_t n = 0;

	while (n < s.n && is_hex(s.p[n]))
		n++;
	return n;
}

/* "ID", "engine-ID.scope", "ID.scope". The monitors beside containers (conmon) are outside. */
static bool container_id(struct slice component, char *ret)
{
	struct slice name = component;

	if (name.n > 6 && slice_eq(slice_from(name, name.n - 6), SLICE(".scope")))
		name.n -= 6;
	if (name.n < ID_LEN || memmem(name.p, name.n, "conmon", 6))
		return false;
	struct slice id = slice_from(name, name.n - ID_LEN);

	if (hex_run(id) != ID_LEN || (name.n > ID_LEN && id.p[-1] != '-' && id.p[-1] != ':'))
		return false;
	memcpy(ret, id.p, ID_LEN);
	ret[ID_LEN] = '\0';
	return true;
}

/* "podUID" or "kubepods-burstable-podUID.slice"; systemd has no dashes in names, so they are
 * underscores there. The pods of podman ("libpod_pod_ID.slice") are none of Kubernetes. */
static bool pod_uid(struct slice component, char *ret)
{
	struct slice name = component;

	if (name.n > 6 && slice_eq(slice_from(name, name.n - 6), SLICE(".slice")))
		name.n -= 6;
	const char *pod = name.n ? memmem(name.p, name.n, "pod", 3) : NULL;

	/* "kubepods-pod...": the first "pod" is the one of kubepods */
	for (const char *next = pod; next;) {
		pod = next;
		next = memmem(pod + 1, (size_t)(name.p + name.n - pod - 1), "pod", 3);
	}
	if (!pod)
		return false;
	struct slice uid = slice_from(name, (size_t)(pod - name.p) + 3);

	if (uid.n == 32 && hex_run(uid) == 32) {
		memcpy(ret, uid.p, uid.n);
		ret[uid.n] = '\0';
		return true;
	}
	if (uid.n != UUID_LEN)
		return false;
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = uid.p[i] == '_' ? '-' : uid.p[i];

		if (dash ? c != '-' : !is_hex(c))
			return false;
		ret[i] = c;
	}
	ret[UUID_LEN] = '\0';
	return true;
}

/* Units that start what others own: a login, a job, a container engine. */
static bool unit_name(struct slice component, struct slice *ret)
{
	if (component.n <= 8 ||
	    !slice_eq(slice_from(component, component.n - 8), SLICE(".service")))
		return false;
	struct slice name = slice(component.p, component.n - 8);
	const char *at = memchr(name.p, '@', name.n);

	if (at)
		name.n = (size_t)(at - name.p);
	if (name.n == 0 ||
	    slice__in(name, "user getty serial-getty ssh sshd cron crond atd docker containerd "
			    "crio podman kubelet rc-local"))
		return false;
	*ret = name;
	return true;
}

static void parse_path(struct slice path, struct cgroup_facts *facts)
{
	struct slice component, unit = { 0 };

	while (proc__cut(&path, '/', &component)) {
		char id[ID_LEN + 1], uid[UUID_LEN + 1];

		if (container_id(component, id))
			memcpy(facts->container_id, id, sizeof(id));
		else if (pod_uid(component, uid))
			memcpy(facts->pod_uid, uid, sizeof(uid));
		else if (component.n > 6 &&
			 slice_eq(slice_from(component, component.n - 6), SLICE(".scope")))
			unit = slice(NULL, 0); /* a session or an application beside the unit */
		else
			unit_name(component, &unit);
	}
	if (unit.n)
		facts->unit = unit;
}

void cgroup_facts__parse(struct slice text, struct cgroup_facts *ret)
{
	struct slice line, hierarchy, controllers;

	memset(ret, 0, sizeof(*ret));
	while (proc__cut(&text, '\n', &line)) {
		if (proc__cut(&line, ':', &hierarchy) && proc__cut(&line, ':', &controllers))
			parse_path(line, ret);
	}
	if (ret->container_id[0])
		ret->unit = slice(NULL, 0); /* the unit is the engine's */
}
