// Secrets: canaries in every form in which people write them, looked for in everything that is shown or stored.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile.h"
#include "profile/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANARY "Zq7canary9"

static void check_text(const char *in, const char *expected)
{
    char *out = profile_redact_text(in);
    assert_string_equal(out, expected);
    free(out);
}

static void check_word(const char *before, const char *word, const char *expected)
{
    char *out = profile_redact_word(before, word);
    assert_string_equal(out, expected);
    free(out);
}

static void names_that_keep_secrets(void **state)
{
    (void)state;
    static const char *const secret[] = {"password",      "DB_PASSWORD", "api-key",   "apiKey",        "X-Auth-Token",
                                         "key",           "tls.key",     "PASS",      "Authorization", "Cookie",
                                         "client_secret", "pw",          "sessionid", "PRIVATEKEY",    "aws_signature",
                                         "SENTRY_DSN",    "pgpasswd"};
    static const char *const open[] = {"monkey",  "author", "user", "keyboard", "compass",
                                       "passage", "",       "host", "pinned"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        if (!redact_name(secret[i]))
            fail_msg("'%s' keeps a secret", secret[i]);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (redact_name(open[i]))
            fail_msg("'%s' keeps no secret", open[i]);
}

static void words_of_a_command_line(void **state)
{
    (void)state;
    check_word("", "--password=" CANARY, "--password=[redacted]");
    check_word("", "--requirepass", "--requirepass");
    check_word("--password", CANARY, "[redacted]");
    check_word("--password", "--other", "--other");
    check_word("--password", "${env:PW}", "${env:PW}");
    check_word("--api-key", CANARY " with blanks", "[redacted]");
    check_word("--port", "7001", "7001");
    check_word("--password=x", "next", "next"); // had its value
    check_word("-p", "7001", "7001");           // means something else in every program
    check_word("", "token=" CANARY, "token=[redacted]");
    check_word("", "PGPASSWORD=" CANARY, "PGPASSWORD=[redacted]");
    check_word("", "postgres://user:" CANARY "@host/db", "postgres://[redacted]@host/db");
    check_word("", "redis://:" CANARY "@host:6379", "redis://[redacted]@host:6379");
    check_word("", "http://host/path@2x.png", "http://host/path@2x.png");
}

static void texts(void **state)
{
    (void)state;
    check_text("", "");
    check_text("GET /?q=1&token=" CANARY "&page=2", "GET /?q=1&token=[redacted]&page=2");
    check_text("Authorization: Bearer " CANARY, "Authorization: [redacted]");
    check_text("Cookie: a=" CANARY "; b=" CANARY "\nHost: x", "Cookie: [redacted]\nHost: x");
    check_text("{\"user\": \"u\", \"password\": \"" CANARY "\"}", "{\"user\": \"u\", \"password\": \"[redacted]\"}");
    check_text("{\"password\":\"a\\\"" CANARY "\",\"n\":1}", "{\"password\":\"[redacted]\",\"n\":1}");
    check_text("password='" CANARY " x' y", "password='[redacted]' y");
    check_text("host=h password=" CANARY " dbname=d", "host=h password=[redacted] dbname=d");
    check_text("token=${env:TOKEN}", "token=${env:TOKEN}");
    check_text("monkey=banana author=x", "monkey=banana author=x");
    check_text("password=", "password=");
    check_text("the password", "the password");
    check_text("key://" CANARY, "key://" CANARY); // a scheme, no name
}

static struct profile *load(const char *yaml)
{
    char path[] = "/tmp/seep-test-redact.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs(yaml, f);
    fclose(f);
    const char *names[] = {path};
    static const char *const argv[] = {
        "server", "--password", CANARY, "--token=" CANARY, "mysql://root:" CANARY "@db/x", "PASSWORD=" CANARY,
        "--port", "7001",       NULL};
    struct profile_sources sources = {.names = names, .n_names = 1, .argv = argv, .argc = 8};
    struct profile *p = NULL;
    struct seep_err err;
    int rc = profile_load(&sources, &p, &err);
    remove(path);
    if (rc)
        fail_msg("%s", err.text);
    return p;
}

static const char profile_text[] =
    "version: 1\n"
    "name: secrets\n"
    "target:\n"
    "  env: {API_TOKEN: " CANARY ", DATABASE_URL: 'postgres://u:" CANARY "@h/d', KEPT: plain,\n"
    "        FROM_ENV_SECRET: '${env:SOME_SECRET}'}\n"
    "  ready: {http: 'http://admin:" CANARY "@127.0.0.1:1/health?token=" CANARY "'}\n"
    "run:\n"
    "  on_finish: 'curl -H \"Authorization: Bearer " CANARY "\" http://x'\n"
    "load:\n"
    "  users: 1\n"
    "  scenarios:\n"
    "    - name: login\n"
    "      request:\n"
    "        method: POST\n"
    "        url: http://127.0.0.1:1/login?session_token=" CANARY "\n"
    "        headers: {Authorization: Bearer " CANARY ", X-Api-Key: " CANARY ", Accept: text/plain}\n"
    "        body: '{\"user\": \"u\", \"password\": \"" CANARY "\"}'\n";

static void no_canary_in_a_redacted_dump(void **state)
{
    (void)state;
    struct profile *p = load(profile_text);
    char *shown = profile_dump(p, true), *whole = profile_dump(p, false);
    assert_non_null(shown);
    if (strstr(shown, CANARY))
        fail_msg("a secret is shown:\n%.300s", strstr(shown, CANARY) - 100);
    assert_non_null(strstr(shown, "[redacted]"));
    assert_non_null(strstr(shown, "plain"));
    assert_non_null(strstr(shown, "7001"));
    assert_non_null(strstr(shown, "${env:SOME_SECRET}"));
    // The canaries are really in the profile: otherwise this test would prove nothing.
    int found = 0;
    for (const char *c = whole; (c = strstr(c, CANARY)) != NULL; c++)
        found++;
    assert_int_equal(found, 13);
    free(shown);
    free(whole);
    profile_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_keep_secrets),
        cmocka_unit_test(words_of_a_command_line),
        cmocka_unit_test(texts),
        cmocka_unit_test(no_canary_in_a_redacted_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
