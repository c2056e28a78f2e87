// SPDX-License-Identifier: GPL-2.0
/*
 * RLIMIT_MEMLOCK and mappings that replace locked ones (defect D9): what
 * MAP_FIXED unmaps has been charged and makes room for what comes in its
 * place, for so many pages as are locked there and no more.  At the limit a
 * program can go on replacing what it has.
 *
 * All without CAP_IPC_LOCK, which knows no limit.
 */
#include "lock_on_fault.h"

#include "../kselftest_harness.h"

#define LIMIT	16	/* pages */

/* Where the lock of the new mapping comes from */
enum source {
	BY_MAP_LOCKED,
	BY_FUTURE,
	BY_FUTURE_ONFAULT,
};

static const struct { int future, flags; bool plain; } sources[] = {
	[BY_MAP_LOCKED]		= { 0, MAP_LOCKED, true },
	[BY_FUTURE]		= { MCL_FUTURE, 0, true },
	[BY_FUTURE_ONFAULT]	= { MCL_FUTURE | MCL_ONFAULT, 0, false },
};

FIXTURE(replace) {
	/* twice the limit, with room for as much behind */
	struct mem m;
	long page, limit;
};

FIXTURE_VARIANT(replace) {
	enum mem_kind kind;
	enum source source;
};

FIXTURE_VARIANT_ADD(replace, anon_private_map_locked) {
	.kind = ANON_PRIVATE, .source = BY_MAP_LOCKED,
};

FIXTURE_VARIANT_ADD(replace, anon_private_future) {
	.kind = ANON_PRIVATE, .source = BY_FUTURE,
};

FIXTURE_VARIANT_ADD(replace, anon_private_future_onfault) {
	.kind = ANON_PRIVATE, .source = BY_FUTURE_ONFAULT,
};

FIXTURE_VARIANT_ADD(replace, anon_shared_map_locked) {
	.kind = ANON_SHARED, .source = BY_MAP_LOCKED,
};

FIXTURE_VARIANT_ADD(replace, anon_shared_future) {
	.kind = ANON_SHARED, .source = BY_FUTURE,
};

FIXTURE_VARIANT_ADD(replace, anon_shared_future_onfault) {
	.kind = ANON_SHARED, .source = BY_FUTURE_ONFAULT,
};

FIXTURE_VARIANT_ADD(replace, file_shared_map_locked) {
	.kind = FILE_SHARED, .source = BY_MAP_LOCKED,
};

FIXTURE_VARIANT_ADD(replace, file_shared_future) {
	.kind = FILE_SHARED, .source = BY_FUTURE,
};

FIXTURE_VARIANT_ADD(replace, file_shared_future_onfault) {
	.kind = FILE_SHARED, .source = BY_FUTURE_ONFAULT,
};

FIXTURE_VARIANT_ADD(replace, file_private_map_locked) {
	.kind = FILE_PRIVATE, .source = BY_MAP_LOCKED,
};

FIXTURE_VARIANT_ADD(replace, file_private_future) {
	.kind = FILE_PRIVATE, .source = BY_FUTURE,
};

FIXTURE_VARIANT_ADD(replace, file_private_future_onfault) {
	.kind = FILE_PRIVATE, .source = BY_FUTURE_ONFAULT,
};

FIXTURE_SETUP(replace)
{
	const char *why;

	self->page = page_size();
	self->limit = LIMIT * self->page;
	if (!mem_map_room(&self->m, variant->kind, 2 * LIMIT,
			  PROT_READ | PROT_WRITE, 2 * LIMIT, &why))
		SKIP_SETUP("%s", why);
	set_memlock(RLIM_INFINITY);
	if (!set_memlock(self->limit))
		SKIP_SETUP("RLIMIT_MEMLOCK is low and cannot be raised");
	ASSERT_TRUE(drop_privilege());
	ASSERT_EQ(0, vm_lck());
}

FIXTURE_TEARDOWN(replace)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

/* Lock some pages, in the mode that the new mapping is not going to have */
static int lock_pages(FIXTURE_DATA(replace) *self, enum source source,
		      long from, long pages)
{
	return sys_mlock2(self->m.addr + from * self->page, pages * self->page,
			  sources[source].plain ? MLOCK_ONFAULT : 0);
}

/* 0 or the error of mapping the same kind anew over some pages */
static int map_over(FIXTURE_DATA(replace) *self, enum source source,
		    long from, long pages)
{
	char *at = self->m.addr + from * self->page, *p;
	int ret = 0;

	if (sources[source].future && sys_mlockall(sources[source].future))
		return errno;
	p = mmap(at, pages * self->page, PROT_READ | PROT_WRITE,
		 mem_map_flags(self->m.kind) | MAP_FIXED |
		 sources[source].flags, self->m.fd, from * self->page);
	if (p != at)
		ret = p == MAP_FAILED ? errno : -1;
	return ret;
}

TEST_F(replace, D9_all_that_is_locked_can_be_replaced)
{
	char *a = self->m.addr;
	int times;

	ASSERT_EQ(0, lock_pages(self, variant->source, 0, LIMIT));
	ASSERT_EQ(page_kb(LIMIT), vm_lck());
	for (times = 0; times < 3; times++) {
		EXPECT_EQ(0, map_over(self, variant->source, 0, LIMIT));
		EXPECT_EQ(page_kb(LIMIT), vm_lck());
		EXPECT_TRUE(is_locked(a));
		EXPECT_FALSE(is_locked(a + self->limit));
	}
	/* it is a new mapping, in the new mode */
	EXPECT_EQ(sources[variant->source].plain ? LIMIT : 0,
		  pages_present(a, self->limit));
}

TEST_F(replace, D9_a_part_counts_as_what_it_is)
{
	char *a = self->m.addr;

	/* 12 of 16: of the 8 from page 8 on 4 are locked, and 4 are free */
	ASSERT_EQ(0, lock_pages(self, variant->source, 0, LIMIT - 4));
	store_pages(a, self->m.len, 'x');
	/* one too many: nothing has happened to what is there */
	EXPECT_EQ(EAGAIN, map_over(self, variant->source, 8, 9));
	EXPECT_EQ('x', a[8 * self->page]);
	EXPECT_EQ(2 * LIMIT, pages_present(a, self->m.len));
	EXPECT_EQ(page_kb(LIMIT - 4), vm_lck());
	EXPECT_EQ(2, vmas_in(a, self->m.len));

	EXPECT_EQ(0, map_over(self, variant->source, 8, 8));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	EXPECT_TRUE(is_locked(a + 15 * self->page));
	EXPECT_FALSE(is_locked(a + 16 * self->page));
}

/*
 * Can a new mapping start at any page?  Where caches have aliases, shared
 * memory starts at some pages only.  Tried in the room behind.
 */
static bool starts_anywhere(FIXTURE_DATA(replace) *self)
{
	long at = (2 * LIMIT + 1) * self->page;

	return mmap(self->m.addr + at, self->page, PROT_READ,
		    mem_map_flags(self->m.kind) | MAP_FIXED, self->m.fd,
		    at) != MAP_FAILED;
}

/* What is not locked, and what is not there, makes no room */
TEST_F(replace, D9_only_locked_pages_make_room)
{
	char *a = self->m.addr;

	if (!starts_anywhere(self))
		SKIP(return, "shared memory does not start at every page here");

	/* [4 locked][4 not][2 nothing][4 locked][2 not], and 8 elsewhere */
	ASSERT_EQ(0, lock_pages(self, variant->source, 0, 4));
	ASSERT_EQ(0, lock_pages(self, variant->source, 10, 4));
	ASSERT_EQ(0, lock_pages(self, variant->source, 20, 8));
	ASSERT_EQ(0, munmap(a + 8 * self->page, 2 * self->page));

	EXPECT_EQ(EAGAIN, map_over(self, variant->source, 0, 9));
	EXPECT_EQ(EAGAIN, map_over(self, variant->source, 1, 16));
	EXPECT_EQ(EAGAIN, map_over(self, variant->source, 4, 5));
	EXPECT_EQ(EAGAIN, map_over(self, variant->source, 8, 2));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());

	/* from within a locked mapping to within another one */
	EXPECT_EQ(0, map_over(self, variant->source, 10, 4));
	EXPECT_EQ(0, map_over(self, variant->source, 11, 2));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	/* two fewer elsewhere, and there is room for two more */
	ASSERT_EQ(0, sys_munlock(a + 20 * self->page, 2 * self->page));
	EXPECT_EQ(EAGAIN, map_over(self, variant->source, 7, 4));
	EXPECT_EQ(0, map_over(self, variant->source, 8, 3));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

/* Where nothing may be in the way there is nothing to count */
TEST_F(replace, D9_elsewhere_nothing_makes_room)
{
	const enum source source = variant->source;
	char *a = self->m.addr, *p;

	ASSERT_EQ(0, lock_pages(self, source, 0, LIMIT));
	if (sources[source].future) {
		ASSERT_EQ(0, sys_mlockall(sources[source].future));
	}
	/* an address that is taken is but a hint */
	p = mmap(a, self->page, PROT_READ | PROT_WRITE,
		 mem_map_flags(self->m.kind) | sources[source].flags,
		 self->m.fd, 0);
	EXPECT_TRUE(p == MAP_FAILED && errno == EAGAIN);
	/* in the room behind */
	EXPECT_EQ(EAGAIN, map_over(self, source, 2 * LIMIT, 1));
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
}

/*
 * System V shared memory can be mapped over something, too, and has its lock
 * from mlockall() only
 */
FIXTURE(segment) {
	struct mem m;
	long page, limit;
};

FIXTURE_VARIANT(segment) {
	enum mem_kind kind;
	enum source source;
};

FIXTURE_VARIANT_ADD(segment, future) {
	.kind = ANON_SHARED, .source = BY_FUTURE,
};

FIXTURE_VARIANT_ADD(segment, future_onfault) {
	.kind = ANON_SHARED, .source = BY_FUTURE_ONFAULT,
};

FIXTURE_SETUP(segment)
{
	replace_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(segment)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

TEST_F(segment, D9_shmat_remap)
{
	char *a = self->m.addr;
	int id, ret;

	id = shmget(IPC_PRIVATE, 4 * self->page, IPC_CREAT | 0600);
	if (id < 0)
		SKIP(return, "shmget(): errno %d", errno);
	ret = lock_pages((void *)self, variant->source, 0, LIMIT);
	ret = ret ? -1 : sys_mlockall(sources[variant->source].future);
	if (!ret) {
		EXPECT_TRUE(shmat(id, a, SHM_REMAP) == a)
			TH_LOG("errno %d", errno);
		EXPECT_EQ(page_kb(LIMIT), vm_lck());
		/* the last one of two pages of the four is not locked */
		EXPECT_EQ(-1, (long)shmat(id, a + (LIMIT - 2) * self->page,
					  SHM_REMAP));
		EXPECT_EQ(page_kb(LIMIT), vm_lck());
	}
	shmctl(id, IPC_RMID, NULL);
	ASSERT_EQ(0, ret);
}

/*
 * remap_file_pages() maps over a part of what is locked, as much as there is
 */
FIXTURE(shared) {
	struct mem m;
};

FIXTURE_VARIANT(shared) { enum mem_kind kind; bool onfault; };
FIXTURE_VARIANT_ADD(shared, anon) { .kind = ANON_SHARED, .onfault = false, };
FIXTURE_VARIANT_ADD(shared, anon_onfault) {
	.kind = ANON_SHARED, .onfault = true,
};
FIXTURE_VARIANT_ADD(shared, file) { .kind = FILE_SHARED, .onfault = false, };
FIXTURE_VARIANT_ADD(shared, file_onfault) {
	.kind = FILE_SHARED, .onfault = true,
};

FIXTURE_SETUP(shared)
{
	const char *why;

	if (!mem_map(&self->m, variant->kind, LIMIT, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
	set_memlock(RLIM_INFINITY);
	if (!set_memlock(self->m.len))
		SKIP_SETUP("RLIMIT_MEMLOCK is low and cannot be raised");
	ASSERT_TRUE(drop_privilege());
}

FIXTURE_TEARDOWN(shared)
{
	mem_unmap(&self->m);
}

TEST_F(shared, D9_remap_file_pages)
{
	size_t part = LIMIT / 4 * page_size();

	ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len,
				variant->onfault ? MLOCK_ONFAULT : 0));
	EXPECT_EQ(0, syscall(__NR_remap_file_pages, self->m.addr + part, part,
			     0, 0, 0)) TH_LOG("errno %d", errno);
	EXPECT_EQ(page_kb(LIMIT), vm_lck());
	store_pages(self->m.addr, page_size(), 'x');
	EXPECT_EQ('x', self->m.addr[part]);
}

TEST_HARNESS_MAIN
