// SPDX-License-Identifier: GPL-2.0
/*
 * mlock2() through libc, which is how programs call it.
 *
 * The other tests go around libc for its wrapper hides what they want to see:
 * it need not enter mlock2() for flags 0, and makes ENOSYS something else.
 * Here it is the other way round: number, flags and arguments must be those
 * that libc has had all the time, without knowing these headers.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS 64
#include <sys/mman.h>

/* libc's own values; lock_on_fault.h replaces them by the kernel's */
#ifdef MLOCK_ONFAULT
static const int libc_mlock_onfault = MLOCK_ONFAULT;
static const int libc_mcl_onfault = MCL_ONFAULT;
#define LIBC_HAS_MLOCK2	1
#else
static const int libc_mlock_onfault, libc_mcl_onfault;
#define LIBC_HAS_MLOCK2	0
#endif

#include "lock_on_fault.h"
#include "../kselftest_harness.h"

#define PAGES	8

FIXTURE(libc) {
	struct mem m;
};

FIXTURE_SETUP(libc)
{
	const char *why;

	if (!LIBC_HAS_MLOCK2)
		SKIP_SETUP("this libc has no mlock2()");
	if (!mem_map(&self->m, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
	if (!raise_memlock(0))
		SKIP_SETUP("RLIMIT_MEMLOCK is low and cannot be raised");
	ASSERT_TRUE(drop_privilege());
}

FIXTURE_TEARDOWN(libc)
{
	mem_unmap(&self->m);
}

#if LIBC_HAS_MLOCK2
TEST_F(libc, I7_libc_mlock2_locks_on_fault)
{
	ASSERT_EQ(0, mlock2(self->m.addr, self->m.len, libc_mlock_onfault));
	EXPECT_TRUE(is_locked(self->m.addr));
	EXPECT_EQ(page_kb(PAGES), vm_lck());
	EXPECT_EQ(0, pages_present(self->m.addr, self->m.len));
	store_pages(self->m.addr, page_size(), 1);
	EXPECT_EQ(1, pages_present(self->m.addr, self->m.len));

	EXPECT_EQ(0, mlock2(self->m.addr, self->m.len, 0));
	EXPECT_EQ(PAGES, pages_present(self->m.addr, self->m.len));
	EXPECT_EQ(page_kb(PAGES), vm_lck());
	EXPECT_EQ(EINVAL, errno_of(mlock2(self->m.addr, self->m.len, 2)));

	EXPECT_EQ(0, mlockall(MCL_FUTURE | libc_mcl_onfault));
	EXPECT_EQ(libc_mlock_onfault, MLOCK_ONFAULT);
	EXPECT_EQ(libc_mcl_onfault, MCL_ONFAULT);
}
#endif

TEST_HARNESS_MAIN
