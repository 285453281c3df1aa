// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include "syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int result(int returned)
{
	return returned < 0 ? -errno : returned;
}

int segpool_sys_open(const char *path)
{
	return result(open(path, O_RDWR | O_CLOEXEC));
}

int segpool_sys_close(int fd)
{
	return result(close(fd));
}

int segpool_sys_ioctl(int fd, unsigned long request, void *argument)
{
	return result(ioctl(fd, request, argument));
}

int segpool_sys_map(int fd, uint64_t length, void **base)
{
	void *address;

	if (length > SIZE_MAX)
		return -ENOMEM;
	address = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED)
		return -errno;
	*base = address;
	return 0;
}

int segpool_sys_unmap(void *base, uint64_t length)
{
	return result(munmap(base, (size_t)length));
}

pid_t segpool_sys_getpid(void)
{
	return getpid();
}
