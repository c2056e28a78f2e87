// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of what include/linux/mlock.h decides.
 *
 * There are few states, so all of them are gone through, together with other
 * flags that must neither matter nor change.
 */
#include <kunit/test.h>
#include <linux/mlock.h>

/* Every lock there is.  The modifier alone is none, and has its own test. */
static const vm_flags_t locks[] = {
	0,
	VM_LOCKED,
	VM_LOCKED | VM_LOCKONFAULT,
};

static const vm_flags_t others[] = {
	0,
	VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE,
	VM_SHARED | VM_IO | VM_PFNMAP | VM_HUGETLB,
	~(vm_flags_t)(VM_LOCKED | VM_LOCKONFAULT),
};

/* Ask @what for each pair of locks in each company: its own and another's */
static void for_all(struct kunit *test,
		    void (*what)(struct kunit *test, vm_flags_t a, vm_flags_t b,
				 vm_flags_t other))
{
	size_t i, j, k;

	for (i = 0; i < ARRAY_SIZE(locks); i++)
		for (j = 0; j < ARRAY_SIZE(locks); j++)
			for (k = 0; k < ARRAY_SIZE(others); k++)
				what(test, locks[i], locks[j], others[k]);
}

static void replace(struct kunit *test, vm_flags_t a, vm_flags_t b,
		    vm_flags_t other)
{
	KUNIT_EXPECT_EQ(test, lock_mode(other | a), a);
	KUNIT_EXPECT_EQ(test, with_lock_mode(other | a, b), other | b);
}

static void a_lock_is_replaced_as_a_whole(struct kunit *test)
{
	for_all(test, replace);
}

static void who_populates(struct kunit *test, vm_flags_t a, vm_flags_t b,
			  vm_flags_t other)
{
	KUNIT_EXPECT_EQ(test, lock_wants_populate(other | a),
			(bool)(a == VM_LOCKED));
	KUNIT_EXPECT_EQ(test, lock_is_onfault(other | a),
			(bool)(a == (VM_LOCKED | VM_LOCKONFAULT)));
	/* what a plain lock has asked for: not where it is on fault by now */
	KUNIT_EXPECT_EQ(test, populate_allowed(POPULATE_FOR_LOCK, other | a),
			(bool)!lock_is_onfault(a));
	/* what the program has asked for */
	KUNIT_EXPECT_TRUE(test,
			  populate_allowed(POPULATE_FOR_CALLER, other | a));
}

static void only_a_plain_lock_populates(struct kunit *test)
{
	for_all(test, who_populates);
}

static void the_modifier_alone_is_no_lock(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, lock_wants_populate(VM_LOCKONFAULT));
	KUNIT_EXPECT_FALSE(test, lock_is_onfault(VM_LOCKONFAULT));
	KUNIT_EXPECT_EQ(test, with_lock_mode(VM_LOCKONFAULT, 0),
			(vm_flags_t)0);
	KUNIT_EXPECT_FALSE(test, lock_changes_pages(VM_LOCKONFAULT, 0));
	KUNIT_EXPECT_EQ(test, lock_charge(0, VM_LOCKONFAULT, 7), 0L);
}

static void pages(struct kunit *test, vm_flags_t a, vm_flags_t b,
		  vm_flags_t other)
{
	KUNIT_EXPECT_EQ(test, lock_changes_pages(other | a, other | b),
			(bool)(!a != !b));
	/* nor is it a matter of what else changes */
	KUNIT_EXPECT_EQ(test, lock_changes_pages(a, other | b),
			(bool)(!a != !b));
}

static void pages_are_locked_in_either_mode(struct kunit *test)
{
	for_all(test, pages);
}

static void charge(struct kunit *test, vm_flags_t a, vm_flags_t b,
		   vm_flags_t other)
{
	/* to the largest mapping that an address space has room for */
	static const unsigned long sizes[] = {
		0, 1, 512, 1UL << 20, 1UL << (BITS_PER_LONG - PAGE_SHIFT - 1),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		long n = sizes[i];
		long expected = !a == !b ? 0 : b ? n : -n;

		KUNIT_EXPECT_EQ(test, lock_charge(other | a, other | b, n),
				expected);
		KUNIT_EXPECT_EQ(test, lock_charge(a, other | b, n), expected);
		/* there and back again costs nothing */
		KUNIT_EXPECT_EQ(test, lock_charge(a, b, n) +
				      lock_charge(b, a, n), 0L);
	}
}

static void a_lock_is_charged_once(struct kunit *test)
{
	for_all(test, charge);
}

static void map_populate_is_the_programs_wish(struct kunit *test)
{
	const unsigned long other = MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED |
				    MAP_NORESERVE | MAP_FIXED;

	KUNIT_EXPECT_FALSE(test, map_wants_populate(0));
	KUNIT_EXPECT_FALSE(test, map_wants_populate(other));
	KUNIT_EXPECT_FALSE(test, map_wants_populate(MAP_NONBLOCK));
	KUNIT_EXPECT_TRUE(test, map_wants_populate(MAP_POPULATE));
	KUNIT_EXPECT_TRUE(test, map_wants_populate(MAP_POPULATE | other));
	/* takes it back */
	KUNIT_EXPECT_FALSE(test,
			   map_wants_populate(MAP_POPULATE | MAP_NONBLOCK));
	KUNIT_EXPECT_FALSE(test, map_wants_populate(MAP_POPULATE |
						    MAP_NONBLOCK | other));
}

static struct kunit_case mlock_test_cases[] = {
	KUNIT_CASE(a_lock_is_replaced_as_a_whole),
	KUNIT_CASE(only_a_plain_lock_populates),
	KUNIT_CASE(the_modifier_alone_is_no_lock),
	KUNIT_CASE(pages_are_locked_in_either_mode),
	KUNIT_CASE(a_lock_is_charged_once),
	KUNIT_CASE(map_populate_is_the_programs_wish),
	{}
};

static struct kunit_suite mlock_test_suite = {
	.name = "mlock",
	.test_cases = mlock_test_cases,
};

kunit_test_suite(mlock_test_suite);

MODULE_LICENSE("GPL");
