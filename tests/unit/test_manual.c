// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The manual names everything that the program can say. Run from the top folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "loss.h"
#include "options.h"
#include "parent_by.h"
#include "stats.h"

static struct buf manual;

static int read_manual(void **state)
{
	FILE *file = fopen("packaging/spanprobe.8", "r");
	char line[1024];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		buf__puts(&manual, line);
	buf__append(&manual, "", 1);
	return fclose(file);
}

static int release_manual(void **state)
{
	buf__release(&manual);
	return 0;
}

/* As a whole word: "none" is not named by "nonesuch". */
static bool named(const char *word)
{
	for (const char *at = manual.p; (at = strstr(at, word)); at++) {
		char after = at[strlen(word)];

		if (at != manual.p && strchr(" \n=", at[-1]) && strchr(" \n=.,", after))
			return true;
	}
	return false;
}

static void every_loss(void **state)
{
	for (int i = 0; i < LOSS_COUNT; i++) {
		if (!named(loss__name((enum loss)i)))
			fail_msg("loss %s is not in the manual", loss__name((enum loss)i));
	}
}

static void every_reason(void **state)
{
	for (int i = 0; i < PARENT_BY_COUNT; i++) {
		if (!named(parent_by__name((enum parent_by)i)))
			fail_msg("parent.by %s is not in the manual",
				 parent_by__name((enum parent_by)i));
	}
	for (int i = 0; i < ROOT_WHY_COUNT; i++) {
		if (!named(root_why__name((enum root_why)i)))
			fail_msg("root.why %s is not in the manual",
				 root_why__name((enum root_why)i));
	}
	assert_false(named("nonesuch"));
}

static void option(void *ctx, const char *flag, const char *arg, const char *env, const char *otel,
		   const char *key)
{
	char text[64];

	if (flag) {
		snprintf(text, sizeof(text), "Fl Fl %s", flag);
		if (!strstr(manual.p, text))
			fail_msg("--%s is not in the manual", flag);
	}
	/* the manual gives the general form; "each with its OTEL_EXPORTER_OTLP_TRACES_ form" */
	if (otel && !strstr(otel, "_TRACES_") && !named(otel))
		fail_msg("%s is not in the manual", otel);
}

static void every_option(void **state)
{
	options__each(option, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_loss),
		cmocka_unit_test(every_reason),
		cmocka_unit_test(every_option),
	};

	return cmocka_run_group_tests_name("manual", tests, read_manual, release_manual);
}
