// The option parser: every type, every refusal with its sentence, order of words, abbreviations.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/command.h"
#include "cmd/options.h"

#include <string.h>

struct opts {
    bool quick, quiet;
    const char *name, *format;
    struct cmd_list over;
    double for_s, size_bytes;
    int64_t count, any;
};

static const struct cmd_option table[] = {
    {.name = "quick", .letter = 'k', .type = CMD_FLAG, .offset = offsetof(struct opts, quick), .help = "x"},
    {.name = "quiet", .letter = 'q', .type = CMD_FLAG, .offset = offsetof(struct opts, quiet), .help = "x"},
    {.name = "name",
     .letter = 'n',
     .arg = "ID",
     .type = CMD_STRING,
     .offset = offsetof(struct opts, name),
     .help = "x"},
    {.name = "format",
     .letter = 'f',
     .arg = "F",
     .type = CMD_CHOICE,
     .choices = "text|json",
     .offset = offsetof(struct opts, format),
     .help = "x"},
    {.name = "over", .letter = 'o', .arg = "K=V", .type = CMD_LIST, .offset = offsetof(struct opts, over), .help = "x"},
    {.name = "for", .arg = "TIME", .type = CMD_DURATION, .offset = offsetof(struct opts, for_s), .help = "x"},
    {.name = "size", .arg = "SIZE", .type = CMD_SIZE, .offset = offsetof(struct opts, size_bytes), .help = "x"},
    {.name = "count",
     .letter = 'c',
     .arg = "N",
     .type = CMD_INT,
     .offset = offsetof(struct opts, count),
     .min = 1,
     .max = 9,
     .help = "x"},
    {.name = "any", .arg = "N", .type = CMD_INT, .offset = offsetof(struct opts, any), .help = "x"},
    {0},
};

static struct opts got;
static struct seep_err err;
static char *words[16];
static int n_words, first;

// Parses the words of the list, ended by NULL, after the command's own name.
static enum cmd_parsed parse_with(const struct cmd_option *options, bool first_stops, const char *const *list)
{
    n_words = 1;
    words[0] = (char *)"cmd";
    for (; *list; list++)
        words[n_words++] = (char *)*list;
    words[n_words] = NULL;
    cmd_options_free(table, &got);
    got = (struct opts){0};
    err = (struct seep_err){0};
    first = -1;
    return cmd_options_parse(options, n_words, words, first_stops, &got, &first, &err);
}

#define PARSE(...)          parse_with(table, false, (const char *const[]){__VA_ARGS__, NULL})
#define PARSE_STOPPING(...) parse_with(table, true, (const char *const[]){__VA_ARGS__, NULL})

static void every_type(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--quick", "--name=a b", "-f", "json", "--for", "90s", "--size=2KiB", "-c9", "--any", "-5"),
                     CMD_PARSED_RUN);
    assert_true(got.quick);
    assert_false(got.quiet);
    assert_string_equal(got.name, "a b");
    assert_string_equal(got.format, "json");
    assert_true(got.for_s == 90);
    assert_true(got.size_bytes == 2048);
    assert_int_equal(got.count, 9);
    assert_int_equal(got.any, -5);
    assert_int_equal(first, n_words);
}

static void lists_grow_and_last_values_win(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-oa=1", "--name", "x", "-o", "b=2", "--over=c=3", "--name", "y"), CMD_PARSED_RUN);
    assert_int_equal(got.over.n, 3);
    assert_string_equal(got.over.items[0], "a=1");
    assert_string_equal(got.over.items[1], "b=2");
    assert_string_equal(got.over.items[2], "c=3");
    assert_string_equal(got.name, "y");
    cmd_options_free(table, &got);
    assert_null(got.over.items);
    assert_int_equal(got.over.n, 0);
}

static void words_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(PARSE("one", "-q", "two", "--", "--quick"), CMD_PARSED_RUN);
    assert_int_equal(n_words - first, 3);
    assert_string_equal(words[first], "one");
    assert_string_equal(words[first + 1], "two");
    assert_string_equal(words[first + 2], "--quick");
    assert_true(got.quiet);
    assert_false(got.quick);
}

static void options_end_at_the_first_word(void **state)
{
    (void)state;
    assert_int_equal(PARSE_STOPPING("-q", "server", "-k", "--help"), CMD_PARSED_RUN);
    assert_true(got.quiet);
    assert_false(got.quick);
    assert_string_equal(words[first], "server");
    assert_string_equal(words[first + 2], "--help");
    assert_int_equal(PARSE_STOPPING("--", "-k"), CMD_PARSED_RUN);
    assert_string_equal(words[first], "-k");
    assert_int_equal(PARSE_STOPPING("--name"), CMD_PARSED_ERROR);
    assert_string_equal(err.text, "--name wants ID");
}

static void help_wins(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-h"), CMD_PARSED_HELP);
    assert_int_equal(PARSE("word", "--help"), CMD_PARSED_HELP);
    assert_int_equal(parse_with(NULL, false, (const char *const[]){"--help", NULL}), CMD_PARSED_HELP);
    assert_int_equal(PARSE("--help=x"), CMD_PARSED_ERROR);
    assert_string_equal(err.text, "--help takes no value");
}

static void abbreviations(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--fo", "1s"), CMD_PARSED_ERROR); // for, format
    assert_string_equal(err.text, "'--fo' could be several options; write more of it");
    assert_int_equal(PARSE("--for", "1s"), CMD_PARSED_RUN); // a whole name is never ambiguous
    assert_int_equal(PARSE("--form=json"), CMD_PARSED_RUN);
    assert_string_equal(got.format, "json");
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *text;
    } cases[] = {
        {{"--nmae"}, "there is no option '--nmae'; did you mean '--name'?"},
        {{"--zebra"}, "there is no option '--zebra'"},
        {{"-x"}, "there is no option '-x'"},
        {{"-qx"}, "there is no option '-x'"},
        {{"--quick=1"}, "--quick takes no value"},
        {{"--name"}, "--name wants ID"},
        {{"-n"}, "--name wants ID"},
        {{"-f", "xml"}, "--format is one of text|json, not 'xml'"},
        {{"-f", ""}, "--format is one of text|json, not ''"},
        {{"-f", "text|json"}, "--format is one of text|json, not 'text|json'"},
        {{"-f", "tex"}, "--format is one of text|json, not 'tex'"},
        {{"-c", "0"}, "--count is 0; it must lie between 1 and 9"},
        {{"-c", "10"}, "--count is 10; it must lie between 1 and 9"},
        {{"-c", "3x"}, "--count wants a whole number, not '3x'"},
        {{"-c", ""}, "--count wants a whole number, not ''"},
        {{"-c", "1.5"}, "--count wants a whole number, not '1.5'"},
        {{"--any", "99999999999999999999"}, "--any wants a whole number, not '99999999999999999999'"},
        {{"--for", "90"}, "--for: '90' should be a duration such as 30s"},
        {{"--for", "0s"}, "--for must be more than zero, not '0s'"},
        {{"--for", "-1s"}, "--for must be more than zero, not '-1s'"},
        {{"--size", "5s"}, "--size: '5s' should be a size such as 10MB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *list[4] = {cases[i].words[0], cases[i].words[1], NULL};
        assert_int_equal(parse_with(table, false, list), CMD_PARSED_ERROR);
        assert_string_equal(err.text, cases[i].text);
        assert_int_equal(err.code, SEEP_E_USAGE);
    }
}

static bool same_word(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

// The tables of the real commands: what a parser, help or manual page would stumble over.
static void tables_of_all_commands_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; cmd_commands[i]; i++) {
        const struct cmd_command *c = cmd_commands[i];
        assert_ptr_equal(cmd_find(c->name), c);
        assert_true(c->summary && *c->summary && c->summary[strlen(c->summary) - 1] != '.');
        assert_true(c->raw || c->usage);
        for (const struct cmd_option *o = c->options; o && o->name; o++) {
            if (!o->help || !*o->help || o->help[strlen(o->help) - 1] == '.')
                fail_msg("seep %s --%s: its help is no line of help", c->name, o->name);
            assert_int_equal(o->type == CMD_FLAG, o->arg == NULL);
            assert_int_equal(o->type == CMD_CHOICE, o->choices != NULL);
            assert_true(o->offset < c->opts_size);
            assert_true(strcmp(o->name, "help") != 0 && o->letter != 'h');
            for (const struct cmd_option *p = c->options; p < o; p++)
                if (same_word(p->name, o->name) || (o->letter && p->letter == o->letter))
                    fail_msg("seep %s: --%s and --%s are told apart by nothing", c->name, p->name, o->name);
        }
    }
}

static int free_lists(void **state)
{
    (void)state;
    cmd_options_free(table, &got);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(lists_grow_and_last_values_win),
        cmocka_unit_test(words_keep_their_order),
        cmocka_unit_test(options_end_at_the_first_word),
        cmocka_unit_test(help_wins),
        cmocka_unit_test(abbreviations),
        cmocka_unit_test(refusals),
        cmocka_unit_test(tables_of_all_commands_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, free_lists);
}
