/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Functions of which the planted page says something else, or nothing. */

/**
 * segpool_planted() - is described, but not so
 * @number: is long here.
 *
 * Return: 0, or -EINVAL, or -EDOM, of which the page knows nothing.
 */
int segpool_planted(long number);

/**
 * segpool_planted_alone() - has no page
 */
void segpool_planted_alone(void);

#define SEGPOOL_PLANTED_CONSTANT	1

/**
 * struct segpool_planted_options - has a member that no page has
 * @planted_member: this one.
 */
struct segpool_planted_options {
	int planted_member;
};
