// SPDX-License-Identifier: GPL-2.0
/*
 * What a kernel answers to the lock calls, one line each: how the three
 * kernels are told apart, and shown to be what they are meant to be.  Numbers
 * are spelled out, since no header knows which kernel this will run on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__i386__)
#define NR_MLOCK2	376
#elif defined(__x86_64__)
#define NR_MLOCK2	325
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
#define NR_MLOCK2	4359
#elif defined(__mips__) && _MIPS_SIM == _ABI64
#define NR_MLOCK2	5319
#elif defined(__mips__) && _MIPS_SIM == _ABIN32
#define NR_MLOCK2	6323
#elif defined(__s390x__)
#define NR_MLOCK2	374
#elif defined(__powerpc64__)
#define NR_MLOCK2	378
#elif defined(__arm__)
#define NR_MLOCK2	390
#elif defined(__aarch64__) || defined(__riscv)
#define NR_MLOCK2	284
#endif
#define ONFAULT		1	/* MLOCK_ONFAULT */
#ifdef __powerpc64__
#define CURRENT		0x2000
#define FUTURE		0x4000
#define ALL_ONFAULT	0x8000	/* MCL_ONFAULT */
#else
#define CURRENT		1
#define FUTURE		2
#define ALL_ONFAULT	4
#endif

static void say(const char *call, long ret)
{
	printf("%s: %s\n", call, ret ? strerrorname_np(errno) : "ok");
}

int main(void)
{
	size_t len = 8 * sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	say("mlock", syscall(SYS_mlock, p, len));
	say("munlock", syscall(SYS_munlock, p, len));
	say("mlockall(CURRENT|FUTURE)", syscall(SYS_mlockall, CURRENT | FUTURE));
	say("munlockall", syscall(SYS_munlockall));
	say("mlockall(0)", syscall(SYS_mlockall, 0));
	say("mlock2(0)", syscall(NR_MLOCK2, p, len, 0));
	say("mlock2(ONFAULT)", syscall(NR_MLOCK2, p, len, ONFAULT));
	say("mlock2(2)", syscall(NR_MLOCK2, p, len, 2));
	say("mlockall(ONFAULT)", syscall(SYS_mlockall, ALL_ONFAULT));
	say("mlockall(CURRENT|ONFAULT)", syscall(SYS_mlockall, CURRENT | ALL_ONFAULT));
	say("munlockall", syscall(SYS_munlockall));
	return 0;
}
