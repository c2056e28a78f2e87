// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault against callers who mean no good, and a kernel that has no
 * memory left: whatever is asked for gets the right answer, what is charged is
 * what is locked, and nothing is left when the process is gone.
 */
#include "lock_on_fault.h"
#include "lock_on_fault_hostile.h"
#include "lock_on_fault_mm.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"

#define PAGES	4

/* Some pages with nothing mapped before and behind them */
static char *map_alone(size_t pages)
{
	size_t page = page_size();
	char *p = mmap(NULL, (pages + 2) * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p, page) ||
	    munmap(p + (pages + 1) * page, page))
		return NULL;
	return p + page;
}

/*
 * Arguments
 */
enum range_call { MLOCK, MLOCK2, MLOCK2_ONFAULT, MUNLOCK };

FIXTURE(range) {
	unsigned long addr, page;
};

FIXTURE_VARIANT(range) {
	enum range_call call;
};

FIXTURE_VARIANT_ADD(range, mlock) { .call = MLOCK, };
FIXTURE_VARIANT_ADD(range, mlock2) { .call = MLOCK2, };
FIXTURE_VARIANT_ADD(range, mlock2_onfault) { .call = MLOCK2_ONFAULT, };
FIXTURE_VARIANT_ADD(range, munlock) { .call = MUNLOCK, };

FIXTURE_SETUP(range)
{
	/* without, what is too long is over the limit before it is nonsense */
	if (!has_cap_ipc_lock())
		SKIP_SETUP("needs CAP_IPC_LOCK");
	self->page = page_size();
	self->addr = (unsigned long)map_alone(PAGES);
	ASSERT_NE(0UL, self->addr);
}

FIXTURE_TEARDOWN(range)
{
	sys_munlockall();
}

static int call_range(enum range_call call, unsigned long start,
		      unsigned long len)
{
	switch (call) {
	case MLOCK:
		return errno_of(syscall(__NR_mlock, start, len));
	case MLOCK2:
		return errno_of(sys_mlock2_raw(start, len, 0));
	case MLOCK2_ONFAULT:
		return errno_of(sys_mlock2_raw(start, len, MLOCK_ONFAULT));
	case MUNLOCK:
		return errno_of(syscall(__NR_munlock, start, len));
	}
	return -1;
}

/*
 * What the call has to answer, and how many of our pages it has to reach, if
 * nothing else is mapped where it looks.
 */
static int expected(unsigned long addr, unsigned long start, unsigned long len,
		    unsigned long *reached)
{
	unsigned long page = page_size(), end, our_end = addr + PAGES * page;
	int error = 0;

	*reached = 0;
#ifdef __aarch64__
	/* A program's address may have a tag, which counts for nothing */
	start &= (unsigned long)((long)(start << 8) >> 8);
#endif
	len = (len + start % page + page - 1) & -page;
	start &= -page;
	end = start + len;
	if (end < start) {
		error = EINVAL;
	} else if (!len) {
		error = 0;
	} else if (start < addr || start >= our_end) {
		error = ENOMEM;
	} else if (end > our_end) {
		*reached = (our_end - start) / page;
		error = ENOMEM;
	} else {
		*reached = len / page;
	}
	return error;
}

TEST_F(range, I2_addresses_and_lengths)
{
	const unsigned long page = self->page, addr = self->addr;
	const unsigned long end = addr + PAGES * page, max = ULONG_MAX;
	const unsigned long starts[] = {
		/* ours */
		addr, addr + 1, addr + page - 1, addr + page, end - page,
		end - 1,
		/* next to it */
		addr - page, addr - 1, end, end + 1,
		/* nobody's, and the kernel's */
		0, 1, page - 1, page,
		max, max - page + 1, max - page, max / 2 + 1, max / 2,
#if ULONG_MAX > 0xffffffffUL
		/* the two ends of what x86_64 has no addresses for */
		1UL << 47, (1UL << 47) - page, -(1UL << 47), -(1UL << 47) - page,
		/* text of the kernel, the vsyscall page */
		0xffffffff81000000UL, 0xffffffffff600000UL,
		/* tags, where an architecture has some */
		addr | 1UL << 63, addr | 0x5aUL << 56,
#endif
	};
	const unsigned long lens[] = {
		0, 1, page - 1, page, page + 1, 2 * page, PAGES * page - 1,
		PAGES * page, PAGES * page + 1,
		1UL << 31, (1UL << 31) - 1, max / 2, max / 2 + 1,
		max - 2 * page, max - page, max - 1, max,
	};
	const long all = page_kb(PAGES);
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		if (starts[i] - addr >= PAGES * page &&
		    vmas_in((void *)starts[i], 1))
			continue;
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			unsigned long start = starts[i], len = lens[k], reached;
			long charged;
			int want, got;

			/* a length that rounding makes nothing is another matter */
			if (len + start % page + page - 1 < len)
				continue;
			want = expected(addr, start, len, &reached);
			sys_munlockall();
			if (variant->call == MUNLOCK)
				ASSERT_EQ(0, call_range(MLOCK2, addr,
							PAGES * page));
			got = call_range(variant->call, start, len);
			/* a 64-bit kernel may see more than a 32-bit program */
			if (sizeof(long) == 4 && (want == EINVAL || len >> 31) &&
			    (got == EINVAL || got == ENOMEM))
				continue;
			EXPECT_EQ(want, got)
				TH_LOG("start %#lx, length %#lx", start, len);
			charged = page_kb(reached);
			if (variant->call == MUNLOCK)
				charged = all - charged;
			EXPECT_EQ(charged, vm_lck())
				TH_LOG("start %#lx, length %#lx", start, len);
		}
	}
	EXPECT_TRUE(charge_is_exact());
}

/*
 * Whatever is mapped: it can be locked, and is charged for its size; or it is
 * something special, and nothing happens.
 */
FIXTURE(process) {
	char unused;
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

#define MOST_VMAS	128

/* Where they begin; what is no mapping of the process is left out */
static int starts_of_vmas(unsigned long *starts)
{
	struct lines l;
	struct vma v;
	char line[512];
	int n = 0;

	if (!lines_open(&l, "/proc/self/maps"))
		return 0;
	while (n < MOST_VMAS && lines_next(&l, line, sizeof(line)))
		if (line_vma(line, &v) && !line_is_gate(line))
			starts[n++] = v.start;
	lines_close(&l);
	return n;
}

TEST_F(process, I1_I6_every_mapping)
{
	unsigned long starts[MOST_VMAS];
	int n = starts_of_vmas(starts), i, special = 0;
	const int flags[] = { MLOCK_ONFAULT, 0 };
	struct vma v, now;
	size_t k;

	ASSERT_LT(3, n);
	/*
	 * One of the mappings is this program's code: what runs between two
	 * looks at it runs once before, and so is present.
	 */
	ASSERT_EQ(0, sys_mlock2(starts, 1, MLOCK_ONFAULT));
	ASSERT_EQ(1, pages_present(starts, page_size()));
	ASSERT_EQ(0, sys_munlockall());
	for (k = 0; k < ARRAY_SIZE(flags); k++) {
		for (i = 0; i < n; i++) {
			long lck = vm_lck(), size, before, after;
			char *p = (char *)starts[i];
			int error;

			/* a neighbour may have become a part of it */
			if (!vma_at(p, &v) || v.start != starts[i])
				continue;
			size = (v.end - v.start) / 1024;
			before = pages_present(p, v.end - v.start);
			error = errno_of(sys_mlock2(p, v.end - v.start,
						    flags[k]));
			after = pages_present(p, v.end - v.start);
			/* a plain lock cannot populate all of them */
			EXPECT_TRUE(!error || (!flags[k] && error == ENOMEM))
				TH_LOG("%lx: errno %d", starts[i], error);
			/* our own stack is in use meanwhile */
			if (flags[k] && !vma_has(&v, "gd")) {
				EXPECT_EQ(before, after)
					TH_LOG("%lx", starts[i]);
			}
			ASSERT_TRUE(vma_at(p, &now));
			EXPECT_EQ(lck + (vma_has(&now, "lo") ? size : 0),
				  vm_lck()) TH_LOG("%lx", starts[i]);
			special += !vma_has(&now, "lo");
			EXPECT_TRUE(vma_has(&now, "lo") || vma_has(&v, "de") ||
				    vma_has(&v, "io") || vma_has(&v, "pf") ||
				    vma_has(&v, "mm"))
				TH_LOG("%lx is not locked: %s", starts[i],
				       v.flags);
			EXPECT_TRUE(charge_is_exact());
		}
		EXPECT_EQ(0, sys_munlockall());
		EXPECT_EQ(0, vm_lck());
	}
	TH_LOG("%d mappings, %d of them special", n, special / 2);
}

/*
 * Ends.  A lock that nobody undoes is undone, and once.
 */
enum way_out { BY_EXIT, BY_SIGNAL, BY_EXEC };

FIXTURE(gone) {
	char unused;
};

FIXTURE_VARIANT(gone) {
	enum way_out how;
};

FIXTURE_VARIANT_ADD(gone, exit) { .how = BY_EXIT, };
FIXTURE_VARIANT_ADD(gone, signal) { .how = BY_SIGNAL, };
FIXTURE_VARIANT_ADD(gone, exec) { .how = BY_EXEC, };

FIXTURE_SETUP(gone)
{
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
}

FIXTURE_TEARDOWN(gone)
{
}

#define AFTER_EXEC	"LOCK_ON_FAULT_AFTER_EXEC"

/* What a program finds that was started by one with all kinds of locks */
static void __attribute__((constructor)) after_exec(void)
{
	char *p;

	if (!getenv(AFTER_EXEC))
		return;
	p = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	_exit(p == MAP_FAILED || is_locked(p) || vm_lck() ||
	      !charge_is_exact());
}

/* Locks in many ways, in a process that does not clean up */
static void lock_and_leave(enum way_out how)
{
	const char *why;
	size_t page = page_size();
	struct mem m[FILE_PRIVATE + 1];
	char *huge;
	int i;

	for (i = 0; i <= FILE_PRIVATE; i++) {
		if (!mem_map(&m[i], i, 8, PROT_READ | PROT_WRITE, &why) ||
		    sys_mlock2(m[i].addr, m[i].len, MLOCK_ONFAULT))
			_exit(10);
		touch_read(m[i].addr, 2 * page);
		store_pages(m[i].addr + page, 4 * page, 'x');
		/* some of it in the other way, some not at all */
		if (sys_mlock(m[i].addr + 4 * page, 2 * page) ||
		    sys_munlock(m[i].addr + page, page))
			_exit(11);
	}
	if (thp_size()) {
		huge = mmap(NULL, 2 * thp_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (huge == MAP_FAILED)
			_exit(12);
		madvise(huge, 2 * thp_size(), MADV_HUGEPAGE);
		if (sys_mlock2(huge, 2 * thp_size(), MLOCK_ONFAULT))
			_exit(13);
		huge[thp_size()] = 'x';
	}
	if (sys_mlockall(MCL_FUTURE | MCL_ONFAULT) ||
	    mmap(NULL, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) ==
		MAP_FAILED || !charge_is_exact())
		_exit(14);
	switch (how) {
	case BY_EXIT:
		_exit(0);
	case BY_SIGNAL:
		kill(getpid(), SIGKILL);
		break;
	case BY_EXEC:
		setenv(AFTER_EXEC, "1", 1);
		execl("/proc/self/exe", "after-exec", NULL);
		break;
	}
	_exit(15);
}

/* kB that are on the unevictable list, as mlocked_now() */
static long unevictable_now(void)
{
	if (mlocked_now() < 0)
		return -1;
	return meminfo("Unevictable");
}

TEST_F(gone, M2_nothing_is_left)
{
	const int rounds = 16;
	const char *why;
	long mlocked, unevictable;
	int i, fd = test_file(1, &why);
	pid_t pid;

	if (fd < 0)
		SKIP(return, "%s", why);
	close(fd);
	mlocked = mlocked_now();
	unevictable = unevictable_now();
	if (mlocked < 0)
		SKIP(return, "the LRU cannot be drained or counters not be read");
	for (i = 0; i < rounds; i++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			lock_and_leave(variant->how);
		ASSERT_EQ(variant->how == BY_SIGNAL ? -SIGKILL : 0,
			  wait_for(pid));
	}
	/* others may lock a page or two; a leak is one in each round at least */
	EXPECT_GT(page_kb(rounds / 4), labs(mlocked_now() - mlocked))
		TH_LOG("Mlocked was %ld kB", mlocked);
	EXPECT_GT(page_kb(rounds / 4), labs(unevictable_now() - unevictable))
		TH_LOG("Unevictable was %ld kB", unevictable);
}

/*
 * Failing allocations.  /proc/thread-self/fail-nth has one allocation of a
 * call fail, the first, then the second, until the call needs no more.
 */
enum failing_call {
	FAIL_MLOCK2, FAIL_MLOCK2_OF_MANY, FAIL_MUNLOCK, FAIL_MLOCKALL,
	FAIL_MUNLOCKALL, FAIL_MMAP, FAIL_MREMAP, FAIL_MREMAP_MOVE, FAIL_BRK,
	FAIL_FAULT,
};

FIXTURE(failing) {
	char *p;
	size_t page, room;
	int nth;
};

FIXTURE_VARIANT(failing) {
	enum failing_call call;
};

FIXTURE_VARIANT_ADD(failing, mlock2) { .call = FAIL_MLOCK2, };
FIXTURE_VARIANT_ADD(failing, mlock2_of_many) { .call = FAIL_MLOCK2_OF_MANY, };
FIXTURE_VARIANT_ADD(failing, munlock) { .call = FAIL_MUNLOCK, };
FIXTURE_VARIANT_ADD(failing, mlockall) { .call = FAIL_MLOCKALL, };
FIXTURE_VARIANT_ADD(failing, munlockall) { .call = FAIL_MUNLOCKALL, };
FIXTURE_VARIANT_ADD(failing, mmap) { .call = FAIL_MMAP, };
FIXTURE_VARIANT_ADD(failing, mremap) { .call = FAIL_MREMAP, };
FIXTURE_VARIANT_ADD(failing, mremap_move) { .call = FAIL_MREMAP_MOVE, };
FIXTURE_VARIANT_ADD(failing, brk) { .call = FAIL_BRK, };
FIXTURE_VARIANT_ADD(failing, fault) { .call = FAIL_FAULT, };

FIXTURE_SETUP(failing)
{
	static const char * const knobs[] = {
		/* else only allocations that must not wait can fail */
		"failslab/ignore-gfp-wait",
		"fail_page_alloc/ignore-gfp-wait",
		"fail_page_alloc/ignore-gfp-highmem",
	};
	char path[128];
	size_t i;

	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (self->nth < 0)
		SKIP_SETUP("the kernel has no fault injection");
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", knobs[i]);
		if (!write_file(path, "N"))
			SKIP_SETUP("%s cannot be written", path);
	}
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	/* not a message for each of them */
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	self->page = page_size();
	self->room = 32 * self->page;
	self->p = mmap(NULL, self->room, PROT_NONE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->p != MAP_FAILED);
}

FIXTURE_TEARDOWN(failing)
{
	sys_munlockall();
	munmap(self->p, self->room);
}

static bool fail_nth(int fd, int nth)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%d", nth);

	return pwrite(fd, buf, len, 0) == len;
}

/* Did it fail?  And no more of that. */
static bool has_failed(int fd)
{
	char buf[16] = "";

	if (pread(fd, buf, sizeof(buf) - 1, 0) < 0)
		return false;
	fail_nth(fd, 0);
	return !atoi(buf);
}

/* The same each time: [4 none][8 rw][8 rw, other flags][4 rw][room] */
static bool lay_out(const FIXTURE_DATA(failing) *self)
{
	size_t page = self->page;
	char *p = self->p;

	sys_munlockall();
	if (mmap(p, self->room, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS |
		 MAP_FIXED, -1, 0) != p ||
	    mmap(p + 4 * page, 20 * page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ||
	    madvise(p + 12 * page, 8 * page, MADV_DONTDUMP))
		return false;
	store_pages(p + 6 * page, 8 * page, 'x');
	return true;
}

/* The call itself, and what has to be done before, 0 or an error number */
static int failing_call(const FIXTURE_DATA(failing) *self,
			enum failing_call call, int nth, bool *failed)
{
	size_t page = self->page;
	char *p = self->p, *brk = NULL;
	struct iovec from = { .iov_base = "x", .iov_len = 1 };
	struct iovec to = { .iov_base = p + 5 * page, .iov_len = 1 };
	int ret = 0;
	long got;

	switch (call) {
	case FAIL_MLOCKALL:
	case FAIL_MUNLOCKALL:
		/*
		 * These split no mapping, but merge what they make alike: here
		 * two of them, of which the second alone has pages.
		 */
		if (sys_mlock2(p + (call == FAIL_MLOCKALL ? 22 : 20) * page,
			       2 * page, MLOCK_ONFAULT))
			return -1;
		store_pages(p + 22 * page, page, 'y');
		break;
	case FAIL_MUNLOCK:
	case FAIL_MREMAP:
	case FAIL_MREMAP_MOVE:
	case FAIL_FAULT:
		if (sys_mlock2(p + 4 * page, 20 * page, MLOCK_ONFAULT))
			return -1;
		break;
	case FAIL_MMAP:
	case FAIL_BRK:
		if (sys_mlockall(MCL_FUTURE | MCL_ONFAULT))
			return -1;
		brk = (char *)syscall(__NR_brk, 0);
		break;
	default:
		break;
	}
	if ((call == FAIL_MREMAP || call == FAIL_MREMAP_MOVE) &&
	    munmap(p + 24 * page, 8 * page))
		return -1;

	if (!fail_nth(self->nth, nth))
		return -1;
	switch (call) {
	case FAIL_MLOCK2:
		ret = sys_mlock2(p + 8 * page, 2 * page, MLOCK_ONFAULT);
		break;
	case FAIL_MLOCK2_OF_MANY:
		ret = sys_mlock2(p + 8 * page, 14 * page, MLOCK_ONFAULT);
		break;
	case FAIL_MUNLOCK:
		ret = sys_munlock(p + 8 * page, 14 * page);
		break;
	case FAIL_MLOCKALL:
		ret = sys_mlockall(MCL_CURRENT | MCL_ONFAULT);
		break;
	case FAIL_MUNLOCKALL:
		ret = sys_munlockall();
		break;
	case FAIL_MMAP:
		got = (long)mmap(p + 6 * page, 4 * page,
				 PROT_READ | PROT_WRITE, MAP_FIXED |
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		ret = got == -1 ? -1 : 0;
		break;
	case FAIL_MREMAP:
		got = (long)mremap(p + 20 * page, 4 * page, 8 * page, 0);
		ret = got == -1 ? -1 : 0;
		break;
	case FAIL_MREMAP_MOVE:
		/* to where it does not merge with what it comes from */
		got = (long)mremap(p + 20 * page, 4 * page, 6 * page,
				   MREMAP_MAYMOVE | MREMAP_FIXED,
				   p + 25 * page);
		ret = got == -1 ? -1 : 0;
		break;
	case FAIL_BRK:
		got = syscall(__NR_brk, brk + 16 * page);
		ret = got == (long)brk ? -1 : 0;
		errno = ENOMEM;
		break;
	case FAIL_FAULT:
		/*
		 * A hole.  The kernel says EFAULT where a store would die, and
		 * does not try again, as its copy after a read() may.
		 */
		ret = process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1 ?
		      0 : -1;
		if (ret && errno == EFAULT)
			errno = ENOMEM;
		break;
	}
	ret = errno_of(ret);
	*failed = has_failed(self->nth);

	if (call == FAIL_BRK)
		syscall(__NR_brk, brk);
	return ret;
}

TEST_F(failing, I6_charge_is_exact)
{
	int nth, errors = 0, ret;
	bool failed = true;
	long lck;

	ASSERT_TRUE(charge_is_exact());
	for (nth = 1; failed && nth < 200; nth++) {
		ASSERT_TRUE(lay_out(self));
		ret = failing_call(self, variant->call, nth, &failed);
		EXPECT_TRUE(charge_is_exact()) TH_LOG("allocation %d", nth);
		/*
		 * Some allocations can be done without, and mlockall() passes
		 * over what it cannot split, as it always did.  But who needs
		 * none fails for none.
		 */
		if (ret) {
			EXPECT_TRUE(failed) TH_LOG("%d, errno %d", nth, ret);
			/* shared memory without an inode is ENOSPC */
			if (variant->call != FAIL_MMAP || ret != ENOSPC) {
				EXPECT_EQ(ENOMEM, ret)
					TH_LOG("allocation %d", nth);
			}
			errors++;
		}
		EXPECT_EQ(0, sys_munlockall());
		lck = vm_lck();
		EXPECT_EQ(0, lck) TH_LOG("allocation %d", nth);
	}
	EXPECT_FALSE(failed);
	TH_LOG("%d allocations, %d of them an error", nth - 2, errors);
	/* a tree of mappings that are linked takes no memory to merge two */
	if (nth == 2 && (variant->call == FAIL_MLOCKALL ||
			 variant->call == FAIL_MUNLOCKALL ||
			 variant->call == FAIL_MREMAP))
		SKIP(return, "this kernel allocates nothing for it");
	/* neither minds that mappings stay apart */
	if (variant->call != FAIL_MLOCKALL &&
	    variant->call != FAIL_MUNLOCKALL) {
		EXPECT_LT(0, errors);
	}
}

/*
 * A user namespace gives capabilities over what is in it.  Memory is not.
 */
TEST(I6_user_namespace_is_no_privilege)
{
	size_t page = page_size();
	char *p = map_alone(16);

	ASSERT_TRUE(!!p);
	if (!set_memlock(8 * page))
		SKIP(return, "RLIMIT_MEMLOCK cannot be set");
	ASSERT_TRUE(drop_privilege());
	if (unshare(CLONE_NEWUSER))
		SKIP(return, "there are no user namespaces: errno %d", errno);
	/* all of them, so it seems */
	ASSERT_TRUE(has_cap_ipc_lock());
	EXPECT_EQ(0, sys_mlock2(p, 8 * page, MLOCK_ONFAULT));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlock2(p, 9 * page, MLOCK_ONFAULT)));
	EXPECT_EQ(ENOMEM, errno_of(sys_mlockall(MCL_CURRENT | MCL_ONFAULT)));
	EXPECT_EQ(0, sys_mlockall(MCL_FUTURE | MCL_ONFAULT));
	EXPECT_TRUE(mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0) == MAP_FAILED);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(page_kb(8), vm_lck());
	EXPECT_FALSE(set_memlock(RLIM_INFINITY));
	EXPECT_EQ(page_kb(8), vm_lck());
}

TEST_HARNESS_MAIN
