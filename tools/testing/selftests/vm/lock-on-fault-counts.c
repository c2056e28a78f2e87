// SPDX-License-Identifier: GPL-2.0
/*
 * What nobody locks any more is not locked (defect D17).  The kernel counts the
 * locks of a page, from batches that each processor has of its own.  While a
 * lock is in the batch of one, another may unlock the page and lock it again:
 * both locks were counted then, and one unlock is left to come.  A page that is
 * in memory already and used under a lock on fault is such a lock in a batch.
 */
#include "lock_on_fault.h"
#include "lock_on_fault_cpus.h"
#include "lock_on_fault_mm.h"

#include "../kselftest_harness.h"

/* Something else may empty a batch at the wrong moment, but not each time */
#define ROUNDS	8

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

TEST_HARNESS_MAIN
