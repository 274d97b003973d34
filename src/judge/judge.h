// Words shared by everything in the judge: the three-way answer, the shapes, and what a series is.
//
// The judge is PURE: arrays in, structs out. It does no I/O, reads no clock and keeps no globals, so that every verdict
// can be recomputed from the stored samples. Inputs are measurements and therefore untrusted: every function has a
// defined answer for empty, constant, short and absurd series. Times are seconds on any monotone axis; amounts are in
// the unit of the series (bytes unless said otherwise); rates are per second. NaN means "unknown" and never "zero".
#ifndef SEEP_JUDGE_JUDGE_H
#define SEEP_JUDGE_JUDGE_H

#include "base/units.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum judge_verdict { JUDGE_PASS, JUDGE_FAIL, JUDGE_INCONCLUSIVE, JUDGE_VERDICTS };

enum judge_shape {
    JUDGE_SHAPE_FLAT,
    JUDGE_SHAPE_LINEAR,
    JUDGE_SHAPE_PLATEAU,
    JUDGE_SHAPE_STEP,
    JUDGE_SHAPE_SAWTOOTH,
    JUDGE_SHAPE_STAIRCASE,
    JUDGE_SHAPE_LATE,
    JUDGE_SHAPE_UNKNOWN,
    JUDGE_SHAPES
};

// The status of one gate.
enum judge_status { JUDGE_S_PASS, JUDGE_S_FAIL, JUDGE_S_INCONCLUSIVE, JUDGE_S_SKIPPED, JUDGE_S_WARN, JUDGE_STATUSES };

// Units a value can have inside the judge, always the base unit: bytes, bytes per second, seconds, a ratio (0.01 is 1
// %), a count, counts per second, bytes per request.
enum judge_unit {
    JUDGE_U_COUNT,
    JUDGE_U_PER_S,
    JUDGE_U_BYTES,
    JUDGE_U_BYTES_PER_S,
    JUDGE_U_BYTES_PER_OP,
    JUDGE_U_SECONDS,
    JUDGE_U_RATIO,
    JUDGE_UNITS
};

// Samples of one signal: t_s strictly increasing, y finite, n of each; owned by the caller.
struct judge_series {
    const double *t_s;
    const double *y;
    size_t n;
};

// A stretch of time on the axis of the samples, both ends included.
struct judge_span {
    double from_s;
    double to_s;
};

// The lower-case words of verdict.json; never NULL. Values outside the enum are a programming error.
const char *judge_verdict_name(enum judge_verdict verdict);
const char *judge_shape_name(enum judge_shape shape);
const char *judge_status_name(enum judge_status status);

// The word for a three-way answer as a gate status.
enum judge_status judge_status_of(enum judge_verdict verdict);

// The unit of base/units.h that a unit of the judge is written in.
enum seep_unit judge_unit_of(enum judge_unit unit);

// Writes value for people, with its unit ("3.21 MB/h", "0.41 s", "12 %", "unknown" for NaN) into out (size >= 32,
// always terminated). Returns out.
char *judge_format(char *out, size_t size, double value, enum judge_unit unit);

#endif
