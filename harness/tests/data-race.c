// SPDX-License-Identifier: GPL-2.0
/*
 * A data race that Linux has and does not mind: one thread maps and unmaps,
 * which changes mm->data_vm, and another reads that from /proc/self/status
 * without the lock.  For as many seconds as the first argument says.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static bool stop;

static void *map_and_unmap(void *unused)
{
	const size_t len = 1 << 20;
	void *p;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || munmap(p, len))
			exit(1);
	}
	return unused;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	char buf[4096];
	pthread_t t;
	int fd;

	if (pthread_create(&t, NULL, map_and_unmap, NULL))
		return 1;
	while (time(NULL) < end) {
		fd = open("/proc/self/status", O_RDONLY);
		if (fd < 0 || read(fd, buf, sizeof(buf)) <= 0)
			return 1;
		close(fd);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	return !!pthread_join(t, NULL);
}
