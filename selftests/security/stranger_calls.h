/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that can be tried on somebody else's file of /dev/segpool. */
#ifndef SEGPOOL_SECURITY_STRANGER_CALLS_H
#define SEGPOOL_SECURITY_STRANGER_CALLS_H

#include <poll.h>
#include "testing.h"

/* Each call with a structure that would do for a call of the owner. */
static int stranger_ioctl(int fd, unsigned int nr)
{
	union {
		__u32 size;
		struct segpool_setup setup;
		struct segpool_stat stat;
	} call = { .setup = { 0 } };

	call.size = nr == _IOC_NR(SEGPOOL_IOC_STAT) ? sizeof(call.stat) : sizeof(call.setup);
	return sp_ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, SEGPOOL_IOC_TYPE, nr, 0), &call);
}

/* 0 if nothing is to be had from the pool, else the number of what was. */
static SP_UNUSED int stranger_has_no_say(int fd)
{
	struct pollfd event = { .fd = fd, .events = POLLIN | POLLOUT };
	unsigned int nr;
	char byte = 0;

	if (stranger_ioctl(fd, _IOC_NR(SEGPOOL_IOC_SETUP)) != -EBUSY)
		return 100;
	for (nr = _IOC_NR(SEGPOOL_IOC_ALLOC); nr <= _IOC_NR(SEGPOOL_IOC_STAT); nr++)
		if (stranger_ioctl(fd, nr) != -EPERM)
			return 100 + nr;
	if (mmap(NULL, 2 * SP_MIB, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EPERM)
		return 120;
	if (read(fd, &byte, 1) != -1 || write(fd, &byte, 1) != -1)
		return 121;
	if (!ftruncate(fd, 0) || !fallocate(fd, 0, 0, SP_PAGE) || lseek(fd, 0, SEEK_END) != -1)
		return 122;
	/* Whoever has the file may learn whether the pool is under pressure: no more. */
	return poll(&event, 1, 0) < 0 || event.revents & ~POLLPRI ? 123 : 0;
}

#endif /* SEGPOOL_SECURITY_STRANGER_CALLS_H */
