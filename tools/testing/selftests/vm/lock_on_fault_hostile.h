/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the hostile tests of lock on fault share, on top of lock_on_fault.h.
 */
#ifndef _SELFTESTS_VM_LOCK_ON_FAULT_HOSTILE_H
#define _SELFTESTS_VM_LOCK_ON_FAULT_HOSTILE_H

#include "lock_on_fault.h"

/*
 * Is what is charged what is locked, mapping for mapping?  Says so if not: that
 * is worth more than the two figures.
 */
static inline bool charge_is_exact(void)
{
	unsigned long size = 0, locked = 0;
	const char *value;
	struct lines l;
	struct vma v;
	char line[512];
	long lck = vm_lck();

	if (!lines_open(&l, "/proc/self/smaps"))
		return false;
	while (lines_next(&l, line, sizeof(line))) {
		if (line_vma(line, &v))
			size = v.end - v.start;
		value = line_value(line, "VmFlags");
		/* each flag has a blank behind it */
		if (value && strstr(value, "lo "))
			locked += size;
	}
	lines_close(&l);
	if (lck >= 0 && (unsigned long)lck == locked / 1024)
		return true;
	fprintf(stderr, "# charged: %ld kB, locked: %lu kB\n", lck,
		locked / 1024);
	return false;
}

#endif /* _SELFTESTS_VM_LOCK_ON_FAULT_HOSTILE_H */
