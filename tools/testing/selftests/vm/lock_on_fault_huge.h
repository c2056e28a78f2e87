/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of locked memory and huge pages share: telling khugepaged what
 * to do, and waiting until it has done it.  On top of lock_on_fault_mm.h.
 */
#ifndef _SELFTESTS_VM_LOCK_ON_FAULT_HUGE_H
#define _SELFTESTS_VM_LOCK_ON_FAULT_HUGE_H

#include "lock_on_fault_mm.h" /* says which libc, so before all others */

#include <poll.h>
#include <time.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
/*
 * What tells khugepaged what to do.  It is the system's, so it is put back in
 * the end, by the process that started the tests.
 */
#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define SPEED	THP "khugepaged/scan_sleep_millisecs"
#define FOR_SHMEM THP "shmem_enabled"
#define MAX_NONE THP "khugepaged/max_ptes_none"

static struct setting {
	const char *path;
	char before[64];
} settings[] = {
	{ .path = THP "enabled" },
	{ .path = FOR_SHMEM },
	{ .path = SPEED },
	{ .path = THP "khugepaged/alloc_sleep_millisecs" },
	{ .path = THP "khugepaged/pages_to_scan" },
	{ .path = MAX_NONE },
	{ }
};

/* What a file says: all of it, or the word in brackets */
static inline bool read_setting(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[128], *from, *to;
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	from = strchr(buf, '[');
	from = from ? from + 1 : buf;
	to = strpbrk(from, "]\n");
	if (to)
		*to = '\0';
	if (strlen(from) >= size)
		return false;
	strcpy(value, from);
	return true;
}

static inline long setting_number(const char *path)
{
	char buf[32];

	return read_setting(path, buf, sizeof(buf)) ? atol(buf) : -1;
}

static inline void put_settings_back(void)
{
	struct setting *s;

	for (s = settings; s->path; s++)
		if (*s->before)
			write_file(s->path, s->before);
}

static void __attribute__((constructor)) keep_settings(void)
{
	struct setting *s;

	for (s = settings; s->path; s++)
		read_setting(s->path, s->before, sizeof(s->before));
	atexit(put_settings_back);
}

static inline bool khugepaged_stop(void)
{
	return write_file(SPEED, "3600000");
}

static inline bool khugepaged_start(void)
{
	return write_file(SPEED, "10");
}

/* The default is what makes D5: one page used is enough */
static inline bool khugepaged_set_up(size_t size)
{
	char none[32];

	snprintf(none, sizeof(none), "%zu", size / page_size() - 1);
	return khugepaged_stop() && write_file(THP "enabled", "madvise") &&
	       write_file(FOR_SHMEM, "never") &&
	       write_file(THP "khugepaged/alloc_sleep_millisecs", "10") &&
	       write_file(THP "khugepaged/pages_to_scan", "1000000") &&
	       write_file(MAX_NONE, none);
}

static inline long ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1000 +
	       (now.tv_nsec - from->tv_nsec) / 1000000;
}

#define PATIENCE_MS	20000

/* Until khugepaged has gone round everything, all of it after this call */
static inline bool khugepaged_goes_round(void)
{
	long from = setting_number(THP "khugepaged/full_scans");
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (ms_since(&start) < PATIENCE_MS) {
		/* the first one that ends may have begun before */
		if (setting_number(THP "khugepaged/full_scans") >= from + 2)
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/*
 * Memory that a huge page could hold, and its twin.  Shared memory is a memfd
 * of small pages, since nothing else was allowed when they came.
 */
struct range {
	char *addr;
	int fd;		/* -1: anonymous and private */
};

static inline bool range_map(struct range *r, char *addr, size_t size, int fd)
{
	r->addr = addr;
	r->fd = fd;
	return mmap(addr, size, PROT_READ | PROT_WRITE, MAP_FIXED |
		    (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED),
		    fd, 0) == addr &&
	       !madvise(addr, size, MADV_HUGEPAGE);
}

static inline int memfd(size_t size)
{
#ifdef __NR_memfd_create
	int fd = syscall(__NR_memfd_create, "lock-on-fault", 0);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		fd = -1;
	}
	return fd;
#else
	return -1;
#endif
}

static inline bool is_huge(const char *addr)
{
	return page_has_kflag(addr, KPF_THP);
}

/*
 * Wait for a huge page.  When shared memory becomes one it is unmapped, so
 * that it can be mapped as one at its next use; private memory stays.
 */
static inline bool becomes_huge(const struct range *r, size_t size)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (ms_since(&start) < PATIENCE_MS) {
		if (r->fd < 0 ? is_huge(r->addr) :
		    !pages_present(r->addr, size))
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

/* Places for two ranges, each with a gap behind it, and for a third */
struct huge {
	struct range r, twin;
	size_t size;
	long pages;		/* the same in pages */
	char *base, *more;
};

/* Nothing is mapped there yet.  NULL, or why not. */
static inline const char *huge_setup(struct huge *h)
{
	h->size = thp_size();
	if (!h->size)
		return "the kernel has no transparent huge pages";
	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		return "RLIMIT_MEMLOCK cannot be raised";
	if (!can_see_kflags())
		return "page flags cannot be seen: not root, or no CONFIG_PROC_PAGE_MONITOR";
	if (!khugepaged_set_up(h->size))
		return "khugepaged cannot be told what to do: not root, or no shared huge pages";
	h->pages = h->size / page_size();
	h->base = mmap(NULL, 7 * h->size, PROT_NONE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (h->base == MAP_FAILED)
		return "no address space";
	h->r.addr = (char *)(((unsigned long)h->base + h->size - 1) & -h->size);
	h->twin.addr = h->r.addr + 2 * h->size;
	h->more = h->twin.addr + 2 * h->size;
	h->r.fd = -1;
	h->twin.fd = -1;
	return NULL;
}

/* Both as shared memory, of a memfd each, with no page in it */
static inline bool huge_map_shared(struct huge *h)
{
	int fd = memfd(h->size), twin = memfd(h->size);

	return fd >= 0 && twin >= 0 &&
	       range_map(&h->r, h->r.addr, h->size, fd) &&
	       range_map(&h->twin, h->twin.addr, h->size, twin);
}

static inline void huge_teardown(struct huge *h)
{
	khugepaged_stop();
	munmap(h->base, 7 * h->size);
}

/* Let khugepaged at both, until it has been there.  NULL, or why not. */
static inline const char *let_khugepaged(const struct huge *h)
{
	/*
	 * khugepaged looks at a process that was advised when that was allowed,
	 * and it does so at once.
	 */
	if (!khugepaged_start() ||
	    madvise(h->twin.addr, h->size, MADV_HUGEPAGE))
		return "khugepaged cannot be started";
	if (!becomes_huge(&h->twin, h->size))
		return "khugepaged did nothing, not even where it may";
	if (!khugepaged_goes_round())
		return "khugepaged does not get round";
	return NULL;
}

#endif /* _SELFTESTS_VM_LOCK_ON_FAULT_HUGE_H */
