// Folded stacks, outermost frame first, with the growth in bytes an hour: a flame graph of growth for any tool.
#include "base/esc.h"
#include "report/report.h"
#include <math.h>
#include <string.h>

// ';' separates frames and the last blank the count, so neither may stand in a name; line breaks and controls neither.
static void put_frame(const struct report_frame *f, struct seep_buf *out)
{
    struct seep_buf safe;
    buf_init(&safe, 64 * 1024);
    const char *slash = strrchr(f->module, '/');
    if (f->function != NULL) {
        esc_term(&safe, f->function, strlen(f->function));
    } else {
        const char *module = slash == NULL ? f->module : slash + 1;
        esc_term(&safe, module, strlen(module));
        buf_printf(&safe, "+0x%llx", (unsigned long long)f->offset);
    }
    for (size_t i = 0; i < safe.len; i++)
        buf_char(out, safe.data[i] == ';' ? ':' : safe.data[i]);
    buf_free(&safe);
}

int report_folded(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style;
    for (size_t i = 0; i < r->n_stacks; i++) {
        const struct report_stack *s = &r->stacks[i];
        double per_hour = s->judge.slope_per_s * 3600;
        if (!(per_hour >= 1) || s->n_frames == 0)
            continue;
        for (size_t f = s->n_frames; f > 0; f--) {
            put_frame(&s->frames[f - 1], out);
            if (f > 1)
                buf_char(out, ';');
        }
        buf_printf(out, " %.0f\n", per_hour);
    }
    return buf_check(out, "The folded stacks", err);
}
