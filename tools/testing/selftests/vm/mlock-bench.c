// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to keep the used part of a large file in memory.
 *
 * A file of random data is mapped and read a byte at a time, at random.  Every
 * page that was read has to stay in memory.  There are six ways to have that,
 * which differ in what is done before the first read, what is done on the way,
 * and how much is locked in the end; a mapping without any lock is there to
 * compare with.
 *
 * Each run is a process of its own, on a mapping of its own.  The numbers that
 * choose the bytes come from a seed, so all runs read the same bytes, and their
 * sum shows that they did.
 *
 * This is a benchmark, not a test: it says what it measured and what it could
 * not, and has no opinion on it.
 */
#include "lock_on_fault.h"
#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif

#define MIB		(1024 * 1024ULL)
#define MAX_RUNS	1000

/* How often a run says how far it is, and how often we pass that on */
#define STEPS		100
#define PROGRESS_S	5

enum phase { SETUP, READS, UNMAP, PHASES };
static const char * const phase_names[] = { "setup", "processing", "unmap" };

enum how { UNLOCKED, LOCK_ALL, LOCK_EACH, HANDLER, ON_FAULT };

static const struct strategy {
	const char *name;
	enum how how;
	size_t batch;	/* pages that the signal handler makes ready */
	const char *what;
} strategies[] = {
	{ "none", UNLOCKED, 0, "no lock at all" },
	{ "mlock", LOCK_ALL, 0, "mlock() of the whole mapping" },
	{ "mlock-each", LOCK_EACH, 0, "mlock() of the page before each read" },
	{ "handler-1", HANDLER, 1,
	  "PROT_NONE, a SIGSEGV handler readies 1 page" },
	{ "handler-8", HANDLER, 8, "the same, 8 pages at a time" },
	{ "handler-16", HANDLER, 16, "the same, 16 pages at a time" },
	{ "onfault", ON_FAULT, 0, "mlock2(MLOCK_ONFAULT) of the whole mapping" },
};

#define NR_STRATEGIES	ARRAY_SIZE(strategies)

/* What the process of a run leaves behind; sizes are -1 where unknown */
struct result {
	uint64_t ns[PHASES];
	long minor[PHASES], major[PHASES];
	long present_kb;	/* in the page table */
	long locked_kb;		/* "Locked:" of smaps */
	long mlocked_kb;	/* pages that have the kernel's flag for it */
	uint64_t sum;		/* of the bytes read */
	volatile int step;
	bool done;
	char why[240];		/* it is not done */
};

struct summary {
	int runs;
	uint64_t total[PHASES], least[PHASES], most[PHASES];
	struct result last;
	char why[240];
};

enum format { HUMAN, JSON, CSV };

static struct {
	size_t size;
	uint64_t reads, seed;
	int runs;
	bool cold, raise_map_count, quiet;
	enum format format;
	const char *dir, *file;
	bool use[NR_STRATEGIES];
} opt = {
	.size = 256 * MIB,
	.reads = 750000,
	.seed = 1,
	.runs = 1,
};

static struct result *result;	/* shared with the process of the run */
static size_t handler_batch;

/* For printf(), who knows no uint64_t without help */
static unsigned long long ull(uint64_t number)
{
	return number;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* xorshift64*: a few instructions, so that they do not hide what is measured */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Any seed will do but the one that xorshift never leaves */
static inline uint64_t random_start(uint64_t seed)
{
	return seed * 0x9e3779b97f4a7c15ULL ?: 1;
}

/*
 * Progress, of the whole program: what is done of all the runs.  On a terminal
 * it overwrites itself, elsewhere it is a line every few seconds.
 */
static void progress(const char *what, int run, int percent)
{
	static uint64_t last;
	static bool shown;
	uint64_t now = now_ns();
	bool tty = isatty(2);

	if (opt.quiet)
		return;
	if (!what) {
		if (shown && tty)
			fputs("\r\033[K", stderr);
		return;
	}
	if (!last)
		last = now;
	if (now - last < (tty ? 1 : PROGRESS_S) * 900000000ULL)
		return;
	last = now;
	shown = true;
	fprintf(stderr, "%smlock-bench: %s", tty ? "\r\033[K" : "", what);
	if (run)
		fprintf(stderr, ", run %d of %d", run, opt.runs);
	fprintf(stderr, ": %d %%%s", percent, tty ? "" : "\n");
}

/*
 * /proc/sys/vm/max_map_count.  To make pages of a mapping ready one by one
 * splits it into as many mappings; by default a process may have 65530.
 */
#define MAX_MAP_COUNT	"/proc/sys/vm/max_map_count"

static char map_count_before[32];

static long max_map_count(void)
{
	struct lines l;
	char line[32];
	long n = -1;

	if (!lines_open(&l, MAX_MAP_COUNT))
		return -1;
	if (lines_next(&l, line, sizeof(line)))
		n = atol(line);
	lines_close(&l);
	return n;
}

static void restore_map_count(void)
{
	if (map_count_before[0])
		write_file(MAX_MAP_COUNT, map_count_before);
}

static void restore_on_signal(int sig)
{
	restore_map_count();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void raise_map_count(void)
{
	long now = max_map_count(), want = opt.size / page_size() + 65530;
	char text[32];

	if (now < 0 || now >= want)
		return;
	snprintf(map_count_before, sizeof(map_count_before), "%ld", now);
	snprintf(text, sizeof(text), "%ld", want);
	if (!write_file(MAX_MAP_COUNT, text)) {
		map_count_before[0] = '\0';
		err(1, "cannot raise vm.max_map_count to %ld", want);
	}
	atexit(restore_map_count);
	signal(SIGINT, restore_on_signal);
	signal(SIGTERM, restore_on_signal);
	signal(SIGHUP, restore_on_signal);
}

/* The process of a run ends here if a call fails.  */
static void give_up(const char *call, int error)
{
	long limit = max_map_count(), now;
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	char *why = result->why;
	size_t size = sizeof(result->why);

	getrlimit(RLIMIT_MEMLOCK, &lim);
	now = vmas_in(NULL, -1UL);
	if (error == ENOMEM && limit > 0 && now + 2 >= limit)
		snprintf(why, size,
			 "%s: %s: the mapping is in %ld pieces and vm.max_map_count is %ld; root may say --raise-map-count",
			 call, strerror(error), now, limit);
	else if ((error == ENOMEM || error == EPERM || error == EAGAIN) &&
		 !has_cap_ipc_lock() && lim.rlim_cur != RLIM_INFINITY)
		snprintf(why, size,
			 "%s: %s: RLIMIT_MEMLOCK is %llu kB, the file has %llu kB; see ulimit -l",
			 call, strerror(error),
			 ull(lim.rlim_cur / 1024),
			 ull(opt.size / 1024));
	else if (error == ENOSYS)
		snprintf(why, size, "%s: %s: %s", call, strerror(error),
			 HEADERS_HAVE_MLOCK2 ? "the kernel has no lock on fault" :
			 "built with headers that have no lock on fault");
	else
		snprintf(why, size, "%s: %s", call, strerror(error));
	_exit(0);
}

/*
 * Make pages ready in two steps.  The page that was read is known to be part
 * of the mapping, so the first must work.  Those after it are a guess that may
 * go past the end of the mapping: take what there is.  Who uses such a batch
 * in earnest has to be sure that nothing of somebody else's comes next.
 */
static void on_segv(int sig, siginfo_t *info, void *context)
{
	size_t page = page_size(), rest = (handler_batch - 1) * page;
	char *at = (char *)((unsigned long)info->si_addr & ~(page - 1));

	if (mprotect(at, page, PROT_READ))
		give_up("mprotect in the handler", errno);
	if (sys_mlock(at, page))
		give_up("mlock in the handler", errno);
	if (!rest)
		return;
	mprotect(at + page, rest, PROT_READ);
	sys_mlock(at + page, rest);
}

/* A mapping of the file with nothing behind it for a handler to run into */
static char *map_file(int fd, int prot, size_t gap)
{
	char *map;

	map = mmap(NULL, opt.size + gap, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return map;
	map = mmap(map, opt.size, prot, MAP_SHARED | MAP_FIXED, fd, 0);
	if (map != MAP_FAILED && gap)
		munmap(map + opt.size, gap);
	return map;
}

static void set_up(const struct strategy *s, char *map)
{
	struct sigaction act = {
		.sa_sigaction = on_segv,
		.sa_flags = SA_SIGINFO,
	};

	switch (s->how) {
	case UNLOCKED:
	case LOCK_EACH:
		break;
	case LOCK_ALL:
		if (sys_mlock(map, opt.size))
			give_up("mlock", errno);
		break;
	case HANDLER:
		handler_batch = s->batch;
		if (sigaction(SIGSEGV, &act, NULL))
			give_up("sigaction", errno);
		break;
	case ON_FAULT:
		if (sys_mlock2(map, opt.size, MLOCK_ONFAULT))
			give_up("mlock2", errno);
		break;
	}
}

static uint64_t read_bytes(const struct strategy *s, const char *map,
			   uint64_t reads, uint64_t *state)
{
	size_t page = page_size(), at;
	uint64_t sum = 0, i;

	for (i = 0; i < reads; i++) {
		at = next_random(state) % opt.size;
		if (s->how == LOCK_EACH &&
		    sys_mlock(map + (at & ~(page - 1)), page))
			give_up("mlock before a read", errno);
		sum += *(const volatile unsigned char *)(map + at);
	}
	return sum;
}

/* "Locked:" of all the mappings that a range is in pieces of, in kB */
static long locked_kb(const char *map, size_t len)
{
	unsigned long from = (unsigned long)map, start, end;
	char line[512], perms[8];
	bool ours = false;
	const char *value;
	struct lines l;
	long kb = 0;

	if (!lines_open(&l, "/proc/self/smaps"))
		return -1;
	while (lines_next(&l, line, sizeof(line))) {
		/* keys have a capital letter, addresses have none */
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3) {
			ours = start >= from && end <= from + len;
		} else if (ours) {
			value = line_value(line, "Locked");
			if (value)
				kb += atol(value);
		}
	}
	lines_close(&l);
	return kb;
}

/*
 * Pages that the kernel itself holds to be locked, in kB.  "Locked:" says what
 * is present in a locked mapping, which is not the same if there is something
 * wrong.  Root's only.
 */
static long mlocked_kb(const char *map, size_t len)
{
	size_t page = page_size(), i, n, k;
	uint64_t entries[512], flags;
	int pagemap, kpageflags;
	long pages = 0;

	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < len / page && pages >= 0; i += n) {
		n = len / page - i < 512 ? len / page - i : 512;
		if (pread(pagemap, entries, n * sizeof(entries[0]),
			  ((unsigned long)map / page + i) * sizeof(entries[0])) !=
		    (ssize_t)(n * sizeof(entries[0]))) {
			pages = -1;
			break;
		}
		for (k = 0; k < n; k++) {
			if (!(entries[k] & PM_PRESENT))
				continue;
			if (!(entries[k] & PM_PFN_MASK) ||
			    pread(kpageflags, &flags, sizeof(flags),
				  (entries[k] & PM_PFN_MASK) * sizeof(flags)) !=
			    sizeof(flags)) {
				pages = -1;
				break;
			}
			pages += flags >> KPF_MLOCKED & 1;
		}
	}
	if (pagemap >= 0)
		close(pagemap);
	if (kpageflags >= 0)
		close(kpageflags);
	return pages < 0 ? -1 : page_kb(pages);
}

struct mark {
	struct rusage usage;
	uint64_t ns;
};

static void start(struct mark *m)
{
	getrusage(RUSAGE_SELF, &m->usage);
	m->ns = now_ns();
}

static void stop(const struct mark *m, enum phase phase)
{
	uint64_t now = now_ns();
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	result->ns[phase] = now - m->ns;
	result->minor[phase] = usage.ru_minflt - m->usage.ru_minflt;
	result->major[phase] = usage.ru_majflt - m->usage.ru_majflt;
}

static void run(const struct strategy *s, int fd)
{
	uint64_t state = random_start(opt.seed), left = opt.reads, part;
	int prot = s->how == HANDLER ? PROT_NONE : PROT_READ;
	size_t gap = s->batch * page_size();
	struct mark m;
	long present;
	char *map;

	raise_memlock(opt.size);

	start(&m);
	map = map_file(fd, prot, gap);
	if (map == MAP_FAILED)
		give_up("mmap", errno);
	set_up(s, map);
	stop(&m, SETUP);

	start(&m);
	while (left) {
		part = opt.reads / STEPS + 1;
		if (part > left)
			part = left;
		result->sum += read_bytes(s, map, part, &state);
		left -= part;
		result->step++;
	}
	stop(&m, READS);

	present = pages_present(map, opt.size);
	result->present_kb = present < 0 ? -1 : page_kb(present);
	result->locked_kb = locked_kb(map, opt.size);
	result->mlocked_kb = mlocked_kb(map, opt.size);

	start(&m);
	if (munmap(map, opt.size))
		give_up("munmap", errno);
	stop(&m, UNMAP);

	result->done = true;
	_exit(0);
}

/*
 * The file, and how much of it is in the page cache
 */
static void fill_file(int fd)
{
	static uint64_t block[8192];
	uint64_t state = random_start(opt.seed + 1);
	size_t done, i, len;

	for (done = 0; done < opt.size; done += len) {
		for (i = 0; i < ARRAY_SIZE(block); i++)
			block[i] = next_random(&state);
		len = opt.size - done < sizeof(block) ? opt.size - done :
			sizeof(block);
		if (write(fd, block, len) != (ssize_t)len)
			err(1, "cannot write a file of %llu MiB",
			    ull(opt.size / MIB));
		progress("writing the file", 0,
			 (int)(done / (opt.size / 100 + 1)));
	}
	if (fsync(fd))
		err(1, "fsync");
}

/* A file that fills the disk ends badly, and not for us alone */
static void check_space(const char *dir)
{
	long free_kb = meminfo("MemAvailable");
	unsigned long long room;
	struct statfs fs;

	if (statfs(dir, &fs))
		err(1, "%s", dir);
	room = (unsigned long long)fs.f_bavail * fs.f_bsize / 10 * 9;
	if (opt.size > room)
		errx(1, "a file of %llu MiB does not fit in %s, there is room for %llu MiB",
		     ull(opt.size / MIB), dir, room / MIB);
	if (fs.f_type == TMPFS_MAGIC && free_kb >= 0 &&
	    opt.size / 1024 > (size_t)free_kb / 10 * 8)
		errx(1, "a file of %llu MiB is too much for %s, %ld MiB of memory are available",
		     ull(opt.size / MIB), dir, free_kb / 1024);
}

/* Nor lock more than there is; what is in a tmpfs is there already */
static void check_memory(int fd)
{
	long free_kb = meminfo("MemAvailable");
	struct statfs fs;

	if (!fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC)
		return;
	if (free_kb >= 0 && opt.size / 1024 > (size_t)free_kb / 10 * 8)
		errx(1, "a file of %llu MiB is too much to lock, %ld MiB of memory are available",
		     ull(opt.size / MIB), free_kb / 1024);
}

static int make_file(void)
{
	char path[PATH_MAX];
	int fd;

	if (!opt.dir)
		opt.dir = getenv("TMPDIR") ?: "/var/tmp";
	check_space(opt.dir);
	snprintf(path, sizeof(path), "%s/mlock-bench.XXXXXX", opt.dir);
	fd = mkstemp(path);
	if (fd < 0)
		err(1, "cannot make a file in %s", opt.dir);
	unlink(path);
	fill_file(fd);
	return fd;
}

static int open_file(void)
{
	struct stat st;
	int fd = open(opt.file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", opt.file);
	opt.size = st.st_size & ~(page_size() - 1);
	if (!S_ISREG(st.st_mode) || !opt.size)
		errx(1, "%s is no regular file of a page or more", opt.file);
	return fd;
}

static size_t cached_pages(int fd)
{
	size_t pages = opt.size / page_size(), n = 0, i;
	unsigned char *vec = calloc(pages, 1);
	void *map;

	map = mmap(NULL, opt.size, PROT_READ, MAP_SHARED, fd, 0);
	if (!vec || map == MAP_FAILED || mincore(map, opt.size, vec))
		err(1, "cannot see what of the file is cached");
	for (i = 0; i < pages; i++)
		n += vec[i] & 1;
	munmap(map, opt.size);
	free(vec);
	return n;
}

static void warm_up(int fd)
{
	static char block[1 << 20];
	size_t at;

	if (cached_pages(fd) == opt.size / page_size())
		return;
	for (at = 0; at < opt.size; at += sizeof(block)) {
		if (pread(fd, block, sizeof(block), at) <= 0)
			err(1, "cannot read the file");
		progress("reading the file", 0,
			 (int)(at / (opt.size / 100 + 1)));
	}
}

static void cool_down(int fd)
{
	size_t left;

	posix_fadvise(fd, 0, opt.size, POSIX_FADV_DONTNEED);
	left = cached_pages(fd);
	if (left > opt.size / page_size() / 100)
		errx(1, "%llu MiB of the file stay cached: --cold needs a file on a disk",
		     ull(left * page_size() / MIB));
}

static void on_alarm(int sig)
{
	/* interrupts waitpid() */
}

static void one_run(const struct strategy *s, struct summary *sum, int fd,
		    int nr)
{
	struct itimerval tick = { { 1, 0 }, { 1, 0 } }, off = {};
	struct sigaction act = { .sa_handler = on_alarm };
	int status, i;
	pid_t pid;

	if (sum->why[0])
		return;
	if (opt.cold)
		cool_down(fd);
	else
		warm_up(fd);
	memset(result, 0, sizeof(*result));

	/* a short run is over before anybody asks how far it is */
	sigaction(SIGALRM, &act, NULL);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		run(s, fd);
	setitimer(ITIMER_REAL, &tick, NULL);
	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR)
			err(1, "waitpid");
		progress(s->name, nr, result->step * 100 / STEPS);
	}
	setitimer(ITIMER_REAL, &off, NULL);

	if (!result->done) {
		if (WIFSIGNALED(status))
			snprintf(sum->why, sizeof(sum->why), "died: %s",
				 strsignal(WTERMSIG(status)));
		else
			snprintf(sum->why, sizeof(sum->why), "%s",
				 result->why[0] ? result->why : "ended early");
		return;
	}
	if (sum->runs && sum->last.sum != result->sum)
		errx(1, "%s: the same reads gave another sum", s->name);
	for (i = 0; i < PHASES; i++) {
		uint64_t ns = result->ns[i];

		sum->total[i] += ns;
		if (!sum->runs || ns < sum->least[i])
			sum->least[i] = ns;
		if (ns > sum->most[i])
			sum->most[i] = ns;
	}
	sum->runs++;
	sum->last = *result;
}

/*
 * What came out of it
 */
static const char *size_text(long kb, char text[24])
{
	if (kb < 0)
		return "-";
	snprintf(text, 24, "%ld", kb);
	return text;
}

static void print_human(const struct summary *sums)
{
	const struct strategy *s;
	char present[24], locked[24], mlocked[24];
	size_t i;

	printf("%llu MiB, %llu reads, %s cache, %d run%s\n",
	       ull(opt.size / MIB), ull(opt.reads),
	       opt.cold ? "cold" : "warm", opt.runs, opt.runs > 1 ? "s" : "");
	printf("%-11s %11s %14s %10s %9s %7s %10s %10s %10s\n", "strategy",
	       "setup ms", "processing ms", "unmap ms", "minor", "major",
	       "present kB", "locked kB", "mlocked kB");
	for (i = 0; i < NR_STRATEGIES; i++) {
		const struct summary *sum = &sums[i];
		const struct result *r = &sum->last;

		s = &strategies[i];
		if (!opt.use[i])
			continue;
		if (sum->why[0]) {
			printf("%-11s not available: %s\n", s->name, sum->why);
			continue;
		}
		printf("%-11s %11.3f %14.3f %10.3f %9ld %7ld %10s %10s %10s\n",
		       s->name, sum->total[SETUP] / 1e6 / sum->runs,
		       sum->total[READS] / 1e6 / sum->runs,
		       sum->total[UNMAP] / 1e6 / sum->runs,
		       r->minor[SETUP] + r->minor[READS],
		       r->major[SETUP] + r->major[READS],
		       size_text(r->present_kb, present),
		       size_text(r->locked_kb, locked),
		       size_text(r->mlocked_kb, mlocked));
	}
}

static void print_json(const struct summary *sums)
{
	const char *between = "";
	struct utsname uts;
	size_t i;
	int p;

	uname(&uts);
	printf("{\"benchmark\": \"mlock-bench\", \"kernel\": \"%s\", ", uts.release);
	printf("\"machine\": \"%s\",\n \"bytes\": %llu, ", uts.machine,
	       ull(opt.size));
	printf("\"reads\": %llu, \"runs\": %d, ", ull(opt.reads), opt.runs);
	printf("\"cache\": \"%s\", \"seed\": %llu,\n \"strategies\": [",
	       opt.cold ? "cold" : "warm", ull(opt.seed));
	for (i = 0; i < NR_STRATEGIES; i++) {
		const struct summary *sum = &sums[i];
		const struct result *r = &sum->last;

		if (!opt.use[i])
			continue;
		printf("%s\n  {\"name\": \"%s\", ", between, strategies[i].name);
		between = ",";
		if (sum->why[0]) {
			printf("\"available\": false, \"reason\": \"%s\"}",
			       sum->why);
			continue;
		}
		printf("\"available\": true");
		for (p = 0; p < PHASES; p++) {
			printf(",\n   \"%s\": {\"mean_ns\": %llu, ",
			       phase_names[p], ull(sum->total[p] / sum->runs));
			printf("\"min_ns\": %llu, \"max_ns\": %llu, ",
			       ull(sum->least[p]), ull(sum->most[p]));
			printf("\"minor_faults\": %ld, \"major_faults\": %ld}",
			       r->minor[p], r->major[p]);
		}
		printf(",\n   \"present_kb\": %ld, \"locked_kb\": %ld, ",
		       r->present_kb, r->locked_kb);
		printf("\"mlocked_kb\": %ld, \"sum\": %llu}", r->mlocked_kb,
		       ull(r->sum));
	}
	printf("\n ]}\n");
}

static void print_csv(const struct summary *sums)
{
	size_t i;

	printf("strategy,setup_ns,processing_ns,unmap_ns,minor_faults,");
	printf("major_faults,present_kb,locked_kb,mlocked_kb,reason\n");
	for (i = 0; i < NR_STRATEGIES; i++) {
		const struct summary *sum = &sums[i];
		const struct result *r = &sum->last;

		if (!opt.use[i])
			continue;
		if (sum->why[0]) {
			printf("%s,,,,,,,,,\"%s\"\n", strategies[i].name,
			       sum->why);
			continue;
		}
		printf("%s,%llu,%llu,%llu,%ld,%ld,%ld,%ld,%ld,\n",
		       strategies[i].name,
		       ull(sum->total[SETUP] / sum->runs),
		       ull(sum->total[READS] / sum->runs),
		       ull(sum->total[UNMAP] / sum->runs),
		       r->minor[SETUP] + r->minor[READS],
		       r->major[SETUP] + r->major[READS],
		       r->present_kb, r->locked_kb, r->mlocked_kb);
	}
}

/*
 * The command line
 */
static void usage(int status)
{
	size_t i;

	fprintf(status ? stderr : stdout,
		"usage: mlock-bench [OPTION...]\n"
		"  -s, --size=MIB         size of the file (256; the letter has 5120)\n"
		"  -n, --reads=N          reads in a run (750000; the letter has 15000000)\n"
		"  -r, --runs=N           runs of each strategy (1; the letter has 20)\n"
		"  -t, --strategy=NAME    only this one; may be given more than once\n"
		"  -c, --cold             drop the file from the page cache before each run\n"
		"  -w, --warm             have all of it there before each run (default)\n"
		"  -d, --dir=DIR          where the file is made ($TMPDIR or /var/tmp)\n"
		"  -f, --file=PATH        read this file, do not make one\n"
		"  -S, --seed=N           for the file and the reads (1)\n"
		"  -o, --format=FORMAT    human, json or csv\n"
		"  -m, --raise-map-count  raise vm.max_map_count while it runs (root)\n"
		"  -q, --quiet            no progress\n"
		"  -h, --help\n"
		"strategies:\n");
	for (i = 0; i < NR_STRATEGIES; i++)
		fprintf(status ? stderr : stdout, "  %-12s%s\n",
			strategies[i].name, strategies[i].what);
	exit(status);
}

static uint64_t number(const char *what, const char *text, uint64_t least,
		       uint64_t most)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || n < least ||
	    n > most)
		errx(1, "--%s=%s: a number from %llu to %llu", what, text,
		     ull(least), ull(most));
	return n;
}

static void use_strategy(const char *name)
{
	size_t i;

	for (i = 0; i < NR_STRATEGIES; i++) {
		if (!strcmp(name, strategies[i].name)) {
			opt.use[i] = true;
			return;
		}
	}
	errx(1, "there is no strategy '%s'; see --help", name);
}

static enum format format_of(const char *name)
{
	if (!strcmp(name, "human"))
		return HUMAN;
	if (!strcmp(name, "json"))
		return JSON;
	if (!strcmp(name, "csv"))
		return CSV;
	errx(1, "--format=%s: human, json or csv", name);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "reads", required_argument, NULL, 'n' },
		{ "runs", required_argument, NULL, 'r' },
		{ "strategy", required_argument, NULL, 't' },
		{ "cold", no_argument, NULL, 'c' },
		{ "warm", no_argument, NULL, 'w' },
		{ "dir", required_argument, NULL, 'd' },
		{ "file", required_argument, NULL, 'f' },
		{ "seed", required_argument, NULL, 'S' },
		{ "format", required_argument, NULL, 'o' },
		{ "raise-map-count", no_argument, NULL, 'm' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool chosen = false;
	size_t i;
	int c;

	while ((c = getopt_long(argc, argv, "s:n:r:t:cwd:f:S:o:mqh", options,
				NULL)) != -1) {
		switch (c) {
		case 's':
			opt.size = number("size", optarg, 1,
					  SIZE_MAX / 4 / MIB) * MIB;
			break;
		case 'n':
			opt.reads = number("reads", optarg, 1, UINT64_MAX / 2);
			break;
		case 'r':
			opt.runs = number("runs", optarg, 1, MAX_RUNS);
			break;
		case 't':
			use_strategy(optarg);
			chosen = true;
			break;
		case 'c':
			opt.cold = true;
			break;
		case 'w':
			opt.cold = false;
			break;
		case 'd':
			opt.dir = optarg;
			break;
		case 'f':
			opt.file = optarg;
			break;
		case 'S':
			opt.seed = number("seed", optarg, 0, UINT64_MAX);
			break;
		case 'o':
			opt.format = format_of(optarg);
			break;
		case 'm':
			opt.raise_map_count = true;
			break;
		case 'q':
			opt.quiet = true;
			break;
		case 'h':
			usage(0);
			break;
		default:
			usage(2);
		}
	}
	if (optind != argc)
		usage(2);
	for (i = 0; i < NR_STRATEGIES && !chosen; i++)
		opt.use[i] = true;
}

int main(int argc, char *argv[])
{
	static struct summary sums[NR_STRATEGIES];
	const struct result *first = NULL;
	size_t i;
	int fd, nr;

	parse(argc, argv);
	fd = opt.file ? open_file() : make_file();
	check_memory(fd);
	if (opt.raise_map_count)
		raise_map_count();
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		err(1, "mmap");

	/* all of them in turn: what drifts, drifts for all */
	for (nr = 1; nr <= opt.runs; nr++)
		for (i = 0; i < NR_STRATEGIES; i++)
			if (opt.use[i])
				one_run(&strategies[i], &sums[i], fd, nr);
	progress(NULL, 0, 0);

	for (i = 0; i < NR_STRATEGIES; i++) {
		if (!opt.use[i] || sums[i].why[0])
			continue;
		if (!first)
			first = &sums[i].last;
		else if (first->sum != sums[i].last.sum)
			errx(1, "%s read something else than the others",
			     strategies[i].name);
	}

	switch (opt.format) {
	case HUMAN:
		print_human(sums);
		break;
	case JSON:
		print_json(sums);
		break;
	case CSV:
		print_csv(sums);
		break;
	}
	return 0;
}
