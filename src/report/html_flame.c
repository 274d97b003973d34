// The flame graph of the HTML report: its frame and its data. The drawing is page/flame.js.
//
// Width cannot be negative, so a flame graph of growth shows only what rose; what fell has a view of its own, and the
// sums of both are said above it. All stacks of the report are in it, merged by function and module.
#include "base/esc.h"
#include "base/jsonw.h"
#include "report/html.h"
#include "report/intern.h"
#include "report/profile_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Past these the stacks with the least to show are left out, and the page says so: it must open anywhere.
enum { NODES_MAX = 60000, TEXT_MAX = 1500000, NAME_SHOWN = 300 };

struct flame {
    struct intern names;
    struct intern nodes; // key: name, place, parent
    size_t text_bytes;
    size_t n_stacks;      // in it
    double rest_per_s;    // of those that are not
    struct seep_buf data; // of the stacks
};

// A name is cut where nobody can read it any more, between two characters.
static uint32_t name_id(struct flame *f, const char *text, size_t len)
{
    bool is_new;
    if (len > NAME_SHOWN)
        for (len = NAME_SHOWN; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    uint32_t id = intern_add(&f->names, text, len, &is_new);
    if (is_new)
        f->text_bytes += len;
    return id;
}

static uint32_t frame_node(struct flame *f, const struct report_frame *frame, int32_t parent)
{
    struct seep_buf text;
    int32_t key[3] = {0, -1, parent};
    buf_init(&text, 64 * 1024);
    profile_put_name(&text, frame);
    key[0] = (int32_t)name_id(f, text.data == NULL ? "" : text.data, text.len);
    buf_clear(&text);
    const char *module = profile_base_name(frame->module);
    esc_term(&text, module, strlen(module));
    if (frame->function != NULL && text.len > 0)
        key[1] = (int32_t)name_id(f, text.data, text.len);
    buf_free(&text);
    return intern_add(&f->nodes, key, sizeof key, NULL);
}

static int32_t stack_node(struct flame *f, const struct report_stack *s)
{
    int32_t at = -1;
    for (size_t i = s->n_frames; i > 0; i--)
        at = (int32_t)frame_node(f, &s->frames[i - 1], at);
    if (s->n_frames == 0) {
        const char *name = profile_frameless_name(s);
        int32_t key[3] = {(int32_t)name_id(f, name, strlen(name)), -1, -1};
        at = (int32_t)intern_add(&f->nodes, key, sizeof key, NULL);
    }
    return at;
}

static void add_stack(struct flame *f, const struct report_stack *s)
{
    if (f->nodes.n + s->n_frames > NODES_MAX || f->text_bytes > TEXT_MAX) {
        f->rest_per_s += s->judge.slope_per_s;
        return;
    }
    int32_t node = stack_node(f, s);
    if (f->n_stacks++ > 0)
        buf_char(&f->data, ',');
    buf_printf(&f->data, "[%d,%lld,%d,%lld,%lld]", node, (long long)profile_per_hour(s->judge.slope_per_s),
               s->judge.rejected, (long long)profile_integer(s->judge.live_bytes),
               (long long)profile_integer(s->live_blocks));
}

static void put_names(const struct flame *f, struct seep_buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out, false);
    w.in_html = true;
    jsonw_array(&w, NULL);
    for (size_t i = 0; i < f->names.n; i++)
        jsonw_stringn(&w, NULL, f->names.entry[i].bytes, f->names.entry[i].len);
    jsonw_end_array(&w);
}

static void put_nodes(const struct flame *f, struct seep_buf *out)
{
    buf_char(out, '[');
    for (size_t i = 0; i < f->nodes.n; i++) {
        int32_t key[3];
        memcpy(key, f->nodes.entry[i].bytes, sizeof key);
        buf_printf(out, "%s[%d,%d,%d]", i > 0 ? "," : "", key[0], key[1], key[2]);
    }
    buf_char(out, ']');
}

static void put_data(const struct flame *f, struct seep_buf *out)
{
    buf_str(out, "<script type=\"application/json\" id=\"flame-data\">{\"names\":");
    put_names(f, out);
    buf_str(out, ",\"nodes\":");
    put_nodes(f, out);
    buf_str(out, ",\"stacks\":[");
    if (f->data.len > 0)
        buf_add(out, f->data.data, f->data.len);
    buf_str(out, "]}</script>\n");
}

// What the picture shows and what it cannot.
static void put_lead(const struct report *r, const struct flame *f, struct seep_buf *out)
{
    double up = 0, down = 0;
    size_t n_up = 0, n_down = 0;
    char rose[48], fell[48], rest[48];
    for (size_t i = 0; i < r->n_profiled; i++) {
        double rate = r->stacks[i].judge.slope_per_s;
        n_up += rate > 0;
        n_down += rate < 0;
        up += fmax(rate, 0);
        down += fmin(rate, 0);
    }
    buf_printf(
        out,
        "<p class=\"lead\">Width is growth at the end of the run, of what was shown to grow (%zu of %zu stacks). A "
        "width cannot be negative: of all stacks, noise included, %zu rose by %s and %zu fell by %s; both have a "
        "view of their own.",
        r->judge_stacks.n_rejected, r->n_stacks_total, n_up, judge_format(rose, sizeof rose, up, JUDGE_U_BYTES_PER_S),
        n_down, judge_format(fell, sizeof fell, -down, JUDGE_U_BYTES_PER_S));
    if (f->n_stacks < r->n_profiled || r->rest.n > 0)
        buf_printf(out, " %zu stacks with the least growth, %s together, found no room here.",
                   r->n_profiled - f->n_stacks + r->rest.n,
                   judge_format(rest, sizeof rest, f->rest_per_s + r->rest.slope_per_s, JUDGE_U_BYTES_PER_S));
    buf_str(out, "</p>\n");
}

static void put_section(const struct report *r, const struct flame *f, struct seep_buf *out)
{
    buf_str(out, "<section aria-labelledby=\"h-flame\"><h2 id=\"h-flame\">Flame graph of growth</h2>\n");
    put_lead(r, f, out);
    buf_str(out,
            "<noscript><p class=\"note\">It is drawn by a script; <code>seep report RUN -f folded</code> has the "
            "data.</p></noscript>\n"
            "<div class=\"card flame\" id=\"flame\" hidden><div class=\"tools\">"
            "<label>Show <select id=\"flame-measure\"><option value=\"grows\">shown to grow</option>"
            "<option value=\"rose\">all that rose</option><option value=\"fell\">all that fell</option>"
            "<option value=\"live\">live bytes</option></select></label> "
            "<label>Search <input id=\"flame-search\" type=\"search\" autocomplete=\"off\" "
            "placeholder=\"function, module\"></label> "
            "<label><input id=\"flame-flip\" type=\"checkbox\"> callers at the bottom</label> "
            "<button id=\"flame-reset\" type=\"button\" disabled>Reset</button> <code id=\"flame-path\"></code></div>\n"
            "<div class=\"view\" id=\"flame-view\"><svg></svg></div>\n"
            "<p class=\"note\" id=\"flame-status\" role=\"status\"></p>\n"
            "<p class=\"note\">Click or Enter zooms, arrow keys move, / searches, Escape resets.</p>\n"
            "<div class=\"tip\" id=\"flame-tip\" hidden></div></div></section>\n");
}

void html_flame(const struct report *r, struct seep_buf *out)
{
    struct flame f = {0};
    if (!r->stacks_known || r->n_profiled == 0)
        return;
    buf_init(&f.data, 16 * 1024 * 1024);
    for (size_t i = 0; i < r->n_profiled; i++)
        add_stack(&f, &r->stacks[i]);
    put_section(r, &f, out);
    put_data(&f, out);
    out->failed |= f.names.failed || f.nodes.failed || f.data.failed;
    intern_free(&f.names);
    intern_free(&f.nodes);
    buf_free(&f.data);
}
