// SPDX-License-Identifier: GPL-2.0-only
/* Reads what the kernel has said since the last look, through /dev/kmsg. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers.h"
#include "shared.h"

static int log_fd = -1;

void kernel_log_open(void)
{
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log_fd >= 0)
		lseek(log_fd, 0, SEEK_END);
}

static bool is_problem(const char *text)
{
	static const char *const marks[] = {
		"BUG: ", "WARNING: ", "kernel BUG", "KASAN: ", "UBSAN: ", "KFENCE: ",
		"Oops: ", "general protection fault", "corruption", "Bad page", "bad page",
		"possible circular", "possible recursive", "suspicious RCU", "refcount_t: ",
		"blocked for more than", "soft lockup", "scheduling while atomic",
	};
	size_t i;

	/* The kernel has data races of its own. */
	if (strstr(text, "KCSAN: "))
		return strstr(text, "[segpool]");
	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(text, marks[i]))
			return true;
	return false;
}

/* Is there a new line that is a complaint? The first is copied to @line. */
bool kernel_log_problem(char *line, unsigned int size)
{
	char record[2048];
	bool found = false;
	ssize_t length;
	char *text;

	if (log_fd < 0)
		return false;
	for (;;) {
		length = read(log_fd, record, sizeof(record) - 1);
		/* Some was overwritten before it was read. */
		if (length < 0 && errno == EPIPE)
			continue;
		if (length <= 0)
			return found;
		record[length] = '\0';
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		text[strcspn(text, "\n")] = '\0';
		if (found || !is_problem(text))
			continue;
		snprintf(line, size, "%.*s", (int)size - 1, text);
		found = true;
	}
}

/* Skips what was said so far; what the kernel says only once it will say again. */
void kernel_log_renew(void)
{
	char line[2];

	kernel_log_problem(line, sizeof(line));
	sp_write_file("/sys/kernel/debug/clear_warn_once", "1");
}
