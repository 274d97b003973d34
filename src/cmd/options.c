// The option parser: see options.h. getopt_long does the walking; types, ranges and sentences are ours, because its own
// messages go to standard error and cannot say what was meant.
#include "cmd/options.h"
#include "base/check.h"
#include "base/near.h"
#include "base/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64, VAL_HELP = 1000, VAL_FIRST = 1001 };

struct getopt_tables {
    struct option longs[OPTIONS_MAX + 2];
    char shorts[3 * OPTIONS_MAX + 8];
};

static size_t count_options(const struct cmd_option *options)
{
    size_t n = 0;
    while (options && options[n].name)
        n++;
    SEEP_CHECK(n <= OPTIONS_MAX);
    return n;
}

static void fill_tables(const struct cmd_option *options, bool first_stops, struct getopt_tables *t)
{
    size_t n = count_options(options), s = 0;
    t->shorts[s++] = first_stops ? '+' : ':';
    if (first_stops)
        t->shorts[s++] = ':';
    t->shorts[s++] = 'h';
    for (size_t i = 0; i < n; i++) {
        int has_arg = options[i].type == CMD_FLAG ? no_argument : required_argument;
        t->longs[i] = (struct option){options[i].name, has_arg, NULL, VAL_FIRST + (int)i};
        if (!options[i].letter)
            continue;
        t->shorts[s++] = options[i].letter;
        if (has_arg == required_argument)
            t->shorts[s++] = ':';
    }
    t->shorts[s] = 0;
    t->longs[n] = (struct option){"help", no_argument, NULL, VAL_HELP};
    t->longs[n + 1] = (struct option){0};
}

static const char *option_name(size_t i, const void *ctx)
{
    const struct cmd_option *options = ctx;
    size_t n = count_options(options);
    return i < n ? options[i].name : i == n ? "help" : NULL;
}

static int unknown_option(const struct cmd_option *options, const char *word, int letter, struct seep_err *err)
{
    if (strncmp(word, "--", 2) != 0)
        return seep_fail(err, SEEP_E_USAGE, "there is no option '-%c'", letter);
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    size_t matches = 0;
    for (size_t i = 0; options && options[i].name; i++)
        matches += !strncmp(options[i].name, name, strlen(name));
    if (matches > 1)
        return seep_fail(err, SEEP_E_USAGE, "'--%s' could be several options; write more of it", name);
    const char *meant = near_find(name, option_name, options);
    if (meant)
        return seep_fail(err, SEEP_E_USAGE, "there is no option '--%s'; did you mean '--%s'?", name, meant);
    return seep_fail(err, SEEP_E_USAGE, "there is no option '--%s'", name);
}

static int list_add(struct cmd_list *list, const char *item, struct seep_err *err)
{
    const char **items = realloc(list->items, sizeof *items * (size_t)(list->n + 1));
    if (!items)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    list->items = items;
    items[list->n++] = item;
    return 0;
}

static bool in_choices(const char *choices, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strcspn(p, "|") == len && !strncmp(p, word, len))
            return true;
    return false;
}

static int set_int(const struct cmd_option *o, const char *value, int64_t *out, struct seep_err *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(value, &end, 10);
    if (end == value || *end || errno)
        return seep_fail(err, SEEP_E_USAGE, "--%s wants a whole number, not '%.60s'", o->name, value);
    if ((o->min || o->max) && (v < o->min || v > o->max))
        return seep_fail(err, SEEP_E_USAGE, "--%s is %lld; it must lie between %lld and %lld", o->name, v,
                         (long long)o->min, (long long)o->max);
    *out = v;
    return 0;
}

static int set_quantity(const struct cmd_option *o, const char *value, double *out, struct seep_err *err)
{
    enum seep_unit unit = o->type == CMD_DURATION ? UNIT_SECONDS : o->type == CMD_RATIO ? UNIT_RATIO : UNIT_BYTES;
    struct seep_err why;
    double v;
    if (units_parse_as(value, unit, &v, NULL, &why))
        return seep_fail(err, SEEP_E_USAGE, "--%s: %s", o->name, why.text);
    if (v < 0 || (v == 0 && o->type != CMD_SIZE))
        return seep_fail(err, SEEP_E_USAGE, "--%s must be more than zero, not '%.60s'", o->name, value);
    *out = v;
    return 0;
}

static int set_option(const struct cmd_option *o, const char *value, void *opts, struct seep_err *err)
{
    void *field = (char *)opts + o->offset;
    switch (o->type) {
    case CMD_FLAG:
        *(bool *)field = true;
        return 0;
    case CMD_STRING:
        *(const char **)field = value;
        return 0;
    case CMD_LIST:
        return list_add(field, value, err);
    case CMD_CHOICE:
        if (!in_choices(o->choices, value))
            return seep_fail(err, SEEP_E_USAGE, "--%s is one of %s, not '%.60s'", o->name, o->choices, value);
        *(const char **)field = value;
        return 0;
    case CMD_DURATION:
    case CMD_SIZE:
    case CMD_RATIO:
        return set_quantity(o, value, field, err);
    case CMD_INT:
        return set_int(o, value, field, err);
    }
    SEEP_CHECK(!"an option type the parser does not know");
    return -1;
}

static const struct cmd_option *by_value(const struct cmd_option *options, int value)
{
    if (value >= VAL_FIRST)
        return &options[value - VAL_FIRST];
    for (size_t i = 0; options && options[i].name; i++)
        if (options[i].letter == value)
            return &options[i];
    return NULL;
}

static int missing_argument(const struct cmd_option *options, struct seep_err *err)
{
    const struct cmd_option *o = by_value(options, optopt);
    SEEP_CHECK(o);
    return seep_fail(err, SEEP_E_USAGE, "--%s wants %s", o->name, o->arg ? o->arg : "an argument");
}

// getopt said '?': code is 0 for an unknown or ambiguous long name, an option's own value when a flag was given
// "=value", else an unknown letter.
static void not_understood(const struct cmd_option *options, int code, const char *word, struct seep_err *err)
{
    if (code >= VAL_HELP)
        seep_fail(err, SEEP_E_USAGE, "--%s takes no value", code == VAL_HELP ? "help" : by_value(options, code)->name);
    else
        unknown_option(options, code ? "-" : word, code, err);
}

enum cmd_parsed cmd_options_parse(const struct cmd_option *options, int argc, char **argv, bool first_stops, void *opts,
                                  int *first, struct seep_err *err)
{
    struct getopt_tables tables;
    fill_tables(options, first_stops, &tables);
    optind = 0; // glibc: begin anew, also after an earlier scan
    opterr = 0;
    for (;;) {
        int c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL);
        if (c == -1)
            break;
        if (c == 'h' || c == VAL_HELP)
            return CMD_PARSED_HELP;
        if (c == ':') {
            missing_argument(options, err);
            return CMD_PARSED_ERROR;
        }
        if (c == '?') {
            not_understood(options, optopt, argv[optind - 1], err);
            return CMD_PARSED_ERROR;
        }
        const struct cmd_option *o = by_value(options, c);
        SEEP_CHECK(o);
        if (set_option(o, optarg, opts, err))
            return CMD_PARSED_ERROR;
    }
    *first = optind;
    return CMD_PARSED_RUN;
}

void cmd_options_free(const struct cmd_option *options, void *opts)
{
    for (size_t i = 0; options && options[i].name; i++) {
        if (options[i].type != CMD_LIST)
            continue;
        struct cmd_list *list = (struct cmd_list *)((char *)opts + options[i].offset);
        free(list->items);
        *list = (struct cmd_list){0};
    }
}
