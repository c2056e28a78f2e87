/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of lock on fault that are about pages and mappings share, on
 * top of lock_on_fault.h.
 */
#ifndef _SELFTESTS_VM_LOCK_ON_FAULT_MM_H
#define _SELFTESTS_VM_LOCK_ON_FAULT_MM_H

#include "lock_on_fault.h"

/* The size of a huge page of the page table; 0 if the kernel has none */
static inline size_t thp_size(void)
{
	char buf[32] = "";
	int fd = open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = '\0';
	close(fd);
	return strtoul(buf, NULL, 10);
}

/*
 * drain_lru() with a page that is clean.  The advice starts to write a dirty
 * one, and passes over what is being written: then it drains this CPU only,
 * and the pages that another process faulted in are still in a batch.
 */
static inline bool drain_all_cpus(void)
{
	const char *why;
	int fd = test_file(1, &why);
	bool ok = false;
	char *p;

	if (fd < 0)
		return drain_lru();
	p = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		touch_read(p, page_size());
		ok = !fsync(fd) &&
		     !posix_fadvise(fd, 0, page_size(), POSIX_FADV_DONTNEED) &&
		     page_present(p);
		munmap(p, page_size());
	}
	close(fd);
	return ok;
}

/*
 * Present pages of a range that are not what a locked page is: mlocked, and
 * on the unevictable list.  Not the zero page, which is never locked.  Call
 * drain_all_cpus() before.
 */
static inline long pages_unlocked(const void *addr, size_t len)
{
	const uint64_t want = 1ULL << KPF_MLOCKED | 1ULL << KPF_UNEVICTABLE;
	const char *p = addr, *end = p + len;
	size_t thp = thp_size() / page_size();
	uint64_t pfn, flags;
	long n = 0;

	for (; p < end; p += page_size()) {
		uint64_t entry = pagemap_entry(p);

		if (!(entry & PM_PRESENT))
			continue;
		pfn = entry & PM_PFN_MASK;
		if (!read_u64("/proc/kpageflags", pfn, &flags))
			return -1;
		if (flags >> KPF_ZERO_PAGE & 1)
			continue;
		/* of a huge page the first one has the flags */
		if (thp && flags >> KPF_COMPOUND_TAIL & 1 &&
		    !read_u64("/proc/kpageflags", pfn & -(uint64_t)thp, &flags))
			return -1;
		if ((flags & want) != want) {
			/* which of the two says what went wrong */
			fprintf(stderr, "# page at %p has flags %#llx\n", p,
				(unsigned long long)flags);
			n++;
		}
	}
	return n;
}

/*
 * Is a mapping locked, with so many pages present and all of those locked?
 * The range has to be the whole mapping, and nobody else may map its pages:
 * "Locked" is a share then.  Says what is wrong, also from a child process,
 * where the harness's macros do not work.
 */
static inline bool locked_with(const void *addr, size_t len, long pages)
{
	long present = pages_present(addr, len), unlocked;
	struct vma v;

	if (!vma_at(addr, &v)) {
		fprintf(stderr, "# nothing is mapped at %p\n", addr);
		return false;
	}
	if (v.start != (unsigned long)addr || v.end - v.start != len) {
		fprintf(stderr, "# mapping is %lx-%lx, not %zu bytes at %p\n",
			v.start, v.end, len, addr);
		return false;
	}
	if (!vma_has(&v, "lo") || present != pages ||
	    v.locked != page_kb(pages)) {
		fprintf(stderr,
			"# wanted %ld pages locked; present: %ld, Locked: %ld kB, VmFlags:%s\n",
			pages, present, v.locked, v.flags);
		return false;
	}
	/* the contract ends here, the rest is for those who may look */
	if (!can_see_kflags() || !drain_all_cpus())
		return true;
	unlocked = pages_unlocked(addr, len);
	if (unlocked)
		fprintf(stderr,
			"# %ld of %ld pages are not on the unevictable list\n",
			unlocked, pages);
	return !unlocked;
}

/* Of a whole kernel: kB of pages that are mlocked, counted to the last one */
static inline long mlocked_now(void)
{
	/* each CPU has a share of the counter that readers do not see */
	if (!drain_all_cpus() || !write_file("/proc/sys/vm/stat_refresh", "1"))
		return -1;
	return meminfo("Mlocked");
}

/*
 * Push the pages of a range out to swap or to their file.  A page that is in
 * some CPU's batch cannot be pushed out at that moment.
 */
static inline bool page_out(void *addr, size_t len)
{
	int tries;

	for (tries = 0; tries < 20; tries++) {
		if (!pages_present(addr, len))
			return true;
		drain_all_cpus();
		if (madvise(addr, len, MADV_PAGEOUT))
			return false;
	}
	return !pages_present(addr, len);
}

#endif /* _SELFTESTS_VM_LOCK_ON_FAULT_MM_H */
