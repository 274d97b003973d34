// Perf maps of just-in-time compilers: see perf_map.h. Runs inside the sandbox.
#include "resolve/perf_map.h"

#include "resolve/proto.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
    uint64_t start, size;
    uint32_t name, name_len; // place in text
    uint32_t line;           // order in the file
};

struct perf_map {
    struct seep_buf text;
    struct entry *entries; // sorted by start, then line
    uint64_t *reach;       // greatest end among entries[0..i]: lets a search backwards stop
    size_t n;
};

static int hex_field(const char **p, const char *end, uint64_t *out)
{
    uint64_t v = 0;
    int digits = 0;
    if (end - *p > 2 && (*p)[0] == '0' && ((*p)[1] == 'x' || (*p)[1] == 'X'))
        *p += 2;
    for (; *p < end; (*p)++, digits++) {
        char c = **p;
        int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (d < 0)
            break;
        v = v << 4 | (uint64_t)d;
    }
    *out = v;
    return digits >= 1 && digits <= 16 && *p < end && *(*p)++ == ' ' ? 0 : -1;
}

static int by_start(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static bool parse_line(const struct perf_map *m, const char *p, const char *end, struct entry *e)
{
    if (hex_field(&p, end, &e->start) != 0 || hex_field(&p, end, &e->size) != 0 || p == end)
        return false;
    e->name = (uint32_t)(p - m->text.data);
    e->name_len = (uint32_t)(end - p);
    return e->size > 0 && e->start + e->size > e->start;
}

static bool parse(struct perf_map *m)
{
    size_t lines = 1;
    for (size_t i = 0; i < m->text.len; i++)
        lines += m->text.data[i] == '\n';
    m->entries = calloc(lines, sizeof *m->entries);
    m->reach = calloc(lines, sizeof *m->reach);
    if (!m->entries || !m->reach)
        return false;
    const char *end = m->text.data + m->text.len;
    for (const char *p = m->text.data; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end;
        m->entries[m->n].line = (uint32_t)m->n;
        if (parse_line(m, p, stop, &m->entries[m->n]))
            m->n++;
        p = stop + 1;
    }
    qsort(m->entries, m->n, sizeof *m->entries, by_start);
    uint64_t reach = 0;
    for (size_t i = 0; i < m->n; i++) {
        uint64_t e = m->entries[i].start + m->entries[i].size;
        reach = e > reach ? e : reach;
        m->reach[i] = reach;
    }
    return true;
}

struct perf_map *perf_map_read(int fd)
{
    struct perf_map *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    buf_init(&m->text, PROTO_PERF_MAP_MAX_BYTES);
    char chunk[65536];
    ssize_t n;
    off_t at = 0;
    while (at < PROTO_PERF_MAP_MAX_BYTES && (n = pread(fd, chunk, sizeof chunk, at)) > 0) {
        buf_add(&m->text, chunk, (size_t)n);
        at += n;
    }
    if (m->text.len == 0 || !parse(m)) {
        perf_map_free(m);
        return NULL;
    }
    return m;
}

void perf_map_free(struct perf_map *m)
{
    if (!m)
        return;
    free(m->entries);
    free(m->reach);
    buf_free(&m->text);
    free(m);
}

const char *perf_map_find(const struct perf_map *m, uint64_t addr, size_t *len)
{
    size_t lo = 0, hi = m->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->entries[mid].start <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct entry *best = NULL;
    // Everything that can cover addr lies before lo, down to where no earlier entry reaches it. Bounded: a hostile map
    // of nested entries would otherwise cost its whole length on each question.
    for (size_t i = lo, looked = 0; i > 0 && m->reach[i - 1] > addr && looked < 4096; i--, looked++) {
        const struct entry *e = &m->entries[i - 1];
        if (addr - e->start < e->size && (!best || e->line > best->line))
            best = e;
    }
    if (!best)
        return NULL;
    *len = best->name_len;
    return m->text.data + best->name;
}
