// SPDX-License-Identifier: GPL-2.0
/*
 * Lock on fault where everybody does everything at once: eight threads lock,
 * unlock, map, unmap, move, protect, touch and fork over one address space,
 * while the kernel compacts and migrates memory, merges pages, makes huge ones
 * and pages out what it may.
 *
 * What the threads get from their calls depends on who was first, and is not
 * looked at.  What has to hold in the end, whatever the order was: what is
 * charged is what is locked, each page that is present in a locked mapping is
 * locked, what nobody touched is not there, and nothing is left behind.  And
 * the kernel has to survive it; a kernel with its debugging on says more.
 */
#include "lock_on_fault.h"
#include "lock_on_fault_hostile.h"
#include "lock_on_fault_mm.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"

#define THREADS		8
/* How many operations each thread does; a slow machine does fewer */
#define ROUNDS		600
#define MOST_SECONDS	8
/* ... but all of them together not less than this */
#define ENOUGH		(THREADS * 50U)
/* LOF_ROUNDS asks for more, and may take as long as this */
#define LONG_SECONDS	600

#define SLOTS		6
#define SLOT_PAGES	48
/* Of each slot threads touch the first pages only, and all calls end there */
#define TOUCH_PAGES	32

struct arena {
	char *addr;
	size_t slot;		/* bytes; with a gap behind it that is the same */
	bool shared, plain, huge;
	int nodes;
	unsigned int rounds, done, faults;
	bool over;
	struct timespec until;
};

static struct arena arena;

/* A thread that touches what another has just unmapped */
static __thread sigjmp_buf on_fault;
static __thread volatile sig_atomic_t may_fault;

static void fault_handler(int sig)
{
	if (!may_fault) {
		signal(sig, SIG_DFL);
		return;
	}
	siglongjmp(on_fault, 1);
}

static uint32_t draw(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % below;
}

static char *slot_addr(unsigned int nth)
{
	return arena.addr + 2 * nth * arena.slot;
}

static size_t touched(void)
{
	return arena.slot / SLOT_PAGES * TOUCH_PAGES;
}

static void map_slot(char *p)
{
	mmap(p, arena.slot, PROT_READ | PROT_WRITE,
	     (arena.shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS |
	     MAP_FIXED, -1, 0);
	if (arena.huge)
		madvise(p, arena.slot, MADV_HUGEPAGE);
	else
		madvise(p, arena.slot, MADV_NOHUGEPAGE);
}

static void touch_all(char *p, size_t len, bool write)
{
	may_fault = 1;
	if (write)
		store_pages(p, len, 'x');
	else
		touch_read(p, len);
	may_fault = 0;
}

/* Not to be inlined, or else sigsetjmp() would have variables to spoil */
static void (*volatile touch_them)(char *p, size_t len, bool write) = touch_all;

/* The signal is not blocked meanwhile, so there is no mask to restore */
static void touch(char *p, size_t len, bool write)
{
	if (sigsetjmp(on_fault, 0)) {
		may_fault = 0;
		__atomic_fetch_add(&arena.faults, 1, __ATOMIC_RELAXED);
	} else {
		touch_them(p, len, write);
	}
}

/* A child has no lock and charges nothing, whatever its parent is doing */
static void fork_child(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(vm_lck() != 0);
	if (pid > 0 && wait_for(pid))
		__atomic_store_n(&arena.over, true, __ATOMIC_RELEASE);
}

static void move_pages_of(char *p, size_t pages, int node)
{
	void *addr[TOUCH_PAGES];
	int to[TOUCH_PAGES], status[TOUCH_PAGES];
	size_t i;

	for (i = 0; i < pages; i++) {
		addr[i] = p + i * page_size();
		to[i] = node;
	}
	/* MPOL_MF_MOVE */
	syscall(__NR_move_pages, 0, (unsigned long)pages, addr, to, status, 2);
}

static void one_operation(uint32_t *state)
{
	const size_t page = page_size();
	unsigned int nth = draw(state, SLOTS);
	char *slot = slot_addr(nth), *p;
	size_t first = draw(state, TOUCH_PAGES);
	size_t pages = 1 + draw(state, TOUCH_PAGES - first), len;
	struct iovec iov[2];
	char buf[64] = "";

	p = slot + first * page;
	len = pages * page;
	switch (draw(state, 20)) {
	case 0 ... 3:
		sys_mlock2(p, len, MLOCK_ONFAULT);
		break;
	case 4:
		if (arena.plain)
			sys_mlock(p, len);
		else
			sys_mlock2(slot, arena.slot, MLOCK_ONFAULT);
		break;
	case 5 ... 6:
		sys_munlock(p, len);
		break;
	case 7:
		sys_munlock(slot, arena.slot);
		break;
	case 8 ... 10:
		touch(p, len, true);
		break;
	case 11:
		touch(p, len, false);
		break;
	case 12:
		/* a new one over it, locked in the mode of the moment */
		if (!draw(state, 4))
			map_slot(slot);
		break;
	case 13:
		mprotect(p, len, draw(state, 2) ? PROT_READ :
			 PROT_READ | PROT_WRITE);
		break;
	case 14:
		/* there and back again: into the gap behind the slot */
		if (mremap(slot, arena.slot, arena.slot,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   slot + arena.slot) != MAP_FAILED)
			mremap(slot + arena.slot, arena.slot, arena.slot,
			       MREMAP_MAYMOVE | MREMAP_FIXED, slot);
		break;
	case 15:
		switch (draw(state, 4)) {
		case 0:
			sys_mlockall(MCL_FUTURE | MCL_ONFAULT);
			break;
		case 1:
			sys_mlockall(MCL_CURRENT | MCL_ONFAULT);
			break;
		case 2:
			sys_munlockall();
			break;
		case 3:
			if (!draw(state, 8))
				fork_child();
			break;
		}
		break;
	case 16:
		/* refused for what is locked */
		madvise(p, len, draw(state, 2) ? MADV_PAGEOUT : MADV_DONTNEED);
		break;
	case 17:
		madvise(p, len, draw(state, 2) ? MADV_MERGEABLE :
			MADV_UNMERGEABLE);
		break;
	case 18:
		iov[0] = (struct iovec){ buf, sizeof(buf) };
		iov[1] = (struct iovec){ p, sizeof(buf) };
		process_vm_writev(getpid(), &iov[0], 1, &iov[1], 1, 0);
		break;
	case 19:
		if (arena.nodes > 1)
			move_pages_of(p, pages, draw(state, 2));
		else
			madvise(p, len, MADV_DONTNEED_LOCKED);
		break;
	}
}

/* A kernel that looks for mistakes is late before it has begun */
static bool late(void)
{
	struct timespec now;

	if (__atomic_load_n(&arena.done, __ATOMIC_RELAXED) < ENOUGH)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > arena.until.tv_sec ||
	       (now.tv_sec == arena.until.tv_sec &&
		now.tv_nsec > arena.until.tv_nsec);
}

static void *worker(void *arg)
{
	uint32_t state = 1 + (uintptr_t)arg;
	unsigned int i;

	for (i = 0; i < arena.rounds; i++) {
		if (__atomic_load_n(&arena.over, __ATOMIC_ACQUIRE) || late())
			break;
		one_operation(&state);
		__atomic_fetch_add(&arena.done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What the kernel moves by itself, it moves all the time */
static void *compacter(void *arg)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
	bool *stop = arg;

	while (fd >= 0 && !__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		if (write(fd, "1", 1) != 1)
			break;
		usleep(10000);
	}
	close(fd);
	return NULL;
}

static const char * const knobs[][2] = {
	{ "/sys/kernel/mm/ksm/run", "1" },
	{ "/sys/kernel/mm/ksm/sleep_millisecs", "1" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
	  "1" },
	{ "/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs",
	  "1" },
};

/* Turn the knobs to full speed; or what they were, if @old has it */
static void turn_knobs(char old[][32], bool back)
{
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (back) {
			if (old[i][0])
				write_file(knobs[i][0], old[i]);
			continue;
		}
		memset(old[i], 0, 32);
		fd = open(knobs[i][0], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, old[i], 31) < 0)
			old[i][0] = '\0';
		close(fd);
		write_file(knobs[i][0], knobs[i][1]);
	}
	/* 2 unmerges all pages, which is how KSM was found if it was off */
	if (back && old[0][0] == '0') {
		write_file(knobs[0][0], "2");
		write_file(knobs[0][0], "0");
	}
}

/* How many nodes there are, by their directories; 1 if that is not known */
static int count_nodes(void)
{
	return access("/sys/devices/system/node/node1", F_OK) ? 1 : 2;
}

FIXTURE(threads) {
	char knobs[ARRAY_SIZE(knobs)][32];
	long mlocked;
};

FIXTURE_VARIANT(threads) {
	bool shared, plain, huge;
};

FIXTURE_VARIANT_ADD(threads, anon) { .plain = false, };
FIXTURE_VARIANT_ADD(threads, anon_both_modes) { .plain = true, };
FIXTURE_VARIANT_ADD(threads, anon_huge) { .plain = true, .huge = true, };
FIXTURE_VARIANT_ADD(threads, shmem) { .shared = true, };
FIXTURE_VARIANT_ADD(threads, shmem_both_modes) {
	.shared = true, .plain = true,
};

FIXTURE_SETUP(threads)
{
	size_t unit = page_size(), align = SHMLBA, total;
	const char *rounds = getenv("LOF_ROUNDS");
	struct sigaction action = { .sa_handler = fault_handler };
	char *p;

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP_SETUP("RLIMIT_MEMLOCK cannot be raised");
	if (variant->huge && !thp_size())
		SKIP_SETUP("the kernel has no transparent huge pages");
	memset(&arena, 0, sizeof(arena));
	arena.shared = variant->shared;
	arena.plain = variant->plain;
	arena.huge = variant->huge;
	arena.rounds = rounds ? strtoul(rounds, NULL, 0) : ROUNDS;
	arena.nodes = count_nodes();
	arena.slot = SLOT_PAGES * unit;
	if (variant->huge && arena.slot < thp_size())
		arena.slot = thp_size();
	if (variant->huge)
		align = thp_size();
	total = 2 * SLOTS * arena.slot + align;
	p = mmap(NULL, total, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	/* one mapping after the other comes and goes here, none of the heap's */
	arena.addr = (char *)(((unsigned long)p + align - 1) & -align);

	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_NODEFER;
	ASSERT_EQ(0, sigaction(SIGSEGV, &action, NULL));
	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	/*
	 * Pages of programs and libraries can have stayed mlocked, as others
	 * mapped them.  They are seen to at the end, so see to them now.
	 */
	sys_mlockall(MCL_CURRENT | MCL_ONFAULT);
	sys_munlockall();
	self->mlocked = mlocked_now();
	turn_knobs(self->knobs, false);
}

FIXTURE_TEARDOWN(threads)
{
	turn_knobs(self->knobs, true);
}

/* Present pages in locked parts of a slot that do not look locked */
static long unlocked_now(char *slot)
{
	long n = 0, got;
	struct vma v;
	char *p;

	for (p = slot; p < slot + arena.slot; p = (char *)v.end) {
		/* whoever moved it may have failed to move it back */
		if (!vma_at(p, &v))
			v.end = (unsigned long)p + page_size();
		if (!vma_has(&v, "lo"))
			continue;
		if ((char *)v.end > slot + arena.slot)
			v.end = (unsigned long)slot + arena.slot;
		got = pages_unlocked(p, (char *)v.end - p);
		if (got < 0)
			return got;
		n += got;
	}
	return n;
}

/*
 * The same; what is only about to be moved looks right the second time, and what
 * is not locked stays like that.
 */
static long unlocked_pages(char *slot)
{
	long n = unlocked_now(slot);

	return n && drain_all_cpus() ? unlocked_now(slot) : n;
}

TEST_F_TIMEOUT(threads, M2_M3_I6_all_at_once, LONG_SECONDS + 60)
{
	pthread_t threads[THREADS], mover;
	bool stop = false;
	long after;
	int i;

	for (i = 0; i < SLOTS; i++)
		map_slot(slot_addr(i));
	clock_gettime(CLOCK_MONOTONIC, &arena.until);
	arena.until.tv_sec += getenv("LOF_ROUNDS") ? LONG_SECONDS : MOST_SECONDS;
	ASSERT_EQ(0, pthread_create(&mover, NULL, compacter, &stop));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, worker,
					    (void *)(uintptr_t)i));
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(mover, NULL);
	TH_LOG("%u operations, %u touches of what was not there, %d node%s",
	       arena.done, arena.faults, arena.nodes,
	       arena.nodes > 1 ? "s" : "");
	EXPECT_FALSE(arena.over) TH_LOG("a child was charged for locks");
	EXPECT_LE(ENOUGH, arena.done);

	/* what is merged stays so, and nothing is being replaced any more */
	write_file("/sys/kernel/mm/ksm/run", "0");
	EXPECT_TRUE(charge_is_exact());
	for (i = 0; i < SLOTS; i++) {
		char *slot = slot_addr(i);

		if (!arena.plain && !arena.huge) {
			EXPECT_EQ(0, pages_present(slot + touched(),
						   arena.slot - touched()));
		}
		/* huge pages that are mapped in pieces are another matter */
		if (!arena.huge && can_see_kflags() && drain_all_cpus()) {
			EXPECT_EQ(0, unlocked_pages(slot))
				TH_LOG("slot %d", i);
		}
	}

	/* and as one, once more */
	EXPECT_EQ(0, sys_mlockall(MCL_CURRENT | MCL_ONFAULT));
	EXPECT_TRUE(charge_is_exact());
	EXPECT_EQ(0, sys_munlockall());
	EXPECT_EQ(0, vm_lck());
	after = mlocked_now();
	if (self->mlocked >= 0) {
		/* a leak would be one in some hundred operations at least */
		EXPECT_GT(page_kb(THREADS), labs(after - self->mlocked))
			TH_LOG("Mlocked: %ld kB before, %ld kB after",
			       self->mlocked, after);
	}
}

TEST_HARNESS_MAIN
