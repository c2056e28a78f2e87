// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is locked on fault is filled with secrets, page by page, while
 * the guest has less memory than it works on; beside it twins that are not
 * locked, filled in the same way.  Then harness/swap-proof.sh looks for both
 * in the image of the swap disk.  Not a selftest: who reads a swap device from
 * the inside reads it through the page cache of the kernel that is on trial.
 *
 *	swap-secrets TOKEN
 *
 * A page of secrets has tags in it: TOKEN in upper case, S for a secret or T
 * for a twin, two digits for the variant, eight hexadecimal ones for the page,
 * and a NUL.  TOKEN itself comes in lower case, from the host and made up for
 * this one run.  So a tag is nowhere but in the pages that it was written to:
 * not in this program's file or in the list of what to run, which are in a
 * tmpfs and may well go to swap, and not in its arguments, which are on a stack
 * that is not locked.  Tags are written byte by byte where they belong, and no
 * variable ever holds more than a register full of one.
 *
 * Each variant is a process of its own, forked before there are secrets: a
 * child's copy of a locked page is not locked.  All of them keep what they have
 * mapped until the end, so that no slot of the swap disk is used twice for
 * what matters here.
 *
 * One line for each variant:
 *
 *	NN NAME KIND PAGES PRESENT SWAPPED TWIN TWIN_SWAPPED [NOTE]
 *	NN NAME skip REASON
 *
 * KIND is what must become of the secrets: "kept" out of swap; "limit": they
 * are found there, which is what the user guide says; or "open": they are
 * found there, and should not be.  SWAPPED is what the guest itself knows.
 */
#include "lock_on_fault.h"
#include "lock_on_fault_mm.h"

#include <poll.h>
#include <signal.h>
#include <sys/uio.h>

#define REGION		(2UL << 20)
#define TAG_EVERY	512
#define TAG_DIGITS	8
#define MAX_VARIANTS	32
/* How often the pressure goes through all of its memory */
#define MIN_PASSES	2
#define MAX_PASSES	4

enum phase { PREPARE, FILL, WATCH, STOP };

/* What the processes know of each other */
struct shared {
	enum phase phase;
	unsigned int ready, filled, seen;	/* variants that are done with it */
	unsigned long pressed;			/* pages that the pressure wrote */
	unsigned int passes;
	struct result {
		bool skipped;
		long pages, present, swapped, twin, twin_swapped;
		char note[160];
	} results[MAX_VARIANTS];
};

static struct shared *all;
static const char *token;

/* What a variant works on */
struct work {
	int id;
	struct result *res;
	char *addr;
	size_t pages;
	bool shared;
	struct mem mem, twin;
	void (*put)(struct work *w, char *page, char role, size_t nr);
	char *scratch;	/* one page, locked; for what the kernel stores */
	int pipe[2];
};

#define get(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define set(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELEASE)
#define add(x, n)	__atomic_fetch_add(&(x), n, __ATOMIC_ACQ_REL)

static void wait_for_phase(enum phase phase)
{
	while (get(all->phase) < phase)
		poll(NULL, 0, 5);
}

/* A variant that cannot go on has nothing to wait for, and says why */
static __attribute__((noreturn)) void leave(struct work *w, const char *why)
{
	if (errno)
		snprintf(w->res->note, sizeof(w->res->note), "%s: %s", why,
			 strerror(errno));
	else
		snprintf(w->res->note, sizeof(w->res->note), "%s", why);
	w->res->skipped = true;
	add(all->ready, get(all->phase) <= PREPARE);
	add(all->filled, 1);
	add(all->seen, 1);
	for (;;)
		pause();
}

static void must(struct work *w, bool ok, const char *what)
{
	if (!ok)
		leave(w, what);
}

static __attribute__((noinline)) void write_tag(volatile char *p, char role,
						int id, size_t nr)
{
	int i;

	for (i = 0; token[i]; i++)
		*p++ = token[i] - 'a' + 'A';
	*p++ = role;
	*p++ = '0' + id / 10;
	*p++ = '0' + id % 10;
	for (i = TAG_DIGITS - 1; i >= 0; i--)
		*p++ = "0123456789abcdef"[nr >> 4 * i & 15];
	*p = '\0';
}

static void tag_page(char *page, char role, int id, size_t nr)
{
	size_t i;

	for (i = 0; i < page_size(); i += TAG_EVERY)
		write_tag(page + i, role, id, nr);
}

/*
 * The roads on which a secret gets into its page
 */
static void by_store(struct work *w, char *page, char role, size_t nr)
{
	tag_page(page, role, w->id, nr);
}

static void by_read(struct work *w, char *page, char role, size_t nr)
{
	ssize_t size = page_size();

	tag_page(w->scratch, role, w->id, nr);
	must(w, write(w->pipe[1], w->scratch, size) == size, "write to a pipe");
	must(w, read(w->pipe[0], page, size) == size, "read from a pipe");
}

static void by_process_vm_writev(struct work *w, char *page, char role,
				 size_t nr)
{
	struct iovec from = { w->scratch, page_size() };
	struct iovec to = { page, page_size() };

	tag_page(w->scratch, role, w->id, nr);
	must(w, process_vm_writev(getpid(), &from, 1, &to, 1, 0) ==
	     (ssize_t)page_size(), "process_vm_writev");
}

/*
 * Page by page, and no faster than memory is taken away by the pressure.  The
 * twin gets its pages by the same road: some make them harder to reclaim.
 */
static void fill(struct work *w, size_t first, size_t end)
{
	unsigned long pressed = get(all->pressed);
	size_t i;

	for (i = first; i < end; i++) {
		w->put(w, w->addr + i * page_size(), 'S', i);
		if (i < w->twin.pages)
			w->put(w, w->twin.addr + i * page_size(), 'T', i);
		if (get(all->phase) == PREPARE || i % 16)
			continue;
		while (get(all->pressed) - pressed < 128 &&
		       get(all->phase) == FILL)
			poll(NULL, 0, 1);
		pressed = get(all->pressed);
	}
}

/* In swap, of a range of private memory or of a whole mapping of shared */
static long out(const char *addr, size_t pages, bool shared)
{
	struct vma v;

	if (!shared)
		return pages_swapped(addr, pages * page_size());
	return vma_at(addr, &v) ? v.swap / page_kb(1) : -1;
}

static void map(struct work *w, enum mem_kind kind)
{
	const char *why;

	errno = 0;
	if (!mem_map(&w->mem, kind, REGION / page_size(),
		     PROT_READ | PROT_WRITE, &why))
		leave(w, why);
	w->addr = w->mem.addr;
	w->pages = w->mem.pages;
	w->shared = kind_is_shared(kind);
}

static void map_twin(struct work *w, enum mem_kind kind)
{
	const char *why;

	errno = 0;
	if (!mem_map(&w->twin, kind, REGION / page_size(),
		     PROT_READ | PROT_WRITE, &why))
		leave(w, why);
}

static void lock(struct work *w)
{
	must(w, !sys_mlock2(w->addr, w->pages * page_size(), MLOCK_ONFAULT),
	     "mlock2");
}

/* Ready for the pressure */
static void prepared(void)
{
	add(all->ready, 1);
	wait_for_phase(FILL);
}

/* All secrets are where they belong: now look after the twin */
static void watch(struct work *w)
{
	struct result *r = w->res;
	bool told = false;

	r->pages = w->pages;
	r->twin = w->twin.pages;
	add(all->filled, 1);
	wait_for_phase(WATCH);
	while (get(all->phase) < STOP) {
		r->twin_swapped = out(w->twin.addr, w->twin.pages,
				      kind_is_shared(w->twin.kind));
		if (!told && r->twin_swapped * 10 >= r->twin * 9) {
			add(all->seen, 1);
			told = true;
		}
		poll(NULL, 0, 50);
	}
	r->present = pages_present(w->addr, w->pages * page_size());
	r->swapped = out(w->addr, w->pages, w->shared);
	r->twin_swapped = out(w->twin.addr, w->twin.pages,
			      kind_is_shared(w->twin.kind));
	add(all->filled, 1);
	for (;;)
		pause();
}

/* A child that only is there, and is gone when its parent is */
static void fork_bystander(struct work *w)
{
	pid_t pid = fork();

	must(w, pid >= 0, "fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void kind_of_memory(struct work *w, enum mem_kind kind)
{
	map(w, kind);
	map_twin(w, kind);
	lock(w);
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

static void anon(struct work *w) { kind_of_memory(w, ANON_PRIVATE); }
static void shmem(struct work *w) { kind_of_memory(w, ANON_SHARED); }
static void file_private(struct work *w) { kind_of_memory(w, FILE_PRIVATE); }

/* Memory of so many bytes that starts at a multiple of @align */
static void map_aligned(struct work *w, size_t len, size_t align, int flags)
{
	char *p = mmap(NULL, len + align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(w, p != MAP_FAILED, "mmap");
	p = (char *)(((unsigned long)p + align - 1) & -align);
	must(w, mmap(p, len, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_ANONYMOUS | flags, -1, 0) == p, "mmap");
	w->addr = p;
	w->pages = len / page_size();
	w->shared = flags & MAP_SHARED;
}

/* On a machine of less than 512 MiB Linux switches huge pages off */
static void allow_huge_pages(void)
{
	static const char * const knobs[][2] = {
		{ "enabled", "madvise" },
		{ "defrag", "madvise" },
		{ "shmem_enabled", "advise" },
		/* khugepaged at full speed */
		{ "khugepaged/defrag", "1" },
		{ "khugepaged/scan_sleep_millisecs", "0" },
		{ "khugepaged/alloc_sleep_millisecs", "0" },
		{ "khugepaged/pages_to_scan", "4096" },
	};
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++) {
		snprintf(path, sizeof(path),
			 "/sys/kernel/mm/transparent_hugepage/%s", knobs[i][0]);
		write_file(path, knobs[i][1]);
	}
}

static size_t huge_page(struct work *w)
{
	size_t size = thp_size();

	errno = 0;
	if (!size)
		leave(w, "the kernel has no transparent huge pages");
	if (size > REGION)
		leave(w, "huge pages are too large for this guest");
	return size;
}

static void thp(struct work *w)
{
	size_t huge = huge_page(w), i, n = 0;

	map_aligned(w, REGION, huge, MAP_PRIVATE);
	must(w, !madvise(w->addr, REGION, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	map_twin(w, ANON_PRIVATE);
	must(w, !madvise(w->twin.addr, REGION, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	lock(w);
	/* while there still are some: one touch each, of no secret */
	for (i = 0; i < REGION; i += huge) {
		w->addr[i] = 'x';
		n += page_has_kflag(w->addr + i, KPF_THP);
	}
	errno = 0;
	must(w, n == REGION / huge, "no huge page was to be had");
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

static void after_mremap(struct work *w)
{
	size_t half = REGION / 2;
	char *to;

	map(w, ANON_PRIVATE);
	map_twin(w, ANON_PRIVATE);
	must(w, !munmap(w->addr + half, half), "munmap");
	w->pages /= 2;
	lock(w);
	prepared();
	fill(w, 0, w->pages);
	/* to another place, and twice the size */
	to = mmap(NULL, REGION, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(w, to != MAP_FAILED, "mmap");
	must(w, mremap(w->addr, half, REGION, MREMAP_MAYMOVE | MREMAP_FIXED,
		       to) == to, "mremap");
	w->addr = to;
	w->pages *= 2;
	fill(w, w->pages / 2, w->pages);
	watch(w);
}

/* What the parent writes after the fork is in pages of its own */
static void fork_parent_writes(struct work *w)
{
	map(w, ANON_PRIVATE);
	map_twin(w, ANON_PRIVATE);
	lock(w);
	store_pages(w->addr, REGION, 'x');
	fork_bystander(w);
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

/* A page that the child shares and nobody writes to is held by the parent */
static void fork_shared(struct work *w)
{
	map(w, ANON_PRIVATE);
	map_twin(w, ANON_PRIVATE);
	lock(w);
	prepared();
	fill(w, 0, w->pages);
	fork_bystander(w);
	watch(w);
}

static void kernel_stores(struct work *w,
			  void (*road)(struct work *w, char *page, char role,
				       size_t nr))
{
	w->scratch = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(w, w->scratch != MAP_FAILED &&
	     !sys_mlock(w->scratch, page_size()), "a locked page");
	must(w, !pipe(w->pipe), "pipe");
	w->put = road;
	kind_of_memory(w, ANON_PRIVATE);
}

static void read_into_holes(struct work *w)
{
	kernel_stores(w, by_read);
}

static void process_vm_writev_into_holes(struct work *w)
{
	kernel_stores(w, by_process_vm_writev);
}

/* In swap when it was locked, with nothing secret in it until it came back */
static void swapped_in(struct work *w)
{
	map(w, ANON_PRIVATE);
	map_twin(w, ANON_PRIVATE);
	store_pages(w->addr, REGION, 'x');
	errno = 0;
	must(w, page_out(w->addr, REGION), "cannot be paged out");
	lock(w);
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

/* Everything of the process is locked, except for the twin */
static void lock_all(struct work *w)
{
	must(w, !sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT),
	     "mlockall");
	map_twin(w, ANON_PRIVATE);
	must(w, !sys_munlock(w->twin.addr, w->twin.len), "munlock");
}

static void mlockall_heap(struct work *w)
{
	unsigned long page = page_size(), brk;

	lock_all(w);
	brk = (unsigned long)sbrk(0);
	must(w, sbrk(REGION + page) != (void *)-1, "sbrk");
	w->addr = (char *)((brk + page - 1) & -page);
	w->pages = REGION / page;
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

static __attribute__((noinline)) void mlockall_stack(struct work *w)
{
	unsigned long page = page_size();
	volatile char stack[REGION + (64 << 10)];

	lock_all(w);
	w->addr = (char *)(((unsigned long)stack + page - 1) & -page);
	w->pages = REGION / page;
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

/* The limits, as the user guide has them */
static void already_swapped(struct work *w)
{
	map(w, ANON_PRIVATE);
	map_twin(w, ANON_PRIVATE);
	fill(w, 0, w->pages);
	errno = 0;
	must(w, page_out(w->addr, REGION), "cannot be paged out");
	lock(w);
	prepared();
	watch(w);
}

static void fork_childs_copy(struct work *w)
{
	map(w, ANON_PRIVATE);
	map_twin(w, ANON_PRIVATE);
	lock(w);
	prepared();
	fill(w, 0, w->pages);
	fork_bystander(w);
	/* wiped here, and left to the child */
	memset(w->addr, 0, REGION);
	watch(w);
}

/* May a mapping have huge pages?  Some kernels have none for shared memory. */
static bool huge_eligible(const char *addr)
{
	const char *value;
	struct lines l;
	struct vma v;
	char line[256];
	bool here = false, yes = false;

	if (!lines_open(&l, "/proc/self/smaps"))
		return false;
	while (lines_next(&l, line, sizeof(line))) {
		if (line_vma(line, &v))
			here = v.start == (unsigned long)addr;
		value = line_value(line, "THPeligible");
		if (here && value)
			yes = atoi(value);
	}
	lines_close(&l);
	return yes;
}

/* Give khugepaged some time to make huge pages of a range, if it wants to */
static bool collapsed(const char *addr, size_t len)
{
	const char *scans =
		"/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans";
	long present = pages_present(addr, len);
	char buf[32];
	long first = -1, now;
	int fd, i;

	for (i = 0; i < 500; i++) {
		if (pages_present(addr, len) < present)
			return true;
		fd = open(scans, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return false;
		memset(buf, 0, sizeof(buf));
		now = read(fd, buf, sizeof(buf) - 1) > 0 ? atol(buf) : -1;
		close(fd);
		if (first < 0)
			first = now;
		if (now > first + 20)
			break;
		poll(NULL, 0, 10);
	}
	return pages_present(addr, len) < present;
}

/* The first advice is not seen yet when khugepaged is told of the mapping */
static void advise_huge(struct work *w, char *addr, size_t len)
{
	must(w, !madvise(addr, len, MADV_HUGEPAGE) &&
	     !madvise(addr, len, MADV_HUGEPAGE), "MADV_HUGEPAGE");
}

/*
 * Shared memory that may have huge pages: those that khugepaged makes of small
 * ones that are locked.  One half of it before memory gets short, the other
 * when it is.
 */
static void shmem_thp(struct work *w)
{
	size_t huge = huge_page(w);
	bool before, under;

	map_aligned(w, 2 * huge, huge, MAP_SHARED);
	map_twin(w, ANON_SHARED);
	lock(w);
	/* small pages: advice that came before would have them huge at once */
	fill(w, 0, w->pages / 2);
	advise_huge(w, w->addr, huge);
	errno = 0;
	must(w, huge_eligible(w->addr),
	     "the kernel makes no huge pages of shared memory");
	before = collapsed(w->addr, huge);
	prepared();
	fill(w, w->pages / 2, w->pages);
	advise_huge(w, w->addr + huge, huge);
	under = collapsed(w->addr + huge, huge);
	snprintf(w->res->note, sizeof(w->res->note),
		 "unmapped by khugepaged: %s before memory was short, %s when it was",
		 before ? "some" : "none", under ? "some" : "none");
	watch(w);
}

/* One half of a huge page of shared memory; the other is nobody's secret */
static void shmem_thp_part(struct work *w)
{
	size_t huge = huge_page(w);

	map_aligned(w, huge, huge, MAP_SHARED);
	advise_huge(w, w->addr, huge);
	map_twin(w, ANON_SHARED);
	w->addr[0] = 'x';
	errno = 0;
	must(w, page_has_kflag(w->addr, KPF_THP), "no huge page was to be had");
	w->addr += huge / 2;
	w->pages /= 2;
	w->twin.pages = w->pages;
	lock(w);
	prepared();
	fill(w, 0, w->pages);
	watch(w);
}

static const struct variant {
	const char *name, *kind;
	void (*run)(struct work *w);
} variants[] = {
	{ "anon", "kept", anon },
	{ "shmem", "kept", shmem },
	{ "file_private", "kept", file_private },
	{ "thp", "kept", thp },
	{ "after_mremap", "kept", after_mremap },
	{ "fork_parent_writes", "kept", fork_parent_writes },
	{ "fork_shared", "kept", fork_shared },
	{ "read_into_holes", "kept", read_into_holes },
	{ "process_vm_writev_into_holes", "kept", process_vm_writev_into_holes },
	{ "swapped_in", "kept", swapped_in },
	{ "mlockall_heap", "kept", mlockall_heap },
	{ "mlockall_stack", "kept", mlockall_stack },
	{ "already_swapped", "limit", already_swapped },
	{ "fork_childs_copy", "limit", fork_childs_copy },
	{ "D4_shmem_thp", "kept", shmem_thp },
	{ "D4_shmem_thp_part", "kept", shmem_thp_part },
};
#define NR_VARIANTS	(sizeof(variants) / sizeof(variants[0]))

static __attribute__((noreturn)) void run_variant(int id)
{
	struct work w = { .id = id, .res = &all->results[id], .put = by_store };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_file("/proc/self/oom_score_adj", "-500");
	errno = 0;
	variants[id].run(&w);
	_exit(1);
}

/* Through the kernel, which counts each use: a second one makes a page active */
static bool use(volatile char *page)
{
	char c = 1;
	struct iovec from = { &c, 1 }, to = { (void *)page, 1 };
	pid_t self = getpid();

	return process_vm_writev(self, &from, 1, &to, 1, 0) == 1 &&
	       process_vm_writev(self, &from, 1, &to, 1, 0) == 1;
}

/*
 * More than there is, over and over; the first to go if it is too much.  What was
 * filled by way of the kernel may be on the list of active pages, and stays there
 * as long as that is the shorter one.  So all of this is active, too.
 */
static __attribute__((noreturn)) void press(void)
{
	size_t pages = meminfo("MemTotal") / page_kb(1), i;
	volatile char *p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_file("/proc/self/oom_score_adj", "1000");
	pages += pages / 4;
	wait_for_phase(FILL);
	p = mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((void *)p == MAP_FAILED)
		_exit(1);
	for (;;) {
		for (i = 0; i < pages; i++) {
			if (!use(p + i * page_size()))
				_exit(1);
			add(all->pressed, 1);
		}
		add(all->passes, 1);
	}
}

/* Whose twin is not in swap yet, or not most of it */
static void say_whose_twins_stay(void)
{
	size_t i;

	for (i = 0; i < NR_VARIANTS; i++) {
		struct result *r = &all->results[i];

		if (!r->skipped && r->twin_swapped * 10 < r->twin * 9)
			fprintf(stderr, ", %s %ld of %ld", variants[i].name,
				r->twin_swapped, r->twin);
	}
}

/*
 * Until all variants have done their part and the pressure has gone @min times
 * through its memory, or @max times, if that is not 0; false if somebody died.
 */
static bool until(unsigned int *count, unsigned int min, unsigned int max)
{
	static const char * const phases[] = { "prepare", "fill", "watch", "end" };
	unsigned int waited = 0;

	while (get(*count) < NR_VARIANTS || get(all->passes) < min) {
		if (++waited % 1000 == 0) {
			fprintf(stderr, "%s: %u of %zu variants, %lu pages of pressure, %u passes",
				phases[get(all->phase)], get(*count), NR_VARIANTS,
				get(all->pressed), get(all->passes));
			if (get(all->phase) == WATCH)
				say_whose_twins_stay();
			fputc('\n', stderr);
		}
		if (waitpid(-1, NULL, WNOHANG) > 0)
			return false;
		if (max && get(all->passes) >= max)
			break;
		poll(NULL, 0, 20);
	}
	return true;
}

int main(int argc, char **argv)
{
	pid_t presser, pid;
	size_t i;

	if (argc != 2 || strspn(argv[1], "abcdefghijklmnopqrstuvwxyz") < 16 ||
	    argv[1][strspn(argv[1], "abcdefghijklmnopqrstuvwxyz")]) {
		fprintf(stderr, "usage: swap-secrets token, of small letters\n");
		return 2;
	}
	token = argv[1];
	allow_huge_pages();
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED || !set_memlock(RLIM_INFINITY))
		return 2;

	presser = fork();
	if (!presser)
		press();
	for (i = 0; i < NR_VARIANTS; i++) {
		pid = fork();
		if (!pid)
			run_variant(i);
		if (pid < 0)
			return 2;
	}

	if (!until(&all->ready, 0, 0))
		goto died;
	set(all->phase, FILL);
	if (!until(&all->filled, 0, 0))
		goto died;
	set(all->phase, WATCH);
	if (!until(&all->seen, MIN_PASSES, MAX_PASSES))
		goto died;
	kill(presser, SIGSTOP);
	set(all->filled, 0);
	set(all->phase, STOP);
	for (i = 0; i < NR_VARIANTS; i++)
		if (all->results[i].skipped)
			add(all->filled, 1);
	if (!until(&all->filled, 0, 0))
		goto died;

	for (i = 0; i < NR_VARIANTS; i++) {
		struct result *r = &all->results[i];

		printf("%02zu %s ", i, variants[i].name);
		if (r->skipped)
			printf("skip %s\n", r->note);
		else
			printf("%s %ld %ld %ld %ld %ld %s\n", variants[i].kind,
			       r->pages, r->present, r->swapped, r->twin,
			       r->twin_swapped, r->note);
	}
	printf("pressure: %u times all of its memory\n", all->passes);
	return 0;
died:
	printf("a process died in phase %d: out of memory?\n", all->phase);
	return 1;
}
