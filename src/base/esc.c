// Escaping at the sinks: see esc.h.
#include "base/esc.h"

#include <string.h>

int esc_utf8(const char *s, size_t len, unsigned *rune)
{
    const unsigned char *p = (const unsigned char *)s;
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (n == 0 || (size_t)n > len)
        return 0;
    unsigned r = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        r = r << 6 | (p[i] & 0x3f);
    }
    if (r < least[n] || r > 0x10ffff || (r >= 0xd800 && r <= 0xdfff))
        return 0;
    if (rune)
        *rune = r;
    return n;
}

static bool is_bidi(unsigned r)
{
    return r == 0x061c || r == 0x200e || r == 0x200f || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069);
}

static bool is_control(unsigned r)
{
    return r < 0x20 || (r >= 0x7f && r < 0xa0) || r == 0x2028 || r == 0x2029 || r == 0xfeff;
}

void esc_term(struct seep_buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned r = 0;
        int n = esc_utf8(s + i, len - i, &r);
        if (n > 0 && !is_control(r) && !is_bidi(r)) {
            buf_add(out, s + i, (size_t)n);
            i += (size_t)n;
            continue;
        }
        for (int k = n ? n : 1; k > 0; k--)
            buf_printf(out, "\\x%02x", (unsigned char)s[i++]);
    }
}

// Legal in JSON but refused by XML, and by YAML readers, which read our JSON back. Escaped in JSON they pass both.
// (Code points above the BMP stay as they are: YAML readers refuse the surrogate pairs that JSON would write for them.)
static bool is_noncharacter(unsigned r)
{
    return r == 0xfffe || r == 0xffff;
}

void esc_json(struct seep_buf *out, const char *s, size_t len, bool in_html)
{
    for (size_t i = 0; i < len;) {
        unsigned r = 0;
        int n = esc_utf8(s + i, len - i, &r);
        if (n == 0) {
            buf_str(out, "\\ufffd");
            i++;
            continue;
        }
        if (r == '"' || r == '\\')
            buf_printf(out, "\\%c", (char)r);
        else if (r == '\n')
            buf_str(out, "\\n");
        else if (is_control(r) || is_bidi(r) || is_noncharacter(r) || (in_html && (r == '<' || r == '>' || r == '&')))
            buf_printf(out, "\\u%04x", r);
        else
            buf_add(out, s + i, (size_t)n);
        i += (size_t)n;
    }
}

static const char *html_entity(unsigned r)
{
    switch (r) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void esc_html(struct seep_buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned r = 0;
        int n = esc_utf8(s + i, len - i, &r);
        const char *entity = n ? html_entity(r) : NULL;
        bool refused = is_control(r) || is_bidi(r) || is_noncharacter(r);
        if (n == 0 || (refused && r != '\n' && r != '\t'))
            buf_str(out, "\xef\xbf\xbd");
        else if (entity)
            buf_str(out, entity);
        else
            buf_add(out, s + i, (size_t)n);
        i += n ? (size_t)n : 1;
    }
}

void esc_csv(struct seep_buf *out, const char *s, size_t len)
{
    bool formula = len > 0 && memchr("=+-@\t\r\n", s[0], 7);
    bool quote = formula;
    for (size_t i = 0; i < len && !quote; i++)
        quote = memchr(",\"\r\n", s[i], 4) != NULL;
    if (!quote) {
        buf_add(out, s, len);
        return;
    }
    buf_char(out, '"');
    if (formula)
        buf_char(out, '\'');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"')
            buf_char(out, '"');
        buf_char(out, s[i]);
    }
    buf_char(out, '"');
}

void esc_markdown(struct seep_buf *out, const char *s, size_t len)
{
    struct seep_buf plain;
    buf_init(&plain, out->ceiling);
    esc_term(&plain, s, len);
    for (size_t i = 0; i < plain.len; i++) {
        char c = plain.data[i];
        if (c == '<' || c == '&') {
            buf_str(out, c == '<' ? "&lt;" : "&amp;");
            continue;
        }
        if (strchr("\\`*_[]#|~>", c) != NULL)
            buf_char(out, '\\');
        buf_char(out, c);
        if (c == '@')
            buf_str(out, "\xe2\x80\x8b"); // a zero-width space: no name in a stack may call on people
    }
    out->failed |= plain.failed;
    buf_free(&plain);
}
