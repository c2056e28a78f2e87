// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault and mappings: nothing that makes, grows, moves or changes one
 * faults pages in on the lock's behalf (M3, M8), what the program asks for
 * itself is done (D6), everything that deals with a lock deals with both its
 * flags (M6), and mappings merge when their locks agree, only then (M9).
 */
#include "lock_on_fault_mm.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <linux/userfaultfd.h>

#include "../kselftest_harness.h"

#define PAGES		12
/* A part that is not at the edge, as long as what is before and behind it */
#define PART		(PAGES / 3)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

/* pagemap: the page is of a file or shared memory, so it is nobody's copy */
#define PM_FILE		(1ULL << 61)

static char *nth_page(const struct mem *m, size_t n)
{
	return m->addr + n * page_size();
}

static int lock(const struct mem *m)
{
	return sys_mlock2(m->addr, m->len, MLOCK_ONFAULT);
}

static long kb(size_t bytes)
{
	return bytes / 1024;
}

/*
 * Does an unlocked mapping have no lock flag at all left?  smaps does not
 * print the mode, but a new mapping next to it merges only if all flags are
 * the same.  The memory must not have been written to if it is private.
 */
static bool merges_with_new(const struct mem *m)
{
	char *p = m->addr + m->len;

	if (mmap(p, m->room, PROT_READ | PROT_WRITE,
		 mem_map_flags(m->kind) | MAP_FIXED, m->fd, m->len) != p)
		return false;
	madvise(p, m->room, MADV_NOHUGEPAGE);
	return vmas_in(m->addr, m->len + m->room) == 1;
}

FIXTURE(kinds) {
	struct mem m;
};

MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	const char *why;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	/* room to grow in place, as much as there is */
	if (!mem_map_room(&self->m, variant->kind, PAGES,
			  PROT_READ | PROT_WRITE, PAGES, &why))
		SKIP_SETUP("%s", why);
	ASSERT_EQ(0, vm_lck());
	ASSERT_EQ(0, pages_present(self->m.addr, self->m.len));
}

FIXTURE_TEARDOWN(kinds)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

/*
 * M3: calls that lock, or map what is locked
 */
TEST_F(kinds, M3_mlock2)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	EXPECT_EQ(kb(m->len), vm_lck());
}

TEST_F(kinds, M3_mlockall_current)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_ONFAULT));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
}

TEST_F(kinds, M3_mlockall_current_and_future)
{
	struct mem *m = &self->m;
	char *p;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	p = mem_map_more(m, m->len, PROT_READ | PROT_WRITE, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(0, pages_present(p, m->len));
	EXPECT_TRUE(is_locked(p));
}

/* All forms of mmap(); none asks for pages, MAP_LOCKED is the lock's wish */
TEST_F(kinds, M3_mmap_future)
{
	static const struct {
		int prot, flags;
	} forms[] = {
		{ PROT_READ | PROT_WRITE, 0 },
		{ PROT_READ, 0 },
		{ PROT_NONE, 0 },
		{ PROT_READ | PROT_WRITE, MAP_LOCKED },
		{ PROT_READ | PROT_WRITE, MAP_NORESERVE },
		{ PROT_READ | PROT_WRITE, MAP_POPULATE | MAP_NONBLOCK },
		{ PROT_READ | PROT_WRITE, MAP_LOCKED | MAP_NONBLOCK },
	};
	struct mem *m = &self->m;
	size_t i;
	char *p;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		/* over what is there, so that it has no neighbour to merge with */
		p = mmap(m->addr, m->len, forms[i].prot,
			 mem_map_flags(m->kind) | MAP_FIXED | forms[i].flags,
			 m->fd, 0);
		ASSERT_TRUE(p == m->addr);
		EXPECT_TRUE(locked_with(m->addr, m->len, 0))
			TH_LOG("form %zu", i);
		/* what was replaced was locked from the second time on */
		EXPECT_EQ(kb(m->len), vm_lck());
	}
	/* what was mapped earlier is none of MCL_FUTURE's business */
	EXPECT_FALSE(is_locked(m->addr - page_size()));
}

/*
 * M3, D6: the program itself asks for pages, in so many words
 */
TEST_F(kinds, M3_D6_map_populate)
{
	static const int forms[] = {
		MAP_POPULATE,
		MAP_POPULATE | MAP_LOCKED,
	};
	struct mem *m = &self->m;
	size_t i;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		/*
		 * A page of the last form may wait in another CPU's batch to
		 * be unlocked, and would be after this form has locked it.
		 */
		if (i && !munmap(m->addr, m->len))
			drain_all_cpus();
		ASSERT_TRUE(mmap(m->addr, m->len, PROT_READ | PROT_WRITE,
				 mem_map_flags(m->kind) | MAP_FIXED | forms[i],
				 m->fd, 0) == m->addr);
		EXPECT_TRUE(locked_with(m->addr, m->len, PAGES))
			TH_LOG("form %zu", i);
	}
}

TEST_F(kinds, M3_madv_populate_write)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	if (madvise(m->addr, m->len / 2, MADV_POPULATE_WRITE))
		SKIP(return, "MADV_POPULATE_WRITE: errno %d", errno);
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES / 2));
}

TEST_F(kinds, M3_madv_populate_read)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	if (madvise(m->addr, m->len, MADV_POPULATE_READ))
		SKIP(return, "MADV_POPULATE_READ: errno %d", errno);
	if (variant->kind == ANON_PRIVATE) {
		/* the zero page, which is never locked */
		EXPECT_EQ(PAGES, pages_present(m->addr, m->len));
	} else {
		EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	}
}

/*
 * M3: mremap()
 */
TEST_F(kinds, M3_mremap_grows_in_place)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, page_size(), 'x');
	ASSERT_TRUE(mremap(m->addr, m->len, m->len + m->room, 0) == m->addr);
	EXPECT_TRUE(locked_with(m->addr, m->len + m->room, 1));
	EXPECT_EQ(kb(m->len + m->room), vm_lck());
	/* the new part is as locked as the old one */
	store_pages(m->addr + m->len, page_size(), 'x');
	EXPECT_TRUE(locked_with(m->addr, m->len + m->room, 2));
}

TEST_F(kinds, M3_mremap_grows_and_moves)
{
	struct mem *m = &self->m;
	size_t len = m->len + m->room;
	char *p;

	/* one page more than fits in place */
	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, page_size(), 'x');
	p = mremap(m->addr, m->len, len + page_size(), MREMAP_MAYMOVE);
	ASSERT_TRUE(p != MAP_FAILED);
	ASSERT_TRUE(p != m->addr);
	EXPECT_TRUE(locked_with(p, len + page_size(), 1));
	EXPECT_EQ(kb(len + page_size()), vm_lck());
	EXPECT_EQ(0, munmap(p, len + page_size()));
	EXPECT_EQ(0, vm_lck());
}

/* What is in the way is unmapped first, and its charge given back */
TEST_F(kinds, M3_mremap_fixed)
{
	struct mem *m = &self->m;
	size_t len = m->len + m->room;
	const char *why;
	struct mem to;

	ASSERT_TRUE(mem_map(&to, ANON_PRIVATE, PAGES * 2, PROT_READ | PROT_WRITE,
			    &why)) TH_LOG("%s", why);
	ASSERT_EQ(0, sys_mlock(to.addr, to.len));
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(kb(m->len + to.len), vm_lck());
	store_pages(m->addr, page_size(), 'x');
	ASSERT_TRUE(mremap(m->addr, m->len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			   to.addr) == to.addr);
	EXPECT_TRUE(locked_with(to.addr, len, 1));
	EXPECT_EQ(kb(len), vm_lck());
	mem_unmap(&to);
	EXPECT_EQ(0, vm_lck());
}

TEST_F(kinds, M3_mremap_shrinks)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, m->len, 'x');
	ASSERT_TRUE(mremap(m->addr, m->len, m->len / 2, 0) == m->addr);
	EXPECT_TRUE(locked_with(m->addr, m->len / 2, PAGES / 2));
	EXPECT_EQ(kb(m->len / 2), vm_lck());
}

/* A second mapping of the same pages; locked in the same mode, and empty */
TEST_F(kinds, M3_mremap_alias)
{
	struct mem *m = &self->m;
	char *p;

	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, m->len, 'x');
	p = mremap(m->addr, 0, m->len, MREMAP_MAYMOVE);
	if (!kind_is_shared(variant->kind)) {
		EXPECT_TRUE(p == MAP_FAILED);
		return;
	}
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(0, pages_present(p, m->len));
	EXPECT_TRUE(is_locked(p));
	EXPECT_EQ(kb(2 * m->len), vm_lck());
	/*
	 * A page that is locked twice stays locked when one lock goes.  That
	 * a page has two is counted only once it is on the unevictable list.
	 */
	drain_all_cpus();
	EXPECT_EQ('x', *p);
	drain_all_cpus();
	EXPECT_EQ(0, munmap(p, m->len));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	EXPECT_EQ(kb(m->len), vm_lck());
}

/* The lock moves along with the pages and leaves nothing behind, see D8 */
TEST_F(kinds, M3_M6_mremap_dontunmap)
{
	struct mem *m = &self->m;
	char *p;

	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, 2 * page_size(), 'x');
	p = mremap(m->addr, m->len, m->len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
		   NULL);
	if (p == MAP_FAILED)
		SKIP(return, "MREMAP_DONTUNMAP: errno %d", errno);
	EXPECT_TRUE(locked_with(p, m->len, 2));
	EXPECT_FALSE(is_locked(m->addr));
	EXPECT_EQ(0, pages_present(m->addr, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());
	/* to lock what was left behind is a new lock */
	EXPECT_EQ(0, lock(m));
	EXPECT_EQ(kb(2 * m->len), vm_lck());
	EXPECT_EQ(0, munmap(p, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());
}

TEST_F(kinds, M3_M6_D8_mremap_dontunmap_part)
{
	struct mem *m = &self->m;
	size_t part = PART * page_size();
	char *p;

	ASSERT_EQ(0, lock(m));
	p = mremap(nth_page(m, PART), part, part,
		   MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (p == MAP_FAILED)
		SKIP(return, "MREMAP_DONTUNMAP: errno %d", errno);
	EXPECT_TRUE(is_locked(p));
	EXPECT_EQ(0, pages_present(p, part));
	EXPECT_TRUE(is_locked(m->addr));
	EXPECT_FALSE(is_locked(nth_page(m, PART)));
	EXPECT_TRUE(is_locked(nth_page(m, 2 * PART)));
	EXPECT_EQ(3, vmas_in(m->addr, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());

	/*
	 * The part has no lock flag at all: when its neighbours have none
	 * either they are one mapping again.  Nobody unlocks the part.
	 */
	EXPECT_EQ(0, sys_munlock(m->addr, part));
	EXPECT_EQ(0, sys_munlock(nth_page(m, 2 * PART), part));
	EXPECT_EQ(1, vmas_in(m->addr, m->len));
	EXPECT_EQ(kb(part), vm_lck());
	EXPECT_EQ(0, munmap(p, part));
	EXPECT_EQ(0, vm_lck());
}

/* MCL_FUTURE is about new mappings; one that grows keeps what it has */
TEST_F(kinds, M3_older_than_mcl_future)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_TRUE(mremap(m->addr, m->len, m->len + m->room, 0) == m->addr);
	EXPECT_FALSE(is_locked(m->addr));
	EXPECT_EQ(1, vmas_in(m->addr, m->len + m->room));
	EXPECT_EQ(0, pages_present(m->addr, m->len + m->room));
	EXPECT_EQ(0, vm_lck());
}

/*
 * M8: mprotect().  A plain lock makes copies of what becomes writable.
 */
TEST_F(kinds, M8_mprotect_to_write)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ));
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	/* on a part of it */
	ASSERT_EQ(0, mprotect(nth_page(m, PART), PART * page_size(), PROT_READ));
	ASSERT_EQ(0, mprotect(nth_page(m, PART), PART * page_size(),
			      PROT_READ | PROT_WRITE));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
}

TEST_F(kinds, M8_mprotect_copies_nothing)
{
	struct mem *m = &self->m;
	long copies;

	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ));
	touch_read(m->addr, m->len);
	ASSERT_EQ(PAGES, pages_present(m->addr, m->len));
	copies = PAGES - pages_with(m->addr, m->len, PM_FILE);
	/* the zero page counts as one's own here */
	ASSERT_EQ(variant->kind == ANON_PRIVATE ? PAGES : 0, copies);
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(PAGES, pages_present(m->addr, m->len));
	EXPECT_EQ(PAGES - copies, pages_with(m->addr, m->len, PM_FILE));
	if (variant->kind == ANON_PRIVATE) {
		struct vma v;

		/* nor has the zero page become memory of ours */
		ASSERT_TRUE(vma_at(m->addr, &v));
		EXPECT_EQ(0, v.rss);
	}
}

/*
 * M6: fork().  The child has no lock, in no mode, and will not get one.
 */
TEST_F(kinds, M6_fork)
{
	struct mem *m = &self->m;
	pid_t pid;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_EQ(0, lock(m));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		char *p;

		if (vm_lck() || is_locked(m->addr))
			_exit(1);
		p = mem_map_more(m, m->len, PROT_READ | PROT_WRITE, 0);
		if (p == MAP_FAILED || is_locked(p) || vm_lck())
			_exit(2);
		/* each shared anonymous mapping is alone with its file */
		if (m->kind != ANON_SHARED && !merges_with_new(m))
			_exit(3);
		store_pages(m->addr, m->len, 'c');
		if (vm_lck() || is_locked(m->addr))
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
}

/*
 * M9: mappings merge if their locks agree.
 */

/*
 * Parts of a private mapping that were first written to after it was split
 * never merge again, locks or no locks: write before.
 */
static void have_anon_vma(const struct mem *m)
{
	store_pages(m->addr, page_size(), 'a');
}

TEST_F(kinds, M9_modes_do_not_merge)
{
	struct mem *m = &self->m;
	size_t part = PART * page_size();

	have_anon_vma(m);
	ASSERT_EQ(1, vmas_in(m->addr, m->len));
	ASSERT_EQ(0, sys_mlock2(m->addr, part, MLOCK_ONFAULT));
	EXPECT_EQ(2, vmas_in(m->addr, m->len));
	ASSERT_EQ(0, sys_mlock(nth_page(m, PART), part));
	/* on fault, plain, none */
	EXPECT_EQ(3, vmas_in(m->addr, m->len));
	EXPECT_EQ(kb(2 * part), vm_lck());
	ASSERT_EQ(0, sys_mlock2(nth_page(m, 2 * PART), part, MLOCK_ONFAULT));
	EXPECT_EQ(3, vmas_in(m->addr, m->len));
	ASSERT_EQ(0, sys_mlock2(nth_page(m, PART), part, MLOCK_ONFAULT));
	EXPECT_EQ(1, vmas_in(m->addr, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());
	/* the plain lock's pages are what there is, and the first one */
	EXPECT_TRUE(locked_with(m->addr, m->len, PART + 1));
}

TEST_F(kinds, M9_part_unlocked)
{
	struct mem *m = &self->m;
	size_t part = PART * page_size();

	have_anon_vma(m);
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, sys_munlock(nth_page(m, PART), part));
	EXPECT_EQ(3, vmas_in(m->addr, m->len));
	EXPECT_EQ(kb(2 * part), vm_lck());
	EXPECT_FALSE(is_locked(nth_page(m, PART)));
	store_pages(m->addr, m->len, 'x');
	EXPECT_TRUE(locked_with(m->addr, part, PART));
	EXPECT_TRUE(locked_with(nth_page(m, 2 * PART), part, PART));
	ASSERT_EQ(0, lock(m));
	EXPECT_EQ(1, vmas_in(m->addr, m->len));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	ASSERT_EQ(0, sys_munlock(m->addr, part));
	ASSERT_EQ(0, sys_munlock(nth_page(m, 2 * PART), part));
	ASSERT_EQ(0, sys_munlock(nth_page(m, PART), part));
	/* M1: neither flag is left, or these would not be one */
	EXPECT_EQ(1, vmas_in(m->addr, m->len));
	EXPECT_EQ(0, vm_lck());
}

/* Two mappings, because of the modes: mremap() takes one at a time */
TEST_F(kinds, M9_mremap_across_modes)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, sys_mlock(m->addr, m->len / 2));
	ASSERT_EQ(0, sys_mlock2(m->addr + m->len / 2, m->len / 2,
				MLOCK_ONFAULT));
	EXPECT_EQ(EFAULT, errno_of((long)mremap(m->addr, m->len,
						m->len + page_size(),
						MREMAP_MAYMOVE)));
	EXPECT_EQ(PAGES / 2, pages_present(m->addr, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());
}

/*
 * Memory that can have a new neighbour to merge with: all but shared anonymous
 * memory, of which each mapping is to the kernel a file of its own.
 */
FIXTURE(mergeable) {
	struct mem m;
};

FIXTURE_VARIANT(mergeable) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(mergeable, anon_private) { .kind = ANON_PRIVATE, };
FIXTURE_VARIANT_ADD(mergeable, file_shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(mergeable, file_private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(mergeable)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(mergeable)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

TEST_F(mergeable, M9_unlocked_is_as_new)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, sys_munlock(m->addr, m->len));
	EXPECT_TRUE(merges_with_new(m));
}

TEST_F(mergeable, M9_munlockall_is_as_new)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
	ASSERT_EQ(0, sys_munlockall());
	EXPECT_EQ(0, vm_lck());
	EXPECT_TRUE(merges_with_new(m));
}

TEST_F(mergeable, M9_new_merges_with_same_mode)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	EXPECT_TRUE(merges_with_new(m));
	EXPECT_EQ(0, pages_present(m->addr, m->len + m->room));
	EXPECT_EQ(kb(m->len + m->room), vm_lck());
}

TEST_F(mergeable, M9_new_keeps_off_other_mode)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, sys_mlock(m->addr, m->len));
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	EXPECT_FALSE(merges_with_new(m));
	EXPECT_EQ(0, pages_present(m->addr + m->len, m->room));
	EXPECT_EQ(kb(m->len + m->room), vm_lck());
}

/*
 * Shared memory: remap_file_pages() puts a new mapping in the place of a part
 */
FIXTURE(shared) {
	struct mem m;
};

FIXTURE_VARIANT(shared) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(shared, anon_shared) { .kind = ANON_SHARED, };
FIXTURE_VARIANT_ADD(shared, file_shared) { .kind = FILE_SHARED, };

FIXTURE_SETUP(shared)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
	/* a neighbour's flag more than that one has would be a difference */
	ASSERT_TRUE(mmap(self->m.addr, self->m.len, PROT_READ | PROT_WRITE,
			 mem_map_flags(self->m.kind) | MAP_FIXED, self->m.fd,
			 0) == self->m.addr);
}

FIXTURE_TEARDOWN(shared)
{
	sys_munlockall();
	mem_unmap(&self->m);
}

/* The part that begins at page PART, made to show other pages, or its own */
static int remap_part(const struct mem *m, size_t pgoff)
{
	return remap_file_pages(nth_page(m, PART), PART * page_size(), 0, pgoff,
				0);
}

TEST_F(shared, M3_D7_remap_file_pages)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, remap_part(m, 0));
	EXPECT_EQ(3, vmas_in(m->addr, m->len));
	EXPECT_EQ(0, pages_present(m->addr, m->len));
	EXPECT_TRUE(is_locked(nth_page(m, PART)));
	EXPECT_EQ(kb(m->len), vm_lck());
	/* locked, and seeing the other pages */
	store_pages(m->addr, page_size(), 'x');
	EXPECT_EQ('x', *nth_page(m, PART));
	/* back in its place it is part of the whole: the mode has not changed */
	ASSERT_EQ(0, remap_part(m, PART));
	EXPECT_EQ(1, vmas_in(m->addr, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
}

/* Nor does it take the mode that new mappings have */
TEST_F(shared, M3_D7_remap_file_pages_of_plain)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, sys_mlock(m->addr, m->len));
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_EQ(0, remap_part(m, 0));
	EXPECT_EQ(PAGES, pages_present(m->addr, m->len));
	EXPECT_EQ(kb(m->len), vm_lck());
	ASSERT_EQ(0, remap_part(m, PART));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	EXPECT_EQ(kb(m->len), vm_lck());
	/* and the mode of new mappings is what it was */
	EXPECT_FALSE(merges_with_new(m));
	EXPECT_EQ(0, pages_present(m->addr + m->len, m->room));
	EXPECT_TRUE(is_locked(m->addr + m->len));
}

/* With no lock about it goes on to fault pages in, as it always did */
TEST_F(shared, D7_remap_file_pages_unlocked)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, remap_part(m, 0));
	EXPECT_EQ(PART, pages_present(m->addr, m->len));
	EXPECT_EQ(0, vm_lck());
}

/*
 * What is no kind of memory, but a way to get some
 */
FIXTURE(process) {
};

FIXTURE_SETUP(process)
{
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
}

FIXTURE_TEARDOWN(process)
{
	sys_munlockall();
}

TEST_F(process, M3_brk)
{
	size_t len = PAGES * page_size();
	char *old = (char *)syscall(__NR_brk, 0), *p;
	long charged;

	p = (char *)(((unsigned long)old + page_size() - 1) & -page_size());
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	charged = vm_lck();
	/* not through libc, which would go on to use it */
	ASSERT_TRUE((char *)syscall(__NR_brk, p + len) == p + len);
	EXPECT_EQ(0, pages_present(p, len));
	EXPECT_TRUE(is_locked(p));
	EXPECT_EQ(charged + kb(len), vm_lck());
	store_pages(p + page_size(), page_size(), 'x');
	EXPECT_EQ(1, pages_present(p, len));
	EXPECT_TRUE((char *)syscall(__NR_brk, old) == old);
	EXPECT_EQ(charged, vm_lck());
}

TEST_F(process, M3_shmat)
{
	size_t len = PAGES * page_size();
	char *p;
	int id;

	id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
	if (id < 0)
		SKIP(return, "shmget(): errno %d", errno);
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	p = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	ASSERT_TRUE(p != (void *)-1);
	EXPECT_TRUE(locked_with(p, len, 0));
	EXPECT_EQ(kb(len), vm_lck());
	store_pages(p, page_size(), 'x');
	EXPECT_TRUE(locked_with(p, len, 1));
	EXPECT_EQ(0, shmdt(p));
	EXPECT_EQ(0, vm_lck());
}

TEST_F(process, M3_map_stack)
{
	size_t len = PAGES * page_size();
	char *p;

	/* what thread libraries do */
	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	EXPECT_EQ(0, pages_present(p, len));
	EXPECT_TRUE(is_locked(p));
	EXPECT_EQ(kb(len), vm_lck());
	EXPECT_EQ(0, munmap(p, len));
}

/* A touch below a mapping that grows down: it grows, and is not filled up */
TEST_F(process, M3_map_growsdown)
{
	size_t page = page_size(), below = PAGES * page;
	/* the kernel keeps a gap between a stack and what is below it */
	size_t room = 1024 * page;
	char *base, *p;
	struct vma v;

	base = mmap(NULL, room + page, PROT_NONE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(base != MAP_FAILED);
	ASSERT_EQ(0, munmap(base, room));
	p = mmap(base + room - page, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1,
		 0);
	ASSERT_TRUE(p == base + room - page);
	ASSERT_EQ(0, sys_mlock2(p, page, MLOCK_ONFAULT));
	store_pages(p - below, page, 'x');
	ASSERT_TRUE(vma_at(p, &v));
	ASSERT_EQ((unsigned long)p - below, v.start);
	EXPECT_TRUE(locked_with(p - below, below + page, 1));
	EXPECT_EQ(kb(below + page), vm_lck());
	EXPECT_EQ(0, munmap(p - below, below + 2 * page));
	EXPECT_EQ(0, vm_lck());
}

/* That of the process itself; far enough below what is in use */
TEST_F(process, M3_stack_growth)
{
	size_t below = 64 * page_size();
	volatile char here = 0;
	struct vma v, grown;
	long charged;
	char *low;

	ASSERT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_ONFAULT));
	ASSERT_TRUE(vma_at((const char *)&here, &v));
	ASSERT_TRUE(vma_has(&v, "gd"));
	charged = vm_lck();
	low = (char *)v.start - below;
	*(volatile char *)low = 1;
	ASSERT_TRUE(vma_at((const char *)&here, &grown));
	ASSERT_EQ((unsigned long)low, grown.start);
	EXPECT_TRUE(vma_has(&grown, "lo"));
	EXPECT_EQ(1, pages_present(low, below));
	EXPECT_EQ(charged + kb(below), vm_lck());
}

/* It is older than any MCL_FUTURE, and grows unlocked */
TEST_F(process, M3_stack_growth_future)
{
	size_t below = 64 * page_size();
	volatile char here = 0;
	struct vma v;
	char *low;

	ASSERT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	ASSERT_TRUE(vma_at((const char *)&here, &v));
	low = (char *)v.start - below;
	*(volatile char *)low = 1;
	EXPECT_EQ(1, pages_present(low, below));
	EXPECT_FALSE(is_locked(low));
	EXPECT_EQ(0, vm_lck());
}

/*
 * A plain lock faults in what it finds when it gets there, after it has let
 * go of the mmap_lock.  What a later call has locked on fault by then it
 * leaves alone.  userfaultfd stops it half way, so that there is a "later".
 */
struct slow_lock {
	char *addr;
	size_t len;
	int done;	/* a pipe: says how it ended, when it has */
};

static void *slow_lock_thread(void *arg)
{
	struct slow_lock *s = arg;
	int err = errno_of(sys_mlock(s->addr, s->len));

	if (write(s->done, &err, sizeof(err)) != sizeof(err))
		close(s->done);
	return NULL;
}

TEST_F(process, M3_plain_populate_skips_on_fault)
{
	size_t page = page_size(), half = PAGES / 2 * page;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_zeropage zero = {};
	struct pollfd poll_fd;
	struct slow_lock s;
	struct uffd_msg msg;
	pthread_t thread;
	int fds[2], err;
	const char *why;
	struct mem m;

	poll_fd.fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	poll_fd.events = POLLIN;
	if (poll_fd.fd < 0)
		SKIP(return, "userfaultfd: errno %d", errno);
	ASSERT_EQ(0, ioctl(poll_fd.fd, UFFDIO_API, &api));
	ASSERT_TRUE(mem_map(&m, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
			    &why)) TH_LOG("%s", why);
	reg.range.start = (unsigned long)m.addr;
	reg.range.len = page;
	ASSERT_EQ(0, ioctl(poll_fd.fd, UFFDIO_REGISTER, &reg));

	s.addr = m.addr;
	s.len = m.len;
	ASSERT_EQ(0, pipe(fds));
	s.done = fds[1];
	ASSERT_EQ(0, pthread_create(&thread, NULL, slow_lock_thread, &s));
	ASSERT_EQ(1, poll(&poll_fd, 1, 20000));
	ASSERT_EQ((ssize_t)sizeof(msg), read(poll_fd.fd, &msg, sizeof(msg)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, msg.event);
	/* it waits for the first page; everything has its plain lock */
	ASSERT_EQ(0, pages_present(m.addr, m.len));
	ASSERT_EQ(kb(m.len), vm_lck());
	EXPECT_EQ(0, sys_mlock2(m.addr + half, half, MLOCK_ONFAULT));

	zero.range = reg.range;
	EXPECT_EQ(0, ioctl(poll_fd.fd, UFFDIO_ZEROPAGE, &zero));
	/* the write fault that follows may come back as another message */
	ASSERT_EQ(0, ioctl(poll_fd.fd, UFFDIO_UNREGISTER, &reg.range));
	/*
	 * Not pthread_join(): 32-bit libraries want a futex call for it that
	 * kernels without CONFIG_COMPAT_32BIT_TIME do not have.
	 */
	ASSERT_EQ((ssize_t)sizeof(err), read(fds[0], &err, sizeof(err)));
	EXPECT_EQ(0, err);
	EXPECT_EQ(PAGES / 2, pages_present(m.addr, half));
	EXPECT_EQ(0, pages_present(m.addr + half, half));
	EXPECT_EQ(kb(m.len), vm_lck());
	close(poll_fd.fd);
	mem_unmap(&m);
}

/*
 * M8: what mprotect() to read-write costs does not grow with the mapping
 */
#define SMALL_BYTES	(1UL << 20)
#define LARGE_BYTES	(1ULL << 34)
/* Large over small; a walk over all of the pages costs what LARGE_BYTES says */
#define LEAST_RATIO	512
#define MOST_COST	40

FIXTURE(cost) {
	int fd;
};

FIXTURE_VARIANT(cost) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(cost, anon_private) { .kind = ANON_PRIVATE, };
FIXTURE_VARIANT_ADD(cost, file_private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(cost)
{
	const char *why;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	/* if it gets populated after all, let it be us who pays for it */
	write_file("/proc/self/oom_score_adj", "1000");
	self->fd = -1;
	if (kind_is_file(variant->kind)) {
		self->fd = test_file(0, &why);
		if (self->fd < 0)
			SKIP_SETUP("%s", why);
		/* nothing is read beyond its end, or at all */
		if (ftruncate(self->fd, LARGE_BYTES))
			SKIP_SETUP("no file may be that large: errno %d", errno);
	}
}

FIXTURE_TEARDOWN(cost)
{
	if (self->fd >= 0)
		close(self->fd);
}

static char *map_readable(enum mem_kind kind, int fd, size_t len)
{
	return mmap(NULL, len, PROT_READ,
		    mem_map_flags(kind) | MAP_NORESERVE, fd, 0);
}

/* The shortest of some tries: others use the machine, too.  -1: failed */
static long long mprotect_ns(char *p, size_t len)
{
	struct timespec from, to;
	long long ns, best = -1;
	int i;

	for (i = 0; i < 16; i++) {
		if (mprotect(p, len, PROT_READ))
			return -1;
		clock_gettime(CLOCK_MONOTONIC, &from);
		if (mprotect(p, len, PROT_READ | PROT_WRITE))
			return -1;
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns = (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec -
		     from.tv_nsec;
		if (best < 0 || ns < best)
			best = ns;
	}
	return best;
}

TEST_F(cost, M8_mprotect_of_sparse)
{
	unsigned long long len = LARGE_BYTES;
	long long small_ns, large_ns;
	char *small, *large = MAP_FAILED;

	small = map_readable(variant->kind, self->fd, SMALL_BYTES);
	ASSERT_TRUE(small != MAP_FAILED);
	/* 16 GiB where they fit; with 32 bits 1 or 2 are all that does */
	for (; len >= LEAST_RATIO * SMALL_BYTES; len /= 2) {
		if (len != (size_t)len)
			continue;
		large = map_readable(variant->kind, self->fd, len);
		if (large != MAP_FAILED)
			break;
	}
	if (large == MAP_FAILED)
		SKIP(return, "there is no room for a large mapping");
	ASSERT_EQ(0, sys_mlock2(small, SMALL_BYTES, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_mlock2(large, len, MLOCK_ONFAULT));

	small_ns = mprotect_ns(small, SMALL_BYTES);
	large_ns = mprotect_ns(large, len);
	ASSERT_GE(small_ns, 0);
	ASSERT_GE(large_ns, 0);
	EXPECT_LE(large_ns, (small_ns + 1000) * MOST_COST);
	TH_LOG("%llu MiB take %lld ns, 1 MiB takes %lld ns", len >> 20,
	       large_ns, small_ns);
	EXPECT_EQ(0, pages_present(small, SMALL_BYTES));
	EXPECT_EQ(kb(SMALL_BYTES) + (long)(len >> 10), vm_lck());
	munmap(large, len);
	munmap(small, SMALL_BYTES);
}

TEST_HARNESS_MAIN
