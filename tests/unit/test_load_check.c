// JSON paths, values taken from replies, and what is expected of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/check.h"
#include "load/extract.h"
#include "load/json_find.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- JSON -----------------------------------------------------------------------------------------------------------

static long find(const char *text, const char *path, struct json_value *v)
{
    struct jsonpath p;
    size_t bad_at;
    struct seep_err err = {0};
    if (jsonpath_parse(path, &p, &bad_at, &err))
        fail_msg("%s", err.text);
    return json_find(text, strlen(text), &p, v);
}

static void finds(const char *text, const char *path, long matches, const char *want)
{
    struct json_value v;
    struct seep_buf out;
    buf_init(&out, 4096);
    buf_str(&out, "");
    long n = find(text, path, &v);
    if (n > 0)
        json_append(&v, &out);
    if (n != matches || strcmp(out.data, want) != 0)
        fail_msg("%s in %s: %ld '%s', not %ld '%s'", path, text, n, out.data, matches, want);
    buf_free(&out);
}

static void json_paths(void **state)
{
    (void)state;
    static const char text[] = " {\"a\":{\"b\":[10,\"x\\u00e9\\n\",{\"c\":null}]},\"a.b\":true,\"e\\u0041\":-1.5e3,"
                               "\"l\":[[1,2],[3],[]],\"d\":1,\"d\":2,\"s\":\"\\ud83d\\ude00\\ud800\"} ";
    finds(text, "$.a.b[0]", 1, "10");
    finds(text, "$.a.b[1]", 1, "x\xc3\xa9\n");
    finds(text, "$.a.b[2].c", 1, "null");
    finds(text, "$['a.b']", 1, "true");
    finds(text, "$.eA", 1, "-1.5e3");
    finds(text, "$.a.b[3]", 0, "");
    finds(text, "$.a.b.c", 0, "");
    finds(text, "$.nothing", 0, "");
    finds(text, "$.l[*][*]", 3, "1");
    finds(text, "$.l[*]", 3, "[1,2]");
    finds(text, "$.a.b[*].c", 1, "null");
    finds(text, "$.d", 1, "2"); // the later of two
    finds(text, "$.s", 1, "\xf0\x9f\x98\x80\xef\xbf\xbd");
    finds("[{\"id\":7},{\"id\":8}]", "$[1].id", 1, "8");
    finds("[{\"id\":7},{\"id\":8}]", "$[*].id", 2, "7");
    finds("{\"x\":1,\"y\":2}", "$[*]", 2, "1");
    finds("5", "$", 1, "5");
    struct json_value v;
    assert_int_equal(find(text, "$", &v), 1);
    assert_true(v.kind == JSON_KIND_MAP && v.length == 7);
    assert_int_equal(find("\"h\xc3\xa9\"", "$", &v), 1);
    assert_int_equal(v.length, 2);
}

static void texts_that_are_no_json(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "-",
                                      "nul",
                                      "tru e",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\t\"",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "1 2",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "NaN",
                                      "[1}",
                                      "\"\\ud83d",
                                      "[\"a\"",
                                      "{\"a\":}",
                                      "{,}",
                                      "[,]"};
    struct json_value v;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (find(bad[i], "$", &v) != -1 || json_is_valid(bad[i], strlen(bad[i])))
            fail_msg("taken for JSON: %s", bad[i]);
    char deep[4 * JSON_DEPTH_MAX];
    memset(deep, '[', sizeof deep);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(json_is_valid(deep, 2 * JSON_DEPTH_MAX));
    memset(deep, '[', sizeof deep);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_false(json_is_valid(deep, 2 * JSON_DEPTH_MAX + 2));
}

static void equal_values(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
        bool equal;
    } cases[] = {{"1", "1.0", true},
                 {"100", "1e2", true},
                 {"9007199254740993", "9007199254740992", false},
                 {"9007199254740993", "9007199254740993", true},
                 {"1", "one", false},
                 {"\"a\\\"b\"", "a\"b", true},
                 {"\"1\"", "1", true},
                 {"true", "true", true},
                 {"true", "1", false},
                 {"null", "null", true},
                 {"\"\"", "", true},
                 {"[]", "[]", false}};
    struct seep_buf scratch;
    buf_init(&scratch, 256);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_value v;
        assert_int_equal(find(cases[i].json, "$", &v), 1);
        if (json_equals(&v, (struct load_text){cases[i].text, strlen(cases[i].text)}, &scratch) != cases[i].equal)
            fail_msg("%s against %s", cases[i].json, cases[i].text);
    }
    buf_free(&scratch);
}

static void bad_paths_and_bounds(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "a",
                                      "$a",
                                      "$.",
                                      "$..a",
                                      "$[",
                                      "$[a]",
                                      "$[-1]",
                                      "$['a]",
                                      "$[1",
                                      "$.a b",
                                      "$[*",
                                      "$.a[1]b",
                                      "$[1234567890]",
                                      "$.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"};
    struct jsonpath p;
    size_t bad_at;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (jsonpath_parse(bad[i], &p, &bad_at, NULL) != -1 || bad_at > strlen(bad[i]))
            fail_msg("taken for a path: %s", bad[i]);
    static const char *const no_bounds[] = {"", "1 2", "> ", "=> 1", "> 0x10", "> inf", "> 1 2", "> -", "~ 1"};
    struct bound b;
    for (size_t i = 0; i < sizeof no_bounds / sizeof *no_bounds; i++)
        if (jsonpath_bound(no_bounds[i], &b, NULL) != -1)
            fail_msg("taken for a comparison: %s", no_bounds[i]);
    assert_int_equal(jsonpath_bound(" >= -1.5 ", &b, NULL), 0);
    assert_true(jsonpath_bound_holds(&b, -1.5) && !jsonpath_bound_holds(&b, -2) && !jsonpath_bound_holds(&b, NAN));
    assert_int_equal(jsonpath_bound(" -3 ", &b, NULL), 0);
    assert_true(jsonpath_bound_holds(&b, -3) && !jsonpath_bound_holds(&b, 3));
    assert_int_equal(jsonpath_bound("!=3", &b, NULL), 0);
    assert_true(jsonpath_bound_holds(&b, 2) && !jsonpath_bound_holds(&b, 3));
}

// ---- replies --------------------------------------------------------------------------------------------------------

static const char head[] = "HTTP/1.1 200 OK\r\n"
                           "content-type: application/json\r\n"
                           "Cache-Control: public, max-age=31536000, immutable\r\n"
                           "Cache-Control: no-cache=\"Set-Cookie, X\" \r\n"
                           "Set-Cookie: SID=one; Path=/\r\n"
                           "Set-Cookie: SIDX=no\r\n"
                           "Set-Cookie: SID=two ; HttpOnly\r\n"
                           "X-Empty:\r\n"
                           "Vary: Accept-Encoding, Origin\r\n\r\n";
static const char body[] =
    "{\"token\":\"a\\\"b\",\"n\":42.5,\"items\":[{\"id\":7},{\"id\":8}],\"empty\":[]} <b>bold</b>";
static const char json_body[] = "{\"token\":\"a\\\"b\",\"n\":42.5,\"items\":[{\"id\":7},{\"id\":8}],\"empty\":[]}";

static struct exchange_reply reply_of(const char *text)
{
    return (struct exchange_reply){.status = 200,
                                   .body_bytes = strlen(text),
                                   .head = head,
                                   .head_len = sizeof head - 1,
                                   .body = text,
                                   .body_len = strlen(text)};
}

static void takes(struct profile_extract value, const char *text, const char *want)
{
    struct extract *x;
    struct seep_err err = {0};
    struct seep_buf out;
    buf_init(&out, 64);
    if (extract_open(&value, &x, &err))
        fail_msg("%s", err.text);
    const struct exchange_reply r = reply_of(text);
    bool found = extract_text(x, &r, &out);
    assert_int_equal(found, want != NULL);
    if (found)
        assert_string_equal(out.data, want);
    assert_true(extract_wants_head(x) != extract_wants_body(x));
    extract_close(x);
    buf_free(&out);
}

static void values_of_replies(void **state)
{
    (void)state;
    takes((struct profile_extract){.json = (char *)"$.token"}, json_body, "a\"b");
    takes((struct profile_extract){.json = (char *)"$.items[1]"}, json_body, "{\"id\":8}");
    takes((struct profile_extract){.json = (char *)"$.none"}, json_body, NULL);
    takes((struct profile_extract){.json = (char *)"$.token"}, body, NULL); // it is no JSON as a whole
    takes((struct profile_extract){.header = (char *)"CONTENT-TYPE"}, "", "application/json");
    takes((struct profile_extract){.header = (char *)"X-Empty"}, "", "");
    takes((struct profile_extract){.header = (char *)"X-None"}, "", NULL);
    takes((struct profile_extract){.cookie = (char *)"SID"}, "", "two");
    takes((struct profile_extract){.cookie = (char *)"sid"}, "", NULL);
    takes((struct profile_extract){.regex = (char *)"\"n\":([0-9.]+)"}, body, "42.5");
    takes((struct profile_extract){.regex = (char *)"b[a-z]+d"}, body, "bold");
    takes((struct profile_extract){.regex = (char *)"^nothing"}, body, NULL);
    char *between[] = {(char *)"<b>", (char *)"</b>"};
    takes((struct profile_extract){.between = between, .n_between = 2}, body, "bold");
    char *open_end[] = {(char *)"<b>", (char *)"</i>"};
    takes((struct profile_extract){.between = open_end, .n_between = 2}, body, NULL);
    char long_text[200];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    takes((struct profile_extract){.regex = (char *)"a+"}, long_text, NULL); // over the buffer's ceiling
}

static void numbers_of_replies(void **state)
{
    (void)state;
    struct profile_extract value = {.json = (char *)"$.n"}, text = {.json = (char *)"$.token"};
    struct extract *x;
    struct seep_buf scratch;
    buf_init(&scratch, 64);
    const struct exchange_reply r = reply_of(json_body);
    double n = 0;
    assert_int_equal(extract_open(&value, &x, NULL), 0);
    assert_true(extract_number(x, &r, &scratch, &n) && n == 42.5);
    extract_close(x);
    assert_int_equal(extract_open(&text, &x, NULL), 0);
    assert_false(extract_number(x, &r, &scratch, &n));
    extract_close(x);
    buf_free(&scratch);
}

// ---- checks ---------------------------------------------------------------------------------------------------------

static enum check_end outcome(const char *yaml, const struct exchange_reply *r, int64_t service_ns, char *why,
                              size_t size)
{
    char text[2048];
    snprintf(text, sizeof text,
             "version: 1\nload: {users: 1, variables: {who: ada}, scenarios: [{request: 'http://h/', expect: %s}]}\n",
             yaml);
    struct profile *p;
    struct seep_err err = {0};
    if (profile_parse(text, strlen(text), "t.yaml", &p, &err))
        fail_msg("%s", err.text);
    struct template_names names = {0};
    struct check *c;
    assert_int_equal(check_open(&p->loads[0].scenarios[0].steps[0].expect, &names, NULL, &c, &err), 0);
    const struct load_text user[] = {{"ada", 3}};
    const struct template_scope scope = {.user = user, .user_id = 1};
    struct check_room room;
    buf_init(&room.wanted, 1024);
    buf_init(&room.found, 1024);
    struct check_failure failure = {0};
    enum check_end end = check_reply(c, r, service_ns, &scope, &room, &failure);
    *why = 0;
    if (end != CHECK_PASSED)
        check_describe(&failure, why, size);
    buf_free(&room.wanted);
    buf_free(&room.found);
    check_close(c);
    template_names_free(&names);
    profile_free(p);
    return end;
}

static void checks_of_replies(void **state)
{
    (void)state;
    static const struct {
        const char *expect;
        enum check_end end;
        const char *why;
    } cases[] = {
        {"{}", CHECK_PASSED, ""},
        {"{status: [404, 2xx]}", CHECK_PASSED, ""},
        {"{status: 404}", CHECK_STATUS, "status"},
        {"{under: 2s}", CHECK_PASSED, ""},
        {"{under: 500ms}", CHECK_SLOW, "time: under"},
        {"{headers: {Content-Type: application/json}}", CHECK_PASSED, ""},
        {"{headers: {Content-Type: {contains: json, matches: '^app.*n$', present: true}}}", CHECK_PASSED, ""},
        {"{headers: {Content-Type: text/html}}", CHECK_REPLY, "header Content-Type: equals text/html"},
        {"{headers: {Cache-Control: {has: [immutable, max-age=31536000, 'max-age>=300']}}}", CHECK_PASSED, ""},
        {"{headers: {Cache-Control: {has: [no-cache, public]}}}", CHECK_PASSED, ""},
        {"{headers: {Cache-Control: {has: 'max-age<300'}}}", CHECK_REPLY, "header Cache-Control: has max-age<300"},
        {"{headers: {Cache-Control: {has: no-store}}}", CHECK_REPLY, "header Cache-Control: has no-store"},
        {"{headers: {Cache-Control: {has: max-age=3153600}}}", CHECK_REPLY,
         "header Cache-Control: has max-age=3153600"},
        {"{headers: {Cache-Control: {has: max}}}", CHECK_REPLY, "header Cache-Control: has max"},
        {"{headers: {Vary: {has: [origin, Accept-Encoding]}}}", CHECK_PASSED, ""},
        {"{headers: {X-None: {present: false}, X-Empty: ''}}", CHECK_PASSED, ""},
        {"{headers: {X-Empty: {present: false}}}", CHECK_REPLY, "header X-Empty: present false"},
        {"{headers: {X-None: {present: true}}}", CHECK_REPLY, "header X-None: present true"},
        {"{json: {$.n: 42.5, $.items: {length: '> 0'}, '$.items[*].id': {length: '== 2', equals: '7'}}}", CHECK_PASSED,
         ""},
        {"{json: {$.empty: {length: '> 0'}}}", CHECK_REPLY, "json $.empty: length > 0"},
        {"{json: {$.n: {is: '< 42'}}}", CHECK_REPLY, "json $.n: is < 42"},
        {"{json: {$.n: {is: '>= 42', matches: '^42'}}}", CHECK_PASSED, ""},
        {"{json: {$.token: {is: '> 0'}}}", CHECK_REPLY, "json $.token: is > 0"},
        {"{json: {$.none: 1}}", CHECK_REPLY, "json $.none: present true"},
        {"{json: {$.none: {present: false}}}", CHECK_PASSED, ""},
        {"{json: {$.n: {present: false}}}", CHECK_REPLY, "json $.n: present false"},
        {"{json: {'$.none[*]': {length: '== 0'}}}", CHECK_PASSED, ""},
        {"{body: [token, items]}", CHECK_PASSED, ""},
        {"{body: {contains: nothing}}", CHECK_REPLY, "body: contains nothing"},
        {"{body: {lacks: [panic, token]}}", CHECK_REPLY, "body: lacks token"},
        {"{body: {matches: 'tok.n', at_least: 10B, at_most: 1kB}}", CHECK_PASSED, ""},
        {"{body: {at_least: 1kB}}", CHECK_REPLY, "body: at_least"},
        {"{body: {at_most: 10B}}", CHECK_REPLY, "body: at_most"},
        {"{body: {contains: 'a${user:who}'}}", CHECK_REPLY, "body: contains a${user:who}"},
    };
    const struct exchange_reply r = reply_of(json_body);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[256];
        enum check_end end = outcome(cases[i].expect, &r, 1000000000, why, sizeof why);
        if (end != cases[i].end || strcmp(why, cases[i].why) != 0)
            fail_msg("%s: %d '%s'", cases[i].expect, end, why);
    }
}

static void replies_that_are_cut_or_empty(void **state)
{
    (void)state;
    struct exchange_reply r = reply_of(json_body);
    char why[256];
    r.body_cut = true;
    assert_int_equal(outcome("{json: {$.n: 42.5}}", &r, 0, why, sizeof why), CHECK_REPLY);
    assert_string_equal(why, "json $.n: body_kept the whole of it");
    assert_int_equal(outcome("{body: token}", &r, 0, why, sizeof why), CHECK_PASSED);
    assert_int_equal(outcome("{body: {lacks: panic}}", &r, 0, why, sizeof why), CHECK_REPLY);
    r = (struct exchange_reply){.status = 200};
    assert_int_equal(outcome("{json: {$.n: 1}}", &r, 0, why, sizeof why), CHECK_REPLY);
    assert_int_equal(outcome("{body: {matches: '^$', lacks: x}}", &r, 0, why, sizeof why), CHECK_PASSED);
    assert_int_equal(outcome("{headers: {A: {has: b}}}", &r, 0, why, sizeof why), CHECK_REPLY);
}

static void error_replies_of_raw_protocols(void **state)
{
    (void)state;
    const struct profile_expect strict = {.body.at_most_bytes = PROFILE_AUTO};
    const struct profile_expect lenient = {.body.at_most_bytes = PROFILE_AUTO, .error_replies = true};
    struct template_names names = {0};
    struct check *c;
    struct check_failure why;
    struct check_room room;
    const struct exchange_reply fine = {.status = 0}, refused = {.error_reply = true};
    assert_int_equal(check_open(&strict, &names, NULL, &c, NULL), 0);
    assert_int_equal(check_reply(c, &fine, 0, NULL, &room, &why), CHECK_PASSED);
    assert_int_equal(check_reply(c, &refused, 0, NULL, &room, &why), CHECK_STATUS);
    check_close(c);
    assert_int_equal(check_open(&lenient, &names, NULL, &c, NULL), 0);
    assert_int_equal(check_reply(c, &refused, 0, NULL, &room, &why), CHECK_PASSED);
    check_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_paths),
        cmocka_unit_test(texts_that_are_no_json),
        cmocka_unit_test(equal_values),
        cmocka_unit_test(bad_paths_and_bounds),
        cmocka_unit_test(values_of_replies),
        cmocka_unit_test(numbers_of_replies),
        cmocka_unit_test(checks_of_replies),
        cmocka_unit_test(replies_that_are_cut_or_empty),
        cmocka_unit_test(error_replies_of_raw_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
