// SPDX-License-Identifier: GPL-2.0
/*
 * What is used after a lock on fault is locked, also where a processor needs no
 * fault to use it: its TLB may still have a page that the kernel has unmapped
 * already.  Reclaim and khugepaged flush TLBs late, for many pages at once.  The
 * one whose moment can be met is khugepaged, when it makes a huge page of small
 * ones of shared memory: it flushes after the last of them.
 */
#include "lock_on_fault_huge.h"

#include "../kselftest_harness.h"

/* One page of the memory, mapped a second time: the first that is unmapped */
FIXTURE(stale) {
	struct huge h;
	char *page;
};

FIXTURE_SETUP(stale)
{
	const char *why;

	why = huge_setup(&self->h);
	if (why)
		SKIP_SETUP("%s", why);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP_SETUP("one processor flushes its own TLB at once");
	ASSERT_TRUE(huge_map_shared(&self->h));
	store_pages(self->h.twin.addr, self->h.size, 't');
	self->page = mmap(self->h.more, page_size(), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, self->h.r.fd, 0);
	ASSERT_TRUE(self->page != MAP_FAILED);
}

FIXTURE_TEARDOWN(stale)
{
	huge_teardown(&self->h);
}

/* Small pages, all of them there, and khugepaged allowed to take them */
static bool small_again(const struct huge *h)
{
	if (!write_file(FOR_SHMEM, "never") || ftruncate(h->r.fd, 0) ||
	    ftruncate(h->r.fd, h->size))
		return false;
	store_pages(h->r.addr, h->size, 's');
	return write_file(FOR_SHMEM, "advise");
}

/*
 * Used, locked, used, unlocked, as fast as it goes, until the page is a part of
 * a huge one; how often it was not present when it had been used.
 */
static long use_until_huge(char *page, long *locks)
{
	struct timespec start;
	long lost = 0;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (i = 0; i < 64; i++) {
			*(volatile char *)page;
			if (sys_mlock2(page, page_size(), MLOCK_ONFAULT))
				return -1;
			*(volatile char *)page;
			lost += !pages_present(page, page_size());
			if (sys_munlock(page, page_size()))
				return -1;
		}
		*locks += i;
	} while (!is_huge(page) && ms_since(&start) < 1000);
	return lost;
}

TEST_F_TIMEOUT(stale, D16_used_without_a_fault, 120)
{
	const int rounds = 40;
	struct timespec start;
	long lost, locks = 0;
	int i, huge = 0;
	const char *why;

	ASSERT_TRUE(small_again(&self->h));
	why = let_khugepaged(&self->h);
	if (why)
		SKIP(return, "%s", why);
	/* where khugepaged leaves locked pages alone, most rounds take a second */
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < rounds && ms_since(&start) < 8000; i++) {
		ASSERT_TRUE(small_again(&self->h));
		lost = use_until_huge(self->page, &locks);
		ASSERT_LE(0, lost) TH_LOG("mlock2 or munlock: errno %d", errno);
		EXPECT_EQ(0, lost)
			TH_LOG("round %d: %ld times used when it was locked, and not there",
			       i, lost);
		huge += is_huge(self->page);
	}
	TH_LOG("huge in the end in %d of %d rounds, after %ld locks", huge,
	       i, locks);
	EXPECT_LT(0, huge);
}

TEST_HARNESS_MAIN
