// Run-time texts, compiled and rendered; tables of values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/feed.h"
#include "load/template.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct template *compile(const char *text, enum template_place place, struct template_names *names,
                                const struct feeds *feeds)
{
    struct template *t;
    struct seep_err err = {0};
    if (template_open(text, place, names, feeds, &t, &err))
        fail_msg("%s: %s", text, err.text);
    return t;
}

static const struct load_text values[] = {{"a b#\"\xc3\xa9", 7}, {"x\r\ny", 4}, {NULL, 0}, {"", 0}, {"t\\o\tk", 5}};

static enum template_end render(const char *text, enum template_place place, struct seep_buf *out)
{
    struct template_names names = {0};
    static const char *const in_order[] = {"one", "two", "three", "four", "five"};
    for (int i = 0; i < 5; i++)
        assert_int_equal(template_slot(&names, in_order[i], strlen(in_order[i])), i);
    struct load_rng rng = {7};
    const struct template_scope scope = {
        .user = values, .user_id = 12, .iteration = 3, .rng = &rng, .now_ms = 1700000000123};
    struct template *t = compile(text, place, &names, NULL);
    buf_clear(out);
    buf_str(out, "");
    enum template_end end = template_render(t, &scope, out, NULL);
    template_close(t);
    template_names_free(&names);
    return end;
}

static void renders(const char *text, enum template_place place, const char *want)
{
    struct seep_buf out;
    buf_init(&out, 4096);
    assert_int_equal(render(text, place, &out), TEMPLATE_DONE);
    assert_string_equal(out.data, want);
    buf_free(&out);
}

static void values_are_put_in(void **state)
{
    (void)state;
    setenv("SEEP_T", "s3cret", 1);
    renders("u${user:id} i${gen:iteration} ${gen:now_ms} ${gen:now_s}${user:four}.", TEMPLATE_BODY,
            "u12 i3 1700000000123 1700000000.");
    renders("${env:SEEP_T}-$${user:one}-${nothing}-$${env:X}", TEMPLATE_BODY, "s3cret-${user:one}-${nothing}-${env:X}");
    renders("${gen:int(5,5)}${gen:pick( only )}${hex:41427a}", TEMPLATE_BODY, "5onlyABz");
    renders("[${user:one}]", TEMPLATE_BODY, "[a b#\"\xc3\xa9]");
    renders("/q?x=${user:one}&y=${user:one|url}", TEMPLATE_URL, "/q?x=a%20b%23%22%C3%A9&y=a%20b%23%22%C3%A9");
    renders("/\xc3\xa9#here", TEMPLATE_URL, "/%C3%A9#here");
    renders("{\"a\":\"${user:five|json}\"}", TEMPLATE_BODY, "{\"a\":\"t\\\\o\\u0009k\"}");
    renders("${user:two|url}", TEMPLATE_HEADER, "x%0D%0Ay");
}

static void what_cannot_be_put_in(void **state)
{
    (void)state;
    struct seep_buf out;
    buf_init(&out, 64);
    assert_int_equal(render("a ${user:three}", TEMPLATE_BODY, &out), TEMPLATE_UNSET);
    assert_int_equal(render("Bearer ${user:two}", TEMPLATE_HEADER, &out), TEMPLATE_UNFIT);
    assert_int_equal(render("${gen:text(100)}", TEMPLATE_BODY, &out), TEMPLATE_LARGE);
    buf_free(&out);
    struct template_names names = {0};
    struct template *t;
    struct seep_err err = {0};
    unsetenv("SEEP_NOT_SET");
    assert_int_equal(template_open("${env:SEEP_NOT_SET}", TEMPLATE_BODY, &names, NULL, &t, &err), -1);
    assert_non_null(strstr(err.text, "SEEP_NOT_SET"));
    setenv("SEEP_LINES", "a\nb", 1);
    assert_int_equal(template_open("${env:SEEP_LINES}", TEMPLATE_HEADER, &names, NULL, &t, &err), -1);
    assert_int_equal(template_open("${data:a.b}", TEMPLATE_BODY, &names, NULL, &t, &err), -1);
    assert_int_equal(template_open("${gen:dice}", TEMPLATE_BODY, &names, NULL, &t, &err), -1);
    assert_null(t);
    template_names_free(&names);
}

static void constants_are_not_rendered(void **state)
{
    (void)state;
    struct template_names names = {0};
    setenv("SEEP_T", "v", 1);
    struct template *t = compile("a${env:SEEP_T}${hex:00}b", TEMPLATE_BODY, &names, NULL);
    const struct load_text *text = template_constant(t);
    assert_non_null(text);
    assert_int_equal(text->len, 4);
    assert_memory_equal(text->text, "av\0b", 4);
    template_close(t);
    t = compile("", TEMPLATE_BODY, &names, NULL);
    assert_true(template_constant(t) && template_constant(t)->len == 0);
    template_close(t);
    t = compile("a${user:id}", TEMPLATE_BODY, &names, NULL);
    assert_null(template_constant(t));
    template_close(t);
    template_names_free(&names);
}

static void generated_values(void **state)
{
    (void)state;
    struct template_names names = {0};
    struct load_rng rng = {1};
    const struct template_scope scope = {.rng = &rng};
    struct template *t =
        compile("${gen:int(-2,2)} ${gen:pick(a,bb, c c)} ${gen:uuid} ${gen:text(4)}", TEMPLATE_BODY, &names, NULL);
    unsigned ints = 0, picks = 0;
    struct seep_buf out;
    buf_init(&out, 256);
    for (int i = 0; i < 500; i++) {
        int number, used = 0;
        buf_clear(&out);
        assert_int_equal(template_render(t, &scope, &out, NULL), TEMPLATE_DONE);
        assert_int_equal(sscanf(out.data, "%d %n", &number, &used), 1);
        assert_in_range(number + 2, 0, 4);
        ints |= 1u << (number + 2);
        const char *rest = out.data + used;
        const char *const choices[] = {"a ", "bb ", "c c "};
        int c = 0;
        while (c < 3 && strncmp(rest, choices[c], strlen(choices[c])) != 0)
            c++;
        assert_true(c < 3);
        picks |= 1u << c;
        rest += strlen(choices[c]);
        assert_true(rest[8] == '-' && rest[13] == '-' && rest[14] == '4' && strchr("89ab", rest[19]));
        assert_int_equal(strlen(rest), 36 + 1 + 4);
    }
    assert_true(ints == 31 && picks == 7);
    buf_free(&out);
    template_close(t);
    template_names_free(&names);
}

static void redis_commands(void **state)
{
    (void)state;
    struct template_names names = {0};
    const struct template_scope scope = {.user_id = 7};
    struct template *words[] = {compile("SET", TEMPLATE_BODY, &names, NULL),
                                compile("k${user:id}", TEMPLATE_BODY, &names, NULL),
                                compile("", TEMPLATE_BODY, &names, NULL)};
    struct seep_buf out, scratch;
    buf_init(&out, 256);
    buf_init(&scratch, 256);
    assert_int_equal(template_render_resp(words, 3, &scope, &scratch, &out, NULL), TEMPLATE_DONE);
    assert_string_equal(out.data, "*3\r\n$3\r\nSET\r\n$2\r\nk7\r\n$0\r\n\r\n");
    for (int i = 0; i < 3; i++)
        template_close(words[i]);
    buf_free(&out);
    buf_free(&scratch);
    template_names_free(&names);
}

// ---- tables ---------------------------------------------------------------------------------------------------------

static char *write_table(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/seep-feed-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static struct feeds *open_table(const char *text, enum profile_data_order order, int process, int processes)
{
    struct profile_data data = {.name = (char *)"people", .file = write_table(text), .order = order};
    const struct profile_load load = {.data = &data, .n_data = 1};
    struct feeds *f;
    struct seep_err err = {0};
    if (feed_open(&load, process, processes, &f, &err))
        fail_msg("%s", err.text);
    unlink(data.file);
    return f;
}

static void rows_take_turns(void **state)
{
    (void)state;
    struct feeds *f = open_table("name,town\na,x\nb,y\nc,\"z, \"\"q\"\"\"\n", DATA_NEXT, 1, 2);
    assert_true(feed_count(f) == 1 && feed_rows(f, 0) == 3);
    static const uint32_t want[] = {1, 0, 2, 1};
    struct load_rng rng = {1};
    for (int i = 0; i < 4; i++)
        assert_int_equal(feed_take(f, 0, 9, &rng), want[i]);
    struct template_names names = {0};
    struct template *t = compile("${data:people.town}/${data:people.name}", TEMPLATE_BODY, &names, f);
    const uint32_t row[] = {2};
    const struct template_scope scope = {.feeds = f, .row = row};
    struct seep_buf out;
    buf_init(&out, 64);
    assert_int_equal(template_render(t, &scope, &out, NULL), TEMPLATE_DONE);
    assert_string_equal(out.data, "z, \"q\"/c");
    struct template *none;
    struct seep_err err = {0};
    assert_int_equal(template_open("${data:people.age}", TEMPLATE_BODY, &names, f, &none, &err), -1);
    assert_non_null(strstr(err.text, "it has name, town"));
    buf_free(&out);
    template_close(t);
    template_names_free(&names);
    feed_close(f);
}

static void rows_of_users_and_by_chance(void **state)
{
    (void)state;
    struct load_rng rng = {5};
    struct feeds *f = open_table("n\n1\n2\n3\n", DATA_PER_USER, 0, 1);
    assert_true(feed_take(f, 0, 1, &rng) == 0 && feed_take(f, 0, 3, &rng) == 2 && feed_take(f, 0, 4, &rng) == 0);
    feed_close(f);
    f = open_table("n\n1\n2\n3\n", DATA_RANDOM, 0, 1);
    unsigned seen = 0;
    for (int i = 0; i < 100; i++)
        seen |= 1u << feed_take(f, 0, 1, &rng);
    assert_int_equal(seen, 7);
    feed_close(f);
}

static void bad_tables(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {{"a,b\n1,2\n3\n", ":3: "}, {"a,b\n", "no rows"}, {"a\n\"x\n", ""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct profile_data data = {.name = (char *)"t", .file = write_table(bad[i].text)};
        const struct profile_load load = {.data = &data, .n_data = 1};
        struct feeds *f;
        struct seep_err err = {0};
        assert_int_equal(feed_open(&load, 0, 1, &f, &err), -1);
        assert_null(f);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s", err.text);
        unlink(data.file);
    }
    struct profile_data data = {.name = (char *)"t", .file = (char *)"/nonexistent.csv"};
    const struct profile_load load = {.data = &data, .n_data = 1};
    struct feeds *f;
    assert_int_equal(feed_open(&load, 0, 1, &f, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_put_in),
        cmocka_unit_test(what_cannot_be_put_in),
        cmocka_unit_test(constants_are_not_rendered),
        cmocka_unit_test(generated_values),
        cmocka_unit_test(redis_commands),
        cmocka_unit_test(rows_take_turns),
        cmocka_unit_test(rows_of_users_and_by_chance),
        cmocka_unit_test(bad_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
