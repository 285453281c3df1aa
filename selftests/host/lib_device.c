// SPDX-License-Identifier: GPL-2.0-only
/* Opening what is not segpool's device, with real system calls. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "segpool.h"
#include "tap.h"

static char sentence[256];

static int attempt(const char *device)
{
	struct segpool_options options;
	struct segpool *pool = (struct segpool *)&options;
	int error;

	segpool_options_init(&options);
	options.device = device;
	error = segpool_open(&options, &pool);
	check(!pool);
	segpool_strerror(NULL, error, sentence, sizeof(sentence));
	return error;
}

/* A segpool_open() that fails must not keep its file. */
static int next_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void no_device(void)
{
	check_equal(attempt("/nonexistent/segpool"), -ENOENT);
	check_text(sentence,
		   "no /nonexistent/segpool: load the module (modprobe segpool, or insmod segpool.ko)");
}

static void other_device(void)
{
	int before = next_descriptor();

	check_equal(attempt("/dev/null"), -ENOTTY);
	check_text(sentence,
		   "/dev/null is not segpool's device, or the module is older than this library: load the module that belongs to it");
	check_equal(next_descriptor(), before);
}

/* A node without a driver behind it answers as a socket does: ENXIO. */
static void no_driver(void)
{
	char folder[] = "/tmp/segpool-host-XXXXXX";
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	check(mkdtemp(folder));
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/node", folder);
	check_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	check_equal(attempt(name.sun_path), -ENXIO);
	check(strstr(sentence, "no driver behind") && strstr(sentence, "modprobe segpool"));
	close(fd);
	unlink(name.sun_path);
	rmdir(folder);
}

/* Everything but the file itself is done by a child that is not root. */
static void no_permission(void)
{
	char path[] = "/tmp/segpool-host-XXXXXX";
	int fd = mkstemp(path);
	int status = -1;
	pid_t child;

	check(fd >= 0);
	check_equal(fchmod(fd, 0), 0);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && setuid(65534))
			_exit(2);
		check_equal(attempt(path), -EACCES);
		check(strstr(sentence, "no permission to open /tmp/segpool-host-") &&
		      strstr(sentence, "KERNEL==\"segpool\", GROUP=\"segpool\", MODE=\"0660\""));
		fflush(stdout);
		_exit(tap_failed);
	}
	check(waitpid(child, &status, 0) == child);
	check_equal(status, 0);
	close(fd);
	unlink(path);
}

static const struct tap_test tests[] = {
	TAP(no_device),
	TAP(other_device),
	TAP(no_driver),
	TAP(no_permission),
};

TAP_MAIN(tests)
