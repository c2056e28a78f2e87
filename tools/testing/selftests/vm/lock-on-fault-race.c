// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault against another thread (row M3, defect D1).
 *
 * A call that locks on fault must not fault anything in, whatever another
 * thread does to the range meanwhile.  A kernel that decides whether to
 * populate after it has let go of the mmap_lock, by what the mapping says
 * then, finds that it says "not locked on fault" if the other thread has
 * unlocked or replaced it in between, and fills it.
 *
 * Each round lets both threads start at the same time, on a CPU of their own,
 * and looks whether the range, which nobody ever touches, is still empty.
 *
 * The other thread gets in between for sure if it waits for the mmap_lock when
 * the first one lets go of it.  So the call is given work to do while it holds
 * the lock: there is some ballast before the range, pages that are present.
 */
#include "lock_on_fault.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "../kselftest_harness.h"

/* Large, so that a populate is no short affair that a round could miss */
#define RANGE		(64UL << 20)
#define BALLAST		(64 * page_size())

/*
 * On a kernel that has the defect 480 of 480 tests failed (two emulated CPUs),
 * the mean after 22 rounds and the last after 772.  Two threads in step are
 * slow where each waits for the other's CPU to be given to it, as in a guest
 * on a host with more to do than it has CPUs; hence the limit in time.  On
 * such a host each of 20 runs of the 12 tests still failed, in 5 tests or more.
 */
#define ROUNDS		1500
#define MOST_MS		3000

enum lock_call {
	BY_MLOCK2,
	BY_MLOCKALL,
	BY_MMAP,
	BY_MREMAP,
	BY_BRK,
};

enum undo_call {
	UNDO_MUNLOCK,
	UNDO_MUNLOCKALL,
	UNDO_MMAP,
};

struct range {
	enum mem_kind kind;
	int fd;
	char *addr;	/* the ballast is before it */
	enum undo_call undo;
	/* Rounds that may begin, that have ended; ~0U says that it is over */
	unsigned int go, done;
};

static char *map_at(const struct range *r, size_t len)
{
	return mmap(r->addr, len, PROT_READ | PROT_WRITE,
		    mem_map_flags(r->kind) | MAP_NORESERVE | MAP_FIXED, r->fd,
		    0);
}

/* Huge pages would be little work */
static bool map_ballast(const struct range *r)
{
	char *p = r->addr - BALLAST;

	if (mmap(p, BALLAST, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		return false;
	madvise(p, BALLAST, MADV_NOHUGEPAGE);
	store_pages(p, BALLAST, 'b');
	return true;
}

static void run_on(int nth)
{
	cpu_set_t have, want;
	int cpu;

	if (sched_getaffinity(0, sizeof(have), &have))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &have) && !nth--)
			break;
	CPU_ZERO(&want);
	CPU_SET(cpu, &want);
	/* only makes it likelier that the two meet */
	sched_setaffinity(0, sizeof(want), &want);
}

/*
 * Which thread has to come how much later for the two to meet depends on the
 * calls and on the machine: try delays of all magnitudes, in no order.
 */
static void dawdle(uint32_t *state)
{
	uint32_t steps;

	*state = *state * 1664525 + 1013904223;
	steps = (*state >> 16 & 4095) >> (*state >> 28);
	while (steps--)
		__asm__ volatile("" : : : "memory");
}

static void *undo_thread(void *arg)
{
	struct range *r = arg;
	unsigned int round = 0, go;
	uint32_t state = 2;

	run_on(1);
	for (;;) {
		while ((go = __atomic_load_n(&r->go, __ATOMIC_ACQUIRE)) == round)
			;
		if (go == ~0U) {
			__atomic_store_n(&r->done, ~0U, __ATOMIC_RELEASE);
			return NULL;
		}
		round = go;
		dawdle(&state);
		/* may find nothing to unlock, or nothing mapped */
		switch (r->undo) {
		case UNDO_MUNLOCK:
			sys_munlock(r->addr - BALLAST, BALLAST + RANGE);
			break;
		case UNDO_MUNLOCKALL:
			sys_munlockall();
			break;
		case UNDO_MMAP:
			map_at(r, RANGE);
			sys_munlock(r->addr - BALLAST, BALLAST);
			break;
		}
		__atomic_store_n(&r->done, round, __ATOMIC_RELEASE);
	}
}

FIXTURE(race) {
	struct range range;
	char *brk;
};

FIXTURE_VARIANT(race) {
	enum mem_kind kind;
	enum lock_call lock;
	enum undo_call undo;
};

FIXTURE_VARIANT_ADD(race, mlock2_munlock_anon_private) {
	.kind = ANON_PRIVATE, .lock = BY_MLOCK2, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, mlock2_munlock_anon_shared) {
	.kind = ANON_SHARED, .lock = BY_MLOCK2, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, mlock2_munlock_file_shared) {
	.kind = FILE_SHARED, .lock = BY_MLOCK2, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, mlock2_munlock_file_private) {
	.kind = FILE_PRIVATE, .lock = BY_MLOCK2, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, mlock2_munlockall) {
	.kind = ANON_PRIVATE, .lock = BY_MLOCK2, .undo = UNDO_MUNLOCKALL,
};

FIXTURE_VARIANT_ADD(race, mlock2_mmap) {
	.kind = ANON_PRIVATE, .lock = BY_MLOCK2, .undo = UNDO_MMAP,
};

FIXTURE_VARIANT_ADD(race, mlockall_munlock) {
	.kind = ANON_PRIVATE, .lock = BY_MLOCKALL, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, mlockall_munlockall) {
	.kind = ANON_PRIVATE, .lock = BY_MLOCKALL, .undo = UNDO_MUNLOCKALL,
};

FIXTURE_VARIANT_ADD(race, mmap_munlock) {
	.kind = ANON_PRIVATE, .lock = BY_MMAP, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, mmap_munlockall) {
	.kind = ANON_PRIVATE, .lock = BY_MMAP, .undo = UNDO_MUNLOCKALL,
};

FIXTURE_VARIANT_ADD(race, mremap_munlock) {
	.kind = ANON_PRIVATE, .lock = BY_MREMAP, .undo = UNDO_MUNLOCK,
};

FIXTURE_VARIANT_ADD(race, brk_munlockall) {
	.kind = ANON_PRIVATE, .lock = BY_BRK, .undo = UNDO_MUNLOCKALL,
};

FIXTURE_SETUP(race)
{
	struct range *r = &self->range;
	pthread_t thread;
	const char *why;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(cpus), &cpus));
	if (CPU_COUNT(&cpus) < 2)
		SKIP_SETUP("two threads race on two CPUs, there is only one");
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");

	r->kind = variant->kind;
	r->undo = variant->undo;
	r->fd = -1;
	if (kind_is_file(r->kind)) {
		/* sparse: if it is filled nevertheless, then with holes */
		r->fd = test_file(0, &why);
		if (r->fd < 0)
			SKIP_SETUP("%s", why);
		ASSERT_EQ(0, ftruncate(r->fd, RANGE));
	}

	if (variant->lock == BY_BRK) {
		self->brk = (char *)syscall(__NR_brk, 0);
		r->addr = (char *)(((unsigned long)self->brk + page_size() - 1) &
				   -page_size());
	} else {
		/* finds the place, where rounds then map what they want */
		r->addr = mmap(NULL, BALLAST + RANGE, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			       0);
		ASSERT_TRUE(r->addr != MAP_FAILED);
		r->addr += BALLAST;
		ASSERT_TRUE(map_at(r, RANGE) == r->addr);
		ASSERT_TRUE(map_ballast(r));
	}

	/* The stack of the thread and what else it needs come before any lock */
	ASSERT_EQ(0, pthread_create(&thread, NULL, undo_thread, r));
	run_on(0);
}

FIXTURE_TEARDOWN(race)
{
	/*
	 * Not pthread_join(): 32-bit libraries want a futex call for it that
	 * kernels without CONFIG_COMPAT_32BIT_TIME do not have.  The end of
	 * the process does the rest.
	 */
	__atomic_store_n(&self->range.go, ~0U, __ATOMIC_RELEASE);
	while (__atomic_load_n(&self->range.done, __ATOMIC_ACQUIRE) != ~0U)
		sched_yield();
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* What has to be there before a round: a range with nothing in it */
static bool prepare(struct range *r, enum lock_call lock, char *brk)
{
	switch (lock) {
	case BY_MLOCK2:
	case BY_MLOCKALL:
		return true;
	case BY_MMAP:
		/* what is replaced has pages, what replaces it has none */
		return map_ballast(r) &&
		       !sys_mlockall(MCL_FUTURE | MCL_ONFAULT);
	case BY_MREMAP:
		return !munmap(r->addr + RANGE / 2, RANGE / 2) &&
		       !sys_mlock2(r->addr, RANGE / 2, MLOCK_ONFAULT);
	case BY_BRK:
		return (char *)syscall(__NR_brk, brk) == brk &&
		       !sys_mlockall(MCL_FUTURE | MCL_ONFAULT);
	}
	return false;
}

static bool lock_range(const struct range *r, enum lock_call lock)
{
	struct range whole;

	switch (lock) {
	case BY_MLOCK2:
		return !sys_mlock2(r->addr - BALLAST,
				   BALLAST + RANGE, MLOCK_ONFAULT);
	case BY_MLOCKALL:
		return !sys_mlockall(MCL_CURRENT | MCL_ONFAULT);
	case BY_MMAP:
		whole = *r;
		whole.addr -= BALLAST;
		return map_at(&whole, BALLAST + RANGE) == whole.addr;
	case BY_MREMAP:
		return mremap(r->addr, RANGE / 2, RANGE, 0) == r->addr;
	case BY_BRK:
		return (char *)syscall(__NR_brk, r->addr + RANGE) ==
			r->addr + RANGE;
	}
	return false;
}

TEST_F_TIMEOUT(race, M3_D1_nothing_populated, 120)
{
	struct range *r = &self->range;
	/* where a populate would start */
	char *first = variant->lock == BY_MREMAP ? r->addr + RANGE / 2 : r->addr;
	long long deadline = now_ms() + MOST_MS;
	unsigned int round;
	uint32_t state = 1;

	ASSERT_EQ(0, pages_present(r->addr, RANGE))
		TH_LOG("something is there before the first round");

	for (round = 1; round <= ROUNDS && now_ms() < deadline; round++) {
		ASSERT_TRUE(prepare(r, variant->lock, self->brk))
			TH_LOG("errno %d", errno);
		__atomic_store_n(&r->go, round, __ATOMIC_RELEASE);
		dawdle(&state);
		ASSERT_TRUE(lock_range(r, variant->lock))
			TH_LOG("errno %d", errno);
		while (__atomic_load_n(&r->done, __ATOMIC_ACQUIRE) != round)
			;
		if (page_present(first))
			break;
	}
	EXPECT_EQ(0, pages_present(r->addr, RANGE)) {
		TH_LOG("populated in round %u of %d, nobody touched it", round,
		       ROUNDS);
		return;
	}
	if (round <= ROUNDS)
		TH_LOG("busy machine: %u rounds in %d ms have to do", round - 1,
		       MOST_MS);
}

TEST_HARNESS_MAIN
