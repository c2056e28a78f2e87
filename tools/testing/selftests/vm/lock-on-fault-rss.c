// SPDX-License-Identifier: GPL-2.0
/*
 * LockedRss of /proc/PID/smaps and smaps_rollup (row M7): what is resident in
 * locked mappings, in either mode, whoever shares it.
 */
#include "lock_on_fault_mm.h"
#include <signal.h>

#include "../kselftest_harness.h"

#define PAGES	16

FIXTURE(kinds) {
	struct mem m;
	long page;
};
MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	const char *why;

	self->page = page_size();
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

/* Of the mapping at an address; -1 if it has no such line */
static long locked_rss(const void *addr)
{
	unsigned long at = (unsigned long)addr;
	const char *value;
	bool found = false;
	char line[512];
	struct lines l;
	struct vma v;
	long kb = -1;

	if (!lines_open(&l, "/proc/self/smaps"))
		return -1;
	while (kb < 0 && lines_next(&l, line, sizeof(line))) {
		if (line_vma(line, &v))
			found = at >= v.start && at < v.end;
		value = found ? line_value(line, "LockedRss") : NULL;
		if (value)
			kb = atol(value);
	}
	lines_close(&l);
	return kb;
}

static long rollup(const char *key)
{
	return proc_number("/proc/self/smaps_rollup", key);
}

TEST_F(kinds, M7_locked_rss_is_rss_in_locked_mappings)
{
	char *a = self->m.addr;
	long before;

	store_pages(a, 2 * self->page, 1);
	EXPECT_EQ(0, locked_rss(a));
	before = rollup("LockedRss");
	ASSERT_LE(0, before);

	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(2), locked_rss(a));
	store_pages(a, 5 * self->page, 1);
	EXPECT_EQ(page_kb(5), locked_rss(a));
	EXPECT_EQ(before + page_kb(5), rollup("LockedRss"));

	ASSERT_EQ(0, sys_mlock(a, self->m.len));
	EXPECT_EQ(page_kb(PAGES), locked_rss(a));
	EXPECT_EQ(before + page_kb(PAGES), rollup("LockedRss"));

	ASSERT_EQ(0, sys_munlock(a, 4 * self->page));
	EXPECT_EQ(0, locked_rss(a));
	EXPECT_EQ(page_kb(PAGES - 4), locked_rss(a + 4 * self->page));
	EXPECT_EQ(before + page_kb(PAGES - 4), rollup("LockedRss"));
	ASSERT_EQ(0, sys_munlock(a, self->m.len));
	EXPECT_EQ(before, rollup("LockedRss"));
}

/* Whoever shares a page: it is resident as a whole.  "Locked" is a share. */
TEST_F(kinds, M7_locked_rss_is_no_share)
{
	char *a = self->m.addr;
	struct vma v;
	int go[2];
	pid_t pid;
	char byte;

	store_pages(a, 8 * self->page, 1);
	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	ASSERT_TRUE(vma_at(a, &v));
	EXPECT_EQ(page_kb(8), v.locked);
	EXPECT_EQ(page_kb(8), locked_rss(a));

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		/* a child does not inherit the entries of shared mappings */
		touch_read(a, 8 * self->page);
		_exit(write(go[1], "r", 1) != 1 || pause());
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(go[0], &byte, 1));
	EXPECT_EQ(page_kb(8), locked_rss(a));
	ASSERT_TRUE(vma_at(a, &v));
	EXPECT_EQ(page_kb(4), v.locked);
	EXPECT_EQ(page_kb(8), v.rss);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, wait_for(pid));
	close(go[0]);
	close(go[1]);
}

/*
 * What can be mapped twice
 */
FIXTURE(files) {
	struct mem m;
	long page;
};

FIXTURE_VARIANT(files) { enum mem_kind kind; };
FIXTURE_VARIANT_ADD(files, shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(files, private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(files)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(files)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

/* A page counts in each locked mapping that it is in, as in Rss */
TEST_F(files, M7_locked_rss_of_two_mappings)
{
	char *a = self->m.addr, *p;
	long before = rollup("LockedRss");

	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	touch_read(a, self->m.len);
	p = mem_map_more(&self->m, self->m.len, PROT_READ, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	touch_read(p, self->m.len);
	EXPECT_EQ(page_kb(PAGES), locked_rss(a));
	EXPECT_EQ(0, locked_rss(p));
	EXPECT_EQ(before + page_kb(PAGES), rollup("LockedRss"));
	ASSERT_EQ(0, sys_mlock2(p, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ(page_kb(PAGES), locked_rss(p));
	EXPECT_EQ(before + 2 * page_kb(PAGES), rollup("LockedRss"));
	munmap(p, self->m.len);
	EXPECT_EQ(before + page_kb(PAGES), rollup("LockedRss"));
}

/* The zero page is locked by nobody, and not counted */
TEST(M7_locked_rss_without_the_zero_page)
{
	struct mem m;
	const char *why;

	ASSERT_TRUE(mem_map(&m, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
			    &why));
	if (sys_mlock2(m.addr, m.len, MLOCK_ONFAULT))
		SKIP(return, "mlock2(): errno %d", errno);
	touch_read(m.addr, m.len);
	EXPECT_EQ(PAGES, pages_present(m.addr, m.len));
	EXPECT_EQ(0, locked_rss(m.addr));
	store_pages(m.addr, page_size(), 1);
	EXPECT_EQ(page_kb(1), locked_rss(m.addr));
	mem_unmap(&m);
}

/* Huge pages count in full, and in part where they were unlocked in part */
TEST(M7_locked_rss_of_a_huge_page)
{
	size_t thp = thp_size();
	struct vma v;
	char *p, *a;

	if (!thp)
		SKIP(return, "the kernel has no transparent huge pages");
	p = mmap(NULL, 2 * thp, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	a = (char *)(((unsigned long)p + thp - 1) & -thp);
	if (madvise(a, thp, MADV_HUGEPAGE))
		SKIP(return, "MADV_HUGEPAGE: errno %d", errno);
	ASSERT_EQ(0, sys_mlock2(a, thp, MLOCK_ONFAULT));
	*a = 1;
	ASSERT_TRUE(vma_at(a, &v));
	if (v.rss != (long)(thp / 1024))
		SKIP(return, "no huge page was to be had");
	EXPECT_EQ((long)(thp / 1024), locked_rss(a));
	ASSERT_EQ(0, sys_munlock(a, 4 * page_size()));
	EXPECT_EQ(0, locked_rss(a));
	EXPECT_EQ((long)(thp / 1024) - page_kb(4),
		  locked_rss(a + 4 * page_size()));
	munmap(p, 2 * thp);
}

/* Programs that know the old lines find each where it was before the next */
TEST(M7_order_of_smaps_is_as_it_was)
{
	static const char * const keys[] = {
		"Size", "KernelPageSize", "MMUPageSize", "Rss", "Pss",
		"Shared_Clean", "Shared_Dirty", "Private_Clean",
		"Private_Dirty", "Referenced", "Anonymous", "LazyFree",
		"AnonHugePages", "ShmemPmdMapped", "Shared_Hugetlb",
		"Private_Hugetlb", "Swap", "SwapPss", "Locked", "LockedRss",
		"VmFlags",
	};
	char line[512];
	struct lines l;
	struct vma v;
	size_t i = 0, maps = 0;

	ASSERT_TRUE(lines_open(&l, "/proc/self/smaps"));
	while (maps < 2 && lines_next(&l, line, sizeof(line))) {
		if (line_vma(line, &v))
			maps++;
		else if (i < ARRAY_SIZE(keys) && line_value(line, keys[i]))
			i++;
	}
	lines_close(&l);
	EXPECT_EQ(ARRAY_SIZE(keys), i) TH_LOG("no %s in its place", keys[i]);
}

TEST_HARNESS_MAIN
