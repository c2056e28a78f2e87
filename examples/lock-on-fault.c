// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault at work: an example to read, run and copy from.
 *
 * A program keeps secrets in a buffer of 64 MiB and seldom needs more than a
 * few of them.  The secrets must never be written to swap.
 *
 *	mlock()                  keeps them out of swap, but faults in 64 MiB
 *	mlock2(MLOCK_ONFAULT)    locks each page when it is first used
 *
 * We show what is present, locked and charged before and after some of the
 * buffer is used, and what ends up in swap when memory gets short, next to a
 * twin of the buffer that is not locked.  Then the same again for a program
 * that asks once, for all memory that it will ever map, with mlockall().
 *
 *	cc -o lock-on-fault lock-on-fault.c && ./lock-on-fault
 *
 * It wants swap, and to write more than fits in memory: 256 MiB of each are
 * plenty.  The exit status is 0 if lock on fault kept its promises.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER_SIZE	(64UL << 20)
#define SECRETS		256	/* pages that we use, spread over the buffer */

/* What the kernel says of one mapping, in kB (/proc/self/smaps). */
struct usage {
	long present;	/* in memory now */
	long locked;	/* of that, what cannot leave it */
	long swapped;	/* in swap */
};

static bool broken;

static void die(const char *what)
{
	fprintf(stderr, "lock-on-fault: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void promise(bool kept, const char *what)
{
	printf("  %s %s\n", kept ? "yes:" : "NO: ", what);
	if (!kept)
		broken = true;
}

/* A number of kB from a file of "Name:   123 kB" lines. */
static long kb_of(const char *file, const char *name)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen(file, "r");

	if (!f)
		die(file);
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kb = strtol(line + strlen(name), NULL, 10);
	fclose(f);
	return kb;
}

/*
 * What is charged against RLIMIT_MEMLOCK: all mappings of the process that
 * are locked, at their whole size, however little of them is present.
 */
static long charged(void)
{
	return kb_of("/proc/self/status", "VmLck:");
}

static struct usage usage_of(const void *mapping)
{
	struct usage u = { 0 };
	unsigned long start, end, want = (unsigned long)mapping;
	bool here = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	if (!f)
		die("/proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = want >= start && want < end;
		if (!here)
			continue;
		sscanf(line, "Rss: %ld", &u.present);
		sscanf(line, "Locked: %ld", &u.locked);
		sscanf(line, "Swap: %ld", &u.swapped);
	}
	fclose(f);
	return u;
}

static void *map(size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/*
 * A buffer with an unusable page on either side.  Programs that keep secrets
 * do that anyway; here it also keeps the kernel from merging the buffer with
 * its neighbours, so that the figures are of the buffer alone.
 */
static char *map_buffer(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *p = map(BUFFER_SIZE + 2 * page, PROT_NONE);

	if (mprotect(p + page, BUFFER_SIZE, PROT_READ | PROT_WRITE))
		die("mprotect");
	return p + page;
}

static void use_some(char *buffer)
{
	size_t i;

	for (i = 0; i < SECRETS; i++)
		strcpy(buffer + i * (BUFFER_SIZE / SECRETS), "a secret");
}

/* Another process that wants as much memory as there is. */
static void memory_pressure(void)
{
	size_t size = kb_of("/proc/meminfo", "MemTotal:") << 10;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		/* locks are not inherited: all of this can be swapped */
		memset(map(size, PROT_READ | PROT_WRITE), 0xa5, size);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fprintf(stderr, "lock-on-fault: the process that needs memory was killed\n");
}

static void header(void)
{
	printf("  %-34s %9s %9s %9s %9s\n", "", "present", "locked", "charged", "in swap");
}

static void row(const char *what, const void *buffer, long charge)
{
	struct usage u = usage_of(buffer);

	printf("  %-34s %6ld kB %6ld kB %6ld kB %6ld kB\n",
	       what, u.present, u.locked, charge, u.swapped);
}

/* Both parts of the demonstration: @buffer is locked on fault, @twin is not. */
static void show(char *buffer, char *twin, long charge)
{
	long used = SECRETS * (sysconf(_SC_PAGESIZE) >> 10);
	struct usage b, t;

	header();
	row("buffer, before it is used", buffer, charge);
	b = usage_of(buffer);
	promise(b.present == 0, "to lock the buffer made nothing of it present");
	promise(charge == (long)(BUFFER_SIZE >> 10), "all of the buffer is charged");

	use_some(buffer);
	use_some(twin);
	row("buffer, some of it used", buffer, charge);
	row("twin, used alike, not locked", twin, 0);
	b = usage_of(buffer);
	promise(b.present == used && b.locked == used, "what was used is present and locked, and nothing else");

	memory_pressure();
	row("buffer, after memory was short", buffer, charge);
	row("twin, after memory was short", twin, 0);
	b = usage_of(buffer);
	t = usage_of(twin);
	promise(b.present == used && b.swapped == 0, "nothing of the buffer went to swap");
	promise(t.swapped > 0, "some of the twin did");
}

int main(void)
{
	char *buffer, *twin;
	long before;

	if (kb_of("/proc/meminfo", "SwapTotal:") < 65536)
		printf("(there is little or no swap here: the twin has nowhere to go)\n");

	printf("mlock2(buffer, 64 MiB, MLOCK_ONFAULT)\n");
	buffer = map_buffer();
	twin = map_buffer();
	before = charged();
	if (mlock2(buffer, BUFFER_SIZE, MLOCK_ONFAULT))
		die("mlock2(MLOCK_ONFAULT)");
	show(buffer, twin, charged() - before);

	printf("\nmlockall(MCL_FUTURE | MCL_ONFAULT), then mmap()\n");
	twin = map_buffer();	/* mapped before, so it stays unlocked */
	if (mlockall(MCL_FUTURE | MCL_ONFAULT))
		die("mlockall(MCL_FUTURE | MCL_ONFAULT)");
	before = charged();
	buffer = map(BUFFER_SIZE, PROT_READ | PROT_WRITE);
	show(buffer, twin, charged() - before);

	/* munlock() and munlockall() undo either kind of lock */
	if (munlockall() || charged() != 0)
		broken = true;
	return broken;
}
