// SPDX-License-Identifier: GPL-2.0
/*
 * Lengths that wrap (defect D11 of Linux's own lock on fault, and of mlock()):
 * a range that ends behind the last address is EINVAL, for who locks and who
 * unlocks, with and without a limit, and changes nothing.  It must not come
 * out as a range of no pages, which is locked easily.
 */
#include "lock_on_fault.h"

#include <sys/utsname.h>

#include "../kselftest_harness.h"

#define PAGES	8

enum how {
	BY_MLOCK,
	BY_MLOCK2,
	BY_MLOCK2_ONFAULT,
	BY_MUNLOCK,
};

/* Lengths are relative to the end of all addresses: -@pages, -@bytes */
static const struct wrap {
	const char *what;
	long start_bytes;
	long pages, bytes;
} wraps[] = {
	{ "the longest of all",			0, 0, 1 },
	{ "the longest, from within a page",	5, 0, 1 },
	{ "rounded up it is 0",			0, 1, -1 },
	{ "with its start it is 0",		1, 0, 1 },
	{ "with its start rounded up it is 0",	1, 1, 0 },
	{ "whole pages",			0, 1, 0 },
	{ "whole pages, not the most",		0, 4, 0 },
	{ "from within a page, not the most",	7, 4, 3 },
};

FIXTURE(length) {
	struct mem m;
	long lck;
};

FIXTURE_VARIANT(length) { enum how how; };
FIXTURE_VARIANT_ADD(length, mlock) { .how = BY_MLOCK, };
FIXTURE_VARIANT_ADD(length, mlock2) { .how = BY_MLOCK2, };
FIXTURE_VARIANT_ADD(length, mlock2_onfault) { .how = BY_MLOCK2_ONFAULT, };
FIXTURE_VARIANT_ADD(length, munlock) { .how = BY_MUNLOCK, };

FIXTURE_SETUP(length)
{
	const char *why;

	if (!mem_map(&self->m, ANON_PRIVATE, PAGES, PROT_READ | PROT_WRITE,
		     &why))
		SKIP_SETUP("%s", why);
}

FIXTURE_TEARDOWN(length)
{
	mem_unmap(&self->m);
}

static int call(enum how how, unsigned long start, unsigned long len)
{
	switch (how) {
	case BY_MLOCK:
		return errno_of(syscall(__NR_mlock, start, len));
	case BY_MLOCK2:
		return errno_of(sys_mlock2_raw(start, len, 0));
	case BY_MLOCK2_ONFAULT:
		return errno_of(sys_mlock2_raw(start, len, MLOCK_ONFAULT));
	case BY_MUNLOCK:
		return errno_of(syscall(__NR_munlock, start, len));
	}
	return 0;
}

/*
 * Do addresses of the kernel have more bits than ours?  Then it may see no
 * wrap, but a range that is longer than all that can be mapped.
 */
static bool kernel_is_wider(void)
{
	struct utsname u;

	return sizeof(long) < 8 && !uname(&u) &&
	       (strstr(u.machine, "64") || strstr(u.machine, "s390x"));
}

/* What is mapped before all of the range is, may be locked: not here */
static void ask_all(struct __test_metadata *_metadata, struct mem *m,
		    enum how how)
{
	bool locked = how == BY_MUNLOCK, wider = kernel_is_wider();
	long lck = vm_lck(), page = page_size();
	unsigned long len;
	size_t i;
	int error;

	for (i = 0; i < ARRAY_SIZE(wraps); i++) {
		const struct wrap *w = &wraps[i];

		len = -(unsigned long)(w->pages * page + w->bytes);
		error = call(how, (unsigned long)m->addr + w->start_bytes, len);
		if (wider && error == ENOMEM) {
			/* a hole */
			if (locked && !is_locked(m->addr)) {
				ASSERT_EQ(0, sys_mlock2(m->addr, m->len,
							MLOCK_ONFAULT));
			}
			continue;
		}
		EXPECT_EQ(EINVAL, error) TH_LOG("%s", w->what);
		EXPECT_EQ(locked, is_locked(m->addr)) TH_LOG("%s", w->what);
		EXPECT_EQ(lck, vm_lck()) TH_LOG("%s", w->what);
		EXPECT_EQ(1, vmas_in(m->addr, m->len)) TH_LOG("%s", w->what);
		EXPECT_EQ(0, pages_present(m->addr, m->len));
	}
}

TEST_F(length, D11_wrapping_length_is_einval)
{
	struct rlimit lim;

	ASSERT_EQ(0, getrlimit(RLIMIT_MEMLOCK, &lim));
	if (lim.rlim_cur != RLIM_INFINITY && !set_memlock(RLIM_INFINITY) &&
	    !has_cap_ipc_lock())
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised");
	if (variant->how == BY_MUNLOCK) {
		ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len,
					MLOCK_ONFAULT));
	}
	ask_all(_metadata, &self->m, variant->how);
}

/* It is nonsense before it is too much */
TEST_F(length, D11_wrapping_length_is_einval_before_the_limit)
{
	ASSERT_TRUE(set_memlock(PAGES * page_size()));
	ASSERT_TRUE(drop_privilege());
	if (variant->how == BY_MUNLOCK) {
		ASSERT_EQ(0, sys_mlock2(self->m.addr, self->m.len,
					MLOCK_ONFAULT));
	}
	ask_all(_metadata, &self->m, variant->how);
}

/* ... and is not looked at where nothing may be locked at all */
TEST_F(length, D11_privilege_is_asked_first)
{
	size_t i;

	ASSERT_TRUE(set_memlock(0));
	ASSERT_TRUE(drop_privilege());
	for (i = 0; i < ARRAY_SIZE(wraps); i++) {
		const struct wrap *w = &wraps[i];
		unsigned long len = -(unsigned long)(w->pages * page_size() +
						     w->bytes);
		int error = call(variant->how, (unsigned long)self->m.addr +
				 w->start_bytes, len);

		if (variant->how != BY_MUNLOCK) {
			EXPECT_EQ(EPERM, error) TH_LOG("%s", w->what);
		} else if (!kernel_is_wider()) {
			/* to unlock takes no privilege */
			EXPECT_EQ(EINVAL, error) TH_LOG("%s", w->what);
		}
	}
}

/* What is no more than long is as it was: a hole */
TEST_F(length, D11_longest_that_does_not_wrap)
{
	unsigned long start = (unsigned long)self->m.addr;
	unsigned long len = -start - page_size();

	if (!set_memlock(RLIM_INFINITY) && !has_cap_ipc_lock())
		SKIP(return, "RLIMIT_MEMLOCK cannot be raised");
	EXPECT_EQ(ENOMEM, call(variant->how, start, len));
	EXPECT_EQ(ENOMEM, call(variant->how, start, len - 1));
	EXPECT_EQ(0, call(variant->how, start, self->m.len));
	EXPECT_EQ(variant->how != BY_MUNLOCK, is_locked(self->m.addr));
}

TEST_HARNESS_MAIN
