// SPDX-License-Identifier: GPL-2.0
/*
 * Secret memory and mlockall(MCL_FUTURE) (defect D10).  Memory of
 * memfd_secret() is never paged out, and its file accounts for it.  A future
 * lock adds nothing to that: no second charge, which munlock() and munlockall()
 * could not take back, since they leave such a mapping alone.
 *
 * How the file accounts for it is its own affair, and differs between kernels:
 * the measure is what happens without a future lock.
 */
#include "lock_on_fault.h"
#include "../kselftest_harness.h"

#define PAGES	8

FIXTURE(secret) {
	size_t len;
	int fd;
	long lck;
};

FIXTURE_VARIANT(secret) { int future; };
FIXTURE_VARIANT_ADD(secret, future) { .future = MCL_FUTURE, };
FIXTURE_VARIANT_ADD(secret, future_onfault) {
	.future = MCL_FUTURE | MCL_ONFAULT,
};

static int open_secret(size_t len)
{
	int fd = -1;

#ifdef __NR_memfd_secret
	fd = syscall(__NR_memfd_secret, 0);
	if (fd >= 0 && ftruncate(fd, len)) {
		close(fd);
		fd = -1;
	}
#endif
	return fd;
}

FIXTURE_SETUP(secret)
{
	self->len = PAGES * page_size();
	self->fd = open_secret(self->len);
	if (self->fd < 0)
		SKIP_SETUP("memfd_secret() does not work here; it may want secretmem.enable=1");
}

FIXTURE_TEARDOWN(secret)
{
	sys_munlockall();
	close(self->fd);
}

static char *map_secret(FIXTURE_DATA(secret) *self)
{
	return mmap(NULL, self->len, PROT_READ | PROT_WRITE, MAP_SHARED,
		    self->fd, 0);
}

/* What a mapping of it looks like, from outside */
struct look {
	long charged;	/* while it is mapped */
	long left;	/* after it was unmapped */
	bool locked;
};

static bool look(FIXTURE_DATA(secret) *self, struct look *l, bool unlock)
{
	long before = vm_lck();
	char *p = map_secret(self);

	if (p == MAP_FAILED)
		return false;
	if (unlock && (sys_munlock(p, self->len) || sys_munlockall()))
		return false;
	l->charged = vm_lck() - before;
	l->locked = is_locked(p);
	munmap(p, self->len);
	l->left = vm_lck() - before;
	return true;
}

TEST_F(secret, D10_charged_once)
{
	struct look without, with;

	ASSERT_TRUE(set_memlock(RLIM_INFINITY));
	ASSERT_TRUE(look(self, &without, false));
	ASSERT_EQ(0, sys_mlockall(variant->future));
	ASSERT_TRUE(look(self, &with, false));
	EXPECT_EQ(without.charged, with.charged);
	EXPECT_EQ(without.locked, with.locked);
	EXPECT_EQ(0, with.left);
}

TEST_F(secret, D10_nothing_stays_locked)
{
	struct look without, with;

	ASSERT_TRUE(set_memlock(RLIM_INFINITY));
	ASSERT_TRUE(look(self, &without, true));
	ASSERT_EQ(0, sys_mlockall(variant->future));
	ASSERT_TRUE(look(self, &with, true));
	EXPECT_EQ(without.charged, with.charged);
	EXPECT_EQ(without.locked, with.locked);
	EXPECT_EQ(0, with.left);
}

/* What a limit leaves for secrets does not depend on a future lock */
TEST_F(secret, D10_as_much_as_the_limit_allows)
{
	int without;
	char *p;

	ASSERT_TRUE(set_memlock(self->len));
	ASSERT_TRUE(drop_privilege());
	/* of this user's own, to account for */
	close(self->fd);
	self->fd = open_secret(self->len);
	if (self->fd < 0)
		SKIP(return, "memfd_secret(): errno %d", errno);
	/* half of it is locked elsewhere */
	p = mmap(NULL, self->len / 2, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	ASSERT_EQ(0, sys_mlock2(p, self->len / 2, MLOCK_ONFAULT));
	p = map_secret(self);
	without = p == MAP_FAILED ? errno : munmap(p, self->len);

	ASSERT_EQ(0, sys_mlockall(variant->future));
	p = map_secret(self);
	ASSERT_EQ(without, p == MAP_FAILED ? errno : 0);
	if (p == MAP_FAILED)
		return;
	/* all of its pages, in sight of no limit but its own */
	store_pages(p, self->len, 's');
	EXPECT_EQ(PAGES, pages_present(p, self->len));
	EXPECT_EQ(0, munmap(p, self->len));
}

TEST_HARNESS_MAIN
