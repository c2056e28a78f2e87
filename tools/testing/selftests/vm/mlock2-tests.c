// SPDX-License-Identifier: GPL-2.0
/*
 * mlock2() and mlockall(MCL_ONFAULT): what they lock, what they leave alone,
 * and what they say when asked for something else.  Limits have a file of
 * their own, on-fault-limit.c, and so has libc's wrapper, mlock2-libc.c.
 *
 * Names start with the row of the requirements that they show.
 */
#include "lock_on_fault.h"
#include "../kselftest_harness.h"

#define PAGES	8
#define HALF	(PAGES / 2)

/*
 * How memory is locked.  Nothing that a user sees names the mode, but it shows
 * when a mapping grows: what is new is populated for a plain lock only.
 */
enum { UNLOCKED, LOCKED, ONFAULT, UNCLEAR };

static const char * const mode_name[] = {
	[UNLOCKED] = "unlocked",
	[LOCKED] = "locked",
	[ONFAULT] = "locked on fault",
	[UNCLEAR] = "unclear",
};

static const int lock_modes[] = { LOCKED, ONFAULT };

static int set_mode(const void *addr, size_t len, int mode)
{
	switch (mode) {
	case UNLOCKED:
		return sys_munlock(addr, len);
	case LOCKED:
		return sys_mlock(addr, len);
	default:
		return sys_mlock2(addr, len, MLOCK_ONFAULT);
	}
}

/* Grows and shrinks the mapping by a page of its room */
static int mode_of(const struct mem *m)
{
	size_t page = page_size();
	char *end = m->addr + m->len;
	int mode;

	if (!is_locked(m->addr))
		return UNLOCKED;
	if (mremap(m->addr, m->len, m->len + page, 0) != m->addr)
		return UNCLEAR;
	mode = page_present(end) ? LOCKED : ONFAULT;
	if (!is_locked(end) || munmap(end, page))
		return UNCLEAR;
	return mode;
}

#define EXPECT_MODE(expected, m) do {					\
	int __mode = mode_of(m);					\
	EXPECT_EQ(expected, __mode)					\
		TH_LOG("is %s, should be %s", mode_name[__mode],	\
		       mode_name[expected]);				\
} while (0)

/* Present pages, and with them Rss: of memory that was stored to, not read */
static long present(const struct mem *m)
{
	return pages_present(m->addr, m->len);
}

/*
 * Nothing in these fixtures takes privilege, so it is dropped.  What it takes
 * is a limit that does not get in the way.
 */
static void set_up(struct __test_metadata *_metadata, enum mem_kind kind,
		   struct mem *m, long *page, long *lck)
{
	const char *why;

	if (!mem_map_room(m, kind, PAGES, PROT_READ | PROT_WRITE, 1, &why))
		SKIP_SETUP("%s", why);
	/* enough for a few mappings more, each of less than 32 pages */
	if (!raise_memlock(4 * 32 * page_size()))
		SKIP_SETUP("RLIMIT_MEMLOCK is low and cannot be raised");
	ASSERT_TRUE(drop_privilege());
	*page = page_size();
	*lck = vm_lck();
	ASSERT_EQ(0, *lck);
	ASSERT_EQ(0, present(m));
}

/* What holds for all memory */
FIXTURE(kinds) {
	struct mem m;
	long page;
	long lck;	/* VmLck of the setup, kB */
};
MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	set_up(_metadata, variant->kind, &self->m, &self->page, &self->lck);
}

FIXTURE_TEARDOWN(kinds)
{
	mem_unmap(&self->m);
}

/* What only files have */
FIXTURE(files) {
	struct mem m;
	long page;
	long lck;
};
FIXTURE_VARIANT(files) { enum mem_kind kind; };
FIXTURE_VARIANT_ADD(files, shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(files, private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(files)
{
	set_up(_metadata, variant->kind, &self->m, &self->page, &self->lck);
}

FIXTURE_TEARDOWN(files)
{
	mem_unmap(&self->m);
}

/* What only memory has that others may map, too */
FIXTURE(shared) {
	struct mem m;
	long page;
	long lck;
};
FIXTURE_VARIANT(shared) { enum mem_kind kind; };
FIXTURE_VARIANT_ADD(shared, anon) { .kind = ANON_SHARED, };
FIXTURE_VARIANT_ADD(shared, file) { .kind = FILE_SHARED, };

FIXTURE_SETUP(shared)
{
	set_up(_metadata, variant->kind, &self->m, &self->page, &self->lck);
}

FIXTURE_TEARDOWN(shared)
{
	mem_unmap(&self->m);
}

/* What one kind is enough for, or only one kind has */
FIXTURE(anon) {
	struct mem m;
	long page;
	long lck;
};

FIXTURE_SETUP(anon)
{
	set_up(_metadata, ANON_PRIVATE, &self->m, &self->page, &self->lck);
}

FIXTURE_TEARDOWN(anon)
{
	mem_unmap(&self->m);
}

/* For what comes out of page flags, and takes root to see them */
FIXTURE(page_flags) {
	struct mem m;
};
MEM_KIND_VARIANTS(page_flags);

FIXTURE_SETUP(page_flags)
{
	const char *why;

	if (!can_see_kflags())
		SKIP_SETUP("page flags take root and CONFIG_PROC_PAGE_MONITOR");
	if (!drain_lru())
		SKIP_SETUP("no way to drain the LRU batches");
	if (!mem_map(&self->m, variant->kind, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(page_flags)
{
	mem_unmap(&self->m);
}

/*
 * I1: what mlock2() does
 */

TEST_F(kinds, I1_absent_pages_stay_absent)
{
	struct vma v;

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ(0, present(&self->m));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(0, v.rss);
	EXPECT_EQ(0, v.locked);
	EXPECT_TRUE(vma_has(&v, "lo"));
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
}

TEST_F(kinds, I1_present_pages_are_locked_and_no_other_comes)
{
	struct vma v;

	store_pages(self->m.addr, 3 * self->page, 1);
	ASSERT_EQ(3, present(&self->m));
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ(3, present(&self->m));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(3), v.rss);
	EXPECT_EQ(page_kb(3), v.locked);
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
}

TEST_F(kinds, I1_touched_pages_come_one_by_one)
{
	struct vma v;
	long i;

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	for (i = 0; i < PAGES; i++) {
		store_pages(self->m.addr + i * self->page, self->page, 1);
		EXPECT_EQ(i + 1, present(&self->m));
		ASSERT_TRUE(vma_at(self->m.addr, &v));
		EXPECT_EQ(page_kb(i + 1), v.locked);
	}
}

/* A hole that is read is the zero page, which is not anybody's to lock */
TEST_F(anon, I1_read_of_hole_counts_from_the_write_on)
{
	struct vma v;

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	touch_read(self->m.addr, self->page);
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(0, v.locked);
	store_pages(self->m.addr, self->page, 1);
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(1), v.locked);
}

TEST_F(kinds, I1_contents_are_what_they_would_be)
{
	size_t i;

	store_pages(self->m.addr, self->page, 'Z');
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ('Z', self->m.addr[0]);
	for (i = 1; i < PAGES; i++) {
		EXPECT_EQ(kind_is_file(variant->kind) ? file_byte(i) : 0,
			  self->m.addr[i * self->page]);
	}
}

TEST_F(kinds, I1_flags_0_is_mlock)
{
	struct vma v, v2;
	struct mem m2;
	const char *why;

	ASSERT_TRUE(mem_map_like(&m2, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 1, &why)) TH_LOG("%s", why);
	ASSERT_EQ(0, sys_mlock(self->m.addr, self->m.len));
	ASSERT_EQ(self->lck + page_kb(PAGES), vm_lck());
	ASSERT_EQ(0, sys_mlock2(m2.addr, m2.len, 0));
	EXPECT_EQ(self->lck + 2 * page_kb(PAGES), vm_lck());
	EXPECT_EQ(PAGES, present(&self->m));
	EXPECT_EQ(PAGES, present(&m2));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	ASSERT_TRUE(vma_at(m2.addr, &v2));
	EXPECT_STREQ(v.flags, v2.flags);
	EXPECT_EQ(v.rss, v2.rss);
	EXPECT_EQ(v.locked, v2.locked);
	EXPECT_MODE(LOCKED, &m2);
	mem_unmap(&m2);
}

TEST_F(page_flags, I1_present_pages_are_mlocked_and_unevictable)
{
	size_t len = 3 * page_size();

	store_pages(self->m.addr, len, 1);
	ASSERT_EQ(0, pages_with_kflag(self->m.addr, len, KPF_MLOCKED));
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	ASSERT_TRUE(drain_lru());
	EXPECT_EQ(3, present(&self->m));
	EXPECT_EQ(3, pages_with_kflag(self->m.addr, len, KPF_MLOCKED));
	EXPECT_EQ(3, pages_with_kflag(self->m.addr, len, KPF_UNEVICTABLE));
}

TEST_F(page_flags, I1_pages_faulted_in_are_mlocked_and_unevictable)
{
	size_t len = 3 * page_size();

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	store_pages(self->m.addr, len, 1);
	ASSERT_TRUE(drain_lru());
	EXPECT_EQ(3, present(&self->m));
	EXPECT_EQ(3, pages_with_kflag(self->m.addr, len, KPF_MLOCKED));
	EXPECT_EQ(3, pages_with_kflag(self->m.addr, len, KPF_UNEVICTABLE));
}

/* Every change of the mode leaves a page locked once, and unlocked after */
TEST_F(page_flags, I5_munlock_after_both_modes_leaves_no_page_locked)
{
	int i;

	store_pages(self->m.addr, self->m.len, 1);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, set_mode(self->m.addr, self->m.len,
				      lock_modes[i % 2]));
	}
	ASSERT_TRUE(drain_lru());
	EXPECT_EQ(PAGES, pages_with_kflag(self->m.addr, self->m.len,
					  KPF_UNEVICTABLE));
	ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
	ASSERT_TRUE(drain_lru());
	EXPECT_EQ(PAGES, present(&self->m));
	EXPECT_EQ(0, pages_with_kflag(self->m.addr, self->m.len, KPF_MLOCKED));
	EXPECT_EQ(0, pages_with_kflag(self->m.addr, self->m.len,
				      KPF_UNEVICTABLE));
}

TEST_F(page_flags, I5_munlockall_leaves_no_page_locked)
{
	store_pages(self->m.addr, self->m.len, 1);
	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	ASSERT_TRUE(drain_lru());
	EXPECT_EQ(PAGES, pages_with_kflag(self->m.addr, self->m.len,
					  KPF_UNEVICTABLE));
	ASSERT_EQ(0, sys_munlockall());
	ASSERT_TRUE(drain_lru());
	EXPECT_EQ(0, pages_with_kflag(self->m.addr, self->m.len, KPF_MLOCKED));
	EXPECT_EQ(0, pages_with_kflag(self->m.addr, self->m.len,
				      KPF_UNEVICTABLE));
}

/*
 * The table of state transitions
 */

/*
 * Bring memory into a mode with its first half present and the rest absent.
 * A plain lock that has absent pages comes from PROT_NONE: mlock() fails then
 * for it can populate nothing, but the lock stays; and mprotect() to something
 * that cannot be written populates nothing either.
 */
static bool prepare(struct mem *m, int mode)
{
	if (sys_munlock(m->addr, m->len) ||
	    mprotect(m->addr, m->len, PROT_READ | PROT_WRITE))
		return false;
	store_pages(m->addr, m->len / 2, 1);
	if (mprotect(m->addr, m->len, PROT_NONE))
		return false;
	if (errno_of(set_mode(m->addr, m->len, mode)) !=
	    (mode == LOCKED ? ENOMEM : 0))
		return false;
	if (mprotect(m->addr, m->len, PROT_READ))
		return false;
	return is_locked(m->addr) == (mode != UNLOCKED) &&
	       present(m) == HALF;
}

static const struct transition {
	const char *call;
	int now, then;
	long present;	/* pages */
	long charged;	/* pages, after the call */
} transitions[] = {
	{ "mlock",		UNLOCKED, LOCKED,	PAGES,	PAGES },
	{ "mlock2(0)",		UNLOCKED, LOCKED,	PAGES,	PAGES },
	{ "mlock2(ONFAULT)",	UNLOCKED, ONFAULT,	HALF,	PAGES },
	{ "munlock",		UNLOCKED, UNLOCKED,	HALF,	0 },
	/* already locked: no change but that a page that is absent comes */
	{ "mlock",		LOCKED,   LOCKED,	PAGES,	PAGES },
	{ "mlock2(0)",		LOCKED,   LOCKED,	PAGES,	PAGES },
	{ "mlock2(ONFAULT)",	LOCKED,   ONFAULT,	HALF,	PAGES },
	{ "munlock",		LOCKED,   UNLOCKED,	HALF,	0 },
	{ "mlock",		ONFAULT,  LOCKED,	PAGES,	PAGES },
	{ "mlock2(0)",		ONFAULT,  LOCKED,	PAGES,	PAGES },
	{ "mlock2(ONFAULT)",	ONFAULT,  ONFAULT,	HALF,	PAGES },
	{ "munlock",		ONFAULT,  UNLOCKED,	HALF,	0 },
};

static int transition_call(const struct transition *t, struct mem *m)
{
	if (!strcmp(t->call, "mlock"))
		return sys_mlock(m->addr, m->len);
	if (!strcmp(t->call, "mlock2(0)"))
		return sys_mlock2(m->addr, m->len, 0);
	if (!strcmp(t->call, "mlock2(ONFAULT)"))
		return sys_mlock2(m->addr, m->len, MLOCK_ONFAULT);
	return sys_munlock(m->addr, m->len);
}

TEST_F(kinds, I1_I5_state_transitions)
{
	const struct transition *t;
	int mode;
	const char *why;
	struct mem m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(transitions); i++) {
		bool ok = true;

		t = &transitions[i];
		ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_READ, 1,
					 &why)) TH_LOG("%s", why);
		ASSERT_TRUE(prepare(&m, t->now))
			TH_LOG("cannot make it %s", mode_name[t->now]);
		EXPECT_EQ(self->lck + page_kb(t->now == UNLOCKED ? 0 : PAGES),
			  vm_lck()) ok = false;
		EXPECT_EQ(0, transition_call(t, &m)) ok = false;
		EXPECT_EQ(t->present, present(&m)) ok = false;
		EXPECT_EQ(self->lck + page_kb(t->charged), vm_lck()) ok = false;
		EXPECT_EQ(1, vmas_in(m.addr, m.len)) ok = false;
		mode = mode_of(&m);
		EXPECT_EQ(t->then, mode) ok = false;
		if (!ok)
			TH_LOG("^ %s, then %s: is %s, should be %s",
			       mode_name[t->now], t->call, mode_name[mode],
			       mode_name[t->then]);
		mem_unmap(&m);
		EXPECT_EQ(self->lck, vm_lck());
	}
}

/* A page that a truncated file lost does not come back for the lock's sake */
TEST_F(files, I1_truncated_and_extended_file_is_not_populated)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		ASSERT_EQ(0, set_mode(self->m.addr, self->m.len,
				      lock_modes[i]));
		store_pages(self->m.addr, self->m.len, 1);
		ASSERT_EQ(PAGES, present(&self->m));
		ASSERT_EQ(0, ftruncate(self->m.fd, HALF * self->page));
		ASSERT_EQ(0, ftruncate(self->m.fd, (PAGES + 1) * self->page));
		ASSERT_EQ(HALF, present(&self->m));
		EXPECT_EQ(0, sys_mlock2(self->m.addr, self->m.len,
					MLOCK_ONFAULT));
		EXPECT_EQ(HALF, present(&self->m));
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		EXPECT_EQ(0, sys_mlock2(self->m.addr, self->m.len, 0));
		EXPECT_EQ(PAGES, present(&self->m));
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
	}
}

/*
 * I2: what else may be asked, and the answers
 */

TEST_F(kinds, I2_unknown_flags_are_refused_and_change_nothing)
{
	unsigned int bit, with;

	store_pages(self->m.addr, self->page, 1);
	for (bit = 0; bit < 32; bit++) {
		if (1U << bit == MLOCK_ONFAULT)
			continue;
		for (with = 0; with <= 1; with++) {
			int flags = 1U << bit | (with ? MLOCK_ONFAULT : 0);

			EXPECT_EQ(EINVAL, errno_of(sys_mlock2(self->m.addr,
							      self->m.len,
							      flags)))
				TH_LOG("flags %#x", flags);
		}
	}
	EXPECT_EQ(EINVAL, errno_of(sys_mlock2(self->m.addr, self->m.len, -1)));
	EXPECT_FALSE(is_locked(self->m.addr));
	EXPECT_EQ(self->lck, vm_lck());
	EXPECT_EQ(1, present(&self->m));

	/* nor is what is there taken away */
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ(EINVAL, errno_of(sys_mlock2(self->m.addr, self->m.len, 2)));
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
	EXPECT_EQ(1, present(&self->m));
	EXPECT_MODE(ONFAULT, &self->m);
}

TEST_F(anon, I2_only_the_low_32_bits_of_flags_count)
{
#if ULONG_MAX > 0xffffffffUL
	unsigned long addr = (unsigned long)self->m.addr;

	ASSERT_EQ(0, sys_mlock2_raw(addr, self->m.len,
				    0xdeadbeefUL << 32 | MLOCK_ONFAULT));
	EXPECT_EQ(0, present(&self->m));
	EXPECT_MODE(ONFAULT, &self->m);
	ASSERT_EQ(0, sys_mlock2_raw(addr, self->m.len, 1UL << 32));
	EXPECT_EQ(PAGES, present(&self->m));
	EXPECT_MODE(LOCKED, &self->m);
#else
	SKIP(return, "a long has no more than 32 bits here");
#endif
}

/*
 * A range as long as @pages, off by some bytes at its start and in its length,
 * over a mapping of which the first pages are present
 */
static void lock_bytes(struct __test_metadata *_metadata,
		       const FIXTURE_DATA(kinds) *self, int mode, long populate,
		       long pages, long start, long more)
{
	long len = pages * self->page + more;
	/* start is in the first page, so that is where the lock begins */
	long charged = (start + len + self->page - 1) / self->page;
	long expect = populate;
	const char *why;
	struct mem m;
	bool ok = true;

	if (charged > PAGES)
		return;
	if (mode == LOCKED && charged > expect)
		expect = charged;

	ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 0, &why)) TH_LOG("%s", why);
	store_pages(m.addr, populate * self->page, 1);
	EXPECT_EQ(0, sys_mlock2(m.addr + start, len,
				mode == ONFAULT ? MLOCK_ONFAULT : 0))
		ok = false;
	EXPECT_EQ(self->lck + page_kb(charged), vm_lck()) ok = false;
	EXPECT_EQ(expect, present(&m)) ok = false;
	EXPECT_EQ(charged < PAGES ? 2 : 1, vmas_in(m.addr, m.len)) ok = false;
	EXPECT_EQ(0, sys_munlock(m.addr + start, len)) ok = false;
	EXPECT_EQ(self->lck, vm_lck()) ok = false;
	if (!ok)
		TH_LOG("^ %s, %ld present, %ld pages, start %+ld, length %+ld",
		       mode_name[mode], populate, pages, start, more);
	mem_unmap(&m);
}

TEST_F(kinds, I2_rounding_and_population)
{
	static const struct { int start, more; } bytes[] = {
		{ 0, -1 }, { 0, 0 }, { 0, 1 }, { 1, -1 }, { 1, 0 }, { 1, 1 },
		/* within the first page, but at its end */
		{ -1, 1 }, { -1, 2 },
	};
	static const int populate[] = { 0, 1, 4 }, lock[] = { 1, 2, 4, 8 };
	size_t p, n, b;
	int start;

	for (p = 0; p < ARRAY_SIZE(populate); p++) {
		for (n = 0; n < ARRAY_SIZE(lock); n++) {
			for (b = 0; b < ARRAY_SIZE(bytes); b++) {
				start = bytes[b].start;
				if (start < 0)
					start += self->page;
				lock_bytes(_metadata, self, LOCKED, populate[p],
					   lock[n], start, bytes[b].more);
				lock_bytes(_metadata, self, ONFAULT,
					   populate[p], lock[n], start,
					   bytes[b].more);
			}
		}
	}
}

TEST_F(kinds, I2_zero_length)
{
	int flags;

	for (flags = 0; flags <= MLOCK_ONFAULT; flags += MLOCK_ONFAULT) {
		EXPECT_EQ(0, sys_mlock2(self->m.addr, 0, flags));
		EXPECT_EQ(0, sys_mlock2(NULL, 0, flags));
		EXPECT_FALSE(is_locked(self->m.addr));
		EXPECT_EQ(self->lck, vm_lck());
		EXPECT_EQ(0, present(&self->m));
		EXPECT_EQ(1, vmas_in(self->m.addr, self->m.len));
	}
	/* the end is rounded up after the start was rounded down */
	EXPECT_EQ(0, sys_mlock2(self->m.addr + 1, 0, MLOCK_ONFAULT));
	EXPECT_EQ(self->lck + page_kb(1), vm_lck());
	EXPECT_TRUE(is_locked(self->m.addr));
	EXPECT_EQ(0, present(&self->m));
}

TEST_F(kinds, I2_a_hole_ends_it_and_what_is_before_stays_locked)
{
	char *a = self->m.addr;
	long page = self->page;
	int flags;

	ASSERT_EQ(0, munmap(a + 3 * page, page));
	for (flags = 0; flags <= MLOCK_ONFAULT; flags += MLOCK_ONFAULT) {
		EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(a, self->m.len, flags)));
		EXPECT_TRUE(is_locked(a));
		EXPECT_TRUE(is_locked(a + 2 * page));
		EXPECT_FALSE(is_locked(a + 4 * page));
		EXPECT_EQ(self->lck + page_kb(3), vm_lck());
		/* whoever cannot have all is not made to wait for a part */
		EXPECT_EQ(0, pages_present(a, 3 * page));
		ASSERT_EQ(0, sys_munlock(a, 3 * page));

		/* a hole first */
		EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(a + 3 * page, 2 * page,
						      flags)));
		EXPECT_FALSE(is_locked(a + 4 * page));
		EXPECT_EQ(self->lck, vm_lck());
	}
	/* nothing at all */
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(a + 3 * page, page,
					      MLOCK_ONFAULT)));
	/* a part that is locked on fault locks what is touched */
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(a, self->m.len, MLOCK_ONFAULT)));
	store_pages(a, page, 1);
	EXPECT_EQ(1, pages_present(a, 3 * page));
}

/*
 * mlock() is the measure: [4 pages][a hole of 2][2 pages], and ranges in it.
 * One column for whoever may lock everything, and one for a limit of 2 pages.
 */
#define FAR	(-1L)	/* so long that the end lies before the start */

static const struct range {
	const char *what;
	long pages, bytes;		/* start */
	long len_pages, len_bytes;
	int free, limited;		/* errors; -1: some error */
} ranges[] = {
	{ "all before the hole",	0, 0, 4, 0,	0,	ENOMEM },
	{ "within a page",		0, 1, 1, -1,	0,	0 },
	{ "across pages",		0, 1, 1, 0,	0,	0 },
	{ "a hole between",		0, 0, 8, 0,	ENOMEM,	ENOMEM },
	{ "a hole behind",		3, 0, 2, 0,	ENOMEM,	ENOMEM },
	{ "a hole",			4, 0, 1, 0,	ENOMEM,	ENOMEM },
	{ "all behind the hole",	6, 0, 2, 0,	0,	0 },
	{ "no length",			0, 0, 0, 0,	0,	0 },
	{ "no length in a page",	1, 1, 0, 0,	0,	0 },
	{ "no length in a hole",	4, 0, 0, 0,	0,	0 },
	/* with a limit that may be nonsense, or too much */
	{ "overflow",			0, 0, FAR, 0,	EINVAL,	-1 },
};

struct answer {
	int error;
	long lck;
	unsigned int locked;	/* a bit per page */
};

static void ask(struct answer *a, struct mem *m, const struct range *r, int how)
{
	long page = page_size(), i;
	unsigned long start = (unsigned long)m->addr + r->pages * page +
			      r->bytes;
	unsigned long len = r->len_pages * page + r->len_bytes;

	/* not so far that rounding up makes it nothing */
	if (r->len_pages == FAR)
		len = -4UL * page;
	sys_munlockall();
	if (how < 0)
		a->error = errno_of(syscall(__NR_mlock, start, len));
	else
		a->error = errno_of(sys_mlock2_raw(start, len, how));
	a->lck = vm_lck();
	a->locked = 0;
	for (i = 0; i < PAGES; i++)
		a->locked |= is_locked(m->addr + i * page) << i;
}

static void ask_all(struct __test_metadata *_metadata, struct mem *m,
		    bool limited)
{
	struct answer mlock, mlock2;
	size_t i;
	int flags;

	ASSERT_EQ(0, munmap(m->addr + 4 * page_size(), 2 * page_size()));
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		const struct range *r = &ranges[i];
		int error = limited ? r->limited : r->free;

		/* a kernel with longer addresses sees no overflow but a hole */
		if (r->len_pages == FAR && !limited && sizeof(long) < 8)
			error = -1;
		ask(&mlock, m, r, -1);
		EXPECT_EQ(error < 0 ? mlock.error : error, mlock.error)
			TH_LOG("mlock: %s", r->what);
		if (error < 0) {
			EXPECT_NE(0, mlock.error) TH_LOG("mlock: %s", r->what);
		}
		for (flags = 0; flags <= MLOCK_ONFAULT; flags += MLOCK_ONFAULT) {
			ask(&mlock2, m, r, flags);
			EXPECT_EQ(mlock.error, mlock2.error)
				TH_LOG("flags %#x: %s", flags, r->what);
			EXPECT_EQ(mlock.lck, mlock2.lck)
				TH_LOG("flags %#x: %s", flags, r->what);
			EXPECT_EQ(mlock.locked, mlock2.locked)
				TH_LOG("flags %#x: %s", flags, r->what);
		}
	}
}

TEST_F(kinds, I2_same_answers_as_mlock)
{
	struct rlimit lim;

	/* else what is too long is over the limit before it is nonsense */
	ASSERT_EQ(0, getrlimit(RLIMIT_MEMLOCK, &lim));
	if (lim.rlim_cur != RLIM_INFINITY)
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised to no limit");
	ask_all(_metadata, &self->m, false);
}

TEST_F(kinds, I2_same_answers_as_mlock_with_a_limit)
{
	ASSERT_TRUE(set_memlock(2 * self->page));
	ask_all(_metadata, &self->m, true);
}

TEST_F(kinds, I2_flags_before_privilege_before_limits_before_ranges)
{
	unsigned long addr = (unsigned long)self->m.addr;
	unsigned long far = -4UL * self->page;
	int flags;

	/* everything is wrong, so what is named is what is looked at first */
	ASSERT_TRUE(set_memlock(0));
	EXPECT_EQ(EINVAL, errno_of(sys_mlock2_raw(addr, far, 2)));
	EXPECT_EQ(EINVAL, errno_of(sys_mlock2_raw(addr, 0, 2)));
	for (flags = 0; flags <= MLOCK_ONFAULT; flags += MLOCK_ONFAULT) {
		EXPECT_EQ(EPERM, errno_of(sys_mlock2_raw(addr, far, flags)));
		EXPECT_EQ(EPERM, errno_of(sys_mlock2_raw(addr, 0, flags)));
		EXPECT_EQ(EPERM, errno_of(sys_mlock2_raw(0, self->page,
							 flags)));
	}
	ASSERT_TRUE(set_memlock(self->page));
	EXPECT_EQ(EINVAL, errno_of(sys_mlock2_raw(addr, far, 2)));
	for (flags = 0; flags <= MLOCK_ONFAULT; flags += MLOCK_ONFAULT) {
		/* nonsense and too much: which one is as mlock() has it */
		EXPECT_EQ(errno_of(syscall(__NR_mlock, addr, far)),
			  errno_of(sys_mlock2_raw(addr, far, flags)));
		EXPECT_NE(0, errno_of(sys_mlock2_raw(addr, far, flags)));
		EXPECT_EQ(ENOMEM, errno_of(sys_mlock2_raw(addr, self->m.len,
							  flags)));
	}
	EXPECT_FALSE(is_locked(self->m.addr));
	EXPECT_EQ(self->lck, vm_lck());
	EXPECT_EQ(0, present(&self->m));
}

/*
 * I3, I4: mlockall()
 */

TEST_F(kinds, I3_mcl_onfault_alone_is_refused_and_changes_nothing)
{
	const char *why;
	struct mem m;
	long lck;

	/* without any lock none comes */
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(MCL_ONFAULT)));
	EXPECT_EQ(0, vm_lck());
	EXPECT_FALSE(is_locked(self->m.addr));

	/* with locks, of now and of the future, none goes */
	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	lck = vm_lck();
	ASSERT_LT(page_kb(PAGES), lck);
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(MCL_ONFAULT)));
	EXPECT_EQ(lck, vm_lck());
	EXPECT_EQ(0, present(&self->m));
	EXPECT_MODE(ONFAULT, &self->m);
	ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 1, &why));
	EXPECT_EQ(0, present(&m));
	EXPECT_MODE(ONFAULT, &m);
	mem_unmap(&m);
}

TEST_F(kinds, I3_unknown_flags_of_mlockall_are_refused_and_change_nothing)
{
	const int known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
	unsigned int bit;
	long lck;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_ONFAULT));
	lck = vm_lck();
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(0)));
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(-1)));
	for (bit = 0; bit < 32; bit++) {
		int flag = 1U << bit;

		if (flag & known)
			continue;
		EXPECT_EQ(EINVAL, errno_of(sys_mlockall(flag)));
		EXPECT_EQ(EINVAL, errno_of(sys_mlockall(flag | MCL_CURRENT)));
		EXPECT_EQ(EINVAL, errno_of(sys_mlockall(flag | known)));
	}
	EXPECT_EQ(lck, vm_lck());
	EXPECT_EQ(0, present(&self->m));
	EXPECT_MODE(ONFAULT, &self->m);
}

TEST_F(kinds, I3_flags_before_privilege_before_limits)
{
	ASSERT_TRUE(set_memlock(0));
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(MCL_ONFAULT)));
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(0)));
	EXPECT_EQ(EPERM, errno_of(sys_mlockall(MCL_CURRENT | MCL_ONFAULT)));
	EXPECT_EQ(EPERM, errno_of(sys_mlockall(MCL_FUTURE | MCL_ONFAULT)));
	ASSERT_TRUE(set_memlock(self->page));
	EXPECT_EQ(EINVAL, errno_of(sys_mlockall(MCL_ONFAULT)));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlockall(MCL_CURRENT | MCL_ONFAULT)));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlockall(MCL_CURRENT | MCL_FUTURE |
						MCL_ONFAULT)));
	EXPECT_EQ(self->lck, vm_lck());
	EXPECT_FALSE(is_locked(self->m.addr));
}

/*
 * All that an mlockall() can meet, times all that it can ask: how memory is
 * locked that was there, and how memory is that is mapped afterwards.
 */
static const int states[] = { UNLOCKED, LOCKED, ONFAULT };

static const struct mlockall_call {
	const char *name;
	int flags;	/* 0: munlockall() */
} calls[] = {
	{ "CURRENT", MCL_CURRENT },
	{ "FUTURE", MCL_FUTURE },
	{ "CURRENT|FUTURE", MCL_CURRENT | MCL_FUTURE },
	{ "CURRENT|ONFAULT", MCL_CURRENT | MCL_ONFAULT },
	{ "FUTURE|ONFAULT", MCL_FUTURE | MCL_ONFAULT },
	{ "CURRENT|FUTURE|ONFAULT", MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT },
	{ "munlockall", 0 },
};

static int set_future(int mode)
{
	if (sys_munlockall())
		return -1;
	if (mode == UNLOCKED)
		return 0;
	return sys_mlockall(MCL_FUTURE | (mode == ONFAULT ? MCL_ONFAULT : 0));
}

static void call_mlockall(struct __test_metadata *_metadata,
			  const FIXTURE_DATA(kinds) *self, int now, int future,
			  const struct mlockall_call *call)
{
	int mode = call->flags & MCL_ONFAULT ? ONFAULT : LOCKED;
	int expect_old = call->flags & MCL_CURRENT ? mode : now;
	int expect_new = call->flags & MCL_FUTURE ? mode : UNLOCKED;
	bool populates = call->flags & MCL_CURRENT && mode == LOCKED;
	struct mem old, new;
	const char *why;
	bool ok = true;
	long lck;

	if (!call->flags)
		expect_old = UNLOCKED;

	ASSERT_EQ(0, set_future(future));
	ASSERT_TRUE(mem_map_like(&old, &self->m, PAGES, PROT_NONE, 1, &why))
		TH_LOG("%s", why);
	ASSERT_TRUE(prepare(&old, now))
		TH_LOG("cannot make it %s", mode_name[now]);

	EXPECT_EQ(0, call->flags ? sys_mlockall(call->flags) : sys_munlockall())
		ok = false;
	EXPECT_EQ(populates ? PAGES : HALF, present(&old)) ok = false;
	lck = vm_lck();

	ASSERT_TRUE(mem_map_like(&new, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 1, &why)) TH_LOG("%s", why);
	EXPECT_EQ(expect_new == LOCKED ? PAGES : 0, present(&new)) ok = false;
	EXPECT_EQ(expect_old, mode_of(&old)) ok = false;
	EXPECT_EQ(expect_new, mode_of(&new)) ok = false;
	/* with its guards; the room between them is nothing again */
	EXPECT_EQ(lck + (expect_new == UNLOCKED ? 0 : page_kb(PAGES + 2)),
		  vm_lck()) ok = false;
	mem_unmap(&new);
	EXPECT_EQ(lck, vm_lck()) ok = false;
	mem_unmap(&old);
	EXPECT_EQ(0, sys_munlockall()) ok = false;
	EXPECT_EQ(0, vm_lck()) ok = false;
	if (!ok)
		TH_LOG("^ %s, future %s, then %s", mode_name[now],
		       mode_name[future], call->name);
}

TEST_F(kinds, I3_I4_I5_mlockall_from_every_state)
{
	size_t now, future, c;

	for (now = 0; now < ARRAY_SIZE(states); now++) {
		for (future = 0; future < ARRAY_SIZE(states); future++) {
			for (c = 0; c < ARRAY_SIZE(calls); c++)
				call_mlockall(_metadata, self, states[now],
					      states[future], &calls[c]);
		}
	}
}

/* The trap, and the way around it */
TEST_F(kinds, I4_current_after_future_ends_the_future)
{
	const char *why;
	struct mem m;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT));
	ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 1, &why));
	EXPECT_MODE(UNLOCKED, &m);
	EXPECT_EQ(0, present(&m));
	mem_unmap(&m);
}

TEST_F(kinds, I4_future_onfault_after_current_has_both)
{
	const char *why;
	struct mem m;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT));
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 1, &why));
	EXPECT_EQ(PAGES, present(&self->m));
	EXPECT_MODE(LOCKED, &self->m);
	EXPECT_EQ(0, present(&m));
	EXPECT_MODE(ONFAULT, &m);
	mem_unmap(&m);
}

TEST_F(kinds, I3_current_onfault_charges_all_and_faults_in_nothing)
{
	long size, resident;

	/* whatever this code itself needs is there when it is counted */
	vm_lck();
	size = proc_number("/proc/self/status", "VmSize");
	resident = proc_number("/proc/self/status", "VmRSS");
	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_ONFAULT));
	/* not what cannot be locked: vdso and its like, or VmSize would do */
	EXPECT_LE(page_kb(PAGES), vm_lck());
	EXPECT_GE(size, vm_lck());
	EXPECT_EQ(0, present(&self->m));
	/* counted in batches, and a page of stack or two: not all of bss */
	EXPECT_GE(resident + page_kb(64),
		  proc_number("/proc/self/status", "VmRSS"));
	store_pages(self->m.addr, self->page, 1);
	EXPECT_EQ(1, present(&self->m));
}

/* MAP_LOCKED asks for a lock, and its mode is what mlockall() said */
TEST_F(kinds, I3_map_locked_under_future_onfault_is_on_fault)
{
	char *p;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	p = mem_map_more(&self->m, self->m.len, PROT_READ | PROT_WRITE,
			 MAP_LOCKED);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_TRUE(is_locked(p));
	EXPECT_EQ(0, pages_present(p, self->m.len));
	munmap(p, self->m.len);

	ASSERT_EQ(0, sys_munlockall());
	p = mem_map_more(&self->m, self->m.len, PROT_READ | PROT_WRITE,
			 MAP_LOCKED);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_TRUE(is_locked(p));
	EXPECT_EQ(PAGES, pages_present(p, self->m.len));
	munmap(p, self->m.len);
}

/*
 * I5, M9: parts of ranges; when mappings split, and when they merge again
 */

TEST_F(kinds, I5_munlock_of_a_part_splits_and_uncharges_it)
{
	char *a = self->m.addr;
	long page = self->page;
	size_t i;

	store_pages(a, self->m.len, 1);
	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		ASSERT_EQ(0, set_mode(a, self->m.len, lock_modes[i]));
		EXPECT_EQ(1, vmas_in(a, self->m.len));

		EXPECT_EQ(0, sys_munlock(a + 3 * page, 2 * page));
		EXPECT_EQ(3, vmas_in(a, self->m.len));
		EXPECT_TRUE(is_locked(a + 2 * page));
		EXPECT_FALSE(is_locked(a + 3 * page));
		EXPECT_FALSE(is_locked(a + 4 * page));
		EXPECT_TRUE(is_locked(a + 5 * page));
		EXPECT_EQ(self->lck + page_kb(PAGES - 2), vm_lck());
		EXPECT_EQ(PAGES, present(&self->m));

		/* the ends */
		EXPECT_EQ(0, sys_munlock(a, page));
		EXPECT_EQ(0, sys_munlock(a + 7 * page, page));
		EXPECT_EQ(self->lck + page_kb(PAGES - 4), vm_lck());
		EXPECT_EQ(5, vmas_in(a, self->m.len));

		/* over what is unlocked as well */
		EXPECT_EQ(0, sys_munlock(a, self->m.len));
		EXPECT_EQ(1, vmas_in(a, self->m.len));
		EXPECT_EQ(self->lck, vm_lck());
		EXPECT_EQ(PAGES, present(&self->m));
	}
}

TEST_F(kinds, I5_munlock_stops_at_a_hole_as_mlock_does)
{
	char *a = self->m.addr;
	long page = self->page;

	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	ASSERT_EQ(0, munmap(a + 3 * page, page));
	EXPECT_EQ(self->lck + page_kb(PAGES - 1), vm_lck());
	EXPECT_EQ(ENOMEM, errno_of(sys_munlock(a, self->m.len)));
	EXPECT_FALSE(is_locked(a));
	EXPECT_TRUE(is_locked(a + 4 * page));
	EXPECT_EQ(self->lck + page_kb(PAGES - 4), vm_lck());
}

TEST_F(kinds, I5_unlocked_part_goes_on_as_unlocked_memory)
{
	char *a = self->m.addr;
	long page = self->page;

	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_munlock(a, 4 * page));
	store_pages(a, self->m.len, 1);
	/* refused of what is locked, see madvise(2) */
	EXPECT_EQ(0, madvise(a, 4 * page, MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno_of(madvise(a + 4 * page, 4 * page,
					   MADV_DONTNEED)));
	EXPECT_EQ(4, present(&self->m));
}

TEST_F(kinds, M9_same_mode_merges)
{
	char *a = self->m.addr;
	long page = self->page;
	size_t i, part;

	/*
	 * Private pages that come after a split belong to the part they came
	 * to, which then never merges; ours all come before.
	 */
	store_pages(a, self->m.len, 1);
	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		/* not in order: to the left, to the right, and between */
		static const int order[] = { 0, 2, 3, 1 };

		for (part = 0; part < ARRAY_SIZE(order); part++) {
			ASSERT_EQ(0, set_mode(a + order[part] * 2 * page,
					      2 * page, lock_modes[i]));
		}
		EXPECT_EQ(1, vmas_in(a, self->m.len))
			TH_LOG("%s", mode_name[lock_modes[i]]);
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		EXPECT_EQ(0, sys_munlock(a, self->m.len));
	}
}

TEST_F(kinds, M9_different_modes_do_not_merge)
{
	char *a = self->m.addr;
	long page = self->page;
	size_t i;

	/* present pages, so that nothing else tells the parts apart */
	store_pages(a, self->m.len, 1);
	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		int mode = lock_modes[i];
		int other = lock_modes[!i];

		/* from unlocked memory, side by side */
		ASSERT_EQ(0, set_mode(a, 4 * page, mode));
		ASSERT_EQ(0, set_mode(a + 4 * page, 4 * page, other));
		EXPECT_EQ(2, vmas_in(a, self->m.len));
		/* an island of the other mode, and its end */
		ASSERT_EQ(0, set_mode(a, self->m.len, mode));
		EXPECT_EQ(1, vmas_in(a, self->m.len));
		ASSERT_EQ(0, set_mode(a + 2 * page, 2 * page, other));
		EXPECT_EQ(3, vmas_in(a, self->m.len));
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		ASSERT_EQ(0, set_mode(a + 2 * page, 2 * page, mode));
		EXPECT_EQ(1, vmas_in(a, self->m.len));
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		ASSERT_EQ(0, sys_munlock(a, self->m.len));
		EXPECT_EQ(self->lck, vm_lck());
	}
}

/* mprotect() merges, too; but what it makes alike may be locked otherwise */
TEST_F(kinds, M9_mprotect_merges_the_same_mode_only)
{
	char *a = self->m.addr;
	size_t half = self->m.len / 2, i, k;

	store_pages(a, self->m.len, 1);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		for (k = 0; k < ARRAY_SIZE(states); k++) {
			ASSERT_EQ(0, set_mode(a, half, states[i]));
			ASSERT_EQ(0, set_mode(a + half, half, states[k]));
			ASSERT_EQ(0, mprotect(a + half, half, PROT_READ));
			EXPECT_EQ(2, vmas_in(a, self->m.len));
			ASSERT_EQ(0, mprotect(a + half, half, PROT_READ | PROT_WRITE));
			EXPECT_EQ(i == k ? 1 : 2, vmas_in(a, self->m.len))
				TH_LOG("%s, %s", mode_name[states[i]],
				       mode_name[states[k]]);
		}
	}
}

TEST_F(kinds, M9_new_mapping_merges_with_the_same_mode_only)
{
	size_t len = self->m.len, i, k;
	const char *why;
	struct mem m;
	char *p;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		for (k = 0; k < ARRAY_SIZE(states); k++) {
			ASSERT_EQ(0, sys_munlockall());
			ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES,
						 PROT_READ | PROT_WRITE, PAGES, &why));
			/* what mem_map_like() says of huge pages would keep them apart */
			p = mmap(m.addr, len, PROT_READ | PROT_WRITE,
				 mem_map_flags(m.kind) | MAP_FIXED, m.fd, 0);
			ASSERT_TRUE(p == m.addr);
			ASSERT_EQ(0, set_future(states[k]));
			ASSERT_EQ(0, set_mode(m.addr, len, states[i]));
			p = mmap(m.addr + len, len, PROT_READ | PROT_WRITE,
				 mem_map_flags(m.kind) | MAP_FIXED, m.fd,
				 m.fd < 0 ? 0 : (off_t)len);
			ASSERT_TRUE(p == m.addr + len);
			/* of shared anonymous memory each mapping is another object */
			EXPECT_EQ(i == k && variant->kind != ANON_SHARED ? 1 : 2,
				  vmas_in(m.addr, 2 * len))
				TH_LOG("%s, new one %s", mode_name[states[i]],
				       mode_name[states[k]]);
			mem_unmap(&m);
		}
	}
}

/*
 * M1: the modifier is never set without the lock that it modifies.  It has no
 * name that smaps would show, but a mapping that has kept it does not merge
 * with one that never had it.
 */

TEST_F(kinds, M1_munlock_leaves_nothing_behind)
{
	char *a = self->m.addr;
	long page = self->page;

	ASSERT_EQ(0, sys_mlock2(a, 4 * page, MLOCK_ONFAULT));
	ASSERT_EQ(2, vmas_in(a, self->m.len));
	ASSERT_EQ(0, sys_munlock(a, 4 * page));
	EXPECT_EQ(1, vmas_in(a, self->m.len));
	/* and a plain lock is a plain lock again */
	ASSERT_EQ(0, sys_mlock(a, self->m.len));
	EXPECT_EQ(PAGES, present(&self->m));
	EXPECT_MODE(LOCKED, &self->m);
}

TEST_F(kinds, M1_munlockall_leaves_nothing_behind)
{
	char *a = self->m.addr;
	long page = self->page;
	struct mem m;
	const char *why;

	ASSERT_EQ(0, sys_mlock2(a, 4 * page, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_EQ(0, sys_munlockall());
	EXPECT_EQ(1, vmas_in(a, self->m.len));
	/* what is mapped now, and locked with no word of a mode, is plain */
	ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_READ | PROT_WRITE,
				 1, &why));
	EXPECT_FALSE(is_locked(m.addr));
	ASSERT_EQ(0, sys_mlock(m.addr, m.len));
	EXPECT_EQ(PAGES, present(&m));
	mem_unmap(&m);
}

TEST_F(kinds, M1_plain_lock_takes_the_modifier_away)
{
	char *a = self->m.addr;
	long page = self->page;

	ASSERT_EQ(0, sys_mlock2(a, 4 * page, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_mlock(a + 4 * page, 4 * page));
	ASSERT_EQ(2, vmas_in(a, self->m.len));
	ASSERT_EQ(0, sys_mlock(a, 4 * page));
	EXPECT_EQ(1, vmas_in(a, self->m.len));
	EXPECT_MODE(LOCKED, &self->m);
}

TEST_F(kinds, M1_fork_child_has_neither_flag)
{
	char *a = self->m.addr;
	size_t half = self->m.len / 2;
	pid_t pid;

	/* no page in either half, or the child's halves belong to two forks */
	ASSERT_EQ(0, sys_mlock2(a, half, MLOCK_ONFAULT));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (vm_lck() || is_locked(a))
			_exit(1);
		/* there is no merging in fork(): have mprotect() try */
		if (vmas_in(a, 2 * half) != 2 ||
		    mprotect(a, half, PROT_READ) ||
		    mprotect(a + half, half, PROT_READ))
			_exit(2);
		_exit(vmas_in(a, 2 * half) == 1 ? 0 : 3);
	}
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_EQ(self->lck + page_kb(HALF), vm_lck());
	EXPECT_TRUE(is_locked(a));
}

/* What mremap() leaves behind has lost the lock, whatever its mode */
TEST_F(anon, M1_mremap_dontunmap_leaves_neither_flag)
{
	char *a = self->m.addr, *p;
	size_t half = self->m.len / 2;

	ASSERT_EQ(0, sys_mlock2(a, half, MLOCK_ONFAULT));
	p = mremap(a, half, half, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (p == MAP_FAILED && errno == EINVAL)
		SKIP(return, "no MREMAP_DONTUNMAP (Linux 5.7 has it)");
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_TRUE(is_locked(p));
	EXPECT_FALSE(is_locked(a));
	EXPECT_EQ(self->lck + page_kb(HALF), vm_lck());
	/* the rest was never locked, so that both are alike now */
	ASSERT_EQ(2, vmas_in(a, self->m.len));
	ASSERT_EQ(0, mprotect(a, half, PROT_READ));
	ASSERT_EQ(0, mprotect(a + half, half, PROT_READ));
	EXPECT_EQ(1, vmas_in(a, self->m.len));
	munmap(p, half);
	EXPECT_EQ(self->lck, vm_lck());
}

TEST_F(kinds, M1_fork_child_has_no_future_lock)
{
	const char *why;
	struct mem m;
	pid_t pid;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (vm_lck())
			_exit(1);
		if (!mem_map_like(&m, &self->m, PAGES, PROT_READ | PROT_WRITE,
				  1, &why))
			_exit(2);
		if (mode_of(&m) != UNLOCKED || present(&m) || vm_lck())
			_exit(3);
		/* not the modifier of one either */
		if (sys_mlock(m.addr, m.len) || present(&m) != PAGES)
			_exit(4);
		_exit(mode_of(&m) == LOCKED ? 0 : 5);
	}
	EXPECT_EQ(0, wait_for(pid));
}

/*
 * M7: what /proc says
 */

TEST_F(kinds, M7_every_flag_in_vmflags_has_a_name)
{
	struct vma v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		ASSERT_EQ(0, set_mode(self->m.addr, self->m.len,
				      lock_modes[i]));
		ASSERT_TRUE(vma_at(self->m.addr, &v));
		EXPECT_TRUE(vma_has(&v, "lo"));
		EXPECT_FALSE(vma_has(&v, "??"))
			TH_LOG("%s: %s", mode_name[lock_modes[i]], v.flags);
	}
	ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_FALSE(vma_has(&v, "lo"));
	/* it has one from some kernel on, and goes with the lock */
	EXPECT_FALSE(vma_has(&v, "lf"));
	EXPECT_FALSE(vma_has(&v, "??"));
}

TEST_F(kinds, M7_locked_counts_pages_and_vmlck_counts_size)
{
	struct vma v;

	store_pages(self->m.addr, 2 * self->page, 1);
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(2), v.rss);
	EXPECT_EQ(0, v.locked);
	EXPECT_EQ(self->lck, vm_lck());

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(2), v.locked);
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());

	store_pages(self->m.addr, 5 * self->page, 1);
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(5), v.locked);
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());

	ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(5), v.rss);
	EXPECT_EQ(0, v.locked);
	EXPECT_EQ(self->lck, vm_lck());
}

/* Pages that two mappings share count half in each, locked or not */
TEST_F(shared, M7_locked_is_the_share_of_shared_pages)
{
	struct vma v;
	char *p;

	p = mremap(self->m.addr, 0, self->m.len, MREMAP_MAYMOVE);
	ASSERT_TRUE(p != MAP_FAILED);
	store_pages(p, 4 * self->page, 1);
	store_pages(self->m.addr, 4 * self->page, 1);
	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len, MLOCK_ONFAULT));
	ASSERT_TRUE(vma_at(self->m.addr, &v));
	EXPECT_EQ(page_kb(4), v.rss);
	EXPECT_EQ(page_kb(2), v.pss);
	EXPECT_EQ(page_kb(2), v.locked);
	ASSERT_TRUE(vma_at(p, &v));
	EXPECT_EQ(0, v.locked);
	munmap(p, self->m.len);
}

/*
 * Other calls that ask whether memory is locked, and get the same answer in
 * either mode
 */

TEST_F(kinds, I1_msync_invalidate_is_busy)
{
	char *a = self->m.addr;
	size_t len = self->m.len, i;
	long page = self->page;

	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		ASSERT_EQ(0, msync(a, len, MS_ASYNC | MS_INVALIDATE));
		ASSERT_EQ(0, set_mode(a, len, lock_modes[i]));
		EXPECT_EQ(EBUSY, errno_of(msync(a, len, MS_INVALIDATE)));
		EXPECT_EQ(EBUSY, errno_of(msync(a, len, MS_ASYNC |
						MS_INVALIDATE)));
		EXPECT_EQ(0, msync(a, len, MS_ASYNC));
		store_pages(a, page, 1);
		EXPECT_EQ(EBUSY, errno_of(msync(a, page, MS_INVALIDATE)));
		/* a part */
		ASSERT_EQ(0, sys_munlock(a, 4 * page));
		EXPECT_EQ(0, msync(a, 4 * page, MS_INVALIDATE));
		EXPECT_EQ(EBUSY, errno_of(msync(a, len, MS_INVALIDATE)));
		ASSERT_EQ(0, sys_munlock(a, len));
		EXPECT_EQ(0, msync(a, len, MS_INVALIDATE));
	}
}

TEST_F(kinds, I1_prot_none_is_locked_and_only_a_plain_lock_fails)
{
	char *a = self->m.addr;
	size_t len = self->m.len, i;
	/* what mprotect() copies ahead of time is private */
	long plain = kind_is_shared(variant->kind) ? 0 : PAGES;

	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		bool onfault = lock_modes[i] == ONFAULT;
		struct mem m;
		const char *why;

		ASSERT_TRUE(mem_map_like(&m, &self->m, PAGES, PROT_NONE, 1,
					 &why));
		a = m.addr;
		EXPECT_EQ(onfault ? 0 : ENOMEM,
			  errno_of(set_mode(a, len, lock_modes[i])));
		EXPECT_TRUE(is_locked(a));
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		EXPECT_EQ(0, present(&m));
		ASSERT_EQ(0, mprotect(a, len, PROT_READ | PROT_WRITE));
		EXPECT_EQ(onfault ? 0 : plain, present(&m));
		EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
		store_pages(a, self->page, 1);
		EXPECT_EQ(onfault ? 1 : plain ? plain : 1, present(&m));
		EXPECT_MODE(lock_modes[i], &m);
		mem_unmap(&m);
	}
}

TEST_F(kinds, I1_rw_none_rw_is_locked_as_a_whole)
{
	char *a = self->m.addr;
	long page = self->page, i;

	ASSERT_EQ(0, mprotect(a + 3 * page, 2 * page, PROT_NONE));
	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	for (i = 0; i < PAGES; i++) {
		EXPECT_TRUE(is_locked(a + i * page));
	}
	EXPECT_EQ(0, present(&self->m));
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());

	/* mlock() gives up in the middle, but the lock is there */
	ASSERT_EQ(0, sys_munlock(a, self->m.len));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock(a, self->m.len)));
	for (i = 0; i < PAGES; i++) {
		EXPECT_TRUE(is_locked(a + i * page));
	}
	EXPECT_EQ(3, present(&self->m));
}

TEST_F(kinds, I1_madvise_that_takes_pages_away_is_refused)
{
	static const int refused[] = {
		MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_REMOVE,
	};
	size_t i, k;

	store_pages(self->m.addr, 3 * self->page, 1);
	for (i = 0; i < ARRAY_SIZE(lock_modes); i++) {
		ASSERT_EQ(0, set_mode(self->m.addr, self->m.len,
				      lock_modes[i]));
		for (k = 0; k < ARRAY_SIZE(refused); k++) {
			EXPECT_EQ(EINVAL, errno_of(madvise(self->m.addr,
							   self->m.len,
							   refused[k])))
				TH_LOG("advice %d, %s", refused[k],
				       mode_name[lock_modes[i]]);
		}
		EXPECT_EQ(lock_modes[i] == LOCKED ? PAGES : 3,
			  present(&self->m));
		EXPECT_EQ(1, self->m.addr[0]);
		/* the next round starts with three pages again */
		ASSERT_EQ(0, sys_munlock(self->m.addr, self->m.len));
		ASSERT_EQ(0, madvise(self->m.addr, self->m.len,
				     MADV_DONTNEED));
		store_pages(self->m.addr, 3 * self->page, 1);
	}
}

TEST_F(kinds, I1_madvise_willneed_works_and_faults_in_nothing)
{
	char *a = self->m.addr;
	/* without swap, anonymous memory has nothing to need */
	int before = errno_of(madvise(a, self->m.len, MADV_WILLNEED));

	ASSERT_EQ(0, present(&self->m));
	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	EXPECT_EQ(before, errno_of(madvise(a, self->m.len, MADV_WILLNEED)));
	EXPECT_EQ(0, present(&self->m));
	EXPECT_MODE(ONFAULT, &self->m);
}

TEST_F(kinds, I1_madvise_dontneed_locked_drops_pages_and_keeps_the_lock)
{
	char *a = self->m.addr;
	struct vma v;

	if (madvise(a, self->m.len, MADV_DONTNEED_LOCKED))
		SKIP(return, "no MADV_DONTNEED_LOCKED (Linux 5.18 has it)");
	ASSERT_EQ(0, sys_mlock2(a, self->m.len, MLOCK_ONFAULT));
	store_pages(a, self->m.len, 1);
	ASSERT_EQ(0, madvise(a, 5 * self->page, MADV_DONTNEED_LOCKED));
	EXPECT_EQ(PAGES - 5, present(&self->m));
	EXPECT_EQ(self->lck + page_kb(PAGES), vm_lck());
	store_pages(a, self->page, 1);
	ASSERT_TRUE(vma_at(a, &v));
	EXPECT_EQ(page_kb(PAGES - 4), v.locked);
	EXPECT_MODE(ONFAULT, &self->m);
}

TEST_F(kinds, I1_madvise_dontneed_stops_where_the_lock_begins)
{
	char *a = self->m.addr;
	long page = self->page;

	store_pages(a, self->m.len, 1);
	ASSERT_EQ(0, sys_mlock2(a + 4 * page, 4 * page, MLOCK_ONFAULT));
	EXPECT_EQ(EINVAL, errno_of(madvise(a, self->m.len, MADV_DONTNEED)));
	EXPECT_EQ(0, pages_present(a, 4 * page));
	EXPECT_EQ(4, pages_present(a + 4 * page, 4 * page));
}

/*
 * I7: numbers.  They are written down here once more, as they are what C
 * libraries and programs have had for years.
 */

#if defined(__x86_64__) && defined(__ILP32__)
#define LINUX_NR_MLOCK2	(0x40000000 + 325)
#elif defined(__x86_64__)
#define LINUX_NR_MLOCK2	325
#elif defined(__i386__)
#define LINUX_NR_MLOCK2	376
#elif defined(__mips__) && _MIPS_SIM == _MIPS_SIM_ABI32
#define LINUX_NR_MLOCK2	4359
#elif defined(__mips__) && _MIPS_SIM == _MIPS_SIM_ABI64
#define LINUX_NR_MLOCK2	5319
#elif defined(__mips__) && _MIPS_SIM == _MIPS_SIM_NABI32
#define LINUX_NR_MLOCK2	6323
#elif defined(__s390x__)
#define LINUX_NR_MLOCK2	374
#elif defined(__powerpc__)
#define LINUX_NR_MLOCK2	378
#elif defined(__arm__)
#define LINUX_NR_MLOCK2	390
#elif defined(__aarch64__) || defined(__riscv) || defined(__loongarch__)
#define LINUX_NR_MLOCK2	284	/* asm-generic */
#endif

#if defined(__alpha__)
#define LINUX_MCL_ONFAULT	32768
#elif defined(__powerpc__) || defined(__sparc__)
#define LINUX_MCL_ONFAULT	0x8000
#else
#define LINUX_MCL_ONFAULT	4
#endif

TEST(I7_headers_have_number_and_flags)
{
	ASSERT_TRUE(HEADERS_HAVE_MLOCK2)
		TH_LOG("built with headers of a kernel without mlock2()");
	EXPECT_EQ(0x01, MLOCK_ONFAULT);
	EXPECT_EQ(LINUX_MCL_ONFAULT, MCL_ONFAULT);
	EXPECT_EQ(0, MCL_ONFAULT & (MCL_CURRENT | MCL_FUTURE));
}

TEST(I7_system_call_number_is_linux_s)
{
#if !HEADERS_HAVE_MLOCK2
	ASSERT_TRUE(HEADERS_HAVE_MLOCK2);
#elif !defined(LINUX_NR_MLOCK2)
	SKIP(return, "no number to compare with on this architecture");
#else
	EXPECT_EQ(LINUX_NR_MLOCK2, __NR_mlock2);
#endif
}

/* By its answers: what looks at flags before anything else is mlock2() */
TEST(I7_the_kernel_has_the_call_under_that_number)
{
	EXPECT_EQ(EINVAL, errno_of(sys_mlock2_raw(0, 0, 2)));
	EXPECT_EQ(0, errno_of(sys_mlock2_raw(0, 0, 0)));
	EXPECT_EQ(0, errno_of(sys_mlock2_raw(0, 0, MLOCK_ONFAULT)));
}

TEST_HARNESS_MAIN
