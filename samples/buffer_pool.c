// SPDX-License-Identifier: MIT
/*
 * A buffer pool: pages of a file in segments, with memory for a quarter of them. A page that is not there
 * is read into a segment. Where there is no room for one, the hand of a clock goes round and gives up the
 * first page that was not used since it last came by.
 *
 *   cc -o buffer_pool buffer_pool.c $(pkg-config --cflags --libs libsegpool)
 *   ./buffer_pool [FILE]
 *
 * Without FILE it makes one of 64 MiB. Each page that it is given it compares with the file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <segpool.h>

#define PAGE	(64 << 10)
#define LOOKS	20000

/* A page of the file: where it is, if it is, and whether it was used since the hand came by. */
struct page {
	void *segment;
	bool used;
};

struct buffer_pool {
	struct segpool *pool;
	int file;
	struct page *pages;
	size_t nr_pages, hand;
	unsigned long hits, reads, evictions;
};

static bool evict(struct buffer_pool *buffers)
{
	size_t steps = 2 * buffers->nr_pages;
	struct page *page;

	while (steps--) {
		page = &buffers->pages[buffers->hand];
		buffers->hand = (buffers->hand + 1) % buffers->nr_pages;
		if (page->segment && !page->used) {
			segpool_free(buffers->pool, page->segment);
			page->segment = NULL;
			buffers->evictions++;
			return true;
		}
		page->used = false;
	}
	return false;
}

static bool read_page(const struct buffer_pool *buffers, size_t number, void *to)
{
	ssize_t length = pread(buffers->file, to, PAGE, (off_t)number * PAGE);

	/* The last one may be shorter. */
	if (length <= 0)
		return false;
	memset((char *)to + length, 0, PAGE - length);
	return true;
}

/* Page @number of the file: in memory until the next call; NULL: it cannot be had. */
static const void *get(struct buffer_pool *buffers, size_t number)
{
	struct page *page = &buffers->pages[number];

	page->used = true;
	if (page->segment) {
		buffers->hits++;
		return page->segment;
	}
	while (!(page->segment = segpool_alloc(buffers->pool, PAGE)))
		if (errno != ENOMEM || !evict(buffers))
			return NULL;
	buffers->reads++;
	if (!read_page(buffers, number, page->segment)) {
		segpool_free(buffers->pool, page->segment);
		page->segment = NULL;
	}
	return page->segment;
}

/* Of every five pages one is looked at four times out of five. */
static bool look_around(struct buffer_pool *buffers, int file)
{
	static char expected[PAGE];
	size_t number, often = (buffers->nr_pages + 4) / 5;
	const void *found;
	ssize_t length;
	int i;

	srandom(1);
	for (i = 0; i < LOOKS; i++) {
		number = random() % (random() % 5 ? often : buffers->nr_pages);
		found = get(buffers, number);
		length = pread(file, expected, PAGE, (off_t)number * PAGE);
		if (!found || length <= 0 || memcmp(found, expected, length) != 0) {
			fprintf(stderr, "page %zu is %s\n", number, found ? "not as in the file" : "not to be had");
			return false;
		}
	}
	return true;
}

static int make_file(void)
{
	unsigned long words[PAGE / sizeof(unsigned long)], next = 0;
	char name[] = "/tmp/buffer_pool-XXXXXX";
	int pages = 1024, file = mkstemp(name);
	size_t i;

	if (file < 0 || unlink(name))
		return -1;
	while (pages--) {
		for (i = 0; i < PAGE / sizeof(words[0]); i++)
			words[i] = next++ * 0x9e3779b97f4a7c15;
		if (write(file, words, PAGE) != PAGE)
			return -1;
	}
	return file;
}

/* For reads past the system's cache; -1 where the file system has no such. */
static int open_direct(int file)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return open(name, O_RDONLY | O_CLOEXEC | O_DIRECT);
}

static int open_pool(struct buffer_pool *buffers)
{
	struct segpool_options options;
	char why[256];
	int error;

	segpool_options_init(&options);
	/* The file system reads straight into the segments. */
	options.mode = SEGPOOL_MODE_PINNABLE;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.physical_budget = buffers->nr_pages / 4 * PAGE + (2 << 20);
	options.limits.virtual_budget = 2 * options.limits.physical_budget;
	error = segpool_open(&options, &buffers->pool);
	if (error)
		fprintf(stderr, "%s\n", segpool_strerror(NULL, error, why, sizeof(why)));
	return error;
}

static void report(const struct buffer_pool *buffers)
{
	uint64_t now[SEGPOOL_NR_COUNTERS] = { 0 };

	segpool_stat(buffers->pool, now, SEGPOOL_NR_COUNTERS);
	printf("%d looks at %zu pages: %lu in memory, %lu read, %lu given up\n", LOOKS, buffers->nr_pages,
	       buffers->hits, buffers->reads, buffers->evictions);
	printf("%s pool: at most %lu KiB of %lu\n", segpool_backend_name(buffers->pool),
	       (unsigned long)now[SEGPOOL_C_PHYSICAL_PEAK_BYTES] >> 10,
	       (unsigned long)now[SEGPOOL_C_PHYSICAL_BUDGET_BYTES] >> 10);
}

int main(int argc, char **argv)
{
	struct buffer_pool buffers = { 0 };
	int file = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : make_file();
	bool good;
	size_t i;

	if (file < 0) {
		perror(argc > 1 ? argv[1] : "a file in /tmp");
		return 1;
	}
	buffers.file = open_direct(file);
	if (buffers.file < 0)
		buffers.file = file;
	buffers.nr_pages = (lseek(file, 0, SEEK_END) + PAGE - 1) / PAGE;
	buffers.pages = calloc(buffers.nr_pages, sizeof(*buffers.pages));
	if (!buffers.nr_pages || !buffers.pages || open_pool(&buffers))
		return 1;
	good = look_around(&buffers, file);
	report(&buffers);
	for (i = 0; i < buffers.nr_pages; i++)
		segpool_free(buffers.pool, buffers.pages[i].segment);
	segpool_close(buffers.pool);
	free(buffers.pages);
	return !good;
}
