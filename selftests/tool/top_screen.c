// SPDX-License-Identifier: GPL-2.0-only
/*
 * "segpool top" on a terminal: what its screen shows of pools, at sizes that change, in both
 * charsets; and that the terminal is as it was, however it ends.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pty.h>
#include <sys/prctl.h>
#include <termios.h>

#include "testing/process.h"
#include "testing_memory.h"
#include "testing_harness.h"
#include "screen.h"

#define PROGRAM		"build/bin/segpool"
#define REGION		SP_SMALL
#define BUDGET		(8 * REGION)

FIXTURE(top) {
	struct screen screen;
	struct termios before;
	struct sp_pool pool;
	int has_pool, terminal;
	pid_t pid;
};

FIXTURE_SETUP(top)
{
	prctl(PR_SET_NAME, "data\033[2Jbase");
	self->terminal = -1;
}

FIXTURE_TEARDOWN(top)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	if (self->terminal >= 0)
		close(self->terminal);
	if (self->has_pool)
		sp_pool_close(&self->pool);
}

/* The other end; "before" is on the screen already. */
static void become(const char *locale, char *const arguments[])
{
	setenv("LC_ALL", locale, 1);
	if (write(STDOUT_FILENO, "before", 6) == 6)
		execv(PROGRAM, arguments);
	_exit(126);
}

static int start(FIXTURE_DATA(top) *self, const char *locale, unsigned int width,
		 unsigned int height, const char *interval, const char *option)
{
	char *arguments[] = { PROGRAM, "top", "-i", (char *)interval, (char *)option, NULL };
	struct winsize size = { .ws_col = (unsigned short)width, .ws_row = (unsigned short)height };

	screen_init(&self->screen, width, height);
	self->pid = forkpty(&self->terminal, NULL, NULL, &size);
	if (!self->pid)
		become(locale, arguments);
	return self->pid < 0 ? -errno : tcgetattr(self->terminal, &self->before);
}

/* What there is to read now, or comes within @ms. 0: nobody is at the other end any more. */
static int look(FIXTURE_DATA(top) *self, int ms)
{
	struct pollfd poll_fd = { .fd = self->terminal, .events = POLLIN };
	unsigned char bytes[4096];
	ssize_t length;

	if (poll(&poll_fd, 1, ms) <= 0)
		return 1;
	length = read(self->terminal, bytes, sizeof(bytes));
	for (ssize_t i = 0; i < length; i++)
		screen_take(&self->screen, bytes[i]);
	return length > 0;
}

static int shows(FIXTURE_DATA(top) *self, unsigned int row, const char *text)
{
	while (!strstr(screen_line(&self->screen, row), text))
		if (!look(self, 1000))
			return 0;
	return 1;
}

/* Waits until the last character of a line has come, too. */
static int reaches(FIXTURE_DATA(top) *self, unsigned int row, unsigned int column)
{
	while (strchr(" ?", self->screen.cells[row][column]))
		if (!look(self, 1000))
			return 0;
	return 1;
}

static int is_empty(FIXTURE_DATA(top) *self, unsigned int row)
{
	while (*screen_line(&self->screen, row))
		if (!look(self, 1000))
			return 0;
	return 1;
}

static int make_pool(FIXTURE_DATA(top) *self)
{
	struct segpool_region regions[4];
	int error = sp_pool_make(&self->pool, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET);

	self->has_pool = !error;
	if (error)
		return error;
	if (sp_alloc(self->pool.fd, 1, SEGPOOL_POPULATE, 4, regions) != 4)
		return -ENOMEM;
	return sp_free(self->pool.fd, regions[0].handle, 0);
}

static const char *row_of(FIXTURE_DATA(top) *self, const char *rest)
{
	static char text[SCREEN_WIDTH + 1];

	snprintf(text, sizeof(text), "%5u  %s", self->pool.id, rest);
	return text;
}

/* All that it has written, until it is gone; its status. */
static int end(FIXTURE_DATA(top) *self)
{
	pid_t pid = self->pid;

	while (look(self, 1000))
		;
	self->pid = 0;
	return sp_wait_child(pid);
}

static int is_as_before(FIXTURE_DATA(top) *self)
{
	struct termios now;

	return !self->screen.alternate && !self->screen.hidden && !self->screen.unknown &&
	       !self->screen.overflowed && !strncmp(screen_line(&self->screen, 0), "before", 6) &&
	       !tcgetattr(self->terminal, &now) && now.c_lflag == self->before.c_lflag;
}

TEST_F(top, a_pool_appears)
{
	struct sp_pool other;
	unsigned int drawn;

	ASSERT_EQ(0, start(self, "C", 84, 24, "1000", NULL));
	ASSERT_TRUE(shows(self, 2, "there are no pools"));
	EXPECT_EQ(1, self->screen.alternate);
	EXPECT_EQ(1, self->screen.hidden);
	ASSERT_EQ(0, make_pool(self));
	while (look(self, 0) && poll(&(struct pollfd){ self->terminal, POLLIN, 0 }, 1, 0) > 0)
		;
	drawn = self->screen.drawn;
	ASSERT_TRUE(reaches(self, 2, 83));
	/* One may have been on its way. */
	EXPECT_LE(self->screen.drawn, drawn + 2);
	EXPECT_EQ(0, strncmp("segpool: 1 pool, 256K of a ceiling of ",
			     screen_line(&self->screen, 0), 38));
	EXPECT_STREQ(" POOL  COMMAND          VIRTUAL   BUDGET PHYSICAL RETAINED   BUDGET PHYSICAL/BUDGET",
		     screen_line(&self->screen, 1));
	EXPECT_EQ(0, strncmp(row_of(self, "data\\x1b[2Jbase     256K     512K     192K    64.0K     512K "),
			     screen_line(&self->screen, 2), 68)) {
		TH_LOG("%s", screen_line(&self->screen, 2));
	}
	/* 3 of 8, at least once, the newest on the right. */
	EXPECT_EQ('-', self->screen.cells[2][83]) {
		TH_LOG("%s", screen_line(&self->screen, 2));
	}
	EXPECT_EQ(0, self->screen.wide);
	ASSERT_EQ(0, sp_pool_make(&other, SEGPOOL_MODE_STRICT, REGION, BUDGET, BUDGET, BUDGET));
	EXPECT_TRUE(shows(self, 3, "data"));
	sp_pool_close(&other);
	EXPECT_TRUE(is_empty(self, 3));
	sp_pool_close(&self->pool);
	self->has_pool = 0;
	EXPECT_TRUE(shows(self, 2, "there are no pools"));
	EXPECT_EQ(1, write(self->terminal, "\003", 1));
	EXPECT_EQ(0, end(self));
	EXPECT_TRUE(is_as_before(self));
}

TEST_F(top, charts_in_utf8)
{
	ASSERT_EQ(0, make_pool(self));
	ASSERT_EQ(0, start(self, "C.UTF-8", 120, 24, "3600000", NULL));
	ASSERT_TRUE(reaches(self, 2, 119));
	/* U+2583 and U+2581: 3 and 1 of 8. The last of their bytes are shown by 3 and 1. */
	EXPECT_EQ(2, self->screen.wide);
	EXPECT_EQ('3', self->screen.cells[2][93]) {
		TH_LOG("%s", screen_line(&self->screen, 2));
	}
	EXPECT_EQ('1', self->screen.cells[2][119]);
	EXPECT_EQ(0, self->screen.overflowed);
}

TEST_F(top, charts_in_ascii)
{
	ASSERT_EQ(0, make_pool(self));
	ASSERT_EQ(0, start(self, "C.UTF-8", 120, 24, "3600000", "--ascii"));
	ASSERT_TRUE(reaches(self, 2, 119));
	EXPECT_EQ(0, self->screen.wide);
	EXPECT_EQ('-', self->screen.cells[2][93]) {
		TH_LOG("%s", screen_line(&self->screen, 2));
	}
	EXPECT_EQ('.', self->screen.cells[2][119]);
}

/* What was drawn for the size before is forgotten here, so that what comes is seen. */
static int resize(FIXTURE_DATA(top) *self, unsigned int width, unsigned int height)
{
	struct winsize size = { .ws_col = (unsigned short)width, .ws_row = (unsigned short)height };

	screen_clear(&self->screen, 0);
	memset(self->screen.cells[2], 'x', SCREEN_WIDTH);
	memset(self->screen.cells[2] + width - 1, ' ', SCREEN_WIDTH - width + 1);
	self->screen.width = width;
	self->screen.height = height;
	return ioctl(self->terminal, TIOCSWINSZ, &size) ? -errno : 0;
}

/* The next sample is an hour away: what is drawn is drawn for the size. */
TEST_F(top, another_size)
{
	ASSERT_EQ(0, make_pool(self));
	ASSERT_EQ(0, start(self, "C", 100, 24, "3600000", NULL));
	ASSERT_TRUE(reaches(self, 2, 99));
	ASSERT_EQ(0, resize(self, 40, 3));
	ASSERT_TRUE(reaches(self, 2, 39));
	EXPECT_STREQ(" POOL  PHYSICAL   BUDGET PHYSICAL/BUDGET", screen_line(&self->screen, 1));
	ASSERT_EQ(0, resize(self, 12, 2));
	ASSERT_TRUE(is_empty(self, 2));
	ASSERT_TRUE(reaches(self, 1, 11));
	EXPECT_STREQ(" POOL  PHYSI", screen_line(&self->screen, 1));
	ASSERT_EQ(0, resize(self, 130, 50));
	ASSERT_TRUE(reaches(self, 2, 129));
	EXPECT_NE(NULL, strstr(screen_line(&self->screen, 2), "data"));
	EXPECT_EQ(0, kill(self->pid, SIGTERM));
	EXPECT_EQ(0, end(self));
	EXPECT_TRUE(is_as_before(self));
}

TEST_F(top, ends_at_q)
{
	ASSERT_EQ(0, start(self, "C", 80, 24, "3600000", NULL));
	ASSERT_TRUE(shows(self, 2, "there are no pools"));
	EXPECT_EQ(2, write(self->terminal, "xq", 2));
	EXPECT_EQ(0, end(self));
	EXPECT_TRUE(is_as_before(self));
}

TEST_F(top, steps_back)
{
	int status;

	ASSERT_EQ(0, start(self, "C", 80, 24, "3600000", NULL));
	ASSERT_TRUE(shows(self, 2, "there are no pools"));
	ASSERT_EQ(1, write(self->terminal, "\032", 1));
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	while (self->screen.alternate)
		ASSERT_TRUE(look(self, 1000));
	EXPECT_TRUE(is_as_before(self));
	ASSERT_EQ(0, kill(self->pid, SIGCONT));
	ASSERT_TRUE(shows(self, 2, "there are no pools"));
	EXPECT_EQ(1, self->screen.alternate);
	EXPECT_EQ(1, self->screen.hidden);
}

/* The sentence is where it can be read. */
TEST_F(top, an_error)
{
	ASSERT_EQ(0, start(self, "C", 120, 24, "1000", "--pool=4000000000"));
	EXPECT_EQ(1, end(self));
	EXPECT_TRUE(is_as_before(self));
	EXPECT_STREQ("beforesegpool: there is no pool 4000000000, or none that you may see: segpool list shows them",
		     screen_line(&self->screen, 0));
}

TEST_F(top, its_pool_goes)
{
	char option[32];

	ASSERT_EQ(0, make_pool(self));
	snprintf(option, sizeof(option), "--pool=%u", self->pool.id);
	ASSERT_EQ(0, start(self, "C", 120, 24, "100", option));
	ASSERT_TRUE(shows(self, 2, "data"));
	sp_pool_close(&self->pool);
	self->has_pool = 0;
	EXPECT_EQ(0, end(self));
	EXPECT_TRUE(is_as_before(self));
	EXPECT_NE(NULL, strstr(screen_line(&self->screen, 0), " is gone"));
}

TEST_HARNESS_MAIN
