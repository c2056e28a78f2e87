// SPDX-License-Identifier: GPL-2.0
/*
 * What plain locks do, by calls that every kernel has: for each step how many
 * pages of a mapping are present, and how much the process has locked.  The
 * commits of the series must not change a line of it; which lines are right
 * is known, too, and any other ends the program with 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES	64

static size_t page;
static int wrong;

static long locked_kb(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int present(const char *p, size_t pages)
{
	unsigned char vec[2 * PAGES];
	int n = 0;

	if (mincore((void *)p, pages * page, vec))
		return -1;
	while (pages--)
		n += vec[pages] & 1;
	return n;
}

/* In pages: what is present, and what is locked beyond @base. */
static void say(const char *step, long ret, const char *p, size_t pages,
		long base, int want_present, long want_locked)
{
	int here = p ? present(p, pages) : 0;
	long lock = (locked_kb() - base) * 1024 / (long)page;

	printf("%s: %s, %d present, %ld locked\n", step,
	       ret ? strerror(errno) : "ok", here, lock);
	if (here != want_present || lock != want_locked)
		wrong = 1;
}

static char *map(size_t pages, int flags)
{
	char *p = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	/* a huge page would make more present than is asked for */
	madvise(p, pages * page, MADV_NOHUGEPAGE);
	return p;
}

static void one_mapping(void)
{
	char *p = map(PAGES, 0), *q;
	pid_t pid;

	say("mapped", 0, p, PAGES, 0, 0, 0);
	say("mlock of a half", mlock(p, PAGES / 2 * page), p, PAGES, 0,
	    PAGES / 2, PAGES / 2);
	say("mlock of all", mlock(p, PAGES * page), p, PAGES, 0, PAGES, PAGES);
	say("mlock again", mlock(p, PAGES * page), p, PAGES, 0, PAGES, PAGES);
	say("munlock of a quarter", munlock(p, PAGES / 4 * page), p, PAGES, 0,
	    PAGES, PAGES * 3 / 4);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		say("a child", 0, NULL, 0, 0, 0, 0);
		fflush(stdout);
		_exit(wrong);
	}
	if (waitpid(pid, &wrong, 0) != pid)
		wrong = 1;
	say("munlock", munlock(p, PAGES * page), p, PAGES, 0, PAGES, 0);
	munmap(p, PAGES * page);

	p = map(PAGES, 0);
	mlock(p, PAGES * page);
	q = mremap(p, PAGES * page, 2 * PAGES * page, MREMAP_MAYMOVE);
	say("a locked mapping grows", q == MAP_FAILED, q, 2 * PAGES, 0,
	    2 * PAGES, 2 * PAGES);
	munmap(q, 2 * PAGES * page);

	p = mmap(NULL, PAGES * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	mlock(p, PAGES * page);
	say("mprotect to writable", mprotect(p, PAGES * page,
					     PROT_READ | PROT_WRITE),
	    p, PAGES, 0, PAGES, PAGES);
	munmap(p, PAGES * page);
	say("munmap", 0, NULL, 0, 0, 0, 0);

	p = map(PAGES, MAP_LOCKED);
	say("MAP_LOCKED", 0, p, PAGES, 0, PAGES, PAGES);
	munmap(p, PAGES * page);
	p = map(PAGES, MAP_POPULATE);
	say("MAP_POPULATE", 0, p, PAGES, 0, PAGES, 0);
	munmap(p, PAGES * page);
}

static void whole_process(void)
{
	char *p = map(PAGES, 0), *q, *r;
	long base, ret = mlockall(MCL_CURRENT);

	/* how large all of the process is, depends */
	say("mlockall(MCL_CURRENT)", ret, p, PAGES, locked_kb(), PAGES, 0);
	q = map(PAGES, 0);
	say("mapped after it", 0, q, PAGES, locked_kb(), 0, 0);
	say("munlockall", munlockall(), p, PAGES, 0, PAGES, 0);
	say("mlockall(MCL_FUTURE)", mlockall(MCL_FUTURE), q, PAGES, 0, 0, 0);
	base = locked_kb();
	r = map(PAGES, 0);
	say("mapped after that", 0, r, PAGES, base, PAGES, PAGES);
	say("munlockall", munlockall(), r, PAGES, 0, PAGES, 0);
	r = map(PAGES, 0);
	say("mapped after all", 0, r, PAGES, 0, 0, 0);
}

int main(void)
{
	page = sysconf(_SC_PAGESIZE);
	one_mapping();
	whole_process();
	return wrong;
}
