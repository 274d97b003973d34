// Call paths as keys, and how alike two of them are: see sites.h.
//
// Both tools name the same frames, but not always the same number: what is inlined is shown by both from the same debug
// information, yet tail calls, thread starters and what lies below main differ. So equal keys match, and nearly equal
// ones do: a longest common subsequence forgives a frame here and there, and needs the innermost functions to agree.
#include "confirm/sites.h"
#include "report/stack_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 300, NEAR = 3, PLACE_NAME = 256 };

// What is no place in the program: allocator entry points, and operators that only call them.
static bool is_allocator(const char *line, size_t len)
{
    static const char *const names[] = {"malloc",         "calloc",        "realloc",       "memalign",
                                        "posix_memalign", "aligned_alloc", "valloc",        "pvalloc",
                                        "reallocarray",   "operator new",  "operator new[]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (len >= n && !strncmp(line, names[i], n) && (len == n || line[n] == '(' || line[n] == '@'))
            return true;
    }
    return false;
}

// Mangled and demangled forms of the two operators are both met.
static bool is_operator_new(const char *line, size_t len)
{
    return (len > 4 && !strncmp(line, "_Znw", 4)) || (len > 4 && !strncmp(line, "_Zna", 4));
}

// Both tools demangle, but one writes arguments, return types of templates and ABI tags, and the other does not. What
// is left here is the qualified name: "std::make_unique", "shop::history::remember", "operator new".
static size_t skip_group(const char *s, size_t len, size_t at, char open, char close)
{
    int depth = 0;
    for (size_t i = at; i < len; i++) {
        depth += s[i] == open;
        if (s[i] == close && --depth == 0)
            return i + 1;
    }
    return len;
}

static bool is_part(char c)
{
    return c == '_' || c == ':' || c == '~' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static void put_plain(struct seep_buf *out, const char *s, size_t len)
{
    static const char word[] = "operator", anon[] = "(anonymous namespace)";
    size_t start = out->len;
    for (size_t i = 0; i < len;) {
        bool fresh = i == 0 || !is_part(s[i - 1]) || s[i - 1] == ':';
        if (fresh && len - i >= 8 && !strncmp(s + i, word, 8) && (len - i == 8 || !is_part(s[i + 8]))) {
            size_t n = i + 8; // the operator's own signs belong to its name
            if (len - n >= 2 && !strncmp(s + n, "()", 2))
                n += 2;
            else if (n < len && s[n] == '<')
                n += strspn(s + n, "<=>");
            else
                while (n < len && s[n] != '(' && s[n] != '<')
                    n++;
            buf_add(out, s + i, n - i);
            i = n;
        } else if (len - i >= sizeof anon - 1 && !strncmp(s + i, anon, sizeof anon - 1)) {
            buf_str(out, "{anonymous}");
            i += sizeof anon - 1;
        } else if (s[i] == '<') {
            i = skip_group(s, len, i, '<', '>');
        } else if (s[i] == '[') {
            i = skip_group(s, len, i, '[', ']');
        } else if (s[i] == '(') {
            break; // arguments, and what follows them
        } else if (s[i] == ' ') {
            out->len = start; // what stood before was a return type
            i++;
        } else {
            buf_char(out, s[i++]);
        }
    }
}

// What starts a program or a thread: the tools name it each in its way, and of a stripped program no main() says
// before.
static bool is_start(const char *line, size_t len)
{
    static const char *const names[] = {"(below main)",
                                        "__libc_start_call_main",
                                        "__libc_start_main_impl",
                                        "__libc_start_main",
                                        "_start",
                                        "start_thread",
                                        "clone",
                                        "clone3",
                                        "__clone3"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (len >= n && !strncmp(line, names[i], n) && (len == n || line[n] == '@'))
            return true;
    }
    return false;
}

static char *trim(const char *key)
{
    struct seep_buf out;
    bool inner = true;
    buf_init(&out, 1u << 20);
    while (*key) {
        size_t n = strcspn(key, "\n"), from = out.len;
        if (!inner && is_start(key, n))
            break;
        put_plain(&out, key, n);
        key += n + (key[n] == '\n');
        const char *line = out.data ? out.data + from : "";
        size_t len = out.len - from;
        inner = inner && (is_allocator(line, len) || is_operator_new(line, len));
        if (inner) {
            out.len = from;
            continue;
        }
        bool last = len == 4 && !strncmp(line, "main", 4);
        buf_char(&out, '\n');
        if (last)
            break;
    }
    char *text = strndup(out.data ? out.data : "", out.len);
    buf_free(&out);
    return text;
}

// "sqlite3+0x200c4" for a frame without a name; dots go, so that none is taken for the mark of a copied function.
static const char *place_name(const char *module, uint64_t offset, char out[PLACE_NAME])
{
    const char *slash = strrchr(module, '/'), *name = slash ? slash + 1 : module, *so = strstr(name, ".so");
    int n =
        snprintf(out, PLACE_NAME, "%.*s+0x%" PRIx64, so ? (int)(so - name < 200 ? so - name : 200) : 200, name, offset);
    for (int i = 0; i < n && i < PLACE_NAME - 1; i++)
        if (out[i] == '.')
            out[i] = '_';
    return out;
}

// One frame at a time: a row of frames without names is as many places.
static char *key_of(const struct report_frame *frames, size_t n)
{
    struct seep_buf key;
    buf_init(&key, 1u << 20);
    for (size_t i = 0; i < n; i++) {
        char place[PLACE_NAME];
        struct report_frame f = frames[i];
        bool named = f.function && f.function[0];
        if (!named && f.offset != UINT64_MAX && f.module && f.module[0] != '[')
            f.function = place_name(f.module, f.offset, place);
        if (named && i > 0 && frames[i - 1].function && !strcmp(frames[i - 1].function, f.function))
            continue; // a recursion is one line, as in all keys
        report_stack_key(&(struct report_stack){.frames = &f, .n_frames = 1}, &key);
    }
    char *out = trim(key.data ? key.data : "");
    buf_free(&key);
    return out;
}

char *confirm_key_of(const struct report_stack *stack)
{
    return key_of(stack->frames, stack->n_frames);
}

void confirm_record_clear(struct confirm_record *r, enum confirm_kind kind)
{
    if (r->text.ceiling == 0)
        buf_init(&r->text, 1u << 20);
    buf_clear(&r->text);
    r->kind = kind;
    r->bytes = r->blocks = 0;
    r->n_frames = 0;
}

static size_t keep(struct confirm_record *r, const char *text, size_t len)
{
    size_t at = r->text.len;
    if (!text)
        return SIZE_MAX;
    buf_add(&r->text, text, len);
    buf_char(&r->text, '\0');
    return r->text.failed ? SIZE_MAX : at;
}

void confirm_record_frame(struct confirm_record *r, const char *function, size_t function_len, const char *module,
                          size_t module_len, uint64_t ip)
{
    if (r->n_frames == CONFIRM_FRAMES_MAX)
        return;
    r->function_at[r->n_frames] = keep(r, function, function_len);
    r->module_at[r->n_frames] = keep(r, module, module_len);
    r->ip[r->n_frames] = ip;
    r->n_frames++;
}

static char *record_key(struct confirm_record *r, const struct confirm_places *places)
{
    for (size_t i = 0; i < r->n_frames; i++)
        r->frames[i] =
            (struct report_frame){.function = r->function_at[i] == SIZE_MAX ? NULL : r->text.data + r->function_at[i],
                                  .module = r->module_at[i] == SIZE_MAX ? "[unknown]" : r->text.data + r->module_at[i],
                                  .offset = confirm_return_address(places, r->ip[i])};
    return key_of(r->frames, r->n_frames);
}

static struct confirm_site *find_or_make(struct confirm_sites *s, char *key)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->list[i].key, key)) {
            free(key);
            return &s->list[i];
        }
    if (s->n == s->cap && s->n < CONFIRM_SITES_MAX) {
        size_t cap = s->cap ? 2 * s->cap : 128;
        struct confirm_site *list = realloc(s->list, cap * sizeof *list);
        if (list) {
            s->list = list;
            s->cap = cap;
        }
    }
    if (s->n == s->cap || s->n == CONFIRM_SITES_MAX) {
        free(key);
        return NULL;
    }
    s->list[s->n] = (struct confirm_site){.key = key};
    return &s->list[s->n++];
}

struct confirm_site *confirm_sites_take(struct confirm_sites *s, struct confirm_record *r, int point)
{
    char *key = r->n_frames > 0 ? record_key(r, s->places) : NULL;
    struct confirm_site *site = key ? find_or_make(s, key) : NULL;
    if (!site) {
        s->dropped++;
        return NULL;
    }
    site->bytes[r->kind][point] += r->bytes;
    site->blocks[r->kind][point] += r->blocks;
    return site;
}

void confirm_sites_free(struct confirm_sites *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->list[i].key);
    free(s->list);
    confirm_atlas_free(&s->atlas);
    *s = (struct confirm_sites){0};
}

struct line {
    const char *at;
    size_t len;
};

static size_t split(const char *key, struct line *lines)
{
    size_t n = 0;
    while (*key && n < LINES_MAX) {
        lines[n].at = key;
        lines[n].len = strcspn(key, "\n");
        key += lines[n].len + (key[lines[n].len] == '\n');
        n++;
    }
    return n;
}

// Of inlined functions valgrind knows the bare name: "make_unique" is "std::make_unique".
static bool same(const struct line *a, const struct line *b)
{
    const struct line *shorter = a->len < b->len ? a : b, *longer = a->len < b->len ? b : a;
    size_t more = longer->len - shorter->len;
    if (shorter->len == 0 || memcmp(longer->at + more, shorter->at, shorter->len))
        return false;
    return more == 0 || (more > 2 && !strncmp(longer->at + more - 2, "::", 2));
}

static bool near_innermost(const struct line *a, size_t na, const struct line *b, size_t nb)
{
    for (size_t i = 0; i < nb && i < NEAR; i++)
        if (same(&a[0], &b[i]))
            return true;
    for (size_t i = 0; i < na && i < NEAR; i++)
        if (same(&b[0], &a[i]))
            return true;
    return false;
}

double confirm_likeness(const char *a, const char *b)
{
    struct line x[LINES_MAX], y[LINES_MAX];
    size_t nx = split(a, x), ny = split(b, y), row[LINES_MAX + 1] = {0};
    if (nx == 0 || ny == 0 || !near_innermost(x, nx, y, ny))
        return 0;
    for (size_t i = 0; i < nx; i++) {
        size_t diagonal = 0;
        for (size_t j = 0; j < ny; j++) {
            size_t up = row[j + 1];
            row[j + 1] = same(&x[i], &y[j]) ? diagonal + 1 : up > row[j] ? up : row[j];
            diagonal = up;
        }
    }
    return 2.0 * (double)row[ny] / (double)(nx + ny);
}
