// Reading the head of a reply: see reply_head.h.
#include "load/reply_head.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct load_text load_text_trim(struct load_text t)
{
    while (t.len && is_blank(t.text[t.len - 1]))
        t.len--;
    while (t.len && is_blank(*t.text)) {
        t.text++;
        t.len--;
    }
    return t;
}

bool reply_head_next(struct load_text head, const char *name, size_t *from, struct load_text *value)
{
    size_t name_len = strlen(name);
    while (*from < head.len) {
        const char *line = head.text + *from, *end = memchr(line, '\n', head.len - *from);
        size_t len = end ? (size_t)(end - line) : head.len - *from;
        *from += len + (end != NULL);
        if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
            continue;
        *value = load_text_trim((struct load_text){line + name_len + 1, len - name_len - 1});
        return true;
    }
    return false;
}

bool reply_head_member(struct load_text *list, struct load_text *member)
{
    while (list->len) {
        size_t n = 0;
        for (bool quoted = false; n < list->len && (quoted || list->text[n] != ','); n++) {
            if (list->text[n] == '"')
                quoted = !quoted;
            else if (quoted && list->text[n] == '\\' && n + 1 < list->len)
                n++;
        }
        *member = load_text_trim((struct load_text){list->text, n});
        size_t used = n + (n < list->len);
        list->text += used;
        list->len -= used;
        if (member->len)
            return true;
    }
    return false;
}
