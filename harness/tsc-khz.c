// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the frequency of this x86 host's time stamp counter in kHz.
 *
 * QEMU's emulated x86 processor counts with the host's counter.  A kernel finds
 * its frequency by looking at the counter while an emulated timer chip runs,
 * which fails when the emulator does not get the processor in time: the guest
 * is then left with no clock but its ticks, some of which get lost, too.  So
 * the guest is told.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SAMPLE_NS	100000000ull
#define TRIES		100

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/*
 * Both clocks at the same time, or as near as it gets: a try during which
 * something else ran is off by as much, so the shortest one counts.
 */
static void sample(uint64_t *ns, uint64_t *tsc)
{
	uint64_t before, count, after, best = UINT64_MAX;
	int i;

	for (i = 0; i < TRIES; i++) {
		before = now_ns();
		count = __rdtsc();
		after = now_ns();
		if (after - before < best) {
			best = after - before;
			*ns = before + best / 2;
			*tsc = count;
		}
	}
}

int main(void)
{
	struct timespec pause = { .tv_nsec = SAMPLE_NS };
	uint64_t ns[2], tsc[2];

	sample(&ns[0], &tsc[0]);
	nanosleep(&pause, NULL);
	sample(&ns[1], &tsc[1]);
	printf("%llu\n", (unsigned long long)
	       ((tsc[1] - tsc[0]) * 1000000ull / (ns[1] - ns[0])));
	return 0;
}
