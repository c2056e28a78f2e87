// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault and memory that cannot be locked so (row M3, defects D2, D3):
 * huge pages of hugetlbfs, ring buffers of perf events, secret memory, what
 * the kernel maps by itself.  It is there to stay, or never locked.  A lock on
 * fault does nothing to it: it faults nothing in, and does not fail, neither
 * for such a mapping alone nor with ordinary memory on both sides of it.
 */
#include "lock_on_fault_mm.h"

#include <sys/ioctl.h>
#include <linux/aio_abi.h>
#include <linux/perf_event.h>

#include "../kselftest_harness.h"

#ifndef MAP_HUGETLB
#define MAP_HUGETLB	0x40000
#endif

enum special {
	HUGETLB_PRIVATE,
	HUGETLB_SHARED,
	PERF_BUFFER,
	SECRETMEM,
};

/* Of what is there, or of what comes */
enum lock_call {
	BY_MLOCK2,
	BY_MLOCKALL,
	BY_MMAP,
};

static bool set_pool(long pages)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%ld", pages);
	/* the kernel takes what it can get, see how much that was */
	return write_file("/proc/sys/vm/nr_hugepages", buf) &&
	       meminfo("HugePages_Total") == pages;
}

/* A mapping of a special kind, at an address of one's choice or at any */
struct special_mem {
	size_t len, align;
	int flags, fd;
};

static char *map_special(const struct special_mem *s, char *at)
{
	return mmap(at, s->len, PROT_READ | PROT_WRITE,
		    s->flags | (at ? MAP_FIXED : 0), s->fd, 0);
}

static char *map_anon(char *at, size_t len)
{
	char *p = mmap(at, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	/* one touch is to be one page */
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

/* False and a reason if there is no such memory here */
static bool open_hugetlb(struct special_mem *s, const char **why)
{
	long kb = meminfo("Hugepagesize");

	*why = "the kernel has no hugetlb pages, or its pool cannot be set";
	if (kb <= 0 || !set_pool(meminfo("HugePages_Total")))
		return false;
	s->len = s->align = kb * 1024;
	/* the pool is a test's business; none shall fail for a reservation */
	s->flags |= MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE;
	s->fd = -1;
	return true;
}

static bool open_perf(struct special_mem *s, const char **why)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.disabled = 1,
	};

	/* a page that describes the buffer, and a power of two for data */
	s->len = (1 + 8) * page_size();
	s->align = SHMLBA;
	s->flags = MAP_SHARED;
	s->fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
	*why = "perf_event_open() does not work here";
	return s->fd >= 0;
}

static bool open_secretmem(struct special_mem *s, const char **why)
{
	s->len = 8 * page_size();
	s->align = SHMLBA;
	s->flags = MAP_SHARED;
#ifdef __NR_memfd_secret
	s->fd = syscall(__NR_memfd_secret, 0);
#else
	s->fd = -1;
#endif
	*why = "memfd_secret() does not work here; it may want secretmem.enable=1";
	return s->fd >= 0 && !ftruncate(s->fd, s->len);
}

FIXTURE(special) {
	struct special_mem s;
	long pool;
	/* place for three; addr is of the one in the middle, the special one */
	char *base, *addr;
	size_t size;
};

FIXTURE_VARIANT(special) {
	enum special kind;
	enum lock_call call;
};

FIXTURE_VARIANT_ADD(special, hugetlb_private_mlock2) {
	.kind = HUGETLB_PRIVATE, .call = BY_MLOCK2,
};

FIXTURE_VARIANT_ADD(special, hugetlb_private_mlockall) {
	.kind = HUGETLB_PRIVATE, .call = BY_MLOCKALL,
};

FIXTURE_VARIANT_ADD(special, hugetlb_private_mmap) {
	.kind = HUGETLB_PRIVATE, .call = BY_MMAP,
};

FIXTURE_VARIANT_ADD(special, hugetlb_shared_mlock2) {
	.kind = HUGETLB_SHARED, .call = BY_MLOCK2,
};

FIXTURE_VARIANT_ADD(special, hugetlb_shared_mlockall) {
	.kind = HUGETLB_SHARED, .call = BY_MLOCKALL,
};

FIXTURE_VARIANT_ADD(special, hugetlb_shared_mmap) {
	.kind = HUGETLB_SHARED, .call = BY_MMAP,
};

FIXTURE_VARIANT_ADD(special, perf_mlock2) {
	.kind = PERF_BUFFER, .call = BY_MLOCK2,
};

FIXTURE_VARIANT_ADD(special, perf_mlockall) {
	.kind = PERF_BUFFER, .call = BY_MLOCKALL,
};

FIXTURE_VARIANT_ADD(special, perf_mmap) {
	.kind = PERF_BUFFER, .call = BY_MMAP,
};

FIXTURE_VARIANT_ADD(special, secretmem_mlock2) {
	.kind = SECRETMEM, .call = BY_MLOCK2,
};

FIXTURE_VARIANT_ADD(special, secretmem_mlockall) {
	.kind = SECRETMEM, .call = BY_MLOCKALL,
};

FIXTURE_VARIANT_ADD(special, secretmem_mmap) {
	.kind = SECRETMEM, .call = BY_MMAP,
};

FIXTURE_SETUP(special)
{
	const char *why = NULL;
	bool ok = false;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	switch (variant->kind) {
	case HUGETLB_PRIVATE:
		self->s.flags = MAP_PRIVATE;
		ok = open_hugetlb(&self->s, &why);
		break;
	case HUGETLB_SHARED:
		self->s.flags = MAP_SHARED;
		ok = open_hugetlb(&self->s, &why);
		break;
	case PERF_BUFFER:
		ok = open_perf(&self->s, &why);
		break;
	case SECRETMEM:
		ok = open_secretmem(&self->s, &why);
		break;
	}
	if (!ok)
		SKIP_SETUP("%s", why);

	self->pool = meminfo("HugePages_Total");
	self->size = 3 * self->s.len + self->s.align;
	self->base = mmap(NULL, self->size, PROT_NONE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(self->base != MAP_FAILED);
	self->addr = (char *)(((unsigned long)self->base + self->s.len +
			       self->s.align - 1) & -self->s.align);
}

static void close_special(FIXTURE_DATA(special) *self)
{
	sys_munlockall();
	munmap(self->base, self->size);
	if (self->s.flags & MAP_HUGETLB)
		set_pool(self->pool);
	if (self->s.fd >= 0)
		close(self->s.fd);
}

FIXTURE_TEARDOWN(special)
{
	close_special(self);
}

static bool is_hugetlb(enum special kind)
{
	return kind == HUGETLB_PRIVATE || kind == HUGETLB_SHARED;
}

/* The call that locks; if that is mmap() it has yet to come */
static int lock_future(enum lock_call call)
{
	return call == BY_MMAP ? sys_mlockall(MCL_FUTURE | MCL_ONFAULT) : 0;
}

static int lock_current(enum lock_call call, char *addr, size_t len)
{
	switch (call) {
	case BY_MLOCK2:
		return sys_mlock2(addr, len, MLOCK_ONFAULT);
	case BY_MLOCKALL:
		return sys_mlockall(MCL_CURRENT | MCL_ONFAULT);
	case BY_MMAP:
		break;
	}
	return 0;
}

TEST_F(special, M3_D2_nothing_faulted_in)
{
	struct special_mem *s = &self->s;
	char *p = self->addr;
	long free_pages;

	/* enough for all of it, so that nothing but the rule keeps it out */
	if (is_hugetlb(variant->kind) && !set_pool(3))
		SKIP(return, "no huge pages to be had");
	free_pages = meminfo("HugePages_Free");

	ASSERT_EQ(0, lock_future(variant->call));
	ASSERT_TRUE(map_special(s, p) == p) TH_LOG("errno %d", errno);
	EXPECT_EQ(0, lock_current(variant->call, p, s->len))
		TH_LOG("errno %d", errno);
	EXPECT_EQ(0, pages_present(p, s->len));
	EXPECT_EQ(free_pages, meminfo("HugePages_Free"));
	if (variant->kind != SECRETMEM) {
		/* secret memory is locked by itself */
		EXPECT_FALSE(is_locked(p));
	}

	/* it is there for who wants it */
	touch_read(p, 1);
	EXPECT_TRUE(page_present(p));
	if (variant->call == BY_MLOCK2) {
		EXPECT_EQ(0, sys_munlock(p, s->len));
	}
}

TEST_F(special, M3_D3_neighbours)
{
	struct special_mem *s = &self->s;
	char *p = self->addr, *first = p - s->len, *last = p + s->len;
	long charged;

	/* no huge page for any of it: to fault in would be to fail */
	if (is_hugetlb(variant->kind) && !set_pool(0))
		SKIP(return, "huge pages are in use");

	ASSERT_EQ(0, lock_future(variant->call));
	ASSERT_TRUE(map_special(s, p) == p) TH_LOG("errno %d", errno);
	charged = vm_lck();
	ASSERT_TRUE(map_anon(first, s->len) == first);
	ASSERT_TRUE(map_anon(last, s->len) == last);
	EXPECT_EQ(0, lock_current(variant->call, first, 3 * s->len))
		TH_LOG("errno %d", errno);

	EXPECT_TRUE(locked_with(first, s->len, 0));
	EXPECT_EQ(0, pages_present(p, s->len));
	EXPECT_TRUE(locked_with(last, s->len, 0));
	if (variant->call != BY_MLOCKALL) {
		EXPECT_EQ(charged + 2 * (long)(s->len / 1024), vm_lck());
	}
	store_pages(first, page_size(), 'x');
	store_pages(last, page_size(), 'x');
	EXPECT_TRUE(locked_with(first, s->len, 1));
	EXPECT_TRUE(locked_with(last, s->len, 1));
}

/*
 * Huge pages only: their pool may have some, but not enough
 */
FIXTURE(hugetlb) {
	struct special_mem s;
	long pool;
	char *base, *addr;
	size_t size;
};

FIXTURE_VARIANT(hugetlb) {
	enum special kind;
	enum lock_call call;
};

FIXTURE_VARIANT_ADD(hugetlb, private_mlock2) {
	.kind = HUGETLB_PRIVATE, .call = BY_MLOCK2,
};

FIXTURE_VARIANT_ADD(hugetlb, private_mlockall) {
	.kind = HUGETLB_PRIVATE, .call = BY_MLOCKALL,
};

FIXTURE_VARIANT_ADD(hugetlb, private_mmap) {
	.kind = HUGETLB_PRIVATE, .call = BY_MMAP,
};

FIXTURE_VARIANT_ADD(hugetlb, shared_mlock2) {
	.kind = HUGETLB_SHARED, .call = BY_MLOCK2,
};

FIXTURE_VARIANT_ADD(hugetlb, shared_mlockall) {
	.kind = HUGETLB_SHARED, .call = BY_MLOCKALL,
};

FIXTURE_VARIANT_ADD(hugetlb, shared_mmap) {
	.kind = HUGETLB_SHARED, .call = BY_MMAP,
};

FIXTURE_SETUP(hugetlb)
{
	special_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(hugetlb)
{
	close_special((void *)self);
}

TEST_F(hugetlb, M3_D3_small_pool)
{
	struct special_mem twice = self->s;
	char *p = self->addr;

	if (!set_pool(1))
		SKIP(return, "no huge pages to be had");
	twice.len *= 2;
	ASSERT_EQ(0, lock_future(variant->call));
	ASSERT_TRUE(map_special(&twice, p) == p) TH_LOG("errno %d", errno);
	EXPECT_EQ(0, lock_current(variant->call, p, twice.len))
		TH_LOG("errno %d", errno);
	EXPECT_EQ(0, pages_present(p, twice.len));
	/* what there is stays there */
	EXPECT_EQ(1, meminfo("HugePages_Free"));
}

/* The program itself wants its pages from the pool, whatever is locked how */
TEST_F(hugetlb, M3_D6_map_populate)
{
	struct special_mem *s = &self->s;
	char *p = self->addr;

	if (!set_pool(1))
		SKIP(return, "no huge pages to be had");
	s->flags |= MAP_POPULATE;
	ASSERT_EQ(0, lock_future(variant->call));
	ASSERT_TRUE(map_special(s, p) == p) TH_LOG("errno %d", errno);
	EXPECT_EQ(0, lock_current(variant->call, p, s->len));
	EXPECT_EQ((long)(s->len / page_size()), pages_present(p, s->len));
	EXPECT_EQ(0, meminfo("HugePages_Free"));
}

/*
 * What the kernel maps on its own account
 */
FIXTURE(kernels) {
	int unused;
};

FIXTURE_VARIANT(kernels) {
	enum lock_call call;
};

FIXTURE_VARIANT_ADD(kernels, mlock2) { .call = BY_MLOCK2, };
FIXTURE_VARIANT_ADD(kernels, mlockall) { .call = BY_MLOCKALL, };

FIXTURE_SETUP(kernels)
{
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
}

FIXTURE_TEARDOWN(kernels)
{
	sys_munlockall();
}

/* The mapping of that name; length 0 if there is none */
static size_t find_named(const char *name, char **addr)
{
	struct lines l;
	struct vma v;
	char line[512];
	size_t len = 0;

	if (!lines_open(&l, "/proc/self/maps"))
		return 0;
	while (!len && lines_next(&l, line, sizeof(line))) {
		if (!strstr(line, name) || !line_vma(line, &v))
			continue;
		*addr = (char *)v.start;
		len = v.end - v.start;
	}
	lines_close(&l);
	return len;
}

TEST_F(kernels, M3_vdso)
{
	static const char * const names[] = { "[vdso]", "[vvar]" };
	size_t i, len, found = 0;
	long before;
	char *p;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		len = find_named(names[i], &p);
		if (!len)
			continue;
		found++;
		before = pages_present(p, len);
		EXPECT_EQ(0, lock_current(variant->call, p, len))
			TH_LOG("%s: errno %d", names[i], errno);
		EXPECT_EQ(before, pages_present(p, len)) TH_LOG("%s", names[i]);
		EXPECT_FALSE(is_locked(p)) TH_LOG("%s", names[i]);
		EXPECT_EQ(0, sys_munlock(p, len));
	}
	if (!found)
		SKIP(return, "there is no vdso");
}

/* The ring of completed requests of asynchronous I/O */
TEST_F(kernels, M3_aio_ring)
{
	aio_context_t ctx = 0;
	struct vma v;
	size_t len;
	char *p;

	if (syscall(__NR_io_setup, 256, &ctx))
		SKIP(return, "io_setup(): errno %d", errno);
	p = (char *)(unsigned long)ctx;
	ASSERT_TRUE(vma_at(p, &v));
	len = v.end - v.start;
	ASSERT_EQ(0, pages_present(p, len));
	EXPECT_EQ(0, lock_current(variant->call, p, len));
	EXPECT_EQ(0, pages_present(p, len));
	EXPECT_FALSE(is_locked(p));
	syscall(__NR_io_destroy, ctx);
}

TEST_HARNESS_MAIN
