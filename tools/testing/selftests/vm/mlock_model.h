/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of lock on fault: what every page of an address space should be after
 * each call, as mlock2(2), mlockall(2) and the documentation of lock on fault
 * promise it.  Nothing here calls the kernel; mlock-model.c does, and compares.
 *
 * The address space is a few regions that nothing else of the process is in,
 * and whatever lies outside of them is constant and only counted.  Where the
 * kernel is free, so is the model: a page that is not locked may leave at any
 * time, a read of a file maps what is near (fault-around), and whether two
 * mappings merge depends on anonymous pages that are not seen from outside.
 * What the kernel chose is taken over after each call, so that the next call
 * starts from what is there.
 *
 * Where a kernel differs from the promise, that is a line of differences[] in
 * mlock-model.c and nothing in this file.
 */
#ifndef _SELFTESTS_VM_MLOCK_MODEL_H
#define _SELFTESTS_VM_MLOCK_MODEL_H

#include "lock_on_fault.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

/* Regions: a page has one number, whatever region it is in. */
enum region_id {
	ARENA,		/* where most happens */
	STACK,		/* one mapping that grows down */
	HEAP,		/* what brk() moves */
	HUGE,		/* hugetlb; its pages are huge ones */
	REGIONS,
};

#define ARENA_PAGES	128
#define STACK_PAGES	32
#define HEAP_PAGES	32
#define HUGE_PAGES	4
#define STACK_START	4	/* pages that the stack has at first */
#define FILE_PAGES	512
#define OBJECTS		4096
#define THE_FILE	1	/* number of the object */

#define FIRST_STACK	ARENA_PAGES
#define FIRST_HEAP	(FIRST_STACK + STACK_PAGES)
#define FIRST_HUGE	(FIRST_HEAP + HEAP_PAGES)
#define PAGES		(FIRST_HUGE + HUGE_PAGES)

static const struct {
	int first, end;
} regions[REGIONS] = {
	[ARENA]	= { 0, FIRST_STACK },
	[STACK]	= { FIRST_STACK, FIRST_HEAP },
	[HEAP]	= { FIRST_HEAP, FIRST_HUGE },
	[HUGE]	= { FIRST_HUGE, PAGES },
};

static inline enum region_id region_of(int page)
{
	enum region_id r = HUGE;

	while (page < regions[r].first)
		r--;
	return r;
}

/* Two pages that are next to each other in memory, too */
static inline bool next_to(int page)
{
	return page > 0 && region_of(page) == region_of(page - 1);
}

/* What the model has to know of the process and of the kernel */
static struct {
	size_t unit[REGIONS];	/* bytes of a page */
	long outside;		/* pages outside of the regions that can be locked */
	long max_limit;		/* of RLIMIT_MEMLOCK, pages; -1: none */
	int around;		/* pages on either side that a read may map */
	int share_align;	/* pages: shared mappings start at multiples */
	bool wraps;		/* SIZE_MAX does: not so in 32 bits on a 64-bit kernel */
	bool huge;		/* there are huge pages */
	bool files;		/* there is a file */
	bool populate;		/* MADV_POPULATE_* */
	bool dontneed_locked;	/* MADV_DONTNEED_LOCKED */
	bool dontunmap_all;	/* MREMAP_DONTUNMAP of files and shared memory */
	bool punch;		/* MADV_REMOVE of files */
} world;

enum kind { ANON, SHM, FILE_SH, FILE_PR, HUGETLB, KINDS };
enum locking { NOT, PLAIN, ONFAULT };
enum presence { ABSENT, PRESENT, MAYBE };

struct mpage {
	uint8_t mapped;
	uint8_t prot;		/* PROT_READ, PROT_WRITE */
	uint8_t kind;
	uint8_t lock;
	uint8_t present;
	uint8_t start;		/* a mapping starts here */
	uint8_t account;	/* was private and writable once; 2: nobody knows */
	uint8_t changed;	/* by this call: may merge */
	uint8_t wrote;		/* by this call: has anonymous pages from now on */
	uint8_t midway;		/* got them before the call was through with the rest */
	uint8_t vague;		/* whether it merges is anybody's guess */
	uint8_t may_split;	/* neither has a boundary here to go */
	int16_t object;		/* of shared memory and files */
	int32_t offset;		/* in the object; of anonymous memory, how far moved */
	int32_t anon;		/* mappings with different ones do not merge; 0: any */
};

struct model {
	struct mpage page[PAGES];
	enum locking future;
	enum locking outside;	/* all that is mapped outside of the regions */
	bool cap;		/* CAP_IPC_LOCK */
	long limit;		/* RLIMIT_MEMLOCK in pages, -1: none */
	long leaked;		/* pages that stay charged, on kernels that do that */
	int brk;		/* pages of the heap */
	int objects;
	int anons;
	int16_t object_pages[OBJECTS];
};

/* How a call should end */
struct outcome {
	int err;	/* 0, -errno, or a signal for what touches memory */
	long done;	/* pages that it got to, for what touches memory */
};

static inline bool is_private(const struct mpage *p)
{
	return p->kind == ANON || p->kind == FILE_PR || p->kind == HUGETLB;
}

static inline bool has_object(const struct mpage *p)
{
	return p->kind != ANON;
}

/* Size in pages of the architecture, which is what is charged */
static inline long base_pages(int page)
{
	return world.unit[region_of(page)] / page_size();
}

static inline long locked_in(const struct model *m, int page, int n)
{
	long locked = 0;

	for (; n > 0; n--, page++)
		if (m->page[page].mapped && m->page[page].lock)
			locked += base_pages(page);
	return locked;
}

static inline long model_locked(const struct model *m)
{
	return locked_in(m, 0, PAGES) + m->leaked +
	       (m->outside ? world.outside : 0);
}

static inline bool over_limit(const struct model *m, long pages)
{
	return !m->cap && m->limit >= 0 && pages > m->limit;
}

static inline bool may_lock(const struct model *m)
{
	return m->cap || m->limit != 0;
}

static inline int new_object(struct model *m, int pages)
{
	/* nobody makes that many in one sequence */
	if (m->objects == OBJECTS - 1)
		m->objects = THE_FILE;
	m->object_pages[++m->objects] = pages;
	return m->objects;
}

static inline bool within_object(const struct model *m, const struct mpage *p)
{
	return !has_object(p) || p->offset < m->object_pages[p->object];
}

/*
 * Can two neighbours be one mapping at all?  What is charged for its use
 * (VM_ACCOUNT) is one more reason to keep them apart, and kernels do not agree
 * on when that ends.
 */
static inline bool same_mapping(const struct mpage *a, const struct mpage *b)
{
	return a->mapped && b->mapped && a->prot == b->prot &&
	       a->kind == b->kind && a->lock == b->lock &&
	       (has_object(a) ? a->object == b->object &&
				b->offset == a->offset + 1 :
				b->offset == a->offset);
}

/* The end of the mapping that a page is in, before a call has changed it */
static inline int mapping_end(const struct model *m, int page)
{
	int end = regions[region_of(page)].end;

	for (page++; page < end; page++)
		if (!m->page[page].mapped || m->page[page].start)
			break;
	return page;
}

static inline void model_unmap(struct model *m, int page, int n)
{
	int end = page + n;

	for (; page < end; page++)
		memset(&m->page[page], 0, sizeof(m->page[page]));
	if (end < PAGES && next_to(end) && m->page[end].mapped)
		m->page[end].start = 1;
}

/*
 * Page faults.  0, or the signal that a program would get.
 */

static inline int grow_stack(struct model *m, int page)
{
	int low = page, end = regions[STACK].end;
	struct mpage *p;

	while (low < end && !m->page[low].mapped)
		low++;
	if (low == end)
		return SIGSEGV;
	p = &m->page[low];
	p->wrote = 1;
	if (p->lock && over_limit(m, model_locked(m) + low - page))
		return SIGSEGV;
	p->start = 0;
	while (--low >= page) {
		m->page[low] = m->page[low + 1];
		m->page[low].wrote = 0;
		/* a plain lock may populate what lies between, or not */
		m->page[low].present = p->lock == PLAIN ? MAYBE : ABSENT;
	}
	m->page[page].start = 1;
	return 0;
}

static inline void fault_around(struct model *m, int page)
{
	const struct mpage *p = &m->page[page];
	int i;

	for (i = page - world.around; i <= page + world.around; i++) {
		struct mpage *q;

		if (i < 0 || i >= PAGES || region_of(i) != region_of(page))
			continue;
		q = &m->page[i];
		if (q->mapped && q->kind == p->kind && q->object == p->object &&
		    q->offset - p->offset == i - page && q->present == ABSENT)
			q->present = MAYBE;
	}
}

static inline int model_fault(struct model *m, int page, bool write)
{
	struct mpage *p = &m->page[page];

	if (!p->mapped) {
		int sig = region_of(page) == STACK ? grow_stack(m, page) : SIGSEGV;

		if (sig)
			return sig;
	}
	if (!p->prot || (write && !(p->prot & PROT_WRITE)))
		return SIGSEGV;
	/* even if the page itself cannot be had */
	if (!write && has_object(p) && p->kind != HUGETLB)
		fault_around(m, page);
	if (p->present != PRESENT && !within_object(m, p))
		return SIGBUS;
	p->present = PRESENT;
	if (write && is_private(p))
		p->wrote = 1;
	return 0;
}

/*
 * Populate a range: for a plain lock, which leaves alone what is locked on
 * fault, or for the program.  Errors are that nothing may be accessed, or that
 * there is nothing behind the mapping.
 */
static inline int model_populate(struct model *m, int page, int n, bool for_lock,
				 bool ignore_errors)
{
	int end = page + n;

	for (; page < end; page++) {
		struct mpage *p = &m->page[page];

		if (!p->mapped || (for_lock && p->lock == ONFAULT))
			continue;
		/* what cannot be had cannot be had for the rest of a mapping */
		if (!p->prot || model_fault(m, page, is_private(p) &&
					    (p->prot & PROT_WRITE))) {
			if (!ignore_errors)
				return -ENOMEM;
		}
	}
	return 0;
}

/*
 * Locks
 */

/* One kind of lock for a range; what is before a hole keeps it */
static inline int model_set_lock(struct model *m, int page, long n, enum locking lock)
{
	int stop = regions[region_of(page)].end;

	for (; n > 0; n--, page++) {
		struct mpage *p = &m->page[page];

		/* behind each region there is nothing */
		if (page >= stop || !p->mapped)
			return -ENOMEM;
		if (p->kind == HUGETLB || p->lock == lock)
			continue;
		p->lock = lock;
		p->changed = 1;
	}
	return 0;
}

static inline int model_lock(struct model *m, int page, long n, enum locking lock,
			     bool wraps)
{
	int left = regions[region_of(page)].end - page, err;
	int within = n > left ? left : n;
	long locked = model_locked(m) + n * base_pages(page);

	if (!may_lock(m))
		return -EPERM;
	if (wraps)
		return -EINVAL;
	/* what is locked already is not charged again */
	if (over_limit(m, locked) &&
	    over_limit(m, locked - locked_in(m, page, within)))
		return -ENOMEM;
	err = model_set_lock(m, page, n, lock);
	if (err || lock != PLAIN)
		return err;
	return model_populate(m, page, n, true, false);
}

static inline int model_unlock(struct model *m, int page, long n, bool wraps)
{
	return wraps ? -EINVAL : model_set_lock(m, page, n, NOT);
}

static inline void model_lock_all(struct model *m, enum locking lock)
{
	int i;

	m->outside = lock;
	for (i = 0; i < PAGES; i++)
		if (m->page[i].mapped)
			model_set_lock(m, i, 1, lock);
	if (lock == PLAIN)
		model_populate(m, 0, PAGES, true, true);
}

static inline int model_mlockall(struct model *m, int flags, long total_vm)
{
	enum locking lock = flags & MCL_ONFAULT ? ONFAULT : PLAIN;

	if (!(flags & (MCL_CURRENT | MCL_FUTURE)) ||
	    (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
		return -EINVAL;
	if (!may_lock(m))
		return -EPERM;
	if ((flags & MCL_CURRENT) && over_limit(m, total_vm))
		return -ENOMEM;
	m->future = flags & MCL_FUTURE ? lock : NOT;
	if (flags & MCL_CURRENT)
		model_lock_all(m, lock);
	return 0;
}

static inline void model_munlockall(struct model *m)
{
	m->future = NOT;
	model_lock_all(m, NOT);
}

/*
 * Mappings
 */

/* What mmap() is asked for, in our own words */
#define MM_NOREPLACE	1
#define MM_LOCKED	2
#define MM_POPULATE	4
#define MM_NONBLOCK	8

static inline int model_mmap(struct model *m, int page, int n, int kind, int prot,
			     int flags, int offset)
{
	enum locking lock = m->future;
	long charge = n * base_pages(page);
	bool asked = (flags & (MM_POPULATE | MM_NONBLOCK)) == MM_POPULATE;
	int i, object = 0;

	if (flags & MM_NOREPLACE)
		for (i = page; i < page + n; i++)
			if (m->page[i].mapped)
				return -EEXIST;
	/* the future mode says how */
	if (!lock && (flags & MM_LOCKED))
		lock = PLAIN;
	if ((flags & MM_LOCKED) && !may_lock(m))
		return -EPERM;
	/* what is replaced is credited first */
	if (lock && over_limit(m, model_locked(m) - locked_in(m, page, n) + charge))
		return -EAGAIN;
	model_unmap(m, page, n);
	if (kind == FILE_SH || kind == FILE_PR)
		object = THE_FILE;
	else if (kind != ANON)
		object = new_object(m, n);
	for (i = 0; i < n; i++) {
		struct mpage *p = &m->page[page + i];

		p->mapped = 1;
		p->changed = 1;
		p->prot = prot;
		p->kind = kind;
		p->object = object;
		p->lock = kind == HUGETLB ? NOT : lock;
		p->account = (kind == ANON || kind == FILE_PR) &&
			     (prot & PROT_WRITE);
		if (object)
			p->offset = i + (object == THE_FILE ? offset : 0);
	}
	m->page[page].start = 1;
	if (asked || lock == PLAIN)
		model_populate(m, page, n, !asked, true);
	return 0;
}

static inline int model_mprotect(struct model *m, int page, int n, int prot)
{
	int end = page + n;

	for (; page < end; page++) {
		struct mpage *p = &m->page[page];
		bool writable = (prot & ~p->prot) & PROT_WRITE;

		if (!p->mapped)
			return -ENOMEM;
		if (p->prot == prot)
			continue;
		p->prot = prot;
		p->changed = 1;
		if (!writable || !is_private(p) || p->kind == HUGETLB)
			continue;
		p->account = 1;
		/* a plain lock breaks copy-on-write now, for no fault later */
		if (p->lock == PLAIN) {
			model_fault(m, page, true);
			p->midway = 1;
		}
	}
	return 0;
}

/*
 * remap_file_pages(): other pages of the object in place of those of a mapping,
 * which keep its lock, and like any new mapping have the future one else
 */
static inline int model_remap(struct model *m, int page, int n, int offset)
{
	struct mpage old = m->page[page];
	enum locking lock = old.lock ? old.lock : m->future;
	int i;

	if (!old.mapped || is_private(&old))
		return -EINVAL;
	/* as if it was mapped anew with MAP_LOCKED */
	if (old.lock && !may_lock(m))
		return -EPERM;
	if (lock && over_limit(m, model_locked(m) - locked_in(m, page, n) + n))
		return -EAGAIN;
	model_unmap(m, page, n);
	for (i = 0; i < n; i++)
		m->page[page + i] = (struct mpage){
			.mapped = 1, .changed = 1, .start = !i, .prot = old.prot,
			.kind = old.kind, .object = old.object, .lock = lock,
			.offset = offset + i,
		};
	/* they are faulted in, but not if that is what the lock is to save */
	model_populate(m, page, n, true, true);
	return 0;
}

static inline int model_brk(struct model *m, int pages)
{
	int i;

	if (pages <= m->brk) {
		model_unmap(m, FIRST_HEAP + pages, m->brk - pages);
		m->brk = pages;
		return 0;
	}
	if (m->future && over_limit(m, model_locked(m) + pages - m->brk))
		return -ENOMEM;
	for (i = m->brk; i < pages; i++) {
		struct mpage *p = &m->page[FIRST_HEAP + i];

		p->mapped = 1;
		p->changed = 1;
		p->start = i == m->brk;
		p->prot = PROT_READ | PROT_WRITE;
		p->kind = ANON;
		p->account = 1;
		p->lock = m->future;
	}
	if (m->future == PLAIN)
		model_populate(m, FIRST_HEAP + m->brk, pages - m->brk, true, true);
	m->brk = pages;
	return 0;
}

/*
 * mremap().  The old range is @page, @n pages; it becomes @new_n at @to where
 * it has to move.  That stays within the arena: a move to where the kernel
 * likes is followed by one back to @to.
 */

/* Extend a mapping whose last page is @last by what follows it */
static inline void extend(struct model *m, int last, int n)
{
	int i;

	for (i = last + 1; i <= last + n; i++) {
		m->page[i] = m->page[i - 1];
		m->page[i].present = ABSENT;
		m->page[i].start = 0;
		m->page[i].changed = 1;
		m->page[i].wrote = 0;
		m->page[i].may_split = 0;
		if (has_object(&m->page[i]))
			m->page[i].offset++;
	}
}

/* Can the mapping with the old range at its end grow where it is? */
static inline bool grows_in_place(const struct model *m, int page, int n, int new_n)
{
	int i;

	if (!n || mapping_end(m, page) != page + n)
		return false;
	for (i = page + n; i < page + new_n; i++)
		if (i >= regions[ARENA].end || m->page[i].mapped)
			return false;
	return true;
}

static inline void move_pages_to(struct model *m, int page, int n, int new_n, int to,
				 bool keep)
{
	struct mpage moved[ARENA_PAGES];
	int i;

	/* with an old length of 0 a second mapping of the same pages */
	memcpy(moved, &m->page[page], (n ? n : 1) * sizeof(moved[0]));
	if (!n)
		moved[0].present = ABSENT;
	for (i = 0; keep && i < n; i++) {
		struct mpage *p = &m->page[page + i];

		p->present = ABSENT;
		p->lock = NOT;
		p->changed = 1;
		p->vague = is_private(p);
		/* and nobody looks whether it merges */
		p->may_split = 1;
	}
	if (keep && page + n < regions[ARENA].end)
		m->page[page + n].may_split = 1;
	if (!keep)
		model_unmap(m, page, n);
	model_unmap(m, to, new_n);
	for (i = 0; i < (n ? n : 1); i++) {
		struct mpage *p = &m->page[to + i];

		*p = moved[i];
		p->changed = 1;
		p->start = i == 0;
		/* what has no anonymous page yet starts anew where it comes to */
		if (!has_object(p))
			p->offset = p->anon || p->vague ? p->offset + page - to : 0;
		/* a source that is kept does not merge with its copy */
		p->may_split = keep;
	}
	extend(m, to + (n ? n : 1) - 1, new_n - (n ? n : 1));
	if (keep && to + new_n < regions[ARENA].end)
		m->page[to + new_n].may_split = 1;
}

static inline int model_mremap(struct model *m, int page, int n, int new_n,
			       int flags, int to)
{
	const struct mpage *p = &m->page[page];
	bool fixed = flags & MREMAP_FIXED, keep = flags & MREMAP_DONTUNMAP;
	long credit = fixed ? locked_in(m, to, new_n) : 0;
	long grown = new_n > n ? new_n - n : 0;
	bool plain;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if (fixed && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (keep && (!(flags & MREMAP_MAYMOVE) || n != new_n))
		return -EINVAL;
	if (!new_n)
		return -EINVAL;
	if (!p->mapped)
		return -EFAULT;
	if (fixed && page + n > to && to + new_n > page)
		return -EINVAL;
	if (!fixed && new_n <= n) {
		model_unmap(m, page + new_n, n - new_n);
		return 0;
	}
	if (!n && is_private(p))
		return -EINVAL;
	if (keep && !world.dontunmap_all && p->kind != ANON)
		return -EINVAL;
	/* what is cut off first need not be one mapping with the rest */
	if (page + (n < new_n ? n : new_n) > mapping_end(m, page))
		return -EFAULT;
	plain = p->lock == PLAIN;
	if (p->lock && grown && over_limit(m, model_locked(m) - credit + grown))
		return -EAGAIN;
	if (n > new_n) {
		model_unmap(m, page + new_n, n - new_n);
		n = new_n;
	}
	if (!fixed && grows_in_place(m, page, n, new_n)) {
		extend(m, page + n - 1, grown);
		/* whether it merges with what it comes to differs */
		if (page + new_n < regions[ARENA].end)
			m->page[page + new_n].may_split = 1;
		to = page;
	} else if (flags & MREMAP_MAYMOVE) {
		move_pages_to(m, page, n, new_n, to, keep);
	} else {
		return -ENOMEM;
	}
	if (plain && grown)
		model_populate(m, to + n, grown, true, true);
	return 0;
}

/*
 * madvise()
 */

/* The pages of an object are gone, whoever maps them */
static inline void punch(struct model *m, int object, int offset)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		struct mpage *p = &m->page[i];

		if (p->mapped && has_object(p) && p->object == object &&
		    p->offset == offset && p->present == PRESENT)
			p->present = MAYBE;
	}
}

static inline int advise_page(struct model *m, int page, int advice)
{
	struct mpage *p = &m->page[page];

	switch (advice) {
	case MADV_DONTNEED:
		if (p->lock)
			return -EINVAL;
		p->present = ABSENT;
		return 0;
	case MADV_DONTNEED_LOCKED:
		if (!world.dontneed_locked)
			return -EINVAL;
		p->present = ABSENT;
		return 0;
	case MADV_FREE:
		return p->lock || p->kind != ANON ? -EINVAL : 0;
	case MADV_COLD:
	case MADV_PAGEOUT:
		return p->lock ? -EINVAL : 0;
	case MADV_WILLNEED:
		return 0;
	case MADV_REMOVE:
		if (p->lock || p->kind == ANON)
			return -EINVAL;
		if (p->kind == FILE_PR)
			return -EACCES;
		if (p->kind == FILE_SH && !world.punch)
			return -EOPNOTSUPP;
		punch(m, p->object, p->offset);
		return 0;
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE: {
		bool write = advice == MADV_POPULATE_WRITE;

		if (!p->prot || (write && !(p->prot & PROT_WRITE)))
			return -EINVAL;
		return model_fault(m, page, write) ? -EFAULT : 0;
	}
	}
	return -EINVAL;
}

static inline int model_madvise(struct model *m, int page, int n, int advice)
{
	bool hole = false;
	int i, err;

	if ((advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE) &&
	    !world.populate)
		return -EINVAL;
	if (advice == MADV_DONTNEED_LOCKED && !world.dontneed_locked)
		return -EINVAL;
	for (i = page; i < page + n; i++) {
		if (!m->page[i].mapped) {
			hole = true;
			continue;
		}
		err = advise_page(m, i, advice);
		if (err)
			return err;
	}
	return hole ? -ENOMEM : 0;
}

/*
 * What was seen after a call, and whether it can be.
 */

struct seen {
	long vm_lck;			/* pages */
	uint8_t mapped[PAGES];
	uint8_t prot[PAGES];
	uint8_t shared[PAGES];
	uint8_t start[PAGES];
	uint8_t locked[PAGES];		/* the mapping is */
	uint8_t present[PAGES];
};

static char model_complaint[256];

/* complain() is false, so that what compares can return it */
static inline bool complained(int length)
{
	return length < 0;
}

#define complain(...) \
	complained(snprintf(model_complaint, sizeof(model_complaint), __VA_ARGS__))

/* The end of the mapping that the kernel has at a page */
static inline int seen_end(const struct seen *seen, int page)
{
	for (page++; page < PAGES && next_to(page); page++)
		if (!seen->mapped[page] || seen->start[page])
			break;
	return page;
}

/*
 * A mapping has its anonymous pages as a whole: what it was merged from had.
 * -1 if that cannot be known.
 */
static inline int anon_of(const struct model *m, int page, int end)
{
	int anon = 0;

	for (; page < end && anon >= 0; page++) {
		if (m->page[page].anon)
			anon = m->page[page].anon;
		if (m->page[page].vague || m->page[page].midway)
			anon = -1;
	}
	return anon;
}

/*
 * May a boundary be left between two pages that could be one mapping?  Where a
 * mapping has anonymous pages it does not give them to one that has none: only
 * what has none joins what has.  @anon_* is what the kernel's mappings have.
 */
static inline bool may_stay_apart(const struct mpage *a, int anon_a,
				  const struct mpage *b, int anon_b,
				  const struct mpage *before)
{
	if (anon_a < 0 || anon_b < 0 || b->may_split)
		return true;
	if (anon_a && anon_b && anon_a != anon_b)
		return true;
	if ((!anon_a && anon_b && b->changed) || (!anon_b && anon_a && a->changed))
		return true;
	if (a->account != b->account || a->account == 2)
		return true;
	if (b->kind == HUGETLB)
		return before->start;
	return before->mapped && before->start && !a->changed && !b->changed;
}

static inline bool compare_mappings(const struct model *m,
				    const struct model *before,
				    const struct seen *seen)
{
	int i, anon = 0, anon_left;

	for (i = 0; i < PAGES; i++) {
		const struct mpage *p = &m->page[i];

		anon_left = anon;
		if (p->mapped && (seen->start[i] || !next_to(i) || !p[-1].mapped))
			anon = anon_of(m, i, seen_end(seen, i));
		if (p->mapped != seen->mapped[i])
			return complain("page %d is %smapped", i,
					p->mapped ? "not " : "");
		if (!p->mapped)
			continue;
		if (p->prot != seen->prot[i])
			return complain("page %d has protection %d, not %d", i,
					seen->prot[i], p->prot);
		if (is_private(p) == seen->shared[i])
			return complain("page %d is %sshared", i,
					seen->shared[i] ? "" : "not ");
		if (!p->lock != !seen->locked[i])
			return complain("page %d is %slocked", i,
					seen->locked[i] ? "" : "not ");
		if (!next_to(i) || !p[-1].mapped)
			continue;
		if (!same_mapping(p - 1, p) && !p->vague && !p[-1].vague &&
		    !seen->start[i])
			return complain("pages %d and %d are in one mapping", i - 1, i);
		if (same_mapping(p - 1, p) && seen->start[i] &&
		    !may_stay_apart(p - 1, anon_left, p, anon, &before->page[i]))
			return complain("pages %d and %d are in two mappings", i - 1, i);
	}
	return true;
}

static inline bool compare_pages(const struct model *m, const struct seen *seen)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		const struct mpage *p = &m->page[i];

		if (!p->mapped)
			continue;
		if (p->present == ABSENT && seen->present[i])
			return complain("page %d is present, and nobody asked for it", i);
		if (p->present == PRESENT && p->lock && !seen->present[i])
			return complain("page %d is locked and has to be present, and is not", i);
	}
	return true;
}

/* Is what was seen what the model says?  Else model_complaint. */
static inline bool model_matches(const struct model *m, const struct model *before,
				 const struct seen *seen)
{
	if (!compare_mappings(m, before, seen) || !compare_pages(m, seen))
		return false;
	if (seen->vm_lck != model_locked(m))
		return complain("VmLck is %ld pages, not %ld", seen->vm_lck,
				model_locked(m));
	return true;
}

/* Take over what the kernel chose */
static inline void model_adopt(struct model *m, const struct seen *seen)
{
	int i, j, k;

	for (i = 0; i < PAGES; i = j) {
		bool vague = false, wrote = false;
		int anon, account;

		j = i + 1;
		if (!m->page[i].mapped)
			continue;
		j = seen_end(seen, i);
		for (k = i; k < j; k++)
			m->page[k].midway = 0;
		anon = anon_of(m, i, j);
		account = m->page[i].account;
		for (k = i; k < j; k++) {
			if (m->page[k].account != account)
				account = 2;
			vague |= m->page[k].vague;
			wrote |= m->page[k].wrote;
		}
		if (wrote && !anon)
			anon = ++m->anons;
		if (anon < 0)
			anon = 0;
		for (k = i; k < j; k++) {
			struct mpage *p = &m->page[k];

			p->present = seen->present[k] ? PRESENT : ABSENT;
			p->start = k == i;
			p->anon = anon;
			p->account = account;
			p->vague = vague;
			p->changed = 0;
			p->wrote = 0;
			p->may_split = 0;
		}
	}
}

#endif /* _SELFTESTS_VM_MLOCK_MODEL_H */
