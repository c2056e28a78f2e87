// SPDX-License-Identifier: GPL-2.0
/*
 * The mode of a lock in VmFlags of /proc/PID/smaps (row M7): "lf" beside "lo"
 * for a lock on fault, and for nothing else.
 */
#include "lock_on_fault.h"
#include "../kselftest_harness.h"

#define PAGES	4

#ifndef MAP_HUGETLB
#define MAP_HUGETLB	0x40000
#endif

FIXTURE(kinds) {
	struct mem m;
};
MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	const char *why;

	if (!mem_map(&self->m, variant->kind, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
}

FIXTURE_TEARDOWN(kinds)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

/* "-", "lo" or "lo lf"; anything else is wrong */
static const char *lock_of(const char *smaps, const void *addr)
{
	struct vma v;

	if (!vma_at_of(smaps, addr, &v))
		return "no mapping";
	if (vma_has(&v, "??"))
		return "??";
	if (vma_has(&v, "lf"))
		return vma_has(&v, "lo") ? "lo lf" : "lf alone";
	return vma_has(&v, "lo") ? "lo" : "-";
}

static const char *lock_here(const void *addr)
{
	return lock_of("/proc/self/smaps", addr);
}

TEST_F(kinds, M7_lf_by_calls_of_a_range)
{
	char *a = self->m.addr;
	size_t len = self->m.len;

	EXPECT_STREQ("-", lock_here(a));
	ASSERT_EQ(0, sys_mlock2(a, len, MLOCK_ONFAULT));
	EXPECT_STREQ("lo lf", lock_here(a));
	touch_write(a, len);
	EXPECT_STREQ("lo lf", lock_here(a));
	ASSERT_EQ(0, sys_mlock(a, len));
	EXPECT_STREQ("lo", lock_here(a));
	ASSERT_EQ(0, sys_mlock2(a, len, MLOCK_ONFAULT));
	EXPECT_STREQ("lo lf", lock_here(a));
	ASSERT_EQ(0, sys_mlock2(a, len, 0));
	EXPECT_STREQ("lo", lock_here(a));
	ASSERT_EQ(0, sys_mlock2(a, len, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_munlock(a, len));
	EXPECT_STREQ("-", lock_here(a));
}

TEST_F(kinds, M7_lf_by_mlockall)
{
	char *a = self->m.addr, *p;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	EXPECT_STREQ("lo lf", lock_here(a));
	p = mem_map_more(&self->m, self->m.len, PROT_READ, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_STREQ("lo lf", lock_here(p));
	munmap(p, self->m.len);
	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT));
	EXPECT_STREQ("lo", lock_here(a));
	ASSERT_EQ(0, sys_munlockall());
	EXPECT_STREQ("-", lock_here(a));
}

/* Each part says what it is */
TEST_F(kinds, M7_lf_of_parts)
{
	char *a = self->m.addr;
	long page = page_size();

	ASSERT_EQ(0, sys_mlock2(a, 3 * page, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_mlock(a + page, page));
	EXPECT_STREQ("lo lf", lock_here(a));
	EXPECT_STREQ("lo", lock_here(a + page));
	EXPECT_STREQ("lo lf", lock_here(a + 2 * page));
	EXPECT_STREQ("-", lock_here(a + 3 * page));
}

/* A child has no lock: seen by the parent, while the child waits for it */
TEST_F(kinds, M7_lf_of_another_process)
{
	char smaps[64], byte = 0;
	int go[2];
	pid_t pid;

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 0);
	}
	ASSERT_LT(0, pid);
	snprintf(smaps, sizeof(smaps), "/proc/%d/smaps", pid);
	EXPECT_STREQ("-", lock_of(smaps, self->m.addr));
	EXPECT_STREQ("lo lf", lock_here(self->m.addr));
	close(go[0]);
	close(go[1]);
	EXPECT_EQ(0, wait_for(pid));
}

/* Mappings that a lock on fault leaves alone do not claim to have it */
TEST(M7_lf_not_of_hugetlb)
{
	size_t len = meminfo("Hugepagesize") * 1024;
	char *p;

	if ((long)len <= 0)
		SKIP(return, "the kernel has no hugetlb pages");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		SKIP(return, "hugetlb: errno %d", errno);
	EXPECT_EQ(0, sys_mlock2(p, len, MLOCK_ONFAULT));
	EXPECT_STREQ("-", lock_here(p));
	munmap(p, len);
}

TEST_HARNESS_MAIN
