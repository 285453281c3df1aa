// SPDX-License-Identifier: GPL-2.0-only
/*
 * What "segpool top" draws: the rows of pools at sizes that fit, and never more than fits
 * into any. With AddressSanitizer and UBSan.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tap.h"
#include "top_draw.h"

#define MIB	(1ULL << 20)
#define MOST	200

static struct top_history histories[2];
static struct top_row rows[MOST];
static const struct top_sums sums = {
	.pools = 2, .ceiling_used = 24 * MIB, .ceiling = 1024 * MIB, .metadata = 1536,
	.virtual_bytes = 40 * MIB, .physical_bytes = 20 * MIB, .retained_bytes = 4 * MIB,
};

static char text[1 << 20];

static const char *draw(const struct top_view *view, unsigned int width, unsigned int height,
			enum top_charset charset)
{
	FILE *file = fmemopen(text, sizeof(text), "w");

	memset(text, 0, sizeof(text));
	top_draw(file, view, (struct top_size){ width, height }, charset);
	fclose(file);
	return text;
}

/* From nothing to the budget of 8 MiB and beyond, one sample each; retained is the rest. */
static void fill(void)
{
	memset(histories, 0, sizeof(histories));
	for (uint64_t i = 0; i <= 9; i++) {
		histories[0].physical[histories[0].taken] = i * MIB;
		histories[0].retained[histories[0].taken++] = (9 - i) * MIB;
	}
	histories[1].taken = 1;
	histories[1].physical[0] = 1;
	rows[0] = (struct top_row){
		.id = 7, .pressure = 1, .name = "database",
		.virtual_bytes = 10 * MIB, .virtual_budget = 1536 * MIB,
		.physical_bytes = 9 * MIB, .physical_budget = 8 * MIB, .history = &histories[0],
	};
	rows[1] = (struct top_row){
		.id = 12, .name = "a_name_that_is_much_too_long\\x1b",
		.virtual_bytes = 1023, .virtual_budget = 1024, .physical_bytes = 1,
		.retained_bytes = 1047552 - 1024, .physical_budget = 1048064,
		.history = &histories[1],
	};
}

static void at_120_columns(void)
{
	struct top_view view = { .sums = &sums, .rows = rows, .count = 2 };

	fill();
	check_text(draw(&view, 120, 24, TOP_ASCII),
		   "segpool: 2 pools, 24.0M of a ceiling of 1.0G and 1.5K of its own; virtual 40.0M, physical 20.0M, retained 4.0M\n"
		   " POOL  COMMAND          VIRTUAL   BUDGET PHYSICAL RETAINED   BUDGET PHYSICAL/BUDGET            RETAINED/BUDGET\n"
		   "    7! database           10.0M     1.5G     9.0M       0B     8.0M                  .:-=+*%##                ##%*+=-:. \n"
		   "   12  a_name_that_is_    1023B     1.0K       1B    1022K     1.0M                          .                          ");
}

static void in_utf8(void)
{
	struct top_view view = { .rows = rows, .count = 1 };

	fill();
	draw(&view, 80, 4, TOP_UTF8);
	check(strstr(text, "8.0M    \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588\u2588"));
	check(!strncmp(text, "segpool: only your own pools: root sees all\n", 44));
	draw(&view, 80, 4, TOP_ASCII);
	check(strstr(text, "8.0M    .:-=+*%##"));
	for (const char *at = text; *at; at++)
		check((unsigned char)*at < 0x7f);
}

/* What does not fit goes in an order; the number of the pool and its memory stay. */
static void narrow(void)
{
	struct top_view view = { .sums = &sums, .rows = rows, .count = 1 };

	fill();
	check_text(draw(&view, 50, 3, TOP_ASCII),
		   "segpool: 2 pools, 24.0M of a ceiling of 1.0G and 1\n"
		   " POOL  PHYSICAL RETAINED   BUDGET PHYSICAL/BUDGET\n"
		   "    7!     9.0M       0B     8.0M        .:-=+*%##");
	check_text(draw(&view, 24, 3, TOP_ASCII),
		   "segpool: 2 pools, 24.0M \n"
		   " POOL  PHYSICAL PHYSICAL\n"
		   "    7!     9.0M :-=+*%##");
	check_text(draw(&view, 10, 3, TOP_ASCII), "segpool: 2\n POOL  PHY\n    7!    ");
	check_text(draw(&view, 1, 3, TOP_ASCII), "s\n \n ");
}

static void no_pools(void)
{
	struct top_view view = { .sums = NULL };

	check_text(draw(&view, 40, 3, TOP_UTF8),
		   "segpool: only your own pools: root sees \n"
		   " POOL  PHYSICAL   BUDGET PHYSICAL/BUDGET\n"
		   "there are no pools");
	check_text(draw(&view, 40, 1, TOP_UTF8), "segpool: only your own pools: root sees ");
	check_text(draw(&view, 40, 0, TOP_UTF8), "");
	check_text(draw(&view, 0, 24, TOP_UTF8), "");
}

static void more_than_fit(void)
{
	struct top_view view = { .rows = rows, .count = 5 };

	fill();
	for (size_t i = 1; i < 5; i++) {
		rows[i] = rows[0];
		rows[i].id = 100 + i;
	}
	draw(&view, 60, 6, TOP_ASCII);
	check(strstr(text, "  101!"));
	check(strstr(text, "  102!"));
	check(!strstr(text, "  103!"));
	check(!strstr(text, "  104!"));
	check_text(strrchr(text, '\n'), "\nand 2 more: --pool shows one");
	draw(&view, 60, 7, TOP_ASCII);
	check(strstr(text, "  104!"));
	check(!strstr(text, "more"));
	draw(&view, 60, 3, TOP_ASCII);
	check_text(strrchr(text, '\n'), "\nand 5 more: --pool shows one");
}

/* Columns of the widest line, in characters, and lines. */
static void measure(unsigned int *width, unsigned int *height)
{
	unsigned int column = 0;

	*width = 0;
	*height = *text ? 1 : 0;
	for (const char *at = text; *at; at++) {
		if (*at == '\n') {
			++*height;
			column = 0;
		} else if (((unsigned char)*at & 0xc0) != 0x80 && ++column > *width) {
			*width = column;
		}
	}
}

/* The oldest samples are gone; no line has more than the newest. */
static void long_histories(void)
{
	struct top_view view = { .rows = rows, .count = 1 };
	unsigned int width, height;

	fill();
	memset(histories, 0, sizeof(histories));
	for (; histories[0].taken < 3 * TOP_SAMPLES + 5; histories[0].taken++)
		histories[0].physical[histories[0].taken % TOP_SAMPLES] =
			histories[0].taken < 2 * TOP_SAMPLES + 6 ? 8 * MIB : 0;
	histories[0].physical[(histories[0].taken - 1) % TOP_SAMPLES] = 4 * MIB;
	draw(&view, 2000, 3, TOP_ASCII);
	/* Of 256: one full one is left, the newest is half full, and between them is nothing. */
	check(strspn(strrchr(text, '#'), "#") == 1);
	check(strchr(text, '#') == strrchr(text, '#'));
	check_equal(strcspn(strchr(text, '#'), "="), TOP_SAMPLES - 1);
	measure(&width, &height);
	check_equal(width, 68 + TOP_SAMPLES + 1 + TOP_SAMPLES);
	check(strstr(text, " RETAINED/BUDGET\n"));
}

static void never_more_than_fits(void)
{
	struct top_view view = { .sums = &sums, .rows = rows, .count = MOST };
	unsigned int width, height;

	fill();
	for (size_t i = 2; i < MOST; i++)
		rows[i] = rows[i % 2];
	rows[3].id = UINT32_MAX;
	rows[3].virtual_bytes = rows[3].virtual_budget = rows[3].physical_budget = UINT64_MAX;
	for (unsigned int columns = 1; columns < 700; columns += 1 + columns / 40) {
		for (unsigned int lines = 1; lines < 230; lines += 1 + lines / 4) {
			draw(&view, columns, lines, columns % 2 ? TOP_UTF8 : TOP_ASCII);
			measure(&width, &height);
			check(width <= columns);
			check(height <= lines);
			check(height >= (lines < MOST + 2 ? lines : MOST + 2));
		}
	}
}

static const struct tap_test tests[] = {
	TAP(at_120_columns),
	TAP(in_utf8),
	TAP(narrow),
	TAP(no_pools),
	TAP(more_than_fit),
	TAP(long_histories),
	TAP(never_more_than_fits),
};

TAP_MAIN(tests)
