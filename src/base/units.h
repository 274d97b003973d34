// Quantities with units, parsed and printed in one place.
//
// "B kB MB GB TB" are powers of 1000, "KiB MiB GiB TiB" of 1024; "ns us ms s m h d" are durations; "%" is a hundredth;
// "/s /m /h" (also "/min", "/sec", "/hour") make a rate. A quantity that needs a unit is refused without one.
#ifndef SEEP_BASE_UNITS_H
#define SEEP_BASE_UNITS_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

// What we do not know has this value, in integers and in doubles; it is printed as "unknown" and stored as NULL.
#define SEEP_UNKNOWN INT64_MIN

enum seep_unit {
    UNIT_NONE,             // a bare number
    UNIT_BYTES,            // bytes
    UNIT_SECONDS,          // seconds
    UNIT_RATIO,            // 1.0 = 100 %
    UNIT_PER_SECOND,       // events per second
    UNIT_BYTES_PER_SECOND, // bytes per second
};

struct seep_quantity {
    double value; // in the base unit of `unit`
    enum seep_unit unit;
};

// Parses the whole of `text` ("1.5MB/h", "250ms", "95%", "2000/s", "7"). Spaces may stand between number and unit,
// nothing else may follow. Refuses: no digits, hexadecimal, infinities, NaN, exponents that overflow, unknown units, a
// sign other than a leading "-". On error the text names the offending part; *bad_at (may be NULL) is its offset in
// bytes.
int units_parse(const char *text, struct seep_quantity *out, size_t *bad_at, struct seep_err *err);

// The same, and the unit must be `wanted` (UNIT_NONE accepts only bare numbers; a bare 0 is accepted for every unit).
int units_parse_as(const char *text, enum seep_unit wanted, double *out, size_t *bad_at, struct seep_err *err);

// Printing, each into `out` of `size` bytes (at least 32 is enough for all), always terminated; return out. NaN and
// SEEP_UNKNOWN print "unknown". Three significant digits, powers of 1000: "412.6 MB" style for bytes, "3.21 MB/h" for a
// growth rate given in bytes per second, "18:04" or "2.1 h" for durations, "4.1 ms", "2 000/s".
char *units_bytes(char *out, size_t size, double bytes);
char *units_rate_per_h(char *out, size_t size, double bytes_per_s);
char *units_duration(char *out, size_t size, double seconds);
char *units_clock(char *out, size_t size, double seconds); // "1:02:03", "18:04" (h:mm from an hour on, m:ss below)
char *units_count(char *out, size_t size, double count);   // "12 345", exact up to 2^53

// A value in its unit, as gates show it: "3.21 MB/h", "41 /h", "0.3 %", "4.1 ms", "17".
char *units_value(char *out, size_t size, double value, enum seep_unit unit);

// The name of the unit as it stands in verdict.json: "bytes", "bytes/s", "s", "ratio", "1/s", "".
const char *units_name(enum seep_unit unit);

#endif
