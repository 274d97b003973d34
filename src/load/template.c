// Run-time texts, compiled and rendered: see template.h.
#include "load/template.h"
#include "base/check.h"
#include "load/feed.h"
#include "profile/runtext.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4096 };

struct part {
    enum runtext_kind kind;
    enum runtext_filter filter;
    struct load_text text; // literals: in template.text
    int slot;              // user; data: the table
    int column;
    int64_t low, high;
    struct runtext_part source; // pick: its list
    char *name;                 // the reference as written, for messages
};

struct template
{
    enum template_place place;
    char *source;         // a copy that parts point into
    struct seep_buf text; // of the literals, joined
    struct part *part;
    int n;
    struct load_text constant;
};

// ---- names of variables ---------------------------------------------------------------------------------------------

int template_slot(struct template_names *names, const char *name, size_t len)
{
    for (int i = 0; i < names->n; i++)
        if (strlen(names->name[i]) == len && !memcmp(names->name[i], name, len))
            return i;
    if (names->n == TEMPLATE_NAMES_MAX)
        return -1;
    if (names->n == names->cap) {
        int cap = names->cap ? 2 * names->cap : 16;
        char **grown = realloc(names->name, sizeof *grown * (size_t)cap);
        if (!grown)
            return -1;
        names->name = grown;
        names->cap = cap;
    }
    names->name[names->n] = strndup(name, len);
    return names->name[names->n] ? names->n++ : -1;
}

void template_names_free(struct template_names *names)
{
    for (int i = 0; i < names->n; i++)
        free(names->name[i]);
    free(names->name);
    *names = (struct template_names){0};
}

// ---- writing for a place --------------------------------------------------------------------------------------------

static void add_percent(struct seep_buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char text[3] = {'%', digits[c >> 4], digits[c & 15]};
    buf_add(out, text, 3);
}

// What may stand in a url as it is. '#' would end it, and '%' may begin an escape of the value's own.
static bool fits_url(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("\"#<>\\^`{|}", c);
}

static bool unreserved(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static void add_escaped(struct seep_buf *out, struct load_text value, bool (*fits)(unsigned char))
{
    size_t from = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.text[i];
        if (c < 0x80 && fits(c))
            continue;
        buf_add(out, value.text + from, i - from);
        add_percent(out, c);
        from = i + 1;
    }
    buf_add(out, value.text + from, value.len - from);
}

static void add_json(struct seep_buf *out, struct load_text value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.text[i];
        if (c == '"' || c == '\\')
            buf_char(out, '\\');
        if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_char(out, (char)c);
    }
}

static bool fits_header(struct load_text value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

// A value that is not ours, written for where it goes. False: it cannot stand there.
static bool add_value(struct seep_buf *out, enum template_place place, enum runtext_filter filter,
                      struct load_text value)
{
    if (place == TEMPLATE_HEADER && filter == RUNTEXT_PLAIN && !fits_header(value))
        return false;
    if (filter == RUNTEXT_AS_URL)
        add_escaped(out, value, unreserved);
    else if (filter == RUNTEXT_AS_JSON)
        add_json(out, value);
    else if (place == TEMPLATE_URL)
        add_escaped(out, value, fits_url);
    else
        buf_add(out, value.text, value.len);
    return true;
}

// ---- compiling ------------------------------------------------------------------------------------------------------

static int no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a request of the load.");
}

// Literal bytes join with those before them: text.len of the part grows, and its place is known when all are there.
static struct part *literal(struct template *t)
{
    if (t->n == 0 || t->part[t->n - 1].kind != RUNTEXT_LITERAL)
        t->part[t->n++] = (struct part){.kind = RUNTEXT_LITERAL, .low = (int64_t)t->text.len};
    return &t->part[t->n - 1];
}

static void add_hex(struct template *t, const struct runtext_part *p)
{
    for (size_t i = 0; i < p->len; i += 2) {
        const char pair[3] = {p->text[i], p->text[i + 1], 0};
        buf_char(&t->text, (char)strtoul(pair, NULL, 16));
    }
}

static int add_env(struct template *t, const struct runtext_part *p, struct seep_err *err)
{
    char name[RUNTEXT_NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)p->len, p->text);
    const char *value = getenv(name);
    if (!value)
        return seep_fail(err, SEEP_E_USAGE,
                         "The environment variable %s, which the profile uses as ${env:%s}, is not set", name, name);
    if (!add_value(&t->text, t->place, RUNTEXT_PLAIN, (struct load_text){value, strlen(value)}))
        return seep_fail(err, SEEP_E_USAGE, "The environment variable %s holds a line break, and stands in a header.",
                         name);
    return 0;
}

static bool is_constant_kind(enum runtext_kind kind)
{
    return kind == RUNTEXT_LITERAL || kind == RUNTEXT_HEX || kind == RUNTEXT_ENV;
}

static int add_constant(struct template *t, const struct runtext_part *p, struct seep_err *err)
{
    struct part *l = literal(t);
    int failed = 0;
    if (p->kind == RUNTEXT_ENV)
        failed = add_env(t, p, err);
    else if (p->kind == RUNTEXT_HEX)
        add_hex(t, p);
    else if (t->place == TEMPLATE_URL) // of a literal only what is not ASCII: the rest is as the user wrote it
        for (size_t i = 0; i < p->len; i++)
            if ((unsigned char)p->text[i] < 0x80)
                buf_char(&t->text, p->text[i]);
            else
                add_percent(&t->text, (unsigned char)p->text[i]);
    else
        buf_add(&t->text, p->text, p->len);
    l->text.len = t->text.len - (size_t)l->low;
    return failed;
}

static int add_changing(struct template *t, const struct runtext_part *p, struct template_names *names,
                        const struct feeds *feeds, struct seep_err *err)
{
    struct part *to = &t->part[t->n++];
    *to = (struct part){.kind = p->kind, .filter = p->filter, .low = p->low, .high = p->high, .source = *p};
    if (t->place == TEMPLATE_URL && p->filter == RUNTEXT_AS_JSON)
        return seep_fail(err, SEEP_E_USAGE, "'%.*s|json' belongs to a body; in a url write |url.", (int)p->len,
                         p->text);
    if (p->kind == RUNTEXT_USER) {
        to->slot = template_slot(names, p->text, p->len);
        return to->slot < 0 ? no_memory(err) : 0;
    }
    if (p->kind == RUNTEXT_DATA)
        return feed_find(feeds, (struct load_text){p->text, p->len}, (struct load_text){p->column, p->column_len},
                         &to->slot, &to->column, err);
    return 0;
}

static int compile(struct template *t, struct template_names *names, const struct feeds *feeds, struct seep_err *err)
{
    const char *rest = t->source;
    struct runtext_part p;
    int more;
    while ((more = runtext_next(t->source, &rest, &p, err)) > 0) {
        if (t->n == PARTS_MAX)
            return seep_fail(err, SEEP_E_LIMIT, "A text of the load has more than %d references.", PARTS_MAX);
        if (is_constant_kind(p.kind) ? add_constant(t, &p, err) : add_changing(t, &p, names, feeds, err))
            return -1;
        size_t len = (size_t)(rest - t->source) - p.at;
        if (!is_constant_kind(p.kind) && !(t->part[t->n - 1].name = strndup(t->source + p.at, len)))
            return no_memory(err);
    }
    return more < 0 ? -1 : buf_check(&t->text, "A text of the load", err);
}

// Literals lie one after the other in t->text, which moved while it grew.
static void settle(struct template *t)
{
    bool constant = true;
    for (int i = 0; i < t->n; i++) {
        if (t->part[i].kind == RUNTEXT_LITERAL)
            t->part[i].text.text = t->text.data + t->part[i].low;
        else
            constant = false;
    }
    if (constant)
        t->constant = (struct load_text){t->text.data, t->text.len};
}

int template_open(const char *text, enum template_place place, struct template_names *names, const struct feeds *feeds,
                  struct template **out, struct seep_err *err)
{
    struct template *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return no_memory(err);
    size_t parts = 1;
    for (const char *p = text; (p = strstr(p, "${")) != NULL; p += 2)
        parts += 2;
    t->place = place;
    buf_init(&t->text, TEMPLATE_SIZE_MAX);
    buf_str(&t->text, "");
    t->source = strdup(text);
    t->part = calloc(parts < PARTS_MAX ? parts + 1 : PARTS_MAX + 1, sizeof *t->part);
    if (!t->source || !t->part || t->text.failed) {
        template_close(t);
        return no_memory(err);
    }
    if (compile(t, names, feeds, err)) {
        template_close(t);
        return -1;
    }
    settle(t);
    *out = t;
    return 0;
}

int template_open_file(const char *path, struct template **out, struct seep_err *err)
{
    char chunk[8192];
    size_t n;
    *out = NULL;
    FILE *f = fopen(path, "re");
    if (!f)
        return seep_fail_errno(err, errno, "The body '%.200s' of a request cannot be read", path);
    struct template *t = calloc(1, sizeof *t);
    if (t) {
        buf_init(&t->text, TEMPLATE_SIZE_MAX);
        buf_str(&t->text, "");
    }
    while (t && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&t->text, chunk, n);
    int bad = ferror(f) ? errno : 0;
    fclose(f);
    if (!t)
        return no_memory(err);
    if (bad || buf_check(&t->text, "The body of a request", err)) {
        template_close(t);
        return bad ? seep_fail_errno(err, bad, "The body '%.200s' of a request cannot be read", path) : -1;
    }
    t->constant = (struct load_text){t->text.data, t->text.len};
    *out = t;
    return 0;
}

void template_close(struct template *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n; i++)
        free(t->part[i].name);
    buf_free(&t->text);
    free(t->source);
    free(t->part);
    free(t);
}

const struct load_text *template_constant(const struct template *t)
{
    return t->constant.text ? &t->constant : NULL;
}

// ---- rendering ------------------------------------------------------------------------------------------------------

static void add_uuid(struct seep_buf *out, struct load_rng *rng)
{
    uint64_t a = rng_next(rng), b = rng_next(rng);
    a = (a & ~0xf000ull) | 0x4000;                         // version 4
    b = (b & 0x3fffffffffffffffull) | 0x8000000000000000u; // the usual variant
    buf_printf(out, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, a >> 32, a >> 16 & 0xffff,
               a & 0xffff, b >> 48, b & UINT64_C(0xffffffffffff));
}

static void add_letters(struct seep_buf *out, struct load_rng *rng, int64_t n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (; n > 0; n--)
        buf_char(out, letters[rng_below(rng, sizeof letters - 1)]);
}

static bool add_choice(struct seep_buf *out, enum template_place place, const struct part *p, struct load_rng *rng)
{
    struct load_text chosen;
    chosen.text = runtext_choice(&p->source, (int64_t)rng_below(rng, (uint64_t)p->high), &chosen.len);
    return add_value(out, place, RUNTEXT_PLAIN, chosen);
}

static void add_generated(struct seep_buf *out, const struct part *p, const struct template_scope *s)
{
    switch (p->kind) {
    case RUNTEXT_USER_ID:
        buf_printf(out, "%" PRIu64, s->user_id);
        return;
    case RUNTEXT_ITERATION:
        buf_printf(out, "%" PRIu64, s->iteration);
        return;
    case RUNTEXT_NOW_MS:
        buf_printf(out, "%" PRId64, s->now_ms);
        return;
    case RUNTEXT_NOW_S:
        buf_printf(out, "%" PRId64, s->now_ms / 1000);
        return;
    case RUNTEXT_UUID:
        add_uuid(out, s->rng);
        return;
    case RUNTEXT_INT:
        buf_printf(out, "%" PRId64, p->low + (int64_t)rng_below(s->rng, (uint64_t)(p->high - p->low) + 1));
        return;
    case RUNTEXT_TEXT:
        add_letters(out, s->rng, p->high);
        return;
    default:
        SEEP_CHECK(!"a reference that nothing puts in");
    }
}

static enum template_end add_part(const struct template *t, const struct part *p, const struct template_scope *s,
                                  struct seep_buf *out)
{
    struct load_text value;
    switch (p->kind) {
    case RUNTEXT_LITERAL:
        buf_add(out, p->text.text, p->text.len);
        return TEMPLATE_DONE;
    case RUNTEXT_USER:
        value = s->user[p->slot];
        if (!value.text)
            return TEMPLATE_UNSET;
        return add_value(out, t->place, p->filter, value) ? TEMPLATE_DONE : TEMPLATE_UNFIT;
    case RUNTEXT_DATA:
        value = feed_cell(s->feeds, p->slot, s->row[p->slot], p->column);
        return add_value(out, t->place, p->filter, value) ? TEMPLATE_DONE : TEMPLATE_UNFIT;
    case RUNTEXT_PICK:
        return add_choice(out, t->place, p, s->rng) ? TEMPLATE_DONE : TEMPLATE_UNFIT;
    default:
        add_generated(out, p, s);
        return TEMPLATE_DONE;
    }
}

enum template_end template_render(const struct template *t, const struct template_scope *scope, struct seep_buf *out,
                                  const char **name)
{
    if (t->constant.text)
        buf_add(out, t->constant.text, t->constant.len);
    for (int i = 0; !t->constant.text && i < t->n; i++) {
        enum template_end end = add_part(t, &t->part[i], scope, out);
        if (name && (end != TEMPLATE_DONE || out->failed))
            *name = t->part[i].name;
        if (end != TEMPLATE_DONE)
            return end;
    }
    return out->failed ? TEMPLATE_LARGE : TEMPLATE_DONE;
}

enum template_end template_render_resp(struct template *const *words, int n, const struct template_scope *scope,
                                       struct seep_buf *scratch, struct seep_buf *out, const char **name)
{
    buf_printf(out, "*%d\r\n", n);
    for (int i = 0; i < n; i++) {
        buf_clear(scratch);
        enum template_end end = template_render(words[i], scope, scratch, name);
        if (end != TEMPLATE_DONE)
            return end;
        buf_printf(out, "$%zu\r\n", scratch->len);
        buf_add(out, scratch->data, scratch->len);
        buf_str(out, "\r\n");
    }
    return out->failed ? TEMPLATE_LARGE : TEMPLATE_DONE;
}
