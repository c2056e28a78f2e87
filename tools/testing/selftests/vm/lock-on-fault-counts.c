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

/* A page of a file, to be mapped in two places, and two processors */
struct two {
	struct mem m;
	char *other;
	int cpu[2];
};

/* NULL, or the reason why it cannot be */
static const char *map_two(struct two *t, enum mem_kind kind, bool shmem)
{
	const char *why;
	int fd;

	if (!two_cpus(t->cpu))
		return "it takes two processors";
	if (!can_see_kflags())
		return "/proc/kpageflags cannot be read";
	if (!raise_memlock(2 * page_size()))
		return "RLIMIT_MEMLOCK cannot be raised";
	/* to empty batches without moving pages takes a file in any case */
	fd = test_file(1, &why);
	if (fd < 0)
		return why;
	if (shmem) {
		close(fd);
		fd = syscall(__NR_memfd_create, "lock-on-fault-counts", 0);
		if (fd < 0 || ftruncate(fd, page_size()))
			return "no file in shared memory";
	}
	if (!mem_map_fd(&t->m, kind, 1, PROT_READ | PROT_WRITE, 0, fd, &why))
		return why;
	t->other = mem_map_more(&t->m, page_size(), PROT_READ, 0);
	if (t->other == MAP_FAILED)
		return "cannot map memory twice";
	touch_read(t->m.addr, t->m.len);
	return drain_all_cpus() ? NULL : "batches cannot be emptied";
}

static void unmap_two(struct two *t)
{
	munmap(t->other, page_size());
	mem_unmap(&t->m);
}

FIXTURE(counts) {
	struct two t;
};

FIXTURE_VARIANT(counts) {
	enum mem_kind kind;
	bool shmem;
};

FIXTURE_VARIANT_ADD(counts, shmem) { .kind = FILE_SHARED, .shmem = true, };
FIXTURE_VARIANT_ADD(counts, file_shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(counts, file_private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(counts)
{
	const char *why = map_two(&self->t, variant->kind, variant->shmem);

	if (why)
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(counts)
{
	unmap_two(&self->t);
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
 * these locks counted last.  A plain lock empties the batch when it has used
 * the page.
 */
static bool lock_with_one_late(const struct two *t)
{
	char *page = t->m.addr;

	/* if it were present, the call would lock it, and empty the batch */
	if (!run_on(t->cpu[0]) || unlock(page) ||
	    madvise(page, page_size(), MADV_DONTNEED) ||
	    !drain_all_cpus() || lock(page))
		return false;
	touch_read(page, page_size());
	if (!run_on(t->cpu[1]) || unlock(page) || lock(page))
		return false;
	return run_on(t->cpu[0]) && drain_all_cpus();
}

static bool still_locked(const char *page)
{
	return drain_all_cpus() && page_present(page) &&
	       !pages_unlocked(page, page_size());
}

/* No flag is left of a lock; a page on its way to another list may have one */
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
	char *page = self->t.m.addr;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(lock_with_one_late(&self->t));
		EXPECT_TRUE(still_locked(page));
		ASSERT_EQ(0, unlock(page));
		EXPECT_TRUE(not_locked(page)) TH_LOG("round %d", i);
	}
}

static bool map_again(const struct two *t)
{
	return mmap(t->m.addr, page_size(), PROT_READ | PROT_WRITE,
		    mem_map_flags(t->m.kind) | MAP_FIXED, t->m.fd, 0) ==
	       t->m.addr;
}

/* Whoever ends without a munlock() leaves no page of a file behind locked */
TEST_F(counts, D17_unmapped)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(lock_with_one_late(&self->t));
		ASSERT_EQ(0, munmap(self->t.m.addr, page_size()));
		ASSERT_TRUE(drain_all_cpus());
		ASSERT_TRUE(map_again(&self->t));
		EXPECT_TRUE(not_locked(self->t.m.addr)) TH_LOG("round %d", i);
	}
}

/* What is counted too often is no reason to take away another's lock */
TEST_F(counts, D17_locked_by_two)
{
	char *page = self->t.m.addr, *other = self->t.other;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(lock_with_one_late(&self->t));
		touch_read(other, page_size());
		ASSERT_EQ(0, lock(other));
		ASSERT_EQ(0, unlock(page));
		EXPECT_TRUE(still_locked(other)) TH_LOG("round %d", i);
		ASSERT_EQ(0, lock(page));
		ASSERT_EQ(0, unlock(other));
		EXPECT_TRUE(still_locked(page)) TH_LOG("round %d", i);
		/* if both still mapped it, the count would be believed */
		ASSERT_EQ(0, madvise(other, page_size(), MADV_DONTNEED));
		ASSERT_EQ(0, unlock(page));
		EXPECT_TRUE(not_locked(page)) TH_LOG("round %d", i);
	}
}

/*
 * An unlock in a batch takes nobody's lock, either.  Whoever writes to private
 * memory no longer maps the page of the file, and leaves such an unlock; any
 * other way to unmap a page empties the batch.
 */
FIXTURE(copied) {
	struct two t;
};

FIXTURE_SETUP(copied)
{
	const char *why = map_two(&self->t, FILE_PRIVATE, false);

	if (why)
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(copied)
{
	unmap_two(&self->t);
}

TEST_F(copied, D17_the_other_stays_locked)
{
	char *page = self->t.m.addr, *other = self->t.other;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(run_on(self->t.cpu[0]));
		ASSERT_EQ(0, lock(page));
		touch_read(page, page_size());
		ASSERT_EQ(0, lock(other));
		touch_read(other, page_size());
		ASSERT_TRUE(drain_all_cpus());
		store_pages(page, page_size(), 'p');
		ASSERT_TRUE(run_on(self->t.cpu[1]));
		ASSERT_EQ(0, unlock(other));
		ASSERT_EQ(0, lock(other));
		ASSERT_TRUE(run_on(self->t.cpu[0]));
		EXPECT_TRUE(still_locked(other)) TH_LOG("round %d", i);
		ASSERT_TRUE(map_again(&self->t));
		ASSERT_EQ(0, unlock(other));
		EXPECT_TRUE(not_locked(other)) TH_LOG("round %d", i);
	}
}

TEST_HARNESS_MAIN
