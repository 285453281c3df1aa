/* SPDX-License-Identifier: GPL-2.0-only */
/* Being somebody else than root. For good: call these in a child. */
#ifndef SEGPOOL_SECURITY_BECOME_H
#define SEGPOOL_SECURITY_BECOME_H

#include "testing_memory.h"
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>

#define USER_A		4001
#define USER_B		4002
#define GROUP_ALLOWED	4100
#define GROUP_OTHER	4200

/* An ordinary user, member of one more group, and as open to debuggers as usual. */
static SP_UNUSED int become_user(uid_t user, gid_t group)
{
	if (setgroups(1, &group) || setresgid(user, user, user) || setresuid(user, user, user))
		return -errno;
	return prctl(PR_SET_DUMPABLE, 1) ? -errno : 0;
}

/* The same user as root of a user namespace of his own, with every capability in there. */
static SP_UNUSED int become_namespace_root(uid_t user, gid_t group)
{
	char map[64];
	int error = become_user(user, group);

	if (error)
		return error;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	snprintf(map, sizeof(map), "0 %u 1", user);
	error = sp_write_file("/proc/self/setgroups", "deny");
	if (!error)
		error = sp_write_file("/proc/self/uid_map", map);
	if (!error)
		error = sp_write_file("/proc/self/gid_map", map);
	return error;
}

/* Errno of opening, 0 where it worked. */
static SP_UNUSED int refusal_of(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

#endif /* SEGPOOL_SECURITY_BECOME_H */
