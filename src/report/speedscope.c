// speedscope: its own file format, https://www.speedscope.app/file-format-schema.json, version of that schema.
//
// A weight there cannot be negative, so what fell stands in a profile of its own, and so do the rates that are within
// what noise can do.
#include "base/esc.h"
#include "base/jsonw.h"
#include "report/intern.h"
#include "report/profile_text.h"

#include <stdlib.h>
#include <string.h>

struct view {
    const char *name;
    double (*weight)(const struct report_stack *s);
};

static double grows(const struct report_stack *s)
{
    return s->judge.rejected ? s->judge.slope_per_s * 3600 : 0;
}

static double rose(const struct report_stack *s)
{
    return s->judge.slope_per_s * 3600;
}

static double fell(const struct report_stack *s)
{
    return -s->judge.slope_per_s * 3600;
}

static double live(const struct report_stack *s)
{
    return s->judge.live_bytes;
}

static const struct view views[] = {{"shown to grow (bytes an hour)", grows},
                                    {"all that rose (bytes an hour, noise included)", rose},
                                    {"all that fell (bytes an hour, noise included)", fell},
                                    {"live bytes at the end", live}};

struct speedscope {
    const struct report *r;
    struct intern frames;
    uint32_t *ids; // of all frames of all stacks, outermost first, stack by stack
    size_t *first; // of each stack in ids; one more at the end
};

// The key holds all that is shown, separated by bytes that no name keeps.
static uint32_t frame_id(struct speedscope *sp, const struct report_frame *f, const char *name)
{
    struct seep_buf key;
    buf_init(&key, 1024 * 1024);
    if (f != NULL)
        profile_put_name(&key, f);
    else
        buf_str(&key, name);
    buf_char(&key, '\0');
    if (f != NULL && f->file != NULL)
        esc_term(&key, f->file, strlen(f->file));
    buf_char(&key, '\0');
    buf_printf(&key, "%d", f != NULL && f->line > 0 ? f->line : 0);
    uint32_t id = intern_add(&sp->frames, key.data, key.len, NULL);
    sp->frames.failed |= key.failed;
    buf_free(&key);
    return id;
}

static int collect(struct speedscope *sp)
{
    const struct report *r = sp->r;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < r->n_profiled; i++)
        total += r->stacks[i].n_frames + 1;
    sp->ids = calloc(total + 1, sizeof *sp->ids);
    sp->first = calloc(r->n_profiled + 1, sizeof *sp->first);
    if (sp->ids == NULL || sp->first == NULL)
        return -1;
    for (size_t i = 0; i < r->n_profiled; i++) {
        const struct report_stack *s = &r->stacks[i];
        sp->first[i] = at;
        for (size_t f = s->n_frames; f > 0; f--)
            sp->ids[at++] = frame_id(sp, &s->frames[f - 1], NULL);
        if (s->n_frames == 0)
            sp->ids[at++] = frame_id(sp, NULL, profile_frameless_name(s));
    }
    sp->first[r->n_profiled] = at;
    return sp->frames.failed ? -1 : 0;
}

static void put_frames(const struct speedscope *sp, struct jsonw *w)
{
    jsonw_object(w, "shared");
    jsonw_array(w, "frames");
    for (size_t i = 0; i < sp->frames.n; i++) {
        const char *name = sp->frames.entry[i].bytes, *file = name + strlen(name) + 1;
        long line = strtol(file + strlen(file) + 1, NULL, 10);
        jsonw_object(w, NULL);
        jsonw_string(w, "name", name);
        if (file[0] != '\0')
            jsonw_string(w, "file", file);
        if (line > 0)
            jsonw_int(w, "line", line);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
}

// Each stack once, in the order of the ranking; stacks without weight in this view are not in it.
static void put_view(const struct speedscope *sp, const struct view *v, struct jsonw *w)
{
    int64_t total = 0;
    jsonw_object(w, NULL);
    jsonw_string(w, "type", "sampled");
    jsonw_string(w, "name", v->name);
    jsonw_string(w, "unit", "bytes");
    jsonw_int(w, "startValue", 0);
    jsonw_array(w, "samples");
    for (size_t i = 0; i < sp->r->n_profiled; i++) {
        if (profile_integer(v->weight(&sp->r->stacks[i])) < 1)
            continue;
        jsonw_array(w, NULL);
        for (size_t k = sp->first[i]; k < sp->first[i + 1]; k++)
            jsonw_int(w, NULL, sp->ids[k]);
        jsonw_end_array(w);
    }
    jsonw_end_array(w);
    jsonw_array(w, "weights");
    for (size_t i = 0; i < sp->r->n_profiled; i++) {
        int64_t weight = profile_integer(v->weight(&sp->r->stacks[i]));
        if (weight < 1)
            continue;
        jsonw_int(w, NULL, weight);
        total = weight > INT64_MAX - total ? INT64_MAX : total + weight;
    }
    jsonw_end_array(w);
    jsonw_int(w, "endValue", total);
    jsonw_end_object(w);
}

static void put_all(const struct speedscope *sp, struct seep_buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out, false);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "$schema", "https://www.speedscope.app/file-format-schema.json");
    jsonw_string(&w, "exporter", "seep");
    jsonw_string(&w, "name", sp->r->run != NULL ? sp->r->run : "unknown run");
    jsonw_int(&w, "activeProfileIndex", 0);
    put_frames(sp, &w);
    jsonw_array(&w, "profiles");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        put_view(sp, &views[i], &w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    buf_char(out, '\n');
}

int report_speedscope(const struct report *r, const struct report_style *style, struct seep_buf *out,
                      struct seep_err *err)
{
    (void)style;
    struct speedscope sp = {.r = r};
    int failed = collect(&sp);
    if (failed)
        seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory for the profile.");
    else
        put_all(&sp, out);
    free(sp.ids);
    free(sp.first);
    intern_free(&sp.frames);
    return failed ? -1 : buf_check(out, "The speedscope profile", err);
}
