// Quantities with units: see units.h. The table below is the only list of unit words.
#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit_word {
    const char *word;
    double factor;
    enum seep_unit unit;
};

static const struct unit_word unit_words[] = {
    {"B", 1, UNIT_BYTES},           {"kB", 1e3, UNIT_BYTES},           {"MB", 1e6, UNIT_BYTES},
    {"GB", 1e9, UNIT_BYTES},        {"TB", 1e12, UNIT_BYTES},          {"KiB", 1024.0, UNIT_BYTES},
    {"MiB", 1048576.0, UNIT_BYTES}, {"GiB", 1073741824.0, UNIT_BYTES}, {"TiB", 1099511627776.0, UNIT_BYTES},
    {"ns", 1e-9, UNIT_SECONDS},     {"us", 1e-6, UNIT_SECONDS},        {"ms", 1e-3, UNIT_SECONDS},
    {"s", 1, UNIT_SECONDS},         {"m", 60, UNIT_SECONDS},           {"h", 3600, UNIT_SECONDS},
    {"d", 86400, UNIT_SECONDS},     {"%", 0.01, UNIT_RATIO},
};

static const struct {
    const char *word;
    double seconds;
} per_words[] = {{"s", 1},       {"sec", 1},  {"second", 1},  {"m", 60},    {"min", 60},
                 {"minute", 60}, {"h", 3600}, {"hour", 3600}, {"d", 86400}, {"day", 86400}};

static int bad(struct seep_err *err, const char *text, size_t at, size_t *bad_at, const char *why)
{
    if (bad_at)
        *bad_at = at;
    return seep_fail(err, SEEP_E_USAGE, "'%.60s' is not a quantity: %s", text, why);
}

// Digits, one point, one exponent; strtod alone would take "0x1p3", "inf" and "nan" as well.
static size_t number_length(const char *s)
{
    size_t i = s[0] == '-' ? 1 : 0, digits = 0;
    while (isdigit((unsigned char)s[i]))
        i++, digits++;
    if (s[i] == '.')
        for (i++; isdigit((unsigned char)s[i]); i++)
            digits++;
    if (!digits)
        return 0;
    if (s[i] == 'e' || s[i] == 'E') {
        size_t j = i + 1 + (s[i + 1] == '-' || s[i + 1] == '+');
        if (isdigit((unsigned char)s[j])) {
            while (isdigit((unsigned char)s[j]))
                j++;
            i = j;
        }
    }
    return i;
}

static const struct unit_word *find_unit(const char *s, size_t len)
{
    for (size_t i = 0; i < sizeof unit_words / sizeof *unit_words; i++)
        if (strlen(unit_words[i].word) == len && !strncmp(unit_words[i].word, s, len))
            return &unit_words[i];
    return NULL;
}

static double find_per(const char *s, size_t len)
{
    for (size_t i = 0; i < sizeof per_words / sizeof *per_words; i++)
        if (strlen(per_words[i].word) == len && !strncmp(per_words[i].word, s, len))
            return per_words[i].seconds;
    return 0;
}

int units_parse(const char *text, struct seep_quantity *out, size_t *bad_at, struct seep_err *err)
{
    size_t at = strspn(text, " \t");
    size_t num = number_length(text + at);
    if (!num)
        return bad(err, text, at, bad_at, "it does not begin with a number");
    double value = strtod(text + at, NULL);
    if (!isfinite(value))
        return bad(err, text, at, bad_at, "the number is too large");
    at += num;
    at += strspn(text + at, " \t");
    size_t end = strlen(text);
    while (end > at && isspace((unsigned char)text[end - 1]))
        end--;
    const char *slash = memchr(text + at, '/', end - at);
    size_t word_end = slash ? (size_t)(slash - text) : end;
    while (word_end > at && text[word_end - 1] == ' ')
        word_end--;
    enum seep_unit unit = UNIT_NONE;
    if (word_end > at) {
        const struct unit_word *w = find_unit(text + at, word_end - at);
        if (!w)
            return bad(err, text, at, bad_at,
                       "the unit is unknown (use B kB MB GB KiB MiB GiB, ms s m h d, % or a rate such as /s)");
        unit = w->unit;
        value *= w->factor;
    }
    if (slash) {
        size_t p = (size_t)(slash - text) + 1;
        p += strspn(text + p, " ");
        double per = p < end ? find_per(text + p, end - p) : 0;
        if (per == 0)
            return bad(err, text, p, bad_at, "after '/' comes s, m, h or d");
        if (unit != UNIT_NONE && unit != UNIT_BYTES)
            return bad(err, text, p, bad_at, "only counts and bytes can have a rate");
        unit = unit == UNIT_BYTES ? UNIT_BYTES_PER_SECOND : UNIT_PER_SECOND;
        value /= per;
    }
    if (!isfinite(value))
        return bad(err, text, 0, bad_at, "the number is too large");
    *out = (struct seep_quantity){value, unit};
    return 0;
}

static const char *unit_example(enum seep_unit unit)
{
    switch (unit) {
    case UNIT_BYTES:
        return "a size such as 10MB";
    case UNIT_SECONDS:
        return "a duration such as 30s";
    case UNIT_RATIO:
        return "a percentage such as 1%";
    case UNIT_PER_SECOND:
        return "a rate such as 100/s";
    case UNIT_BYTES_PER_SECOND:
        return "a growth rate such as 1MB/h";
    default:
        return "a bare number";
    }
}

int units_parse_as(const char *text, enum seep_unit wanted, double *out, size_t *bad_at, struct seep_err *err)
{
    struct seep_quantity q;
    if (units_parse(text, &q, bad_at, err))
        return -1;
    if (q.unit != wanted && !(q.unit == UNIT_NONE && q.value == 0)) {
        if (bad_at)
            *bad_at = 0;
        return seep_fail(err, SEEP_E_USAGE, "'%.60s' should be %s", text, unit_example(wanted));
    }
    *out = q.value;
    return 0;
}

static int is_unknown(double v)
{
    return isnan(v) || v == (double)SEEP_UNKNOWN;
}

// Three significant digits without an exponent: 0.000, 0.0412, 3.21, 41.2, 412.6.
static void digits3(char *out, size_t size, double v)
{
    double a = fabs(v);
    if (a < 5e-5) { // four decimals would show a row of zeros, and a sign that means nothing
        v = 0;
        a = 0;
    }
    int decimals = a >= 10 ? 1 : a >= 0.095 || a == 0 ? 2 : 4;
    if (a == floor(a) && a < 1e6)
        decimals = 0;
    snprintf(out, size, "%.*f", decimals, v);
}

static char *scaled(char *out, size_t size, double v, const char *suffix)
{
    static const struct {
        double at;
        const char *word;
    } steps[] = {{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {0, "B"}};
    if (is_unknown(v)) {
        snprintf(out, size, "unknown");
        return out;
    }
    size_t i = 0;
    while (steps[i].at > 0 && fabs(v) < steps[i].at)
        i++;
    char num[48];
    digits3(num, sizeof num, steps[i].at > 0 ? v / steps[i].at : v);
    snprintf(out, size, "%s %s%s", num, steps[i].word, suffix);
    return out;
}

char *units_bytes(char *out, size_t size, double bytes)
{
    return scaled(out, size, bytes, "");
}

char *units_rate_per_h(char *out, size_t size, double bytes_per_s)
{
    return scaled(out, size, is_unknown(bytes_per_s) ? NAN : bytes_per_s * 3600, "/h");
}

char *units_duration(char *out, size_t size, double seconds)
{
    static const struct {
        double at;
        const char *word;
    } steps[] = {{172800, "d"}, {5400, "h"}, {120, "min"}, {1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {0, "ns"}};
    static const double factor[] = {86400, 3600, 60, 1, 1e-3, 1e-6, 1e-9};
    if (is_unknown(seconds)) {
        snprintf(out, size, "unknown");
        return out;
    }
    if (seconds == 0) {
        snprintf(out, size, "0 s");
        return out;
    }
    size_t i = 0;
    while (steps[i].at > 0 && fabs(seconds) < steps[i].at)
        i++;
    char num[48];
    digits3(num, sizeof num, seconds / factor[i]);
    snprintf(out, size, "%s %s", num, steps[i].word);
    return out;
}

char *units_clock(char *out, size_t size, double seconds)
{
    if (is_unknown(seconds) || seconds < 0) {
        snprintf(out, size, "unknown");
        return out;
    }
    long long s = (long long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%lld:%02lld", s / 60, s % 60);
    return out;
}

char *units_count(char *out, size_t size, double count)
{
    if (is_unknown(count)) {
        snprintf(out, size, "unknown");
        return out;
    }
    char plain[48];
    int len = snprintf(plain, sizeof plain, "%.0f", count);
    size_t o = 0;
    for (int i = 0; i < len && o + 2 < size; i++) {
        out[o++] = plain[i];
        int left = len - 1 - i;
        if (left > 0 && left % 3 == 0 && plain[i] != '-')
            out[o++] = ' ';
    }
    out[o] = 0;
    return out;
}

char *units_value(char *out, size_t size, double value, enum seep_unit unit)
{
    char num[48];
    switch (unit) {
    case UNIT_BYTES:
        return units_bytes(out, size, value);
    case UNIT_BYTES_PER_SECOND:
        return units_rate_per_h(out, size, value);
    case UNIT_SECONDS:
        return units_duration(out, size, value);
    case UNIT_RATIO:
    case UNIT_PER_SECOND:
    case UNIT_NONE:
        break;
    }
    if (is_unknown(value)) {
        snprintf(out, size, "unknown");
        return out;
    }
    if (unit == UNIT_RATIO) {
        digits3(num, sizeof num, value * 100);
        snprintf(out, size, "%s %%", num);
    } else if (unit == UNIT_PER_SECOND && fabs(value) < 1) {
        digits3(num, sizeof num, value * 3600);
        snprintf(out, size, "%s/h", num);
    } else {
        digits3(num, sizeof num, value);
        snprintf(out, size, "%s%s", num, unit == UNIT_PER_SECOND ? "/s" : "");
    }
    return out;
}

const char *units_name(enum seep_unit unit)
{
    static const char *const names[] = {"", "bytes", "s", "ratio", "1/s", "bytes/s"};
    return names[unit];
}
