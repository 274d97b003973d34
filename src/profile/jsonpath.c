// Reading JSON paths and comparisons: see jsonpath.h.
#include "profile/jsonpath.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *text, const char *p, size_t *bad_at, struct seep_err *err, const char *why)
{
    *bad_at = (size_t)(p - text);
    return seep_fail(err, SEEP_E_USAGE, "'%.60s' is no path such as $.items[0].id: %s.", text, why);
}

// ".name": up to the next '.' or '['.
static const char *plain_name(const char *p, struct jsonpath_step *out)
{
    size_t len = strcspn(p, ".[]'\" \t");
    *out = (struct jsonpath_step){.kind = JSONPATH_NAME, .name = p, .len = len};
    return len && !strchr("]'\" \t", p[len] ? p[len] : '.') ? p + len : NULL;
}

// Behind '[': "'name']", "0]" or "*]".
static const char *in_brackets(const char *p, struct jsonpath_step *out)
{
    if (*p == '*') {
        *out = (struct jsonpath_step){.kind = JSONPATH_ALL};
        p++;
    } else if (*p == '\'' || *p == '"') {
        const char *end = strchr(p + 1, *p);
        if (!end)
            return NULL;
        *out = (struct jsonpath_step){.kind = JSONPATH_NAME, .name = p + 1, .len = (size_t)(end - p - 1)};
        p = end + 1;
    } else {
        size_t digits = strspn(p, "0123456789");
        if (!digits || digits > 9)
            return NULL;
        *out = (struct jsonpath_step){.kind = JSONPATH_INDEX, .index = strtol(p, NULL, 10)};
        p += digits;
    }
    return *p == ']' ? p + 1 : NULL;
}

int jsonpath_parse(const char *text, struct jsonpath *out, size_t *bad_at, struct seep_err *err)
{
    *out = (struct jsonpath){0};
    if (*text != '$')
        return bad(text, text, bad_at, err, "it begins with $");
    for (const char *p = text + 1, *next; *p; p = next) {
        if (out->n == JSONPATH_STEPS_MAX)
            return bad(text, p, bad_at, err, "it has more than 16 parts");
        struct jsonpath_step *step = &out->step[out->n++];
        next = *p == '.' ? plain_name(p + 1, step) : *p == '[' ? in_brackets(p + 1, step) : NULL;
        if (!next)
            return bad(text, p, bad_at, err, "parts are .name, ['name'], [0] and [*]");
        out->many |= step->kind == JSONPATH_ALL;
    }
    return 0;
}

int jsonpath_bound(const char *text, struct bound *out, struct seep_err *err)
{
    static const struct {
        const char *sign;
        enum bound_op op;
    } ops[] = {{"<=", BOUND_AT_MOST}, {">=", BOUND_AT_LEAST}, {"==", BOUND_EQUAL},
               {"!=", BOUND_OTHER},   {"<", BOUND_LESS},      {">", BOUND_MORE},
               {"", BOUND_EQUAL}}; // a number alone
    const char *p = text + strspn(text, " \t");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        size_t len = strlen(ops[i].sign);
        if (strncmp(p, ops[i].sign, len) != 0)
            continue;
        char *end;
        p += len + strspn(p + len, " \t");
        if (!isdigit((unsigned char)p[*p == '-']) || strpbrk(p, "xX"))
            break;
        double v = strtod(p, &end);
        if (!isfinite(v) || end[strspn(end, " \t")])
            break;
        *out = (struct bound){ops[i].op, v};
        return 0;
    }
    if (*p == '=')
        return seep_fail(err, SEEP_E_USAGE, "'%.40s' is no comparison; equality is written with two signs, '=%.40s'.",
                         text, p);
    return seep_fail(err, SEEP_E_USAGE, "'%.40s' is no comparison such as '> 0', '<= 1.5' or '!= 3'.", text);
}

bool jsonpath_bound_holds(const struct bound *b, double value)
{
    switch (b->op) {
    case BOUND_LESS:
        return value < b->value;
    case BOUND_AT_MOST:
        return value <= b->value;
    case BOUND_MORE:
        return value > b->value;
    case BOUND_AT_LEAST:
        return value >= b->value;
    case BOUND_EQUAL:
        return value == b->value;
    case BOUND_OTHER:
        return value != b->value;
    }
    return false;
}
