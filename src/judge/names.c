// Words and numbers for people: see judge.h.
#include "base/check.h"
#include "judge/judge.h"

const char *judge_verdict_name(enum judge_verdict verdict)
{
    static const char *const name[JUDGE_VERDICTS] = {"pass", "fail", "inconclusive"};
    SEEP_CHECK((unsigned)verdict < JUDGE_VERDICTS);
    return name[verdict];
}

const char *judge_shape_name(enum judge_shape shape)
{
    static const char *const name[JUDGE_SHAPES] = {"flat",     "linear",    "plateau", "step",
                                                   "sawtooth", "staircase", "late",    "unknown"};
    SEEP_CHECK((unsigned)shape < JUDGE_SHAPES);
    return name[shape];
}

const char *judge_status_name(enum judge_status status)
{
    static const char *const name[JUDGE_STATUSES] = {"pass", "fail", "inconclusive", "skipped", "warn"};
    SEEP_CHECK((unsigned)status < JUDGE_STATUSES);
    return name[status];
}

enum judge_status judge_status_of(enum judge_verdict verdict)
{
    static const enum judge_status status[JUDGE_VERDICTS] = {JUDGE_S_PASS, JUDGE_S_FAIL, JUDGE_S_INCONCLUSIVE};
    SEEP_CHECK((unsigned)verdict < JUDGE_VERDICTS);
    return status[verdict];
}

enum seep_unit judge_unit_of(enum judge_unit unit)
{
    static const enum seep_unit same[JUDGE_UNITS] = {
        [JUDGE_U_COUNT] = UNIT_NONE,         [JUDGE_U_PER_S] = UNIT_PER_SECOND,
        [JUDGE_U_BYTES] = UNIT_BYTES,        [JUDGE_U_BYTES_PER_S] = UNIT_BYTES_PER_SECOND,
        [JUDGE_U_BYTES_PER_OP] = UNIT_BYTES, [JUDGE_U_SECONDS] = UNIT_SECONDS,
        [JUDGE_U_RATIO] = UNIT_RATIO,
    };
    SEEP_CHECK((unsigned)unit < JUDGE_UNITS);
    return same[unit];
}

char *judge_format(char *out, size_t size, double value, enum judge_unit unit)
{
    return units_value(out, size, value, judge_unit_of(unit));
}
