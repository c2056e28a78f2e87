// SPDX-License-Identifier: GPL-2.0
/*
 * What nobody locks any more is not locked (defect D17).  The kernel counts the
 * locks of a page, from batches that each processor has of its own.  While a
 * lock is in the batch of one, another may unlock the page and lock it again:
 * both locks were counted then, and one unlock is left to come.  A page that is
 * in memory already and used under a lock on fault is such a lock in a batch.
 */
#include "lock_on_fault.h"
#include "lock_on_fault_mm.h"

#include <sched.h>

#include "../kselftest_harness.h"

/* Something else may empty a batch at the wrong moment, but not each time */
#define ROUNDS	8

FIXTURE(counts) {
	struct mem m;
	int cpu[2];
};

FIXTURE_VARIANT(counts) {
	enum mem_kind kind;
	bool shmem;
};

FIXTURE_VARIANT_ADD(counts, shmem) { .kind = FILE_SHARED, .shmem = true, };
FIXTURE_VARIANT_ADD(counts, file_shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(counts, file_private) { .kind = FILE_PRIVATE, };

/* The first two processors that we may use; false if it is only one */
static bool two_cpus(int cpu[2])
{
	cpu_set_t may;
	int i, n = 0;

	if (sched_getaffinity(0, sizeof(may), &may))
		return false;
	for (i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &may))
			cpu[n++] = i;
	return n == 2;
}

static bool run_on(int cpu)
{
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	return !sched_setaffinity(0, sizeof(only), &only);
}

FIXTURE_SETUP(counts)
{
	const char *why;
	int fd = -1;

	if (!two_cpus(self->cpu))
		SKIP_SETUP("it takes two processors");
	if (!can_see_kflags())
		SKIP_SETUP("/proc/kpageflags cannot be read");
	if (!raise_memlock(2 * page_size()))
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	/* to empty batches without moving pages takes one, too */
	fd = test_file(1, &why);
	if (fd < 0)
		SKIP_SETUP("%s", why);
	if (variant->shmem) {
		close(fd);
		fd = syscall(__NR_memfd_create, "lock-on-fault-counts", 0);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ftruncate(fd, page_size()));
	}
	ASSERT_TRUE(mem_map_fd(&self->m, variant->kind, 1,
			       PROT_READ | PROT_WRITE, 0, fd, &why))
		TH_LOG("%s", why);
	touch_read(self->m.addr, self->m.len);
	if (!drain_all_cpus())
		SKIP_SETUP("batches cannot be emptied");
}

FIXTURE_TEARDOWN(counts)
{
	mem_unmap(&self->m);
}

static int lock(const char *page)
{
	return sys_mlock2(page, page_size(), MLOCK_ONFAULT);
}

static int unlock(const char *page)
{
	return sys_munlock(page, page_size());
}

/*
 * Lock a page, use it, unlock and lock it elsewhere, and have the first of
 * these locks counted last.
 */
static bool lock_with_one_late(const char *page, const int cpu[2])
{
	/* if it were present, the call would lock it, and empty the batch */
	if (!run_on(cpu[0]) || unlock(page) ||
	    madvise((void *)page, page_size(), MADV_DONTNEED) ||
	    !drain_all_cpus() || lock(page))
		return false;
	touch_read(page, page_size());
	if (!run_on(cpu[1]) || unlock(page) || lock(page))
		return false;
	return run_on(cpu[0]) && drain_all_cpus();
}

static bool still_locked(const char *page)
{
	return drain_all_cpus() && page_present(page) &&
	       !pages_unlocked(page, page_size());
}

/* Not a flag is left of a lock; a page on its way to another list may have one */
static bool not_locked(const char *page)
{
	int tries;

	for (tries = 0; tries < 2; tries++) {
		touch_read(page, page_size());
		if (drain_all_cpus() && page_present(page) &&
		    !page_has_kflag(page, KPF_MLOCKED) &&
		    !page_has_kflag(page, KPF_UNEVICTABLE))
			return true;
	}
	return false;
}

TEST_F(counts, D17_unlocked)
{
	char *page = self->m.addr;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(lock_with_one_late(page, self->cpu));
		EXPECT_TRUE(still_locked(page));
		ASSERT_EQ(0, unlock(page));
		EXPECT_TRUE(not_locked(page)) TH_LOG("round %d", i);
	}
}

/* Whoever ends without a munlock() leaves no page cache behind that is locked */
TEST_F(counts, D17_unmapped)
{
	char *page = self->m.addr;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(lock_with_one_late(page, self->cpu));
		ASSERT_EQ(0, munmap(page, page_size()));
		ASSERT_TRUE(drain_all_cpus());
		ASSERT_TRUE(mmap(page, page_size(), PROT_READ | PROT_WRITE,
				 mem_map_flags(variant->kind) | MAP_FIXED,
				 self->m.fd, 0) == page);
		EXPECT_TRUE(not_locked(page)) TH_LOG("round %d", i);
	}
}

/* What is counted too often is no reason to take away another's lock */
TEST_F(counts, D17_locked_by_two)
{
	char *page = self->m.addr, *other;
	int i;

	other = mem_map_more(&self->m, page_size(), PROT_READ, 0);
	ASSERT_TRUE(other != MAP_FAILED);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, madvise(other, page_size(), MADV_DONTNEED));
		ASSERT_TRUE(lock_with_one_late(page, self->cpu));
		touch_read(other, page_size());
		ASSERT_EQ(0, lock(other));
		ASSERT_EQ(0, unlock(page));
		EXPECT_TRUE(still_locked(other)) TH_LOG("round %d", i);
		ASSERT_EQ(0, lock(page));
		ASSERT_EQ(0, unlock(other));
		EXPECT_TRUE(still_locked(page)) TH_LOG("round %d", i);
		/* where both map it unlocked, nobody can tell; by one it can */
		ASSERT_EQ(0, madvise(other, page_size(), MADV_DONTNEED));
		ASSERT_EQ(0, unlock(page));
		EXPECT_TRUE(not_locked(page)) TH_LOG("round %d", i);
	}
	munmap(other, page_size());
}

/*
 * Nor does an unlock that waits.  Whoever writes to private memory leaves the
 * page of the file, in the middle of a batch; unmapping is to do no harm, either.
 */
TEST_F(counts, D17_locked_by_the_other)
{
	char *page = self->m.addr, *other;
	int i;

	other = mem_map_more(&self->m, page_size(), PROT_READ, 0);
	ASSERT_TRUE(other != MAP_FAILED);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(run_on(self->cpu[0]));
		ASSERT_EQ(0, lock(page));
		touch_read(page, page_size());
		ASSERT_EQ(0, lock(other));
		touch_read(other, page_size());
		ASSERT_TRUE(drain_all_cpus());
		if (variant->kind == FILE_PRIVATE)
			store_pages(page, page_size(), 'p');
		else
			ASSERT_EQ(0, munmap(page, page_size()));
		ASSERT_TRUE(run_on(self->cpu[1]));
		ASSERT_EQ(0, unlock(other));
		ASSERT_EQ(0, lock(other));
		ASSERT_TRUE(run_on(self->cpu[0]));
		EXPECT_TRUE(still_locked(other)) TH_LOG("round %d", i);
		ASSERT_TRUE(mmap(page, page_size(), PROT_READ | PROT_WRITE,
				 mem_map_flags(variant->kind) | MAP_FIXED,
				 self->m.fd, 0) == page);
		ASSERT_EQ(0, unlock(other));
		EXPECT_TRUE(not_locked(other)) TH_LOG("round %d", i);
	}
	munmap(other, page_size());
}

TEST_HARNESS_MAIN
