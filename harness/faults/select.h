/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Given to the compiler before a selftest (-include): the program then runs
 * only the tests whose name, "fixture.variant.test", matches its argument, an
 * extended regular expression; and with "first" behind it none after the first
 * that fails.  The harness of 6.1 runs all or nothing, and there are more faults
 * than time for that.
 */
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../kselftest_harness.h"

static int run_selected(const char *pattern, bool first)
{
	struct __fixture_variant_metadata no_variant = { .name = "", };
	struct __fixture_variant_metadata *v;
	struct __fixture_metadata *f;
	struct __test_results *results;
	struct __test_metadata *t;
	char name[256];
	regex_t regex;
	int ret = 0;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return KSFT_FAIL;
	results = mmap(NULL, sizeof(*results), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		return KSFT_FAIL;
	for (f = __fixture_list; f; f = f->next) {
		for (v = f->variant ?: &no_variant; v; v = v->next) {
			for (t = f->tests; t; t = t->next) {
				snprintf(name, sizeof(name), "%s%s%s.%s",
					 f->name, v->name[0] ? "." : "",
					 v->name, t->name);
				if (regexec(&regex, name, 0, NULL, 0))
					continue;
				t->results = results;
				__run_test(f, v, t);
				t->results = NULL;
				if (t->passed)
					continue;
				ret = KSFT_FAIL;
				if (first)
					return ret;
			}
		}
	}
	return ret;
}

#undef TEST_HARNESS_MAIN
#define TEST_HARNESS_MAIN \
	static void __attribute__((constructor)) \
	__constructor_order_last(void) \
	{ \
		if (!__constructor_order) \
			__constructor_order = _CONSTRUCTOR_ORDER_BACKWARD; \
	} \
	int main(int argc, char **argv) \
	{ \
		if (argc == 2 || argc == 3) \
			return run_selected(argv[1], argc == 3); \
		return test_harness_run(argc, argv); \
	}
