// SPDX-License-Identifier: MIT
/*
 * A buffer pool: pages of a file in segments, with memory for a quarter of them. A page that is not there
 * is read into a segment. Where there is no room for one, the library asks for some: then the hand of a clock
 * goes round, and the first page that was not used since it last came by is given up. Who still looks at that
 * one holds it, so that it stays until he has done with it.
 *
 *   cc -o buffer_pool buffer_pool.c $(pkg-config --cflags --libs libsegpool)
 *   ./buffer_pool [FILE]
 *
 * Without FILE it makes one of 64 MiB. Its threads compare each page that they are given with the file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <segpool.h>

#define PAGE	(64 << 10)
#define THREADS	4
/* Of each thread. */
#define LOOKS	5000

/* A page of the file: where it is, if it is, and whether it was used since the hand came by. */
struct page {
	void *segment;
	bool used;
};

/* One lock is enough to show how it goes; it is not held while a page is looked at. */
struct buffer_pool {
	struct segpool *pool;
	pthread_mutex_t lock;
	int file, same_file;
	struct page *pages;
	size_t nr_pages, hand;
	unsigned long hits, reads, evictions;
};

/*
 * Asked by segpool_alloc(), which has the lock through get(): gives up one page, and says how large it was. It is
 * asked again if that was not enough.
 */
static uint64_t evict(struct segpool *pool, uint64_t wanted, void *context)
{
	struct buffer_pool *buffers = context;
	size_t steps = 2 * buffers->nr_pages;
	struct page *page;

	(void)wanted;
	while (steps--) {
		page = &buffers->pages[buffers->hand];
		buffers->hand = (buffers->hand + 1) % buffers->nr_pages;
		if (page->segment && !page->used) {
			/* If somebody holds it, it goes when he lets it go. */
			segpool_free(pool, page->segment);
			page->segment = NULL;
			buffers->evictions++;
			return PAGE;
		}
		page->used = false;
	}
	return 0;
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

static void *find_or_read(struct buffer_pool *buffers, size_t number)
{
	struct page *page = &buffers->pages[number];

	page->used = true;
	if (page->segment) {
		buffers->hits++;
		return page->segment;
	}
	page->segment = segpool_alloc(buffers->pool, PAGE);
	if (!page->segment)
		return NULL;
	buffers->reads++;
	if (!read_page(buffers, number, page->segment)) {
		segpool_free(buffers->pool, page->segment);
		page->segment = NULL;
	}
	return page->segment;
}

/* Page @number of the file, to be given to segpool_release(); NULL: it cannot be had. */
static const void *get(struct buffer_pool *buffers, size_t number)
{
	const void *segment;

	pthread_mutex_lock(&buffers->lock);
	segment = find_or_read(buffers, number);
	if (segment && segpool_hold(buffers->pool, segment))
		segment = NULL;
	pthread_mutex_unlock(&buffers->lock);
	return segment;
}

/* Is page @number what the file has there? */
static bool look(struct buffer_pool *buffers, size_t number)
{
	const void *found = get(buffers, number);
	char expected[PAGE];
	ssize_t length;
	bool good;

	if (!found) {
		fprintf(stderr, "page %zu is not to be had\n", number);
		return false;
	}
	length = pread(buffers->same_file, expected, PAGE, (off_t)number * PAGE);
	good = length > 0 && memcmp(found, expected, length) == 0;
	if (!good)
		fprintf(stderr, "page %zu is not as in the file\n", number);
	return !segpool_release(buffers->pool, found) && good;
}

/* Of every five pages one is looked at four times out of five. */
static void *look_around(void *argument)
{
	struct buffer_pool *buffers = argument;
	size_t often = (buffers->nr_pages + 4) / 5, pages;
	uint64_t random = (uintptr_t)&often;
	int i;

	for (i = 0; i < LOOKS; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		pages = (random >> 32) % 5 ? often : buffers->nr_pages;
		if (!look(buffers, (random >> 20) % pages))
			return NULL;
	}
	return buffers;
}

static bool run_threads(struct buffer_pool *buffers)
{
	pthread_t threads[THREADS];
	void *result = NULL;
	bool good = true;
	int i, started;

	for (started = 0; started < THREADS; started++)
		if (pthread_create(&threads[started], NULL, look_around, buffers))
			break;
	for (i = 0; i < started; i++)
		good &= !pthread_join(threads[i], &result) && result;
	return good && started == THREADS;
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
	return error ? error : segpool_on_pressure(buffers->pool, evict, buffers);
}

static void report(const struct buffer_pool *buffers)
{
	uint64_t now[SEGPOOL_NR_COUNTERS] = { 0 };

	segpool_stat(buffers->pool, now, SEGPOOL_NR_COUNTERS);
	printf("%d looks at %zu pages: %lu in memory, %lu read, %lu given up\n", THREADS * LOOKS, buffers->nr_pages,
	       buffers->hits, buffers->reads, buffers->evictions);
	printf("%s pool: at most %lu KiB of %lu\n", segpool_backend_name(buffers->pool),
	       (unsigned long)now[SEGPOOL_C_PHYSICAL_PEAK_BYTES] >> 10,
	       (unsigned long)now[SEGPOOL_C_PHYSICAL_BUDGET_BYTES] >> 10);
}

int main(int argc, char **argv)
{
	struct buffer_pool buffers = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int file = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : make_file();
	bool good;
	size_t i;

	if (file < 0) {
		perror(argc > 1 ? argv[1] : "a file in /tmp");
		return 1;
	}
	buffers.same_file = file;
	buffers.file = open_direct(file);
	if (buffers.file < 0)
		buffers.file = file;
	buffers.nr_pages = (lseek(file, 0, SEEK_END) + PAGE - 1) / PAGE;
	buffers.pages = calloc(buffers.nr_pages, sizeof(*buffers.pages));
	if (!buffers.nr_pages || !buffers.pages || open_pool(&buffers))
		return 1;
	good = run_threads(&buffers);
	report(&buffers);
	for (i = 0; i < buffers.nr_pages; i++)
		segpool_free(buffers.pool, buffers.pages[i].segment);
	segpool_close(buffers.pool);
	free(buffers.pages);
	return !good;
}
