// Finding a value in a JSON text: see json_find.h.
//
// Recursive descent over the bytes. `at` is the part of the path that the value now read has to match: 0 for the whole,
// n once all parts have matched (then this value is one that is looked for), -1 inside of what cannot match. Every byte
// is looked at once, whatever the path, so a hostile text costs what its length says.
#include "load/json_find.h"
#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 400 };

struct reader {
    const char *p, *end;
    const struct jsonpath *path;
    struct json_value first;
    long matches;
    int depth;
};

static bool read_value(struct reader *r, int at, struct json_value *out);

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

// One character of a string at p, escaped or not: its code point in *rune, its bytes in the text. 0: malformed.
// A surrogate that is no half of a pair comes as U+FFFD.
static size_t read_rune(const char *p, const char *end, unsigned *rune)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    unsigned char c = (unsigned char)*p;
    if (c < 0x20)
        return 0;
    if (c != '\\') {
        size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
        if (n == 0 || (size_t)(end - p) < n)
            return 0;
        *rune = n == 1 ? c : c & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
            if (((unsigned char)p[i] & 0xc0) != 0x80)
                return 0;
            *rune = *rune << 6 | ((unsigned char)p[i] & 0x3f);
        }
        bool overlong = (n == 3 && *rune < 0x800) || (n == 4 && *rune < 0x10000);
        return overlong || *rune > 0x10ffff || (*rune >= 0xd800 && *rune < 0xe000) ? 0 : n;
    }
    if (end - p < 2)
        return 0;
    const char *known = p[1] ? strchr(from, p[1]) : NULL;
    if (known) {
        *rune = (unsigned char)to[known - from];
        return 2;
    }
    int high = p[1] == 'u' ? hex4(p + 2, end) : -1;
    if (high < 0)
        return 0;
    *rune = (unsigned)high;
    if (high < 0xd800 || high > 0xdfff)
        return 6;
    int low = high < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
    bool pair = low >= 0xdc00 && low <= 0xdfff;
    *rune = pair ? 0x10000 + ((unsigned)high - 0xd800) * 0x400 + ((unsigned)low - 0xdc00) : 0xfffd;
    return pair ? 12 : 6;
}

// At the quote. `length` counts characters.
static bool read_string(struct reader *r, size_t *length)
{
    *length = 0;
    r->p++;
    while (r->p < r->end && *r->p != '"') {
        unsigned rune;
        size_t n = read_rune(r->p, r->end, &rune);
        if (!n)
            return false;
        r->p += n;
        ++*length;
    }
    return take(r, '"');
}

static bool digits(struct reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > from;
}

static bool read_number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !digits(r))
        return false;
    if (take(r, '.') && !digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        return digits(r);
    }
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
        return false;
    r->p += len;
    return true;
}

// The part of the path that an inner value has to match; -1: it cannot.
static int inner_list(const struct reader *r, int at, size_t index)
{
    if (at < 0 || at >= r->path->n)
        return -1;
    const struct jsonpath_step *s = &r->path->step[at];
    return s->kind == JSONPATH_ALL || (s->kind == JSONPATH_INDEX && (size_t)s->index == index) ? at + 1 : -1;
}

static bool key_is(const char *p, const char *end, const struct jsonpath_step *s)
{
    const char *want = s->name, *stop = s->name + s->len;
    while (p < end) {
        unsigned has, wanted;
        size_t n = read_rune(p, end, &has);
        if (want >= stop)
            return false;
        // The path's own text is taken as it is: a backslash in it is no escape.
        size_t m = *want == '\\' ? 1 : read_rune(want, stop, &wanted);
        if (*want == '\\')
            wanted = '\\';
        if (!m || has != wanted)
            return false;
        p += n;
        want += m;
    }
    return want == stop;
}

static int inner_map(const struct reader *r, int at, const char *key, const char *key_end)
{
    if (at < 0 || at >= r->path->n)
        return -1;
    const struct jsonpath_step *s = &r->path->step[at];
    if (s->kind == JSONPATH_ALL)
        return at + 1;
    return s->kind == JSONPATH_NAME && key_is(key, key_end, s) ? at + 1 : -1;
}

static bool read_list(struct reader *r, int at, size_t *length)
{
    struct json_value item;
    r->p++;
    skip_blanks(r);
    if (take(r, ']'))
        return true;
    do {
        if (!read_value(r, inner_list(r, at, *length), &item))
            return false;
        ++*length;
        skip_blanks(r);
    } while (take(r, ','));
    return take(r, ']');
}

static bool read_map(struct reader *r, int at, size_t *length)
{
    const struct json_value first = r->first;
    const long before = r->matches;
    struct json_value item;
    r->p++;
    skip_blanks(r);
    if (take(r, '}'))
        return true;
    do {
        size_t key_length;
        skip_blanks(r);
        const char *key = r->p + 1;
        if (r->p >= r->end || *r->p != '"' || !read_string(r, &key_length))
            return false;
        int inner = inner_map(r, at, key, r->p - 1);
        if (inner >= 0 && r->path->step[at].kind == JSONPATH_NAME) { // the same name again: this one counts
            r->first = first;
            r->matches = before;
        }
        skip_blanks(r);
        if (!take(r, ':') || !read_value(r, inner, &item))
            return false;
        ++*length;
        skip_blanks(r);
    } while (take(r, ','));
    return take(r, '}');
}

static bool read_any(struct reader *r, int at, struct json_value *out)
{
    switch (r->p < r->end ? *r->p : 0) {
    case '{':
        out->kind = JSON_KIND_MAP;
        return read_map(r, at, &out->length);
    case '[':
        out->kind = JSON_KIND_LIST;
        return read_list(r, at, &out->length);
    case '"':
        out->kind = JSON_KIND_STRING;
        return read_string(r, &out->length);
    case 't':
        out->kind = JSON_KIND_TRUE;
        return read_word(r, "true");
    case 'f':
        out->kind = JSON_KIND_FALSE;
        return read_word(r, "false");
    case 'n':
        out->kind = JSON_KIND_NULL;
        return read_word(r, "null");
    default:
        out->kind = JSON_KIND_NUMBER;
        return read_number(r);
    }
}

static bool read_value(struct reader *r, int at, struct json_value *out)
{
    if (r->depth == JSON_DEPTH_MAX)
        return false;
    r->depth++;
    skip_blanks(r);
    *out = (struct json_value){.text = {r->p, 0}};
    if (!read_any(r, at, out))
        return false;
    out->text.len = (size_t)(r->p - out->text.text);
    if (at == r->path->n && r->matches++ == 0)
        r->first = *out;
    r->depth--;
    return true;
}

long json_find(const char *text, size_t len, const struct jsonpath *path, struct json_value *first)
{
    struct reader r = {.p = text, .end = text + len, .path = path};
    struct json_value whole;
    if (len == 0 || !read_value(&r, 0, &whole))
        return -1;
    skip_blanks(&r);
    if (r.p != r.end)
        return -1;
    if (r.matches > 0)
        *first = r.first;
    return r.matches;
}

bool json_is_valid(const char *text, size_t len)
{
    const struct jsonpath whole = {.n = 0};
    struct json_value v;
    return json_find(text, len, &whole, &v) == 1;
}

static void add_rune(struct seep_buf *out, unsigned rune)
{
    if (rune < 0x80) {
        buf_char(out, (char)rune);
        return;
    }
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
    buf_char(out, (char)(lead[more] | (rune >> (6 * more))));
    for (int i = more - 1; i >= 0; i--)
        buf_char(out, (char)(0x80 | (rune >> (6 * i) & 0x3f)));
}

void json_append(const struct json_value *v, struct seep_buf *out)
{
    if (v->kind != JSON_KIND_STRING) {
        buf_add(out, v->text.text, v->text.len);
        return;
    }
    const char *p = v->text.text + 1, *end = v->text.text + v->text.len - 1;
    if (!memchr(p, '\\', (size_t)(end - p))) {
        buf_add(out, p, (size_t)(end - p));
        return;
    }
    while (p < end) {
        unsigned rune = 0;
        size_t n = read_rune(p, end, &rune);
        SEEP_CHECK(n > 0); // json_find() read it once already
        add_rune(out, rune);
        p += n;
    }
}

double json_number(const struct json_value *v)
{
    char text[NUMBER_MAX];
    if (v->kind != JSON_KIND_NUMBER || v->text.len >= sizeof text)
        return NAN;
    memcpy(text, v->text.text, v->text.len);
    text[v->text.len] = 0;
    return strtod(text, NULL);
}

// Whole numbers are compared as they are written, since a double does not hold all of them.
static bool number_equals(const struct json_value *v, struct load_text text)
{
    const struct jsonpath whole = {.n = 0};
    struct json_value other;
    if (json_find(text.text, text.len, &whole, &other) != 1 || other.kind != JSON_KIND_NUMBER)
        return false;
    bool same = v->text.len == other.text.len && !memcmp(v->text.text, other.text.text, other.text.len);
    bool exact = !memchr(v->text.text, '.', v->text.len) && !memchr(text.text, '.', text.len) &&
                 !memchr(v->text.text, 'e', v->text.len) && !memchr(text.text, 'e', text.len) &&
                 !memchr(v->text.text, 'E', v->text.len) && !memchr(text.text, 'E', text.len);
    return same || (!exact && json_number(v) == json_number(&other));
}

bool json_equals(const struct json_value *v, struct load_text text, struct seep_buf *scratch)
{
    if (v->kind == JSON_KIND_LIST || v->kind == JSON_KIND_MAP)
        return false;
    if (v->kind == JSON_KIND_NUMBER)
        return number_equals(v, text);
    buf_clear(scratch);
    json_append(v, scratch);
    return !scratch->failed && scratch->len == text.len &&
           (text.len == 0 || !memcmp(scratch->data, text.text, text.len));
}
