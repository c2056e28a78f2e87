/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of lock on fault share: the system calls without libc in
 * between, the kinds of memory that they run over, and ways to see what is
 * present, locked and charged.
 *
 * What a test may rely on is what users may: errno, Rss and Locked of smaps,
 * VmFlags, VmLck, pagemap, msync(), what gets swapped.  Page flags are the
 * kernel's own affair, and late: ask for them after drain_lru() only.
 *
 * Include this first.  It wants to choose _FILE_OFFSET_BITS, and the flags
 * have to be the kernel's, not libc's.
 */
#ifndef _SELFTESTS_VM_LOCK_ON_FAULT_H
#define _SELFTESTS_VM_LOCK_ON_FAULT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
/* /proc/kpageflags is larger than a 32-bit off_t can say */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/kernel-page-flags.h>
#include <linux/magic.h>

/*
 * libc's headers have these flags for every kernel.  Take them away, so that
 * what is left is what the installed headers of the kernel under test say.
 */
#if defined(_LINUX_MMAN_H) || defined(_UAPI_LINUX_MMAN_H)
#error "include lock_on_fault.h before <linux/mman.h>"
#endif
#undef MLOCK_ONFAULT
#undef MCL_ONFAULT
#include <asm/unistd.h>
#include <linux/mman.h>

/*
 * With headers that know nothing of lock on fault everything still builds and
 * mlock2() fails with ENOSYS, whatever the running kernel has: a number from
 * elsewhere would hide that the headers are wrong.  The flags then only have
 * to be something; MCL_ONFAULT is a bit that mlockall() refuses.
 */
#if defined(__NR_mlock2) && defined(MLOCK_ONFAULT) && defined(MCL_ONFAULT)
#define HEADERS_HAVE_MLOCK2	1
#else
#define HEADERS_HAVE_MLOCK2	0
#undef MLOCK_ONFAULT
#undef MCL_ONFAULT
#define MLOCK_ONFAULT		0x01
#define MCL_ONFAULT		0x40000000
#endif

#ifndef MADV_COLD
#define MADV_COLD		20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif

/*
 * System calls.  Addresses are numbers where a test wants nonsense.
 */

/* flags has more than the 32 bits that count, for the test that says so */
static inline int sys_mlock2_raw(unsigned long addr, unsigned long bytes,
				 unsigned long flags)
{
#if HEADERS_HAVE_MLOCK2
	return syscall(__NR_mlock2, addr, bytes, flags);
#else
	errno = ENOSYS;
	return -1;
#endif
}

static inline int sys_mlock2(const void *start, size_t len, int flags)
{
	return sys_mlock2_raw((unsigned long)start, len, (unsigned int)flags);
}

static inline int sys_mlock(const void *start, size_t len)
{
	return syscall(__NR_mlock, start, len);
}

static inline int sys_munlock(const void *start, size_t len)
{
	return syscall(__NR_munlock, start, len);
}

static inline int sys_mlockall(int flags)
{
	return syscall(__NR_mlockall, flags);
}

static inline int sys_munlockall(void)
{
	return syscall(__NR_munlockall);
}

/* The error number of a call that is to fail, 0 if it does not */
static inline int errno_of(long ret)
{
	return ret == -1 ? errno : 0;
}

/* Page size, which is not 4096 everywhere; page_kb() to compare with /proc */
static inline size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

static inline long page_kb(long pages)
{
	return pages * (long)(page_size() / 1024);
}

/*
 * Reading /proc.  Without stdio: its buffers come from malloc(), which under
 * mlockall() changes what is being measured.
 */
struct lines {
	int fd;
	size_t pos, len;
	char buf[1024];
};

static inline bool lines_open(struct lines *l, const char *path)
{
	l->pos = l->len = 0;
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	return l->fd >= 0;
}

/* The next line without its end, cut to size; false after the last one */
static inline bool lines_next(struct lines *l, char *line, size_t size)
{
	size_t n = 0;
	bool any = false;

	for (;;) {
		if (l->pos == l->len) {
			ssize_t got = read(l->fd, l->buf, sizeof(l->buf));

			if (got <= 0)
				break;
			l->pos = 0;
			l->len = got;
		}
		any = true;
		if (l->buf[l->pos] == '\n') {
			l->pos++;
			break;
		}
		if (n + 1 < size)
			line[n++] = l->buf[l->pos];
		l->pos++;
	}
	line[n] = '\0';
	return any;
}

static inline void lines_close(struct lines *l)
{
	close(l->fd);
}

/* If @line is "@key: value", the value */
static inline const char *line_value(const char *line, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(line, key, n) || line[n] != ':')
		return NULL;
	line += n + 1;
	while (*line == ' ' || *line == '\t')
		line++;
	return line;
}

/* A number of such a file (in kB where it says so); -1 if it has none */
static inline long proc_number(const char *path, const char *key)
{
	const char *value;
	struct lines l;
	char line[256];
	long ret = -1;

	if (!lines_open(&l, path))
		return -1;
	while (ret < 0 && lines_next(&l, line, sizeof(line))) {
		value = line_value(line, key);
		if (value)
			ret = atol(value);
	}
	lines_close(&l);
	return ret;
}

/* What is charged against RLIMIT_MEMLOCK: the size of locked mappings, kB */
static inline long vm_lck(void)
{
	return proc_number("/proc/self/status", "VmLck");
}

/* Of the whole system, kB: "Mlocked" and "Unevictable"; racy by nature */
static inline long meminfo(const char *key)
{
	return proc_number("/proc/meminfo", key);
}

/* What smaps says of one mapping; sizes in kB */
struct vma {
	unsigned long start;	/* the first byte */
	unsigned long end;	/* the one behind the last */
	char perms[8];
	long rss, pss, swap, locked;
	char flags[128];	/* " rd wr ... " */
};

/*
 * Is @line the one that a mapping begins with, in maps or smaps?  Then @v says
 * where that lies; if not, nothing that means anything.
 */
static inline bool line_vma(const char *line, struct vma *v)
{
	return sscanf(line, "%lx-%lx %7s", &v->start, &v->end, v->perms) == 3;
}

/* The gate is listed like a mapping (of x86, of ARM), and is none */
static inline bool line_is_gate(const char *line)
{
	return strstr(line, "[vsyscall]") || strstr(line, "[vectors]");
}

/* Is a two-letter flag there?  "lo" is locked, "??" one without a name. */
static inline bool vma_has(const struct vma *v, const char *flag)
{
	char word[8];

	snprintf(word, sizeof(word), " %.4s ", flag);
	return strstr(v->flags, word);
}

static inline void vma_number(const char *line, const char *key, long *number)
{
	const char *value = line_value(line, key);

	if (value)
		*number = atol(value);
}

/* The mapping at an address, from smaps of any process; false if none */
static inline bool vma_at_of(const char *smaps, const void *addr, struct vma *v)
{
	unsigned long at = (unsigned long)addr;
	const char *value;
	bool found = false;
	char line[512];
	struct lines l;
	struct vma next = {};

	memset(v, 0, sizeof(*v));
	if (!lines_open(&l, smaps))
		return false;
	while (lines_next(&l, line, sizeof(line))) {
		if (line_vma(line, &next)) {
			if (found)
				break;
			if (at < next.start || at >= next.end)
				continue;
			found = true;
			*v = next;
		} else if (!found) {
			continue;
		} else {
			vma_number(line, "Rss", &v->rss);
			vma_number(line, "Pss", &v->pss);
			vma_number(line, "Swap", &v->swap);
			vma_number(line, "Locked", &v->locked);
			value = line_value(line, "VmFlags");
			if (value)
				snprintf(v->flags, sizeof(v->flags), " %.120s ",
					 value);
		}
	}
	lines_close(&l);
	return found;
}

static inline bool vma_at(const void *addr, struct vma *v)
{
	return vma_at_of("/proc/self/smaps", addr, v);
}

/* Is what is mapped at an address locked, in either mode? */
static inline bool is_locked(const void *addr)
{
	struct vma v;

	return vma_at(addr, &v) && vma_has(&v, "lo");
}

/* How many mappings there are in a range; part of one counts */
static inline int vmas_in(const void *addr, size_t len)
{
	unsigned long from = (unsigned long)addr;
	struct lines l;
	struct vma v;
	char line[512];
	int n = 0;

	if (!lines_open(&l, "/proc/self/maps"))
		return -1;
	while (lines_next(&l, line, sizeof(line)))
		if (line_vma(line, &v) && v.start < from + len && v.end > from)
			n++;
	lines_close(&l);
	return n;
}

/*
 * Pages.  mincore() speaks of the page cache where there is a file; what a
 * lock needs is the page table, so ask pagemap.
 */
#define PM_PFN_MASK	((1ULL << 55) - 1)
#define PM_SWAP		(1ULL << 62)
#define PM_PRESENT	(1ULL << 63)

static inline bool read_u64(const char *path, uint64_t index, uint64_t *value)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, value, sizeof(*value), index * sizeof(*value)) ==
		sizeof(*value);
	close(fd);
	return ok;
}

/* The pagemap entry of an address; 0 if it cannot be had */
static inline uint64_t pagemap_entry(const void *addr)
{
	uint64_t entry = 0;

	if (!read_u64("/proc/self/pagemap",
		      (unsigned long)addr / page_size(), &entry))
		return 0;
	return entry;
}

static inline bool page_present(const void *addr)
{
	return pagemap_entry(addr) & PM_PRESENT;
}

static inline bool page_swapped(const void *addr)
{
	return pagemap_entry(addr) & PM_SWAP;
}

/* Pages of a range with any of the PM_* bits; -1 without pagemap */
static inline long pages_with(const void *addr, size_t len, uint64_t bits)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t pages = len / page_size(), i, chunk;
	uint64_t entries[128];
	long n = 0;
	off_t pos;

	if (fd < 0)
		return -1;
	pos = (off_t)((unsigned long)addr / page_size()) * sizeof(entries[0]);
	while (pages) {
		chunk = pages < 128 ? pages : 128;
		if (pread(fd, entries, chunk * sizeof(entries[0]), pos) !=
		    (ssize_t)(chunk * sizeof(entries[0]))) {
			n = -1;
			break;
		}
		for (i = 0; i < chunk; i++)
			n += !!(entries[i] & bits);
		pages -= chunk;
		pos += chunk * sizeof(entries[0]);
	}
	close(fd);
	return n;
}

static inline long pages_present(const void *addr, size_t len)
{
	return pages_with(addr, len, PM_PRESENT);
}

static inline long pages_swapped(const void *addr, size_t len)
{
	return pages_with(addr, len, PM_SWAP);
}

/*
 * The kernel's flags of the page at an address: 1 << KPF_*.  False without
 * root, without CONFIG_PROC_PAGE_MONITOR and where no page is present.  The
 * page may be moved by compaction at any time: ask, do not remember.
 */
#ifndef KPF_MLOCKED
#define KPF_MLOCKED	33	/* in the kernel, but not in its user headers */
#endif

static inline bool page_kflags(const void *addr, uint64_t *flags)
{
	uint64_t entry = pagemap_entry(addr);

	if (!(entry & PM_PRESENT) || !(entry & PM_PFN_MASK))
		return false;
	return read_u64("/proc/kpageflags", entry & PM_PFN_MASK, flags);
}

static inline bool page_has_kflag(const void *addr, int bit)
{
	uint64_t flags;

	return page_kflags(addr, &flags) && (flags >> bit & 1);
}

/* Pages of a range that have a flag; call drain_lru() before */
static inline long pages_with_kflag(const void *addr, size_t len, int bit)
{
	const char *p = addr;
	long n = 0;

	for (; p < (const char *)addr + len; p += page_size())
		n += page_has_kflag(p, bit);
	return n;
}

/* Can page flags be seen at all?  Else skip what wants them. */
static inline bool can_see_kflags(void)
{
	volatile char here = 0;
	uint64_t flags;

	return page_kflags((const char *)&here, &flags);
}

/* Touching memory.  Writes break copy-on-write and never fault around. */
static inline void touch_write(void *addr, size_t len)
{
	volatile char *p = addr;

	for (; p < (char *)addr + len; p += page_size())
		*p = *p + 1;
}

/*
 * A store with no load before, so that one fault does it.  touch_write() may
 * map the zero page or a page cache page first.
 */
static inline void store_pages(void *addr, size_t len, char value)
{
	volatile char *p = addr;

	for (; p < (char *)addr + len; p += page_size())
		*p = value;
}

/* May map neighbours that are in the page cache, too (fault-around) */
static inline void touch_read(const void *addr, size_t len)
{
	const volatile char *p = addr;

	for (; p < (const char *)addr + len; p += page_size())
		(void)*p;
}

/*
 * Where files live.  Not on tmpfs, whose files are shared memory, nor on
 * ramfs, whose pages are unevictable without a lock: either would make tests
 * of files pass for the wrong reason.  NULL and a reason if there is no such
 * place; LOF_TEST_DIR names one.
 */
static inline const char *test_dir(const char **why)
{
	const char *dir = getenv("LOF_TEST_DIR");
	struct stat st, up;
	struct statfs fs;

	if (!dir || !*dir) {
		dir = "/data";
		if (stat(dir, &st) || stat("/", &up) || st.st_dev == up.st_dev) {
			*why = "no LOF_TEST_DIR, and nothing is mounted on /data";
			return NULL;
		}
	}
	if (statfs(dir, &fs)) {
		*why = "LOF_TEST_DIR cannot be used";
		return NULL;
	}
	if ((unsigned int)fs.f_type == TMPFS_MAGIC ||
	    (unsigned int)fs.f_type == RAMFS_MAGIC) {
		*why = "LOF_TEST_DIR or /data is tmpfs or ramfs, no real file system";
		return NULL;
	}
	*why = NULL;
	return dir;
}

/* The byte that page @i of a test file starts with, never 0 */
static inline char file_byte(size_t i)
{
	return 'a' + i % 26;
}

/*
 * A file without a name, of some pages that are all in the page cache.
 * -1 and a reason if that cannot be.
 */
static inline int test_file(size_t pages, const char **why)
{
	const char *dir = test_dir(why);
	char path[PATH_MAX], *page;
	size_t i;
	int fd;

	if (!dir)
		return -1;
	*why = "cannot make a file in LOF_TEST_DIR or /data";
	snprintf(path, sizeof(path), "%s/lock_on_fault.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	unlink(path);
	page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		close(fd);
		return -1;
	}
	for (i = 0; i < pages; i++) {
		memset(page, file_byte(i), page_size());
		if (write(fd, page, page_size()) != (ssize_t)page_size()) {
			close(fd);
			fd = -1;
			break;
		}
	}
	munmap(page, page_size());
	if (fd >= 0)
		*why = NULL;
	return fd;
}

/*
 * Kinds of memory
 */
enum mem_kind {
	ANON_PRIVATE,
	ANON_SHARED,
	FILE_SHARED,
	FILE_PRIVATE,
};

/* For FIXTURE()s that run over all of them: after FIXTURE(), before setup */
#define MEM_KIND_VARIANTS(fixture)					\
	FIXTURE_VARIANT(fixture) { enum mem_kind kind; };		\
	FIXTURE_VARIANT_ADD(fixture, anon_private) { .kind = ANON_PRIVATE, }; \
	FIXTURE_VARIANT_ADD(fixture, anon_shared) { .kind = ANON_SHARED, }; \
	FIXTURE_VARIANT_ADD(fixture, file_shared) { .kind = FILE_SHARED, }; \
	FIXTURE_VARIANT_ADD(fixture, file_private) { .kind = FILE_PRIVATE, }

/*
 * SKIP() in FIXTURE_SETUP(): there, the harness would go on to the test with
 * what was not set up.  255 is how a child tells it of a skip.
 */
#define SKIP_SETUP(fmt, ...)	SKIP(_exit(255), fmt, ##__VA_ARGS__)

static inline bool kind_is_file(enum mem_kind kind)
{
	return kind == FILE_SHARED || kind == FILE_PRIVATE;
}

static inline bool kind_is_shared(enum mem_kind kind)
{
	return kind == ANON_SHARED || kind == FILE_SHARED;
}

/*
 * A mapping that has no neighbour to merge with: before it lies a guard, and
 * behind it @room bytes of nothing, then a guard.  Each guard is a shared
 * anonymous mapping without access, a file of its own to the kernel, so it
 * merges with nothing.  It starts at a multiple of SHMLBA, as fixed shared
 * mappings must where caches are found by virtual addresses.  Huge pages are
 * off; a test of huge pages makes its own mapping.
 */
struct mem {
	enum mem_kind kind;
	char *addr;
	size_t len;	/* bytes */
	size_t pages;	/* the same in pages */
	size_t room;	/* bytes */
	int fd;		/* of files, else -1 */
};

static inline int mem_map_flags(enum mem_kind kind)
{
	return (kind_is_shared(kind) ? MAP_SHARED : MAP_PRIVATE) |
	       (kind_is_file(kind) ? 0 : MAP_ANONYMOUS);
}

/* Another mapping of the same kind, and of the same file from its start */
static inline char *mem_map_more(const struct mem *m, size_t len, int prot,
				 int more_flags)
{
	return mmap(NULL, len, prot, mem_map_flags(m->kind) | more_flags,
		    m->fd, 0);
}

/* @fd is a file of at least that many pages, and becomes the mapping's; or -1 */
static inline bool mem_map_fd(struct mem *m, enum mem_kind kind, size_t pages,
			      int prot, size_t room, int fd, const char **why)
{
	size_t page = page_size(), align = SHMLBA, total;
	char *base, *end;

	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->pages = pages;
	m->len = pages * page;
	m->room = room * page;
	m->fd = fd;

	*why = "cannot map memory";
	total = m->len + m->room + 2 * page + align;
	base = mmap(NULL, total, PROT_NONE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return false;
	m->addr = (char *)(((unsigned long)base + page + align - 1) & -align);
	end = m->addr + m->len + m->room + page;
	if (munmap(end, base + total - end) ||
	    (m->addr - page > base && munmap(base, m->addr - page - base)))
		return false;
	/* the room, too: shared anonymous memory can grow up to that size */
	if (mmap(m->addr, m->len + m->room, prot,
		 mem_map_flags(kind) | MAP_FIXED, m->fd, 0) != m->addr)
		return false;
	if (m->room && munmap(m->addr + m->len, m->room))
		return false;
	/* fails where the kernel has no huge pages: so much the better */
	madvise(m->addr, m->len, MADV_NOHUGEPAGE);
	*why = NULL;
	return true;
}

static inline bool mem_map_room(struct mem *m, enum mem_kind kind, size_t pages,
				int prot, size_t room, const char **why)
{
	int fd = -1;

	if (kind_is_file(kind)) {
		fd = test_file(pages + room, why);
		if (fd < 0)
			return false;
	}
	return mem_map_fd(m, kind, pages, prot, room, fd, why);
}

/* One more of the same kind and file: works after drop_privilege(), too */
static inline bool mem_map_like(struct mem *m, const struct mem *like,
				size_t pages, int prot, size_t room,
				const char **why)
{
	int fd = like->fd < 0 ? -1 : dup(like->fd);

	return mem_map_fd(m, like->kind, pages, prot, room, fd, why);
}

static inline bool mem_map(struct mem *m, enum mem_kind kind, size_t pages,
			   int prot, const char **why)
{
	return mem_map_room(m, kind, pages, prot, 0, why);
}

static inline void mem_unmap(struct mem *m)
{
	if (m->addr)
		munmap(m->addr - page_size(),
		       m->len + m->room + 2 * page_size());
	if (m->fd >= 0)
		close(m->fd);
	m->addr = NULL;
	m->fd = -1;
}

/*
 * Privilege.  A test that needs none must have none: CAP_IPC_LOCK turns every
 * limit into "passes whatever happens".
 */
static inline bool has_cap_ipc_lock(void)
{
	const char *value;
	struct lines l;
	char line[256];
	bool has = true;	/* if we cannot tell, we do not claim to lack it */

	if (!lines_open(&l, "/proc/self/status"))
		return true;
	while (lines_next(&l, line, sizeof(line))) {
		value = line_value(line, "CapEff");
		if (value)
			has = strtoull(value, NULL, 16) >> CAP_IPC_LOCK & 1;
	}
	lines_close(&l);
	return has;
}

/* Become nobody without any capability, for good; open files stay usable */
static inline bool drop_privilege(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	if (!geteuid() && (setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
			   setresuid(65534, 65534, 65534)))
		return false;
	/* not every capability is root's */
	if (syscall(__NR_capset, &header, none))
		return false;
	/* to change user takes /proc/self away, which we want to read */
	if (prctl(PR_SET_DUMPABLE, 1))
		return false;
	return !has_cap_ipc_lock();
}

/*
 * Set what is enforced, rlim_cur.  rlim_max is only raised, while we may: who
 * lowers it cannot go back.
 */
static inline bool set_memlock(rlim_t bytes)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim))
		return false;
	lim.rlim_cur = bytes;
	if (bytes > lim.rlim_max)
		lim.rlim_max = bytes;
	if (setrlimit(RLIMIT_MEMLOCK, &lim) || getrlimit(RLIMIT_MEMLOCK, &lim))
		return false;
	return lim.rlim_cur == bytes;
}

/*
 * For tests that want no limit in their way: as high as we may go.  True if
 * that is enough to lock all that the process has, and @more bytes.
 */
static inline bool raise_memlock(size_t more)
{
	struct rlimit lim;
	long size = proc_number("/proc/self/status", "VmSize");

	if (set_memlock(RLIM_INFINITY))
		return true;
	return size >= 0 && !getrlimit(RLIMIT_MEMLOCK, &lim) &&
	       set_memlock(lim.rlim_max) &&
	       lim.rlim_max >= size * 1024ULL + more;
}

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/*
 * Have every CPU push out its batches of pages on their way to or between the
 * LRU lists, those on their way to the unevictable one included.  There is no
 * call for that, but two that cannot do without (as of 6.1):
 *
 * - POSIX_FADV_DONTNEED that could not drop some page takes it to be in
 *   another CPU's batch and calls lru_add_drain_all() (mm/fadvise.c).  A page
 *   that is mapped is never dropped, so map one, and a page under writeback
 *   is passed over, so write it back first.  Shared memory ignores the
 *   advice: this takes a file on a real file system.  Nothing else happens
 *   and no privilege is needed.
 * - /proc/sys/vm/compact_memory starts with lru_add_drain_all()
 *   (compact_nodes() in mm/compaction.c).  It moves pages then, and what it
 *   has moved may be in a batch again: do it twice, the second time there is
 *   little left to move.
 *
 * Both wait until all CPUs are done.  False if neither is to be had; skip.
 */
static inline bool drain_lru(void)
{
	const char *why;
	int fd = test_file(1, &why);
	bool ok = false;
	char *p;

	if (fd >= 0) {
		p = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			touch_read(p, page_size());
			ok = page_present(p) && !fsync(fd) &&
			     !posix_fadvise(fd, 0, page_size(),
					    POSIX_FADV_DONTNEED) &&
			     page_present(p);
			munmap(p, page_size());
		}
		close(fd);
	}
	return ok || (write_file("/proc/sys/vm/compact_memory", "1") &&
		      write_file("/proc/sys/vm/compact_memory", "1"));
}

/* Wait for a child: its exit status, or minus the signal that ended it */
static inline int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			return 255;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#endif /* _SELFTESTS_VM_LOCK_ON_FAULT_H */
