// See profile_text.h.
#include "report/profile_text.h"

#include "base/esc.h"

#include <math.h>
#include <string.h>

const char *profile_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

size_t profile_first_own(const struct report_stack *s)
{
    for (size_t i = 0; i < s->n_frames; i++)
        if (!s->frames[i].library)
            return i;
    return 0;
}

void profile_put_name(struct seep_buf *out, const struct report_frame *f)
{
    const char *name = f->function != NULL ? f->function : profile_base_name(f->module);
    esc_term(out, name, strlen(name));
    if (f->function == NULL)
        buf_printf(out, "+0x%llx", (unsigned long long)f->offset);
}

const char *profile_frameless_name(const struct report_stack *s)
{
    return s->flags & STACK_OTHER ? "(other)" : "(no frames)";
}

int64_t profile_integer(double value)
{
    if (!isfinite(value))
        return 0;
    return value >= 9e18 ? INT64_MAX : value <= -9e18 ? -INT64_MAX : llround(value);
}

int64_t profile_per_hour(double slope_per_s)
{
    return profile_integer(slope_per_s * 3600);
}
