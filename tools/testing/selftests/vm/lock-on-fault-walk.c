// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault: what is there when the lock is set is locked, however it is
 * mapped (rows M2, M5), and to find it costs what the page tables that exist
 * cost, not what the mapping is large (row M8).
 */
#include "lock_on_fault_mm.h"

#include <sched.h>
#include <signal.h>
#include <time.h>

#include "../kselftest_harness.h"

#define PAGES		24
#define SMALL_BYTES	(1ULL << 20)
#define LARGE_BYTES	(16ULL << 30)

/*
 * A cost that follows the size grows by 16384 between the two, or by what
 * there is room for; one that does not, by what an interrupt may add.
 */
#define LEAST_RATIO	512
#define MOST_COST	32

static int lock(const struct mem *m)
{
	return sys_mlock2(m->addr, m->len, MLOCK_ONFAULT);
}

/* Are all pages of a range present, and each mlocked and unevictable? */
static bool all_locked(const void *addr, size_t len)
{
	long unlocked;

	if (pages_present(addr, len) != (long)(len / page_size()))
		return false;
	/* where nobody may look, smaps has to do */
	if (!can_see_kflags() || !drain_all_cpus())
		return is_locked(addr);
	unlocked = pages_unlocked(addr, len);
	if (unlocked)
		fprintf(stderr, "# %ld pages are not locked\n", unlocked);
	return !unlocked;
}

/*
 * All kinds of memory
 */
FIXTURE(kinds) {
	struct mem m;
};

MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	const char *why;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	if (!mem_map(&self->m, variant->kind, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(kinds)
{
	mem_unmap(&self->m);
}

/* Nothing can be faulted in there, but what there is can be locked */
TEST_F(kinds, M2_M5_present_behind_prot_none)
{
	struct mem *m = &self->m;

	store_pages(m->addr, m->len, 'x');
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_NONE));
	ASSERT_EQ(0, lock(m));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	ASSERT_EQ(0, sys_munlock(m->addr, m->len));
	EXPECT_FALSE(is_locked(m->addr));
	if (can_see_kflags() && drain_all_cpus()) {
		EXPECT_EQ(0, pages_with_kflag(m->addr, m->len, KPF_MLOCKED));
	}
}

/* Read only, and mapped by a child, too: the copy is for the next write */
TEST_F(kinds, M2_M5_present_before_copy_on_write)
{
	struct mem *m = &self->m;
	int go[2];
	pid_t pid;
	char c;

	store_pages(m->addr, m->len, 'x');
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		touch_read(m->addr, m->len);
		_exit(read(go[0], &c, 1) || is_locked(m->addr));
	}
	EXPECT_EQ(0, lock(m));
	EXPECT_TRUE(all_locked(m->addr, m->len));
	/* of what the child never had, the lock takes nothing from it */
	close(go[1]);
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	close(go[0]);
}

/* A page of which the content is in swap, too */
TEST_F(kinds, M2_M5_present_after_swap_in)
{
	struct mem *m = &self->m;

	if (!kind_is_file(variant->kind) && meminfo("SwapFree") <= 0)
		SKIP(return, "there is no swap space");
	store_pages(m->addr, m->len, 'x');
	if (variant->kind == FILE_SHARED) {
		ASSERT_EQ(0, msync(m->addr, m->len, MS_SYNC));
	}
	if (!page_out(m->addr, m->len))
		SKIP(return, "the pages cannot be pushed out: %ld still there",
		     pages_present(m->addr, m->len));
	touch_read(m->addr, m->len);
	ASSERT_EQ(PAGES, pages_present(m->addr, m->len));
	ASSERT_EQ(0, lock(m));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

/*
 * A plain lock that becomes one on fault has its pages, though part of them
 * came while nothing could be populated
 */
TEST_F(kinds, M2_M5_present_when_mode_changes)
{
	struct mem *m = &self->m;

	store_pages(m->addr, m->len / 2, 'x');
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_NONE));
	/* locks, and says that it could not populate */
	ASSERT_EQ(ENOMEM, errno_of(sys_mlock(m->addr, m->len)));
	ASSERT_EQ(0, lock(m));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES / 2));
}

/*
 * Memory that may be mapped twice
 */
FIXTURE(shared) {
	struct mem m;
};

FIXTURE_VARIANT(shared) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(shared, anon_shared) { .kind = ANON_SHARED, };
FIXTURE_VARIANT_ADD(shared, file_shared) { .kind = FILE_SHARED, };

FIXTURE_SETUP(shared)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(shared)
{
	mem_unmap(&self->m);
}

/*
 * Two mappings of the same pages, each with its lock: the pages are unlocked
 * with the last one
 */
TEST_F(shared, M2_two_locks_of_a_page)
{
	struct mem *m = &self->m;
	char *twin;

	store_pages(m->addr, m->len, 'x');
	/* of length 0: the same pages once more */
	twin = mremap(m->addr, 0, m->len, MREMAP_MAYMOVE);
	ASSERT_TRUE(twin != MAP_FAILED);
	touch_read(twin, m->len);
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, sys_mlock2(twin, m->len, MLOCK_ONFAULT));
	/* a page in a CPU's batch cannot be told to be another's, too */
	drain_all_cpus();
	ASSERT_EQ(0, sys_munlock(twin, m->len));
	EXPECT_TRUE(all_locked(m->addr, m->len));
	ASSERT_EQ(0, sys_mlock2(twin, m->len, MLOCK_ONFAULT));
	drain_all_cpus();
	ASSERT_EQ(0, munmap(twin, m->len));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	ASSERT_EQ(0, sys_munlock(m->addr, m->len));
	if (can_see_kflags() && drain_all_cpus()) {
		EXPECT_EQ(0, pages_with_kflag(m->addr, m->len, KPF_MLOCKED));
	}
}

/*
 * Files
 */
FIXTURE(files) {
	struct mem m;
};

FIXTURE_VARIANT(files) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(files, file_shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(files, file_private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(files)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(files)
{
	mem_unmap(&self->m);
}

/* Who copies a page before a write gives up its own lock of it, no other */
TEST_F(files, M2_copy_on_write_leaves_others_lock)
{
	struct mem *m = &self->m;
	char *twin = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			  m->fd, 0);

	ASSERT_TRUE(twin != MAP_FAILED);
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, sys_mlock2(twin, m->len, MLOCK_ONFAULT));
	touch_read(m->addr, m->len);
	touch_read(twin, m->len);
	store_pages(twin, m->len, 'x');
	EXPECT_TRUE(all_locked(twin, m->len));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	ASSERT_EQ(0, munmap(twin, m->len));
}

/* What is cut off a file goes, with its lock; what it grows by is locked */
TEST_F(files, M2_truncated)
{
	struct mem *m = &self->m;
	long before, after;

	before = mlocked_now();
	ASSERT_EQ(0, lock(m));
	touch_read(m->addr, m->len);
	ASSERT_TRUE(locked_with(m->addr, m->len, PAGES));
	ASSERT_EQ(0, ftruncate(m->fd, 0));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	after = mlocked_now();
	if (before >= 0) {
		EXPECT_GT(page_kb(PAGES / 2), after - before);
	}
	ASSERT_EQ(0, ftruncate(m->fd, m->len));
	touch_read(m->addr, m->len);
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

/*
 * Somebody else has the locks of the pages, one after the other, when ours
 * are looked for: a process that writes to the file all the time.
 */
TEST_F(files, M2_M5_busy_pages)
{
	struct mem *m = &self->m;
	time_t deadline = time(NULL) + 15;
	char buf[4096] = "busy";
	int round, bad = 0;
	size_t i;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (;;) {
			for (i = 0; i < m->len; i += sizeof(buf)) {
				if (pwrite(m->fd, buf, sizeof(buf), i) < 0)
					_exit(1);
			}
		}
	}
	for (round = 0; round < 200 && time(NULL) < deadline; round++) {
		touch_read(m->addr, m->len);
		if (lock(m))
			bad++;
		if (can_see_kflags() &&
		    pages_with_kflag(m->addr, m->len, KPF_MLOCKED) != PAGES)
			bad++;
		if (sys_munlock(m->addr, m->len))
			bad++;
	}
	kill(pid, SIGKILL);
	wait_for(pid);
	EXPECT_EQ(0, bad) TH_LOG("%d rounds", round);
}

/* Pages that are merged with others */
TEST(M2_M5_present_merged_by_ksm)
{
	struct timespec nap = { .tv_nsec = 50000000 };
	const char *why;
	struct mem m;
	int i;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised");
	ASSERT_TRUE(mem_map(&m, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
			    &why)) TH_LOG("%s", why);
	if (madvise(m.addr, m.len, MADV_MERGEABLE))
		SKIP(return, "MADV_MERGEABLE: errno %d", errno);
	store_pages(m.addr, m.len, 'k');
	if (!write_file("/sys/kernel/mm/ksm/sleep_millisecs", "10") ||
	    !write_file("/sys/kernel/mm/ksm/pages_to_scan", "4096") ||
	    !write_file("/sys/kernel/mm/ksm/run", "1"))
		SKIP(return, "ksmd cannot be told to run");
	for (i = 0; i < 200; i++) {
		if (pages_with_kflag(m.addr, m.len, KPF_KSM) == PAGES)
			break;
		nanosleep(&nap, NULL);
	}
	if (i == 200) {
		write_file("/sys/kernel/mm/ksm/run", "0");
		SKIP(return, "ksmd merged %ld of %d pages",
		     pages_with_kflag(m.addr, m.len, KPF_KSM), PAGES);
	}
	/* or it merges the copies, too, while they are looked at */
	write_file("/sys/kernel/mm/ksm/run", "0");
	EXPECT_EQ(0, lock(&m));
	EXPECT_TRUE(all_locked(m.addr, m.len));
	EXPECT_EQ(PAGES, pages_with_kflag(m.addr, m.len, KPF_KSM));
	/* those that take their own copy are locked by that */
	store_pages(m.addr, m.len / 2, 'w');
	EXPECT_TRUE(all_locked(m.addr, m.len));
	EXPECT_EQ(0, sys_munlock(m.addr, m.len));
	write_file("/sys/kernel/mm/ksm/run", "2");
	write_file("/sys/kernel/mm/ksm/run", "0");
	mem_unmap(&m);
}

/*
 * Cost
 */
FIXTURE(cost) {
	char *small, *large;
	unsigned long long len;
};

FIXTURE_SETUP(cost)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	/* if it gets populated after all, let it be us who pays for it */
	write_file("/proc/self/oom_score_adj", "1000");
	self->small = mmap(NULL, SMALL_BYTES, PROT_READ | PROT_WRITE, flags,
			   -1, 0);
	ASSERT_TRUE(self->small != MAP_FAILED);
	/* 16 GiB where they fit; with 32 bits 1 or 2 are all that does */
	for (self->len = LARGE_BYTES; self->len >= LEAST_RATIO * SMALL_BYTES;
	     self->len /= 2) {
		if (self->len != (size_t)self->len)
			continue;
		/* not merged with the small one */
		self->large = mmap(NULL, self->len, PROT_READ | PROT_WRITE |
				   PROT_EXEC, flags, -1, 0);
		if (self->large != MAP_FAILED)
			return;
	}
	SKIP_SETUP("there is no room for a large mapping");
}

FIXTURE_TEARDOWN(cost)
{
	munmap(self->large, self->len);
	munmap(self->small, SMALL_BYTES);
}

static long long since_ns(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from->tv_sec) * 1000000000LL + to.tv_nsec -
	       from->tv_nsec;
}

enum call { LOCK, UNLOCK, UNLOCK_ALL };

/* The shortest of some tries: others use the machine, too.  -1: failed */
static long long call_ns(enum call call, char *p, size_t len)
{
	struct timespec from;
	long long ns, best = -1;
	int i, ret;

	for (i = 0; i < 16; i++) {
		if (call != LOCK && sys_mlock2(p, len, MLOCK_ONFAULT))
			return -1;
		clock_gettime(CLOCK_MONOTONIC, &from);
		if (call == LOCK)
			ret = sys_mlock2(p, len, MLOCK_ONFAULT);
		else if (call == UNLOCK)
			ret = sys_munlock(p, len);
		else
			ret = sys_munlockall();
		ns = since_ns(&from);
		if (ret || (call == LOCK && sys_munlock(p, len)))
			return -1;
		if (best < 0 || ns < best)
			best = ns;
	}
	return best;
}

static void compare(struct __test_metadata *_metadata,
		    const FIXTURE_DATA(cost) *self, enum call call)
{
	long long small_ns, large_ns;

	small_ns = call_ns(call, self->small, SMALL_BYTES);
	large_ns = call_ns(call, self->large, self->len);
	ASSERT_GE(small_ns, 0);
	ASSERT_GE(large_ns, 0);
	EXPECT_LE(large_ns, (small_ns + 1000) * MOST_COST);
	TH_LOG("%llu MiB take %lld ns, 1 MiB takes %lld ns", self->len >> 20,
	       large_ns, small_ns);
	EXPECT_EQ(0, vm_lck());
}

TEST_F(cost, M8_mlock2_of_sparse)
{
	compare(_metadata, self, LOCK);
}

TEST_F(cost, M8_munlock_of_sparse)
{
	compare(_metadata, self, UNLOCK);
}

TEST_F(cost, M8_munlockall_of_sparse)
{
	compare(_metadata, self, UNLOCK_ALL);
}

/* munmap() and exit() unlock, too: of two children the one with the lock */
TEST_F(cost, M8_exit_of_sparse)
{
	struct timespec from;
	long long ns, best[2] = { -1, -1 };
	int i;

	for (i = 0; i < 32; i++) {
		pid_t pid;

		clock_gettime(CLOCK_MONOTONIC, &from);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(sys_mlock2(i % 2 ? self->large : self->small,
					 i % 2 ? self->len : SMALL_BYTES,
					 MLOCK_ONFAULT) != 0);
		ASSERT_EQ(0, wait_for(pid));
		ns = since_ns(&from);
		if (best[i % 2] < 0 || ns < best[i % 2])
			best[i % 2] = ns;
	}
	EXPECT_LE(best[1], best[0] * 4);
	TH_LOG("with %llu MiB %lld ns, with 1 MiB %lld ns", self->len >> 20,
	       best[1], best[0]);
}

TEST_HARNESS_MAIN
