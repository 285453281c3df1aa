// SPDX-License-Identifier: GPL-2.0-only
/* A history as a C program, and as lines that --replay reads. */
#include "model.h"

void emit_prologue(FILE *file)
{
	fprintf(file,
		"// SPDX-License-Identifier: GPL-2.0-only\n"
		"/* cc -static -pthread -Iuapi -Iselftests THIS.c */\n"
		"#include \"model/replay.h\"\n\n"
		"int main(int argc, char **argv)\n{\n"
		"\tif (argc == 4 && !strcmp(argv[1], OWNER_BY_EXEC))\n"
		"\t\treturn owner_by_exec(argv[2], argv[3]);\n"
		"\tdirty_free_memory(4 * SP_MIB);\n");
}

void emit_epilogue(FILE *file)
{
	fprintf(file, "\treturn finish();\n}\n");
}

static void print_lines(const struct history *history, FILE *file)
{
	const struct op *op;
	uint32_t i, number;

	for (i = 0; i < history->length; i++) {
		op = &history->ops[i];
		fprintf(file, "# replay %s %u", op_kinds[op->kind].name, op->pool);
		for (number = 0; number < 8; number++)
			fprintf(file, " %u", op->arg[number]);
		fprintf(file, "\n");
	}
}

/* Runs it once more, with each call written down as it is made. */
void history_print(struct history *history, uint64_t seed, uint32_t modes)
{
	printf("# As lines for --replay (seed %llu):\n", (unsigned long long)seed);
	print_lines(history, stdout);
	printf("# As a program:\n");
	emit_prologue(stdout);
	fflush(stdout);
	history_run(history, seed, modes, stdout);
	if (history->failed)
		printf("\t/* %s */\n", history->mismatch);
	emit_epilogue(stdout);
	fflush(stdout);
}

static int kind_of(const char *name)
{
	uint32_t i;

	for (i = 0; i < nr_op_kinds; i++)
		if (!strcmp(op_kinds[i].name, name))
			return i;
	return -1;
}

static bool read_line(const char *line, struct op *op)
{
	unsigned int pool;
	char name[32];
	int kind;

	memset(op, 0, sizeof(*op));
	if (sscanf(line, "# replay %31s %u %u %u %u %u %u %u %u %u", name, &pool, &op->arg[0],
		   &op->arg[1], &op->arg[2], &op->arg[3], &op->arg[4], &op->arg[5], &op->arg[6],
		   &op->arg[7]) != 10)
		return false;
	kind = kind_of(name);
	if (kind < 0 || pool >= MAX_POOLS)
		return false;
	op->kind = kind;
	op->pool = pool;
	return true;
}

/* The lines "# replay ..." of a file, for example a whole output: how many, or -errno. */
int history_read(struct history *history, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];

	if (!file)
		return -errno;
	history->length = 0;
	while (history->length < MAX_HISTORY && fgets(line, sizeof(line), file))
		history->length += read_line(line, &history->ops[history->length]);
	fclose(file);
	return history->length;
}
