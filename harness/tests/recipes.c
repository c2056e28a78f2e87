// SPDX-License-Identifier: GPL-2.0
/*
 * The recipes of Documentation/admin-guide/mm/lock-on-fault.rst do what the
 * page says.  docs.sh puts its C code into recipes.h.
 */
#include "recipes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MIB	(1UL << 20)

#define must(what) do {						\
	if (!(what)) {						\
		printf("recipes.c:%d: %s (errno %d)\n",		\
		       __LINE__, #what, errno);			\
		exit(1);					\
	}							\
} while (0)

static long vm_lck(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	must(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &kb);
	fclose(f);
	return kb;
}

static long pages_present(const void *p, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), i;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	long n = 0;

	must(fd >= 0);
	for (i = 0; i < size / page; i++) {
		must(pread(fd, &entry, sizeof(entry),
			   ((uintptr_t)p / page + i) * sizeof(entry)) ==
		     sizeof(entry));
		n += entry >> 63;
	}
	close(fd);
	return n;
}

static void in_child(void (*what)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		what();
		fflush(stdout);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(!status);
}

static char *secrets;

static void secrets_are_wiped(void)
{
	must(!secrets[0]);
	must(!vm_lck());
}

static void secret_buffer(void)
{
	secrets = secret_map(MIB);
	must(secrets);
	must(vm_lck() == MIB / 1024);
	must(pages_present(secrets, MIB) == 0);
	strcpy(secrets, "a secret");
	strcpy(secrets + MIB / 2, "another");
	must(pages_present(secrets, MIB) == 2);
	in_child(secrets_are_wiped);
	secret_unmap(secrets, MIB);
	must(!vm_lck());
}

static void big_file(void)
{
	volatile const char *index;
	char *text = calloc(1, MIB);
	size_t size = 0;
	int fd = open("/data/index", O_RDWR | O_CREAT, 0600);
	long n;

	must(text && fd >= 0);
	must(write(fd, text, MIB) == (ssize_t)MIB);
	index = map_index("/data/index", &size);
	must(index);
	must(size == MIB && vm_lck() == MIB / 1024);
	must(pages_present((void *)index, size) == 0);
	must(!index[MIB / 2]);
	/* at most its neighbours, 64 KiB of them */
	n = pages_present((void *)index, size);
	must(n > 0 && n * sysconf(_SC_PAGESIZE) <= 65536);
	must(!munlock((void *)index, size));
	must(!vm_lck());
}

static void daemon_process(void)
{
	long charged;
	char *p;

	must(!lock_daemon());
	charged = vm_lck();
	must(charged > 0);
	p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED);
	must(pages_present(p, MIB) == 0);
	must(vm_lck() == charged + (long)MIB / 1024);
}

static __attribute__((noinline)) void loop(char *buffer)
{
	volatile char stack[STACK_NEEDED / 2];
	size_t i;

	for (i = 0; i < sizeof(stack); i++)
		stack[i] = i;
	for (i = 0; i < MIB; i++)
		buffer[i] = stack[i % sizeof(stack)];
}

static void realtime_process(void)
{
	struct rusage before, after;
	char *buffer, *other;
	long charged;

	must(!lock_realtime());
	charged = vm_lck();
	must(charged > 0);
	buffer = realtime_map(MIB);
	must(buffer);
	must(pages_present(buffer, MIB) == (long)MIB / sysconf(_SC_PAGESIZE));
	other = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(other != MAP_FAILED);
	must(pages_present(other, MIB) == 0);
	must(vm_lck() == charged + 2 * (long)MIB / 1024);
	must(!getrusage(RUSAGE_SELF, &before));
	loop(buffer);
	must(!getrusage(RUSAGE_SELF, &after));
	must(after.ru_minflt == before.ru_minflt);
	must(after.ru_majflt == before.ru_majflt);
}

int main(void)
{
	secret_buffer();
	big_file();
	in_child(daemon_process);
	in_child(realtime_process);
	printf("the recipes work\n");
	return 0;
}
