// SPDX-License-Identifier: GPL-2.0-only
/* segpool: loading and unloading, in exactly reverse order. */

#include <linux/module.h>

#include "segpool.h"

static int __init segpool_init(void)
{
	int err;

	err = retain_queue_init();
	if (err)
		return err;
	err = shrink_init();
	if (err)
		goto err_retain_exit;
	err = pool_mount_init();
	if (err)
		goto err_shrink_exit;
	debugfs_init();
	err = netlink_init();
	if (err)
		goto err_debugfs_exit;
	err = device_init();
	if (err)
		goto err_netlink_exit;
	return 0;

err_netlink_exit:
	netlink_exit();
err_debugfs_exit:
	debugfs_exit();
	pool_mount_exit();
err_shrink_exit:
	shrink_exit();
err_retain_exit:
	retain_queue_exit();
	return err;
}

static void __exit segpool_exit(void)
{
	device_exit();
	netlink_exit();
	debugfs_exit();
	pool_mount_exit();
	shrink_exit();
	retain_queue_exit();
}

module_init(segpool_init);
module_exit(segpool_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The segpool authors");
MODULE_DESCRIPTION("Address space that is kept, physical memory that comes and goes");
MODULE_VERSION("0.1");
