/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share that are about the batches of pages that each processor
 * has: whatever is locked or unlocked waits there, and what one processor is
 * late with, another may have overtaken.
 */
#ifndef _SELFTESTS_VM_LOCK_ON_FAULT_CPUS_H
#define _SELFTESTS_VM_LOCK_ON_FAULT_CPUS_H

#include "lock_on_fault.h"
#include "lock_on_fault_mm.h"

#include <sched.h>

/* The first two processors that we may use; false if it is only one */
static inline bool two_cpus(int cpu[2])
{
	cpu_set_t may;
	int i, n = 0;

	if (sched_getaffinity(0, sizeof(may), &may))
		return false;
	for (i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &may))
			cpu[n++] = i;
	return n == 2;
}

static inline bool run_on(int cpu)
{
	cpu_set_t only;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	return !sched_setaffinity(0, sizeof(only), &only);
}

/* A page of a file, to be mapped in two places, and two processors */
struct two {
	struct mem m;
	char *other;
	int cpu[2];
};

/* NULL, or the reason why it cannot be */
static inline const char *map_two(struct two *t, enum mem_kind kind, bool shmem)
{
	const char *why;
	int fd;

	if (!two_cpus(t->cpu))
		return "it takes two processors";
	if (!can_see_kflags())
		return "/proc/kpageflags cannot be read";
	if (!raise_memlock(2 * page_size()))
		return "RLIMIT_MEMLOCK cannot be raised";
	/* to empty batches without moving pages takes a file in any case */
	fd = test_file(1, &why);
	if (fd < 0)
		return why;
	if (shmem) {
		close(fd);
		fd = syscall(__NR_memfd_create, "lock-on-fault", 0);
		if (fd < 0 || ftruncate(fd, page_size()))
			return "no file in shared memory";
	}
	if (!mem_map_fd(&t->m, kind, 1, PROT_READ | PROT_WRITE, 0, fd, &why))
		return why;
	t->other = mem_map_more(&t->m, page_size(), PROT_READ, 0);
	if (t->other == MAP_FAILED)
		return "cannot map memory twice";
	touch_read(t->m.addr, t->m.len);
	return drain_all_cpus() ? NULL : "batches cannot be emptied";
}

static inline bool map_again(const struct two *t)
{
	return mmap(t->m.addr, page_size(), PROT_READ | PROT_WRITE,
		    mem_map_flags(t->m.kind) | MAP_FIXED, t->m.fd, 0) ==
	       t->m.addr;
}

static inline void unmap_two(struct two *t)
{
	munmap(t->other, page_size());
	mem_unmap(&t->m);
}

static inline int lock(const char *page)
{
	return sys_mlock2(page, page_size(), MLOCK_ONFAULT);
}

static inline int unlock(const char *page)
{
	return sys_munlock(page, page_size());
}

/*
 * The batch of the processor that this runs on is emptied first.  What is on its
 * way to another list or place is seen the second time; what lost its lock stays
 * like that.
 */
static inline bool still_locked(const char *page)
{
	int tries;

	for (tries = 0; tries < 2; tries++)
		if (drain_all_cpus() && page_present(page) &&
		    !pages_unlocked(page, page_size()))
			return true;
	return false;
}

#endif /* _SELFTESTS_VM_LOCK_ON_FAULT_CPUS_H */
