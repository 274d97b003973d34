// Folded stacks, outermost frame first, with the growth in bytes an hour: a flame graph of growth for any tool.
//
// Only stacks that were shown to grow: the format has no place for a sign or for a doubt. pprof and speedscope have
// all.
#include "report/profile_text.h"

// ';' separates frames, and no name may hold one; blanks and line breaks of names are gone or harmless in front of it.
static void put_frame(const struct report_frame *f, struct seep_buf *out)
{
    struct seep_buf safe;
    buf_init(&safe, 64 * 1024);
    profile_put_name(&safe, f);
    for (size_t i = 0; i < safe.len; i++)
        buf_char(out, safe.data[i] == ';' ? ':' : safe.data[i]);
    buf_free(&safe);
}

int report_folded(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style;
    for (size_t i = 0; i < r->n_profiled; i++) {
        const struct report_stack *s = &r->stacks[i];
        int64_t per_hour = profile_per_hour(s->judge.slope_per_s);
        if (!s->judge.rejected || per_hour < 1)
            continue;
        for (size_t f = s->n_frames; f > 0; f--) {
            put_frame(&s->frames[f - 1], out);
            if (f > 1)
                buf_char(out, ';');
        }
        if (s->n_frames == 0)
            buf_str(out, profile_frameless_name(s));
        buf_printf(out, " %lld\n", (long long)per_hour);
    }
    return buf_check(out, "The folded stacks", err);
}
