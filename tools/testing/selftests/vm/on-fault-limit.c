// SPDX-License-Identifier: GPL-2.0
/*
 * RLIMIT_MEMLOCK and lock on fault: a lock is charged when a mapping gets it,
 * for the whole of the mapping, and never when a page is faulted in.
 *
 * All of this is about what a program without CAP_IPC_LOCK may do, so the
 * setup gives it up, and fails where it could not: with that capability, or
 * without a limit, every test here would pass whatever the kernel does.  The
 * limit is the soft one, rlim_cur, for that is what the kernel enforces.
 *
 * Names start with the row of the requirements that they show.
 */
#include "lock_on_fault.h"
#include <signal.h>
#include "../kselftest_harness.h"

#define LIMIT	16	/* pages */

static const int lock_flags[] = { 0, MLOCK_ONFAULT };

static long brk_now(void)
{
	return syscall(__NR_brk, 0);
}

static struct rlimit memlock(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(RLIMIT_MEMLOCK, &lim);
	return lim;
}

/* A mapping of twice the limit, with as much room to grow into */
FIXTURE(kinds) {
	struct mem m;
	long page;
	long limit;	/* bytes */
};
MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	const char *why;

	self->page = page_size();
	self->limit = LIMIT * self->page;
	if (!mem_map_room(&self->m, variant->kind, 2 * LIMIT,
			  PROT_READ | PROT_WRITE, 2 * LIMIT, &why))
		SKIP_SETUP("%s", why);
	/* the hard limit is not what counts: where we can, make it useless */
	set_memlock(RLIM_INFINITY);
	if (!set_memlock(self->limit))
		SKIP_SETUP("RLIMIT_MEMLOCK is low and cannot be raised");
	ASSERT_TRUE(drop_privilege());
	ASSERT_FALSE(has_cap_ipc_lock());
	ASSERT_EQ((rlim_t)self->limit, memlock().rlim_cur);
	ASSERT_EQ(0, vm_lck());
}

FIXTURE_TEARDOWN(kinds)
{
	mem_unmap(&self->m);
}

/*
 * mlock2()
 */

TEST_F(kinds, I6_whole_range_is_charged_though_nothing_is_there)
{
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->limit, MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	EXPECT_EQ(0, pages_present(self->m.addr, self->m.len));
}

TEST_F(kinds, I6_one_page_over_the_limit_is_too_much)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lock_flags); i++) {
		EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(self->m.addr,
						      self->limit + 1,
						      lock_flags[i])));
		EXPECT_FALSE(is_locked(self->m.addr));
		EXPECT_EQ(0, vm_lck());
		EXPECT_EQ(0, pages_present(self->m.addr, self->m.len));
		EXPECT_EQ(1, vmas_in(self->m.addr, self->m.len));
	}
}

TEST_F(kinds, I6_second_range_adds_to_the_first)
{
	char *a = self->m.addr;
	size_t i;

	ASSERT_EQ(0, sys_mlock2(a, self->limit - 2 * self->page,
				MLOCK_ONFAULT));
	for (i = 0; i < ARRAY_SIZE(lock_flags); i++) {
		EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(a + self->limit,
						      3 * self->page,
						      lock_flags[i])));
	}
	EXPECT_EQ(page_kb(LIMIT - 2), vm_lck());
	EXPECT_EQ(0, sys_mlock2(a + self->limit, 2 * self->page,
				MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

TEST_F(kinds, I6_touching_charges_nothing)
{
	long i;

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->limit, MLOCK_ONFAULT));
	for (i = 1; i <= LIMIT; i++) {
		store_pages(self->m.addr, i * self->page, i);
		EXPECT_EQ(page_kb(LIMIT), vm_lck());
	}
	EXPECT_EQ(LIMIT, pages_present(self->m.addr, self->limit));
}

/* Pages are locked beyond a limit that was lowered later: no fault asks */
TEST_F(kinds, I6_faults_do_not_look_at_the_limit)
{
	struct vma v;

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->limit, MLOCK_ONFAULT));
	ASSERT_TRUE(set_memlock(0));
	store_pages(self->m.addr, self->limit, 1);
	EXPECT_EQ(LIMIT, pages_present(self->m.addr, self->limit));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(LIMIT), v.locked);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

TEST_F(kinds, I6_locking_again_is_free_in_either_mode)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(lock_flags); i++) {
		for (k = 0; k < ARRAY_SIZE(lock_flags); k++) {
			ASSERT_EQ(0, sys_mlock2(self->m.addr, self->limit,
						lock_flags[i]));
			EXPECT_EQ(0, sys_mlock2(self->m.addr, self->limit,
						lock_flags[k]));
			EXPECT_EQ(page_kb(LIMIT), vm_lck());
			/* a part, and byte ranges that are rounded to the same */
			EXPECT_EQ(0, sys_mlock2(self->m.addr + self->page, self->page,
						lock_flags[i]));
			EXPECT_EQ(0, sys_mlock2(self->m.addr + 1, self->limit - 2,
						lock_flags[k]));
			EXPECT_EQ(page_kb(LIMIT), vm_lck());
			ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
			EXPECT_EQ(0, vm_lck());
		}
	}
}

/*
 * With a limit of 64 kB: 30 kB, then 40 kB from the same start.  Only what is
 * not locked yet counts; the sum would be over the limit.
 */
TEST_F(kinds, I6_overlap_counts_once)
{
	long unit = self->limit / 64;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(lock_flags); i++) {
		for (k = 0; k < ARRAY_SIZE(lock_flags); k++) {
			ASSERT_EQ(0, sys_mlock2(self->m.addr, 30 * unit,
						lock_flags[i]));
			EXPECT_EQ(page_kb(8), vm_lck());
			EXPECT_EQ(0, sys_mlock2(self->m.addr, 40 * unit,
						lock_flags[k]));
			EXPECT_EQ(page_kb(10), vm_lck());
			/* not from the start, and as far as it goes */
			EXPECT_EQ(0, sys_mlock2(self->m.addr + 20 * unit, 44 * unit,
						lock_flags[k]));
			EXPECT_EQ(page_kb(LIMIT), vm_lck());
			EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(self->m.addr + 20 * unit,
							      45 * unit,
							      lock_flags[k])));
			EXPECT_EQ(page_kb(LIMIT), vm_lck());
			ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
		}
	}
}

TEST_F(kinds, I6_what_is_unlocked_or_unmapped_is_given_back)
{
	char *a = self->m.addr;

	ASSERT_EQ(0, sys_mlock2(a, self->limit, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_munlock(a, 3 * self->page));
	EXPECT_EQ(page_kb(LIMIT - 3), vm_lck());
	ASSERT_EQ(0, munmap(a + 3 * self->page, 2 * self->page));
	EXPECT_EQ(page_kb(LIMIT - 5), vm_lck());
	EXPECT_EQ(0, sys_mlock2(a + self->limit, 5 * self->page,
				MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

TEST_F(kinds, I6_prot_none_is_charged)
{
	ASSERT_EQ(0, mprotect(self->m.addr, self->m.len, PROT_NONE));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(self->m.addr, self->m.len,
					      MLOCK_ONFAULT)));
	EXPECT_EQ(0, sys_mlock2(self->m.addr, self->limit, MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

/* A limit of no whole page is none at all, but not "no permission" */
TEST_F(kinds, I2_limit_is_in_whole_pages)
{
	ASSERT_TRUE(set_memlock(self->page - 1));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(self->m.addr, 1,
					      MLOCK_ONFAULT)));
	EXPECT_EQ(0, sys_mlock2(self->m.addr, 0, MLOCK_ONFAULT));
	ASSERT_TRUE(set_memlock(2 * self->page - 1));
	EXPECT_EQ(0, sys_mlock2(self->m.addr, 1, MLOCK_ONFAULT));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(self->m.addr, self->page + 1,
					      MLOCK_ONFAULT)));
}

TEST_F(kinds, I2_limit_0_is_no_permission_to_lock_nothing_even)
{
	static const int all[] = {
		MCL_CURRENT, MCL_FUTURE, MCL_CURRENT | MCL_FUTURE,
		MCL_CURRENT | MCL_ONFAULT, MCL_FUTURE | MCL_ONFAULT,
		MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
	};
	size_t i;

	ASSERT_TRUE(set_memlock(0));
	EXPECT_EQ(EPERM, errno_of(sys_mlock(self->m.addr, 0)));
	for (i = 0; i < ARRAY_SIZE(lock_flags); i++) {
		EXPECT_EQ(EPERM, errno_of(sys_mlock2(self->m.addr, 0,
						     lock_flags[i])));
		EXPECT_EQ(EPERM, errno_of(sys_mlock2(self->m.addr, self->page,
						     lock_flags[i])));
	}
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		EXPECT_EQ(EPERM, errno_of(sys_mlockall(all[i])))
			TH_LOG("flags %#x", all[i]);
	}
	EXPECT_FALSE(is_locked(self->m.addr));
	EXPECT_EQ(0, vm_lck());
}

TEST_F(kinds, I5_unlocking_needs_no_permission)
{
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->limit, MLOCK_ONFAULT));
	ASSERT_TRUE(set_memlock(0));
	EXPECT_EQ(0, sys_munlock(self->m.addr, 0));
	EXPECT_EQ(0, sys_munlock(self->m.addr, self->page));
	EXPECT_EQ(page_kb(LIMIT - 1), vm_lck());
	EXPECT_EQ(0, sys_munlockall());
	EXPECT_EQ(0, vm_lck());
	EXPECT_FALSE(is_locked(self->m.addr));
	EXPECT_EQ(0, sys_munlockall());
}

/*
 * mlockall()
 */

TEST_F(kinds, I6_current_needs_all_of_the_address_space)
{
	rlim_t size = proc_number("/proc/self/status", "VmSize") * 1024ULL +
		      self->m.len;

	/* for the end of this test */
	if (memlock().rlim_max < size + 4 * self->page)
		SKIP(return, "RLIMIT_MEMLOCK is low and cannot be raised");

	EXPECT_EQ(ENOMEM, errno_of(sys_mlockall(MCL_CURRENT | MCL_ONFAULT)));
	EXPECT_EQ(0, vm_lck());
	EXPECT_FALSE(is_locked(self->m.addr));
	/* a refused call sets no future lock either */
	EXPECT_EQ(ENOMEM, errno_of(sys_mlockall(MCL_CURRENT | MCL_FUTURE |
						MCL_ONFAULT)));
	EXPECT_TRUE(mem_map_more(&self->m, self->m.len, PROT_NONE, 0) !=
		    MAP_FAILED);
	EXPECT_EQ(0, vm_lck());

	ASSERT_TRUE(set_memlock(size + 4 * self->page));
	EXPECT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_ONFAULT));
	EXPECT_TRUE(is_locked(self->m.addr));
	EXPECT_EQ(0, pages_present(self->m.addr, self->m.len));
}

TEST_F(kinds, I6_new_mapping_is_charged_whole_and_touching_it_is_free)
{
	char *p;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	EXPECT_EQ(0, vm_lck());
	p = mem_map_more(&self->m, self->limit, PROT_READ | PROT_WRITE, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	EXPECT_EQ(0, pages_present(p, self->limit));
	store_pages(p, self->limit, 1);
	EXPECT_EQ(LIMIT, pages_present(p, self->limit));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());

	/* there is nothing left, until something is given back */
	EXPECT_TRUE(mem_map_more(&self->m, self->page, PROT_NONE, 0) ==
		    MAP_FAILED);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, munmap(p, 2 * self->page));
	EXPECT_EQ(page_kb(LIMIT - 2), vm_lck());
	EXPECT_TRUE(mem_map_more(&self->m, 2 * self->page, PROT_NONE, 0) !=
		    MAP_FAILED);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

TEST_F(kinds, I6_new_mapping_over_the_limit_fails_with_eagain)
{
	static const int prots[] = { PROT_READ | PROT_WRITE, PROT_NONE };
	size_t i;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		errno = 0;
		EXPECT_TRUE(mem_map_more(&self->m, self->limit + self->page,
					 prots[i], 0) == MAP_FAILED);
		EXPECT_EQ(EAGAIN, errno);
		EXPECT_EQ(0, vm_lck());
	}
	/* and without that future it is just a mapping */
	ASSERT_EQ(0, sys_munlockall());
	EXPECT_TRUE(mem_map_more(&self->m, self->limit + self->page, PROT_NONE,
				 0) != MAP_FAILED);
	EXPECT_EQ(0, vm_lck());
}

/*
 * mremap()
 */

TEST_F(kinds, I6_growth_is_charged_and_populates_nothing)
{
	char *a = self->m.addr;
	long old = 4 * self->page;

	/* what grows is the end of the mapping, so make it smaller first */
	ASSERT_EQ(0, munmap(a + old, self->m.len - old));
	ASSERT_EQ(0, sys_mlock2(a, old, MLOCK_ONFAULT));
	store_pages(a, self->page, 1);
	EXPECT_TRUE(mremap(a, old, self->limit, 0) == a);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	EXPECT_EQ(1, pages_present(a, self->limit));
	store_pages(a, self->limit, 1);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	/* and what shrinks is given back */
	EXPECT_TRUE(mremap(a, self->limit, old, 0) == a);
	EXPECT_EQ(page_kb(4), vm_lck());
}

TEST_F(kinds, I6_growth_over_the_limit_fails_with_eagain)
{
	static const int flags[] = { 0, MREMAP_MAYMOVE };
	char *a = self->m.addr;
	long old = 4 * self->page;
	size_t i;

	ASSERT_EQ(0, munmap(a + old, self->m.len - old));
	ASSERT_EQ(0, sys_mlock2(a, old, MLOCK_ONFAULT));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		errno = 0;
		EXPECT_TRUE(mremap(a, old, self->limit + self->page,
				   flags[i]) == MAP_FAILED);
		EXPECT_EQ(EAGAIN, errno);
		EXPECT_EQ(page_kb(4), vm_lck());
		EXPECT_TRUE(is_locked(a));
		EXPECT_EQ(1, vmas_in(a, self->m.len));
	}
	/* unlocked it may */
	ASSERT_EQ(0, sys_munlock(a, old));
	EXPECT_TRUE(mremap(a, old, self->limit + self->page, 0) == a);
	EXPECT_EQ(0, vm_lck());
}

/*
 * brk and stack: not of any kind, so once is enough
 */
FIXTURE(process) {
	long page;
	long limit;
};

FIXTURE_SETUP(process)
{
	self->page = page_size();
	self->limit = LIMIT * self->page;
	set_memlock(RLIM_INFINITY);
	if (!set_memlock(self->limit))
		SKIP_SETUP("RLIMIT_MEMLOCK is low and cannot be raised");
	ASSERT_TRUE(drop_privilege());
	ASSERT_FALSE(has_cap_ipc_lock());
	ASSERT_EQ((rlim_t)self->limit, memlock().rlim_cur);
	ASSERT_EQ(0, vm_lck());
}

FIXTURE_TEARDOWN(process)
{
}

TEST_F(process, I6_brk_is_charged_and_stays_put_over_the_limit)
{
	unsigned long start = brk_now(), end;
	long lck;

	/* from a page's start, so that pages can be counted */
	start = (start + self->page - 1) / self->page * self->page;
	ASSERT_EQ(start, (unsigned long)syscall(__NR_brk, start));
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	lck = vm_lck();
	ASSERT_EQ(0, lck);

	end = start + self->limit + 1;
	EXPECT_EQ(start, (unsigned long)syscall(__NR_brk, end));
	EXPECT_EQ(start, (unsigned long)brk_now());
	EXPECT_EQ(0, vm_lck());

	end = start + self->limit;
	EXPECT_EQ(end, (unsigned long)syscall(__NR_brk, end));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	EXPECT_TRUE(is_locked((void *)start));
	EXPECT_EQ(0, pages_present((void *)start, self->limit));
	store_pages((void *)start, self->limit, 1);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());

	/* given back */
	end = start + self->limit / 2;
	EXPECT_EQ(end, (unsigned long)syscall(__NR_brk, end));
	EXPECT_EQ(page_kb(LIMIT / 2), vm_lck());
	EXPECT_EQ(start, (unsigned long)syscall(__NR_brk, start));
	EXPECT_EQ(0, vm_lck());
}

/*
 * A stack of our own, MAP_GROWSDOWN, since how much of the real one is there
 * already depends on who started us.  The child ends with
 *	0 if it could grow by that many pages,
 *	a code if something is not as it should be.
 * What is not enough for it is SIGSEGV, as for every stack overflow.
 */
static int grow_stack(long page, long limit, long pages, bool locked)
{
	/* the kernel keeps a gap below a stack; have more than that free */
	size_t room = 64UL << 20;
	char *base, *stack;
	long before;
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? 254 : wait_for(pid);

	base = mmap(NULL, room, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED || munmap(base, room))
		_exit(10);
	if (locked && sys_mlockall(MCL_FUTURE | MCL_ONFAULT))
		_exit(11);
	before = vm_lck();
	stack = mmap(base + room - page, page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED,
		     -1, 0);
	if (stack == MAP_FAILED)
		_exit(12);
	/* it is charged like any mapping, though it may have grown already */
	if (locked ? vm_lck() <= before || vm_lck() > limit / 1024 :
		     vm_lck() != 0)
		_exit(13);

	store_pages(stack - pages * page, page, 1);

	if (is_locked(stack - pages * page) != locked)
		_exit(14);
	if (locked && vm_lck() < page_kb(pages + 1))
		_exit(15);
	/* only what was touched came */
	if (pages_present(stack - pages * page, (pages + 1) * page) != 1)
		_exit(16);
	_exit(0);
}

TEST_F(process, I6_stack_grows_within_the_limit_and_populates_nothing)
{
	EXPECT_EQ(0, grow_stack(self->page, self->limit, LIMIT - 2, true));
}

TEST_F(process, I6_stack_growth_over_the_limit_kills)
{
	/* not for want of address space */
	ASSERT_EQ(0, grow_stack(self->page, self->limit, 2 * LIMIT, false));
	EXPECT_EQ(-SIGSEGV, grow_stack(self->page, self->limit, 2 * LIMIT,
				       true));
}

/* The same growth, as the limit is high or low */
TEST_F(process, I6_stack_growth_depends_on_the_soft_limit)
{
	rlim_t more = 4 * self->limit;

	if (!set_memlock(more))
		SKIP(return, "RLIMIT_MEMLOCK is low and cannot be raised");
	EXPECT_EQ(0, grow_stack(self->page, more, 2 * LIMIT, true));
	ASSERT_TRUE(set_memlock(self->limit));
	EXPECT_EQ(-SIGSEGV, grow_stack(self->page, self->limit, 2 * LIMIT,
				       true));
}

/* The premises of everything above */
TEST_F(process, I6_soft_limit_is_what_counts)
{
	struct rlimit lim = memlock();
	char *p;

	if (lim.rlim_max == lim.rlim_cur)
		SKIP(return, "the hard limit is as low as the soft one");
	p = mmap(NULL, 2 * self->limit, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(p, 2 * self->limit,
					      MLOCK_ONFAULT)));
	ASSERT_TRUE(set_memlock(2 * self->limit));
	EXPECT_EQ(0, sys_mlock2(p, 2 * self->limit, MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(2 * LIMIT), vm_lck());
}

/* CAP_IPC_LOCK lifts the limit, not the charge; so nothing above may have it */
TEST(I6_with_cap_ipc_lock_there_is_no_limit)
{
	long page = page_size();
	char *p;

	if (!has_cap_ipc_lock())
		SKIP(return, "needs CAP_IPC_LOCK");
	ASSERT_TRUE(set_memlock(0));
	p = mmap(NULL, 4 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(0, sys_mlock2(p, 4 * page, MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(4), vm_lck());
	ASSERT_TRUE(drop_privilege());
	EXPECT_EQ(EPERM, errno_of(sys_mlock2(p, 4 * page, MLOCK_ONFAULT)));
	EXPECT_EQ(0, sys_munlock(p, 4 * page));
	EXPECT_EQ(0, vm_lck());
}

TEST_HARNESS_MAIN
