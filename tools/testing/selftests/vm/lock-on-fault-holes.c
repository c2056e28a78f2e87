// SPDX-License-Identifier: GPL-2.0
/*
 * khugepaged and the holes of a mapping that is locked on fault (defect D5): it
 * puts no page there, as that would be locked and nobody has used it.  What
 * the program asks for itself, with MADV_COLLAPSE, is another matter.
 *
 * Each test has a twin that is not locked, and waits for khugepaged to make a
 * huge page of that: else nothing is shown.
 */
#include "lock_on_fault_huge.h"

#include "../kselftest_harness.h"

/*
 * D5: private memory that is locked on fault, with holes in it
 */
FIXTURE(holes) {
	struct huge h;
};

FIXTURE_SETUP(holes)
{
	const char *why;
	why = huge_setup(&self->h);
	if (why)
		SKIP_SETUP("%s", why);
	ASSERT_TRUE(range_map(&self->h.r, self->h.r.addr, self->h.size, -1));
	ASSERT_TRUE(range_map(&self->h.twin, self->h.twin.addr, self->h.size, -1));
	/* one use is one page; what comes later is khugepaged's doing */
	madvise(self->h.r.addr, self->h.size, MADV_NOHUGEPAGE);
	madvise(self->h.twin.addr, self->h.size, MADV_NOHUGEPAGE);
}

FIXTURE_TEARDOWN(holes)
{
	huge_teardown(&self->h);
}

static bool allow_huge(const struct huge *h)
{
	return !madvise(h->r.addr, h->size, MADV_HUGEPAGE) &&
	       !madvise(h->twin.addr, h->size, MADV_HUGEPAGE);
}

TEST_F(holes, D5_khugepaged)
{
	const char *why;

	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	store_pages(self->h.r.addr + 5 * page_size(), page_size(), 'x');
	store_pages(self->h.twin.addr + 5 * page_size(), page_size(), 'x');
	ASSERT_EQ(1, pages_present(self->h.r.addr, self->h.size));
	ASSERT_TRUE(allow_huge(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, 1));
	ASSERT_EQ(self->h.pages, pages_present(self->h.twin.addr, self->h.size));

	/* which is so for as long as the lock is */
	ASSERT_EQ(0, sys_munlock(self->h.r.addr, self->h.size));
	EXPECT_TRUE(becomes_huge(&self->h.r, self->h.size));
}

/* One missing page of many */
TEST_F(holes, D5_khugepaged_one_hole)
{
	const char *why;

	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	store_pages(self->h.r.addr, self->h.size - page_size(), 'x');
	store_pages(self->h.twin.addr, self->h.size - page_size(), 'x');
	ASSERT_TRUE(allow_huge(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages - 1));
}

/* What was only read is the zero page: not locked, and no memory */
TEST_F(holes, D5_khugepaged_zero_page)
{
	const char *why;
	struct vma v;

	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	store_pages(self->h.r.addr, page_size(), 'x');
	store_pages(self->h.twin.addr, page_size(), 'x');
	touch_read(self->h.r.addr, self->h.size);
	touch_read(self->h.twin.addr, self->h.size);
	ASSERT_TRUE(allow_huge(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_TRUE(vma_at(self->h.r.addr, &v));
	EXPECT_EQ(page_kb(1), v.rss);
	EXPECT_EQ(page_kb(1), v.locked);
	EXPECT_EQ(0, v.swap);
}

/* What is in swap stays there until it is used */
TEST_F(holes, D5_khugepaged_swap)
{
	const char *why;
	const size_t some = 16 * page_size();

	if (meminfo("SwapFree") < 2 * (long)self->h.size / 1024)
		SKIP(return, "there is too little swap space");
	store_pages(self->h.r.addr, self->h.size, 'x');
	store_pages(self->h.twin.addr, self->h.size, 'x');
	if (!page_out(self->h.r.addr, some) || !page_out(self->h.twin.addr, some))
		SKIP(return, "pages cannot be pushed out");
	ASSERT_EQ(16, pages_swapped(self->h.r.addr, self->h.size));
	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	/* khugepaged wants to see them used */
	touch_read(self->h.r.addr + some, self->h.size - some);
	touch_read(self->h.twin.addr + some, self->h.size - some);
	ASSERT_TRUE(allow_huge(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_EQ(16, pages_swapped(self->h.r.addr, self->h.size));
	EXPECT_EQ(self->h.pages - 16, pages_present(self->h.r.addr, self->h.size));
}

/* Where nothing is missing khugepaged goes on as before, and keeps the lock */
TEST_F(holes, D5_khugepaged_no_hole)
{
	const char *why;

	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	store_pages(self->h.r.addr, self->h.size, 'x');
	store_pages(self->h.twin.addr, self->h.size, 'x');
	ASSERT_TRUE(allow_huge(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_TRUE(becomes_huge(&self->h.r, self->h.size));
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
}

/* The program's own request: fills the holes, like MADV_POPULATE_WRITE */
TEST_F(holes, D5_collapse_call)
{
	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	store_pages(self->h.r.addr, page_size(), 'x');
	ASSERT_TRUE(allow_huge(&self->h));
	ASSERT_TRUE(drain_all_cpus());
	if (madvise(self->h.r.addr, self->h.size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: errno %d", errno);
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, self->h.pages));
	EXPECT_EQ('x', *self->h.r.addr);
}

/* Shared memory: what makes the huge page fills the file, not the mapping */
TEST_F(holes, D4_D5_khugepaged_shmem)
{
	const char *why;

	ASSERT_TRUE(huge_map_shared(&self->h));
	ASSERT_EQ(0, sys_mlock2(self->h.r.addr, self->h.size, MLOCK_ONFAULT));
	store_pages(self->h.r.addr, page_size(), 'x');
	store_pages(self->h.twin.addr, page_size(), 'x');
	ASSERT_TRUE(locked_with(self->h.r.addr, self->h.size, 1));
	ASSERT_TRUE(write_file(FOR_SHMEM, "advise"));
	ASSERT_TRUE(allow_huge(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	EXPECT_TRUE(locked_with(self->h.r.addr, self->h.size, 1));
}

TEST_HARNESS_MAIN
