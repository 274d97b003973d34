// Numbers out of cells: see csv.h.
//
// Most numbers of a table are short: up to 19 digits and a small exponent, where the mantissa fits 53 bits, are exact
// as an integer times or divided by an exact power of ten (Clinger 1990, "How to read floating point numbers
// accurately"). The rest goes to strtod(), which is correctly rounded too but ten times slower.
#include "csv/csv.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 400, EXACT_POWER = 22 };

static const double largest = 9223372036854775808.0; // 2^63: more than any memory or clock

struct csv_cell csv_trim(struct csv_cell cell)
{
    while (cell.len > 0 && (*cell.text == ' ' || *cell.text == '\t')) {
        cell.text++;
        cell.len--;
    }
    while (cell.len > 0 && (cell.text[cell.len - 1] == ' ' || cell.text[cell.len - 1] == '\t'))
        cell.len--;
    return cell;
}

// A decimal number taken apart: mantissa of up to 19 significant digits, power of ten, and whether that is all of it.
struct decimal {
    uint64_t mantissa;
    int significant; // digits in the mantissa, leading zeros not counted
    int power;
    bool negative, whole;
};

static const char *take_digits(const char *p, const char *end, bool fraction, struct decimal *d)
{
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (d->significant == 19) {
            d->whole = false;
            continue;
        }
        d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
        d->significant += d->mantissa > 0;
        d->power -= fraction;
    }
    return p;
}

// "e-12" at p; NULL when there is an 'e' without digits.
static const char *take_exponent(const char *p, const char *end, struct decimal *d)
{
    if (p == end || (*p != 'e' && *p != 'E'))
        return p;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *first = p;
    int power = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        power = power < 100000 ? power * 10 + (*p - '0') : power;
    d->power += negative ? -power : power;
    return p == first ? NULL : p;
}

static bool take_apart(const char *p, const char *end, struct decimal *d)
{
    *d = (struct decimal){.whole = true};
    d->negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *digits = p;
    p = take_digits(p, end, false, d);
    size_t n = (size_t)(p - digits);
    if (p < end && *p == '.') {
        digits = p + 1;
        p = take_digits(digits, end, true, d);
        n += (size_t)(p - digits);
    }
    if (n == 0)
        return false;
    p = take_exponent(p, end, d);
    return p == end;
}

static bool exactly(const struct decimal *d, double *out)
{
    static const double ten[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (!d->whole || d->mantissa > (uint64_t)1 << 53 || d->power > EXACT_POWER || d->power < -EXACT_POWER)
        return false;
    double value = (double)d->mantissa;
    value = d->power < 0 ? value / ten[-d->power] : value * ten[d->power];
    *out = d->negative ? -value : value;
    return true;
}

enum csv_number csv_number(const struct csv_cell *given, double *out)
{
    struct csv_cell cell = csv_trim(*given);
    struct decimal d;
    double value;
    if (cell.len == 0)
        return CSV_EMPTY;
    if (!take_apart(cell.text, cell.text + cell.len, &d))
        return CSV_NOT_A_NUMBER;
    if (!exactly(&d, &value)) {
        char text[LONGEST + 1];
        if (cell.len > LONGEST)
            return CSV_TOO_LARGE; // nothing measured has that many digits
        memcpy(text, cell.text, cell.len);
        text[cell.len] = '\0';
        value = strtod(text, NULL);
    }
    if (!(fabs(value) <= largest))
        return CSV_TOO_LARGE;
    *out = value;
    return CSV_NUMBER;
}
