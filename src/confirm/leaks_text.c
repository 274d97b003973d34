// What memcheck's leak_check prints to vgdb, line by line; anything that is no loss record is passed over.
//
//   ==4711== 159,800 (400 direct, 159,400 indirect) bytes in 799 blocks are definitely lost in loss record 1 of 1
//   ==4711==    at 0x48417B4: malloc (vg_replace_malloc.c:380)
//   ==4711==    by 0x1092B2: entry_new (why_list.c:13)
//   ==4711==    by 0x1092C8: ??? (in /usr/lib/x.so)
#include "confirm/sites.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *words;
    enum confirm_kind kind;
} kinds[] = {
    {"definitely lost in", CONFIRM_DEFINITE},
    {"indirectly lost in", CONFIRM_INDIRECT},
    {"possibly lost in", CONFIRM_POSSIBLE},
    {"still reachable in", CONFIRM_REACHABLE},
};

// "159,800" at *p; -1 when there is none. *p is moved behind it.
static double number(const char **p)
{
    double v = 0;
    if (!isdigit((unsigned char)**p))
        return -1;
    for (; isdigit((unsigned char)**p) || **p == ','; (*p)++)
        if (**p != ',')
            v = 10 * v + (**p - '0');
    return v;
}

// Of a record with indirect bytes only the direct ones are its own; the others have records of their own.
static bool head(const char *line, struct confirm_record *r)
{
    double bytes = number(&line), direct = -1;
    const char *in = strstr(line, " bytes in ");
    if (bytes < 0 || !in || in - line > 80)
        return false;
    if (*line == ' ' && line[1] == '(') {
        line += 2;
        direct = number(&line);
    }
    in += strlen(" bytes in ");
    double blocks = number(&in);
    for (size_t i = 0; blocks >= 0 && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!strstr(in, kinds[i].words))
            continue;
        confirm_record_clear(r, kinds[i].kind);
        r->bytes = direct >= 0 ? direct : bytes;
        r->blocks = blocks;
        return true;
    }
    return false;
}

// The last bracket is the place, whatever the name holds.
bool confirm_record_frame_text(struct confirm_record *r, const char *text, size_t len)
{
    const char *end = text + len, *name = memchr(text, ':', len), *place = end;
    if (len < 2 || text[0] != '0' || text[1] != 'x' || !name || end - name < 3)
        return false;
    uint64_t ip = strtoull(text, NULL, 16);
    name += 2;
    while (place > name && !(place[0] == '(' && place[-1] == ' '))
        place--;
    size_t name_len = place > name ? (size_t)(place - name - 1) : (size_t)(end - name);
    bool unknown = name_len == 3 && !strncmp(name, "???", 3);
    const char *module = place > name && end - place > 5 && !strncmp(place, "(in ", 4) ? place + 4 : NULL;
    confirm_record_frame(r, unknown ? NULL : name, name_len, module, module ? (size_t)(end - module - 1) : 0, ip);
    return true;
}

// "   by 0x1092B2: entry_new (why_list.c:13)"
static bool frame(const char *line, size_t len, struct confirm_record *r)
{
    const char *end = line + len;
    while (line < end && *line == ' ')
        line++;
    if (end - line < 5 || (strncmp(line, "at 0x", 5) && strncmp(line, "by 0x", 5)))
        return false;
    return confirm_record_frame_text(r, line + 3, (size_t)(end - line) - 3);
}

size_t confirm_read_text(const char *text, size_t len, int point, struct confirm_sites *s)
{
    static struct confirm_record r; // large
    char line[4096];
    size_t taken = 0;
    bool open = false;
    for (const char *p = text, *end = text + len; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = stop ? (size_t)(stop - p) : (size_t)(end - p), skip = 0;
        if (n > 2 && p[0] == '=' && p[1] == '=') { // "==4711== "
            const char *mark = memmem(p + 2, n - 2, "== ", 3);
            skip = mark ? (size_t)(mark + 3 - p) : n;
        }
        size_t rest = n - skip < sizeof line - 1 ? n - skip : sizeof line - 1;
        memcpy(line, p + skip, rest);
        line[rest] = '\0';
        if (!open || !frame(line, rest, &r)) {
            if (open)
                confirm_sites_take(s, &r, point), taken++;
            open = head(line, &r);
        }
        p = stop ? stop + 1 : end;
    }
    if (open)
        confirm_sites_take(s, &r, point), taken++;
    buf_free(&r.text);
    r.text = (struct seep_buf){0};
    return taken;
}
