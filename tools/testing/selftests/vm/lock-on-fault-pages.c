// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault: by whatever road a page comes, it is locked when the fault
 * returns (row M2).  So are pages that were there before the lock.
 */
#include "lock_on_fault_mm.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <linux/userfaultfd.h>

#include "../kselftest_harness.h"

#define PAGES		24

static char *nth_page(const struct mem *m, size_t n)
{
	return m->addr + n * page_size();
}

static int lock(const struct mem *m)
{
	return sys_mlock2(m->addr, m->len, MLOCK_ONFAULT);
}

/*
 * All kinds of memory
 */
FIXTURE(kinds) {
	struct mem m;
};

MEM_KIND_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	const char *why;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	if (!mem_map(&self->m, variant->kind, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(kinds)
{
	mem_unmap(&self->m);
}

TEST_F(kinds, M2_read_fault)
{
	struct mem *m = &self->m;
	struct vma v;
	long n;

	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, pages_present(m->addr, m->len));
	touch_read(nth_page(m, PAGES / 2), page_size());
	ASSERT_TRUE(page_present(nth_page(m, PAGES / 2)));

	n = pages_present(m->addr, m->len);
	if (variant->kind == ANON_PRIVATE) {
		/* the zero page, see M2_zero_page_excepted */
		EXPECT_EQ(1, n);
		ASSERT_TRUE(vma_at(m->addr, &v));
		EXPECT_EQ(0, v.locked);
	} else {
		/* neighbours may come along, see M2_fault_around */
		EXPECT_TRUE(locked_with(m->addr, m->len, n));
	}
}

TEST_F(kinds, M2_write_fault)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(0, pages_present(m->addr, m->len));
	store_pages(nth_page(m, 5), page_size(), 'x');
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
	store_pages(m->addr, m->len, 'x');
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

TEST_F(kinds, M2_present_when_locked)
{
	struct mem *m = &self->m;

	store_pages(m->addr, m->len / 2, 'x');
	ASSERT_EQ(PAGES / 2, pages_present(m->addr, m->len));
	ASSERT_EQ(0, lock(m));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES / 2));
	store_pages(m->addr, m->len, 'y');
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

/* Present, but mapped read-only: the first write finds a page that is locked */
TEST_F(kinds, M2_write_after_read)
{
	struct mem *m = &self->m;
	long n;

	touch_read(m->addr, m->len);
	n = pages_present(m->addr, m->len);
	ASSERT_EQ(PAGES, n);
	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, m->len, 'x');
	EXPECT_EQ('x', *nth_page(m, 3));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

/* The kernel writes for the program, through its page table */
TEST_F(kinds, M2_read_into_hole)
{
	struct mem *m = &self->m;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(6, write(fds[1], "secret", 6));
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(6, read(fds[0], nth_page(m, 7), 6));
	EXPECT_EQ(0, memcmp(nth_page(m, 7), "secret", 6));
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
}

/* Another process writes, through get_user_pages() */
TEST_F(kinds, M2_process_vm_writev)
{
	struct mem *m = &self->m;
	struct iovec from = { .iov_base = "secret", .iov_len = 6 };
	struct iovec to = { .iov_base = nth_page(m, 9), .iov_len = 6 };
	pid_t pid;
	int ret;

	ASSERT_EQ(0, lock(m));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (process_vm_writev(getppid(), &from, 1, &to, 1, 0) == 6)
			_exit(0);
		_exit(errno == ENOSYS || errno == EPERM ? 2 : 1);
	}
	ret = wait_for(pid);
	if (ret == 2)
		SKIP(return, "no process_vm_writev() here, or not allowed");
	ASSERT_EQ(0, ret);
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
	EXPECT_EQ(0, memcmp(nth_page(m, 9), "secret", 6));
}

TEST_F(kinds, M2_proc_mem_write)
{
	struct mem *m = &self->m;
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "/proc/self/mem cannot be opened");
	ASSERT_EQ(0, lock(m));
	/* the address may be beyond what off_t can say as a positive number */
	ASSERT_EQ(6, pwrite(fd, "secret", 6,
			    (off_t)(unsigned long)nth_page(m, 11)));
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
	EXPECT_EQ(0, memcmp(nth_page(m, 11), "secret", 6));
}

/* A debugger writes; it gets past what the mapping allows */
TEST_F(kinds, M2_ptrace_poke)
{
	struct mem *m = &self->m;
	int status;
	pid_t pid;
	long word;

	memset(&word, 'p', sizeof(word));
	/* where it would be nobody's copy it does have to be allowed */
	if (!kind_is_shared(variant->kind)) {
		ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ));
	}
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/* locks are not inherited: it is the child that locks */
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(2);
		if (lock(m))
			_exit(3);
		raise(SIGSTOP);
		if (*nth_page(m, 13) != 'p')
			_exit(4);
		_exit(!locked_with(m->addr, m->len, 1));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		SKIP(return, "ptrace() is not allowed");
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, pid, nth_page(m, 13),
			    (void *)word));
	EXPECT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
	EXPECT_EQ(0, wait_for(pid));
}

TEST_F(kinds, M2_copy_on_write_after_fork)
{
	struct mem *m = &self->m;
	int go[2], ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, m->len, 'p');
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		bool ok;

		close(go[1]);
		/* the child keeps its half of the pages until we have ours */
		ok = write(ready[1], "", 1) == 1;
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		ok = ok && !is_locked(m->addr) && !vm_lck();
		/* what it writes is its own, and not locked */
		store_pages(m->addr, page_size(), 'c');
		_exit(!ok || is_locked(m->addr));
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	store_pages(m->addr, m->len, 'q');
	/* one by one: what the child maps, too, is not all ours in "Locked" */
	EXPECT_EQ(PAGES, pages_present(m->addr, m->len));
	EXPECT_TRUE(is_locked(m->addr));
	if (!kind_is_shared(variant->kind)) {
		EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	}
	close(go[1]);
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
	EXPECT_EQ(kind_is_shared(variant->kind) ? 'c' : 'q', *m->addr);
}

/*
 * A page that was written out before the lock comes back locked.  Files are
 * read again, the rest comes from swap.
 */
TEST_F(kinds, M2_swap_in)
{
	struct mem *m = &self->m;
	struct vma v;
	size_t i;

	if (!kind_is_file(variant->kind) && meminfo("SwapFree") <= 0)
		SKIP(return, "there is no swap space");
	for (i = 0; i < PAGES; i++)
		*nth_page(m, i) = file_byte(i + 1);
	/* dirty pages of files only go when they are clean */
	if (variant->kind == FILE_SHARED) {
		ASSERT_EQ(0, msync(m->addr, m->len, MS_SYNC));
	}
	if (!page_out(m->addr, m->len))
		SKIP(return, "the pages cannot be pushed out: %ld still there",
		     pages_present(m->addr, m->len));
	ASSERT_TRUE(vma_at(m->addr, &v));
	/* what was written in a private file mapping is swapped, too */
	if (variant->kind != FILE_SHARED) {
		ASSERT_EQ(page_kb(PAGES), v.swap);
	}
	if (!kind_is_shared(variant->kind)) {
		ASSERT_EQ(PAGES, pages_swapped(m->addr, m->len));
	}

	ASSERT_EQ(0, lock(m));
	EXPECT_EQ(0, pages_present(m->addr, m->len));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(file_byte(i + 1), *nth_page(m, i));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

/* Nothing can be faulted in, now or by the change; then the usual rules */
TEST_F(kinds, M2_M8_prot_none)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_NONE));
	EXPECT_EQ(0, lock(m));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	store_pages(nth_page(m, 1), page_size(), 'x');
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_NONE));
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
}

/* The one advice that may discard locked pages; they come back locked */
TEST_F(kinds, M2_fault_after_dontneed_locked)
{
	struct mem *m = &self->m;

	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, m->len, 'x');
	if (madvise(m->addr, m->len, MADV_DONTNEED_LOCKED))
		SKIP(return, "MADV_DONTNEED_LOCKED: errno %d", errno);
	EXPECT_TRUE(locked_with(m->addr, m->len, 0));
	store_pages(nth_page(m, 4), page_size(), 'y');
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
}

/* Pages stay where they are when the lock goes, and may be reclaimed again */
TEST_F(kinds, M2_munlock_gives_back)
{
	struct mem *m = &self->m;
	struct vma v;

	ASSERT_EQ(0, lock(m));
	store_pages(m->addr, m->len, 'x');
	ASSERT_TRUE(locked_with(m->addr, m->len, PAGES));
	ASSERT_EQ(0, sys_munlock(m->addr, m->len));
	EXPECT_EQ(PAGES, pages_present(m->addr, m->len));
	ASSERT_TRUE(vma_at(m->addr, &v));
	EXPECT_FALSE(vma_has(&v, "lo"));
	EXPECT_EQ(0, v.locked);

	if (!can_see_kflags() || !drain_all_cpus())
		SKIP(return, "page flags cannot be seen, the rest was right");
	EXPECT_EQ(0, pages_with_kflag(m->addr, m->len, KPF_MLOCKED));
	EXPECT_EQ(0, pages_with_kflag(m->addr, m->len, KPF_UNEVICTABLE));
}

/*
 * A lock that is given back in whatever way is given back once: the system's
 * count of locked pages does not drift.  What others lock meanwhile is told
 * from a leak by the number of rounds: a leak is at least a page in each.
 */
TEST_F(kinds, M2_mlocked_does_not_drift)
{
	const int rounds = 24;
	struct mem *m = &self->m;
	long before, locked, after;
	pid_t pid;
	int i;

	before = mlocked_now();
	if (before < 0)
		SKIP(return, "the LRU cannot be drained or counters not be read");
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, lock(m));
		touch_read(m->addr, m->len / 2);
		store_pages(nth_page(m, 2), m->len / 2, 'x');
		/* from one mode to the other, and back, counts no page twice */
		ASSERT_EQ(0, sys_mlock(m->addr, m->len));
		ASSERT_EQ(0, lock(m));
		if (!i) {
			locked = mlocked_now();
			EXPECT_LE(page_kb(PAGES), locked - before);
			EXPECT_GT(page_kb(PAGES + rounds / 2), locked - before);
		}
		switch (i % 4) {
		case 0:
			ASSERT_EQ(0, sys_munlock(m->addr, m->len));
			break;
		case 1:
			ASSERT_EQ(0, sys_munlock(m->addr, m->len / 2));
			break;
		case 2:
			/* discards them, which may be refused */
			madvise(m->addr, m->len, MADV_DONTNEED_LOCKED);
			break;
		case 3:
			pid = fork();
			ASSERT_GE(pid, 0);
			if (!pid) {
				store_pages(m->addr, m->len, 'c');
				_exit(lock(m));
			}
			store_pages(m->addr, m->len, 'p');
			ASSERT_EQ(0, wait_for(pid));
			break;
		}
		/* unmaps what is still locked */
		ASSERT_TRUE(mmap(m->addr, m->len, PROT_READ | PROT_WRITE,
				 mem_map_flags(m->kind) | MAP_FIXED, m->fd,
				 0) == m->addr);
		ASSERT_EQ(0, vm_lck());
	}
	after = mlocked_now();
	EXPECT_GT(page_kb(rounds / 4), labs(after - before))
		TH_LOG("Mlocked: %ld kB before, %ld kB after", before, after);
}

/*
 * Private memory: the page that is locked in the end is a copy
 */
FIXTURE(private) {
	struct mem m;
};

FIXTURE_VARIANT(private) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(private, anon_private) { .kind = ANON_PRIVATE, };
FIXTURE_VARIANT_ADD(private, file_private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(private)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(private)
{
	mem_unmap(&self->m);
}

TEST_F(private, M2_copy_on_write_after_read)
{
	struct mem *m = &self->m;
	char *p = nth_page(m, 6);
	uint64_t before;
	long n;

	ASSERT_EQ(0, lock(m));
	touch_read(p, page_size());
	before = pagemap_entry(p) & PM_PFN_MASK;
	n = pages_present(m->addr, m->len);
	ASSERT_GE(n, 1);
	store_pages(p, page_size(), 'w');
	EXPECT_TRUE(page_present(p));
	/* without root the numbers of pages are hidden */
	EXPECT_TRUE(!before || before != (pagemap_entry(p) & PM_PFN_MASK));
	EXPECT_TRUE(locked_with(m->addr, m->len, n));
}

/* Written through a debugger's door, past a protection that stays */
TEST_F(private, M2_copy_on_write_forced)
{
	struct mem *m = &self->m;
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "/proc/self/mem cannot be opened");
	ASSERT_EQ(0, mprotect(m->addr, m->len, PROT_READ));
	ASSERT_EQ(0, lock(m));
	ASSERT_EQ(6, pwrite(fd, "secret", 6,
			    (off_t)(unsigned long)nth_page(m, 8)));
	EXPECT_EQ(0, memcmp(nth_page(m, 8), "secret", 6));
	EXPECT_TRUE(locked_with(m->addr, m->len, 1));
}

TEST_F(private, M2_copy_on_write_of_child)
{
	struct mem *m = &self->m;
	pid_t pid;

	/* the parent's pages are shared with the child that locks */
	store_pages(m->addr, m->len, 'p');
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (lock(m))
			_exit(1);
		store_pages(m->addr, m->len, 'c');
		_exit(!locked_with(m->addr, m->len, PAGES));
	}
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_EQ('p', *m->addr);
	EXPECT_FALSE(is_locked(m->addr));
}

/*
 * Anonymous memory: userfaultfd does not serve files
 */
FIXTURE(anon) {
	struct mem m;
};

FIXTURE_VARIANT(anon) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(anon, anon_private) { .kind = ANON_PRIVATE, };
FIXTURE_VARIANT_ADD(anon, anon_shared) { .kind = ANON_SHARED, };

FIXTURE_SETUP(anon)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(anon)
{
	mem_unmap(&self->m);
}

TEST_F(anon, M2_userfaultfd_copy)
{
	struct mem *m = &self->m;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = {
			.start = (unsigned long)m->addr,
			.len = m->len,
		},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy;
	char *from;
	int fd;

	fd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "userfaultfd: errno %d", errno);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, lock(m));
	/* the lock must survive what this does to the mapping's flags */
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		SKIP(return, "UFFDIO_REGISTER: errno %d", errno);

	from = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(from != MAP_FAILED);
	memset(from, 'u', 2 * page_size());
	copy = (struct uffdio_copy) {
		.dst = (unsigned long)nth_page(m, 2),
		.src = (unsigned long)from,
		.len = 2 * page_size(),
	};
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy)) TH_LOG("errno %d", errno);
	EXPECT_TRUE(locked_with(m->addr, m->len, 2));
	EXPECT_EQ('u', *nth_page(m, 3));
}

/*
 * Files: one touch may map the neighbours that are in the page cache
 */
FIXTURE(files) {
	struct mem m;
};

FIXTURE_VARIANT(files) {
	enum mem_kind kind;
};

FIXTURE_VARIANT_ADD(files, file_shared) { .kind = FILE_SHARED, };
FIXTURE_VARIANT_ADD(files, file_private) { .kind = FILE_PRIVATE, };

FIXTURE_SETUP(files)
{
	kinds_setup(_metadata, (void *)self, (void *)variant);
}

FIXTURE_TEARDOWN(files)
{
	mem_unmap(&self->m);
}

/* A lock takes nothing from the window that a fault fills, and all of it */
TEST_F(files, M2_fault_around)
{
	struct mem *m = &self->m;
	long n;

	touch_read(nth_page(m, 10), page_size());
	n = pages_present(m->addr, m->len);
	ASSERT_GE(n, 1);
	/* page cache pages only: they stay there */
	ASSERT_EQ(0, madvise(m->addr, m->len, MADV_DONTNEED));
	ASSERT_EQ(0, pages_present(m->addr, m->len));

	ASSERT_EQ(0, lock(m));
	touch_read(nth_page(m, 10), page_size());
	EXPECT_TRUE(locked_with(m->addr, m->len, n));
}

/* Not in the page cache: read from the disk into a locked mapping */
TEST_F(files, M2_major_fault)
{
	struct mem *m = &self->m;
	unsigned char cached[PAGES];
	size_t i;

	ASSERT_EQ(0, fsync(m->fd));
	drain_all_cpus();
	ASSERT_EQ(0, posix_fadvise(m->fd, 0, m->len, POSIX_FADV_DONTNEED));
	ASSERT_EQ(0, mincore(m->addr, m->len, cached));
	if (cached[PAGES - 1] & 1)
		SKIP(return, "the page cache does not let go of the file");
	ASSERT_EQ(0, lock(m));
	EXPECT_EQ(0, pages_present(m->addr, m->len));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(file_byte(i), *nth_page(m, i));
	EXPECT_TRUE(locked_with(m->addr, m->len, PAGES));
}

/*
 * The zero page is the exception: shared by all, it is never locked
 */
TEST(M2_zero_page_excepted)
{
	struct mem m;
	const char *why;
	struct vma v;
	size_t i;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised");
	ASSERT_TRUE(mem_map(&m, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
			    &why)) TH_LOG("%s", why);
	/* half before the lock, half after it */
	touch_read(m.addr, m.len / 2);
	ASSERT_EQ(0, lock(&m));
	touch_read(m.addr, m.len);
	EXPECT_EQ(PAGES, pages_present(m.addr, m.len));
	ASSERT_TRUE(vma_at(m.addr, &v));
	EXPECT_EQ(0, v.locked);
	EXPECT_EQ(0, v.rss);
	for (i = 0; i < PAGES; i++) {
		/* never mlocked, or every fork and exit would fight over it */
		EXPECT_FALSE(page_has_kflag(nth_page(&m, i), KPF_MLOCKED));
		EXPECT_EQ(0, *nth_page(&m, i));
	}
	/* what is written then is a page like any other */
	store_pages(m.addr, m.len, 'x');
	EXPECT_TRUE(locked_with(m.addr, m.len, PAGES));
	mem_unmap(&m);
}

/*
 * Huge pages
 */
FIXTURE(thp) {
	char *base, *addr, *twin;
	size_t size;
};

FIXTURE_SETUP(thp)
{
	char *p;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	self->size = thp_size();
	if (!self->size)
		SKIP_SETUP("the kernel has no transparent huge pages");
	self->base = mmap(NULL, 5 * self->size, PROT_NONE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(self->base != MAP_FAILED);
	p = (char *)(((unsigned long)self->base + self->size - 1) &
		     -self->size);
	self->addr = p;
	/* tells "the lock's fault" from "no huge page to be had" */
	self->twin = p + 2 * self->size;
	for (p = self->addr; p <= self->twin; p += 2 * self->size) {
		ASSERT_TRUE(mmap(p, self->size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				 0) == p);
		if (madvise(p, self->size, MADV_HUGEPAGE))
			SKIP_SETUP("MADV_HUGEPAGE: errno %d", errno);
	}
	*self->twin = 1;
	if (pages_present(self->twin, self->size) !=
	    (long)(self->size / page_size()))
		SKIP_SETUP("no huge page to be had");
}

FIXTURE_TEARDOWN(thp)
{
	munmap(self->base, 5 * self->size);
}

/* One touch locks all of it, and takes all of it in */
TEST_F(thp, M2_one_touch)
{
	ASSERT_EQ(0, sys_mlock2(self->addr, self->size, MLOCK_ONFAULT));
	ASSERT_EQ(0, pages_present(self->addr, self->size));
	self->addr[self->size / 2] = 1;
	EXPECT_TRUE(locked_with(self->addr, self->size,
				self->size / page_size()));
}

TEST_F(thp, M2_present_when_locked)
{
	*self->addr = 1;
	ASSERT_EQ((long)(self->size / page_size()),
		  pages_present(self->addr, self->size));
	ASSERT_EQ(0, sys_mlock2(self->addr, self->size, MLOCK_ONFAULT));
	EXPECT_TRUE(locked_with(self->addr, self->size,
				self->size / page_size()));
	ASSERT_EQ(0, sys_munlock(self->addr, self->size));
	EXPECT_FALSE(is_locked(self->addr));
	if (!can_see_kflags() || !drain_all_cpus())
		SKIP(return, "page flags cannot be seen, the rest was right");
	EXPECT_FALSE(page_has_kflag(self->addr, KPF_MLOCKED));
	EXPECT_FALSE(page_has_kflag(self->addr, KPF_UNEVICTABLE));
}

/*
 * Unlocking a part splits the page table's entry.  The rest stays present and
 * counts; that its pages, now mapped one by one, leave the unevictable list is
 * a known weakness (D12), so page flags are not asked for.
 */
TEST_F(thp, M2_part_unlocked)
{
	size_t half = self->size / 2;
	struct vma v;

	ASSERT_EQ(0, sys_mlock2(self->addr, self->size, MLOCK_ONFAULT));
	*self->addr = 1;
	ASSERT_EQ(0, sys_munlock(self->addr + half, half));
	ASSERT_TRUE(vma_at(self->addr, &v));
	EXPECT_EQ(half, v.end - v.start);
	EXPECT_EQ((long)half / 1024, v.locked);
	EXPECT_EQ((long)(half / page_size()), pages_present(self->addr, half));
	EXPECT_FALSE(is_locked(self->addr + half));
	EXPECT_EQ((long)half / 1024, vm_lck());
}

/*
 * What it is all for: secrets never reach swap, while memory next to them
 * does.  No madvise() does that to locked memory, so memory has to run out.
 */
#define SECRET_BYTES	(2UL << 20)
#define NR_KINDS	(FILE_PRIVATE + 1)

static void fill(char *p, size_t len, char c)
{
	size_t i;

	/* different pages, so that none can be shared */
	for (i = 0; i < len; i += sizeof(size_t))
		*(size_t *)(p + i) = i ^ (size_t)c << 24;
}

static bool filled(const char *p, size_t len, char c)
{
	size_t i;

	for (i = 0; i < len; i += sizeof(size_t))
		if (*(const size_t *)(p + i) != (i ^ (size_t)c << 24))
			return false;
	return true;
}

/*
 * Swallow memory until killed; the first to go if there is too little.  What
 * MOST_MEMORY_KB lets pass fits a 32-bit address space, where that is 4 GiB.
 */
static void eat_memory(void)
{
	const size_t bite = 16 << 20;
	char *p;

	write_file("/proc/self/oom_score_adj", "1000");
	for (;;) {
		p = mmap(NULL, bite, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p != MAP_FAILED) {
			/* huge pages are had faster; it may not matter */
			madvise(p, bite, MADV_HUGEPAGE);
			store_pages(p, bite, 's');
		} else {
			pause();
		}
	}
}

/* With more the test would take minutes, and push out what others work with */
#define MOST_MEMORY_KB	(3L << 20)

FIXTURE(secrets) {
	struct mem locked[NR_KINDS], twin[NR_KINDS];
	pid_t eater;
	int go;
};

FIXTURE_SETUP(secrets)
{
	const size_t pages = SECRET_BYTES / page_size();
	const char *why;
	int fds[2], i;
	char c;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	if (meminfo("SwapFree") < 8 * (long)(SECRET_BYTES / 1024))
		SKIP_SETUP("there is too little swap space");
	if (meminfo("MemTotal") > MOST_MEMORY_KB)
		SKIP_SETUP("too much memory to use it up: more than %ld MiB",
			   MOST_MEMORY_KB / 1024);

	/* before there are secrets: a fork's copy of them is not locked */
	ASSERT_EQ(0, pipe(fds));
	self->eater = fork();
	ASSERT_GE(self->eater, 0);
	if (!self->eater) {
		close(fds[1]);
		if (read(fds[0], &c, 1) == 1)
			eat_memory();
		_exit(0);
	}
	close(fds[0]);
	self->go = fds[1];

	for (i = 0; i < NR_KINDS; i++) {
		if (!mem_map(&self->locked[i], i, pages, PROT_READ | PROT_WRITE,
			     &why) ||
		    !mem_map(&self->twin[i], i, pages, PROT_READ | PROT_WRITE,
			     &why)) {
			kill(self->eater, SIGKILL);
			SKIP_SETUP("%s", why);
		}
	}
}

FIXTURE_TEARDOWN(secrets)
{
	kill(self->eater, SIGKILL);
	waitpid(self->eater, NULL, 0);
}

TEST_F_TIMEOUT(secrets, M2_never_swapped, 240)
{
	struct mem *m, *twin;
	long swapped;
	struct vma v;
	int i;

	/* the locked ones first: the oldest are the first to go */
	for (i = 0; i < NR_KINDS; i++) {
		m = &self->locked[i];
		ASSERT_EQ(0, lock(m));
		fill(m->addr, m->len, 'l');
		ASSERT_TRUE(locked_with(m->addr, m->len, m->pages));
	}
	for (i = 0; i < NR_KINDS; i++)
		fill(self->twin[i].addr, self->twin[i].len, 't');

	ASSERT_EQ(1, write(self->go, "", 1));
	twin = &self->twin[ANON_PRIVATE];
	do {
		poll(NULL, 0, 20);
		swapped = pages_swapped(twin->addr, twin->len);
		/* killed for want of memory: there is no more pressure */
		if (waitpid(self->eater, NULL, WNOHANG))
			break;
	} while (swapped < (long)twin->pages);
	kill(self->eater, SIGSTOP);
	if (swapped < (long)twin->pages / 2)
		SKIP(return, "memory ran out, and only %ld of %zu unlocked pages were swapped",
		     swapped, twin->pages);

	for (i = 0; i < NR_KINDS; i++) {
		m = &self->locked[i];
		EXPECT_EQ(0, pages_swapped(m->addr, m->len));
		ASSERT_TRUE(vma_at(m->addr, &v));
		/* shared memory's swap is not in the page table */
		EXPECT_EQ(0, v.swap);
		EXPECT_EQ((long)m->pages, pages_present(m->addr, m->len))
			TH_LOG("kind %d", i);
	}
	/* those of the kinds that have to come back need memory for that */
	kill(self->eater, SIGKILL);
	for (i = 0; i < NR_KINDS; i++) {
		EXPECT_TRUE(filled(self->locked[i].addr, self->locked[i].len,
				   'l'));
		EXPECT_TRUE(filled(self->twin[i].addr, self->twin[i].len, 't'));
	}
}

TEST_HARNESS_MAIN
