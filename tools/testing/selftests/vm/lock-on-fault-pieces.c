// SPDX-License-Identifier: GPL-2.0
/*
 * Locked huge pages that are mapped page by page (defect D12).  What is all in
 * one locked mapping is on the unevictable list like any other locked page.
 * If a part of it is not locked, none of it is: it could not be reclaimed
 * then.  Either way the locked part stays, and the count of locked pages is
 * right in the end.
 */
#include "lock_on_fault_huge.h"

#include "../kselftest_harness.h"

FIXTURE(pieces) {
	struct huge h;
};

FIXTURE_VARIANT(pieces) {
	bool onfault;
};

FIXTURE_VARIANT_ADD(pieces, mlock) { .onfault = false, };
FIXTURE_VARIANT_ADD(pieces, onfault) { .onfault = true, };

static bool map_huge(char *addr, size_t size)
{
	struct range r;

	if (!range_map(&r, addr, size, -1))
		return false;
	*addr = 'h';
	/* it is there; khugepaged is to make no other one of its pieces */
	if (madvise(addr, size, MADV_NOHUGEPAGE))
		return false;
	return pages_present(addr, size) == (long)(size / page_size()) &&
	       is_huge(addr);
}

/*
 * Two mappings for a moment split the page table's entry, not the page.  Not
 * by way of mprotect(): some kernels copy a page for the next write then.
 */
static bool in_pieces(char *addr, size_t size)
{
	return !madvise(addr, page_size(), MADV_DONTDUMP) &&
	       !madvise(addr, page_size(), MADV_DODUMP) &&
	       is_huge(addr) && is_huge(addr + size - page_size());
}

static int lock(const char *addr, size_t size, bool onfault)
{
	return sys_mlock2(addr, size, onfault ? MLOCK_ONFAULT : 0);
}

FIXTURE_SETUP(pieces)
{
	const char *why;

	why = huge_setup(&self->h);
	if (why)
		SKIP_SETUP("%s", why);
	if (!map_huge(self->h.r.addr, self->h.size))
		SKIP_SETUP("no huge page to be had");
}

FIXTURE_TEARDOWN(pieces)
{
	huge_teardown(&self->h);
}

/* Present pages of a range that are locked in the kernel's eyes */
static long pages_mlocked(const char *addr, size_t size)
{
	return drain_all_cpus() ? pages_present(addr, size) -
				  pages_unlocked(addr, size) : -1;
}

TEST_F(pieces, D12_present_when_locked)
{
	ASSERT_TRUE(in_pieces(self->h.r.addr, self->h.size));
	ASSERT_EQ(0, lock(self->h.r.addr, self->h.size, variant->onfault));
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	EXPECT_TRUE(is_huge(self->h.r.addr));

	ASSERT_EQ(0, sys_munlock(self->h.r.addr, self->h.size));
	EXPECT_EQ(0, pages_mlocked(self->h.r.addr, self->h.size));
	EXPECT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size));
}

TEST_F(pieces, D12_split_when_locked)
{
	ASSERT_EQ(0, lock(self->h.r.addr, self->h.size, variant->onfault));
	ASSERT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	ASSERT_TRUE(in_pieces(self->h.r.addr, self->h.size));
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));

	ASSERT_EQ(0, sys_munlock(self->h.r.addr, self->h.size));
	EXPECT_EQ(0, pages_mlocked(self->h.r.addr, self->h.size));
}

/* Two mappings, but both of them locked: there is nothing to reclaim */
TEST_F(pieces, D12_two_locked_mappings)
{
	size_t half = self->h.size / 2;
	char *p = self->h.r.addr;

	ASSERT_EQ(0, lock(p, self->h.size, variant->onfault));
	ASSERT_EQ(0, mprotect(p, half, PROT_READ));
	EXPECT_EQ(self->h.pages, pages_present(p, self->h.size));
	EXPECT_EQ(self->h.pages, pages_mlocked(p, self->h.size));
	ASSERT_EQ(0, munmap(p + half, half));
	EXPECT_EQ(self->h.pages / 2, pages_present(p, half));
	EXPECT_TRUE(is_locked(p));
}

/* What is charged is the half, so only that may be held */
TEST_F(pieces, D12_part_unlocked)
{
	size_t half = self->h.size / 2;
	char *p = self->h.r.addr;
	struct vma v;

	ASSERT_EQ(0, lock(p, self->h.size, variant->onfault));
	ASSERT_EQ(0, sys_munlock(p, half));
	EXPECT_EQ(0, pages_mlocked(p, self->h.size));
	ASSERT_TRUE(vma_at(p + half, &v));
	EXPECT_TRUE(vma_has(&v, "lo"));
	EXPECT_EQ((long)half / 1024, v.locked);
	EXPECT_EQ((long)half / 1024, vm_lck());
	EXPECT_EQ(self->h.pages, pages_present(p, self->h.size));

	ASSERT_EQ(0, sys_munlock(p, self->h.size));
	ASSERT_EQ(0, lock(p, self->h.size, variant->onfault));
	EXPECT_TRUE(locked_with(p, self->h.size, self->h.pages));
}

TEST_F(pieces, D12_part_locked)
{
	char *p = self->h.r.addr;

	ASSERT_EQ(0, lock(p, page_size(), variant->onfault));
	EXPECT_EQ(0, pages_mlocked(p, self->h.size));
	EXPECT_EQ(page_kb(1), vm_lck());
	EXPECT_EQ(self->h.pages, pages_present(p, self->h.size));
}

/* A child maps the same pages, and has not locked them */
TEST_F(pieces, D12_fork)
{
	char *p = self->h.r.addr;
	pid_t pid;

	ASSERT_TRUE(in_pieces(p, self->h.size));
	ASSERT_EQ(0, lock(p, self->h.size, variant->onfault));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(is_locked(p) || pages_mlocked(p, self->h.size) !=
		      self->h.pages);
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_TRUE(locked_with(p, self->h.size, self->h.pages));
}

/* Made small pages of, by the kernel: still locked, one by one */
TEST_F(pieces, D12_page_split)
{
	char *p = self->h.r.addr, order[64];
	int tries;

	ASSERT_TRUE(in_pieces(p, self->h.size));
	ASSERT_EQ(0, lock(p, self->h.size, variant->onfault));
	snprintf(order, sizeof(order), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)p, (unsigned long)p + self->h.size);
	/* not while it is in some CPU's batch */
	for (tries = 0; is_huge(p) && tries < 20; tries++) {
		drain_all_cpus();
		/* all huge pages there are, where it takes no range */
		if (!write_file("/sys/kernel/debug/split_huge_pages", order) &&
		    !write_file("/sys/kernel/debug/split_huge_pages", "1"))
			SKIP(return, "no /sys/kernel/debug/split_huge_pages");
	}
	if (is_huge(p))
		SKIP(return, "the huge page was not split");
	EXPECT_TRUE(locked_with(p, self->h.size, self->h.pages));
}

/*
 * However it ends, it is counted once, and given back once.  What others lock
 * meanwhile is less than a huge page.
 */
TEST_F(pieces, D12_mlocked_does_not_drift)
{
	size_t half = self->h.size / 2;
	char *p = self->h.r.addr;
	long before, now;
	pid_t pid;
	int i;

	before = mlocked_now();
	if (before < 0)
		SKIP(return, "the LRU cannot be drained or counters not be read");
	for (i = 0; i < 16; i++) {
		if (!map_huge(p, self->h.size))
			SKIP(return, "no huge page to be had");
		if (i & 1)
			ASSERT_TRUE(in_pieces(p, self->h.size));
		ASSERT_EQ(0, lock(p, self->h.size, variant->onfault));
		/* locked twice is locked once */
		ASSERT_EQ(0, lock(p, self->h.size, !variant->onfault));
		if (!(i & 1))
			ASSERT_TRUE(in_pieces(p, self->h.size));
		now = mlocked_now();
		EXPECT_LE((long)self->h.size / 1024, now - before);
		EXPECT_GT(2 * (long)self->h.size / 1024, now - before);
		switch (i / 2 % 4) {
		case 0:
			ASSERT_EQ(0, sys_munlock(p, self->h.size));
			break;
		case 1:
			ASSERT_EQ(0, munmap(p + half, half));
			break;
		case 2:
			ASSERT_EQ(0, munmap(p, half));
			break;
		case 3:
			pid = fork();
			ASSERT_GE(pid, 0);
			if (!pid) {
				/* its own lock goes with it */
				_exit(lock(p, self->h.size, variant->onfault));
			}
			ASSERT_EQ(0, wait_for(pid));
			ASSERT_EQ(0, munmap(p, self->h.size));
			break;
		}
		now = mlocked_now();
		EXPECT_GT((long)self->h.size / 1024, labs(now - before))
			TH_LOG("round %d: Mlocked: %ld kB before, %ld kB now",
			       i, before, now);
		/* unmaps what is left */
		ASSERT_TRUE(mmap(p, self->h.size, PROT_NONE, MAP_SHARED |
				 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	}
	now = mlocked_now();
	EXPECT_GT((long)self->h.size / 1024, labs(now - before))
		TH_LOG("Mlocked: %ld kB before, %ld kB after", before, now);
}

TEST_HARNESS_MAIN
