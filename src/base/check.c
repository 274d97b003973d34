// What a failed check does: see check.h.
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void seep_check_failed(const char *file, int line, const char *func, const char *cond)
{
    char text[512];
    int len = snprintf(text, sizeof text, "seep: check failed at %s:%d in %s: %s\n", file, line, func, cond);
    if (len > 0 && write(2, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1) < 0)
        abort();
    abort();
}
