// SPDX-License-Identifier: GPL-2.0
/*
 * Locked huge pages of shared memory, and what splits them (defect D4): a page
 * that is locked stays mapped and locked, whatever becomes of its neighbours in
 * the huge page, and whoever wants it in pieces.
 */
#include "lock_on_fault_huge.h"

#include <pthread.h>

#include "../kselftest_harness.h"

#ifndef MPOL_MF_MOVE
#define MPOL_MF_MOVE		(1 << 1)
#endif
#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE	0x01
#endif
#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_PUNCH_HOLE	0x02
#endif
#define DROP_CACHES	"/proc/sys/vm/drop_caches"
#define NODE1		"/sys/devices/system/node/node1"
#define MOVES		100

FIXTURE(split) {
	struct huge h;
	char *p;		/* a huge page, in shared memory, locked */
	size_t size, page;
	long pages;
};

FIXTURE_VARIANT(split) {
	bool onfault;
};

FIXTURE_VARIANT_ADD(split, mlock) { .onfault = false, };
FIXTURE_VARIANT_ADD(split, onfault) { .onfault = true, };

static int lock(const char *addr, size_t size, bool onfault)
{
	return sys_mlock2(addr, size, onfault ? MLOCK_ONFAULT : 0);
}

/* One byte makes all of it present, mapped as one */
static bool fill_huge(char *addr, size_t size)
{
	*addr = 's';
	if (!is_huge(addr) ||
	    pages_present(addr, size) != (long)(size / page_size()))
		return false;
	store_pages(addr, size, 's');
	return true;
}

static bool holds(const char *addr, size_t size)
{
	const char *p;

	for (p = addr; p < addr + size; p += page_size())
		if (*p != 's')
			return false;
	return true;
}

FIXTURE_SETUP(split)
{
	const char *why;

	why = huge_setup(&self->h);
	if (why)
		SKIP_SETUP("%s", why);
	ASSERT_TRUE(huge_map_shared(&self->h));
	if (!write_file(FOR_SHMEM, "advise"))
		SKIP_SETUP("no huge pages of shared memory");
	self->p = self->h.r.addr;
	self->size = self->h.size;
	self->pages = self->h.pages;
	self->page = page_size();
	if (!fill_huge(self->p, self->size))
		SKIP_SETUP("no huge page to be had");
	ASSERT_EQ(0, lock(self->p, self->size, variant->onfault));
	ASSERT_TRUE(locked_with(self->p, self->size, self->pages));
}

FIXTURE_TEARDOWN(split)
{
	huge_teardown(&self->h);
}

/* Nothing of it is missing, and all of it is on the unevictable list */
static bool all_there(const char *addr, size_t size)
{
	return pages_present(addr, size) == (long)(size / page_size()) &&
	       drain_all_cpus() && !pages_unlocked(addr, size);
}

TEST_F(split, D4_split_by_protection)
{
	char *p = self->p, *one = p + 7 * self->page;

	ASSERT_EQ(0, mprotect(one, self->page, PROT_READ));
	EXPECT_EQ(self->pages, pages_present(p, self->size));
	ASSERT_EQ(0, mprotect(one, self->page, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(all_there(p, self->size));
	EXPECT_TRUE(is_huge(p));
	EXPECT_TRUE(holds(p, self->size));

	/* it can be written to like before, and unlocked */
	store_pages(p, self->size, 's');
	EXPECT_TRUE(all_there(p, self->size));
	ASSERT_EQ(0, sys_munlock(p, self->size));
	ASSERT_TRUE(drain_all_cpus());
	EXPECT_EQ(self->pages, pages_unlocked(p, self->size));
}

/* What stays locked is mapped, though all of the huge page is evictable now */
TEST_F(split, D4_split_by_munlock)
{
	size_t half = self->size / 2;
	char *p = self->p;

	ASSERT_EQ(0, sys_munlock(p, half));
	EXPECT_EQ(self->pages / 2, pages_present(p + half, half));
	EXPECT_TRUE(is_locked(p + half));
	EXPECT_TRUE(holds(p, self->size));
}

/* What is there when a part is locked is locked at once */
TEST_F(split, D4_split_by_lock)
{
	size_t half = self->size / 2;
	char *p = self->p;

	ASSERT_EQ(0, sys_munlock(p, self->size));
	ASSERT_TRUE(is_huge(p));
	ASSERT_EQ(self->pages, pages_present(p, self->size));
	ASSERT_EQ(0, lock(p + half, self->page, variant->onfault));
	EXPECT_TRUE(page_present(p + half));
	ASSERT_EQ(0, lock(p + half, half, variant->onfault));
	EXPECT_EQ(self->pages / 2, pages_present(p + half, half));
	EXPECT_TRUE(is_locked(p + half));
	EXPECT_FALSE(is_locked(p));
	EXPECT_TRUE(holds(p, self->size));
}

TEST_F(split, D4_split_by_munmap)
{
	size_t half = self->size / 2;
	char *p = self->p;

	ASSERT_EQ(0, munmap(p, half));
	EXPECT_EQ(self->pages / 2, pages_present(p + half, half));
	EXPECT_TRUE(is_locked(p + half));
	EXPECT_TRUE(holds(p + half, half));
}

TEST_F(split, D4_split_by_mremap)
{
	size_t half = self->size / 2;
	char *p = self->p, *to = self->h.more;

	ASSERT_TRUE(mremap(p + half, half, half, MREMAP_MAYMOVE | MREMAP_FIXED,
			   to) == to);
	EXPECT_EQ(self->pages / 2, pages_present(p, half));
	EXPECT_EQ(self->pages / 2, pages_present(to, half));
	EXPECT_TRUE(holds(p, half));
	EXPECT_TRUE(holds(to, half));
}

/* Somebody has the file, and makes a hole in it */
TEST_F(split, D4_split_by_hole)
{
	char *p = self->p, *one = p + 7 * self->page;

	ASSERT_EQ(0, fallocate(self->h.r.fd, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 7 * self->page, self->page));
	EXPECT_LE(self->pages - 1, pages_present(p, self->size));
	EXPECT_EQ(0, *one);
	*one = 's';
	EXPECT_EQ(self->pages, pages_present(p, self->size));
	EXPECT_TRUE(holds(p, self->size));
}

TEST_F(split, D4_split_by_truncation)
{
	size_t half = self->size / 2;
	char *p = self->p;

	ASSERT_EQ(0, ftruncate(self->h.r.fd, half));
	EXPECT_EQ(self->pages / 2, pages_present(p, half));
	EXPECT_TRUE(is_locked(p));
	EXPECT_TRUE(holds(p, half));
	EXPECT_EQ(0, pages_present(p + half, half));

	/* what the file gets anew is new */
	ASSERT_EQ(0, ftruncate(self->h.r.fd, self->size));
	EXPECT_EQ(0, p[half]);
	EXPECT_EQ(0, p[self->size - 1]);
}

/*
 * A huge page of which a part is behind the end of its file is split when slab
 * caches are shrunk.  The twin shows that it is, and is not locked.
 */
TEST_F(split, D4_split_by_shrinker)
{
	size_t less = self->size - 8 * self->page;
	char *p = self->h.more, *twin = self->h.twin.addr;
	struct range r;
	int fd = memfd(less);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(self->h.twin.fd, less));
	ASSERT_TRUE(range_map(&r, p, self->size, fd));
	*p = 's';
	*twin = 't';
	if (pages_present(p, less) != (long)(less / self->page) ||
	    pages_present(twin, less) != (long)(less / self->page))
		SKIP(return, "no huge page to be had");
	store_pages(p, less, 's');
	ASSERT_EQ(0, lock(p, self->size, variant->onfault));
	if (!write_file(DROP_CACHES, "2"))
		SKIP(return, "no " DROP_CACHES);
	if (pages_present(twin, less))
		SKIP(return, "the shrinker has not split the twin either");
	EXPECT_EQ((long)(less / self->page), pages_present(p, less));
	EXPECT_TRUE(holds(p, less));
	/* nobody locks it any more: it may be split */
	ASSERT_EQ(0, sys_munlock(p, self->size));
	ASSERT_TRUE(write_file(DROP_CACHES, "2"));
	EXPECT_TRUE(holds(p, less));
}

/* A private mapping of the file: the copy of one page is no matter of the rest */
TEST_F(split, D4_split_by_copy)
{
	char *p = self->h.more;

	ASSERT_TRUE(mmap(p, self->size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_FIXED, self->h.r.fd, 0) == p);
	ASSERT_EQ(0, madvise(p, self->size, MADV_HUGEPAGE));
	/* no write: a plain lock copies all of it, page by page */
	touch_read(p, self->size);
	if (!is_huge(p) || pages_present(p, self->size) != self->pages)
		SKIP(return, "a private mapping has no huge page here");
	ASSERT_EQ(0, lock(p, self->size, variant->onfault));
	ASSERT_EQ(self->pages, pages_present(p, self->size));
	p[7 * self->page] = 'x';
	EXPECT_EQ(self->pages, pages_present(p, self->size));
	p[7 * self->page] = 's';
	EXPECT_TRUE(holds(p, self->size));
	/* to unlock its parts may munlock it for others, until reclaim comes by */
	EXPECT_EQ(self->pages, pages_present(self->p, self->size));
}

struct mover {
	void *addr;
	int node;
	bool over;
};

/* The page to the other node, and with it all of a huge one */
static void *move_there(void *arg)
{
	struct mover *m = arg;
	int status;

	syscall(__NR_move_pages, 0, 1UL, &m->addr, &m->node, &status,
		MPOL_MF_MOVE);
	__atomic_store_n(&m->over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* While the page is on its way nothing is mapped that could be split */
TEST_F(split, D4_split_while_it_migrates)
{
	char *p = self->p, *one = p + 7 * self->page;
	int i, met = 0;

	if (access(NODE1, F_OK))
		SKIP(return, "one node only: pages cannot migrate");
	for (i = 0; i < MOVES; i++) {
		struct mover m = { .addr = p, .node = i % 2 };
		pthread_t thread;
		bool moving;

		ASSERT_EQ(0, pthread_create(&thread, NULL, move_there, &m));
		do {
			moving = !page_present(p);
		} while (!moving &&
			 !__atomic_load_n(&m.over, __ATOMIC_ACQUIRE));
		ASSERT_EQ(0, mprotect(one, self->page, PROT_READ));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		met += moving;
		ASSERT_EQ(self->pages, pages_present(p, self->size))
			TH_LOG("round %d: %s", i,
			       moving ? "split while it moved" : "not met");
		ASSERT_EQ(0, mprotect(one, self->page, PROT_READ | PROT_WRITE));
		EXPECT_TRUE(holds(p, self->size));
		store_pages(p, self->size, 's');

		/* mapped as a huge page once more, for the next round */
		ASSERT_TRUE(range_map(&self->h.r, p, self->size, self->h.r.fd));
		ASSERT_TRUE(fill_huge(p, self->size));
		ASSERT_EQ(0, lock(p, self->size, variant->onfault));
	}
	if (!met)
		SKIP(return, "no migration was met in %d rounds", MOVES);
	TH_LOG("%d of %d migrations met", met, MOVES);
}

/* However it is split and ends, it is counted once and given back once */
TEST_F(split, D4_split_mlocked_does_not_drift)
{
	size_t half = self->size / 2;
	char *p = self->p;
	long before, now;
	int i;

	ASSERT_EQ(0, sys_munlock(p, self->size));
	before = mlocked_now();
	if (before < 0)
		SKIP(return, "the LRU cannot be drained or counters not be read");
	for (i = 0; i < 8; i++) {
		struct range r;

		ASSERT_TRUE(range_map(&r, p, self->size, self->h.r.fd));
		touch_read(p, self->size);
		ASSERT_EQ(0, lock(p, self->size, variant->onfault));
		ASSERT_EQ(0, mprotect(p, self->page, PROT_READ));
		ASSERT_EQ(0, mprotect(p, self->page, PROT_READ | PROT_WRITE));
		now = mlocked_now();
		EXPECT_LE((long)self->size / 1024, now - before);
		EXPECT_GT(2 * (long)self->size / 1024, now - before);
		switch (i % 4) {
		case 0:
			ASSERT_EQ(0, sys_munlock(p, self->size));
			break;
		case 1:
			ASSERT_EQ(0, munmap(p + half, half));
			break;
		case 2:
			ASSERT_EQ(0, munmap(p, self->size));
			break;
		case 3:
			ASSERT_EQ(0, ftruncate(self->h.r.fd, half));
			ASSERT_EQ(0, ftruncate(self->h.r.fd, self->size));
			ASSERT_EQ(0, munmap(p, self->size));
			break;
		}
		now = mlocked_now();
		EXPECT_GT((long)self->size / 1024, labs(now - before))
			TH_LOG("round %d: Mlocked: %ld kB before, %ld kB now",
			       i, before, now);
	}
}

TEST_HARNESS_MAIN
