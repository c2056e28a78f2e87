/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_MLOCK_H
#define _LINUX_MLOCK_H

/*
 * What the mode of a lock asks of populate, fault and accounting: the one
 * place that decides.  Where the mode matters, callers ask the helpers below
 * and do not test the flags.
 *
 * A mapping is locked by VM_LOCKED.  VM_LOCKONFAULT modifies that lock and
 * means nothing by itself, so it is never set alone:
 *
 *	flags				populate	fault	accounting
 *	none				no		-	-
 *	VM_LOCKED			yes		locks	whole size
 *	VM_LOCKED | VM_LOCKONFAULT	no		locks	whole size
 *
 * "populate" is whether the lock wants missing pages faulted in for its own
 * sake; "fault" is what happens to a page that is faulted in by anybody.
 * There VM_LOCKED alone decides, and so it does in the reverse map and for
 * RLIMIT_MEMLOCK: code that deals with pages, not with modes, goes on
 * testing VM_LOCKED and need not know of VM_LOCKONFAULT.
 */

#include <linux/mm.h>
#include <linux/mman.h>

/* The VMA flags that make up a lock: change them together, or not at all. */
#define VM_LOCK_MODE	(VM_LOCKED | VM_LOCKONFAULT)

/**
 * lock_mode - the lock that VMA flags hold
 * @flags: flags of a VMA, or mm->def_flags
 *
 * Return: the part of @flags that is a lock; 0 for none.
 */
static inline vm_flags_t lock_mode(vm_flags_t flags)
{
	return flags & VM_LOCK_MODE;
}

/**
 * with_lock_mode - replace the lock in VMA flags
 * @flags: flags of a VMA, or mm->def_flags
 * @mode: the new lock, as lock_mode() returns it; 0 for none
 *
 * Locks do not stack (mlockall(2): a later call replaces what an earlier one
 * said), so there is no helper that adds to one.
 *
 * Return: @flags with @mode for a lock.
 */
static inline vm_flags_t with_lock_mode(vm_flags_t flags, vm_flags_t mode)
{
	return (flags & ~VM_LOCK_MODE) | mode;
}

/**
 * lock_wants_populate - does a lock want missing pages faulted in?
 * @flags: flags of a VMA, mm->def_flags, or a lock by itself
 *
 * True for a plain lock only (mlock(2): "all pages ... are guaranteed to be
 * resident in RAM when the call returns").  Ask while the mmap_lock that
 * protects @flags is held, and keep the answer: a mapping that says no may
 * be unlocked by another thread a moment later, and must not be populated
 * because it no longer says so.
 *
 * Return: whether the lock asks for a populate.
 */
static inline bool lock_wants_populate(vm_flags_t flags)
{
	return lock_mode(flags) == VM_LOCKED;
}

/**
 * lock_is_onfault - is this a lock on fault?
 * @flags: flags of a VMA, mm->def_flags, or a lock by itself
 *
 * Return: true for a lock that faults nothing in for its own sake.
 */
static inline bool lock_is_onfault(vm_flags_t flags)
{
	return lock_mode(flags) == VM_LOCK_MODE;
}

/**
 * lock_keeps_holes - do missing pages have to stay missing?
 * @flags: flags of a VMA
 *
 * For what fills a mapping of its own accord, as khugepaged does.  What it
 * brought into a mapping that is locked on fault would be locked although
 * nobody has used it.  Not for what the program itself asks for
 * (MADV_POPULATE_READ, MADV_COLLAPSE and the like): that is a use.
 *
 * Return: whether pages may come only when they are used.
 */
static inline bool lock_keeps_holes(vm_flags_t flags)
{
	return lock_is_onfault(flags);
}

/**
 * lock_changes_pages - do present pages change when flags change?
 * @oldflags: flags of the VMA before
 * @newflags: flags of the VMA after
 *
 * Pages that are present are locked in either mode, so a change from one to
 * the other does not lock or unlock them, and must not where a page counts how
 * often it is mlocked.
 *
 * Return: whether the present pages have to be locked or unlocked.
 */
static inline bool lock_changes_pages(vm_flags_t oldflags, vm_flags_t newflags)
{
	return (oldflags ^ newflags) & VM_LOCKED;
}

/**
 * lock_charge - what a change of VMA flags costs
 * @oldflags: flags of the VMA before
 * @newflags: flags of the VMA after
 * @nr_pages: size of the part that changes, in pages
 *
 * A lock is charged against RLIMIT_MEMLOCK when the mapping gets it, for the
 * whole size and in both modes, so that no check is left for the fault path.
 * To go from one mode to the other is free.
 *
 * Return: pages to add to mm->locked_vm; negative to give back.
 */
static inline long lock_charge(vm_flags_t oldflags, vm_flags_t newflags,
			       unsigned long nr_pages)
{
	if (!lock_changes_pages(oldflags, newflags))
		return 0;
	return newflags & VM_LOCKED ? (long)nr_pages : -(long)nr_pages;
}

/**
 * enum populate_for - who asks for pages to be faulted in
 * @POPULATE_FOR_LOCK: a plain lock, of a range or of what is mapped anew;
 *	and what remap_file_pages() maps, of its own accord
 * @POPULATE_FOR_CALLER: the program itself, by MAP_POPULATE
 *
 * A lock on fault never asks.  MADV_POPULATE_READ and MADV_POPULATE_WRITE,
 * where the kernel has them, ask for the caller too, by a road of their own
 * that looks at no lock.
 */
enum populate_for {
	POPULATE_FOR_LOCK,
	POPULATE_FOR_CALLER,
};

/**
 * populate_allowed - is a request to populate good for this mapping?
 * @who: who asks
 * @flags: flags of the VMA that the request has come to
 *
 * A populate runs after the mmap_lock was dropped, so it may find mappings
 * that are not what its caller locked.  One that its caller made a plain lock
 * and that is locked on fault by now was locked by a later call, and that call
 * has the last word over an earlier lock; never over the program's explicit
 * wish.
 *
 * Return: whether the mapping may be populated.
 */
static inline bool populate_allowed(enum populate_for who, vm_flags_t flags)
{
	return who == POPULATE_FOR_CALLER || !lock_is_onfault(flags);
}

/**
 * map_wants_populate - do mmap() flags ask for a populate?
 * @map_flags: the MAP_* flags of mmap(2)
 *
 * MAP_NONBLOCK takes MAP_POPULATE back (mmap(2)).
 *
 * Return: whether the program itself asks for its mapping to be populated.
 */
static inline bool map_wants_populate(unsigned long map_flags)
{
	return (map_flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
}

#ifdef CONFIG_MMU
void mm_populate_for_caller(unsigned long start, unsigned long len);
#else
static inline void mm_populate_for_caller(unsigned long start,
					  unsigned long len)
{
}
#endif

#endif /* _LINUX_MLOCK_H */
