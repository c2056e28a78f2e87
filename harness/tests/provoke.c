// SPDX-License-Identifier: GPL-2.0
/*
 * Has LKDTM do what the first argument names; then some time for the message
 * to get out.
 */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	FILE *f = fopen("/sys/kernel/debug/provoke-crash/DIRECT", "w");

	if (!f || argc < 2 || fputs(argv[1], f) < 0 || fclose(f))
		return 1;
	sleep(1);
	return 0;
}
