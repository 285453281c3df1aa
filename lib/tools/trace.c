// SPDX-License-Identifier: GPL-2.0-only
/* segpool trace: runs a program with the recorder in it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <segpool.h>

#include "command.h"
#include "convert.h"
#include "history.h"
#include "json.h"
#include "recorder/raw.h"
#include "size.h"

#define RECORDER		"segpool/libsegpool-trace.so"
#define RECORDER_VARIABLE	"SEGPOOL_RECORDER"
#define NOT_STARTED		127

struct trace_options {
	const char *output;
	int children;
	int json;
	enum size_style style;
	char **program;
};

struct recording {
	const struct trace_options *options;
	char recorder[PATH_MAX];
	char directory[PATH_MAX];	/* where the recorder writes */
	char name[256];			/* the program as it was called */
	pid_t pid;
	int status;			/* as wait() has it */
};

/* The recorder lies in a folder beside the library. */
static int find_recorder(char path[PATH_MAX])
{
	const char *named = getenv(RECORDER_VARIABLE);
	char library[PATH_MAX];
	Dl_info info;
	char *slash;

	if (named) {
		snprintf(path, PATH_MAX, "%s", named);
	} else {
		if (!dladdr(segpool_open, &info) || !realpath(info.dli_fname, library))
			return complain("libsegpool cannot be found, and so the recorder beside it");
		slash = strrchr(library, '/');
		*slash = '\0';
		if (snprintf(path, PATH_MAX, "%s/" RECORDER, library) >= PATH_MAX)
			return complain("%s: the name is too long", library);
	}
	if (access(path, R_OK))
		return complain("the recorder %s: %s: install the library again, or name the file in "
				RECORDER_VARIABLE, path, strerror(errno));
	if (strpbrk(path, " :"))
		return complain("the recorder %s: LD_PRELOAD cannot name a file with a blank or "
				"colon: set " RECORDER_VARIABLE " to a copy elsewhere", path);
	return 0;
}

/* A rename puts the history there: not over a device. */
static int check_output(const char *output)
{
	struct stat stat;

	if (!lstat(output, &stat) && !S_ISREG(stat.st_mode))
		return complain("%s is no regular file: name one with -o", output);
	return 0;
}

/* Beside the history, which will be about a tenth of what is written here. */
static int make_directory(struct recording *recording)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(recording->options->output, '/');
	int length = slash ? (int)(slash - recording->options->output) + 1 : 2;

	snprintf(folder, sizeof(folder), "%.*s", length,
		 slash ? recording->options->output : "./");
	if (!realpath(folder, recording->directory))
		return complain("%s: %s: name a file in a folder that is there with -o", folder,
				strerror(errno));
	if (strlen(recording->directory) + 64 >= PATH_MAX)
		return complain("%s: the name is too long", folder);
	strcat(recording->directory, "/.segpool-trace-XXXXXX");
	if (!mkdtemp(recording->directory))
		return complain("%s: %s: name a file in a folder that you may write to with -o",
				folder, strerror(errno));
	return 0;
}

static void remove_directory(const struct recording *recording)
{
	DIR *directory = opendir(recording->directory);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(recording->directory);
}

static volatile pid_t traced;

/* Whoever ends the recording ends the program; what it did until then is kept. */
static void pass_on(int signal)
{
	if (traced)
		kill(traced, signal);
}

static void handle_signals(void (*on_end)(int), void (*on_key)(int))
{
	struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESTART };
	struct sigaction key = { .sa_handler = on_key };

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	/* The terminal sends these to the program as well. */
	sigaction(SIGINT, &key, NULL);
	sigaction(SIGQUIT, &key, NULL);
}

static void preload(const char *recorder)
{
	const char *others = getenv("LD_PRELOAD");
	char *list;

	if (!others || !*others)
		setenv("LD_PRELOAD", recorder, 1);
	else if (asprintf(&list, "%s:%s", recorder, others) > 0)
		setenv("LD_PRELOAD", list, 1);
}

static void __attribute__((noreturn)) become(const struct recording *recording, int report)
{
	char **program = recording->options->program;

	handle_signals(SIG_DFL, SIG_DFL);
	preload(recording->recorder);
	setenv(RAW_DIR_VARIABLE, recording->directory, 1);
	execvp(program[0], program);
	if (write(report, &errno, sizeof(errno)) < 0)
		_exit(NOT_STARTED);
	_exit(NOT_STARTED);
}

static int wait_for_program(struct recording *recording)
{
	while (waitpid(recording->pid, &recording->status, 0) < 0)
		if (errno != EINTR)
			return complain("waitpid: %s", strerror(errno));
	traced = 0;
	return 0;
}

/* Whether it could be started at all comes through a pipe that a successful exec() closes. */
static int run_program(struct recording *recording)
{
	int pipes[2], error = 0;

	if (pipe2(pipes, O_CLOEXEC))
		return complain("pipe: %s", strerror(errno));
	handle_signals(pass_on, SIG_IGN);
	recording->pid = fork();
	if (!recording->pid)
		become(recording, pipes[1]);
	close(pipes[1]);
	if (recording->pid < 0) {
		close(pipes[0]);
		return complain("fork: %s", strerror(errno));
	}
	traced = recording->pid;
	if (read(pipes[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = 0;
	close(pipes[0]);
	if (wait_for_program(recording))
		return -1;
	if (error)
		return complain("%s: %s", recording->options->program[0], strerror(error));
	return 0;
}

/* What the history is called: the program without its folder, and its arguments. */
static void name_program(struct recording *recording)
{
	char **word = recording->options->program;
	const char *base = strrchr(word[0], '/');
	size_t used;

	snprintf(recording->name, sizeof(recording->name), "%s", base ? base + 1 : word[0]);
	while (*++word) {
		used = strlen(recording->name);
		snprintf(recording->name + used, sizeof(recording->name) - used, " %s", *word);
	}
}

static void tell(const struct recording *recording, const char *output,
		 const struct history *history, const struct conversion *conversion)
{
	char all[SIZE_TEXT], peak[SIZE_TEXT];

	fprintf(stderr, "segpool: %s: %" PRIu64 " allocations of 4 KiB and more by %" PRIu32
		" %s in %.1f s, %s, at most %s at a time\n", output, history->allocations,
		history->nr_threads, history->nr_threads == 1 ? "thread" : "threads",
		(double)history->duration_us / 1e6,
		size_text(history->allocated_bytes, recording->options->style, all),
		size_text(history->peak_live_bytes, recording->options->style, peak));
	if (conversion->lost)
		complain("%s: %" PRIu64 " more events were lost: no room on the disk, the program could "
			 "not write there any more, or a signal's handler came at a bad moment",
			 output, conversion->lost);
}

static void tell_json(struct json *json, const char *output, const struct history *history,
		      const struct conversion *conversion, pid_t pid)
{
	json_object(json, NULL);
	json_string(json, "file", output);
	json_number(json, "pid", (uint64_t)pid);
	json_number(json, "programs", conversion->programs);
	json_number(json, "threads", history->nr_threads);
	json_number(json, "events", conversion->events);
	json_number(json, "allocations", history->allocations);
	json_number(json, "resizes", history->resizes);
	json_number(json, "frees", history->frees);
	json_number(json, "allocated_bytes", history->allocated_bytes);
	json_number(json, "peak_live_bytes", history->peak_live_bytes);
	json_number(json, "duration_us", history->duration_us);
	json_number(json, "lost", conversion->lost);
	json_number(json, "unknown", conversion->unknown);
	json_end_object(json);
}

/* It is read back at once: what it cannot be read from is no history. */
static int keep(const struct recording *recording, struct json *json, pid_t pid,
		const char *output)
{
	struct conversion conversion;
	struct history history;

	if (convert(recording->directory, pid, recording->name, output, &conversion))
		return -1;
	if (!conversion.programs) {
		unlink(output);
		return complain("%s: the recorder was not in it: is it statically linked, "
				"set-user-ID, or not allowed to write to %.*s?",
				recording->options->program[0],
				(int)(strrchr(recording->directory, '/') - recording->directory),
				recording->directory);
	}
	if (!conversion.events) {
		unlink(output);
		return complain("%s: it allocated nothing of 4 KiB and more%s",
				recording->options->program[0], conversion.lost ?
				" that could be recorded" : "");
	}
	if (history_read(output, &history))
		return -1;
	if (json)
		tell_json(json, output, &history, &conversion, pid);
	else
		tell(recording, output, &history, &conversion);
	history_drop(&history);
	return 0;
}

/* Has this first program of a process recorded anything? */
static int is_child(const struct recording *recording, const char *name, pid_t *pid)
{
	struct raw_header header = { 0 };
	char path[2 * PATH_MAX];
	int number, used = 0;
	FILE *file;

	if (sscanf(name, "%d.%d%n", pid, &number, &used) != 2 || name[used] || number ||
	    *pid == recording->pid)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", recording->directory, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fread(&header, sizeof(header), 1, file) != 1)
		header.next_seq = 0;
	fclose(file);
	return header.next_seq > 1;
}

static int keep_children(const struct recording *recording, struct json *json)
{
	DIR *directory = opendir(recording->directory);
	char output[PATH_MAX];
	struct dirent *entry;
	int count = 0;
	pid_t pid;

	while (directory && (entry = readdir(directory))) {
		if (!is_child(recording, entry->d_name, &pid))
			continue;
		count++;
		snprintf(output, sizeof(output), "%s.%d", recording->options->output, (int)pid);
		if (recording->options->children)
			keep(recording, json, pid, output);
	}
	if (directory)
		closedir(directory);
	if (count && !recording->options->children)
		fprintf(stderr, "segpool: %d child %s left out; --children keeps what they did, too\n",
			count, count == 1 ? "process was" : "processes were");
	return count;
}

static int keep_all(const struct recording *recording)
{
	struct json json = { .file = stdout };
	int error;

	if (recording->options->json)
		json_array(&json, NULL);
	error = keep(recording, recording->options->json ? &json : NULL, recording->pid,
		     recording->options->output);
	keep_children(recording, recording->options->json ? &json : NULL);
	if (recording->options->json)
		json_end_array(&json);
	return error;
}

static int status_of(const struct recording *recording)
{
	if (WIFSIGNALED(recording->status))
		return 128 + WTERMSIG(recording->status);
	return WEXITSTATUS(recording->status);
}

static int record(const struct trace_options *options)
{
	struct recording recording = { .options = options };
	int status = STATUS_FAILED;

	name_program(&recording);
	if (check_output(options->output) || find_recorder(recording.recorder) ||
	    make_directory(&recording))
		return STATUS_FAILED;
	if (run_program(&recording)) {
		if (recording.pid > 0)
			status = NOT_STARTED;
	} else {
		status = status_of(&recording);
		if (WIFSIGNALED(recording.status))
			complain("%s was ended by signal %d (%s)", options->program[0],
				 WTERMSIG(recording.status), strsignal(WTERMSIG(recording.status)));
		if (keep_all(&recording) && !status)
			status = STATUS_FAILED;
	}
	remove_directory(&recording);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option names[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "children", no_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "bytes", no_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct trace_options options = { .style = SIZE_HUMAN };
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:o:jh", names, NULL)) != -1) {
		switch (option) {
		case 'o':
			options.output = optarg;
			break;
		case 'c':
			options.children = 1;
			break;
		case 'j':
			options.json = 1;
			break;
		case 'b':
			options.style = SIZE_EXACT;
			break;
		case 'h':
			return helped(&command_trace);
		default:
			return misused_option(&command_trace, argv, option);
		}
	}
	options.program = argv + optind;
	if (!options.output)
		return misused(&command_trace, "name a file for the history with -o");
	if (optind == argc)
		return misused(&command_trace, "name a program to record, after --");
	return record(&options);
}

const struct command command_trace = {
	.name = "trace",
	.summary = "record the large allocations of a program",
	.run = run,
	.help =
"Usage: segpool trace -o FILE [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
"\n"
"Runs PROGRAM and records its allocations of 4 KiB and more: malloc() and its family,\n"
"and writable anonymous mappings. What it had done is kept however it ends. It must be\n"
"dynamically linked, and not set-user-ID.\n"
"\n"
"  -o, --output FILE  where the history goes, compressed; segpool replay reads it\n"
"      --children     processes that PROGRAM starts are recorded too, in FILE.PID\n"
"  -j, --json         what was recorded, as JSON on standard output\n"
"      --bytes        exact numbers of bytes\n"
"\n"
"What a program does after exec() follows in the same file, all it had before freed.\n"
"Ends with PROGRAM's status, 128 and the signal's number, 127 if it could not be\n"
"started, or 1 if nothing could be recorded.\n",
};
