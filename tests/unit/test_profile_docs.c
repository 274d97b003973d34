// Every YAML block of the page about load is a profile, or the part of one that it says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 256 * 1024, BLOCKS_AT_LEAST = 10 };

static char *read_page(const char *path)
{
    char *text = calloc(1, PAGE_MAX);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, PAGE_MAX - 1, f) > 0);
    fclose(f);
    return text;
}

static void check_block(const char *text, size_t len, int line)
{
    char *whole = malloc(len + 32);
    assert_non_null(whole);
    int lead = sprintf(whole, "%s", strncmp(text, "version:", 8) ? "version: 1\n" : "");
    memcpy(whole + lead, text, len);
    struct profile *p = NULL;
    struct seep_err err = {0};
    if (profile_parse(whole, (size_t)lead + len, "LOAD.md", &p, &err))
        fail_msg("the block in line %d: %s", line, err.text);
    assert_true(p->n_loads > 0);
    char *dump = profile_dump(p, false);
    struct profile *again = NULL;
    if (profile_parse(dump, strlen(dump), "dump", &again, &err))
        fail_msg("the dump of the block in line %d: %s", line, err.text);
    free(dump);
    profile_free(again);
    profile_free(p);
    free(whole);
}

static void blocks_are_valid(void **state)
{
    (void)state;
    static const char open[] = "\n```yaml\n", close[] = "\n```\n";
    char *page = read_page(SEEP_SOURCE_DIR "/docs/LOAD.md");
    int n = 0, line = 1;
    const char *seen = page;
    for (char *p = page; (p = strstr(p, open)) != NULL; n++) {
        p += sizeof open - 1;
        const char *end = strstr(p, close);
        assert_non_null(end);
        for (; seen < p; seen++)
            line += *seen == '\n';
        check_block(p, (size_t)(end - p) + 1, line);
    }
    assert_true(n >= BLOCKS_AT_LEAST);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_are_valid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
