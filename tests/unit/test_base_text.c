// Bounded buffers, escaping at the sinks, the JSON writer, and nearness of words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/esc.h"
#include "base/jsonw.h"
#include "base/near.h"
#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BYTES(literal) (literal), sizeof(literal) - 1

// ---- buf ------------------------------------------------------------------------------------------------------------

static void buffer_holds_exactly_its_ceiling(void **state)
{
    (void)state;
    struct seep_buf b;
    struct seep_err err;
    buf_init(&b, 10);
    assert_null(b.data);
    buf_add(&b, "0123456789", 10);
    assert_int_equal(buf_check(&b, "it", &err), 0);
    assert_string_equal(b.data, "0123456789");
    buf_add(&b, "", 0);
    assert_false(b.failed);
    buf_char(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.len, 10);
    assert_string_equal(b.data, "0123456789");
    assert_int_equal(buf_check(&b, "The text", &err), -1);
    assert_int_equal(err.code, SEEP_E_LIMIT);
    assert_non_null(strstr(err.text, "The text is larger than 10 bytes"));
    buf_free(&b);
}

static void buffer_refuses_all_after_a_failure(void **state)
{
    (void)state;
    struct seep_buf b;
    buf_init(&b, 4);
    buf_str(&b, "ab");
    buf_printf(&b, "%d", 12345);
    assert_true(b.failed);
    buf_char(&b, 'c'); // would fit, but half of a text is not a text
    assert_string_equal(b.data, "ab");
    buf_clear(&b);
    assert_false(b.failed);
    assert_string_equal(b.data, "");
    buf_printf(&b, "%04d", 7);
    assert_string_equal(b.data, "0007");
    buf_free(&b);
    assert_null(b.data);
}

static void buffer_grows_and_keeps_nul_bytes(void **state)
{
    (void)state;
    struct seep_buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_add(&b, "\0x", 2);
    assert_int_equal(b.len, 10000);
    assert_int_equal(b.data[9998], 0);
    assert_int_equal(b.data[9999], 'x');
    assert_int_equal(b.data[10000], 0);
    buf_add(&b, b.data, SIZE_MAX); // a length that would wrap the sum
    assert_true(b.failed);
    assert_int_equal(b.len, 10000);
    buf_free(&b);
}

// ---- esc ------------------------------------------------------------------------------------------------------------

static void utf8_corner_cases(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        int takes;
        unsigned rune;
    } cases[] = {
        {BYTES("a"), 1, 'a'},
        {BYTES("\x7f"), 1, 0x7f},
        {BYTES("\xc2\x80"), 2, 0x80},
        {BYTES("\xdf\xbf"), 2, 0x7ff},
        {BYTES("\xe0\xa0\x80"), 3, 0x800},
        {BYTES("\xed\x9f\xbf"), 3, 0xd7ff},
        {BYTES("\xee\x80\x80"), 3, 0xe000},
        {BYTES("\xef\xbf\xbf"), 3, 0xffff},
        {BYTES("\xf0\x90\x80\x80"), 4, 0x10000},
        {BYTES("\xf4\x8f\xbf\xbf"), 4, 0x10ffff},
        {BYTES("\0"), 1, 0},
        {BYTES("\x80"), 0, 0},             // a lone continuation
        {BYTES("\xc0\x80"), 0, 0},         // overlong NUL
        {BYTES("\xc1\xbf"), 0, 0},         // overlong
        {BYTES("\xe0\x9f\xbf"), 0, 0},     // overlong
        {BYTES("\xf0\x8f\xbf\xbf"), 0, 0}, // overlong
        {BYTES("\xed\xa0\x80"), 0, 0},     // surrogates
        {BYTES("\xed\xbf\xbf"), 0, 0},     //
        {BYTES("\xf4\x90\x80\x80"), 0, 0}, // past U+10FFFF
        {BYTES("\xf5\x80\x80\x80"), 0, 0}, //
        {BYTES("\xff"), 0, 0},             //
        {BYTES("\xc2"), 0, 0},             // cut off
        {BYTES("\xe2\x82"), 0, 0},         //
        {BYTES("\xf0\x9f\x92"), 0, 0},     //
        {BYTES("\xe2\x82X"), 0, 0},        // broken
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned rune = 0;
        assert_int_equal(esc_utf8(cases[i].bytes, cases[i].len, &rune), cases[i].takes);
        assert_int_equal(rune, cases[i].rune);
    }
    assert_int_equal(esc_utf8("\xe2\x82\xac", 3, NULL), 3);
}

enum sink { TERM, JSON, JSON_IN_HTML, HTML, CSV };

static void check_sink(enum sink sink, const char *in, size_t len, const char *expected)
{
    struct seep_buf b;
    buf_init(&b, 4096);
    buf_str(&b, "");
    if (sink == TERM)
        esc_term(&b, in, len);
    else if (sink == HTML)
        esc_html(&b, in, len);
    else if (sink == CSV)
        esc_csv(&b, in, len);
    else
        esc_json(&b, in, len, sink == JSON_IN_HTML);
    assert_string_equal(b.data, expected);
    buf_free(&b);
}

static void terminal_gets_no_control(void **state)
{
    (void)state;
    check_sink(TERM, BYTES("plain \xe2\x82\xac text"), "plain \xe2\x82\xac text");
    check_sink(TERM, BYTES("\x1b[31mred"), "\\x1b[31mred");
    check_sink(TERM, BYTES("a\nb\tc\rd"), "a\\x0ab\\x09c\\x0dd");
    check_sink(TERM, BYTES("\xc2\x9b\x33m"), "\\xc2\\x9b3m"); // C1: CSI in one character
    check_sink(TERM, BYTES("\x9b"), "\\x9b");                 // C1 as a lone byte
    check_sink(TERM,
               BYTES("a\xe2\x80\xae"
                     "b"),
               "a\\xe2\\x80\\xaeb"); // right-to-left override
    check_sink(TERM,
               BYTES("a\xe2\x81\xa6"
                     "b"),
               "a\\xe2\\x81\\xa6b"); // isolate
    check_sink(TERM, BYTES("\x7f\0x"), "\\x7f\\x00x");
    check_sink(TERM, BYTES("\xef\xbb\xbfx"), "\\xef\\xbb\\xbfx"); // a byte order mark
}

static void json_text_reads_back_anywhere(void **state)
{
    (void)state;
    check_sink(JSON, BYTES("say \"a\\b\"\n"), "say \\\"a\\\\b\\\"\\n");
    check_sink(JSON, BYTES("\0\x1f\x7f"), "\\u0000\\u001f\\u007f");
    check_sink(JSON, BYTES("\xc2\x85"), "\\u0085");     // next line: YAML would end the line
    check_sink(JSON, BYTES("\xe2\x80\xa8"), "\\u2028"); // line separator
    check_sink(JSON, BYTES("\xef\xbf\xbe\xef\xbf\xbf"), "\\ufffe\\uffff");
    check_sink(JSON, BYTES("\xef\xbb\xbf"), "\\ufeff");
    check_sink(JSON, BYTES("a\xed\xa0\x80z"), "a\\ufffd\\ufffd\\ufffdz"); // a surrogate: each byte
    check_sink(JSON, BYTES("\xf0\x9f\x92\xa7"), "\xf0\x9f\x92\xa7");      // never as a surrogate pair
    check_sink(JSON, BYTES("<&>"), "<&>");
    check_sink(JSON_IN_HTML, BYTES("</script>&"), "\\u003c/script\\u003e\\u0026");
}

static void html_text_is_inert(void **state)
{
    (void)state;
    check_sink(HTML, BYTES("<a href=\"x\" o='y'>&"), "&lt;a href=&quot;x&quot; o=&#39;y&#39;&gt;&amp;");
    check_sink(HTML, BYTES("a\n\tb"), "a\n\tb");
    check_sink(HTML,
               BYTES("a\x01\xff\xe2\x80\xae"
                     "b"),
               "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
               "b");
}

static void csv_cells_run_no_formula(void **state)
{
    (void)state;
    check_sink(CSV, BYTES("plain"), "plain");
    check_sink(CSV, BYTES(""), "");
    check_sink(CSV, BYTES("a,b"), "\"a,b\"");
    check_sink(CSV, BYTES("say \"x\""), "\"say \"\"x\"\"\"");
    check_sink(CSV, BYTES("a\nb"), "\"a\nb\"");
    check_sink(CSV, BYTES("=1+1"), "\"'=1+1\"");
    check_sink(CSV, BYTES("@x"), "\"'@x\"");
    check_sink(CSV, BYTES("-x"), "\"'-x\"");
    check_sink(CSV, BYTES("a=b"), "a=b");
}

// ---- jsonw ----------------------------------------------------------------------------------------------------------

static void json_nesting_and_commas(void **state)
{
    (void)state;
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 4096);
    jsonw_init(&w, &b, false);
    jsonw_object(&w, NULL);
    jsonw_object(&w, "empty");
    jsonw_end_object(&w);
    jsonw_array(&w, "list");
    jsonw_int(&w, NULL, 1);
    jsonw_array(&w, NULL);
    jsonw_end_array(&w);
    jsonw_bool(&w, NULL, true);
    jsonw_end_array(&w);
    jsonw_string(&w, "none", NULL);
    jsonw_stringn(&w, "k\"\n", "v\0w", 3);
    jsonw_end_object(&w);
    assert_string_equal(b.data, "{\"empty\":{},\"list\":[1,[],true],\"none\":null,\"k\\\"\\n\":\"v\\u0000w\"}");
    buf_clear(&b);
    jsonw_init(&w, &b, true);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "a");
    jsonw_null(&w, NULL);
    jsonw_end_array(&w);
    jsonw_bool(&w, "b", false);
    jsonw_end_object(&w);
    assert_string_equal(b.data, "{\n  \"a\": [\n    null\n  ],\n  \"b\": false\n}");
    buf_free(&b);
}

static void check_number(double value, const char *expected)
{
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 64);
    jsonw_init(&w, &b, false);
    jsonw_double(&w, NULL, value);
    assert_string_equal(b.data, expected);
    buf_free(&b);
}

static void json_numbers(void **state)
{
    (void)state;
    check_number(0.1, "0.1");
    check_number(1.0 / 3, "0.3333333333333333");
    check_number(9007199254740993.0, "9007199254740992");
    check_number(5e-324, "4.94066e-324");
    check_number(-0.0, "-0");
    check_number(NAN, "null");
    check_number(INFINITY, "null");
    check_number((double)SEEP_UNKNOWN, "null");
    struct seep_buf b;
    struct jsonw w;
    buf_init(&b, 256);
    jsonw_init(&w, &b, false);
    jsonw_array(&w, NULL);
    jsonw_int(&w, NULL, SEEP_UNKNOWN);
    jsonw_int(&w, NULL, INT64_MAX);
    jsonw_int(&w, NULL, -INT64_MAX);
    jsonw_end_array(&w);
    assert_string_equal(b.data, "[null,9223372036854775807,-9223372036854775807]");
    buf_free(&b);
}

// ---- near -----------------------------------------------------------------------------------------------------------

static const char *name_at(size_t i, const void *ctx)
{
    static const char *const names[] = {"duration", "interval", "drain", "dry", NULL};
    (void)ctx;
    return names[i];
}

static void nearest_word(void **state)
{
    (void)state;
    assert_int_equal(near_distance("", ""), 0);
    assert_int_equal(near_distance("abc", ""), 3);
    assert_int_equal(near_distance("kitten", "sitting"), 3);
    assert_int_equal(near_distance("ab", "ba"), 1); // a swap is one edit
    assert_int_equal(near_distance("Drain", "dRAIN"), 0);
    char longest[66];
    memset(longest, 'x', sizeof longest);
    longest[65] = 0;
    assert_int_equal(near_distance(longest, longest), 1000);
    assert_int_equal(near_distance(longest + 1, longest + 1), 0);
    assert_string_equal(near_find("druation", name_at, NULL), "duration");
    assert_string_equal(near_find("intervall", name_at, NULL), "interval");
    assert_string_equal(near_find("dra", name_at, NULL), "dry");
    assert_null(near_find("something", name_at, NULL));
    assert_null(near_find("", name_at, NULL));
}

// ---- err ------------------------------------------------------------------------------------------------------------

static void a_sentence_may_hold_the_one_before(void **state)
{
    (void)state;
    struct seep_err err;
    seep_fail(&err, SEEP_E_TARGET, "the inner reason");
    seep_fail(&err, SEEP_E_USAGE, "The outer one is longer: %.100s", err.text);
    assert_string_equal(err.text, "The outer one is longer: the inner reason");
    assert_int_equal(err.code, SEEP_E_USAGE);
    seep_fail_errno(&err, ENOENT, "(%s)", err.text);
    assert_string_equal(err.text, "(The outer one is longer: the inner reason): No such file or directory");
    assert_int_equal(err.sys_errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_holds_exactly_its_ceiling),
        cmocka_unit_test(buffer_refuses_all_after_a_failure),
        cmocka_unit_test(buffer_grows_and_keeps_nul_bytes),
        cmocka_unit_test(utf8_corner_cases),
        cmocka_unit_test(terminal_gets_no_control),
        cmocka_unit_test(json_text_reads_back_anywhere),
        cmocka_unit_test(html_text_is_inert),
        cmocka_unit_test(csv_cells_run_no_formula),
        cmocka_unit_test(json_nesting_and_commas),
        cmocka_unit_test(json_numbers),
        cmocka_unit_test(nearest_word),
        cmocka_unit_test(a_sentence_may_hold_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
