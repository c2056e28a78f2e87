// SPDX-License-Identifier: GPL-2.0
/*
 * What single operations cost: those that a lock on fault takes part in, and
 * those that every program does and that must not have become dearer by it.
 *
 * Every measure is a process of its own, which does its operation a number of
 * times in each of a number of rounds.  What counts is the median round, and
 * the cheapest: the first depends on the state that the allocators' caches are
 * in most of the time, the second on luck with them, and an instruction more on
 * the way of the operation shows in both.  The dear rounds have a timer
 * interrupt in them; for those to be few, a round is a few milliseconds at
 * most.  Under an emulator that counts instructions as nanoseconds the figures
 * are those of instructions.
 *
 * This is a benchmark, not a test.  With --time it says how long another
 * program takes, in the same form.
 */
#include "lock_on_fault.h"
#include <getopt.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

#define MIB		(1024 * 1024UL)
#define SMALL		(64 * 1024UL)	/* what allocators ask for */
#define VMAS		1000
#define MAX_ROUNDS	1000
#define ENOUGH_NS	500000000ULL
#define ELEMENTS	1000000		/* of stream's arrays */

/* What the process of a measure leaves behind */
struct result {
	int rounds;
	uint64_t ps[MAX_ROUNDS];	/* of one operation */
	bool done;
	char why[160];
};

enum topic { LOCK, UNUSED, STREAM, GROUPS };
static const char * const group_names[] = { "lock", "unused", "stream" };

enum format { HUMAN, JSON, CSV };

static struct result *result;	/* shared with the process of the measure */
static int rounds = 40;
static const char *self;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* A round is over: @ops operations took the time since @start */
static void round_took(uint64_t start, unsigned long ops)
{
	result->ps[result->rounds++] = (now_ns() - start) * 1000 / ops;
}

#define give_up(...) do {						\
	snprintf(result->why, sizeof(result->why), __VA_ARGS__);	\
	_exit(0);							\
} while (0)

/*
 * Another round?  What takes long shows it in a few, and the walk of a large
 * mapping may take a second.
 */
static bool another_round(void)
{
	static uint64_t began;
	static int n;

	if (!n)
		began = now_ns();
	return n++ < rounds && now_ns() - began < ENOUGH_NS;
}

/* The call that a measure is about, or one that it needs, has to work */
static void must(const char *call, long ret)
{
	if (ret != -1)
		return;
	if (errno == ENOSYS || (errno == EINVAL && strstr(call, "ONFAULT")))
		give_up("%s: %s: the kernel has no lock on fault", call,
			strerror(errno));
	give_up("%s: %s", call, strerror(errno));
}

static char *map_anon(size_t len, int prot)
{
	char *map = mmap(NULL, len, prot,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		give_up("mmap of %zu MiB: %s", (size_t)(len / MIB),
			strerror(errno));
	/* transparent huge pages are another matter */
	madvise(map, len, MADV_NOHUGEPAGE);
	return map;
}

static void touch(char *map, size_t len)
{
	volatile char *p = map;
	size_t i;

	for (i = 0; i < len; i += page_size())
		p[i] = 1;
}

static unsigned int look(const char *map, size_t len)
{
	const volatile char *p = map;
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < len; i += page_size())
		sum += p[i];
	return sum;
}

static void lock_future(void)
{
	must("mlockall(MCL_FUTURE | MCL_ONFAULT)",
	     sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
}

/*
 * A large mapping of which nothing is used
 */
enum sparse { SPARSE_LOCK, SPARSE_MPROTECT, SPARSE_MUNLOCK };

static void sparse(enum sparse what)
{
	const unsigned long len = 16384UL * MIB;
	uint64_t start;
	char *map;

	if (sizeof(long) < 8)
		give_up("16 GiB do not fit in 32 bits");
	while (another_round()) {
		map = map_anon(len, PROT_READ);
		start = now_ns();
		must("mlock2(MLOCK_ONFAULT)",
		     sys_mlock2(map, len, MLOCK_ONFAULT));
		if (what == SPARSE_LOCK)
			round_took(start, 1);
		start = now_ns();
		if (what == SPARSE_MPROTECT) {
			must("mprotect",
			     mprotect(map, len, PROT_READ | PROT_WRITE));
			round_took(start, 1);
		}
		start = now_ns();
		must("munlock", sys_munlock(map, len));
		if (what == SPARSE_MUNLOCK)
			round_took(start, 1);
		must("munmap", munmap(map, len));
	}
}

static void sparse_mlock2(void)
{
	sparse(SPARSE_LOCK);
}

static void sparse_mprotect(void)
{
	sparse(SPARSE_MPROTECT);
}

static void sparse_munlock(void)
{
	sparse(SPARSE_MUNLOCK);
}

/*
 * Memory that is in use
 */
enum used { USED_FAULT, USED_LOCK, USED_MUNLOCK, USED_MUNMAP };

static void used(enum used what, bool lock)
{
	const size_t len = 4 * MIB, pages = len / page_size();
	uint64_t start;
	char *map;

	while (another_round()) {
		map = map_anon(len, PROT_READ | PROT_WRITE);
		if (what == USED_FAULT && lock)
			must("mlock2(MLOCK_ONFAULT)",
			     sys_mlock2(map, len, MLOCK_ONFAULT));
		start = now_ns();
		touch(map, len);
		if (what == USED_FAULT)
			round_took(start, pages);
		start = now_ns();
		if (what != USED_FAULT && lock)
			must("mlock2(MLOCK_ONFAULT)",
			     sys_mlock2(map, len, MLOCK_ONFAULT));
		if (what == USED_LOCK)
			round_took(start, pages);
		start = now_ns();
		if (what == USED_MUNLOCK) {
			must("munlock", sys_munlock(map, len));
			round_took(start, pages);
		}
		start = now_ns();
		must("munmap", munmap(map, len));
		if (what == USED_MUNMAP)
			round_took(start, pages);
	}
}

static void used_fault(void)
{
	used(USED_FAULT, true);
}

static void used_mlock2(void)
{
	used(USED_LOCK, true);
}

static void used_munlock(void)
{
	used(USED_MUNLOCK, true);
}

static void used_munmap(void)
{
	used(USED_MUNMAP, true);
}

static void used_munmap_unlocked(void)
{
	used(USED_MUNMAP, false);
}

/*
 * What allocators do
 */
static void map_unmap(void)
{
	uint64_t start;
	char *map;
	int k;

	while (another_round()) {
		start = now_ns();
		for (k = 0; k < 100; k++) {
			map = mmap(NULL, SMALL, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			must("mmap", (long)map);
			must("munmap", munmap(map, SMALL));
		}
		round_took(start, k);
	}
}

static void map_unmap_future(void)
{
	lock_future();
	map_unmap();
}

static void grow_shrink(void)
{
	long end = syscall(__NR_brk, 0);
	uint64_t start;
	int k;

	/* there may be no heap yet */
	if (syscall(__NR_brk, end + SMALL) != (long)(end + SMALL))
		give_up("brk does not move");
	end += SMALL;
	while (another_round()) {
		start = now_ns();
		for (k = 0; k < 100; k++) {
			syscall(__NR_brk, end + SMALL);
			syscall(__NR_brk, end);
		}
		round_took(start, k);
	}
}

static void grow_shrink_future(void)
{
	lock_future();
	grow_shrink();
}

/*
 * A process of many mappings, half of their pages in use
 */
static void many_vmas(int lock, bool unlock)
{
	const size_t page = page_size(), len = 8 * page;
	uint64_t start;
	char *map;
	int i;

	map = map_anon(VMAS * len, PROT_READ | PROT_WRITE);
	for (i = 0; i < VMAS; i++) {
		touch(map + i * len, len / 2);
		/* neighbours that differ stay apart */
		if (i % 2)
			must("mprotect", mprotect(map + i * len, len,
						  PROT_READ));
	}
	while (another_round()) {
		start = now_ns();
		if (lock)
			must("mlockall(MCL_CURRENT | MCL_ONFAULT)",
			     sys_mlockall(lock));
		if (lock && !unlock)
			round_took(start, VMAS);
		start = now_ns();
		must("munlockall", sys_munlockall());
		if (unlock)
			round_took(start, VMAS);
	}
}

static void many_mlockall(void)
{
	many_vmas(MCL_CURRENT | MCL_ONFAULT, false);
}

static void many_munlockall(void)
{
	many_vmas(MCL_CURRENT | MCL_ONFAULT, true);
}

static void many_munlockall_unlocked(void)
{
	many_vmas(0, true);
}

/*
 * What every program does
 */
static void anon_fault(void)
{
	used(USED_FAULT, false);
}

#define FILE_PAGES	512

/* A file that is in the page cache, all of it */
static int cached_file(void)
{
	static char block[65536];
	size_t left = FILE_PAGES * page_size(), len;
	int fd = memfd_create("mlock-cost", MFD_CLOEXEC);

	must("memfd_create", fd);
	memset(block, 1, sizeof(block));
	for (; left; left -= len) {
		len = left < sizeof(block) ? left : sizeof(block);
		must("write", write(fd, block, len));
	}
	return fd;
}

static void file_faults(int flags, bool write)
{
	const size_t len = FILE_PAGES * page_size();
	int fd = cached_file();
	uint64_t start;
	char *map;

	while (another_round()) {
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);
		must("mmap", (long)map);
		start = now_ns();
		if (write)
			touch(map, len);
		else
			look(map, len);
		round_took(start, FILE_PAGES);
		munmap(map, len);
	}
}

static void file_fault(void)
{
	file_faults(MAP_SHARED, false);
}

static void file_write_fault(void)
{
	file_faults(MAP_SHARED, true);
}

static void cow_fault(void)
{
	file_faults(MAP_PRIVATE, true);
}

static void protect(void)
{
	char *map = map_anon(SMALL, PROT_READ | PROT_WRITE);
	uint64_t start;
	int k;

	touch(map, SMALL);
	while (another_round()) {
		start = now_ns();
		for (k = 0; k < 100; k++) {
			mprotect(map, SMALL, PROT_READ);
			mprotect(map, SMALL, PROT_READ | PROT_WRITE);
		}
		round_took(start, k);
	}
}

static void grow_map(void)
{
	char *map = map_anon(SMALL, PROT_READ | PROT_WRITE);
	uint64_t start;
	int k;

	while (another_round()) {
		start = now_ns();
		for (k = 0; k < 100; k++) {
			map = mremap(map, SMALL, 2 * SMALL, MREMAP_MAYMOVE);
			must("mremap", (long)map);
			map = mremap(map, 2 * SMALL, SMALL, 0);
		}
		round_took(start, k);
	}
}

static void fork_one(bool exec)
{
	char * const args[] = { (char *)self, "--nothing", NULL };
	int status;
	pid_t pid;

	pid = fork();
	must("fork", pid);
	if (!pid) {
		if (exec)
			execv(self, args);
		_exit(exec);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		give_up("the child failed");
}

static void forks(bool exec)
{
	uint64_t start;
	int k;

	while (another_round()) {
		start = now_ns();
		for (k = 0; k < 3; k++)
			fork_one(exec);
		round_took(start, k);
	}
}

static void fork_exit(void)
{
	forks(false);
}

static void fork_exec_exit(void)
{
	forks(true);
}

static void read_file(void)
{
	static char block[4096];
	int fd = cached_file(), k;
	uint64_t start;

	while (another_round()) {
		start = now_ns();
		for (k = 0; k < FILE_PAGES; k++)
			must("pread", pread(fd, block, sizeof(block),
					    k * sizeof(block)));
		round_took(start, k);
	}
}

static void lock_unlock(void)
{
	char *map = map_anon(SMALL, PROT_READ | PROT_WRITE);
	uint64_t start;
	int k;

	touch(map, SMALL);
	while (another_round()) {
		start = now_ns();
		for (k = 0; k < 100; k++) {
			must("mlock", sys_mlock(map, SMALL));
			must("munlock", sys_munlock(map, SMALL));
		}
		round_took(start, k);
	}
}

/*
 * Memory bandwidth, by McCalpin's four kernels
 */
static double a[ELEMENTS], b[ELEMENTS], c[ELEMENTS];

static void stream_copy(void)
{
	int i;

	for (i = 0; i < ELEMENTS; i++)
		c[i] = a[i];
}

static void stream_scale(void)
{
	int i;

	for (i = 0; i < ELEMENTS; i++)
		b[i] = 3.0 * c[i];
}

static void stream_add(void)
{
	int i;

	for (i = 0; i < ELEMENTS; i++)
		c[i] = a[i] + b[i];
}

static void stream_triad(void)
{
	int i;

	for (i = 0; i < ELEMENTS; i++)
		a[i] = b[i] + 3.0 * c[i];
}

static void stream(void (*kernel)(void))
{
	uint64_t start;
	int i;

	for (i = 0; i < ELEMENTS; i++) {
		a[i] = 1.0;
		b[i] = 2.0;
		c[i] = 0.0;
	}
	while (another_round()) {
		start = now_ns();
		kernel();
		/* what nobody looks at need not be computed */
		__asm__ volatile("" : : "r"(a), "r"(b), "r"(c) : "memory");
		round_took(start, ELEMENTS);
	}
}

static void copy(void)
{
	stream(stream_copy);
}

static void scale(void)
{
	stream(stream_scale);
}

static void add(void)
{
	stream(stream_add);
}

static void triad(void)
{
	stream(stream_triad);
}

static const struct measure {
	enum topic group;
	const char *name, *per;
	void (*go)(void);
} measures[] = {
	{ LOCK, "16 GiB unused: mlock2", "call", sparse_mlock2 },
	{ LOCK, "16 GiB unused: mprotect", "call", sparse_mprotect },
	{ LOCK, "16 GiB unused: munlock", "call", sparse_munlock },
	{ LOCK, "fault under mlock2", "page", used_fault },
	{ LOCK, "mlock2 of used memory", "page", used_mlock2 },
	{ LOCK, "munlock of used memory", "page", used_munlock },
	{ LOCK, "munmap (locked)", "page", used_munmap },
	{ LOCK, "munmap (not locked)", "page", used_munmap_unlocked },
	{ LOCK, "mmap + munmap (locked)", "pair", map_unmap_future },
	{ LOCK, "mmap + munmap (not locked)", "pair", map_unmap },
	{ LOCK, "brk (locked)", "pair", grow_shrink_future },
	{ LOCK, "brk (not locked)", "pair", grow_shrink },
	{ LOCK, "1000 mappings: mlockall", "mapping", many_mlockall },
	{ LOCK, "1000 mappings: munlockall", "mapping", many_munlockall },
	{ LOCK, "1000 mappings: munlockall (not locked)", "mapping",
	  many_munlockall_unlocked },
	{ UNUSED, "anonymous fault", "page", anon_fault },
	{ UNUSED, "file fault", "page", file_fault },
	{ UNUSED, "file fault to write", "page", file_write_fault },
	{ UNUSED, "copy-on-write fault", "page", cow_fault },
	{ UNUSED, "mmap + munmap", "pair", map_unmap },
	{ UNUSED, "brk", "pair", grow_shrink },
	{ UNUSED, "mremap", "pair", grow_map },
	{ UNUSED, "mprotect", "pair", protect },
	{ UNUSED, "mlock + munlock", "pair", lock_unlock },
	{ UNUSED, "fork + exit", "process", fork_exit },
	{ UNUSED, "fork + exec + exit", "process", fork_exec_exit },
	{ UNUSED, "read of 4 KiB", "call", read_file },
	{ STREAM, "stream copy", "element", copy },
	{ STREAM, "stream scale", "element", scale },
	{ STREAM, "stream add", "element", add },
	{ STREAM, "stream triad", "element", triad },
};

#define NR_MEASURES	ARRAY_SIZE(measures)

static void measure(void (*go)(void))
{
	int status;
	pid_t pid;

	memset(result, 0, sizeof(*result));
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("mlock-cost: fork");
		exit(1);
	}
	if (!pid) {
		raise_memlock(0);
		go();
		result->done = true;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		snprintf(result->why, sizeof(result->why), "died");
}

static int compare(const void *one, const void *other)
{
	const uint64_t *x = one, *y = other;

	return *x < *y ? -1 : *x > *y;
}

/* The rounds have been sorted */
static double median_ns(void)
{
	return result->ps[result->rounds / 2] / 1e3;
}

static double least_ns(void)
{
	return result->ps[0] / 1e3;
}

static double mean_ns(void)
{
	double sum = 0;
	int i;

	for (i = 0; i < result->rounds; i++)
		sum += result->ps[i] / 1e3;
	return sum / result->rounds;
}

static void print(enum format format, const char *group, const char *name,
		  const char *per)
{
	static bool any;
	const struct result *r = result;
	bool ok = r->done && r->rounds;

	qsort(result->ps, result->rounds, sizeof(result->ps[0]), compare);
	switch (format) {
	case HUMAN:
		if (ok)
			printf("%-39s %14.1f ns per %s\n", name,
			       median_ns(), per);
		else
			printf("%-39s not available: %s\n", name, r->why);
		break;
	case CSV:
		if (!any)
			puts("group,name,per,median_ns,least_ns,mean_ns,reason");
		if (ok)
			printf("%s,%s,%s,%.3f,%.3f,%.3f,\n", group, name, per,
			       median_ns(), least_ns(), mean_ns());
		else
			printf("%s,%s,%s,,,,\"%s\"\n", group, name, per, r->why);
		break;
	case JSON:
		printf("%s\n  {\"group\": \"%s\", \"name\": \"%s\", \"per\": \"%s\", ",
		       any ? "," : "", group, name, per);
		if (ok)
			printf("\"median_ns\": %.3f, \"least_ns\": %.3f, \"mean_ns\": %.3f}",
			       median_ns(), least_ns(), mean_ns());
		else
			printf("\"reason\": \"%s\"}", r->why);
		break;
	}
	any = true;
}

/* One more measure, of another program: it is run once, and all of it counts */
static int time_program(enum format format, char **argv)
{
	uint64_t start = now_ns();
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	round_took(start, 1);
	result->done = true;
	print(format, "program", argv[0], "run");
	return !!status;
}

static void usage(int status)
{
	fputs("usage: mlock-cost [OPTION...] [--time PROGRAM [ARGUMENT...]]\n"
	      "  -g, --group=GROUP    lock: with locks on fault; unused: what every\n"
	      "                       program does; stream (all)\n"
	      "  -r, --rounds=N       rounds of each measure (40)\n"
	      "  -o, --format=FORMAT  human, json or csv\n"
	      "  -t, --time           how long a program takes\n"
	      "  -h, --help\n", status ? stderr : stdout);
	exit(status);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "group", required_argument, NULL, 'g' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "format", required_argument, NULL, 'o' },
		{ "time", no_argument, NULL, 't' },
		{ "nothing", no_argument, NULL, 'N' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	static const char * const formats[] = { "human", "json", "csv" };
	int c, group = GROUPS, status = 0;
	enum format format = HUMAN;
	bool program = false;
	struct utsname uts;
	size_t i;

	while ((c = getopt_long(argc, argv, "+g:r:o:th", options, NULL)) != -1) {
		switch (c) {
		case 'g':
			for (group = 0; group < GROUPS; group++)
				if (!strcmp(optarg, group_names[group]))
					break;
			if (group == GROUPS && strcmp(optarg, "all"))
				usage(2);
			break;
		case 'r':
			rounds = atoi(optarg);
			if (rounds < 1 || rounds > MAX_ROUNDS)
				usage(2);
			break;
		case 'o':
			for (i = 0; i < 3; i++)
				if (!strcmp(optarg, formats[i]))
					break;
			if (i == 3)
				usage(2);
			format = i;
			break;
		case 't':
			program = true;
			break;
		case 'N':
			return 0;
		case 'h':
			usage(0);
			break;
		default:
			usage(2);
		}
	}
	if (program ? optind == argc : optind < argc)
		usage(2);
	self = "/proc/self/exe";
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED) {
		perror("mlock-cost: mmap");
		return 1;
	}
	uname(&uts);
	if (format == JSON) {
		printf("{\"benchmark\": \"mlock-cost\", \"kernel\": \"%s\", ",
		       uts.release);
		printf("\"machine\": \"%s\",\n \"measures\": [", uts.machine);
	}
	if (program)
		status = time_program(format, argv + optind);
	for (i = 0; i < NR_MEASURES && !program; i++) {
		if (group != GROUPS && measures[i].group != (enum topic)group)
			continue;
		measure(measures[i].go);
		print(format, group_names[measures[i].group], measures[i].name,
		      measures[i].per);
	}
	if (format == JSON)
		puts("\n ]}");
	return status;
}
