// How values are packed into the blobs of a tick.
//
// A 24-hour run of 289 ticks with 5 000 stacks that all change at every tick is 1.4 million times five numbers. Packed
// like this the whole run takes 34 MiB (3 MiB when 300 of them change), as tests/bench/store measures.
// Values are absolute, never differences in time, so that a lost row costs that row only. Numbers are little-endian
// base-128 varints; ids ascend and are stored as differences with the kinds of their values in the low bits. What is
// read back comes from a file and is not trusted.
#include "store/internal.h"

#include <math.h>
#include <string.h>

#define EXACT_MAX 9007199254740992.0 // 2^53
#define FIXED_MAX 140737488355328.0  // 2^47: 1/64 still fits 53 bits

static size_t put_varint(unsigned char *out, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (unsigned char)(v | 0x80);
    out[n++] = (unsigned char)v;
    return n;
}

void code_varint(struct seep_buf *out, uint64_t v)
{
    unsigned char b[10];
    buf_add(out, b, put_varint(b, v));
}

struct cursor code_cursor(const void *data, size_t len)
{
    const unsigned char *at = data ? data : (const unsigned char *)"";
    return (struct cursor){.at = at, .end = at + (data ? len : 0)};
}

int code_get_varint(struct cursor *c, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        unsigned char b = *c->at++;
        if (shift == 63 && b > 1)
            return -1;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return 0;
    }
    return -1;
}

static int get_bytes(struct cursor *c, void *out, size_t n)
{
    if ((size_t)(c->end - c->at) < n)
        return -1;
    memcpy(out, c->at, n);
    c->at += n;
    return 0;
}

static int next_id(struct cursor *c, unsigned tag_bits, uint64_t *tags)
{
    uint64_t head;
    if (code_get_varint(c, &head))
        return -1;
    *tags = head & ((1u << tag_bits) - 1);
    c->id += head >> tag_bits;
    return c->id > UINT32_MAX ? -1 : 0;
}

// ---- points of series -----------------------------------------------------------------------------------------------

enum { POINT_UNKNOWN, POINT_INT, POINT_DOUBLE, POINT_FLOAT };

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static unsigned point_kind(double v)
{
    if (isnan(v))
        return POINT_UNKNOWN;
    if (fabs(v) <= EXACT_MAX && v == trunc(v) && !(v == 0 && signbit(v)))
        return POINT_INT;
    return fabs(v) < 3e38 && (double)(float)v == v ? POINT_FLOAT : POINT_DOUBLE;
}

void code_points(struct seep_buf *out, const struct store_point *sorted, size_t n)
{
    uint32_t last = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char b[20];
        double v = sorted[i].value;
        unsigned kind = point_kind(v);
        size_t len = put_varint(b, ((uint64_t)(sorted[i].series - last) << 2) | kind);
        float f = kind == POINT_FLOAT ? (float)v : 0;
        if (kind == POINT_INT)
            len += put_varint(b + len, zigzag((int64_t)v));
        else if (kind == POINT_DOUBLE)
            len += sizeof(double), memcpy(b + len - sizeof(double), &v, sizeof v);
        else if (kind == POINT_FLOAT)
            len += sizeof(float), memcpy(b + len - sizeof(float), &f, sizeof f);
        buf_add(out, b, len);
        last = sorted[i].series;
    }
}

int code_next_point(struct cursor *c, struct store_point *p)
{
    if (c->at == c->end)
        return 0;
    uint64_t kind, u;
    float f;
    if (next_id(c, 2, &kind))
        return -1;
    p->series = (uint32_t)c->id;
    p->value = NAN;
    switch (kind) {
    case POINT_INT:
        if (code_get_varint(c, &u))
            return -1;
        p->value = (double)unzigzag(u);
        return 1;
    case POINT_DOUBLE:
        return get_bytes(c, &p->value, sizeof p->value) ? -1 : 1;
    case POINT_FLOAT:
        if (get_bytes(c, &f, sizeof f))
            return -1;
        p->value = f;
        return 1;
    default:
        return 1;
    }
}

// ---- points of stacks -----------------------------------------------------------------------------------------------

enum { FIELD_ZERO, FIELD_INT, FIELD_FIXED, FIELD_DOUBLE }; // the variance's FIXED is a float
enum { FIELDS = 5 };

static void fields_of(const struct store_stack_point *p, double v[FIELDS])
{
    v[0] = p->live_bytes, v[1] = p->live_blocks, v[2] = p->alloc_bytes, v[3] = p->alloc_blocks, v[4] = p->variance;
}

static unsigned field_kind(double v, bool variance)
{
    if (v == 0)
        return FIELD_ZERO;
    if (!(v > 0) || v > EXACT_MAX) // negative, NAN, beyond
        return FIELD_DOUBLE;
    if (v == trunc(v))
        return FIELD_INT;
    if (variance)
        return FIELD_FIXED;
    return v < FIXED_MAX ? FIELD_FIXED : FIELD_DOUBLE;
}

static double quantise(double v, bool variance)
{
    if (field_kind(v, variance) != FIELD_FIXED)
        return v;
    return variance ? (double)(float)v : round(v * 64) / 64;
}

struct store_stack_point code_quantise(const struct store_stack_point *p)
{
    return (struct store_stack_point){
        .stack = p->stack,
        .live_bytes = quantise(p->live_bytes, false),
        .live_blocks = quantise(p->live_blocks, false),
        .alloc_bytes = quantise(p->alloc_bytes, false),
        .alloc_blocks = quantise(p->alloc_blocks, false),
        .variance = quantise(p->variance, true),
    };
}

static size_t put_field(unsigned char *out, double v, unsigned kind, bool variance)
{
    float f = (float)v;
    switch (kind) {
    case FIELD_INT:
        return put_varint(out, (uint64_t)v);
    case FIELD_FIXED:
        if (!variance)
            return put_varint(out, (uint64_t)(v * 64));
        memcpy(out, &f, sizeof f);
        return sizeof f;
    case FIELD_DOUBLE:
        memcpy(out, &v, sizeof v);
        return sizeof v;
    default:
        return 0;
    }
}

void code_stacks(struct seep_buf *out, const struct store_stack_point *sorted, size_t n)
{
    uint32_t last = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char b[10 + FIELDS * 10];
        double v[FIELDS];
        unsigned kinds[FIELDS], tags = 0;
        fields_of(&sorted[i], v);
        for (unsigned k = 0; k < FIELDS; k++)
            tags |= (kinds[k] = field_kind(v[k], k == FIELDS - 1)) << (2 * k);
        size_t len = put_varint(b, ((uint64_t)(sorted[i].stack - last) << (2 * FIELDS)) | tags);
        for (unsigned k = 0; k < FIELDS; k++)
            len += put_field(b + len, v[k], kinds[k], k == FIELDS - 1);
        buf_add(out, b, len);
        last = sorted[i].stack;
    }
}

static int get_field(struct cursor *c, unsigned kind, bool variance, double *v)
{
    uint64_t u;
    float f;
    *v = 0;
    if (kind == FIELD_ZERO)
        return 0;
    if (kind == FIELD_DOUBLE)
        return get_bytes(c, v, sizeof *v);
    if (kind == FIELD_FIXED && variance) {
        if (get_bytes(c, &f, sizeof f))
            return -1;
        *v = f;
        return 0;
    }
    if (code_get_varint(c, &u))
        return -1;
    *v = kind == FIELD_FIXED ? (double)u / 64 : (double)u;
    return 0;
}

int code_next_stack(struct cursor *c, struct store_stack_point *p)
{
    if (c->at == c->end)
        return 0;
    uint64_t tags;
    double v[FIELDS];
    if (next_id(c, 2 * FIELDS, &tags))
        return -1;
    for (unsigned k = 0; k < FIELDS; k++)
        if (get_field(c, (tags >> (2 * k)) & 3, k == FIELDS - 1, &v[k]))
            return -1;
    *p = (struct store_stack_point){(uint32_t)c->id, v[0], v[1], v[2], v[3], v[4]};
    return 1;
}

// ---- frames, symbols, ages ------------------------------------------------------------------------------------------

void code_frames(struct seep_buf *out, const struct store_frame *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        code_varint(out, frames[i].module);
        code_varint(out, frames[i].offset);
    }
}

int code_next_frame(struct cursor *c, struct store_frame *f)
{
    uint64_t module;
    if (c->at == c->end)
        return 0;
    if (code_get_varint(c, &module) || module > UINT32_MAX || code_get_varint(c, &f->offset))
        return -1;
    f->module = (uint32_t)module;
    return 1;
}

enum { SYMBOL_FUNCTION = 1, SYMBOL_FILE = 2, SYMBOL_INLINED = 4 };

void code_symbols(struct seep_buf *out, const struct store_symbol *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct store_symbol *s = &list[i];
        buf_char(out, (char)((s->function ? SYMBOL_FUNCTION : 0) | (s->file ? SYMBOL_FILE : 0) |
                             (s->inlined ? SYMBOL_INLINED : 0)));
        code_varint(out, s->line > 0 ? (uint64_t)s->line : 0);
        if (s->function)
            buf_add(out, s->function, strlen(s->function) + 1);
        if (s->file)
            buf_add(out, s->file, strlen(s->file) + 1);
    }
}

static int get_string(struct cursor *c, const char **out)
{
    const unsigned char *nul = memchr(c->at, 0, (size_t)(c->end - c->at));
    if (!nul)
        return -1;
    *out = (const char *)c->at;
    c->at = nul + 1;
    return 0;
}

int code_next_symbol(struct cursor *c, struct store_symbol *s)
{
    if (c->at == c->end)
        return 0;
    unsigned flags = *c->at++;
    uint64_t line;
    *s = (struct store_symbol){.inlined = flags & SYMBOL_INLINED};
    if (code_get_varint(c, &line) || line > INT32_MAX)
        return -1;
    s->line = (int)line;
    if ((flags & SYMBOL_FUNCTION) && get_string(c, &s->function))
        return -1;
    if ((flags & SYMBOL_FILE) && get_string(c, &s->file))
        return -1;
    return 1;
}

void code_ages(struct seep_buf *out, const uint64_t *bytes, const uint64_t *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        code_varint(out, bytes[i]);
        code_varint(out, blocks[i]);
    }
}
