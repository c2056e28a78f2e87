// SPDX-License-Identifier: GPL-2.0
/*
 * Locked shared memory and the making of huge pages, by khugepaged or on
 * request with MADV_COLLAPSE (defect D4): a page that is locked stays where it
 * is, and locked.
 *
 * Each test has a twin that is not locked, and waits for khugepaged to make a
 * huge page of that: else nothing is shown.
 */
#include "lock_on_fault_huge.h"

#include <sched.h>

#include "../kselftest_harness.h"

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE	0x01
#endif
#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_PUNCH_HOLE	0x02
#endif

/* Small pages, whatever huge ones are allowed: nobody advised a file */
static bool memfd_fill(int fd, size_t size, char value)
{
	static char page[64 << 10];
	size_t pos;

	memset(page, value, page_size());
	for (pos = 0; pos < size; pos += page_size())
		if (pwrite(fd, page, page_size(), pos) != (ssize_t)page_size())
			return false;
	return true;
}

enum lock_by {
	BY_MLOCK,
	BY_MLOCK2,
};

static int lock(const struct range *r, size_t size, enum lock_by by)
{
	return by == BY_MLOCK ? sys_mlock(r->addr, size) :
	       sys_mlock2(r->addr, size, MLOCK_ONFAULT);
}

/*
 * D4: shared memory of small pages, all of them there
 */
FIXTURE(shmem) {
	struct huge h;
};

FIXTURE_VARIANT(shmem) {
	enum lock_by by;
};

FIXTURE_VARIANT_ADD(shmem, mlock) { .by = BY_MLOCK, };
FIXTURE_VARIANT_ADD(shmem, onfault) { .by = BY_MLOCK2, };

FIXTURE_SETUP(shmem)
{
	const char *why;

	why = huge_setup(&self->h);
	if (why)
		SKIP_SETUP("%s", why);
	ASSERT_TRUE(huge_map_shared(&self->h));
	store_pages(self->h.r.addr, self->h.size, 's');
	store_pages(self->h.twin.addr, self->h.size, 't');
	ASSERT_FALSE(is_huge(self->h.r.addr));
	ASSERT_TRUE(write_file(FOR_SHMEM, "advise"));
}

FIXTURE_TEARDOWN(shmem)
{
	huge_teardown(&self->h);
}

TEST_F(shmem, D4_khugepaged)
{
	const char *why, *p;

	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	for (p = self->h.r.addr; p < self->h.r.addr + self->h.size; p += page_size())
		ASSERT_EQ('s', *p);

	/* nor is it for ever */
	ASSERT_EQ(0, sys_munlock(self->h.r.addr, self->h.size));
	EXPECT_TRUE(becomes_huge(&self->h.r, self->h.size));
}

/* The range that khugepaged looks at is not the one that is locked */
TEST_F(shmem, D4_khugepaged_other_mapping)
{
	const char *why;
	struct range other;

	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	ASSERT_TRUE(range_map(&other, self->h.more, self->h.size, self->h.r.fd));
	touch_read(other.addr, self->h.size);
	/* it is not for khugepaged by itself */
	ASSERT_EQ(0, madvise(self->h.r.addr, self->h.size, MADV_NOHUGEPAGE));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size));
	ASSERT_TRUE(drain_all_cpus());
	EXPECT_EQ(0, pages_unlocked(self->h.r.addr, self->h.size));
}

/* Nor is it this process that locked it */
TEST_F(shmem, D4_khugepaged_other_process)
{
	const char *why;
	int ready[2], go[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		touch_read(self->h.r.addr, self->h.size);
		if (lock(&self->h.r, self->h.size, variant->by) ||
		    pages_present(self->h.r.addr, self->h.size) != self->h.pages ||
		    write(ready[1], "", 1) != 1 || read(go[0], &c, 1) < 0)
			_exit(2);
		if (pages_present(self->h.r.addr, self->h.size) != self->h.pages)
			_exit(3);
		_exit(!drain_all_cpus() ||
		      pages_unlocked(self->h.r.addr, self->h.size));
	}
	close(go[0]);
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	close(go[1]);
	EXPECT_EQ(0, wait_for(pid));
}

/*
 * One locked page is enough, in a mapping that holds no huge page itself.  What
 * is not locked may come and go; it is all there in any case.
 */
TEST_F(shmem, D4_part_locked)
{
	char *page = self->h.r.addr + 7 * page_size();
	struct range other, one = { .addr = page, };
	const char *why, *p;

	ASSERT_EQ(0, lock(&one, page_size(), variant->by));
	ASSERT_TRUE(range_map(&other, self->h.more, self->h.size, self->h.r.fd));
	touch_read(other.addr, self->h.size);
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_EQ(1, pages_present(page, page_size()));
	ASSERT_TRUE(drain_all_cpus());
	EXPECT_EQ(0, pages_unlocked(page, page_size()));
	for (p = other.addr; p < other.addr + self->h.size; p += page_size())
		ASSERT_EQ('s', *p);
}

/*
 * What it leads to: locked data in swap.  To make the kernel write a page out
 * takes another mapping of it, or memory that runs short.
 */
TEST_F(shmem, D4_not_swapped)
{
	const char *why;
	struct range other;
	struct vma v;

	if (meminfo("SwapFree") < 2 * (long)self->h.size / 1024)
		SKIP(return, "there is too little swap space");
	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_TRUE(khugepaged_stop());

	ASSERT_TRUE(range_map(&other, self->h.more, self->h.size, self->h.r.fd));
	touch_read(other.addr, self->h.size);
	page_out(other.addr, self->h.size);
	ASSERT_EQ(0, munmap(other.addr, self->h.size));
	ASSERT_TRUE(vma_at(self->h.r.addr, &v));
	EXPECT_EQ(0, v.swap) TH_LOG("%ld kB of locked memory are in swap", v.swap);
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
}

/* On request, through a mapping that is not the locked one */
TEST_F(shmem, D4_collapse_call_other_mapping)
{
	struct range other;

	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_TRUE(range_map(&other, self->h.more, self->h.size, self->h.r.fd));
	touch_read(other.addr, self->h.size);
	if (madvise(self->h.twin.addr, self->h.size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: errno %d", errno);
	EXPECT_EQ(EINVAL, errno_of(madvise(other.addr, self->h.size,
					   MADV_COLLAPSE)));
	EXPECT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size));
	ASSERT_TRUE(drain_all_cpus());
	EXPECT_EQ(0, pages_unlocked(self->h.r.addr, self->h.size));
}

/*
 * ... and of the locked one, which is refused like every other advice that
 * takes locked pages away.  It is not refused where it takes none away.
 */
TEST_F(shmem, D4_collapse_call)
{
	char *p = self->h.r.addr;

	if (madvise(self->h.twin.addr, self->h.size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: errno %d", errno);
	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_TRUE(locked_with(p, self->h.size, self->h.pages));
	EXPECT_EQ(EINVAL, errno_of(madvise(p, self->h.size, MADV_COLLAPSE)));
	EXPECT_TRUE(locked_with(p, self->h.size, self->h.pages));
	EXPECT_FALSE(is_huge(p));

	ASSERT_EQ(0, sys_munlock(p, self->h.size));
	EXPECT_EQ(0, madvise(p, self->h.size, MADV_COLLAPSE));
	EXPECT_TRUE(is_huge(p));
	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	EXPECT_TRUE(locked_with(p, self->h.size, self->h.pages));
	EXPECT_EQ(0, madvise(p, self->h.size, MADV_COLLAPSE));
	EXPECT_TRUE(locked_with(p, self->h.size, self->h.pages));
}

/* What is behind the locked part of a range is collapsed all the same */
TEST_F(shmem, D4_collapse_call_goes_on)
{
	const size_t size = self->h.size;
	int fd = memfd(2 * size);
	char *p = self->h.r.addr;
	struct range first;

	if (madvise(self->h.twin.addr, size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: errno %d", errno);
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(memfd_fill(fd, 2 * size, 's'));
	ASSERT_TRUE(mmap(p, 2 * size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == p);
	touch_read(p, 2 * size);
	/* through another mapping: the lock would split this one */
	ASSERT_TRUE(range_map(&first, self->h.more, size, fd));
	touch_read(first.addr, size);
	ASSERT_EQ(0, lock(&first, size, variant->by));
	EXPECT_EQ(EINVAL, errno_of(madvise(p, 2 * size, MADV_COLLAPSE)));
	EXPECT_EQ(self->h.pages, pages_present(first.addr, size));
	EXPECT_FALSE(is_huge(p));
	EXPECT_TRUE(is_huge(p + size));
}

/*
 * It is a huge page already, but mapped in pieces: khugepaged would drop the
 * page table, to have it mapped as one at its next use.
 */
TEST_F(shmem, D4_page_table)
{
	const char *why;
	struct range other;

	/* not khugepaged, for now */
	ASSERT_TRUE(write_file(FOR_SHMEM, "never"));
	/* another mapping's collapse leaves this one its page table, empty */
	ASSERT_TRUE(range_map(&other, self->h.more, self->h.size, self->h.r.fd));
	touch_read(other.addr, self->h.size);
	if (madvise(other.addr, self->h.size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: errno %d", errno);
	ASSERT_TRUE(is_huge(other.addr));
	touch_read(self->h.r.addr, self->h.size);
	ASSERT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size));
	ASSERT_TRUE(is_huge(self->h.r.addr));
	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_TRUE(write_file(FOR_SHMEM, "advise"));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size));
}

/* The lock of a huge page that somebody else unlocks */
TEST_F(shmem, M2_munlock_leaves_the_others_lock)
{
	const char *why;
	struct range other;

	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_TRUE(becomes_huge(&self->h.r, self->h.size));
	ASSERT_TRUE(range_map(&other, self->h.more, self->h.size, self->h.r.fd));
	touch_read(self->h.r.addr, self->h.size);
	touch_read(other.addr, self->h.size);
	ASSERT_TRUE(is_huge(other.addr));
	ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
	ASSERT_EQ(0, lock(&other, self->h.size, variant->by));
	ASSERT_EQ(self->h.pages, pages_present(other.addr, self->h.size));
	ASSERT_TRUE(drain_all_cpus());
	ASSERT_EQ(0, pages_unlocked(other.addr, self->h.size));
	ASSERT_EQ(0, sys_munlock(self->h.r.addr, self->h.size));
	ASSERT_TRUE(drain_all_cpus());
	EXPECT_EQ(0, pages_unlocked(other.addr, self->h.size));
	ASSERT_EQ(0, sys_munlock(other.addr, self->h.size));
	ASSERT_TRUE(drain_all_cpus());
	EXPECT_EQ(self->h.pages, pages_unlocked(other.addr, self->h.size));
}

/* Locked and unlocked all the time, and small again when it had become huge */
TEST_F_TIMEOUT(shmem, D4_race, 120)
{
	const char *why;
	const int rounds = 150;
	long before, after, held = 0;
	unsigned int seed = 1;
	int i, spin;

	before = mlocked_now();
	if (before < 0)
		SKIP(return, "the LRU cannot be drained or counters not be read");
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, fallocate(self->h.r.fd, FALLOC_FL_PUNCH_HOLE |
				       FALLOC_FL_KEEP_SIZE, 0, self->h.size));
		ASSERT_TRUE(memfd_fill(self->h.r.fd, self->h.size, 'r'));
		/* huge advice would not be heard, these are there already */
		touch_read(self->h.r.addr, self->h.size);
		for (spin = rand_r(&seed) % 300; spin > 0; spin--)
			sched_yield();
		ASSERT_EQ(0, lock(&self->h.r, self->h.size, variant->by));
		/*
		 * What khugepaged unmapped before the lock, a processor may
		 * still read without a fault: its TLB is flushed later, for
		 * many pages at once.  mprotect() waits for that.
		 */
		ASSERT_EQ(0, mprotect(self->h.r.addr, self->h.size, PROT_READ));
		ASSERT_EQ(0, mprotect(self->h.r.addr, self->h.size,
				      PROT_READ | PROT_WRITE));
		touch_read(self->h.r.addr, self->h.size);
		ASSERT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size));
		held += !is_huge(self->h.r.addr);
		poll(NULL, 0, 30);
		ASSERT_EQ(self->h.pages, pages_present(self->h.r.addr, self->h.size))
			TH_LOG("round %d", i);
		ASSERT_EQ(0, sys_munlock(self->h.r.addr, self->h.size));
	}
	TH_LOG("locked before it was a huge page in %ld of %d rounds", held,
	       rounds);
	ASSERT_TRUE(khugepaged_stop());
	ASSERT_EQ(0, munmap(self->h.r.addr, self->h.size));
	after = mlocked_now();
	/* others lock a page now and then; we leaked one each round, or none */
	EXPECT_GT(page_kb(rounds / 4), labs(after - before))
		TH_LOG("Mlocked: %ld kB before, %ld kB after", before, after);
}

TEST_HARNESS_MAIN
