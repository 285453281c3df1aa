// SPDX-License-Identifier: GPL-2.0-only
/* The disk for direct I/O: the RAM disk /dev/ram0, where the kernel has one. */
#include "model.h"
#include <stdlib.h>

/* -1 where there is none. */
int open_disk(void)
{
	static int disk = -2;

	if (disk == -2) {
		if (access("/dev/ram0", F_OK) &&
		    system("modprobe brd rd_nr=1 rd_size=4096 2>/dev/null"))
			disk = -1;
		else
			disk = open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC);
	}
	return disk;
}
