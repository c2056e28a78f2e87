// SPDX-License-Identifier: GPL-2.0
/*
 * Random sequences of calls against a model of lock on fault (mlock_model.h).
 *
 * Each sequence runs in a process of its own, in a few regions of its address
 * space that nothing else is in.  After each call the kernel is compared with
 * the model: what the call returned, VmLck, where mappings start and end, which
 * are locked, which pages are present, mlocked and unevictable; and after a
 * call that failed, that nothing has changed.  Whether a mapping is locked on
 * fault or at once shows in what becomes present and in what merges.
 *
 * A sequence follows from its seed alone.  One that finds a difference is run
 * again with parts of it left out, as long as it still fails, and what is left
 * is printed in the form that --file reads.
 *
 * Without arguments this is a selftest of 10,000 calls; see usage() for more.
 */
#include "mlock_model.h"
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>
#include <sys/uio.h>
#include "../kselftest_harness.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif
#ifndef MAP_HUGETLB
#define MAP_HUGETLB		0x40000
#endif
#ifndef KPF_ZERO_PAGE
#define KPF_ZERO_PAGE		24
#endif

#define CALLS		10000	/* of a run, if nothing else is said */
#define SEQUENCE	250	/* calls of one sequence */
#define MAX_OPS		4096	/* of one that is read from a file */
#define SHRINK_SECONDS	120

/*
 * Calls.  What their arguments mean, in the order in which they are kept,
 * printed and read.  @page counts through all regions.
 */
enum op_type {
	OP_MMAP, OP_MUNMAP, OP_LOCK, OP_UNLOCK, OP_MLOCKALL, OP_MUNLOCKALL,
	OP_MPROTECT, OP_MREMAP, OP_MADVISE, OP_BRK, OP_TOUCH, OP_FORK, OP_LIMIT,
	OP_CAP, OP_REMAP, OP_TYPES,
};

#define ARGS	6

static const struct {
	const char *name;
	const char *args[ARGS];
} op_names[OP_TYPES] = {
	[OP_MMAP] = { "mmap", { "page", "pages", "kind", "prot", "flags", "offset" } },
	[OP_MUNMAP] = { "munmap", { "page", "pages" } },
	/* call 0: mlock, 1: mlock2 with flags 0, 2: mlock2 on fault */
	[OP_LOCK] = { "lock", { "page", "pages", "call", "head", "tail", "wrap" } },
	[OP_UNLOCK] = { "munlock", { "page", "pages", "one_mapping", "head", "tail", "wrap" } },
	[OP_MLOCKALL] = { "mlockall", { "flags" } },
	[OP_MUNLOCKALL] = { "munlockall", { } },
	[OP_MPROTECT] = { "mprotect", { "page", "pages", "prot" } },
	[OP_MREMAP] = { "mremap", { "page", "pages", "new_pages", "flags", "to", "one_mapping" } },
	[OP_MADVISE] = { "madvise", { "page", "pages", "advice", "one_mapping" } },
	[OP_BRK] = { "brk", { "pages" } },
	[OP_TOUCH] = { "touch", { "page", "pages", "how" } },
	[OP_FORK] = { "fork", { "page", "pages", "depth", "parent_page" } },
	[OP_LIMIT] = { "limit", { "which" } },
	[OP_CAP] = { "cap", { "on" } },
	[OP_REMAP] = { "remap_file_pages", { "page", "pages", "offset" } },
};

/* How memory is touched */
enum how {
	BY_READ, BY_WRITE,
	BY_KERNEL,		/* read(2) into it */
	BY_GUP_READ, BY_GUP_WRITE,	/* process_vm_readv, process_vm_writev */
	HOWS,
};

/* An outcome that no call may have */
#define WRONG	(-4096)

struct op {
	enum op_type type;
	int v[ARGS];
};

/* MADV_* as MADV_REMOVE is a number of its own on some architectures */
static const int advices[] = {
	MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
	MADV_WILLNEED, MADV_REMOVE, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
};

/* RLIMIT_MEMLOCK in pages, or in what is counted from something */
static const struct {
	enum { PAGES_ONLY, NO_LIMIT, FROM_OUTSIDE, FROM_ALL, FROM_LOCKED } from;
	int pages;
} limits[] = {
	{ NO_LIMIT, 0 }, { PAGES_ONLY, 0 }, { PAGES_ONLY, 8 }, { PAGES_ONLY, 16 },
	{ PAGES_ONLY, 32 }, { PAGES_ONLY, 64 }, { FROM_OUTSIDE, 64 },
	{ FROM_ALL, 16 }, { FROM_LOCKED, 0 }, { FROM_LOCKED, 1 },
	{ FROM_LOCKED, 4 }, { FROM_LOCKED, 8 }, { FROM_LOCKED, 16 },
};

static char *base[REGIONS];
static long heap_start;
static int the_file = -1, zero_fd, pagemap_fd, kpageflags_fd, maps_fd, status_fd;
static int drain_fd = -1;
static void *drain_page, *scratch_page;
static int to_child[2], to_parent[2];
static long compound_pages;

/* What a child tells its parent */
static struct report {
	int ran;			/* calls that were compared */
	int failed_at;			/* -1: none */
	long tolerated[4];	/* at least as many as differences[] */
	char text[512];
} *report;

static bool verbose;

static long seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static char *address(int page)
{
	enum region_id r = region_of(page);

	return base[r] + (page - regions[r].first) * world.unit[r];
}

/*
 * Random numbers: the same on every machine.
 */
struct random {
	uint64_t state;
};

static uint32_t rnd(struct random *r, uint32_t below)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return ((z ^ (z >> 31)) >> 32) % below;
}

/*
 * Sequences come in flavours: how often each call is made.
 */
enum profile { MIXED, LIMITED, ALL_LOCKED, MOVING, SPLITTING, PROFILES };

static const struct {
	const char *name;
	uint8_t weight[OP_TYPES];
} profiles[PROFILES] = {
	[MIXED] = { "mixed", {
		[OP_MMAP] = 20, [OP_MUNMAP] = 5, [OP_LOCK] = 16, [OP_UNLOCK] = 9,
		[OP_MLOCKALL] = 3, [OP_MUNLOCKALL] = 2, [OP_MPROTECT] = 8,
		[OP_MREMAP] = 10, [OP_MADVISE] = 8, [OP_BRK] = 3, [OP_TOUCH] = 20,
		[OP_FORK] = 3, [OP_LIMIT] = 2, [OP_CAP] = 2, [OP_REMAP] = 3, } },
	[LIMITED] = { "limited", {
		[OP_MMAP] = 18, [OP_MUNMAP] = 5, [OP_LOCK] = 20, [OP_UNLOCK] = 8,
		[OP_MLOCKALL] = 4, [OP_MUNLOCKALL] = 3, [OP_MPROTECT] = 4,
		[OP_MREMAP] = 14, [OP_MADVISE] = 2, [OP_BRK] = 6, [OP_TOUCH] = 12,
		[OP_FORK] = 2, [OP_LIMIT] = 8, [OP_CAP] = 5, [OP_REMAP] = 3, } },
	[ALL_LOCKED] = { "all_locked", {
		[OP_MMAP] = 18, [OP_MUNMAP] = 4, [OP_LOCK] = 6, [OP_UNLOCK] = 6,
		[OP_MLOCKALL] = 16, [OP_MUNLOCKALL] = 6, [OP_MPROTECT] = 6,
		[OP_MREMAP] = 8, [OP_MADVISE] = 6, [OP_BRK] = 8, [OP_TOUCH] = 16,
		[OP_FORK] = 5, [OP_LIMIT] = 1, [OP_CAP] = 1, [OP_REMAP] = 3, } },
	[MOVING] = { "moving", {
		[OP_MMAP] = 16, [OP_MUNMAP] = 4, [OP_LOCK] = 12, [OP_UNLOCK] = 6,
		[OP_MLOCKALL] = 1, [OP_MUNLOCKALL] = 1, [OP_MPROTECT] = 6,
		[OP_MREMAP] = 32, [OP_MADVISE] = 4, [OP_BRK] = 1, [OP_TOUCH] = 16,
		[OP_FORK] = 3, [OP_LIMIT] = 1, [OP_CAP] = 1, [OP_REMAP] = 5, } },
	[SPLITTING] = { "splitting", {
		[OP_MMAP] = 8, [OP_MUNMAP] = 3, [OP_LOCK] = 26, [OP_UNLOCK] = 18,
		[OP_MLOCKALL] = 1, [OP_MUNLOCKALL] = 1, [OP_MPROTECT] = 18,
		[OP_MREMAP] = 4, [OP_MADVISE] = 8, [OP_BRK] = 1, [OP_TOUCH] = 16,
		[OP_FORK] = 3, [OP_LIMIT] = 1, [OP_CAP] = 1, [OP_REMAP] = 3, } },
};

static int random_page(struct random *r, int *last)
{
	int page, where = rnd(r, 100);

	if (where < 35) {
		page = *last + (int)rnd(r, 13) - 6;
		if (page < 0 || page >= PAGES)
			page = *last;
	} else if (where < 86) {
		page = rnd(r, ARENA_PAGES);
	} else if (where < 92) {
		page = FIRST_STACK + rnd(r, STACK_PAGES);
	} else if (where < 97) {
		page = FIRST_HEAP + rnd(r, HEAP_PAGES);
	} else {
		page = FIRST_HUGE + rnd(r, HUGE_PAGES);
	}
	*last = page;
	return page;
}

static int random_pages(struct random *r)
{
	return 1 + rnd(r, 1 + rnd(r, 24));
}

static struct op random_op(struct random *r, enum profile which, int *last)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
	};
	static const int all[] = {
		MCL_CURRENT, MCL_FUTURE, MCL_CURRENT | MCL_FUTURE,
		MCL_CURRENT | MCL_ONFAULT, MCL_FUTURE | MCL_ONFAULT,
		MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
		MCL_FUTURE | MCL_ONFAULT, MCL_CURRENT | MCL_ONFAULT,
		MCL_ONFAULT, 0, 0x40,
	};
	const uint8_t *weight = profiles[which].weight;
	int sum = 0, i, pick;
	struct op op = { };

	for (i = 0; i < OP_TYPES; i++)
		sum += weight[i];
	pick = rnd(r, sum);
	while (pick >= weight[op.type])
		pick -= weight[op.type++];
	op.v[0] = random_page(r, last);
	op.v[1] = random_pages(r);
	switch (op.type) {
	case OP_MMAP:
		op.v[2] = rnd(r, 7);
		if (op.v[2] >= HUGETLB)
			op.v[2] = ANON;
		op.v[3] = prots[rnd(r, 5)];
		op.v[4] = (rnd(r, 8) ? 0 : MM_NOREPLACE) |
			  (rnd(r, 6) ? 0 : MM_LOCKED) |
			  (rnd(r, 5) ? 0 : MM_POPULATE) |
			  (rnd(r, 12) ? 0 : MM_NONBLOCK);
		op.v[5] = rnd(r, 3) ? op.v[0] : (int)rnd(r, ARENA_PAGES);
		break;
	case OP_MUNMAP:
	case OP_MUNLOCKALL:
	case OP_TYPES:
		break;
	case OP_LOCK:
	case OP_UNLOCK:
		op.v[2] = op.type == OP_LOCK ? (int[]){ 0, 1, 2, 2, 2 }[rnd(r, 5)] :
			  (int)rnd(r, 2);
		if (!rnd(r, 4)) {
			op.v[3] = rnd(r, 2);
			op.v[4] = (int)rnd(r, 3) - 1;
		}
		op.v[5] = !rnd(r, 60);
		break;
	case OP_MLOCKALL:
		op.v[0] = all[rnd(r, rnd(r, 8) ? 8 : 11)];
		op.v[1] = 0;
		break;
	case OP_MPROTECT:
		op.v[2] = prots[rnd(r, 5)];
		break;
	case OP_MREMAP:
		op.v[5] = !!rnd(r, 4);
		op.v[2] = rnd(r, 2) ? op.v[1] : random_pages(r);
		op.v[3] = (int[]){ 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE,
			MREMAP_MAYMOVE | MREMAP_FIXED,
			MREMAP_MAYMOVE | MREMAP_FIXED,
			MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		}[rnd(r, 6)];
		if (!rnd(r, 40))
			op.v[3] = (int[]){ MREMAP_FIXED, MREMAP_DONTUNMAP, 8,
			}[rnd(r, 3)];
		else if (op.v[3] & MREMAP_DONTUNMAP && rnd(r, 8))
			op.v[2] = op.v[1];
		if (!rnd(r, 10))
			op.v[1] = 0;
		if (!rnd(r, 60))
			op.v[2] = 0;
		op.v[4] = rnd(r, ARENA_PAGES);
		break;
	case OP_REMAP:
		op.v[2] = rnd(r, ARENA_PAGES);
		break;
	case OP_MADVISE:
		op.v[2] = rnd(r, ARRAY_SIZE(advices));
		op.v[3] = rnd(r, 2);
		break;
	case OP_BRK:
		op.v[0] = rnd(r, HEAP_PAGES + 1);
		op.v[1] = 0;
		break;
	case OP_TOUCH:
		op.v[2] = rnd(r, HOWS);
		break;
	case OP_FORK:
		op.v[2] = 1 + rnd(r, 2);
		op.v[3] = rnd(r, 3) ? op.v[0] : (int)rnd(r, ARENA_PAGES);
		break;
	case OP_LIMIT:
		op.v[0] = rnd(r, ARRAY_SIZE(limits));
		op.v[1] = 0;
		break;
	case OP_CAP:
		op.v[0] = which == LIMITED ? !rnd(r, 4) : !!rnd(r, 3);
		op.v[1] = 0;
		break;
	}
	return op;
}

/* Sequences of one profile start with what makes them that */
static void random_ops(uint64_t seed, enum profile which, struct op *ops, int n)
{
	struct random r = { .state = seed * PROFILES + which };
	int i, last = 0;

	for (i = 0; i < n; i++)
		ops[i] = random_op(&r, which, &last);
	if (which == LIMITED && n > 2) {
		ops[0] = (struct op){ OP_CAP, { 0 } };
		ops[1] = (struct op){ OP_LIMIT, { 5 } };
	}
}

static void print_op(int fd, const char *before, const struct op *op)
{
	char line[256];
	int i, n;

	n = snprintf(line, sizeof(line), "%s%s", before, op_names[op->type].name);
	for (i = 0; i < ARGS && op_names[op->type].args[i]; i++)
		n += snprintf(line + n, sizeof(line) - n, " %s=%d",
			      op_names[op->type].args[i], op->v[i]);
	dprintf(fd, "%s\n", line);
}

/* One line of a file; false if it is none, @op->type is OP_TYPES if wrong */
static bool read_op(char *line, struct op *op)
{
	char *word, *at;
	int i;

	memset(op, 0, sizeof(*op));
	line[strcspn(line, "#\n")] = '\0';
	word = strtok_r(line, " \t", &at);
	if (!word)
		return false;
	while (op->type < OP_TYPES && strcmp(word, op_names[op->type].name))
		op->type++;
	if (op->type == OP_TYPES)
		return true;
	while ((word = strtok_r(NULL, " \t", &at))) {
		size_t n = strcspn(word, "=");

		for (i = 0; i < ARGS && op_names[op->type].args[i]; i++)
			if (strlen(op_names[op->type].args[i]) == n &&
			    !strncmp(word, op_names[op->type].args[i], n))
				break;
		if (i == ARGS || !op_names[op->type].args[i] || word[n] != '=') {
			op->type = OP_TYPES;
			return true;
		}
		op->v[i] = atoi(word + n + 1);
	}
	return true;
}

/*
 * Make of a call what can be made with what is mapped now: ranges stay within
 * a region, and shared mappings where the architecture lets them be.  False if
 * nothing is left of it.
 */
static int clipped(int page, int n)
{
	int end = regions[region_of(page)].end;

	return page + n > end ? end - page : n;
}

/* How many of @n pages are mapped, or are not, as the first one */
static int uniform(const struct model *m, int page, int n)
{
	int i;

	for (i = 1; i < n; i++)
		if (m->page[page + i].mapped != m->page[page].mapped)
			break;
	return i;
}

/* A start at or below @to that a shared mapping of @offset may have */
static int aligned(int to, int offset)
{
	while (world.share_align > 1 && (to - offset) % world.share_align)
		to--;
	return to;
}

static bool resolve_mmap(struct op *op)
{
	int *v = op->v;

	switch (region_of(v[0])) {
	case ARENA:
		break;
	case HUGE:
		if (!world.huge)
			return false;
		v[2] = HUGETLB;
		v[4] &= MM_LOCKED | MM_POPULATE;
		break;
	default:
		return false;
	}
	if ((v[2] == FILE_SH || v[2] == FILE_PR) && !world.files)
		v[2] = v[2] == FILE_SH ? SHM : ANON;
	if (v[2] == SHM)
		v[0] = aligned(v[0], 0);
	if (v[2] == FILE_SH) {
		v[5] += v[0] % world.share_align;
		v[0] = aligned(v[0], v[5]);
		if (v[0] < 0)
			return false;
	}
	v[1] = clipped(v[0], v[1]);
	return true;
}

static bool resolve_mremap(const struct model *m, struct op *op)
{
	int *v = op->v;
	const struct mpage *p = &m->page[v[0]];

	if (region_of(v[0]) != ARENA)
		return false;
	if (v[5] && p->mapped && v[0] + v[1] > mapping_end(m, v[0])) {
		if (v[1] == v[2])
			v[2] = mapping_end(m, v[0]) - v[0];
		v[1] = mapping_end(m, v[0]) - v[0];
	}
	v[1] = clipped(v[0], v[1]);
	/* without a fixed place it must not grow out of the arena */
	if (!(v[3] & MREMAP_FIXED))
		v[2] = clipped(v[0], v[2]);
	v[2] = v[2] > ARENA_PAGES ? ARENA_PAGES : v[2];
	if (v[4] + v[2] > ARENA_PAGES)
		v[4] = ARENA_PAGES - v[2];
	if (p->mapped && !is_private(p))
		v[4] = aligned(v[4], p->offset);
	if (v[4] < 0)
		return false;
	/* kernels do not agree on what that is, or which error comes first */
	if (!p->mapped && (v[3] & MREMAP_FIXED || v[2] <= v[1]))
		return false;
	if (v[3] & MREMAP_FIXED && !v[1] && v[0] == v[4])
		return false;
	/* where only the kernel knows the place of what is kept */
	if (v[3] & MREMAP_DONTUNMAP && !(v[3] & MREMAP_FIXED) && v[1] == v[2] &&
	    v[3] & MREMAP_MAYMOVE)
		return false;
	return true;
}

static bool resolve(const struct model *m, struct op *op)
{
	enum region_id r = region_of(op->v[0]);
	int *v = op->v;

	switch (op->type) {
	case OP_MMAP:
		return resolve_mmap(op);
	case OP_MUNMAP:
		v[1] = clipped(v[0], v[1]);
		return r == ARENA || r == HUGE;
	case OP_LOCK:
	case OP_UNLOCK:
		v[1] = clipped(v[0], v[1]);
		if (op->type == OP_UNLOCK && v[2] && m->page[v[0]].mapped &&
		    v[0] + v[1] > mapping_end(m, v[0]))
			v[1] = mapping_end(m, v[0]) - v[0];
		if (r == HUGE)
			v[3] = v[4] = 0;
		return true;
	case OP_MPROTECT:
		v[1] = clipped(v[0], v[1]);
		return r == ARENA || (r == HUGE && m->page[v[0]].mapped);
	case OP_MREMAP:
		return resolve_mremap(m, op);
	case OP_REMAP:
		v[1] = clipped(v[0], v[1]);
		if (m->page[v[0]].mapped && v[0] + v[1] > mapping_end(m, v[0]))
			v[1] = mapping_end(m, v[0]) - v[0];
		while (world.share_align > 1 && (v[2] - v[0]) % world.share_align)
			v[2]++;
		return r == ARENA;
	case OP_MADVISE:
		if (v[3] && m->page[v[0]].mapped &&
		    v[0] + v[1] > mapping_end(m, v[0]))
			v[1] = mapping_end(m, v[0]) - v[0];
		v[1] = clipped(v[0], v[1]);
		if (r == HUGE || (size_t)v[2] >= ARRAY_SIZE(advices))
			return false;
		/* of a hole and another error, kernels report one or the other */
		if (advices[v[2]] == MADV_POPULATE_READ ||
		    advices[v[2]] == MADV_POPULATE_WRITE)
			v[1] = uniform(m, v[0], v[1]);
		return true;
	case OP_TOUCH:
		v[1] = clipped(v[0], v[1]);
		/* does not grow stacks on every kernel */
		return r != STACK || v[2] < BY_KERNEL || m->page[v[0]].mapped;
	case OP_FORK:
		v[1] = clipped(v[0], v[1]);
		return r == ARENA || r == HEAP;
	case OP_LIMIT:
		return (size_t)v[0] < ARRAY_SIZE(limits);
	default:
		return true;
	}
}

/* Bytes that a lock or unlock is called with, and pages that makes */
static size_t lock_bytes(const struct op *op)
{
	long len = op->v[1] * world.unit[region_of(op->v[0])] - op->v[3] + op->v[4];

	if (op->v[5])
		return SIZE_MAX;
	return len < 0 ? 0 : len;
}

static long lock_pages(const struct op *op)
{
	size_t unit = world.unit[region_of(op->v[0])];

	/* without the last page all of it adds up */
	if (op->v[5])
		return SIZE_MAX / unit;
	return (op->v[3] + lock_bytes(op) + unit - 1) / unit;
}

static long limit_pages(const struct model *m, const struct op *op, long total_vm)
{
	long limit = limits[op->v[0]].pages;

	switch (limits[op->v[0]].from) {
	case PAGES_ONLY:
		break;
	case NO_LIMIT:
		return world.max_limit;
	case FROM_OUTSIDE:
		limit += world.outside;
		break;
	case FROM_ALL:
		limit += total_vm;
		break;
	case FROM_LOCKED:
		limit += model_locked(m);
		break;
	}
	if (world.max_limit >= 0 && limit > world.max_limit)
		limit = world.max_limit;
	return limit;
}

/* What the model says of a call */
static struct outcome expect(struct model *m, const struct op *op, long total_vm)
{
	struct outcome want = { };
	const int *v = op->v;

	switch (op->type) {
	case OP_MMAP:
		want.err = model_mmap(m, v[0], v[1], v[2], v[3], v[4], v[5]);
		break;
	case OP_MUNMAP:
		model_unmap(m, v[0], v[1]);
		break;
	case OP_LOCK:
		want.err = model_lock(m, v[0], lock_pages(op),
				      v[2] == 2 ? ONFAULT : PLAIN,
				      v[5] && world.wraps);
		break;
	case OP_UNLOCK:
		want.err = model_unlock(m, v[0], lock_pages(op), v[5] && world.wraps);
		break;
	case OP_MLOCKALL:
		want.err = model_mlockall(m, v[0], total_vm);
		break;
	case OP_MUNLOCKALL:
		model_munlockall(m);
		break;
	case OP_MPROTECT:
		want.err = model_mprotect(m, v[0], v[1], v[2]);
		break;
	case OP_MREMAP:
		want.err = model_mremap(m, v[0], v[1], v[2], v[3], v[4]);
		break;
	case OP_REMAP:
		want.err = model_remap(m, v[0], v[1], v[2]);
		break;
	case OP_MADVISE:
		want.err = model_madvise(m, v[0], v[1], advices[v[2]]);
		break;
	case OP_BRK:
		want.err = model_brk(m, v[0]);
		break;
	case OP_TOUCH:
		for (; want.done < v[1]; want.done++) {
			want.err = model_fault(m, v[0] + want.done,
					       v[2] != BY_READ && v[2] != BY_GUP_READ);
			if (want.err)
				break;
		}
		if (want.err && v[2] >= BY_KERNEL)
			want.err = -EFAULT;
		break;
	case OP_FORK:
		want.err = model_fault(m, v[3], true);
		break;
	case OP_LIMIT:
		m->limit = limit_pages(m, op, total_vm);
		break;
	case OP_CAP:
		m->cap = v[0];
		break;
	case OP_TYPES:
		break;
	}
	return want;
}

/*
 * The kernel's side.
 */

static sigjmp_buf on_signal;
static volatile sig_atomic_t jumps, caught;

static void signalled(int sig)
{
	caught = sig;
	if (jumps)
		siglongjmp(on_signal, 1);
	_exit(100 + sig);
}

static struct outcome touch_pages(char *addr, size_t unit, int n, bool write)
{
	static volatile int done;

	done = 0;
	caught = 0;
	if (!sigsetjmp(on_signal, 0)) {
		jumps = 1;
		for (; done < n; done++) {
			volatile char *p = addr + done * unit;

			if (write)
				*p = done;
			else
				(void)*p;
		}
	}
	jumps = 0;
	return (struct outcome){ .err = caught, .done = done };
}

/* The kernel touches one page */
static bool touch_by_kernel(char *addr, enum how how)
{
	static char byte[1];
	struct iovec local = { byte, 1 }, remote = { addr, 1 };

	switch (how) {
	case BY_KERNEL:
		return read(zero_fd, addr, 1) == 1;
	case BY_GUP_READ:
		return syscall(__NR_process_vm_readv, getpid(), &local, 1L,
			       &remote, 1L, 0L) == 1;
	default:
		return syscall(__NR_process_vm_writev, getpid(), &local, 1L,
			       &remote, 1L, 0L) == 1;
	}
}

static struct outcome touch(const struct op *op)
{
	size_t unit = world.unit[region_of(op->v[0])];
	struct outcome got = { };

	if (op->v[2] < BY_KERNEL)
		return touch_pages(address(op->v[0]), unit, op->v[1],
				   op->v[2] == BY_WRITE);
	for (; got.done < op->v[1]; got.done++) {
		if (touch_by_kernel(address(op->v[0] + got.done), op->v[2]))
			continue;
		got.err = -errno;
		break;
	}
	return got;
}

static bool set_cap(bool on)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(__NR_capget, &header, data))
		return false;
	if (on)
		data[0].effective |= 1U << CAP_IPC_LOCK;
	else
		data[0].effective &= ~(1U << CAP_IPC_LOCK);
	return !syscall(__NR_capset, &header, data);
}

/* A number in kB of /proc/self/status, in pages */
static char proc_text[65536];

static long read_proc(int fd)
{
	ssize_t got, n = 0;

	if (lseek(fd, 0, SEEK_SET))
		return -1;
	while ((got = read(fd, proc_text + n, sizeof(proc_text) - 1 - n)) > 0)
		n += got;
	proc_text[n] = '\0';
	return got ? -1 : n;
}

static long status_pages(const char *key)
{
	const char *at = strstr(proc_text, key);

	return at ? atol(at + strlen(key)) / page_kb(1) : -1;
}

/* Does the kernel say that the mapping at a page is locked?  It need not load. */
static bool says_locked(int page)
{
	return errno_of(msync(address(page), page_size(), MS_INVALIDATE)) == EBUSY;
}

/* What a child process must not have: 0, or what it has */
static int child_has(const struct model *m, int depth)
{
	int fd, i;

	fd = open("/proc/self/status", O_RDONLY);
	if (read_proc(fd) < 0 || status_pages("VmLck:"))
		return 1;
	for (i = 0; i < PAGES; i++)
		if (m->page[i].mapped && says_locked(i))
			return 2;
	if (mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return 4;
	if (read_proc(fd) < 0 || status_pages("VmLck:"))
		return 3;
	if (depth > 1) {
		pid_t pid = fork();

		if (!pid)
			_exit(child_has(m, depth - 1));
		return pid < 0 ? 4 : wait_for(pid);
	}
	return 0;
}

/* The child writes, and the parent while the child has the same pages */
static struct outcome do_fork(const struct model *m, const struct op *op)
{
	static const char * const has[] = {
		"", "locked memory", "a locked mapping", "the future lock",
		"a problem of its own",
	};
	struct outcome got;
	char byte = 0;
	int i, status;
	pid_t pid = fork();

	if (!pid) {
		for (i = 0; i < op->v[1]; i++)
			touch_pages(address(op->v[0] + i), page_size(), 1, true);
		if (write(to_parent[1], &byte, 1) != 1 ||
		    read(to_child[0], &byte, 1) != 1)
			_exit(4);
		_exit(child_has(m, op->v[2]));
	}
	if (pid < 0 || read(to_parent[0], &byte, 1) != 1)
		return (struct outcome){ .err = WRONG };
	got = touch_pages(address(op->v[3]), page_size(), 1, true);
	got.done = 0;
	if (write(to_child[1], &byte, 1) != 1)
		got.err = WRONG;
	status = wait_for(pid);
	if (status) {
		complain("the child process has %s",
			 has[status > 0 && status < 4 ? status : 4]);
		got.err = WRONG;
	}
	return got;
}

static int do_mmap(const struct op *op)
{
	const int *v = op->v;
	int flags = v[4] & MM_NOREPLACE ? MAP_FIXED_NOREPLACE : MAP_FIXED, fd = -1;
	char *at = address(v[0]), *ret;
	off_t offset = 0;

	flags |= v[2] == SHM || v[2] == FILE_SH ? MAP_SHARED : MAP_PRIVATE;
	if (v[2] == FILE_SH || v[2] == FILE_PR) {
		fd = the_file;
		offset = (off_t)v[5] * page_size();
	} else {
		flags |= MAP_ANONYMOUS;
	}
	if (v[2] == HUGETLB)
		flags |= MAP_HUGETLB;
	if (v[4] & MM_LOCKED)
		flags |= MAP_LOCKED;
	if (v[4] & MM_POPULATE)
		flags |= MAP_POPULATE;
	if (v[4] & MM_NONBLOCK)
		flags |= MAP_NONBLOCK;
	ret = mmap(at, v[1] * world.unit[region_of(v[0])], v[3], flags, fd, offset);
	if (ret == MAP_FAILED)
		return -errno;
	return ret == at ? 0 : WRONG;
}

static int do_mremap(const struct op *op)
{
	const int *v = op->v;
	size_t unit = page_size();
	char *from = address(v[0]), *to = address(v[4]), *ret;

	ret = (char *)syscall(__NR_mremap, from, v[1] * unit, v[2] * unit,
			      (long)v[3], to);
	if (ret == (char *)-1)
		return -errno;
	if (v[3] & MREMAP_FIXED)
		return ret == to ? 0 : WRONG;
	if (ret == from)
		return 0;
	/* it went where the kernel likes: take it back */
	if (ret >= base[ARENA] && ret < base[ARENA] + ARENA_PAGES * unit)
		return WRONG;
	ret = (char *)syscall(__NR_mremap, ret, v[2] * unit, v[2] * unit,
			      (long)(MREMAP_MAYMOVE | MREMAP_FIXED), to);
	return ret == to ? 0 : WRONG;
}

static int do_lock(const struct op *op)
{
	unsigned long at = (unsigned long)address(op->v[0]) + op->v[3];
	size_t len = lock_bytes(op);

	if (op->type == OP_UNLOCK)
		return -errno_of(syscall(__NR_munlock, at, len));
	switch (op->v[2]) {
	case 0:		return -errno_of(syscall(__NR_mlock, at, len));
	case 1:		return -errno_of(sys_mlock2_raw(at, len, 0));
	default:	return -errno_of(sys_mlock2_raw(at, len, MLOCK_ONFAULT));
	}
}

static struct outcome perform(const struct model *m, const struct op *op, long total_vm)
{
	struct outcome got = { };
	const int *v = op->v;
	size_t len = v[1] * world.unit[region_of(v[0])];
	long at;

	switch (op->type) {
	case OP_MMAP:
		got.err = do_mmap(op);
		break;
	case OP_MUNMAP:
		got.err = -errno_of(munmap(address(v[0]), len));
		break;
	case OP_LOCK:
	case OP_UNLOCK:
		got.err = do_lock(op);
		break;
	case OP_MLOCKALL:
		got.err = -errno_of(sys_mlockall(v[0]));
		break;
	case OP_MUNLOCKALL:
		got.err = -errno_of(sys_munlockall());
		break;
	case OP_MPROTECT:
		got.err = -errno_of(mprotect(address(v[0]), len, v[2]));
		break;
	case OP_MREMAP:
		got.err = do_mremap(op);
		break;
	case OP_REMAP:
		got.err = -errno_of(syscall(__NR_remap_file_pages, address(v[0]),
					    len, 0L, (long)v[2], 0L));
		break;
	case OP_MADVISE:
		got.err = -errno_of(madvise(address(v[0]), len, advices[v[2]]));
		break;
	case OP_BRK:
		at = heap_start + v[0] * page_size();
		got.err = syscall(__NR_brk, at) == at ? 0 : -ENOMEM;
		break;
	case OP_TOUCH:
		got = touch(op);
		break;
	case OP_FORK:
		got = do_fork(m, op);
		break;
	case OP_LIMIT:
		at = limit_pages(m, op, total_vm);
		got.err = set_memlock(at < 0 ? RLIM_INFINITY : at * page_size()) ?
			0 : WRONG;
		break;
	case OP_CAP:
		got.err = set_cap(v[0]) ? 0 : WRONG;
		break;
	case OP_TYPES:
		break;
	}
	return got;
}

/*
 * Looking at the kernel.  Reads no more than it must: this is most of the time.
 */

/* This CPU's batches of pages: advice on anonymous memory pushes them out. */
static void drain_here(void)
{
	madvise(scratch_page, page_size(), MADV_WILLNEED);
}

/* All CPUs', see drain_lru(); what that needs is mapped already here */
static void drain_everywhere(void)
{
	drain_here();
	if (drain_fd < 0 ||
	    posix_fadvise(drain_fd, 0, page_size(), POSIX_FADV_DONTNEED))
		write_file("/proc/sys/vm/compact_memory", "1");
}

/* The page of an address in our regions, or -1 */
static int page_at(unsigned long addr)
{
	int r;

	for (r = 0; r < REGIONS; r++) {
		unsigned long start = (unsigned long)base[r];
		unsigned long n = regions[r].end - regions[r].first;

		if (start && addr >= start && addr < start + n * world.unit[r])
			return regions[r].first + (addr - start) / world.unit[r];
	}
	return -1;
}

static unsigned long parse_hex(const char **at)
{
	unsigned long v = 0;

	for (;; (*at)++) {
		char c = **at;

		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + c - 'a' + 10;
		else
			return v;
	}
}

static void see_mapping(struct seen *seen, unsigned long start, unsigned long end,
			const char *perms)
{
	bool locked = false, first = true;
	unsigned long at = start;

	while (at < end) {
		int page = page_at(at);
		size_t unit;

		if (page < 0) {
			/* all there is outside is before or behind a region */
			int r;
			unsigned long next = end;

			for (r = 0; r < REGIONS; r++)
				if ((unsigned long)base[r] > at &&
				    (unsigned long)base[r] < next)
					next = (unsigned long)base[r];
			at = next;
			continue;
		}
		unit = world.unit[region_of(page)];
		if (first)
			locked = says_locked(page);
		seen->mapped[page] = 1;
		seen->start[page] = first;
		seen->prot[page] = (perms[0] == 'r' ? PROT_READ : 0) |
				   (perms[1] == 'w' ? PROT_WRITE : 0);
		seen->shared[page] = perms[3] == 's';
		seen->locked[page] = locked;
		first = false;
		at += unit;
	}
}

static uint64_t entries[PAGES];

static bool see_pages(struct seen *seen)
{
	uint64_t chunk[ARENA_PAGES];
	int r, i;

	for (r = 0; r < REGIONS; r++) {
		int first = regions[r].first, n = regions[r].end - first;
		int step = world.unit[r] / page_size(), now = step > 1 ? 1 : n;

		if (!base[r])
			continue;
		/* of huge pages the first small one each */
		for (i = 0; i < n; i += now) {
			off_t at = (unsigned long)address(first + i) / page_size() * 8ULL;

			if (pread(pagemap_fd, chunk, now * 8, at) != now * 8)
				return false;
			memcpy(&entries[first + i], chunk, now * 8);
		}
	}
	for (i = 0; i < PAGES; i++)
		seen->present[i] = !!(entries[i] & PM_PRESENT);
	return true;
}

static bool look(struct seen *seen)
{
	const char *at;

	memset(seen, 0, sizeof(*seen));
	if (read_proc(maps_fd) < 0)
		return complain("/proc/self/maps cannot be read");
	for (at = proc_text; *at; at++) {
		unsigned long start = parse_hex(&at), end;

		at++;
		end = parse_hex(&at);
		see_mapping(seen, start, end, at + 1);
		at = strchr(at, '\n');
		if (!at)
			break;
	}
	if (!see_pages(seen))
		return complain("/proc/self/pagemap cannot be read");
	if (read_proc(status_fd) < 0)
		return complain("/proc/self/status cannot be read");
	seen->vm_lck = status_pages("VmLck:");
	return true;
}

static char *probe_memory(int pages)
{
	return mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/*
 * Where kernels are known to differ from the promise.  None of it is tolerated
 * unless --tolerate names it; then the output says how often it was met.
 *
 * "batch": where a page is unlocked and locked again before the batches are
 * through, the unlock takes the flag away that the lock has found and left there,
 * and the lock then finds a page without it, to which it does nothing.  One call
 * is enough for that where unmapping does not push the batches out (s390); on
 * others it takes two threads, see lock-on-fault-late.  Reclaim looks for locked
 * mappings, and puts it right.  Seen in the flags only: may_have_lost() is where
 * that is let pass.
 */
enum { BATCH };

static struct difference {
	const char *name, *reason;
	bool tolerated;
} differences[] = {
	[BATCH] = {
		"batch",
		"a page that one call unmaps and maps again is not mlocked until reclaim sees it",
	},
};

/* Numbers of pages */
struct pfns {
	int n;
	uint64_t pfn[PAGES];
};

static bool has_pfn(const struct pfns *pages, uint64_t pfn)
{
	int i = 0;

	while (i < pages->n && pages->pfn[i] != pfn)
		i++;
	return i < pages->n;
}

/* What has been in a locked mapping that a call replaces, and what lost its flag */
static struct pfns replaced, lost;

/* Before the call: @entries are as the call before has left them */
static void about_to_replace(const struct model *m, const struct op *op)
{
	int page = op->v[0], end = page + op->v[1];

	replaced.n = 0;
	if (op->type != OP_MMAP && op->type != OP_REMAP)
		return;
	for (; page < end && page < FIRST_HUGE; page++)
		if (m->page[page].lock && entries[page] & PM_PRESENT)
			replaced.pfn[replaced.n++] = entries[page] & PM_PFN_MASK;
}

static bool may_have_lost(uint64_t pfn)
{
	if (has_pfn(&lost, pfn))
		return true;
	if (!differences[BATCH].tolerated || !has_pfn(&replaced, pfn) || lost.n == PAGES)
		return false;
	report->tolerated[BATCH]++;
	lost.pfn[lost.n++] = pfn;
	return true;
}

/* It has no flag to miss any more once no locked mapping has it */
static void keep_lost(const struct pfns *locked)
{
	int i, n = 0;

	for (i = 0; i < lost.n; i++)
		if (has_pfn(locked, lost.pfn[i]))
			lost.pfn[n++] = lost.pfn[i];
	lost.n = n;
}

static void locked_pages(const struct seen *seen, struct pfns *locked)
{
	int i;

	locked->n = 0;
	for (i = 0; i < FIRST_HUGE; i++)
		if (seen->present[i] && seen->locked[i])
			locked->pfn[locked->n++] = entries[i] & PM_PFN_MASK;
}

/*
 * Mlocked and unevictable is what some locked mapping has, and nothing else.
 * Pages of our mappings are mapped by nobody else.
 */
static bool compare_flags(const struct seen *seen)
{
	struct pfns locked;
	int i;

	locked_pages(seen, &locked);
	keep_lost(&locked);
	for (i = 0; i < FIRST_HUGE; i++) {
		uint64_t flags, pfn = entries[i] & PM_PFN_MASK;
		bool want = seen->locked[i];

		if (!seen->present[i])
			continue;
		if (pread(kpageflags_fd, &flags, 8, pfn * 8) != 8)
			return complain("/proc/kpageflags cannot be read");
		if (flags >> KPF_ZERO_PAGE & 1)
			continue;
		/* a page of a larger one is locked with it or not at all */
		if (flags & (1ULL << KPF_COMPOUND_HEAD | 1ULL << KPF_COMPOUND_TAIL)) {
			compound_pages++;
			continue;
		}
		want |= has_pfn(&locked, pfn);
		if (want && !(flags >> KPF_MLOCKED & 1) && may_have_lost(pfn))
			continue;
		if (want != (flags >> KPF_MLOCKED & 1))
			return complain("page %d is %smlocked", i, want ? "not " : "");
		if (want != (flags >> KPF_UNEVICTABLE & 1))
			return complain("page %d is %sunevictable", i,
					want ? "not " : "");
	}
	return true;
}

static bool flags_match(struct seen *seen)
{
	if (compare_flags(seen))
		return true;
	/* flags are late: push out what is under way, and look again */
	drain_everywhere();
	return see_pages(seen) && compare_flags(seen);
}

/* What --tolerate says; false for an unknown name */
static bool choose_differences(char *list)
{
	char *word, *at;
	size_t i;

	for (word = strtok_r(list, ",", &at); word; word = strtok_r(NULL, ",", &at)) {
		for (i = 0; i < ARRAY_SIZE(differences); i++)
			if (!strcasecmp(word, differences[i].name))
				break;
		if (i == ARRAY_SIZE(differences))
			return false;
		differences[i].tolerated = true;
	}
	return true;
}

/*
 * One sequence
 */

static bool outcomes_match(const struct outcome *want, const struct outcome *got)
{
	if (got->err == WRONG && *model_complaint)
		return false;
	if (want->err != got->err)
		return complain("%s %d, not %d", want->err > 0 || got->err > 0 ?
				"signal or error" : "error", got->err, want->err);
	if (want->done != got->done)
		return complain("stopped at page %ld, not %ld", got->done, want->done);
	return true;
}

static bool one_call(struct model *m, const struct op *given)
{
	static struct model before;
	static struct seen seen;
	struct outcome want, got;
	struct op op = *given;
	long total_vm;

	if (op.v[0] < 0 || op.v[0] >= PAGES)
		op.v[0] = 0;
	if (!resolve(m, &op))
		return true;
	if (read_proc(status_fd) < 0)
		return complain("/proc/self/status cannot be read");
	total_vm = status_pages("VmSize:");
	before = *m;
	*model_complaint = '\0';
	want = expect(m, &op, total_vm);
	about_to_replace(&before, &op);
	got = perform(&before, &op, total_vm);
	drain_here();
	if (verbose) {
		print_op(1, "# ", &op);
		dprintf(1, "#\t= %d, %ld pages\n", got.err, got.done);
	}
	report->ran++;
	if (!look(&seen) || !outcomes_match(&want, &got) ||
	    !model_matches(m, &before, &seen) || !flags_match(&seen)) {
		int n = snprintf(report->text, sizeof(report->text), "%s: %s",
				 op_names[op.type].name, model_complaint);
		int i;

		/* as it was called, which is not always as it was asked for */
		for (i = 0; i < ARGS && op_names[op.type].args[i]; i++)
			n += snprintf(report->text + n, sizeof(report->text) - n,
				      "%s%s=%d", i ? " " : " (called with ",
				      op_names[op.type].args[i], op.v[i]);
		if (i && n < (int)sizeof(report->text) - 2)
			strcat(report->text, ")");
		return false;
	}
	model_adopt(m, &seen);
	return true;
}

/* The stack of a process must not grow while it is looked at */
static void grow_own_stack(void)
{
	volatile char big[256 * 1024];
	size_t i;

	for (i = 0; i < sizeof(big); i += 1024)
		big[i] = 0;
}

/* Pages outside of the regions that a lock of everything locks */
static long count_outside(void)
{
	unsigned long size = 0, bytes = 0;
	bool special = false, ours = true;
	char line[512];
	struct lines l;
	struct vma v;

	if (!lines_open(&l, "/proc/self/smaps"))
		return -1;
	while (lines_next(&l, line, sizeof(line))) {
		const char *flags = line_value(line, "VmFlags");

		if (line_vma(line, &v)) {
			size = v.end - v.start;
			ours = page_at(v.start) >= 0 || page_at(v.end - 1) >= 0;
			special = line_is_gate(line);
		} else if (flags) {
			special |= strstr(flags, "io") || strstr(flags, "de") ||
				   strstr(flags, "pf") || strstr(flags, "mm") ||
				   strstr(flags, "ht");
			if (!special && !ours)
				bytes += size;
		}
	}
	lines_close(&l);
	return bytes / page_size();
}

static bool set_up(struct model *m)
{
	struct sigaction action = { .sa_handler = signalled, .sa_flags = SA_NODEFER };
	size_t page = page_size();
	char *p;
	int i;

	alarm(300);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	grow_own_stack();
	/* the heap: all that there is now stays, and a page to start from */
	p = (char *)syscall(__NR_brk, 0);
	heap_start = ((unsigned long)p + 2 * page - 1) & -page;
	if (syscall(__NR_brk, heap_start) != heap_start)
		return complain("the heap cannot be moved");
	base[HEAP] = (char *)heap_start;
	/* with that it must not merge */
	if (mprotect(base[HEAP] - page, page, PROT_READ))
		return complain("the heap cannot be set apart");
	p = base[STACK] + (STACK_PAGES - STACK_START) * page;
	if (mmap(p, STACK_START * page, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) != p)
		return complain("no memory for a stack");
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY);
	maps_fd = open("/proc/self/maps", O_RDONLY);
	status_fd = open("/proc/self/status", O_RDONLY);
	if (pagemap_fd < 0 || maps_fd < 0 || status_fd < 0)
		return complain("no /proc");
	if (!set_cap(true))
		return complain("no privilege");
	world.outside = count_outside();

	memset(m, 0, sizeof(*m));
	m->cap = true;
	m->limit = world.max_limit;
	m->objects = THE_FILE;
	m->object_pages[THE_FILE] = FILE_PAGES;
	for (i = FIRST_STACK + STACK_PAGES - STACK_START; i < FIRST_HEAP; i++) {
		m->page[i] = (struct mpage){
			.mapped = 1, .prot = PROT_READ | PROT_WRITE, .account = 1,
		};
	}
	m->page[FIRST_STACK + STACK_PAGES - STACK_START].start = 1;
	return true;
}

/*
 * What smaps says of each mapping, which takes too long to ask each time: "lo",
 * and on kernels that print it "lf" for what is locked on fault.
 */
static bool smaps_agrees(const struct model *m)
{
	int page = -1;
	char line[512];
	struct lines l;
	struct vma v;
	bool ok = true;

	if (!lines_open(&l, "/proc/self/smaps"))
		return complain("/proc/self/smaps cannot be read");
	while (ok && lines_next(&l, line, sizeof(line))) {
		const char *flags = line_value(line, "VmFlags");

		if (line_vma(line, &v)) {
			page = page_at(v.start);
		} else if (flags && page >= 0) {
			enum locking lock = m->page[page].lock;

			if (!lock != !strstr(flags, "lo"))
				ok = complain("page %d has VmFlags %s", page, flags);
			if (strstr(flags, "lf") && lock != ONFAULT)
				ok = complain("page %d has VmFlags %s", page, flags);
		}
	}
	lines_close(&l);
	return ok;
}

static void child_main(const struct op *ops, int n)
{
	static struct model m;
	int i;

	if (!set_up(&m)) {
		snprintf(report->text, sizeof(report->text), "setup: %.200s",
			 model_complaint);
		report->failed_at = 0;
		_exit(1);
	}
	for (i = 0; i < n; i++) {
		report->failed_at = i;
		if (!one_call(&m, &ops[i]))
			_exit(1);
	}
	if (!smaps_agrees(&m)) {
		snprintf(report->text, sizeof(report->text), "smaps: %.200s",
			 model_complaint);
		_exit(1);
	}
	report->failed_at = -1;
	_exit(0);
}

/* All of the file is in the page cache, and clean, whatever was done to it */
static void renew_file(void)
{
	off_t at, end = (off_t)FILE_PAGES * page_size();

	if (the_file < 0)
		return;
	fsync(the_file);
	posix_fadvise(the_file, 0, 0, POSIX_FADV_DONTNEED);
	for (at = 0; at < end; at += sizeof(proc_text))
		if (pread(the_file, proc_text, sizeof(proc_text), at) <= 0)
			break;
}

/* Run a sequence; false if it found something, which is then in *report */
static bool run_ops(const struct op *ops, int n)
{
	long tolerated[ARRAY_SIZE(report->tolerated)];
	int status;
	pid_t pid;

	memcpy(tolerated, report->tolerated, sizeof(tolerated));
	memset(report, 0, sizeof(*report));
	memcpy(report->tolerated, tolerated, sizeof(tolerated));
	renew_file();
	pid = fork();
	if (!pid)
		child_main(ops, n);
	status = pid < 0 ? 255 : wait_for(pid);
	if (!status)
		return true;
	if (!report->text[0])
		snprintf(report->text, sizeof(report->text),
			 "the process ended with status %d", status);
	return false;
}

/*
 * Leave out what can be left out: halves, quarters, ... single calls, as long
 * as anything is found at all.  Returns what is left of @n.
 */
static int shrink(struct op *ops, int n)
{
	static struct op fewer[MAX_OPS];
	long until = seconds_now() + SHRINK_SECONDS;
	int chunk, at, ran = 0;

	n = report->failed_at + 1;
	for (chunk = n / 2; chunk > 0 && seconds_now() < until; ) {
		bool less = false;

		for (at = 0; at < n && seconds_now() < until; ) {
			int cut = at + chunk > n ? n - at : chunk;

			memcpy(fewer, ops, at * sizeof(*ops));
			memcpy(fewer + at, ops + at + cut, (n - at - cut) * sizeof(*ops));
			ran++;
			if (!run_ops(fewer, n - cut)) {
				n = report->failed_at + 1;
				memcpy(ops, fewer, n * sizeof(*ops));
				less = true;
			} else {
				at += chunk;
			}
		}
		if (chunk == 1 && !less)
			break;
		if (!less || chunk > n / 2)
			chunk = chunk > 1 ? chunk / 2 : 1;
	}
	/* say what is said of what is left */
	run_ops(ops, n);
	dprintf(1, "# %d calls are left after %d runs\n", n, ran);
	return n;
}

static const char *write_to;

static void show_failure(struct op *ops, int n, bool shrinks)
{
	int i, fd = -1;

	dprintf(1, "# call %d: %s\n", report->failed_at, report->text);
	if (shrinks) {
		n = shrink(ops, n);
		dprintf(1, "# call %d: %s\n", n - 1, report->text);
	}
	dprintf(1, "# for --file:\n");
	for (i = 0; i < n; i++)
		print_op(1, "#\t", &ops[i]);
	if (write_to)
		fd = open(write_to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	for (i = 0; fd >= 0 && i < n; i++)
		print_op(fd, "", &ops[i]);
	if (fd >= 0)
		close(fd);
}

/*
 * The machine
 */

static bool is_free(unsigned long start, unsigned long len)
{
	return !vmas_in((void *)start, len);
}

/* What a stack that grows stops at, and what it is not near */
static bool guard(unsigned long start)
{
	return mmap((void *)start, 8 * page_size(), PROT_NONE, MAP_SHARED |
		    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)start;
}

/* The arena, the stack, huge pages, and a guard above each that is no stack */
static bool find_place(void)
{
	size_t page = page_size(), huge = world.unit[HUGE];
	unsigned long at, stack, huge_at, end, far = 0x1000000;

	for (at = 0x10000000; at < 0x60000000; at += far) {
		stack = at + (ARENA_PAGES + 32) * page;
		huge_at = (stack + (STACK_PAGES + 16) * page + huge - 1) & -huge;
		end = huge_at + HUGE_PAGES * huge;
		if (!is_free(at - far, end - at + 2 * far))
			continue;
		base[ARENA] = (char *)at;
		base[STACK] = (char *)stack;
		base[HUGE] = (char *)huge_at;
		return guard(stack - 16 * page) && guard(end + 8 * page);
	}
	return false;
}

/* The smallest distance at which shared mappings may start, in pages */
static int find_share_align(void)
{
	int align, fd = memfd_create("mlock-model", 0);
	char *p;

	for (align = 1; align < ARENA_PAGES / 2; align *= 2) {
		p = base[ARENA] + align * page_size();
		if (mmap(p, page_size(), PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == p)
			break;
	}
	munmap(base[ARENA], ARENA_PAGES * page_size());
	close(fd);
	return align;
}

static bool advice_works(char *p, int advice)
{
	return !madvise(p, page_size(), advice);
}

static long had_hugepages = -1;

static void leave_world(void)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", had_hugepages);
	if (had_hugepages >= 0)
		write_file("/proc/sys/vm/nr_hugepages", number);
}

static void learn_world(void)
{
	size_t page = page_size(), huge;
	char *p = probe_memory(4), *q, byte = 1;
	const char *why;
	const long keep = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	long around = 65536 / page;
	cpu_set_t cpus;

	/* as many huge pages as may be needed at once, two processes' */
	world.unit[ARENA] = world.unit[STACK] = world.unit[HEAP] = page;
	huge = proc_number("/proc/meminfo", "Hugepagesize") * 1024;
	world.unit[HUGE] = proc_number("/proc/meminfo", "Hugepagesize") > 0 ? huge : page;
	world.huge = proc_number("/proc/meminfo", "HugePages_Free") >= 2 * HUGE_PAGES;
	if (!world.huge && proc_number("/proc/meminfo", "Hugepagesize") > 0) {
		had_hugepages = proc_number("/proc/meminfo", "HugePages_Total");
		write_file("/proc/sys/vm/nr_hugepages", "8");
		world.huge = proc_number("/proc/meminfo", "HugePages_Free") >=
			2 * HUGE_PAGES;
	}
	world.around = around > 1 ? around : 1;
	world.wraps = sizeof(long) > 4 ||
		errno_of(sys_munlock(p, SIZE_MAX)) != ENOMEM;
	world.populate = advice_works(p, MADV_POPULATE_READ);
	world.dontneed_locked = advice_works(p, MADV_DONTNEED_LOCKED);
	q = mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	world.dontunmap_all = syscall(__NR_mremap, q, page, page, keep, p) != -1;

	the_file = test_file(FILE_PAGES, &why);
	world.files = the_file >= 0;
	if (!world.files)
		dprintf(1, "# no mappings of files: %s\n", why);
	drain_fd = test_file(1, &why);
	if (drain_fd >= 0) {
		fsync(drain_fd);
		drain_page = mmap(NULL, page, PROT_READ, MAP_SHARED, drain_fd, 0);
		touch_read(drain_page, page);
	}
	if (world.files) {
		fsync(the_file);
		q = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, the_file, 0);
		world.punch = !madvise(q, page, MADV_REMOVE);
		munmap(q, page);
	}
	scratch_page = probe_memory(1);
	*(char *)scratch_page = byte;
	zero_fd = open("/dev/zero", O_RDONLY);
	kpageflags_fd = open("/proc/kpageflags", O_RDONLY);
	/* on one CPU, so that its batches are all there are */
	if (!sched_getaffinity(0, sizeof(cpus), &cpus)) {
		int cpu = sched_getcpu();

		CPU_ZERO(&cpus);
		CPU_SET(cpu < 0 ? 0 : cpu, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
}

/* NULL, or why this cannot run here */
static const char *prepare(void)
{
	struct rlimit lim;

	if (geteuid() || !set_cap(true))
		return "wants root, to see page flags and to have a capability to drop";
	if (!set_memlock(RLIM_INFINITY) && (getrlimit(RLIMIT_MEMLOCK, &lim) ||
					    !set_memlock(lim.rlim_max)))
		return "no limit";
	getrlimit(RLIMIT_MEMLOCK, &lim);
	world.max_limit = lim.rlim_cur == RLIM_INFINITY ? -1 :
		(long)(lim.rlim_cur / page_size());
	if (!can_see_kflags())
		return "no page flags in /proc/kpageflags";
	if (errno_of(sys_mlock2(NULL, 0, 0)) == ENOSYS)
		return "no mlock2()";
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED || pipe(to_child) || pipe(to_parent))
		return "no memory";
	learn_world();
	if (!find_place())
		return "no room in the address space";
	world.share_align = find_share_align();
	return NULL;
}

static void say_tolerated(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(differences); i++)
		if (differences[i].tolerated)
			dprintf(1, "# difference of this kernel tolerated: %s (%ld times): %s\n",
				differences[i].name, report->tolerated[i],
				differences[i].reason);
	if (compound_pages)
		dprintf(1, "# flags of large pages are not compared\n");
}

/* Of the whole system, once all batches are empty and all counters added up */
static long system_mlocked(void)
{
	drain_everywhere();
	write_file("/proc/sys/vm/stat_refresh", "1");
	return meminfo("Mlocked");
}

/* Other processes lock memory, too: what is left must be left each time */
static bool leaks(const struct op *ops, int n)
{
	long before, leaked = 0;
	int tries;

	for (tries = 0; tries < 3; tries++) {
		before = system_mlocked();
		run_ops(ops, n);
		leaked = system_mlocked() - before;
		if (leaked <= 0)
			return false;
	}
	dprintf(1, "# %ld kB are mlocked after the end of the process\n", leaked);
	return true;
}

/* Sequences of one profile until @calls are made; false if one found something */
static bool run_profile(enum profile which, uint64_t seed, long calls, bool shrinks)
{
	static struct op ops[SEQUENCE];
	long mlocked = system_mlocked(), now, ran = 0;
	const int n = SEQUENCE;
	bool ok = true;

	/* of a sequence some calls have nothing to work on, and do not count */
	for (; ran < calls && ok; seed++) {
		random_ops(seed, which, ops, n);
		ok = run_ops(ops, n);
		ran += report->ran;
		now = system_mlocked();
		if (ok && now > mlocked)
			ok = !leaks(ops, n);
		mlocked = system_mlocked();
		if (ok)
			continue;
		dprintf(1, "# seed %llu, profile %s:\n", (unsigned long long)seed,
			profiles[which].name);
		if (*report->text)
			show_failure(ops, n, shrinks);
	}
	dprintf(1, "# %s: %ld calls made and compared\n", profiles[which].name, ran);
	return ok;
}

/*
 * As a selftest
 */

FIXTURE(model) { };

FIXTURE_VARIANT(model) { enum profile profile; };
FIXTURE_VARIANT_ADD(model, mixed) { .profile = MIXED, };
FIXTURE_VARIANT_ADD(model, limited) { .profile = LIMITED, };
FIXTURE_VARIANT_ADD(model, all_locked) { .profile = ALL_LOCKED, };
FIXTURE_VARIANT_ADD(model, moving) { .profile = MOVING, };
FIXTURE_VARIANT_ADD(model, splitting) { .profile = SPLITTING, };

FIXTURE_SETUP(model)
{
	const char *why = prepare();

	if (why)
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(model)
{
	leave_world();
}

TEST_F_TIMEOUT(model, I5_I6_M2_M3_M6_M9_random_calls, 600)
{
	const char *shrink = getenv("LOF_MODEL_SHRINK");

	EXPECT_TRUE(run_profile(variant->profile, 1, CALLS / PROFILES,
				!shrink || atoi(shrink)));
	say_tolerated();
}

/* The harness's main() for the tests, ours for what is asked for */
#define main tests_main
TEST_HARNESS_MAIN
#undef main

static void usage(void)
{
	size_t i;

	dprintf(2, "mlock-model: random calls against a model of lock on fault\n"
		"	without options: as a selftest\n"
		"	--ops=N		so many calls in all (default 10000)\n"
		"	--seed=N	of the first sequence (default 1)\n"
		"	--profile=NAME	one of");
	for (i = 0; i < PROFILES; i++)
		dprintf(2, " %s", profiles[i].name);
	dprintf(2, "; default: all\n"
		"	--file=FILE	the calls in a file, a line each (or FILE behind\n"
		"			another option); with --ops=N, N random ones go on\n"
		"	--write=FILE	where to put a sequence that found something\n"
		"	--shrink=0	do not leave out what need not be in it\n"
		"	--tolerate=LIST	differences of the kernel (batch); default: none\n"
		"	--verbose	print each call\n"
		"	--print		print the first sequence of the seed and the profile\n");
}

static bool option(const char *arg, const char *name, const char **value)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n) || arg[n] != '=')
		return false;
	*value = arg + n + 1;
	return true;
}

/* The calls of a file; -1 if it cannot be read or has anything else in it */
static int read_ops(const char *path, struct op *ops, int max)
{
	struct lines l;
	char line[256];
	int n = 0;

	if (!lines_open(&l, path)) {
		dprintf(2, "mlock-model: cannot read %s\n", path);
		return -1;
	}
	while (n >= 0 && n < max && lines_next(&l, line, sizeof(line))) {
		if (!read_op(line, &ops[n]))
			continue;
		if (ops[n++].type == OP_TYPES) {
			dprintf(2, "mlock-model: %s: not understood: %s\n", path, line);
			n = -1;
		}
	}
	lines_close(&l);
	return n;
}

/* The calls of a file and @more random ones after them */
static bool run_file(struct op *ops, int n, int more, uint64_t seed,
		     enum profile which, bool shrinks)
{
	if (more > MAX_OPS - n)
		more = MAX_OPS - n;
	random_ops(seed, which, ops + n, more);
	n += more;
	if (run_ops(ops, n)) {
		dprintf(1, "# %d calls, nothing found\n", n);
		return true;
	}
	show_failure(ops, n, shrinks);
	return false;
}

int main(int argc, char *argv[])
{
	const char *file = NULL, *value, *why, *tolerate = NULL;
	bool shrinks = true, print = false, ok = true;
	static struct op ops[MAX_OPS];
	int i, p, n = 0, only = -1;
	uint64_t seed = 1;
	long calls = -1;

	if (argc < 2 || strncmp(argv[1], "--", 2))
		return tests_main(argc, argv);
	for (i = 1; i < argc; i++) {
		if (option(argv[i], "--ops", &value)) {
			calls = atol(value);
		} else if (option(argv[i], "--seed", &value)) {
			seed = strtoull(value, NULL, 0);
		} else if (option(argv[i], "--file", &value)) {
			file = value;
		} else if (option(argv[i], "--write", &value)) {
			write_to = value;
		} else if (option(argv[i], "--shrink", &value)) {
			shrinks = atoi(value);
		} else if (option(argv[i], "--tolerate", &value)) {
			tolerate = value;
		} else if (option(argv[i], "--profile", &value)) {
			for (only = 0; only < PROFILES; only++)
				if (!strcmp(value, profiles[only].name))
					break;
			if (only == PROFILES) {
				usage();
				return 2;
			}
		} else if (!strcmp(argv[i], "--verbose")) {
			verbose = true;
		} else if (!strcmp(argv[i], "--print")) {
			print = true;
		} else if (strncmp(argv[i], "--", 2)) {
			file = argv[i];
		} else {
			usage();
			return 2;
		}
	}
	if (print) {
		random_ops(seed, only < 0 ? MIXED : only, ops, SEQUENCE);
		for (i = 0; i < SEQUENCE; i++)
			print_op(1, "", &ops[i]);
		return 0;
	}
	if (file) {
		n = read_ops(file, ops, MAX_OPS);
		if (n < 0)
			return 2;
	}
	why = prepare();
	if (why) {
		dprintf(2, "mlock-model: %s\n", why);
		return 4;
	}
	if (tolerate && !choose_differences(strdup(tolerate))) {
		usage();
		return 2;
	}
	if (file) {
		ok = run_file(ops, n, calls < 0 ? 0 : calls, seed,
			      only < 0 ? MIXED : only, shrinks);
	} else {
		if (calls < 0)
			calls = CALLS;
		for (p = 0; p < PROFILES; p++)
			if (only < 0 || p == only)
				ok &= run_profile(p, seed, only < 0 ?
						  calls / PROFILES : calls, shrinks);
	}
	say_tolerated();
	leave_world();
	return !ok;
}
