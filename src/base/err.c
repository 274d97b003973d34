// The error type: see err.h.
#include "base/err.h"

#include <stdio.h>
#include <string.h>

const struct seep_code_info seep_codes[SEEP_E_CODES] = {
    [SEEP_OK] = {"ok", 0, "no error"},
    [SEEP_E_USAGE] = {"usage", 2, "the command line or a profile is wrong"},
    [SEEP_E_SYSTEM] = {"system", 6, "a system call failed and seep cannot do its job"},
    [SEEP_E_LIMIT] = {"limit", 6, "a declared ceiling was reached"},
    [SEEP_E_CORRUPT] = {"corrupt", 6, "data from disk or from the target does not hold together"},
    [SEEP_E_TARGET] = {"target", 4, "the target could not be started or is gone"},
    [SEEP_E_UNSUPPORTED] = {"unsupported", 3, "this machine or this target cannot do it"},
};

// Made beside and copied: the arguments may hold the text that stands there now.
int seep_fail(struct seep_err *err, enum seep_code code, const char *fmt, ...)
{
    struct seep_err made = {.code = code};
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(made.text, sizeof made.text, fmt, ap);
    va_end(ap);
    *err = made;
    return -1;
}

int seep_fail_errno(struct seep_err *err, int saved_errno, const char *fmt, ...)
{
    struct seep_err made = {.code = SEEP_E_SYSTEM, .sys_errno = saved_errno};
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(made.text, sizeof made.text, fmt, ap);
    va_end(ap);
    if (len >= 0 && (size_t)len < sizeof made.text)
        snprintf(made.text + len, sizeof made.text - (size_t)len, ": %s", strerror(saved_errno));
    *err = made;
    return -1;
}
