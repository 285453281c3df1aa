/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct I/O that stays under way for as long as a test wants: on a RAM disk
 * whose rate for one cgroup is a few bytes a second, until the test lifts that.
 */
#ifndef SEGPOOL_SECURITY_THROTTLE_H
#define SEGPOOL_SECURITY_THROTTLE_H

#include "testing_memory.h"
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define THROTTLE_RATE	"512"

struct throttle {
	struct sp_cgroup group;
	char device[32];		/* major:minor */
	int disk;			/* open for direct I/O */
};

static SP_UNUSED long throttle_set(const struct throttle *throttle, const char *rate)
{
	char text[96];

	snprintf(text, sizeof(text), "%s rbps=%s wbps=%s", throttle->device, rate, rate);
	return sp_cgroup_set(&throttle->group, "io.max", text);
}

static int open_disk_direct(void)
{
	int disk = open("/dev/ram1", O_RDWR | O_DIRECT | O_CLOEXEC);

	return disk < 0 ? open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC) : disk;
}

/* NULL, or what is missing. */
static SP_UNUSED const char *throttle_open(struct throttle *throttle)
{
	struct stat status;

	memset(throttle, 0, sizeof(*throttle));
	throttle->disk = open_disk_direct();
	if (throttle->disk < 0 || fstat(throttle->disk, &status))
		return "there is no RAM disk /dev/ram0 (module brd)";
	snprintf(throttle->device, sizeof(throttle->device), "%u:%u", major(status.st_rdev),
		 minor(status.st_rdev));
	if (sp_write_file(SP_CGROUP_ROOT "/cgroup.subtree_control", "+io"))
		return "this kernel's cgroups have no io controller";
	if (sp_cgroup_make(&throttle->group, "segpool-throttle", 0))
		return "no cgroup can be made";
	return throttle_set(throttle, THROTTLE_RATE) ? "this kernel cannot limit I/O (io.max)" :
	       NULL;
}

static SP_UNUSED void throttle_close(struct throttle *throttle)
{
	if (throttle->disk >= 0)
		close(throttle->disk);
	if (throttle->group.path[0])
		sp_cgroup_remove(&throttle->group);
	/* The other tests' disks need no accounting. */
	sp_write_file(SP_CGROUP_ROOT "/cgroup.subtree_control", "-io");
}

/* Is the thread in a sleep that no signal ends, as who waits for a disk is? */
static SP_UNUSED bool thread_waits_for_io(pid_t tid)
{
	char path[64], text[512];
	const char *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (sp_read_file(path, text, sizeof(text)) <= 0)
		return false;
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'D';
}

#endif /* SEGPOOL_SECURITY_THROTTLE_H */
