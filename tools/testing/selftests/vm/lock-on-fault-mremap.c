// SPDX-License-Identifier: GPL-2.0
/*
 * A failing mremap() changes nothing (defect D15): what MREMAP_FIXED would
 * have replaced is still there, and so is all of the source, whatever the call
 * was refused for.  What is replaced makes room under the limits, as it did
 * when it was unmapped before they were looked at.
 */
#include <linux/perf_event.h>

#include "lock_on_fault.h"

#include "../kselftest_harness.h"

#define PAGES	8	/* of the source, that can grow as much */
#define OTHER	16	/* of the destination */

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

FIXTURE(kinds) {
	struct mem from, to;
	long page;
	long lck, size;		/* kB */
};
MEM_KIND_VARIANTS(kinds);

static bool fill(struct mem *m, char byte)
{
	store_pages(m->addr, m->len, byte);
	return pages_present(m->addr, m->len) == (long)m->pages;
}

FIXTURE_SETUP(kinds)
{
	const char *why;

	self->page = page_size();
	if (!mem_map_room(&self->from, variant->kind, PAGES,
			  PROT_READ | PROT_WRITE, PAGES, &why) ||
	    !mem_map(&self->to, variant->kind, OTHER, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
	ASSERT_TRUE(fill(&self->from, 'f'));
	ASSERT_TRUE(fill(&self->to, 't'));
	set_memlock(RLIM_INFINITY);
}

FIXTURE_TEARDOWN(kinds)
{
	mem_unmap(&self->from);
	mem_unmap(&self->to);
}

static bool is_whole(const struct mem *m, char byte, const char *what)
{
	size_t i;

	if (vmas_in(m->addr, m->len) != 1 ||
	    pages_present(m->addr, m->len) != (long)m->pages) {
		fprintf(stderr, "# the %s has %d mappings, %ld pages\n", what,
			vmas_in(m->addr, m->len),
			pages_present(m->addr, m->len));
		return false;
	}
	for (i = 0; i < m->pages; i++) {
		if (m->addr[i * page_size()] != byte) {
			fprintf(stderr, "# page %zu of the %s has %#x\n", i,
				what, m->addr[i * page_size()]);
			return false;
		}
	}
	return true;
}

static long vm_size(void)
{
	return proc_number("/proc/self/status", "VmSize");
}

static void expect_unchanged(struct __test_metadata *_metadata,
			     FIXTURE_DATA(kinds) *self)
{
	EXPECT_TRUE(is_whole(&self->to, 't', "destination"));
	EXPECT_TRUE(is_whole(&self->from, 'f', "source"));
	EXPECT_EQ(self->lck, vm_lck());
	EXPECT_EQ(self->size, vm_size());
}

static int move(void *from, size_t old_len, size_t new_len, int flags, void *to)
{
	void *p = mremap(from, old_len, new_len,
			 MREMAP_MAYMOVE | MREMAP_FIXED | flags, to);

	return p == MAP_FAILED ? errno : p == to ? 0 : -1;
}

static void now(FIXTURE_DATA(kinds) *self)
{
	self->lck = vm_lck();
	self->size = vm_size();
}

TEST_F(kinds, D15_over_the_memlock_limit)
{
	struct mem *from = &self->from, *to = &self->to;
	int flags;

	ASSERT_TRUE(set_memlock(from->len + 2 * self->page));
	ASSERT_TRUE(drop_privilege());
	for (flags = 0; flags <= MLOCK_ONFAULT; flags += MLOCK_ONFAULT) {
		ASSERT_EQ(0, sys_mlock2(from->addr, from->len, flags));
		now(self);
		EXPECT_EQ(EAGAIN, move(from->addr, from->len,
				       from->len + 3 * self->page, 0,
				       to->addr));
		expect_unchanged(_metadata, self);
		EXPECT_TRUE(is_locked(from->addr));
		EXPECT_FALSE(is_locked(to->addr));
	}
	/* and as much as is allowed is allowed */
	EXPECT_EQ(0, move(from->addr, from->len, from->len + 2 * self->page, 0,
			  to->addr));
	EXPECT_EQ(page_kb(PAGES + 2), vm_lck());
	EXPECT_EQ('f', *to->addr);
	EXPECT_EQ('t', to->addr[(PAGES + 2) * self->page]);
}

/* What is locked where it goes to makes room, and no more than that */
TEST_F(kinds, D15_locked_destination_makes_room)
{
	struct mem *from = &self->from, *to = &self->to;

	/* 8 of the source, 3 within what is replaced and 2 behind */
	ASSERT_TRUE(set_memlock(from->len + 5 * self->page));
	ASSERT_TRUE(drop_privilege());
	ASSERT_EQ(0, sys_mlock2(from->addr, from->len, MLOCK_ONFAULT));
	ASSERT_EQ(0, sys_mlock2(to->addr + self->page, 3 * self->page, 0));
	ASSERT_EQ(0, sys_mlock2(to->addr + 13 * self->page, 2 * self->page, 0));
	EXPECT_EQ(EAGAIN, move(from->addr, from->len,
			       from->len + 4 * self->page, 0, to->addr));
	EXPECT_EQ(page_kb(PAGES + 5), vm_lck());
	EXPECT_EQ('t', *to->addr);
	EXPECT_TRUE(is_whole(from, 'f', "source"));

	EXPECT_EQ(0, move(from->addr, from->len, from->len + 3 * self->page, 0,
			  to->addr));
	EXPECT_EQ(page_kb(PAGES + 5), vm_lck());
	EXPECT_EQ('f', *to->addr);
	EXPECT_EQ('t', to->addr[11 * self->page]);
}

TEST_F(kinds, D15_over_the_limit_of_the_address_space)
{
	struct mem *from = &self->from, *to = &self->to;
	struct rlimit lim, old;

	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	/* no page more: what is replaced makes room for all but as many */
	now(self);
	lim = old;
	lim.rlim_cur = (rlim_t)self->size * 1024;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	/* 8 become 16, and replace 16 */
	EXPECT_EQ(0, move(from->addr, from->len, 2 * from->len, 0, to->addr));
	EXPECT_EQ('f', *to->addr);
	/* back, over nothing: smaller, and then larger by what is not there */
	EXPECT_EQ(0, move(to->addr, 2 * from->len, from->len, 0, from->addr));
	ASSERT_TRUE(mmap(to->addr, 4 * self->page, PROT_READ | PROT_WRITE,
			 mem_map_flags(to->kind) | MAP_FIXED, to->fd, 0) ==
		    to->addr);
	store_pages(to->addr, 4 * self->page, 't');
	lim.rlim_cur = (rlim_t)vm_size() * 1024;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	now(self);
	EXPECT_EQ(ENOMEM, move(from->addr, from->len,
			       from->len + 5 * self->page, 0, to->addr));
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(self->size, vm_size());
	EXPECT_EQ(4, pages_present(to->addr, 4 * self->page));
	EXPECT_EQ('t', *to->addr);
	EXPECT_TRUE(is_whole(from, 'f', "source"));
}

TEST_F(kinds, D15_across_the_end_of_the_mapping)
{
	struct mem *from = &self->from, *to = &self->to;

	now(self);
	EXPECT_EQ(EFAULT, move(from->addr, from->len + self->page,
			       from->len + 2 * self->page, 0, to->addr));
	expect_unchanged(_metadata, self);
	/* what is kept of it is too much */
	EXPECT_EQ(EFAULT, move(from->addr, from->len + 3 * self->page,
			       from->len + 2 * self->page, 0, to->addr));
	expect_unchanged(_metadata, self);
	/* nothing is there */
	EXPECT_EQ(EFAULT, move(from->addr + from->len, self->page, self->page,
			       0, to->addr));
	expect_unchanged(_metadata, self);
}

/*
 * The part that is cut off ends behind the last address.  No address space has
 * the very last page; all others are valid where it grows on demand (s390).
 */
TEST_F(kinds, D15_shrinks_by_nonsense)
{
	struct mem *from = &self->from, *to = &self->to;
	size_t len = -(unsigned long)from->addr;

	now(self);
	EXPECT_EQ(EINVAL, move(from->addr, len, self->page, 0, to->addr));
	expect_unchanged(_metadata, self);
	EXPECT_EQ(EINVAL, move(from->addr, len + self->page, self->page, 0,
			       to->addr));
	expect_unchanged(_metadata, self);
}

/* Without an old length a shared mapping is duplicated, a private one never */
TEST_F(kinds, D15_duplicates)
{
	struct mem *from = &self->from, *to = &self->to;

	now(self);
	if (!kind_is_shared(variant->kind)) {
		EXPECT_EQ(EINVAL, move(from->addr, 0, from->len, 0, to->addr));
		expect_unchanged(_metadata, self);
		return;
	}
	/* there would be nothing left to duplicate */
	EXPECT_EQ(EFAULT, move(from->addr, 0, from->len, 0, from->addr));
	expect_unchanged(_metadata, self);
	EXPECT_EQ(0, move(from->addr, 0, from->len, 0, to->addr));
	store_pages(from->addr, self->page, 'x');
	EXPECT_EQ('x', *to->addr);
	EXPECT_EQ('t', to->addr[PAGES * self->page]);
}

/*
 * Below vm.mmap_min_addr only root may map.  In a child, so that there is
 * somebody left to put the limit back.
 */
static int move_low(FIXTURE_DATA(kinds) *self, char *low)
{
	char *p = mmap(low, self->from.len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	int error;

	if (p != low)
		return 2;
	*p = 'l';
	if (!drop_privilege())
		return 2;
	error = move(self->from.addr, self->from.len, self->from.len, 0, p);
	if (error != EPERM && error != EACCES)
		return 1;
	return !(vmas_in(p, self->from.len) == 1 && *p == 'l' &&
		 is_whole(&self->from, 'f', "source"));
}

TEST_F(kinds, D15_to_where_nothing_may_be_mapped)
{
	const char *file = "/proc/sys/vm/mmap_min_addr";
	char *low = (char *)page_size(), buf[32], old[32] = "";
	struct lines l;
	pid_t pid;
	int ret;

	if (kind_is_shared(variant->kind))
		low = (char *)(unsigned long)SHMLBA;
	if (lines_open(&l, file)) {
		lines_next(&l, old, sizeof(old));
		lines_close(&l);
	}
	snprintf(buf, sizeof(buf), "%lu", (unsigned long)low + self->page);
	if (!*old || !write_file(file, buf))
		SKIP(return, "vm.mmap_min_addr cannot be set");
	touch_read(self->from.addr, self->from.len);
	pid = fork();
	if (!pid) {
		/* a child has the entries of what it reads only */
		touch_read(self->from.addr, self->from.len);
		_exit(move_low(self, low));
	}
	ret = pid < 0 ? 2 : wait_for(pid);
	EXPECT_TRUE(write_file(file, old));
	if (ret == 2)
		SKIP(return, "cannot map anything at a low address");
	EXPECT_EQ(0, ret);
}

/*
 * Memory that is promised, where promises are counted: the whole system's
 */
FIXTURE(promises) {
	struct mem from;
	char *to;
	size_t len;
	char mode[32], ratio[32];
};

static bool first_line(const char *path, char *line, size_t size)
{
	struct lines l;
	bool ok;

	if (!lines_open(&l, path))
		return false;
	ok = lines_next(&l, line, size);
	lines_close(&l);
	return ok;
}

#define OVERCOMMIT "/proc/sys/vm/overcommit_"

FIXTURE_SETUP(promises)
{
	char kbytes[32];
	const char *why;

	if (!mem_map(&self->from, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
	ASSERT_TRUE(fill(&self->from, 'f'));
	if (!first_line(OVERCOMMIT "memory", self->mode, sizeof(self->mode)) ||
	    !first_line(OVERCOMMIT "ratio", self->ratio, sizeof(self->ratio)))
		SKIP_SETUP("cannot read vm.overcommit_*");
	/* 64 MiB, and the swap, of which nobody is going to use anything */
	snprintf(kbytes, sizeof(kbytes), "%ld",
		 meminfo("Committed_AS") + (64L << 10));
	if (!write_file(OVERCOMMIT "kbytes", kbytes) ||
	    !write_file(OVERCOMMIT "memory", "2"))
		SKIP_SETUP("vm.overcommit_* cannot be set");
	self->len = (size_t)(meminfo("CommitLimit") - meminfo("Committed_AS")) *
		1024 / 4 & -page_size();
}

FIXTURE_TEARDOWN(promises)
{
	write_file(OVERCOMMIT "memory", self->mode);
	write_file(OVERCOMMIT "ratio", self->ratio);
	mem_unmap(&self->from);
}

static char *map_len(size_t len, int prot)
{
	return mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TEST_F(promises, D15_more_than_is_left_to_promise)
{
	struct mem *from = &self->from;
	size_t len = 5 * self->len;
	char *to = map_len(len, PROT_NONE);

	/* what cannot be written is not promised */
	ASSERT_TRUE(to != MAP_FAILED);
	EXPECT_EQ(ENOMEM, move(from->addr, from->len, len, 0, to));
	EXPECT_EQ(1, vmas_in(to, len));
	EXPECT_TRUE(is_whole(from, 'f', "source"));
}

TEST_F(promises, D15_replaced_promises_are_given_back)
{
	struct mem *from = &self->from;
	char *to = map_len(2 * self->len, PROT_READ | PROT_WRITE);
	char *more = map_len(self->len, PROT_READ | PROT_WRITE);

	/* a quarter is left, and half of all is what it takes */
	ASSERT_TRUE(to != MAP_FAILED && more != MAP_FAILED);
	EXPECT_EQ(0, move(from->addr, from->len, 2 * self->len, 0, to));
	EXPECT_EQ('f', *to);
}

/*
 * More is promised than may be, since there is less to promise now: what is
 * replaced does not help, though it gives back more than is asked for.
 */
TEST_F(promises, D15_more_is_promised_than_may_be)
{
	struct mem *from = &self->from;
	size_t len = 2 * from->len;
	char *to = map_len(len, PROT_READ | PROT_WRITE);
	bool less, whole;
	int error;

	ASSERT_TRUE(to != MAP_FAILED);
	*to = 't';
	while (map_len(1 << 20, PROT_READ | PROT_WRITE) != MAP_FAILED)
		;
	less = write_file(OVERCOMMIT "kbytes", "1") &&
	       meminfo("CommitLimit") < meminfo("Committed_AS");
	error = move(from->addr, from->len, from->len + page_size(), 0, to);
	whole = vmas_in(to, len) == 1 && pages_present(to, len) == 1;
	write_file(OVERCOMMIT "memory", self->mode);

	if (!less)
		SKIP(return, "the system had little to promise");
	EXPECT_EQ(ENOMEM, error);
	EXPECT_TRUE(whole);
	EXPECT_TRUE(is_whole(from, 'f', "source"));
}

/* Whose ring buffer it is does not let it be split, and so not shrink */
TEST(D15_mapping_that_cannot_be_split)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.disabled = 1,
	};
	int fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
	size_t page = page_size(), len = (1 + 8) * page;
	const char *why;
	struct mem to;
	char *ring;

	if (fd < 0)
		SKIP(return, "perf_event_open() does not work here");
	ring = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_TRUE(ring != MAP_FAILED);
	ASSERT_TRUE(mem_map(&to, ANON_PRIVATE, OTHER, PROT_READ | PROT_WRITE,
			    &why));
	ASSERT_TRUE(fill(&to, 't'));

	EXPECT_EQ(EINVAL, move(ring, len, 4 * page, 0, to.addr));
	EXPECT_TRUE(is_whole(&to, 't', "destination"));
	EXPECT_EQ(1, vmas_in(ring, len));

	/* the same from within, which 5.10 moves and leaves where it was */
	if (move(ring + page, 2 * page, 2 * page, 0, to.addr)) {
		EXPECT_TRUE(is_whole(&to, 't', "destination"));
		EXPECT_EQ(1, vmas_in(ring, len));
	}
	munmap(ring, len);
	mem_unmap(&to);
	close(fd);
}

/* Twice there, for a while: it grows by all of its length */
TEST_F(kinds, D15_dontunmap_over_the_limit_of_the_address_space)
{
	struct mem *from = &self->from, *to = &self->to;
	struct rlimit lim, old;
	int error;

	/* it replaces half as much as comes in addition */
	ASSERT_EQ(0, munmap(to->addr + 4 * self->page,
			    to->len - 4 * self->page));
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	now(self);
	lim = old;
	lim.rlim_cur = (rlim_t)self->size * 1024;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &lim));
	error = move(from->addr, from->len, from->len, MREMAP_DONTUNMAP,
		     to->addr);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	if (error == EINVAL)
		SKIP(return, "MREMAP_DONTUNMAP is not for this memory");
	EXPECT_EQ(ENOMEM, error);
	EXPECT_EQ(self->size, vm_size());
	EXPECT_EQ(4, pages_present(to->addr, to->len));
	EXPECT_EQ('t', *to->addr);
	EXPECT_TRUE(is_whole(from, 'f', "source"));
}

/*
 * 5.10 took what follows for a piece of the mapping of which it had moved the
 * middle, and marked it as accounted for.
 */
TEST(dontunmap_leaves_the_next_mapping_alone)
{
	size_t page = page_size();
	struct vma next;
	char *p, *moved;

	p = mmap(NULL, 8 * page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	ASSERT_TRUE(mmap(p + page, 3 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    MAP_FAILED);
	store_pages(p + page, 3 * page, 'f');

	moved = mremap(p + 2 * page, page, page,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (moved == MAP_FAILED)
		SKIP(return, "MREMAP_DONTUNMAP does not work here");
	EXPECT_EQ('f', *moved);
	ASSERT_TRUE(vma_at(p + 2 * page, &next));
	EXPECT_TRUE(vma_has(&next, "ac"));
	ASSERT_TRUE(vma_at(p + 4 * page, &next));
	EXPECT_FALSE(vma_has(&next, "ac"));
	munmap(moved, page);
	munmap(p, 8 * page);
}

TEST_HARNESS_MAIN
